"""The line chart in Chromium, without Streamlit: where its points stand, who moves it, what it says."""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Open, faults, hosts, scrub
from tests.unit.test_components import _contrast
from viz.components.curves import Axis, Line, curves
from viz.components.kit import Scrub
from viz.components.matrix import Panel, Stage, inspector
from viz.view import View

SPACE = "{http://www.w3.org/2000/svg}"
NAN = float("nan")


def small(**other: Any) -> View:
    """Three frames; every number differs from every other."""
    moving = [[1.0, 3, 2, 5, 7], [2, 4, 1, 6, 9], [8, 3.5, 2.5, 0, 1.5]]
    arguments: dict[str, Any] = {
        "x": [1, 2, 4, 8, 16],
        "lines": [Line("moves", moving), Line("stands", [6.5, 5, 4.5, 3.25, 0.25]), Line("ends", [1, 2, 1, NAN, NAN])],
        "x_axis": Axis("position", log=True),
        "y_axis": Axis("loss, nats"),
        "marks": [(4, "trained length")],
        "scrub": Scrub("factor", "factor", (1, 2, 4), 1),
        "alt": "three lines",
    }
    return curves(**(arguments | other))


def along(**other: Any) -> View:
    """The slider lies along a log axis, its values are not evenly spaced there."""
    n = np.array([1024, 2048, 4096, 8192, 16384, 1 << 20])
    arguments: dict[str, Any] = {
        "x": n,
        "lines": [Line("linear", n / 1024), Line("quadratic", (n / 1024) ** 2)],
        "x_axis": Axis("tokens", log=True, kilo=1024),
        "y_axis": Axis("cost", log=True),
        "scrub": Scrub("length", "length", n.tolist(), 1),
        "on_axis": True,
        "alt": "two lines",
    }
    return curves(**(arguments | other))


def large(noise: float = 0.005) -> View:
    """As much as a picture must carry: 8 lines of 1,024 points in 17 frames."""
    rng = np.random.default_rng(0)
    x = np.arange(1, 1025)
    grow = np.linspace(0.2, 1, 17)[:, None]
    lines = [
        Line(f"scheme {k}", 3 + grow * k * np.log(x) / 8 + np.cumsum(rng.normal(0, noise, (17, 1024)), -1))
        for k in range(8)
    ]
    axes = {"x_axis": Axis("position"), "y_axis": Axis("loss")}
    return curves(x, lines, **axes, scrub=Scrub("factor", "factor", range(17), 0), alt="many", height=420)


def numbers(page: Page, selector: str) -> np.ndarray:
    """The corners of one path, (n, 2) pixels; a gap is a row of NaN."""
    path = page.locator(selector).get_attribute("d") or ""
    rows: list[tuple[float, float]] = []
    for command, x, y in re.findall(r"([ML])(-?[\d.]+) (-?[\d.]+)", path):
        if command == "M" and rows:
            rows.append((NAN, NAN))
        rows.append((float(x), float(y)))
    return np.array(rows)


def scale(page: Page, kind: str, log: bool) -> Callable[[Any], np.ndarray]:
    """Value to pixel of one axis, from nothing but the numbers written beside it."""
    found = page.evaluate(
        f"""() => [...host.shadowRoot.querySelectorAll(".plot .{kind}:not(.here)")]
          .map((e) => [e.textContent, Number(e.getAttribute("{"x" if kind == "tick" else "y"}"))])"""
    )
    value = np.array([float(text.replace("−", "-")) for text, _ in found])
    pixel = np.array([at for _, at in found])
    slope, start = np.polyfit(np.log(value) if log else value, pixel, 1)
    assert len(value) > 1
    return lambda values: start + slope * (np.log(values) if log else np.asarray(values))


def go(page: Page, index: int, name: str = "factor") -> None:
    """Move the slider as a hand does, without waiting for the server."""
    page.get_by_role("slider", name=name, exact=True).fill(str(index))


def tags(page: Page) -> list[str]:
    """The values beside the cursor, from above."""
    found = page.evaluate("""() => [...host.shadowRoot.querySelectorAll(".plot .value")]
      .map((e) => [Number(e.getAttribute("y")), e.textContent]).sort((a, b) => a[0] - b[0])""")
    return [text for _, text in found]


def box(found: Locator) -> Any:
    place = found.bounding_box()
    assert place
    return place


def letters(found: Locator) -> Any:
    """The box of a text in the picture, without the halo around its letters."""
    return found.evaluate("(e) => { const { x, y, width, height } = e.getBBox(); return { x, y, width, height } }")


