"""The clocks in Chromium. What is painted is read from the exported drawing, made by the same code."""

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
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open, faults, hosts
from viz import palette
from viz.components.clocks import clocks
from viz.components.kit import Scrub
from viz.view import View

SPACE = "{http://www.w3.org/2000/svg}"
T, P = 13, 5


def numbers(t: int = T, p: int = P, *, same: bool = True, factor: float = 1.0) -> dict[str, np.ndarray]:
    """Content turned to t positions by p angles per position, 1 to 0.01; the last pair does not turn."""
    rng = np.random.default_rng(7)
    content = rng.normal(size=(2, 1 if same else t, p, 2)) @ [1, 1j]
    speed = 100.0 ** (-np.arange(p) / p)
    if p > 1:
        speed[-1] = 0
    hands = content * np.exp(1j * np.arange(t)[:, None] * speed)
    query, key = np.stack([hands.real, hands.imag], -1)
    part = factor * np.einsum("mpi,npi->mnp", query, key)
    with np.errstate(divide="ignore"):
        turn = 2 * np.pi / speed
    return {"query": query, "key": key, "score": part.sum(-1), "part": part, "wavelength": turn}


def small(m: int = 7, n: int = 3, t: int = T, p: int = P, same: bool = True, factor: float = 1.0, **other: Any) -> View:
    arguments: dict[str, Any] = {
        **numbers(t, p, same=same, factor=factor),
        "query_scrub": Scrub("query", "position m", range(t), m),
        "key_scrub": Scrub("key", "position n", range(t), n),
        "alt": "some clocks",
    }
    return clocks(**arguments | other)


def sliders(page: Page) -> Any:
    return page.get_by_role("slider", name="position m"), page.get_by_role("slider", name="position n")


def places(page: Page) -> list[str]:
    """m, n, m - n and the score as they are written."""
    return page.locator(".amount").all_inner_texts()


def shown(page: Page, m: int, n: int, score: np.ndarray) -> None:
    """Both sliders and all figures say the same."""
    expect(page.locator(".amount").nth(0)).to_have_text(str(m))
    expect(page.locator(".amount").nth(1)).to_have_text(str(n))
    expect(page.locator(".amount").nth(2)).to_have_text(str(m - n).replace("-", "−"))
    written = float(places(page)[3].replace("−", "-"))
    assert written == pytest.approx(float(np.float32(score[m, n])), abs=1e-3)
    assert [int(slider.input_value()) for slider in sliders(page)] == [m, n]


def hold(page: Page, slider: Any, count: int) -> Callable[[float], None]:
    """Take a slider by its thumb; the answer moves it to a position, without letting go."""
    box = slider.bounding_box()
    y = box["y"] + box["height"] / 2

    def x(index: float) -> float:
        return box["x"] + 8 + (box["width"] - 16) * index / (count - 1)

    page.mouse.move(x(int(slider.input_value())), y)
    page.mouse.down()
    return lambda index: page.mouse.move(x(index), y)


def drawing(page: Page, tmp_path: Path) -> ET.Element:
    with page.expect_download() as coming:
        page.get_by_role("button", name="Download as SVG").click()
    coming.value.save_as(tmp_path / "drawing")
    return ET.fromstring((tmp_path / "drawing").read_bytes())


