"""What the pictures of balance hold, against the Trace or the Comparison they were drawn from."""

from __future__ import annotations

import base64
import dataclasses
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
import torch

from models.cluster_ends import Comparison, ends
from models.cluster_moe import GATES
from models.cluster_training import Dose, Setting, train
from models.moe_balance import STRENGTHS, Config, Trace, facts, through
from tests.tree import PAGES
from viz import moe_balance as pictures
from viz.view import View

SPEC = PAGES["moe-balance"].spec
WORDS = {name: block["en"] for name, block in SPEC["words"].items()}
FIGURES = ("plane", "entropy", "loss", "gradient", "taught", "gates", "importance", "bias")


def numbers(packed: dict[str, Any]) -> np.ndarray:
    kinds = {"u1": "u1", "u2": "<u2", "i2": "<i2", "f4": "<f4", "f2": "<f2", "b1": "?"}
    return np.frombuffer(base64.b64decode(packed["b64"]), kinds[packed["dtype"]]).reshape(packed["shape"])


def filmed(remedy: str, *doses: Dose, limit: float = float("inf")) -> Trace:
    """Three frames of a training, as a Trace."""
    film = train(Setting(), doses, n_step=30)
    return Trace(
        remedy=remedy,
        strength=0.1,
        limit=limit,
        step=(0, 15, 30),
        index=1,
        film=film,
        entropy=film.entropy,
        working=(film.load >= 0.01).sum(-1).float(),
        gate=GATES,
        gate_gradient=through(Config()),
        top_k=1,
        chosen_gate="softmax_topk",
    )


@pytest.fixture(scope="module")
def seen() -> Trace:
    return filmed("bias", Dose(23), Dose(23, gamma=0.01))


@pytest.fixture(scope="module")
def full() -> Trace:
    return filmed("capacity", Dose(23), Dose(23, factor=1.0), limit=1 / 8)


def line(view: View, name: str) -> dict[str, Any]:
    return next(one for one in view.data["lines"] if one["name"] == name)


def roomy(view: View, n: int) -> bool:
    """Whether groups of bars at 1 to n have room for whole bars at both ends."""
    axis = view.data["x_axis"]
    return bool(axis["low"] <= 0.5 and axis["high"] >= n + 0.5)


def owners(packed: dict[str, Any]) -> np.ndarray:
    return np.repeat(numbers(packed["expert"]), numbers(packed["length"])).reshape(packed["shape"])


def test_the_plane_is_the_films(full: Trace) -> None:
    view = pictures.plane(full, WORDS)
    assert view.component == "regions" and view.data["frames"] == 3
    assert view.data["scrub"] == {"field": "step", "label": "training step", "values": [0, 15, 30], "index": 1}
    for r, run in enumerate(view.data["runs"]):
        assert np.array_equal(owners(run["owner"]), full.film.owner[r].numpy())
        np.testing.assert_allclose(numbers(run["load"]), full.film.load[r], rtol=1e-6)
        assert np.array_equal(numbers(run["chosen"]), full.film.first[r, :, ::2].numpy())
        assert run["notes"][2] == f"loss {float(full.film.loss[r, 2]):.2f} nats"
    left, right = view.data["runs"]
    assert (left["title"], right["title"]) == ("no remedy", "capacity")
    assert left["limit"] is None and np.allclose(numbers(right["limit"]), 1 / 8)
    assert np.array_equal(numbers(right["dropped"]), full.film.dropped[1, :, ::2].numpy()) and left["dropped"] is None
    np.testing.assert_allclose(numbers(view.data["points"]), full.film.point[0, ::2], rtol=1e-6)
    largest = float(full.film.load[1, 1].max())
    assert f"capacity, step 15: {int(full.working[1, 1])} of 8 experts have points" in view.alt
    assert f"{largest:.0%}" in view.alt


