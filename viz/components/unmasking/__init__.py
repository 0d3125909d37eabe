"""A text that is filled in, said in Python: one box per place, masked or with a token, one frame per step; up to three
such texts below each other, and above the slider the whole film of each: places from top to bottom, steps across.

    unmasking([Lane("by confidence", token, weight=probability, fixed=prompt)], vocabulary,
              scrub=Scrub("step", "step", range(17), 8), alt="...")
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from viz.components.kit import Scrub, clean
from viz.view import View, pack

# What the component reports: the index at which the scrubber was let go; the places of lane 0 that clicks have masked.
STATES = ("scrub", "masked")
MASKED = -1
MOST_LANES = 4
MOST_PLACES = 512
MOST_FRAMES = 513
MOST_GUESSES = 600_000


@dataclasses.dataclass(frozen=True)
class Lane:
    """One text of m places over n frames.

    token: (n, m) index into the vocabulary, -1 where it is masked
    weight: (n, m) the probability with which the token was put there, 0 to 1: the colour of its box
    fixed: (m,) places that were given: drawn plain; after a newline among them a new line begins
    notes: beside the title, one, or one for each frame
    guess: (n, m, k) tokens and their probabilities, the likeliest first: what is read out at a place (-1: none)
    blocks: places at which a block begins: a thin line
    """

    title: str
    token: ArrayLike
    weight: ArrayLike | None = None
    fixed: ArrayLike | None = None
    notes: Sequence[str] = ()
    guess: tuple[ArrayLike, ArrayLike] | None = None
    blocks: Sequence[int] = ()


def unmasking(
    lanes: Sequence[Lane],
    vocabulary: Sequence[str],
    *,
    masked: Sequence[int] | None = None,
    scrub: Scrub | None = None,
    follow: str = "",
    index: int = 0,
    order: bool = True,
    alt: str,
    words: Mapping[str, str] | None = None,
    height: int = 420,
    name: str = "unmasking",
) -> View:
    """Texts below each other. A box is as wide as the widest token it ever holds, so that nothing moves.

    vocabulary: the tokens' texts; a lane may have as many frames as the others, or one
    masked: places of the first lane that the visitor has masked; a click on a place adds or removes it, which comes
        back as the state "masked". None: a click does nothing
    scrub: plays the frames; follow: they follow this field's scrubber, wherever on the page it is; index: the first
        frame shown then
    order: each box says in which step it was filled; the visitor can switch that off. False: steps mean nothing here
    words: what the page says differently from the kit (ui/words.toml, [kit.unmasking_...], named here without it)
    height: of the whole; boxes get smaller to fit, and where that is not enough it grows
    name: start of the file name of an export

    Raises:
        ValueError: nothing or too much to draw, shapes or numbers of frames that do not fit each other, a token outside
            the vocabulary, a probability outside 0 to 1, a place that does not exist.
    """
    if not 1 <= len(lanes) <= MOST_LANES:
        raise ValueError(f"{len(lanes)} lanes: 1 to {MOST_LANES}")
    tokens = [_ids(one.token, 2, len(vocabulary), f"{one.title}: token") for one in lanes]
    for one, token in zip(lanes, tokens, strict=True):
        if not (1 <= token.shape[0] <= MOST_FRAMES and 1 <= token.shape[1] <= MOST_PLACES):
            raise ValueError(f"{one.title}: token {token.shape}: up to {MOST_FRAMES} frames of {MOST_PLACES} places")
    guesses = [
        None if one.guess is None else _guess(one, token, len(vocabulary))
        for one, token in zip(lanes, tokens, strict=True)
    ]
    if sum(0 if one is None else one[0].size for one in guesses) > MOST_GUESSES:
        raise ValueError(f"more than {MOST_GUESSES} guesses")
    counts = {len(token) for token in tokens} | {len(one.notes) for one in lanes}
    counts |= {len(scrub.values)} if scrub is not None else set()
    counts -= {0, 1}
    if len(counts) > 1:
        raise ValueError(f"frames: {sorted(counts)} do not fit each other")
    n = counts.pop() if counts else 1
    if n > 1 and scrub is None and not follow:
        raise ValueError(f"{n} frames, but neither scrub nor follow to play them")
    if not 0 <= index < n:
        raise ValueError(f"index {index} of {n} frames")
    if masked is not None and any(not 0 <= place < tokens[0].shape[1] for place in masked):
        raise ValueError(f"masked: places 0 to {tokens[0].shape[1] - 1}")
    # Of the vocabulary only what occurs travels, numbered anew.
    used = np.unique(np.concatenate([one.ravel() for one in [*tokens, *(g[0] for g in guesses if g is not None)]]))
    used = used[used >= 0]
    data: dict[str, Any] = {
        "lanes": [_lane(one, token, guess, used) for one, token, guess in zip(lanes, tokens, guesses, strict=True)],
        "vocabulary": [clean(vocabulary[token]) for token in used.tolist()],
        "frames": n,
        "masked": None if masked is None else sorted({int(place) for place in masked}),
        "order": order,
        "scrub": scrub.data() if scrub else None,
        "follow": follow,
        "index": scrub.index if scrub else index,
        "words": {key: clean(text) for key, text in (words or {}).items()},
        "name": name,
    }
    return View("unmasking", data, height, alt)


def _ids(given: ArrayLike, n_axis: int, n_token: int, what: str) -> np.ndarray:
    values = np.asarray(given)
    if values.ndim != n_axis or values.dtype.kind not in "iu":
        raise ValueError(f"{what} {values.shape} {values.dtype}: whole numbers along {n_axis} axes are needed")
    if values.size and not MASKED <= values.min() <= values.max() < n_token:
        raise ValueError(f"{what}: from {values.min()} to {values.max()}, not {MASKED} to {n_token - 1}")
    return values


def _shares(given: ArrayLike, shape: tuple[int, ...], what: str) -> np.ndarray:
    values = np.asarray(given, dtype=np.float64)
    if values.shape != shape:
        raise ValueError(f"{what} {values.shape}: {shape} is needed")
    if not ((values >= 0) & (values <= 1 + 1e-4)).all():
        raise ValueError(f"{what}: probabilities from 0 to 1")
    return values.clip(0, 1)


def _guess(lane: Lane, token: np.ndarray, n_token: int) -> tuple[np.ndarray, np.ndarray]:
    assert lane.guess is not None
    ids = _ids(lane.guess[0], 3, n_token, f"{lane.title}: guess")
    if ids.shape[:2] != token.shape:
        raise ValueError(f"{lane.title}: guess {ids.shape} for tokens {token.shape}")
    return ids, _shares(lane.guess[1], ids.shape, f"{lane.title}: guess")


def _lane(
    lane: Lane, token: np.ndarray, guess: tuple[np.ndarray, np.ndarray] | None, used: np.ndarray
) -> dict[str, Any]:
    m = token.shape[1]
    weight = None if lane.weight is None else _shares(lane.weight, token.shape, f"{lane.title}: weight")
    fixed = np.zeros(m, dtype=bool) if lane.fixed is None else np.asarray(lane.fixed, dtype=bool)
    if fixed.shape != (m,):
        raise ValueError(f"{lane.title}: fixed {fixed.shape} for {m} places")
    if any(not 0 <= place < m for place in lane.blocks):
        raise ValueError(f"{lane.title}: blocks begin at places 0 to {m - 1}")
    return {
        "title": clean(lane.title),
        "token": pack(_renumbered(token, used)),
        "weight": None if weight is None else pack(weight),
        "fixed": pack(fixed),
        "notes": [clean(text) for text in lane.notes],
        "guess": None if guess is None else [pack(_renumbered(guess[0], used)), pack(guess[1])],
        "blocks": sorted({int(place) for place in lane.blocks}),
    }


def _renumbered(ids: np.ndarray, used: np.ndarray) -> np.ndarray:
    """Places in `used`, plus one: 0 is masked, so that the numbers travel without a sign."""
    return np.where(ids < 0, 0, np.searchsorted(used, ids) + 1)
