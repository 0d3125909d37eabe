"""The shell: switches, search, unknown addresses, the link key."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.conftest import Visitor
from tests.tree import PAGES, WITH_MECHANISM

BACKGROUND = "() => getComputedStyle(document.querySelector('.stApp')).backgroundColor"


def test_language_and_theme_live_in_the_url(visitor: Visitor) -> None:
    page = visitor.open("/")
    light = page.evaluate(BACKGROUND)
    page.get_by_role("radio", name="中文").click()
    page.wait_for_url("**lang=zh**")
    visitor.idle()
    page.get_by_role("radio", name="深色").click()
    page.wait_for_url("**theme=dark**")
    page.wait_for_function(f"light => ({BACKGROUND})() !== light", arg=light)
    slug = next(iter(WITH_MECHANISM))
    page.locator(f'a[href^="/{slug}"]').first.click()
    page.wait_for_url(f"**/{slug}?**")
    visitor.idle()
    assert "lang=zh" in page.url
    assert "theme=dark" in page.url
    expect(page.get_by_role("heading", level=1)).to_have_text(PAGES[slug].spec["title"]["zh"])
    dark = page.evaluate(BACKGROUND)
    page.reload()
    visitor.idle()
    assert page.evaluate(BACKGROUND) == dark != light
    expect(page.get_by_role("heading", level=1)).to_have_text(PAGES[slug].spec["title"]["zh"])
    assert visitor.complaints == []


def test_search_knows_both_languages(visitor: Visitor) -> None:
    page = visitor.open("/")
    for term, slug in [("GQA", "attention-heads"), ("分组查询", "attention-heads"), ("causal", "attention-masks")]:
        page.get_by_role("searchbox").fill(term)
        cards = page.locator("a.card")
        assert any(slug in (cards.nth(i).get_attribute("href") or "") for i in range(cards.count())), term
    page.get_by_role("searchbox").fill("<b>nothing like this</b>")
    expect(page.locator("a.card")).to_have_count(0)


def test_an_unknown_address_says_so_and_offers_the_search(visitor: Visitor) -> None:
    page = visitor.open("/gqa")
    expect(page.get_by_text("gqa", exact=False).first).to_be_visible()
    assert page.locator("[role=dialog]").count() == 0
    expect(page.get_by_role("searchbox")).to_have_value("gqa")
    assert visitor.complaints == []


def test_one_key_copies_the_link(visitor: Visitor) -> None:
    slug = next(iter(WITH_MECHANISM))
    page = visitor.open(f"/{slug}", lang="zh")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator("h1").click()
    page.keyboard.press("l")
    page.wait_for_function("async () => (await navigator.clipboard.readText()) === location.href")
