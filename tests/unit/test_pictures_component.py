"""Groups of pictures, their Python side: what the builder sends and refuses."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import numpy as np
import pytest
import torch

from ui.settings import ROOT
from viz.components import pictures as package
from viz.components.kit import Scrub
from viz.components.pictures import Group, Heat, pictures
from viz.view import View

FOLDER = ROOT / "viz" / "components" / "pictures"
N, P, H, W, L = 3, 5, 7, 11, 2  # frames, pictures, rows, columns, words
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (N, P, H, W, 3), dtype=np.uint8)
MAPS = RNG.random((N, P, L, 2, 3))
LABELS = ["red", "circle"]


def unpack(packed: dict[str, Any]) -> np.ndarray:
    return np.frombuffer(base64.b64decode(packed["b64"]), f"<{packed['dtype']}").reshape(packed["shape"])


def given(*groups: Group, **other: Any) -> View:
    arguments: dict[str, Any] = {"columns": 3, "scrub": Scrub("step", "step", (0, 10, 20), 1), "alt": "5 pictures"}
    return pictures(list(groups) or [Group("picture", IMAGES)], **(arguments | other))


def test_everything_arrives() -> None:
    titles, notes = [f"t{i}" for i in range(P)], [[f"{k}.{i}" for i in range(P)] for k in range(N)]
    first = Group("picture", IMAGES, titles=titles, notes=notes, marks=["right", "wrong", "", "", "right"])
    second = Group("latent", torch.from_numpy(IMAGES[0, :2, :3, :3].copy()), notes=["a", "b"])
    view = given(first, second, columns=[5, 2], heat=Heat(LABELS, MAPS), word=1, chosen=4, readout=["x", "y", "z"])
    data = view.data
    assert (view.component, view.height, view.alt) == ("pictures", 520, "5 pictures")
    one, two = data["groups"]
    np.testing.assert_array_equal(unpack(one["images"]), IMAGES)
    np.testing.assert_array_equal(unpack(two["images"]), IMAGES[:1, :2, :3, :3])
    assert (one["columns"], two["columns"], one["titles"], one["notes"]) == (5, 2, titles, notes)
    assert two["notes"] == [["a", "b"]] and one["marks"] == ["right", "wrong", "", "", "right"] and two["marks"] == []
    assert (data["frames"], data["index"], data["word"], data["chosen"]) == (N, 1, 1, 4)
    assert data["scrub"]["values"] == [0, 10, 20] and data["readout"] == ["x", "y", "z"]
    json.dumps(data, allow_nan=False)


def test_heat_keeps_its_values() -> None:
    """Each word's own largest value ends its scale, or one value all words' scales."""
    for largest in (None, 2.0):
        heat = given(heat=Heat(LABELS, MAPS, largest)).data["heat"]
        top = np.array(heat["top"])
        np.testing.assert_allclose(top, MAPS.max((0, 1, 3, 4)) if largest is None else [2, 2])
        found = unpack(heat["maps"]) / 255 * top[:, None, None]
        assert np.abs(found - MAPS).max() <= top.max() / 510 + 1e-9
    still = given(heat=Heat(["none"], np.zeros((1, P, 1, 1, 1)))).data["heat"]
    assert still["top"] == [0] and (unpack(still["maps"]) == 0).all()
    clipped = given(heat=Heat(LABELS, MAPS, 0.5)).data["heat"]
    assert (unpack(clipped["maps"]) == 255).sum() == (MAPS >= 0.5 * 254.5 / 255).sum()


def test_a_still_picture_needs_no_slider() -> None:
    data = given(Group("one", IMAGES[0, :1]), scrub=None, columns=1).data
    assert (data["frames"], data["scrub"], data["heat"], data["index"]) == (1, None, None, 0)
    follows = given(scrub=None, follow="step", index=2).data
    assert (follows["follow"], follows["index"], follows["frames"]) == ("step", 2, N)


@pytest.mark.parametrize(
    ("group", "why"),
    [
        ({"images": IMAGES.astype(float)}, "uint8"),
        ({"images": IMAGES[0, 0]}, "images"),
        ({"images": IMAGES[..., :1]}, "images"),
        ({"images": IMAGES[:, :0]}, "0 pictures"),
        ({"images": np.zeros((1, 65, 1, 1, 3), np.uint8)}, "65 pictures"),
        ({"images": np.zeros((257, 1, 1, 1, 3), np.uint8)}, "257 frames"),
        ({"images": np.zeros((1, 1, 1, 300, 3), np.uint8)}, "300 by 1"),
        ({"images": np.zeros((100, 1, 250, 250, 3), np.uint8)}, "values"),
        ({"titles": ["a"]}, "1 titles for 5"),
        ({"marks": ["good"] * P}, "marks are"),
        ({"marks": ["right"]}, "1 marks"),
        ({"notes": ["a", "b"]}, r"\[2\] of 5"),
        ({"notes": [["a"] * P, ["a"]]}, "notes"),
        ({"notes": [["a"] * P] * 2}, r"frames: \[2, 3\]"),
        ({"images": IMAGES[:2]}, r"frames: \[2, 3\]"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_group_that_does_not_fit_is_refused(group: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        given(Group(**({"name": "one", "images": IMAGES} | group)))


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"columns": 0}, "columns"),
        ({"columns": [1, 2]}, "columns"),
        ({"heat": Heat(LABELS, MAPS[:, :4])}, "maps"),
        ({"heat": Heat(["one"], MAPS)}, "maps"),
        ({"heat": Heat([], MAPS)}, "0 labels"),
        ({"heat": Heat(LABELS, MAPS[:2])}, r"frames: \[2, 3\]"),
        ({"heat": Heat(LABELS, -MAPS)}, "below 0"),
        ({"heat": Heat(LABELS, MAPS * np.nan)}, "finite"),
        ({"heat": Heat(LABELS, MAPS, 0)}, "largest"),
        ({"word": 0}, "no word 0"),
        ({"word": 2, "heat": Heat(LABELS, MAPS)}, "no word 2"),
        ({"chosen": P}, "no picture 5"),
        ({"chosen": -1}, "no picture -1"),
        ({"scrub": None}, "neither"),
        ({"scrub": Scrub("step", "step", (1, 2), 0)}, "frames"),
        ({"scrub": Scrub("step", "step", (1, 2, 3), 3)}, "index"),
        ({"index": N, "scrub": None, "follow": "step"}, "index 3"),
        ({"readout": ["a", "b"]}, "frames"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_does_not_fit_is_refused(wrong: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        given(**wrong)


def test_as_many_groups_as_there_is_room_for() -> None:
    for groups in ([], [Group("one", IMAGES)] * 7):
        with pytest.raises(ValueError, match="groups"):
            pictures(groups, columns=1, alt="")


def test_a_film_travels_small() -> None:
    """Sixteen pictures over 21 frames, with latents: a byte a colour, in base64."""
    groups = [Group(str(side), np.zeros((21, 16, side, side, 3), np.uint8)) for side in (32, 8)]
    data = given(*groups, columns=4, scrub=Scrub("step", "step", range(21), 0)).data
    assert len(json.dumps(data)) < 1.01 * 21 * 16 * 3 * (32**2 + 8**2) * 4 / 3


def test_labels_can_always_travel() -> None:
    odd = "\ud800<b>猫"
    one = Group(odd, IMAGES, titles=[odd] * P, notes=[odd] * P)
    data = given(one, heat=Heat([odd, odd], MAPS), readout=[odd], words={"hint": odd}).data
    sent = json.dumps(data, ensure_ascii=False).encode("utf-8").decode()
    assert sent.count("\ufffd<b>猫") == sent.count("\ufffd") == 1 + 2 * P + 2 + 1 + 1


def test_reported_states_are_those_the_script_sends() -> None:
    scripts = [script.read_text(encoding="utf-8") for script in FOLDER.glob("*.js")]
    sent = {name for script in scripts for name in re.findall(r'\bsend\("(\w+)"', script)}
    assert sent == set(package.STATES)
    assert not any(re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write", script) for script in scripts)


def test_every_word_is_there() -> None:
    scripts = "".join(script.read_text(encoding="utf-8") for script in FOLDER.glob("*.js"))
    english = (FOLDER.parent / "kit" / "words.js").read_text(encoding="utf-8")
    assert set(re.findall(r'"(pictures_\w+)"', scripts)) == set(
        re.findall(r"^  (pictures_\w+): ", english, re.MULTILINE)
    )