def clear(a: Any, b: Any) -> bool:
    """Whether two texts do not touch; letters are lower than their boxes."""
    apart = a["x"] + a["width"] <= b["x"] + 0.5 or b["x"] + b["width"] <= a["x"] + 0.5
    return apart or a["y"] + a["height"] <= b["y"] + 4 or b["y"] + b["height"] <= a["y"] + 4


# --- where the points stand ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("log_x", [False, True])
@pytest.mark.parametrize("log_y", [False, True])
def test_points_stand_where_the_axes_say(show: Open, log_x: bool, log_y: bool) -> None:
    x, y = np.array([1.0, 3, 10, 20, 100]), np.array([2.0, 700, 3, 40, 1000])
    y = y if log_y else y + 5000  # an axis that does not begin at 0
    page = show(small(x=x, lines=[Line("a", y)], x_axis=Axis("", log=log_x), y_axis=Axis("", log=log_y), marks=[]))
    found = numbers(page, ".series")
    np.testing.assert_allclose(found[:, 0], scale(page, "tick", log_x)(x), atol=0.3)
    np.testing.assert_allclose(found[:, 1], scale(page, "level", log_y)(y), atol=0.7)


def test_every_frame_on_the_same_axes(show: Open) -> None:
    page = show(small())
    before = page.locator(".plot .level").all_text_contents()
    y = scale(page, "level", False)
    moving = np.array([[1.0, 3, 2, 5, 7], [2, 4, 1, 6, 9], [8, 3.5, 2.5, 0, 1.5]])
    for frame in (1, 0, 2):
        go(page, frame)
        page.wait_for_function(
            "(frame) => host.shadowRoot.querySelector('.scrub-value').textContent === String(2 ** frame)", arg=frame
        )
        page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        np.testing.assert_allclose(numbers(page, ".series >> nth=0")[:, 1], y(moving[frame]), atol=0.7)
        np.testing.assert_allclose(numbers(page, ".series >> nth=1")[:, 1], y([6.5, 5, 4.5, 3.25, 0.25]), atol=0.7)
        assert page.locator(".plot .level").all_text_contents() == before
    assert len(numbers(page, ".series >> nth=2")) == 3, "a line that ends early"


def test_gaps_stay_open_and_lonely_points_are_seen(show: Open) -> None:
    y = [NAN, 1, 2, NAN, 3, NAN, NAN, 4, 5, NAN]
    page = show(small(x=range(10), lines=[Line("a", y)], x_axis=Axis(""), marks=[]))
    found = numbers(page, ".series")
    x = scale(page, "tick", False)
    expected = x([1, 2, NAN, 4, NAN, 7, 8])
    np.testing.assert_allclose(found[:, 0], expected, atol=0.3)
    assert "h.01" in (page.locator(".series").get_attribute("d") or ""), "a dot of the line's own width"


def test_what_leaves_the_axis_is_cut_at_its_edge(show: Open) -> None:
    page = show(small(x=[0, 1, 2, 3], lines=[Line("a", [0, 10, 0, 4])], x_axis=Axis("", low=0.6), marks=[],
                      y_axis=Axis("", low=0, high=5)))  # fmt: skip
    found = numbers(page, ".series")
    x, y = scale(page, "tick", False), scale(page, "level", False)
    np.testing.assert_allclose(found[:, 0], x([1.5, 2, 3]), atol=0.6)
    np.testing.assert_allclose(found[:, 1], y([5, 0, 4]), atol=0.7)


def test_steps_dots_and_bars(show: Open) -> None:
    forms = [Line(form, [1, 3, -2], form=form) for form in ("steps", "dots", "bars")]
    page = show(small(x=[0, 1, 2], lines=forms, x_axis=Axis(""), marks=[]))
    x, y = scale(page, "tick", False), scale(page, "level", False)
    np.testing.assert_allclose(numbers(page, ".steps")[:, 0], x([0, 0.5, 0.5, 1.5, 1.5, 2]), atol=0.3)
    np.testing.assert_allclose(numbers(page, ".steps")[:, 1], y([1, 1, 3, 3, -2, -2]), atol=0.7)
    dots = re.findall(r"M([\d.]+) ([\d.]+)a([\d.]+)", page.locator(".dots").get_attribute("d") or "")
    np.testing.assert_allclose([float(a) + float(r) for a, _, r in dots], x([0, 1, 2]), atol=0.3)
    np.testing.assert_allclose([float(b) for _, b, _ in dots], y([1, 3, -2]), atol=0.7)
    bars = re.findall(r"M([\d.]+) ([\d.]+)V([\d.]+)H([\d.]+)", page.locator(".bars").get_attribute("d") or "")
    found = np.array(bars, dtype=float)
    np.testing.assert_allclose(found[:, 1], y([0, 0, 0]), atol=0.7)
    np.testing.assert_allclose(found[:, 2], y([1, 3, -2]), atol=0.7)
    np.testing.assert_allclose((found[:, 0] + found[:, 3]) / 2, x([0, 1, 2]), atol=0.3)


