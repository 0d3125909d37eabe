"""The scene composer in Chromium, without Streamlit: shapes as the mechanism draws them, moved by hand and keyboard."""

from __future__ import annotations

import csv
import io
import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from models import scene_notation
from models.scenes import RADIUS, RGB, SHAPES, draw
from tests.browser.conftest import Open, faults, hosts
from viz.components.scene import scene
from viz.view import View

SPACE = "{http://www.w3.org/2000/svg}"
TEXT = "white; large red circle 30 40; small blue star 72 66"
ALL = (
    "yellow; small red circle 20 18; small green square 50 18; small blue triangle 80 18; "
    "small purple star 20 62; small black heart 50 62; large orange ring 90 75"
)


def view(text: str = TEXT, **other: Any) -> View:
    arguments: dict[str, Any] = {
        "shapes": {name: name for name in SHAPES},
        "colours": {name: (name, f"rgb({', '.join(f'{255 * c:.0f}' for c in rgb)})") for name, rgb in RGB.items()},
        "sizes": {name: (name, radius) for name, radius in RADIUS.items()},
        "alt": "2 shapes on white",
    }
    return scene(text, **(arguments | other))


def box(found: Locator) -> Any:
    place = found.bounding_box()
    assert place
    return place


def at(page: Page, x: float, y: float) -> tuple[float, float]:
    """A place in per cent, as the mouse knows it."""
    pad = box(page.locator(".pad"))
    return pad["x"] + pad["width"] * x / 100, pad["y"] + pad["height"] * y / 100


def told(page: Page, scene: str) -> int:
    """Wait until this is the last thing the server was told; how often it was told something."""
    page.wait_for_function("(scene) => sent.at(-1)?.[1] === scene", arg=scene)
    assert all(name == "scene" for name, _ in page.evaluate("sent"))
    return int(page.evaluate("sent.length"))


def choose(page: Page, part: str, name: str) -> None:
    page.get_by_role("group", name=part, exact=True).get_by_role("button", name=name, exact=True).click()


def test_the_shapes_are_those_of_the_mechanism(show: Open) -> None:
    """Every pixel but those that an outline runs through has the colour that the models' own drawing gives it."""
    page = show(view(ALL, height=352))
    n = page.evaluate("host.shadowRoot.querySelector('canvas').width")
    pixels = page.evaluate("""() => {
      const canvas = host.shadowRoot.querySelector("canvas");
      return [...canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data];
    }""")
    found = np.reshape(pixels, (n, n, 4))[..., :3]
    wanted = ((draw([scene_notation.read(ALL)], n)[0].permute(1, 2, 0).numpy() + 1) * 127.5).round()
    wrong = np.abs(found - wanted).max(2) > 3
    assert n > 200
    assert wrong.mean() < 0.02, "only along the edges, where both blend two colours"
    far = np.abs(found - wanted).max(2) > 130
    assert far.mean() < 0.001
    covered = [(found == np.round(255 * np.array(RGB[colour]))).all(2).mean() for colour in ("red", "green", "black")]
    r = RADIUS["small"]
    np.testing.assert_allclose(covered[:2], [np.pi * r**2, (1.7 * r) ** 2], rtol=0.05)


