"""The map of experts' regions in Chromium, without Streamlit: what stands where, who moves it, what it says."""

from __future__ import annotations

import csv
import io
import itertools
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
from viz.components.regions import Run, regions
from viz.view import View

SPACE = "{http://www.w3.org/2000/svg}"
N, H, W, E = 3, 5, 7, 4  # frames, rows, columns, experts
STEPS = (0, 20, 50)
OWNER = np.random.default_rng(1).integers(0, E, (N, H, W))
LOAD = np.array([[0.1, 0.2, 0.3, 0.4], [0, 0.75, 0.2, 0.05], [1, 0, 0, 0]])
# Five points, each in the middle of a cell: (row, column)
AT = [(0, 0), (1, 5), (2, 3), (4, 1), (3, 6)]
POINTS = np.array([[2 * (c + 0.5) - 3, 10 - 2 * (r + 0.5)] for r, c in AT])
CHOSEN = np.array([[0, 1, 2, 3, 3], [1, 1, 1, 1, 2], [0, 0, 0, 0, 0]])
DROPPED = np.array([[0, 0, 0, 0, 0], [0, 0, 1, 1, 0], [1, 1, 1, 1, 0]], dtype=bool)


def run(title: str = "", **other: Any) -> Run:
    return Run(**({"title": title, "owner": OWNER, "load": LOAD, "chosen": CHOSEN, "dropped": DROPPED} | other))


def plane(*runs: Run, **other: Any) -> View:
    """Cells of two units: x from -3 to 11, y from 0 to 10."""
    arguments: dict[str, Any] = {
        "x": (-3, 11),
        "y": (0, 10),
        "points": POINTS,
        "group": [0, 1, 2, 3, 4],
        "scrub": Scrub("step", "training step", STEPS, 1),
        "alt": "a map of 4 experts",
    }
    return regions(runs or [run()], **(arguments | other))


def film(kind: str, n: int = 31, e: int = 8, side: int = 56, per: int = 30, **other: Any) -> Run:
    """Regions that grow from the middle: those of a router that collapses, or those of one that does not."""
    angle = 2 * np.pi * np.arange(e) / e + 0.3
    goal = 2.1 * np.stack([np.cos(angle), np.sin(angle)], -1)
    at = np.linspace(-3, 3, side)
    cells = np.stack(np.meshgrid(at, at[::-1]), -1).reshape(-1, 2)
    frames: dict[str, list[Any]] = {"owner": [], "strength": [], "load": [], "chosen": []}
    for t in np.linspace(0, 1, n):
        bias = (kind == "collapse") * 12 * t * (np.arange(e) == 2)

        def score(place: np.ndarray, t: float = t, bias: Any = bias) -> np.ndarray:
            score = -((place[:, None] - goal * (0.2 + 0.8 * t)) ** 2).sum(-1) + bias
            wide = np.exp(score - score.max(-1, keepdims=True))
            return wide / wide.sum(-1, keepdims=True)

        chosen = score(data(e, per)[0]).argmax(-1)
        frames["owner"].append(score(cells).argmax(-1).reshape(side, side))
        frames["strength"].append(score(cells).max(-1).reshape(side, side))
        frames["chosen"].append(chosen)
        frames["load"].append(np.bincount(chosen, minlength=e) / len(chosen))
    return Run(kind, **{name: np.array(values) for name, values in frames.items()}, **other)


def data(e: int = 8, per: int = 30) -> tuple[np.ndarray, np.ndarray]:
    angle = 2 * np.pi * np.arange(e) / e + 0.3
    centre = 2.1 * np.stack([np.cos(angle), np.sin(angle)], -1)
    points = centre[:, None] + np.random.default_rng(0).normal(0, 0.3, (e, per, 2))
    return points.reshape(-1, 2), np.repeat(np.arange(e), per)


def two(n: int = 31, e: int = 8, per: int = 30, **other: Any) -> View:
    points, group = data(e, per)
    runs = [film(kind, n, e, per=per, **other) for kind in ("collapse", "balance")]
    scrub = Scrub("step", "training step", [20 * k for k in range(n)], n - 1)
    return regions(runs, x=(-3, 3), y=(-3, 3), points=points, group=group, scrub=scrub, alt="two runs")


