"""Panels of patches in Chromium, without Streamlit: every cell in its colour, whose row it is, who chooses it."""

from __future__ import annotations

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
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Open, faults, hosts, scrub
from viz import palette
from viz.components.kit import Scrub
from viz.components.patches import Panel, patches
from viz.components.pictures import Group, pictures
from viz.view import View

SPACE = "{http://www.w3.org/2000/svg}"
N, SIDE = 3, 5
CELLS = SIDE * SIDE
RNG = np.random.default_rng(0)
IMAGE = RNG.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)  # a pixel for each cell
HEAT = RNG.random((N, CELLS + 1, CELLS)) ** 3
SIGNED = RNG.normal(size=(1, CELLS + 1, CELLS))
COLOUR = RNG.integers(0, 256, (N, CELLS, 3), dtype=np.uint8)
LONG = "a very long title of a panel that says more than any title should 很长的标题很长的标题"


def view(**other: Any) -> View:
    panels = [
        Panel("picture", IMAGE),
        Panel("head 1", heat=HEAT, note=[f"note {k}" for k in range(N)]),
        Panel("head 2", heat=SIGNED, signed=True, largest=2.0),
        Panel("PCA", colour=COLOUR, texts=[f"word {i}" for i in range(CELLS)]),
    ]
    arguments: dict[str, Any] = {
        "side": SIDE,
        "columns": 4,
        "scrub": Scrub("layer", "layer", (1, 2, 3), 1),
        "alt": "25 patches in layer 2",
        "readout": [f"layer {k + 1} of 3" for k in range(N)],
    }
    return patches(panels, **(arguments | other))


def words_view(**other: Any) -> View:
    heat = RNG.random((1, 3, CELLS)) / 10
    one = Panel("attention", IMAGE, heat=heat)
    return patches([one], side=SIDE, columns=1, sources=["the", "circle", "<b>"], alt="3 words", **other)


def many(panels: int = 72, side: int = 16) -> View:
    """All heads of a model of twelve layers, as a page shows them."""
    image = RNG.integers(0, 256, (224, 224, 3), dtype=np.uint8)
    heat = RNG.random((1, 1, side**2))
    heads = [Panel(f"L{i // 6} H{i % 6}", image, heat=heat) for i in range(panels)]
    return patches(heads, side=side, columns=12, alt="72 maps", height=640)


def settled(page: Page) -> None:
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def go(page: Page, index: int) -> None:
    """Move the slider as a hand does; the picture has followed."""
    page.get_by_role("slider", name="layer", exact=True).fill(str(index))
    settled(page)


def box(found: Locator) -> Any:
    place = found.bounding_box()
    assert place
    return place


