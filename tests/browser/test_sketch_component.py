"""The pad to draw on in Chromium, without Streamlit: drawing by hand and by keyboard, and what is reported when."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open, faults, hosts
from viz.components.sketch import ALPHABET, MOST_POINTS, sketch
from viz.view import View


def points(text: str) -> list[np.ndarray]:
    """The strokes of a drawing's text, 0 to 63 in both directions."""
    return [
        np.array([ALPHABET.index(letter) for letter in stroke]).reshape(-1, 2) for stroke in text.split(".") if stroke
    ]


def pad(page: Page) -> Any:
    place = page.get_by_role("application").bounding_box()
    assert place
    return place


def draw(page: Page, *places: tuple[float, float]) -> None:
    """One stroke through places of the pad, 0 to 63 from the left and from the bottom."""
    place = pad(page)
    on_screen = [(place["x"] + x / 63 * place["width"], place["y"] + (1 - y / 63) * place["height"]) for x, y in places]
    page.mouse.move(*on_screen[0])
    page.mouse.down()
    for one in on_screen[1:]:
        page.mouse.move(*one, steps=2)
    page.mouse.up()


def sent(page: Page) -> list[str]:
    return [value for name, value in page.evaluate("sent") if name == "strokes"]


def done(page: Page) -> None:
    """The button is pressed, unless the moment in which it can be is over."""
    page.evaluate("host.shadowRoot.querySelector('.buttons button:last-child').click()")
    page.wait_for_function("sent.length")


def test_a_stroke_is_what_the_hand_drew_with_few_points(show: Open) -> None:
    page = show(sketch("", alt="nothing drawn"))
    draw(page, (10, 10), (50, 10), (50, 40))
    done(page)
    (text,) = sent(page)
    (stroke,) = points(text)
    assert stroke.tolist() == [[10, 10], [50, 10], [50, 40]], "straight lines need their ends only"
    expect(page.locator(".hint")).to_have_text("1 strokes, 3 of 600 points")
    expect(page.get_by_role("button", name="Done")).to_be_disabled()


def test_two_strokes_soon_after_each_other_are_reported_once(show: Open) -> None:
    page = show(sketch("", alt=""))
    draw(page, (5, 60), (30, 60))
    draw(page, (5, 5), (30, 5))
    assert sent(page) == []
    page.wait_for_function("sent.length")
    (text,) = sent(page)
    assert [stroke.tolist() for stroke in points(text)] == [[[5, 60], [30, 60]], [[5, 5], [30, 5]]]
    page.get_by_role("button", name="Undo").click()
    page.wait_for_function("sent.length === 2")
    page.get_by_role("button", name="Clear").click()
    page.wait_for_function("sent.length === 3")
    assert [len(points(text)) for text in sent(page)] == [2, 1, 0]
    expect(page.get_by_role("button", name="Undo")).to_be_disabled()


def test_a_circle_stays_round_and_a_scribble_fits(show: Open) -> None:
    page = show(sketch("", alt=""))
    turn = np.linspace(0, 2 * np.pi, 25)
    draw(page, *zip(31 + 20 * np.cos(turn), 31 + 20 * np.sin(turn), strict=True))
    found = page.evaluate(
        """async ([most]) => {
      const { read, write, thinned, size } = await import("/kit/sketch/drawing.js");
      const wild = Array.from({ length: 5000 }, (_, i) => [31 + 31 * Math.sin(i * 1.7), 31 + 31 * Math.sin(i * 2.3)]);
      const few = [most, 7, 1, 0].map((room) => thinned(wild, room).length);
      return [few, write(read("00_-.Az..--")), size(read("00_-.Az"))];
    }""",
        [MOST_POINTS],
    )
    assert all(n <= room for n, room in zip(found[0], (MOST_POINTS, 7, 1, 0), strict=True))
    assert found[0][0] > 100 and found[1:] == ["00_-.Az.--", 3]
    done(page)
    (stroke,) = points(sent(page)[-1])
    radius = np.linalg.norm(stroke - 31, axis=1)
    assert 8 < len(stroke) < 50 and np.abs(radius - 20).max() < 1