def go(page: Page, index: int) -> None:
    """Move the slider as a hand does; the picture has followed."""
    slider = page.get_by_role("slider", name="training step", exact=True)
    slider.fill(str(index))
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def box(found: Locator) -> Any:
    place = found.bounding_box()
    assert place
    return place


def pixel(page: Page, u: float, v: float, canvas: int = 0) -> list[int]:
    """The areas' colour at a place, as shares of the map."""
    return page.evaluate(
        """([u, v, k]) => {
          const canvas = host.shadowRoot.querySelectorAll(".map canvas:first-child")[k];
          const place = [Math.floor(u * canvas.width), Math.floor(v * canvas.height)];
          return [...canvas.getContext("2d").getImageData(...place, 1, 1).data.slice(0, 3)];
        }""",
        [u, v, canvas],
    )


def rgb(colour: str) -> np.ndarray:
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])


def blend(expert: int, share: float, dark: bool) -> np.ndarray:
    """An expert's colour on the page's ground."""
    ground, colour = rgb("#12151a" if dark else "#ffffff"), rgb(palette.experts(dark)[expert])
    return ground + share * (colour - ground)


def point_at(page: Page, row: float, column: float, canvas: int = 0) -> None:
    place = box(page.locator(".map").nth(canvas))
    page.mouse.move(place["x"] + (column + 0.5) / W * place["width"], place["y"] + (row + 0.5) / H * place["height"])


def here(page: Page) -> list[str]:
    return [" ".join((text or "").split()) for text in page.locator(".here").all_inner_texts()]


# --- what stands where ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_cell_has_its_owners_colour(show: Open, theme: str) -> None:
    page = show(plane(run("a"), run("b", owner=(OWNER + 1) % E)))
    page.evaluate("(theme) => { document.body.className = theme }", theme)
    expect(page.locator(".kit")).to_have_css("color", "rgb(232, 234, 237)" if theme == "dark" else "rgb(26, 29, 33)")
    for frame, (row, column), side in itertools.product((1, 2, 0), np.ndindex(H, W), (0, 1)):
        if (row, column) == (0, 0) and side == 0:
            go(page, frame)
        seen = pixel(page, (column + 0.5) / W, (row + 0.5) / H, side)
        expected = blend((OWNER[frame, row, column] + side) % E, 0.42, theme == "dark")
        np.testing.assert_allclose(seen, expected, atol=1.1, err_msg=f"{frame} {row} {column} {side}")


def test_borders_lie_half_way_between_cells(show: Open) -> None:
    """Two halves: left of the border one colour, right of it the other, with a thin line between, in every row."""
    owner = np.zeros((1, 6, 8), dtype=int)
    owner[:, :, 3:] = 1
    page = show(plane(run(owner=owner, load=[[0.5, 0.5]], chosen=None, dropped=None), scrub=None))
    for v in (0.01, 0.5, 0.99):
        near = [pixel(page, 3 / 8 + x / 400, v) for x in (-3, 3)]
        np.testing.assert_allclose(near[0], blend(0, 0.42, False), atol=1.1)
        np.testing.assert_allclose(near[1], blend(1, 0.42, False), atol=1.1)
        row = [pixel(page, 3 / 8 + x / 1000, v) for x in range(-6, 7)]
        assert [58, 63, 70] in row, "the line"


