"""A drawn scene as one line of text, so that it fits into a link and can be typed.

    white; large red circle 30 50; small blue star 70 50

First the background's colour, then every object: size, colour, shape and its centre in per cent of the picture's edges,
from the left and from the top. A caption is understood, too ("a red circle left of a blue star"): what it does not say
is filled in.
"""

import math
import re
from collections.abc import Callable

from models.scene_captions import Request, Wanted
from models.scene_captions import read as read_caption
from models.scenes import CENTRE, COLOURS, PAIR, RADIUS, SHAPES, SIZES, Scene, Shape

MOST = 6  # objects
_OBJECT = re.compile(rf"({'|'.join(SIZES)}) ({'|'.join(COLOURS)}) ({'|'.join(SHAPES)}) (\d+(?:\.\d+)?) (\d+(?:\.\d+)?)")


class SceneUnreadable(Exception):
    """A text that is no scene.

    problem: "nothing" in it, "many" objects, a "caption" with more than two, "conflict", an "object" not understood.
    """

    def __init__(self, problem: str, part: str = "") -> None:
        super().__init__(problem, part)
        self.problem, self.part = problem, part

    def sentence(self, language: str, plain: Callable[[str], str] = str) -> str:
        """What is wrong, and what would be right."""
        example = "white; large red circle 30 50; small blue star 70 50"
        about = {
            "nothing": ("There is no object in this text.", "这段文字里没有图形。"),
            "many": (f"A scene has at most {MOST} objects.", f"一个场景最多有 {MOST} 个图形。"),
            "caption": ("A caption names one or two objects.", "一句描述只能有一两个图形。"),
            "conflict": ("This caption contradicts itself.", "这句描述自相矛盾。"),
            "object": (f"“{plain(self.part)}” is no object of a scene.", f"“{plain(self.part)}”不是场景中的图形。"),
        }[self.problem]
        if language == "zh":
            return f"{about[1]}可以输入一句描述，或这样写：`{example}`。"
        return f"{about[0]} Type a caption, or write it like this: `{example}`."


def write(scene: Scene) -> str:
    """The line."""
    things = (f"{o.size} {o.colour} {o.shape} {round(100 * o.x, 1):g} {round(100 * o.y, 1):g}" for o in scene.objects)
    return "; ".join((scene.background, *things))


def read(text: str) -> Scene:
    """The scene of a line or of a caption. Raises SceneUnreadable."""
    parts = [" ".join(part.lower().split()) for part in text.split(";")]
    if parts[0] not in COLOURS:
        return _captioned(text)
    things = [part for part in parts[1:] if part]
    if len(things) > MOST:
        raise SceneUnreadable("many")
    return Scene(parts[0], tuple(map(_object, things)))


def _object(text: str) -> Shape:
    found = _OBJECT.fullmatch(text)
    if not found:
        raise SceneUnreadable("object", text[:40])
    size, colour, shape, x, y = found.groups()
    return Shape(shape, colour, size, *(round(min(100.0, float(value)) / 100, 4) for value in (x, y)))


def _captioned(text: str) -> Scene:
    asked = read_caption(text)
    if asked.problem or not asked.objects:
        raise SceneUnreadable({"many": "caption"}.get(asked.problem, asked.problem) or "nothing")
    return filled(asked)


def filled(asked: Request) -> Scene:
    """A scene that shows what a caption asks for: large red circles where it says nothing else."""
    where = (
        (CENTRE[asked.layout if asked.layout in CENTRE else "centre"],)
        if len(asked.objects) == 1
        else PAIR[asked.layout if asked.layout in PAIR else "beside"]
    )
    used = {wanted.colour for wanted in asked.objects} | {asked.background}
    ground = asked.background or next(c for c in ("white", *COLOURS) if c not in used)

    def thing(wanted: Wanted, x: float, y: float) -> Shape:
        colour = wanted.colour or next(c for c in COLOURS if c != ground)
        return Shape(wanted.shape or "circle", colour, wanted.size or "large", x, y)

    return Scene(ground, tuple(thing(w, *at) for w, at in zip(asked.objects, where, strict=True)))


def overlaps(scene: Scene) -> bool:
    """Whether two of its objects touch: then questions about it may have no clear answer."""
    return any(
        math.dist((a.x, a.y), (b.x, b.y)) < RADIUS[a.size] + RADIUS[b.size]
        for i, a in enumerate(scene.objects)
        for b in scene.objects[:i]
    )
