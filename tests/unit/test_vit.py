"""The page's trace: every field by another way, any text, uploads, the captions' numbers, the shipped weights."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from models import dinov2, small_vision, vit, vit_measures, vit_reading, vit_studies
from models.image_input import Picture
from models.scene_notation import SceneUnreadable
from models.scenes import RGB, Scene, Shape, draw
from models.vit import ORDER_SEED, Config, Trace, facts, from_token, sampled, trace
from tests.tree import PAGES

SCENE = "white; large red circle 30 40; small blue star 72 66"
FRESH: dict[str, Any] = {"trained": False, "scene": SCENE}
DRAWN = Scene("white", (Shape("circle", "red", "large", 0.3, 0.4), Shape("star", "blue", "small", 0.72, 0.66)))


@pytest.fixture(scope="module")
def seen() -> Trace:
    return trace(Config(**FRESH))


def own() -> Picture:
    ramp = np.linspace(0, 255, 50 * 40 * 3).reshape(40, 50, 3).astype(np.uint8)
    return Picture("ramp", ramp)


def test_every_field_is_the_models(seen: Trace) -> None:
    model, picture = small_vision.fresh("vit"), draw([DRAWN])
    whole = model.body(picture, keep=True)
    for i in range(3):
        torch.testing.assert_close(seen.attention[i].float(), whole.attention[i][0], rtol=2e-3, atol=1e-4)
    assert seen.attention.shape == (3, 4, 65, 65) and (seen.side, seen.patch, seen.d_model) == (8, 4, 64)
    exact = torch.stack([weights[0] for weights in whole.attention])
    torch.testing.assert_close(seen.rollout.float(), vit_reading.rollout(exact), rtol=2e-3, atol=1e-4)
    torch.testing.assert_close(seen.distance, vit_reading.distance(exact, 8, 4))
    for name, logit in model(picture).items():
        torch.testing.assert_close(seen.answer[name], logit[0].softmax(-1))
        torch.testing.assert_close(seen.usual[name], seen.answer[name])
        assert float(seen.answer[name].sum()) == pytest.approx(1, abs=1e-5)
    assert seen.picture.shape == (32, 32, 3) and not seen.own and seen.scene == SCENE
    back = seen.picture.permute(2, 0, 1).float() / 127.5 - 1
    assert float((back - picture[0]).abs().max()) < 0.005
    torch.testing.assert_close(seen.attention.float().sum(-1), torch.ones(3, 4, 65), rtol=0, atol=2e-3)
    torch.testing.assert_close(seen.rollout.float().sum(-1), torch.ones(3, 65), rtol=0, atol=2e-3)


def test_things_are_where_they_were_drawn(seen: Trace) -> None:
    """A loop over pixels: one that is not the ground's colour belongs to a thing."""
    ground = 2 * torch.tensor(RGB["white"]) - 1
    picture = draw([DRAWN])[0]
    for row, column in ((3, 2), (0, 0), (5, 5), (1, 1)):
        cut = picture[:, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
        count = sum(float((cut[:, y, x] - ground).abs().max()) > 0.2 for y in range(4) for x in range(4))
        assert float(seen.thing[8 * row + column]) == pytest.approx(count / 16)
    assert float(seen.thing[8 * 3 + 2]) == 1 and float(seen.thing[0]) == 0


def test_shuffled_and_without_positions() -> None:
    mixed = trace(Config(**FRESH, shuffle=True))
    plain = trace(Config(**FRESH))
    order = torch.randperm(64, generator=torch.Generator().manual_seed(ORDER_SEED))
    torch.testing.assert_close(mixed.thing, plain.thing[order])
    for name, value in plain.answer.items():
        torch.testing.assert_close(mixed.usual[name], value)
    assert max(float((mixed.answer[n] - plain.answer[n]).abs().max()) for n in plain.answer) > 1e-4
    blind, both = trace(Config(**FRESH, positions=False)), trace(Config(**FRESH, positions=False, shuffle=True))
    for name in blind.answer:
        torch.testing.assert_close(blind.answer[name], both.answer[name], rtol=1e-3, atol=1e-5)
    row = 1 + order
    torch.testing.assert_close(
        both.attention[:, :, 0, 1:].float(), blind.attention[:, :, 0, row].float(), rtol=5e-3, atol=1e-4
    )


def test_an_uploaded_picture() -> None:
    found = trace(Config(**FRESH), own())
    assert found.own and found.scene == "" and float(found.thing.abs().max()) == 0
    assert np.array_equal(found.picture.numpy(), own().pixels(32))
    assert facts(found)["on"] == 0 and facts(found, source=64)["row"] == 8
    other = trace(Config(trained=False, scene="no scene at all"), own())
    torch.testing.assert_close(other.attention, found.attention), "the scene's text does not matter"


@pytest.mark.parametrize(
    "text", ["", "x" * 400, "🙂", "مرحبا", "\0\x01", "<b>x</b>", "white; " * 50, "white; red circle"]
)
def test_any_text_is_a_picture_or_a_sentence(text: str) -> None:
    try:
        assert trace(Config(trained=False, scene=text)).side == 8
    except SceneUnreadable as error:
        for language in ("en", "zh"):
            assert error.sentence(language, plain=str)


def test_a_caption_is_a_scene_too() -> None:
    found = trace(Config(trained=False, scene="a small blue star on the left, white background"))
    assert found.scene == "white; small blue star 30 50"
    assert trace(Config(trained=False, scene="左边一个小的蓝色星形，白色背景")).scene == found.scene


def test_what_is_only_shown_needs_no_new_pass() -> None:
    cfg = Config()
    shown: dict[str, Any] = {
        "layer": 2, "source": 9, "patch": 30, "side": 5, "depth": 4, "shift": 1, "ratio": 50, "swin_stage": 3,
        "swin_block": 5, "resolution": 448, "question": "shape", "order": "data", "grid": "14",
    }  # fmt: skip
    assert sampled(replace(cfg, **shown)) == sampled(cfg)
    read: dict[str, Any] = {"scene": "x", "model": "dinov2", "trained": False, "shuffle": True, "positions": False}
    for name, value in (read | {"kept": 0.1}).items():
        assert sampled(replace(cfg, **{name: value})) != sampled(cfg), name
    big = replace(cfg, model="dinov2")
    assert sampled(replace(big, grid="14")) != sampled(big) and sampled(replace(big, trained=False)) == sampled(big)


def test_the_captions_numbers(seen: Trace) -> None:
    said = facts(seen, layer=2, source=1 + 8 * 3 + 2)
    look = seen.attention[1, :, 27].float()
    assert (said["layer"], said["row"], said["column"], said["n_token"], said["n_number"]) == (2, 4, 3, 65, 48)
    mean = look.mean(0)
    assert said["cls"] == pytest.approx(float(mean[0])) and said["itself"] == pytest.approx(float(mean[27]))
    top = (int(said["top_row"]) - 1) * 8 + int(said["top_column"]) - 1
    assert float(mean[1 + top]) == pytest.approx(float(said["top"])) == pytest.approx(float(mean[1:].max()))
    weight = sum(float(mean[1 + i]) * float(seen.thing[i]) for i in range(64)) / float(mean[1:].sum())
    assert said["on"] == pytest.approx(weight, rel=1e-4)
    heads = [float((h[1:] * seen.thing).sum() / h[1:].sum()) for h in look]
    assert said["best_head"] == 1 + int(np.argmax(heads)) and said["best_on"] == pytest.approx(max(heads), rel=1e-4)
    assert said["near"] == pytest.approx(float(seen.distance[1].min()))
    assert said["far_head"] == 1 + int(seen.distance[1].argmax()) and said["even"] == pytest.approx(1 / 65)
    assert said["area"] == pytest.approx(float(seen.thing.mean())) and said["changed"] == 0
    assert facts(seen, layer=12)["layer"] == 3, "the last, if there are fewer"
    assert from_token(seen, 64) == 64 and from_token(seen, 65) == 0
    best = int(seen.answer["colour"].argmax())
    assert said["colour"] == small_vision.QUESTIONS["colour"][best]
    assert said["colour_p"] == pytest.approx(float(seen.answer["colour"][best]))


def test_the_other_model(monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = dinov2.Dinov2(dinov2.Shape(patch=14, d_model=12, n_layer=5, n_head=3, d_ff=7, side=4))
    for weight in tiny.parameters():
        torch.nn.init.normal_(weight, std=0.3, generator=torch.Generator().manual_seed(weight.numel()))
    monkeypatch.setattr(dinov2, "load", lambda: tiny.requires_grad_(False))
    for grid in ("8", "14"):
        found = trace(Config(model="dinov2", grid=grid, scene=SCENE))
        side = int(grid)
        assert found.side == side and found.attention.shape == (5, 3, side**2 + 1, side**2 + 1)
        assert found.picture.shape == (14 * side, 14 * side, 3) and found.answer == {}
        whole = tiny(draw([DRAWN], 14 * side), keep=True)
        torch.testing.assert_close(found.attention[4].float(), whole.attention[4][0], rtol=5e-3, atol=1e-3)
        assert facts(found)["shape"] == "" and facts(found, layer=12)["layer"] == 5


def test_measured_conditions() -> None:
    model = small_vision.fresh("vit")
    scenes = [DRAWN, Scene("black", (Shape("ring", "green", "small"),))]
    scenes[0] = Scene("white", scenes[0].objects[:1])
    right, picture = small_vision.answers(scenes), draw(scenes)
    want = small_vision.accuracy(model, picture, right)
    assert vit_measures.accuracy(model, picture, right) == pytest.approx(want)
    assert set(vit_measures.CONDITIONS) == {"usual", "shuffled", "blind", "both"}


# --- the shipped weights ---------------------------------------------------------------------------------------------


def test_cls_looks_at_the_thing() -> None:
    """On ten scenes with one thing: [CLS] of the last layer puts more on it than its area, the best head far more."""
    from models.scene_notation import write
    from models.scenes import scatter

    found = [
        facts(trace(Config(scene=write(one)))) for one in scatter(torch.Generator().manual_seed(77), 10, counts=(1,))
    ]
    area, on, best = (np.mean([one[name] for one in found]) for name in ("area", "on", "best_on"))
    assert on > 1.3 * area and best > 2 * area, (area, on, best)


def test_the_default_picture_is_named_right() -> None:
    said = facts(trace(Config()))
    assert (said["size"], said["colour"], said["shape"]) == ("large", "red", "heart")


def test_disorder_and_other_sizes_cost_accuracy() -> None:
    found = vit_measures.measure()
    usual = found.condition["usual"]
    assert usual["all"] > 0.95, usual
    assert 0.8 < found.condition["shuffled"]["all"] < usual["all"], "pieces of outlines nearly suffice"
    assert found.condition["shuffled"]["colour"] > 0.95, "colour needs no order"
    assert found.condition["blind"]["all"] < 0.6, "positions are part of what the blocks have learned to read"
    for name, value in found.condition["blind"].items():
        assert found.condition["both"][name] == pytest.approx(value, abs=0.02), "without positions order is nothing"
    at = found.side.index(8)
    assert found.resized["all"][at] == pytest.approx(usual["all"])
    assert found.resized["all"][at] >= max(found.resized["all"]) - 0.02


def test_fixed_sentences_hold() -> None:
    """What the page says about the data curves and shifts without a number, on the results as shipped."""
    from models import vision_studies

    found = vision_studies.hunger()
    cnn, net = (found.seen[m].numpy() for m in range(2))
    assert (cnn >= net - 0.02).all(), "the ViT is nowhere ahead by more than chance"
    for name in ("shape", "all"):
        assert vit_studies.sentence("hunger", found, Config(question=name)) == "note_hunger"
    for name, ahead in zip(vision_studies.QUESTION_NAMES, net - cnn, strict=True):
        assert vision_studies.hunger_facts(found, name)["lead"] == pytest.approx(100 * max(0, ahead.max()))
    shifted = vision_studies.shift(draw([DRAWN]))
    assert float(shifted.summary[0].max()) < 0.5 * float(shifted.summary[1].max())


def test_claims_rest_on_numbers() -> None:
    claims = vit.CLAIMS
    gain = claims["mae-gain"]()
    assert (gain["base_gain"], gain["huge_gain"]) == (pytest.approx(1.3), pytest.approx(3.8))
    grids = claims["swin-grids"]()
    assert [grids[f"side_{k}"] for k in (1, 2, 3, 4)] == [56, 28, 14, 7]
    shift = claims["cnn-invariant"]()
    assert shift["convolution"] < 0.01 < 0.05 < shift["stride"] and 0 <= shift["vit_3"] <= 1
    field = claims["global-field"]()
    assert field["vit_first"] == 1 and field["cnn_first"] < field["cnn_last"] < 1
    small = claims["small-data"]()
    assert small["cnn_low"] >= small["vit_low"] and small["points"] > 5 and small["lead"] == 0 < small["equal"]
    hidden = claims["mae-visible"]()
    assert (hidden["visible"], hidden["token"], hidden["n"]) == (49, 50, 196) and hidden["error"] < hidden[
        "plain"
    ] / 1.8


def test_the_page_names_its_states() -> None:
    spec = PAGES["vit"].spec
    for one in [*spec["presets"], *spec["questions"]]:
        cfg = Config(**one["state"])
        if cfg.model == "small":
            assert trace(replace(cfg, trained=False)).side == 8
