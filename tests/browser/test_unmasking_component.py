"""Texts that are filled in, in Chromium, without Streamlit: what stands in each box, who moves it, what clicks mask."""

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
from viz.components.unmasking import Lane, unmasking
from viz.view import View

SPACE = "{http://www.w3.org/2000/svg}"
WORDS = [" be", ",", " or", "\n", " not", " a_token_that_is_long", "To"]
N, M = 4, 6
# Frames of six places: the first is given; place 4 is masked again in frame 3.
TOKEN = np.array(
    [
        [6, -1, -1, -1, -1, -1],
        [6, 0, -1, -1, 5, -1],
        [6, 0, -1, 3, 5, 2],
        [6, 0, 1, 3, -1, 2],
    ]
)
WEIGHT = np.where(TOKEN >= 0, np.linspace(0.05, 0.95, M), 0)
GUESS = (np.tile([0, 5, 2], (N, M, 1)), np.tile([0.75, 0.004, 0.0], (N, M, 1)))
FIXED = np.arange(M) == 0


def lane(**other: Any) -> Lane:
    notes = [f"{k} passes" for k in range(N)]
    arguments = {"token": TOKEN, "weight": WEIGHT, "fixed": FIXED, "notes": notes, "guess": GUESS, "blocks": [1, 4]}
    return Lane(**({"title": "by confidence"} | arguments | other))


def view(*lanes: Lane, **other: Any) -> View:
    arguments: dict[str, Any] = {"scrub": Scrub("step", "step", (0, 10, 20, 30), 1), "alt": "6 tokens, 3 masked"}
    return unmasking(list(lanes) or [lane()], WORDS, **(arguments | other))


