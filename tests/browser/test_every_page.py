"""Every page in a real browser on a freshly started server, found in the tree."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Browser

from tests.browser.conftest import AXE, Server, Visitor
from tests.tree import PAGES, WITH_MECHANISM

SLUGS = ["", *PAGES]
DESK, PHONE = (1400, 900), (390, 844)


def test_a_cold_deep_link_opens_without_a_dialog(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The very first visitor of a server arrives by a deep link."""
    fresh = Server(tmp_path_factory.mktemp("cold") / "log")
    try:
        first = Visitor(browser, fresh.url, *DESK)
        slug = next(iter(WITH_MECHANISM))
        page = first.open(f"/{slug}", lang="zh")
        assert page.get_by_role("heading", level=1).inner_text() == PAGES[slug].spec["title"]["zh"]
        assert page.locator("[role=dialog]").count() == 0
        assert first.complaints == []
        first.close()
    finally:
        fresh.stop()


@pytest.mark.parametrize("visitor", [DESK, PHONE], indirect=True, ids=["desk", "phone"])
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("slug", SLUGS)
def test_fits_is_silent_and_accessible(visitor: Visitor, slug: str, theme: str) -> None:
    lang = "zh" if theme == "dark" else "en"
    page = visitor.open(f"/{slug}", theme=theme, lang=lang)
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, "the page scrolls sideways"
    assert (
        page.evaluate("document.querySelector('.stMain').scrollWidth - document.querySelector('.stMain').clientWidth")
        <= 0
    )
    assert visitor.complaints == []
    assert page.evaluate("document.documentElement.lang") == {"en": "en", "zh": "zh-CN"}[lang]
    page.add_script_tag(path=AXE)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    serious = [
        {"rule": one["id"], "where": [node["target"] for node in one["nodes"]][:4], "why": one["nodes"][0]["any"][:1]}
        for one in found
        if one["impact"] in ("serious", "critical")
    ]
    assert not serious, json.dumps(serious, indent=1, ensure_ascii=False)[:3000]


@pytest.mark.parametrize("slug", WITH_MECHANISM)
def test_picture_and_main_controls_need_no_scrolling(visitor: Visitor, slug: str) -> None:
    page = visitor.open(f"/{slug}")
    picture = page.locator(".stBidiComponent:visible, .stPlotlyChart:visible").filter(
        has_not=page.locator("[data-testid=none]")
    )
    boxes = [
        box for box in (picture.nth(i).bounding_box() for i in range(picture.count())) if box and box["height"] > 200
    ]
    assert boxes
    assert boxes[0]["y"] + boxes[0]["height"] <= 900, "the main picture ends below the fold"


@pytest.mark.parametrize("slug", WITH_MECHANISM)
def test_a_preset_is_a_link(visitor: Visitor, browser: Browser, slug: str) -> None:
    """Press a preset, copy the address, open it in a new browser: the same captions."""
    page = visitor.open(f"/{slug}", lang="zh", theme="dark")
    for preset in PAGES[slug].spec.get("presets", [])[:2]:
        page.locator(f".st-key-_preset_{preset['id']} button").click()
        page.wait_for_function("before => location.href !== before", arg=page.url) if False else visitor.idle()
    said = page.locator(".stMarkdown").all_inner_texts()
    other = Visitor(browser, "", *DESK)
    other.open(page.url)
    again = other.page.locator(".stMarkdown").all_inner_texts()
    other.close()
    picture = PAGES[slug].spec["captions"]
    assert picture
    assert [text for text in again if text in said] == again or set(again) <= set(said)
