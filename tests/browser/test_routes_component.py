"""The routes in Chromium. What is painted is read from the exported drawing, made by the same code."""

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
from tests.unit.test_components import _contrast
from viz import palette
from viz.components.kit import Scrub
from viz.components.routes import paths, routes
from viz.view import View

SPACE = "{http://www.w3.org/2000/svg}"
EXPERT = palette.experts()
RED = palette.palette()["verdict"]["red"]
WORDS = ["The", " old", " cat", ",", " the", " cat", "\n", " sat", " on", " it"]


def gated(n: int = 3, t: int = 10, e: int = 5, k: int = 2, limit: int | None = None, seed: int = 2) -> dict[str, Any]:
    """Softmax, the best k, renormalised; with a limit, who comes first is served first."""
    rng = np.random.default_rng(seed)
    logit = rng.normal(size=(n, t, e)) * 1.5
    probability = np.exp(logit) / np.exp(logit).sum(-1, keepdims=True)
    chosen = (-probability).argsort(-1).argsort(-1) < k
    weight = np.where(chosen, probability, 0)
    weight /= weight.sum(-1, keepdims=True)
    kept = chosen if limit is None else chosen & (chosen.cumsum(1) <= limit)
    numbers = {"logit": logit, "probability": probability, "weight": np.where(kept, weight, 0)}
    return numbers | {"chosen": chosen, "kept": kept, "limit": None if limit is None else [limit] * n}


def small(index: int = 0, *, n: int = 3, t: int = 10, e: int = 5, k: int = 2, **other: Any) -> View:
    numbers = gated(n, t, e, k, other.pop("limit", None), other.pop("seed", 2))
    arguments: dict[str, Any] = {
        "tokens": [WORDS[i % len(WORDS)] for i in range(t)],
        "experts": [str(i + 1) for i in range(e)],
        **numbers,
        "scrub": Scrub("layer", "layer", range(1, n + 1), index) if n > 1 else None,
        "index": index,
        "alt": "some routes",
    }
    return routes(**arguments | other)


def six() -> View:
    """Six tokens, three experts, room for two each: experts 1 1 1 2 2 3, so that the third token is dropped."""
    choice = np.array([0, 0, 0, 1, 1, 2])
    chosen = np.eye(3, dtype=bool)[choice][None]
    kept = chosen & (chosen.cumsum(1) <= 2)
    probability = np.where(chosen, 0.6, 0.2)
    return routes(
        [" a", " b", " c", " d", " e", " f"],
        ["1", "2", "3"],
        np.log(probability),
        probability,
        np.where(kept, probability, 0),
        chosen,
        kept,
        limit=[2],
        alt="six tokens, three experts",
    )


def walk(n: int = 4, t: int = 10, e: int = 5, limit: int | None = None, **other: Any) -> View:
    numbers = gated(n, t, e, 2, limit)
    arguments: dict[str, Any] = {
        "tokens": [WORDS[i % len(WORDS)] for i in range(t)],
        "experts": [str(i + 1) for i in range(e)],
        **{name: numbers[name] for name in ("chosen", "weight", "kept")},
        "layers": [str(i + 1) for i in range(n)],
        "alt": "some paths",
    }
    return paths(**arguments | other)


def token(page: Page, i: int) -> Locator:
    return page.get_by_role("option").nth(i)


def bin_of(page: Page, e: int) -> Locator:
    return page.get_by_role("button", name=re.compile(f"^expert {e + 1}:"))


def box_of(found: Locator) -> Any:
    return found.bounding_box()


def slider(page: Page) -> Locator:
    return page.get_by_role("slider", name="layer")


def drawing(page: Page, tmp_path: Path) -> ET.Element:
    with page.expect_download() as coming:
        page.get_by_role("button", name="Download as SVG").click()
    coming.value.save_as(tmp_path / "drawing")
    return ET.fromstring((tmp_path / "drawing").read_bytes())


def texts(root: ET.Element) -> list[tuple[str, float, float]]:
    return [(e.text or "", float(e.get("x", "0")), float(e.get("y", "0"))) for e in root.iter(f"{SPACE}text")]


