"""The pages of section Positions under a visitor's hands: two scrubbers at once, one scrubber for many pictures."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Visitor

ROPE, ENCODINGS, LONG = "/rope", "/position-encodings", "/long-context"


def score(page: Page) -> float:
    """The score beside the clocks, as written."""
    return float(page.locator(".kit.clocks .result .figure .amount").first.inner_text().replace("−", "-"))


def slider(page: Page, name: str) -> Locator:
    return page.get_by_role("slider", name=name).last


def test_both_positions_move_and_the_score_stays(visitor: Visitor) -> None:
    page = visitor.open(ROPE, n_token=32, query=20, key=12)
    start, before = page.url, score(page)
    page.get_by_role("button", name="keep the distance").click()
    slider(page, "query position m").focus()
    page.keyboard.press("End")
    assert abs(score(page) - before) < 1e-4
    page.wait_for_url("**key=23")
    assert "query=31" in page.url
    visitor.idle()
    expect(page.get_by_text("Query at 31, key at 23", exact=False)).to_be_visible()
    page.get_by_role("button", name="keep the distance").click()
    slider(page, "key position n").focus()
    page.keyboard.press("Home")
    assert abs(score(page) - before) > 1e-2
    page.wait_for_url("**key=0")
    # A drag of both is one step of the history.
    page.go_back()
    page.wait_for_url("**key=23")
    page.go_back()
    page.wait_for_url(start)
    visitor.idle()
    expect(slider(page, "query position m")).to_have_value("20")
    expect(slider(page, "key position n")).to_have_value("12")
    assert visitor.complaints == []


def test_a_preset_is_one_step_back(visitor: Visitor) -> None:
    page = visitor.open(ENCODINGS)
    start = page.url
    page.get_by_role("button", name="Shuffle the words").click()
    page.wait_for_url(lambda url: url != start)
    visitor.idle()
    page.go_back()
    page.wait_for_url(start)
    assert visitor.complaints == []


def test_one_factor_moves_all_curves(visitor: Visitor) -> None:
    page = visitor.open(LONG, method="yarn", factor=16)
    loss, recall = (page.locator(".kit.curves").nth(i) for i in (0, 1))
    shapes = "(one) => [...one.querySelectorAll('.series')].map((line) => line.getAttribute('d')).join()"
    before = loss.evaluate(shapes), recall.evaluate(shapes)
    slider(page, "factor s").focus()
    page.keyboard.press("Home")
    after = loss.evaluate(shapes), recall.evaluate(shapes)
    assert before[0] != after[0], "the loss follows"
    assert before[1] != after[1], "and so do the needles"
    page.wait_for_url("**factor=1")
    visitor.idle()
    assert visitor.complaints == []
