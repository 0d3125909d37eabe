"""What the pictures of the zoo hold, against the traces they were drawn from."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pytest
import torch

from models import text_diffusion_zoo as zoo
from tests.tree import PAGES
from ui.more import placeholders
from viz import text_diffusion_zoo as pictures
from viz import zoo_planes
from viz.view import View

SPEC = PAGES["text-diffusion-zoo"].spec
WORDS = {name: block["en"] for name, block in SPEC["words"].items()}
CASES: dict[str, dict[str, Any]] = {
    "d3pm": {"corruption": "absorbing", "n_word": 5, "clean": 2, "step": 3},
    "diffusion_lm": {"step": 2},
    "diffuseq": {"source": "bank", "step": 5},
    "ssd_lm": {"block": 5, "step": 4, "written": 9},
    "ar_diffusion": {"slope": 0.5, "passed": 2},
}


@pytest.fixture(scope="module")
def seen() -> dict[str, zoo.Trace]:
    return {kind: zoo.trace(zoo.Config(kind=kind, n_step=8, **more)) for kind, more in CASES.items()}


def numbers(packed: dict[str, Any]) -> np.ndarray:
    kinds = {"u1": "u1", "u2": "<u2", "i2": "<i2", "f4": "<f4", "f2": "<f2", "b1": "?"}
    return np.frombuffer(base64.b64decode(packed["b64"]), kinds[packed["dtype"]]).reshape(packed["shape"])


def line(view: View, name: str) -> np.ndarray:
    return numbers(next(one for one in view.data["lines"] if one["name"] == name)["y"])[0]


def words_of(lane: dict[str, Any], vocabulary: list[str], frame: int) -> list[str]:
    return [vocabulary[i - 1] if i else "" for i in numbers(lane["token"])[frame]]


def test_tables_are_the_traces(seen: dict[str, zoo.Trace]) -> None:
    trace, part = seen["d3pm"], seen["d3pm"].part
    view = pictures.tables(trace, WORDS)
    assert view.data["rows"] == ["one", "two", "three", "four", "five", "[MASK]"] == view.data["cols"]
    assert view.data["scrub"] == {"field": "step", "label": "noise level t", "values": list(range(9)), "index": 3}
    drawn = [[numbers(stage["values"]) for stage in panel["stages"]] for panel in view.data["panels"]]
    wanted = [[part.tables.one, part.posterior], [part.tables.power, part.backward]]
    for row, tables in zip(drawn, wanted, strict=True):
        for values, table in zip(row, tables, strict=True):
            np.testing.assert_allclose(values, table.float(), rtol=1e-5, atol=1e-7)
    assert f"two is still itself with probability {float(part.tables.power[3, 1, 1]):.3f}" in view.alt
    assert "x₀ is two" in view.data["panels"][0]["stages"][1]["explain"]


def test_the_sentence_there_and_back(seen: dict[str, zoo.Trace]) -> None:
    part = seen["d3pm"].part
    view = pictures.sentence(seen["d3pm"], WORDS)
    assert (view.data["follow"], view.data["index"], view.data["frames"]) == ("step", 3, 9)
    names = WORDS["numbers"].split()
    for r, film in enumerate((part.forward, part.exact, part.by_word)):
        lane = view.data["lanes"][r]
        for t in (0, 3, 8):
            wanted = [names[w] if w < 5 else "" for w in film[t].tolist()]
            assert words_of(lane, view.data["vocabulary"], t) == wanted
        weight = part.belief[r].gather(-1, film[..., None])[..., 0]
        np.testing.assert_allclose(numbers(lane["weight"]), weight, atol=1e-3)
    notes = [lane["notes"] for lane in view.data["lanes"]]
    assert notes[0] == [] and notes[1] == [WORDS["note_right"]]
    assert notes[2] == [WORDS["note_right"] if part.right[2] else WORDS["note_wrong"]]
    ids, share = pictures.likeliest(part.belief[0].numpy(), 5)
    assert (np.diff(share, axis=-1) <= 0).all() and ids.max() < 5


def test_steps_are_shares_in_percent(seen: dict[str, zoo.Trace]) -> None:
    view = pictures.steps(seen["d3pm"], WORDS)
    for c, name in enumerate(("uniform", "absorbing", "Gaussian")):
        np.testing.assert_allclose(line(view, name), 100 * seen["d3pm"].part.share[c], rtol=1e-5)


def test_points_run_from_noise_to_words(seen: dict[str, zoo.Trace]) -> None:
    trace, part = seen["diffusion_lm"], seen["diffusion_lm"].part
    view = pictures.points(trace, WORDS)
    assert view.data["scrub"]["values"] == list(range(8, -1, -1)) and view.data["scrub"]["index"] == 6
    for plane, film in zip(view.data["planes"], (part.forward, part.plain, part.clamped), strict=True):
        np.testing.assert_allclose(numbers(plane["points"]), film.flip(0), atol=2e-3)
        assert [name for _, _, name in plane["anchors"]] == list(part.word)
    assert np.array_equal(numbers(view.data["planes"][0]["group"]), part.origin)
    ends = torch.cdist(part.plain[0], part.embedding).argmin(-1)
    assert np.array_equal(numbers(view.data["planes"][1]["group"]), ends)
    np.testing.assert_allclose(numbers(view.data["planes"][2]["target"]), part.clamped_x0.flip(0), atol=2e-3)
    assert f"{float(part.accuracy[2]):.0%}" in view.data["planes"][0]["notes"][6]
    assert f"{float(part.gap[0, 2]):.2f}" in view.data["planes"][1]["notes"][6]
    curve = pictures.rounding(trace, WORDS)
    np.testing.assert_allclose(line(curve, WORDS["line_plane"]), part.accuracy, atol=1e-6)
    np.testing.assert_allclose(line(curve, WORDS["line_wide"]), part.wide, atol=1e-6)


def test_borders_lie_where_rounding_changes() -> None:
    place = np.array([[-1.0, 0.0], [1.0, 0.0], [0.0, 2.0]])
    borders = zoo_planes.cells(place)
    assert len(borders) == 3
    for a, b in borders:
        far = np.sort(np.linalg.norm((a + b)[None] / 2 - place, axis=-1))
        assert far[1] - far[0] < 1e-6, "the middle of a border is as near to two"
    upright = next(one for one in borders if abs(one[:, 0]).max() < 0.02)
    assert upright[:, 1].max() == pytest.approx(0.75, abs=0.03), "up to where all three are as near"


def test_pairs_are_asked_in_three_ways(seen: dict[str, zoo.Trace]) -> None:
    trace, part = seen["diffuseq"], seen["diffuseq"].part
    view = pictures.asked(trace, WORDS)
    for r, plane in enumerate(view.data["planes"]):
        np.testing.assert_allclose(numbers(plane["points"]), part.path[r].flip(0), atol=4e-3)
        assert np.array_equal(numbers(plane["group"]), part.ends[r])
        assert f"“bank”: {float(part.answered[r, 5]):.0%}" in plane["notes"][3]
        assert plane["outline"][0][0][0] == pytest.approx(float(part.pair[2, 0]), abs=1e-3)
    names = zoo_planes.pair_names(trace, WORDS)
    assert names[2:4] == ["bank → 银行", "bank → 河岸"] and view.data["groups"] == names
    bars = pictures.answers(trace, WORDS)
    np.testing.assert_allclose(line(bars, WORDS["line_known"]), [0, 0, 60, 40, 0, 0], atol=1e-4)
    np.testing.assert_allclose(line(bars, WORDS["way_both"]), 100 * part.share[1], rtol=1e-4)


def test_the_triangle_is_a_mean_of_its_corners(seen: dict[str, zoo.Trace]) -> None:
    trace, part = seen["ssd_lm"], seen["ssd_lm"].part
    view = pictures.triangle(trace, WORDS)
    for plane, film in zip(view.data["planes"], (part.forward, part.plain, part.guided), strict=True):
        drawn = numbers(plane["points"])
        np.testing.assert_allclose(drawn, film.numpy()[::-1] @ zoo_planes.CORNERS, atol=2e-3)
        assert (drawn.max((0, 1)) <= zoo_planes.CORNERS.max(0) + 2e-3).all()
    assert [a[2] for a in view.data["planes"][0]["anchors"]] == ["sunny", "cloudy", "rainy"]
    guided = float((part.first[1] == part.wanted).float().mean())
    assert f"ends as rainy: {guided:.0%}" in view.data["planes"][2]["notes"][0] and f"guided {guided:.0%}" in view.alt
    curve = pictures.guidance(trace, WORDS)
    np.testing.assert_allclose(line(curve, "share of rainy"), part.share, rtol=1e-5)
    np.testing.assert_allclose(line(curve, WORDS["line_surprise"]), part.surprise, rtol=1e-5)


def test_blocks_are_written_one_after_the_other(seen: dict[str, zoo.Trace]) -> None:
    trace, part = seen["ssd_lm"], seen["ssd_lm"].part
    view = pictures.blocks(trace, WORDS)
    assert view.data["scrub"] == {
        "field": "written", "label": "passes so far", "values": list(range(25)), "index": 9,
    }  # fmt: skip
    names = WORDS["weather"].split()
    for r, lane in enumerate(view.data["lanes"]):
        assert lane["blocks"] == [5, 10]
        for f in (0, 9, 24):
            wanted = [names[w] if w >= 0 else "" for w in part.written[f, r].tolist()]
            assert words_of(lane, view.data["vocabulary"], f) == wanted
    assert view.data["lanes"][0]["notes"][9] == "block 2 of 3"
    long = zoo.trace(zoo.Config(kind="ssd_lm", block=1, n_step=24))
    values = pictures.blocks(long, WORDS).data["scrub"]["values"]
    assert len(values) <= zoo_planes.MOST_FRAMES + 2 and values[-1] == 288, "long films are thinned"


def test_levels_and_order(seen: dict[str, zoo.Trace]) -> None:
    trace, part = seen["ar_diffusion"], seen["ar_diffusion"].part
    moving = pictures.speed(trace, WORDS)
    assert (moving.data["follow"], moving.data["index"]) == ("passed", 2)
    np.testing.assert_allclose(numbers(moving.data["lines"][0]["y"]), part.level)
    table = pictures.levels(trace, WORDS)
    np.testing.assert_allclose(numbers(table.data["panels"][0]["stages"][0]["values"]), part.level.T)
    assert table.data["panels"][0]["stages"][0]["limits"] == [0.0, 3.0]
    texts = pictures.order(trace, WORDS)
    assert texts.data["scrub"]["field"] == "passed" and texts.data["scrub"]["index"] == 2
    names = WORDS["numbers"].split()
    for r, lane in enumerate(texts.data["lanes"]):
        for f in (2, len(part.level) - 1):
            wanted = [names[w] if w >= 0 else "" for w in part.lanes[r, f].tolist()]
            assert words_of(lane, texts.data["vocabulary"], f) == wanted
        assert lane["notes"][2] == f"pass {int(part.lane_step[r, 2])} of {int(part.passes[r])}"
    curve = pictures.right(trace, WORDS)
    np.testing.assert_allclose(numbers(curve.data["x"]), part.passes_of)
    np.testing.assert_allclose(line(curve, WORDS["line_same"]), 100 * part.same_of, rtol=1e-5)


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("kind", zoo.KINDS)
def test_every_picture_and_note_in_both_languages(seen: dict[str, zoo.Trace], kind: str, lang: str) -> None:
    words = {name: block[lang] for name, block in SPEC["words"].items()}
    trace = seen[kind]
    said = zoo.facts(trace)
    for row in pictures.PAGE[kind]:
        for _, name in row:
            view = pictures.PICTURES[name](trace, words)
            assert view.alt and "{" not in view.alt and "nan" not in view.alt
            assert any(letter.isdigit() for letter in view.alt), "numbers, not only words"
    for name in pictures.notes(trace, said):
        text = words[name].format(**said | pictures.named(trace, words))
        assert any(letter.isdigit() for letter in text) and "nan" not in text


def test_every_note_can_be_filled() -> None:
    """Notes that the default states do not show: their numbers are among their kind's facts."""
    variants = {
        "d3pm": [{"corruption": one} for one in ("uniform", "absorbing", "gaussian")],
        "diffusion_lm": [{"clamp": 0.0}, {"clamp": 1.0}],
        "diffuseq": [{"source": "cat"}, {"source": "light"}],
        "ssd_lm": [{"guidance": 0.0}, {"guidance": 5.0}],
        "ar_diffusion": [{"path": "anchor"}, {"path": "straight"}],
    }
    shown = {"look_many"}  # where absorbing is not behind
    for kind, states in variants.items():
        for state in states:
            trace = zoo.trace(zoo.Config(kind=kind, n_step=4, **state))
            said = zoo.facts(trace)
            shown |= {*pictures.notes(trace, said)}
            for name in pictures.notes(trace, said):
                known = set(said) | set(pictures.named(trace, WORDS))
                assert placeholders(WORDS[name]) <= known, name
                if kind == "d3pm":
                    assert placeholders(WORDS["look_many"]) <= known
    assert shown == {name for name in WORDS if name.startswith("look_")}, "no note that is never said"


def test_a_thumbnail_of_each(seen: dict[str, zoo.Trace]) -> None:
    assert pictures.thumbnail(seen["d3pm"]).count("<rect") == 36
    assert pictures.thumbnail(seen["ar_diffusion"]).count("<rect") == 6
    for kind in ("diffusion_lm", "diffuseq", "ssd_lm"):
        assert pictures.thumbnail(seen[kind]).count("<circle") == 60
