"""The page text-diffusion under a visitor's hands: the passes play, a click masks a token, both coins slide."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Visitor

URL = "/text-diffusion"


def slider(page: Page, name: str) -> Locator:
    return page.get_by_role("slider", name=name, exact=True)


def test_passes_play_and_a_click_masks_a_token(visitor: Visitor) -> None:
    """The scrubber moves both texts and the schedule; the masked token is in the link, and the caption says so."""
    page = visitor.open(URL, figure="schedule", step=128)
    strip = page.locator(".kit.unmasking").first
    assert strip.locator(".box.masked").count() == 0, "at the end nothing is masked"
    box = strip.bounding_box()
    assert box and box["y"] + box["height"] <= 900, "the picture ends above the fold"
    slider(page, "pass").focus()
    page.keyboard.press("Home")
    page.wait_for_url("**step=0**")
    assert strip.locator(".box.masked").count() == 64, "32 places in each of two texts"
    page.keyboard.press("ArrowRight")
    assert strip.locator(".box.masked").count() == 64 - 4 - 1, "eight passes fill four each, the other model one"
    visitor.idle()
    strip.locator(".lane >> nth=0 >> .hit").nth(3).click()
    page.wait_for_url("**holes=3**")
    visitor.idle()
    expect(page.get_by_text("Masked tokens of the text: 1", exact=False).first).to_be_visible()
    assert visitor.complaints == []


def test_two_coins_forget_each_other(visitor: Visitor) -> None:
    page = visitor.open(URL, figure="coins")
    page.get_by_text("Unequal coins: 0% in truth, 50% when drawn in one pass", exact=False).first.wait_for()
    slider(page, "dependence c").focus()
    page.keyboard.press("Home")
    page.wait_for_url("**dependence=0**")
    page.get_by_text("Unequal coins: 50% in truth, 50% when drawn in one pass", exact=False).first.wait_for()
    visitor.idle()
    assert visitor.complaints == []
