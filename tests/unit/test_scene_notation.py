"""Scenes as text: everything written is read back, what is typed is understood or refused in one sentence."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models import scene_notation as notation
from models.scenes import COLOURS, SHAPES, SIZES, Scene, Shape, scatter

OBJECTS = st.builds(
    Shape,
    st.sampled_from(SHAPES),
    st.sampled_from(COLOURS),
    st.sampled_from(SIZES),
    *[st.integers(0, 1000).map(lambda n: n / 1000)] * 2,
)


@given(st.sampled_from(COLOURS), st.lists(OBJECTS, max_size=notation.MOST))
def test_what_is_written_is_read_back(ground: str, objects: list[Shape]) -> None:
    scene = Scene(ground, tuple(objects))
    assert notation.read(notation.write(scene)) == scene


def test_one_line_by_hand() -> None:
    scene = notation.read("  White; LARGE red circle 30  50;small blue star 70.5 100; ")
    assert scene == Scene(
        "white", (Shape("circle", "red", "large", 0.3, 0.5), Shape("star", "blue", "small", 0.705, 1.0))
    )


def test_a_caption_will_do() -> None:
    scene = notation.read("a red circle left of a small blue star")
    red, blue = scene.objects
    assert (red.shape, red.colour, blue.shape, blue.colour, blue.size) == ("circle", "red", "star", "blue", "small")
    assert red.x < blue.x and red.y == blue.y
    assert scene.background not in ("red", "blue")
    assert notation.read("蓝色背景上有一个圆形") == Scene("blue", (Shape("circle", "red", "large", 0.5, 0.5),))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "nothing"),
        ("<script>alert(1)</script>", "nothing"),
        ("x" * 100_000, "nothing"),
        ("\u202e\u0627\0\ud800", "nothing"),
        ("white; " + "small red star 1 1; " * 7, "many"),
        ("white; huge red star 1 1", "object"),
        ("white; large red circle 30", "object"),
        ("a circle, a star and a ring", "caption"),
        ("a red blue circle", "conflict"),
    ],
)
def test_what_is_no_scene_is_refused(text: str, problem: str) -> None:
    with pytest.raises(notation.SceneUnreadable) as error:
        notation.read(text)
    assert error.value.problem == problem
    for language in ("en", "zh"):
        assert "large red circle" in error.value.sentence(language) and len(error.value.sentence(language)) < 250


def test_scattered_scenes_fit_the_picture_and_do_not_touch() -> None:
    generator = torch.Generator().manual_seed(5)
    scenes = scatter(generator, 300)
    assert {len(scene.objects) for scene in scenes} == {1, 2, 3, 4}
    assert not any(notation.overlaps(scene) or scene.held_out for scene in scenes)
    assert all(thing.colour != scene.background for scene in scenes for thing in scene.objects)
    assert all(0.14 <= thing.x <= 0.86 and 0.14 <= thing.y <= 0.86 for scene in scenes for thing in scene.objects)
    held = scatter(generator, 50, held_out=True, counts=(2,))
    assert all(thing.held_out for scene in held for thing in scene.objects)
    assert notation.overlaps(notation.read("white; large red circle 30 50; small blue star 40 50"))
