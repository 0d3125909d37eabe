"""Pictures against texts in Chromium, without Streamlit: every cell's colour, what is read, who moves it."""

from __future__ import annotations

import csv
import io
import json
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open, faults, hosts, scrub
from viz import palette
from viz.components.curves import Axis, Line, curves
from viz.components.kit import Scrub
from viz.components.pairs import pairs
from viz.view import View

SPACE = "{http://www.w3.org/2000/svg}"
F, N, M = 3, 5, 7  # frames, pictures, texts
RNG = np.random.default_rng(0)
IMAGES = np.repeat(RNG.integers(0, 256, (N, 1, 1, 3), dtype=np.uint8), 64, axis=1).reshape(N, 8, 8, 3)
SIMILARITY = np.linspace(-1, 1, F * N * M).reshape(F, N, M)
SHARE = RNG.permutation(np.linspace(0, 1, F * N * M)).reshape(F, N, M)
TEXTS = ["red circle", "blue star", "green ring", "a heart", "a square", "nothing", "a ring and a star"]
RIGHT = np.eye(N, M, k=1, dtype=bool)
LONG = "a very long caption of a picture that says more than any caption should 很长的说明很长的说明 " * 3


def view(**other: Any) -> View:
    arguments: dict[str, Any] = {
        "right": RIGHT,
        "scrub": Scrub("step", "step", (0, 10, 20), 1),
        "alt": "5 pictures against 7 texts",
        "readout": [f"{k} of 5 fit" for k in range(F)],
    }
    return pairs(IMAGES, TEXTS, SIMILARITY, SHARE, **(arguments | other))


def large(n: int = 48, frames: int = 24) -> View:
    """As a page shows it."""
    rng = np.random.default_rng(1)
    share = rng.random((frames, n, n)) ** 8
    texts = [f"a large red circle and a small blue star, number {k}" for k in range(n)]
    images = rng.integers(0, 256, (n, 32, 32, 3), dtype=np.uint8)
    right = np.eye(n, dtype=bool)
    steps = Scrub("step", "step", range(frames), 0)
    return pairs(images, texts, share - 0.5, share, right=right, scrub=steps, alt="48")


def settled(page: Page) -> None:
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def go(page: Page, index: int) -> None:
    page.get_by_role("slider", name="step", exact=True).fill(str(index))
    settled(page)


def geometry(page: Page, n: int = N, m: int = M) -> tuple[dict[str, float], float]:
    """The table's box on the page, and the side of a cell."""
    box = page.locator(".top").bounding_box()
    assert box
    return box, (box["height"] - 20) / n  # texts' numbers stand in 20 pixels above


def place(page: Page, row: int, column: int) -> tuple[float, float]:
    """The middle of a cell."""
    box, cell = geometry(page)
    left = box["x"] + box["width"] - M * cell
    return left + (column + 0.5) * cell, box["y"] + 20 + (row + 0.5) * cell


def painted(page: Page) -> np.ndarray:
    """A colour near the upper edge of every cell, (n, m, 3)."""
    box, cell = geometry(page)
    return np.array(
        page.evaluate(
            """([n, m, cell, width]) => {
              const canvas = host.shadowRoot.querySelector(".table canvas");
              const pen = canvas.getContext("2d");
              const scale = canvas.width / width;
              return Array.from({ length: n }, (_, i) => Array.from({ length: m }, (_, j) => {
                const [x, y] = [width - (m - j - 0.5) * cell, 20 + (i + 0.16) * cell];
                return [...pen.getImageData(Math.floor(x * scale), Math.floor(y * scale), 1, 1).data.slice(0, 3)];
              }));
            }""",
            [N, M, cell, box["width"]],
        )
    )


def expected(name: str, shares: np.ndarray, dark: bool = False) -> np.ndarray:
    """The colour scale at these shares of its length."""
    stops = np.array([[int(hex_[i : i + 2], 16) for i in (1, 3, 5)] for hex_ in palette.palette(dark)[name]])
    at = shares * (len(stops) - 1)
    return np.stack([np.interp(at, np.arange(len(stops)), stops[:, c]) for c in range(3)], -1)


