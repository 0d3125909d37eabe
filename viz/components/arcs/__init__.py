"""Who looks at whom, said in Python: weights between tokens as arcs between two columns, or on the running text.

arcs(attention[layer, head], rows=tokens, cols=tokens, mode="text", focus=7, alt="...")
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from viz.components.kit import clean, numbers_of
from viz.view import View

STATES = ("focus", "direction")  # what the component reports: the index of the pinned token or null; "looks_at" or ...
LARGEST = 128  # tokens


def arcs(
    weights: ArrayLike,
    rows: Sequence[str],
    cols: Sequence[str],
    mode: Literal["arcs", "text"] = "arcs",
    focus: int | None = None,
    *,
    alt: str,
    direction: Literal["looks_at", "looked_at"] = "looks_at",
    words: Mapping[str, str] | None = None,
    height: int = 460,
    name: str = "arcs",
) -> View:
    """Weights (t, s), each from 0 to 1: how much row token t looks at column token s.

    rows, cols: the tokens; the same list for self-attention
    mode: "arcs" draws two columns joined by arcs, "text" colours the running text by the focused token's weights
    focus: the pinned token, if any; direction: whether its own row or its column of the weights is shown at first
    words: what the page says differently: "rows" and "cols" (titles of the two columns), "hint"

    Raises:
        ValueError: shapes that do not fit the labels, more than 128 tokens, or no such token to focus.
    """
    shape = np.shape(weights)
    if shape != (len(rows), len(cols)) or not all(1 <= n <= LARGEST for n in shape):
        raise ValueError(f"weights {shape} do not fit {len(rows)} by {len(cols)} tokens of 1 to {LARGEST}")
    if focus is not None and not 0 <= focus < (len(rows) if direction == "looks_at" else len(cols)):
        raise ValueError(f"there is no token {focus}")
    data: dict[str, Any] = {
        "weights": numbers_of(weights),
        "rows": [clean(label) for label in rows],
        "cols": [clean(label) for label in cols],
        "mode": mode,
        "focus": focus,
        "direction": direction,
        "words": dict(words or {}),
        "name": name,
    }
    return View("arcs", data, height, alt)
