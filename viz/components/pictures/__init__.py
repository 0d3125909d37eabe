"""Small pictures in rows, said in Python: groups of them side by side (the picture, its latent, what the model
predicts), as frames that a scrubber plays, with a heat map of each word of the caption laid over the first group.

    pictures([Group("picture", images, notes=notes), Group("latent", latents)], columns=4,
             heat=Heat(["red", "circle"], maps), scrub=Scrub("step", "step", steps, 20), alt="...")
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from viz.components.kit import Scrub, clean
from viz.view import View, pack

# What the component reports: the index at which the scrubber was let go; the chosen picture and word, or null.
STATES = ("scrub", "chosen", "word")
MOST_GROUPS = 6
MOST_PICTURES = 64
MOST_FRAMES = 256
MOST_LABELS = 64
MOST_SIDE = 256
MOST_VALUES = 12_000_000  # bytes of all pictures together
MARKS = ("", "right", "wrong")


@dataclasses.dataclass(frozen=True)
class Group:
    """Pictures of one kind, p of them; those of all groups are drawn equally wide, whatever their pixels.

    images: uint8, (p, h, w, 3), or (n, p, h, w, 3) for n frames
    titles: one per picture, below it; notes: one per picture, or for each frame one per picture, below the title
    marks: per picture "", "right" or "wrong": a small tick or cross at its corner
    """

    name: str
    images: ArrayLike
    titles: Sequence[str] = ()
    notes: Sequence[str] | Sequence[Sequence[str]] = ()
    marks: Sequence[str] = ()


@dataclasses.dataclass(frozen=True)
class Heat:
    """How much each place of the first group's pictures has to do with each word.

    labels: the words; maps: (n or 1, p, label, a, b), none below 0
    largest: the end of the colour scale; None: each label's own largest value, over all frames and pictures
    """

    labels: Sequence[str]
    maps: ArrayLike
    largest: float | None = None


def pictures(
    groups: Sequence[Group],
    *,
    columns: int | Sequence[int],
    heat: Heat | None = None,
    word: int | None = None,
    chosen: int | None = None,
    scrub: Scrub | None = None,
    follow: str = "",
    index: int = 0,
    alt: str,
    words: Mapping[str, str] | None = None,
    height: int = 520,
    name: str = "pictures",
    readout: Sequence[str] = (),
) -> View:
    """Groups of pictures, side by side or below each other, whichever shows them larger.

    columns: of every group, or one number for each; on a narrow screen a row is broken where pictures became too small
    word: the label whose heat is shown; chosen: the picture that stands out (counted in the first group, the same in
        every group with as many pictures). A click changes both, and comes back as the state "word" or "chosen"
    scrub: plays the frames, below a strip with the chosen picture's whole film; follow: they follow this field's
        scrubber, wherever on the page it is; index: the first frame shown then
    readout: a sentence above the pictures, one, or one for each frame
    words: what the page says differently from the kit (ui/words.toml, [kit.pictures_...], named here without it)
    height: of the whole at full width; where even the smallest pictures need more, it grows
    name: start of the file name of an export

    Raises:
        ValueError: nothing or too much to draw, shapes or numbers of frames that do not fit each other, a picture or a
            word that does not exist, a mark that is none, heat below 0.
    """
    if not 1 <= len(groups) <= MOST_GROUPS:
        raise ValueError(f"{len(groups)} groups: 1 to {MOST_GROUPS}")
    images = [_images(one) for one in groups]
    if sum(one.size for one in images) > MOST_VALUES:
        raise ValueError(f"{sum(one.size for one in images)} values in all pictures, more than {MOST_VALUES}")
    wide = [columns] * len(groups) if isinstance(columns, int) else list(columns)
    if len(wide) != len(groups) or min(wide) < 1:
        raise ValueError(f"columns {columns}: one number from 1, or one for each of {len(groups)} groups")
    notes = [_notes(one, array.shape[1]) for one, array in zip(groups, images, strict=True)]
    maps = None if heat is None else _maps(heat, images[0].shape[1])
    counts = {len(one) for one in images} | {len(one) for one in notes} | {len(readout)}
    counts |= set() if maps is None else {len(maps)}
    counts -= {0, 1}
    if scrub is not None:
        counts.add(len(scrub.values))
    if len(counts) > 1:
        raise ValueError(f"frames: {sorted(counts)} do not fit each other")
    n = counts.pop() if counts else 1
    if n > 1 and scrub is None and not follow:
        raise ValueError(f"{n} frames, but neither scrub nor follow to play them")
    if not 0 <= index < n:
        raise ValueError(f"index {index} of {n} frames")
    if chosen is not None and not 0 <= chosen < images[0].shape[1]:
        raise ValueError(f"there is no picture {chosen}")
    if word is not None and (heat is None or not 0 <= word < len(heat.labels)):
        raise ValueError(f"there is no word {word}")
    data: dict[str, Any] = {
        "groups": [
            {
                "name": clean(one.name),
                "images": pack(array),
                "columns": int(wide[g]),
                "titles": [clean(text) for text in one.titles],
                "notes": notes[g],
                "marks": list(one.marks),
            }
            for g, (one, array) in enumerate(zip(groups, images, strict=True))
        ],
        "heat": None if heat is None or maps is None else _heat(heat, maps),
        "frames": n,
        "word": word,
        "chosen": chosen,
        "scrub": scrub.data() if scrub else None,
        "follow": follow,
        "index": scrub.index if scrub else index,
        "readout": [clean(text) for text in readout],
        "words": {key: clean(text) for key, text in (words or {}).items()},
        "name": name,
    }
    return View("pictures", data, height, alt)


def _images(group: Group) -> np.ndarray:
    """(n or 1, p, h, w, 3)."""
    array = np.asarray(group.images)
    if array.ndim == 4:
        array = array[None]
    if array.ndim != 5 or array.shape[-1] != 3 or array.dtype != np.uint8:
        raise ValueError(f"{group.name}: images {array.shape} {array.dtype}: uint8, (n_frame,) n_picture, h, w, 3")
    n, p, h, w, _ = array.shape
    if not (1 <= n <= MOST_FRAMES and 1 <= p <= MOST_PICTURES and 1 <= h <= MOST_SIDE and 1 <= w <= MOST_SIDE):
        raise ValueError(
            f"{group.name}: {n} frames of {p} pictures of {w} by {h}: "
            f"up to {MOST_FRAMES} of {MOST_PICTURES} of {MOST_SIDE} by {MOST_SIDE}"
        )
    for what, given in (("titles", group.titles), ("marks", group.marks)):
        if len(given) not in (0, p):
            raise ValueError(f"{group.name}: {len(given)} {what} for {p} pictures")
    if not set(group.marks) <= set(MARKS):
        raise ValueError(f"{group.name}: marks are {', '.join(map(repr, MARKS))}")
    return array


def _notes(group: Group, p: int) -> list[list[str]]:
    """For each frame (or once) a note for each picture; nothing at all if there are none."""
    if not len(group.notes):
        return []
    rows = [group.notes] if isinstance(group.notes[0], str) else group.notes
    if any(len(row) != p for row in rows):
        raise ValueError(f"{group.name}: notes for {sorted({len(row) for row in rows})} of {p} pictures")
    return [[clean(str(text)) for text in row] for row in rows]


def _maps(heat: Heat, p: int) -> np.ndarray:
    maps = np.asarray(heat.maps, dtype=np.float64)
    label = len(heat.labels)
    if not 1 <= label <= MOST_LABELS:
        raise ValueError(f"heat: {label} labels, not 1 to {MOST_LABELS}")
    if maps.ndim != 5 or maps.shape[1:3] != (p, label) or not all(1 <= side <= MOST_SIDE for side in maps.shape[3:]):
        raise ValueError(f"heat: maps {maps.shape}: n_frame or 1, {p} pictures, {label} labels, a, b")
    if not np.isfinite(maps).all() or maps.min() < 0:
        raise ValueError("heat: finite numbers, none below 0")
    if heat.largest is not None and not (np.isfinite(heat.largest) and heat.largest > 0):
        raise ValueError(f"heat: largest is a number above 0, not {heat.largest}")
    return maps


def _heat(heat: Heat, maps: np.ndarray) -> dict[str, Any]:
    """The maps as shares of the end of their scale, in 256 steps."""
    top = maps.max(axis=(0, 1, 3, 4)) if heat.largest is None else np.full(maps.shape[2], float(heat.largest))
    share = maps / np.where(top > 0, top, 1)[:, None, None]
    return {
        "labels": [clean(text) for text in heat.labels],
        "maps": pack(np.round(255 * share.clip(0, 1)).astype(np.uint8)),
        "top": [float(value) for value in top],
    }