def test_a_slanted_border_has_no_steps(show: Open) -> None:
    """The border of a half plane stays near the true line, though each cell has but one owner."""
    n = 24
    at = (np.arange(n) + 0.5) / n
    owner = (at[None, :] * 0.6 + 0.2 > at[:, None]).astype(int)[None]
    page = show(plane(run(owner=owner, load=[[0.5, 0.5]], chosen=None, dropped=None), scrub=None, x=(0, 10)))
    found = page.evaluate("""async () => {
      const { owners } = await import("/kit/regions/plane.js");
      const { Model } = await import("/kit/regions/model.js");
      const own = owners(new Model(component.data).runs[0], 0, 240, 240);
      return Array.from({ length: 240 }, (_, x) => own.filter((one, i) => i % 240 === x && one === 1).length / 240);
    }""")
    x = (np.arange(240) + 0.5) / 240
    error = np.abs(np.array(found) - (0.6 * x + 0.2))
    assert error.max() < 0.55 / n and np.sqrt((error**2).mean()) < 0.3 / n
    blocks = owner[0].sum(0)[(x * n).astype(int)] / n
    assert error.max() < np.abs(blocks - (0.6 * x + 0.2)).max(), "better than the cells themselves"


def test_more_probable_is_deeper(show: Open) -> None:
    sure = np.tile(np.linspace(0.25, 1, W), (N, H, 1))
    page = show(plane(run(owner=np.zeros((N, H, W), dtype=int), strength=sure)))
    row = np.array([pixel(page, (column + 0.5) / W, 0.5) for column in range(W)])
    assert (np.diff(row[:, 0]) < 0).all(), "blue takes red away"
    np.testing.assert_allclose(row[0], blend(0, 0.14, False), atol=3)
    np.testing.assert_allclose(row[-1], blend(0, 0.66, False), atol=3)


def test_bars_show_the_load_on_one_scale(show: Open) -> None:
    page = show(plane(run("a"), run("b", load=np.full((N, E), 0.25), limit=[0.5, 0.2, 0.2])))
    for frame in (0, 2, 1):
        go(page, frame)
        tracks, fills, over, even = (
            [box(one) if one.is_visible() else None for one in page.locator(f".loads >> nth=0 >> .{kind}").all()]
            for kind in ("track", "fill", "over", "even")
        )
        for e in range(E):
            wide = fills[e]["width"] if fills[e] else 0
            assert wide == pytest.approx(LOAD[frame, e] * tracks[e]["width"], abs=0.6), "the largest of all is 1"
            assert even[e]["x"] - tracks[e]["x"] == pytest.approx(tracks[e]["width"] / 4, abs=0.6)
        assert not any(over)
    assert page.locator(".loads >> nth=0 >> .amount").all_text_contents() == ["0 %", "75 %", "20 %", "5.0 %"]
    second = page.locator(".loads >> nth=1")
    track, fill, over = (box(second.locator(f".{kind}").first) for kind in ("track", "fill", "over"))
    assert fill["width"] == pytest.approx(0.2 * track["width"], abs=0.6)
    assert over["width"] == pytest.approx(0.05 * track["width"], abs=0.6)
    assert over["x"] == pytest.approx(fill["x"] + fill["width"], abs=0.1)
    assert box(second.locator(".cap").first)["x"] - track["x"] == pytest.approx(0.2 * track["width"], abs=0.6)
    expect(second.locator(".loads-foot")).to_have_text("even share 25 %capacity 20 %")
    go(page, 0)
    expect(second.locator(".loads-foot")).to_contain_text("capacity 50 %")
    assert box(second.locator(".over").first)["width"] == 0


@pytest.mark.parametrize("width", [390, 1100])
def test_strips_show_all_loads_above_the_sliders_track(show: Open, width: int) -> None:
    page = show(plane(run("a"), run("b", load=LOAD[::-1])), width=width)
    slider = box(page.get_by_role("slider", name="training step", exact=True))
    for k, load in enumerate((LOAD, LOAD[::-1])):
        strip = page.locator(".strip").nth(k)
        place = box(strip)
        assert place["x"] == pytest.approx(slider["x"] + 8, abs=0.6)
        assert place["width"] == pytest.approx(slider["width"] - 16, abs=0.6)
        for e, area in enumerate(strip.locator(".area").all()):
            numbers = [
                [float(x) for x in pair] for pair in re.findall(r"([\d.]+) ([\d.]+)", area.get_attribute("d") or "")
            ]
            assert len(numbers) == 2 * N
            upper, lower = np.array(numbers[:N]), np.array(numbers[N:][::-1])
            np.testing.assert_allclose(upper[:, 0], np.linspace(0, place["width"], N), atol=0.6)
            np.testing.assert_allclose((lower - upper)[:, 1], load[:, e] * place["height"], atol=0.2)
            np.testing.assert_allclose(lower[:, 1], (1 - load[:, :e].sum(1)) * place["height"], atol=0.2)
    for frame in range(N):
        go(page, frame)
        cursor = box(page.locator(".cursor"))
        thumb = slider["x"] + 8 + (slider["width"] - 16) * frame / (N - 1)
        assert cursor["x"] + cursor["width"] / 2 == pytest.approx(thumb, abs=0.8)


