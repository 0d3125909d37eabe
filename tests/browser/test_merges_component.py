"""The training picture and the scrub bus in Chromium, without Streamlit; the pack format against NumPy."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open, faults, hosts, scrub
from viz.components.kit import Scrub
from viz.components.matrix import Panel, Stage, inspector
from viz.components.merges import merges
from viz.view import View, pack

SPACE = "{http://www.w3.org/2000/svg}"
WORDS = {"curve": "characters per token", "axis": "vocabulary", "rival": "WordPiece would take"}


def small(index: int = 0, **other: Any) -> View:
    """Four merges worked out by hand: ␣l, lo, ␣lo, ␣low. Pieces 0 to 4 are the alphabet."""
    pieces = [" ", "l", "o", "w", "<b>", "ow", "lo", " lo", " low"]
    none = (-1, -1)
    arguments: dict[str, Any] = {
        "pieces": pieces,
        "born": [0, 0, 0, 0, 0, 1, 2, 3, 4],
        "gone": [99] * 9,
        "parent": [none] * 5 + [(2, 3), (1, 2), (0, 6), (7, 3)],
        "curve": [1.0, 1.25, 1.5, 2.0, 3.0],
        "axis": [5, 6, 7, 8, 9],
        "pair": [
            [(2, 3), (1, 2), (0, 1)],
            [(1, 2), (0, 1), (3, 4)],
            [(0, 6), (6, 3), none],
            [(7, 3), none, none],
        ],
        "numbers": [
            [(7, 0.5), (5, 0.25), (3, 0.125)],
            [(5, 0.2), (4, 0.1), (1, 0.9)],
            [(4, 0.3), (3, 0.2), (0, 0)],
            [(3, 1.0), (0, 0), (0, 0)],
        ],
        "chosen": [[True, False, False]] * 4,
        "rival": [[True, False, False], [False, False, True], [True, False, False], [True, False, False]],
        "columns": ["count", "score"],
        "scrub": Scrub("step", "step", range(5), index),
        "words": WORDS,
        "marks": [(1, "WordPiece differs here")],
        "alt": "four merges",
    }
    return merges(**(arguments | other))


def large(steps: int = 2000, rows: int = 8, index: int = 0) -> View:
    """Random merges, as many as a picture must carry."""
    rng = np.random.default_rng(0)
    letters = [chr(97 + i) for i in range(26)]
    pieces, parent = list(letters), [(-1, -1)] * 26
    while len(pieces) < 26 + steps:
        a, b = (int(i) for i in rng.integers(0, len(pieces), 2))
        if len(pieces[a] + pieces[b]) <= 12:
            pieces.append(pieces[a] + pieces[b])
            parent.append((a, b))
    k = np.arange(steps)[:, None]
    return merges(
        pieces,
        born=[0] * 26 + list(range(1, steps + 1)),
        gone=[steps + 1] * len(pieces),
        parent=parent,
        curve=1 + np.log1p(np.arange(steps + 1) / 20),
        axis=26 + np.arange(steps + 1),
        pair=rng.integers(0, 26 + k[..., None], (steps, rows, 2)),
        numbers=np.stack([rng.integers(1, 9999, (steps, rows)), rng.random((steps, rows))], -1),
        chosen=np.arange(rows) == 0 * k,
        rival=np.arange(rows) == k % rows,
        columns=["count", "score"],
        scrub=Scrub("step", "step", range(steps + 1), index),
        words=WORDS,
        alt="many merges",
        marks=[(steps // 3, "a third of the way")],
    )


def pruned(index: int = 1) -> View:
    """Unigram: no piece has parts, each step removes some."""
    pieces = ["a", "b", " ab", "ba", "aba", "bab", "abab"]
    return small(
        index,
        pieces=pieces,
        born=[0] * 7,
        gone=[99, 99, 99, 1, 1, 2, 2],
        parent=[(-1, -1)] * 7,
        curve=[3.0, 2.5, 2.0],
        axis=[7, 5, 3],
        pair=[[(3, -1), (4, -1), (5, -1)], [(5, -1), (6, -1), (2, -1)]],
        numbers=[[(0.1,), (0.2,), (0.3,)], [(0.4,), (0.5,), (0.6,)]],
        chosen=[[True, True, False]] * 2,
        rival=None,
        columns=["loss increase"],
        scrub=Scrub("step", "step", range(3), index),
        marks=[],
    )


def go(page: Page, step: int) -> None:
    """Move the slider as a hand does, without waiting for the server."""
    page.get_by_role("slider").fill(str(step))


def rows(page: Page) -> list[str]:
    """The table as one line per row: its signs, its pieces, its numbers."""
    found = []
    for row in page.locator("tbody tr:visible").all():
        signs = "".join(sign for sign in ("chosen", "rival") if row.locator(f".mark.{sign}").is_visible())
        cells = [*row.locator(".chip:visible").all_inner_texts(), *row.locator(".amount > span").all_inner_texts()]
        found.append(" ".join([signs or "-", *cells]))
    return found


def chips(page: Page) -> list[str]:
    return page.locator(".chips .chip").all_inner_texts()


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (np.arange(256), "u1"),
        (np.array([[-32768, -1], [0, 32767]]), "i2"),
        (np.array([0, 1, 65535]), "u2"),
        (np.array([-(2**31), -1, 0, 2**31 - 1]), "i4"),
        (np.array([0, 2**32 - 1]), "u4"),
        (np.array([True, False]), "b1"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_integers_of_every_width_are_decoded(show: Open, values: np.ndarray, dtype: str) -> None:
    sent = pack(values)
    found = show(small()).evaluate(
        """async (packed) => {
          const { unpack } = await import("/kit/kit/decode.js");
          const { values, shape, exact } = unpack(packed);
          return [[...values], shape, exact];
        }""",
        sent,
    )
    assert sent["dtype"] == dtype
    assert found == [values.astype(np.int64).ravel().tolist(), list(values.shape), True]


# --- the bus -----------------------------------------------------------------------------------------------------

FOLLOW = """async (fields) => {
  const { follow } = await import("/kit/kit/follow.js");
  window.heard = Object.fromEntries(fields.map((field) => [field, []]));
  window.stops = fields.map((field) => follow(field, (index) => heard[field].push(index)));
}"""


def test_one_scrubber_moves_all(show: Open) -> None:
    """Two scrubbers on one page: who follows a field hears its scrubber and no other, and the server hears nothing."""
    frames = np.zeros((7, 2, 2))
    scrub = Scrub("window", "window", range(7), 0)
    other = inspector([Panel("", [Stage("scores", frames, "signed")])], ["a", "b"], ["a", "b"], alt="", scrub=scrub)
    page = show(small(), other)
    page.evaluate(FOLLOW, ["step", "window"])
    slider = page.get_by_role("slider", name="step")
    box = slider.bounding_box()
    assert box
    page.mouse.move(box["x"] + 8, box["y"] + 9)
    page.mouse.down()
    for share in (0.5, 1):
        page.mouse.move(box["x"] + 8 + (box["width"] - 16) * share, box["y"] + 9)
        page.wait_for_function("(index) => heard.step.at(-1) === index", arg=4 * share)
    assert page.evaluate("sent") == [] and page.evaluate("heard.window") == []
    page.mouse.up()
    page.get_by_role("slider", name="window").press("ArrowRight")
    page.wait_for_function("heard.window.length === 1")
    assert page.evaluate("heard.window") == [1] and page.evaluate("heard.step.at(-1)") == 4
    page.evaluate("stops.forEach((stop) => stop())")
    before = page.evaluate("heard.step.length")
    go(page.locator("#host"), 2)  # type: ignore[arg-type]
    expect(page.locator(".curve .value")).to_have_text("1.50")
    assert page.evaluate("heard.step.length") == before, "who has stopped following hears nothing"


def test_the_bus_speaks_once_per_picture(show: Open) -> None:
    page = show(large(200))
    page.evaluate(FOLLOW, ["step"])
    heard = page.evaluate("""() => new Promise((done) => {
      const slider = host.shadowRoot.querySelector("input");
      for (const value of [3, 50, 120, 77]) {
        slider.value = value;
        slider.dispatchEvent(new InputEvent("input"));
      }
      requestAnimationFrame(() => requestAnimationFrame(() => done(heard.step)));
    })""")
    assert heard == [77]


# --- what a step shows ------------------------------------------------------------------------------------------


def test_every_step_shows_its_candidates(show: Open) -> None:
    page = show(small())
    expected = [
        ["chosenrival o w 7 0.500", "- l o 5 0.250", "- · l 3 0.125"],
        ["chosen l o 5 0.200", "- · l 4 0.100", "rival w <b> 1 0.900"],
        ["chosenrival · lo 4 0.300", "- lo w 3 0.200"],
        ["chosenrival ·lo w 3 1"],
        [],
    ]
    for step, found in enumerate(expected):
        go(page, step)
        expect(page.locator(".curve .value")).to_have_text(["1", "1.25", "1.50", "2", "3"][step])
        assert rows(page) == found, step
    expect(page.locator(".done")).to_be_visible()
    go(page, 1)
    widths = page.evaluate(
        """() => [...host.shadowRoot.querySelectorAll("tbody .bar i")].map((bar) => bar.style.width)"""
    )
    assert [float(width.rstrip("%")) for width in widths] == pytest.approx(
        [100, 200 / 9, 80, 100 / 9, 20, 100], rel=1e-4
    )


def test_every_step_shows_its_vocabulary(show: Open) -> None:
    page = show(small())
    alphabet = ["·", "l", "o", "w", "<b>"]
    made = ["ow", "lo", "·lo", "·low"]
    for step in (4, 0, 2, 3, 1):
        go(page, step)
        expect(page.locator(".vocabulary h3")).to_have_text(f"Vocabulary{5 + step}{'+1' if step else ''}")
        assert chips(page) == made[:step][::-1] + alphabet
        assert page.locator(".chip.new").all_inner_texts() == made[step - 1 : step] * bool(step)


def test_what_a_step_removes_is_struck_out(show: Open) -> None:
    page = show(pruned(1))
    assert chips(page) == ["ba", "aba", "a", "b", "·ab", "bab", "abab"]
    struck = page.locator(".chip.gone")
    assert struck.all_inner_texts() == ["ba", "aba"]
    expect(struck.first).to_have_css("text-decoration-line", "line-through")
    expect(struck.first).to_have_accessible_name("ba, removed in step 1")
    go(page, 2)
    expect(page.locator(".vocabulary h3")).to_have_text("Vocabulary3−2")
    assert struck.all_inner_texts() == ["bab", "abab"] and "ba" not in chips(page)
    go(page, 0)
    expect(struck).to_have_count(0)
    assert chips(page) == ["a", "b", "·ab", "ba", "aba", "bab", "abab"]
    assert rows(page) == ["chosen ba 0.100", "chosen aba 0.200", "- bab 0.300"]
    expect(page.locator(".tree")).to_be_hidden()


def test_the_tree_of_a_piece(show: Open) -> None:
    """Every inner node with its step, over the characters in order; what is not made yet is dashed."""
    page = show(small(4))
    tree = page.locator(".tree")
    assert tree.locator(".leaf").all_text_contents() == ["·", "l", "o", "w"]
    assert sorted(tree.locator(".made").all_text_contents()) == ["2", "3", "4"]
    expect(tree.locator(".spoken")).to_have_text(
        "l + o → lo: made in step 2; · + lo → ·lo: made in step 3; ·lo + w → ·low: made in step 4"
    )
    at = {
        text.text_content(): text.bounding_box()
        for text in [*tree.locator(".leaf").all(), *tree.locator(".made").all()]
    }
    for over, under in (("4", "3"), ("3", "2"), ("2", "l"), ("3", "·"), ("4", "w")):
        upper, lower = at[over], at[under]
        assert upper and lower and upper["y"] < lower["y"] - 10, (over, under)

    def across(name: str) -> float:
        return at[name]["x"] + at[name]["width"] / 2

    leaves = [across(leaf) for leaf in ("·", "l", "o", "w")]
    assert np.ptp(np.diff(leaves)) < 1 and leaves[1] - leaves[0] > 20, "evenly spaced, in the order of the text"
    assert across("l") < across("2") < across("o") and across("·") < across("3") < across("2"), "above its parts"
    page.get_by_role("option", name="·lo", exact=True).click()
    assert tree.locator(".leaf").all_text_contents() == ["·", "l", "o"]
    go(page, 2)
    expect(tree.locator("rect.ahead")).to_have_count(1)
    expect(tree.locator(".tree-head")).to_contain_text("made in step 3")
    page.get_by_role("option", name="lo", exact=True).focus()
    page.keyboard.press("Escape")
    assert tree.locator(".leaf").all_text_contents() == ["l", "o"], "the newest piece again"
    assert page.evaluate("sent") == [["scrub", 2]], "which piece is looked at stays in the browser"


def test_thousands_of_pieces_are_counted_not_painted(show: Open) -> None:
    page = show(large(1999, index=1999))
    expect(page.locator(".vocabulary .count")).to_have_text("2025")
    shown = len(chips(page))
    assert shown < 300
    more = page.locator(".more")
    expect(more).to_have_text(f"{2025 - shown} more")
    more.click()
    expect(page.locator(".chips .chip")).to_have_count(shown + 500)
    go(page, 1000)
    expect(page.locator(".chips .chip")).to_have_count(shown)
    go(page, 0)
    expect(more).to_be_hidden()
    assert chips(page) == [chr(97 + i) for i in range(26)]


# --- the axis ----------------------------------------------------------------------------------------------------


def cursor(page: Page) -> float:
    """Where the cursor stands, in CSS pixels from the left of the window."""
    line = page.locator(".cursor").get_attribute("d") or ""
    box = page.locator(".plot").bounding_box()
    assert box
    return box["x"] + float(re.findall(r"M([\d.]+)", line)[0])


@pytest.mark.parametrize("width", [390, 1100])
def test_cursor_and_thumb_stand_above_each_other(show: Open, width: int) -> None:
    """The thumb is found in the picture itself: a disc around the cursor's foot."""
    page = show(small(), width=width)
    slider = page.get_by_role("slider").bounding_box()
    assert slider
    for step in range(5):
        go(page, step)
        expect(page.locator(".curve .value")).to_have_text(["1", "1.25", "1.50", "2", "3"][step])
        middle = slider["x"] + 8 + (slider["width"] - 16) * step / 4
        assert cursor(page) == pytest.approx(middle, abs=0.6)
        thumb = page.screenshot(clip={"x": cursor(page) - 10, "y": slider["y"] + 9 - 7, "width": 20, "height": 1})
        dark = page.evaluate(
            """async (png) => {
              const image = await createImageBitmap(await (await fetch(`data:image/png;base64,${png}`)).blob());
              const pen = new OffscreenCanvas(20, 1).getContext("2d");
              pen.drawImage(image, 0, 0);
              const pixels = pen.getImageData(0, 0, 20, 1).data;
              return [...Array(20).keys()].filter((x) => pixels[4 * x] < 128);
            }""",
            base64.b64encode(thumb).decode(),
        )
        assert len(dark) == 2 and sum(dark) / 2 == pytest.approx(9.5, abs=1.5), (
            "its ring, seven pixels above its middle"
        )


