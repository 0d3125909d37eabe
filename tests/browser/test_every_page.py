"""Every page in a real browser on a freshly started server, found in the tree."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import AXE, Server, Visitor
from tests.tree import PAGES, WITH_MECHANISM, mechanism

SLUGS = ["", *PAGES]
DESK, PHONE = (1400, 900), (390, 844)


def prose(page: Page) -> list[str]:
    """Captions and labels, without formulas (their fonts arrive later)."""
    shown = page.locator(".stMarkdown").filter(has_not=page.locator(".katex"))
    return [text.strip() for text in shown.all_inner_texts() if text.strip()]


def test_a_cold_server_answers_at_once(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Its very first visitor arrives by a deep link and sees no dialog; the next one sees the home page's cards, whose
    pictures come as they are computed, without a reload."""
    fresh = Server(tmp_path_factory.mktemp("cold") / "log")
    try:
        first = Visitor(browser, fresh.url, *DESK)
        slug = next(iter(WITH_MECHANISM))
        page = first.open(f"/{slug}", lang="zh")
        assert page.get_by_role("heading", level=1).inner_text() == PAGES[slug].spec["title"]["zh"]
        assert page.locator("[role=dialog]").count() == 0
        assert first.complaints == []
        first.close()
        second = Visitor(browser, fresh.url, *DESK)
        page = second.open("/")
        expect(page.locator("a.card")).to_have_count(len(PAGES))
        page.get_by_role("searchbox").fill("a")
        expect(page.locator(".card .coming")).to_have_count(0, timeout=240_000)
        expect(page.get_by_role("searchbox")).to_have_value("a")
        page.get_by_role("searchbox").fill("")
        assert page.locator("a.card img").count() >= len(WITH_MECHANISM)
        assert second.complaints == []
        second.close()
    finally:
        fresh.stop()


# What sticks out to the right of the window, in pixels: 0 where the page fits.
SIDEWAYS = """() => {
  const main = document.querySelector('.stMain');
  return Math.max(document.documentElement.scrollWidth - innerWidth, main.scrollWidth - main.clientWidth);
}"""

FRAMES = """async (n) => { for (; n > 0; n--) await new Promise(requestAnimationFrame) }"""


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("slug", SLUGS)
def test_fits_is_silent_and_accessible(visitor: Visitor, slug: str, theme: str) -> None:
    """On a desk, then in a window made as narrow as a phone: the same checks at both widths."""
    lang = "zh" if theme == "dark" else "en"
    page = visitor.open(f"/{slug}", theme=theme, lang=lang)
    assert page.evaluate("document.documentElement.lang") == {"en": "en", "zh": "zh-CN"}[lang]
    if slug in WITH_MECHANISM:
        above_the_fold(page)
    page.add_script_tag(path=AXE)
    for width, height in (DESK, PHONE):
        page.set_viewport_size({"width": width, "height": height})
        visitor.idle()
        page.wait_for_function(f"({SIDEWAYS})() <= 0")  # what is too wide stays too wide: a timeout
        page.evaluate(FRAMES, 5)  # pictures are laid out anew a frame or two after their new width
        accessible(page, f"{width} pixels wide")
    assert visitor.complaints == []


def above_the_fold(page: Page) -> None:
    """The main controls and the first large picture, down to its end, need no scrolling."""
    shown = page.locator(".stBidiComponent:visible, .stPlotlyChart:visible").all()
    boxes = [box for box in (one.bounding_box() for one in shown) if box and box["height"] > 200]
    assert boxes
    assert boxes[0]["y"] + boxes[0]["height"] <= DESK[1], "the main picture ends below the fold"


def accessible(page: Page, where: str) -> None:
    """No serious or critical violation of an accessibility rule."""
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    serious = [
        {"rule": one["id"], "where": [node["target"] for node in one["nodes"]][:4], "why": one["nodes"][0]["any"][:1]}
        for one in found
        if one["impact"] in ("serious", "critical")
    ]
    assert not serious, f"{where}: {json.dumps(serious, indent=1, ensure_ascii=False)[:3000]}"


@pytest.mark.parametrize("slug", WITH_MECHANISM)
def test_a_preset_is_a_link(visitor: Visitor, browser: Browser, server: Server, slug: str) -> None:
    """Press a preset, copy the address, open it in a new browser: the same page says the same."""
    page = visitor.open(f"/{slug}", lang="zh", theme="dark")
    preset = PAGES[slug].spec["presets"][0]
    page.get_by_role("button", name=preset["label"]["zh"], exact=True).first.click()
    expect(page.get_by_text(preset["question"]["zh"]).first).to_be_visible()
    visitor.idle()
    for name, value in preset["state"].items():
        if value != getattr(mechanism(slug).Config(), name):
            assert f"{name}=" in page.url
    said = prose(page)
    other = Visitor(browser, server.url, *DESK)
    other.page.goto(page.url)
    other.idle()
    again = prose(other.page)
    other.close()
    # The new visitor pressed nothing, so only the preset's question may be missing.
    assert [text for text in said if text not in again] in ([], [preset["question"]["zh"]])
    assert [text for text in again if text not in said] == []
