"""What a hand does: drag, keys, downloads, paste, theme, moving between pages; seen from outside, in a real browser."""

from __future__ import annotations

import csv
import io
import json
import re
import signal
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from models import attention_masks
from tests.browser.conftest import Server, Visitor
from tests.tree import PAGES, WITH_MECHANISM

MASKS = "/attention-masks"
WIDE = {"mask": "sliding", "source": "random", "n_token": 64}
SVG = "{http://www.w3.org/2000/svg}"
FOCUSED = """() => {
  let element = document.activeElement;
  while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
  return element.tagName + "." + element.className;
}"""
PAPER = "getComputedStyle(document.querySelector('.stApp')).backgroundColor"
CANVAS = """() => {
  const hosts = [...document.querySelectorAll("[data-testid=stBidiComponentIsolated]")];
  return hosts.map((host) => host.shadowRoot?.querySelector("canvas")).find((canvas) => canvas)?.toDataURL();
}"""


def inspector(page: Page) -> Locator:
    return page.locator(".kit.matrix").first


def test_scrubbing_follows_the_hand(visitor: Visitor, record_property: Callable[[str, object], None]) -> None:
    """64 pictures of 64 by 64 while the mouse drags; the rate is reported, not asserted."""
    sent: list[object] = []
    visitor.page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(frame)))
    page = visitor.open(MASKS, **WIDE)
    slider = page.get_by_role("slider", name="Window W").last
    box = slider.bounding_box()
    assert box
    y = box["y"] + box["height"] / 2

    def at(index: int) -> float:
        return box["x"] + 8 + (box["width"] - 16) * index / 63

    page.mouse.move(at(3), y)
    page.mouse.down()
    page.evaluate("performance.clearMeasures('atlas:frame')")
    said = len(sent)
    begin = page.evaluate("performance.now()")
    for i in range(128):
        page.mouse.move(at(i if i < 64 else 127 - i), y)
    seconds = (page.evaluate("performance.now()") - begin) / 1000
    painted = page.evaluate("performance.getEntriesByName('atlas:frame').length")
    page.mouse.move(at(40), y)
    expect(slider).to_have_attribute("aria-valuetext", "41")
    assert len(sent) == said, "the server was told something during the drag"
    assert "window=" not in page.url
    page.mouse.up()
    page.wait_for_url("**window=41**")
    rate = painted / seconds
    record_property("pictures per second while scrubbing", round(rate, 1))
    print(f"\nscrubbing on the page: {painted} pictures in {seconds:.2f} s, {rate:.1f} a second")
    assert painted > 20, "pictures are painted while the hand moves, not after"
    visitor.idle()
    expect(slider).to_have_attribute("aria-valuetext", "41")
    assert visitor.complaints == []


def test_keys_alone_reach_and_drive_the_picture(visitor: Visitor, browser: Browser, server: Server) -> None:
    page = visitor.open(MASKS, source="random", n_token=7)
    page.locator("h1").click()  # focus on the page itself, where a visitor starts
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate(FOCUSED) == "CANVAS.top":
            break
    assert page.evaluate(FOCUSED) == "CANVAS.top", "Tab does not reach the picture"
    readout = inspector(page).locator(".readout")
    said = [readout.inner_text()]
    for key in ("ArrowRight", "ArrowDown", "ArrowDown", "ArrowRight"):
        page.keyboard.press(key)
        said.append(readout.inner_text())
    assert len(set(said)) == 5, f"a key did not change the explanation: {said}"
    page.keyboard.press("Enter")
    page.wait_for_url("**pin=2-1**")
    page.keyboard.press("[")
    page.wait_for_url("**stage=2**")
    page.keyboard.press("]")
    page.keyboard.press("]")
    page.wait_for_url("**stage=4**")
    visitor.idle()
    expect(inspector(page).locator("[aria-current=step]")).to_have_text("Output AV")
    assert page.evaluate(FOCUSED) == "CANVAS.top", "the server's answer took the focus away"
    # The link is the state.
    other = Visitor(browser, server.url, 1400, 900)
    other.page.goto(page.url)
    other.idle()
    expect(inspector(other.page).locator("[aria-current=step]")).to_have_text("Output AV")
    expect(inspector(other.page).locator(".tag")).to_be_visible()
    assert (
        inspector(other.page).locator(".cell-value").inner_text() == inspector(page).locator(".cell-value").inner_text()
    )
    other.close()
    page.keyboard.press("Escape")
    page.wait_for_url(lambda url: "pin=" not in url)
    expect(inspector(page).locator(".hint")).to_be_visible()
    assert visitor.complaints == []


