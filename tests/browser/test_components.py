"""The browser components on their own: no Streamlit, a bare page that mounts them with Streamlit's theme variables."""

from __future__ import annotations

import csv
import io
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open
from viz.components.arcs import arcs
from viz.components.grid import grid
from viz.components.matrix import Panel, Scrub, Stage, inspector
from viz.view import View

TOKENS = ["The", " animal", " was", "\n", " <b>tired</b>", " 它", " too"]


def attention(frames: int = 0, t: int = 7, d: int = 3) -> tuple[View, dict[str, np.ndarray]]:
    """Causal attention in five steps; with frames, the window grows from 1."""
    rng = np.random.default_rng(0)
    q, k, v = (rng.normal(size=(t, d)).astype(np.float32) for _ in range(3))
    scores = q @ k.T
    scaled = scores / np.sqrt(d)
    i = np.arange(t)
    windows = np.arange(1, frames + 1)[:, None, None] if frames else t
    seen = (i[:, None] >= i) & (i[:, None] - i < windows)
    masked = np.where(seen, scaled, -np.inf)
    weight = np.exp(masked - masked.max(-1, keepdims=True))
    weight /= weight.sum(-1, keepdims=True)
    stages = [
        Stage("scores", scores, "signed", "q·k = {terms} = {value}", left=q, right=k),
        Stage("scale", scaled, "signed", "{prev} / √{d} = {value}", numbers={"d": d}),
        Stage("mask", masked, "signed", "{row} sees {col}"),
        Stage("softmax", weight, "probability", "exp({prev} − {max}) / {sum} = {value}", masked="hidden"),
        Stage("output", weight @ v, "signed", "{terms} = {value}", right=v.T, cols=[f"d{j}" for j in range(d)]),
    ]
    labels = (TOKENS * 20)[:t]
    scrub = Scrub("window", "window", tuple(range(1, frames + 1)), 0) if frames else None
    view = inspector([Panel("", stages)], labels, labels, alt="causal attention", scrub=scrub, stage=0)
    numbers = {"q": q, "k": k, "v": v, "scores": scores, "scaled": scaled, "masked": masked, "weight": weight}
    return view, numbers | {"output": weight @ v}


def point(page: Page, row: int, col: int, t: int = 7, s: int = 7) -> None:
    """Move to the middle of a cell, found by where the component itself says its matrix is."""
    at = matrix_box(page)
    page.mouse.move(at["x"] + (col + 0.5) * at["w"] / s, at["y"] + (row + 0.5) * at["h"] / t)


def matrix_box(page: Page) -> dict[str, float]:
    """The cells fill the lower right of the canvas: look for the first and last painted pixel of its middle lines."""
    return page.evaluate("""() => {
      const canvas = host.shadowRoot.querySelector("canvas");
      const box = canvas.getBoundingClientRect(), scale = canvas.width / box.width;
      const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
      const painted = (x, y) => pixels[4 * (y * canvas.width + x) + 3] === 255;
      // Labels are thin: a run of 12 opaque pixels is a cell.
      let top = 0, left = 0, right = 0, bottom = 0;
      const run = (x, y) => { for (let i = 0; i < 12; i++) if (!painted(x + i, y)) return false; return true; };
      search: for (let y = 0; y < canvas.height; y++) for (let x = 0; x < canvas.width - 12; x++)
        if (run(x, y) && run(x, y + 5)) { top = y; left = x; break search; }
      for (right = left; right < canvas.width && painted(right, top + 3); right++);
      for (bottom = top; bottom < canvas.height && painted(left + 3, bottom); bottom++);
      return { x: box.x + left / scale, y: box.y + top / scale, w: (right - left) / scale, h: (bottom - top) / scale };
    }""")


def three(value: float) -> str:
    """A number as the kit writes it, for sizes from 0.001 to 1000."""
    if value == int(value):
        return str(int(value)).replace("-", "−")
    return f"{value:#.3g}".replace("-", "−")


def products(left: np.ndarray, right: np.ndarray, names: list[str] | None = None) -> str:
    """A sum of products as the kit writes it: a minus joins the sum or goes into brackets."""
    text = ""
    for j, (a, b) in enumerate(zip(left, right, strict=True)):
        text += three(a) if j == 0 else (" − " if a < 0 else " + ") + three(abs(a))
        text += f"·({three(b)})" if b < 0 else f"·{three(b)}"
        text += f" {names[j]}" if names else ""
    return text


