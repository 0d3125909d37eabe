"""The token staff in Chromium, without Streamlit: what is drawn is read back from the SVG it exports, what is told from
the note beside the pointer."""

from __future__ import annotations

import csv
import io
import json
import tomllib
import xml.etree.ElementTree as ET
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import AXE, Open
from ui.settings import ROOT
from viz.components.tokens import Frames, Row, tokens
from viz.view import View

SVG = "{http://www.w3.org/2000/svg}"
WORDS: dict[str, str] = {}


def row(name: str, *pieces: str | bytes, **other: Any) -> Row:
    """A row of tokens that cover the text without gaps; ids count on from 10."""
    raw = [piece.encode() if isinstance(piece, str) else piece for piece in pieces]
    end = np.cumsum([len(piece) for piece in raw], dtype=int)
    ids = list(range(10, 10 + len(raw)))
    given: dict[str, Any] = {
        "id": ids,
        "start": end - [len(piece) for piece in raw],
        "end": end,
        "exact": [True] * len(raw),
        "piece": dict(zip(ids, (piece.decode(errors="replace") for piece in raw), strict=True)),
    }
    return Row(name, **(given | other))


def staff(text: str, *rows: Row, **other: Any) -> View:
    return tokens(text, rows, **({"alt": "the staff", "words": WORDS} | other))


def download(page: Page, kind: str, folder: Path) -> bytes:
    with page.expect_download() as coming:
        page.get_by_role("button", name=f"Download as {kind}").click()
    assert coming.value.suggested_filename == f"tokens.{kind.lower()}"
    coming.value.save_as(folder / kind)
    return (folder / kind).read_bytes()


class Drawn:
    """The exported drawing, sorted by height."""

    def __init__(self, svg: bytes) -> None:
        self.root = ET.fromstring(svg)
        self.texts = [(float(t.get("y", 0)), float(t.get("x", 0)), t.text or "") for t in self.root.iter(f"{SVG}text")]
        boxes = [r for r in list(self.root)[2:] if r.tag == f"{SVG}rect"][1:]
        self.rings = [r for r in boxes if r.get("width") == "6"]
        self.boxes = [r for r in boxes if r.get("width") != "6" and float(r.get("height", 0)) < 60]

    def rows(self) -> dict[float, list[tuple[float, float, str]]]:
        """Boxes (left, right, fill) by their top."""
        found: dict[float, list[tuple[float, float, str]]] = {}
        for box in self.boxes:
            x, y, w = (float(box.get(name, 0)) for name in ("x", "y", "width"))
            found.setdefault(y, []).append((x, x + w, box.get("fill", "")))
        return {y: sorted(found[y]) for y in sorted(found)}


def drawn(page: Page, folder: Path) -> Drawn:
    return Drawn(download(page, "SVG", folder))


SWEEP = """async (step) => {
  const root = host.shadowRoot, scroller = root.querySelector(".scroller").getBoundingClientRect();
  const layer = root.querySelector(".layer"), lens = root.querySelector(".lens"), frame = root.querySelector(".staff");
  const found = [];
  const spots = [];
  for (let y = scroller.top + 2; y < scroller.bottom; y += 6) {
    for (let x = scroller.left; x < scroller.right; x += step) spots.push([x, y]);
  }
  for (const [x, y] of spots) {
    layer.dispatchEvent(new PointerEvent("pointermove", { clientX: x, clientY: y, pointerType: "mouse" }));
    if (lens.hidden) continue;
    const [a, b] = [lens.getBoundingClientRect(), frame.getBoundingClientRect()];
    const inside = a.left >= b.left - 1 && a.right <= b.right + 1 && a.top >= b.top - 1 && a.bottom <= b.bottom + 1;
    const [where, piece] = [".where", ".piece"].map((name) => lens.querySelector(name).textContent);
    found.push([where, piece, x, inside, lens.textContent]);
  }
  layer.dispatchEvent(new PointerEvent("pointerleave", { pointerType: "mouse" }));
  return found;
}"""