def download(page: Page, within: Locator, kind: str, folder: Path) -> bytes:
    with page.expect_download() as coming:
        within.get_by_role("button", name=f"Download as {kind}").click()
    assert coming.value.suggested_filename.endswith(f".{kind.lower()}")
    coming.value.save_as(folder / kind)
    return (folder / kind).read_bytes()


def rows(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"))))


def written(drawing: ET.Element) -> set[str]:
    return {"".join(text.itertext()).strip() for text in drawing.iter(f"{SVG}text")}


def png_size(data: bytes) -> tuple[int, ...]:
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    assert data.endswith(b"IEND\xaeB`\x82")
    return tuple(int.from_bytes(data[at : at + 4], "big") for at in (16, 20))


def test_the_inspectors_exports_hold_the_trace(visitor: Visitor, tmp_path: Path) -> None:
    seen = attention_masks.trace(attention_masks.Config(source="random", n_token=11, mask="sliding", window=3))
    page = visitor.open(MASKS, source="random", n_token=11, mask="sliding", window=3)
    box = inspector(page)
    drawing = ET.fromstring(download(page, box, "SVG", tmp_path))
    assert {str(t) for t in range(11)} <= written(drawing)
    assert drawing.findtext(f"{SVG}title") == box.get_attribute("aria-label")
    assert min(png_size(download(page, box, "PNG", tmp_path))) > 200
    for step, wanted in (("Softmax", seen.shown[0].weight), ("Output AV", seen.shown[0].output)):
        box.get_by_role("button", name=step, exact=True).click()
        table = rows(download(page, box, "CSV", tmp_path))
        assert table[0][0].endswith(step)
        assert [row[0] for row in table[1:]] == [str(t) for t in range(11)]
        found = np.array([row[1:] for row in table[1:]], float)
        assert found.shape == tuple(wanted.shape)
        np.testing.assert_allclose(found, wanted.numpy(), rtol=2**-10, atol=1e-6)


def test_a_plotly_figures_exports_hold_the_trace(visitor: Visitor, tmp_path: Path) -> None:
    seen = attention_masks.trace(attention_masks.Config(source="random", n_token=11, mask="sliding"))
    wanted = {
        "edit": (seen.shown[0].edit_difference.numpy(), "y"),
        "reach": (seen.shown[0].reach[:, seen.shown[0].far].numpy().ravel(), "z"),
    }
    for figure, (numbers, column) in wanted.items():
        page = visitor.open(MASKS, source="random", n_token=11, mask="sliding", figure=figure)
        box = page.locator(f".st-key-figure-attention-masks-{figure}")
        drawing = ET.fromstring(download(page, box, "SVG", tmp_path))
        assert len(written(drawing)) > 5, "no labels"
        assert min(png_size(download(page, box, "PNG", tmp_path))) > 200
        table = rows(download(page, box, "CSV", tmp_path))
        assert table[0] == ["series", "x", "y", "z"]
        assert len(table) - 1 == len(numbers), figure
        found = np.array([float(row[table[0].index(column)]) for row in table[1:]])
        np.testing.assert_allclose(found, numbers, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("slug", WITH_MECHANISM)
def test_every_picture_has_a_name_with_numbers(visitor: Visitor, slug: str) -> None:
    """All figures of a page, the further ones too: what a screen reader says, computed from the trace."""
    page = visitor.open(f"/{slug}")
    for title in PAGES[slug].spec.get("gallery", {"": {"en": ""}}).values():
        if title["en"]:
            page.get_by_role("radio", name=title["en"], exact=True).click()
            expect(page.get_by_role("radio", name=title["en"], exact=True)).to_be_checked()
            visitor.idle()
        named = page.locator("[role=figure], [role=listbox]:has([role=option])")
        further = named.nth(1).or_(page.locator("[data-testid=stTable]"))
        expect(further.first).to_be_attached()  # the further picture, or a table, may still be on its way
        names = named.evaluate_all("all => all.map((one) => one.getAttribute('aria-label') ?? '')")
        assert all(re.search(r"\d", name) for name in names), (title, names)
        assert page.locator(".stPlotlyChart:not([role=figure])").count() == 0
        named = ":is([aria-hidden=true], [aria-label])"
        expect(page.locator(f"canvas:visible:not({named})")).to_have_count(0)


def test_nothing_jumps_when_a_slider_moves(visitor: Visitor) -> None:
    """Where the picture stands and how tall it is, at every screen refresh from the key press to the new picture."""
    page = visitor.open(MASKS, source="random", n_token=32)
    page.evaluate("""() => {
      const host = [...document.querySelectorAll(".stBidiComponent")].find((one) => one.offsetHeight > 200);
      const look = () => {
        const boxes = [host, document.querySelector(".stPlotlyChart")].map((one) => {
          const box = one?.getBoundingClientRect();
          return box && [box.x, box.y, box.width, box.height].map(Math.round);
        });
        window.seen.add(JSON.stringify(boxes));
        requestAnimationFrame(look);
      };
      window.seen = new Set();
      look();
    }""")
    slider = page.get_by_role("slider", name="Tokens n")
    before = inspector(page).get_attribute("aria-label")
    for _ in range(3):
        slider.focus()
        page.keyboard.press("ArrowRight")
    page.wait_for_url("**n_token=35**")
    expect(inspector(page)).not_to_have_attribute("aria-label", before or "")
    visitor.idle()
    seen = [json.loads(box) for box in page.evaluate("[...window.seen]")]
    assert len({json.dumps(first) for first, _ in seen}) == 1, seen
    assert len({json.dumps(second[2:]) for _, second in seen if second}) == 1, seen


def test_a_hundred_thousand_characters_are_pasted(visitor: Visitor) -> None:
    page = visitor.open(MASKS)
    area = page.get_by_role("textbox", name="Text")
    # A lone surrogate and a NUL, which no message or no model can hold; and emoji, twelve bytes each in a URL.
    area.evaluate("""(area) => {
      const { set } = Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, "value");
      set.call(area, "a\\ud800\\0" + "🙂".repeat(99_997));
      area.dispatchEvent(new InputEvent("input", { bubbles: true, inputType: "insertFromPaste" }));
    }""")
    area.press("Control+Enter")
    expect(page.get_by_text("first 2,000 of 99,999 characters", exact=False)).to_be_visible()
    expect(page.get_by_text("left out: 1.", exact=False)).to_be_visible()
    visitor.idle()
    expect(page.get_by_text("beyond 128 are left out", exact=False)).to_be_visible()
    expect(inspector(page)).to_be_visible()
    assert len(page.url) < 30_000
    held = area.input_value()
    page.reload()
    visitor.idle()
    assert area.input_value() == held
    assert held == "a\ufffd" + "🙂" * 1998
    expect(inspector(page)).to_be_visible()
    assert visitor.complaints == []


def test_nothing_typed_is_drawn_as_markup(visitor: Visitor) -> None:
    signs = [
        "www.example.com a@example.com https://example.com -> -- <= :smile:",
        ":material/home: :red[x] $x$ **b** <b>c</b> `d` [e](f) ~~g~~ # h |",
    ]
    for text in signs:
        page = visitor.open("/attention-heads", model="own", own=text)
        alert = page.locator(".stAlert [data-testid=stMarkdownContainer]")
        assert text in alert.inner_text().replace("\u2060", "")
        assert alert.locator("a, b, strong, em, del, code, .katex, img, span:not(:empty)").count() == 0
    assert visitor.complaints == []


def test_the_theme_changes_without_the_server(visitor: Visitor, server: Server) -> None:
    """While the server is stopped, the switch changes page and canvas; then the choice is in the URL. No reload."""
    page = visitor.open(MASKS, source="random", n_token=7, theme="light")
    page.evaluate("window.same = true")
    light, paper = page.evaluate(CANVAS), page.evaluate(PAPER)
    server.process.send_signal(signal.SIGSTOP)
    try:
        page.get_by_role("radio", name="Dark").click()
        page.wait_for_function(f"(light) => ({CANVAS})() !== light", arg=light)
        assert page.evaluate(PAPER) != paper
    finally:
        server.process.send_signal(signal.SIGCONT)
    page.wait_for_url("**theme=dark**")
    visitor.idle()
    assert page.evaluate(PAPER) != paper
    page.get_by_role("radio", name="Light").click()
    page.wait_for_url("**theme=light**")
    visitor.idle()
    assert page.evaluate(PAPER) == paper
    page.wait_for_function(f"(light) => ({CANVAS})() === light", arg=light)
    assert page.evaluate("window.same")
    assert visitor.complaints == []


def test_language_and_theme_come_along_and_back(visitor: Visitor) -> None:
    first, second = list(WITH_MECHANISM)[:2]
    page = visitor.open(f"/{first}", lang="zh", theme="dark")
    dark = page.evaluate(PAPER)

    def stands(slug: str) -> None:
        expect(page.get_by_role("heading", level=1)).to_have_text(PAGES[slug].spec["title"]["zh"])
        page.wait_for_url(lambda url: f"/{slug}" in url and "lang=zh" in url and "theme=dark" in url)
        visitor.idle()
        assert page.evaluate(PAPER) == dark
        assert page.evaluate("document.documentElement.lang") == "zh-CN"

    stands(first)
    page.get_by_role("navigation").get_by_role("button").first.click()
    page.get_by_role("menuitem", name=PAGES[second].spec["title"]["zh"]).click()
    stands(second)
    page.go_back()
    stands(first)
    page.go_forward()
    stands(second)
    assert visitor.complaints == []
