"""Small multiples, said in Python: up to 300 little matrices, laid out in named rows and columns or in the order given.

grid(thumbnails, titles=["L0 H0", ...], scores=score, names=["layer 0, head 0", ...], columns=9, alt="...")
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from viz.components.kit import clean
from viz.view import View, pack

STATES = ("selected", "marked")  # what the component reports: lists of indices, in the order they were chosen
MOST = 300
LARGEST = 32  # cells per side of one little matrix


def grid(
    maps: ArrayLike,
    titles: Sequence[str],
    scores: ArrayLike | None = None,
    selected: Sequence[int] = (),
    *,
    alt: str,
    columns: int | None = None,
    rows: Sequence[str] | None = None,
    cols: Sequence[str] | None = None,
    names: Sequence[str] | None = None,
    score_name: str = "",
    largest: float = 1.0,
    multiple: bool = True,
    marked: Sequence[int] | None = None,
    words: Mapping[str, str] | None = None,
    height: int = 520,
    name: str = "grid",
) -> View:
    """n matrices of m by m cells, each selectable.

    maps: (n, m, m) whole numbers from 0 to 255 on the probability scale; largest: the weight that 255 stands for
    titles: short ("L3 H1"); names: what a screen reader says ("layer 3, head 1"), the titles if left out
    scores: (n,) one number each, named score_name
    columns: matrices per row: then rows and cols name both axes, by default the two words of the titles. None: they
        flow in the order given and each carries its own title
    multiple: whether several can be selected at once
    marked: matrices that are crossed out. If given, a click selects one, and a click with Shift, or while the switch is
        on, crosses one out or brings it back
    words: "mark", "mark_help": what the switch is called then; "unmark": the button that brings all back

    Raises:
        ValueError: no or too many matrices, too large ones, or lists of different lengths.
    """
    array = np.asarray(maps)
    n = len(array)
    if array.ndim != 3 or not 1 <= n <= MOST or max(array.shape[1:]) > LARGEST:
        raise ValueError(f"maps {array.shape}: 1 to {MOST} matrices of at most {LARGEST} by {LARGEST} cells")
    score = None if scores is None else [float(x) for x in np.asarray(scores)]
    for what, listed in (("titles", titles), ("scores", score), ("names", names)):
        if listed is not None and len(listed) != n:
            raise ValueError(f"{len(listed)} {what} for {n} matrices")
    for what, given in (("selected", selected), ("marked", marked or ())):
        if not all(0 <= i < n for i in given):
            raise ValueError(f"{what} {list(given)}: indices run from 0 to {n - 1}")
    data: dict[str, Any] = {
        "maps": pack(array.astype(np.uint8)),
        "titles": [clean(title) for title in titles],
        "names": [clean(text) for text in (names or titles)],
        "scores": score,
        "score_name": score_name,
        "selected": list(selected),
        "columns": columns,
        "rows": list(rows) if rows else _words(titles, 0, columns, n),
        "cols": list(cols) if cols else _words(titles, 1, columns, n),
        "largest": largest,
        "multiple": multiple and marked is None,
        "marked": None if marked is None else list(marked),
        "words": dict(words or {}),
        "name": name,
    }
    return View("grid", data, height, alt)


def _words(titles: Sequence[str], at: int, columns: int | None, n: int) -> list[str] | None:
    """Names of the rows (first word of each row's first title) or of the columns (second word of the first row's)."""
    if not columns or any(len(title.split()) != 2 for title in titles):
        return None
    return [titles[i].split()[at] for i in (range(0, n, columns) if at == 0 else range(min(columns, n)))]
