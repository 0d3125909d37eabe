"""Drawn scenes and their captions: the renderer against pixels worked out one by one, captions read back, held out.

References: polygons by crossing number and implicit curves in plain Python, areas in closed form, a slow renderer, and
for captions the scene they were made from.
"""

import math
import random
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models import scene_captions as words
from models import scenes
from models.scene_captions import END, LANGUAGES, N_WORD, START, Request, Wanted, caption, read, request, tokenise
from models.scenes import COLOURS, HELD_OUT, LAYOUTS, PLACES, RADIUS, RGB, SHAPES, SIZES, Scene, Shape, draw, sample


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# --- pictures --------------------------------------------------------------------------------------------------------


def in_polygon(corners: list[tuple[float, float]], u: float, v: float) -> bool:
    """Crossing number."""
    found = False
    for (x1, y1), (x2, y2) in zip(corners, corners[1:] + corners[:1], strict=True):
        if (y1 > v) != (y2 > v) and u < x1 + (v - y1) / (y2 - y1) * (x2 - x1):
            found = not found
    return found


def star() -> list[tuple[float, float]]:
    turns = [(1.0 if k % 2 == 0 else 0.5, k * math.pi / 5) for k in range(10)]
    return [(r * math.sin(a), -r * math.cos(a)) for r, a in turns]


POLYGONS = {
    "square": [(-0.85, -0.85), (0.85, -0.85), (0.85, 0.85), (-0.85, 0.85)],
    "triangle": [(0.0, -1.0), (0.95, 0.75), (-0.95, 0.75)],
    "star": star(),
}


def slow_inside(shape: str, u: float, v: float) -> bool:
    if shape in POLYGONS:
        return in_polygon(POLYGONS[shape], u, v)
    if shape == "heart":
        a, b = 1.2 * u, 0.15 - 1.15 * v
        # (a^2 + b^2 - 1)^3 = a^2 b^3, solved for b at this a: between the two curves
        third = abs(a) ** (2 / 3)
        square = third**2 + 4 * (1 - a**2)
        return square >= 0 and (third - math.sqrt(square)) / 2 < b < (third + math.sqrt(square)) / 2
    return (0.5 if shape == "ring" else -1.0) < math.hypot(u, v) < 1


def slow_draw(scene: Scene, n: int) -> torch.Tensor:
    """One pixel after another, one sample after another."""
    picture = torch.zeros(3, n, n)
    for row in range(n):
        for column in range(n):
            colour = torch.tensor(RGB[scene.background])
            for thing in scene.objects:
                hit = 0
                for i in range(4):
                    for j in range(4):
                        x, y = (column + (j + 0.5) / 4) / n, (row + (i + 0.5) / 4) / n
                        radius = RADIUS[thing.size]
                        hit += slow_inside(thing.shape, (x - thing.x) / radius, (y - thing.y) / radius)
                colour = colour + hit / 16 * (torch.tensor(RGB[thing.colour]) - colour)
            picture[:, row, column] = 2 * colour - 1
    return picture


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_pixel_by_pixel(shape: str) -> None:
    scene = Scene("blue", (Shape(shape, "red", "large", 0.31, 0.57), Shape(shape, "white", "small", 0.603, 0.523)))
    wrong = (draw([scene], 13)[0] - slow_draw(scene, 13)).abs().amax(0) > 1e-5
    assert wrong.sum() <= 1  # a sample on an edge may fall on either side


def test_a_batch_is_its_pictures_one_by_one() -> None:
    drawn = sample(rng(3), 11, None)
    drawn.insert(4, Scene("green"))
    together = draw(drawn)
    assert together.shape == (12, 3, 32, 32)
    assert together.abs().max() <= 1
    for scene, picture in zip(drawn, together, strict=True):
        assert torch.equal(draw([scene])[0], picture)
    assert draw([]).shape == (0, 3, 32, 32)
    assert torch.allclose(together[4, :, 0, 0], 2 * torch.tensor(RGB["green"]) - 1)


@pytest.mark.parametrize(
    ("shape", "area"),
    [
        ("circle", math.pi),
        ("ring", math.pi * 0.75),
        ("square", 1.7**2),
        ("triangle", 0.95 * 1.75),
        ("star", 10 * 0.5 * 0.5 * math.sin(math.pi / 5)),  # ten triangles with sides 1 and 0.5
    ],
)
@pytest.mark.parametrize("size", SIZES)
def test_areas(shape: str, area: float, size: str) -> None:
    """What is painted, as a share of the picture: area times radius squared."""
    drawn = draw([Scene("black", (Shape(shape, "white", size, 0.497, 0.503),))], 200)
    painted = ((drawn[0, 0] + 1) / 2 - RGB["black"][0]) / (RGB["white"][0] - RGB["black"][0])
    assert float(painted.mean()) == pytest.approx(area * RADIUS[size] ** 2, rel=0.02)