def test_hand(show: Open) -> None:
    page = show(view())
    expect(page.locator(".info")).to_have_text("small blue star at 72, 66")
    page.mouse.click(*at(page, 20, 80))
    told(page, f"{TEXT}; small blue star 20 80")
    choose(page, "Shape", "heart")
    choose(page, "Colour", "green")
    choose(page, "Size", "large")
    before = told(page, f"{TEXT}; large green heart 20 80")
    page.mouse.move(*at(page, 32, 42))
    page.mouse.down()
    page.mouse.move(*at(page, 52, 32))
    page.mouse.move(*at(page, 72, 22))
    assert page.evaluate("sent.length") == before, "dragging tells the server nothing"
    page.mouse.up()
    expect(page.locator(".info")).to_have_text("large red circle at 70, 20")
    moved = "white; large red circle 70 20; small blue star 72 66; large green heart 20 80"
    before = told(page, moved)
    page.mouse.click(*at(page, 72, 66))
    assert told(page, moved) == before, "choosing changes nothing"
    expect(page.get_by_role("button", name="star")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("slider", name="from the left").fill("10")
    told(page, moved.replace("star 72", "star 10"))
    page.get_by_role("button", name="Remove").click()
    told(page, "white; large red circle 70 20; large green heart 20 80")
    choose(page, "Ground", "black")
    told(page, "black; large red circle 70 20; large green heart 20 80")
    expect(page.get_by_role("slider", name="from the left")).to_be_disabled()


def test_keyboard(show: Open) -> None:
    page = show(view())
    pad = page.locator(".pad")
    pad.focus()
    page.keyboard.press("PageDown")
    page.keyboard.press("PageDown")
    expect(page.locator(".info")).to_have_text("small blue star at 72, 66")
    for key in ("ArrowLeft", "Shift+ArrowUp", "Shift+ArrowUp"):
        page.keyboard.press(key)
    told(page, "white; large red circle 30 40; small blue star 71 56")
    expect(page.locator(".spoken")).to_have_text("small blue star at 71, 56")
    page.keyboard.press("Delete")
    told(page, "white; large red circle 30 40")
    for _ in range(6):
        page.keyboard.press("Enter")
    page.wait_for_function("sent.at(-1)[1].split(';').length === 7")
    last = page.evaluate("sent.at(-1)[1]")
    assert not scene_notation.overlaps(scene_notation.read("; ".join(last.split("; ")[:4]))), "put where there is room"
    expect(page.get_by_role("button", name="Add")).to_be_disabled()
    page.keyboard.press("Escape")
    expect(page.locator(".info")).to_have_text("A scene has at most 6 shapes.")
    expect(pad).to_be_focused()


def test_an_echo_moves_nothing_and_the_server_may_say_something_else(show: Open) -> None:
    page = show(view())
    page.mouse.click(*at(page, 72, 66))
    choose(page, "Colour", "red")
    first = "white; large red circle 30 40; small red star 72 66"
    told(page, first)
    choose(page, "Colour", "green")
    told(page, first.replace("red star", "green star"))
    again = "(scene) => mount({ ...component.data, ...scene })"
    late = view(first).data
    page.evaluate(again, {name: late[name] for name in ("text", "ground", "things")})
    expect(page.get_by_role("group", name="Colour").get_by_role("button", name="green")).to_have_attribute(
        "aria-pressed", "true"
    )
    count = page.evaluate("sent.length")
    other = view("black; small white ring 50 50").data
    page.evaluate(again, {name: other[name] for name in ("text", "ground", "things")})
    expect(page.locator(".hit")).to_have_count(1)
    expect(page.locator(".hit")).to_have_attribute("aria-label", "shape 1 of 1: small white ring at 50, 50")
    assert page.evaluate("sent.length") == count, "what the server says is not told back"


def views() -> dict[str, View]:
    long = {name: f"{name} 很长的名字 long name" for name in SHAPES}
    return {"full": view(ALL), "empty": view("nothing"), "long": view(shapes=long), "high": view(height=460)}


@pytest.mark.parametrize(("width", "theme"), [(390, "dark"), (1400, "light")])
def test_nothing_overflows_and_everyone_can_use_it(show: Open, width: int, theme: str) -> None:
    shown = views()
    page = show(*shown.values(), width=width, lang="zh")
    page.evaluate("(theme) => { document.body.className = theme }", theme)
    for name, host in hosts(page, shown):
        expect(host.locator("canvas"), name).to_be_visible()
        if host.locator(".hit").count():
            host.locator(".hit").first.click()
        wide = host.evaluate("""(host) => [...host.shadowRoot.querySelectorAll(".kit *")]
          .filter((e) => !e.closest(".spoken, .theme-probe, .pad") && e.getBoundingClientRect().right > innerWidth)
          .map((e) => e.className.baseVal ?? e.className)""")
        assert not wide, name
        frame, pad = box(host.locator(".scene")), box(host.locator(".pad"))
        assert pad["width"] == pad["height"] >= 280, name
        if width == 1400:
            assert frame["height"] <= shown[name].height + 1, name
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    found = faults(page, shown)
    assert not found, json.dumps(found, indent=1, ensure_ascii=False)[:3000]


def test_the_download_shows_what_the_screen_shows(show: Open, tmp_path: Path) -> None:
    page = show(view(ALL))
    files = {}
    for kind in ("SVG", "PNG", "CSV"):
        with page.expect_download() as coming:
            page.get_by_role("button", name=f"Download as {kind}").click()
        assert coming.value.suggested_filename == f"scene.{kind.lower()}"
        coming.value.save_as(tmp_path / kind)
        files[kind] = (tmp_path / kind).read_bytes()
    drawing = ET.fromstring(files["SVG"])
    fills = [path.get("fill") or "" for path in drawing.iter(f"{SPACE}path")]
    painted = [fill for fill in fills if fill.startswith("rgb")]
    assert painted[0] == "rgb(222, 41, 41)" and len(painted) == 6
    assert files["PNG"].startswith(b"\x89PNG")
    lines = list(csv.reader(io.StringIO(files["CSV"].decode("utf-8-sig"))))
    assert lines[1][2:4] == ["yellow", "background"] and lines[6] == ["5", "small", "black", "heart", "50", "62"]
