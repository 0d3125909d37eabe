"""Rotary position embeddings as clocks, said in Python: for every pair of dimensions a face with two hands, the query's
and the key's, and beside them the matrix of all scores.

    clocks(query, key, score, part, wavelength, query_scrub=Scrub("m", "query position", range(96), 12),
           key_scrub=Scrub("n", "key position", range(96), 4), alt="...", words={})

Nothing is rotated in the browser: the hands of every position come from here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from viz.components.kit import Scrub, clean, numbers_of
from viz.view import View, pack

STATES = ("scrubs",)  # what the component reports: [index of m, index of n] when both have come to rest
MOST_POSITIONS = 256
MOST_PAIRS = 64
_TOLERANCE = 1e-3  # by which shares may miss the dot products, as a part of the largest
_SAME = 1e-4  # shares of one distance that differ by less are one


def clocks(
    query: ArrayLike,
    key: ArrayLike,
    score: ArrayLike,
    part: ArrayLike,
    wavelength: ArrayLike,
    *,
    query_scrub: Scrub,
    key_scrub: Scrub,
    labels: Sequence[str] = (),
    unit: bool = False,
    alt: str,
    words: Mapping[str, str] | None = None,
    height: int = 520,
    name: str = "clocks",
) -> View:
    """Query and key at all t positions, p pairs each; fast pairs first, as they are given.

    query, key: (t, p, 2) the pairs after the rotation by their position
    score: (t, t) query m times key n, in row m and column n
    part: (t, t, p) each pair's share of the score: the dot product of its two hands, times one factor for all (1/√d)
    wavelength: (p,) positions per turn; infinite: does not turn
    query_scrub, key_scrub: m and n; their values are the t positions, evenly spaced, the same for both
    labels: the token at each position, if there are tokens; the marks along a rim, elsewhere the earlier positions of
        the hand, then show its turning alone, as the hands of other tokens have nothing to do with it
    unit: all hands are drawn equally long, for pairs whose lengths differ too much to be seen on one scale
    words: what the page says differently from the kit (ui/words.toml, [kit.clocks_...], named here without "clocks_")
    height: of the picture; on a phone, where its parts stand under each other, it grows
    name: start of the file name of an export

    Raises:
        ValueError: nothing or too much to draw, shapes that do not fit each other, a number that is not finite, a
            wavelength that is not positive, shares that are no multiple of the dot products, or positions that are not
            evenly spaced.
    """
    hands = {"query": np.asarray(query, dtype=np.float64), "key": np.asarray(key, dtype=np.float64)}
    scores, share = np.asarray(score, dtype=np.float64), np.asarray(part, dtype=np.float64)
    turn = np.asarray(wavelength, dtype=np.float64)
    t, p = hands["query"].shape[:2] if hands["query"].ndim == 3 else (0, 0)
    if not (1 <= t <= MOST_POSITIONS and 1 <= p <= MOST_PAIRS):
        raise ValueError(
            f"query {hands['query'].shape}: 1 to {MOST_POSITIONS} positions, 1 to {MOST_PAIRS} pairs, 2 numbers"
        )
    wanted = {
        "query": (hands["query"], (t, p, 2)),
        "key": (hands["key"], (t, p, 2)),
        "score": (scores, (t, t)),
        "part": (share, (t, t, p)),
        "wavelength": (turn, (p,)),
    }
    for what, (array, shape) in wanted.items():
        if array.shape != shape:
            raise ValueError(f"{what} {array.shape} for {t} positions and {p} pairs: {shape} is needed")
        if what != "wavelength" and not (np.abs(array) <= np.finfo(np.float32).max).all():
            raise ValueError(f"{what}: every number is finite")
    if not (turn > 0).all():
        raise ValueError("wavelength: positions per turn are more than 0, infinite at most")
    if labels and len(labels) != t:
        raise ValueError(f"{len(labels)} labels for {t} positions")
    positions = _positions(query_scrub, key_scrub, t)
    data: dict[str, Any] = {
        "query": pack(hands["query"], exact=True),
        "key": pack(hands["key"], exact=True),
        "score": pack(scores, exact=True),
        "part": _shares(share),
        "factor": _factor(hands["query"], hands["key"], share),
        "wavelength": [float(x) if np.isfinite(x) else None for x in turn],
        "positions": positions,
        "labels": [clean(label) for label in labels],
        "unit": bool(unit),
        "scrubs": [query_scrub.data(), key_scrub.data()],
        "words": {key: clean(text) for key, text in (words or {}).items()},
        "name": name,
    }
    return View("clocks", data, height, alt)


def _positions(query_scrub: Scrub, key_scrub: Scrub, t: int) -> list[Any]:
    """The values that both scrubbers share."""
    for scrub in (query_scrub, key_scrub):
        if len(scrub.values) != t:
            raise ValueError(f"{len(scrub.values)} values of {scrub.field!r} for {t} positions")
        if any(isinstance(value, str) for value in scrub.values):
            raise ValueError(f"{scrub.field!r}: positions are numbers")
    values = np.asarray(query_scrub.values, dtype=np.float64)
    steps = np.diff(values)
    if not np.isfinite(values).all() or not np.allclose(steps, steps[:1], rtol=1e-9) or (steps <= 0).any():
        raise ValueError(f"{query_scrub.field!r}: positions rise in equal steps, so that a diagonal is one distance")
    if list(query_scrub.values) != list(key_scrub.values):
        raise ValueError(f"{query_scrub.field!r} and {key_scrub.field!r} have different positions")
    return [value.item() if isinstance(value, np.generic) else value for value in query_scrub.values]


def _factor(query: np.ndarray, key: np.ndarray, share: np.ndarray) -> float:
    """The number f with share = f · (query · key) for every pair and every two positions; 1 if all are 0."""
    dot = np.einsum("mpi,npi->mnp", query, key)
    largest = np.abs(share).max()
    factor = float((share * dot).sum() / (dot * dot).sum()) if dot.any() else 1.0
    if np.abs(share - factor * dot).max() > _TOLERANCE * max(largest, np.abs(factor * dot).max()):
        raise ValueError("part: the dot product of query m and key n of each pair, times one factor for all")
    return 1.0 if abs(factor - 1) < _TOLERANCE else factor


def _shares(share: np.ndarray) -> dict[str, Any]:
    """One row per distance m - n, from -(t - 1) to t - 1, where the shares depend on nothing else; else all of them."""
    t, _, p = share.shape
    distance = np.subtract.outer(np.arange(t), np.arange(t)) + t - 1
    one = np.empty((2 * t - 1, p))
    one[distance] = share
    if np.abs(one[distance] - share).max() <= _SAME * np.abs(share).max():
        return pack(one, exact=True)
    return numbers_of(share)