def long(n: int = 33, m: int = 96, lanes: int = 2, **other: Any) -> View:
    """As a page shows it: two texts of 96 tokens over 33 frames."""
    rng = np.random.default_rng(0)
    vocabulary = [f" w{i}" for i in range(60)] + ["\n"]
    found = []
    for _ in range(lanes):
        when = rng.permutation(m) * (n - 1) // m + 1
        token = np.where(np.arange(n)[:, None] >= when, rng.integers(0, 61, m), -1)
        guess = (rng.integers(0, 61, (n, m, 5)), np.sort(rng.dirichlet(np.ones(5), (n, m)))[..., ::-1])
        found.append(Lane("by chance", token, weight=rng.random((n, m)), guess=guess))
    scrub = Scrub("step", "step", range(n), n // 2)
    return unmasking(found, vocabulary, scrub=scrub, alt=f"{m} tokens", height=470, **other)


def go(page: Page, index: int) -> None:
    page.get_by_role("slider", name="step", exact=True).fill(str(index))
    settled(page)


def settled(page: Page) -> None:
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def box(found: Locator) -> Any:
    place = found.bounding_box()
    assert place
    return place


def boxes(page: Page, host: str = "#host") -> Locator:
    return page.locator(f"{host} .lane >> nth=0 >> .hit")


def shown(page: Page, kind: str, host: str = "#host") -> list[int]:
    """The places whose box is of a kind."""
    return [int(one.get_attribute("data-place") or -1) for one in page.locator(f"{host} .box.{kind}").all()]


# --- what stands where ---------------------------------------------------------------------------------------------


def test_every_frame_stands_in_its_boxes(show: Open) -> None:
    page = show(view())
    page.evaluate("document.body.className = 'light'")
    texts = ["·be", ",", "·or", "↵", "·not", "·a_token_that_is_long", "To"]
    for frame in (1, 3, 0, 2):
        go(page, frame)
        wanted = ["" if token < 0 else texts[token] for token in TOKEN[frame]]
        assert page.locator(".box .text").all_text_contents() == wanted
        assert shown(page, "masked") == np.flatnonzero(TOKEN[frame] < 0).tolist()
        before = TOKEN[max(frame - 1, 0)]
        assert shown(page, "new") == np.flatnonzero((TOKEN[frame] != before) & (TOKEN[frame] >= 0)).tolist()
        assert shown(page, "removed") == np.flatnonzero((before >= 0) & (TOKEN[frame] < 0)).tolist()
        expect(page.locator(".lane-note")).to_have_text(f"{frame} passes")
    assert [one.inner_text() for one in page.locator(".digits").all()] == ["", "10", "", "20", "10", "20"]
    expect(boxes(page).nth(4)).to_have_attribute(
        "aria-label", "place 5: ·a_token_that_is_long, filled in step 10, probability 77 %"
    )
    expect(boxes(page).nth(0)).to_have_attribute("aria-label", "place 1: To, given")
    go(page, 3)
    expect(boxes(page).nth(4)).to_have_attribute("aria-label", "place 5: masked again")
    expect(page.get_by_role("listbox")).to_have_attribute("aria-label", "by confidence: 6 tokens")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_colours_are_the_probability_scale_and_legible(show: Open, theme: str) -> None:
    share = np.linspace(0, 1, 33)
    page = show(unmasking([Lane("one", np.zeros((1, 33), int), weight=share[None])], WORDS, alt="33 tokens"))
    page.evaluate("(theme) => { document.body.className = theme }", theme)
    scale = palette.palette(theme == "dark")["probability"]
    stops = [np.array([int(stop[i : i + 2], 16) for i in (1, 3, 5)]) for stop in scale]
    page.wait_for_function(
        """(wanted) => getComputedStyle(host.shadowRoot.querySelector(".box")).backgroundColor.match(/\\d+/g)
          .every((value, i) => Math.abs(value - wanted[i]) <= 4)""",
        arg=stops[0].tolist(),
    )
    found = page.evaluate("""() => [...host.shadowRoot.querySelectorAll(".box")].map((one) => {
      const { backgroundColor, color } = getComputedStyle(one);
      return [backgroundColor, color].map((text) => text.match(/\\d+/g).map(Number));
    })""")

    def luminance(colour: list[int]) -> float:
        x = np.array(colour) / 255
        return float(np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722])

    for level, (back, ink) in zip(share, found, strict=True):
        at = level * (len(stops) - 1)
        k = min(int(at), len(stops) - 2)
        assert np.abs(back - (stops[k] + (stops[k + 1] - stops[k]) * (at - k))).max() <= 4
        low, high = sorted([luminance(back), luminance(ink)])
        assert (high + 0.05) / (low + 0.05) >= 4.5


@pytest.mark.parametrize("width", [390, 1100])
def test_nothing_moves_when_the_frame_changes(show: Open, width: int) -> None:
    page = show(view(lane(), lane(title="other", token=TOKEN[::-1], notes=["", "long " * 40, "", ""])), width=width)
    parts = ".box, .lane, .film, .scrubber, .hint"
    before = [box(part) for part in page.locator(parts).all()]
    for frame in (0, 2, 3):
        go(page, frame)
        assert [box(part) for part in page.locator(parts).all()] == before
    place = [box(one) for one in boxes(page).all()]
    assert place[4]["width"] > 2 * place[2]["width"], "as wide as the widest token that ever stands there"


def test_a_given_newline_begins_a_new_line(show: Open) -> None:
    token, fixed = [[6, 3, 0, 3, 0]], [1, 1, 0, 0, 0]
    page = show(unmasking([Lane("one", token, fixed=fixed)], WORDS, alt="5 tokens"))
    top = [box(one)["y"] for one in boxes(page).all()]
    assert top[0] == top[1] < top[2] == top[3] == top[4]


