"""The stacked bars' Python side: what the builder sends and what it refuses."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import numpy as np
import pytest

from ui.settings import ROOT
from viz import palette
from viz.components.ledger import Group, Part, Row, ledger
from viz.view import View

FOLDER = ROOT / "viz" / "components" / "ledger"


def unpack(packed: dict[str, Any]) -> np.ndarray:
    return np.frombuffer(base64.b64decode(packed["b64"]), f"<{packed['dtype']}").reshape(packed["shape"])


def given(**other: Any) -> View:
    """Two groups; one row of the first has three frames."""
    arguments: dict[str, Any] = {
        "parts": [Part("attention", 0), Part("experts", 2), Part("idle", 2, hatched=True)],
        "groups": [
            Group(
                "sparse", [Row("stored", [2, 3, 7]), Row(["one", "two", "three"], [[2, 3, 0], [2, 5, 0], [2, 11, 0]])]
            ),
            Group("dense", [Row("stored", [5.5, 0, 0])]),
        ],
        "axis": "billions",
        "unit": "B",
        "follow": "batch",
        "index": 1,
        "alt": "three bars",
    }
    return ledger(**(arguments | other))


def test_everything_arrives() -> None:
    view = given(words={"hint": "look"}, height=333, name="costs")
    data = view.data
    assert (view.component, view.height, view.alt) == ("ledger", 333, "three bars")
    assert [part["hatched"] for part in data["parts"]] == [False, False, True]
    assert [part["colour"] for part in data["parts"]] == [0, 2, 2]
    assert [group["name"] for group in data["groups"]] == ["sparse", "dense"]
    stored, moving = data["groups"][0]["rows"]
    np.testing.assert_array_equal(unpack(stored["values"]), [[2, 3, 7]])
    np.testing.assert_array_equal(unpack(moving["values"]), [[2, 3, 0], [2, 5, 0], [2, 11, 0]])
    assert (stored["label"], moving["label"]) == (["stored"], ["one", "two", "three"])
    assert (data["frames"], data["index"], data["follow"]) == (3, 1, "batch")
    assert data["most"] == 13, "the longest bar of all frames, so that nothing jumps"
    assert (data["axis"], data["unit"], data["name"], data["words"]) == ("billions", "B", "costs", {"hint": "look"})
    json.dumps(data, allow_nan=False)


def test_still_bars_need_nobody_to_follow() -> None:
    data = given(groups=[Group("", [Row("a", [0, 0, 0])])], follow="", index=0).data
    assert data["frames"] == 1 and data["most"] == 1, "bars of nothing have a scale, too"


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"groups": []}, "0 rows"),
        ({"parts": []}, "0 parts"),
        ({"groups": [Group("", [Row("a", [1, 2])])]}, "3 parts"),
        ({"groups": [Group("", [Row("a", [1, -2, 3])])]}, "negative"),
        ({"groups": [Group("", [Row("a", [1, np.nan, 3])])]}, "finite"),
        ({"groups": [Group("", [Row("a", np.ones((2, 3))), Row("b", np.ones((4, 3)))])]}, "frames"),
        ({"groups": [Group("", [Row(["a", "b"], np.ones((3, 3)))])]}, "frames"),
        ({"follow": ""}, "frames"),
        ({"index": 3}, "index"),
        ({"parts": [Part("a", 8), Part("b", 0), Part("c", 0)]}, "colour"),
        ({"groups": [Group("", [Row("a", [1, 2, 3])] * 25)]}, "25 rows"),
    ],
)
def test_what_cannot_be_drawn_is_refused(other: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        given(**other)


def test_lone_surrogates_travel() -> None:
    data = given(groups=[Group("a\ud800", [Row("b\udfff", [1, 2, 3])])], follow="", index=0).data
    json.dumps(data).encode()
    assert data["groups"][0]["name"] == "a\N{REPLACEMENT CHARACTER}"


def test_bars_can_be_seen_in_both_themes() -> None:
    """The script takes its colours from the palette alone, and every one stands out from the paper."""
    from tests.unit.test_components import BACKGROUNDS, _contrast

    scripts = "".join(path.read_text(encoding="utf-8") for path in FOLDER.glob("*.js"))
    assert not re.search(r"#[0-9a-fA-F]{6}\b", scripts)
    for dark, papers in BACKGROUNDS.items():
        for colour in palette.experts(dark):
            assert _contrast(colour, papers[0]) >= 1.9, (dark, colour)
