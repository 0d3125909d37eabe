"""What the small Vision Transformer makes of pictures it was not made for: disorder, no positions, other sizes.

Source: Dosovitskiy et al. 2021, section 3.2 (positions are interpolated for larger pictures) and appendix D.4.

Glossary
    condition   "usual"; "shuffled": all patches in another order; "blind": no position embeddings; "both"
    side        patches along an edge; a patch keeps its pixels, so that larger pictures have more patches

Conventions: scenes with one object, seen combinations of shape and colour, other seeds than in training. Answers are
right or wrong per question; "all" of them at once.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from models import small_vision, vit_reading
from models.fields import no_tick
from models.scenes import draw, scatter
from models.small_vision import QUESTIONS, Classifier

N = 120
SEED = 41_000  # of the test pictures; training uses others
SIDES = (4, 6, 7, 8, 9, 10, 12, 16)
CONDITIONS = ("usual", "shuffled", "blind", "both")
ORDER_SEED = 3


@dataclass(frozen=True)
class Measured:
    """Accuracy of every condition and of every size."""

    n_picture: int
    condition: dict[str, dict[str, float]]  # condition, question
    side: tuple[int, ...]
    resized: dict[str, tuple[float, ...]]  # question: at every side, positions interpolated


def accuracy(
    model: Classifier, picture: Float[Tensor, "b 3 y x"], right: dict[str, Tensor], positioned: bool = True
) -> dict[str, float]:
    """Share answered right, per question, and "all" at once."""
    body = model.body
    seen = vit_reading.read(body, vit_reading.embed(body, picture, positioned), keep=False)  # type: ignore[arg-type]
    good = {name: model.heads[name](seen.summary).argmax(-1) == right[name] for name in QUESTIONS}
    good["all"] = torch.stack(list(good.values())).all(0)
    return {name: float(one.float().mean()) for name, one in good.items()}


@torch.no_grad()
def measure(trained: bool = True, tick: Callable[[float], None] = no_tick) -> Measured:
    """All of it, on N pictures. Raises ModelUnavailable."""
    model = small_vision.load("vit") if trained else small_vision.fresh("vit")
    shape = small_vision.VIT
    scenes = scatter(torch.Generator().manual_seed(SEED), N, counts=(1,))
    right = small_vision.answers(scenes)
    picture = draw(scenes, shape.n_pixel)
    order = torch.randperm(shape.side**2, generator=torch.Generator().manual_seed(ORDER_SEED))
    mixed = torch.stack([vit_reading.shuffled(one, shape.patch, order) for one in picture])
    tick(0.1)
    condition = {
        "usual": accuracy(model, picture, right),
        "shuffled": accuracy(model, mixed, right),
        "blind": accuracy(model, picture, right, False),
        "both": accuracy(model, mixed, right, False),
    }
    resized: dict[str, list[float]] = {name: [] for name in (*QUESTIONS, "all")}
    for i, side in enumerate(SIDES):
        tick(0.2 + 0.8 * i / len(SIDES))
        found = accuracy(model, draw(scenes, side * shape.patch), right)
        for name, value in found.items():
            resized[name].append(value)
    return Measured(N, condition, SIDES, {name: tuple(values) for name, values in resized.items()})


def facts(found: Measured) -> dict[str, float | int]:
    """The numbers that the page's sentences name."""
    said: dict[str, float | int] = {"n_picture": found.n_picture}
    for condition, values in found.condition.items():
        said |= {f"{condition}_{name}": value for name, value in values.items()}
    for side in (6, 12, 16):
        said[f"all_{side}"] = found.resized["all"][found.side.index(side)]
    return said