def centre(page: Page, cell: int, panel: int = 1, gap: float = 0.0) -> tuple[float, float]:
    place = box(page.locator(".cells").nth(panel))
    step = place["width"] / (SIDE + gap * (SIDE - 1))
    return tuple(place[axis] + step * (k * (1 + gap) + 0.5) for axis, k in (("x", cell % SIDE), ("y", cell // SIDE)))


def point(page: Page, cell: int, panel: int = 1) -> None:
    page.mouse.move(*centre(page, cell, panel))


def painted(page: Page, panel: int, du: float = 0.5, gap: float = 0.0) -> np.ndarray:
    """The colour in each cell of a panel, (cell, 3)."""
    return np.array(
        page.evaluate(
            """([k, du, side, gap]) => {
              const root = host.shadowRoot;
              const canvas = root.querySelector(".board canvas");
              const pen = canvas.getContext("2d");
              const origin = canvas.getBoundingClientRect();
              const scale = canvas.width / origin.width;
              const at = root.querySelectorAll(".cells")[k].getBoundingClientRect();
              const step = at.width / (side + gap * (side - 1));
              return Array.from({ length: side * side }, (_, i) => {
                const x = at.left - origin.left + step * ((i % side) * (1 + gap) + du);
                const y = at.top - origin.top + step * (Math.floor(i / side) * (1 + gap) + 0.5);
                return [...pen.getImageData(Math.floor(x * scale), Math.floor(y * scale), 1, 1).data];
              });
            }""",
            [panel, du, SIDE, gap],
        )
    )[:, :3].astype(int)


def scaled(shares: np.ndarray, name: str) -> np.ndarray:
    """Colours of a palette's scale, in the light theme."""
    stops = np.array([[int(stop[i : i + 2], 16) for i in (1, 3, 5)] for stop in palette.palette()[name]])
    at = np.clip(shares, 0, 1) * (len(stops) - 1)
    return np.stack([np.interp(at, np.arange(len(stops)), stops[:, c]) for c in range(3)], -1)


def assert_row(page: Page, frame: int, source: int) -> None:
    """Both heads show the row of this source."""
    row = HEAT[frame, source]
    assert np.abs(painted(page, 1) - scaled(row / row.max(), "probability")).max() <= 4
    assert np.abs(painted(page, 2) - scaled(SIGNED[0, source] / 4 + 0.5, "signed")).max() <= 4


# --- what stands where ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [390, 1100])
def test_every_cell_has_its_colour(show: Open, width: int) -> None:
    page = show(view(), width=width)
    page.evaluate("document.body.className = 'light'")
    for frame in (1, 0):
        go(page, frame)
        assert np.abs(painted(page, 0) - IMAGE.reshape(-1, 3)).max() <= 3
        assert_row(page, frame, 0)
        assert np.abs(painted(page, 3) - COLOUR[frame]).max() <= 3
        expect(page.locator(".said")).to_have_text(f"layer {frame + 1} of 3")
        expect(page.locator(".note").nth(1)).to_have_text(f"note {frame}")
    best = int(HEAT[0, 0].argmax())
    label = page.locator(".panel").nth(1).get_attribute("aria-label") or ""
    assert label.startswith(f"head 1: strongest at patch {best // SIDE + 1} {best % SIDE + 1}: ")
    assert abs(float(label.split(": ")[2]) - HEAT[0, 0].max()) < 0.01
    assert len({round(box(one)["width"]) for one in page.locator(".cells").all()}) == 1


def test_patches_are_pulled_apart_and_switched_off(show: Open) -> None:
    off = np.zeros((1, CELLS), bool)
    off[0, 7] = True
    panels = [Panel("patches", IMAGE), Panel("masked", IMAGE, off=off), Panel("none", colour=COLOUR[:1])]
    page = show(patches(panels, side=SIDE, columns=3, gap=0.25, off=[3], alt="25 patches"))
    page.evaluate("document.body.className = 'light'")
    settled(page)
    shown = np.arange(CELLS) != 3
    tiles = painted(page, 0, gap=0.25)
    assert np.abs(tiles - IMAGE.reshape(-1, 3))[shown].max() <= 3
    between = painted(page, 0, 1.125, gap=0.25)[np.arange(CELLS) % SIDE < SIDE - 1]
    assert (between == 0).all(), "nothing is painted between them"
    hatch = [int(palette.palette()["masked"]["back"][i : i + 2], 16) for i in (1, 3, 5)]
    assert np.abs(tiles[3] - hatch).max() < 60 and tiles[3].min() > 180
    assert painted(page, 1, gap=0.25)[7].min() > 180
    assert np.abs(painted(page, 2) - COLOUR[0])[shown].max() <= 3, "cells without a picture stay together"
    page.mouse.click(*centre(page, 12, 1, 0.25))
    page.mouse.click(*centre(page, 3, 2))
    expect(page.locator(".info b")).to_have_text("patch 1 4")
    page.mouse.move(2, 2)
    expect(page.locator(".info b")).to_have_text("1 of 25 off")
    page.wait_for_function("sent.length === 2")
    assert page.evaluate("sent") == [["off", [3, 12]], ["off", [12]]]
    page.evaluate("mount({ ...component.data, off: [3, 12] })")
    expect(page.locator(".info b")).to_have_text("1 of 25 off")
    page.evaluate("mount({ ...component.data, off: [0, 1, 2] })")
    expect(page.locator(".info b")).to_have_text("3 of 25 off")


# --- whose row it is -----------------------------------------------------------------------------------------------


def test_the_patch_under_the_pointer_is_the_source_until_one_is_kept(show: Open) -> None:
    page = show(view())
    page.evaluate("document.body.className = 'light'")
    point(page, 17, 3)
    assert_row(page, 1, 18)
    info = page.locator(".info")
    expect(info).to_contain_text("patch 4 3")
    expect(info).to_contain_text("word 17")
    point(page, 3, 0)
    assert_row(page, 1, 4)
    page.mouse.click(*centre(page, 3, 1))
    assert page.evaluate("sent") == [["source", 4]]
    point(page, 20, 1)
    assert_row(page, 1, 4)
    expect(info).to_contain_text("patch 1 4 → ")
    value = page.locator(".value").nth(1)
    assert abs(float(value.text_content() or "") - HEAT[1, 4, 20]) < 0.006
    page.mouse.move(2, 2)
    expect(page.locator(".info b")).to_have_text("seen from patch 1 4")
    cls = page.get_by_role("button", name="[CLS]")
    expect(cls).to_have_attribute("aria-pressed", "false")
    cls.hover()
    assert_row(page, 1, 0)
    page.mouse.move(2, 2)
    assert_row(page, 1, 4)
    page.mouse.click(*centre(page, 3, 2))
    page.mouse.move(2, 2)
    assert_row(page, 1, 0)
    page.wait_for_function("sent.length === 2")
    assert page.evaluate("sent")[1] == ["source", 0]
    page.evaluate("mount({ ...component.data, source: 9 })")
    assert_row(page, 1, 9)


def test_the_pointer_may_only_read(show: Open) -> None:
    page = show(view(follow_pointer=False, source=5))
    page.evaluate("document.body.className = 'light'")
    point(page, 12)
    assert_row(page, 1, 5)


def test_words_are_sources(show: Open) -> None:
    page = show(words_view(source=1))
    circle, last = (page.get_by_role("button", name=re.compile(f"^{name}")) for name in ("circle", "<b>"))
    expect(circle).to_have_attribute("aria-pressed", "true")
    kept = painted(page, 0)
    last.hover()
    assert np.abs(painted(page, 0) - kept).max() > 20
    last.click()
    page.mouse.move(2, 2)
    expect(last).to_have_attribute("aria-pressed", "true")
    page.mouse.click(*centre(page, 4, 0))
    expect(page.locator(".info")).to_contain_text("attention: <b> → ")
    assert page.evaluate("sent") == [["source", 2]], "a click on a patch chooses no word"


def test_the_keyboard_does_it_all(show: Open) -> None:
    page = show(view())
    page.evaluate("document.body.className = 'light'")
    page.get_by_role("button", name="[CLS]").focus()
    for _ in range(4):
        page.keyboard.press("Tab")
    board = page.locator(".board")
    expect(board).to_be_focused()
    assert_row(page, 1, 13)
    for key in ("ArrowRight", "ArrowUp", "PageDown"):
        page.keyboard.press(key)
    assert_row(page, 1, 9)
    expect(page.locator(".spoken")).to_contain_text("head 1: strongest at patch")
    page.keyboard.press("Enter")
    page.keyboard.press("Home")
    expect(page.locator(".info")).to_contain_text("head 1: patch 2 4 → ")
    page.evaluate("mount({ ...component.data, source: 9, alt: 'again' })")
    expect(board).to_be_focused()
    page.keyboard.press("Escape")
    assert page.evaluate("sent")[0] == ["source", 9]
    page.wait_for_function("sent.length === 2")
    assert page.evaluate("sent")[1] == ["source", 0]


def test_it_follows_and_leads(show: Open) -> None:
    frames = np.zeros((N, 1, 2, 2, 3), np.uint8)
    other = pictures([Group("p", frames)], columns=1, follow="layer", readout=["a", "b", "c"], alt="1 picture")
    page = show(view(scrub=None, follow="layer", index=1), other, view())
    assert page.locator("#host input").count() == 0
    go(page, 2)
    expect(page.locator("#host .said")).to_have_text("layer 3 of 3")
    expect(page.locator("#host1 .said")).to_have_text("c")
    assert page.evaluate("sent") == [["scrub", 2]]


def test_scrubbing(show: Open, record_property: Callable[[str, object], None]) -> None:
    """Twelve heads over twelve layers, with every movement of the hand; the rate is only reported."""
    heat = RNG.random((12, 65, 64))
    image = RNG.integers(0, 256, (32, 32, 3), dtype=np.uint8)
    heads = [Panel(f"head {i}", image, heat=heat) for i in range(12)]
    page = show(patches(heads, side=8, columns=6, scrub=Scrub("layer", "layer", range(12), 0), alt="12 heads"))
    values = [(5 * i % 12) / 11 for i in range(72)]
    assert scrub(page, page.get_by_role("slider", name="layer", exact=True), values, "12 heads", record_property) > 8


# --- everywhere ----------------------------------------------------------------------------------------------------


def views() -> dict[str, View]:
    odd = Panel(LONG, IMAGE, heat=HEAT[:1], note=LONG, texts=[LONG] * CELLS)
    alone = Panel("", IMAGE, heat=RNG.random((1, 40, CELLS)))
    return {
        "small": view(source=4),
        "many": many(),
        "long": patches([odd] * 3, side=SIDE, columns=3, readout=["<script> " * 40], alt="3 panels"),
        "words": words_view(off=[3, 4]),
        "many words": patches([alone], side=SIDE, columns=1, sources=[LONG] * 40, alt="40 words"),
        "plain": patches([Panel("", IMAGE)] * 2, side=SIDE, columns=2, gap=0.2, alt="25 patches", height=260),
    }


@pytest.mark.parametrize(("width", "theme"), [(390, "dark"), (1400, "light")])
def test_nothing_overflows_and_everyone_can_use_it(show: Open, width: int, theme: str) -> None:
    shown = views()
    page = show(*shown.values(), width=width, lang="zh")
    page.evaluate("(theme) => { document.body.className = theme }", theme)
    settled(page)
    for name, host in hosts(page, shown):
        expect(host.locator(".board canvas"), name).to_be_visible()
        wide = host.evaluate("""(host) => [...host.shadowRoot.querySelectorAll(".kit *")]
          .filter((e) => !e.closest(".spoken, .theme-probe") && e.getBoundingClientRect().right > innerWidth)
          .map((e) => e.className.baseVal ?? e.className)""")
        assert not wide, name
        frame = box(host.locator(".patches"))
        if width == 1400 and name in ("small", "many", "plain"):
            assert abs(frame["height"] - shown[name].height) <= 1, name
        parts = [box(part) for part in host.locator(".chips, .panel, .scrubber").all() if part.is_visible()]
        assert all(part["y"] + part["height"] <= frame["y"] + frame["height"] + 1 for part in parts), name
        labels = [one.get_attribute("aria-label") or "" for one in host.locator(".board, .panel").all()]
        assert all(re.search(r"\d", label) for label in labels), name
        least = 40 if name == "many" else 100
        assert all(box(cells)["width"] >= least for cells in host.locator(".cells").all()), name
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    found = faults(page, shown)
    assert not found, json.dumps(found, indent=1, ensure_ascii=False)[:3000]


def test_nothing_moves_when_the_picture_changes(show: Open) -> None:
    readout = ["short", "long " * 60, ""]
    one = Panel("head", heat=HEAT, note=["", LONG, "x"])
    page = show(view(readout=readout), width=390)
    page.evaluate("mount({ ...component.data, alt: 'again' })")
    two = show(patches([one], side=SIDE, columns=1, scrub=Scrub("layer", "layer", (1, 2, 3), 0), alt="1 head"))
    for shown in (page, two):
        parts = shown.locator(".panel, .cells, .scrubber, .board, .top")
        before = [box(part) for part in parts.all()]
        for frame in (0, 1, 2):
            go(shown, frame)
            assert [box(part) for part in parts.all()] == before
        point(shown, 7, 0)
        assert [box(part) for part in parts.all()] == before


def test_the_download_shows_what_the_screen_shows(show: Open, tmp_path: Path) -> None:
    page = show(view(source=4))
    page.evaluate("document.body.className = 'light'")
    files = {}
    for kind in ("SVG", "PNG", "CSV"):
        with page.expect_download() as coming:
            page.get_by_role("button", name=f"Download as {kind}").click()
        assert coming.value.suggested_filename == f"patches-2.{kind.lower()}"
        coming.value.save_as(tmp_path / kind)
        files[kind] = (tmp_path / kind).read_bytes()
    drawing = ET.fromstring(files["SVG"])
    width, height = (float(drawing.get(side, "0")) for side in ("width", "height"))
    words = [text.text for text in drawing.iter(f"{SPACE}text")]
    assert {"picture", "head 1", "note 1", "layer 2 of 3", "seen from patch 1 4"} <= set(words)
    images = list(drawing.iter(f"{SPACE}image"))
    assert len(images) == 4
    for image in images:
        x, y, w, h = (float(image.get(name, "-1")) for name in ("x", "y", "width", "height"))
        assert min(x, y) >= 0 and x + w <= width and y + h <= height
    size = [int.from_bytes(files["PNG"][at : at + 4], "big") for at in (16, 20)]
    assert files["PNG"].startswith(b"\x89PNG") and size == [2 * width, 2 * height]
    lines = list(csv.reader(io.StringIO(files["CSV"].decode("utf-8-sig"))))
    assert lines[0] == ["layer", "2"]
    assert lines[2] == ["panel", "source", "row", "column", "weight", "off", "R", "G", "B", "text"]
    row = lines[3 + CELLS + 6]
    assert row[:4] == ["head 1", "patch 1 4", "2", "2"] and abs(float(row[4]) - HEAT[1, 4, 6]) < 1e-4
    assert lines[3 + 3 * CELLS] == ["PCA", "", "1", "1", "", "0", *map(str, COLOUR[1, 0]), "word 0"]
