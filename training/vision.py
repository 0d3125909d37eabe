"""Train the small classifiers of drawn scenes: `python -m training.vision`, models/weights/vision*

Both kinds learn by one recipe from 200 to 12,800 pictures with one object, for as many steps, so that a small set is
seen many times; a run ends early once it knows its pictures by heart. A smaller set is the beginning of a larger one.
Nothing is done to the pictures: a network that sees them shifted or mirrored would be told what a convolution knows by
birth. The two that saw the most are shipped, the transformer after a second, longer pass on many more pictures, since
the first leaves it unfinished.

Batch i is drawn from a generator seeded by (seed, i) alone: stopped and started again, every run ends at the same
weights. `--export` ships what there is, the second pass as far as it has come. Forward passes compute in bfloat16.
"""

import argparse
import hashlib
import json
import platform
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors.torch import save_file
from torch import Tensor

from models import small_vision
from models.scenes import HELD_OUT, Scene, draw, scatter
from models.small_vision import KINDS, WEIGHTS, Classifier, Kind
from training import loop
from training.scenes import low_precision, picture, to_bytes

SIZES = (200, 400, 800, 1_600, 3_200, 6_400, 12_800)  # pictures to learn from
N_TEST = 1_000  # of seen and of held-out kinds, each


@dataclass(frozen=True)
class Recipe:
    """How one classifier is trained."""

    kind: Kind
    n_picture: int
    n_step: int = 1_500
    n_row: int = 64
    lr: float = 2e-3
    n_warmup: int = 100
    weight_decay: float = 0.05
    seed: int = 0


AGAIN = Recipe("vit", n_picture=40_000, n_step=3_000, lr=1.5e-3, seed=1)
BY_HEART, CHUNK = 0.03, 100  # mean loss of so many steps, nats for three questions


def run_name(recipe: Recipe) -> str:
    return f"{recipe.kind} {recipe.n_picture}"


def drawn(recipe: Recipe, cache: Path) -> tuple[list[Scene], Tensor]:
    """As many scenes as the recipe asks for, and their pictures as bytes."""
    most = max(SIZES[-1], recipe.n_picture)
    scenes = scatter(torch.Generator().manual_seed(recipe.seed), most, counts=(1,))
    file = cache / f"vision_{most}_{recipe.seed}.pt"
    if not file.exists():
        torch.save(to_bytes(draw(scenes)), file)
    return scenes[: recipe.n_picture], torch.load(file, weights_only=True)[: recipe.n_picture]


def train(recipe: Recipe, cache: Path, start: Classifier | None = None, stop_at: int | None = None) -> loop.Log:
    """Trains `start`, or a fresh one, to the end or until the pictures are known by heart; the checkpoint remains."""
    model = start or Classifier(recipe.kind).start(torch.Generator().manual_seed(recipe.seed))
    scenes, pictures = drawn(recipe, cache)
    right = small_vision.answers(scenes)

    def loss_at(step: int) -> tuple[Float[Tensor, ""], float]:
        generator = torch.Generator().manual_seed(recipe.seed * 1_000_003 + step + 1)
        at = torch.randint(len(pictures), (recipe.n_row,), generator=generator)
        with low_precision():
            logits = model(picture(pictures[at]))
        loss = small_vision.loss(logits, {name: answer[at] for name, answer in right.items()})
        return loss, float(loss.detach())

    log, end = loop.Log(), recipe.n_step if stop_at is None else stop_at
    for step in range(CHUNK, end + CHUNK, CHUNK):
        log = loop.fit(
            model, recipe, loss_at, checkpoint(recipe, cache), repr(("vision", recipe)), stop_at=min(step, end)
        )
        if sum(log.losses[-CHUNK:]) < BY_HEART * CHUNK:
            break
    return log


def checkpoint(recipe: Recipe, cache: Path) -> Path:
    return cache / f"vision_{recipe.kind}_{recipe.n_picture}_{recipe.seed}.pt"


