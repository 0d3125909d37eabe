"""The stacked bars in Chromium, without Streamlit: how long bars are, who moves them, what they say."""

from __future__ import annotations

import csv
import io
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import AXE, Open
from viz.components.curves import Axis, Line, curves
from viz.components.kit import Scrub
from viz.components.ledger import Group, Part, Row, ledger
from viz.view import View


def small(**other: Any) -> View:
    """Five rows, one of which has three frames; every number differs."""
    arguments: dict[str, Any] = {
        "parts": [Part("attention", 0), Part("experts", 2), Part("idle experts", 2, hatched=True), Part("head", 3)],
        "groups": [
            Group(
                "sparse",
                [
                    Row("stored", [20, 30, 45, 5]),
                    Row(["read, 1", "read, 2", "read, 4"], [[20, 30, 0, 5], [20, 42, 0, 5], [20, 61, 0, 5]]),
                    Row("used", [20, 30, 0, 5]),
                ],
            ),
            Group("dense", [Row("stored", [70, 0, 0, 10]), Row("used", [70, 0, 0, 10])]),
        ],
        "axis": "billions",
        "unit": "B",
        "follow": "batch",
        "index": 1,
        "alt": "five bars",
    }
    return ledger(**(arguments | other))


def slider() -> View:
    return curves([1, 2, 4], [Line("read", [1, 2, 3])], x_axis=Axis("batch"), y_axis=Axis("y"), on_axis=True,
                  scrub=Scrub("batch", "batch", (1, 2, 4), 1), alt="a slider")  # fmt: skip


def widths(page: Page, row: int) -> list[float]:
    """Pixels of each part of a row: plain rectangles, and the frame of hatched ones."""
    return page.evaluate(
        """(r) => [...host.shadowRoot.querySelectorAll(".row")[r].querySelectorAll("rect")]
          .map((e) => Number(e.getAttribute("width")))""",
        row,
    )


def label(page: Page, row: int) -> str:
    return page.locator("#host .row").nth(row).get_attribute("aria-label") or ""


def test_lengths_are_in_proportion(show: Open) -> None:
    page = show(small())
    stored = widths(page, 0)
    assert stored[1] / stored[0] == pytest.approx(30 / 20, abs=0.01)
    assert (stored[3] + 1) / stored[0] == pytest.approx(45 / 20, abs=0.01), "the hatched part, within its line"
    assert widths(page, 3)[0] / stored[0] == pytest.approx(70 / 20, abs=0.01), "one scale for all groups"
    assert "B" in (page.locator("#host .row .sum").first.text_content() or "")
    assert page.locator("#host .key").count() == 4


def test_bars_follow_a_slider_elsewhere(show: Open) -> None:
    page = show(small(), slider())
    before = widths(page, 1)
    assert label(page, 1).startswith("sparse, read, 2: 67 B")
    page.get_by_role("slider", name="batch", exact=True).fill("2")
    expect(page.locator("#host .row").nth(1)).to_have_attribute(
        "aria-label", "sparse, read, 4: 86 B (attention 20 B, experts 61 B, head 5 B)"
    )
    after = widths(page, 1)
    assert after[1] / before[1] == pytest.approx(61 / 42, abs=0.01) and after[0] == before[0]
    assert page.locator("#host .row .label").nth(1).text_content() == "read, 4"
    assert page.evaluate("sent.filter(([name]) => name !== 'scrub').length") == 0


def test_pointing_and_keys_read_a_row(show: Open) -> None:
    page = show(small())
    said = page.locator("#host .said")
    expect(said).to_contain_text("arrow keys")
    page.locator("#host .row .label").nth(3).hover()
    expect(said).to_have_text("dense, stored: 80 B (attention 70 B, head 10 B)")
    page.mouse.move(2, 2)
    expect(said).to_contain_text("arrow keys")
    page.locator("#host .row").first.focus()
    page.keyboard.press("ArrowDown")
    expect(said).to_have_text("sparse, read, 2: 67 B (attention 20 B, experts 42 B, head 5 B)")
    for _ in range(9):
        page.keyboard.press("ArrowDown")
    expect(said).to_have_text("dense, used: 80 B (attention 70 B, head 10 B)")
    page.keyboard.press("Escape")
    expect(said).to_contain_text("arrow keys")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1100, 390])
def test_nothing_overflows_and_everything_can_be_read(show: Open, width: int, theme: str) -> None:
    page = show(small(), width=width)
    page.evaluate("(theme) => document.body.className = theme", theme)
    page.wait_for_function(
        "(dark) => (getComputedStyle(document.body).backgroundColor === 'rgb(18, 21, 26)') === dark",
        arg=theme == "dark",
    )
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    outside = page.evaluate(
        """() => { const box = host.shadowRoot.querySelector(".ledger").getBoundingClientRect();
          return [...host.shadowRoot.querySelectorAll("text, rect, .key")].filter((e) => {
            const b = e.getBoundingClientRect();
            return b.width && (b.left < box.left - 1 || b.right > box.right + 1 || b.bottom > box.bottom + 1);
          }).length }"""
    )
    assert outside == 0
    if AXE.exists():
        page.add_script_tag(path=str(AXE))
        found = page.evaluate("axe.run(document, { rules: { region: { enabled: false } } })")
        assert not [one["id"] for one in found["violations"] if one["impact"] in ("serious", "critical")]


def test_what_is_downloaded_is_what_is_seen(show: Open, tmp_path: Path) -> None:
    page = show(small())
    files = {}
    for kind in ("SVG", "CSV", "PNG"):
        with page.expect_download() as download:
            page.get_by_role("button", name=f"Download as {kind}").click()
        files[kind] = tmp_path / download.value.suggested_filename
        download.value.save_as(files[kind])
    rows = list(csv.reader(io.StringIO(files["CSV"].read_text(encoding="utf-8-sig"))))
    assert rows[0] == ["", "billions", "attention", "experts", "idle experts", "head"]
    assert rows[2] == ["sparse", "read, 2", "20", "42", "0", "5"] and len(rows) == 6
    texts = [one.text for one in ET.parse(files["SVG"]).iter("{http://www.w3.org/2000/svg}text")]
    assert {"sparse", "dense", "read, 2", "67 B", "billions"} <= set(texts)
    assert files["PNG"].stat().st_size > 5_000
