"""The page that five mechanisms share: one Config, frames that only a slider plays, facts, checks and claims."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from models import ar_diffusion, d3pm, diffuseq, diffusion_lm, ssd_lm
from models import text_diffusion_zoo as zoo
from models.fields import Range

ALONE = {
    "d3pm": lambda: d3pm.trace("gaussian", 5, 4, 8, 3),
    "diffusion_lm": lambda: diffusion_lm.trace("cosine", 0.25, 8, 3),
    "diffuseq": lambda: diffuseq.trace(1, 8, 3),
    "ssd_lm": lambda: ssd_lm.trace(2.0, "greedy", 7.0, 0, 5, 8, 3),
    "ar_diffusion": lambda: ar_diffusion.trace("anchor", 0.25, 3.0, 2, 3),
}
CFG = zoo.Config(
    corruption="gaussian",
    n_word=5,
    clean=11,
    schedule="cosine",
    clamp=0.25,
    source="bank",
    logit=2.0,
    projection="greedy",
    guidance=7.0,
    wanted=1,
    block=5,
    path="anchor",
    anchor=3.0,
    per_word=2,
    n_step=8,
    seed=3,
)


def same(one: Any, other: Any) -> None:
    for name, value in vars(one).items():
        if isinstance(value, torch.Tensor):
            torch.testing.assert_close(value, getattr(other, name), equal_nan=True)
        elif not hasattr(value, "__dataclass_fields__"):
            assert value == getattr(other, name)


@pytest.mark.parametrize("kind", zoo.KINDS)
def test_each_kind_is_its_own_module(kind: str) -> None:
    """With the fields that matter to it; a word beyond the vocabulary becomes its last one."""
    trace = zoo.trace(replace(CFG, kind=kind))
    assert trace.kind == kind
    same(trace.part, ALONE[kind]())


@pytest.mark.parametrize("kind", zoo.KINDS)
def test_sliders_only_play(kind: str) -> None:
    cfg = replace(CFG, kind=kind, step=3, passed=2, written=9)
    assert zoo.computed(cfg) == replace(CFG, kind=kind), "what is shown does not matter to what is computed"
    trace = zoo.trace(zoo.computed(cfg))
    shown = zoo.at(trace, cfg)
    assert shown.part is trace.part and shown.step == (2 if kind == "ar_diffusion" else 3)
    assert shown.written == (9 if kind == "ssd_lm" else 0)
    far = zoo.at(trace, replace(cfg, step=64, passed=48, written=768))
    assert far.step == zoo.last(trace) == 8
    assert zoo.facts(shown)["step"] == shown.step and zoo.facts(far) != zoo.facts(shown)
    assert far.written == (3 * 8 if kind == "ssd_lm" else 0)


def test_a_clean_word_is_one_of_the_words() -> None:
    assert zoo.limits({"n_word": 5}) == {"clean": Range(1, 5)}


@pytest.mark.parametrize("kind", zoo.KINDS)
def test_every_check_agrees(kind: str) -> None:
    found = zoo.check(replace(CFG, kind=kind))
    assert len(found) >= 3 and max(found.values()) < 1e-5


def test_claims_say_what_they_rest_on() -> None:
    masks = zoo.masking()
    assert masks["masked"] == pytest.approx(0.5) and masks["other"] == 0 and masks["end"] == pytest.approx(1)
    gauss = zoo.without_gauss()
    assert all(gauss[f"exact_{one}"] == 1 for one in d3pm.CORRUPTIONS), "no Gauss needed"
    assert gauss["word_absorbing"] < gauss["word_uniform"]
    pairs = zoo.seq2seq()
    assert pairs["partial"] == 1 > pairs["back"] > pairs["both"] and abs(pairs["best"] - pairs["known"]) < 0.03
    points = zoo.rounding()
    assert points["plane"] < 0.5 and points["wide"] > 0.99 and points["end_clamped"] < 1e-4 < points["end_plain"]
    order = zoo.order()
    assert order["right_once"] < order["right"] < order["right_single"] == 1 == order["one_by_one"]
    assert order["same_single"] > 0.99, "at equal cost the order is worth nothing here, and the page says so"
    assert order["passes_once"] < order["passes"] < order["passes_single"]
    rain = zoo.guided()
    assert rain["share_most"] > rain["share_none"] + 0.4 and rain["surprise_most"] < rain["own"]
    assert set(zoo.CLAIMS) == {"masking", "without-gauss", "seq2seq", "rounding", "guided", "order"}


def test_the_prediction() -> None:
    said = zoo.facts(zoo.trace(zoo.Config(kind="ssd_lm", step=24)))
    assert said["noise_corner"] == 2 and said["sharp_noise"] > 0.5
    small = zoo.facts(zoo.trace(zoo.Config(kind="ssd_lm", logit=0.5)))
    assert small["noise_corner"] == 0
