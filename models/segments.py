"""Texts cut into segments that repeat: what each becomes is worked out once, then remembered.

No token reaches across the border of a segment, so a text's tokens are those of its segments, one after the other, and
only their places in the text have to be added. English repeats its words: the second text costs little more than the
look-ups. The memory is bounded, and long segments, which hardly ever come back, stay out of it.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from itertools import chain
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from models.tokenizer import Split

N_REMEMBERED = 1 << 16  # segments ...
LONGEST_REMEMBERED = 128  # ... of at most so many characters each


class Part(NamedTuple):
    """A segment's tokens, in bytes of the segment."""

    id: tuple[int, ...]
    start: tuple[int, ...]
    end: tuple[int, ...]
    exact: tuple[bool, ...]
    n_byte: int  # of the whole segment, whether in a span or not


def remember(cut: Callable[[str], Part]) -> Callable[[str], Part]:
    """The same function with a bounded memory, which threads may share."""
    remembered = lru_cache(N_REMEMBERED)(cut)
    return lambda segment: remembered(segment) if len(segment) <= LONGEST_REMEMBERED else cut(segment)


def join(parts: Iterable[Part]) -> Split:
    """The parts, one after the other, as one text's tokens."""
    parts = list(parts)
    count = np.fromiter((len(part.id) for part in parts), np.int64, len(parts))
    width = np.fromiter((part.n_byte for part in parts), np.int64, len(parts))
    first = np.repeat(np.cumsum(width) - width, count)
    n = len(first)

    def column(which: int, kind: type) -> np.ndarray:
        return np.fromiter(chain.from_iterable([part[which] for part in parts]), kind, n)  # type: ignore[misc]

    return Split(
        id=column(0, np.int32),
        start=(first + column(1, np.int64)).astype(np.int32),
        end=(first + column(2, np.int64)).astype(np.int32),
        exact=column(3, np.bool_),
    )


def around_special(text: str, special: Mapping[str, int], plain: Callable[[str, bool], Split]) -> Split:
    """Special tokens stand as such, and the text between them is split by itself.

    plain: splits a text without special tokens; whether it is the very beginning.
    """
    # A capturing group: every second piece is a special token.
    pieces = (
        re.split(f"({'|'.join(map(re.escape, sorted(special, key=len, reverse=True)))})", text) if special else [text]
    )
    found, at = [], 0
    for i, piece in enumerate(pieces):
        width = len(piece.encode())
        token = (special[piece],) if i % 2 else ()
        part = join([Part(token, (0,), (width,), (True,), width)]) if i % 2 else plain(piece, at == 0)
        found.append((part.id, part.start + np.int32(at), part.end + np.int32(at), part.exact))
        at += width
    return Split(*map(np.concatenate, zip(*found, strict=True)))


def between_special(text: str, special: Mapping[str, int], split: Split, index: int) -> tuple[str, int, int]:
    """The part of a text around a token that was split by itself: (part, its first byte, the token's index in it).

    A special token is its own part. Ordinary text never gives a special token's id, so the ids tell where they are.
    """
    marks = np.flatnonzero(np.isin(split.id, list(special.values())))
    raw = text.encode()
    if index in marks:
        return raw[split.start[index] : split.end[index]].decode(), int(split.start[index]), 0
    before, after = marks[marks < index], marks[marks > index]
    first, low = (int(split.end[before[-1]]), int(before[-1]) + 1) if len(before) else (0, 0)
    past = int(split.start[after[0]]) if len(after) else len(raw)
    return raw[first:past].decode(), first, index - low


def first_bytes(text: str) -> Int[np.ndarray, "n"]:
    """The byte at which each character of the text begins, and the text's length in bytes at the end."""
    if text.isascii():
        return np.arange(len(text) + 1)
    code = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    width = 1 + (code >= 0x80).astype(np.int64) + (code >= 0x800) + (code >= 0x10000)
    return np.concatenate(([0], np.cumsum(width)))
