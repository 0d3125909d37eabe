"""The line chart's Python side: what the builder sends and refuses, and the colours of lines and their names."""

from __future__ import annotations

import base64
import itertools
import json
import re
from typing import Any

import numpy as np
import pytest

from tests.unit.test_components import BACKGROUNDS, DEFICIENCIES, _contrast, _linear, _oklab
from ui.settings import ROOT
from viz import palette
from viz.components import curves as package
from viz.components.curves import Axis, Line, curves
from viz.components.kit import Scrub
from viz.view import View

FOLDER = ROOT / "viz" / "components" / "curves"
NAN = float("nan")


def unpack(packed: dict[str, Any]) -> np.ndarray:
    return np.frombuffer(base64.b64decode(packed["b64"]), f"<{packed['dtype']}").reshape(packed["shape"])


def given(**other: Any) -> View:
    """Two lines of three points over five frames, one of which stands still."""
    arguments: dict[str, Any] = {
        "x": [1, 2, 7],
        "lines": [Line("moves", np.arange(15.0).reshape(5, 3)), Line("stands", [0.5, NAN, -1])],
        "x_axis": Axis("position"),
        "y_axis": Axis("loss"),
        "alt": "two lines",
        "scrub": Scrub("factor", "factor", (1, 2, 4, 8, 16), 3),
    }
    return curves(**(arguments | other))


def test_everything_arrives() -> None:
    view = given(
        marks=[(7, "late"), (1.5, "early")],
        bands=[(1, 2, "trained")],
        readout=[[f"frame {k}"] for k in range(5)],
        words={"nothing": "–"},
    )
    data = view.data
    assert (view.component, view.height, view.alt) == ("curves", 320, "two lines")
    np.testing.assert_array_equal(unpack(data["x"]), [1, 2, 7])
    np.testing.assert_array_equal(unpack(data["lines"][0]["y"]), np.arange(15).reshape(5, 3))
    np.testing.assert_array_equal(unpack(data["lines"][1]["y"]), [[0.5, NAN, -1]])
    assert data["scrub"] == {"field": "factor", "label": "factor", "values": [1, 2, 4, 8, 16], "index": 3}
    assert (data["frames"], data["index"], data["cursor"]) == (5, 3, None)
    assert data["marks"] == [[1.5, "early"], [7.0, "late"]] and data["bands"] == [[1.0, 2.0, "trained"]]
    assert data["readout"][4] == ["frame 4"] and data["words"] == {"nothing": "–"}
    json.dumps(data, allow_nan=False)


def test_limits_hold_for_all_frames() -> None:
    axes = given().data
    assert (axes["x_axis"]["low"], axes["x_axis"]["high"]) == (1, 7)
    assert (axes["y_axis"]["low"], axes["y_axis"]["high"], axes["y_axis"]["fixed"]) == (-1, 14, [False, False])
    fixed = given(y_axis=Axis("loss", high=6.5, low=-2)).data["y_axis"]
    assert (fixed["low"], fixed["high"], fixed["fixed"]) == (-2, 6.5, [True, True])


def test_bars_stand_on_zero_and_log_axes_show_what_is_positive() -> None:
    bars = given(lines=[Line("a", [3, 4, 5], form="bars")]).data
    assert (bars["y_axis"]["low"], bars["y_axis"]["high"]) == (0, 5)
    log = given(lines=[Line("a", [0, 4, 500]), Line("b", [-1, np.inf, 2])], y_axis=Axis("", log=True)).data
    assert (log["y_axis"]["low"], log["y_axis"]["high"]) == (2, 500)
    np.testing.assert_array_equal(unpack(log["lines"][0]["y"]), [[NAN, 4, 500]])
    np.testing.assert_array_equal(unpack(log["lines"][1]["y"]), [[NAN, NAN, 2]])


def test_nothing_to_draw_is_a_picture_too() -> None:
    for log in (False, True):
        data = given(x=[3], lines=[Line("", [NAN])], x_axis=Axis("", log=log), y_axis=Axis("", log=log)).data
        assert data["y_axis"]["low"] < data["y_axis"]["high"]
        json.dumps(data, allow_nan=False)


def test_the_slider_on_the_axis_has_the_axis_values() -> None:
    view = given(x_axis=Axis("n", log=True), on_axis=True)
    assert view.data["cursor"] == [1, 2, 4, 8, 16]
    assert view.data["x_axis"]["high"] == 16, "the axis reaches as far as the slider"


def test_a_line_may_have_positions_of_its_own() -> None:
    line = Line("own", [1, 2], x=[0.5, 9], labels=["a", "<b>"])
    data = given(lines=[line]).data
    np.testing.assert_array_equal(unpack(data["lines"][0]["x"]), [0.5, 9])
    assert (data["x_axis"]["low"], data["x_axis"]["high"]) == (0.5, 9)
    assert data["lines"][0]["labels"] == ["a", "<b>"]