def test_the_order_can_be_switched(show: Open) -> None:
    page = show(view(order=False))
    switch = page.get_by_role("button", name="order")
    expect(page.locator(".digits:visible")).to_have_count(0)
    expect(switch).to_have_count(0)
    page.evaluate("mount({ ...component.data, order: true })")
    switch.click()
    expect(switch).to_have_attribute("aria-pressed", "false")
    expect(page.locator(".digits:visible")).to_have_count(0)
    switch.click()
    expect(switch).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".digits:visible").filter(has_text="10")).to_have_count(2)
    switch.click()
    page.evaluate("mount({ ...component.data, order: true, alt: 'again' })")
    expect(switch).to_have_attribute("aria-pressed", "false")
    lanes = "component.data.lanes.map((one) => ({ ...one }))"
    page.evaluate(f"mount({{ ...component.data, order: true, lanes: {lanes}, frames: 4 }})")
    expect(switch).to_have_attribute("aria-pressed", "false")


def test_a_place_says_what_was_likely(show: Open) -> None:
    page = show(view())
    boxes(page).nth(4).hover()
    lens = page.locator(".lens")
    expect(lens).to_contain_text("place 5·a_token_that_is_long, filled in step 10, probability 77 %")
    assert lens.locator(".guess").all_text_contents() == ["·be", "·a_token_that_is_long"]
    assert lens.locator(".amount").all_text_contents() == ["75 %", "< 1 %"]
    assert lens.locator(".taken").all_text_contents() == ["·a_token_that_is_long"]
    go(page, 0)
    expect(lens).to_contain_text("place 5masked")
    boxes(page).nth(0).hover()
    expect(lens).to_have_text("place 1To, given")
    page.mouse.move(2, 2)
    expect(lens).to_be_hidden()


# --- who moves it --------------------------------------------------------------------------------------------------


def test_clicks_mask_and_restore(show: Open) -> None:
    page = show(view(lane(), lane(title="other"), masked=[1]))
    first = boxes(page)
    expect(page.locator(".yours:visible")).to_have_count(1)
    first.nth(0).click()
    expect(page.locator(".box.asked")).to_have_count(1)
    assert page.evaluate("sent") == [["masked", [0, 1]]]
    page.evaluate("mount({ ...component.data, masked: [0, 1] })")
    first.nth(1).click()
    assert page.evaluate("sent")[1:] == [["masked", [0]]]
    page.evaluate("mount({ ...component.data, masked: [0] })")
    page.locator(".lane >> nth=1 >> .hit").nth(2).click()
    assert len(page.evaluate("sent")) == 2, "only the first text is clickable"
    expect(first.nth(0)).to_have_attribute("aria-selected", "true")
    expect(first.nth(1)).to_have_attribute("aria-selected", "false")
    page.evaluate("mount({ ...component.data, masked: [3, 4] })")
    assert [one.get_attribute("aria-selected") for one in first.all()] == ["false"] * 3 + ["true"] * 2 + ["false"]
    page.evaluate("mount({ ...component.data, masked: null })")
    first.nth(0).click()
    assert len(page.evaluate("sent")) == 2


def test_several_are_masked_by_one_stroke(show: Open) -> None:
    page = show(view(masked=[]))
    for i in (1, 2, 3):
        boxes(page).nth(i).hover()
        if i == 1:
            page.mouse.down()
    assert page.evaluate("sent") == []
    page.mouse.up()
    assert page.evaluate("sent") == [["masked", [1, 2, 3]]]
    boxes(page).nth(0).hover()
    expect(page.locator(".yours:visible")).to_have_count(3)


def test_the_keyboard_moves_and_masks(show: Open) -> None:
    page = show(view(masked=[]), width=300)
    boxes(page).nth(0).focus()
    for key in ("ArrowRight", "ArrowDown", "ArrowUp", "End"):
        page.keyboard.press(key)
        if key == "ArrowDown":
            expect(boxes(page).nth(4)).to_be_focused()
            expect(page.locator(".lens")).to_contain_text("place 5")
    expect(boxes(page).nth(5)).to_be_focused()
    page.keyboard.press("Enter")
    assert page.evaluate("sent") == [["masked", [5]]]
    page.keyboard.press("Escape")
    expect(page.locator(".lens")).to_be_hidden()
    page.evaluate("mount({ ...component.data, masked: [5] })")
    expect(boxes(page).nth(5)).to_be_focused()


