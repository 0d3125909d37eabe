"""Latent diffusion under a visitor's hands: the scrubber, a word, a picture, another mode, words nobody knows."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.conftest import Visitor

PAGE = "/latent-diffusion"


def test_steps_play_and_words_light_up(visitor: Visitor) -> None:
    """One page for all of it: a new page costs a sampling."""
    page = visitor.open(PAGE, steps=6, seed=4)
    board = page.locator(".kit.pictures").first
    expect(board).to_be_visible()
    assert page.evaluate("""() => {
      const host = [...document.querySelectorAll('*')].find((one) => one.shadowRoot?.querySelector('.kit.pictures'));
      return host.getBoundingClientRect().bottom <= 900;
    }"""), "the first picture and its controls fit the screen"
    draw = "(one) => [...one.querySelectorAll('canvas')].map((canvas) => canvas.toDataURL()).join()"
    last = board.evaluate(draw)
    page.get_by_role("slider", name="step", exact=True).focus()
    page.keyboard.press("Home")
    assert board.evaluate(draw) != last, "played in the browser"
    page.wait_for_url("**step=1**")
    visitor.idle()
    expect(page.get_by_text("Step 1 of 6", exact=False).first).to_be_visible()
    board.get_by_text("circle", exact=True).click()
    page.wait_for_url("**word=4**")
    visitor.idle()
    expect(page.get_by_text("“circle” gets", exact=False).first).to_be_visible()
    assert visitor.complaints == []


def test_a_caption_with_unknown_words_and_another_mode(visitor: Visitor) -> None:
    page = visitor.open(PAGE, steps=2, number=1)
    field = page.get_by_role("textbox", name="Caption", exact=True)
    field.fill("a red circle and a <b>cat</b>")
    field.press("Enter")
    expect(page.get_by_text("Not known here", exact=False).first).to_be_visible()
    visitor.idle()
    assert page.locator(".stMarkdown b").count() == 0
    page.get_by_role("button", name="Image to image", exact=True).click()
    page.wait_for_url("**mode=picture**")
    visitor.idle()
    expect(page.get_by_role("slider", name="Strength")).to_be_visible()
    assert visitor.complaints == []