def strokes(root: ET.Element, colour: str) -> list[tuple[float, float, np.ndarray]]:
    """Width, opacity and the numbers of every curved line of a colour, moved to where it is."""
    found = []
    for path in root.iter(f"{SPACE}path"):
        if path.get("stroke") == colour and "C" in path.get("d", ""):
            moved = [float(x) for x in re.findall(r"-?[\d.]+", path.get("transform", "0 0"))]
            first = np.array(re.findall(r"-?[\d.]+", path.get("d", ""))[:2], float) + moved
            found.append((float(path.get("stroke-width", "1")), float(path.get("opacity", "1")), first))
    return found


def origin(page: Page, root: ET.Element) -> tuple[float, float]:
    """From a place on the page to the same in the drawing, which has a margin of 16."""
    box = box_of(page.locator(".kit"))
    return 16 - box["x"], 16 - box["y"]


# --- what is drawn ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [None, 3])
def test_every_token_lies_in_its_experts_bins(show: Open, tmp_path: Path, limit: int | None) -> None:
    """Read from below, each bin holds its tokens in the order of the text; above them those who found no room."""
    names = [f"w{i}" for i in range(10)]
    page = show(small(1, tokens=names, limit=limit))
    numbers = gated(limit=limit)
    root = drawing(page, tmp_path)
    dx, dy = origin(page, root)
    boxes = [box_of(bin_of(page, e)) for e in range(5)]
    floor = boxes[0]["y"] + dy
    words = [(word, x, y) for word, x, y in texts(root) if re.fullmatch(r"w\d", word)]
    lowest_chip = max(b["y"] + b["height"] for b in (box_of(token(page, i)) for i in range(10))) + dy
    seen = [one for one in words if lowest_chip < one[2] < floor]
    assert len(words) == 10 + len(seen), "the text itself, and a cell for every assignment"
    for e, box in enumerate(boxes):
        inside = [one for one in seen if box["x"] + dx <= one[1] <= box["x"] + box["width"] + dx]
        order = [word for word, x, _ in sorted(inside, key=lambda one: (-round(one[2]), one[1]))]
        kept = np.flatnonzero(numbers["kept"][1, :, e])
        turned = np.flatnonzero(numbers["chosen"][1, :, e] & ~numbers["kept"][1, :, e])
        assert order == [names[i] for i in (*kept, *turned)]


@pytest.mark.parametrize("at", [0, 6, 9])
def test_a_ribbon_is_as_wide_as_the_weight(show: Open, tmp_path: Path, at: int) -> None:
    """Two ribbons to the experts and two back, 22 pixels for the weight 1; each starts below its token."""
    page = show(small(2))
    token(page, at).click()
    root = drawing(page, tmp_path)
    dx, dy = origin(page, root)
    box = box_of(token(page, at))
    weight = gated()["weight"][2, at]
    for e in range(5):
        strong = [one for one in strokes(root, EXPERT[e]) if one[1] > 0.9]
        assert len(strong) == (2 if weight[e] else 0)
        for wide, _, _ in strong:
            assert wide == pytest.approx(max(1.5, 22 * weight[e]), abs=0.05)
        if strong:
            x, y = strong[0][2]
            assert box["x"] + dx <= x <= box["x"] + dx + box["width"]
            assert y == pytest.approx(box["y"] + dy + box["height"], abs=4)


def test_the_strip_of_a_token_is_shared_out_by_weight(show: Open, tmp_path: Path) -> None:
    page = show(small(1, tokens=["x" * 12 for _ in range(10)]))
    root = drawing(page, tmp_path)
    dx, dy = origin(page, root)
    weight = gated()["weight"][1]
    for i in range(10):
        box = box_of(token(page, i))
        left, top = box["x"] + dx, box["y"] + dy
        for e in range(5):
            widths = [
                float(r.get("width", "0"))
                for r in root.iter(f"{SPACE}rect")
                if r.get("fill") == EXPERT[e]
                and left <= float(r.get("x", "0")) <= left + box["width"]
                and top <= float(r.get("y", "0")) <= top + box["height"]
            ]
            assert len(widths) == (weight[i, e] > 0)
            if widths:
                assert widths[0] == pytest.approx(weight[i, e] * (box["width"] - 6) - 1, abs=0.6)