def test_names_stand_inside_their_regions(show: Open) -> None:
    """Every disc's middle lies in a cell of its expert, in every frame of both runs, and no region of size has none."""
    page = show(two())
    found = page.evaluate("""async () => {
      const { Model } = await import("/kit/regions/model.js");
      const model = new Model(component.data);
      return model.runs.map((run) => Array.from({ length: model.frames }, (_, k) => run.centres(k, model)
        .map(({ expert, x, y, room }) => [expert, Math.floor(x), Math.floor(y), room])));
    }""")
    for kind, frames in zip(("collapse", "balance"), found, strict=True):
        owner = np.asarray(film(kind).owner)
        for frame, names in enumerate(frames):
            for expert, x, y, room in names:
                assert owner[frame, y, x] == expert
                others = np.argwhere(owner[frame] != expert)
                nearest = np.linalg.norm(others - [y, x], axis=1).min() if len(others) else np.inf
                assert room <= nearest * 1.09, "as far from others as it says"
            assert {name[0] for name in names} == set(np.unique(owner[frame]))


# --- reading it ----------------------------------------------------------------------------------------------------


def test_the_pointer_names_what_is_there_in_both_runs(show: Open) -> None:
    sure = np.tile(0.2 + 0.01 * np.arange(H * W).reshape(H, W), (N, 1, 1))
    other = run("b", owner=(OWNER + 1) % E, chosen=(CHOSEN + 1) % E)
    page = show(plane(run("a", strength=sure), other, groups=[f"group {name}" for name in "abcde"]))
    for row, column in ((2, 2), (4, 5)):
        point_at(page, row, column)
        owner = OWNER[1, row, column] + 1
        next_one = owner % E + 1
        assert here(page) == [
            f"{owner} expert {owner} probability {100 * sure[1, row, column]:.0f} % "
            f"({2 * column - 2}.0, {9 - 2 * row}.0)",
            f"{next_one} expert {next_one} ({2 * column - 2}.0, {9 - 2 * row}.0)",
        ]
    point_at(page, *AT[1], canvas=1)
    assert here(page)[0].endswith("group b sent to expert 2") and here(page)[1].endswith("group b sent to expert 3")
    point_at(page, *AT[3])
    assert here(page)[0].endswith("group d dropped: expert 2 is full")
    go(page, 0)
    point_at(page, *AT[3])
    assert here(page)[0].endswith("group d sent to expert 4")
    page.mouse.move(2, 2)
    assert here(page) == ["Point at a map to read it, at a bar to see only its expert; a click on a bar keeps it.", ""]


def test_the_keyboard_reads_the_map(show: Open) -> None:
    page = show(plane())
    point_at(page, *AT[1])
    assert here(page)[0].endswith("cluster 2 sent to expert 2")
    page.mouse.move(2, 2)
    spot = page.get_by_role("application")
    spot.focus()
    page.keyboard.press("ArrowRight")  # from the middle
    owner = OWNER[1, 2, 4] + 1
    assert here(page) == [f"{owner} expert {owner} (6.0, 5.0)"]
    expect(spot).to_have_attribute("aria-description", f"expert {owner}, (6.0, 5.0)")
    for key, times in (("ArrowUp", 9), ("ArrowLeft", 2), ("Shift+ArrowRight", 1)):
        for _ in range(times):
            page.keyboard.press(key)
    owner = OWNER[1, 0, 6] + 1
    assert here(page) == [f"{owner} expert {owner} (10.0, 9.0)"]
    page.keyboard.press("Escape")
    assert "Point at a map" in here(page)[0]
    page.keyboard.press("ArrowDown")
    assert "Point at a map" not in here(page)[0]
    page.keyboard.press("Tab")
    assert "Point at a map" in here(page)[0]
    assert page.evaluate("sent") == []


