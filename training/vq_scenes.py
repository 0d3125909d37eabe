"""Train the scenes' codebook: `python -m training.vq_scenes`. Writes models/weights/vq_scenes.safetensors and its card.

Stopped and started again, the run goes on from its last checkpoint: batch i is drawn from a generator seeded by
(seed, i) alone.

Recipe: mean absolute and squared error of the picture plus beta times the commitment. For the first steps nothing is
quantised; then the codebook starts as vectors of the encoder, and follows running means of those it stands for (van den
Oord et al. 2017, appendix A.1). An entry that next to nothing chooses starts anew at a vector of the batch at hand. The
forward pass computes in bfloat16, distances and means in single precision.
"""

import argparse
import hashlib
import json
import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from safetensors.torch import save_file
from torch import Tensor, nn

from models import vq_scenes
from models.scene_parts import initialise
from models.scenes import COLOURS, HELD_OUT, Scene, draw, sample, scatter
from models.tiny_lm import WEIGHTS
from models.vq_scenes import BETA, N_CODE, N_DIM, VQScenes, nearest, perplexity, quantise
from training import loop


@dataclass(frozen=True)
class Recipe:
    """How it is trained."""

    n_step: int = 3_600
    n_row: int = 64  # pictures in a batch
    lr: float = 3e-3
    n_warmup: int = 50
    weight_decay: float = 0.01
    n_free: int = 150  # steps before anything is quantised
    decay: float = 0.98  # of the running means
    rare: float = 0.3  # entries chosen less often per batch, on average, start anew
    last_revival: int = 3_000
    n_sample: int = 4_000  # scenes of one or two objects in fixed places
    n_scatter: int = 12_000  # of one to four anywhere
    seed: int = 0


RECIPE = Recipe()


class Learner(nn.Module):
    """The autoencoder with the running means that its codebook is made of."""

    count: Float[Tensor, "k"]
    total: Float[Tensor, "k d"]

    def __init__(self) -> None:
        super().__init__()
        self.vq = VQScenes()
        self.register_buffer("count", torch.ones(N_CODE))
        self.register_buffer("total", torch.zeros(N_CODE, N_DIM))

    def restart(self, which: Int[Tensor, "n"], z: Float[Tensor, "b d h w"], generator: torch.Generator) -> None:
        """These entries become vectors of z drawn at random."""
        rows = z.permute(0, 2, 3, 1).reshape(-1, N_DIM)
        fresh = rows[torch.randint(len(rows), (len(which),), generator=generator)]
        self.count[which], self.total[which], self.vq.book[which] = 1.0, fresh, fresh

    def follow(self, z: Float[Tensor, "b d h w"], code: Int[Tensor, "b h w"], decay: float) -> None:
        """The running means take in a batch."""
        chosen = F.one_hot(code.flatten(), N_CODE).float()
        rows = z.permute(0, 2, 3, 1).reshape(-1, N_DIM)
        self.count.mul_(decay).add_(chosen.sum(0), alpha=1 - decay)
        self.total.mul_(decay).add_(chosen.T @ rows, alpha=1 - decay)
        self.vq.book.copy_(self.total / self.count.clamp_min(1e-3)[:, None])


def rng(recipe: Recipe, step: int) -> torch.Generator:
    """For one batch."""
    return torch.Generator().manual_seed(recipe.seed * 1_000_003 + step + 1)


def scenes(recipe: Recipe) -> list[Scene]:
    """What it learns from: no combination that is held out."""
    generator = torch.Generator().manual_seed(recipe.seed)
    empty = [Scene(colour) for colour in COLOURS]
    return [*sample(generator, recipe.n_sample), *scatter(generator, recipe.n_scatter), *empty]


def to_bytes(picture: Float[Tensor, "b 3 y x"]) -> Tensor:
    """0 to 255 from [-1, 1]."""
    return picture.mul(127.5).add(127.5).round().to(torch.uint8)