def test_exactly_one_of_six_is_dropped(show: Open, tmp_path: Path) -> None:
    """The worked example: a red path past the experts, a red place in the text after the layer."""
    page = show(six())
    root = drawing(page, tmp_path)
    lost = strokes(root, RED)
    assert len(lost) == 1
    dx, _ = origin(page, root)
    box = box_of(token(page, 2))
    assert lost[0][2][0] == pytest.approx(box["x"] + box["width"] / 2 + dx, abs=0.2)
    assert "dropped: 1" in [word for word, _, _ in texts(root)]
    assert len([r for r in root.iter(f"{SPACE}rect") if r.get("fill") == RED]) == 2, "in its strip, and after the layer"
    expect(token(page, 2)).to_have_accessible_name("token 3: ·c. turned away by expert 1, no expert: residual only")
    expect(token(page, 1)).to_have_accessible_name("token 2: ·b. expert 1 with weight 0.600")
    expect(bin_of(page, 0)).to_have_accessible_name("expert 1: 2 tokens, 50 % of the assignments (1 turned away)")
    token(page, 2).hover()
    expect(page.locator(".panel")).to_contain_text("no expert: residual only")
    expect(page.locator(".panel .full")).to_have_text("full")


def test_tokens_that_no_expert_takes(show: Open, tmp_path: Path) -> None:
    """Where experts choose, a token may be taken by none, and another by all."""
    numbers = gated(1, 4, 3, 1)
    chosen = np.array([[[1, 1, 1], [0, 0, 0], [1, 0, 0], [0, 1, 1]]], bool)
    numbers |= {"chosen": chosen, "kept": chosen, "weight": np.where(chosen, 0.25, 0)}
    page = show(small(0, n=1, t=4, e=3, **numbers))
    assert len(strokes(drawing(page, tmp_path), RED)) == 1
    expect(token(page, 1)).to_have_accessible_name("token 2: ·old. no expert: residual only")
    token(page, 0).hover()
    expect(page.locator(".panel")).to_contain_text("weights sum to 0.750")


# --- the panel ----------------------------------------------------------------------------------------------------


def three(x: float) -> str:
    x = float(np.float32(x))
    if x == 0:
        return "0"
    digits = f"{x:#.3g}" if abs(x) >= 1e-3 else "e"
    return digits.replace("-", "−")


def test_the_panel_shows_the_numbers_of_the_token_under_the_pointer(show: Open) -> None:
    numbers = gated()
    page = show(small(1))
    for i in (7, 0):
        token(page, i).hover()
        expect(page.locator(".place")).to_have_text(f"token {i + 1} of 10")
        logit, probability, weight = (numbers[name][1, i] for name in ("logit", "probability", "weight"))
        rank = {e: str(place + 1) for place, e in enumerate(np.argsort(-weight)[:2])}
        rows = []
        for e in range(5):
            last = three(weight[e]) if weight[e] else ""
            rows += [str(e + 1), three(logit[e]), three(probability[e]), rank.get(e, ""), last]
        cells = page.locator(".bars > *").all_inner_texts()[5:]
        assert cells == rows
    expect(page.locator(".panel")).to_contain_text("weights sum to 1.000")
    page.mouse.move(5, 5)
    expect(page.locator(".panel")).to_contain_text("Load per expert")
    load = numbers["chosen"][1].sum(0) / 20
    written = [float(x.rstrip(" %")) for x in page.locator(".of-load .bar").all_inner_texts()]
    np.testing.assert_allclose(written, 100 * load, atol=0.06)


def test_a_score_gets_its_own_column(show: Open) -> None:
    """Sigmoid plus a bias that makes some negative; the names of the columns are the page's."""
    score = gated()["probability"] - 0.2
    page = show(small(0, score=score, stages=["logit", "sigmoid", "with bias", "gate"], token=3))
    heads = page.locator(".column").all_inner_texts()
    assert heads == ["logit", "→ sigmoid", "→ with bias", "→ gate"]
    assert page.locator(".bars > *").all_inner_texts()[6:][3] == three(score[0, 3, 0])


def test_of_many_experts_the_chosen_are_shown(show: Open) -> None:
    page = show(small(0, e=64, k=6, token=1, height=480))
    wanted = [str(e + 1) for e in np.flatnonzero(gated(e=64, k=6)["chosen"][0, 1])]
    assert page.locator(".badge.on").all_inner_texts()[:6] == wanted
    shown = page.locator(".bars .badge").count()
    expect(page.locator(".panel")).to_contain_text(f"{64 - shown} more experts")