def test_an_expert_can_be_seen_alone(show: Open) -> None:
    page = show(two())
    rows = page.locator(".loads >> nth=1 >> .row")
    full = pixel(page, 0.9, 0.45, 1)
    rows.nth(4).hover()
    assert pixel(page, 0.9, 0.45, 1) != full, "another expert's region fades"
    expect(page.locator(".loads >> nth=0 >> .row.faint")).to_have_count(7)
    page.mouse.move(2, 2)
    assert pixel(page, 0.9, 0.45, 1) == full
    rows.first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(rows.nth(2)).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("End")
    page.keyboard.press("Tab")
    expect(page.locator(".loads >> nth=0 >> .row.faint")).to_have_count(7)
    expect(rows.nth(2)).to_have_attribute("aria-selected", "true")
    expect(rows.nth(7)).to_have_attribute("tabindex", "0")
    expect(page.get_by_role("option", name=re.compile(r"^expert 3: 1\d %$"))).to_have_count(1)
    go(page, 3)
    expect(page.locator(".loads >> nth=0 >> .row.faint")).to_have_count(7)
    rows.nth(2).click()
    page.mouse.move(2, 2)
    expect(page.locator(".row.faint")).to_have_count(0)


def test_the_state_is_spoken_once_it_rests(show: Open) -> None:
    page = show(plane(run("first", notes=["loss 3", "loss 2", "loss 1"]), run("second", load=LOAD[::-1])))
    spoken = page.locator(".regions > .spoken")
    expect(spoken).to_have_text(
        "training step 20. first: expert 2 takes 75 %, 3 of 4 experts are used. loss 2 "
        "second: expert 2 takes 75 %, 3 of 4 experts are used."
    )
    go(page, 2)
    expect(spoken).to_contain_text("first: expert 1 takes 100 %, 1 of 4 experts are used. loss 1")
    assert page.locator(".panel-title .note").all_text_contents() == ["loss 1", ""]


# --- who moves it --------------------------------------------------------------------------------------------------


def test_a_strip_can_be_dragged_and_only_the_end_is_reported(show: Open) -> None:
    page = show(two())
    place = box(page.locator(".strip").first)
    y = place["y"] + 10
    page.mouse.move(place["x"] + place["width"] / 2, y)
    page.mouse.down()
    expect(page.locator(".scrub-value")).to_have_text("300")
    page.mouse.move(place["x"] + place["width"] / 3, y + 60)
    expect(page.locator(".scrub-value")).to_have_text("200")
    page.mouse.move(place["x"] - 50, y)
    expect(page.locator(".scrub-value")).to_have_text("0")
    assert page.evaluate("sent") == []
    page.mouse.up()
    assert page.evaluate("sent") == [["scrub", 0]]
    page.keyboard.press("ArrowRight")
    expect(page.locator(".scrub-value")).to_have_text("20")


def test_it_follows_a_scrubber_elsewhere_and_leads_others(show: Open) -> None:
    lines = [Line("loss", np.arange(6.0).reshape(N, 2))]
    chart = curves([1, 2], lines, x_axis=Axis("x"), y_axis=Axis("y"), follow="step", alt="")
    follows = plane(scrub=None, follow="step", index=1)
    alone = plane(scrub=None, follow="other", index=1)
    page = show(plane(), chart, follows, alone)
    before = page.locator("#host1 .series").get_attribute("d")
    expect(page.locator("#host2 .amount").nth(1)).to_have_text("75 %")
    assert page.locator("#host2 input").count() == 0
    go(page, 2)
    expect(page.locator("#host2 .amount").first).to_have_text("100 %")
    expect(page.locator("#host1 .series")).not_to_have_attribute("d", before or "")
    expect(page.locator("#host3 .amount").first).to_have_text("0 %")
    assert page.evaluate("sent") == [["scrub", 2]]


