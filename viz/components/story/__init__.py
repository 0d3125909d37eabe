"""Why a token is what it is, said in Python: the merges replayed, the search for the longest match, or the lattice.

    replay("token", [(1, "o", "k", 0.0), ...], 0, rank_name="rank", alt="...")
    search("unhappy", [(["unhappy", "unhapp", "un"], 6, True), ...], 1, alt="...")
    lattice("hello", [(0, 2, "he", -3.2, True), ...], 0, alt="...")

A byte that is no character is written <0xE4>, as in a vocabulary; the picture shows E4 under its character.
The words of all three pictures are the kit's (kit.story_* in ui/words.toml); `words` says some of them differently.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from viz.components.kit import clean
from viz.view import View

STATES = ()  # it reports nothing: what a visitor does here stays in the picture
LONGEST = 4096  # characters, merges, matches or edges

_BYTES = re.compile(r"(?:<0x[0-9A-Fa-f]{2}>)+")


def replay(
    start: Sequence[str],
    merge: Sequence[tuple[int, str, str, float]],
    token: int,
    *,
    rank_name: str,
    alt: str,
    token_id: int | None = None,
    words: Mapping[str, str] | None = None,
    height: int = 300,
    name: str = "merges",
) -> View:
    """How byte pair encoding put a word together: time runs downwards, one row per merge, with a player.

    start: the word's bytes or characters
    merge: (index of the left piece among the pieces as they stand, left, right, rank), in the order of the merges
    token: which of the final pieces is told about; token_id: its id, for its colour; rank_name: "merge rank"
    words: "start", "step", "whole", "scrub" differently from the kit's

    Raises:
        ValueError: no characters, too many, a merge of pieces that are not there, or no such final piece.
    """
    _check_count("characters", len(start))
    pieces = [_piece(label, i, i + 1, 0) for i, label in enumerate(start)]
    now = list(range(len(start)))  # the pieces as they stand
    for step, (at, left, right, rank) in enumerate(merge, 1):
        if not 0 <= at < len(now) - 1:
            raise ValueError(f"merge {step} joins piece {at} and the next of {len(now)}")
        parts = [now[at], now[at + 1]]
        for part, label in zip(parts, (left, right), strict=True):
            if pieces[part]["born"] == 0 and pieces[part]["text"] != clean(label):
                raise ValueError(f"merge {step} takes {label!r} where {pieces[part]['text']!r} stands")
            pieces[part] |= {"text": clean(label), "gone": step}
        joined = _piece(_spelled(left + right), pieces[parts[0]]["from"], pieces[parts[1]]["to"], step)
        now[at : at + 2] = [len(pieces)]
        pieces.append(joined | {"parts": parts, "rank": _finite(f"merge {step}", rank)})
    if not 0 <= token < len(now):
        raise ValueError(f"there is no final piece {token} of {len(now)}")
    whole = pieces[now[token]]
    for piece in pieces:
        piece["mine"] = whole["from"] <= piece["from"] and piece["to"] <= whole["to"]
    data = {
        "kind": "replay",
        "pieces": pieces,
        "leaves": len(start),
        "steps": len(merge),
        "letters": _letters(start),
        "token": token,
        "token_id": token_id,
        "rank_name": rank_name,
        "words": dict(words or {}),
        "name": name,
    }
    return View("story", data, height, alt)


def search(
    word: str,
    match: Sequence[tuple[Sequence[str], int, bool]],
    token: int,
    *,
    alt: str,
    token_id: int | None = None,
    words: Mapping[str, str] | None = None,
    height: int = 260,
    name: str = "search",
) -> View:
    """How longest-match-first cut a word: for each token a column of the candidates, struck out until one is found.

    match: (candidates from the longest down, how many were tried, whether the last one was found). Where more were
        tried than are listed, the middle ones are missing.
    token: which match is told about; token_id: its id, for its colour
    words: "found", "found_lost", "unfound", "tried", "nothing" differently from the kit's

    Raises:
        ValueError: no match, too many, an empty list of candidates, fewer tried than listed, or no such match.
    """
    _check_count("matches", len(match))
    for i, (tried, n_tried, _) in enumerate(match):
        if not 1 <= len(tried) <= n_tried:
            raise ValueError(f"match {i}: {len(tried)} candidates are listed, {n_tried} were tried")
    if not 0 <= token < len(match):
        raise ValueError(f"there is no match {token} of {len(match)}")
    data = {
        "kind": "search",
        "word": clean(word),
        "matches": [
            {"tried": [clean(label) for label in tried], "count": int(n_tried), "found": bool(found)}
            for tried, n_tried, found in match
        ],
        "token": token,
        "token_id": token_id,
        "words": dict(words or {}),
        "name": name,
    }
    return View("story", data, height, alt)


def lattice(
    word: str,
    edge: Sequence[tuple[int, int, str, float, bool]],
    token: int | None,
    *,
    alt: str,
    paths: Sequence[tuple[str, Sequence[int], float]] = (),
    token_id: int | None = None,
    words: Mapping[str, str] | None = None,
    height: int = 300,
    name: str = "lattice",
) -> View:
    """How Unigram cut a word: every piece that fits, its probability, and the best path.

    edge: (first character, one past the last, piece, natural log-probability, whether it lies on the best path)
    token: which edge is told about, if any; token_id: its id, for its colour
    paths: segmentations to switch between: (label, indices into edge from left to right, log-probability). If none is
        given, the best one is shown.
    words: "path", "edge", "best", "scale", "switch" differently from the kit's

    Ink is the probability that a piece is used when a segmentation is drawn in proportion to its probability: the sum
    over all paths through it, by forward-backward (Kudo 2018, section 3).

    Raises:
        ValueError: no edge, too many, an edge outside the word, a log-probability that is not finite, a path that has
            gaps, or no such edge.
    """
    letters = list(clean(word))
    _check_count("edges", len(edge))
    edges = []
    for i, (first, last, piece, log_prob, best) in enumerate(edge):
        if not 0 <= first < last <= len(letters):
            raise ValueError(f"edge {i} runs from {first} to {last} in a word of {len(letters)} characters")
        log_prob = _finite(f"edge {i}", log_prob)
        one = {"from": int(first), "to": int(last), "text": clean(piece), "log_prob": log_prob}
        edges.append(one | {"best": bool(best)})
    if token is not None and not 0 <= token < len(edges):
        raise ValueError(f"there is no edge {token} of {len(edges)}")
    given = paths or [_best(edges)]
    for label, indices, _ in given:
        _check_path(label, indices, edges)
    total, shares = _shares(len(letters), edges)
    data = {
        "kind": "lattice",
        "letters": letters,
        "edges": [one | {"share": share} for one, share in zip(edges, shares, strict=True)],
        "total": total if math.isfinite(total) else None,
        "paths": [
            {"label": clean(label), "edges": list(map(int, indices)), "log_prob": _finite(f"path {label!r}", log_prob)}
            for label, indices, log_prob in given
        ],
        "token": token,
        "token_id": token_id,
        "words": dict(words or {}),
        "name": name,
    }
    return View("story", data, height, alt)


def _check_count(what: str, n: int) -> None:
    if not 1 <= n <= LONGEST:
        raise ValueError(f"a story has 1 to {LONGEST} {what}, not {n}")


def _finite(what: str, value: float) -> float:
    if not math.isfinite(value):
        raise ValueError(f"{what}: {value} is not a finite number")
    return float(value)


def _piece(label: str, first: int, last: int, born: int) -> dict[str, Any]:
    """A piece over the leaves first .. last, from step born until it is merged (gone: None if it stays)."""
    return {"text": clean(label), "from": first, "to": last, "born": born, "gone": None, "parts": None, "rank": None}


def _spelled(label: str) -> str:
    """A label whose bytes are written as characters wherever they form one: <0xC3><0xA9> is é."""

    def decoded(found: re.Match[str]) -> str:
        raw = bytes(int(code[3:5], 16) for code in re.findall(r"<0x..>", found[0]))
        text = raw.decode("utf-8", "surrogateescape")  # a byte that fits nowhere becomes U+DC00 + byte
        return "".join(f"<0x{ord(c) - 0xDC00:02X}>" if "\udc80" <= c <= "\udcff" else c for c in text)

    return _BYTES.sub(decoded, label)


def _letters(start: Sequence[str]) -> list[dict[str, Any]]:
    """The characters of which several leaves in a row are the bytes: what is written above them."""
    letters = []
    at = 0
    while at < len(start):
        for size in (4, 3, 2):
            label = "".join(start[at : at + size])
            if at + size <= len(start) and all(_BYTES.fullmatch(one) for one in start[at : at + size]):
                text = _spelled(label)
                if len(text) == 1:
                    letters.append({"text": clean(text), "from": at, "to": at + size})
                    at += size - 1
                    break
        at += 1
    return letters


def _best(edges: Sequence[Mapping[str, Any]]) -> tuple[str, list[int], float]:
    indices = sorted((i for i, one in enumerate(edges) if one["best"]), key=lambda i: edges[i]["from"])
    return "", indices, sum(edges[i]["log_prob"] for i in indices)


def _check_path(label: str, indices: Sequence[int], edges: Sequence[Mapping[str, Any]]) -> None:
    at = 0
    for i in indices:
        if not 0 <= i < len(edges) or edges[i]["from"] != at:
            raise ValueError(f"path {label!r} has a gap: edge {i} does not start at character {at}")
        at = edges[i]["to"]


def _shares(n: int, edges: Sequence[Mapping[str, Any]]) -> tuple[float, list[float]]:
    """The log of the sum over all paths of their probability, and for each edge the share of the paths through it.

    Forward-backward: alpha[i] sums over the paths to character i, beta[i] over those from it to the end.
    """
    alpha = [0.0] + [-math.inf] * n
    beta = [-math.inf] * n + [0.0]
    for one in sorted(edges, key=lambda one: one["from"]):
        alpha[one["to"]] = _log_add(alpha[one["to"]], alpha[one["from"]] + one["log_prob"])
    for one in sorted(edges, key=lambda one: -one["to"]):
        beta[one["from"]] = _log_add(beta[one["from"]], one["log_prob"] + beta[one["to"]])
    total = alpha[n]
    if total == -math.inf:
        return total, [0.0] * len(edges)
    return total, [math.exp(alpha[one["from"]] + one["log_prob"] + beta[one["to"]] - total) for one in edges]


def _log_add(a: float, b: float) -> float:
    """log(exp(a) + exp(b))"""
    high, low = max(a, b), min(a, b)
    return high if low == -math.inf else high + math.log1p(math.exp(low - high))