def last(recipe: Recipe, cache: Path) -> tuple[Classifier, loop.Log] | None:
    """What a run has come to, finished or not."""
    if not checkpoint(recipe, cache).exists():
        return None
    saved = torch.load(checkpoint(recipe, cache), weights_only=True)
    model = Classifier(recipe.kind)
    model.load_state_dict(saved["model"])
    return model.requires_grad_(False).eval(), loop.Log(**saved["log"])


def test_sets() -> dict[str, tuple[Tensor, dict[str, Tensor]]]:
    """Fresh pictures of kinds that were trained on, and of those that never were."""
    found = {}
    for name, held_out, seed in (("seen", False, 7_001), ("held_out", True, 7_002)):
        scenes = scatter(torch.Generator().manual_seed(seed), N_TEST, held_out, counts=(1,))
        found[name] = draw(scenes), small_vision.answers(scenes)
    return found


def measured(model: Classifier) -> dict[str, dict[str, float]]:
    """Accuracy per question on both test sets."""
    return {name: small_vision.accuracy(model, *test) for name, test in test_sets().items()}


def told(recipe: Recipe, model: Classifier, log: loop.Log, cache: Path) -> dict[str, Any]:
    """What the card says of a run."""
    scenes, pictures = drawn(recipe, cache)
    some = picture(pictures[:N_TEST]), small_vision.answers(scenes[:N_TEST])
    return {
        "kind": recipe.kind,
        "n_picture": recipe.n_picture,
        "steps_done": len(log.losses),
        "seconds": round(log.seconds),
        "train": small_vision.accuracy(model, *some),
        **measured(model),
        "loss_curve": loop.curve(log.losses, 30),
    }


def ship(kind: Kind, model: Classifier) -> Classifier:
    """Half precision; returns it as shipped."""
    stored = {name: weight.detach().half().contiguous() for name, weight in model.state_dict().items()}
    save_file(stored, WEIGHTS / f"vision_{kind}.safetensors")
    small_vision.load.cache_clear()
    return small_vision.load(kind)


def export(cache: Path) -> None:
    """Weights and card of all runs there are."""
    runs, shipped = [], {}
    for kind in KINDS:
        recipe = Recipe(kind, SIZES[-1])
        for n in SIZES:
            done = last(replace(recipe, n_picture=n), cache)
            if done:
                runs.append(told(replace(recipe, n_picture=n), *done, cache))
        final = AGAIN if kind == AGAIN.kind and last(AGAIN, cache) else recipe
        done = last(final, cache)
        if done:
            shipped[kind] = told(final, ship(kind, done[0]), done[1], cache) | {"n_param": done[0].n_param}
    card = {
        "data": "drawn by models/scenes.py: scatter, one object; no other data",
        "held_out": sorted(map(list, HELD_OUT)),
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "recipe": asdict(Recipe("cnn", SIZES[-1])),
        "again": asdict(AGAIN),
        "n_test": N_TEST,
        "hunger": runs,
        "shipped": shipped,
        "sha256": {
            kind: hashlib.sha256((WEIGHTS / f"vision_{kind}.safetensors").read_bytes()).hexdigest() for kind in shipped
        },
    }
    (WEIGHTS / "vision.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    for run in (*runs, *shipped.values()):
        print(run["kind"], run["n_picture"], run["steps_done"], run["train"], run["seen"], run["held_out"], flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the small classifiers: models/weights/vision*")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "model-atlas" / "training")
    parser.add_argument("--export", action="store_true", help="ship what there is, and no more")
    args = parser.parse_args()
    torch.set_num_threads(1)  # another number rounds sums differently
    args.cache.mkdir(parents=True, exist_ok=True)
    if not args.export:
        for n in SIZES[::-1]:
            for kind in KINDS:
                train(Recipe(kind, n), args.cache)
            half = last(Recipe("vit", SIZES[-1]), args.cache)
            assert half is not None
            train(AGAIN, args.cache, half[0].requires_grad_(True).train())
    export(args.cache)


if __name__ == "__main__":
    main()