def test_many_numbers_travel_small_if_nobody_sees_it() -> None:
    x = np.arange(1, 1025)
    frames = Scrub("f", "f", range(17), 0)
    height = 420
    for y, kind in ((np.log(x), "f2"), (1000 + np.log(x), "f4"), (1e5 * x, "f4")):
        lines = [Line(f"{k}", y * np.ones((17, 1))) for k in range(8)]
        view = given(x=x, lines=lines, scrub=frames, height=height)
        sent = view.data["lines"][0]["y"]
        assert sent["dtype"] == kind
        axis = view.data["y_axis"]
        error = np.abs(unpack(sent)[0].astype(float) - y).max() / (axis["high"] - axis["low"])
        assert error * height < 0.5
    log = given(x=x, lines=[Line("", np.exp(x / 99) * np.ones((17, 1)))], scrub=frames, y_axis=Axis("", log=True))
    assert log.data["lines"][0]["y"]["dtype"] == "f2"
    tiny = given(x=x, lines=[Line("", np.exp(-x / 50.0) * np.ones((17, 1)))], scrub=frames, y_axis=Axis("", log=True))
    assert tiny.data["lines"][0]["y"]["dtype"] == "f4", "float16 would lose the smallest"
    assert len(json.dumps(given(x=x, lines=lines[:1] * 8, scrub=frames).data)) < 800_000


FRAMES = np.zeros((4, 3))


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"lines": []}, "0 lines"),
        ({"lines": [Line("a", [1, 2])]}, "3 positions"),
        ({"lines": [Line("a", np.zeros((2, 2, 3)))]}, "3 positions"),
        ({"lines": [Line("a", [1, 2, 3], form="pie")]}, "form"),
        ({"lines": [Line("a", [1, 2, 3], role="pink")]}, "colour"),
        ({"lines": [Line("a", [1, 2, 3], role="probability")]}, "colour"),
        ({"lines": [Line("a", [1, 2, 3], role="probability:1.2")]}, "colour"),
        ({"lines": [Line("a", [1, 2, 3], role="query:1")]}, "colour"),
        ({"lines": [Line("a", [1, 2, 3], labels=["x"])]}, "labels"),
        ({"lines": [Line("a", np.ones((5, 3)), labels=["x"] * 3)]}, "labels"),
        ({"lines": [Line("a", [1, 2], x=[2, 1])]}, "ascend"),
        ({"lines": [Line("a", [1, 2], x=[1, NAN])]}, "finite"),
        ({"x": [1, 7, 2]}, "ascend"),
        ({"x": [[1, 2, 7]]}, "finite"),
        ({"x": []}, "finite"),
        ({"scrub": Scrub("f", "f", (1, 2), 0)}, r"\[2, 5\]"),
        ({"scrub": None}, "neither"),
        ({"scrub": Scrub("f", "f", (1, 2, 3, 4, 5), 5)}, "index"),
        ({"scrub": None, "follow": "f", "index": 5}, "index 5"),
        ({"scrub": None, "on_axis": True, "follow": "f"}, "on_axis"),
        ({"cursor": [1.0, 2.0]}, r"\[2, 5\]"),
        ({"cursor": [1.0, 2.0, 3.0, 4.0, NAN]}, "cursor"),
        ({"readout": [["a"], ["b"]]}, r"\[2, 5\]"),
        ({"x_axis": Axis("", log=True), "x": [0, 1, 2]}, "x axis"),
        ({"x_axis": Axis("", low=9)}, "x axis from 9"),
        ({"y_axis": Axis("", low=NAN)}, "y axis"),
        ({"marks": [(NAN, "")]}, "mark"),
        ({"bands": [(0, np.inf, "")]}, "band"),
        ({"lines": [Line("a", np.zeros((5, 250_001)))], "x": np.arange(250_001)}, "numbers"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_does_not_fit_is_refused(wrong: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        given(**wrong)


def test_labels_can_always_travel() -> None:
    odd = "\ud800<b>猫"
    view = given(
        lines=[Line(odd, [1, 2, 3], note=odd, labels=[odd] * 3)],
        x_axis=Axis(odd, ticks=[(1, odd)]),
        y_axis=Axis(odd),
        marks=[(1, odd)],
        bands=[(1, 2, odd)],
        readout=[[odd]] * 5,
        words={"nothing": odd},
    )
    sent = json.dumps(view.data, ensure_ascii=False).encode("utf-8").decode()
    assert sent.count("\ufffd<b>猫") == 16


@pytest.mark.parametrize("dark", [False, True])
def test_lines_and_their_names_can_be_read_and_told_apart(dark: bool) -> None:
    colours = palette.palette(dark)["line"]
    for colour, back in itertools.product(colours, BACKGROUNDS[dark]):
        assert _contrast(colour, back) >= 4.5, (colour, back)
    for name, matrix in DEFICIENCIES.items():
        seen = [_oklab(np.asarray(matrix) @ _linear(colour)) for colour in colours]
        nearest = min((float(np.linalg.norm(seen[a] - seen[b])), a, b) for a, b in itertools.combinations(range(8), 2))
        assert nearest[0] > 0.055, (name, nearest)


def test_every_role_is_known() -> None:
    for role in ("", "ink", "query", "value_fill", "line:7", "probability:0.7", "cyclic:0", "expert:1"):
        assert given(lines=[Line("a", [1, 2, 3], role=role)]).data["lines"][0]["role"] == role


def test_reported_states_are_those_the_script_sends() -> None:
    scripts = [script.read_text(encoding="utf-8") for script in FOLDER.glob("*.js")]
    sent = {name for script in scripts for name in re.findall(r'\bsend\("(\w+)"', script)}
    assert sent == set(package.STATES)
    assert not any(re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write", script) for script in scripts)
