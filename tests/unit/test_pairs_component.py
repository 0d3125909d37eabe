"""Pictures against texts, their Python side: what the builder sends and refuses."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import numpy as np
import pytest

from ui.settings import ROOT
from viz.components import pairs as package
from viz.components.kit import Scrub
from viz.components.pairs import pairs
from viz.view import View

FOLDER = ROOT / "viz" / "components" / "pairs"
F, N, M, H, W = 3, 5, 7, 4, 6  # frames, pictures, texts, rows and columns of pixels
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (N, H, W, 3), dtype=np.uint8)
SIMILARITY = RNG.normal(size=(F, N, M))
SHARE = RNG.random((F, N, M))
TEXTS = [f"text {k}" for k in range(M)]
TYPES = {"f4": "<f4", "f2": "<f2", "u1": "u1", "b1": "?"}


def unpack(packed: dict[str, Any]) -> np.ndarray:
    return np.frombuffer(base64.b64decode(packed["b64"]), TYPES[packed["dtype"]]).reshape(packed["shape"])


def given(**other: Any) -> View:
    arguments: dict[str, Any] = {
        "images": IMAGES,
        "texts": TEXTS,
        "similarity": SIMILARITY,
        "share": SHARE,
        "scrub": Scrub("step", "step", (0, 10, 20), 1),
        "alt": "5 pictures against 7 texts",
    }
    return pairs(**(arguments | other))


def test_everything_arrives() -> None:
    right = np.eye(N, M, dtype=bool)
    view = given(right=right, chosen=(4, 6), readout=["x", "y", "z"], words={"share": "weight"}, show="similarity")
    data = view.data
    assert (view.component, view.height, view.alt) == ("pairs", 560, "5 pictures against 7 texts")
    np.testing.assert_array_equal(unpack(data["images"]), IMAGES[None])
    np.testing.assert_array_equal(unpack(data["right"]), right)
    np.testing.assert_allclose(unpack(data["similarity"]), SIMILARITY, rtol=1e-6)
    np.testing.assert_allclose(unpack(data["share"]), SHARE, rtol=1e-6)
    assert data["texts"] == TEXTS and data["chosen"] == [4, 6] and data["readout"] == ["x", "y", "z"]
    assert (data["frames"], data["index"], data["show"], data["words"]) == (F, 1, "similarity", {"share": "weight"})
    json.dumps(data, allow_nan=False)


def test_the_ends_of_the_scales() -> None:
    """Shares run from 0 to 1, or as far as they go; similarities as far on both sides of 0."""
    assert given().data["end"] == 1 and given(share=3 * SHARE).data["end"] == 3 * SHARE.max()
    assert given(largest=0.25).data["end"] == 0.25
    assert given().data["reach"] == np.abs(SIMILARITY).max()
    assert given(similarity=np.zeros((N, M))).data["reach"] == 1


def test_a_still_table_needs_no_slider() -> None:
    still = given(similarity=SIMILARITY[0], share=SHARE[:1], scrub=None).data
    assert (still["frames"], still["scrub"], still["index"], still["chosen"]) == (1, None, 0, None)
    assert not unpack(still["right"]).any()
    follows = given(scrub=None, follow="step", index=2).data
    assert (follows["follow"], follows["index"], follows["frames"]) == ("step", 2, F)
    changing = given(images=np.stack([IMAGES] * F)).data
    assert changing["images"]["shape"] == [F, N, H, W, 3]


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"images": IMAGES.astype(float)}, "uint8"),
        ({"images": IMAGES[0]}, "uint8"),
        ({"images": IMAGES[:4]}, "4 pictures"),
        ({"images": np.zeros((65, 1, 1, 3), np.uint8)}, "65 pictures"),
        ({"images": np.zeros((N, 1, 257, 3), np.uint8)}, "257 by 1"),
        ({"images": np.zeros((100, 64, 25, 26, 3), np.uint8)}, "values"),
        ({"images": np.stack([IMAGES] * 2)}, r"frames: \[2, 3\]"),
        ({"texts": []}, "0 texts"),
        ({"texts": ["a"] * 65}, "65 texts"),
        ({"texts": TEXTS[:6]}, "6 texts"),
        ({"similarity": SIMILARITY.transpose(0, 2, 1)}, "similarity"),
        ({"similarity": SIMILARITY * np.nan}, "similarity: finite"),
        ({"share": SHARE[:2]}, r"frames: \[2, 3\]"),
        ({"share": SHARE - 0.5}, "below 0"),
        ({"share": SHARE * np.inf}, "share: finite"),
        ({"largest": 0}, "largest"),
        ({"largest": np.inf}, "largest"),
        ({"right": np.eye(N, M)}, "bool"),
        ({"right": np.eye(M, N, dtype=bool)}, "right"),
        ({"show": "both"}, "show"),
        ({"chosen": (5, 0)}, "no pair"),
        ({"chosen": (0, -1)}, "no pair"),
        ({"scrub": None}, "neither"),
        ({"scrub": None, "follow": "step", "index": 3}, "index 3"),
        ({"scrub": Scrub("step", "step", (1, 2), 0)}, "frames"),
        ({"readout": ["a", "b"]}, "frames"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_does_not_fit_is_refused(wrong: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        given(**wrong)


def test_what_cannot_travel_is_replaced() -> None:
    view = given(texts=["\ud800", "<script>", "", "مرحبا", "🙂", "a\0b", "x" * 100_000])
    json.dumps(view.data).encode("utf-8")
    assert view.data["texts"][:2] == ["\ufffd", "<script>"]


def test_reported_states_are_those_the_script_sends() -> None:
    scripts = [script.read_text(encoding="utf-8") for script in FOLDER.glob("*.js")]
    sent = {name for script in scripts for name in re.findall(r'\bsend\("(\w+)"', script)}
    assert sent == set(package.STATES)
    assert not any(re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write", script) for script in scripts)


def test_every_word_is_there() -> None:
    scripts = "".join(script.read_text(encoding="utf-8") for script in FOLDER.glob("*.js"))
    english = (FOLDER.parent / "kit" / "words.js").read_text(encoding="utf-8")
    said = set(re.findall(r'"(pairs_\w+)"', scripts)) | {"pairs_share", "pairs_similarity"}
    assert said == set(re.findall(r"^  (pairs_\w+): ", english, re.MULTILINE))