def test_the_curve_can_be_dragged_and_its_marks_pressed(show: Open) -> None:
    page = show(small())
    box = page.locator(".plot").bounding_box()
    slider = page.get_by_role("slider").bounding_box()
    assert box and slider
    first, last = slider["x"] + 8, slider["x"] + slider["width"] - 8
    page.mouse.move(first + (last - first) * 0.74, box["y"] + box["height"] / 2)
    page.mouse.down()
    expect(page.locator(".curve .value")).to_have_text("2")
    assert page.evaluate("sent") == []
    page.mouse.move(last + 30, box["y"] + 5)
    expect(page.locator(".curve .value")).to_have_text("3")
    page.mouse.up()
    page.wait_for_function("sent.length === 1")
    page.get_by_role("button", name="WordPiece differs here").click()
    expect(page.locator(".tick.here")).to_have_text("vocabulary 6")
    page.wait_for_function("sent.length === 2")
    assert page.evaluate("sent") == [["scrub", 4], ["scrub", 1]]
    pole = page.locator(".pole").get_attribute("d") or ""
    assert float(re.findall(r"M([\d.]+)", pole)[0]) + box["x"] == pytest.approx(cursor(page), abs=0.6)


def test_the_axis_says_the_vocabulary_size_where_it_is_reached(show: Open) -> None:
    """Falling and uneven sizes too: a tick stands where the size lies between two steps."""
    page = show(small())
    found = page.evaluate("""async () => {
      const { crossing } = await import("/kit/merges/curve.js");
      const { rounds } = await import("/kit/kit/axis.js");
      const axis = [1000, 800, 500, 100];
      const places = [1000, 900, 500, 200, 50].map((size) => crossing(axis, size));
      return [places, rounds(0.9, 4.2, 4), rounds(0.9, 4.2, 4, true), rounds(7, 7, 3), rounds(100, 1000, 3)];
    }""")
    assert found == [[0, 0.5, 2, 2.75, None], [1, 2, 3, 4], [0, 1, 2, 3, 4, 5], [7], [500, 1000]]
    ticks = page.locator(".tick:not(.here)")
    assert ticks.all_text_contents() == ["5", "6", "7", "8", "9"]