def test_new_data_moves_the_frame_but_not_back(show: Open) -> None:
    page = show(plane())
    go(page, 2)
    page.evaluate("mount({ ...component.data, alt: 'again' })")
    expect(page.locator(".scrub-value")).to_have_text("50")
    expect(page.locator(".amount").first).to_have_text("100 %")
    page.evaluate("mount({ ...component.data, alt: 'news', scrub: { ...component.data.scrub, index: 0 } })")
    expect(page.locator(".scrub-value")).to_have_text("0")
    expect(page.locator(".amount").first).to_have_text("10 %")


def test_who_follows_is_not_pulled_back_by_the_servers_answers(show: Open) -> None:
    page = show(plane(scrub=None, follow="step", index=1))
    amount = page.locator(".amount").first
    expect(amount).to_have_text("0 %")
    for index in (2, 0):
        detail = f"{{ detail: {{ field: 'step', index: {index} }} }}"
        page.evaluate(f"window.dispatchEvent(new CustomEvent('atlas-scrub', {detail}))")
    expect(amount).to_have_text("10 %")
    page.evaluate("mount({ ...component.data, alt: 'again' })")
    expect(amount).to_have_text("10 %")
    page.evaluate("mount({ ...component.data, index: 2 })")
    expect(amount).to_have_text("10 %")
    page.evaluate("mount({ ...component.data, index: 0 })")
    expect(amount).to_have_text("10 %")
    page.evaluate("mount({ ...component.data, index: 2 })")
    expect(amount).to_have_text("100 %")


def test_two_runs_become_one_and_the_focus_stays(show: Open) -> None:
    page = show(plane(run("a"), run("b")))
    slider = page.get_by_role("slider", name="training step", exact=True)
    slider.focus()
    row = page.locator(".row").nth(2)
    page.evaluate("mount({ ...component.data, alt: 'again' })")
    expect(slider).to_be_focused()
    row.focus()
    page.evaluate("mount({ ...component.data, runs: component.data.runs.slice(0, 1) })")
    expect(page.locator(".panel")).to_have_count(1)
    expect(page.locator(".strip")).to_have_count(1)
    page.evaluate("mount({ ...component.data })")
    expect(page.locator(".panel")).to_have_count(2)


def test_scrubbing(show: Open, record_property: Callable[[str, object], None]) -> None:
    """Two runs of 56 x 56 cells and 240 points, another of 31 frames with every movement; the rate is only reported."""
    page = show(two())
    values = [(7 * i % 31) / 30 for i in range(128)]
    assert (
        scrub(page, page.get_by_role("slider", name="training step", exact=True), values, "two runs", record_property)
        > 16
    )


# --- everywhere ----------------------------------------------------------------------------------------------------


def views() -> dict[str, View]:
    long = "a very long name of a run that says much more than any name should ever have to say 很长的名字"
    notes = [long] * N
    odd = [run(long, notes=notes, limit=0.3), run("<script>", notes=notes, limit=0.4)]
    rest = {"points": np.zeros((0, 2)), "group": None}
    single = {"owner": OWNER[:1], "load": LOAD[:1], "chosen": None, "dropped": None}
    return {
        "two": two(),
        "small": plane(),
        "odd": plane(*odd, groups=[long] * 5, experts=["<b>", "猫猫猫", "MMM", ""]),
        "many": two(n=11, e=16, per=10, limit=1.5 / 16),
        "still": plane(run(**single), scrub=None, **rest),
        "flat": plane(x=(-300, 11)),
        "tall": plane(run("a"), run("b"), y=(0, 300)),
    }


