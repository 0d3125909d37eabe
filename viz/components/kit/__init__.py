"""Labels and numbers on their way to the browser, for all components' builders. The rest of the kit is JavaScript."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from viz.view import pack

_EXACT = 64 * 64  # up to this many numbers are sent as float32
_HALF_MAX = float(np.finfo(np.float16).max)
_HALF_TINY = float(np.finfo(np.float16).smallest_subnormal)


def clean(label: str) -> str:
    """A label that can travel: a lone surrogate, which no encoding can carry, becomes the replacement character."""
    return "".join("\ufffd" if "\ud800" <= letter <= "\udfff" else letter for letter in label)


def numbers_of(values: ArrayLike) -> dict[str, Any]:
    """Numbers for the hover: exact where they are few, float16 where they are many.

    As float16 nothing that is not 0 becomes 0, and nothing finite becomes infinite: what is too large stays float32.
    """
    array = np.asarray(values)
    if array.dtype.kind == "f":
        finite = np.abs(array[np.isfinite(array)])
        if array.size <= _EXACT or (finite.size and finite.max() > _HALF_MAX):
            raw = base64.b64encode(np.ascontiguousarray(array, "<f4").tobytes()).decode("ascii")
            return {"shape": list(array.shape), "dtype": "f4", "b64": raw}
        lost = (array != 0) & (np.abs(array) < _HALF_TINY)
        array = np.where(lost, np.copysign(_HALF_TINY, array), array)
    elif array.dtype.kind in "iu" and array.size and not 0 <= array.min() <= array.max() <= 255:
        return numbers_of(array.astype(np.float32))
    return pack(array)