def test_keys(show: Open) -> None:
    page = show(small(4))
    page.get_by_role("slider").press("ArrowLeft")
    expect(page.locator(".curve .value")).to_have_text("2")
    page.get_by_role("listbox").locator("[tabindex='0']").focus()
    page.keyboard.press("End")
    expect(page.get_by_role("option", name="<b>")).to_be_focused()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.get_by_role("option", selected=True)).to_have_accessible_name("lo")
    page.keyboard.press("Enter")
    expect(page.get_by_role("option", selected=True)).to_have_count(0)
    expect(page.locator(".merges > .spoken")).to_have_text("2 characters per token, vocabulary 8. taken: ·lo + w")


def test_arrows_go_to_the_nearest_chip_of_the_next_line(show: Open) -> None:
    page = show(large(500, index=500))
    page.get_by_role("listbox").locator("[tabindex='0']").focus()
    page.keyboard.press("ArrowRight")
    boxes = []
    for key in ("ArrowDown", "ArrowDown", "ArrowUp"):
        before = page.locator("[role=option]:focus").bounding_box()
        page.keyboard.press(key)
        after = page.locator("[role=option]:focus").bounding_box()
        assert before and after
        boxes.append((after["y"] - before["y"], after["x"] + after["width"] / 2 - before["x"] - before["width"] / 2))
    (down, _), (again, _), (up, _) = boxes
    assert down > 15 and again == pytest.approx(down) and up == pytest.approx(-down)
    assert all(abs(across) < 60 for _, across in boxes)


