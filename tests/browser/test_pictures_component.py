"""Groups of pictures in Chromium, without Streamlit: every pixel where it belongs, who moves it, what it says."""

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
from viz import palette
from viz.components.curves import Axis, Line, curves
from viz.components.kit import Scrub
from viz.components.pictures import Group, Heat, pictures
from viz.view import View

SPACE = "{http://www.w3.org/2000/svg}"
N, P, H, W, A = 3, 5, 7, 11, 3  # frames, pictures, rows and columns of pixels, sides of a heat map
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (N, P, H, W, 3), dtype=np.uint8)
LATENTS = RNG.integers(0, 256, (N, P, 2, 2, 3), dtype=np.uint8)
LABELS = ["red", "circle"]
MAPS = np.zeros((N, P, len(LABELS), A, A))
MAPS[:, :, 0, 0, 2] = np.arange(1, N * P + 1).reshape(N, P) / (N * P)  # "red" only in the upper right
MAPS[:, :, 1, 2, 0] = 0.5  # "circle" in the lower left
NOTES = [[f"note {k}.{i}" for i in range(P)] for k in range(N)]
LONG = "a very long title of a picture that says more than any title should 很长的标题很长的标题"


def view(**other: Any) -> View:
    groups = [
        Group("picture", IMAGES, titles=list("abcde"), notes=NOTES, marks=["right", "wrong", "", "", "right"]),
        Group("latent", LATENTS),
        Group("one", IMAGES[:, :1]),
    ]
    arguments: dict[str, Any] = {
        "columns": [3, 3, 1],
        "scrub": Scrub("step", "step", (0, 10, 20), 1),
        "alt": "5 pictures after 10 steps",
        "readout": [f"{k} of 5 fit" for k in range(N)],
    }
    return pictures(groups, **(arguments | other))


def with_heat(**other: Any) -> View:
    return view(**({"heat": Heat(LABELS, MAPS)} | other))


def film(n: int = 21, p: int = 16) -> View:
    """As a page shows it: pictures, latents, predictions, heat of ten words."""
    rng = np.random.default_rng(1)
    noise, clean = (rng.integers(0, 256, (p, 32, 32, 3)) for _ in range(2))
    share = np.linspace(0, 1, n)[:, None, None, None, None]
    images = ((1 - share) * noise + share * clean).astype(np.uint8)
    return pictures(
        [Group("picture", images), Group("latent", images[:, :, ::4, ::4]), Group("prediction", images)],
        columns=4,
        heat=Heat([f"word {i}" for i in range(10)], rng.random((n, p, 10, 8, 8))),
        word=3,
        scrub=Scrub("step", "step", range(n), n - 1),
        alt="16 pictures",
    )


def go(page: Page, index: int) -> None:
    """Move the slider as a hand does; the picture has followed."""
    page.get_by_role("slider", name="step", exact=True).fill(str(index))
    settled(page)


def settled(page: Page) -> None:
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def box(found: Locator) -> Any:
    place = found.bounding_box()
    assert place
    return place


def cell(page: Page, picture: int, board: int = 0) -> Locator:
    return page.locator(".board").nth(board).locator(".hit").nth(picture)


def painted(page: Page, board: int = 0) -> np.ndarray:
    """The colour in the middle of each pixel of each picture of a group, (p, h, w, 3)."""
    return np.array(
        page.evaluate(
            """(g) => {
              const board = host.shadowRoot.querySelectorAll(".board")[g];
              const canvas = board.querySelector("canvas");
              const pen = canvas.getContext("2d");
              const origin = canvas.getBoundingClientRect();
              const scale = canvas.width / origin.width;
              const { groups } = component.data;
              const [, count, h, w] = groups[g].images.shape;
              return Array.from(board.querySelectorAll(".cell"), (cell) => {
                const at = cell.getBoundingClientRect();
                const high = at.width * h / w;
                return Array.from({ length: h }, (_, y) => Array.from({ length: w }, (_, x) => {
                  const place = [at.left - origin.left + at.width * (x + 0.5) / w,
                                 at.top - origin.top + high * (y + 0.5) / h];
                  return [...pen.getImageData(...place.map((c) => Math.floor(c * scale)), 1, 1).data.slice(0, 3)];
                }));
              });
            }""",
            board,
        )
    )