def test_a_full_pad_says_so(show: Open) -> None:
    page = show(sketch("0011" * (MOST_POINTS // 2), alt=""))
    draw(page, (10, 10), (50, 50))
    expect(page.locator(".hint")).to_have_text("The drawing is full: 600 points.")
    page.get_by_role("button", name="Clear").click()
    draw(page, (10, 10), (50, 50))
    expect(page.locator(".hint")).to_have_text("1 strokes, 2 of 600 points")


def test_the_keyboard_draws(show: Open) -> None:
    page = show(sketch("", alt=""))
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(page.get_by_role("application")).to_be_focused()
    for key in ("Shift+ArrowLeft", " ", *["Shift+ArrowRight"] * 3, "ArrowUp", "ArrowUp", " ", "ArrowDown", "Enter"):
        page.keyboard.press(key)
    (stroke,) = points(sent(page)[-1])
    assert stroke.tolist() == [[27, 32], [42, 32], [42, 34]]
    expect(page.locator(".sketch > .spoken")).to_have_text("pen at (42, 33). 1 strokes, 3 of 600 points")
    page.keyboard.press("Backspace")
    page.wait_for_function("sent.length === 2")
    assert sent(page)[-1] == ""


def test_what_the_server_says_is_drawn_and_its_echo_is_not(show: Open) -> None:
    page = show(sketch("00__", sampled=np.zeros((3, 2)), alt=""))
    place = pad(page)
    before = page.locator(".stroke").get_attribute("d") or ""
    assert before.startswith(f"M0.0 {place['height']:.1f}"), "the first letter is from the left, the second from below"
    middle = f"M{place['width'] / 2 + 1.6:.1f} {place['height'] / 2:.1f}"
    assert (page.locator(".sampled").get_attribute("d") or "").startswith(middle)
    draw(page, (10, 20), (10, 40))
    done(page)
    expect(page.locator(".hint")).to_have_text("2 strokes, 4 of 600 points")
    page.evaluate("mount({ ...component.data, strokes: sent[0][1] })")
    page.evaluate("mount({ ...component.data, strokes: '0011' })")
    expect(page.locator(".hint")).to_have_text("1 strokes, 2 of 600 points")


def views() -> dict[str, View]:
    rng = np.random.default_rng(0)
    return {
        "drawn": sketch("00__.5A--", sampled=rng.normal(0, 2, (400, 2)), alt="two lines"),
        "empty": sketch("", alt="nothing", height=240),
        "hostile": sketch("<script>", words={"hint": "<b>" * 40}, alt="nothing"),
    }


@pytest.mark.parametrize(("width", "theme"), [(390, "dark"), (240, "light")])
def test_nothing_overflows_and_everyone_can_use_it(show: Open, width: int, theme: str) -> None:
    shown = views()
    page = show(*shown.values(), width=width, lang="zh")
    page.evaluate("(theme) => { document.body.className = theme }", theme)
    for name, host in hosts(page, shown):
        expect(host.locator(".pad"), name).to_be_visible()
        frame = host.locator(".sketch").bounding_box()
        assert frame and frame["height"] == shown[name].height, name
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    found = faults(page, shown)
    assert not found, json.dumps(found, indent=1, ensure_ascii=False)[:3000]


def test_the_download_shows_the_drawing(show: Open, tmp_path: Any) -> None:
    page = show(sketch("00__", sampled=[[0, 0]], alt="a line"))
    files = {}
    for kind in ("SVG", "CSV"):
        with page.expect_download() as coming:
            page.get_by_role("button", name=f"Download as {kind}").click()
        coming.value.save_as(tmp_path / kind)
        files[kind] = (tmp_path / kind).read_text(encoding="utf-8-sig")
    strokes = [
        path.get("stroke-width") for path in ET.fromstring(files["SVG"]).iter("{http://www.w3.org/2000/svg}path")
    ]
    assert "3.5" in strokes
    assert files["CSV"].split() == ["stroke,x,y", "1,-2.2,-2.2", "1,2.2,2.2"]
