"""The schematic's Python side: what the builder sends and what it refuses."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pytest

from ui.settings import ROOT
from viz.components.schematic import WORDS, Box, Lane, Layer, Number, Piece, schematic
from viz.view import View

FOLDER = ROOT / "viz" / "components" / "schematic"
SAID = {name: f"{name}: {{cell}}" if name == "cell" else name for name in WORDS}


def unpack(packed: dict[str, Any]) -> np.ndarray:
    return np.frombuffer(base64.b64decode(packed["b64"]), packed["dtype"]).reshape(packed["shape"])


def lane(**other: Any) -> Lane:
    """A word, a picture of 3 x 3 tokens, a mark."""
    arguments: dict[str, Any] = {
        "title": "one",
        "note": "like none",
        "boxes": [Box("encoder", "9 x 5", "frozen")],
        "pieces": [
            Piece("word", "red", -1, 0, 1, "a word"),
            Piece("picture", "", 1, 1, 9, "a picture"),
            Piece("mark", "<eoi>", 1, 10, 1, "a mark", (0, 1)),
        ],
        "layers": [Layer("gate", 0.25), Layer("layer 1")],
        "numbers": [Number("length", "11", 0.5)],
        "beside": [Piece("picture", "", 0, 0, 4, "latents"), Piece("picture", "", 1, 4, 4, "latents")],
        "colours": np.arange(2 * 9 * 3, dtype=np.uint8).reshape(2, 9, 3),
        "side": 3,
    }
    return Lane(**(arguments | other))


def given(*lanes: Lane, **other: Any) -> View:
    images = np.arange(2 * 4 * 4 * 3, dtype=np.uint8).reshape(2, 4, 4, 3)
    return schematic(**({"images": images, "lanes": lanes or (lane(),), "words": SAID, "alt": "two pictures"} | other))


def test_everything_arrives() -> None:
    view = given(lane(), lane(side=0, colours=None, beside=[]), height=333, name="three")
    assert (view.component, view.height, view.alt) == ("schematic", 333, "two pictures")
    assert unpack(view.data["images"]).shape == (2, 4, 4, 3)
    first, second = view.data["lanes"]
    assert [piece["n"] for piece in first["pieces"]] == [1, 9, 1] and first["pieces"][2]["reads"] == [0, 1]
    assert unpack(first["colours"])[1, 8].tolist() == [51, 52, 53] and (first["side"], second["side"]) == (3, 0)
    assert second["colours"] is None and second["beside"] == []
    assert first["layers"] == [{"name": "gate", "gate": 0.25}, {"name": "layer 1", "gate": None}]
    assert view.data["words"] == SAID and view.data["name"] == "three"
    json.dumps(view.data, allow_nan=False)


def test_what_people_type_travels_as_text() -> None:
    odd = "<b>\ud800</b>"
    view = given(lane(pieces=[Piece("word", odd, -1, 0, 1, odd)]))
    assert view.data["lanes"][0]["pieces"][0]["text"] == "<b>\ufffd</b>"
    assert "innerHTML" not in (FOLDER / "main.js").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"pieces": []}, "no pieces"),
        ({"pieces": [Piece("word", "a", -1, 1, 1, "")]}, "one after the other"),
        ({"pieces": [Piece("word", "a", -1, 0, 2, ""), Piece("word", "b", -1, 1, 1, "")]}, "one after the other"),
        ({"pieces": [Piece("ghost", "a", -1, 0, 1, "")]}, "ghost"),
        ({"pieces": [Piece("word", "a", 2, 0, 1, "")]}, "of 2"),
        ({"pieces": [Piece("word", "a", -1, 0, 1, "", (5,))]}, "of 2"),
        ({"pieces": [Piece("word", "a", -1, i, 1, "") for i in range(601)]}, "601"),
        ({"numbers": [Number("n", "1", 1.5)]}, "1.5"),
        ({"layers": [Layer("n", -0.1)]}, "-0.1"),
        ({"side": 2}, "colours"),
        ({"colours": np.zeros((2, 9, 3))}, "colours"),
    ],
)
def test_what_cannot_be_drawn_is_refused(wrong: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        given(lane(**wrong))


def test_wrong_pictures_words_and_numbers_of_lanes() -> None:
    for images in (np.zeros((0, 4, 4, 3), np.uint8), np.zeros((2, 4, 4, 3)), np.zeros((17, 2, 2, 3), np.uint8)):
        with pytest.raises(ValueError, match="images"):
            given(images=images)
    with pytest.raises(ValueError, match="lanes"):
        given(*[lane()] * 5)
    with pytest.raises(ValueError, match="hint"):
        given(words={name: "" for name in WORDS if name != "hint"})
