"""What a prompt of words and pictures becomes, said in Python: up to four models side by side, each with the modules
that a picture passes, its sequence piece by piece, what lies beside it, its layers, and a few numbers on a common
scale.

    schematic(images, [Lane("late", boxes=[Box("encoder", "64 x 48")], pieces=[Piece("picture", "", 0, 0, 64, "...")],
                            layers=[Layer("layer 1")], numbers=[Number("length", "145", 0.97)], colours=rgb, side=8)],
              words=words, alt="...")
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from viz.components.kit import clean
from viz.view import View, pack

STATES = ()  # nothing that the server would have to know
KINDS = ("word", "mark", "picture")
MOST_LANES = 4
MOST_PIECES = 600
MOST_PICTURES = 16
MOST_SIDE = 64
# What the component itself says: {picture} {of} a picture's number, {cell} {cells} a token's in it, {position} where.
WORDS = ("hint", "sequence", "beside", "layers", "cell", "keys", "picture")


@dataclasses.dataclass(frozen=True)
class Box:
    """A module that a picture passes. role: "frozen", "trained" or "table", its line; note: what leaves it."""

    name: str
    note: str
    role: str = "trained"


@dataclasses.dataclass(frozen=True)
class Piece:
    """A word, a mark, or all tokens of a picture. start: its first position, n: how many; text: what is on it;
    said: what is read out; reads: pictures whose pieces beside the sequence it may read."""

    kind: str
    text: str
    picture: int
    start: int
    n: int
    said: str
    reads: Sequence[int] = ()


@dataclasses.dataclass(frozen=True)
class Layer:
    """One layer, in order. gate: how far it is open, 0 to 1; None: no gate, a layer of the language model."""

    name: str
    gate: float | None = None


@dataclasses.dataclass(frozen=True)
class Number:
    """A row of numbers: share of the largest of all lanes, 0 to 1, drawn as a bar."""

    name: str
    text: str
    share: float


@dataclasses.dataclass(frozen=True)
class Lane:
    """One model. beside: pieces that are no part of the sequence; colours: (p, side^2, 3) of the pictures' tokens."""

    title: str
    note: str
    boxes: Sequence[Box]
    pieces: Sequence[Piece]
    layers: Sequence[Layer]
    numbers: Sequence[Number]
    beside: Sequence[Piece] = ()
    colours: ArrayLike | None = None
    side: int = 0


def schematic(
    images: ArrayLike,
    lanes: Sequence[Lane],
    *,
    words: Mapping[str, str],
    alt: str,
    height: int = 520,
    name: str = "schematic",
) -> View:
    """images: uint8 (p, y, x, 3), the prompt's pictures, drawn before each lane's boxes.

    words: all of WORDS; cell is said of a picture's token with {picture}, {cell}, {cells} and {position}
    height: of the whole where lanes stand side by side; where they stand below each other it grows

    Raises:
        ValueError: nothing or too much to draw, pieces that overlap or leave gaps, pictures that do not exist, shares
            or gates outside of 0 to 1, colours that do not fit, a word that is missing.
    """
    array = np.asarray(images)
    if array.ndim != 4 or array.shape[-1] != 3 or array.dtype != np.uint8 or not 1 <= len(array) <= MOST_PICTURES:
        raise ValueError(f"images {array.shape} {array.dtype}: uint8, 1 to {MOST_PICTURES} pictures, y, x, 3")
    if not 1 <= len(lanes) <= MOST_LANES:
        raise ValueError(f"{len(lanes)} lanes: 1 to {MOST_LANES}")
    missing = set(WORDS) - set(words)
    if missing:
        raise ValueError(f"words {sorted(missing)} are missing")
    data: dict[str, Any] = {
        "images": pack(array),
        "lanes": [_lane(lane, len(array)) for lane in lanes],
        "words": {key: clean(words[key]) for key in WORDS},
        "name": name,
    }
    return View("schematic", data, height, alt)


def _lane(lane: Lane, n_picture: int) -> dict[str, Any]:
    for where, pieces in (("sequence", lane.pieces), ("beside", lane.beside)):
        _in_order(f"{lane.title}, {where}", pieces, n_picture)
    if not lane.pieces:
        raise ValueError(f"{lane.title}: no pieces")
    for share in [number.share for number in lane.numbers] + [g.gate for g in lane.layers if g.gate is not None]:
        if not 0 <= share <= 1:
            raise ValueError(f"{lane.title}: {share} is no share")
    colours = None
    if lane.side:
        colours = np.asarray(lane.colours)
        if colours.shape != (n_picture, lane.side**2, 3) or colours.dtype != np.uint8 or lane.side > MOST_SIDE:
            raise ValueError(f"{lane.title}: colours {colours.shape}: ({n_picture}, {lane.side**2}, 3) is needed")
    return {
        "title": clean(lane.title),
        "note": clean(lane.note),
        "boxes": [dataclasses.asdict(box) for box in lane.boxes],
        "pieces": [_piece(piece) for piece in lane.pieces],
        "beside": [_piece(piece) for piece in lane.beside],
        "layers": [dataclasses.asdict(layer) for layer in lane.layers],
        "numbers": [dataclasses.asdict(number) for number in lane.numbers],
        "colours": None if colours is None else pack(colours),
        "side": lane.side,
    }


def _in_order(what: str, pieces: Sequence[Piece], n_picture: int) -> None:
    if len(pieces) > MOST_PIECES:
        raise ValueError(f"{what}: {len(pieces)} pieces, more than {MOST_PIECES}")
    at = 0
    for piece in pieces:
        if piece.kind not in KINDS or piece.start != at or piece.n < 1:
            raise ValueError(f"{what}: {piece.kind!r} at {piece.start} of {piece.n}: {KINDS}, one after the other")
        if any(not -1 <= k < n_picture for k in (piece.picture, *piece.reads)):
            raise ValueError(f"{what}: pictures {piece.picture}, {list(piece.reads)} of {n_picture}")
        at += piece.n


def _piece(piece: Piece) -> dict[str, Any]:
    return {
        **dataclasses.asdict(piece),
        "text": clean(piece.text),
        "said": clean(piece.said),
        "reads": list(piece.reads),
    }
