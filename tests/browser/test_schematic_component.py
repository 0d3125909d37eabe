"""The schematic in Chromium, without Streamlit: what is pointed at, what it sees, what is exported."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open, faults
from tests.unit.test_schematic_component import given, lane
from viz.components.schematic import Piece
from viz.view import View


def two(**other: Any) -> View:
    first, picture = Piece("word", "a", -1, 0, 1, "first"), Piece("picture", "", 0, 1, 9, "nine")
    plain = lane(title="plain", beside=[], pieces=[first, picture, Piece("word", "b", -1, 10, 1, "last")])
    return given(plain, lane(), height=420, **other)


def faded(page: Page, nth: int) -> list[bool]:
    return page.evaluate(
        """(nth) => [...host.shadowRoot.querySelectorAll(".lane")[nth].querySelectorAll(".piece")]
          .map((e) => Number(getComputedStyle(e).opacity) < 1)""",
        nth,
    )


def test_pointing_shows_what_a_piece_sees(show: Open) -> None:
    page = show(two())
    said = page.locator("#host .said")
    expect(said).to_have_text("hint")
    page.locator("#host .lane").first.locator(".word").first.hover()
    expect(said).to_have_text("first")
    assert faded(page, 0) == [False, True, True] and faded(page, 1) == [False] * 5
    page.locator("#host .lane").first.locator(".word").last.hover()
    assert faded(page, 0) == [False] * 3
    page.locator("#host .lane").nth(1).locator(".word").hover()
    assert faded(page, 1) == [True, True, False, True, True], "a word before any picture reads no latents"
    page.locator("#host .lane").nth(1).locator(".mark").hover()
    assert faded(page, 1) == [False] * 5
    page.locator("#host .lane").nth(1).locator(".latents").last.hover()
    assert faded(page, 1) == [True, False, True, True, False], "latents are read by the mark alone"
    page.mouse.move(2, 2)
    expect(said).to_have_text("hint")


def test_a_token_is_ringed_in_every_lane(show: Open) -> None:
    page = show(two())
    mosaic = page.locator("#host .mosaic").first
    box = mosaic.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.9)
    expect(page.locator("#host .said")).to_have_text("cell: 8")
    rings = page.locator("#host .ring.shown")
    assert rings.count() >= 3, "the token and the place in both lanes' thumbnails"
    assert rings.first.evaluate("(one) => one.style.left") == "33.3333%"


def test_keys_move_from_piece_to_piece(show: Open) -> None:
    page = show(two())
    page.locator("#host .piece").first.focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#host .said")).to_have_text("nine")
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    expect(page.locator("#host .said")).to_have_text("last")
    page.keyboard.press("Escape")
    expect(page.locator("#host .said")).to_have_text("hint")


def test_exports(show: Open, tmp_path: Path) -> None:
    page = show(two())
    for name in ("SVG", "CSV"):
        with page.expect_download() as waiting:
            page.get_by_role("button", name=f"Download as {name}").click()
        waiting.value.save_as(tmp_path / name)
    rows = list(csv.reader(io.StringIO((tmp_path / "CSV").read_text(encoding="utf-8-sig"))))
    assert (
        rows[1] == ["plain", "sequence", "word", "a", "0", "1", "1"]
        and ["one", "number", "length", "11", "", "", ""] in rows
    )
    assert (tmp_path / "SVG").read_text(encoding="utf-8").count("<image") == 4 + 2, "thumbnails and mosaics"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1300, 390])
def test_nothing_overflows_and_everything_can_be_read(show: Open, width: int, theme: str) -> None:
    page = show(two(), width=width)
    page.evaluate("(theme) => document.body.className = theme", theme)
    page.wait_for_function(
        "(dark) => (getComputedStyle(document.body).backgroundColor === 'rgb(18, 21, 26)') === dark",
        arg=theme == "dark",
    )
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert faults(page, ["schematic"]) == []
