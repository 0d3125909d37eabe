"""What a Config field may be, said once: the same annotations draw the widget, document it and feed the tests.

    n_pair: Annotated[int, Range(1, 16)] = 4
    base: Annotated[float, LogRange(1e2, 1e7)] = 1e4
    mask: Annotated[str, Choice("causal", "full")] = "causal"
    text: Annotated[str, Text(2_000)] = "The cat sat"
    tokenizers: Annotated[str, Several("gpt2", "bert", "qwen", most=2)] = "gpt2 qwen"
    scaled: bool = True

Every combination of legal field values must be a legal experiment: choose fields so that it is.
"""

from __future__ import annotations

import dataclasses
from typing import Any, get_type_hints


@dataclasses.dataclass(frozen=True)
class Range:
    """A linear range of ints or floats, both ends included. `step` defaults to 1 for ints, a hundredth of the span
    for floats."""

    low: float
    high: float
    step: float | None = None


@dataclasses.dataclass(frozen=True)
class LogRange:
    """A logarithmic range of floats or ints, both ends included, about `per_decade` stops in each factor of ten."""

    low: float
    high: float
    per_decade: int = 8


@dataclasses.dataclass(frozen=True, init=False)
class Choice:
    """One of a few named alternatives."""

    names: tuple[str, ...]

    def __init__(self, *names: str) -> None:
        object.__setattr__(self, "names", names)


@dataclasses.dataclass(frozen=True, init=False)
class Several:
    """`least` to `most` of the named alternatives, in the order chosen: one string, the names separated by spaces."""

    names: tuple[str, ...]
    least: int
    most: int

    def __init__(self, *names: str, least: int = 1, most: int) -> None:
        object.__setattr__(self, "names", names)
        object.__setattr__(self, "least", least)
        object.__setattr__(self, "most", most)

    def holds(self, value: str) -> bool:
        """Whether a value is legal."""
        parts = value.split()
        known = set(parts) <= set(self.names) and len(set(parts)) == len(parts)
        return known and self.least <= len(parts) <= self.most


@dataclasses.dataclass(frozen=True)
class Text:
    """Free text. Anything may be pasted; what goes past `max_length` characters is cut, and the page says so."""

    max_length: int = 2_000


KINDS = (Range, LogRange, Choice, Several, Text)
Kind = Range | LogRange | Choice | Several | Text | bool


def fields(config: type) -> dict[str, tuple[type, Kind, Any]]:
    """{name: (Python type, kind, default)} of a Config dataclass, in order. A bool field needs no annotation.

    Raises:
        TypeError: a field that no widget could show.
    """
    hints = get_type_hints(config, include_extras=True)
    found: dict[str, tuple[type, Kind, Any]] = {}
    for field in dataclasses.fields(config):
        hint = hints[field.name]
        if hint is bool:
            found[field.name] = (bool, True, field.default)
            continue
        kinds = [
            k for k in getattr(hint, "__metadata__", ()) if isinstance(k, Range | LogRange | Choice | Several | Text)
        ]
        if len(kinds) != 1:
            raise TypeError(
                f"{config.__module__}.{field.name} needs exactly one of Range, LogRange, Choice, Several, Text"
            )
        found[field.name] = (hint.__origin__, kinds[0], field.default)
    return found


def no_tick(fraction: float) -> None:
    """The progress callback of a computation that nobody watches. Called with the fraction done, 0 to 1; a watcher's
    own callback may raise to cancel the computation."""
