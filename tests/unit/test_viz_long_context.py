"""What the pictures of long contexts hold, against the Trace they were drawn from."""

from __future__ import annotations

import base64
import dataclasses
import math

import numpy as np
import pytest
import torch

from models.long_context import Config, Trace, facts, trace
from tests.tree import PAGES
from viz import long_context as pictures

SPEC = PAGES["long-context"].spec
WORDS = {name: block["en"] for name, block in SPEC["words"].items()}
FIGURES = ("loss", "recall", "angles", "frequencies", "ramp", "temperature")


def numbers(packed: dict) -> np.ndarray:  # type: ignore[type-arg]
    kinds = {"u1": "u1", "i2": "<i2", "f4": "<f4", "f2": "<f2"}
    return np.frombuffer(base64.b64decode(packed["b64"]), kinds[packed["dtype"]]).reshape(packed["shape"])


@pytest.fixture(scope="module")
def seen() -> Trace:
    return trace(Config(method="linear", factor=4))


@pytest.fixture(scope="module")
def bare() -> Trace:
    return trace(Config(method="none", fresh=True))


def line(view, name: str) -> dict:  # type: ignore[no-untyped-def, type-arg]
    return next(one for one in view.data["lines"] if one["name"] == name)


def test_loss_is_the_traces(seen: Trace) -> None:
    view = pictures.loss(seen, WORDS)
    assert view.component == "curves" and view.data["frames"] == len(seen.factors)
    assert view.data["scrub"] == {
        "field": "factor", "label": "factor s", "values": list(seen.factors), "index": seen.index,
    }  # fmt: skip
    np.testing.assert_allclose(numbers(view.data["x"]), seen.context, rtol=1e-6)
    for i, scheme in enumerate(seen.scheme):
        drawn = line(view, WORDS[f"scheme_{scheme}"])
        np.testing.assert_allclose(numbers(drawn["y"])[0], seen.base[i], rtol=1e-6)
        assert drawn["quiet"] == (scheme != "rope")
        assert bool(drawn["note"]) == (scheme == "learned")
    stretched = line(view, WORDS["method_linear"])
    np.testing.assert_allclose(numbers(stretched["y"]), seen.stretched, rtol=1e-6)
    assert not stretched["quiet"] and view.data["marks"] == [[64.0, WORDS["mark_trained"]]]
    later = seen.base[:, seen.context >= 4]
    assert view.data["y_axis"]["high"] >= float(later[later.isfinite()].max())
    assert f"{float(seen.stretched[seen.index, -1]):.2f} at 1,024" in view.alt


def test_recall_is_the_traces_and_follows(seen: Trace) -> None:
    view = pictures.recall(seen, WORDS)
    assert (view.data["follow"], view.data["index"], view.data["frames"]) == ("factor", seen.index, len(seen.factors))
    np.testing.assert_allclose(numbers(view.data["x"]), seen.distance, rtol=1e-6)
    for i, scheme in enumerate(seen.scheme):
        drawn = numbers(line(view, WORDS[f"scheme_{scheme}"])["y"])[0]
        np.testing.assert_allclose(drawn, 100 * seen.base_recall[i], rtol=1e-5)
    drawn = numbers(line(view, WORDS["method_linear"])["y"])
    np.testing.assert_allclose(drawn, 100 * seen.stretched_recall, rtol=1e-5, atol=1e-4)


def test_without_a_method_there_is_no_second_rope_line(bare: Trace) -> None:
    view = pictures.loss(bare, WORDS)
    names = [one["name"] for one in view.data["lines"]]
    assert WORDS["method_none"] == WORDS["scheme_rope"] and names.count(WORDS["scheme_rope"]) == 1
    assert "scrub" not in view.data and view.data["frames"] == 1
    fresh = line(view, WORDS["scheme_fresh"])
    np.testing.assert_allclose(numbers(fresh["y"])[0], bare.fresh, rtol=1e-6)
    assert fresh["form"] == "dots"