def test_bars_of_two_lines_stand_side_by_side(show: Open) -> None:
    page = show(small(x=range(24), lines=[Line(name, np.ones(24), form="bars") for name in "ab"], x_axis=Axis(""),
                      marks=[]))  # fmt: skip
    edges = []
    for line in (0, 1):
        path = page.locator(f".bars >> nth={line}").get_attribute("d") or ""
        edges.append([(float(a), float(b)) for a, b in re.findall(r"M([\d.]+) .*?H([\d.]+)", path)])
    for (a, b), (c, d) in zip(*edges, strict=True):
        assert a < b <= c + 0.11 < d
    assert all(first[1] < after[0] for first, after in zip(edges[1], edges[0][1:], strict=False))
    middles = [(a + d) / 2 for (a, _), (_, d) in zip(*edges, strict=True)]
    np.testing.assert_allclose(middles, scale(page, "tick", False)(np.arange(24)), atol=0.3)


def test_smooth_lines_need_few_points_and_no_point_is_missed(show: Open) -> None:
    """What is left out is passed by the drawn line within a fifth of a pixel."""
    page = show(small())
    rng = np.random.default_rng(0)
    x = np.cumsum(rng.uniform(0, 2, 400))
    rows = [300 * np.exp(-x / 90), np.cumsum(rng.normal(0, 0.3, 400)), rng.normal(0, 40, 400), np.full(400, 7.0)]
    rows[1][[0, 5, 6, 100, 399]] = NAN
    for k, y in enumerate(rows):
        kept = page.evaluate(
            """async ([x, y]) => (await import("/kit/curves/shapes.js")).needed(x, y.map((v) => v ?? NaN))""",
            [x.tolist(), [None if np.isnan(v) else float(v) for v in y]],
        )
        runs = [list(run) for gap, run in itertools.groupby(kept, lambda i: i < 0) if not gap]
        covered = {i for run in runs for i in range(run[0], run[-1] + 1)}
        assert covered == set(np.flatnonzero(~np.isnan(y)).tolist())
        for run in runs:
            inside = np.arange(run[0], run[-1] + 1)
            drawn = np.interp(x[inside], x[run], y[run])
            assert np.abs(drawn - y[inside]).max() <= 0.2 + 1e-9
        assert len(kept) < (80, 400, 401, 3)[k]


def test_names_are_spread_without_touching(show: Open) -> None:
    """Against the slow definition: the smallest sum of squared moves that keeps order and distances."""
    page = show(small())

    def spread(wanted: list[float], heights: list[float], top: float, bottom: float) -> list[float]:
        return page.evaluate(
            """async (given) => (await import("/kit/curves/labels.js")).spread(...given)""",
            [wanted, heights, top, bottom],
        )

    assert spread([50, 10, 90], [15, 15, 15], 0, 100) == [50, 10, 90], "what has room does not move"
    assert spread([50, 50, 50], [10, 10, 10], 0, 100) == [40, 50, 60]
    assert spread([2, 4], [10, 10], 0, 100) == [5, 15] and spread([99, 98], [10, 10], 0, 100) == [95, 85]
    assert spread([], [], 0, 100) == []
    found = spread([20, 25, 70, 26], [10, 20, 10, 10], 0, 100)
    assert found[2] == 70
    np.testing.assert_allclose(np.diff([found[i] for i in (0, 1, 3)]), [15, 15])
    assert np.mean([found[i] - w for i, w in ((0, 20), (1, 25), (3, 26))]) == pytest.approx(0)
    rng = np.random.default_rng(1)
    for _ in range(20):
        wanted, heights = rng.uniform(0, 300, 9), rng.choice([15.0, 30], 9)
        found = np.array(spread(wanted.tolist(), heights.tolist(), 0, 300))
        order = np.argsort(wanted)
        apart = np.diff(found[order])
        assert (apart >= (heights[order][1:] + heights[order][:-1]) / 2 - 1e-9).all()
        assert (found - heights / 2 >= -1e-9).all() and (found + heights / 2 <= 300 + 1e-9).all()


