"""Distributions in the plane to be learned by diffusion, each with classes to steer towards.

    moons         two half circles                                    class: which
    swiss_roll    a spiral, denser inside                             class: inner, middle, outer third
    gaussians     eight on a circle, all alike                        class: which
    checkerboard  the eight dark squares of a four-by-four board      class: which
    letters       D A T A, in strokes of a pen                        class: which letter
    drawn         whatever the visitor drew (models/drawing.py)       class: which stroke

Conventions: all lie within -2.2 to 2.2 and vary by about 1 in both directions, as diffusion wants its data. Classes
count from 1: 0 is "no class" wherever one is asked for.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from models import drawing

DATA = ("moons", "swiss_roll", "gaussians", "checkerboard", "letters", "drawn")
MOST_CLASSES = 8
N_CLASS = {"moons": 2, "swiss_roll": 3, "gaussians": 8, "checkerboard": 8, "letters": 4}
WORD = "DATA"

RADIUS, DEVIATION = 1.6, 0.12  # of the Gaussians
TURN = torch.arange(8) * (math.pi / 4)
CENTRES: Float[Tensor, "8 2"] = RADIUS * torch.stack((TURN.cos(), TURN.sin()), dim=-1)

# Each letter in a box 1.5 wide and 1.6 high around its own middle.
GLYPHS = {
    "D": [[(-0.6, -0.75), (-0.6, 0.75), (0.0, 0.75), (0.4, 0.55), (0.6, 0.2), (0.6, -0.2), (0.4, -0.55), (0.0, -0.75)]],
    "A": [[(-0.65, -0.75), (0.0, 0.75), (0.65, -0.75)], [(-0.39, -0.15), (0.39, -0.15)]],
    "T": [[(-0.65, 0.75), (0.65, 0.75)], [(0.0, 0.75), (0.0, -0.75)]],
}
PLACES = ((-1.05, 1.05), (1.05, 1.05), (-1.05, -1.05), (1.05, -1.05))


@dataclass(frozen=True)
class Points:
    """Points and the class (1...) of each."""

    x: Float[Tensor, "n 2"]
    label: Int[Tensor, "n"]


def moons(n: int, generator: torch.Generator) -> Points:
    label = torch.randint(2, (n,), generator=generator)
    turn = math.pi * torch.rand(n, generator=generator)
    upper = torch.stack((turn.cos() - 0.5, turn.sin() - 0.25), dim=-1)
    x = torch.where(label[:, None] == 0, upper, -upper)  # the lower one is the upper one, turned round
    return Points(1.35 * x + 0.07 * torch.randn(n, 2, generator=generator), label + 1)


def swiss_roll(n: int, generator: torch.Generator) -> Points:
    part = torch.rand(n, generator=generator)
    turn = 1.5 * math.pi * (1 + 2 * part)
    x = torch.stack((turn.cos(), turn.sin()), dim=-1) * (2.05 * turn / (4.5 * math.pi))[:, None]
    return Points(x + 0.05 * torch.randn(n, 2, generator=generator), (3 * part).long().clamp(max=2) + 1)


def gaussians(n: int, generator: torch.Generator) -> Points:
    label = torch.randint(8, (n,), generator=generator)
    return Points(CENTRES[label] + DEVIATION * torch.randn(n, 2, generator=generator), label + 1)


def checkerboard(n: int, generator: torch.Generator) -> Points:
    square = torch.randint(8, (n,), generator=generator)
    row = square // 2
    corner = torch.stack((2 * (square % 2) + row % 2, row), dim=-1)
    return Points(corner - 2.0 + torch.rand(n, 2, generator=generator), square + 1)


def letters(n: int, generator: torch.Generator) -> Points:
    strokes, letter = [], []
    for i, (char, place) in enumerate(zip(WORD, PLACES, strict=True)):
        lines = GLYPHS[char] if char != "D" else [[*GLYPHS[char][0], GLYPHS[char][0][0]]]
        strokes += [torch.tensor(line) + torch.tensor(place) for line in lines]
        letter += [i + 1] * len(lines)
    x, stroke = drawing.along(strokes, n, generator)
    return Points(x, torch.tensor(letter)[stroke])


MAKERS = {made.__name__: made for made in (moons, swiss_roll, gaussians, checkerboard, letters)}


def n_class(data: str, text: str = drawing.EXAMPLE) -> int:
    """How many classes there are; strokes beyond the eighth are of the eighth class. Never 0, never raises."""
    return N_CLASS[data] if data in N_CLASS else min(max(1, len(drawing.parse(text))), MOST_CLASSES)


def draw(data: str, n: int, generator: torch.Generator, text: str = drawing.EXAMPLE) -> Points:
    """n points of the distribution. text: the drawing, if the data are drawn.

    Raises:
        NothingDrawn: there is no drawing.
    """
    if data in MAKERS:
        return MAKERS[data](n, generator)
    x, stroke = drawing.along(drawing.read(text), n, generator)
    return Points(x, stroke.clamp(max=MOST_CLASSES - 1) + 1)


def of_class(data: str, label: int, n: int, generator: torch.Generator, text: str = drawing.EXAMPLE) -> Points:
    """n points of one class (0: of all)."""
    if label == 0:
        return draw(data, n, generator, text)
    found: list[Tensor] = []
    while sum(map(len, found)) < n:
        some = draw(data, 4 * n, generator, text)
        found.append(some.x[some.label == label])
    return Points(torch.cat(found)[:n], torch.full((n,), label))
