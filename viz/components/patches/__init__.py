"""Pictures cut into patches, said in Python: side by side, over each how strongly one patch looks at every other.

    patches([Panel("head 1", image, heat=attention[:, 0]), Panel("head 2", image, heat=attention[:, 1])],
            side=8, columns=2, scrub=Scrub("layer", "layer", (1, 2, 3, 4), 3), alt="...")

A row of heat belongs to a source: a patch, [CLS], a word of an answer. Which source is shown is the visitor's choice,
in all panels at once: the patch under the pointer, or one that a click keeps.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from viz.components.kit import Scrub, clean
from viz.view import View, pack

# What the component reports: the index at which the scrubber was let go; the source that a click keeps (0: none);
# the cells that are switched off.
STATES = ("scrub", "source", "off")
MOST_PANELS = 96
MOST_SIDE = 32
MOST_FRAMES = 256
MOST_CHIPS = 128
MOST_PIXELS = 512
MOST_BYTES = 12_000_000
FINE = 500_000  # up to so many numbers of heat, each travels in two bytes instead of one


@dataclasses.dataclass(frozen=True)
class Panel:
    """One square of side x side cells, row by row from the upper left.

    image: uint8 (h, w, 3) or (n_frame, h, w, 3), drawn under the cells; None: cells only
    heat: (n_frame or 1, n_source or 1, side * side), one row for each source; from 0, or signed
    signed: the heat's colours diverge around 0
    largest: the end of the colour scale; None: this panel's own largest size, for each frame and source
    colour: uint8 (n_frame or 1, side * side, 3): every cell is painted so
    off: bool (n_frame or 1, side * side): hatched cells
    texts: one for each cell, said when the pointer is on it
    note: below it, one, or one for each frame
    """

    title: str
    image: ArrayLike | None = None
    heat: ArrayLike | None = None
    signed: bool = False
    largest: float | None = None
    colour: ArrayLike | None = None
    off: ArrayLike | None = None
    texts: Sequence[str] = ()
    note: str | Sequence[str] = ""


def patches(
    panels: Sequence[Panel],
    *,
    side: int,
    columns: int,
    sources: Sequence[str] = (),
    source: int | None = None,
    chips: bool | None = None,
    follow_pointer: bool = True,
    off: Sequence[int] | None = None,
    gap: float = 0.0,
    scrub: Scrub | None = None,
    follow: str = "",
    index: int = 0,
    readout: Sequence[str] = (),
    alt: str,
    words: Mapping[str, str] | None = None,
    height: int = 480,
    name: str = "patches",
) -> View:
    """Panels in rows of `columns`, on a narrow screen in shorter rows.

    sources: the names of the heat's rows. With side ** 2 of them row i is cell i; with one more, row 0 is [CLS] and row
        1 + i is cell i; otherwise they are words above the panels, one of which is chosen
    source: the row that is kept (0 in a panel of patches: none is, the pointer decides)
    chips: whether the sources are words above the panels, if their number does not tell
    follow_pointer: the patch under the pointer is the source, unless one is kept
    off: cells that are switched off, hatched in every panel; a click then switches a cell instead of keeping it
    gap: the patches of panels with an image are pulled apart by this share of a patch
    scrub: plays the frames; follow: they follow this field's scrubber, wherever on the page it is; index: the first one
    readout: a sentence above the panels, one, or one for each frame
    words: what the page says differently from the kit (ui/words.toml, [kit.patches_...], named here without it)
    height: of the whole at full width; where even the smallest panels need more, it grows
    name: start of the file name of an export

    Raises:
        ValueError: nothing or too much to draw, shapes, sources or numbers of frames that do not fit each other, heat
            that is not finite, or below 0 without being signed.
    """
    if not 1 <= len(panels) <= MOST_PANELS:
        raise ValueError(f"{len(panels)} panels: 1 to {MOST_PANELS}")
    if not 1 <= side <= MOST_SIDE:
        raise ValueError(f"side {side}: 1 to {MOST_SIDE}")
    if columns < 1:
        raise ValueError(f"columns {columns}: a number from 1")
    if not 0 <= gap <= 1:
        raise ValueError(f"gap {gap}: a share of a patch, 0 to 1")
    heats = [_heat(one, side) for one in panels]
    fine = sum(0 if one is None else one.size for one in heats) <= FINE
    images: list[np.ndarray] = []
    sent = [_panel(one, heat, side, images, fine) for one, heat in zip(panels, heats, strict=True)]
    size = sum(one.size for one in images) + sum(one["bytes"] for one in sent)
    if size > MOST_BYTES:
        raise ValueError(f"{size} bytes of pictures and heat, more than {MOST_BYTES}")
    n = _frames(sent, images, readout, scrub)
    if n > 1 and scrub is None and not follow:
        raise ValueError(f"{n} frames, but neither scrub nor follow to play them")
    if not 0 <= index < n:
        raise ValueError(f"index {index} of {n} frames")
    n_source = _sources(heats)
    kind = _kind(n_source, side, chips)
    if len(sources) not in (0, n_source) or (kind == "chips" and not len(sources)):
        raise ValueError(f"{len(sources)} names for {n_source} sources")
    if kind == "chips" and n_source > MOST_CHIPS:
        raise ValueError(f"{n_source} sources that are not cells: up to {MOST_CHIPS}")
    if source is not None and not 0 <= source < n_source:
        raise ValueError(f"there is no source {source}")
    if off is not None and not all(0 <= cell < side**2 for cell in off):
        raise ValueError(f"off: cells from 0 to {side**2 - 1}")
    data: dict[str, Any] = {
        "panels": [{key: value for key, value in one.items() if key not in ("bytes", "frames")} for one in sent],
        "images": [pack(one) for one in images],
        "side": int(side),
        "columns": int(columns),
        "frames": n,
        "kind": kind,
        "sources": [clean(str(text)) for text in sources],
        "source": 0 if source is None else int(source),
        "followPointer": bool(follow_pointer),
        "off": None if off is None else sorted({int(cell) for cell in off}),
        "gap": float(gap),
        "scrub": scrub.data() if scrub else None,
        "follow": follow,
        "index": scrub.index if scrub else index,
        "readout": [clean(text) for text in readout],
        "words": {key: clean(text) for key, text in (words or {}).items()},
        "name": name,
    }
    return View("patches", data, height, alt)


def _heat(panel: Panel, side: int) -> np.ndarray | None:
    """(n or 1, source or 1, cell)."""
    if panel.heat is None:
        return None
    heat = np.asarray(panel.heat, dtype=np.float64)
    if heat.ndim != 3 or heat.shape[2] != side**2 or not (1 <= heat.shape[0] <= MOST_FRAMES and heat.shape[1] >= 1):
        raise ValueError(f"{panel.title}: heat {heat.shape}: n_frame or 1, n_source or 1, {side**2} cells")
    if not np.isfinite(heat).all() or (heat.min() < 0 and not panel.signed):
        raise ValueError(f"{panel.title}: heat: finite numbers, none below 0 unless it is signed")
    if panel.largest is not None and not (np.isfinite(panel.largest) and panel.largest > 0):
        raise ValueError(f"{panel.title}: largest is a number above 0, not {panel.largest}")
    return heat


def _panel(panel: Panel, heat: np.ndarray | None, side: int, images: list[np.ndarray], fine: bool) -> dict[str, Any]:
    """As it travels. Of equal images only the first is added to `images`."""
    notes = [panel.note] if isinstance(panel.note, str) else list(panel.note)
    found: dict[str, Any] = {
        "title": clean(panel.title),
        "notes": [clean(text) for text in notes] if any(notes) else [],
        "texts": [clean(str(text)) for text in panel.texts],
        "signed": panel.signed,
        "largest": panel.largest,
        "image": None,
        "heat": None,
        "colour": None,
        "off": None,
        "bytes": 0,
        "frames": {len(notes)},
    }
    if len(panel.texts) not in (0, side**2):
        raise ValueError(f"{panel.title}: {len(panel.texts)} texts for {side**2} cells")
    if panel.image is not None:
        image = _image(panel)
        same = (i for i, one in enumerate(images) if one.shape == image.shape and np.array_equal(one, image))
        found["image"] = next(same, len(images))
        if found["image"] == len(images):
            images.append(image)
    if heat is not None:
        found["heat"] = _levels(heat, panel.signed, fine)
        found["bytes"] += heat.size * (2 if fine else 1)
        found["frames"].add(len(heat))
    for what, kind, last in (("colour", np.dtype(np.uint8), (3,)), ("off", np.dtype(bool), ())):
        given = getattr(panel, what)
        if given is None:
            continue
        array = np.asarray(given)
        if array.dtype != kind or array.ndim != 2 + len(last) or array.shape[1:] != (side**2, *last) or not len(array):
            raise ValueError(
                f"{panel.title}: {what} {array.shape} {array.dtype}: {kind} (n_frame or 1, {side**2}, ...)"
            )
        found[what] = pack(array)
        found["bytes"] += array.size
        found["frames"].add(len(array))
    return found


def _image(panel: Panel) -> np.ndarray:
    """(n or 1, h, w, 3)."""
    image = np.asarray(panel.image)
    if image.ndim == 3:
        image = image[None]
    if image.ndim != 4 or image.shape[-1] != 3 or image.dtype != np.uint8:
        raise ValueError(f"{panel.title}: image {image.shape} {image.dtype}: uint8, (n_frame,) h, w, 3")
    n, h, w, _ = image.shape
    if not (1 <= n <= MOST_FRAMES and 1 <= h <= MOST_PIXELS and 1 <= w <= MOST_PIXELS):
        raise ValueError(f"{panel.title}: image of {w} by {h}: up to {MOST_PIXELS} by {MOST_PIXELS}")
    return image


def _levels(heat: np.ndarray, signed: bool, fine: bool) -> dict[str, Any]:
    """Whole numbers, shares of each row's own largest size: from 0 to n, signed from -n (sent as 0) to n (as 2 n)."""
    top = np.abs(heat).max(2)
    n = (65535 if fine else 255) // (2 if signed else 1)
    share = heat / np.where(top > 0, top, 1)[..., None]
    levels = np.rint(n * share).astype(np.int64) + (n if signed else 0)
    return {"levels": pack(levels), "n": n, "top": pack(top, exact=True)}


def _frames(sent: list[dict[str, Any]], images: list[np.ndarray], readout: Sequence[str], scrub: Scrub | None) -> int:
    counts = {count for one in sent for count in one["frames"]} | {len(one) for one in images} | {len(readout)}
    counts -= {0, 1}
    if scrub is not None:
        counts.add(len(scrub.values))
    if len(counts) > 1:
        raise ValueError(f"frames: {sorted(counts)} do not fit each other")
    return counts.pop() if counts else 1


def _sources(heats: list[np.ndarray | None]) -> int:
    """How many there are to choose from."""
    counts = {one.shape[1] for one in heats if one is not None} - {1}
    if len(counts) > 1:
        raise ValueError(f"sources: {sorted(counts)} do not fit each other")
    return counts.pop() if counts else 1


def _kind(n_source: int, side: int, chips: bool | None) -> str:
    """What the sources are: "one" and the same always, "cells", "cls" and cells, "chips" above the panels."""
    if chips:
        return "chips"
    kind = {1: "one", side**2 + 1: "cls", side**2: "cells"}.get(n_source, "chips")
    if chips is False and kind == "chips":
        raise ValueError(f"{n_source} sources for {side**2} cells")
    return kind