def sweep(page: Page, step: int = 3) -> dict[str, list[Any]]:
    """Move the pointer over everything: per token its piece, where it is met, whether the note stays in the frame, and
    what the note says."""
    found: dict[str, list[Any]] = {}
    for where, piece, x, inside, told in page.evaluate(SWEEP, step):
        one = found.setdefault(where, [piece, x, x, True, told])
        one[1], one[2], one[3] = min(one[1], x), max(one[2], x), one[3] and inside
    return found


def point(page: Page, where: str) -> None:
    """Move the pointer to the middle of a token, found by sweeping."""
    at = page.evaluate(
        f"""async (where) => {{
      const found = (await ({SWEEP})(3));
      const root = host.shadowRoot, layer = root.querySelector(".layer");
      const box = root.querySelector(".scroller").getBoundingClientRect();
      const xs = found.filter((one) => one[0] === where).map((one) => one[2]);
      const x = (Math.min(...xs) + Math.max(...xs)) / 2;
      for (let y = box.top + 2; y < box.bottom; y += 2) {{
        layer.dispatchEvent(new PointerEvent("pointermove", {{ clientX: x, clientY: y, pointerType: "mouse" }}));
        const name = root.querySelector(".lens .where")?.textContent;
        if (!root.querySelector(".lens").hidden && name === where) return [x, y + 6];
      }}
    }}""",
        where,
    )
    page.mouse.move(*at)


def test_rows_share_their_columns(show: Open, tmp_path: Path) -> None:
    page = show(staff("abcdef", row("A", "ab", "cdef"), row("B", "abc", "d", "ef"), row("C", "a", "b", "cdef")))
    picture = drawn(page, tmp_path)
    letters = {letter: {x for _, x, text in picture.texts if text == letter} for letter in "abcdef"}
    assert all(len(xs) == 1 for xs in letters.values()), "each letter stands in one column, in the text and in all rows"
    x = {letter: xs.pop() for letter, xs in letters.items()}
    column = x["b"] - x["a"]
    ends = [[(box[0], box[1]) for box in boxes] for boxes in picture.rows().values()]
    splits = [[("a", "b"), ("c", "f")], [("a", "c"), ("d", "d"), ("e", "f")], [("a", "a"), ("b", "b"), ("c", "f")]]
    for boxes, split in zip(ends, splits, strict=True):
        for (left, right), (first, last) in zip(boxes, split, strict=True):
            assert abs(left - (x[first] - column / 2)) < 1.6 and abs(right - (x[last] + column / 2)) < 1.6


def test_rings_where_neighbours_disagree(show: Open, tmp_path: Path) -> None:
    """A against B: after b, c, d; B against C: after a, b, c, d (bytes 1 to 4), worked out by hand."""
    page = show(staff("abcdef", row("A", "ab", "cdef"), row("B", "abc", "d", "ef"), row("C", "a", "b", "cdef")))
    picture = drawn(page, tmp_path)
    per_row: dict[str, list[float]] = {}
    for ring in picture.rings:
        per_row.setdefault(ring.get("y", ""), []).append(float(ring.get("x", 0)) + 3)
    x = {text: at for _, at, text in picture.texts if text in "abcdef"}
    half = (x["b"] - x["a"]) / 2
    after = lambda letters: [x[letter] + half for letter in letters]  # noqa: E731
    assert [sorted(found) for _, found in sorted(per_row.items(), key=lambda one: float(one[0]))] == [
        pytest.approx(after("bcd"), abs=0.2),
        pytest.approx(after("abcd"), abs=0.2),
    ]


def test_a_cut_character_shows_its_bytes_only_to_those_who_cut_it(show: Open, tmp_path: Path) -> None:
    raw = "你".encode()
    page = show(staff("a你é", row("cuts", "a", raw[:2], raw[2:], "é"), row("keeps", "a你", "é")))
    texts = [text for _, _, text in drawn(page, tmp_path).texts]
    assert texts.count("你") == 2 and {"E4", "BD", "A0"} <= set(texts) and "C3" not in texts
    told = sweep(page)
    assert "E4 BD" in told["cuts · token 2 of 4"][4] and "a part of 你" in told["cuts · token 2 of 4"][4]
    assert "part" not in told["keeps · token 1 of 2"][4]


