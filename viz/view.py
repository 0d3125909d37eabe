"""What a browser component draws, said in Python: the component's name, its data, its height and its alt text.

The `ui` package mounts a View; nothing here knows Streamlit, so a View can be built and tested on its own.
"""

from __future__ import annotations

import base64
import dataclasses
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

_CODE = {"float16": "f2", "float32": "f4", "bool": "b1"}
_INTEGERS = ("u1", "i2", "u2", "i4", "u4")  # narrowest first


@dataclasses.dataclass(frozen=True)
class View:
    """One picture for the browser.

    component: folder under viz/components; data: JSON-able (arrays through `pack`); height: CSS pixels, fixed, so that
    nothing jumps when the picture changes; alt: one sentence computed from the trace.
    """

    component: str
    data: dict[str, Any]
    height: int
    alt: str


def pack(array: ArrayLike, *, exact: bool = False) -> dict[str, Any]:
    """An array as base64 of its little-endian bytes, several times smaller than a JSON list.

    float64 and float32 travel as float16 (three significant digits are what a picture and its hover can show;
    infinities survive), with `exact` as float32; integers in the narrowest of 1, 2 or 4 bytes that holds them all.

    Raises:
        ValueError: an integer that 32 bits do not hold.
    """
    values = np.ascontiguousarray(array)
    if values.dtype.kind == "f":
        values = values.astype(np.float32 if exact else np.float16)
    code = _integer(values) if values.dtype.kind in "iu" else _CODE[values.dtype.name]
    raw = values.astype("?" if code == "b1" else f"<{code}").tobytes()
    return {"shape": list(values.shape), "dtype": code, "b64": base64.b64encode(raw).decode("ascii")}


def _integer(values: np.ndarray) -> str:
    low, high = (int(values.min()), int(values.max())) if values.size else (0, 0)
    for code in _INTEGERS:
        holds = np.iinfo(code)
        if holds.min <= low and high <= holds.max:
            return code
    raise ValueError(f"integers from {low} to {high} do not fit into 32 bits")