@pytest.mark.parametrize("name", ["entropy", "loss", "gradient"])
def test_curves_over_the_steps_follow(seen: Trace, name: str) -> None:
    view = getattr(pictures, name)(seen, WORDS)
    values = {"entropy": seen.entropy, "loss": seen.film.loss, "gradient": seen.film.router_gradient}[name]
    assert (view.data["follow"], view.data["index"], view.data["cursor"]) == ("step", 1, [0.0, 15.0, 30.0])
    for r, title in enumerate(("no remedy", "bias updates")):
        np.testing.assert_allclose(numbers(line(view, title)["y"])[0], values[r], rtol=1e-6)
        assert f"{title}: {float(values[r, 1]):.3g}" in view.alt


def test_who_learns_is_masked_exactly_where_nothing_arrives(seen: Trace) -> None:
    silent = dataclasses.replace(seen.film, expert_gradient=seen.film.expert_gradient.clone())
    silent.expert_gradient[0, :, 3] = 0
    view = pictures.taught(dataclasses.replace(seen, film=silent), WORDS)
    drawn = [numbers(panel["stages"][0]["values"]).astype(float) for panel in view.data["panels"]]
    for r in range(2):
        expected = silent.expert_gradient[r, ::2].T.numpy()
        assert np.array_equal(np.isneginf(drawn[r].reshape(expected.shape)), expected == 0)
        shown = expected > 0
        np.testing.assert_allclose(drawn[r].reshape(expected.shape)[shown], expected[shown], rtol=1e-2)
    share = float((silent.expert_gradient[0, ::2] == 0).float().mean())
    assert f"no remedy: {share:.0%}" in view.alt


def test_gates_are_the_proof(seen: Trace) -> None:
    view = pictures.gates(seen, WORDS)
    for g, gate in enumerate(seen.gate):
        np.testing.assert_allclose(numbers(line(view, WORDS[f"gate_{gate}"])["y"])[0], seen.gate_gradient[g], rtol=1e-6)
    values = view.data["readout"][0][0].split(": ")[1].split(", ")
    assert len(values) == 5 and values[1] == "0" and "e-" in values[2] and float(values[0]) > 0.001
    assert roomy(view, 4)


def test_load_importance_and_biases(seen: Trace) -> None:
    view = pictures.importance(seen, WORDS)
    np.testing.assert_allclose(numbers(line(view, WORDS["line_load"])["y"]), 100 * seen.film.load[1], rtol=1e-5)
    drawn = numbers(line(view, WORDS["line_importance"])["y"])
    np.testing.assert_allclose(drawn, 100 * seen.film.importance[1], rtol=1e-5)
    assert roomy(view, 8)
    view = pictures.bias(seen, WORDS)
    for e in range(8):
        np.testing.assert_allclose(numbers(line(view, f"expert {e + 1}")["y"])[0], seen.film.bias[1, :, e], atol=1e-7)
    assert f"{float(seen.film.bias[1, 1].max()):.3f}" in view.alt


def comparison(*names: str, value: tuple[float, ...] = ()) -> Comparison:
    """Made-up ends of so many runs, all different."""
    n = len(names)
    rows = torch.arange(5 * n).reshape(5, n) / (5 * n)
    return Comparison(names, torch.tensor(value or tuple(range(n)), dtype=torch.float32), *rows)


def test_comparisons_are_what_was_measured() -> None:
    found = comparison("none", "global", "micro")
    figure = pictures.scopes(found, WORDS)
    bars = [bar for bar in figure.data if isinstance(bar, go.Bar)]
    for bar, expected in zip(bars, (found.entropy, found.text_entropy, found.information), strict=True):
        np.testing.assert_allclose(bar.x, expected.numpy())
        assert list(bar.y) == [WORDS["scope_none"], WORDS["scope_global"], WORDS["scope_micro"]]
    assert WORDS["scope_micro"] in figure.layout.meta["alt"]
    found = comparison("none", "switch", "bias")
    figure = pictures.remedies(found, WORDS)
    np.testing.assert_allclose(figure.data[1].x, found.loss.numpy())
    assert found.entropy[0] == 0 and figure.data[0].text[0] == "0.00", "nothing is a number, too"
    assert figure.data[0].marker.line.width > 0, "and a line"


