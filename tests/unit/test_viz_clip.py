"""What the pictures of CLIP hold, against the Trace or the measurement they were drawn from."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
import torch

from models import clip, clip_training, clip_twin, clip_uses
from models.clip import TEMPERATURES, Config, Sweep, Trace, trace
from models.clip_training import Gap, Progress
from models.clip_twin import Beside
from models.clip_uses import Binding, Choice, Combinations, Found
from models.scenes import HELD_OUT, RADIUS, RGB
from tests.tree import PAGES
from viz import clip as pictures
from viz.view import View

SPEC = PAGES["clip"].spec
WORDS = {name: block["en"] for name, block in SPEC["words"].items()}
SOURCE = torch.Generator().manual_seed(0)


def numbers(packed: dict[str, Any]) -> np.ndarray:
    kinds = {"u1": "u1", "u2": "<u2", "i2": "<i2", "f4": "<f4", "f2": "<f2", "b1": "?"}
    return np.frombuffer(base64.b64decode(packed["b64"]), kinds[packed["dtype"]]).reshape(packed["shape"])


def picture(n: int) -> torch.Tensor:
    return torch.randint(256, (n, 32, 32, 3), generator=SOURCE).to(torch.uint8)


@pytest.fixture(scope="module")
def seen() -> Trace:
    """Three snapshots of five pairs."""
    s = 2 * torch.rand(3, 5, 5, generator=SOURCE) - 1
    own = torch.arange(5)
    return Trace(
        trained="softmax", judge="row", temperature=torch.full((3,), 0.1), bias=torch.full((3,), -3.0),
        step=(0, 7, 20), picture=picture(5),
        text=("a <b>red</b> circle", "b", "c", "d", "e"), held_out=(False, True, False, True, False),
        similarity=s, share=clip.share(s, "row", 0.1, -3.0), softmax=torch.tensor([1.5, 1.2, 0.7]),
        sigmoid=torch.tensor([2.0, 1.0, 0.5]), recall_text=(s.argmax(2) == own).float().mean(1),
        recall_picture=(s.argmax(1) == own).float().mean(1), learned=torch.tensor([0.07, 0.06, 0.04]),
        learned_bias=torch.zeros(3),
    )  # fmt: skip


@pytest.fixture(scope="module")
def swept() -> Sweep:
    k = len(TEMPERATURES)
    s = torch.rand(k, 3, 3, generator=SOURCE)
    rising = torch.linspace(0.1, 9.0, k)
    return Sweep(TEMPERATURES, ("a", "b", "c"), s, 1 - s, rising, rising / 2, rising / 3, -rising, rising / 9, 1.0986)


def test_the_board_shows_the_trace(seen: Trace) -> None:
    view = pictures.board(seen, WORDS, 1, row=2, column=9)
    assert view.component == "pairs" and view.data["frames"] == 3 and view.data["chosen"] == [2, 4]
    assert np.array_equal(numbers(view.data["images"]).reshape(5, 32, 32, 3), seen.picture.numpy())
    assert np.allclose(numbers(view.data["share"])[1], seen.share[1].numpy(), atol=1e-3)
    assert np.allclose(numbers(view.data["similarity"])[2], seen.similarity[2].numpy(), atol=1e-3)
    assert np.array_equal(numbers(view.data["right"]), np.eye(5, dtype=bool))
    assert view.data["scrub"] == {"field": "step", "label": "training step", "values": [0, 7, 20], "index": 1}
    assert view.data["texts"][:2] == ["a <b>red</b> circle", "◇ b"], "held-out pairs are marked"
    right = round(float(seen.recall_text[2]) * 5)
    assert f"{right} of 5 pictures" in view.data["readout"][2] and "0.70" in view.data["readout"][2]
    assert "5 pictures against 5 captions at training step 7" in view.alt
    assert f"{float(seen.similarity[1].diagonal().mean()):.2f}" in view.alt
    assert "trained with the softmax loss" in view.alt
    assert pictures.said(seen) == ["judge_row", "pair"] and set(pictures.said(seen)) <= set(SPEC["captions"])
    twin = pictures.said(replace(seen, trained="sigmoid"))
    assert twin == ["judge_row", "pair_twin"] and set(twin) <= set(SPEC["captions"])


def test_forty_pairs_travel_light() -> None:
    found = trace(Config(number=40))
    assert len(str(pictures.board(found, WORDS, 0).data)) < 1_000_000


def test_thumbnail(seen: Trace) -> None:
    drawn = pictures.thumbnail(seen)
    assert drawn.startswith("<svg") and drawn.count("<rect") == 5 * 64 + 25


def test_losses_follow_the_temperature(swept: Sweep) -> None:
    curves, matrix = pictures.losses(swept, 0.032, WORDS), pictures.judges(swept, 0.032, WORDS)
    k = TEMPERATURES.index(0.032)
    assert curves.data["follow"] == "temperature" and curves.data["index"] == k
    assert matrix.data["scrub"]["values"] == list(TEMPERATURES) and matrix.data["scrub"]["index"] == k
    lines = {one["name"]: numbers(one["y"])[0] for one in curves.data["lines"]}
    shown = lines[WORDS["line_softmax"]]
    below = swept.softmax.numpy() <= 3 * swept.chance
    assert np.allclose(shown[below], swept.softmax.numpy()[below]) and np.isnan(shown[~below]).all() and not below.all()
    assert f"{float(swept.softmax[k]):.2f}" in curves.alt
    row = numbers(matrix.data["panels"][0]["stages"][0]["values"])
    alone = numbers(matrix.data["panels"][1]["stages"][0]["values"])
    assert np.allclose(row, swept.row.numpy(), atol=1e-3) and np.allclose(alone, swept.alone.numpy(), atol=1e-3)
    assert pictures.nearest(TEMPERATURES, 0.0331) == k


@pytest.fixture(scope="module")
def learned() -> Progress:
    watched = {
        "step": (2, 20),
        "seen": (0.1, 0.8),
        "held_out": (0.1, 0.6),
        "retrieval": (0.2, 0.9),
        "binding": (0.5, 0.7),
    }
    rows = (
        (4.0, 2.0, 1.0),
        (0.1, 0.5, 0.9),
        (0.1, 0.4, 0.8),
        (0.07, 0.06, 0.04),
        (0.3, 0.6, 0.8),
        (0.1, 0.5, 0.7),
        (0.1, 0.2, 0.1),
    )
    values = [torch.tensor(row) for row in rows]
    return Progress((0, 3, 20), *values, 128, 50, watched)


def test_training_as_curves(learned: Progress) -> None:
    view = pictures.progress(learned, 1, WORDS)
    lines = {one["name"]: one for one in view.data["lines"]}
    assert np.allclose(numbers(lines[WORDS["line_recall"]]["y"])[0], [0.1, 0.5, 0.9], atol=1e-3)
    assert np.allclose(numbers(lines[WORDS["line_held_out"]]["y"])[0], [0.1, 0.6], atol=1e-3)
    assert np.allclose(numbers(lines[WORDS["line_held_out"]]["x"]), [2, 20])
    assert view.data["follow"] == "step" and view.data["cursor"][0] == pytest.approx(0.7), "0 has a place on the axis"
    assert "90%" in view.alt and "60%" in view.alt
    below = pictures.cosines(learned, 2, WORDS)
    assert pictures.notes("training", learned) == ["note_training"]
    assert pictures.notes("training", replace(learned, bias=torch.zeros(3)))[1] == "note_bias"
    assert "0.80" in below.alt and "0.70" in below.alt and "0.040" in below.alt and len(below.data["lines"]) == 4


@pytest.fixture(scope="module")
def choice() -> Choice:
    return Choice(
        "white; large red circle 50 50", picture(1)[0], ("a red circle", "<b>$x$</b>", ""),
        torch.tensor([0.5, 0.2, 0.1]), torch.tensor([0.7, 0.2, 0.1]), (3, 0, 0), ("x",), (True, None, False), 2,
    )  # fmt: skip


def test_zero_shot_bars(choice: Choice) -> None:
    figure = pictures.choice(choice, WORDS)
    assert isinstance(figure, go.Figure)
    assert list(figure.data[0].x) == pytest.approx([0.1, 0.2, 0.7]), "the first caption on top"
    ticks = list(figure.layout.yaxis.ticktext)
    assert (
        ticks[-1] == "a red circle ✓" and "<b>" not in ticks[1] and "$" not in ticks[1] and ticks[0] == WORDS["empty"]
    )
    assert "70.0% · cos 0.50" in figure.data[0].text[-1] and "70.0%" in figure.layout.meta["alt"]
    assert pictures.notes("zero_shot", choice) == ["note_zero_shot", "note_unknown", "note_cut"]
    open_ = replace(choice, fits=(None,) * 3, unknown=(), n_cut=0)
    assert pictures.notes("zero_shot", open_) == ["note_zero_shot_open"]
    own = pictures.original(choice, WORDS)
    assert np.array_equal(numbers(own.data["groups"][0]["images"])[0, 0], choice.shown.numpy()) and "32" in own.alt


def test_only_the_softmax_towers_are_asked(choice: Choice) -> None:
    """Said below each picture that needs the towers, once the twin is chosen."""
    assert pictures.notes("zero_shot", choice, "sigmoid")[:2] == ["note_zero_shot", "note_towers"]
    assert pictures.notes("binding", None, "sigmoid") == ["note_binding", "note_towers"]
    assert pictures.notes("gap", None, "sigmoid") == ["note_gap"] and "note_towers" in WORDS


def test_both_trainings_side_by_side() -> None:
    shares = ("zero_seen", "zero_colour", "zero_shape", "zero_held_out", "found_seen", "found_held_out", "bound")
    numbers = ("gap", "right", "wrong", "scale", "bias", "threshold")
    found = Beside(
        ("softmax", "sigmoid"), {name: (0.1 * k, 0.5) for k, name in enumerate(shares)}, dict.fromkeys(shares, 37),
        ("found_seen", "bound"), {name: (k + 0.123, -k - 0.5) for k, name in enumerate(numbers)}, (200, 400),
        {"softmax": {"seen": (0.1, 0.31), "held_out": (0.2, 0.42)},
         "sigmoid": {"seen": (0.3, 0.53), "held_out": (0, 0.64)}},
        400, {"softmax_scale": 14.3, "sigmoid_scale": 10.0, "sigmoid_bias": -10.0},
    )  # fmt: skip
    table, drawn = pictures.views("twin", found, 0, 0.05, WORDS)
    softmax, sigmoid = table[WORDS["column_softmax"]], table[WORDS["column_sigmoid"]]
    assert len(set(map(len, table.values()))) == 1 and len(softmax) == 13
    at = [WORDS[f"row_{name}"].format(n=37) for name in (*shares, *numbers)]
    assert table[WORDS["column_measure"]] == at and softmax[2] == "20.0%" and sigmoid[7] == "-0.50"
    assert softmax[at.index(WORDS["row_bias"])] == softmax[-1] == "-", "the softmax loss has no bias and no threshold"
    assert sigmoid[-1] == "-5.50" and softmax[10] == "3.1"
    assert table[WORDS["column_differ"]] == ["", "", "", "", "≠", "", "≠", *[""] * 6]
    assert pictures.named("twin", found, WORDS) == {"larger": "retrieval (seen), binding"}
    assert pictures.named("twin", replace(found, larger=()), WORDS) == {"larger": "none of them"}
    lines = {one["name"]: numbers_of(one) for one in drawn.data["lines"]}
    assert np.allclose(lines["softmax, seen"], [0.1, 0.31], atol=1e-3)
    assert np.allclose(lines["sigmoid, never seen"], [0, 0.64], atol=1e-3)
    assert all(share in drawn.alt for share in ("31%", "42%", "53%", "64%"))


def numbers_of(line: dict[str, Any]) -> np.ndarray:
    return numbers(line["y"])[0]


def test_long_labels_are_broken() -> None:
    assert pictures._wrapped("a large red circle left of a blue star") == "a large red circle left of<br>a blue star"
    assert pictures._wrapped("红" * 80) == "红" * 26 + "<br>" + "红" * 25 + "…"


def test_the_composer(choice: Choice) -> None:
    view = pictures.composer("white; large red circle 30 40", RGB, RADIUS, WORDS)
    assert view.component == "scene" and "1 objects" in view.alt
    assert {one["id"]: one["css"] for one in view.data["colours"]}["red"] == "#de2929"
    assert len(view.data["shapes"]) == 6 and view.data["text"] == "white; large red circle 30 40"


def test_retrieval() -> None:
    found = Found(
        "a star", "", picture(3), torch.tensor([0.6, 0.5, 0.4]), (True, False, None), 4, picture(1)[0], ("x", "y"),
        torch.tensor([0.3, 0.2]), (True, None), (),
    )  # fmt: skip
    view, table = pictures.views("retrieval", found, 0, 0.05, WORDS)
    group = view.data["groups"][0]
    assert group["marks"] == ["right", "wrong", ""] and group["notes"][0] == ["0.60", "0.50", "0.40"]
    assert np.array_equal(numbers(group["images"])[0], found.picture.numpy()) and "1 of them" in view.alt
    assert table[WORDS["column_true"]] == ["✓", ""] and table[WORDS["column_caption"]] == ["x", "y"]


def test_combinations_frame_those_never_seen() -> None:
    share = torch.rand(6, 8, generator=SOURCE)
    names = [(s, c) in HELD_OUT for s in clip_uses.SHAPES for c in clip_uses.COLOURS]
    found = Combinations(share, share, share, torch.tensor(names).view(6, 8), 12)
    figure = pictures.combinations(found, WORDS)
    assert np.allclose(figure.data[0].z, share.numpy()) and len(figure.layout.shapes) == len(HELD_OUT)
    held = {(round(one.y0 + 0.48), round(one.x0 + 0.48)) for one in figure.layout.shapes}
    assert held == {(clip_uses.SHAPES.index(s), clip_uses.COLOURS.index(c)) for s, c in HELD_OUT}
    assert f"{float(share[found.held_out].mean()):.0%}" in figure.layout.meta["alt"]
    share[3, 4] = -1.0  # a blue star, of those never seen
    assert pictures.named("combinations", found, WORDS) == {"worst": "blue star"}
    assert pictures.named("gap", found, WORDS) == {}


def test_the_gap_leads_to_the_partner() -> None:
    point = torch.randn(3, 6, 2, generator=SOURCE)
    found = Gap((0, 5, 9), point, (0, 0, 1, 1, 2, 2), tuple("abcdef"), torch.tensor([0.9, 0.8, 0.7]), torch.ones(3),
                torch.tensor([1.0, 0.5, 0.25]), 0.4)  # fmt: skip
    view = pictures.gap(found, WORDS, 2)
    plane = view.data["planes"][0]
    assert np.allclose(numbers(plane["points"]), point.numpy(), atol=1e-2)
    target = numbers(plane["target"])
    assert np.allclose(target[1, 0], point[1, 2].numpy(), atol=1e-2), "a picture's English caption"
    assert np.allclose(target[1, 5], point[1, 1].numpy(), atol=1e-2), "a Chinese caption's picture"
    assert view.data["follow"] == "step" and "0.70" in view.alt and "25%" in view.alt


def test_binding_bars_and_examples() -> None:
    found = Binding(
        (0.9, 0.8, 0.6, 0.5), (0.2, 0.1, 0.01, 0.0), picture(2), ("r1", "r2"), ("s1", "s2"), (0.5, 0.3), (0.4, 0.35), 50
    )
    bars, shown = pictures.views("binding", found, 0, 0.05, WORDS)
    assert list(bars.data[0].x) == list(found.share) and bars.data[0].text[2] == "60%"
    assert bars.data[0].y[2] == "colours swapped" and bars.layout.shapes[0].x0 == 0.5
    said = bars.layout.meta["alt"]
    assert "colours swapped 60%" in said and "50 pictures" in said
    group = shown.data["groups"][0]
    assert group["marks"] == ["right", "wrong"] and group["notes"][0] == ["0.50 / 0.40", "0.30 / 0.35"]


def test_every_picture_in_both_languages() -> None:
    """On the shipped snapshots; the ones that need a tower are drawn from small measurements above."""
    for language in ("en", "zh"):
        words = {name: block[language] for name, block in SPEC["words"].items()}
        for name, found in {
            "losses": clip.sweep(Config(number=3)),
            "training": clip_training.progress(language),
            "gap": clip_training.gap("sigmoid"),
            "twin": clip_twin.beside(language),
        }.items():
            drawn = [one for one in pictures.views(name, found, 999, 0.05, words) if not isinstance(one, dict)]
            assert all(isinstance(one, View) and any(c.isdigit() for c in one.alt) for one in drawn)
    with pytest.raises(ValueError):
        pictures.views("nothing", None, 0, 0.05, WORDS)
