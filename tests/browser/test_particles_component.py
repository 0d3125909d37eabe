"""The planes of moving points in Chromium, without Streamlit: what stands where, who moves it, what it says."""

from __future__ import annotations

import csv
import io
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Open, faults, hosts, scrub
from viz.components.kit import Scrub
from viz.components.particles import Plane, particles
from viz.view import View

SPACE = "{http://www.w3.org/2000/svg}"
N, M = 5, 7
STEPS = (0, 10, 20, 30, 40)
# On a line, every point and frame somewhere else; the last point leaves the plane in the end.
START = np.stack([np.linspace(-2.4, 2.4, M), np.linspace(2, -1.6, M)], -1)
PATH = (
    START
    + np.arange(N)[:, None, None] * np.array([0.05, -0.1])
    + (np.arange(M) == M - 1)[:, None] * np.arange(N)[:, None, None] * 0.4
)


def plane(title: str = "", **other: Any) -> Plane:
    return Plane(**({"title": title, "points": PATH} | other))


def view(*planes: Plane, **other: Any) -> View:
    arguments: dict[str, Any] = {"scrub": Scrub("t", "step", STEPS, 1), "alt": "7 points"}
    return particles(planes or [plane("a"), plane("b", points=PATH[:, :, ::-1])], **(arguments | other))


def cloud(n: int = 101, m: int = 400) -> np.ndarray:
    """Noise that becomes a ring."""
    rng = np.random.default_rng(0)
    angle = rng.uniform(0, 2 * np.pi, m)
    ring = 1.8 * np.stack([np.cos(angle), np.sin(angle)], -1)
    t = np.linspace(0, 1, n)[:, None, None]
    return np.sqrt(1 - t) * rng.normal(0, 1.1, (m, 2)) + np.sqrt(t) * ring