def test_half_precision_is_decoded_exactly(show: Open) -> None:
    page = show(attention()[0])
    bits = np.arange(65536, dtype="<u2")
    shown = page.evaluate("""async () => {
      const { unpack } = await import("/kit/kit/decode.js");
      const bytes = new Uint8Array(Uint16Array.from({ length: 65536 }, (_, i) => i).buffer);
      let text = ""; for (const byte of bytes) text += String.fromCharCode(byte);
      return [...unpack({ shape: [65536], dtype: "f2", b64: btoa(text) }).values].map(String);
    }""")
    found = np.array([float(text.replace("Infinity", "inf").replace("NaN", "nan")) for text in shown])
    np.testing.assert_array_equal(found, bits.view("<f2").astype(np.float64))


def test_every_step_explains_its_cell(show: Open) -> None:
    view, numbers = attention()
    page = show(view)
    readout = page.locator(".readout")
    point(page, 4, 1)
    expect(readout).to_contain_text(f"= {three(numbers['scores'][4, 1])}")
    expect(readout).to_contain_text("<b>tired</b>")
    expect(readout).to_contain_text(f"q·k = {products(numbers['q'][4], numbers['k'][1])} = ")
    page.get_by_role("button", name="scale", exact=True).click()
    point(page, 4, 1)
    expect(readout).to_contain_text(f"{three(numbers['scores'][4, 1])} / √3 = {three(numbers['scaled'][4, 1])}")
    page.get_by_role("button", name="softmax").click()
    point(page, 4, 1)
    row = numbers["masked"][4, :5]
    total = np.exp(row - row.max()).sum()
    expect(readout).to_contain_text(f"/ {three(total)} = {three(numbers['weight'][4, 1])}")
    point(page, 1, 4)
    expect(readout).to_contain_text("hidden")
    page.get_by_role("button", name="output").click()
    page.locator(".top").focus()
    page.keyboard.press("End")
    page.keyboard.press("End")
    page.keyboard.press("ArrowDown")
    weight, value = numbers["weight"][1, :2], numbers["v"][:2, 2]
    order = np.argsort(-np.abs(weight * value))
    expected = products(weight[order], value[order], [["The", "·animal"][j] for j in order])
    expect(readout).to_contain_text(f"{expected} = {three(numbers['output'][1, 2])}")


def test_pin_keys_and_what_is_sent(show: Open) -> None:
    view, numbers = attention()
    page = show(view)
    for row in range(7):
        point(page, row, 2)
    assert page.evaluate("sent") == [], "moving the pointer tells the server nothing"
    page.mouse.click(*centre(page, 5, 2))
    expect(page.locator(".tag")).to_be_visible()
    assert page.evaluate("sent") == [["pin", [5, 2]]]
    page.mouse.move(2, 2)
    expect(page.locator(".cell-value")).to_have_text(three(numbers["scores"][5, 2]))
    page.locator(".top").focus()
    page.keyboard.press("ArrowUp")
    expect(page.locator(".cell-value")).to_have_text(three(numbers["scores"][4, 2]))
    page.keyboard.press("]")
    expect(page.locator("[aria-current=step]")).to_have_text("scale")
    page.keyboard.press("Escape")
    expect(page.locator(".hint")).to_be_visible()
    page.wait_for_function("sent.length === 3")
    assert page.evaluate("sent")[1:] == [["stage", 1], ["pin", None]]


def centre(page: Page, row: int, col: int, t: int = 7, s: int = 7) -> tuple[float, float]:
    at = matrix_box(page)
    return at["x"] + (col + 0.5) * at["w"] / s, at["y"] + (row + 0.5) * at["h"] / t


def test_an_echo_from_the_server_moves_nothing(show: Open) -> None:
    """The server repeats what was sent, late: the visitor's newer choice stays; what is new from the server counts."""
    view, _ = attention()
    page = show(view)
    page.get_by_role("button", name="mask").click()
    page.get_by_role("button", name="softmax").click()
    again = "(stage) => mount({ ...component.data, stage })"
    current = page.locator("[aria-current=step]")
    page.evaluate(again, 2)
    expect(current).to_have_text("softmax")
    page.evaluate(again, 3)
    expect(current).to_have_text("softmax")
    page.evaluate(again, 1)
    expect(current).to_have_text("scale")


