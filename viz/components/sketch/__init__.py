"""A pad to draw on, said in Python: strokes as a short text, which is also what the page's address holds.

    sketch(cfg.drawing, sampled=points, alt="a drawing of 2 strokes")

A drawing's text: a point is two letters of `ALPHABET`, 0 to 63 from the left and 0 to 63 from the bottom; strokes are
separated by full stops. The pad shows the plane from -`HALF` to `HALF` in both directions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from viz.components.kit import clean
from viz.view import View, pack

STATES = ("strokes",)  # the drawing as text
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_"
MOST_POINTS = 600
HALF = 2.2  # half the side of the pad, in the plane's units
_MOST_SAMPLED = 4096
_DRAWING = re.compile(r"(?:[0-9A-Za-z_-]{2})*(?:\.(?:[0-9A-Za-z_-]{2})*)*")


def sketch(
    strokes: str,
    *,
    sampled: ArrayLike | None = None,
    alt: str,
    words: Mapping[str, str] | None = None,
    height: int = 360,
    name: str = "sketch",
) -> View:
    """A pad with the drawing on it. The new drawing is reported at once when a stroke is taken back, all are cleared or
    the visitor is done, and a moment after a stroke has ended: a letter of several strokes is one drawing.

    strokes: the drawing as text; what is no drawing is shown as an empty pad
    sampled: (m, 2) points of the plane, drawn faintly over the strokes
    words: what the page says differently from the kit (ui/words.toml, [kit.sketch_...], named here without "sketch_")
    name: start of the file name of an export

    Raises:
        ValueError: sampled points that are not rows of two numbers, or too many.
    """
    points = None
    if sampled is not None:
        points = np.asarray(sampled, dtype=np.float64)
        if points.ndim != 2 or points.shape[1] != 2 or len(points) > _MOST_SAMPLED:
            raise ValueError(f"sampled {points.shape}: up to {_MOST_SAMPLED} rows of two numbers")
        points = points[np.isfinite(points).all(1)]
    known = _DRAWING.fullmatch(strokes) and sum(map(len, strokes.split("."))) <= 2 * MOST_POINTS
    data: dict[str, Any] = {
        "strokes": strokes if known else "",
        "most": MOST_POINTS,
        "half": HALF,
        "sampled": None if points is None else pack(points, exact=True),
        "words": {key: clean(text) for key, text in (words or {}).items()},
        "name": name,
    }
    return View("sketch", data, height, alt)
