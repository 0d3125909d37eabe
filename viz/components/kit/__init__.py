"""Labels and numbers on their way to the browser, for all components' builders. The rest of the kit is JavaScript."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from viz.view import pack

_EXACT = 64 * 64  # up to this many numbers are sent as float32
_HALF_MAX = float(np.finfo(np.float16).max)
_HALF_TINY = float(np.finfo(np.float16).smallest_subnormal)


@dataclasses.dataclass(frozen=True)
class Scrub:
    """A slider whose pictures were all computed ahead: the Config field it drives, its label, its values, the one
    shown."""

    field: str
    label: str
    values: Sequence[int | float | str]
    index: int

    def data(self) -> dict[str, Any]:
        """As scrubber.js takes it.

        Raises:
            ValueError: an index that is none of the values'.
        """
        if not 0 <= self.index < len(self.values):
            raise ValueError(f"scrubber index {self.index} of {len(self.values)} values")
        return {"field": self.field, "label": self.label, "values": list(self.values), "index": self.index}


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
            return pack(array, exact=True)
        lost = (array != 0) & (np.abs(array) < _HALF_TINY)
        array = np.where(lost, np.copysign(_HALF_TINY, array), array)
    elif array.dtype.kind in "iu" and array.size and not 0 <= array.min() <= array.max() <= 255:
        return numbers_of(array.astype(np.float32))
    return pack(array)
