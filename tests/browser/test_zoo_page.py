"""The zoo of text diffusion under a visitor's hands: five kinds, sliders that play, a phone, the dark theme."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from models.text_diffusion_zoo import KINDS
from tests.browser.conftest import Visitor

ZOO = "/text-diffusion-zoo"
DRAWN = """(all) => all.map((one) =>
  one.innerHTML + [...one.querySelectorAll("canvas")].map((canvas) => canvas.toDataURL()).join())"""
KIT = ".kit.matrix, .kit.unmasking, .kit.particles, .kit.curves"
COUNT = {"d3pm": 3, "diffusion_lm": 2, "diffuseq": 2, "ssd_lm": 3, "ar_diffusion": 4}


def slide(page: Page, name: str, key: str) -> None:
    page.get_by_role("slider", name=name, exact=True).first.focus()
    page.keyboard.press(key)


def test_the_kinds_change_the_pictures_and_the_sliders_play_them(visitor: Visitor) -> None:
    """One visitor goes through all five; each first picture ends above the fold, and its slider moves it at once."""
    page = visitor.open(ZOO)
    for kind in KINDS:
        page = visitor.open(ZOO, kind=kind)
        shown = page.locator(KIT)
        expect(shown.nth(COUNT[kind] - 1)).to_be_visible()
        box = shown.first.bounding_box()
        assert box is not None and box["y"] + box["height"] < 900, f"{kind}: the first picture ends below the fold"
        moved = shown.nth(1) if kind == "d3pm" else shown.first
        before = moved.evaluate_all(DRAWN)
        passes = kind == "ar_diffusion"
        slide(page, "pass" if passes else "noise level t", "Home")
        page.wait_for_url("**passed=0**" if passes else "**step=**")
        assert moved.evaluate_all(DRAWN) != before, f"{kind}: nothing moved"
        visitor.idle()
    assert visitor.complaints == []


def test_a_preset_goes_there_and_the_note_speaks_of_it(visitor: Visitor) -> None:
    page = visitor.open(ZOO)
    page.get_by_role("button", name="Keep the question clean").first.click()
    page.wait_for_url("**source=cat**")
    visitor.idle()
    expect(page.get_by_text("Asked for “cat”", exact=False).first).to_be_visible()
    page.get_by_role("button", name="Masks are a table").first.click()
    page.wait_for_url("**corruption=absorbing**")
    visitor.idle()
    expect(page.get_by_text("50%").first).to_be_visible()
    assert visitor.complaints == []


@pytest.mark.parametrize("visitor", [(390, 844)], indirect=True)
def test_on_a_phone_in_the_dark(visitor: Visitor) -> None:
    for kind in KINDS:
        page = visitor.open(ZOO, kind=kind, theme="dark", lang="zh")
        expect(page.locator(KIT).nth(COUNT[kind] - 1)).to_be_attached()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, kind
    assert visitor.complaints == []