def train(recipe: Recipe, pictures: Tensor, checkpoint: Path, stop_at: int | None = None) -> tuple[Learner, loop.Log]:
    """From bytes. `stop_at` interrupts as a power cut would."""
    learner = Learner()
    initialise(learner.vq, torch.Generator().manual_seed(recipe.seed))

    def loss_at(step: int) -> tuple[Float[Tensor, ""], float]:
        generator = rng(recipe, step)
        x = pictures[torch.randint(len(pictures), (recipe.n_row,), generator=generator)].float() / 127.5 - 1
        with torch.autocast("cpu", dtype=torch.bfloat16):
            z = learner.vq.vectors(x).float()
        kept, commitment = z, torch.zeros(())
        if step >= recipe.n_free:
            seen = z.detach()
            if step == recipe.n_free:
                learner.restart(torch.arange(N_CODE), seen, generator)
            elif step < recipe.last_revival and step % 10 == 0:
                learner.restart((learner.count < recipe.rare).nonzero()[:, 0], seen, generator)
            found = quantise(z, learner.vq.book.clone())
            kept, commitment = found.vector, found.commitment
            learner.follow(seen, found.code, recipe.decay)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            painted = learner.vq.paint(kept)
        square = F.mse_loss(painted.float(), x)
        return F.l1_loss(painted.float(), x) + square + BETA * commitment, float(square.detach())

    def note(step: int) -> dict[str, Any] | None:
        if (step + 1) % 250:
            return None
        with torch.no_grad():
            x = pictures[: 256 * 16 : 16].float() / 127.5 - 1
            code = learner.vq.encode(x)
            error = F.mse_loss(learner.vq.decode(code), x)
        return {"step": step + 1, "perplexity": round(perplexity(code), 1), "mse": round(float(error), 5)}

    log = loop.fit(learner, recipe, loss_at, checkpoint, repr(recipe), note=note, stop_at=stop_at)
    return learner, log


@torch.no_grad()
def measure(vq: VQScenes) -> dict[str, Any]:
    """On scenes it has not seen."""
    found: dict[str, Any] = {}
    for name, held_out in (("seen", False), ("held_out", True)):
        made = scatter(torch.Generator().manual_seed(7_001), 400, held_out)
        x = draw(made)
        z = vq.vectors(x)
        code = nearest(z, vq.book)
        found[name] = {
            "mse": round(float(F.mse_loss(vq.decode(code), x)), 5),
            "mse_unquantised": round(float(F.mse_loss(vq.paint(z).clamp(-1, 1), x)), 5),
            "mse_mean_colour": round(float(F.mse_loss(x.mean((2, 3), keepdim=True).expand_as(x), x)), 5),
            "perplexity": round(perplexity(code), 1),
            "codes_used": int(code.unique().numel()),
            "codes_per_picture": round(sum(len(c.unique()) for c in code) / len(code), 1),
        }
    return found


def ship(learner: Learner, log: loop.Log, recipe: Recipe) -> None:
    """Half precision, and the card measured on just that."""
    file = WEIGHTS / f"{vq_scenes.NAME}.safetensors"
    save_file({key: value.half().contiguous() for key, value in learner.vq.state_dict().items()}, file)
    card = {
        "data": "drawn by models/scenes.py; no other data",
        "held_out": sorted(map(list, HELD_OUT)),
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "recipe": asdict(recipe),
        "n_param": sum(weight.numel() for weight in learner.vq.state_dict().values()),
        "steps_done": len(log.losses),
        "seconds": round(log.seconds),
        "loss_curve": loop.curve(log.losses, 60),
        "notes": log.notes,
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
    }
    path = WEIGHTS / f"{vq_scenes.NAME}.json"
    path.write_text(json.dumps(card), encoding="utf-8")
    vq_scenes.load.cache_clear()
    card["measured"] = measure(vq_scenes.load().model)
    path.write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(card["measured"], indent=1))


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the scenes' codebook: models/weights/vq_scenes*")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "model-atlas" / "training")
    args = parser.parse_args()
    torch.set_num_threads(1)  # another number rounds sums differently
    args.cache.mkdir(parents=True, exist_ok=True)
    learner, log = train(RECIPE, to_bytes(draw(scenes(RECIPE))), args.cache / f"{vq_scenes.NAME}.pt")
    ship(learner, log, RECIPE)


if __name__ == "__main__":
    main()