def test_every_cell_has_its_colour(show: Open) -> None:
    page = show(view())
    for frame in (1, 0, 2):
        go(page, frame)
        assert np.abs(painted(page) - expected("probability", SHARE[frame])).max() <= 4
        expect(page.locator(".said")).to_have_text(f"{frame} of 5 fit")
    page.get_by_role("button", name="similarity").click()
    assert np.abs(painted(page) - expected("signed", (SIMILARITY[2] + 1) / 2)).max() <= 4
    expect(page.locator(".scale")).to_have_text("−11")
    page.evaluate("document.body.className = 'dark'")
    page.wait_for_function("() => !document.body.getAnimations({ subtree: true }).length")
    settled(page)
    settled(page)
    assert np.abs(painted(page) - expected("signed", (SIMILARITY[2] + 1) / 2, True)).max() <= 4


def test_a_pair_is_read_with_its_numbers(show: Open) -> None:
    page = show(view())
    expect(page.locator(".info")).to_contain_text("picture 1, text 2")
    expect(page.locator(".info")).to_contain_text("belong together")
    page.mouse.move(*place(page, 3, 6))
    told = page.locator(".info")
    expect(told).to_contain_text("picture 4, text 7")
    expect(told).to_contain_text("a ring and a star")
    numbers = [float(one.replace("−", "-")) for one in told.locator(".value b").all_text_contents()]
    np.testing.assert_allclose(numbers, [SIMILARITY[1, 3, 6], SHARE[1, 3, 6]], rtol=6e-3)
    assert "belong" not in told.inner_text()
    expect(page.locator(".texts .on .text")).to_have_text("a ring and a star")
    lens = page.evaluate(
        """() => {
          const pen = host.shadowRoot.querySelector(".lens").getContext("2d");
          return [...pen.getImageData(9, 9, 1, 1).data.slice(0, 3)];
        }"""
    )
    np.testing.assert_array_equal(lens, IMAGES[3, 0, 0])
    page.locator(".texts .item").nth(4).hover()
    expect(told).to_contain_text("picture 1, text 5")
    page.mouse.move(2, 2)
    expect(told).to_contain_text("picture 1, text 2")