def test_a_finger_masks_too(show: Open) -> None:
    page = show(view(masked=[2]))
    touch = "(hit) => hit.dispatchEvent(new PointerEvent('click', { pointerType: 'touch', bubbles: true }))"
    boxes(page).nth(3).evaluate(touch)
    expect(page.locator(".lens")).to_contain_text("place 4")
    assert page.evaluate("sent") == [["masked", [2, 3]]]


def test_the_film_can_be_dragged_and_others_follow(show: Open) -> None:
    lines = [Line("loss", np.arange(8.0).reshape(N, 2))]
    chart = curves([1, 2], lines, x_axis=Axis("x"), y_axis=Axis("y"), follow="step", alt="")
    page = show(view(), chart, view(scrub=None, follow="step", index=1))
    line = page.locator("#host1 .series").get_attribute("d") or ""
    place = box(page.locator("#host .film canvas"))
    page.mouse.move(place["x"] + place["width"] * 0.6, place["y"] + 9)
    page.mouse.down()
    expect(page.locator("#host .scrub-value")).to_have_text("20")
    page.mouse.move(place["x"] + place["width"] + 30, place["y"] + 90)
    expect(page.locator("#host .scrub-value")).to_have_text("30")
    assert page.evaluate("sent") == []
    page.mouse.up()
    assert page.evaluate("sent") == [["scrub", 3]]
    assert shown(page, "masked", "#host2") == [4]
    expect(page.locator("#host1 .series")).not_to_have_attribute("d", line)
    assert page.locator("#host2 input, #host2 .film:visible").count() == 0
    expect(page.locator("#host .spoken")).to_have_text("step 30. by confidence: 1 of 6 masked. 3 passes")


def test_the_film_shows_when_each_place_was_filled(show: Open) -> None:
    page = show(view(lane(weight=None)))
    page.evaluate("document.body.className = 'light'")
    found = page.evaluate(f"""() => {{
      const canvas = host.shadowRoot.querySelector(".film canvas");
      const pen = canvas.getContext("2d");
      const at = (frame, place) => [(frame + 0.5) * canvas.width / {N}, (place + 0.5) * canvas.height / {M - 1}];
      return Array.from({{ length: {N} }}, (_, k) => Array.from({{ length: {M - 1} }}, (_, i) =>
        pen.getImageData(...at(k, i).map(Math.floor), 1, 1).data[3]));
    }}""")
    np.testing.assert_array_equal(np.array(found) == 255, TOKEN[:, 1:] >= 0, "the given place is not drawn")


def test_scrubbing(show: Open, record_property: Callable[[str, object], None]) -> None:
    """Two texts of 96 tokens, another of 33 frames with every movement; the rate is only reported."""
    page = show(long())
    values = [(7 * i % 33) / 32 for i in range(96)]
    assert (
        scrub(
            page, page.get_by_role("slider", name="step", exact=True), values, "two texts of 96 tokens", record_property
        )
        > 16
    )


# --- everywhere ----------------------------------------------------------------------------------------------------


def views() -> dict[str, View]:
    odd = ["<script>", "很长的词元很长的词元很长的词元很长的词元很长的词元很长的词元", "\u202eabc", "\x00", "x" * 80]
    title = "a very long title that says much more than any title should ever have to say 很长的标题"
    strange = Lane(title, [[0, 1, 2, 3, 4, -1]], notes=[title], blocks=[2])
    return {
        "small": view(masked=[2, 3]),
        "long": long(),
        "three": long(9, 40, 3, masked=[]),
        "odd": unmasking([strange, strange], odd, masked=[0], alt="6 odd tokens"),
        "one": unmasking([Lane("", [[-1]])], [], alt="1 masked token", height=160),
    }


