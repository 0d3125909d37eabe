"""Codes of one picture, pictures written, video, published shapes and the claims, each by another way."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import transformers

from models import early_fusion, fusion_claims, fusion_codes, scenes, vq_scenes
from models.fusion import Config
from models.fusion_codes import by_colour, codes, difference, film_of, per_place, reaches
from models.fusion_systems import SYSTEMS, by_name, fits
from models.fusion_video import FPS, lengths, moving, video, video_facts
from models.scene_notation import SceneUnreadable
from tests.tree import PAGES

SCENE = Config().scene


def test_codes_and_their_picture() -> None:
    found, vq = codes(SCENE), vq_scenes.load().model
    x = fusion_codes.picture_of(SCENE, None)
    assert torch.equal(found.code, vq.encode(x)[0])
    again = fusion_codes.to_bytes(vq.decode(found.code[None]))[0]
    assert torch.equal(found.again, again) and (found.place, found.n_reached) == (-1, 0)
    wrong = (again.float() - found.image.float()).square()
    assert found.rmse == pytest.approx(float(wrong.mean().sqrt()), rel=1e-4)
    corner = wrong[4:8, 8:12].mean().sqrt()
    assert float(found.error[8 + 2]) == pytest.approx(float(corner), rel=1e-4), "row 2, column 3"
    assert (found.bits, found.raw_bits) == (512, 24_576)
    assert found.n_used == len(set(found.code.flatten().tolist()))


def test_one_code_replaced() -> None:
    plain, found = codes(SCENE), codes(SCENE, 27, 9)
    changed = (found.code != plain.code).nonzero().tolist()
    assert changed == [[3, 3]] and int(found.code[3, 3]) == 9
    moved = (found.again.int() - plain.again.int()).abs().amax(-1)
    assert found.n_reached == int((moved > 2).sum()) > 16 - 1
    assert torch.equal(found.error, plain.error), "the error is that of the picture's own codes"
    row = reaches(plain.code[None], 9)[27]
    torch.testing.assert_close(row, per_place(moved.float(), "most"))
    torch.testing.assert_close(found.reach[27], reaches(found.code[None] * 0 + plain.code, 9)[27])


def test_replacing_a_code_by_itself_changes_nothing() -> None:
    plain = codes(SCENE)
    own = int(plain.code[3, 3])
    assert codes(SCENE, 27, own).n_reached == 0
    assert float(reaches(plain.code[None], own)[27].max()) == 0


def test_every_code_decides_its_own_place_most() -> None:
    found = codes(SCENE)
    own = found.reach.diagonal()
    assert float((own >= found.reach.amax(1) * 0.5).float().mean()) > 0.9
    assert float((own > 40).float().mean()) > 0.9


def test_per_place_by_hand() -> None:
    values = torch.zeros(32, 32)
    values[5, 9] = 16.0
    assert float(per_place(values)[1 * 8 + 2]) == 1 and float(per_place(values, "most")[10]) == 16
    assert float(per_place(values).sum()) == 1
    a, b = torch.zeros(1, 3, 1, 1), torch.tensor([0.0, 0.5, -1.0])[None, :, None, None]
    assert float(difference(a, b)) == pytest.approx(128, abs=1)


def test_the_order_of_the_book_is_a_permutation() -> None:
    inks = vq_scenes.inks()
    order = by_colour(inks)
    assert sorted(order.tolist()) == list(range(len(inks)))
    found = codes(SCENE)
    assert torch.equal(found.book, inks[order])
    entries = vq_scenes.load().model.book[order]
    torch.testing.assert_close(found.distance[3, 11], (entries[3] - entries[11]).norm(), rtol=1e-3, atol=1e-3)
    assert float(found.distance.diagonal().max()) < 0.02


def test_a_film_uncovers_in_reading_order() -> None:
    code = vq_scenes.load().model.encode(fusion_codes.picture_of(SCENE, None)).flatten(1)
    film = film_of(code, (0, 9, 64), given=0)
    assert int((film[0] != 128).sum()) == 0
    assert torch.equal(film[1, 0, :4], film[2, 0, :4]) and torch.equal(film[1, 0, 4:8, :4], film[2, 0, 4:8, :4])
    assert int((film[1, 0, 4:8, 4:] != 128).sum()) == 0
    assert torch.equal(film_of(code, (0,), given=64)[0], film[2])


def test_written_pictures() -> None:
    found = fusion_codes.written("a large red circle, blue background", 2.0, SCENE, 3)
    n = fusion_codes.N_WRITTEN
    assert found.image.shape == found.rest.shape == (33, n, 32, 32, 3) and found.step[-1] == 64
    assert torch.equal(found.rest[0, :, :16], found.rest[-1, :, :16]), "the upper half was given"
    assert ((found.chance > 0) & (found.chance <= 1)).all()
    assert len(found.verdict) == n and set(found.said) == {"en", "zh"}
    facts = fusion_codes.written_facts(found)
    assert 0 <= facts["n_right"] <= n
    words = PAGES["fusion"].spec["words"]["note_written"]
    assert all(words[language].format(**facts) for language in ("en", "zh"))
    odd = fusion_codes.written("elephants", 1.0, SCENE, 3)
    assert odd.verdict == () and odd.unknown == ("elephants",) and odd.n_caption == 0


# --- video -----------------------------------------------------------------------------------------------------------


def test_lengths_by_hand() -> None:
    assert lengths(7, 3, 11, 4, 5, 13) == (21, 231, 66, 5, 315)
    assert lengths(1, 1, 11, 8, 5, 13) == (1, 11, 11, 5, 15)


def test_the_first_object_crosses_and_the_others_stand() -> None:
    film = moving(SCENE, 5)
    assert [round(scene.objects[-1].x, 3) for scene in film] == pytest.approx([0.22, 0.36, 0.5, 0.64, 0.78])
    assert len({scene.objects[0] for scene in film}) == 1 and len(moving("white", 3)) == 3
    with pytest.raises(SceneUnreadable):
        moving("whale", 3)


def test_video_measures_what_is_drawn() -> None:
    found, vq = video(SCENE, 3, 2, 11, 5), vq_scenes.load().model
    i = FPS.index(2)
    code = vq.encode(scenes.draw(moving(SCENE, 6))).flatten(1)
    same = [(code[k + 1] == code[k]).float().mean() for k in range(5)]
    assert float(found.same[i]) == pytest.approx(float(sum(same) / 5), abs=1e-6)
    assert float(found.same[-1]) > float(found.same[0]), "closer frames repeat more"
    assert found.frames[i] == 6 and found.late[i] == 66 and found.pooled[i] == 33 and found.cross[i] == 5
    assert float(video(SCENE, 3, 1, 11, 5).blur.max()) < 1e-6, "nothing is averaged"
    facts = video_facts(found, 2)
    words = PAGES["fusion"].spec["words"]
    notes = [words[name][language] for name in ("note_video", "note_video_pooled") for language in ("en", "zh")]
    assert all(note.format(**facts) for note in notes)


# --- real systems ----------------------------------------------------------------------------------------------------


def test_published_shapes_are_transformers_own() -> None:
    from transformers import (
        Blip2Config,
        ChameleonConfig,
        FuyuConfig,
        IdeficsConfig,
        Llama4VisionConfig,
        LlavaConfig,
        MllamaConfig,
    )  # fmt: skip

    llava, blip, chameleon = LlavaConfig(), Blip2Config(), ChameleonConfig()
    assert (
        by_name("LLaVA-1.5").n_token
        == llava.image_seq_length
        == (llava.vision_config.image_size // llava.vision_config.patch_size) ** 2
    )
    assert by_name("BLIP-2").n_token == blip.num_query_tokens
    vq = chameleon.vq_config
    stride = 2 ** (len(vq.channel_multiplier) - 1)
    assert (by_name("Chameleon").n_pixel, by_name("Chameleon").patch) == (vq.resolution, stride)
    assert by_name("Chameleon").n_token == (vq.resolution // stride) ** 2 == 1024 and vq.num_embeddings == 8192
    four = Llama4VisionConfig()
    assert (by_name("Llama 4").patch, by_name("Llama 4").merge) == (four.patch_size, four.pixel_shuffle_ratio**2)
    processor = (
        Path(transformers.__file__).parent / "models" / "llama4" / "image_processing_llama4.py"
    )  # needs torchvision
    assert f'"height": {by_name("Llama 4").n_pixel}' in processor.read_text(encoding="utf-8")
    fuyu = FuyuConfig()
    assert (by_name("Fuyu-8B").n_pixel, by_name("Fuyu-8B").patch) == (fuyu.image_size, fuyu.patch_size)
    assert by_name("Flamingo-80B").n_token == IdeficsConfig().perceiver_config.resampler_n_latents == 64
    assert len(MllamaConfig().text_config.cross_attention_layers) == 8


def test_tokens_by_hand() -> None:
    found = {one.name: one.n_token for one in SYSTEMS}
    assert found == {
        "Flamingo-80B": 64, "BLIP-2": 32, "LLaVA": 256, "LLaVA-1.5": 576, "Fuyu-8B": 100, "Chameleon": 1024,
        "Llama 3.2 Vision 11B": 1600, "Llama 4": 144,
    }  # fmt: skip
    assert (
        fits(by_name("LLaVA-1.5"), 0) == 7
        and fits(by_name("Flamingo-80B"), 96) == 4000
        and fits(by_name("LLaVA"), 5000) == 0
    )


# --- claims ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("claim", PAGES["fusion"].spec["claims"], ids=lambda claim: claim["id"])
def test_claims_are_answered_with_numbers(claim: dict[str, dict[str, str]]) -> None:
    from models.fusion import CLAIMS

    found = CLAIMS[str(claim["live"])]()
    assert all(claim["answer"][language].format(**found) for language in ("en", "zh"))


def test_clip_towers_by_hand() -> None:
    """Parameters of a Vision Transformer by formula; the published counts are 304 M, 1.01 B and 1.84 B."""
    found = fusion_claims.clip_sizes()
    for name, (d, layers, _, f, pixel, patch) in fusion_claims.CLIPS.items():
        n = (pixel // patch) ** 2 + 1
        block = 4 * (d * d + d) + 2 * d * f + f + d + 4 * d
        whole = d + 3 * patch**2 * d + n * d + layers * block + 4 * d
        assert found[name] == pytest.approx(whole / 1e6) and found[f"{name}_token"] == n
    assert found["large"] < found["g"] < found["bigg"]


def test_claims_by_other_ways() -> None:
    assert fusion_claims.video()["one"] == 60 * 576 and fusion_claims.video()["full"] == 24 * 60 * 576
    assert fusion_claims.lossless()["chameleon_bits"] == 1024 * 13
    gates = fusion_claims.closed_gate()
    assert gates["shut"] == 0 < gates["ajar"] < gates["open"]
    cost = fusion_claims.cost()
    assert cost["cross_32"] == cost["cross_96"] == 10 and cost["late_96"] - cost["late_32"] == 2 * 512
    assert cost["late_cache_96"] == 8 * cost["late_96"] and cost["cross_cache_96"] == 8 * 10 + 2 * 2 * 32
    draw = fusion_claims.can_draw()
    assert draw["all"] == early_fusion.N_TOKEN and draw["codes"] == 258
    lossless = fusion_claims.lossless()
    assert lossless["rmse"] < lossless["plain"] / 3 and lossless["worst"] > lossless["rmse"]
