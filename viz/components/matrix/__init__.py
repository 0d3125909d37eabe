"""The matrix inspector, said in Python: matrices in steps (scores, scale, mask, softmax, output), every cell explained.

    inspector([Panel("", [Stage("scores", q @ k.T, "signed", "q({row})·k({col}) = {terms} = {value}", left=q, right=k),
                          Stage("scale", scaled, "signed", "{prev} / √{d} = {value}", numbers={"d": 64})])],
              rows=tokens, cols=tokens, alt="...")

What a template may contain is listed at the top of explain.js. Arrays may be NumPy arrays or torch tensors.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from viz.components.kit import Scrub as Scrub
from viz.components.kit import clean, numbers_of
from viz.view import View

STATES = ("scrub", "pin", "stage")  # what the component reports: an index, [row, column] or null, an index
STATES = ("scrub", "pin", "stage")  # what the component reports
LARGEST = 128  # cells per side


@dataclasses.dataclass(frozen=True)
class Stage:
    """One step of the computation: a matrix with t rows and s columns, or n of them, one per scrubber value.

    values: (t, s) or (n, t, s); -inf and NaN are drawn as masked, False in a mask too
    scale: "signed" diverges around 0, "probability" runs from 0, "mask" is visible or masked
    explain, masked: templates for a visible and for a masked cell ("" for the kit's own sentence)
    rows, cols: labels, where they differ from the inspector's
    left, right: operands of `{terms}`: value[row, col] = sum over j of left[row, j] * right[col, j], so (t, d) and
        (s, d), or with n in front. right without left: the weights are an earlier step's rows (output = weights @ V:
        right = V.T)
    numbers: further names for templates, one number each or one per scrubber value
    roles: whose colours the row and column labels have: "query", "key", "value" or ""
    axes: what rows and columns are, for the legend, where they differ from the inspector's
    limits: values at the ends of the colour scale; otherwise the largest absolute value over all panels and frames
    """

    name: str
    values: ArrayLike
    scale: Literal["signed", "probability", "mask"]
    explain: str = "{value}"
    masked: str = ""
    rows: Sequence[str] | None = None
    cols: Sequence[str] | None = None
    left: ArrayLike | None = None
    right: ArrayLike | None = None
    numbers: Mapping[str, float | Sequence[float]] = dataclasses.field(default_factory=dict)
    roles: tuple[str, str] = ("query", "key")
    axes: tuple[str, str] | None = None
    limits: tuple[float, float] | None = None


@dataclasses.dataclass(frozen=True)
class Panel:
    """Matrices that follow from each other. Two panels side by side share step, scrubber, pointer and pin."""

    title: str
    stages: Sequence[Stage]


def inspector(
    panels: Sequence[Panel],
    rows: Sequence[str],
    cols: Sequence[str],
    *,
    alt: str,
    scrub: Scrub | None = None,
    words: Mapping[str, str] | None = None,
    stage: int = 0,
    pin: tuple[int, int] | None = None,
    height: int = 560,
    name: str = "matrix",
) -> View:
    """One or two panels of matrices with shared labels.

    words: what the page says differently: "rows" and "cols" (what the axes are, for the legend), "hint"
    stage, pin: step and cell shown at first; the visitor's own choice comes back as the states "stage" and "pin"
    name: start of the file name of an export

    Raises:
        ValueError: not one or two panels, an empty or too large matrix, shapes that do not fit the labels, the
            operands or the scrubber.
    """
    if not 1 <= len(panels) <= 2 or not all(panel.stages for panel in panels):
        raise ValueError(f"an inspector shows one or two panels of at least one stage, not {len(panels)} panels")
    frames = len(scrub.values) if scrub else 1
    data: dict[str, Any] = {
        "panels": [
            {"title": panel.title, "stages": [_stage(s, len(rows), len(cols), frames) for s in panel.stages]}
            for panel in panels
        ],
        "rows": [clean(label) for label in rows],
        "cols": [clean(label) for label in cols],
        "words": dict(words or {}),
        "stage": stage,
        "pin": list(pin) if pin is not None else None,
        "scrub": scrub.data() if scrub else None,
        "name": name,
    }
    return View("matrix", data, height, alt)


def _stage(stage: Stage, n_row: int, n_col: int, frames: int) -> dict[str, Any]:
    shape = np.shape(stage.values)
    *front, t, s = shape if len(shape) in (2, 3) else (0, 0)
    n_row = n_row if stage.rows is None else len(stage.rows)
    n_col = n_col if stage.cols is None else len(stage.cols)
    if (t, s) != (n_row, n_col) or not (1 <= t <= LARGEST and 1 <= s <= LARGEST):
        raise ValueError(f"stage {stage.name!r}: values {shape} for {n_row} by {n_col} labels, each 1 to {LARGEST}")
    if front and front[0] not in (1, frames):
        raise ValueError(f"stage {stage.name!r}: {front[0]} frames for {frames} scrubber values")
    right = None if stage.right is None else np.asarray(stage.right)
    left = None if stage.left is None else np.asarray(stage.left)
    if right is not None and right.shape[-2] != s:
        raise ValueError(f"stage {stage.name!r}: right {right.shape} needs one row for each of the {s} columns")
    if left is not None and (right is None or left.shape[-2] != t or left.shape[-1] != right.shape[-1]):
        raise ValueError(f"stage {stage.name!r}: left {left.shape} does not fit {t} rows and the right operand")
    return {
        "name": stage.name,
        "values": numbers_of(stage.values),
        "scale": stage.scale,
        "explain": stage.explain,
        "masked": stage.masked,
        "rows": None if stage.rows is None else [clean(label) for label in stage.rows],
        "cols": None if stage.cols is None else [clean(label) for label in stage.cols],
        "left": None if left is None else numbers_of(left),
        "right": None if right is None else numbers_of(right),
        "numbers": {key: _plain(value) for key, value in stage.numbers.items()},
        "roles": list(stage.roles),
        "axes": list(stage.axes) if stage.axes else None,
        "limits": list(stage.limits) if stage.limits else None,
    }


def _plain(value: float | Sequence[float]) -> float | list[float]:
    return [float(x) for x in value] if isinstance(value, Sequence | np.ndarray) else float(value)
