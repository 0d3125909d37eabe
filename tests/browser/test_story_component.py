"""Merges replayed, the search for the longest match, the lattice: mounted on their own, without Streamlit."""

from __future__ import annotations

import csv
import io
import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open, faults, hosts
from viz.components.story import lattice, replay, search
from viz.view import View

MERGES = [(3, "e", "n", 5.0), (1, "o", "k", 7.0), (1, "ok", "en", 11.0), (0, "t", "oken", 13.0), (1, "s", "!", 17.0)]
MATCHES = [(["unhappily", "unhappil", "un"], 8, True), (["##happily", "##happi"], 3, True), (["##ly"], 1, True)]
EDGES = [
    (0, 1, "a", -2.0, False),
    (1, 2, "b", -2.0, False),
    (2, 3, "c", -2.0, True),
    (0, 2, "ab", -3.0, True),
    (1, 3, "bc", -4.0, False),
]
PATHS = [("best", [3, 2], -5.0), ("second", [0, 1, 2], -6.0), ("third", [0, 4], -6.0)]


def merges(**changes: Any) -> View:
    given = {"start": "tokens!", "merge": MERGES, "token": 0, "rank_name": "merge rank", "alt": "how it is merged"}
    return replay(**(given | changes))


def of_bytes() -> View:
    start = [f"<0x{byte:02X}>" for byte in "人工👩‍🚀".encode()]
    now, steps = list(start), []
    for at in (0, 0, 1, 1, 2, 6):
        steps.append((at, now[at], now[at + 1], float(50_000 + at)))
        now[at : at + 2] = [now[at] + now[at + 1]]
    return replay(start, steps, 1, rank_name="rank", alt="bytes", token_id=49792)


def long_word() -> View:
    word = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbe"
    steps = [(i, word[2 * i], word[2 * i + 1], float(10**5 + i)) for i in range(31)]
    return replay(word, steps, 20, rank_name="rank", alt="a long word")


def big_lattice(n: int = 64, longest: int = 6) -> View:
    word = ("internationalization" * 4)[:n]
    places = [(a, b) for a in range(n) for b in range(a + 1, min(n, a + longest) + 1)]
    edges = [(a, b, word[a:b], -3.0 - (a * 7 + b * 3) % 11, b == a + 1) for a, b in places]
    return lattice(word, edges, 30, alt="many pieces", token_id=3)


def views() -> dict[str, View]:
    unknown = [(["ab☃", "ab"], 2, True), (["##☃"], 1, False)]
    odd = ["<b>", " ", "\n", "\u202e", "\x00", "\uffff", "é", "👩"]
    return {
        "merges": merges(),
        "bytes": of_bytes(),
        "long word": long_word(),
        "one": merges(start=["a"], merge=[]),
        "odd": replay(odd, [(0, "<b>", " ", 1.0), (1, "\n", "\u202e", 2.0)], 0, rank_name="<i>", alt="<b>"),
        "search": search("unhappily", MATCHES, 1, alt="the search", token_id=77),
        "unknown": search("ab☃", unknown, 1, alt="unknown"),
        "long search": search("x" * 64, [(["x" * k for k in range(64, 56, -1)], 60, True)] * 7, 3, alt="x"),
        "lattice": lattice("abc", EDGES, 3, alt="the lattice", paths=PATHS, token_id=5),
        "big lattice": big_lattice(),
    }


def shapes(page: Page, tag: str) -> list[dict[str, Any]]:
    """The drawing's elements of one kind, without what stays above it."""
    return page.evaluate(
        """(tag) => [...host.shadowRoot.querySelectorAll(`.scroller > svg > g ${tag}`)].map((e) =>
          ({ ...Object.fromEntries([...e.attributes].map((a) => [a.name, a.value])), text: e.textContent }))""",
        tag,
    )


def test_the_merges_are_replayed(show: Open) -> None:
    page = show(merges())
    sentence = page.locator(".sentence")
    expect(sentence).to_have_text("step 5 of 5: s + !, merge rank 17")
    page.get_by_role("button", name="One step back").click()
    expect(sentence).to_have_text("step 4 of 5: t + oken, merge rank 13")
    page.get_by_role("slider", name="step").press("Home")
    expect(sentence).to_have_text("before the first merge: 7 pieces")
    page.locator(".scroller").press("ArrowDown")
    expect(sentence).to_have_text("step 1 of 5: e + n, merge rank 5")
    expect(page.get_by_role("slider")).to_have_attribute("aria-valuetext", "1")
    expect(page.locator(".spoken")).to_have_text("step 1 of 5: e + n, merge rank 5")
    page.locator(".scroller").press("End")
    expect(sentence).to_contain_text("step 5 of 5")
    page.get_by_role("button", name="Play").click()
    page.wait_for_function("host.shadowRoot.querySelector('.sentence').textContent.startsWith('step 2 of')")
    expect(sentence).to_contain_text("step 5 of 5", timeout=10_000)
    assert page.evaluate("sent") == []