# --- who moves it -------------------------------------------------------------------------------------------------


def test_a_click_pins_and_lets_go(show: Open) -> None:
    page = show(small())
    token(page, 4).click()
    expect(page.get_by_role("option", selected=True)).to_have_count(1)
    token(page, 6).hover()
    expect(page.locator(".place")).to_have_text("token 7 of 10")
    page.mouse.move(5, 5)
    expect(page.locator(".place")).to_have_text("token 5 of 10")
    token(page, 4).click()
    page.mouse.move(5, 5)
    expect(page.get_by_role("option", selected=True)).to_have_count(0)
    page.wait_for_function("sent.length === 2")
    assert page.evaluate("sent") == [["token", 4], ["token", None]]


def test_the_keyboard_reaches_tokens_and_experts(show: Open) -> None:
    page = show(small())
    page.locator("[role=option][tabindex='0']").focus()
    page.keyboard.press("ArrowRight")
    expect(token(page, 1)).to_be_focused()
    expect(page.locator(".place")).to_have_text("token 2 of 10")
    page.keyboard.press("End")
    expect(token(page, 9)).to_be_focused()
    page.keyboard.press("ArrowUp")
    above = "[...host.shadowRoot.querySelectorAll('[role=option]')].indexOf(host.shadowRoot.activeElement)"
    assert page.evaluate(above) < 7
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    expect(token(page, 0)).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Escape")
    expect(page.get_by_role("option", selected=True)).to_have_count(0)
    expect(page.locator("[role=option][tabindex='0']")).to_have_count(1)
    page.keyboard.press("Tab")
    expect(bin_of(page, 0)).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(bin_of(page, 1)).to_be_focused()
    count = int(gated()["kept"][0, :, 1].sum())
    expect(page.locator(".spoken")).to_contain_text(f"expert 2: {count} tokens")


def test_an_expert_lights_its_tokens(show: Open, tmp_path: Path) -> None:
    page = show(small(2))
    bin_of(page, 3).hover()
    root = drawing_kept(page, tmp_path)
    strong = [one for one in strokes(root, EXPERT[3]) if one[1] == 0.75]
    assert len(strong) == 2 * gated()["kept"][2, :, 3].sum(), "in and out"


def drawing_kept(page: Page, tmp_path: Path) -> ET.Element:
    """The drawing without moving the pointer away."""
    with page.expect_download() as coming:
        page.evaluate("[...host.shadowRoot.querySelectorAll('.toolbar button')][0].click()")
    coming.value.save_as(tmp_path / "drawing")
    return ET.fromstring((tmp_path / "drawing").read_bytes())


def test_dragging_plays_frames_and_reports_once(show: Open) -> None:
    page = show(small(0, token=3))
    box = box_of(slider(page))
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 8, y)
    page.mouse.down()
    numbers = gated()
    for frame, share in ((1, 0.5), (2, 1.0)):
        page.mouse.move(box["x"] + 8 + share * (box["width"] - 16), y)
        best = int(np.argmax(numbers["weight"][frame, 3]))
        expect(page.locator(".term").first).to_contain_text(three(numbers["weight"][frame, 3, best]))
    assert page.evaluate("sent") == []
    page.mouse.up()
    page.wait_for_function("sent.length === 1")
    assert page.evaluate("sent") == [["scrub", 2]]


def test_it_follows_another_scrubber(show: Open) -> None:
    page = show(small(0, token=3, name="one"), small(1, token=3, scrub=None, follow="layer"))
    second = page.locator("#host1 .term").first
    numbers = gated()
    expect(second).to_contain_text(three(numbers["weight"][1, 3].max()))
    slider(page).press("End")
    expect(second).to_contain_text(three(numbers["weight"][2, 3].max()))


