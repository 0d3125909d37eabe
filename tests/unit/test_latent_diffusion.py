"""The page's trace: every field by another way, the modes and their ends, any text, the captions' numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from models import latent_diffusion
from models.latent_diffusion import (
    MODES,
    MOST_FRAMES,
    N_BETWEEN,
    Config,
    Trace,
    at,
    bytes_of,
    change,
    facts,
    sampled,
    scene_of,
    trace,
)
from models.latent_sampling import SHAPE, Setting, draw, generators, run
from models.scene_captions import SAYINGS, Wanted, read, tokenise
from models.scenes import COLOURS, PLACES, SHAPES, SIZES, Scene, Shape
from models.scenes import draw as paint
from tests.tree import PAGES
from tests.unit.untrained_scenes import pipeline

FAST: dict[str, Any] = {"steps": 3, "guidance": 2.0, "seed": 5}


@pytest.fixture(autouse=True)
def _untrained(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "trained" not in request.keywords:
        monkeypatch.setattr(latent_diffusion, "load", pipeline)


@pytest.fixture
def seen() -> Trace:
    return trace(Config(text="a red circle, cat", number="4", negative="dog", **FAST))


def near(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Bytes that rounding may move by one."""
    return int((a.int() - b.int()).abs().max()) <= 1


def test_every_field_is_the_samplings(seen: Trace) -> None:
    parts, sources = pipeline(), generators(5, range(4))
    how = Setting(3, 2.0, negative="dog")
    done = run(parts, [["a red circle, cat"] * 4], how, draw(sources, SHAPE), sources, keep=range(3))
    assert seen.step == (1, 2, 3) and seen.t == (999, 666, 332) and (seen.n_step, seen.n_taken) == (3, 3)
    torch.testing.assert_close(seen.latent, done.x, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(seen.clean, done.x0, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(seen.attention, done.attention[:, 0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(seen.left, (1 - parts.alpha_bar[[999, 666, 332]]).sqrt())
    for i, p in ((0, 1), (2, 3)):
        assert near(seen.image[i, p], bytes_of(parts.vae.decode(done.x0[i, p : p + 1]))[0])
        assert near(seen.noisy[i, p], bytes_of(parts.vae.decode(done.x[i, p : p + 1]))[0])
    assert near(seen.image[-1, 2], bytes_of(parts.vae.decode(done.result[2:3]))[0]), "the last prediction is the result"
    assert seen.word == ("<start>", "a", "red", "circle", ",", "<end>") and seen.n_first == 6
    assert seen.unknown == ("cat", "dog") and seen.problem == "" and not seen.held_out
    assert list(seen.verdict) == parts.judge(parts.vae.decode(done.result), read("a red circle"))
    assert seen.share == (0, 0, 0, 0) and seen.start.shape == (0, 32, 32, 3)


def test_pictures_do_not_depend_on_how_many_are_shown(seen: Trace) -> None:
    more = trace(Config(text="a red circle, cat", number="16", negative="dog", **FAST))
    torch.testing.assert_close(more.clean[:, :4], seen.clean, rtol=1e-3, atol=1e-3)
    assert trace(Config(text="a red circle", number="1", **FAST)).image.shape[1] == 1


def test_bytes_by_hand() -> None:
    picture = torch.tensor([-1.0, -0.5, 1.0])[:, None, None].expand(3, 2, 5)
    assert bytes_of(picture).shape == (2, 5, 3)
    assert bytes_of(picture)[0, 0].tolist() == [0, 64, 255]


def test_between_two_seeds() -> None:
    found = trace(Config(mode="seeds", text="a blue star", other=9, **FAST))
    assert found.image.shape[1] == N_BETWEEN and found.share[0] == 0 and found.share[-1] == 1
    for seed, p in ((5, 0), (9, -1)):
        alone = trace(Config(text="a blue star", number="1", **FAST | {"seed": seed}))
        torch.testing.assert_close(found.clean[:, p], alone.clean[:, 0], rtol=1e-3, atol=1e-3)
    size = found.latent[0].flatten(1).norm(dim=1)
    assert float(size.min() / size.max()) > 0.9, "slerp keeps the length of the noise"


def test_between_two_captions() -> None:
    cfg = Config(mode="captions", text="a red circle", second="a small blue star on the left", **FAST)
    found = trace(cfg)
    assert found.word == tokenise(cfg.text).words + tokenise(cfg.second).words and found.n_first == 5
    for text, p in ((cfg.text, 0), (cfg.second, -1)):
        alone = trace(Config(text=text, number="1", **FAST))
        torch.testing.assert_close(found.clean[:, p], alone.clean[:, 0], rtol=1e-3, atol=1e-3)
    assert set(map(len, found.verdict)) == {0}, "nobody judges what lies between"
    both = found.attention
    for part in (both[:, :, : found.n_first], both[:, :, found.n_first :]):
        torch.testing.assert_close(part.sum(2), torch.ones_like(part[:, :, 0]))


def test_image_to_image_and_its_ends() -> None:
    cfg = Config(mode="picture", text="a red heart", second="a blue circle, white background", number="4", **FAST)
    middle = trace(cfg)
    assert middle.n_taken == 2 and middle.step == (1, 2) and middle.start.shape == (2, 32, 32, 3)
    scene = Scene("white", (Shape("circle", "blue", "large", 0.5, 0.5),))
    assert near(middle.start[0], bytes_of(paint([scene]))[0])
    nothing = trace(replace(cfg, strength=0.0))
    assert nothing.n_taken == 0 and nothing.step == (0,) and near(nothing.image[0, 3], nothing.start[1])
    lost = (nothing.start[1].float() - nothing.start[0].float()).abs().mean() / 255
    assert facts(nothing)["moved"] == pytest.approx(float(lost), abs=1e-3) and float(nothing.attention.abs().max()) == 0
    whole, plain = trace(replace(cfg, strength=1.0)), trace(replace(cfg, mode="text"))
    assert torch.equal(whole.clean, plain.clean)


def test_eta_draws_anew_and_zero_repeats() -> None:
    cfg = Config(text="a red circle", **FAST)
    assert torch.equal(trace(cfg).clean, trace(cfg).clean)
    noisy = trace(replace(cfg, eta=1.0))
    assert torch.equal(noisy.clean, trace(replace(cfg, eta=1.0)).clean), "the same fresh noise for the same seed"
    assert float((noisy.clean[-1] - trace(cfg).clean[-1]).abs().max()) > 0.01


def test_what_is_only_shown_is_not_sampled_again() -> None:
    def same(mode: str, name: str, value: object) -> bool:
        cfg = Config(mode=mode, seed=3)
        changed: Any = {name: value}
        return sampled(replace(cfg, **changed)) == sampled(cfg)

    for name, value in {"step": 4, "chosen": 2, "word": 5, "resolution": 64, "other": 1, "strength": 0.1}.items():
        assert same("text", name, value)
    assert same("text", "second", "x") and not same("text", "text", "x") and not same("text", "number", "9")
    assert (
        not same("seeds", "other", 1) and not same("captions", "second", "x") and not same("picture", "strength", 0.1)
    )
    assert same("seeds", "number", "9")


def test_many_steps_are_thinned() -> None:
    found = trace(Config(text="", number="1", steps=30, guidance=1.0))
    assert len(found.step) == MOST_FRAMES and (found.step[0], found.step[-1]) == (1, 30)
    assert at(found, 16) in (10, 11) and at(found, 0) == 0 and at(found, 50) == MOST_FRAMES - 1


@pytest.mark.parametrize("mode", MODES)
def test_any_text(mode: str) -> None:
    for text in ("", "\0\x01", "🙂" * 90, "مرحبا <b>x</b>", "红" * 200, "a red red red circle " * 9, "circle " * 40):
        found = trace(Config(text=text, second=text, negative=text, mode=mode, number="1", steps=1))
        assert torch.isfinite(found.clean).all() and facts(found)
        assert len(found.word) == found.attention.shape[2]


def test_a_scene_from_a_caption() -> None:
    assert scene_of(read("")) == Scene("white")
    assert scene_of(read("green background")) == Scene("green")
    assert scene_of(read("a heart at the top")) == Scene("white", (Shape("heart", "red", "large", 0.5, 0.3),))
    two = scene_of(read("a small white star above a ring, red background"))
    assert two.background == "red" and two.layout == "over"
    assert [(one.shape, one.colour, one.size) for one in two.objects] == [
        ("star", "white", "small"),
        ("ring", "orange", "large"),
    ]
    assert scene_of(replace(read("a circle"), objects=(Wanted("circle"),) * 3)).layout == "beside"
    assert scene_of(read("a white circle")).background != "white"


def test_the_captions_numbers(seen: Trace) -> None:
    said = facts(seen, step=2, chosen=3, word=2)
    assert (said["step"], said["picture"], said["word"], said["t"]) == (2, 4, "red", 666)
    assert said["noise"] == pytest.approx(1 - float(pipeline().alpha_bar[666]), rel=1e-5)
    looked = seen.attention[1, 3, 2]
    row, column = int(said["word_row"]) - 1, int(said["word_column"]) - 1
    assert said["word_top"] == float(looked[row, column]) == float(looked.max())
    for word in range(len(seen.word)):
        told = facts(seen, step=3, chosen=1, word=word)
        top = seen.attention[2, 1, word, int(told["word_row"]) - 1, int(told["word_column"]) - 1]
        assert float(top) == told["word_top"] == float(seen.attention[2, 1, word].max())
    last = seen.clean[-1, 3]
    assert said["change"] == pytest.approx(float((seen.clean[1, 3] - last).norm() / last.norm()))
    assert change(seen, 2, 3) == 0 and said["settled"] in seen.step
    assert said["n_named"] == len(seen.verdict[3]) and said["n_judged"] == 4 and said["unknown"] == "cat, dog"


def test_the_page_names_the_words_that_are_known() -> None:
    block = PAGES["latent-diffusion"].spec["captions"]["unknown"]
    for name in (*SHAPES, *COLOURS, *SIZES, *PLACES, "background"):
        english, chinese = SAYINGS[name][0][0], SAYINGS[name][1]
        assert english in block["en"] and any(word in block["zh"] for word in chinese), name
    for text in ("a large red circle", "左边一个大的红色圆形，蓝色背景"):
        assert not tokenise(text).unknown


def test_presets_say_what_the_model_knows() -> None:
    spec = PAGES["latent-diffusion"].spec
    for one in [*spec["presets"], *spec["questions"]]:
        for name in ("text", "second"):
            found = read(one["state"].get(name, Config().text))
            assert found.problem == "" and not found.unknown, one["id"]
    state = next(one["state"] for one in spec["presets"] if one["id"] == "held-out")
    assert read(state["text"]).held_out
    for one in [*spec["presets"], *spec["questions"]]:
        if "word" in one["state"]:
            words = tokenise(one["state"].get("text", Config().text)).words
            assert words[one["state"]["word"]] in ("circle", "red", "星形"), one["id"]
