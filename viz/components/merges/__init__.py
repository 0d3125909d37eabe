"""Training a tokenizer step by step, said in Python: the curve with the scrubber as its axis, the candidates of the
next step, the vocabulary, and the tree of merges behind a piece.

    merges(pieces=["a", "b", "ab"], born=[0, 0, 1], gone=[9, 9, 9], parent=[[-1, -1], [-1, -1], [0, 1]],
           curve=[1.0, 1.4], axis=[2, 3], pair=[[[0, 1], [1, 0]]], numbers=[[[7], [4]]], chosen=[[True, False]],
           columns=["count"], scrub=Scrub("step", "step", range(2), 1), words={"axis": "vocabulary"}, alt="...")
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from viz.components.kit import Scrub, clean
from viz.view import View, pack

STATES = ("scrub",)  # what the component reports: the step at which the scrubber was let go
MOST_STEPS = 5000
MOST_ROWS = 50  # candidates of one step


def merges(
    pieces: Sequence[str],
    born: ArrayLike,
    gone: ArrayLike,
    parent: ArrayLike,
    curve: ArrayLike,
    axis: ArrayLike,
    pair: ArrayLike,
    numbers: ArrayLike,
    chosen: ArrayLike,
    columns: Sequence[str],
    scrub: Scrub,
    *,
    alt: str,
    words: Mapping[str, str] | None = None,
    rival: ArrayLike | None = None,
    marks: Sequence[tuple[int, str]] = (),
    height: int = 460,
    name: str = "merges",
) -> View:
    """A training of S steps. Position k of the scrubber shows the state after k steps, and the candidates for the next.

    pieces: n strings as the vocabulary writes them; the id of a piece is its index
    born, gone: (n,) the step in which a piece enters (0: there from the start) and leaves (beyond S: never)
    parent: (n, 2) the ids of the two pieces it was merged from, -1 twice if from none
    curve, axis: (S + 1,) what the training is judged by, and the vocabulary size, after k steps
    pair: (S, m, 2) ids of the candidates; -1 second: a single piece; -1 twice: no candidate in this row
    numbers: (S, m, c) their numbers, of which `columns` are the c names
    chosen: (S, m) taken in this step; rival: (S, m) what another algorithm would take instead
    scrub: S + 1 values
    marks: (step, sentence) worth a visit
    words: what the page says differently from the kit (ui/words.toml, [kit.merges_...], named here without "merges_"):
        "curve", "axis": what is drawn; "chosen", "rival": the two signs of the table; "candidates", "vocabulary",
        "tree": headings; "pair", "piece": the table's first column; "done": instead of candidates at the end; "made",
        "removed" (with {step}), "start": what a piece's tree says
    name: start of the file name of an export

    Raises:
        ValueError: shapes that do not fit each other, an id that is none, or a piece made before its parts.
    """
    height_of = np.asarray(curve, dtype=np.float64)
    n, steps = len(pieces), len(height_of) - 1
    born, gone, parent = (np.asarray(array, dtype=np.int64) for array in (born, gone, parent))
    pair = np.asarray(pair, dtype=np.int64)
    number, taken = np.asarray(numbers, dtype=np.float64), np.asarray(chosen, dtype=bool)
    other = None if rival is None else np.asarray(rival, dtype=bool)
    if not n or not 0 <= steps <= MOST_STEPS or len(scrub.values) != steps + 1:
        raise ValueError(
            f"{n} pieces, {steps} steps, {len(scrub.values)} values: one piece and 0 to {MOST_STEPS} steps"
        )
    if not np.isfinite(height_of).all():
        raise ValueError("curve: every value is finite")
    m = pair.shape[1] if pair.ndim == 3 else -1
    wanted = {
        "born": (born, (n,)),
        "gone": (gone, (n,)),
        "parent": (parent, (n, 2)),
        "axis": (np.asarray(axis), (steps + 1,)),
        "pair": (pair, (steps, m, 2)),
        "numbers": (number, (steps, m, len(columns))),
        "chosen": (taken, (steps, m)),
        "rival": (taken if other is None else other, (steps, m)),
    }
    for what, (array, shape) in wanted.items():
        if array.shape != shape:
            raise ValueError(f"{what} {array.shape} for {n} pieces, {steps} steps and {len(columns)} columns")
    if m > MOST_ROWS:
        raise ValueError(f"{m} candidates, but the table has at most {MOST_ROWS} rows")
    if pair.size and not -1 <= pair.min() <= pair.max() < n:
        raise ValueError(f"pair {pair.min()} to {pair.max()}: ids run from 0 to {n - 1}")
    made = parent.max(1) >= 0
    if parent.min() < -1 or parent.max() >= n or (made & (parent.min(1) < 0)).any():
        raise ValueError(f"parent: two ids from 0 to {n - 1}, or -1 twice")
    if (born[parent[made]] >= born[made, None]).any():
        raise ValueError("parent: a piece is made after both of its parts")
    for step, _ in marks:
        if not 0 <= step <= steps:
            raise ValueError(f"mark at step {step} of {steps}")
    data: dict[str, Any] = {
        "pieces": [clean(piece) for piece in pieces],
        "born": pack(np.clip(born, 0, steps + 1)),
        "gone": pack(np.clip(gone, 0, steps + 1)),
        "parent": pack(parent),
        "curve": pack(height_of, exact=True),
        "axis": _narrow(np.asarray(axis, dtype=np.float64)),
        "pair": pack(pair),
        "numbers": [_narrow(number[..., c]) for c in range(len(columns))],
        "chosen": pack(taken),
        "rival": None if other is None else pack(other),
        "columns": [clean(column) for column in columns],
        "marks": [[int(step), clean(text)] for step, text in sorted(marks)],
        "scrub": scrub.data(),
        "words": {key: clean(text) for key, text in (words or {}).items()},
        "name": name,
    }
    return View("merges", data, height, alt)


def _narrow(values: np.ndarray) -> dict[str, Any]:
    """Counts as integers, everything else as float32."""
    whole = values.size > 0 and np.isfinite(values).all() and (values == np.round(values)).all()
    return pack(values.astype(np.int64)) if whole and np.abs(values).max() < 2**31 else pack(values, exact=True)