def inner(values: np.ndarray) -> np.ndarray:
    """Without the pixels at the edge, which carry the hairline and the round corners."""
    return values[:, 1:-1, 1:-1].astype(int)


# --- what stands where ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [390, 1100])
def test_every_pixel_has_its_colour(show: Open, width: int) -> None:
    page = show(view(), width=width)
    for frame in (1, 0, 2):
        go(page, frame)
        assert np.abs(inner(painted(page)) - inner(IMAGES[frame])).max() <= 3
        assert np.abs(painted(page, 1).astype(int) - LATENTS[frame].astype(int)).max() <= 3
        assert page.locator(".board >> nth=0 >> .note").all_text_contents() == NOTES[frame]
        expect(page.locator(".said")).to_have_text(f"{frame} of 5 fit")
    wide = {round(box(one)["width"]) for one in page.locator(".cell").all()}
    assert len(wide) == 1, "all equally wide, whatever their pixels"
    expect(cell(page, 1)).to_have_attribute("aria-label", "picture 2 of 5: b, wrong, note 2.1")
    expect(cell(page, 0)).to_have_attribute("aria-label", "picture 1 of 5: a, right, note 2.0")
    assert page.locator(".mark:visible").all_text_contents() == ["✓", "✕", "✓"]


def test_heat_lies_where_the_word_is(show: Open) -> None:
    flat = np.full((N, P, H, W, 3), (40, 90, 200), np.uint8)
    scrub = Scrub("step", "step", (0, 10, 20), 1)
    page = show(pictures([Group("picture", flat)], columns=3, heat=Heat(LABELS, MAPS), scrub=scrub, alt="5"))
    page.evaluate("document.body.className = 'light'")
    settled(page)
    plain = painted(page)
    chip = page.get_by_role("button", name=re.compile("^red"))
    chip.hover()
    hot = painted(page)
    cold = inner(hot)[:, 2:, :4]
    assert np.ptp(cold, axis=(0, 1, 2)).max() <= 2, "pale and even where the word is not"
    assert (cold.min((0, 1, 2)) > (40, 90, 200)).all() and np.ptp(cold[0, 0, 0]) < 60
    strength = inner(hot)[:, 0, -1, 1]
    assert (np.diff(strength) < 0).all(), "deeper from picture to picture, as its weight grows"
    deepest = int(palette.palette()["probability"][-1][3:5], 16)
    assert deepest < strength[-1] < strength[0] < cold[..., 1].min()
    page.mouse.move(2, 2)
    np.testing.assert_array_equal(painted(page), plain)
    chip.click()
    page.mouse.move(2, 2)
    expect(chip).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".scale")).to_have_text("01")
    bar = [box(one)["width"] for one in page.locator(".chip-bar b").all()]
    whole = box(page.locator(".chip-bar").first)["width"]
    assert bar[0] / whole == pytest.approx(10 / 15, abs=0.02), "the largest of this frame"
    chip.click()
    np.testing.assert_array_equal(painted(page), plain)
    page.evaluate("mount({ ...component.data, word: 0 })")
    assert page.evaluate("sent") == [["word", 0], ["word", None]]
    expect(chip).to_have_attribute("aria-pressed", "false")