def test_an_echo_from_the_server_moves_nothing(show: Open) -> None:
    page = show(small())
    token(page, 2).click()
    token(page, 5).click()
    page.evaluate("mount({ ...component.data, token: 2 })")
    expect(token(page, 5)).to_have_attribute("aria-selected", "true")
    page.evaluate("mount({ ...component.data, token: 5 })")
    page.evaluate("mount({ ...component.data, token: 8 })")
    expect(token(page, 8)).to_have_attribute("aria-selected", "true")


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_tokens_land_where_they_belong(show: Open, tmp_path: Path, motion: Any) -> None:
    """After the flight the picture is the same as without it; who wants no motion sees none."""
    page = show(small(0))
    page.emulate_media(reduced_motion=motion)
    page.evaluate("""() => { window.frames = 0; const own = requestAnimationFrame;
      window.requestAnimationFrame = (f) => own((t) => { frames += 1; f(t); }); }""")
    slider(page).press("End")
    still = show(small(2))
    picture = "[...host.shadowRoot.querySelectorAll('canvas')].map((one) => one.toDataURL()).join()"
    page.wait_for_function(f"(wanted) => {picture} === wanted", arg=still.evaluate(picture))
    if motion == "reduce":
        assert page.evaluate("frames") <= 2


def test_new_data_keeps_the_pinned_token_if_it_is_still_there(show: Open) -> None:
    page = show(small())
    token(page, 7).click()
    page.evaluate("mount({ ...component.data, alt: 'again' })")
    expect(token(page, 7)).to_have_attribute("aria-selected", "true")
    page.evaluate("(data) => mount({ ...component.data, ...data })", small(t=5, e=3).data)
    expect(page.get_by_role("option")).to_have_count(5)
    expect(page.get_by_role("option", selected=True)).to_have_count(0)
    expect(page.get_by_role("button", name=re.compile("^expert"))).to_have_count(3)


# --- paths over the layers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [None, 3])
def test_a_line_runs_through_the_first_expert_of_every_layer(show: Open, tmp_path: Path, limit: int | None) -> None:
    page = show(walk(limit=limit))
    numbers = gated(4, limit=limit)
    first = np.where(numbers["kept"].any(-1), numbers["weight"].argmax(-1), 5)
    rows = 6 if (first == 5).any() or (numbers["kept"] != numbers["chosen"]).any() else 5
    nodes = page.locator("button.handle")
    expect(nodes).to_have_count(4 * rows)
    for layer, e in itertools.product(range(4), range(rows)):
        name = f"expert {e + 1}" if e < 5 else "no expert: residual only"
        count = int((first[layer] == e).sum())
        expect(nodes.nth(layer * rows + e)).to_have_accessible_name(f"layer {layer + 1}, {name}: {count} tokens")
    where = [f"expert {e + 1}" if e < 5 else "no expert: residual only" for e in first[:, 4]]
    steps = "; ".join(f"layer {i + 1}: {name}" for i, name in enumerate(where))
    expect(token(page, 4)).to_have_accessible_name(f"token 5: ·the. {steps}")
    token(page, 4).click()
    root = drawing(page, tmp_path)
    dx, dy = origin(page, root)
    for layer in range(3):
        e = first[layer, 4]
        strong = [one for one in strokes(root, EXPERT[e] if e < 5 else RED) if one[1] == 0.9]
        box = box_of(nodes.nth(layer * rows + e))
        starts = [one[2] for one in strong]
        assert any(
            box["x"] + dx <= x <= box["x"] + box["width"] + dx and box["y"] + dy <= y <= box["y"] + box["height"] + dy
            for x, y in starts
        )
    strips = page.locator(".strip, .full")
    expect(strips).to_have_count(4)


def test_a_node_lights_its_lines(show: Open, tmp_path: Path) -> None:
    page = show(walk())
    first = gated(4)["weight"].argmax(-1)
    e = int(np.bincount(first[1]).argmax())
    page.locator("button.handle").nth(5 + e).hover()
    root = drawing_kept(page, tmp_path)
    strong = [one for colour in EXPERT[:5] for one in strokes(root, colour) if one[1] == 0.9]
    assert len(strong) == 3 * (first[1] == e).sum()


def test_a_line_can_be_pointed_at(show: Open) -> None:
    page = show(walk())
    first = gated(4)["weight"].argmax(-1)
    nodes = [box_of(page.locator("button.handle").nth(5 * layer + int(first[layer, 0]))) for layer in (0, 1)]
    x = nodes[0]["x"] + nodes[0]["width"] + 4
    seen = set()
    for step in range(int(nodes[0]["height"])):
        page.mouse.move(x, nodes[0]["y"] + step)
        seen.update(page.locator(".place").all_inner_texts())
    assert {f"token {i + 1} of 10" for i in np.flatnonzero(first[0] == first[0, 0])} <= seen


