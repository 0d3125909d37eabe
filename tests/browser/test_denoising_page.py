"""The page about denoising under a visitor's hands: one slider moves all samples, and a drawing is learned live."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.conftest import Visitor

DENOISING = "/denoising"
# Everything a component has drawn, whether as shapes or as pixels.
DRAWN = """(all) => all.map((one) =>
  one.innerHTML + [...one.querySelectorAll("canvas")].map((canvas) => canvas.toDataURL()).join())"""
# Drag through all frames and back, one movement per picture of the screen: how many were painted, how many a second.
RATE = """async (slider) => {
  performance.clearMeasures("atlas:frame");
  const last = Number(slider.max);
  for (let k = 0; k < 60; k++) {
    slider.value = String(Math.round(last * Math.abs(1 - k / 30)));
    slider.dispatchEvent(new Event("input", { bubbles: true, composed: true }));
    await new Promise(requestAnimationFrame);
  }
  await new Promise(requestAnimationFrame);
  const painted = performance.getEntriesByName("atlas:frame");
  return [painted.length, (1000 * painted.length) / (performance.now() - painted[0].startTime)];
}"""


def test_one_slider_moves_all_samples(visitor: Visitor) -> None:
    """Both planes, the curves below them and the score field follow it in the browser; the link keeps where it is."""
    page = visitor.open(DENOISING, figure="field", n_step=10)
    pictures = page.locator(".kit.particles, .kit.curves")
    expect(pictures.nth(4)).to_be_visible()
    before = pictures.evaluate_all(DRAWN)
    handle = page.locator(".kit.particles").first.get_by_role("slider", name="t", exact=True)
    handle.focus()
    page.keyboard.press("Home")
    page.wait_for_url("**t=1000**")
    after = pictures.evaluate_all(DRAWN)
    for i in range(5):
        assert before[i] != after[i], f"picture {i} did not move"
    visitor.idle()
    expect(page.get_by_text("points of noise", exact=False).first).to_be_visible()
    painted, rate = handle.evaluate(RATE)
    print(f"\nscrubbing five pictures: {painted} painted, {rate:.1f} a second")
    assert painted > 30
    assert visitor.complaints == []


def test_a_drawing_is_learned_and_rubbish_is_refused(visitor: Visitor) -> None:
    """What cannot be read is named in one sentence beside an empty pad; a drawing in the link is trained on live."""
    page = visitor.open(DENOISING, data="drawn", drawing="<b>no</b>")
    expect(page.locator(".kit.sketch")).to_be_visible()
    assert page.locator(".kit.particles").count() == 0
    assert page.locator(".stMarkdown b").count() == 0
    page.goto(f"{visitor.base}{DENOISING}?data=drawn&drawing=0VzV.V0Vz&n_step=10&figure=training")
    expect(page.locator(".kit.particles")).to_be_visible(timeout=120_000)
    visitor.idle()
    expect(page.get_by_text("2 strokes", exact=False).first).to_be_visible()
    assert visitor.complaints == []
