"""A line chart that follows the hand, said in Python: curves, steps, dots or bars over one x axis, as frames that a
scrubber plays, or with the scrubber lying along the x axis itself.

    curves([1, 2, 4], [Line("ALiBi", [3.1, 3.0, 3.0]), Line("learned", [3.0, 4.2, nan])], alt="...",
           x_axis=Axis("position", log=True), y_axis=Axis("loss, nats"), marks=[(2, "trained length")])
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from viz.components.kit import Scrub, clean
from viz.palette import palette
from viz.view import View, pack

STATES = ("scrub",)  # what the component reports: the index at which the scrubber was let go
FORMS = ("line", "steps", "dots", "bars")
MOST_LINES = 128
MOST_NUMBERS = 1_000_000  # all frames of all lines
_EXACT = 1 << 14  # up to this many numbers of one line travel as float32
_HALF = np.finfo(np.float16)


@dataclasses.dataclass(frozen=True)
class Axis:
    """One axis: what it measures, with its unit; without limits they come from the numbers of all frames.

    ticks: (position, text), instead of the usual ones; kilo: 1000 or 1024 writes 128000 or 131072 as 128K.
    """

    title: str
    log: bool = False
    low: float | None = None
    high: float | None = None
    ticks: Sequence[tuple[float, str]] | None = None
    kilo: int = 0


@dataclasses.dataclass(frozen=True)
class Line:
    """One line and its name, which stands at its end.

    y: (n,), or (n_frame, n) if it moves; NaN, infinity, and on a log axis what is not positive, is a gap
    x: (n,) ascending, its own positions, else those of the chart
    role: a colour of the palette ("query"), a place on one of its scales ("probability:0.7"), one of the categorical
        colours ("line:3"), or "ink"; "" takes the categorical colours by order
    form: "line"; "steps" changes halfway between two positions; "dots"; "bars" stand side by side on 0, or on a log
        axis on its lower end
    quiet: thin, and grey if it has no role, for context; note: small, below the name
    labels: (n,) written beside each dot of a line that stands still, where there is room
    """

    name: str
    y: ArrayLike
    x: ArrayLike | None = None
    role: str = ""
    form: str = "line"
    quiet: bool = False
    note: str = ""
    labels: Sequence[str] = ()


def curves(
    x: ArrayLike,
    lines: Sequence[Line],
    *,
    x_axis: Axis,
    y_axis: Axis,
    alt: str,
    words: Mapping[str, str] | None = None,
    marks: Sequence[tuple[float, str]] = (),
    bands: Sequence[tuple[float, float, str]] = (),
    scrub: Scrub | None = None,
    on_axis: bool = False,
    follow: str = "",
    index: int = 0,
    cursor: ArrayLike | None = None,
    height: int = 320,
    name: str = "curves",
    readout: Sequence[Sequence[str]] = (),
) -> View:
    """Lines over one x axis. The limits of the y axis hold for all frames, so that nothing jumps.

    x: (n,) ascending positions of all lines that have none of their own, positive on a log axis
    marks: (x, text) vertical lines; bands: (from, to, text) shaded stretches of the x axis
    scrub: plays the frames, with its own slider below the picture
    on_axis: the slider lies along the x axis, its values are positions there; a line at the slider's position shows the
        value of every line
    follow: the frames follow this field's scrubber, wherever on the page it is; index: the frame at first
    cursor: (n_frame,) without on_axis, where a vertical line stands in each frame
    words: what the page says differently from the kit (ui/words.toml, [kit.curves_...], named here without "curves_")
    readout: for each frame the sentences above the picture
    name: start of the file name of an export

    Raises:
        ValueError: shapes that do not fit each other, x that does not ascend, an unknown form or role, too much.
    """
    if not 1 <= len(lines) <= MOST_LINES:
        raise ValueError(f"{len(lines)} lines, not 1 to {MOST_LINES}")
    base = _ascending(np.asarray(x, dtype=np.float64), "x")
    xs = [base if one.x is None else _ascending(np.asarray(one.x, dtype=np.float64), one.name) for one in lines]
    ys = [_values(one, at, y_axis.log) for one, at in zip(lines, xs, strict=True)]
    n_frame = _frames(ys, scrub, follow, cursor, readout)
    if sum(y.size for y in ys) > MOST_NUMBERS:
        raise ValueError(f"{sum(y.size for y in ys)} numbers, more than {MOST_NUMBERS}")
    if not 0 <= index < n_frame:
        raise ValueError(f"index {index} of {n_frame} frames")
    if on_axis:
        if scrub is None:
            raise ValueError("on_axis: a scrub whose values are positions on the x axis")
        cursor = [float(value) for value in scrub.values]
    where = None if cursor is None else _finite(np.asarray(cursor, dtype=np.float64), "cursor")
    x_limits = _limits(x_axis, np.concatenate([*xs, *([] if where is None else [where])]), "x")
    bars = [np.zeros(1) for one in lines if one.form == "bars" and not y_axis.log]
    y_limits = _limits(y_axis, np.concatenate([*(y.ravel() for y in ys), *bars]), "y")
    for edge in [*(at for at, _ in marks), *(edge for band in bands for edge in band[:2])]:
        if not np.isfinite(edge):
            raise ValueError(f"mark or band at {edge}")
    data: dict[str, Any] = {
        "x": pack(base, exact=True),
        "lines": [_line(one, y, y_axis.log, y_limits, height) for one, y in zip(lines, ys, strict=True)],
        "x_axis": _axis(x_axis, x_limits),
        "y_axis": _axis(y_axis, y_limits),
        "frames": n_frame,
        "marks": [[float(at), clean(text)] for at, text in sorted(marks)],
        "bands": [[float(low), float(high), clean(text)] for low, high, text in bands],
        "on_axis": on_axis,
        "follow": follow,
        "index": index if scrub is None else scrub.index,
        "cursor": None if where is None else where.tolist(),
        "readout": [[clean(text) for text in texts] for texts in readout],
        "words": {key: clean(text) for key, text in (words or {}).items()},
        "name": name,
    }
    if scrub is not None:
        data["scrub"] = scrub.data()
    return View("curves", data, height, alt)


def _finite(values: np.ndarray, what: str) -> np.ndarray:
    if values.ndim != 1 or not values.size or not np.isfinite(values).all():
        raise ValueError(f"{what}: a row of finite positions")
    return values


def _ascending(values: np.ndarray, what: str) -> np.ndarray:
    if (np.diff(_finite(values, what)) < 0).any():
        raise ValueError(f"{what}: positions ascend")
    return values


def _values(line: Line, x: np.ndarray, log: bool) -> np.ndarray:
    """(n_frame or 1, n), gaps as NaN."""
    y = np.atleast_2d(np.asarray(line.y, dtype=np.float64))
    if y.ndim != 2 or y.shape[1] != x.size:
        raise ValueError(f"{line.name}: y {np.shape(line.y)} for {x.size} positions")
    if line.form not in FORMS:
        raise ValueError(f"{line.name}: form {line.form!r}, not one of {', '.join(FORMS)}")
    if not _known(line.role):
        raise ValueError(f"{line.name}: no colour {line.role!r}")
    if line.labels and (len(line.labels) != x.size or len(y) > 1):
        raise ValueError(f"{line.name}: {len(line.labels)} labels for {x.size} positions in {len(y)} frames")
    gap = ~np.isfinite(y) | (y <= 0 if log else False)
    return np.where(gap, np.nan, y)


def _known(role: str) -> bool:
    if role in ("", "ink"):
        return True
    found = re.fullmatch(r"(\w+)(?::(\d+(?:\.\d+)?))?", role)
    colours = palette().get(found[1]) if found else None
    if found and found[2] is not None:
        return isinstance(colours, list) and (found[1] == "line" or float(found[2]) <= 1)
    return isinstance(colours, str)


def _frames(
    ys: Sequence[np.ndarray], scrub: Scrub | None, follow: str, cursor: ArrayLike | None, readout: Sequence[Any]
) -> int:
    """How many frames there are; every part has as many, or stands still.

    Raises:
        ValueError: they differ, or nothing plays them.
    """
    counts = {len(y) for y in ys if len(y) > 1}
    counts |= {len(readout)} if len(readout) > 1 else set()
    counts |= {np.size(cursor)} if cursor is not None and np.size(cursor) > 1 else set()
    counts |= {len(scrub.values)} if scrub is not None else set()
    if len(counts) > 1:
        raise ValueError(f"frames: {sorted(counts)} do not fit each other")
    n_frame = counts.pop() if counts else 1
    if n_frame > 1 and scrub is None and not follow:
        raise ValueError(f"{n_frame} frames, but neither scrub nor follow to play them")
    return n_frame


def _limits(axis: Axis, values: np.ndarray, what: str) -> tuple[float, float]:
    """Lowest and highest value shown."""
    if what == "x" and axis.log and values.min() <= 0:
        raise ValueError(f"x axis on a log scale: every position is positive, {values.min()} is not")
    shown = values[np.isfinite(values) & ((values > 0) if axis.log else True)]
    found = (float(shown.min()), float(shown.max())) if shown.size else ((1.0, 10.0) if axis.log else (0.0, 1.0))
    low = found[0] if axis.low is None else float(axis.low)
    high = found[1] if axis.high is None else float(axis.high)
    if not (np.isfinite(low) and np.isfinite(high)) or low > high or (axis.log and low <= 0):
        raise ValueError(f"{what} axis from {low} to {high}" + (" on a log scale" if axis.log else ""))
    return low, high


def _axis(axis: Axis, limits: tuple[float, float]) -> dict[str, Any]:
    return {
        "title": clean(axis.title),
        "log": axis.log,
        "low": limits[0],
        "high": limits[1],
        "fixed": [axis.low is not None, axis.high is not None],
        "ticks": None if axis.ticks is None else [[float(at), clean(text)] for at, text in axis.ticks],
        "kilo": axis.kilo,
    }


def _line(line: Line, y: np.ndarray, log: bool, limits: tuple[float, float], height: int) -> dict[str, Any]:
    return {
        "name": clean(line.name),
        "y": _narrow(y, log, limits, height),
        "x": None if line.x is None else pack(np.asarray(line.x, dtype=np.float64), exact=True),
        "role": line.role,
        "form": line.form,
        "quiet": line.quiet,
        "note": clean(line.note),
        "labels": [clean(text) for text in line.labels],
    }


def _narrow(y: np.ndarray, log: bool, limits: tuple[float, float], height: int) -> dict[str, Any]:
    """float16 where there are many numbers and its three digits move no point by half a pixel."""
    size = np.abs(y[np.isfinite(y)])
    if y.size <= _EXACT or not size.size or size.max() > _HALF.max:
        return pack(y, exact=True)
    error = float(_HALF.eps) / 2
    if log:
        fine = size.min() >= _HALF.smallest_normal and error * height <= np.log(limits[1] / limits[0]) / 2
    else:
        fine = size.max() * error * height <= (limits[1] - limits[0]) / 2
    return pack(y, exact=not fine)
