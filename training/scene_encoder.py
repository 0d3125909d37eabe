"""Train the vision encoder of the scenes' language model: `python -m training.scene_encoder`.

Source of the stem: Dosovitskiy et al. 2021, "An Image is Worth 16x16 Words", section 3.1 (hybrid architecture); Xiao et
al. 2021, "Early Convolutions Help Transformers See Better".

Every patch learns to name the object under it, its shape and its colour, or none: both come from the drawing itself.
LLaVA takes CLIP's image tower instead. In the minutes that training here may take, the patches of a tower trained by
contrast know colours, but hardly shapes: the summary of a picture needs no more. Held out are small objects of eight
pairs of shape and colour (models/scenes.py, HELD_OUT); large ones are shown.

Stopped and started again, it goes on from its last checkpoint: batch i is drawn from a generator seeded by (seed, i).
The forward pass computes in bfloat16, the weights stay in single precision.
"""

import argparse
import hashlib
import json
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from safetensors.torch import save_file
from torch import Tensor, nn

from models.scenes import COLOURS, HELD_OUT, RADIUS, SHAPES, Scene, draw, scatter
from models.tiny_lm import WEIGHTS
from models.vision_transformer import Shape, VisionTransformer
from training import loop

SHAPE = Shape(stem=True)
N_DONE = 1_400  # steps of the schedule's 2,000: by then it names held-out shapes, and others wait for it
REACH = 0.02  # in edges of the picture: a patch belongs to an object whose circle, so much larger, holds its centre


@dataclass(frozen=True)
class Recipe:
    """What is trained how long."""

    n_step: int = 2_000
    n_row: int = 96
    lr: float = 1.5e-3
    n_warmup: int = 100
    weight_decay: float = 0.02
    n_scene: int = 30_000
    seed: int = 0


class Namer(nn.Module):
    """The encoder, and a linear map that names what is under a patch: 6 shapes or none, 8 colours or none."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = VisionTransformer(SHAPE)
        self.name = nn.Linear(self.encoder.shape.d_model, len(SHAPES) + 1 + len(COLOURS) + 1)

    def forward(self, picture: Float[Tensor, "b 3 y x"]) -> Float[Tensor, "b n c"]:
        return self.name(self.encoder(picture, keep=True).patches)


def under(scenes: Sequence[Scene], side: int = 8) -> Int[Tensor, "b 2 n"]:
    """Shape and colour of the object under every patch; the last number of each: none."""
    found = torch.empty(len(scenes), 2, side * side, dtype=torch.long)
    found[:, 0], found[:, 1] = len(SHAPES), len(COLOURS)
    centre = (torch.arange(side) + 0.5) / side
    x, y = centre.repeat(side), centre.repeat_interleave(side)
    for i, scene in enumerate(scenes):
        for thing in scene.objects:
            inside = torch.hypot(x - thing.x, y - thing.y) < RADIUS[thing.size] + REACH
            found[i, 0, inside], found[i, 1, inside] = SHAPES.index(thing.shape), COLOURS.index(thing.colour)
    return found


def name_loss(logits: Float[Tensor, "b n c"], right: Int[Tensor, "b 2 n"]) -> Float[Tensor, ""]:
    """Cross-entropy of the shape plus that of the colour, nats per patch."""
    shape, colour = logits.float().transpose(1, 2).split([len(SHAPES) + 1, len(COLOURS) + 1], 1)
    return F.cross_entropy(shape, right[:, 0]) + F.cross_entropy(colour, right[:, 1])


@torch.no_grad()
def accuracy(model: Namer, held_out: bool, n: int = 400, seed: int = 1_000) -> dict[str, float]:
    """Share of patches on objects (all of them held out, or none) whose shape and colour are named right."""
    scenes = scatter(torch.Generator().manual_seed(seed), n, held_out, counts=(1, 2), sized=True)
    right = under(scenes)
    logits = torch.cat([model(part) for part in draw(scenes).split(100)]).transpose(1, 2)
    on = right[:, 0] < len(SHAPES)
    shape, colour = logits.split([len(SHAPES) + 1, len(COLOURS) + 1], 1)
    return {
        "shape": round((shape.argmax(1) == right[:, 0])[on].float().mean().item(), 4),
        "colour": round((colour.argmax(1) == right[:, 1])[on].float().mean().item(), 4),
    }


def train(recipe: Recipe, cache: Path, stop_at: int | None = None) -> tuple[Namer, loop.Log]:
    """The encoder with its names, and the log."""
    generator = torch.Generator().manual_seed(recipe.seed)
    scenes = scatter(generator, recipe.n_scene, sized=True)
    pictures = torch.cat(
        [(255 * (draw(scenes[i : i + 500]) + 1) / 2).round().byte() for i in range(0, len(scenes), 500)]
    )
    right = under(scenes)
    model = Namer()
    model.encoder.start(generator)
    nn.init.normal_(model.name.weight, std=0.02, generator=generator)
    nn.init.zeros_(model.name.bias)

    def loss_at(step: int) -> tuple[Float[Tensor, ""], float]:
        at = torch.randint(
            len(scenes), (recipe.n_row,), generator=torch.Generator().manual_seed(recipe.seed * 1_000_003 + step)
        )
        with torch.autocast("cpu", torch.bfloat16):
            logits = model(pictures[at].float() / 127.5 - 1)
        loss = name_loss(logits, right[at])
        return loss, float(loss.detach())

    def note(step: int) -> dict[str, object] | None:
        if (step + 1) % 400:
            return None
        return {"step": step + 1, "seen": accuracy(model, False, 100), "held_out": accuracy(model, True, 100)}

    file = cache / "scene_encoder.pt"
    return model, loop.fit(model, recipe, loss_at, file, repr(recipe), note=note, stop_at=stop_at)


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the scenes' vision encoder: models/weights/scene_encoder*")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "model-atlas" / "training")
    args = parser.parse_args()
    torch.set_num_threads(1)  # another number rounds sums differently
    args.cache.mkdir(parents=True, exist_ok=True)
    recipe = Recipe()
    model, log = train(recipe, args.cache, stop_at=N_DONE)
    weights = {key: weight.detach().half().contiguous() for key, weight in model.state_dict().items()}
    file = WEIGHTS / "scene_encoder.safetensors"
    save_file(weights, file)
    model.load_state_dict({key: weight.float() for key, weight in weights.items()})
    card = {
        "data": "drawn by models/scenes.py; no other data",
        "held_out": [[*pair, "small"] for pair in sorted(map(list, HELD_OUT))],
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "recipe": asdict(recipe),
        "steps_done": len(log.losses),
        "n_param": sum(weight.numel() for weight in model.parameters()),
        "seconds": round(log.seconds),
        "loss_curve": loop.curve(log.losses, 60),
        "notes": log.notes,
        "measured": {"seen": accuracy(model, False, 1_000), "held_out": accuracy(model, True, 1_000)},
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
    }
    (WEIGHTS / "scene_encoder.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(card["measured"]))


if __name__ == "__main__":
    main()
