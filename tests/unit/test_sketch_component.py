"""The pad to draw on, its Python side: what the builder sends and what it refuses."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import numpy as np
import pytest

from ui.settings import ROOT
from viz.components import sketch as package
from viz.components.sketch import ALPHABET, MOST_POINTS, sketch

FOLDER = ROOT / "viz" / "components" / "sketch"
SCRIPTS = "".join(file.read_text(encoding="utf-8") for file in FOLDER.glob("*.js"))


def unpack(packed: dict[str, Any]) -> np.ndarray:
    return np.frombuffer(base64.b64decode(packed["b64"]), f"<{packed['dtype']}").reshape(packed["shape"])


def test_everything_arrives() -> None:
    points = np.random.default_rng(0).normal(size=(7, 2))
    view = sketch("00_-.Az", sampled=points, words={"hint": "here"}, alt="two strokes", height=300, name="d")
    assert (view.component, view.height, view.alt) == ("sketch", 300, "two strokes")
    assert view.data["strokes"] == "00_-.Az" and view.data["words"] == {"hint": "here"} and view.data["name"] == "d"
    np.testing.assert_allclose(unpack(view.data["sampled"]), points, atol=1e-6)
    assert (view.data["most"], view.data["half"]) == (600, 2.2)
    json.dumps(view.data, allow_nan=False)


@pytest.mark.parametrize(
    "text", ["0", "00.1", "é0", "<b>x</b>", "0\x00", "00\n", "猫猫", "00" * (MOST_POINTS + 1), "\ud800a", "00 00"]
)
def test_what_is_no_drawing_is_an_empty_pad(text: str) -> None:
    assert sketch(text, alt="").data["strokes"] == ""


@pytest.mark.parametrize("text", ["", ".", "00", "00..11", "00" * MOST_POINTS, f"{ALPHABET}.{ALPHABET}"])
def test_drawings_are_sent_as_they_are(text: str) -> None:
    assert sketch(text, alt="").data["strokes"] == text


def test_samples_that_are_not_finite_are_left_out() -> None:
    sent = unpack(sketch("", sampled=[[1, 2], [np.nan, 0], [3, np.inf]], alt="").data["sampled"])
    assert sent.tolist() == [[1, 2]]
    for odd in (np.zeros(3), np.zeros((2, 3)), np.zeros((5000, 2))):
        with pytest.raises(ValueError, match="rows of two numbers"):
            sketch("", sampled=odd, alt="")


def test_both_sides_have_the_same_letters_states_and_words() -> None:
    assert f'"{ALPHABET}"' in SCRIPTS and len(set(ALPHABET)) == 64
    assert set(re.findall(r'send\("(\w+)"', SCRIPTS)) == set(package.STATES)
    words = (ROOT / "viz" / "components" / "kit" / "words.js").read_text(encoding="utf-8")
    used = set(re.findall(r'"(sketch_\w+)"', SCRIPTS)) | {"sketch_undo", "sketch_clear", "sketch_done"}
    assert used == set(re.findall(r"^  (sketch_\w+):", words, re.MULTILINE))
    assert "innerHTML" not in SCRIPTS and "insertAdjacentHTML" not in SCRIPTS
