"""The pages of section Experts under a visitor's hands: layers and tokens, a live training, a pasted configuration."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Visitor

ROUTER, BALANCE, COST = "/moe-router", "/moe-balance", "/moe-cost"
# Everything a component has drawn, whether as shapes or as pixels.
DRAWN = """(all) => all.map((one) =>
  one.innerHTML + [...one.querySelectorAll("canvas")].map((canvas) => canvas.toDataURL()).join())"""


def slider(page: Page, name: str) -> Locator:
    return page.get_by_role("slider", name=name, exact=True)


def test_layers_and_tokens_answer_at_once(visitor: Visitor) -> None:
    """The layer plays in the browser; a click on a token is kept in the link, and the caption speaks of it."""
    page = visitor.open(ROUTER, layer=2)
    routes = page.locator(".kit.routes").first
    experts = routes.locator(".bars")
    before = experts.inner_text()
    slider(page, "layer").focus()
    page.keyboard.press("Home")
    assert experts.inner_text() != before, "the bars of the pinned token are the new layer's"
    page.wait_for_url("**layer=1**")
    visitor.idle()
    routes.get_by_role("option").nth(1).click()
    page.wait_for_url("**token=1**")
    visitor.idle()
    label = routes.locator(".panel-title .label").inner_text()
    expect(page.get_by_text(f"Layer 1 sends “{label}”", exact=False).first).to_be_visible()
    assert visitor.complaints == []


def test_a_full_expert_drops_and_says_so(visitor: Visitor) -> None:
    page = visitor.open(ROUTER)
    routes = page.locator(".kit.routes").first
    assert routes.locator(".key-lost").count() == 0
    page.get_by_role("button", name="A full expert").first.click()
    page.wait_for_url("**capacity=1**")
    visitor.idle()
    expect(routes.locator(".key-lost").first).to_be_visible()
    expect(page.get_by_text("assignments are dropped", exact=False).first).to_be_visible()
    assert visitor.complaints == []


def test_a_training_nobody_has_seen_is_played_in_the_browser(visitor: Visitor) -> None:
    """A new seed is trained while the visitor waits; then one scrubber moves the map, the loads and all curves."""
    page = visitor.open(BALANCE, seed=61)
    pictures = page.locator(".kit.regions, .kit.curves")
    expect(pictures.nth(3)).to_be_visible()
    before = pictures.evaluate_all(DRAWN)
    slider(page, "training step").focus()
    page.keyboard.press("Home")
    page.wait_for_url("**step=0**")
    visitor.idle()
    after = pictures.evaluate_all(DRAWN)
    assert len(before) == len(after) >= 4
    for i in range(4):
        assert before[i] != after[i], f"picture {i} did not move"
    assert visitor.complaints == []


def test_a_pasted_configuration_is_counted_or_refused(visitor: Visitor) -> None:
    page = visitor.open(COST, model="own")
    area = page.get_by_role("textbox").first
    before = page.locator(".kit.ledger").first.get_attribute("aria-label")
    area.fill('{"model_type": "mixtral", "num_local_experts": 4, "num_hidden_layers": 7}')
    area.press("Control+Enter")
    page.wait_for_function(
        "before => document.querySelector('.stMain') && ![...document.querySelectorAll('*')]"
        ".some((one) => one.shadowRoot?.querySelector('.ledger')?.getAttribute('aria-label') === before)",
        arg=before,
    )
    visitor.idle()
    area.fill("this is no JSON <b>at all</b>")
    area.press("Control+Enter")
    expect(page.locator(".stAlert").first).to_be_visible()
    visitor.idle()
    expect(area).to_have_value("this is no JSON <b>at all</b>")
    assert visitor.complaints == []