def test_clusters_stay_whole_unless_someone_cuts_them(show: Open, tmp_path: Path) -> None:
    family = "👨‍👩‍👧"
    whole = drawn(show(staff(f"x{family}y", row("A", "x", family, "y"))), tmp_path)
    assert [text for _, _, text in whole.texts if text == family] == [family]
    cut = drawn(show(staff(f"x{family}y", row("A", f"x{family}y"), row("B", "x👨", "\u200d👩‍👧y"))), tmp_path)
    texts = [text for _, _, text in cut.texts]
    assert texts.count("👨") == 3 and texts.count("ZWJ") == 6 and family not in texts


def test_what_prints_nothing_is_visible(show: Open, tmp_path: Path) -> None:
    text = "a \tb\u00a0\u200bc\x00\ufe0f\n"
    texts = [shown for _, _, shown in drawn(show(staff(text, row("A", *text))), tmp_path).texts]
    assert {"·", "⇥", "↵", "NBSP", "ZWSP", "NUL", "VS16"} <= set(texts)
    assert not any(c in shown for shown in texts for c in "\t\n\u00a0\u200b\x00")


def test_a_newline_ends_a_line_and_long_lines_break_where_all_rows_do(show: Open, tmp_path: Path) -> None:
    words = [f"word{i}" for i in range(30)]
    text = "ab\ncd\n\n" + " ".join(words)
    pieces = ["ab", "\ncd", "\n\n", words[0], *(f" {word}" for word in words[1:])]
    halves = [half for piece in pieces[4:] for half in (piece[:3], piece[3:])]
    rows = [row("A", *pieces), row("B", *pieces[:4], *halves)]
    picture = drawn(show(staff(text, *rows, height=2_000)), tmp_path)
    heights = sorted({y for y, _, text in picture.texts if text in "↵wd"})
    lines = ["".join(t for at, _, t in sorted(picture.texts, key=lambda one: one[1]) if at == y) for y in heights]
    shown = [line for i, line in enumerate(lines) if i % 3 == 0]
    assert shown[:3] == ["ab↵", "cd↵", "↵"] and len(shown) >= 5
    assert "".join(shown[3:]) == text[7:].replace(" ", "·")
    assert all(line.startswith("·word") for line in shown[4:]), "a line begins where every row has a boundary"
    names = [text for _, _, text in picture.texts if text in ("A", "B")]
    assert names == ["A", "B"] * len(shown), "the rows' names stand beside every line"


def test_what_is_lost_is_hatched(show: Open, tmp_path: Path) -> None:
    lossy = Row("lossy", id=[5, 6], start=[0, 3], end=[2, 5], exact=[True, False], piece={5: "ab", 6: "[UNK]"})
    page = show(staff("ab cDe", row("whole", "ab", " cDe"), lossy))
    expect(page.locator(".legend")).to_contain_text("lost")
    picture = drawn(page, tmp_path)
    x = {text: at for _, at, text in picture.texts if text in "abcDe"}
    behind = x["D"] + (x["b"] - x["a"]) / 2  # no token begins there, but one ends
    rings = sorted(float(ring.get("x", 0)) + 3 for ring in picture.rings)
    assert rings == pytest.approx([x["c"] - behind + x["D"], behind], abs=0.2)
    whole, hatched = picture.rows().values()
    assert not any("hatch" in fill for *_, fill in whole)
    assert ["hatch" in fill for *_, fill in hatched] == [False, True, True, True]  # ab, the space, cD, the last e
    told = sweep(page)
    assert "decodes to something other than cD" in told["lossy · token 2 of 2"][4]
    expect(show(staff("ab", row("A", "ab"), row("B", "a", "b"))).locator(".legend")).not_to_contain_text("lost")


