"""The planes of moving points, their Python side: what the builder sends and what it refuses."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import numpy as np
import pytest
import torch

from ui.settings import ROOT
from viz.components import particles as package
from viz.components.kit import Scrub
from viz.components.particles import Plane, particles
from viz.view import View

FOLDER = ROOT / "viz" / "components" / "particles"
N, M, G, A, R = 5, 7, 11, 3, 13  # frames, points, data, arrows, rows of the density
RNG = np.random.default_rng(0)
POINTS = RNG.normal(size=(N, M, 2))


def unpack(packed: dict[str, Any]) -> np.ndarray:
    kind = {"b1": "?"}.get(packed["dtype"], f"<{packed['dtype']}")
    return np.frombuffer(base64.b64decode(packed["b64"]), kind).reshape(packed["shape"])


def plane(**other: Any) -> Plane:
    return Plane(**({"title": "one", "points": POINTS} | other))


def given(*planes: Plane, **other: Any) -> View:
    arguments: dict[str, Any] = {"scrub": Scrub("t", "step", range(0, 10 * N, 10), 3), "alt": "a plane"}
    return particles(list(planes) or [plane()], **(arguments | other))


def test_everything_arrives() -> None:
    ghost, target = RNG.normal(size=(G, 2)), RNG.normal(size=(N, M, 2))
    density, origins, vectors = RNG.random((N, R, R)), RNG.normal(size=(A, 2)), RNG.normal(size=(N, A, 2))
    one = plane(
        notes=[f"distance {k}" for k in range(N)], group=np.arange(M) % 3, ghost=ghost, density=density,
        arrows=(origins, vectors), target=target, outline=[[[0, 0], [1, 2], [3, 4]]], anchors=[(1, -2, "cat")],
        labels=[f"w{i}" for i in range(M)],
    )  # fmt: skip
    view = given(
        one, plane(title="two"), followed=[4, 2], trails="all", targets=True, groups=["a", "b", "c"], axes=("p", "q")
    )
    data = view.data
    first, second = data["planes"]
    assert (view.component, view.height, view.alt) == ("particles", 520, "a plane")
    for name, value in (("points", POINTS), ("target", target), ("vectors", vectors)):
        np.testing.assert_allclose(unpack(first[name]), value, atol=1e-6)
    np.testing.assert_allclose(unpack(first["ghost"]), ghost[None], atol=1e-6)
    np.testing.assert_allclose(unpack(first["origins"]), origins[None], atol=1e-6)
    np.testing.assert_allclose(unpack(first["largest"]), density.max((1, 2)), rtol=1e-6)
    shade = unpack(first["density"]) / 255 * density.max((1, 2), keepdims=True)
    np.testing.assert_allclose(shade, density, atol=0.5 / 255 + 1e-9)
    np.testing.assert_array_equal(unpack(first["group"]), np.arange(M) % 3)
    assert first["outline"] == [[[0, 0], [1, 2], [3, 4]]] and first["anchors"] == [[1, -2, "cat"]]
    assert first["labels"][6] == "w6" and first["notes"][4] == "distance 4" and second["title"] == "two"
    assert second["group"] is second["ghost"] is second["density"] is second["target"] is second["vectors"] is None
    assert (data["followed"], data["trails"], data["targets"], data["axes"]) == ([4, 2], "all", True, ["p", "q"])
    assert (data["x"], data["y"], data["frames"], data["index"]) == ([-3, 3], [-3, 3], N, 3)
    assert data["scrub"]["values"] == [0, 10, 20, 30, 40]
    json.dumps(data, allow_nan=False)


def test_tensors_and_points_that_stand_still_are_welcome() -> None:
    data = given(plane(points=torch.from_numpy(POINTS[0])), scrub=None).data
    assert unpack(data["planes"][0]["points"]).shape == (1, M, 2) and data["frames"] == 1
    mixed = given(plane(), plane(points=POINTS[0], notes=["still"], density=np.ones((1, 2, 2)))).data
    assert mixed["frames"] == N


def test_what_flies_away_travels_as_outside() -> None:
    wild = POINTS.copy()
    wild[1, 0] = np.nan, np.inf
    wild[2, 0] = -1e30, 1e9
    view = given(plane(points=wild))
    sent = unpack(view.data["planes"][0]["points"])
    assert np.isfinite(sent).all() and (np.abs(sent[1:3, 0]) > 1e4).all()
    json.dumps(view.data, allow_nan=False)


def test_many_numbers_travel_small_and_move_no_point_by_a_quarter_of_a_pixel() -> None:
    points = RNG.uniform(-3, 3, (101, 400, 2))
    packed = given(plane(points=points), scrub=Scrub("t", "step", range(101), 0)).data["planes"][0]["points"]
    assert packed["dtype"] == "f2"
    assert np.abs(unpack(packed) - points).max() < 0.25 * 6 / 400


def test_an_empty_density_is_the_ground() -> None:
    one = given(plane(density=np.zeros((1, 2, 2)))).data["planes"][0]
    assert not unpack(one["density"]).any() and not unpack(one["largest"]).any()


def test_it_can_follow_another_scrubber() -> None:
    data = given(scrub=None, follow="t", index=2).data
    assert "scrub" not in data and (data["follow"], data["index"]) == ("t", 2)


@pytest.mark.parametrize(
    ("other", "of_plane", "message"),
    [
        ({"x": (1, 1)}, {}, "x from"),
        ({"y": (0, np.nan)}, {}, "y from"),
        ({"trails": "some"}, {}, "trails"),
        ({"scrub": None}, {}, "neither scrub nor follow"),
        ({"scrub": Scrub("t", "step", [1, 2], 0)}, {}, "do not fit each other"),
        ({"scrub": None, "follow": "t", "index": N}, {}, "index 5 of 5"),
        ({"followed": [1, 1]}, {}, "different points"),
        ({"followed": range(9)}, {}, "up to 8"),
        ({"followed": [M]}, {}, "of 7 points"),
        ({"groups": ["a"]}, {"group": np.arange(M) % 2}, "1 names of 2 groups"),
        ({}, {"points": POINTS[..., :1]}, "points"),
        ({}, {"points": np.zeros((1, 2049, 2))}, "2048"),
        ({}, {"points": np.zeros((257, 1, 2))}, "256"),
        ({}, {"group": np.zeros(M)}, "whole number"),
        ({}, {"group": -np.ones(M, dtype=int)}, "whole number"),
        ({}, {"group": np.zeros(M + 1, dtype=int)}, "whole number"),
        ({}, {"ghost": POINTS}, "stand still"),
        ({}, {"density": np.ones((2, 2))}, "frames of rows"),
        ({}, {"density": -np.ones((1, 2, 2))}, "numbers from 0"),
        ({}, {"density": np.ones((N - 1, 2, 2))}, "do not fit each other"),
        ({}, {"arrows": (np.zeros((2, 2)), np.zeros((N, 3, 2)))}, "a vector for each"),
        ({}, {"target": POINTS[:, 1:]}, "target"),
        ({}, {"labels": ["a"]}, "1 labels for 7 points"),
        ({}, {"notes": ["a", "b"]}, "do not fit each other"),
        ({}, {"outline": [[1, 2, 3]]}, "outline"),
    ],
)  # fmt: skip
def test_it_refuses(other: dict[str, Any], of_plane: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        given(plane(**of_plane), **other)


def test_one_to_three_planes() -> None:
    for planes in ([], [plane()] * 4):
        with pytest.raises(ValueError, match="1 to 3"):
            particles(planes, alt="", follow="t")


def test_it_reports_what_its_builder_names_and_says_only_known_words() -> None:
    scripts = "".join(file.read_text(encoding="utf-8") for file in FOLDER.glob("*.js"))
    assert set(re.findall(r'send\("(\w+)"', scripts)) == set(package.STATES)
    words = (ROOT / "viz" / "components" / "kit" / "words.js").read_text(encoding="utf-8")
    used = set(re.findall(r'"(particles_\w+)"', scripts))
    assert used == set(re.findall(r"^  (particles_\w+):", words, re.MULTILINE))
    assert "innerHTML" not in scripts and "insertAdjacentHTML" not in scripts
