"""Train the masked autoencoder of drawn scenes: `python -m training.mae`, models/weights/masked_autoencoder.*

Scenes of one to four objects, 56 pixels wide, half of them mirrored (all shapes are symmetrical, so that a mirrored
scene is a scene). Three patches in four are hidden. Batch i is drawn from a generator seeded by (seed, i) alone:
stopped and started again, the run ends at the same weights. `--export` ships the last checkpoint of a run that is still
going on. Forward passes compute in bfloat16, with the attention written out: fused, it is slow backwards.
"""

import argparse
import hashlib
import json
import platform
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from models import masked_autoencoder
from models.masked_autoencoder import ENCODER, RATIO, WEIGHTS, MaskedAutoencoder, random_masking
from models.scenes import draw, scatter
from models.stored_rows import write
from training import loop
from training.scenes import low_precision, picture, to_bytes

RATIOS = (0.25, 0.5, 0.75, 0.9)
N_MEASURED = 200


@dataclass(frozen=True)
class Recipe:
    """How it is trained."""

    n_step: int = 6_000
    n_row: int = 32
    lr: float = 1.5e-3
    n_warmup: int = 100
    weight_decay: float = 0.05
    n_scene: int = 16_000
    seed: int = 0


RECIPE = Recipe()
NAME = "masked_autoencoder.pt"  # of the checkpoint


def drawn(recipe: Recipe, cache: Path) -> Tensor:
    """The pictures to train on, as bytes, drawn once."""
    file = cache / f"mae_{recipe.n_scene}_{recipe.seed}.pt"
    if not file.exists():
        scenes = scatter(torch.Generator().manual_seed(recipe.seed), recipe.n_scene)
        torch.save(to_bytes(draw(scenes, ENCODER.n_pixel)), file)
    return torch.load(file, weights_only=True)


def train(recipe: Recipe, cache: Path, stop_at: int | None = None) -> tuple[MaskedAutoencoder, loop.Log]:
    """From nothing, or from its last checkpoint."""
    model = MaskedAutoencoder().start(torch.Generator().manual_seed(recipe.seed))
    pictures = drawn(recipe, cache)

    def loss_at(step: int) -> tuple[Float[Tensor, ""], float]:
        generator = torch.Generator().manual_seed(recipe.seed * 1_000_003 + step + 1)
        x = picture(pictures[torch.randint(len(pictures), (recipe.n_row,), generator=generator)])
        mirrored = torch.rand(recipe.n_row, 1, 1, 1, generator=generator) < 0.5
        x = torch.where(mirrored, x.flip(-1), x)
        masking = random_masking(torch.rand(recipe.n_row, ENCODER.side**2, generator=generator), RATIO)
        with low_precision():
            said = model(x, masking)
        loss = masked_autoencoder.loss(said, x, masking.hidden)
        return loss, float(loss.detach())

    return model, loop.fit(model, recipe, loss_at, cache / NAME, repr(("mae", recipe)), stop_at=stop_at)


@torch.no_grad()
def measure(model: MaskedAutoencoder) -> dict[str, dict[str, float]]:
    """Mean squared error on the hidden patches of fresh scenes, of what the model says and of the visible mean."""
    generator = torch.Generator().manual_seed(4_242)
    found: dict[str, dict[str, float]] = {}
    for name, held_out in (("seen", False), ("held_out", True)):
        pictures = draw(scatter(generator, N_MEASURED, held_out), ENCODER.n_pixel)
        noise = torch.rand(N_MEASURED, ENCODER.side**2, generator=generator)
        for ratio in RATIOS:
            masking = random_masking(noise, ratio)
            right = masked_autoencoder.patchify(pictures, ENCODER.patch)
            kept = (~masking.hidden)[:, :, None, None]
            pixels = right.unflatten(2, (3, -1))
            mean = (pixels * kept).sum((1, 3)) / (kept.sum((1, 3)) * pixels.shape[-1])
            plain = mean[:, None, :, None].expand_as(pixels).flatten(2)
            found[f"{name} {ratio:g}"] = {
                "model": round(float(masked_autoencoder.loss(model(pictures, masking), pictures, masking.hidden)), 5),
                "mean": round(float(masked_autoencoder.loss(plain, pictures, masking.hidden)), 5),
            }
    return found


def ship(model: MaskedAutoencoder, recipe: Recipe, log: loop.Log) -> None:
    """Bytes with a scale per row, and the card: measured on the weights as shipped."""
    file = WEIGHTS / "masked_autoencoder.safetensors"
    write(dict(model.state_dict()), file)
    masked_autoencoder.load.cache_clear()
    card = {
        "data": "drawn by models/scenes.py (scatter, one to four objects); no other data",
        "recipe": asdict(recipe),
        "ratio": RATIO,
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "n_param": sum(weight.numel() for weight in model.parameters()),
        "steps_done": len(log.losses),
        "seconds": round(log.seconds),
        "loss_curve": loop.curve(log.losses, 60),
        "n_measured": N_MEASURED,
        "measured": measure(masked_autoencoder.load()),
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
    }
    (WEIGHTS / "masked_autoencoder.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(card["measured"], indent=1))


def last(cache: Path) -> tuple[MaskedAutoencoder, loop.Log]:
    """The weights and the log of a training that is still going on."""
    saved = torch.load(cache / NAME, weights_only=True)
    model = MaskedAutoencoder()
    model.load_state_dict(saved["model"])
    return model, loop.Log(**saved["log"])


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the masked autoencoder: models/weights/masked_autoencoder.*")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "model-atlas" / "training")
    parser.add_argument("--export", action="store_true", help="ship the last checkpoint, and no more")
    args = parser.parse_args()
    torch.set_num_threads(1)  # another number rounds sums differently
    args.cache.mkdir(parents=True, exist_ok=True)
    model, log = last(args.cache) if args.export else train(RECIPE, args.cache)
    ship(model, RECIPE, log)


if __name__ == "__main__":
    main()