def test_tokens_of_no_text_and_tokens_that_share_a_letter(show: Open) -> None:
    """A prefix that stands for nothing; two tokens that were both read from one ligature, and three from another."""
    one = Row(
        "A",
        id=[1, 2, 3, 4, 5, 6, 7],
        start=[0, 0, 1, 1, 4, 4, 4],
        end=[0, 1, 4, 4, 7, 7, 7],
        exact=[True, True, False, False, False, False, False],
        piece={1: "▁", 2: "x", 3: "f", 4: "i", 5: "f", 6: "f", 7: "l"},
    )
    told = sweep(show(staff("xﬁﬄ", one, row("B", "xﬁﬄ"))), 1)
    assert [f"A · token {i} of 7" in told for i in range(1, 8)] == [True] * 7
    assert "stands for no text" in told["A · token 1 of 7"][4] and "a part of ﬁ" in told["A · token 3 of 7"][4]
    places = [told[f"A · token {i} of 7"][1] for i in range(2, 8)]
    assert places == sorted(places) and all(b - a >= 3 for a, b in pairwise(places))


def test_right_to_left_text_runs_in_reading_order(show: Open, tmp_path: Path) -> None:
    page = show(staff("ab שלום 12 עולם.", row("A", "ab", " שלום", " 12", " עולם", "."), row("B", "ab שלום 12 עולם.")))
    told = sweep(page)
    right = [told[f"A · token {i} of 5"][2] for i in range(1, 6)]
    assert right[0] < right[3] < right[2] < right[1] < right[4], "ab 4<- 3<- 2<- ."
    picture = drawn(page, tmp_path)
    top = min(y for y, _, text in picture.texts if text == "a")
    order = [t for y, _, t in sorted(picture.texts, key=lambda one: one[1]) if y == top]
    assert "".join(order) == "ab·םלוע·12·םולש."


def test_the_note_stays_in_the_frame(show: Open) -> None:
    text = " ".join(f"unbelievable{i}" for i in range(40))
    pieces = [text[i : i + 5] for i in range(0, len(text), 5)]
    for width in (1100, 390):
        page = show(staff(text, row("A", *pieces), row("B", text), height=260), width=width)
        told = sweep(page, 7)
        assert len(told) > 10 and all(one[3] for one in told.values())
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_click_and_the_keys_pick_tokens(show: Open) -> None:
    absent = Row("absent", sentence="not fetched")
    page = show(staff("abcdef", absent, row("A", "ab", "cdef"), row("B", "abc", "d", "ef"), picked=(1, 0)))
    expect(page.get_by_text("not fetched")).to_be_visible()
    point(page, "B · token 2 of 3")
    page.mouse.down()
    page.mouse.up()
    assert page.evaluate("sent") == [["picked", [2, 1]]]
    page.mouse.move(0, 0)
    layer = page.get_by_role("application")
    layer.focus()
    spoken, where = page.locator(".spoken"), page.locator(".lens .where")
    for key, name in (
        ("ArrowRight", "B · token 3 of 3"),
        ("ArrowRight", "B · token 3 of 3"),
        ("ArrowUp", "A · token 2 of 2"),
        ("ArrowUp", "A · token 2 of 2"),
        ("ArrowDown", "B · token 1 of 3"),  # the one that holds the c, where A's second token begins
        ("End", "B · token 3 of 3"),
        ("ArrowLeft", "B · token 2 of 3"),
        ("Home", "B · token 1 of 3"),
    ):
        page.keyboard.press(key)
        expect(where).to_have_text(name)
        expect(spoken).to_contain_text(name.replace(" · ", ", "))
    expect(spoken).to_contain_text("abc, id 10, bytes 61 62 63")
    page.keyboard.press("Enter")
    page.wait_for_function("sent.length === 2")
    assert page.evaluate("sent")[1] == ["picked", [2, 0]]
    page.keyboard.press("Escape")
    expect(page.locator(".lens")).to_be_hidden()