def subpaths(path: ET.Element) -> list[np.ndarray]:
    """Points of the polygons and lines of a path, moved to where they are."""
    moved = [float(x) for x in re.findall(r"-?[\d.]+", path.get("transform", "0 0"))]
    pieces = [np.array(re.findall(r"-?[\d.]+", piece), float) for piece in path.get("d", "").split("M")[1:]]
    return [piece[: len(piece) // 2 * 2].reshape(-1, 2) + moved for piece in pieces]


# --- what is drawn ------------------------------------------------------------------------------------------------


def dials(root: ET.Element) -> tuple[np.ndarray, float]:
    """Middle of every face and its radius: the circles of the discs, which are filled, and of the rims."""
    circles = [path for path in root.iter(f"{SPACE}path") if path.get("d", "").count("A") >= 2 * P]
    rims = next(path for path in circles if path.get("stroke") != "none" and path.get("fill") == "none")
    moved = np.array([float(x) for x in re.findall(r"-?[\d.]+", rims.get("transform", "0 0"))])
    found = re.findall(r"M([\d.-]+) ([\d.-]+)L?[\d. -]*A([\d.]+)", rims.get("d", ""))
    radius = float(found[0][2])
    return np.array([[float(x) - radius, float(y)] for x, y, _ in found]) + moved, radius


@pytest.mark.parametrize("unit", [False, True])
@pytest.mark.parametrize(("m", "n"), [(0, 0), (7, 3), (3, 12)])
def test_the_hands_point_where_the_pairs_do(show: Open, tmp_path: Path, unit: bool, m: int, n: int) -> None:
    """Tip and length of every arrow against the numbers, counterclockwise from the right."""
    given = numbers()
    root = drawing(show(small(m, n, unit=unit)), tmp_path)
    middles, radius = dials(root)
    assert len(middles) == P
    longest = max(np.linalg.norm(given[role], axis=-1).max() for role in ("query", "key"))
    reach = None
    for role, at in (("query", m), ("key", n)):
        heads = [path for path in root.iter(f"{SPACE}path") if path.get("fill") == palette.colour(role)]
        tips = np.array([points[0] for points in subpaths(heads[-1])])
        assert len(tips) == P
        hands = (tips - middles) * [1, -1]
        wanted = given[role][at]
        lengths = np.linalg.norm(wanted, axis=-1)
        cosine = (hands * wanted).sum(-1) / np.linalg.norm(hands, axis=-1) / lengths
        np.testing.assert_allclose(cosine, 1, atol=2e-3)
        scale = np.linalg.norm(hands, axis=-1) / (1 if unit else lengths / longest)
        reach = reach or float(scale[0])
        np.testing.assert_allclose(scale, reach, rtol=0.02)
    assert reach and 0.6 * radius < reach < radius


def test_the_rim_shows_where_the_hands_were(show: Open, tmp_path: Path) -> None:
    """One mark per earlier position, at its angle: a fast pair's go round, those of one that does not turn coincide."""
    given = numbers()
    root = drawing(show(small(7, 3)), tmp_path)
    middles, _ = dials(root)
    for role, at in (("query", 7), ("key", 3)):
        lines = [p for p in root.iter(f"{SPACE}path") if p.get("stroke") == palette.colour(role)]
        ages = [path for path in lines if len(subpaths(path)) == P and path.get("stroke-width") == "1.5"]
        assert len(ages) == min(at, 9)
        alphas = [float(path.get("opacity", "1")) for path in ages]
        assert alphas == sorted(alphas), "older ones are paler"
        for age, path in zip(range(len(ages), 0, -1), ages, strict=True):
            marks = (np.array([points[0] for points in subpaths(path)]) - middles) * [1, -1]
            wanted = given[role][at - age]
            cosine = (marks * wanted).sum(-1) / np.linalg.norm(marks, axis=-1) / np.linalg.norm(wanted, axis=-1)
            np.testing.assert_allclose(cosine, 1, atol=2e-3)


def test_the_rim_of_tokens_shows_the_turning_alone(show: Open, tmp_path: Path) -> None:
    """The hands of other tokens are elsewhere: a mark is the hand that is shown, turned back by its wavelength."""
    given = numbers(same=False)
    root = drawing(show(small(7, 3, same=False, labels=["a"] * T)), tmp_path)
    middles, _ = dials(root)
    lines = [p for p in root.iter(f"{SPACE}path") if p.get("stroke") == palette.colour("query")]
    ages = [path for path in lines if len(subpaths(path)) == P and path.get("stroke-width") == "1.5"]
    marks = (np.array([points[0] for points in subpaths(ages[0])]) - middles) * [1, -1]
    wanted = (given["query"][7] @ [1, 1j]) * np.exp(-1j * 7 * 2 * np.pi / given["wavelength"])
    turned = (marks @ [1, 1j]) / wanted
    np.testing.assert_allclose(np.angle(turned), 0, atol=0.04)


@pytest.mark.parametrize(("m", "n"), [(7, 3), (2, 11)])
@pytest.mark.parametrize("same", [True, False])
def test_the_bars_are_the_shares(show: Open, tmp_path: Path, same: bool, m: int, n: int) -> None:
    """To the right and red for more, to the left and blue for less, all on one scale."""
    given = numbers(same=same, factor=0.5)
    root = drawing(show(small(m, n, same=same, factor=0.5)), tmp_path)
    share = given["part"][m, n]
    signed = palette.palette()["signed"]
    lines = [path for path in root.iter(f"{SPACE}path") if path.get("stroke") not in (None, "none")]
    zeros = next(
        z for z in map(subpaths, lines) if len(z) == P and all(np.ptp(a, axis=0).tolist() == [0, 10] for a in z)
    )
    found = {}
    for path in root.iter(f"{SPACE}path"):
        sign = {signed[9]: 1, signed[1]: -1}.get(path.get("fill", ""))
        if sign is None or not path.get("d"):
            continue
        moved = [float(x) for x in re.findall(r"-?[\d.]+", path.get("transform", ""))]
        for x, y, width in re.findall(r"M([\d.-]+) ([\d.-]+)h([\d.]+)", path.get("d", "")):
            foot = np.array([float(x) + (float(width) if sign < 0 else 0), float(y) - 2]) + moved
            (face,) = (j for j, zero in enumerate(zeros) if np.abs(zero[0] - foot).max() < 0.1)
            found[face] = sign * float(width)
    widths = np.array([found[j] for j in range(P)])
    np.testing.assert_allclose(widths / np.abs(widths).max(), share / np.abs(share).max(), atol=0.01)


def test_the_matrix_is_the_scores(show: Open) -> None:
    """The colour of every cell, read from the canvas: palette colours, in the right row and column."""
    given = numbers(same=False)
    page = show(small(12, 12, same=False))
    page.evaluate("document.body.style.zoom = 1")
    colours = np.array(
        page.evaluate(
            """(t) => {
          const canvas = host.shadowRoot.querySelector(".board canvas");
          const { width, height } = canvas, pen = canvas.getContext("2d");
          const data = pen.getImageData(0, 0, width, height).data;
          let left = 0, top = 0;
          const painted = (x, y) => data[4 * (y * width + x) + 3] === 255;
          for (top = 0; !painted(width - 20, top); top++);
          for (left = 0; !painted(left, height - 20); left++);
          let right = width; for (; !painted(right - 1, height - 20); right--);
          const side = (right - left) / t;
          return [...Array(t * t).keys()].map((i) => {
            const [x, y] = [left + ((i % t) + 0.5) * side, top + (Math.floor(i / t) + 0.5) * side].map(Math.floor);
            return [...data.slice(4 * (y * width + x), 4 * (y * width + x) + 3)];
          });
        }""",
            T,
        )
    ).reshape(T, T, 3)
    warm = colours[..., 0] - colours[..., 2]  # red minus blue rises along the signed scale
    rank = np.argsort(np.argsort(given["score"].ravel()))
    assert np.corrcoef(np.argsort(np.argsort(warm.ravel(), kind="stable")), rank)[0, 1] > 0.97
    assert (np.sign(warm) == np.sign(given["score"]))[np.abs(given["score"]) > 0.3].all()


def test_how_a_wavelength_is_written(show: Open) -> None:
    turns = [1, 2.04, 6.2832, 9.96, 62.83, 99.6, 628.3, 999.6, 6283.2, 54411, 1e6, 2.5e9]
    found = show(small()).evaluate(
        "async (turns) => (await import('/kit/clocks/faces.js')).turnText && "
        "turns.concat(Infinity).map((await import('/kit/clocks/faces.js')).turnText)",
        turns,
    )
    assert found == ["1", "2", "6.3", "10", "63", "100", "628", "1 k", "6.3 k", "54 k", "1 M", "2.5 G", "∞"]


# --- two sliders --------------------------------------------------------------------------------------------------


def test_a_drag_moves_everything_and_reports_once(show: Open) -> None:
    score = numbers()["score"]
    page = show(small())
    shown(page, 7, 3, score)
    query, key = sliders(page)
    to = hold(page, query, T)
    for m in (9, 12, 0, 5):
        to(m)
        shown(page, m, 3, score)
    expect(page.locator(".of-change")).to_have_text(f"Δfrom (7, 3){score[5, 3] - score[7, 3]:+.4f}".replace("-", "−"))
    assert page.evaluate("sent") == [], "dragging tells the server nothing"
    page.mouse.up()
    page.wait_for_function("sent.length === 1")
    assert page.evaluate("sent") == [["scrubs", [5, 3]]]
    to = hold(page, key, T)
    to(10)
    shown(page, 5, 10, score)
    page.mouse.up()
    page.wait_for_function("sent.length === 2")
    assert page.evaluate("sent")[1] == ["scrubs", [5, 10]]


def test_with_the_distance_kept_the_number_stays(show: Open) -> None:
    """The claim of the picture: both sliders move, clamped at both ends, and the score does not."""
    score = numbers()["score"]
    page = show(small(7, 3))
    page.get_by_role("button", name="Keep the distance").or_(
        page.get_by_role("button", name="keep the distance")
    ).click()
    query, key = sliders(page)
    before = places(page)[3]
    to = hold(page, query, T)
    for m, wanted in ((9, 9), (12, 12), (6, 6), (0, 4)):
        to(m)
        shown(page, wanted, wanted - 4, score)
        assert places(page)[3] == before
    change = page.locator(".of-change").text_content() or ""
    assert re.fullmatch(r"Δboth moved by −3(0|[+−]0\.0{5,}\d)", change), change
    page.mouse.up()
    page.wait_for_function("sent.length === 1")
    assert page.evaluate("sent") == [["scrubs", [4, 0]]]
    to = hold(page, key, T)
    to(12)
    shown(page, 12, 8, score)
    page.mouse.up()
    page.wait_for_function("sent.length === 2")
    assert page.evaluate("sent")[1] == ["scrubs", [12, 8]]
    page.get_by_role("button", name="keep the distance").click()
    hold(page, query, T)(2)
    shown(page, 2, 8, score)
    page.mouse.up()


def test_where_tokens_differ_the_number_is_what_it_is(show: Open) -> None:
    score = numbers(same=False)["score"].astype(np.float32)
    labels = ["The", " <b>x</b>", "\n", "猫", *"abcdefghi"]
    page = show(small(7, 3, same=False, labels=labels))
    page.get_by_role("button", name="keep the distance").click()
    hold(page, sliders(page)[0], T)(5)
    shown(page, 5, 1, score)
    expect(page.locator(".of-change")).to_have_text(
        f"Δboth moved by −2{float(score[5, 1]) - float(score[7, 3]):+.4f}".replace("-", "−")
    )
    assert page.locator(".token").all_inner_texts()[:2] == ["b", "·<b>x</b>"]
    page.mouse.up()


FOLLOW = """async () => {
  const { follow } = await import("/kit/kit/follow.js");
  window.heard = [];
  for (const field of ["query", "key"]) follow(field, (index) => heard.push([field, index]));
}"""


def test_the_bus_hears_every_position_that_moves(show: Open) -> None:
    page = show(small(7, 3))
    page.evaluate(FOLLOW)
    to = hold(page, sliders(page)[0], T)
    to(9)
    page.wait_for_function("heard.length > 0")
    assert page.evaluate("heard") == [["query", 9]], "n has not moved"
    page.mouse.up()
    page.get_by_role("button", name="keep the distance").click()
    page.evaluate("heard.length = 0")
    to = hold(page, sliders(page)[1], T)
    to(5)
    page.wait_for_function("heard.length > 1")
    assert sorted(page.evaluate("heard")[-2:]) == [["key", 5], ["query", 11]]
    page.mouse.up()


def test_play_moves_m_to_the_end(show: Open) -> None:
    page = show(small(9, 3))
    page.get_by_role("button", name="Play").click()
    page.wait_for_function("sent.length === 1", timeout=20_000)
    assert page.evaluate("sent") == [["scrubs", [12, 3]]]
    expect(page.locator(".of-change")).to_contain_text("from (9, 3)")


def test_play_moves_both_while_the_distance_is_kept(show: Open) -> None:
    page = show(small(85, 91, t=96))
    page.get_by_role("button", name="keep the distance").click()
    page.get_by_role("button", name="Play").click()
    page.wait_for_function("sent.length === 1", timeout=20_000)
    assert page.evaluate("sent") == [["scrubs", [89, 95]]]
    page.get_by_role("button", name="Play").click()
    page.wait_for_function("host.shadowRoot.querySelector('.amount').textContent !== '89'")
    page.get_by_role("button", name="Pause").click()
    m, n, d = places(page)[:3]
    assert int(m) < 80 and int(n) - int(m) == 6 and d == "−6"
    page.wait_for_function("sent.length === 2")
    assert page.evaluate("sent")[1] == ["scrubs", [int(m), int(n)]]


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_play_goes_in_slow_steps_where_motion_is_not_wanted(show: Open, motion: Any) -> None:
    page = show(small())
    page.emulate_media(reduced_motion=motion)
    page.evaluate("window.pauses = []; const own = setInterval; setInterval = (f, ms) => (pauses.push(ms), own(f, ms))")
    page.get_by_role("button", name="Play").click()
    pauses = page.evaluate("pauses")
    assert (700 in pauses, 140 in pauses) == (motion == "reduce", motion != "reduce")


AGAIN = """([m, n]) => {
  const [a, b] = component.data.scrubs;
  mount({ ...component.data, scrubs: [{ ...a, index: m }, { ...b, index: n }] });
}"""


def test_an_echo_from_the_server_moves_nothing(show: Open) -> None:
    """What was sent comes back late: the newer choice stays. What is news from the server counts, the lock or not."""
    score = numbers()["score"]
    page = show(small(7, 3))
    query, _ = sliders(page)
    query.press("ArrowRight")
    query.press("ArrowRight")
    page.evaluate(AGAIN, [8, 3])
    shown(page, 9, 3, score)
    page.evaluate(AGAIN, [9, 3])
    shown(page, 9, 3, score)
    page.get_by_role("button", name="keep the distance").click()
    page.evaluate(AGAIN, [1, 11])
    shown(page, 1, 11, score)
    expect(page.locator(".of-change")).to_have_text("")
    hold(page, query, T)(12)
    shown(page, 2, 12, score)
    page.mouse.up()


def test_an_echo_moves_neither_of_two_that_move_together(show: Open) -> None:
    score = numbers()["score"]
    page = show(small(7, 3))
    page.get_by_role("button", name="keep the distance").click()
    sliders(page)[0].press("ArrowRight")
    sliders(page)[0].press("ArrowRight")
    page.evaluate(AGAIN, [8, 4])
    shown(page, 9, 5, score)
    page.mouse.click(*cell(page, 10, 6))
    page.mouse.click(*cell(page, 11, 7))
    page.evaluate(AGAIN, [10, 6])
    shown(page, 11, 7, score)
    page.evaluate(AGAIN, [11, 7])
    page.evaluate(AGAIN, [4, 4])
    shown(page, 4, 4, score)


def test_while_the_matrix_is_dragged_the_server_moves_nothing(show: Open) -> None:
    score = numbers()["score"]
    page = show(small(7, 3))
    page.mouse.move(*cell(page, 5, 5))
    page.mouse.down()
    shown(page, 5, 5, score)
    page.evaluate(AGAIN, [1, 1])
    shown(page, 5, 5, score)
    page.mouse.up()


# --- the matrix ---------------------------------------------------------------------------------------------------


def cell(page: Page, m: int, n: int, t: int = T) -> tuple[float, float]:
    """The middle of a cell: the matrix fills the lower right of its canvas but for the frame's three pixels."""
    box = page.locator(".board canvas").last.bounding_box()
    assert box
    top = 20
    side = (box["height"] - top - 3) / t
    left = box["width"] - 3 - side * t
    return box["x"] + left + (n + 0.5) * side, box["y"] + top + (m + 0.5) * side


def test_a_click_in_the_matrix_sets_both(show: Open) -> None:
    score = numbers()["score"]
    page = show(small(7, 3))
    page.mouse.click(*cell(page, 2, 10))
    shown(page, 2, 10, score)
    page.wait_for_function("sent.length === 1")
    assert page.evaluate("sent") == [["scrubs", [2, 10]]]
    page.mouse.click(*cell(page, 2, 10))
    assert page.evaluate("sent.length") == 1


def test_a_drag_in_the_matrix(show: Open) -> None:
    score = numbers()["score"]
    page = show(small(7, 3))
    page.mouse.move(*cell(page, 0, 0))
    page.mouse.down()
    for m, n in ((1, 5), (8, 8), (12, 2)):
        page.mouse.move(*cell(page, m, n))
        shown(page, m, n, score)
    page.mouse.move(5, 5)
    shown(page, 0, 0, score)
    assert page.evaluate("sent") == []
    page.mouse.up()
    page.wait_for_function("sent.length === 1")
    assert page.evaluate("sent") == [["scrubs", [0, 0]]]


def test_with_the_distance_kept_the_matrix_slides_along_its_diagonal(show: Open) -> None:
    score = numbers()["score"]
    page = show(small(7, 3))
    page.get_by_role("button", name="keep the distance").click()
    page.mouse.move(*cell(page, 9, 5))
    page.mouse.down()
    shown(page, 9, 5, score)
    page.mouse.move(*cell(page, 12, 12))
    shown(page, 12, 8, score)
    page.mouse.move(*cell(page, 0, 12))
    shown(page, 8, 4, score)
    page.mouse.up()


def test_the_keyboard_moves_the_cell(show: Open) -> None:
    score = numbers()["score"]
    page = show(small(7, 3))
    board = page.locator(".board canvas").last
    board.focus()
    for key, m, n in (("ArrowDown", 8, 3), ("ArrowUp", 7, 3), ("ArrowRight", 7, 4), ("ArrowLeft", 7, 3)):
        page.keyboard.press(key)
        shown(page, m, n, score)
    page.get_by_role("button", name="keep the distance").click()
    board.focus()
    page.keyboard.press("ArrowRight")
    shown(page, 8, 4, score)
    for _ in range(9):
        page.keyboard.press("ArrowUp")
    shown(page, 4, 0, score)
    expect(page.locator(".clocks > .spoken")).to_have_text(
        re.compile(r"m = 4, n = 0, distance 4: score .*both moved by −3: changed by ")
    )


def test_the_keyboard_moves_the_sliders(show: Open) -> None:
    score = numbers()["score"]
    page = show(small(7, 3))
    query, key = sliders(page)
    query.press("ArrowLeft")
    shown(page, 6, 3, score)
    key.press("End")
    shown(page, 6, 12, score)
    page.get_by_role("button", name="keep the distance").press("Enter")
    key.press("Home")
    shown(page, 0, 6, score)


# --- one face -----------------------------------------------------------------------------------------------------


def three(value: float) -> str:
    value = float(np.float32(value))
    return f"{value:#.3g}".replace("-", "−")


@pytest.mark.parametrize("factor", [1.0, 0.5])
def test_a_face_writes_out_its_dot_product(show: Open, factor: float) -> None:
    given = numbers(factor=factor)
    page = show(small(7, 3, factor=factor))
    readout = page.locator(".readout")
    expect(readout).to_contain_text("Point at a clock")
    page.get_by_role("option", name="pair 2").hover()

    def wanted(m: int, n: int, j: int) -> list[str]:
        (a, b), (c, d) = given["query"][m, j], given["key"][n, j]
        bracket = [three(x) if i == 0 or x >= 0 else f"({three(x)})" for i, x in enumerate((a, c, b, d))]
        total = "{}·{} + {}·{}".format(*bracket)
        total = total if factor == 1 else f"({total}) · 0.500"
        angles = [round(np.degrees(np.arctan2(y, x))) for x, y in ((a, b), (c, d))]
        apart = abs(np.degrees(np.angle((a + 1j * b) * (c - 1j * d))))
        return [
            f"pair {j + 1}{total} = {three(given['part'][m, n, j])}",
            f"query {angles[0]}°key {angles[1]}°{round(apart)}° apart".replace("-", "−"),
        ]

    for text in wanted(7, 3, 1):
        expect(readout).to_contain_text(text)
    page.get_by_role("option", name="pair 2").click()
    hold(page, sliders(page)[0], T)(11)
    for text in wanted(11, 3, 1):
        expect(readout).to_contain_text(text)
    page.mouse.up()
    page.get_by_role("option", name="pair 4").hover()
    for text in wanted(11, 3, 3):
        expect(readout).to_contain_text(text)
    page.get_by_role("option", name="pair 5").hover()
    expect(readout).to_contain_text("does not turn")


def test_the_keyboard_walks_over_the_faces(show: Open) -> None:
    page = show(small())
    page.locator("[role=option][tabindex='0']").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("option", name="pair 2")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("option", selected=True)).to_have_accessible_name(
        re.compile("^pair 2, 16 positions per turn")
    )
    page.keyboard.press("End")
    expect(page.get_by_role("option", name="pair 5")).to_be_focused()
    expect(page.locator(".readout")).to_contain_text("pair 5")
    page.keyboard.press("Escape")
    expect(page.get_by_role("option", selected=True)).to_have_count(0)
    expect(page.locator("[role=option][tabindex='0']")).to_have_count(1)


def test_names_follow_the_numbers_once_they_rest(show: Open) -> None:
    part = numbers()["part"]
    page = show(small(7, 3))
    expect(page.get_by_role("option").first).to_have_accessible_name(re.compile(f"share {three(part[7, 3, 0])}$"))
    sliders(page)[0].press("End")
    expect(page.get_by_role("option").first).to_have_accessible_name(re.compile(f"share {three(part[12, 3, 0])}$"))


# --- everywhere ---------------------------------------------------------------------------------------------------


def test_dragging_is_alive(show: Open, record_property: Callable[[str, object], None]) -> None:
    """32 pairs at 96 positions while both sliders move; the rate is reported, not asserted."""
    page = show(small(50, 38, t=96, p=32))
    page.get_by_role("button", name="keep the distance").click()
    to = hold(page, sliders(page)[0], 96)
    page.evaluate("performance.clearMeasures()")
    begin = page.evaluate("performance.now()")
    for i in range(128):
        to(12 + 83 * (i if i < 64 else 127 - i) / 63)
    seconds = (page.evaluate("performance.now()") - begin) / 1000
    painted = page.evaluate("performance.getEntriesByName('atlas:frame').length")
    assert page.evaluate("sent") == [], "dragging tells the server nothing"
    page.mouse.up()
    rate = painted / seconds
    record_property("pictures per second while dragging", round(rate, 1))
    print(f"\ndragging 32 clocks: {painted} pictures in {seconds:.2f} s, {rate:.1f} a second")
    assert painted > 32


def views() -> dict[str, View]:
    long = "a very long sentence about positions and how far apart they are that no column can hold"
    tokens = ["The", " animal", "\n", " <b>tired</b>", "它", "\u202eab", "a" * 80, "", "\x00", "é" * 9, "b", "c", "d"]
    zero: dict[str, Any] = {name: np.zeros_like(array) for name, array in numbers().items() if name != "wavelength"}
    return {
        "five": small(),
        "one": small(0, 0, t=1, p=1),
        "sixteen": small(60, 20, t=96, p=16),
        "thirty-two": small(60, 20, t=96, p=32, factor=0.125),
        "sixty-four": small(200, 20, t=256, p=64, unit=True),
        "tokens": small(3, 6, same=False, labels=tokens),
        "zero": small(**zero),
        "wordy": small(words=dict.fromkeys(("score", "keep", "query", "key", "under", "hint"), long)),
        "low": small(height=400, p=16),
    }


@pytest.mark.parametrize(("width", "theme"), [(390, "dark"), (700, "light"), (1400, "dark")])
def test_nothing_overflows_and_everyone_can_use_it(show: Open, width: int, theme: str) -> None:
    shown = views()
    page = show(*shown.values(), width=width, lang="zh")
    page.evaluate("(theme) => { document.body.className = theme }", theme)
    for name, host in hosts(page, shown):
        host.get_by_role("option").first.click()
        wide = host.evaluate("""(host) => [...host.shadowRoot.querySelectorAll(".kit *")]
          .filter((e) => !e.closest(".spoken, .theme-probe") && e.getBoundingClientRect().right > innerWidth)
          .map((e) => e.className)""")
        assert not wide, name
        if width > 620:
            height = host.locator(".clocks").evaluate("(e) => e.getBoundingClientRect().height")
            assert height == shown[name].height, name
            low = host.evaluate("""(host) => { const end = host.getBoundingClientRect().bottom;
              return [...host.shadowRoot.querySelectorAll(".kit *:not(.spoken)")]
                .filter((e) => e.getBoundingClientRect().bottom > end + 1).map((e) => e.className) }""")
            assert not low, name
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    found = faults(page, shown)
    assert not found, json.dumps(found, indent=1, ensure_ascii=False)[:3000]


@pytest.mark.parametrize("width", [390, 930])
def test_no_two_texts_overlap(show: Open, tmp_path: Path, width: int) -> None:
    """Every text of the drawing, with the room it takes."""
    for view in (small(), views()["thirty-two"], views()["sixty-four"]):
        page = show(view, width=width)
        texts = [text for text in drawing(page, tmp_path).iter(f"{SPACE}text") if text.text and text.text.strip()]
        boxes = []
        for text in texts:
            size = float(text.get("font-size", "12"))
            wide = page.evaluate(
                "([text, font]) => { const pen = new OffscreenCanvas(1, 1).getContext('2d'); pen.font = font; "
                "return pen.measureText(text).width }",
                [text.text, f"{text.get('font-weight')} {size}px serif"],
            )
            x = (
                float(text.get("x", "0"))
                - wide * {"start": 0, "middle": 0.5, "end": 1}[text.get("text-anchor", "start")]
            )
            y = float(text.get("y", "0"))
            boxes.append((x, x + wide, y - size * 0.4, y + size * 0.4, text.text))
        for i, (a0, a1, a2, a3, one) in enumerate(boxes):
            for b0, b1, b2, b3, other in boxes[:i]:
                assert min(a1, b1) - max(a0, b0) < 1 or min(a3, b3) - max(a2, b2) < 1, (one, other)


def test_the_theme_switches_without_the_server(show: Open) -> None:
    page = show(small())
    pictures = "[...host.shadowRoot.querySelectorAll('canvas')].map((one) => one.toDataURL())"
    before = page.evaluate(pictures)
    page.evaluate("document.body.className = 'dark'")
    page.wait_for_function(f"(before) => {pictures}.every((one, i) => one !== before[i])", arg=before)


def test_new_data_keeps_the_lock_and_the_picked_face_if_it_is_still_there(show: Open) -> None:
    page = show(small())
    page.get_by_role("button", name="keep the distance").click()
    page.get_by_role("option", name="pair 3").click()
    page.evaluate("mount({ ...component.data, alt: 'again' })")
    expect(page.get_by_role("option", selected=True)).to_have_accessible_name(re.compile("^pair 3"))
    expect(page.get_by_role("button", name="keep the distance")).to_have_attribute("aria-pressed", "true")
    fewer = small(p=2)
    page.evaluate("(data) => mount({ ...component.data, ...data })", fewer.data)
    expect(page.get_by_role("option")).to_have_count(2)
    expect(page.get_by_role("option", selected=True)).to_have_count(0)
    page.get_by_role("option").last.hover()
    expect(page.locator(".readout")).to_contain_text("pair 2")


def test_exports(show: Open, tmp_path: Path) -> None:
    given = numbers()
    page = show(small(7, 3, labels=["The", *"abcdefghijkl"]))
    files = {}
    for kind in ("SVG", "PNG", "CSV"):
        with page.expect_download() as coming:
            page.get_by_role("button", name=f"Download as {kind}").click()
        assert coming.value.suggested_filename == f"clocks-7-3.{kind.lower()}"
        coming.value.save_as(tmp_path / kind)
        files[kind] = (tmp_path / kind).read_bytes()
    root = ET.fromstring(files["SVG"])
    assert root.findtext(f"{SPACE}title") == "some clocks"
    words = {text.text for text in root.iter(f"{SPACE}text")}
    assert {"7", "3", "4", "6.3", "16", "∞", "m", "n", "m − n", "query at position m"} <= words
    width, height = (float(root.get(side, "0")) for side in ("width", "height"))
    for text in root.iter(f"{SPACE}text"):
        assert 0 <= float(text.get("x", "-1")) <= width and 0 <= float(text.get("y", "-1")) <= height
    cells = [p for p in root.iter(f"{SPACE}path") if p.get("fill", "").startswith("rgb")]
    area = sum(
        float(w) for path in cells for w in re.findall(r"h([\d.]+)v", path.get("d", ""))
    )  # runs of equal cells, each 0.2 wider than it is, so that no seam shows
    runs = sum(path.get("d", "").count("M") for path in cells)
    side = (area - 0.2 * runs) / T / T
    assert runs <= T * T and 10 < side < 30
    size = [int.from_bytes(files["PNG"][at : at + 4], "big") for at in (16, 20)]
    assert files["PNG"].startswith(b"\x89PNG") and size == [2 * width, 2 * height]
    lines = list(csv.reader(io.StringIO(files["CSV"].decode("utf-8-sig"))))
    assert lines[0][:5] == ["position m", "7", "position n", "3", "score"]
    assert float(lines[0][5]) == pytest.approx(given["score"][7, 3], rel=1e-5)
    assert lines[1] == ["token", "g", "token", "c"]
    pairs = np.array([[float(x) for x in line] for line in lines[4 : 4 + P]])
    np.testing.assert_array_equal(pairs[:, 0], np.arange(1, P + 1))
    np.testing.assert_allclose(pairs[:, 1], given["wavelength"], rtol=1e-5)
    np.testing.assert_allclose(pairs[:, 2:4], given["query"][7], rtol=1e-5)
    np.testing.assert_allclose(pairs[:, 4:6], given["key"][3], rtol=1e-5)
    np.testing.assert_allclose(pairs[:, 6], given["part"][7, 3], rtol=1e-5)
    scores = np.array([[float(x) for x in line] for line in lines[-T:]])
    np.testing.assert_allclose(scores[:, 1:], given["score"], rtol=1e-5)
