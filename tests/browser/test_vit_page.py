"""The Vision Transformer under a visitor's hands: layers, a patch that looks, a thing put down, another figure."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visitor

PAGE = "/vit"
FITS = """(name) => {
  const host = [...document.querySelectorAll('*')].find((one) => one.shadowRoot?.querySelector(`.kit.${name}`));
  return host.getBoundingClientRect().bottom <= 900;
}"""


def test_layers_play_and_patches_look(visitor: Visitor) -> None:
    page = visitor.open(PAGE, trained="false")
    board = page.locator(".kit.patches").first
    expect(board).to_be_visible()
    assert page.evaluate(FITS, "patches"), "the first picture and its controls fit the screen"
    draw = "(one) => [...one.querySelectorAll('canvas')].map((canvas) => canvas.toDataURL()).join()"
    last = board.evaluate(draw)
    page.get_by_role("slider", name="layer", exact=True).first.focus()
    page.keyboard.press("Home")
    assert board.evaluate(draw) != last, "played in the browser"
    page.wait_for_url("**layer=1**")
    visitor.idle()
    expect(page.get_by_text("Layer 1 of 3, seen from [CLS]", exact=False)).to_be_visible()
    board.locator(".cells").first.click(position={"x": 40, "y": 40})
    page.wait_for_url("**source=**")
    visitor.idle()
    expect(page.get_by_text("seen from the patch in row", exact=False)).to_be_visible()
    assert visitor.complaints == []


@pytest.mark.parametrize("visitor", [(390, 844)], indirect=True)
def test_on_a_phone_with_shuffled_patches(visitor: Visitor) -> None:
    page = visitor.open(PAGE, trained="false", shuffle="true", figure="swin", lang="zh")
    expect(page.get_by_text("3 个回答中有", exact=False)).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert visitor.complaints == []


def test_a_scene_that_is_none_says_so(visitor: Visitor) -> None:
    page = visitor.open(PAGE, scene="<b>nothing</b> here")
    expect(page.get_by_text("There is no object in this text", exact=False)).to_be_visible()
    assert page.locator(".stAlert b").count() == 0 and visitor.complaints == []


def test_a_chosen_value_is_written_as_people_do(visitor: Visitor) -> None:
    page = visitor.open(PAGE, trained="false")
    written = page.evaluate("""async () => {
      const { chosen } = await import("/kit/kit/format.js");
      return [0.75, 0.032, 0.1 + 0.2, 100.5, 1000, 0, -0.5, 5e-5, 1 / 3, 2e6].map((value) => chosen(value));
    }""")
    assert written == ["0.75", "0.032", "0.3", "100.5", "1000", "0", "−0.5", "5·10⁻⁵", "0.3333", "2·10⁶"]