def test_clicks_and_keys_choose_and_the_server_may_too(show: Open) -> None:
    page = show(view())
    page.mouse.click(*place(page, 2, 0))
    page.mouse.move(2, 2)
    expect(page.locator(".info")).to_contain_text("picture 3, text 1")
    page.locator(".top").focus()
    for key in ("ArrowDown", "ArrowRight", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    expect(page.locator(".info")).to_contain_text("picture 4, text 3")
    expect(page.locator(".spoken")).to_contain_text("picture 4, text 3: green ring")
    page.wait_for_function("sent.length === 2")  # of what waits to be sent only the newest goes
    page.keyboard.press("End")
    expect(page.locator(".info")).to_contain_text("picture 4, text 7")
    page.keyboard.press("Escape")
    expect(page.locator(".info")).to_contain_text("picture 4, text 3")
    page.keyboard.press("Escape")
    expect(page.locator(".info")).to_contain_text("picture 1, text 2")
    page.wait_for_function("sent.length === 3")
    page.evaluate("mount({ ...component.data, chosen: [1, 1] })")
    expect(page.locator(".info")).to_contain_text("picture 2, text 2")
    page.locator(".texts .item").nth(5).click()
    page.mouse.move(2, 2)
    expect(page.locator(".info")).to_contain_text("picture 2, text 6")
    page.wait_for_function("sent.length === 4")
    assert page.evaluate("sent") == [["chosen", [2, 0]], ["chosen", [3, 2]], ["chosen", None], ["chosen", [1, 5]]]


def test_it_follows_and_leads(show: Open) -> None:
    lines = [Line("loss", np.arange(6.0).reshape(F, 2))]
    chart = curves([1, 2], lines, x_axis=Axis("x"), y_axis=Axis("y"), follow="step", alt="")
    page = show(view(scrub=None, follow="step", index=1), chart, view())
    assert page.locator("#host input").count() == 0
    line = page.locator("#host1 .series").get_attribute("d") or ""
    go(page, 2)
    expect(page.locator("#host .said")).to_have_text("2 of 5 fit")
    expect(page.locator("#host1 .series")).not_to_have_attribute("d", line)


def test_scrubbing(show: Open, record_property: Callable[[str, object], None]) -> None:
    """48 pictures against 48 texts, another of 24 frames with every movement; the rate is only reported."""
    page = show(large())
    values = [(5 * i % 24) / 23 for i in range(64)]
    slider = page.get_by_role("slider", name="step", exact=True)
    assert scrub(page, slider, values, "48 x 48 pairs", record_property) > 8


def views() -> dict[str, View]:
    return {
        "small": view(chosen=(1, 4)),
        "large": large(),
        "long": pairs(IMAGES, [LONG, "<b>"], SIMILARITY[0, :, :2], SHARE[0, :, :2], alt="5 pictures, 2 texts"),
        "one": pairs(IMAGES[:1], ["one"], [[0.5]], [[1.0]], alt="1 picture", height=260),
    }


@pytest.mark.parametrize(("width", "theme"), [(390, "dark"), (1400, "light"), (760, "dark")])
def test_nothing_overflows_and_everyone_can_use_it(show: Open, width: int, theme: str) -> None:
    shown = views()
    page = show(*shown.values(), width=width, lang="zh")
    page.evaluate("(theme) => { document.body.className = theme }", theme)
    settled(page)
    for name, host in hosts(page, shown):
        wide = host.evaluate("""(host) => [...host.shadowRoot.querySelectorAll(".kit *")]
          .filter((e) => !e.closest(".spoken, .theme-probe") && e.getBoundingClientRect().right > innerWidth)
          .map((e) => e.className.baseVal ?? e.className)""")
        assert not wide, name
        frame = host.locator(".pairs").bounding_box()
        assert frame
        if width == 1400:
            assert abs(frame["height"] - shown[name].height) <= 1, name
        for part in host.locator(".table, .side, .texts, .scrubber").all():
            box = part.bounding_box()
            assert box and box["y"] + box["height"] <= frame["y"] + frame["height"] + 1, name
        assert any(c.isdigit() for c in host.locator(".top").get_attribute("aria-label") or ""), name
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    found = faults(page, shown)
    assert not found, json.dumps(found, indent=1, ensure_ascii=False)[:3000]


def test_the_download_shows_what_the_screen_shows(show: Open, tmp_path: Path) -> None:
    page = show(view(chosen=(2, 3)))
    files = {}
    for kind in ("SVG", "PNG", "CSV"):
        with page.expect_download() as coming:
            page.get_by_role("button", name=f"Download as {kind}").click()
        assert coming.value.suggested_filename == f"pairs-10.{kind.lower()}"
        coming.value.save_as(tmp_path / kind)
        files[kind] = (tmp_path / kind).read_bytes()
    drawing = ET.fromstring(files["SVG"])
    assert {"1 of 5 fit", "red circle", "picture 3, text 4"} <= {text.text for text in drawing.iter(f"{SPACE}text")}
    assert len(list(drawing.iter(f"{SPACE}image"))) == N + 1
    colours = {rect.get("fill") for rect in drawing.iter(f"{SPACE}rect")}
    wanted = expected("probability", SHARE[1]).reshape(-1, 3)
    found = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in colours if c and c.startswith("#")])
    assert max(np.abs(found - one).max(1).min() for one in wanted) <= 4
    assert files["PNG"].startswith(b"\x89PNG")
    lines = list(csv.reader(io.StringIO(files["CSV"].decode("utf-8-sig"))))
    assert lines[0] == ["step", "10"] and lines[2] == ["picture", "text", "caption", "similarity", "share", "right"]
    row = lines[3 + 1 * M + 2]
    assert row[:3] == ["2", "3", "green ring"] and row[5] == "1" and len(lines) == 3 + N * M
    np.testing.assert_allclose([float(one) for one in row[3:5]], [SIMILARITY[1, 1, 2], SHARE[1, 1, 2]], rtol=1e-3)