@pytest.mark.parametrize(("width", "theme"), [(390, "dark"), (1400, "light"), (760, "light")])
def test_nothing_overflows_and_everyone_can_use_it(show: Open, width: int, theme: str) -> None:
    mounted = views()
    page = show(*mounted.values(), width=width, lang="zh")
    page.evaluate("(theme) => { document.body.className = theme }", theme)
    settled(page)
    for name, host in hosts(page, mounted):
        expect(host.locator(".box").first, name).to_be_visible()
        wide = host.evaluate("""(host) => [...host.shadowRoot.querySelectorAll(".kit *")]
          .filter((e) => !e.closest(".spoken, .theme-probe") && e.getBoundingClientRect().right > innerWidth)
          .map((e) => e.className.baseVal ?? e.className)""")
        assert not wide, name
        frame = box(host.locator(".unmasking"))
        if width == 1400 and name in ("small", "one"):
            assert abs(frame["height"] - mounted[name].height) <= 1, name
        for part in host.locator(".flow, .hint, .film, .scrubber").all():
            if part.is_visible():
                place = box(part)
                assert place["y"] + place["height"] <= frame["y"] + frame["height"] + 1, name
        labels = [one.get_attribute("aria-label") or "" for one in host.get_by_role("listbox").all()]
        assert labels and all(re.search(r"\d", label) for label in labels), name
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    found = faults(page, mounted)
    assert not found, json.dumps(found, indent=1, ensure_ascii=False)[:3000]


def test_the_download_shows_what_the_screen_shows(show: Open, tmp_path: Path) -> None:
    page = show(view(lane(), lane(title="second", token=TOKEN[::-1], weight=None, guess=None)))
    page.evaluate("document.body.className = 'light'")
    go(page, 2)
    files = {}
    for kind in ("SVG", "PNG", "CSV"):
        with page.expect_download() as coming:
            page.get_by_role("button", name=f"Download as {kind}").click()
        assert coming.value.suggested_filename == f"unmasking-20.{kind.lower()}"
        coming.value.save_as(tmp_path / kind)
        files[kind] = (tmp_path / kind).read_bytes()
    drawing = ET.fromstring(files["SVG"])
    width, height = (float(drawing.get(side, "0")) for side in ("width", "height"))
    words = [text.text for text in drawing.iter(f"{SPACE}text")]
    assert {"by confidence", "second", "2 passes", "be", "To", "20"} <= set(words)
    for shape in [*drawing.iter(f"{SPACE}text"), *drawing.iter(f"{SPACE}image")]:
        assert 0 <= float(shape.get("x", "-1")) <= width and 0 <= float(shape.get("y", "-1")) <= height
    hatched = [rect for rect in drawing.iter(f"{SPACE}rect") if rect.get("fill") == "url(#hatch)"]
    assert len(hatched) == 1 + (TOKEN[2] < 0).sum() + (TOKEN[1] < 0).sum(), "the legend's, and every masked place's"
    assert len(list(drawing.iter(f"{SPACE}image"))) == 2
    size = [int.from_bytes(files["PNG"][at : at + 4], "big") for at in (16, 20)]
    assert files["PNG"].startswith(b"\x89PNG") and size == [2 * width, 2 * height]
    lines = list(csv.reader(io.StringIO(files["CSV"].decode("utf-8-sig"), newline="")))
    assert lines[0] == ["lane", "step", "place", "token", "given", "probability", "filled in step"]
    assert len(lines) == 1 + 2 * N * M
    assert lines[1 + 2 * 2 * M + 4] == ["by confidence", "20", "5", " a_token_that_is_long", "0", "0.77", "10"]
    assert lines[1 + 2 * 2 * M + 2] == ["by confidence", "20", "3", "[MASK]", "0", "", ""]