def test_the_keys_scroll_to_what_they_reach(show: Open) -> None:
    pieces = [f"w{i} " for i in range(900)]
    page = show(staff("".join(pieces), row("A", *pieces), row("B", *pieces)))
    page.get_by_role("application").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("End")
    expect(page.locator(".lens .where")).to_have_text("A · token 900 of 900")
    assert page.locator(".scroller").evaluate("(e) => e.scrollTop + e.clientHeight > e.scrollHeight - 120")
    expect(page.locator(".lens")).to_have_css("visibility", "visible")
    before = page.locator(".scroller").evaluate("(e) => e.scrollTop")
    for _ in range(6):
        page.keyboard.press("PageUp")
    assert page.locator(".scroller").evaluate("(e) => e.scrollTop") < before


def test_the_rank_and_the_piece_are_told(show: Open) -> None:
    ranked = row("A", "ab", "c", piece={10: "▁ab", 11: "c"}, rank={10: -7.25}, rank_name="log-probability")
    told = sweep(show(staff("abc", ranked)))
    assert told["A · token 1 of 2"][0] == "▁ab" and "log-probability−7.25" in told["A · token 1 of 2"][4]
    assert "log-probability" not in told["A · token 2 of 2"][4]


def segments(text: str, until: np.ndarray, frame: int) -> list[str]:
    cuts = [0, *(i + 1 for i in range(len(text) - 1) if until[i] > frame), len(text)]
    return [text[a:b] for a, b in pairwise(cuts)]


def scrub(page: Page, index: int, field: str = "step") -> None:
    page.evaluate(
        "([field, index]) => window.dispatchEvent(new CustomEvent('atlas-scrub', {detail: {field, index}}))",
        [field, index],
    )


def pieces(page: Page, folder: Path, name: str) -> list[list[str]]:
    table = list(csv.reader(io.StringIO(download(page, "CSV", folder).decode("utf-8-sig"), newline="")))
    return [line for line in table[1:] if line[0] == name]


def test_frames_follow_the_scrubber_without_the_server(show: Open, tmp_path: Path) -> None:
    text = "aé你🙂 bcd\nef"
    rng = np.random.default_rng(3)
    until = rng.integers(0, 7, len(text) - 1)
    vocabulary = [*sorted(set(text)), *segments(text, until, 3)]
    bits = sum((until > k).astype(np.int64) << k for k in range(5))
    frames = (
        Row("until", frames=Frames(5, until=until, vocabulary=vocabulary)),
        Row("bits", frames=Frames(5, bits=bits, vocabulary=["a"])),
    )
    page = show(staff(text, *frames, follow="step", index=2))
    for frame in (2, 0, 4, 3):
        scrub(page, frame)
        expected = segments(text, until, frame)
        found = pieces(page, tmp_path, "until")
        assert [line[3] for line in found] == expected == [line[3] for line in pieces(page, tmp_path, "bits")]
        known = {piece: i for i, piece in reversed(list(enumerate(vocabulary)))}
        last = {piece: i for i, piece in enumerate(vocabulary)}
        for line in found:
            assert line[2] in (str(known.get(line[3], "")), str(last.get(line[3], "")))
    scrub(page, 0, "other")
    assert [line[3] for line in pieces(page, tmp_path, "until")] == segments(text, until, 3)
    assert page.evaluate("sent") == []


def test_frames_play_at_thirty_pictures_a_second(show: Open) -> None:
    rng = np.random.default_rng(5)
    text = "".join(rng.choice(list("abcdefghij lmnop人工"), 1200))
    until = rng.integers(1, 100, len(text) - 1)
    rows = [
        Row(name, frames=Frames(100, until=np.roll(until, i), vocabulary=list(set(text))))
        for i, name in enumerate("AB")
    ]
    page = show(staff(text, *rows, follow="step"))
    took = page.evaluate("""() => {
      const pen = host.shadowRoot.querySelector("canvas").getContext("2d");
      const start = performance.now();
      for (let index = 0; index < 100; index++) {
        window.dispatchEvent(new CustomEvent("atlas-scrub", { detail: { field: "step", index } }));
        pen.getImageData(0, 0, 1, 1); // the picture is really there
      }
      return (performance.now() - start) / 100;
    }""")
    assert took < 33, f"{took:.1f} ms a picture"