@pytest.mark.parametrize("width", [1100, 700, 390])
def test_no_two_names_touch(show: Open, width: int) -> None:
    """Lines that all end at the same height, one of them early; marks closer to each other than their names need."""
    close = [Line(f"line {k}", np.linspace(0, 5 + k / 50, 30), note="a note" if k == 3 else "") for k in range(7)]
    early = Line("early", np.where(np.arange(30) < 9, 1.0, NAN))
    marks = [(10, "the trained length"), (11, "another"), (12, "third"), (29, "the last position")]
    ticks = [(k, f"a long name of the tick at {k}") for k in (10, 11, 12)]
    axis = Axis("x", ticks=ticks)
    page = show(small(x=range(30), lines=[*close, early], x_axis=axis, marks=marks, scrub=None), width=width)
    assert len([tick for tick in page.locator(".plot .tick").all() if tick.text_content()]) == 1, "no room for more"
    for kinds in (".end, .plot .note", ".mark", ".tick", ".level"):
        boxes = [letters(one) for one in page.locator(f".plot {kinds}").all() if one.is_visible()]
        wide = box(page.locator(".plot"))["width"]
        for one in boxes:
            assert one["x"] >= -0.5 and one["x"] + one["width"] <= wide + 1, kinds
        for a, b in itertools.combinations(boxes, 2):
            assert clear(a, b), (kinds, a, b)
    assert page.locator(".plot .pole").count() == 4, "every mark has its line"


def test_names_of_dots_find_room(show: Open) -> None:
    """Beside their dots, touching neither dots nor lines nor each other; what finds no room is read by the cursor."""
    line = Line("", [1, 1], x=[1, 5], form="line")
    four = ["on the line", "free", "at the edge", "beside it"]
    dots = Line("", [1, 2, 3, 3], x=[3, 3, 9, 9.1], form="dots", labels=four)
    many = Line("", [5] * 40, x=np.linspace(4, 5, 40), form="dots", labels=[f"one of many {k}" for k in range(40)])
    axis = Axis("x", low=1, high=10)
    page = show(curves([1, 10], [line, dots, many], x_axis=axis, y_axis=Axis("y"), alt=""))
    names = page.locator(".plot .end")
    found = {name.text_content(): letters(name) for name in names.all()}
    assert set(four) <= set(found)
    assert 1 <= sum("many" in (text or "") for text in found) < 40
    for a, b in itertools.combinations(found.values(), 2):
        assert clear(a, b)
    crossed = found["on the line"]
    assert not crossed["y"] + 3 < scale(page, "level", False)(1) < crossed["y"] + crossed["height"] - 3
    right = found["at the edge"]["x"] + found["at the edge"]["width"]
    assert right < scale(page, "tick", False)(9), "to the left, where there is room"
    page.get_by_role("slider").focus()
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("slider")).to_have_attribute("aria-valuetext", "x 9: at the edge 3")


def test_ticks_are_round_numbers(show: Open) -> None:
    found = show(small()).evaluate("""async () => {
      const { counted, logRounds, rounds } = await import("/kit/kit/axis.js");
      return [
        [rounds(0.9, 4.2, 4), rounds(0.9, 4.2, 4, true), rounds(-3, 3, 3), rounds(0, 0.3, 3), rounds(7, 7, 3)],
        [logRounds(1, 1000, 6), logRounds(1e-3, 1e9, 6), logRounds(3, 40, 6), logRounds(30, 37, 6),
         logRounds(1, 1024, 12, true), logRounds(1024, 2 ** 23, 5, true)],
        [[131072, 1024], [128000, 1000], [1024 ** 2 * 10, 1024], [1000, 1024], [0.5, 1000], [1536, 1024], [NaN, 1024],
         [-2048, 1024], [1234]].map(([value, kilo]) => counted(value, kilo)),
      ];
    }""")
    assert found[0] == [[1, 2, 3, 4], [0, 1, 2, 3, 4, 5], [-2, 0, 2], [0, 0.1, 0.2, 0.3], [7]]
    assert found[1] == [
        [1, 3, 10, 30, 100, 300, 1000],
        [10.0**k for k in (-3, 0, 3, 6, 9)],
        [5, 10, 20],
        [30, 32, 34, 36],
        [2**k for k in range(11)],
        [2.0**k for k in (12, 15, 18, 21)],
    ]
    assert found[2] == ["128K", "128K", "10M", "1000", "0.500", "1.50K", "–", "−2K", "1234"]


