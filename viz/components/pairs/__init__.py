"""Pictures against texts, said in Python: one row for each picture, one column for each text, and in every cell how
well the two fit each other. Frames of a training are played by a scrubber.

    pairs(images, captions, similarity, share, right=np.eye(n, dtype=bool), scrub=Scrub("step", "step", steps, 20),
          alt="...")

A cell's colour is its share, from 0. The visitor may see the similarity itself instead, which diverges around 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from viz.components.kit import Scrub, clean, numbers_of
from viz.view import View, pack

# What the component reports: the index at which the scrubber was let go; the chosen [row, column], or null.
STATES = ("scrub", "chosen")
MOST = 64  # pictures, and texts
MOST_FRAMES = 256
MOST_SIDE = 256  # pixels
MOST_BYTES = 12_000_000  # of all pictures together
MOST_CELLS = 1_000_000  # in all frames


def pairs(
    images: ArrayLike,
    texts: Sequence[str],
    similarity: ArrayLike,
    share: ArrayLike,
    *,
    right: ArrayLike | None = None,
    largest: float | None = None,
    show: str = "share",
    chosen: tuple[int, int] | None = None,
    scrub: Scrub | None = None,
    follow: str = "",
    index: int = 0,
    readout: Sequence[str] = (),
    alt: str,
    words: Mapping[str, str] | None = None,
    height: int = 560,
    name: str = "pairs",
) -> View:
    """n pictures against m texts.

    images: uint8, (n, h, w, 3), or (n_frame, n, h, w, 3)
    similarity: (n_frame or 1, n, m), or (n, m): any numbers, such as cosines
    share: as similarity, none below 0: what a softmax or a sigmoid makes of it; the cells' colour
    right: bool, (n, m): cells that belong together, ringed
    largest: the end of the share's scale; None: 1, or the largest share if that is more
    show: "share" or "similarity", what the cells show at first
    chosen: the pair shown while nothing is pointed at. A click changes it and comes back as the state "chosen"
    scrub: plays the frames; follow: they follow this field's scrubber, wherever on the page it is; index: the first
        frame shown then
    readout: a sentence above the picture, one, or one for each frame
    words: what the page says differently from the kit (ui/words.toml, [kit.pairs_...], named here without it), such as
        "share": what the share is a share of
    height: of the whole at full width; where even the smallest cells need more, it grows
    name: start of the file name of an export

    Raises:
        ValueError: nothing or too much to draw, shapes or numbers of frames that do not fit each other, a pair that
            does not exist, a share below 0, a number that is not finite.
    """
    pixels = _images(images)
    n, m = pixels.shape[1], len(texts)
    if not 1 <= m <= MOST:
        raise ValueError(f"{m} texts: 1 to {MOST}")
    near, part = _table("similarity", similarity, n, m), _table("share", share, n, m)
    if part.min() < 0:
        raise ValueError("share: none below 0")
    if largest is not None and not (np.isfinite(largest) and largest > 0):
        raise ValueError(f"largest is a number above 0, not {largest}")
    rings = np.zeros((n, m), bool) if right is None else np.asarray(right)
    if rings.shape != (n, m) or rings.dtype != bool:
        raise ValueError(f"right: {rings.shape} {rings.dtype}, not bool for {n} pictures and {m} texts")
    if show not in ("share", "similarity"):
        raise ValueError(f"show is share or similarity, not {show!r}")
    if chosen is not None and not (0 <= chosen[0] < n and 0 <= chosen[1] < m):
        raise ValueError(f"there is no pair {chosen}")
    counts = {len(pixels), len(near), len(part), len(readout)} - {0, 1}
    if scrub is not None:
        counts.add(len(scrub.values))
    if len(counts) > 1:
        raise ValueError(f"frames: {sorted(counts)} do not fit each other")
    frames = counts.pop() if counts else 1
    if frames > 1 and scrub is None and not follow:
        raise ValueError(f"{frames} frames, but neither scrub nor follow to play them")
    if not 0 <= index < frames:
        raise ValueError(f"index {index} of {frames} frames")
    data: dict[str, Any] = {
        "images": pack(pixels),
        "texts": [clean(text) for text in texts],
        "similarity": numbers_of(near),
        "share": numbers_of(part),
        "right": pack(rings),
        "end": float(largest) if largest is not None else float(max(1.0, part.max())),
        "reach": float(np.abs(near).max()) or 1.0,
        "show": show,
        "frames": frames,
        "chosen": None if chosen is None else [int(at) for at in chosen],
        "scrub": scrub.data() if scrub else None,
        "follow": follow,
        "index": scrub.index if scrub else index,
        "readout": [clean(text) for text in readout],
        "words": {key: clean(text) for key, text in (words or {}).items()},
        "name": name,
    }
    return View("pairs", data, height, alt)


def _images(images: ArrayLike) -> np.ndarray:
    """(n or 1, p, h, w, 3)."""
    array = np.asarray(images)
    if array.ndim == 4:
        array = array[None]
    if array.ndim != 5 or array.shape[-1] != 3 or array.dtype != np.uint8:
        raise ValueError(f"images {array.shape} {array.dtype}: uint8, (n_frame,) n_picture, h, w, 3")
    n, p, h, w, _ = array.shape
    if not (1 <= n <= MOST_FRAMES and 1 <= p <= MOST and 1 <= h <= MOST_SIDE and 1 <= w <= MOST_SIDE):
        raise ValueError(
            f"{n} frames of {p} pictures of {w} by {h}: up to {MOST_FRAMES} of {MOST} of {MOST_SIDE} by {MOST_SIDE}"
        )
    if array.size > MOST_BYTES:
        raise ValueError(f"{array.size} values in all pictures, more than {MOST_BYTES}")
    return array


def _table(what: str, values: ArrayLike, n: int, m: int) -> np.ndarray:
    """(n_frame or 1, n, m), finite."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim == 2:
        array = array[None]
    if array.ndim != 3 or array.shape[1:] != (n, m) or not 1 <= len(array) <= MOST_FRAMES or array.size > MOST_CELLS:
        raise ValueError(f"{what} {array.shape}: n_frame or 1, {n} pictures, {m} texts")
    if not np.isfinite(array).all():
        raise ValueError(f"{what}: finite numbers")
    return array