def test_later_objects_lie_over_earlier_ones() -> None:
    below, above = Shape("square", "red", "large"), Shape("circle", "blue", "small")
    centre = draw([Scene("white", (below, above)), Scene("white", (above, below))])[:, :, 16, 16]
    assert torch.allclose((centre + 1) / 2, torch.tensor([RGB["blue"], RGB["red"]]))


def test_an_unknown_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="no such shape"):
        scenes.inside("moon", torch.zeros(1), torch.zeros(1))


# --- what is drawn ---------------------------------------------------------------------------------------------------


def kinds(drawn: list[Scene]) -> set[tuple[str, str]]:
    return {(thing.shape, thing.colour) for scene in drawn for thing in scene.objects}


def test_held_out_combinations_are_never_drawn_for_training() -> None:
    train, held_out, both = (sample(rng(1), 1_500, which) for which in (False, True, None))
    everything = {(shape, colour) for shape in SHAPES for colour in COLOURS}
    assert kinds(train) == everything - HELD_OUT
    assert kinds(held_out) == HELD_OUT
    assert kinds(both) == everything
    assert not any(scene.held_out for scene in train)
    assert all(scene.held_out for scene in held_out)


def test_held_out_combinations_leave_every_shape_and_colour_common() -> None:
    assert {(shape, colour) for shape in SHAPES for colour in COLOURS} >= HELD_OUT
    assert sorted(colour for _, colour in HELD_OUT) == sorted(COLOURS)  # each colour once
    assert {shape for shape, _ in HELD_OUT} == set(SHAPES)
    assert max(sum(shape == name for shape, _ in HELD_OUT) for name in SHAPES) == 2


def test_scenes_are_legal_and_evenly_spread() -> None:
    drawn = sample(rng(2), 3_000, False)
    assert sum(len(scene.objects) == 1 for scene in drawn) / 3_000 == pytest.approx(0.6, abs=0.03)
    for layout in LAYOUTS[1:]:
        share = sum(scene.layout == layout for scene in drawn) / 3_000
        assert share == pytest.approx(0.12 if layout in PLACES else 0.2, abs=0.025)
    for scene in drawn:
        assert scene.background not in {thing.colour for thing in scene.objects}
        for thing in scene.objects:
            radius = RADIUS[thing.size]
            assert min(thing.x, thing.y, 1 - thing.x, 1 - thing.y) >= radius  # nothing is cut off
        if len(scene.objects) == 2:
            a, b = scene.objects
            assert math.dist((a.x, a.y), (b.x, b.y)) >= RADIUS[a.size] + RADIUS[b.size] - 0.01
            assert (a.x < b.x) if scene.layout == "beside" else (a.y < b.y)  # reading order
    assert sample(rng(2), 50, False) == drawn[:50]


# --- captions --------------------------------------------------------------------------------------------------------


def fits(want: Wanted, thing: Shape) -> bool:
    return all(getattr(want, name) in (None, getattr(thing, name)) for name in ("shape", "colour", "size"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_full_captions_read_back_to_the_whole_scene(language: str) -> None:
    for scene in sample(rng(4), 300, None):
        assert read(caption(scene, language)) == request(scene)


@pytest.mark.parametrize("language", LANGUAGES)
def test_random_captions_say_nothing_wrong(language: str) -> None:
    chance, longest, whole = random.Random(5), 0, 0
    for scene in sample(rng(5), 800, None):
        text = caption(scene, language, chance)
        cut = tokenise(text)
        assert not cut.unknown and not cut.n_cut
        longest = max(longest, len(cut.ids))
        found = read(text)
        assert not found.problem and found.background in (None, scene.background)
        assert found.layout in (None, scene.layout) and len(found.objects) == len(scene.objects)
        orders = [scene.objects] if found.layout or len(scene.objects) == 1 else [scene.objects, scene.objects[::-1]]
        assert any(all(map(fits, found.objects, order)) for order in orders), text
        whole += found == request(scene)
    assert longest <= N_WORD
    assert 0.1 < whole / 800 < 0.6  # some name everything, most leave something out


def test_captions_by_hand() -> None:
    one = Scene("blue", (Shape("circle", "red", "large", 0.3, 0.5),))
    two = Scene("white", (Shape("star", "orange", "small", 0.26, 0.5), Shape("ring", "green", "large", 0.74, 0.5)))
    assert caption(one) == "a large red circle on the left, blue background"
    assert caption(one, "zh") == "左边一个大的红色圆形，蓝色背景"
    assert caption(two) == "a small orange star left of a large green ring, white background"
    assert caption(two, "zh") == "一个小的橙色星形在一个大的绿色圆环的左边，白色背景"
    assert caption(Scene("red")) == "red background"


RED, BLUE = Wanted("circle", "red"), Wanted("square", "blue")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("red circle", Request((RED,))),
        ("A RED Disc!", Request((RED,), unknown=("!",))),
        ("a circle, red, in the middle", Request((RED,), layout="centre")),
        ("红色的圆在中间", Request((RED,), layout="centre")),
        ("a red circle to the right of a blue box", Request((BLUE, RED), layout="beside")),
        ("红圆在蓝色方块的右边", Request((BLUE, RED), layout="beside")),
        ("a red circle under a blue square", Request((BLUE, RED), layout="over")),
        ("上面蓝色方形，下面红色圆形", Request((BLUE, RED), layout="over")),
        ("a red circle and a blue square", Request((RED, BLUE))),
        ("something big", Request((Wanted(size="large"),))),
        ("purple", Request((Wanted(colour="purple"),))),
        ("the background is green", Request(background="green")),
        ("背景是绿色", Request(background="green")),
        ("a red circle, background blue", Request((RED,), "blue")),
        ("a red dragon on the moon", Request((Wanted(colour="red"),), unknown=("dragon", "moon"))),
        ("一只红色的猫", Request((Wanted(colour="red"),), unknown=("只", "猫"))),
        ("", Request(problem="nothing")),
        ("red circle, blue square, green star", Request((RED, BLUE, Wanted("star", "green")), problem="many")),
        ("a small large red circle", Request((Wanted("circle", "red", "large"),), problem="conflict")),
        ("a red circle on a red background", Request((RED,), "red", problem="conflict")),
        ("a red circle on the left on the right", Request((RED,), layout="left", problem="conflict")),
    ],
)
def test_typed_captions(text: str, wanted: Request) -> None:
    assert read(text) == wanted