# --- reading the lines ----------------------------------------------------------------------------------------------


def test_the_pointer_reads_every_line_at_the_nearest_position(show: Open) -> None:
    page = show(small())
    place = box(page.locator(".plot"))
    x = scale(page, "tick", True)
    page.mouse.move(place["x"] + float(x(5)), place["y"] + 100)
    expect(page.locator(".here")).to_have_text("4")
    assert tags(page) == ["4.50", "1", "1"]
    assert page.locator(".tick:not(.here):visible").all_text_contents() == ["1", "2", "8", "16"]
    page.mouse.move(place["x"] + float(x(7)), place["y"] + 20)
    expect(page.locator(".here")).to_have_text("8")
    assert tags(page) == ["6", "3.25"], "a line that has ended says nothing"
    go(page, 2)
    expect(page.locator(".plot .value").first).to_have_text("0")
    assert tags(page) == ["3.25", "0"], "the frame changes, the cursor stays"
    page.mouse.move(place["x"] + 100, place["y"] - 30)
    expect(page.locator(".plot .value")).to_have_count(0)
    assert page.locator(".cursor").get_attribute("d") == ""


def test_the_keyboard_reads_every_line(show: Open) -> None:
    page = show(small())
    probe = page.get_by_role("slider", name="Read the values along position")
    probe.focus()
    expect(page.locator(".plot .value").first).to_be_visible()
    page.keyboard.press("Home")
    page.keyboard.press("End")
    expect(probe).to_have_attribute("aria-valuetext", "position 16: moves 9; stands 0.250")
    page.keyboard.press("ArrowLeft")
    expect(probe).to_have_attribute("aria-valuetext", "position 8: moves 6; stands 3.25")
    expect(page.locator(".here")).to_have_text("8")
    page.keyboard.press("Escape")
    expect(page.locator(".plot .value")).to_have_count(0)
    assert page.evaluate("sent") == []


def test_lines_with_positions_of_their_own(show: Open) -> None:
    own = Line("own", [7, 8], x=[3, 5], form="dots", labels=["first", "second"])
    short = Line("short", [6, 6.5], x=[1, 1.1])
    page = show(small(lines=[Line("base", [1, 2, 3, 4, 5]), own, short], scrub=None))
    place = box(page.locator(".plot"))
    x = scale(page, "tick", True)
    page.mouse.move(place["x"] + float(x(3.05)), place["y"] + 60)
    expect(page.locator(".here")).to_have_text("3")
    assert tags(page) == ["7", "3"]
    assert page.locator(".plot .of").all_text_contents() == ["base", "first"]
    page.mouse.move(place["x"] + float(x(4)), place["y"] + 60)
    expect(page.locator(".here")).to_have_text("4")
    assert tags(page) == ["3"]
    page.mouse.move(place["x"] + float(x(8)), place["y"] + 60)
    expect(page.locator(".here")).to_have_text("8")
    assert tags(page) == ["4"], "a labelled dot speaks only where it stands, a line only where it is"


