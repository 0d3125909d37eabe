"""Work that takes long, through the whole frame: progress, cancel, one computation for all, nobody held up."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.conftest import Server, Visitor

SLUG = "attention-masks"


class Slow:
    """A server whose traces can be held up."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server, self.folder = server, folder

    def hold(self, what: str) -> None:
        (self.folder / what).touch()

    def release(self, what: str) -> None:
        (self.folder / what).unlink()

    def log(self, n_token: int) -> list[str]:
        """What became of the traces of so many tokens."""
        log = self.folder / "log"
        lines = log.read_text().split("\n") if log.exists() else []
        return [line.split()[0] for line in lines if line.endswith(f" {n_token}")]

    def until(self, n_token: int, wanted: list[str]) -> None:
        wait(lambda: self.log(n_token) == wanted, lambda: f"{self.log(n_token)} instead of {wanted}")


def wait(state: Callable[[], bool], about: Callable[[], str]) -> None:
    end = time.monotonic() + 30
    while not state():
        assert time.monotonic() < end, about()
        time.sleep(0.02)


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slow]:
    folder = tmp_path_factory.mktemp("held")
    server = Server(folder / "output", "tests/browser/slow_app.py", HELD=str(folder), MODEL_ATLAS_PATIENCE="0.1")
    yield Slow(server, folder)
    server.stop()


@pytest.fixture
def come(slow: Slow, browser: Browser) -> Iterator[Callable[..., Visitor]]:
    """A new visitor opens the page for so many random tokens."""
    visitors = []

    def open_page(n_token: int, **more: str) -> Visitor:
        one = Visitor(browser, slow.server.url, 1400, 900)
        visitors.append(one)
        query = "&".join(f"{name}={value}" for name, value in more.items())
        one.page.goto(f"{slow.server.url}/{SLUG}?source=random&n_token={n_token}&{query}")
        return one

    yield open_page
    for one in visitors:
        one.close()


def cancel(page: Page) -> None:
    page.get_by_role("button", name="Cancel", exact=True).click()


def matrix(page: Page) -> str:
    """What the picture says of itself."""
    return page.get_by_role("figure").first.get_attribute("aria-label") or ""


def test_cancel_says_one_sentence_and_offers_to_compute(slow: Slow, come: Callable[..., Visitor]) -> None:
    slow.hold("trace-37")
    page = come(37).page
    expect(page.locator(".stProgress")).to_be_visible(timeout=30_000)
    expect(page.locator(".stProgress [role=progressbar]")).to_have_attribute("aria-valuenow", "50")
    cancel(page)
    expect(page.locator(".stAlert")).to_contain_text("Cancelled")
    expect(page.locator(".stAlert")).to_have_count(1)
    expect(page.locator(".stProgress")).to_have_count(0)
    slow.until(37, ["begin", "Cancelled"])
    # The rest of the page is as it was.
    expect(page.get_by_role("slider", name="Tokens n")).to_have_value("37")
    expect(page.get_by_text("Try this")).to_be_visible()
    expect(page.get_by_role("tab").first).to_be_visible()
    assert "n_token=37" in page.url
    # What was given up stays so, whatever else is pressed, until it is asked for.
    page.get_by_role("radio", name="中文").click()
    expect(page.locator(".stAlert")).to_contain_text("已取消")
    slow.until(37, ["begin", "Cancelled"])
    page.get_by_role("button", name="计算", exact=True).click()
    expect(page.locator(".stProgress")).to_be_visible()
    slow.release("trace-37")
    expect(page.get_by_role("figure").first).to_be_visible()
    assert "37" in matrix(page)
    expect(page.locator(".stAlert")).to_have_count(0)
    slow.until(37, ["begin", "Cancelled", "begin", "end"])


def test_controls_that_arrive_late_show_what_is_set(slow: Slow, browser: Browser) -> None:
    """Their scripts come over a slow line: meanwhile the page is drawn twice."""
    slow.hold("trace-44")
    visitor = Visitor(browser, slow.server.url, 1400, 900)
    late: list[Route] = []
    visitor.page.route(re.compile(r"/static/js/(Slider|Selectbox|Checkbox)\..*\.js$"), lambda route: late.append(route))
    visitor.page.goto(f"{slow.server.url}/{SLUG}?source=random&n_token=44&d_head=32&mask=sliding&lang=zh")
    expect(visitor.page.locator(".stProgress")).to_be_visible(timeout=30_000)
    visitor.page.get_by_role("button", name="取消", exact=True).click()
    expect(visitor.page.locator(".stAlert")).to_contain_text("已取消")
    slow.until(44, ["begin", "Cancelled"])
    for route in late:
        route.continue_()
    assert len(late) == 3
    expect(visitor.page.get_by_role("slider").first).to_have_value("44")
    expect(visitor.page.get_by_role("slider").nth(1)).to_have_value("32")
    expect(visitor.page.get_by_role("combobox").nth(1)).to_have_value("滑动窗口")
    expect(visitor.page.get_by_role("switch")).to_be_checked()
    slow.release("trace-44")
    visitor.page.get_by_role("button", name="计算", exact=True).click()
    expect(visitor.page.get_by_role("figure").first).to_be_visible()
    assert "44" in matrix(visitor.page)
    visitor.close()