# --- everywhere ---------------------------------------------------------------------------------------------------


def views() -> dict[str, View]:
    long = "a very long sentence about experts and how they are chosen that no column can hold"
    words = dict.fromkeys(("hint", "out", "key_strip", "weight"), long)
    odd = ["<b>x</b>", "\n", "猫", "\u202eab", "a" * 80, "", "\x00", "    ", "é" * 9, " "]
    return {
        "small": small(token=3),
        "dropped": small(limit=3),
        "six": six(),
        "one": small(n=1, t=1, e=1, k=1),
        "usual": small(n=4, t=60, e=8, token=20),
        "fine": small(n=4, t=60, e=16, k=4, shared=["shared"], token=7),
        "full": small(n=2, t=128, e=64, k=6, token=100),
        "dense": small(n=2, t=128, e=8, k=8, limit=90),
        "odd": small(tokens=odd, token=4, limit=3, shared=[long], words=words),
        "long": small(t=128, tokens=["internationalisation" for _ in range(128)], limit=40),
        "names": small(experts=["dense", "left", "right", "a long name", "e5"], token=1),
        "paths": walk(),
        "paths dropped": walk(n=6, t=60, e=8, limit=9, token=3),
        "paths full": walk(n=64, t=128, e=64),
        "paths one": walk(n=1, t=1, e=2),
    }


@pytest.mark.parametrize(("width", "theme"), [(390, "dark"), (760, "light"), (1400, "dark")])
def test_nothing_overflows_and_everyone_can_use_it(show: Open, width: int, theme: str) -> None:
    shown = views()
    page = show(*shown.values(), width=width, lang="zh")
    page.evaluate("(theme) => { document.body.className = theme }", theme)
    ink = "rgb(26, 29, 33)" if theme == "light" else "rgb(232, 234, 237)"
    for name, host in hosts(page, shown):
        expect(host.locator(".kit"), name).to_have_css("color", ink)
        wide = host.evaluate("""(host) => [...host.shadowRoot.querySelectorAll(".kit *")]
          .filter((e) => !e.closest(".spoken, .theme-probe") && e.getBoundingClientRect().right > innerWidth + 0.5)
          .map((e) => e.className)""")
        assert not wide, name
        low = host.evaluate("""(host) => { const end = host.getBoundingClientRect().bottom;
          return [...host.shadowRoot.querySelectorAll(".kit *:not(.spoken)")]
            .filter((e) => !e.closest(".panel") && e.getBoundingClientRect().bottom > end + 1)
            .map((e) => e.className) }""")
        assert not low, name
        if width > 700 and name not in ("long", "full", "dense"):
            height = host.locator(".routes").evaluate("(e) => e.getBoundingClientRect().height")
            assert height == shown[name].height, name
        clipped = host.locator(".panel").evaluate("(e) => e.scrollHeight - e.clientHeight")
        assert name == "odd" or clipped <= 1, name
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    found = faults(page, shown)
    assert not found, json.dumps(found, indent=1, ensure_ascii=False)[:3000]


@pytest.mark.parametrize("width", [390, 1100])
def test_tokens_and_bins_do_not_overlap(show: Open, width: int) -> None:
    shown = {name: views()[name] for name in ("usual", "fine", "full", "long", "odd")}
    page = show(*shown.values(), width=width)
    for name, host in hosts(page, shown):
        boxes = host.evaluate("""(host) => [...host.shadowRoot.querySelectorAll(".handle")].map((e) => {
          const { left, top, right, bottom } = e.getBoundingClientRect(); return [left, top, right, bottom] })""")
        place = box_of(host.locator(".flow"))
        assert boxes, name
        for i, a in enumerate(boxes):
            assert a[0] >= place["x"] - 3 and a[2] <= place["x"] + place["width"] + 3, name
            for b in boxes[:i]:
                apart = min(a[2], b[2]) - max(a[0], b[0]) <= 4.1 or min(a[3], b[3]) - max(a[1], b[1]) <= 0.1
                assert apart, (name, a, b)


def test_what_is_typed_stays_text(show: Open, tmp_path: Path) -> None:
    page = show(views()["odd"])
    expect(token(page, 0)).to_have_accessible_name(re.compile(re.escape("token 1: <b>x</b>.")))
    assert any("<b>x" in word for word, _, _ in texts(drawing(page, tmp_path)))
    token(page, 0).hover()
    expect(page.locator(".panel-title .label")).to_have_text("<b>x</b>")