def test_play_reaches_the_end_of_a_long_training(show: Open) -> None:
    page = show(large(1200, index=1150))
    page.get_by_role("button", name="Play").click()
    page.wait_for_function("sent.length === 1", timeout=20_000)
    assert page.evaluate("sent") == [["scrub", 1200]]


def test_scrubbing(show: Open, record_property: Callable[[str, object], None]) -> None:
    """2,000 steps with 8 candidates while the slider is dragged; the rate is reported, not asserted."""
    page = show(large())
    values = [(i if i < 64 else 127 - i) / 63 for i in range(128)]
    assert scrub(page, page.get_by_role("slider"), values, "2,000 steps", record_property) > 32


# --- everywhere ---------------------------------------------------------------------------------------------------


def views() -> dict[str, View]:
    long = "a very long sentence about the step at which two algorithms take different pairs for the first time"
    alone = Scrub("step", "step", range(1), 0)
    empty = {"pieces": ["a"], "born": [0], "gone": [9], "parent": [(-1, -1)], "curve": [1.0], "axis": [1]}
    none = {"pair": np.zeros((0, 3, 2)), "numbers": np.zeros((0, 3, 2)), "chosen": np.zeros((0, 3)), "rival": None}
    chinese = ["它", "们", "它们", "<script>", "\u202eab", "a" * 80, "\n\t", "它们它们", "é" * 9]
    return {
        "start": small(0),
        "end": small(4),
        "many": large(2000, index=1234),
        "pruned": pruned(),
        "nothing": small(0, **empty, **none, scrub=alone, marks=[]),
        "odd": small(3, pieces=chinese, marks=[(k, f"{long} {k}") for k in range(5)], words={"candidates": long}),
        "low": small(2, height=300),
    }


