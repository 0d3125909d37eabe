"""What a browser component draws, said in Python: the component's name, its data, its height and its alt text.

The `ui` package mounts a View; nothing here knows Streamlit, so a View can be built and tested on its own.
"""

from __future__ import annotations

import base64
import dataclasses
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

_CODE = {"float16": "f2", "float32": "f4", "uint8": "u1", "bool": "b1"}


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


def pack(array: ArrayLike) -> dict[str, Any]:
    """An array as base64 of its little-endian bytes, several times smaller than a JSON list.

    float64 and float32 travel as float16 (three significant digits are what a picture and its hover can show;
    infinities survive), integers 0..255 as bytes.

    Raises:
        ValueError: an integer outside 0..255.
    """
    values = np.ascontiguousarray(array)
    if values.dtype.kind == "f":
        values = values.astype(np.float16)
    elif values.dtype.kind in "iu":
        if values.size and (values.min() < 0 or values.max() > 255):
            raise ValueError("pack sends integers as bytes: 0 to 255")
        values = values.astype(np.uint8)
    return {
        "shape": list(values.shape),
        "dtype": _CODE[values.dtype.name],
        "b64": base64.b64encode(values.astype(values.dtype.newbyteorder("<")).tobytes()).decode("ascii"),
    }