def test_strengths_and_seeds() -> None:
    steps = STRENGTHS["bias"]
    found = comparison("none", *["bias"] * len(steps), value=(float("nan"), *steps))
    view = pictures.strengths(found, WORDS)
    np.testing.assert_allclose(numbers(view.data["x"]), steps, rtol=1e-6)
    np.testing.assert_allclose(numbers(line(view, "load entropy")["y"])[0], found.entropy[1:], rtol=1e-6)
    np.testing.assert_allclose(numbers(line(view, WORDS["loss_none"])["y"])[0], float(found.loss[0]), rtol=1e-6)
    assert view.data["x_axis"]["title"] == WORDS["strength_bias"]
    found = comparison("none", "switch", "none", "switch", value=(0, 0, 1, 1))
    view = pictures.seeds(found, WORDS)
    assert numbers(view.data["x"]).tolist() == [0, 1]
    np.testing.assert_allclose(numbers(line(view, "no remedy")["y"])[0], found.entropy[::2], rtol=1e-6)
    np.testing.assert_allclose(numbers(line(view, "Switch loss")["y"])[0], found.entropy[1::2], rtol=1e-6)


def test_without_a_remedy_there_is_nothing_to_compare(seen: Trace) -> None:
    alone = dataclasses.replace(
        seen,
        remedy="none",
        entropy=seen.entropy[:1],
        working=seen.working[:1],
        film=dataclasses.replace(
            seen.film,
            **{
                one.name: getattr(seen.film, one.name)[:1]
                for one in dataclasses.fields(seen.film)
                if one.name != "cluster"
            },
        ),
    )
    assert len(pictures.plane(alone, WORDS).data["runs"]) == 1
    assert len(pictures.entropy(alone, WORDS).data["lines"]) == 1
    assert pictures.captions(alone, facts(alone)) == ["none", "spiral"]
    assert pictures.thumbnail(alone).count("<rect") == 361 and pictures.thumbnail(seen).count("<rect") == 722


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_figure_in_both_languages(seen: Trace, full: Trace, lang: str) -> None:
    words = {name: block[lang] for name, block in SPEC["words"].items()}
    for shown in (seen, full):
        for name in FIGURES:
            view = getattr(pictures, name)(shown, words)
            assert view.alt and "{" not in view.alt and "nan" not in view.alt
    assert set(SPEC["gallery"]) >= {"taught", "gates", "importance", "bias"}


def test_captions_say_what_happened(seen: Trace) -> None:
    said: dict[str, Any] = dict(facts(seen))

    def named(**changes: float) -> list[str]:
        return pictures.captions(seen, said | changes)

    assert named(entropy=0.95, entropy_none=0.1, loss=0.2, loss_none=0.4) == ["mended", "cheaper", "how_bias"]
    assert named(entropy=0.5, entropy_none=0.1, loss=0.4, loss_none=0.4) == ["partly", "dearer", "how_bias"]
    assert named(entropy=0.1, entropy_none=0.1)[0] == "not_mended"
    said |= ends(comparison("none", "switch", "bias"))
    called = pictures.named(said, WORDS)
    assert called["last"] == WORDS["remedy_bias"] and called["first"] == WORDS["remedy_switch"]
    for name in ("seeds", "strengths", "remedies", "texts"):
        text = [SPEC["words"][f"note_{name}"][lang].format(**said | called) for lang in ("en", "zh")]
        assert all(any(letter.isdigit() for letter in one) for one in text)
    assert named(frozen=1) == ["frozen", "how_bias"]
    for remedy in ("switch", "importance", "bias", "z", "noise", "capacity"):
        assert SPEC["captions"][f"how_{remedy}"]["zh"].format(**said)
    for name in ("none", "spiral", "mended", "partly", "not_mended", "cheaper", "dearer", "frozen", "frozen_end"):
        assert SPEC["captions"][name]["en"].format(**said)