def large(n: int = 101, m: int = 400, **other: Any) -> View:
    """As the page has it: two planes with data, field, predicted ends and followed points."""
    path = cloud(n, m)
    grid = np.stack(np.meshgrid(np.linspace(-2.8, 2.8, 15), np.linspace(-2.8, 2.8, 15)), -1).reshape(-1, 2)
    field = -grid * np.linspace(1, 0.2, n)[:, None, None]
    parts: dict[str, Any] = {
        "group": np.arange(m) % 2,
        "ghost": path[-1],
        "target": path[-1:].repeat(n, 0),
        "arrows": (grid, field),
    }
    notes = [f"distance to the data {1 - k / n:.3f}" for k in range(n)]
    planes = [Plane("DDPM", path, notes=notes, **parts), Plane("DDIM", path[:, ::-1], notes=notes, **parts)]
    arguments: dict[str, Any] = {"followed": [3, 17], "groups": ["even", "odd"], "alt": "two samplers"}
    return particles(planes, **(arguments | {"scrub": Scrub("t", "step", range(n), n // 2)} | other))


def rest(page: Page) -> None:
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def go(page: Page, index: int) -> None:
    """Move the slider as a hand does; the points have arrived."""
    page.emulate_media(reduced_motion="reduce")
    page.get_by_role("slider", name="step", exact=True).fill(str(index))
    rest(page)


def box(found: Locator) -> Any:
    place = found.bounding_box()
    assert place
    return place


def where(page: Page, x: float, y: float, plane: int = 0) -> tuple[float, float]:
    """A place of the plane on the screen."""
    place = box(page.locator(".map").nth(plane))
    return place["x"] + (x + 3) / 6 * place["width"], place["y"] + (3 - y) / 6 * place["height"]


def here(page: Page) -> list[str]:
    return page.locator(".here").all_inner_texts()


def ink(page: Page, x: float, y: float, plane: int = 0, layer: str = "marks") -> int:
    """How opaque a layer is at a place of the plane, 0 to 255."""
    return page.evaluate(
        """([u, v, k, layer]) => {
          const canvas = host.shadowRoot.querySelectorAll(`canvas.${layer}`)[k];
          const place = [Math.round(u * canvas.width), Math.round(v * canvas.height)];
          return canvas.getContext("2d").getImageData(...place, 1, 1).data[3];
        }""",
        [(x + 3) / 6, (3 - y) / 6, plane, layer],
    )


def sent(page: Page) -> Any:
    return page.evaluate("sent")


def told(page: Page, name: str, value: object) -> None:
    """The server hears of it, one message after the other."""
    page.wait_for_function("(last) => JSON.stringify(sent.at(-1)) === JSON.stringify(last)", arg=[name, value])


# --- what stands where ---------------------------------------------------------------------------------------------


def test_points_stand_where_they_are_in_every_frame(show: Open) -> None:
    page = show(view())
    for frame in (0, 4, 2):
        go(page, frame)
        for p, path in enumerate((PATH, PATH[:, :, ::-1])):
            for i in range(M - 1):
                assert ink(page, *path[frame, i], p) > 200, (frame, p, i)
        assert ink(page, 0, 2.5) == 0, "nothing where nothing is"
    go(page, 4)
    spoken = page.locator(".particles > .spoken")
    assert PATH[4, -1, 0] > 3
    expect(spoken).to_have_text("step 40. a: 1 outside. b: 1 outside.")


def test_a_point_is_read_in_all_planes_and_its_name_travels(show: Open) -> None:
    target = PATH[-1:].repeat(N, 0)
    first = plane("a", group=np.arange(M) % 2, target=target, labels=[f"w{i}" for i in range(M)])
    page = show(view(first, plane("b", points=PATH[:, :, ::-1]), groups=["even", "<i>"]))
    go(page, 2)
    x, y = PATH[2, 3]
    page.mouse.move(*where(page, x + 0.05, y))
    written = f"({x:.2f}, {y:.2f})".replace("-", "\u2212")
    ends = "({:.2f}, {:.2f})".format(*PATH[-1, 3]).replace("-", "\u2212")
    assert here(page)[0] == f"w3, <i>, {written}, heads for {ends}"
    assert here(page)[1].startswith("point 4, (")
    page.mouse.move(*where(page, 0, 2.9))
    assert here(page) == ["(0.00, 2.90)", "(0.00, 2.90)"]
    page.mouse.move(2, 2)
    assert here(page) == ["Point at a dot to see its way; a click follows it.", ""]


def test_a_click_follows_a_point_and_another_lets_it_go(show: Open) -> None:
    page = show(view(followed=[5]))
    expect(page.locator(".free")).to_have_text("Let go of 1")
    go(page, 3)
    middle = PATH[1:3, 2].mean(0)
    assert ink(page, *middle) == 0, "no trail yet"
    page.mouse.click(*where(page, *PATH[3, 2]))
    page.mouse.move(2, 2)
    told(page, "followed", [5, 2])
    assert ink(page, *middle) > 200 and ink(page, *middle[::-1], 1) > 200, "its past is drawn in both planes"
    page.mouse.click(*where(page, *PATH[3, 2, ::-1], plane=1))
    page.mouse.move(2, 2)
    told(page, "followed", [5])
    assert ink(page, *middle) == 0
    page.locator(".free").click()
    told(page, "followed", [])
    expect(page.locator(".free")).to_be_hidden()
    page.evaluate("mount({ ...component.data, alt: 'an echo', followed: [5] })")
    expect(page.locator(".free")).to_be_hidden()
    page.evaluate("mount({ ...component.data, followed: [1, 2, 3] })")
    expect(page.locator(".free")).to_have_text("Let go of 3")


def test_trails_of_all_points(show: Open) -> None:
    middle = PATH[1:3, 2].mean(0)
    page = show(view(trails="all"), view(trails="none", followed=[2]))
    assert ink(page, *middle, layer="still") > 20
    assert page.evaluate("""() => {
      const pen = host1.shadowRoot.querySelector("canvas.still").getContext("2d");
      return pen.getImageData(0, 0, pen.canvas.width, pen.canvas.height).data.every((value) => !value);
    }""")


def test_the_keyboard_reaches_every_point(show: Open) -> None:
    page = show(view())
    go(page, 0)
    spot = page.locator(".map").first
    spot.focus()
    page.keyboard.press("ArrowRight")  # the nearest to the middle
    assert here(page)[0].startswith("point 4, ")
    for key, point in (
        ("ArrowRight", 5),
        ("ArrowUp", 4),
        ("ArrowLeft", 3),
        ("ArrowLeft", 2),
        ("ArrowLeft", 1),
        ("ArrowLeft", 1),
    ):
        page.keyboard.press(key)
        assert here(page)[0].startswith(f"point {point}, "), key
    expect(spot).to_have_attribute("aria-description", re.compile("^point 1, "))
    page.keyboard.press("Enter")
    told(page, "followed", [0])
    page.keyboard.press("Escape")
    assert here(page)[0].startswith("Point at")
    expect(spot).not_to_have_attribute("aria-description", re.compile("."))


def test_the_field_and_the_density_change_with_the_frame(show: Open) -> None:
    density = np.zeros((N, 4, 4))
    density[np.arange(N), 0, [0, 1, 2, 3, 0]] = [1, 2, 3, 4, 5]
    page = show(view(plane(points=PATH[:, :1], density=density)))
    purple = """([u, v]) => {
      const canvas = host.shadowRoot.querySelector("canvas.ground");
      const [r, g] = canvas.getContext("2d").getImageData(u * canvas.width, v * canvas.height, 1, 1).data;
      return r - g;
    }"""
    for frame in (0, 3, 1):
        go(page, frame)
        seen = [page.evaluate(purple, [(c + 0.5) / 4, 0.125]) for c in range(4)]
        assert np.argmax(seen) == frame and min(seen) < 5 < max(seen) - 40, "each frame's densest place is the deepest"


# --- who moves it --------------------------------------------------------------------------------------------------


def test_one_slider_moves_all_and_only_the_end_is_reported(show: Open) -> None:
    notes = [f"note {k}" for k in range(N)]
    page = show(
        view(plane("a", notes=notes), plane("b")), view(plane("c", notes=notes), scrub=None, follow="t", index=1)
    )
    expect(page.locator("#host1 .note")).to_have_text("note 1")
    assert page.locator("#host1 input").count() == 0
    place = box(page.get_by_role("slider", name="step", exact=True))
    page.mouse.move(place["x"] + place["width"] / 2, place["y"] + 10)
    page.mouse.down()
    page.mouse.move(place["x"] + place["width"] - 2, place["y"] + 10)
    expect(page.locator("#host1 .note")).to_have_text("note 4")
    expect(page.locator("#host .note").first).to_have_text("note 4")
    assert sent(page) == []
    page.mouse.up()
    assert sent(page) == [["scrub", 4]]
    page.evaluate("mount({ ...component.data, alt: 'again' })")
    expect(page.locator("#host .note").first).to_have_text("note 4")


def test_points_glide_between_frames_and_arrive(show: Open) -> None:
    jump = np.zeros((2, 1, 2))
    jump[:, 0, 0] = [-2, 2]
    page = show(view(plane(points=jump), scrub=Scrub("t", "step", (0, 1), 0)))
    ways = page.evaluate("""async () => {
      const canvas = host.shadowRoot.querySelector("canvas.marks");
      const seen = [];
      host.shadowRoot.querySelector("[aria-label='One step forward']").click();
      while (!(seen.at(-1) > 0.8 && seen.at(-1) === seen.at(-2))) {
        await new Promise((done) => requestAnimationFrame(done));
        const row = canvas.getContext("2d").getImageData(0, canvas.height / 2, canvas.width, 1).data;
        seen.push(row.findIndex((value, i) => i % 4 === 3 && value > 200) / 4 / canvas.width);
      }
      return seen;
    }""")
    assert ways == sorted(ways) and any(0.2 < x < 0.8 for x in ways), "on the way"
    assert ink(page, 2, 0) > 200 and ink(page, -2, 0) == 0


def test_scrubbing(show: Open, record_property: Callable[[str, object], None]) -> None:
    """Two planes of 400 points and 225 arrows, another of 101 frames with every movement; the rate is reported."""
    page = show(large())
    values = [(37 * i % 101) / 100 for i in range(48)]
    assert scrub(page, page.get_by_role("slider", name="step", exact=True), values, "two planes", record_property) > 16


# --- everywhere ----------------------------------------------------------------------------------------------------


def views() -> dict[str, View]:
    long = "a very long title of a plane that says much more than any title should ever have to say 很长的标题"
    names = ["cat", "<script>", long, "猫", "d", "e", "f"]
    triangle = [[-2.5, -2], [2.5, -2], [0, 2.3], [-2.5, -2]]
    odd = plane(long, notes=[long * 2] * N, labels=names, outline=[triangle], anchors=[(2.5, -2, long), (0, 2.3, "b")])
    return {
        "large": large(n=11, m=60),
        "three": view(
            odd,
            plane("<b>"),
            plane("c", points=20 * PATH),
            axes=("first direction", "second direction"),
            followed=[1, 2],
        ),
        "trails": view(trails="all", targets=True),
        "groups": view(plane(group=np.arange(M)), groups=[long] * M, followed=range(M)),
        "still": view(plane(points=PATH[0], density=np.ones((1, 5, 5))), scrub=None, height=300),
        "nothing": view(plane(points=np.zeros((0, 2))), scrub=None),
        "wide": view(x=(-300, 11)),
        "tall": view(plane("a"), plane("b"), y=(0, 300)),
    }


@pytest.mark.parametrize(("width", "theme"), [(390, "dark"), (1400, "light")])
def test_nothing_overflows_and_everyone_can_use_it(show: Open, width: int, theme: str) -> None:
    shown = views()
    page = show(*shown.values(), width=width, lang="zh")
    page.evaluate("(theme) => { document.body.className = theme }", theme)
    for name, host in hosts(page, shown):
        expect(host.locator(".map").first, name).to_be_visible()
        wide = host.evaluate("""(host) => [...host.shadowRoot.querySelectorAll(".kit *")]
          .filter((e) => !e.closest(".spoken, .theme-probe, .legend") && e.getBoundingClientRect().right > innerWidth)
          .map((e) => e.className.baseVal ?? e.className)""")
        assert not wide, name
        frame = box(host.locator(".particles"))
        if width > 1000:
            assert frame["height"] <= shown[name].height, name
        for part in host.locator(".map, .here, .scrubber").all():
            place = box(part)
            assert place["y"] + place["height"] <= frame["y"] + frame["height"] + 1, (name, part.get_attribute("class"))
        if host.locator(".scrubber").count() and width > 600:
            assert box(host.locator(".here").first)["y"] + 28 <= box(host.locator(".scrubber"))["y"] + 1, name
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    found = faults(page, shown)
    assert not found, json.dumps(found, indent=1, ensure_ascii=False)[:3000]


def test_nothing_moves_when_the_picture_changes(show: Open) -> None:
    page = show(view(plane("a", notes=["", "a long note " * 12, "c", "d", "e"]), plane("b")))
    parts = ".map, .note, .here, .scrubber"
    before = [box(one) for one in page.locator(parts).all()]
    for frame in (0, 2):
        go(page, frame)
        assert [box(one) for one in page.locator(parts).all()] == before
    page.mouse.click(*where(page, *PATH[2, 3]))
    assert [box(one) for one in page.locator(parts).all()] == before


def test_the_download_shows_what_the_screen_shows(show: Open, tmp_path: Path) -> None:
    density = np.arange(1, 17).reshape(1, 4, 4)
    page = show(view(plane("first"), plane("second", density=density), followed=[2, 6]))
    go(page, 4)
    files = {}
    for kind in ("SVG", "PNG", "CSV"):
        with page.expect_download() as coming:
            page.get_by_role("button", name=f"Download as {kind}").click()
        assert coming.value.suggested_filename == f"particles-40.{kind.lower()}"
        coming.value.save_as(tmp_path / kind)
        files[kind] = (tmp_path / kind).read_bytes()
    drawing = ET.fromstring(files["SVG"])
    width, height = (float(drawing.get(side, "0")) for side in ("width", "height"))
    words = [text.text for text in drawing.iter(f"{SPACE}text")]
    assert {"first", "second", "1 outside", "40", "1"} <= set(words)
    first = box(page.locator(".map").first)
    for path in drawing.iter(f"{SPACE}path"):
        if path.get("transform"):  # what was drawn on a canvas; only the plane hid there what leaves it
            moves = np.array(re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", path.get("d") or ""), dtype=float)
            assert moves.min() >= -8 and moves.max() < first["width"] + 8
    inked = [path.get("d") or "" for path in drawing.iter(f"{SPACE}path") if path.get("fill") == "#1a1d21"]
    discs = [d for d in inked if "a4 4" in d]
    assert sum(d.count("M") for d in discs) == 2 * M - 2 + 1, "one is outside, one in the legend"
    size = [int.from_bytes(files["PNG"][at : at + 4], "big") for at in (16, 20)]
    assert files["PNG"].startswith(b"\x89PNG") and size == [2 * width, 2 * height]
    lines = list(csv.reader(io.StringIO(files["CSV"].decode("utf-8-sig"))))
    assert lines[0] == ["plane", "step", "point", "group", "x", "y"] and lines[1][:4] == ["first", "40", "1", ""]
    np.testing.assert_allclose([float(value) for value in lines[1][4:]], PATH[4, 0], atol=1e-3)
    assert len(lines) == 1 + 2 * M + 1 + 2 * 2 * N and lines[-1][:3] == ["second", "40", "7"]
