"""Measurements: every number by hand on made-up scenes and verdicts, and that they belong to the pictures shown."""

from __future__ import annotations

import pytest
import torch

from models import latent_claims, latent_measures
from models.latent_measures import (
    ATTRIBUTES,
    GROUPS,
    KINDS,
    N_CAPTION,
    N_TWIN,
    OWNERS,
    Setting,
    combination_facts,
    combinations,
    confusion,
    guidances,
    marks,
    ownership,
    reconstruct,
    reconstruction_facts,
    scenes,
    steps,
    sweep_facts,
    sweep_texts,
    variety,
    within,
)
from models.latent_sampling import simply
from models.scene_captions import read
from models.scene_pipeline import load
from models.scenes import SHAPES, Scene, Shape, draw
from tests.unit.untrained_scenes import pipeline


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A narrow network without training, and few pictures."""
    for module in (latent_measures, latent_claims):
        monkeypatch.setattr(module, "load", pipeline)
        monkeypatch.setattr(module, "QUICK", 2)
        monkeypatch.setattr(module, "N_EACH", 3)
    monkeypatch.setattr(latent_measures, "SHOWN", 2)
    monkeypatch.setattr(latent_measures, "STEPS", (1, 2, 4))


def test_marks_by_hand() -> None:
    found = marks([{"shape 1": True, "shape 2": False, "background": True}, {"shape": True, "background": True}])
    assert found == {"shape": 2 / 3, "background": 1.0, "right": 4 / 5, "whole": 0.5}
    assert marks([]) == {"right": 0.0, "whole": 0.0}


def pair(a: str, b: str, background: str = "white") -> Scene:
    (shape, colour), (other_shape, other_colour) = a.split(), b.split()
    return Scene(background, (Shape(shape, colour, "small"), Shape(other_shape, other_colour, "small")))


def test_whose_colour_by_hand() -> None:
    wanted = [
        pair("circle red", "square blue", "green"),
        pair("star red", "star red"),
        pair("ring black", "heart blue"),
    ]
    seen = [
        pair("circle blue", "square blue"),  # the other's; its own
        pair("circle white", "ring white"),  # both alike: nothing to tell apart
        Scene("white", (Shape("ring", "black", "small"),)),  # not two objects
    ]
    found = ownership(wanted, seen)
    assert found[KINDS.index("colour")].tolist() == [0.5, 0.5, 0.0, 0.0]
    assert found[KINDS.index("shape")].tolist() == [1.0, 0.0, 0.0, 0.0]
    seen[0] = pair("square green", "heart yellow")
    found = ownership(wanted, seen)
    assert found[KINDS.index("colour")].tolist() == [0.0, 0.0, 0.5, 0.5]
    assert found[KINDS.index("shape")].tolist() == [0.0, 0.5, 0.0, 0.5]
    assert (ownership([], []) == 0).all() and len(OWNERS) == 4


def test_confusion_by_hand() -> None:
    wanted = [pair("circle red", "square blue"), pair("circle red", "ring blue"), pair("star red", "ring blue")]
    seen = [pair("circle red", "star blue"), pair("heart red", "ring red"), Scene("white")]
    found = confusion(wanted, seen)
    at = {name: i for i, name in enumerate(SHAPES)}
    assert found[at["circle"], at["circle"]] == found[at["circle"], at["heart"]] == 0.5
    assert found[at["square"], at["star"]] == found[at["ring"], at["ring"]] == 1 and float(found[at["star"]].sum()) == 0


def test_variety_by_hand() -> None:
    black, white = -torch.ones(3, 2, 2), torch.ones(3, 2, 2)
    assert variety(torch.stack([black] * N_TWIN)) == 0
    half = torch.stack([black, white] * (N_TWIN // 2))
    assert variety(half) == pytest.approx(8 / 12), "8 of 12 ordered pairs of different pictures differ"
    assert variety(torch.cat((half, half[::2], half[::2]))) == pytest.approx(4 / 12)


def test_a_part_of_a_longer_work() -> None:
    heard: list[float] = []
    tick = within(heard.append, 2, 3, 4)
    tick(0.0), tick(0.5), tick(1.0)
    assert heard == [0.5, 0.625, 0.75]


def test_scenes_are_what_their_group_says() -> None:
    for name in GROUPS:
        drawn = scenes(13, "held" in name, float("single" in name), 5)
        assert all(len(scene.objects) == (1 if "single" in name else 2) for scene in drawn)
        assert all(thing.held_out == ("held" in name) for scene in drawn for thing in scene.objects)
        assert drawn == scenes(13, "held" in name, float("single" in name), 5)
    assert len(sweep_texts()) == N_CAPTION and all(read(text).problem == "" for text in sweep_texts())


def test_the_table_is_the_classifiers(small: None) -> None:
    heard: list[float] = []
    found = combinations(3.0, heard.append)
    assert (
        found.accuracy.shape == (len(GROUPS), len(ATTRIBUTES))
        and found.owner.shape == (2, 4, 2)
        and found.confusion.shape == (2, 6, 6)
    )
    assert heard == sorted(heard) and heard[-1] == 1.0
    parts, drawn = pipeline(), scenes(3, True, 0.0, 5)
    latents = simply(parts, [latent_measures.caption(scene) for scene in drawn], Setting(2, 3.0), 11 + 3)
    pictures = parts.vae.decode(latents)
    seen = parts.see(pictures)
    right = [a.background == b.background for a, b in zip(seen, drawn, strict=True)]
    assert float(found.accuracy[3, ATTRIBUTES.index("background")]) == pytest.approx(sum(right) / 3)
    shown = ((pictures[1].permute(1, 2, 0) + 1) * 127.5).round()
    assert float((found.image[3, 1].float() - shown).abs().max()) <= 1
    said = combination_facts(found)
    assert said["whole_held_pair"] == float(found.accuracy[3, -1]) and said["owner_own"] == float(
        found.owner[0, 0].mean()
    )


def test_a_sweep_keeps_the_noise(small: None) -> None:
    found = guidances(2, (0.0, 1.0, 7.0))
    assert found.value == (0.0, 1.0, 7.0) and found.n_picture == N_CAPTION * N_TWIN
    parts = pipeline()
    texts = [text for text in sweep_texts() for _ in range(N_TWIN)]
    latents = simply(parts, texts, Setting(2, 7.0), 21)
    assert found.measure["spread"][2] == pytest.approx(float(latents.std()), rel=1e-4)
    assert found.measure["variety"][2] == pytest.approx(variety(parts.vae.decode(latents)), rel=1e-3)
    verdicts = parts.judge(parts.vae.decode(latents), [read(text) for text in texts])
    assert found.measure["whole"][2] == pytest.approx(sum(all(one.values()) for one in verdicts) / len(texts), abs=0.04)
    assert found.image.shape == (3, N_CAPTION, 32, 32, 3)
    said = sweep_facts(found)
    assert (said["first"], said["last"], said["right_last"]) == (0.0, 7.0, found.measure["right"][2])
    assert said["right_best"] == max(found.measure["right"]) and said["variety_one"] == found.measure["variety"][1]


def test_steps_come_nearer_to_the_last(small: None) -> None:
    heard: list[float] = []
    found = steps(2.0, heard.append)
    assert found.measure["distance"][-1] == 0 and found.measure["distance"][0] > 0
    assert heard == sorted(heard) and heard[-1] == 1.0


def test_reconstruction_by_hand() -> None:
    found, vae = reconstruct(3), load().vae
    drawn = draw(scenes(256, None, 0.6, 1_003))
    again = vae.decode(vae.encode(drawn))
    assert len(found.original) == 8
    error = ((again[5] - drawn[5]) * 127.5).square().mean().sqrt()
    assert float(found.error[5]) == pytest.approx(float(error), rel=1e-4)
    mean_square = float(((again - drawn) / 2).square().mean())
    assert found.signal == pytest.approx(-10 * torch.log10(torch.tensor(mean_square)).item(), rel=1e-4)
    torch.testing.assert_close(found.latent[5], vae.encode(drawn)[5], rtol=1e-4, atol=1e-4)
    said = reconstruction_facts(found)
    assert (said["n_value"], said["n_latent"], said["times"]) == (3072, 256, 12.0)


def test_the_encoder_is_not_called(small: None) -> None:
    found = latent_claims.without_encoder()
    assert found["encoded"] == 0 and found["decoded"] == 1
    assert pipeline().vae.encode is not None and "encode" not in vars(pipeline().vae), "the shared one is not touched"


def test_claims_name_their_numbers(small: None) -> None:
    assert {"own", "none", "next"} < set(latent_claims.words_by_attention())
    assert {"red_with", "blue_without", "ground_with"} < set(latent_claims.negative())
    assert {"right_1", "variety_10", "spread_3"} < set(latent_claims.more_is_better())


# --- on the shipped weights ------------------------------------------------------------------------------------------


def test_guidance_trades_variety_for_obedience() -> None:
    found = latent_claims.more_is_better()
    assert found["variety_10"] < 0.97 * found["variety_1"]
    assert found["spread_10"] > 1.15 > 1.1 > found["spread_1"]
    assert found["right_3"] > found["right_1"] and found["right_3"] > 0.9


def test_a_negative_caption_pushes_and_does_not_remove(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latent_claims, "N_EACH", 16)
    found = latent_claims.negative()
    assert found["red_with"] < found["red_without"] and found["blue_with"] > found["blue_without"] + 0.2
    assert found["ground_with"] > found["ground_without"]


def test_words_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latent_claims, "N_EACH", 12)
    found = latent_claims.words_by_attention()
    assert found["own"] > 0.85 and found["none"] < 0.5 and found["next"] < 0.6


def test_the_autoencoder_is_faithful() -> None:
    found = reconstruct(0)
    assert found.signal > 25 and 0.9 < found.spread < 1.1 and abs(found.mean) < 0.1