def test_a_place_is_read_in_all_groups(show: Open) -> None:
    page = show(with_heat(word=0))
    target = cell(page, 4)
    place = box(target)
    high = place["width"] * H / W
    target.hover(position={"x": place["width"] * 9.5 / W, "y": high * 1.5 / H})
    picture, latent = IMAGES[1, 4, 1, 9], LATENTS[1, 4, 0, 1]
    told = page.locator(".info")
    expect(told).to_contain_text("picture 5 of 5")
    expect(told).to_contain_text(f"picture (9, 1): RGB {' '.join(map(str, picture))}")
    expect(told).to_contain_text(f"latent (1, 0): RGB {' '.join(map(str, latent))}")
    expect(told).to_contain_text(f"red: {MAPS[1, 4, 0, 0, 2]:.2f}")
    assert "one (" not in told.inner_text()
    assert page.locator(".pixel:visible").count() == 2
    page.mouse.move(2, 2)
    expect(told).to_contain_text("Point at a word")


def test_the_keyboard_chooses_and_reads(show: Open) -> None:
    page = show(with_heat())
    cell(page, 0).focus()
    for key in ("ArrowRight", "ArrowDown", "ArrowLeft", "ArrowRight"):
        page.keyboard.press(key)
    expect(cell(page, 4)).to_be_focused()
    page.keyboard.press("Shift+ArrowRight")
    expect(page.locator(".info")).to_contain_text(f"({W // 2}, {H // 2})")
    page.keyboard.press("Shift+ArrowUp")
    picture = IMAGES[1, 4, H // 2 - 1, W // 2]
    expect(page.locator(".info")).to_contain_text(f"({W // 2}, {H // 2 - 1}): RGB {' '.join(map(str, picture))}")
    page.keyboard.press("Escape")
    page.keyboard.press("Enter")
    expect(cell(page, 4)).to_have_attribute("aria-selected", "true")
    expect(cell(page, 4, 1)).to_have_attribute("aria-selected", "true")
    expect(page.locator(".film-title")).to_have_text("picture 5, step by step")
    page.keyboard.press("Escape")
    expect(cell(page, 4)).to_have_attribute("aria-selected", "false")
    page.keyboard.press("Home")
    expect(cell(page, 0)).to_be_focused()
    assert page.locator(".board").nth(2).locator("[tabindex]").count() == 0
    page.evaluate("mount({ ...component.data, chosen: 4 })")
    assert page.evaluate("sent") == [["chosen", 4], ["chosen", None]]


# --- who moves it --------------------------------------------------------------------------------------------------


def test_a_click_chooses_and_the_server_may_choose_too(show: Open) -> None:
    page = show(view(chosen=0))
    expect(cell(page, 0)).to_have_attribute("aria-selected", "true")
    cell(page, 3, 1).click()
    expect(cell(page, 3)).to_have_attribute("aria-selected", "true")
    cell(page, 0, 2).click()
    assert page.evaluate("sent") == [["chosen", 3]], "a group of other pictures chooses none"
    page.evaluate("mount({ ...component.data, alt: 'again' })")
    expect(cell(page, 3)).to_have_attribute("aria-selected", "true")
    page.evaluate("mount({ ...component.data, chosen: 3 })")
    page.evaluate("mount({ ...component.data, chosen: 1 })")
    expect(cell(page, 1)).to_have_attribute("aria-selected", "true")


def test_the_film_can_be_dragged_and_only_the_end_is_reported(show: Open) -> None:
    page = show(view())
    place = box(page.locator(".film canvas"))
    y = place["y"] + 10
    page.mouse.move(place["x"] + place["width"] * 0.9, y)
    page.mouse.down()
    expect(page.locator(".scrub-value")).to_have_text("20")
    page.mouse.move(place["x"] - 40, y + 50)
    expect(page.locator(".scrub-value")).to_have_text("0")
    assert page.evaluate("sent") == []
    page.mouse.up()
    assert page.evaluate("sent") == [["scrub", 0]]
    thumb, marked = box(page.get_by_role("slider", name="step", exact=True)), box(page.locator(".film-cursor"))
    assert marked["x"] <= thumb["x"] + 8 <= marked["x"] + marked["width"]


def test_it_follows_and_leads(show: Open) -> None:
    lines = [Line("loss", np.arange(6.0).reshape(N, 2))]
    chart = curves([1, 2], lines, x_axis=Axis("x"), y_axis=Axis("y"), follow="step", alt="")
    page = show(view(scrub=None, follow="step", index=1), chart, view())
    assert page.locator("#host input, #host .film:visible").count() == 0
    line = page.locator("#host1 .series").get_attribute("d") or ""
    go(page, 2)
    expect(page.locator("#host .said")).to_have_text("2 of 5 fit")
    expect(page.locator("#host1 .series")).not_to_have_attribute("d", line)
    page.evaluate("mount({ ...component.data, alt: 'again' })")
    expect(page.locator("#host .said")).to_have_text("2 of 5 fit")
    page.evaluate("mount({ ...component.data, index: 0 })")
    expect(page.locator("#host .said")).to_have_text("0 of 5 fit")
    expect(page.locator("#host .spoken")).to_have_text("0 of 5 fit")


def test_other_pictures_come_and_the_focus_stays(show: Open) -> None:
    page = show(with_heat(word=1, chosen=4))
    cell(page, 2).focus()
    page.evaluate("mount({ ...component.data, alt: 'again' })")
    expect(cell(page, 2)).to_be_focused()
    page.evaluate("mount({ ...component.data, groups: component.data.groups.slice(2), heat: null, word: null })")
    expect(page.locator(".board")).to_have_count(1)
    expect(page.locator(".words")).to_be_hidden()
    expect(page.locator(".ring:visible")).to_have_count(0)


def test_scrubbing(show: Open, record_property: Callable[[str, object], None]) -> None:
    """Three groups of 16 pictures with heat, another of 21 frames with every movement; the rate is only reported."""
    page = show(film())
    values = [(5 * i % 21) / 20 for i in range(96)]
    assert scrub(page, page.get_by_role("slider", name="step", exact=True), values, "48 pictures", record_property) > 16


# --- everywhere ----------------------------------------------------------------------------------------------------


def views() -> dict[str, View]:
    odd = Group(LONG, IMAGES[0], titles=[LONG] * P, notes=["<script>"] * P)
    return {
        "small": with_heat(word=0, chosen=1),
        "film": film(),
        "long": pictures([odd, odd], columns=5, heat=Heat([LONG, "<b>"], MAPS[:1]), word=1, alt="5 pictures"),
        "row": pictures([Group("", np.zeros((9, 8, 8, 3), np.uint8))], columns=9, alt="9 black pictures", height=200),
        "many": pictures([Group("all", np.zeros((64, 4, 9, 3), np.uint8))], columns=16, alt="64 pictures", height=300),
    }


@pytest.mark.parametrize(("width", "theme"), [(390, "dark"), (1400, "light"), (760, "light")])
def test_nothing_overflows_and_everyone_can_use_it(show: Open, width: int, theme: str) -> None:
    shown = views()
    page = show(*shown.values(), width=width, lang="zh")
    page.evaluate("(theme) => { document.body.className = theme }", theme)
    settled(page)
    for name, host in hosts(page, shown):
        expect(host.locator(".grid canvas").first, name).to_be_visible()
        wide = host.evaluate("""(host) => [...host.shadowRoot.querySelectorAll(".kit *")]
          .filter((e) => !e.closest(".spoken, .theme-probe") && e.getBoundingClientRect().right > innerWidth)
          .map((e) => e.className.baseVal ?? e.className)""")
        assert not wide, name
        frame = box(host.locator(".pictures"))
        if width == 1400 and name in ("film", "row"):
            assert abs(frame["height"] - shown[name].height) <= 1, name
        parts = [box(part) for part in host.locator(".words, .board, .film, .scrubber").all() if part.is_visible()]
        for part in parts:
            assert part["y"] + part["height"] <= frame["y"] + frame["height"] + 1, name
        boards = [box(board) for board in host.locator(".board").all()]
        below = host.locator(".film").bounding_box()
        assert all(not below or board["y"] + board["height"] <= below["y"] for board in boards), name
        labels = [one.get_attribute("aria-label") or "" for one in host.get_by_role("listbox").all()]
        assert labels and all(re.search(r"\d", label) for label in labels), name
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    found = faults(page, shown)
    assert not found, json.dumps(found, indent=1, ensure_ascii=False)[:3000]


@pytest.mark.parametrize("width", [390, 1100])
def test_nothing_moves_when_the_picture_changes(show: Open, width: int) -> None:
    readout = ["short", "long " * 60, ""]
    notes = [["", LONG, "", "", ""], ["x"] * P, [""] * P]
    one = Group("picture", IMAGES, notes=notes)
    scrub = Scrub("step", "step", (0, 10, 20), 1)
    page = show(pictures([one], columns=5, scrub=scrub, readout=readout, alt="5", heat=Heat(LABELS, MAPS)), width=width)
    parts = ".board, .cell, .film, .scrubber, .words, .grid canvas"
    before = [box(part) for part in page.locator(parts).all()]
    for frame in (0, 2):
        go(page, frame)
        assert [box(part) for part in page.locator(parts).all()] == before
    page.locator(".chip").first.click()
    cell(page, 2).click(position={"x": 20, "y": 20})
    assert [box(part) for part in page.locator(parts).all()] == before


def test_the_download_shows_what_the_screen_shows(show: Open, tmp_path: Path) -> None:
    page = show(with_heat(word=1, chosen=2))
    page.evaluate("document.body.className = 'light'")
    files = {}
    for kind in ("SVG", "PNG", "CSV"):
        with page.expect_download() as coming:
            page.get_by_role("button", name=f"Download as {kind}").click()
        assert coming.value.suggested_filename == f"pictures-10.{kind.lower()}"
        coming.value.save_as(tmp_path / kind)
        files[kind] = (tmp_path / kind).read_bytes()
    drawing = ET.fromstring(files["SVG"])
    width, height = (float(drawing.get(side, "0")) for side in ("width", "height"))
    words = [text.text for text in drawing.iter(f"{SPACE}text")]
    assert {"picture", "latent", "a", "note 1.3", "circle", "1 of 5 fit"} <= set(words)
    images = list(drawing.iter(f"{SPACE}image"))
    assert len(images) == 2 * P + P + 1 + 1, "pictures and their heat, latents, the single one, the film"
    for image in images:
        assert 0 <= float(image.get("x", "-1")) <= width and (image.get("href") or "").startswith("data:image/png")
        assert float(image.get("y", "-1")) + float(image.get("height", "0")) <= height
    latent = images[2 * P + 3]
    colours = page.evaluate(
        """async (url) => {
          const image = await createImageBitmap(await (await fetch(url)).blob());
          const pen = Object.assign(document.createElement("canvas"), { width: 2, height: 2 }).getContext("2d");
          pen.drawImage(image, 0, 0);
          return [...pen.getImageData(0, 0, 2, 2).data];
        }""",
        latent.get("href"),
    )
    np.testing.assert_array_equal(np.reshape(colours, (2, 2, 4))[..., :3], LATENTS[1, 3])
    size = [int.from_bytes(files["PNG"][at : at + 4], "big") for at in (16, 20)]
    assert files["PNG"].startswith(b"\x89PNG") and size == [2 * width, 2 * height]
    lines = list(csv.reader(io.StringIO(files["CSV"].decode("utf-8-sig"))))
    assert lines[0] == ["step", "10"] and lines[2] == ["group", "picture", "title", "x", "y", "R", "G", "B"]
    assert lines[3 + 2 * H * W + W + 4] == ["picture", "3", "c", "4", "1", *map(str, IMAGES[1, 2, 1, 4])]
    assert lines[-1] == ["circle", "5", "2", "2", "0"] and lines[-3] == ["circle", "5", "0", "2", "0.5"]