def test_the_tree_says_what_happens_in_which_row(show: Open) -> None:
    """Each merge stands a row below the one before, over exactly its characters, with its rank; the future is faint."""
    page = show(merges())
    texts = {text["text"]: text for text in shapes(page, "text")}
    rows = [float(texts[name]["y"]) for name in ("en", "ok", "oken")]
    row = rows[1] - rows[0]
    assert rows == sorted(rows) and rows[2] - rows[1] == pytest.approx(row)
    ranks = [float(texts[rank]["y"]) for rank in ("7", "11", "13", "17")]
    assert ranks == sorted(ranks)
    boxes = [one for one in shapes(page, "rect") if float(one["rx"]) > 0]
    leaf = (float(boxes[0]["width"]) + 3) / 2
    first = float(boxes[0]["x"])
    spans = [(round((float(b["x"]) - first) / leaf), round((float(b["width"]) + 3) / leaf)) for b in boxes]
    # en, ok, oken, token, s! from "en" on, counted in leaves; then the two tokens.
    assert spans == [(s - 3, w) for s, w in [(3, 2), (1, 2), (1, 4), (0, 5), (5, 2), (0, 5), (5, 2)]]
    veil = "[...host.shadowRoot.querySelectorAll('.scroller > svg > g path')].at(-4).getBBox().y"
    end = page.evaluate(veil)
    page.locator(".scroller").press("Home")
    assert page.evaluate(veil) == pytest.approx(rows[0] - row / 2, abs=2)
    page.locator(".scroller").press("ArrowDown")
    assert rows[0] < page.evaluate(veil) < rows[1] < end


def test_a_row_can_be_clicked(show: Open) -> None:
    page = show(merges())
    oken = page.locator(".scroller > svg text", has_text="oken").first.bounding_box()
    assert oken
    page.mouse.click(oken["x"] + 5, oken["y"] + 5)
    expect(page.locator(".sentence")).to_have_text("step 3 of 5: ok + en, merge rank 11")


def test_only_the_tokens_part_of_the_tree_is_coloured(show: Open) -> None:
    page = show(merges(token=1, token_id=8))
    fills = [one["fill"] for one in shapes(page, "rect") if float(one.get("rx", 0)) > 0]
    assert len(set(fills[:4])) == 1 and fills[4] == fills[6] != fills[0] == fills[5]


def test_another_word_starts_anew_and_the_same_word_goes_on(show: Open) -> None:
    page = show(merges())
    page.locator(".scroller").press("Home")
    page.evaluate("mount({ ...component.data, height: 340 })")
    expect(page.locator(".sentence")).to_have_text("before the first merge: 7 pieces")
    page.evaluate("mount({ ...component.data, token: 1 })")
    expect(page.locator(".sentence")).to_have_text("step 5 of 5: s + !, merge rank 17")
    expect(page.get_by_role("slider")).to_have_attribute("aria-valuetext", "5")


def test_bytes_stand_under_their_characters(show: Open) -> None:
    page = show(of_bytes())
    head = page.locator(".head text").all_text_contents()
    assert head[:5] == ["人", "工", "👩", "ZWJ", "🚀"] and head[5:9] == ["E4", "BA", "BA", "E5"]
    assert {"E4 BA", "人", "工"} <= {text["text"] for text in shapes(page, "text")}
    page.locator(".scroller").press("Home")
    page.locator(".scroller").press("ArrowRight")
    expect(page.locator(".sentence")).to_have_text("step 1 of 6: E4 + BA, rank 50000")


def test_the_search(show: Open) -> None:
    page = show(search("unhappily", MATCHES, 1, alt="the search"))
    sentence = page.locator(".sentence")
    expect(sentence).to_have_text(
        "token 2 of 3: ##happi is the longest piece in the vocabulary that fits here (3 tried)"
    )
    texts = [text["text"] for text in shapes(page, "text")]
    assert texts == [
        *("unhappily", "unhappil", "… 5 more", "un", "8 tried"),
        *("##happily", "… 1 more", "##happi", "3 tried"),
        *("##ly", "1 tried"),
    ]
    struck = [path for path in shapes(page, "path") if "h" in path["d"] and path["fill"] == "none"]
    assert len(struck) == 3, "what was tried in vain is struck out, what was found and what was left out is not"
    page.locator(".scroller").press("ArrowLeft")
    expect(sentence).to_contain_text("token 1 of 3: un is")
    page.locator(".scroller > svg text", has_text="##ly").click(force=True)
    expect(sentence).to_contain_text("token 3 of 3: ##ly is")