# --- who moves it ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [390, 1100])
def test_the_slider_lies_on_the_axis(show: Open, width: int) -> None:
    """Thumb, cursor and the axis' own numbers stand above each other, also where the values are unevenly spaced."""
    page = show(along(), width=width)
    ticks = page.evaluate("""() => [...host.shadowRoot.querySelectorAll(".plot .tick:not(.here)")]
      .map((e) => [e.textContent, Number(e.getAttribute("x"))])""")
    size = {"K": 1024, "M": 1024**2}
    known = {int(text[:-1]) * size[text[-1]]: at for text, at in ticks}
    slope, start = np.polyfit(np.log(list(known)), list(known.values()), 1)
    for index, n in enumerate(along().data["scrub"]["values"]):
        go(page, index, "length")
        text = f"{n // 1024}K" if n < 1024**2 else "1M"
        expect(page.locator(".here")).to_have_text(text)
        expect(page.locator(".scrub-value")).to_have_text(text)
        thumb = re.match(r"M([\d.]+) ([\d.]+)a([\d.]+)", page.locator(".thumb").get_attribute("d") or "")
        line = re.match(r"M([\d.]+)", page.locator(".cursor").get_attribute("d") or "")
        assert thumb and line
        at = start + slope * np.log(n)
        assert float(thumb[1]) + float(thumb[3]) == pytest.approx(at, abs=0.6) == float(line[1])
        axis = re.match(r"M[\d.]+ ([\d.]+)H", page.locator(".track").get_attribute("d") or "")
        assert axis and thumb[2] == axis[1], "the thumb stands on the axis"
        square = str((n // 1024) ** 2) if n < 1 << 20 else "1.05·10⁶"
        assert sorted(tags(page)) == sorted([str(n // 1024), square])


def test_dragging_anywhere_moves_the_slider_and_only_the_end_is_reported(show: Open) -> None:
    page = show(along())
    place = box(page.locator(".plot"))
    ticks = dict(
        page.evaluate("""() => [...host.shadowRoot.querySelectorAll(".plot .tick:not(.here)")]
      .map((e) => [e.textContent, Number(e.getAttribute("x"))])""")
    )
    page.mouse.move(place["x"] + ticks["16K"] + 3, place["y"] + 50)
    page.mouse.down()
    expect(page.locator(".here")).to_have_text("16K")
    page.mouse.move(place["x"] + ticks["512K"], place["y"] + 90)
    expect(page.locator(".here")).to_have_text("1M")
    assert page.evaluate("sent") == []
    page.mouse.up()
    assert page.evaluate("sent") == [["scrub", 5]]
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".here")).to_have_text("16K")
    expect(page.locator(".curves > .spoken")).to_have_text("tokens 16K: linear 16; quadratic 256")
    page.mouse.move(place["x"] + ticks["2K"], place["y"] + 90)
    expect(page.locator(".here")).to_have_text("16K")  # who only points moves nothing


def test_it_follows_a_scrubber_elsewhere(show: Open) -> None:
    """A chart without a slider, and one whose slider moves the same field, follow; another field moves nothing."""
    scrub = Scrub("factor", "factor", (1, 2, 4), 0)
    frames = [[0.0, 1], [2, 3], [4, 5]]
    common: dict[str, Any] = {"x_axis": Axis("x"), "y_axis": Axis("y"), "alt": ""}
    panel = Panel("", [Stage("s", np.zeros((3, 2, 2)), "signed")])
    other = inspector([panel], ["a", "b"], ["a", "b"], alt="", scrub=scrub)
    follows = curves([1, 2], [Line("a", frames)], follow="factor", cursor=[1, 1, 2], height=284, **common)
    twin = curves([1, 2], [Line("a", frames)], scrub=scrub, **common)
    alone = curves([1, 2], [Line("a", frames)], follow="window", **common)
    page = show(other, follows, twin, alone)
    before = page.locator("#host3 .series").get_attribute("d")
    first = page.locator("#host1 .series").get_attribute("d")
    go(page.locator("#host"), 2)  # type: ignore[arg-type]
    expect(page.locator("#host1 .here")).to_have_text("2")
    expect(page.locator("#host2 .scrub-value")).to_have_text("4")
    moved = [page.locator(f"#host{k} .series").get_attribute("d") for k in (1, 2)]
    assert moved[0] == moved[1] != first
    assert page.locator("#host3 .series").get_attribute("d") == before
    go(page.locator("#host2"), 0)  # type: ignore[arg-type]
    expect(page.locator("#host1 .series")).to_have_attribute("d", first or "")
    assert [name for name, _ in page.evaluate("sent")] == ["scrub", "scrub"], "who follows reports nothing"


def test_every_frame_has_its_sentences(show: Open) -> None:
    readout = [[f"At factor {k} it is {k}.", "<b>"] for k in (1, 2, 4)]
    page = show(small(readout=readout))
    said = page.locator(".said p")
    assert said.all_text_contents() == ["At factor 2 it is 2.", "<b>"]
    before = box(page.locator(".plot"))
    go(page, 2)
    expect(said.first).to_have_text("At factor 4 it is 4.")
    assert box(page.locator(".plot")) == before
    expect(page.locator(".curves > .spoken")).to_have_text("At factor 4 it is 4. <b>")


def test_new_data_moves_the_frame_but_not_back(show: Open) -> None:
    page = show(small())
    go(page, 2)
    page.evaluate("mount({ ...component.data, alt: 'again' })")
    expect(page.locator(".scrub-value")).to_have_text("4")
    page.evaluate("mount({ ...component.data, alt: 'news', scrub: { ...component.data.scrub, index: 0 } })")
    expect(page.locator(".scrub-value")).to_have_text("1")


@pytest.mark.parametrize("name", ["small", "along"])
def test_the_focus_survives_new_data_and_the_slider_new_values(show: Open, name: str) -> None:
    """The server's answer must not take the slider from the hand; other values make another slider in its place."""
    page = show(views()[name])
    label = "factor" if name == "small" else "length"
    slider = page.get_by_role("slider", name=label, exact=True)
    slider.focus()
    page.evaluate("mount({ ...component.data, alt: 'again' })")
    expect(slider).to_be_focused()
    page.evaluate("""() => {
      const { scrub } = component.data;
      mount({ ...component.data, scrub: { ...scrub, label: "other", values: scrub.values.map((value) => value + 1) } });
    }""")
    expect(page.get_by_role("slider", name="other", exact=True)).to_have_count(1)
    expect(slider).to_have_count(0)
    page.evaluate("mount({ ...component.data, on_axis: !component.data.on_axis, cursor: component.data.scrub.values })")
    expect(slider).to_have_count(1)
    slider.press("End")
    page.wait_for_function("sent.length === 1")
    page.evaluate("mount({ ...component.data, scrub: undefined, follow: 'f', on_axis: false })")
    expect(slider).to_have_count(0)


def test_scrubbing(show: Open, record_property: Callable[[str, object], None]) -> None:
    """8 lines of 1,024 points, another of 17 frames with every movement; the rate is reported, not asserted."""
    page = show(large())
    values = [(7 * i % 17) / 16 for i in range(128)]
    assert (
        scrub(
            page,
            page.get_by_role("slider", name="factor", exact=True),
            values,
            "8 lines of 1,024 points",
            record_property,
        )
        > 32
    )


# --- everywhere --------------------------------------------------------------------------------------------------


def views() -> dict[str, View]:
    long = "a very long name of a line that says much more than any name should ever have to say 很长的名字"
    roles = ["query", "value_fill", "probability:0", "probability:1", "signed:0.5", "expert:0.2", "ink", "cyclic:0.3"]
    coloured = [Line(role, [k, k + 1, k, k + 1, k], role=role) for k, role in enumerate(roles)]
    odd = [Line(long, [1, 2, 3, 4, 5], note=long), Line("<script>", [5, 4, 3, 2, 1], form="bars"), Line("", [2] * 5)]
    crowd = [Line(f"context {k}", [k, k, k, k, k + 1], quiet=True) for k in range(60)]
    return {
        "small": small(),
        "along": along(marks=[(2048, "first"), (2049, "second"), (1 << 19, "the third one is long")]),
        "many": large(),
        "coloured": small(lines=coloured),
        "odd": small(lines=odd, x_axis=Axis(long, log=True), y_axis=Axis(long), marks=[(2, long), (3, long)],
                     bands=[(1, 4, long)], readout=[[long]] * 3),
        "nothing": small(x=[1], lines=[Line("", [NAN])], marks=[], scrub=None),
        "crowd": small(lines=[*crowd, Line("loud", [0, 15, 30, 45, 60])], scrub=None, height=220),
    }  # fmt: skip


@pytest.mark.parametrize(("width", "theme"), [(390, "dark"), (1400, "light")])
def test_nothing_overflows_and_everyone_can_use_it(show: Open, width: int, theme: str) -> None:
    shown = views()
    page = show(*shown.values(), width=width, lang="zh")
    page.evaluate("(theme) => { document.body.className = theme }", theme)
    for name, host in hosts(page, shown):
        expect(host.locator(".plot .axis").first, name).to_be_attached()
        wide = host.evaluate("""(host) => [...host.shadowRoot.querySelectorAll(".kit *")]
          .filter((e) => !e.closest(".spoken, .theme-probe") && e.getBoundingClientRect().right > innerWidth)
          .map((e) => e.className.baseVal ?? e.className)""")
        assert not wide, name
        assert box(host.locator(".curves"))["height"] == shown[name].height, name
        assert box(host.locator(".plot"))["height"] > 80, f"{name}: the picture keeps its room"
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    found = faults(page, shown)
    assert not found, json.dumps(found, indent=1, ensure_ascii=False)[:3000]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_text_can_be_read(show: Open, theme: str) -> None:
    """axe does not look into SVG: every text's own colour on the page's ground, pale roles included."""
    page = show(views()["coloured"])
    page.evaluate("(theme) => { document.body.className = theme }", theme)
    expect(page.locator(".kit")).to_have_css("color", "rgb(26, 29, 33)" if theme == "light" else "rgb(232, 234, 237)")
    place = box(page.locator(".plot"))
    page.mouse.move(place["x"] + 300, place["y"] + 100)
    expect(page.locator(".plot .value")).to_have_count(8)
    fills = page.evaluate("""() => {
      const pen = new OffscreenCanvas(1, 1).getContext("2d");
      return [...host.shadowRoot.querySelectorAll(".plot text")].map((e) => {
        pen.fillStyle = getComputedStyle(e).fill;
        pen.fillRect(0, 0, 1, 1);
        const seen = [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3);
        return "#" + seen.map((c) => c.toString(16).padStart(2, "0")).join("");
      });
    }""")
    back = "#ffffff" if theme == "light" else "#12151a"
    assert len(fills) > 25
    assert min(_contrast(fill, back) for fill in fills) >= 4.5
    colours = page.evaluate("""() => [[".series", "stroke"], [".plot .end", "fill"]].map(([kind, paint]) =>
      [...host.shadowRoot.querySelectorAll(kind)].map((e) => getComputedStyle(e)[paint]))""")
    assert colours[0] == colours[1] and len(colours[0]) == 8, "a name has its line's colour"


def test_the_theme_switches_without_the_server(show: Open) -> None:
    page = show(small())
    line = page.locator(".series").first
    before = line.evaluate("(e) => getComputedStyle(e).stroke")
    page.evaluate("document.body.className = 'dark'")
    expect(line).not_to_have_css("stroke", before)


def test_nothing_moves_by_itself(show: Open) -> None:
    """Reduced motion needs no special case: no transition and no animation is in the picture."""
    page = show(small())
    moving = page.evaluate("""() => [...host.shadowRoot.querySelectorAll(".kit, .kit *")]
      .map((e) => getComputedStyle(e))
      .filter((style) => style.transitionDuration !== "0s" || style.animationName !== "none").length""")
    assert moving == 0


def test_exports(show: Open, tmp_path: Path) -> None:
    page = show(small())
    files = {}
    for kind in ("SVG", "PNG", "CSV"):
        with page.expect_download() as coming:
            page.get_by_role("button", name=f"Download as {kind}").click()
        assert coming.value.suggested_filename == f"curves-1.{kind.lower()}"
        coming.value.save_as(tmp_path / kind)
        files[kind] = (tmp_path / kind).read_bytes()
    drawing = ET.fromstring(files["SVG"])
    assert drawing.findtext(f"{SPACE}title") == "three lines"
    words = [text.text for text in drawing.iter(f"{SPACE}text")]
    assert {"moves", "stands", "ends", "trained length", "loss, nats", "position", "16"} <= set(words)
    width, height = (float(drawing.get(side, "0")) for side in ("width", "height"))
    for text in drawing.iter(f"{SPACE}text"):
        assert 0 <= float(text.get("x", "-1")) <= width and 0 <= float(text.get("y", "-1")) <= height
    drawn = [path for path in drawing.iter(f"{SPACE}path") if path.get("stroke-width") == "2"]
    assert len(drawn) == 3 and len({path.get("stroke") for path in drawn}) == 3
    assert len([box for box in drawing.iter(f"{SPACE}rect") if box.get("rx") == "8"]) == 1, (
        "the slider's own thumb only"
    )
    size = [int.from_bytes(files["PNG"][at : at + 4], "big") for at in (16, 20)]
    assert files["PNG"].startswith(b"\x89PNG") and size == [2 * width, 2 * height]
    lines = list(csv.reader(io.StringIO(files["CSV"].decode("utf-8-sig"))))
    assert lines[0] == ["factor", "position", "moves", "stands", "ends"]
    assert lines[1] == ["1", "1", "1", "6.5", "1"]
    assert lines[-1] == ["4", "16", "1.5", "0.25", ""] and len(lines) == 1 + 3 * 5


def test_numbers_of_lines_with_positions_of_their_own(show: Open, tmp_path: Path) -> None:
    own = Line("own", [7, 8], x=[3, 5], labels=["first", "second"])
    base = Line("base", np.arange(1, 37).reshape(6, 6))
    page = show(along(lines=[base, own], x_axis=Axis("n", log=True)))
    with page.expect_download() as coming:
        page.get_by_role("button", name="Download as CSV").click()
    coming.value.save_as(tmp_path / "csv")
    lines = list(csv.reader(io.StringIO((tmp_path / "csv").read_text(encoding="utf-8-sig"))))
    assert lines[0] == ["length", "name", "n", "cost"]
    assert lines[1] == ["1024", "base", "1024", "1"] and ["1024", "second", "5", "8"] in lines
    assert ["2048", "base", "4096", "9"] in lines and len(lines) == 1 + 6 * 8
