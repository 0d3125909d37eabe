"""The training picture's Python side: what the builder sends and refuses, and arrays of every width on their way."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import numpy as np
import pytest

from ui.settings import ROOT
from viz.components import merges as package
from viz.components.kit import Scrub
from viz.components.merges import merges
from viz.view import pack

FOLDER = ROOT / "viz" / "components" / "merges"


def unpack(packed: dict[str, Any]) -> np.ndarray:
    code = packed["dtype"]
    raw = np.frombuffer(base64.b64decode(packed["b64"]), "?" if code == "b1" else f"<{code}")
    return raw.reshape(packed["shape"])


def given(**other: Any) -> dict[str, Any]:
    """Two steps of "abab" -> ab ab -> abab; three candidates in the first step, one in the second."""
    arguments = {
        "pieces": ["a", "b", "ab", "abab"],
        "born": [0, 0, 1, 2],
        "gone": [99, 99, 99, 10**12],
        "parent": [(-1, -1), (-1, -1), (0, 1), (2, 2)],
        "curve": [1.0, 2.0, 4.0],
        "axis": [2, 3, 4],
        "pair": [[(0, 1), (1, 0), (0, -1)], [(2, 2), (-1, -1), (-1, -1)]],
        "numbers": [[(70000, 0.25), (1, 1e-9), (0, -1)], [(1, 0.5), (0, 0), (0, 0)]],
        "chosen": [[True, False, False], [True, False, False]],
        "columns": ["count", "score"],
        "scrub": Scrub("step", "step", range(3), 1),
        "alt": "two steps",
    }
    return arguments | other


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ([0, 255], "u1"),
        ([-1, 255], "i2"),
        ([-32768, 32767], "i2"),
        ([0, 65535], "u2"),
        ([-1, 65535], "i4"),
        ([-(2**31), 2**31 - 1], "i4"),
        ([0, 2**32 - 1], "u4"),
        ([], "u1"),
    ],
)
def test_integers_travel_in_the_narrowest_width(values: list[int], code: str) -> None:
    sent = pack(np.array(values, dtype=np.int64))
    assert sent["dtype"] == code and unpack(sent).tolist() == values


def test_what_fits_into_no_width_is_refused() -> None:
    for values in ([2**32], [-1, 2**31], [-(2**31) - 1]):
        with pytest.raises(ValueError, match="32 bits"):
            pack(np.array(values))


def test_floats_travel_as_three_digits_or_exactly() -> None:
    assert unpack(pack(np.array([1 / 3]))).dtype == np.float16
    assert unpack(pack(np.array([1 / 3]), exact=True)).tolist() == [np.float32(1 / 3)]


def test_everything_arrives() -> None:
    view = merges(**given(rival=[[False, True, False], [True, False, False]], marks=[(2, "end"), (0, "start")]))
    data = view.data
    assert (view.component, view.height, view.alt) == ("merges", 460, "two steps")
    np.testing.assert_array_equal(unpack(data["pair"]), np.array(given()["pair"]))
    np.testing.assert_array_equal(unpack(data["parent"]), np.array(given()["parent"]))
    np.testing.assert_array_equal(unpack(data["numbers"][0]), [[70000, 1, 0], [1, 0, 0]])
    np.testing.assert_allclose(unpack(data["numbers"][1]), [[0.25, 1e-9, -1], [0.5, 0, 0]], rtol=1e-6)
    assert [column["dtype"] for column in data["numbers"]] == ["i4", "f4"], "counts stay whole"
    assert unpack(data["gone"]).tolist() == [3, 3, 3, 3], "beyond the last step there is no later or earlier"
    np.testing.assert_array_equal(unpack(data["rival"])[1], [True, False, False])
    assert data["marks"] == [[0, "start"], [2, "end"]]
    assert data["scrub"] == {"field": "step", "label": "step", "values": [0, 1, 2], "index": 1}
    json.dumps(data, ensure_ascii=False).encode("utf-8")


def test_nothing_to_train_is_a_picture_too() -> None:
    nothing = {
        "pieces": ["a"],
        "born": [0],
        "gone": [1],
        "parent": [(-1, -1)],
        "curve": [1.0],
        "axis": [1],
        "pair": np.zeros((0, 3, 2)),
        "numbers": np.zeros((0, 3, 2)),
        "chosen": np.zeros((0, 3)),
        "scrub": Scrub("step", "step", range(1), 0),
    }
    data = merges(**given(**nothing)).data
    assert data["pair"]["shape"] == [0, 3, 2] and data["rival"] is None
    json.dumps(data)


def test_two_thousand_steps_travel_small() -> None:
    """Eight candidates in each of 2,000 steps: less than half a megabyte."""
    rng = np.random.default_rng(0)
    s, m = 2000, 8
    n = s + 97
    born = np.concatenate([np.zeros(97), np.arange(1, s + 1)])
    parent = np.full((n, 2), -1)
    parent[97:] = [rng.integers(0, i, 2) for i in range(97, n)]
    pair = rng.integers(0, 97, (s, m, 2))
    numbers = np.stack([rng.integers(1, 10**5, (s, m)), rng.random((s, m))], -1)
    view = merges(
        **given(
            pieces=["piece"] * n,
            born=born,
            gone=np.full(n, s + 1),
            parent=parent,
            curve=np.linspace(1, 4, s + 1),
            axis=97 + np.arange(s + 1),
            pair=pair,
            numbers=numbers,
            chosen=np.arange(m) == np.zeros((s, 1)),
            scrub=Scrub("step", "step", range(s + 1), s),
        )
    )
    assert len(json.dumps(view.data)) < 500_000


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"pieces": []}, "0 pieces"),
        ({"born": [0, 0, 1]}, "born"),
        ({"gone": [9]}, "gone"),
        ({"parent": [(-1, -1)] * 3}, "parent"),
        ({"parent": [(-1, -1), (-1, -1), (0, -1), (2, 2)]}, "parent"),
        ({"parent": [(-1, -1), (-1, -1), (0, 4), (2, 2)]}, "parent"),
        ({"parent": [(-1, -1), (-1, -1), (2, 2), (2, 2)]}, "after both"),
        ({"parent": [(-1, -1), (-1, -1), (3, 0), (2, 2)]}, "after both"),
        ({"axis": [1, 2]}, "axis"),
        ({"curve": [1.0, 2.0]}, "values"),
        ({"curve": [1.0, float("nan"), 2.0]}, "finite"),
        ({"pair": np.zeros((2, 3))}, "pair"),
        ({"pair": np.full((2, 3, 2), 4)}, "ids run from 0 to 3"),
        ({"numbers": np.zeros((2, 3, 1))}, "numbers"),
        ({"chosen": np.zeros((2, 2))}, "chosen"),
        ({"rival": np.zeros((3, 3))}, "rival"),
        ({"scrub": Scrub("step", "step", range(4), 0)}, "4 values"),
        ({"scrub": Scrub("step", "step", range(3), 3)}, "index"),
        ({"marks": [(3, "late")]}, "mark"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_does_not_fit_is_refused(wrong: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        merges(**given(**wrong))


def test_labels_can_always_travel() -> None:
    odd = ["\ud800", "<b>", "\x00", "猫"]
    data = merges(**given(pieces=odd, words={"curve": "\udfff"}, marks=[(0, "\ud900")], columns=["a", "\udead"])).data
    assert data["pieces"] == ["\ufffd", "<b>", "\x00", "猫"] and data["words"] == {"curve": "\ufffd"}
    json.dumps(data, ensure_ascii=False).encode("utf-8")


def test_reported_states_are_those_the_script_sends() -> None:
    scripts = [script.read_text(encoding="utf-8") for script in FOLDER.glob("*.js")]
    sent = {name for script in scripts for name in re.findall(r'\bsend\("(\w+)"', script)}
    assert sent == set(package.STATES)
    assert not any(re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write", script) for script in scripts)
