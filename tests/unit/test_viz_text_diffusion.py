"""Pictures of the page text-diffusion: what is drawn is the trace, in both languages, with its numbers in words."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from models import text_diffusion
from models.independence import DEPENDENCE
from models.text_diffusion import COSTS, Config, HeldOut, Quality, Trace, at, facts, trace
from tests.tree import PAGES
from viz import text_diffusion as pictures
from viz.view import View

SPEC = PAGES["text-diffusion"].spec
WORDS = {name: block["en"] for name, block in SPEC["words"].items()}
QUALITY = Quality((1, 4, 32), torch.tensor([900.0, 80.0, 20.0]), torch.tensor([0.9, 0.8, 0.7]), 16.0, 0.93, 24, 32)
UNSEEN = HeldOut(
    ("chinese", "python"), torch.tensor([0.1, 0.5, 1.0]), torch.tensor([[2.0, 3, 7], [1, 2, 6]]),
    torch.tensor([4.0, 3]), torch.tensor([3.5, 2.5]),
)  # fmt: skip


def numbers(packed: dict[str, Any]) -> np.ndarray:
    code = {"f2": "<f2", "f4": "<f4", "b1": "?"}.get(packed["dtype"], f"<{packed['dtype']}")
    return np.frombuffer(base64.b64decode(packed["b64"]), code).reshape(packed["shape"])


def line(view: View, name: str) -> dict[str, Any]:
    return next(one for one in view.data["lines"] if one["name"] == name)


@pytest.fixture(scope="module")
def seen() -> Trace:
    return at(trace(Config(text="to be", holes="2", length=5, steps=3, block=2)), 2, 0.4)


def test_the_strip_is_both_runs(seen: Trace) -> None:
    view = pictures.strip(seen, WORDS)
    assert view.data["masked"] == [2] and view.data["scrub"]["index"] == 2
    for lane, run in zip(view.data["lanes"], (seen.diffusion, seen.autoregressive), strict=True):
        drawn = numbers(lane["token"]).astype(int)
        text = np.array([*view.data["vocabulary"], "?"])[drawn - 1]
        for frame, tokens in zip(range(len(drawn)), run.token.tolist(), strict=True):
            for place, token in enumerate(tokens):
                assert (drawn[frame, place] == 0) == (token < 0)
                if token >= 0:
                    assert text[frame, place] == seen.label[token]
        np.testing.assert_allclose(numbers(lane["weight"]), run.weight.numpy(), atol=1e-3)
        assert numbers(lane["fixed"]).tolist() == seen.given.tolist()
        assert len(lane["notes"]) == len(run.token) and f"of {run.n_pass}" in lane["notes"][-1]
        assert f" {run.forwards} tokens" in lane["notes"][-1] and " 0 tokens" in lane["notes"][0]
    assert view.data["lanes"][0]["blocks"] == list(seen.blocks) and view.data["lanes"][1]["blocks"] == []
    assert "masked diffusion, pass 2 of 3" in view.alt and "autoregressive, pass 2 of 6" in view.alt


def test_the_order_is_the_pass_that_filled(seen: Trace) -> None:
    view = pictures.filled(seen, WORDS)
    where = np.nonzero(~seen.given.numpy())[0]
    assert numbers(view.data["x"]).tolist() == where.tolist()
    for name, run in (("masked diffusion", seen.diffusion), ("autoregressive", seen.autoregressive)):
        assert numbers(line(view, name)["y"])[0].tolist() == run.step[~seen.given].tolist()
    assert [x for x, _ in view.data["marks"]] == [at - 0.5 for at in seen.blocks[1:]]
    assert f"{where[0]}: {int(seen.diffusion.step[where[0]])}" in view.alt


def test_quality_cost_and_unseen_text_are_what_was_found(seen: Trace) -> None:
    view = pictures.perplexity(QUALITY, WORDS)
    np.testing.assert_allclose(numbers(line(view, "masked diffusion")["y"])[0], QUALITY.perplexity)
    assert set(numbers(line(view, "autoregressive")["y"])[0].tolist()) == {16.0}
    assert "32: 20" in view.alt and view.data["x_axis"]["log"]
    view = pictures.distinct(QUALITY, WORDS)
    np.testing.assert_allclose(numbers(line(view, "masked diffusion")["y"])[0], QUALITY.distinct)
    said = pictures.named(QUALITY)
    assert said["more"] == pytest.approx(0.25) and said["last_perplexity"] == 20
    single = replace(QUALITY, steps=(32,), perplexity=torch.tensor([20.0]), distinct=torch.tensor([0.7]))
    assert all(one["form"] != "line" or one["quiet"] for one in pictures.perplexity(single, WORDS).data["lines"])
    view = pictures.cost(seen, WORDS)
    assert numbers(view.data["x"]).tolist() == list(COSTS)
    assert numbers(line(view, WORDS["line_forwards"])["y"])[0].tolist() == list(seen.cost.forwards)
    assert numbers(line(view, WORDS["line_passes"])["y"])[0].tolist() == list(seen.cost.n_pass)
    view = pictures.held_out(UNSEEN, WORDS)
    assert numbers(line(view, "Python")["y"])[0].tolist() == [1, 2, 6]
    assert set(numbers(line(view, "Python: tiny-lm")["y"])[0].tolist()) == {2.5}
    assert "Python: 3.00, 2.50" in view.alt and "Python 3.00 / 2.50" in pictures.bounds(UNSEEN, WORDS)["values"]


def test_coins_play_over_their_dependence(seen: Trace) -> None:
    view = pictures.coins(seen, WORDS)
    assert view.data["scrub"]["values"] == list(DEPENDENCE) and view.data["scrub"]["index"] == DEPENDENCE.index(0.4)
    np.testing.assert_allclose(numbers(line(view, "as they are")["y"]), 100 * seen.joint.truth, rtol=1e-5)
    np.testing.assert_allclose(numbers(line(view, "one pass")["y"]), 100 * seen.joint.one_pass, rtol=1e-5)
    assert "30%" in view.alt and "50%" in view.alt and len(view.data["readout"]) == len(DEPENDENCE)


def test_the_schedule_follows_the_strip(seen: Trace) -> None:
    view = pictures.schedule(seen, WORDS)
    free = int((~seen.given).sum())
    drawn = numbers(line(view, "masked diffusion")["y"])[0]
    np.testing.assert_allclose(drawn, 100 * (seen.diffusion.token < 0).sum(1) / free, rtol=1e-5)
    assert (view.data["follow"], view.data["index"]) == ("step", 2) and drawn[0] == 100 and drawn[-1] == 0
    view = pictures.weight(WORDS)
    t, weight = numbers(view.data["x"]), numbers(line(view, "weight 1/t")["y"])[0]
    np.testing.assert_allclose(t * weight, 1, rtol=1e-6)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_everything_in_both_languages(seen: Trace, lang: str) -> None:
    words = {name: block[lang] for name, block in SPEC["words"].items()}
    views = [getattr(pictures, name)(seen, words) for name in ("strip", "filled", "cost", "coins", "schedule")]
    views += [pictures.perplexity(QUALITY, words), pictures.distinct(QUALITY, words), pictures.held_out(UNSEEN, words)]
    for view in (*views, pictures.weight(words)):
        assert any(c.isdigit() for c in view.alt) and "{" not in view.alt and "nan" not in view.alt
    said = facts(seen)
    for name in SPEC["captions"]:
        assert "{" not in SPEC["captions"][name][lang].format(**said)
    assert "{" not in SPEC["words"]["note_quality"][lang].format(**pictures.named(QUALITY))
    table = pictures.models(words)
    assert len(table) == 4 and {len(column) for column in table.values()} == {4}


def test_captions_say_what_is_special(seen: Trace) -> None:
    assert pictures.captions(seen) == ["clock", "work", "text", "order_confidence", "blocks", "holes"]
    odd = trace(Config(text="", length=9, steps=1, block=1, remask=0.5, order="random"))
    names = pictures.captions(odd)
    assert {"one_by_one", "remasked", "clipped", "order_random"} <= set(names)
    cut = trace(Config(text="\ud55c" * 400, length=2, steps=1))
    assert "cut" in pictures.captions(cut) and facts(cut)["n_cut"] > 0


def test_the_thumbnail_is_filled_from_top_to_bottom(seen: Trace) -> None:
    picture = pictures.thumbnail(seen)
    assert picture.startswith("<svg") and picture.count("<rect") == 4 * len(seen.given)
    tiny = text_diffusion.trace(Config(text="", length=0))
    assert pictures.thumbnail(tiny).count("<rect") == 4
