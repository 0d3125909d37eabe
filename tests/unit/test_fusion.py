"""The page's trace: every number by another way, its ends, what people may type, the captions' numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from models import fusion, scenes, vq_scenes
from models.early_fusion import N_WORD
from models.fusion import Config, Trace, facts, prompted, question, segments, trace
from models.fusion_styles import LM, PICTURE, GatedCross, Projector, Resampler, count
from models.image_input import Picture
from models.scene_notation import SceneUnreadable
from models.scene_questions import VOCABULARY
from tests.tree import PAGES


@pytest.fixture(scope="module")
def seen() -> Trace:
    return trace(Config(n_picture=3, n_pixel="48", patch="8", n_latent=12, every=3, gate=0.5, seed=7))


def test_pictures_are_the_scenes(seen: Trace) -> None:
    cfg = Config(n_picture=3, n_pixel="48", seed=7)
    drawn = scenes.draw(fusion.scenery(cfg), 48)
    assert seen.image.shape == (3, 48, 48, 3)
    assert int((seen.image.float() - 127.5 * (drawn.movedim(1, -1) + 1)).abs().max()) <= 1
    assert torch.equal(seen.code, vq_scenes.load().model.encode(drawn)) and seen.code.shape == (3, 12, 12)
    assert fusion.scenery(cfg)[-1].background == "white"


def test_lengths_by_the_formulas(seen: Trace) -> None:
    late, cross, early = seen.lanes
    t = len(seen.words)
    assert late.length == t + 3 * (48 // 8) ** 2
    assert early.length == t + 3 * ((48 // 4) ** 2 + 2)
    assert cross.length == t + 3 and [one.n for one in cross.memory] == [12] * 3
    assert (late.n_per_picture, cross.n_per_picture, early.n_per_picture) == (36, 1, 146)
    assert [lane.style for lane in seen.lanes] == list(fusion.STYLES)
    assert seen.words[-6:] == ("what", "colour", "is", "the", "circle", "?")


def test_the_cache_is_what_transformers_keeps(seen: Trace) -> None:
    """A Llama of as many layers, fed a sequence as long: the vectors in its cache."""
    from transformers import LlamaConfig, LlamaModel

    model = LlamaModel(
        LlamaConfig(
            hidden_size=8, intermediate_size=8, num_hidden_layers=LM.n_layer, num_attention_heads=1, vocab_size=7
        )
    )
    for lane in (seen.lanes[0], seen.lanes[2]):
        with torch.no_grad():
            kept = model(inputs_embeds=torch.zeros(1, lane.length, 8), use_cache=True).past_key_values
        assert lane.cache == sum(layer.keys.shape[2] + layer.values.shape[2] for layer in kept.layers)
    cross = seen.lanes[1]
    assert sum(seen.gated) == 2, "before layers 1 and 4"
    assert cross.cache == 2 * 4 * cross.length + 2 * 2 * 36


def test_pairs_are_the_masks_cells(seen: Trace) -> None:
    late, cross, early = seen.lanes
    assert late.pairs == 4 * int(torch.ones(late.length, late.length).tril().sum())
    assert early.pairs == 4 * int(torch.ones(early.length, early.length).tril().sum())
    words = int(torch.ones(cross.length, cross.length).tril().sum())
    assert cross.pairs == 4 * words + 2 * 12 * cross.length, "every position sees the 12 latents of one picture"
    assert torch.equal(cross.sees.sum(1), torch.full((cross.length,), 12))


def test_segments_cover_the_sequence(seen: Trace) -> None:
    for lane in seen.lanes:
        at = 0
        for one in lane.segments:
            assert one.start == at and one.n >= 1
            at += one.n
        assert at == lane.length
        assert sum(one.kind == "word" for one in lane.segments) == len(seen.words)
    marks = [one.text for one in seen.lanes[2].segments if one.kind == "mark"]
    assert marks == ["<boi>", "<eoi>"] * 3
    assert [one.picture for one in seen.lanes[1].segments if one.kind == "mark"] == [0, 1, 2]


def test_colours_are_the_patches_and_the_codes(seen: Trace) -> None:
    late, _, early = seen.lanes
    image = seen.image.float()
    for p, y, x in ((0, 0, 0), (1, 5, 2), (2, 3, 4)):
        mean = image[p, 8 * y : 8 * y + 8, 8 * x : 8 * x + 8].mean((0, 1))
        assert float((late.colour[p, 6 * y + x].float() - mean).abs().max()) <= 1.5
    assert torch.equal(early.colour[2, 17], vq_scenes.inks()[seen.code[2].flatten()[17]])
    assert (late.side, seen.lanes[1].side, early.side) == (6, 0, 12)


def test_parameters_for_seeing(seen: Trace) -> None:
    late, cross, early = seen.lanes
    assert late.stages[1].n_param == count(Projector())
    assert late.n_image_param == late.stages[0].n_param + count(Projector())
    assert cross.n_image_param == cross.stages[0].n_param + count(Resampler(12)) + 2 * count(GatedCross(0.0))
    vq = vq_scenes.load().model
    assert early.n_image_param == count(vq.encoder) + vq.book.numel() + (2 + 256) * LM.d_model
    assert late.stages[0] == cross.stages[0], "one vision encoder for both"
    assert [stage.shape for stage in late.stages] == [(36, 48), (36, LM.d_model)]
    assert [stage.shape for stage in cross.stages] == [(36, 48), (12, 48), (2, LM.d_model)]
    assert [stage.shape for stage in early.stages] == [(16, 12, 12), (144,), (144, LM.d_model)]


def test_a_shut_gate_hears_no_picture() -> None:
    shut = trace(Config(gate=0.0))
    assert torch.equal(shut.lanes[1].logits, shut.blind) and facts(shut)["moved"] == 0
    ajar = trace(Config(gate=0.1))
    assert torch.equal(ajar.blind, shut.blind) and facts(ajar)["moved"] > 0.1
    assert torch.equal(ajar.lanes[0].logits, shut.lanes[0].logits), "the gate is the cross-attention's alone"
    assert shut.blind.shape == (N_WORD,)


def test_resolution_moves_lengths_but_not_the_memory() -> None:
    small, large = trace(Config(n_pixel="32")), trace(Config(n_pixel="96"))
    assert small.lanes[1].length == large.lanes[1].length and small.lanes[1].cache == large.lanes[1].cache
    assert (large.lanes[0].length - small.lanes[0].length) == 2 * (576 - 64)
    coarse = trace(Config(n_pixel="96", patch="16"))
    assert coarse.lanes[0].n_per_picture == 36 and coarse.lanes[2].length == large.lanes[2].length


def test_a_picture_of_ones_own() -> None:
    array = np.zeros((64, 64, 3), np.uint8)
    array[:, :32] = 255
    found = trace(Config(n_pixel="32"), Picture("x", array))
    assert found.image[-1, 16, 2].tolist() == [255] * 3 and found.image[-1, 16, 29].tolist() == [0] * 3
    assert torch.equal(found.image[0], trace(Config(n_pixel="32")).image[0])


@pytest.mark.parametrize("text", ["", "x", "🦩" * 50, "\u05d0\u05d1 circle", "<b>red</b>", "circle " * 28, "\0red"])
def test_any_question(text: str) -> None:
    found = trace(Config(text=text[:200], n_picture=1))
    assert found.lanes[0].length == len(found.words) + 64
    assert set(found.words) <= set(VOCABULARY)


def test_long_questions_are_cut_and_unknown_words_named() -> None:
    words, n_cut = question("red " * 50)
    assert (len(words.ids), n_cut) == (fusion.MOST_WORDS, 50 - fusion.MOST_WORDS)
    assert "elephant" in facts(trace(Config(text="is the elephant red ?")))["unknown"]


def test_chinese_questions_have_chinese_captions() -> None:
    found = trace(Config(text="圆形是什么颜色？"))
    assert not any(word.isascii() and word.isalpha() for word in found.words)


def test_a_scene_that_is_none_says_so() -> None:
    with pytest.raises(SceneUnreadable):
        trace(Config(scene="a whale"))


def test_what_the_models_do_not_depend_on_is_not_run_again() -> None:
    cfg = Config(fps=9, place=4, caption="x", written=3, seconds=2, pool="4")
    assert prompted(cfg) == Config()
    assert prompted(replace(cfg, gate=0.3)) == Config(gate=0.3)


def test_segments_by_hand() -> None:
    found = segments([40, PICTURE, 41], 9, ("<boi>", "<eoi>"))
    assert [(one.kind, one.start, one.n, one.picture) for one in found] == [
        ("word", 0, 1, -1), ("mark", 1, 1, 0), ("picture", 2, 9, 0), ("mark", 11, 1, 0), ("word", 12, 1, -1),
    ]  # fmt: skip


def test_captions_name_facts(seen: Trace) -> None:
    spec = PAGES["fusion"].spec
    for block in spec["captions"].values():
        for language in ("en", "zh"):
            block[language].format(**facts(seen))
    spec["predict"]["answer"]["en"].format(**facts(seen))
    preset = trace(Config(n_picture=4, n_pixel="96"))
    assert facts(preset)["late_per_picture"] == 576


def test_the_check_is_small() -> None:
    assert max(fusion.check(Config()).values()) < 1e-5
