"""Stacked bars on one scale, said in Python: groups of rows, each made of the same parts, some of them hatched. Rows
may have frames, which the scrubber of a field elsewhere on the page plays.

    ledger([Part("attention", 0), Part("experts", 2), Part("idle experts", 2, hatched=True)],
           [Group("Mixtral", [Row("stored", [1.3, 11.3, 33.8]), Row(["read 1", "read 2"], [[1, 11, 0], [1, 20, 0]])])],
           axis="billions of parameters", unit="B", follow="batch", index=0, alt="...")
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from viz.components.kit import clean
from viz.palette import experts
from viz.view import View, pack

STATES = ()  # nothing that the server would have to know
MOST_ROWS = 24
MOST_PARTS = 16


@dataclasses.dataclass(frozen=True)
class Part:
    """What bars are made of, from left to right. colour: a place among the categorical colours; hatched: what is there
    but not used."""

    name: str
    colour: int
    hatched: bool = False


@dataclasses.dataclass(frozen=True)
class Row:
    """One bar. label: one text, or one for each frame; values: (n_part,), or (n_frame, n_part) if it moves."""

    label: str | Sequence[str]
    values: ArrayLike


@dataclasses.dataclass(frozen=True)
class Group:
    """Rows under one name."""

    name: str
    rows: Sequence[Row]


def ledger(
    parts: Sequence[Part],
    groups: Sequence[Group],
    *,
    axis: str,
    alt: str,
    unit: str = "",
    follow: str = "",
    index: int = 0,
    words: Mapping[str, str] | None = None,
    height: int = 400,
    name: str = "ledger",
) -> View:
    """All bars share one scale, that of the longest of all frames, so that nothing jumps.

    axis: what is measured, with its unit; unit: written behind each sum
    follow: the frames follow this field's scrubber; index: the frame at first
    words: what the page says differently ("hint": how to read it, shown until a row is pointed at)

    Raises:
        ValueError: too many rows or parts, values that do not fit the parts, are negative or not finite, frames that
            differ or that nothing plays.
    """
    rows = [row for group in groups for row in group.rows]
    if not 1 <= len(rows) <= MOST_ROWS or not 1 <= len(parts) <= MOST_PARTS:
        raise ValueError(f"{len(rows)} rows of {len(parts)} parts")
    if any(not 0 <= part.colour < len(experts()) for part in parts):
        raise ValueError("a colour is a place among the categorical ones")
    tables = [np.atleast_2d(np.asarray(row.values, dtype=np.float64)) for row in rows]
    frames = {len(table) for table in tables if len(table) > 1}
    frames |= {len(row.label) for row in rows if not isinstance(row.label, str)}
    if len(frames) > 1 or (frames and not follow):
        raise ValueError(f"frames {sorted(frames)}: one number of them, and a field to follow")
    n_frame = frames.pop() if frames else 1
    for row, table in zip(rows, tables, strict=True):
        if table.ndim != 2 or table.shape[1] != len(parts):
            raise ValueError(f"{row.label}: values {np.shape(row.values)} for {len(parts)} parts")
        if not np.isfinite(table).all() or (table < 0).any():
            raise ValueError(f"{row.label}: parts are finite and not negative")
    if not 0 <= index < n_frame:
        raise ValueError(f"index {index} of {n_frame} frames")
    packed = iter(tables)
    data: dict[str, Any] = {
        "parts": [{"name": clean(p.name), "colour": p.colour, "hatched": p.hatched} for p in parts],
        "groups": [
            {
                "name": clean(group.name),
                "rows": [{"label": _labels(row.label), "values": pack(next(packed), exact=True)} for row in group.rows],
            }
            for group in groups
        ],
        "frames": n_frame,
        "most": max(float(table.sum(1).max()) for table in tables) or 1.0,
        "axis": clean(axis),
        "unit": clean(unit),
        "follow": follow,
        "index": index,
        "words": {key: clean(text) for key, text in (words or {}).items()},
        "name": name,
    }
    return View("ledger", data, height, alt)


def _labels(label: str | Sequence[str]) -> list[str]:
    return [clean(label)] if isinstance(label, str) else [clean(one) for one in label]
