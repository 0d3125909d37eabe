"""The map of experts' regions, its Python side: what the builder sends and refuses."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import numpy as np
import pytest
import torch

from ui.settings import ROOT
from viz.components import regions as package
from viz.components.kit import Scrub
from viz.components.regions import Run, regions
from viz.view import View

FOLDER = ROOT / "viz" / "components" / "regions"
N, H, W, E, M = 5, 7, 11, 3, 13  # frames, rows, columns, experts, points
RNG = np.random.default_rng(0)
OWNER = RNG.integers(0, E, (N, H, W))
LOAD = RNG.dirichlet(np.ones(E), N)
CHOSEN = RNG.integers(0, E, (N, M))
POINTS = RNG.normal(size=(M, 2))


def unpack(packed: dict[str, Any]) -> np.ndarray:
    kind = {"b1": "?"}.get(packed["dtype"], f"<{packed['dtype']}")
    return np.frombuffer(base64.b64decode(packed["b64"]), kind).reshape(packed["shape"])


def run(**other: Any) -> Run:
    return Run(**({"title": "one", "owner": OWNER, "load": LOAD, "chosen": CHOSEN} | other))


def given(*runs: Run, **other: Any) -> View:
    arguments: dict[str, Any] = {
        "x": (-2, 2),
        "y": (-1, 3),
        "points": POINTS,
        "group": np.arange(M) % 4,
        "scrub": Scrub("step", "training step", range(0, 10 * N, 10), 3),
        "alt": "a map",
    }
    return regions(list(runs) or [run()], **(arguments | other))


def cells(sent: dict[str, Any]) -> np.ndarray:
    return np.repeat(unpack(sent["expert"]), unpack(sent["length"])).reshape(sent["shape"])


def test_everything_arrives() -> None:
    sure, dropped = RNG.uniform(0.3, 1, (N, H, W)), RNG.random((N, M)) < 0.5
    view = given(
        run(strength=sure, dropped=dropped, limit=0.4, notes=[f"loss {k}" for k in range(N)]), run(title="two")
    )
    data = view.data
    one, two = data["runs"]
    assert (view.component, view.height, view.alt) == ("regions", 510, "a map")
    np.testing.assert_array_equal(cells(one["owner"]), OWNER)
    np.testing.assert_allclose(unpack(one["load"]), LOAD, atol=1e-7)
    np.testing.assert_allclose(unpack(one["strength"]) / 255, sure, atol=0.5 / 255 + 1e-9)
    np.testing.assert_array_equal(unpack(one["chosen"]), CHOSEN)
    np.testing.assert_array_equal(unpack(one["dropped"]), dropped)
    np.testing.assert_allclose(unpack(one["limit"]), [0.4] * N)
    assert one["notes"][4] == "loss 4" and two["title"] == "two"
    assert two["strength"] is two["dropped"] is two["limit"] is None
    np.testing.assert_allclose(unpack(data["points"]), POINTS, atol=1e-6)
    np.testing.assert_array_equal(unpack(data["group"]), np.arange(M) % 4)
    assert data["experts"] == ["1", "2", "3"] and data["groups"] == []
    assert (data["x"], data["y"], data["frames"], data["index"]) == ([-2, 2], [-1, 3], N, 3)
    assert data["scrub"]["values"] == [0, 10, 20, 30, 40]
    json.dumps(data, allow_nan=False)


def test_tensors_bytes_and_bare_maps_are_welcome() -> None:
    owner, sure = torch.from_numpy(OWNER), torch.full((N, H, W), 128, dtype=torch.uint8)
    data = given(run(owner=owner, load=torch.from_numpy(LOAD), strength=sure.numpy(), chosen=None), group=None).data
    np.testing.assert_array_equal(cells(data["runs"][0]["owner"]), OWNER)
    assert (unpack(data["runs"][0]["strength"]) == 128).all()
    assert data["group"] is None and data["runs"][0]["chosen"] is None
    still = given(run(owner=OWNER[:1], load=LOAD[:1], chosen=None), points=np.zeros((0, 2)), group=None, scrub=None)
    assert still.data["frames"] == 1 and "scrub" not in still.data


def test_a_film_travels_small() -> None:
    """Sixty frames of 96 x 96 cells, regions as large as a router makes them."""
    side = np.linspace(-1, 1, 96)
    angle = np.arctan2(side[:, None], side[None])
    turn = np.linspace(0, 3, 60)[:, None, None]
    owner = np.floor((angle + turn + np.pi) % (2 * np.pi) / (2 * np.pi) * 8 - 1e-9).astype(int).clip(0, 7)
    film = run(owner=owner, load=np.full((60, 8), 1 / 8), chosen=None, strength=np.full((60, 96, 96), 0.5))
    data = given(film, scrub=Scrub("s", "s", range(60), 0)).data
    np.testing.assert_array_equal(cells(data["runs"][0]["owner"]), owner)
    assert len(json.dumps(data["runs"][0]["owner"])) < owner.size / 6
    assert data["runs"][0]["strength"]["shape"] == [60, 40, 40]


def test_probabilities_are_thinned_evenly() -> None:
    """A slope keeps its values: each one that travels is that of the place where it will be drawn."""
    n = 100
    slope = np.broadcast_to((np.arange(n) + 0.5) / n, (N, n, n))
    owner = np.zeros((N, n, n), dtype=int)
    for axis in (1, 2):
        film = run(owner=owner, strength=np.swapaxes(slope, 2, axis))
        sent = np.swapaxes(unpack(given(film).data["runs"][0]["strength"]), 2, axis) / 255
        middle = (np.arange(40) + 0.5) / 40
        assert sent.shape == (N, 40, 40) and np.abs(sent - middle).max() < 0.5 / n + 0.5 / 255


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"owner": OWNER[0]}, "owner"),
        ({"owner": np.zeros((N, 200, 100), dtype=int)}, "16384 cells"),
        ({"owner": OWNER.astype(float)}, "whole numbers"),
        ({"owner": OWNER + 1}, "owner: from 1 to 3"),
        ({"owner": OWNER - 1}, "owner: from -1"),
        ({"load": LOAD[:, 0]}, "load"),
        ({"load": LOAD[:4]}, "load"),
        ({"load": LOAD * 0.9}, "sum to 1"),
        ({"load": LOAD * [2, -1, 1]}, "shares from 0 to 1"),
        ({"load": np.full((N, 17), 1 / 17)}, "16 experts"),
        ({"strength": np.ones((N, W, H))}, "strength"),
        ({"strength": np.full((N, H, W), np.nan)}, "strength"),
        ({"chosen": CHOSEN[:, 1:]}, "chosen"),
        ({"chosen": CHOSEN + 3}, "chosen"),
        ({"dropped": np.zeros((N, M + 1))}, "dropped"),
        ({"limit": 0}, "limit"),
        ({"notes": ["a", "b"]}, "2 notes"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_run_that_does_not_fit_is_refused(wrong: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        given(run(**wrong))


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"points": POINTS.T}, "points"),
        ({"points": np.full((M, 2), np.inf)}, "points"),
        ({"points": np.zeros((2049, 2))}, "2048"),
        ({"group": np.arange(M) - 1}, "group"),
        ({"group": np.arange(M - 1)}, "group"),
        ({"groups": ["a", "b"]}, "2 names of 4 groups"),
        ({"experts": ["1", "2"]}, "3 names"),
        ({"experts": ["1", "2", "three"]}, "3 letters"),
        ({"x": (1, 1)}, "x from"),
        ({"y": (0, np.nan)}, "y from"),
        ({"scrub": None}, "neither"),
        ({"scrub": Scrub("s", "s", (1, 2), 0)}, "2 values"),
        ({"scrub": None, "follow": "step", "index": N}, f"index {N}"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_does_not_fit_is_refused(wrong: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        given(**wrong)


def test_one_run_or_two_of_one_size() -> None:
    with pytest.raises(ValueError, match="3 runs"):
        given(run(), run(), run())
    with pytest.raises(ValueError, match="0 runs"):
        regions([], x=(0, 1), y=(0, 1), points=POINTS, alt="")
    with pytest.raises(ValueError, match="other: owner"):
        given(run(), run(title="other", owner=OWNER[:, 1:]))


def test_labels_can_always_travel() -> None:
    odd = "\ud800<b>猫"
    view = given(
        run(title=odd, notes=[odd]), groups=[odd] * 4, experts=["\ud800", "b", "猫"], words={"hint": odd}
    )  # fmt: skip
    sent = json.dumps(view.data, ensure_ascii=False).encode("utf-8").decode()
    assert sent.count("\ufffd<b>猫") == 7 and sent.count("\ufffd") == 8


def test_reported_states_are_those_the_script_sends() -> None:
    scripts = [script.read_text(encoding="utf-8") for script in FOLDER.glob("*.js")]
    sent = {name for script in scripts for name in re.findall(r'\bsend\("(\w+)"', script)}
    assert sent == set(package.STATES)
    assert not any(re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write", script) for script in scripts)


def test_every_word_is_there() -> None:
    scripts = "".join(script.read_text(encoding="utf-8") for script in FOLDER.glob("*.js"))
    used = set(re.findall(r'"(regions_\w+)"', scripts))
    english = (FOLDER.parent / "kit" / "words.js").read_text(encoding="utf-8")
    known = set(re.findall(r"^  (regions_\w+): ", english, re.MULTILINE))
    assert used == known