@pytest.mark.parametrize(("width", "theme"), [(390, "dark"), (1400, "light"), (760, "light")])
def test_nothing_overflows_and_everyone_can_use_it(show: Open, width: int, theme: str) -> None:
    shown = views()
    page = show(*shown.values(), width=width, lang="zh")
    page.evaluate("(theme) => { document.body.className = theme }", theme)
    for name, host in hosts(page, shown):
        expect(host.locator(".map canvas").first, name).to_be_visible()
        wide = host.evaluate("""(host) => [...host.shadowRoot.querySelectorAll(".kit *")]
          .filter((e) => !e.closest(".spoken, .theme-probe") && e.getBoundingClientRect().right > innerWidth)
          .map((e) => e.className.baseVal ?? e.className)""")
        assert not wide, name
        frame = box(host.locator(".regions"))
        if width > 1000:
            assert frame["height"] == shown[name].height, name
        for part in host.locator(".panels, .strips, .map, .loads, .scrubber, .here").all():
            if part.is_visible():
                place = box(part)
                end = frame["y"] + frame["height"] + 1
                assert place["y"] + place["height"] <= end, (name, part.get_attribute("class"))
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    found = faults(page, shown)
    assert not found, json.dumps(found, indent=1, ensure_ascii=False)[:3000]


@pytest.mark.parametrize("width", [390, 1100])
def test_nothing_moves_when_the_picture_changes(show: Open, width: int) -> None:
    page = show(plane(run("a", notes=["", "loss 2 " * 30, "loss 1"], limit=0.3), run("b")), width=width)
    parts = ".map, .loads, .strips, .scrubber, .row"
    before = [box(one) for one in page.locator(parts).all()]
    for frame in (0, 2):
        go(page, frame)
        assert [box(one) for one in page.locator(parts).all()] == before
    point_at(page, 3, 3)
    assert [box(one) for one in page.locator(parts).all()] == before


def test_the_download_shows_what_the_screen_shows(show: Open, tmp_path: Path) -> None:
    page = show(plane(run("first"), run("second", owner=(OWNER + 1) % E)))
    page.evaluate("document.body.className = 'light'")
    files = {}
    for kind in ("SVG", "PNG", "CSV"):
        with page.expect_download() as coming:
            page.get_by_role("button", name=f"Download as {kind}").click()
        assert coming.value.suggested_filename == f"regions-20.{kind.lower()}"
        coming.value.save_as(tmp_path / kind)
        files[kind] = (tmp_path / kind).read_bytes()
    drawing = ET.fromstring(files["SVG"])
    width, height = (float(drawing.get(side, "0")) for side in ("width", "height"))
    words = [text.text for text in drawing.iter(f"{SPACE}text")]
    assert {"first", "second", "75 %", "even share 25 %", "20"} <= set(words)
    for text in drawing.iter(f"{SPACE}text"):
        moved = re.findall(r"[\d.]+", text.get("transform", "")) or [0, 0]
        assert 0 <= float(text.get("x", "-1")) + float(moved[0]) <= width
        assert 0 <= float(text.get("y", "-1")) + float(moved[-1]) <= height
    fills = [path.get("fill") for path in drawing.iter(f"{SPACE}path")]
    for e in range(E):
        assert fills.count(f"rgb({','.join(str(int(c + 0.5)) for c in blend(e, 0.42, False))})") == 2, (
            "once for each map"
        )
    red = [path for path in drawing.iter(f"{SPACE}path") if (path.get("stroke") or "").upper() == "#D1495B"]
    crosses = [path for path in red if len(re.findall("M", path.get("d") or "")) == 4]
    assert len(crosses) == 2, "two lost points in each map, two strokes each"
    size = [int.from_bytes(files["PNG"][at : at + 4], "big") for at in (16, 20)]
    assert files["PNG"].startswith(b"\x89PNG") and size == [2 * width, 2 * height]
    lines = list(csv.reader(io.StringIO(files["CSV"].decode("utf-8-sig"))))
    assert lines[0] == ["run", "training step", "expert 1", "expert 2", "expert 3", "expert 4"]
    assert lines[2] == ["first", "20", "0", "0.75", "0.2", "0.05"] and len(lines) == 1 + 2 * N + 1 + 1 + 1 + len(AT)
    assert lines[8] == ["training step", "20"]
    assert lines[-2] == ["0", "1", "4", "2", "2", "1", "1"] and lines[-1] == ["10", "3", "5", "3", "3", "0", "0"]
