"""The clocks' Python side: what the builder sends and refuses."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import numpy as np
import pytest
import torch

from ui.settings import ROOT
from viz.components import clocks as package
from viz.components.clocks import clocks
from viz.components.kit import Scrub

FOLDER = ROOT / "viz" / "components" / "clocks"
T, P = 7, 3


def unpack(packed: dict[str, Any]) -> np.ndarray:
    raw = np.frombuffer(base64.b64decode(packed["b64"]), f"<{packed['dtype']}")
    return raw.reshape(packed["shape"])


def given(*, t: int = T, p: int = P, factor: float = 1.0, same: bool = True, **other: Any) -> dict[str, Any]:
    """One query and one key turned to t positions, or with `same` off another content at each position."""
    rng = np.random.default_rng(0)
    shape = (2, 1 if same else t, p)
    content = rng.normal(size=shape) + 1j * rng.normal(size=shape)
    angle = np.arange(t)[:, None] * 100.0 ** (-np.arange(p) / p)
    hands = content * np.exp(1j * angle)
    query, key = np.stack([hands.real, hands.imag], -1)
    part = factor * np.einsum("mpi,npi->mnp", query, key)
    arguments = {
        "query": query.astype(np.float32),
        "key": key.astype(np.float32),
        "score": part.sum(-1).astype(np.float32),
        "part": part.astype(np.float32),
        "wavelength": 2 * np.pi * 100.0 ** (np.arange(p) / p),
        "query_scrub": Scrub("m", "query position", range(t), 5 % t),
        "key_scrub": Scrub("n", "key position", range(t), 2 % t),
        "alt": "three clocks",
    }
    return arguments | other


def test_everything_arrives() -> None:
    wanted = given()
    view = clocks(**wanted)
    data = view.data
    assert (view.component, view.height, view.alt) == ("clocks", 520, "three clocks")
    for name in ("query", "key", "score"):
        np.testing.assert_array_equal(unpack(data[name]), wanted[name])
    np.testing.assert_allclose(data["wavelength"], wanted["wavelength"])
    assert data["factor"] == 1 and data["positions"] == list(range(T)) and data["labels"] == []
    assert data["scrubs"] == [
        {"field": "m", "label": "query position", "values": list(range(T)), "index": 5},
        {"field": "n", "label": "key position", "values": list(range(T)), "index": 2},
    ]
    json.dumps(data, allow_nan=False)


def test_tensors_arrive_too() -> None:
    wanted = given()
    tensors: dict[str, Any] = {k: torch.as_tensor(v) if isinstance(v, np.ndarray) else v for k, v in wanted.items()}
    assert clocks(**tensors).data == clocks(**wanted).data


def test_shares_travel_once_per_distance_where_nothing_else_matters() -> None:
    """Row d + t - 1 holds the shares at distance d = m - n."""
    wanted = given()
    sent = unpack(clocks(**wanted).data["part"])
    assert sent.shape == (2 * T - 1, P)
    for m in range(T):
        for n in range(T):
            np.testing.assert_allclose(sent[m - n + T - 1], wanted["part"][m, n], rtol=1e-5, atol=1e-6)


def test_shares_that_vary_by_token_travel_whole() -> None:
    for t, digits in ((T, 1e-6), (40, 1e-3)):  # few exactly, many with three digits
        wanted = given(same=False, t=t)
        sent = unpack(clocks(**wanted).data["part"])
        assert sent.shape == (t, t, P)
        np.testing.assert_allclose(sent, wanted["part"], rtol=digits, atol=1e-6)


def test_a_shared_factor_is_found() -> None:
    assert clocks(**given(factor=8**-0.5)).data["factor"] == pytest.approx(8**-0.5, rel=1e-5)
    assert clocks(**given(factor=-2, same=False)).data["factor"] == pytest.approx(-2, rel=1e-5)


def test_hands_of_length_0_and_pairs_that_do_not_turn() -> None:
    wanted = given()
    nothing = {name: np.zeros_like(wanted[name]) for name in ("query", "key", "score", "part")}
    data = clocks(**wanted | nothing | {"wavelength": [1, 2, float("inf")]}).data
    assert data["wavelength"] == [1, 2, None] and data["factor"] == 1
    json.dumps(data, allow_nan=False)


def test_one_position_and_one_pair() -> None:
    data = clocks(**given(t=1, p=1)).data
    assert unpack(data["part"]).shape == (1, 1) and data["positions"] == [0]


def test_the_size_of_a_full_picture() -> None:
    """32 pairs at 96 positions: 160 kB, and 0.9 MB where every token has hands of its own."""
    assert len(json.dumps(clocks(**given(t=96, p=32)).data)) < 160_000
    assert len(json.dumps(clocks(**given(t=96, p=32, same=False)).data)) < 920_000


def bad(name: str, value: float) -> dict[str, Any]:
    array = given()[name].copy()
    array[(0,) * array.ndim] = value
    return {name: array}


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"query": np.zeros((0, P, 2))}, "1 to 256 positions"),
        ({"query": np.zeros((T, 0, 2))}, "1 to 64 pairs"),
        ({"query": np.zeros((T, P))}, "2 numbers"),
        ({"query": np.zeros((T, P, 3))}, "query"),
        (given(t=257), "1 to 256 positions"),
        (given(p=65), "1 to 64 pairs"),
        ({"key": np.zeros((T + 1, P, 2))}, "key"),
        ({"score": np.zeros((T, T + 1))}, "score"),
        ({"part": np.zeros((T, P, T))}, "part"),
        ({"wavelength": np.ones(P + 1)}, "wavelength"),
        ({"wavelength": [1, 2, 0]}, "wavelength"),
        ({"wavelength": [1, 2, float("nan")]}, "wavelength"),
        *((bad(name, value), "finite") for name in ("query", "key", "score", "part") for value in (np.nan, np.inf)),
        ({"query": np.full((T, P, 2), 1e39)}, "finite"),
        ({"part": given(same=False)["part"].transpose(1, 0, 2)} | {"query": given(same=False)["query"]}, "part"),
        ({"part": given()["part"][..., ::-1]}, "part"),
        ({"labels": ["a"] * (T - 1)}, "labels"),
        ({"query_scrub": Scrub("m", "m", range(T - 1), 0)}, "'m'"),
        ({"key_scrub": Scrub("n", "n", range(T + 1), 0)}, "'n'"),
        ({"key_scrub": Scrub("n", "n", range(T), T)}, "index"),
        ({"key_scrub": Scrub("n", "n", range(1, T + 1), 0)}, "different positions"),
        ({"query_scrub": Scrub("m", "m", list("abcdefg"), 0)}, "numbers"),
        ({"query_scrub": Scrub("m", "m", [0, 1, 2, 4, 8, 16, 32], 0)}, "equal steps"),
        ({"query_scrub": Scrub("m", "m", range(T, 0, -1), 0)}, "equal steps"),
        ({"query_scrub": Scrub("m", "m", [0, 1, 2, 3, 4, 5, float("nan")], 0)}, "equal steps"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_does_not_fit_is_refused(wrong: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        clocks(**given() | wrong)


def test_labels_can_always_travel() -> None:
    odd = ["\ud800", "<b>", "\x00", "猫", "", "\u202e", "a"]
    data = clocks(**given(labels=odd, words={"score": "\udfff"})).data
    assert data["labels"] == ["\ufffd", *odd[1:]] and data["words"] == {"score": "\ufffd"}
    json.dumps(data, ensure_ascii=False).encode("utf-8")


def test_reported_states_are_those_the_script_sends() -> None:
    scripts = [script.read_text(encoding="utf-8") for script in FOLDER.glob("*.js")]
    sent = {name for script in scripts for name in re.findall(r'\bsend\("(\w+)"', script)}
    assert sent == set(package.STATES)
    assert not any(re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write", script) for script in scripts)


def test_every_word_that_is_said_exists() -> None:
    known = set(re.findall(r"^  (clocks_\w+):", (FOLDER.parent / "kit" / "words.js").read_text(encoding="utf-8"), re.M))
    scripts = "".join(script.read_text(encoding="utf-8") for script in FOLDER.glob("*.js"))
    said = set(re.findall(r'say\(["`](clocks_\w+)["`]', scripts)) | {"clocks_query", "clocks_key"}
    assert said == known
