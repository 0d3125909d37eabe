"""The judge of generated scenes: a small convolutional network, trained apart, that says what a picture shows.

It never sees the diffusion model, and all combinations of shape and colour are equally common in its training.

    picture -> convolutions down to 4 x 4 -> one layer over all of them -> one softmax per question

Glossary
    background    8 colours                                       layout   nothing, five places, "beside" or "over"
    shape 1 ...   of the first object in reading order            shape 2 ...   of the second one, if there is one

Conventions: a verdict names only what the caption names. `count` is whether the number of objects is right; with a
wrong number, nothing about the objects is right either. Where a caption does not say how two objects stand, the order
that fits better counts.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from models.scene_captions import Request, Wanted
from models.scene_parts import ResBlock, conv, norm
from models.scenes import CENTRE, COLOURS, LAYOUTS, PAIR, SHAPES, SIZES, Scene, Shape

QUESTIONS = {
    "background": COLOURS,
    "layout": LAYOUTS,
    "shape 1": SHAPES,
    "colour 1": COLOURS,
    "size 1": SIZES,
    "shape 2": SHAPES,
    "colour 2": COLOURS,
    "size 2": SIZES,
}


class SceneClassifier(nn.Module):
    """`forward` gives one row of logits per question, `see` the scenes themselves."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.PixelUnshuffle(2),
            conv(12, width),
            ResBlock(width, width),
            conv(width, 2 * width, stride=2),
            ResBlock(2 * width, 2 * width),
            conv(2 * width, 2 * width, stride=2),
            norm(2 * width),
            nn.SiLU(),
            nn.Flatten(),
            nn.Linear(2 * width * 16, 128),
            nn.SiLU(),
        )
        self.heads = nn.ModuleList(nn.Linear(128, len(names)) for names in QUESTIONS.values())

    def forward(self, picture: Float[Tensor, "b 3 y x"]) -> dict[str, Float[Tensor, "b _"]]:
        seen = self.body(picture)
        return {name: head(seen) for name, head in zip(QUESTIONS, self.heads, strict=True)}

    @torch.no_grad()
    def see(self, picture: Float[Tensor, "b 3 y x"]) -> list[Scene]:
        """What each picture shows, most probably. Objects carry the centre of their place."""
        best = {name: logit.argmax(-1).tolist() for name, logit in self(picture).items()}
        found = []
        for i in range(len(picture)):
            say = {name: names[best[name][i]] for name, names in QUESTIONS.items()}
            found.append(_scene(say))
        return found


def _scene(say: dict[str, str]) -> Scene:
    layout = say["layout"]
    at: dict[str, tuple[tuple[float, float], ...]] = {"none": (), **{k: (v,) for k, v in CENTRE.items()}, **PAIR}
    things = [
        Shape(say[f"shape {k}"], say[f"colour {k}"], say[f"size {k}"], x, y) for k, (x, y) in enumerate(at[layout], 1)
    ]
    return Scene(say["background"], tuple(things))


def answers(scene: Scene) -> dict[str, int]:
    """The right answer to every question; -1 where there is nothing to say."""
    found = {"background": COLOURS.index(scene.background), "layout": LAYOUTS.index(scene.layout)}
    for k in (1, 2):
        thing = scene.objects[k - 1] if len(scene.objects) >= k else None
        found |= {
            f"{name} {k}": names.index(getattr(thing, name)) if thing else -1
            for name, names in (("shape", SHAPES), ("colour", COLOURS), ("size", SIZES))
        }
    return found


def loss(logits: dict[str, Float[Tensor, "b _"]], right: Sequence[dict[str, int]]) -> Float[Tensor, ""]:
    """Sum over the questions of the mean cross-entropy where there is an answer, nats."""
    total = torch.zeros(())
    for name, logit in logits.items():
        answer = torch.tensor([row[name] for row in right])
        if (answer >= 0).any():
            total = total + F.cross_entropy(logit.float(), answer, ignore_index=-1)
    return total


def compare(seen: Scene, wanted: Request) -> dict[str, bool]:
    """Right or wrong, for everything that the caption names."""
    verdict = {"count": len(seen.objects) == len(wanted.objects)} if wanted.objects else {}
    if wanted.background:
        verdict["background"] = seen.background == wanted.background
    if wanted.layout:
        verdict["layout"] = seen.layout == wanted.layout
    orders = [wanted.objects]
    if len(wanted.objects) == 2 and wanted.layout is None:
        orders.append(wanted.objects[::-1])
    found = [_objects(seen.objects, order) for order in orders]
    best = max(found, key=lambda marks: sum(right for _, _, right in marks))
    if best is not found[0]:  # name the objects as the caption orders them
        best = [(name, 3 - k, right) for name, k, right in best]
    several = len(wanted.objects) > 1
    return verdict | {f"{name} {k}" if several else name: right for name, k, right in sorted(best, key=lambda m: m[1])}


def _objects(seen: Sequence[Shape], wanted: Sequence[Wanted]) -> list[tuple[str, int, bool]]:
    """(attribute, number of the object, right) for everything named."""
    same = len(seen) == len(wanted)
    return [
        (name, k + 1, same and getattr(seen[k], name) == getattr(want, name))
        for k, want in enumerate(wanted)
        for name in ("shape", "colour", "size")
        if getattr(want, name) is not None
    ]