def test_a_hundred_thousand_characters_in_six_rows(show: Open) -> None:
    words = ["the ", "token", "izer ", "splits ", "人工", "智能", "\n", "a ", "1234", "🙂"]
    rng = np.random.default_rng(7)
    parts = list(rng.choice(words, 26_000))
    text = "".join(parts)[:100_000]
    while len("".join(parts)) > len(text):
        parts.pop()
    text = "".join(parts)
    rows = [row(f"row {i}", *("".join(parts[k : k + i]) for k in range(0, len(parts), i))) for i in range(1, 6)]
    page = show(staff(text, *rows, row("characters", *text)))
    took = page.evaluate(
        "() => { const start = performance.now(); mount({ ...component.data }); return performance.now() - start; }"
    )
    assert took < 600, f"{took:.0f} ms to lay out and paint"  # about 100 on a free core
    host = page.locator("#host")
    assert host.evaluate("(e) => e.getBoundingClientRect().height") == 420
    painted = page.evaluate("""async () => {
      const scroller = host.shadowRoot.querySelector(".scroller"), canvas = scroller.querySelector("canvas");
      scroller.scrollTop = scroller.scrollHeight / 2;
      await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      return [canvas.height < 500, data.filter((v, i) => i % 4 === 3 && v).length / (data.length / 4)];
    }""")
    assert painted[0] and painted[1] > 0.2, "the middle of the text is painted, on a canvas no larger than the box"


def test_a_resize_and_a_theme_lay_it_out_again(show: Open) -> None:
    text = "The quick brown fox jumps over the lazy dog. " * 8
    page = show(staff(text, row("A", *(text[i : i + 4] for i in range(0, len(text), 4))), row("B", text)))
    picture = "() => host.shadowRoot.querySelector('canvas').toDataURL()"
    height = "() => host.shadowRoot.querySelector('.layer').offsetHeight"
    light, tall = page.evaluate(picture), page.evaluate(height)
    page.evaluate("document.body.className = 'dark'")
    page.wait_for_function(f"(before) => ({picture})() !== before", arg=light)
    page.set_viewport_size({"width": 390, "height": 800})
    page.wait_for_function(f"(before) => ({height})() > before", arg=tall)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_text_is_legible_on_every_tint(show: Open) -> None:
    page = show(staff("a", row("A", "a")))
    theme = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))["theme"]
    script = """async () => {
      const { hue, tint, edge } = await import("/kit/kit/hue.js");
      const ids = Array.from({ length: 3000 }, (_, i) => i);
      return { hue: ids.map(hue), light: ids.map((i) => tint(i, false)), dark: ids.map((i) => tint(i, true)),
               edges: [false, true].map((dark) => ids.map((i) => edge(i, dark))), odd: [hue(-7), tint(250000, true)] };
    }"""
    found = page.evaluate(script)

    def luminance(colour: str) -> float:
        c = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
        return float(np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722])

    def contrast(a: str, b: str) -> float:
        high, low = sorted((luminance(a), luminance(b)), reverse=True)
        return (high + 0.05) / (low + 0.05)

    masked = json.loads((ROOT / "viz" / "components" / "kit" / "palette.json").read_text(encoding="utf-8"))
    for name, edges in zip(("light", "dark"), found["edges"], strict=True):
        ink, back = theme[name]["textColor"], theme[name]["backgroundColor"]
        tints = set(found[name])
        assert len(tints) > 250 and min(contrast(ink, tint) for tint in tints) >= 4.5
        assert min(contrast(edge, back) for edge in set(edges)) >= 3
        lights = [luminance(tint) for tint in tints]
        assert max(lights) < 1.25 * min(lights), "none stands out"
        assert min(contrast(ink, masked[name]["masked"][part]) for part in ("back", "line")) >= 4.5
    turn = np.diff(found["hue"]) % 360
    assert np.allclose(turn, 137.508, atol=0.01) and 0 <= found["odd"][0] < 360


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1100, 390])
def test_accessibility(show: Open, theme: str, width: int) -> None:
    absent = [Row(f"absent {i}", sentence="Not fetched: run make fetch. " * 4) for i in range(4)]
    page = show(staff("abcdef " * 200, row("A", *("abcdef " for _ in range(200))), *absent), width=width)
    point(page, "A · token 1 of 200")
    if theme == "dark":
        piece = page.locator(".piece")
        before = piece.evaluate("(e) => getComputedStyle(e).backgroundColor")
        page.evaluate("document.body.className = 'dark'")
        expect(piece).not_to_have_css("background-color", before)
    page.add_script_tag(path=AXE)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations'], rules: {region: {enabled: false}}})")[
        "violations"
    ]
    ours = [one for one in found if one["id"] not in ("landmark-one-main", "page-has-heading-one")]
    assert not ours, json.dumps([(one["id"], one["nodes"][0]["html"]) for one in ours], indent=1)


