"""CLIP under a visitor's hands: training played, captions typed; every further picture on a phone, dark, in Chinese."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visitor

PAGE = "/clip"


def test_training_plays_and_a_cell_is_read(visitor: Visitor) -> None:
    page = visitor.open(PAGE)
    board = page.locator(".kit.pairs").first
    expect(board).to_be_visible()
    assert page.evaluate("""() => {
      const host = [...document.querySelectorAll('*')].find((one) => one.shadowRoot?.querySelector('.kit.pairs'));
      return host.getBoundingClientRect().bottom <= 900;
    }"""), "the first picture and its controls fit the screen"
    page.get_by_role("slider", name="training step", exact=True).first.focus()
    page.keyboard.press("Home")
    page.wait_for_url("**step=0**")
    visitor.idle()
    expect(board.get_by_text("Step 0:", exact=False).first).to_be_visible()
    field = page.get_by_role("textbox", name="Captions to choose from", exact=False)
    field.fill("a green heart; a <b>cat</b>")
    field.press("Enter")
    expect(page.get_by_text("Not known here", exact=False).first).to_be_visible()
    visitor.idle()
    assert page.locator(".stMarkdown b").count() == 0
    assert visitor.complaints == []


@pytest.mark.parametrize("visitor", [(390, 844)], indirect=True)
def test_every_further_picture_on_a_phone_in_the_dark(visitor: Visitor) -> None:
    """One page, one picture after another, in Chinese."""
    for figure in ("zero_shot", "losses", "training", "retrieval", "gap", "combinations", "binding"):
        page = visitor.open(PAGE, figure=figure, lang="zh", theme="dark")
        wide = page.evaluate("() => document.documentElement.scrollWidth")
        assert wide <= 390, (figure, wide)
    assert visitor.complaints == []