def test_after_cancel_another_state_is_computed(slow: Slow, come: Callable[..., Visitor]) -> None:
    slow.hold("trace-38")
    page = come(38).page
    cancel(page)
    expect(page.locator(".stAlert")).to_contain_text("Cancelled")
    slider = page.get_by_role("slider", name="Tokens n")
    slider.focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("figure").first).to_be_visible()
    assert "39" in matrix(page)
    slow.release("trace-38")
    slider.focus()
    page.keyboard.press("ArrowLeft")
    page.wait_for_function(
        """() => [...document.querySelectorAll('[data-testid=stBidiComponentIsolated]')].some((host) =>
             host.shadowRoot?.querySelector('[role=figure]')?.ariaLabel?.includes('38'))"""
    )
    expect(page.locator(".stAlert")).to_have_count(0)


def test_two_visitors_one_computation_and_one_may_leave(slow: Slow, come: Callable[..., Visitor]) -> None:
    slow.hold("trace-40")
    first, second = come(40).page, come(40).page
    for page in (first, second):
        expect(page.locator(".stProgress")).to_be_visible(timeout=30_000)
    other = come(17).page
    expect(other.get_by_role("figure").first).to_be_visible(timeout=30_000)  # slow work holds up nobody else
    cancel(first)
    expect(first.locator(".stAlert")).to_contain_text("Cancelled")
    expect(second.locator(".stProgress")).to_be_visible()
    slow.release("trace-40")
    expect(second.get_by_role("figure").first).to_be_visible()
    expect(second.locator(".stAlert")).to_have_count(0)
    slow.until(40, ["begin", "end"])


def test_who_moves_on_abandons_the_work(slow: Slow, come: Callable[..., Visitor]) -> None:
    """To another page, to another state, or away: the work ends, and nothing is said about it elsewhere."""
    slow.hold("trace-41")
    one = come(41)
    page = one.page
    expect(page.locator(".stProgress")).to_be_visible(timeout=30_000)
    page.get_by_role("link", name="Atlas").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Model Atlas")
    slow.until(41, ["begin", "Cancelled"])
    one.idle()
    expect(page.locator(".stAlert")).to_have_count(0)
    page.go_back()
    expect(page.locator(".stProgress")).to_be_visible()
    slow.until(41, ["begin", "Cancelled", "begin"])
    slider = page.get_by_role("slider", name="Tokens n")
    slider.focus()
    page.keyboard.press("ArrowRight")
    slow.until(41, ["begin", "Cancelled", "begin", "Cancelled"])
    expect(page.get_by_role("figure").first).to_be_visible()
    slider.focus()
    page.keyboard.press("ArrowLeft")
    slow.until(41, ["begin", "Cancelled", "begin", "Cancelled", "begin"])
    expect(page.locator(".stProgress")).to_be_visible()
    page.close()
    slow.until(41, ["begin", "Cancelled"] * 3)
    slow.release("trace-41")


def test_the_ranges_can_be_given_up_and_waited_for_too(slow: Slow, come: Callable[..., Visitor]) -> None:
    """To learn what the controls may be, a model may have to be loaded: that comes before the trace, in one draw."""
    slow.hold("limits-43")
    slow.hold("trace-43")
    page = come(43, d_head="8").page  # a value of its own after the control that must wait
    button = page.get_by_role("button", name="Cancel", exact=True)
    cancel(page)
    expect(page.locator(".stAlert")).to_contain_text("Cancelled")
    for name in ("Tokens n", "Head width d"):  # the way out is one of the controls: all of them are there
        expect(page.get_by_role("slider", name=name)).to_be_visible()
    expect(page.get_by_role("button", name="More")).to_be_visible()
    assert slow.log(43) == []
    page.get_by_role("button", name="Compute", exact=True).click()
    expect(button).to_have_count(1)
    slow.release("limits-43")
    slow.until(43, ["begin"])
    expect(page.locator(".stProgress [role=progressbar]")).to_have_attribute("aria-valuenow", "50")
    expect(button).to_have_count(1)
    expect(page.locator(".stException")).to_have_count(0)
    cancel(page)
    expect(page.locator(".stAlert")).to_contain_text("Cancelled")
    slow.release("trace-43")
    page.get_by_role("button", name="Compute", exact=True).click()
    expect(page.get_by_role("figure").first).to_be_visible()