def test_an_unknown_word_says_so(show: Open) -> None:
    page = show(views()["unknown"])
    expect(page.locator(".sentence")).to_have_text(
        "nothing that begins with ##☃ is in the vocabulary (1 tried): the whole word ab☃ becomes the unknown token"
    )
    assert "nothing fits" in [text["text"] for text in shapes(page, "text")]
    struck = [path for path in shapes(page, "path") if "h" in path["d"] and path["fill"] == "none"]
    assert len(struck) == 2, "ab☃ and ##☃, not ab"
    page.locator(".scroller").press("ArrowLeft")
    expect(page.locator(".sentence")).to_contain_text("but a later part fits none")


def test_the_lattice_and_its_paths(show: Open) -> None:
    """e⁻⁵ + 2 e⁻⁶ is what all three segmentations have: the best holds 57.6 % of it."""
    page = show(views()["lattice"])
    sentence = page.locator(".sentence")
    expect(sentence).to_have_text(
        "log-probability −5, 57.6 % of the probability of all segmentations: ab (−3) + c (−2)"
    )
    expect(page.locator(".segments button")).to_have_text(["best58 %", "second21 %", "third21 %"])
    page.get_by_role("button", name="third").click()
    expect(page.get_by_role("button", name="third")).to_have_attribute("aria-pressed", "true")
    expect(sentence).to_have_text(
        "log-probability −6, 21.2 % of the probability of all segmentations: a (−2) + bc (−4)"
    )
    bold = [text["text"] for text in shapes(page, "text") if text["font-weight"] == "700"]
    assert sorted(bold) == ["a", "bc"]
    page.locator(".scroller > svg text", has_text="ab").hover(force=True)
    expect(sentence).to_contain_text(
        "ab: log-probability −3, probability 0.0498; the segmentations that use it hold 57.6 %"
    )
    page.mouse.move(1, 1)
    expect(sentence).to_contain_text("a (−2) + bc (−4)")
    page.locator(".scroller").press("Home")
    expect(sentence).to_contain_text("a: log-probability −2")
    page.locator(".scroller").press("ArrowRight")
    expect(sentence).to_contain_text("ab: log-probability −3")
    page.locator(".scroller").press("Escape")
    expect(sentence).to_contain_text("a (−2) + bc (−4)")


@pytest.mark.parametrize("width", [390, 1100])
def test_boxes_span_their_characters_and_do_not_overlap(show: Open, width: int) -> None:
    view = big_lattice(12, 8)
    page = show(view, width=width)
    boxes = [tuple(float(one[k]) for k in ("x", "y", "width", "height")) for one in shapes(page, "rect")]
    assert len(boxes) == len(view.data["edges"]) == 68
    column = min(box[2] for box in boxes) + 6
    for (x, _, w, _), edge in zip(boxes, view.data["edges"], strict=True):
        assert x == pytest.approx(11 + edge["from"] * column) and w == pytest.approx(
            (edge["to"] - edge["from"]) * column - 6
        )
    for i, (x, y, w, h) in enumerate(boxes):
        for x2, y2, w2, h2 in boxes[:i]:
            assert x >= x2 + w2 or x2 >= x + w or y >= y2 + h2 or y2 >= y + h
    rows = sorted({(box[1], round((box[2] + 6) / column)) for box in boxes})
    assert [length for _, length in rows] == sorted((length for _, length in rows), reverse=True)


@pytest.mark.parametrize(("width", "theme"), [(390, "dark"), (1100, "light")])
def test_fits_and_is_accessible(show: Open, width: int, theme: str) -> None:
    shown = views()
    page = show(*shown.values(), width=width, lang="zh" if theme == "dark" else "en")
    page.evaluate("(theme) => { document.body.className = theme }", theme)
    for name, host in hosts(page, shown):
        height = host.evaluate("(host) => host.shadowRoot.querySelector('.kit').getBoundingClientRect().height")
        assert height == shown[name].height, name
        wide = host.evaluate("""(host) => [...host.shadowRoot.querySelectorAll(".kit *")]
          .filter((e) => !e.closest(".scroller, .segments, .spoken, .theme-probe"))
          .filter((e) => e.getBoundingClientRect().right > innerWidth).map((e) => e.className)""")
        assert not wide, name
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    found = faults(page, shown, "document", rules={"region": {"enabled": False}})
    grave = [one for one in found if one[1] != "moderate"]
    assert not grave, json.dumps(grave, indent=1, ensure_ascii=False)