@pytest.mark.parametrize(("width", "theme"), [(390, "dark"), (700, "light"), (1400, "dark")])
def test_nothing_overflows_and_everyone_can_use_it(show: Open, width: int, theme: str) -> None:
    shown = views()
    page = show(*shown.values(), width=width, lang="zh")
    page.evaluate("(theme) => { document.body.className = theme }", theme)
    for name, host in hosts(page, shown):
        wide = host.evaluate("""(host) => [...host.shadowRoot.querySelectorAll(".kit *")]
          .filter((e) => !e.closest(".scroll, .spoken, .theme-probe") && e.getBoundingClientRect().right > innerWidth)
          .map((e) => e.className)""")
        assert not wide, name
        height = host.locator(".merges").evaluate("(e) => e.getBoundingClientRect().height")
        assert height == shown[name].height, name
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    found = faults(page, shown)
    assert not found, json.dumps(found, indent=1, ensure_ascii=False)[:3000]


def test_the_theme_switches_without_the_server(show: Open) -> None:
    page = show(small(2))
    chip = page.locator(".chips .chip").first
    before = chip.evaluate("(e) => getComputedStyle(e).backgroundColor")
    page.evaluate("document.body.className = 'dark'")
    expect(chip).not_to_have_css("background-color", before)


def test_new_data_keeps_the_picked_piece_if_it_is_still_there(show: Open) -> None:
    page = show(small(4))
    page.get_by_role("option", name="ow", exact=True).click()
    page.evaluate("mount({ ...component.data, alt: 'again' })")
    expect(page.get_by_role("option", selected=True)).to_have_accessible_name("ow")
    page.evaluate("mount({ ...component.data, pieces: component.data.pieces.map((piece) => `${piece}x`) })")
    expect(page.get_by_role("option", selected=True)).to_have_count(0)


