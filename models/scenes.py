"""Drawn scenes: one or two coloured shapes on a plain background, the data that the picture models here learn from.

    picture = background, then each object in turn:  picture <- (1 - c) picture + c colour
    c[y, x] = share of the pixel (y, x) that lies inside the shape, from 4 x 4 samples in it (anti-aliasing)

Glossary
    x, y       centre of an object, in edges of the picture: (0, 0) top left, (1, 1) bottom right
    radius     of the circle around it, in edges of the picture
    u, v       a point relative to the centre, in radii: v points down
    layout     where things are: the place of the only object, or "beside" / "over" for two of them
    held out   pairs (shape, colour) that no training picture shows, though each shape and each colour is common

Conventions: pictures are "b 3 h w" in [-1, 1]. Two objects stand in reading order: the left or the upper one first.
What captions say of a scene, and how a caption is understood: models/scene_captions.py.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

N_PIXEL = 32
N_SAMPLE = 4  # samples along each edge of a pixel
RGB = {
    "red": (0.87, 0.16, 0.16),
    "orange": (0.96, 0.55, 0.10),
    "yellow": (0.97, 0.87, 0.22),
    "green": (0.18, 0.65, 0.28),
    "blue": (0.16, 0.36, 0.86),
    "purple": (0.56, 0.24, 0.72),
    "white": (0.97, 0.97, 0.97),
    "black": (0.08, 0.08, 0.08),
}
COLOURS = tuple(RGB)
SHAPES = ("circle", "square", "triangle", "star", "heart", "ring")
RADIUS = {"small": 0.14, "large": 0.22}
SIZES = tuple(RADIUS)
CENTRE = {"left": (0.3, 0.5), "right": (0.7, 0.5), "top": (0.5, 0.3), "bottom": (0.5, 0.7), "centre": (0.5, 0.5)}
PLACES = tuple(CENTRE)
LAYOUTS = ("none", *PLACES, "beside", "over")
PAIR = {"beside": ((0.26, 0.5), (0.74, 0.5)), "over": ((0.5, 0.26), (0.5, 0.74))}
JITTER = 0.035  # of a centre, in edges of the picture
HELD_OUT = frozenset(
    {
        ("circle", "purple"),
        ("circle", "black"),
        ("square", "yellow"),
        ("triangle", "white"),
        ("star", "blue"),
        ("star", "orange"),
        ("heart", "green"),
        ("ring", "red"),
    }
)
SHARE_SINGLE = 0.6


@dataclass(frozen=True)
class Shape:
    """One object of a scene."""

    shape: str
    colour: str
    size: str
    x: float = 0.5
    y: float = 0.5

    @property
    def place(self) -> str:
        """The nearest of the five places."""
        return min(PLACES, key=lambda name: math.dist(CENTRE[name], (self.x, self.y)))

    @property
    def held_out(self) -> bool:
        return (self.shape, self.colour) in HELD_OUT

    @property
    def held_out_small(self) -> bool:
        """Whether it is a small one of those: held out where large ones are shown."""
        return self.held_out and self.size == "small"


@dataclass(frozen=True)
class Scene:
    """A background and what stands on it, painted in this order."""

    background: str
    objects: tuple[Shape, ...] = ()

    @property
    def layout(self) -> str:
        """One of LAYOUTS. For more than two objects: how the first two stand."""
        if len(self.objects) < 2:
            return self.objects[0].place if self.objects else "none"
        a, b = self.objects[:2]
        return "beside" if abs(a.x - b.x) > abs(a.y - b.y) else "over"

    @property
    def held_out(self) -> bool:
        """Whether any of its objects is a combination held out."""
        return any(thing.held_out for thing in self.objects)


def inside(shape: str, u: Float[Tensor, "*n"], v: Float[Tensor, "*n"]) -> Bool[Tensor, "*n"]:
    """Whether a point lies in the shape of radius 1 around (0, 0)."""
    match shape:
        case "circle":
            return u**2 + v**2 < 1
        case "ring":
            square = u**2 + v**2
            return (square < 1) & (square > 0.25)
        case "square":
            return torch.maximum(u.abs(), v.abs()) < 0.85
        case "triangle":  # corners (0, -1), (-0.95, 0.75), (0.95, 0.75)
            return (v < 0.75) & (u.abs() < 0.95 * (v + 1) / 1.75)
        case "star":  # five tips at radius 1 with notches at 0.5: folded, one straight edge from a tip to a notch
            tenth = math.pi / 5
            angle = torch.remainder(torch.atan2(u, -v), 2 * tenth)
            angle = torch.minimum(angle, 2 * tenth - angle)
            along, across = torch.hypot(u, v) * angle.cos(), torch.hypot(u, v) * angle.sin()
            notch = 0.5 * math.cos(tenth), 0.5 * math.sin(tenth)
            return (1 - along) * notch[1] > across * (1 - notch[0])
        case "heart":
            a, b = 1.2 * u, 0.15 - 1.15 * v
            return (a**2 + b**2 - 1) ** 3 < a**2 * b**3
    raise ValueError(f"no such shape: {shape}")


def draw(scenes: Sequence[Scene], n_pixel: int = N_PIXEL) -> Float[Tensor, "b 3 h w"]:
    """The pictures, in [-1, 1]."""
    parts = [_draw(scenes[i : i + 256], n_pixel) for i in range(0, len(scenes), 256)]
    return torch.cat(parts) if parts else torch.zeros(0, 3, n_pixel, n_pixel)


def _draw(scenes: Sequence[Scene], n_pixel: int) -> Float[Tensor, "b 3 h w"]:
    n = n_pixel * N_SAMPLE
    grid = (torch.arange(n) + 0.5) / n
    picture = torch.tensor([RGB[scene.background] for scene in scenes])[:, :, None, None]
    picture = picture.expand(-1, 3, n_pixel, n_pixel).clone()
    for k in range(max(len(scene.objects) for scene in scenes)):
        for shape in SHAPES:
            at = [i for i, scene in enumerate(scenes) if k < len(scene.objects) and scene.objects[k].shape == shape]
            if not at:
                continue
            things = [scenes[i].objects[k] for i in at]
            x, y, radius = torch.tensor([(thing.x, thing.y, RADIUS[thing.size]) for thing in things]).T[
                :, :, None, None
            ]
            covered = inside(shape, *torch.broadcast_tensors((grid - x) / radius, (grid[:, None] - y) / radius))
            share = F.avg_pool2d(covered[:, None].float(), N_SAMPLE)
            ink = torch.tensor([RGB[thing.colour] for thing in things])[:, :, None, None]
            picture[at] = (1 - share) * picture[at] + share * ink
    return 2 * picture - 1


def sample(
    generator: torch.Generator, n: int, held_out: bool | None = False, single: float = SHARE_SINGLE
) -> list[Scene]:
    """Random scenes. `held_out`: False none of those combinations, True only those (each object), None all alike.

    `single`: share of scenes with one object.
    """
    rng = random.Random(int(torch.randint(2**62, (), generator=generator)))
    kinds = [(s, c) for s in SHAPES for c in COLOURS if held_out is None or ((s, c) in HELD_OUT) == held_out]
    return [_scene(rng, kinds, single) for _ in range(n)]


def scatter(
    generator: torch.Generator,
    n: int,
    held_out: bool | None = False,
    counts: Sequence[int] = (1, 2, 3, 4),
    sized: bool = False,
) -> list[Scene]:
    """Random scenes of `counts` objects anywhere on the picture, none touching another. `held_out` as in `sample`;
    sized: only small objects count as held out, large ones of the same shape and colour do not."""
    rng = random.Random(int(torch.randint(2**62, (), generator=generator)))
    kinds = {
        size: [
            (s, c)
            for s in SHAPES
            for c in COLOURS
            if held_out is None or ((s, c) in HELD_OUT and (size == "small" or not sized)) == held_out
        ]
        for size in SIZES
    }
    return [_scattered(rng, kinds, rng.choice(counts)) for _ in range(n)]


def _scattered(rng: random.Random, kinds: dict[str, list[tuple[str, str]]], n: int) -> Scene:
    """Objects are put down one after the other where there is room; where there is none, all are taken up again."""
    while True:
        ground = rng.choice(COLOURS)
        objects: list[Shape] = []
        for _ in range(n * 30):
            size = rng.choice([size for size in SIZES if kinds[size]]) if n < 4 else "small"
            edge = RADIUS[size] + 0.01
            x, y = rng.uniform(edge, 1 - edge), rng.uniform(edge, 1 - edge)
            if all(math.dist((x, y), (o.x, o.y)) > RADIUS[size] + RADIUS[o.size] + 0.02 for o in objects):
                shape, colour = rng.choice([kind for kind in kinds[size] if kind[1] != ground])
                objects.append(Shape(shape, colour, size, round(x, 3), round(y, 3)))
            if len(objects) == n:
                return Scene(ground, tuple(objects))


def _scene(rng: random.Random, kinds: list[tuple[str, str]], single: float) -> Scene:
    alone = rng.random() < single
    layout = rng.choice(PLACES if alone else tuple(PAIR))
    objects = []
    for x, y in (CENTRE[layout],) if alone else PAIR[layout]:
        shape, colour = rng.choice(kinds)
        dx, dy = rng.uniform(-JITTER, JITTER), rng.uniform(-JITTER, JITTER)
        if not alone:  # two large objects must not touch
            dx, dy = (dx / 2, dy) if layout == "beside" else (dx, dy / 2)
        objects.append(Shape(shape, colour, rng.choice(SIZES), round(x + dx, 4), round(y + dy, 4)))
    free = [colour for colour in COLOURS if colour not in {thing.colour for thing in objects}]
    return Scene(rng.choice(free), tuple(objects))