def test_angles_and_frequencies(seen: Trace) -> None:
    view = pictures.angles(seen, WORDS)
    np.testing.assert_allclose(numbers(line(view, WORDS["line_seen"])["y"])[0], seen.seen, rtol=1e-6)
    np.testing.assert_allclose(numbers(line(view, WORDS["line_reached"])["y"]), seen.reached, rtol=1e-6)
    np.testing.assert_allclose(numbers(line(view, WORDS["line_turn"])["y"])[0], 2 * math.pi, rtol=1e-6)
    assert [texts[0].split()[0] for texts in view.data["readout"]] == ["11"] * (len(seen.factors) - 1) + ["0"]
    view = pictures.frequencies(seen, WORDS)
    slowed = numbers(line(view, WORDS["method_linear"])["y"])
    np.testing.assert_allclose(slowed, np.array(seen.factors, float)[:, None].repeat(16, 1), rtol=1e-5)
    ntk = numbers(line(view, WORDS["line_ntk"])["y"])
    np.testing.assert_allclose(ntk[seen.index], [4 ** (i / 15) for i in range(16)], rtol=1e-5)
    other = pictures.frequencies(trace(Config(method="ntk", factor=4)), WORDS)
    np.testing.assert_allclose(numbers(line(other, WORDS["method_ntk"])["y"]), ntk, rtol=1e-4)


def test_ramp_and_temperature(seen: Trace) -> None:
    view = pictures.ramp(seen, WORDS)
    small = line(view, WORDS["line_small"])
    np.testing.assert_allclose(numbers(small["y"])[0], seen.keep, rtol=1e-6)
    np.testing.assert_allclose(numbers(small["x"]), np.linspace(0, 1, 16), rtol=1e-6)
    np.testing.assert_allclose(numbers(line(view, WORDS["line_llama"])["y"])[0], seen.keep_llama, rtol=1e-6)
    assert "Pairs here: kept 1, mixed 4, interpolated 11" in view.alt
    view = pictures.temperature(seen, WORDS)
    one, two = (numbers(line(view, WORDS[name])["y"])[0] for name in ("line_mscale", "line_score"))
    np.testing.assert_allclose(one, 0.1 * np.log(numbers(view.data["x"])) + 1, rtol=1e-5)
    np.testing.assert_allclose(two, one**2, rtol=1e-5)
    assert view.data["cursor"] == [float(f) for f in seen.factors]


def test_positions_are_masked_where_nothing_is_seen() -> None:
    seen = trace(Config(method="sinks"))
    view = pictures.positions(seen, WORDS)
    stage = view.data["panels"][0]["stages"][0]
    drawn = numbers(stage["values"]).astype(float)
    assert (np.isneginf(drawn) == (seen.relative.numpy() < 0)).all()
    visible = seen.relative.numpy() >= 0
    assert (drawn[visible] == seen.relative.numpy()[visible]).all()
    assert stage["limits"] == [0.0, 127.0] and "at most 63" in view.alt


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("method", ["none", "yarn", "dca", "window"])
def test_every_figure_in_both_languages(method: str, lang: str) -> None:
    words = {name: block[lang] for name, block in SPEC["words"].items()}
    seen = trace(Config(method=method))
    for name in [*FIGURES, "positions"]:
        view = getattr(pictures, name)(seen, words)
        assert view.alt and "{" not in view.alt and view.height >= 300
    assert set(SPEC["gallery"]) >= {"angles", "frequencies", "ramp", "temperature", "positions"}
    assert pictures.thumbnail(seen).startswith("<svg")


def test_captions_fit_what_is_shown(seen: Trace, bare: Trace) -> None:
    def named(shown: Trace) -> list[str]:
        return pictures.captions(shown, facts(shown))

    assert named(bare) == ["method_none", "recall_plain"]
    level = bare.stretched[0].clone()
    flat = dataclasses.replace(bare, method="sinks", stretched=level[None])
    assert named(flat)[1:] == ["result", "unchanged", "recall"]
    bad = dataclasses.replace(seen, stretched=seen.stretched + 3)
    assert named(bad) == ["method_linear", "result_never", "short_texts", "recall"]
    assert named(dataclasses.replace(bad, tuned=True))[1:3] == ["tuned", "result_never"]
    assert named(dataclasses.replace(bare, tuned=True))[1] == "tuned_plain"
    slight = dataclasses.replace(seen, stretched=bare.stretched.expand_as(seen.stretched) + 0.04)
    assert named(slight)[-2] == "short_same"
    for name in ["short_same", "tuned", "tuned_plain", *named(seen), *named(flat), *named(bad), *named(bare)]:
        assert SPEC["captions"][name]["en"].format(**facts(seen))


def test_a_gap_is_left_out_of_the_thumbnail(bare: Trace) -> None:
    """The learned table's curve has fewer points than the others, and none is NaN."""
    svg = pictures.thumbnail(bare)
    points = [part.split('"')[0].split() for part in svg.split('points="')[1:]]
    n = len(bare.context)
    learned = bare.scheme.index("learned")
    stop = int(torch.isfinite(bare.base[learned]).sum())
    assert [len(p) // 2 for p in points] == [stop if i == learned else n for i in range(6)] + [n]
    assert "nan" not in svg