def test_exports(show: Open, tmp_path: Path) -> None:
    text = '<b>"a",b</b> 你'
    page = show(staff(text, row("A", "<b>", '"a",b', "</b>", " 你"), row("B", text), picked=(0, 1)))
    drawing = download(page, "SVG", tmp_path)
    assert ET.fromstring(drawing).findtext(f"{SVG}title") == "the staff" and b"<b>" not in drawing
    assert download(page, "PNG", tmp_path).startswith(b"\x89PNG")
    lines = list(csv.reader(io.StringIO(download(page, "CSV", tmp_path).decode("utf-8-sig"), newline="")))
    assert lines[0] == ["row", "index", "id", "piece", "start", "end", "bytes"]
    assert lines[2] == ["A", "1", "11", '"a",b', "3", "8", "22 61 22 2C 62"] and len(lines) == 6
    assert bytes.fromhex("".join(line[6] for line in lines[1:5])).decode() == text


@pytest.mark.parametrize(
    "text", ["", "\n", "\n" * 300, "\x00\ufffe\ufdd0", "a" * 3000, "\u202eabc\u202c", "́a", "🇩", "\r\r\n"]
)
def test_any_text_is_drawn(show: Open, text: str) -> None:
    page = show(
        staff(
            text, row("A", *text), row("B", *([text] if text else [])), Row("C", id=[1], start=[0], end=[0], exact=[1])
        )
    )
    page.get_by_role("application").focus()
    for key in ("ArrowRight", "End", "ArrowDown", "Home", "PageDown", "ArrowDown", "ArrowDown", "Enter"):
        page.keyboard.press(key)
    assert page.locator("#host").evaluate("(e) => e.getBoundingClientRect().height") == 420


def test_no_row_at_all_but_sentences(show: Open) -> None:
    page = show(staff("abc", Row("A", sentence="Not fetched."), picked=None))
    expect(page.get_by_text("Not fetched.")).to_be_visible()
    page.get_by_role("application").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    assert page.evaluate("sent") == []


def test_the_visitors_choice_outlives_an_echo(show: Open) -> None:
    """An answer that repeats an older choice does not undo a newer one; another choice of the server's is adopted."""
    page = show(staff("abcdef", row("A", "ab", "cd", "ef"), picked=(0, 0)))
    for n in (2, 3):
        point(page, f"A · token {n} of 3")
        page.mouse.down()
        page.mouse.up()
    page.wait_for_function("sent.length === 2")
    spoken = page.locator(".lens .where")
    page.mouse.move(0, 0)
    for picked, expected in (([0, 1], 3), ([0, 2], 3), ([0, 0], 1)):
        page.evaluate("(picked) => mount({ ...component.data, picked })", picked)
        page.get_by_role("application").focus()
        page.keyboard.press("ArrowUp")
        expect(spoken).to_have_text(f"A · token {expected} of 3")
        page.keyboard.press("Escape")