def test_held_out_is_seen_in_a_caption() -> None:
    assert read("a purple circle").held_out and read("小的紫色圆形和红色方形").held_out
    assert not read("a red circle").held_out and not read("purple").held_out


def test_words_and_ids_line_up() -> None:
    cut = tokenise("A big red circle, 蓝色背景 zebra")
    assert cut.words == (START, "a", "big", "red", "circle", ",", "蓝色", "背景", END)
    spelled = [words.VOCABULARY[i] for i in cut.ids]
    assert spelled == [START, "a", "large", "red", "circle", ",", "蓝色", "背景", END]
    assert cut.unknown == ("zebra",)
    assert len(set(words.VOCABULARY)) == len(words.VOCABULARY)


def test_every_word_of_the_vocabulary_is_used_in_training_captions() -> None:
    chance = random.Random(6)
    seen = {i for scene in sample(rng(6), 1_500, False) for language in LANGUAGES
            for i in tokenise(caption(scene, language, chance)).ids}  # fmt: skip
    assert seen == set(range(1, len(words.VOCABULARY)))


def test_no_word_means_two_things() -> None:
    said = [word for both in words.SAYINGS.values() for some in both for word in some]
    assert len(said) == len(set(said))


@pytest.mark.parametrize(
    "text", ["", "🙂" * 50, "\0\0", "שלום red", "<b>red</b>", "a" * 100_000, "圆" * 100_000, "red " * 30_000]
)
def test_any_text_is_cut(text: str) -> None:
    cut = tokenise(text)
    assert 2 <= len(cut.ids) == len(cut.words) <= N_WORD
    assert len(cut.unknown) <= words.N_UNKNOWN and all(len(word) <= 40 for word in cut.unknown)
    read(text)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from([*words.ALIAS, " ", "x"]), max_size=12).map(" ".join) | st.text(max_size=40))
def test_any_caption_is_read(text: str) -> None:
    found = read(text)
    assert found.layout in (None, *LAYOUTS)
    assert found.problem in ("", "nothing", "many", "conflict")
    assert found == read(text.upper()) or text.upper().lower() != text.lower()


def test_more_objects_can_be_drawn() -> None:
    """Later pages count things: nothing in a scene stops at two."""
    things = tuple(Shape("circle", "red", "small", 0.2 + 0.3 * i, 0.5) for i in range(3))
    red = draw([Scene("white", things), Scene("white", things[:1])])[:, 1] < 0
    assert red[0].sum() == 3 * red[1].sum() or abs(int(red[0].sum()) - 3 * int(red[1].sum())) <= 6
    assert replace(Scene("white", things), objects=()).layout == "none"


@pytest.mark.parametrize(
    "text",
    [
        "红色圆形在左边，蓝色方形在右边",
        "红色圆形，右边蓝色方形",
        "红色圆形的右边是蓝色方形",
        "蓝色方形在红色圆形的右边",
        "蓝色方形的左边是红色圆形",
        "a red circle and on the right a blue square",
        "a red circle left of a blue square",
        "a blue square, to the right of a red circle",
    ],
)
def test_which_of_two_a_place_is_said_of(text: str) -> None:
    asked = read(text)
    assert (asked.layout, [wanted.colour for wanted in asked.objects]) == ("beside", ["red", "blue"]), asked


@pytest.mark.parametrize(
    ("word", "also"), [("blue", "蓝色"), ("蓝", "blue"), ("disk", "圆形"), ("above", ""), ("上", ""), ("dinosaur", "")]
)
def test_what_a_word_is_in_the_other_language(word: str, also: str) -> None:
    assert words.translation(word) == also
