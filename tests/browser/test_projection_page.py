"""The chain in a visitor's hands: a patch switched off, a word that looks, a layer; the training on a phone."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visitor

PAGE = "/projection"


def test_patches_words_and_layers(visitor: Visitor) -> None:
    """One page for all of it."""
    page = visitor.open(PAGE)
    chain = page.locator(".kit.patches").first
    expect(chain).to_be_visible()
    assert page.evaluate("""() => {
      const hosts = [...document.querySelectorAll('*')].filter((one) => one.shadowRoot?.querySelector('.kit.patches'));
      return hosts[0].getBoundingClientRect().bottom <= 900;
    }"""), "the first picture and its controls fit the screen"
    draw = "(one) => [...one.querySelectorAll('canvas')].map((canvas) => canvas.toDataURL()).join()"
    last = chain.evaluate(draw)
    page.get_by_role("slider", name="layer", exact=True).first.focus()
    page.keyboard.press("Home")
    assert chain.evaluate(draw) != last, "played in the browser"
    page.wait_for_url("**layer=1**")
    visitor.idle()
    chain.get_by_text("circle", exact=True).first.click()
    page.wait_for_url("**place=5**")
    visitor.idle()
    expect(page.get_by_text("seen from “circle”", exact=False).first).to_be_visible()
    box = chain.locator("canvas").first.bounding_box()
    assert box
    page.mouse.click(box["x"] + 0.44 * box["width"], box["y"] + 0.44 * box["height"])
    page.wait_for_url("**off=**")
    visitor.idle()
    expect(page.get_by_text("1 of 64 patches are off", exact=False).first).to_be_visible()
    assert visitor.complaints == []


@pytest.mark.parametrize("visitor", [(390, 844)], indirect=True)
def test_a_question_of_ones_own_on_a_phone(visitor: Visitor) -> None:
    page = visitor.open(PAGE, ask="typed", question="what colour is the star ? <b>cat</b>", figure="growth")
    expect(page.get_by_text("Not known to the model", exact=False).first).to_be_visible()
    assert page.locator(".stMarkdown b").count() == 0
    expect(page.locator(".kit.particles").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert visitor.complaints == []
