"""Fusion under a visitor's hands: the schematic, a gate, a code that is changed, video, a scene that is none."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.conftest import Visitor

PAGE = "/fusion"


def test_the_schematic_and_its_gate(visitor: Visitor) -> None:
    page = visitor.open(PAGE)
    board = page.locator(".kit.schematic").first
    expect(board).to_be_visible()
    assert page.evaluate("""() => {
      const host = [...document.querySelectorAll('*')].find((one) => one.shadowRoot?.querySelector('.kit.schematic'));
      return host.getBoundingClientRect().bottom <= 900;
    }"""), "the first picture and its controls fit the screen"
    board.locator(".lane").nth(1).locator(".word").last.hover()
    expect(board.locator(".said")).to_contain_text("latents of picture 2")
    page.get_by_role("slider", name="Gate").focus()
    page.keyboard.press("Home")
    page.wait_for_url("**gate=0.0**")
    visitor.idle()
    expect(page.get_by_text("The gates are shut", exact=False).first).to_be_visible()
    assert visitor.complaints == []


def test_codes_video_and_a_scene_that_is_none(visitor: Visitor) -> None:
    """One page for all of it: a new page costs seconds."""
    page = visitor.open(PAGE, figure="codes", place=27)
    book = page.locator(".kit.patches").nth(1)
    expect(book).to_be_visible()
    cells = book.locator(".cells").first
    cells.scroll_into_view_if_needed()
    box = cells.bounding_box()
    assert box
    page.mouse.click(box["x"] + 40, box["y"] + 40)
    page.wait_for_url("**code=**")
    visitor.idle()
    page.get_by_role("radio", name="video", exact=True).click()
    visitor.idle()
    expect(page.get_by_text("seconds at 2 frames a second", exact=False).first).to_be_visible()
    assert visitor.complaints == []
    page = visitor.open(PAGE, scene="a whale")
    expect(page.get_by_text("Type a caption", exact=False).first).to_be_visible()