def test_exports(show: Open, tmp_path: Path) -> None:
    page = show(small(1))
    files = {}
    for kind in ("SVG", "PNG", "CSV"):
        with page.expect_download() as coming:
            page.get_by_role("button", name=f"Download as {kind}").click()
        assert coming.value.suggested_filename == f"merges-1.{kind.lower()}"
        coming.value.save_as(tmp_path / kind)
        files[kind] = (tmp_path / kind).read_bytes()
    drawing = ET.fromstring(files["SVG"])
    assert drawing.findtext(f"{SPACE}title") == "four merges"
    words = [text.text for text in drawing.iter(f"{SPACE}text")]
    assert {"1.25", "characters per token", "vocabulary 6", "ow", "<b>", "WordPiece differs here", "0.900"} <= set(
        words
    )
    width, height = (float(drawing.get(side, "0")) for side in ("width", "height"))
    for text in drawing.iter(f"{SPACE}text"):
        assert 0 <= float(text.get("x", "-1")) <= width and 0 <= float(text.get("y", "-1")) <= height
    size = [int.from_bytes(files["PNG"][at : at + 4], "big") for at in (16, 20)]
    assert files["PNG"].startswith(b"\x89PNG") and size == [2 * width, 2 * height]
    lines = list(csv.reader(io.StringIO(files["CSV"].decode("utf-8-sig"))))
    assert lines[0] == [
        *("step", "vocabulary", "characters per token", "left", "right", "count", "score", "taken"),
        "WordPiece would take",
    ]
    assert lines[1] == ["0", "5", "1", "o", "w", "7", "0.5", "1", "1"]
    assert lines[6] == ["1", "6", "1.25", "w", "<b>", "1", "0.9", "0", "1"]
    assert lines[-1] == ["4", "9", "3"] and len(lines) == 1 + 3 + 3 + 2 + 1 + 1