def test_scrubbing(show: Open, record_property: Callable[[str, object], None]) -> None:
    """64 pictures of 64 by 64 while the slider is dragged; the rate is reported, not asserted."""
    page = show(attention(frames=64, t=64)[0])
    slider = page.get_by_role("slider", name="window")
    box = slider.bounding_box()
    assert box
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 8, y)
    page.mouse.down()
    page.evaluate("performance.clearMeasures()")
    begin = page.evaluate("performance.now()")
    for i in range(128):
        page.mouse.move(box["x"] + 8 + (box["width"] - 16) * (i if i < 64 else 127 - i) / 63, y)
    assert page.evaluate("sent") == [], "dragging tells the server nothing"
    seconds = (page.evaluate("performance.now()") - begin) / 1000
    painted = page.evaluate("performance.getEntriesByName('atlas:frame').length")
    page.mouse.move(box["x"] + 8 + (box["width"] - 16) * 40 / 63, y)
    page.mouse.up()
    rate = painted / seconds
    record_property("pictures per second while scrubbing", round(rate, 1))
    print(f"\nscrubbing: {painted} pictures in {seconds:.2f} s, {rate:.1f} a second")
    assert painted > 32
    assert page.evaluate("sent") == [["scrub", 40]]
    assert slider.get_attribute("aria-valuetext") == "41"


def test_play_runs_to_the_end_and_reports_once(show: Open) -> None:
    page = show(attention(frames=5)[0])
    page.get_by_role("button", name="Play").click()
    page.wait_for_function("sent.length === 1", timeout=10_000)
    assert page.evaluate("sent") == [["scrub", 4]]
    page.get_by_role("button", name="One step back").click()
    expect(page.get_by_role("slider")).to_have_attribute("aria-valuetext", "4")


def test_the_theme_switches_without_the_server(show: Open) -> None:
    page = show(attention()[0])
    first = page.evaluate("host.shadowRoot.querySelector('canvas').toDataURL()")
    page.evaluate("document.body.className = 'dark'")
    page.wait_for_function(
        "(before) => host.shadowRoot.querySelector('canvas').toDataURL() !== before", arg=first, timeout=3000
    )


def test_a_place_that_is_left_and_taken_again_holds_one_picture(show: Open) -> None:
    """Streamlit does so when an element above comes or goes."""
    page = show(attention()[0])
    held = page.evaluate("""async () => {
      const { default: mount } = await import("/kit/matrix/main.js");
      const place = document.body.appendChild(document.createElement("div"));
      const parentElement = place.attachShadow({ mode: "open" });
      const others = parentElement.appendChild(document.createElement("p"));
      const count = () => parentElement.querySelectorAll(".kit").length;
      const leave = mount({ ...component, parentElement });
      const first = count();
      leave();
      mount({ ...component, parentElement });
      return [first, count(), others.isConnected];
    }""")
    assert held == [1, 1, True]


def test_exports(show: Open, tmp_path: Path) -> None:
    view, numbers = attention()
    page = show(view)
    files = {}
    for kind in ("SVG", "PNG", "CSV"):
        with page.expect_download() as coming:
            page.get_by_role("button", name=f"Download as {kind}").click()
        assert coming.value.suggested_filename == f"matrix-scores.{kind.lower()}"
        coming.value.save_as(tmp_path / kind)
        files[kind] = (tmp_path / kind).read_bytes()
    drawing = ET.fromstring(files["SVG"])
    space = "{http://www.w3.org/2000/svg}"
    assert drawing.findtext(f"{space}title") == "causal attention"
    assert sum("rgb" in rect.get("fill", "") for rect in drawing.iter(f"{space}rect")) == 49
    words = {text.text for text in drawing.iter(f"{space}text")}
    assert {"·<b>tired</b>", "·它", "↵"} <= words
    rows = list(csv.reader(io.StringIO(files["CSV"].decode("utf-8-sig"))))
    assert rows[0] == ["scores", *TOKENS]
    np.testing.assert_allclose(np.array([row[1:] for row in rows[1:8]], float), numbers["scores"], rtol=1e-5)
    width, height = (int.from_bytes(files["PNG"][at : at + 4], "big") for at in (16, 20))
    assert files["PNG"].startswith(b"\x89PNG")
    assert (
        abs(width - 2 * float(drawing.get("width", "0"))) < 2
        and abs(height - 2 * float(drawing.get("height", "0"))) < 2
    )


