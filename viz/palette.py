"""Model Atlas's colours, read from viz/components/kit/palette.json, which the browser components read too.

Every colour means one thing everywhere: query blue, key orange, value green, masked grey hatch, probability sequential
from 0, signed values diverging around 0, position cyclic, experts categorical. Each exists for the light and the dark
theme; the tests check contrast and that people with a colour-vision deficiency can tell the roles apart.
"""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path
from typing import Any

_FILE = Path(__file__).parent / "components" / "kit" / "palette.json"
_SYMBOL = re.compile(r"\\color\{(query|key|value)\}|\\(query|key|value)(?=\{)")


@functools.cache
def _palettes() -> dict[str, Any]:
    return json.loads(_FILE.read_text(encoding="utf-8"))


def palette(dark: bool = False) -> dict[str, Any]:
    """All roles of one theme: a hex colour, or a list of them from low to high; `masked` has `back` and `line`."""
    return _palettes()["dark" if dark else "light"]


def colour(role: str, dark: bool = False) -> str:
    """The hex colour of `query`, `key` or `value` (text and lines) or of its `_fill` form (areas)."""
    return palette(dark)[role]


def experts(dark: bool = False) -> list[str]:
    """The categorical colours, in their fixed order; with more experts than colours they start again."""
    return palette(dark)["expert"]


def plotly_scale(role: str, dark: bool = False) -> list[list[float | str]]:
    """`probability`, `signed` or `cyclic` as a Plotly colour scale. Use `signed` with `zmid=0`, `probability` with
    `zmin=0`."""
    stops = palette(dark)[role]
    return [[i / (len(stops) - 1), stop] for i, stop in enumerate(stops)]


def colour_symbols(text: str, dark: bool = False) -> str:
    r"""LaTeX whose symbols have the colours of the picture: `\query{q_t}`, `\key{k_s}`, `\value{v_s}`, and
    `\color{query}` in the place of a hex colour."""

    def hex_of(found: re.Match[str]) -> str:
        switch, command = found.groups()
        return rf"\color{{{colour(switch, dark)}}}" if switch else rf"\textcolor{{{colour(command, dark)}}}"

    return _SYMBOL.sub(hex_of, text)
