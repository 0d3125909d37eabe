"""The token staff's Python side: what is sent says the same as what was given, and what cannot be is refused."""

from __future__ import annotations

import base64
import json
import re
import tomllib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ui.settings import ROOT
from viz.components.tokens import LARGEST, MOST, STATES, Frames, Row, tokens

FOLDER = ROOT / "viz" / "components" / "tokens"


def unpack(packed: dict[str, Any]) -> np.ndarray:
    raw = np.frombuffer(base64.b64decode(packed["b64"]), f"<{packed['dtype']}")
    return raw.reshape(packed["shape"]).astype(np.int64)


def spans(sent: dict[str, Any]) -> list[tuple[int, int]]:
    """The spans as rows.js puts them together: an end moves on by the length and by what was skipped."""
    jump = dict(zip(unpack(sent["moved"]).tolist(), unpack(sent["skip"]).tolist(), strict=True))
    found, at = [], 0
    for i, length in enumerate(unpack(sent["length"]).tolist()):
        at += length + jump.get(i, 0)
        found.append((at - length, at))
    return found


def row(*spans: tuple[int, int], name: str = "one", **other: Any) -> Row:
    n = len(spans)
    given: dict[str, Any] = {
        "id": range(n),
        "start": [a for a, _ in spans],
        "end": [b for _, b in spans],
        "exact": [True] * n,
    }
    return Row(name, **(given | other))


def test_what_is_sent_is_what_was_given() -> None:
    given = row((0, 2), (2, 2), (4, 7), (4, 7), (9, 9), id=[7, 70_000, 3, 3, 1], exact=[True, True, False, True, True])
    given = Row(
        **(vars(given) | {"piece": {7: "ab", 8: "never"}, "rank": {70_000: -2.5}, "rank_name": "log-probability"})
    )
    view = tokens("abcdefghi", [given], alt="nine", words={"staff_lost": "gone", "title": "x"}, picked=(0, 4), name="n")
    sent = view.data["rows"][0]
    assert spans(sent) == [(0, 2), (2, 2), (4, 7), (4, 7), (9, 9)]
    assert unpack(sent["id"]).tolist() == [7, 70_000, 3, 3, 1] and unpack(sent["inexact"]).tolist() == [2]
    assert sent["piece"] == {"7": "ab"} and sent["rank"] == {"70000": -2.5} and sent["rank_name"] == "log-probability"
    assert (view.component, view.alt, view.height) == ("tokens", "nine", 420)
    assert view.data["words"] == {"staff_lost": "gone"} and view.data["picked"] == [0, 4] and view.data["name"] == "n"
    json.dumps(view.data)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(-3, 40)), max_size=30))
def test_any_spans_in_order_travel(steps: list[tuple[int, int]]) -> None:
    """Spans with gaps, empty ones, and ones that share letters with the span before."""
    made: list[tuple[int, int]] = []
    end = 0
    for length, skip in steps:
        start = max(0, end + skip, made[-1][0] if made else 0)
        end = max(end, start + length)
        made.append((start, end))
    sent = tokens("x" * end, [row(*made)], alt="", words={}).data["rows"][0]
    assert spans(sent) == made


def test_many_tokens_travel_small() -> None:
    n = 25_000
    view = tokens("word" * n, [row(*((4 * i, 4 * i + 4) for i in range(n)))], alt="", words={})
    assert len(json.dumps(view.data["rows"])) < 5 * n


def test_text_can_always_travel() -> None:
    view = tokens("\ud800\x00<b>", [Row("\udfff", sentence="not fetched")], alt="", words={})
    assert view.data["text"] == "\ufffd\x00<b>" and view.data["rows"][0]["name"] == "\ufffd"
    json.dumps(view.data, ensure_ascii=False).encode()
    assert tokens("", [row((0, 0))], alt="", words={}).data["text"] == ""


@pytest.mark.parametrize(
    "wrong",
    [
        row((0, 9)),
        row((-1, 2)),
        row((2, 1)),
        row((2, 4), (0, 1)),
        row((0, 4), (1, 3)),
        row((0, 1), exact=[True, True]),
        row((0, 1), id=[]),
    ],
)
def test_spans_that_cannot_be_are_refused(wrong: Row) -> None:
    with pytest.raises(ValueError, match="one"):
        tokens("abcdé", [wrong], alt="", words={})


def test_too_much_is_refused() -> None:
    with pytest.raises(ValueError, match="rows"):
        tokens("a", [], alt="", words={})
    with pytest.raises(ValueError, match="rows"):
        tokens("a", [row((0, 1))] * (MOST + 1), alt="", words={})
    with pytest.raises(ValueError, match="characters"):
        tokens("a" * (LARGEST + 1), [row((0, 1))], alt="", words={})


@pytest.mark.parametrize("picked", [(1, 0), (0, 2), (-1, 0), (0, -1)])
def test_a_picked_token_exists(picked: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="picked"):
        tokens("ab", [row((0, 1), (1, 2))], alt="", words={}, picked=picked)


def test_frames() -> None:
    def sent(text: str, frames: Frames) -> dict[str, Any]:
        return tokens(text, [Row("one", frames=frames)], alt="", words={}, follow="step", index=1).data["rows"][0][
            "frames"
        ]

    until = sent("añb", Frames(3, until=[2, 99], vocabulary=["a", "\ud800"]))
    assert unpack(until["values"]).tolist() == [2, 3] and until["vocabulary"] == ["a", "\ufffd"]
    assert (until["count"], until["kind"]) == (3, "until")
    bits = sent("añb", Frames(32, bits=np.array([1, 2**31], dtype=np.uint32)))
    assert unpack(bits["values"]).tolist() == [1, 2**31] and bits["kind"] == "bits"
    assert unpack(sent("", Frames(1, until=[]))["values"]).size == 0
    for wrong in (
        Frames(3, until=[1]),
        Frames(0, until=[1, 2]),
        Frames(3),
        Frames(3, until=[1, 2], bits=[1, 2]),
        Frames(33, bits=[1, 2]),
    ):
        with pytest.raises(ValueError, match="one"):
            sent("añb", wrong)


def test_reported_states_are_those_the_scripts_send() -> None:
    scripts = [path.read_text(encoding="utf-8") for path in FOLDER.glob("*.js")]
    assert {name for script in scripts for name in re.findall(r'\.send\("(\w+)"', script)} == set(STATES)
    assert not any(re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write", script) for script in scripts)


def test_every_word_it_says_is_in_both_languages() -> None:
    words = tomllib.loads((ROOT / "ui" / "words.toml").read_text(encoding="utf-8"))["kit"]
    used = {
        name for path in FOLDER.glob("*.js") for name in re.findall(r'say\("(\w+)"', path.read_text(encoding="utf-8"))
    }
    assert used and all(words[name]["en"] and words[name]["zh"] for name in used)