def views() -> dict[str, View]:
    rng = np.random.default_rng(1)
    maps = rng.integers(0, 256, (48, 16, 16))
    weight = rng.dirichlet(np.ones(30), 30)
    tokens = (TOKENS * 5)[:30]
    stages = [Stage("softmax", weight, "probability")]
    titles = [f"L{i // 12} H{i % 12}" for i in range(48)]
    return {
        "two panels": inspector([Panel("left", stages), Panel("right", stages)], tokens, tokens, alt="two"),
        "matrix": attention(frames=4)[0],
        "grid": grid(maps, titles, rng.random(48), [3], columns=12, alt="heads"),
        "flow": grid(maps, titles, rng.random(48), columns=None, alt="heads by score"),
        "arcs": arcs(weight, tokens, tokens, "arcs", 3, alt="arcs"),
        "text": arcs(weight[:, :7], tokens, TOKENS, "text", 3, alt="text"),
    }


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1400])
@pytest.mark.parametrize("name", views())
def test_nothing_overflows(show: Open, name: str, width: int, theme: str) -> None:
    page = show(views()[name], width=width, lang="zh")
    page.evaluate("(theme) => { document.body.className = theme }", theme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    wide = page.evaluate("""() => [...host.shadowRoot.querySelectorAll(".kit *")]
      .filter((e) => !e.closest(".scroller, .spoken, .theme-probe") && e.getBoundingClientRect().right > innerWidth)
      .map((e) => e.className)""")
    assert not wide


def test_small_multiples(show: Open) -> None:
    maps = np.random.default_rng(0).integers(0, 256, (6, 5, 5))
    titles = [f"L{i // 3} H{i % 3}" for i in range(6)]
    names = [f"layer {i // 3}, head {i % 3}" for i in range(6)]
    scores = np.arange(6) / 10
    page = show(grid(maps, titles, scores, [0], columns=3, names=names, score_name="score", alt="six heads"))
    page.get_by_role("option", name="layer 1, head 1, score 0.400").click()
    page.get_by_role("option", name="layer 0, head 2").click(modifiers=["Control"])
    expect(page.get_by_role("option", selected=True)).to_have_count(2)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_role("option", selected=True)).to_have_accessible_name("layer 1, head 2, score 0.500")
    page.get_by_role("button", name="Select several").click()
    page.get_by_role("option", name="layer 0, head 0").hover()
    expect(page.locator(".lens")).to_contain_text("layer 0, head 0")
    page.get_by_role("option", name="layer 0, head 0").click()
    page.wait_for_function("JSON.stringify(sent.at(-1)) === '[\"selected\",[5,0]]'")
    assert page.evaluate("sent")[0] == ["selected", [4]]


@pytest.mark.parametrize("mode", ["arcs", "text"])
def test_who_looks_at_whom(show: Open, mode: Any) -> None:
    weight = np.array([[1, 0, 0], [0.25, 0.75, 0], [0.6, 0.1, 0.3]])
    page = show(arcs(weight, ["a", " b", " c"], ["a", " b", " c"], mode, alt="three tokens"))
    readout = page.locator(".readout")
    page.get_by_role("button", name="token 3").first.hover()
    expect(readout).to_have_text("·clooks ata 60 %·c 30 %·b 10 %")
    assert page.evaluate("sent") == []
    page.get_by_role("button", name="token 2").first.click()
    page.mouse.move(1, 1)
    expect(readout).to_have_text("·blooks at·b 75 %a 25 %")
    page.get_by_role("button", name="is looked at by").click()
    expect(readout).to_have_text("·bis looked at by·b 75 %·c 10 %")
    page.keyboard.press("Tab")
    page.wait_for_function("sent.length === 2")
    assert page.evaluate("sent") == [["focus", 1], ["direction", "looked_at"]]
    page.get_by_role("button", name="token 2").last.focus()
    page.keyboard.press("Escape")
    page.wait_for_function("sent.length === 3")
    assert page.evaluate("sent.at(-1)") == ["focus", None]
