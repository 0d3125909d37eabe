"""Texts that are filled in, their Python side: what the builder sends and refuses."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import numpy as np
import pytest
import torch

from ui.settings import ROOT
from viz.components import unmasking as package
from viz.components.kit import Scrub
from viz.components.unmasking import Lane, unmasking
from viz.view import View

FOLDER = ROOT / "viz" / "components" / "unmasking"
N, M, K = 3, 5, 2  # frames, places, guesses
WORDS = [f" w{i}" for i in range(40)]
TOKEN = np.array([[7, -1, -1, -1, -1], [7, -1, 31, -1, 2], [7, 11, 31, 31, 2]])
WEIGHT = np.random.default_rng(0).random((N, M))
GUESS = (np.array([[[3, 31]] * M, [[-1, -1]] * M, [[3, -1]] * M]), np.full((N, M, K), 0.25))


def unpack(packed: dict[str, Any]) -> np.ndarray:
    kind = {"b1": "?"}.get(packed["dtype"], f"<{packed['dtype']}")
    return np.frombuffer(base64.b64decode(packed["b64"]), kind).reshape(packed["shape"])


def lane(**other: Any) -> Lane:
    return Lane(**({"title": "one", "token": TOKEN} | other))


def given(*lanes: Lane, **other: Any) -> View:
    arguments: dict[str, Any] = {"scrub": Scrub("step", "step", (0, 1, 2), 1), "alt": "5 tokens"}
    return unmasking(list(lanes) or [lane()], WORDS, **(arguments | other))


def texts(data: dict[str, Any], packed: dict[str, Any]) -> list[str]:
    return ["" if i == 0 else data["vocabulary"][i - 1] for i in unpack(packed).ravel()]


def test_everything_arrives() -> None:
    notes = [f"{k} passes" for k in range(N)]
    one = lane(weight=WEIGHT, fixed=[True, *[False] * 4], notes=notes, guess=GUESS, blocks=[3, 0])
    view = given(one, lane(title="still", token=torch.from_numpy(TOKEN[:1])), masked=[4, 1, 4])
    data = view.data
    assert (view.component, view.height, view.alt) == ("unmasking", 420, "5 tokens")
    assert data["vocabulary"] == [" w2", " w3", " w7", " w11", " w31"], "of the vocabulary what occurs"
    first, second = data["lanes"]
    assert texts(data, first["token"]) == ["" if i < 0 else WORDS[i] for i in TOKEN.ravel()]
    assert texts(data, second["token"]) == [" w7", "", "", "", ""]
    np.testing.assert_allclose(unpack(first["weight"]), WEIGHT, atol=1e-3)
    assert unpack(first["fixed"]).tolist() == [True, False, False, False, False]
    assert not unpack(second["fixed"]).any()
    assert texts(data, first["guess"][0]) == ["" if i < 0 else WORDS[i] for i in GUESS[0].ravel()]
    np.testing.assert_allclose(unpack(first["guess"][1]), 0.25)
    assert (first["notes"], first["blocks"], second["guess"], second["weight"]) == (notes, [0, 3], None, None)
    assert (data["frames"], data["index"], data["masked"], data["order"]) == (N, 1, [1, 4], True)
    json.dumps(data, allow_nan=False)


def test_all_masked_and_one_of_everything() -> None:
    data = unmasking([Lane("", [[-1]])], [], alt="").data
    assert (data["vocabulary"], data["frames"], data["masked"], data["scrub"]) == ([], 1, None, None)
    follows = given(scrub=None, follow="step", index=2, order=False).data
    assert (follows["follow"], follows["index"], follows["order"]) == ("step", 2, False)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"token": TOKEN[0]}, "2 axes"),
        ({"token": TOKEN.astype(float)}, "whole numbers"),
        ({"token": TOKEN - 1}, "from -2"),
        ({"token": TOKEN + 9}, "to 40, not -1 to 39"),
        ({"token": TOKEN[:, :0]}, "0"),
        ({"token": np.zeros((1, 513), int)}, "512 places"),
        ({"token": np.zeros((514, 1), int)}, "513 frames"),
        ({"token": TOKEN[:2]}, r"frames: \[2, 3\]"),
        ({"weight": WEIGHT[:, 1:]}, "weight"),
        ({"weight": WEIGHT + 1}, "0 to 1"),
        ({"weight": WEIGHT * np.nan}, "0 to 1"),
        ({"fixed": [True]}, "fixed"),
        ({"notes": ["a", "b"]}, "frames"),
        ({"blocks": [M]}, "blocks"),
        ({"guess": (GUESS[0] + 9, GUESS[1])}, "guess"),
        ({"guess": (GUESS[0][:, 1:], GUESS[1][:, 1:])}, "guess"),
        ({"guess": (GUESS[0], GUESS[1][..., 1:])}, "guess"),
        ({"guess": (np.zeros((N, M, 50_000), int), np.zeros(1))}, "guess"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_lane_that_does_not_fit_is_refused(wrong: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        given(lane(**wrong))


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"masked": [M]}, "masked"),
        ({"masked": [-1]}, "masked"),
        ({"scrub": None}, "neither"),
        ({"scrub": Scrub("step", "step", (1, 2), 0)}, "frames"),
        ({"scrub": Scrub("step", "step", (1, 2, 3), 3)}, "index"),
        ({"scrub": None, "follow": "step", "index": 3}, "index 3"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_does_not_fit_is_refused(wrong: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        given(**wrong)


def test_one_lane_to_four() -> None:
    for lanes in ([], [lane()] * 5):
        with pytest.raises(ValueError, match="lanes"):
            unmasking(lanes, WORDS, alt="")
    with pytest.raises(ValueError, match="guesses"):
        many = (np.zeros((N, M, 15_000), int), np.zeros((N, M, 15_000)))
        given(*[lane(guess=many)] * 3)


def test_a_film_travels_small() -> None:
    """Two texts of 128 tokens over 65 steps with five guesses each."""
    rng = np.random.default_rng(0)
    token = rng.integers(-1, 40, (65, 128))
    guess = (rng.integers(0, 40, (65, 128, 5)), rng.dirichlet(np.ones(5), (65, 128)))
    one = lane(token=token, weight=rng.random((65, 128)), guess=guess)
    data = given(one, one, scrub=Scrub("step", "step", range(65), 0)).data
    assert len(json.dumps(data)) < 420_000


def test_labels_can_always_travel() -> None:
    odd = "\ud800<b>猫"
    view = unmasking([Lane(odd, [[0]], notes=[odd])], [odd], alt="", words={"hint": odd})
    sent = json.dumps(view.data, ensure_ascii=False).encode("utf-8").decode()
    assert sent.count("\ufffd<b>猫") == sent.count("\ufffd") == 4


def test_reported_states_are_those_the_script_sends() -> None:
    scripts = [script.read_text(encoding="utf-8") for script in FOLDER.glob("*.js")]
    sent = {name for script in scripts for name in re.findall(r'\bsend\("(\w+)"', script)}
    assert sent == set(package.STATES)
    assert not any(re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write", script) for script in scripts)


def test_every_word_is_there() -> None:
    scripts = "".join(script.read_text(encoding="utf-8") for script in FOLDER.glob("*.js"))
    english = (FOLDER.parent / "kit" / "words.js").read_text(encoding="utf-8")
    known = set(re.findall(r"^  (unmasking_\w+): ", english, re.MULTILINE))
    assert set(re.findall(r'"(unmasking_\w+)"', scripts)) == known
