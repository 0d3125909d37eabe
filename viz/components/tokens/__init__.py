"""The token staff, said in Python: a text in lines, and under each line one row of boxes per tokenizer.

    tokens(text, [Row("GPT-2", "12 tokens", id=ids, start=starts, end=ends, exact=exact, piece={995: " world"})],
           alt="...", words=words)

All rows share the text's columns, so that boundaries line up by eye. Spans count bytes of the text's UTF-8. A row's
tokens are given once, or as frames: the same text at every step of a training, played without the server.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from viz.components.kit import clean
from viz.view import View, pack

STATES = ("picked",)  # what the component reports: [row, index of the token]
LARGEST = 200_000  # characters
MOST = 12  # rows


@dataclass(frozen=True)
class Frames:
    """A text segmented anew at every one of `count` steps, by its n - 1 boundaries between characters (code points).

    until: the step at which each boundary disappears (count or more: never); or
    bits: per boundary a whole number whose bit k says whether it is there in frame k, for up to 32 frames
    vocabulary: the pieces; a segment's id is its place in here
    """

    count: int
    until: ArrayLike | None = None
    bits: ArrayLike | None = None
    vocabulary: Sequence[str] = ()


@dataclass(frozen=True)
class Row:
    """What one tokenizer makes of the text.

    note: short, beside the name; sentence: shown in place of tokens (why there are none)
    id, start, end, exact: one entry per token, in order; the span of bytes it was read from, which may be empty, and
        whether decoding gives this very span back. Bytes in no span are drawn as lost
    piece, rank: of the ids that occur; rank_name: what the rank is called
    frames: instead of id, start, end and exact
    """

    name: str
    note: str = ""
    sentence: str = ""
    id: ArrayLike = ()
    start: ArrayLike = ()
    end: ArrayLike = ()
    exact: ArrayLike = ()
    piece: Mapping[int, str] = field(default_factory=dict)
    rank: Mapping[int, float] = field(default_factory=dict)
    rank_name: str = ""
    frames: Frames | None = None


def tokens(
    text: str,
    rows: Sequence[Row],
    *,
    alt: str,
    words: Mapping[str, str],
    picked: tuple[int, int] | None = None,
    follow: str = "",
    index: int = 0,
    height: int = 420,
    name: str = "tokens",
) -> View:
    """One text as rows of tokens.

    words: those called staff_... replace the kit's words of that name
    picked: row and token that stand out; the visitor's own choice comes back as the state "picked"
    follow: the scrubber's field whose index the frames follow; index: the frame at first
    name: start of the file name of an export

    Raises:
        ValueError: no or too many rows, too long a text, spans outside of it or out of order, arrays of different
            lengths, frames that do not fit the text, or a picked token that does not exist.
    """
    text = clean(text)
    if not 1 <= len(rows) <= MOST or len(text) > LARGEST:
        raise ValueError(f"{len(rows)} rows of {len(text)} characters: 1 to {MOST} rows, at most {LARGEST} characters")
    n_byte = len(text.encode())
    sent = [_frames_row(row, row.frames, len(text)) if row.frames else _row(row, n_byte) for row in rows]
    if picked is not None:
        at, token = picked
        there = 0 <= at < len(rows) and token >= 0 and (rows[at].frames is not None or token < np.size(rows[at].id))
        if not there:
            raise ValueError(f"picked {picked}: there is no such token")
    data: dict[str, Any] = {
        "text": text,
        "rows": sent,
        "words": {key: value for key, value in words.items() if key.startswith("staff_")},
        "picked": list(picked) if picked is not None else None,
        "follow": follow,
        "index": index,
        "name": name,
    }
    return View("tokens", data, height, alt)


def _row(row: Row, n_byte: int) -> dict[str, Any]:
    ids, start, end = (np.asarray(values, dtype=np.int64).reshape(-1) for values in (row.id, row.start, row.end))
    exact = np.asarray(row.exact, dtype=bool).reshape(-1)
    if not len(ids) == len(start) == len(end) == len(exact):
        raise ValueError(f"{row.name}: {len(ids)} ids, {len(start)} starts, {len(end)} ends, {len(exact)} exact")
    # Consecutive spans: lengths, and where a span does not begin at the end of the one before, by how much.
    skip = np.diff(end, prepend=0) - (end - start)
    if len(ids) and not (
        start[0] >= 0
        and end[-1] <= n_byte
        and (end >= start).all()
        and (np.diff(start) >= 0).all()
        and (np.diff(end) >= 0).all()
    ):
        raise ValueError(f"{row.name}: spans must lie in order within the text's {n_byte} bytes")
    moved = np.flatnonzero(skip)
    known = set(ids.tolist())
    return _head(row) | {
        "id": pack(ids),
        "length": pack(end - start),
        "moved": pack(moved),
        "skip": pack(skip[moved]),
        "inexact": pack(np.flatnonzero(~exact)),
        "piece": {str(i): clean(piece) for i, piece in row.piece.items() if i in known},
        "rank": {str(i): float(rank) for i, rank in row.rank.items() if i in known},
        "rank_name": row.rank_name,
    }


def _frames_row(row: Row, frames: Frames, n_char: int) -> dict[str, Any]:
    given = frames.until if frames.until is not None else frames.bits
    if frames.count < 1 or given is None or (frames.until is not None and frames.bits is not None):
        raise ValueError(f"{row.name}: frames need a count and either until or bits")
    if frames.bits is not None and frames.count > 32:
        raise ValueError(f"{row.name}: bits hold 32 frames, not {frames.count}")
    values = np.asarray(given, dtype=np.int64).reshape(-1)
    if len(values) != max(0, n_char - 1):
        raise ValueError(f"{row.name}: {len(values)} boundaries for {n_char} characters")
    if frames.until is not None:
        values = values.clip(0, frames.count)
    else:
        values = values.astype(np.uint32)
    return _head(row) | {
        "frames": {
            "count": frames.count,
            "kind": "until" if frames.until is not None else "bits",
            "values": pack(values),
            "vocabulary": [clean(piece) for piece in frames.vocabulary],
        },
    }


def _head(row: Row) -> dict[str, Any]:
    return {"name": clean(row.name), "note": clean(row.note), "sentence": clean(row.sentence)}
