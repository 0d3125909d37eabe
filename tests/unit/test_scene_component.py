"""The scene composer, its Python side: what the builder sends and refuses."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from models import scene_notation
from models.scenes import RADIUS, RGB, SHAPES, Scene, Shape
from ui.settings import ROOT
from viz.components import scene as package
from viz.components.scene import scene
from viz.view import View

FOLDER = ROOT / "viz" / "components" / "scene"
TEXT = "white; large red circle 30 40.5; small blue star 72 66"


def given(text: str = TEXT, **other: Any) -> View:
    arguments: dict[str, Any] = {
        "shapes": {name: name.upper() for name in SHAPES},
        "colours": {
            name: (name.upper(), f"rgb({', '.join(f'{255 * c:.0f}' for c in rgb)})") for name, rgb in RGB.items()
        },
        "sizes": {name: (name.upper(), radius) for name, radius in RADIUS.items()},
        "alt": "2 shapes on white",
    }
    return scene(text, **(arguments | other))


def test_everything_arrives() -> None:
    view = given(words={"hint": "draw"})
    data = view.data
    assert (view.component, view.height, view.alt) == ("scene", 360, "2 shapes on white")
    assert (data["text"], data["ground"], data["words"]) == (TEXT, "white", {"hint": "draw"})
    assert data["things"] == [
        {"size": "large", "colour": "red", "shape": "circle", "x": 30, "y": 40.5},
        {"size": "small", "colour": "blue", "shape": "star", "x": 72, "y": 66},
    ]
    assert [one["id"] for one in data["shapes"]] == list(SHAPES) and data["shapes"][0]["label"] == "CIRCLE"
    assert data["colours"][0] == {"id": "red", "label": "RED", "css": "rgb(222, 41, 41)"}
    assert data["sizes"] == [{"id": name, "label": name.upper(), "radius": r} for name, r in RADIUS.items()]
    json.dumps(data, allow_nan=False)


def test_it_reads_what_the_mechanism_writes() -> None:
    """Both know the same notation: what one writes the other understands, to the last decimal."""
    things = tuple(
        Shape(shape, colour, size, round(0.137 * (i + 1), 3), round(1 - 0.151 * (i + 1), 3))
        for i, (shape, colour, size) in enumerate(zip(SHAPES, RGB, list(RADIUS) * 3, strict=False))
    )
    written = scene_notation.write(Scene("black", things))
    data = given(written).data
    assert data["text"] == written and data["ground"] == "black"
    assert [(t["shape"], t["colour"], t["size"], t["x"], t["y"]) for t in data["things"]] == [
        (o.shape, o.colour, o.size, pytest.approx(100 * o.x), pytest.approx(100 * o.y)) for o in things
    ]
    assert package.MOST == scene_notation.MOST and set(package.SHAPES) == set(SHAPES)
    assert given(" BLACK ;large  red circle 120 5;;").data["things"][0]["x"] == 100
    assert len(given("white" + "; large red circle 1 1" * 6).data["things"]) == 6


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a red circle",
        "pink; large red circle 1 1",
        "white; large red circle 1",
        "white; large red circle -1 1",
        "white; large red circle ١ 1",
        "white; <b>large</b> red circle 1 1",
        "white" + "; large red circle 1 1" * 7,
        "white\x00; large red circle 1 1",
        "\ud800",
        "white;" * 50_000 + "x",
    ],
)
def test_what_is_no_scene_is_shown_as_an_empty_one(text: str) -> None:
    data = given(text).data
    assert (data["text"], data["things"], data["ground"]) == ("", [], "red")


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"shapes": {}}, "needs"),
        ({"colours": {}}, "needs"),
        ({"sizes": {}}, "needs"),
        ({"shapes": {"cube": "cube"}}, "cube"),
        ({"colours": {"red": ("red", "url(x)")}}, "colour"),
        ({"sizes": {"none": ("none", 0.0)}}, "radius"),
        ({"sizes": {"huge": ("huge", 0.6)}}, "radius"),
    ],
)
def test_what_does_not_fit_is_refused(wrong: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        given(**wrong)


def test_labels_can_always_travel() -> None:
    odd = "\ud800<b>猫"
    data = given(shapes={"circle": odd}, words={"hint": odd}).data
    assert json.dumps(data, ensure_ascii=False).encode("utf-8").decode().count("\ufffd<b>猫") == 2


def test_reported_states_are_those_the_script_sends() -> None:
    scripts = [script.read_text(encoding="utf-8") for script in FOLDER.glob("*.js")]
    sent = {name for script in scripts for name in re.findall(r'\bsend\("(\w+)"', script)}
    assert sent == set(package.STATES)
    assert not any(re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write", script) for script in scripts)


def test_every_word_is_there() -> None:
    scripts = "".join(script.read_text(encoding="utf-8") for script in FOLDER.glob("*.js"))
    english = (FOLDER.parent / "kit" / "words.js").read_text(encoding="utf-8")
    used = set(re.findall(r'"(scene_\w+)"', scripts))
    parts = {f"scene_{name}" for name in ("shape", "colour", "size", "ground", "x", "y")}
    assert used | parts == set(re.findall(r"^  (scene_\w+): ", english, re.MULTILINE))