def test_the_theme_switches_without_the_server(show: Open) -> None:
    page = show(small())
    pictures = "[...host.shadowRoot.querySelectorAll('canvas')].map((one) => one.toDataURL())"
    before = page.evaluate(pictures)
    page.evaluate("document.body.className = 'dark'")
    page.wait_for_function(f"(before) => {pictures}.every((one, i) => one !== before[i])", arg=before)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_numbers_on_colours_can_be_read(show: Open, tmp_path: Path, theme: str) -> None:
    """Every expert's number, in its badge: at least 4.5 to 1."""
    page = show(small(t=40, e=8))
    page.evaluate("(theme) => { document.body.className = theme }", theme)
    expect(page.locator(".kit")).to_have_css("color", "rgb(26, 29, 33)" if theme == "light" else "rgb(232, 234, 237)")
    root = drawing(page, tmp_path)
    boxes = []
    pairs = set()
    for shape in root.iter():
        x, y, w, h = (float(shape.get(side, "0")) for side in ("x", "y", "width", "height"))
        if shape.tag == f"{SPACE}rect" and shape.get("fill") in palette.experts(theme == "dark"):
            boxes.append((x, y, w, h, shape.get("fill", "")))
        elif shape.tag == f"{SPACE}text" and re.fullmatch(r"\d", shape.text or ""):
            on = [b for b in boxes if b[0] <= x <= b[0] + b[2] and b[1] <= y <= b[1] + b[3]]
            pairs |= {(shape.get("fill", ""), b[4]) for b in on[-1:]}
    assert len({back for _, back in pairs}) == 8
    assert min(_contrast(*pair) for pair in pairs) >= 4.5


def test_dragging_is_alive(show: Open, record_property: Callable[[str, object], None]) -> None:
    """60 tokens, 8 experts, 12 frames; the rate is reported, not asserted."""
    page = show(small(0, n=12, t=60, e=8, token=4))
    values = [(i % 12) / 11 for i in range(60)]
    assert scrub(page, slider(page), values, "60 tokens", record_property) > 10


@pytest.mark.parametrize("mode", ["routes", "paths"])
def test_exports(show: Open, tmp_path: Path, mode: str) -> None:
    view, numbers = (small(1, token=2), gated()) if mode == "routes" else (walk(token=2), gated(4))
    page = show(view)
    files = {}
    for kind in ("SVG", "PNG", "CSV"):
        with page.expect_download() as coming:
            page.get_by_role("button", name=f"Download as {kind}").click()
        assert coming.value.suggested_filename == ("routes-2" if mode == "routes" else "paths") + f".{kind.lower()}"
        coming.value.save_as(tmp_path / kind)
        files[kind] = (tmp_path / kind).read_bytes()
    root = ET.fromstring(files["SVG"])
    assert root.findtext(f"{SPACE}title") == view.alt
    width, height = (float(root.get(side, "0")) for side in ("width", "height"))
    for text in root.iter(f"{SPACE}text"):
        assert 0 <= float(text.get("x", "-1")) <= width and 0 <= float(text.get("y", "-1")) <= height
    assert "token 3 of 10" in [word for word, _, _ in texts(root)]
    size = [int.from_bytes(files["PNG"][at : at + 4], "big") for at in (16, 20)]
    assert files["PNG"].startswith(b"\x89PNG") and size == [2 * width, 2 * height]
    lines = list(csv.reader(io.StringIO(files["CSV"].decode("utf-8-sig"))))
    names = ["logit", "probability", "weight"] if mode == "routes" else ["weight"]
    assert lines[0] == ["layer", "token", "text", "expert", "chosen", "served", *names]
    assert len(lines) == 1 + numbers["weight"].size
    values = np.array([[float(x) for x in line[6:]] for line in lines[1:]])
    for column, name in enumerate(names):
        np.testing.assert_allclose(values[:, column], numbers[name].ravel(), rtol=1e-5, atol=1e-7)
    flags = np.array([[int(x) for x in line[4:6]] for line in lines[1:]])
    np.testing.assert_array_equal(flags, np.stack([numbers["chosen"].ravel(), numbers["kept"].ravel()], -1))
