"""What the story pictures' builders send: the tree of merges, the searches, the lattice with its probabilities."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import numpy as np
import pytest

from ui.settings import ROOT
from viz.components import story
from viz.components.story import lattice, replay, search

MERGES = [(3, "e", "n", 5.0), (1, "o", "k", 7.0), (1, "ok", "en", 11.0), (0, "t", "oken", 13.0), (1, "s", "!", 17.0)]


def _replay(**changes: Any) -> dict[str, Any]:
    return replay(**({"start": "tokens!", "merge": MERGES, "token": 0, "rank_name": "rank", "alt": "a"} | changes)).data


def test_merges_become_a_tree() -> None:
    data = _replay()
    pieces = data["pieces"]
    assert [piece["text"] for piece in pieces[7:]] == ["en", "ok", "oken", "token", "s!"]
    assert [(piece["from"], piece["to"]) for piece in pieces[7:]] == [(3, 5), (1, 3), (1, 5), (0, 5), (5, 7)]
    assert [piece["born"] for piece in pieces] == [0] * 7 + [1, 2, 3, 4, 5]
    assert [piece["gone"] for piece in pieces[7:]] == [3, 3, 4, None, None]
    assert pieces[9]["parts"] == [8, 7] and pieces[10]["parts"] == [0, 9]
    assert [piece["rank"] for piece in pieces[7:]] == [5, 7, 11, 13, 17]
    assert [piece["text"] for piece in pieces if piece["mine"]] == [*"token", "en", "ok", "oken", "token"]
    json.dumps(data)


@pytest.mark.parametrize("seed", range(20))
def test_at_every_step_the_pieces_tile_the_word(seed: int) -> None:
    """Replaying the merges the simple way gives the pieces that are alive after each step."""
    rng = np.random.default_rng(seed)
    word = [chr(ord("a") + int(i)) for i in rng.integers(0, 26, 13)]
    now, merges, states = list(word), [], [list(word)]
    for rank in range(int(rng.integers(0, 13))):
        at = int(rng.integers(0, len(now) - 1))
        merges.append((at, now[at], now[at + 1], float(rank)))
        now[at : at + 2] = [now[at] + now[at + 1]]
        states.append(list(now))
    token = int(rng.integers(0, len(now)))
    pieces = _replay(start=word, merge=merges, token=token)["pieces"]
    for step, state in enumerate(states):
        alive = [p for p in pieces if p["born"] <= step and (p["gone"] is None or p["gone"] > step)]
        assert [p["text"] for p in sorted(alive, key=lambda p: p["from"])] == state
    whole = "".join(p["text"] for p in pieces[:13] if p["mine"])
    assert whole == now[token]


def test_bytes_are_spelled_and_stand_under_their_character() -> None:
    start = ["a", *(f"<0x{byte:02X}>" for byte in "é猫".encode()), "<0xFF>"]
    merge = [(1, start[1], start[2], 0.0), (2, start[3], start[4], 1.0), (2, "<0xE7><0x8C>", start[5], 2.0)]
    data = _replay(start=start, merge=merge, token=2)
    assert [piece["text"] for piece in data["pieces"][7:]] == ["é", "<0xE7><0x8C>", "猫"]
    assert data["letters"] == [{"text": "é", "from": 1, "to": 3}, {"text": "猫", "from": 3, "to": 6}]
    assert _replay(start="ab", merge=[])["letters"] == []


def test_surrogates_of_a_visitor_cannot_travel() -> None:
    data = _replay(start=["\ud800", "b"], merge=[(0, "\ud800", "b", 1.0)])
    assert [piece["text"] for piece in data["pieces"]] == ["\ufffd", "b", "\ufffdb"]
    json.dumps(data, ensure_ascii=False).encode()


@pytest.mark.parametrize(
    "changes",
    [
        {"start": ""},
        {"token": 2},
        {"token": -1},
        {"merge": [(6, "!", "?", 1.0)]},
        {"merge": [(-1, "t", "o", 1.0)]},
        {"merge": [(0, "t", "k", 1.0)]},
        {"merge": [(0, "t", "o", math.nan)]},
    ],
    ids=str,
)
def test_replay_refuses(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        _replay(**changes)


def test_search_sends_what_it_was_given() -> None:
    view = search("unhappy\ud800", [(["unhappy", "un"], 6, True), (["##happy"], 1, False)], 1, alt="two", token_id=7)
    assert view.data["matches"] == [
        {"tried": ["unhappy", "un"], "count": 6, "found": True},
        {"tried": ["##happy"], "count": 1, "found": False},
    ]
    assert (view.component, view.data["word"]) == ("story", "unhappy\ufffd")
    assert (view.data["token"], view.data["token_id"]) == (1, 7)
    for match, token in (([], 0), ([([], 0, True)], 0), ([(["a", "b"], 1, True)], 0), ([(["a"], 1, True)], 1)):
        with pytest.raises(ValueError, match=r"."):
            search("a", match, token, alt="")


def _paths(edges: list[tuple[int, int, str, float, bool]], n: int, at: int = 0) -> list[list[int]]:
    if at == n:
        return [[]]
    return [[i, *rest] for i, edge in enumerate(edges) if edge[0] == at for rest in _paths(edges, n, edge[1])]


@pytest.mark.parametrize("seed", range(20))
def test_ink_is_the_share_of_all_segmentations(seed: int) -> None:
    """Against the list of all paths; a piece that no path can use has none."""
    rng = np.random.default_rng(seed)
    n = 7
    places = [(a, b) for a in range(n) for b in range(a + 1, n + 1) if rng.random() < 0.6]
    edges = [(a, b, "x" * (b - a), float(-10 * rng.random()), False) for a, b in places]
    edges = [edges[i] for i in rng.permutation(len(edges))]
    data = lattice("x" * n, edges, None, alt="").data
    paths = _paths(edges, n)
    weight = [math.exp(sum(edges[i][3] for i in path)) for path in paths]
    for i, edge in enumerate(data["edges"]):
        through = sum(w for w, path in zip(weight, paths, strict=True) if i in path)
        assert edge["share"] == pytest.approx(through / sum(weight) if paths else 0)
    if paths:
        assert data["total"] == pytest.approx(math.log(sum(weight)))
        for at in range(n):
            assert sum(e["share"] for e in data["edges"] if e["from"] <= at < e["to"]) == pytest.approx(1)
    else:
        assert data["total"] is None


def test_probabilities_too_small_for_a_float_are_added_all_the_same() -> None:
    edges = [(i, i + 1, "x", -900.0, True) for i in range(3)] + [(0, 3, "xxx", -2700.0, False)]
    data = lattice("xxx", edges, 3, alt="").data
    assert [one["share"] for one in data["edges"]] == pytest.approx([0.5] * 4)
    assert data["total"] == pytest.approx(-2700 + math.log(2))
    assert data["paths"] == [{"label": "", "edges": [0, 1, 2], "log_prob": -2700.0}]


@pytest.mark.parametrize(
    ("edge", "token", "paths"),
    [
        ([], None, []),
        ([(0, 3, "abc", -1.0, True)], None, []),
        ([(1, 1, "", -1.0, True)], None, []),
        ([(0, 1, "a", -math.inf, True)], None, []),
        ([(0, 1, "a", -1.0, True)], 1, []),
        ([(0, 1, "a", -1.0, True)], 0, [("best", [1], -1.0)]),
        ([(0, 1, "a", -1.0, True), (1, 2, "b", -1.0, True)], 0, [("best", [1], -1.0)]),
        ([(0, 1, "a", -1.0, True), (1, 2, "b", -1.0, True)], 0, [("best", [0, 1], math.nan)]),
        ([(1, 2, "b", -1.0, True)], 0, []),
    ],
    ids=str,
)
def test_lattice_refuses(edge: Any, token: Any, paths: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        lattice("ab", edge, token, alt="", paths=paths)


def test_the_scripts_write_no_markup_and_send_nothing() -> None:
    scripts = list((ROOT / "viz" / "components" / "story").glob("*.js"))
    assert len(scripts) >= 5
    for script in scripts:
        text = script.read_text(encoding="utf-8")
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\.send\(", text), script
    assert story.STATES == ()