def test_words_are_written_inside_their_boxes(show: Open) -> None:
    """On a phone, no label leaves the drawing and no two labels run into each other."""
    shown = views()
    page = show(*shown.values(), width=390)
    written = """(host) => {
      const svg = host.shadowRoot.querySelector(".scroller > svg"), frame = svg.getBoundingClientRect();
      const boxes = [...svg.querySelectorAll("text")].map((e) => [e.textContent, e.getBoundingClientRect()]);
      const cut = boxes.filter(([, b]) => b.left < frame.left - 1 || b.right > frame.right + 1).map(([text]) => text);
      const shared = (a, b, from, to) => Math.min(a[to], b[to]) - Math.max(a[from], b[from]);
      const meet = (a, b) => shared(a, b, "left", "right") > 1 && shared(a, b, "top", "bottom") > 5;
      for (const [i, [text, box]] of boxes.entries())
        for (const [other, its] of boxes.slice(0, i)) if (meet(box, its)) cut.push([text, other]);
      return cut;
    }"""
    for name, host in hosts(page, shown):
        assert not host.evaluate(written), name


def test_what_is_told_is_in_sight(show: Open) -> None:
    """A long word scrolls inside its box: the player brings each merge into it, below the characters, which stay."""
    page = show(long_word(), width=390)
    scroller = page.locator(".scroller")
    scroller.press("Home")
    for step in (1, 9, 31):
        for _ in range(step - int(page.get_by_role("slider").get_attribute("aria-valuetext") or 0)):
            scroller.press("ArrowDown")
        seen = page.evaluate("""() => {
          const root = host.shadowRoot, box = root.querySelector(".scroller").getBoundingClientRect();
          const head = root.querySelector(".head").getBoundingClientRect();
          const now = [...root.querySelectorAll(".scroller > svg path")].at(-3).getBoundingClientRect();
          const inside = [now.top - head.bottom, box.bottom - now.top, now.left - box.left, box.right - now.left];
          return [head.top - box.top, ...inside];
        }""")
        assert seen[0] == pytest.approx(0, abs=1) and min(seen[1:]) > -3, (step, seen)


def test_the_theme_switches_without_the_server(show: Open) -> None:
    page = show(views()["lattice"])
    before = shapes(page, "rect")[0]["fill"]
    page.evaluate("document.body.className = 'dark'")
    page.wait_for_function(
        "(before) => host.shadowRoot.querySelector('.scroller > svg > g rect').getAttribute('fill') !== before",
        arg=before,
        timeout=3000,
    )


@pytest.mark.parametrize("name", ["bytes", "odd", "search", "lattice"])
def test_exports(show: Open, tmp_path: Path, name: str) -> None:
    view = views()[name]
    page = show(view)
    files = {}
    for kind in ("SVG", "PNG", "CSV"):
        with page.expect_download() as coming:
            page.get_by_role("button", name=f"Download as {kind}").click()
        assert coming.value.suggested_filename == f"{view.data['name']}.{kind.lower()}"
        coming.value.save_as(tmp_path / kind)
        files[kind] = (tmp_path / kind).read_bytes()
    if name != "odd":
        drawing = ET.fromstring(files["SVG"])
        words = {text.text for text in drawing.iter("{http://www.w3.org/2000/svg}text")}
        head = set(page.locator(".head text").all_text_contents())
        assert {text["text"] for text in shapes(page, "text")} | head == words
        width, height = (int.from_bytes(files["PNG"][at : at + 4], "big") for at in (16, 20))
        assert abs(width - 2 * float(drawing.get("width", 0))) < 3
        assert abs(height - 2 * float(drawing.get("height", 0))) < 3
    rows = list(csv.reader(io.StringIO(files["CSV"].decode("utf-8-sig"))))
    expected = {
        "bytes": ["2", "<0xE4><0xBA>", "<0xBA>", "人", "50000"],
        "odd": ["2", "\n", "\u202e", "\n\u202e", "2"],
        "search": ["1", "2", "unhappil", "not in the vocabulary"],
        "lattice": ["1", "2", "b", "-2", "0.211942", "0", "1", "0"],
    }
    assert rows[2] == expected[name]
    assert files["PNG"].startswith(b"\x89PNG")
