"""Train the scenes' CLIP and its twin: `python -m training.scene_clip`, or one part after another.

    towers   CLIP's softmax loss: models/weights/clip_image.safetensors, clip_text.safetensors
    twin     SigLIP's sigmoid loss (Zhai et al. 2023, algorithm 1): same start, same batches, same steps
    card     measures both: scene_clip.json; snapshots of fixed pairs: clip_training.safetensors, clip_twin.safetensors

Stopped and started again, every run goes on from its last checkpoint: batch i is drawn from a generator seeded by
(seed, i) alone. `--export` writes the weights of a checkpoint while it is still learning.

Recipe: pictures of one to four objects, half of them in fixed places (`sample`), half anywhere (`scatter`), never a
combination held out. Captions are made anew each time, English or Chinese by a coin. Pictures are shifted by up to a
pixel, dimmed and made a little noisy, so that the towers do not learn pixels by heart. The picture tower's forward pass
computes in bfloat16, with its attention written out: on a processor that halves the time.

In random batches background, place, size and colour tell almost every pair from the others: after 1,300 steps of a
first attempt the towers knew every colour and guessed at shapes (22 % right). So 50 pairs of a batch are ten families
of scenes with one object that differ in its shape alone. Nothing of the kind is done for who owns a colour, or for
places.

The twin starts at t = 10, b = -10 as in Zhai et al.; nothing else was changed for it. It learns shapes later than the
softmax does. Its start is not the reason: with b = -log 127, where the sigmoid begins at the share of right pairs, and
ten times the learning rate for b, the mean loss of steps 175 to 200 was 3.71 instead of 3.53; with t = 1/0.07 and
twenty times, 3.71 again. Nor does the learning rate hold t and b back: at step 600 the best values of both for the
towers of that moment, 12 and -10.5, would have lowered the loss from 2.70 to 2.68 only. A likely reason is t itself: to
fit one threshold to the pairs of all rows it stays low, and the gradients of the vectors are in proportion to it.
"""

import argparse
import hashlib
import json
import platform
import random
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors.torch import save_file
from torch import Tensor

from models import scene_clip
from models.clip_measures import fixed_scenes, measure, watch
from models.clip_training import FILES
from models.scene_captions import LANGUAGES
from models.scene_clip import LOSSES, Clip, pack
from models.scene_questions import describe
from models.scenes import HELD_OUT, SHAPES, Scene, draw, sample, scatter
from models.tiny_lm import WEIGHTS
from training import loop
from training.scene_scores import spoil
from training.scenes import picture, to_bytes


@dataclass(frozen=True)
class Recipe:
    """How the towers are trained."""

    n_step: int
    n_row: int = 128
    lr: float = 2e-3
    n_warmup: int = 100
    weight_decay: float = 0.05
    n_scene: int = 30_000
    seed: int = 0


N_FAMILY, N_SAME = 3_000, 10  # families of look-alikes, and how many of them a batch holds
COUNTS = (1, 1, 2, 2, 3, 4)  # of objects, where they may stand anywhere
RECIPE = Recipe(n_step=1_600)  # of both losses
NAMES = {"softmax": "clip", "sigmoid": "siglip"}  # of each loss' checkpoint


def snapshot_steps(n_step: int, n: int = 20) -> list[int]:
    """Evenly spaced in the logarithm, 0 and the last included."""
    return sorted({0, *(round(n_step ** (i / (n - 2))) for i in range(n - 1))})


def rng(recipe: Recipe, step: int) -> torch.Generator:
    """For one batch."""
    return torch.Generator().manual_seed(recipe.seed * 1_000_003 + step + 1)


def drawn(cache: Path, recipe: Recipe) -> tuple[list[Scene], Float[Tensor, "n 3 y x"]]:
    """The scenes to train on and their pictures, drawn once."""
    generator = torch.Generator().manual_seed(recipe.seed)
    half = recipe.n_scene // 2
    scenes = sample(generator, half) + scatter(generator, recipe.n_scene - half, counts=COUNTS)
    file = cache / f"clip_pictures_{recipe.n_scene}_{recipe.seed}.pt"
    if not file.exists():
        torch.save(to_bytes(draw(scenes)), file)
    return scenes, torch.load(file, weights_only=True)


def families(cache: Path, recipe: Recipe) -> tuple[list[list[Scene]], Float[Tensor, "n 5 3 y x"]]:
    """Scenes of one object that differ in nothing but its shape: all five shapes that its colour may have."""
    generator = torch.Generator().manual_seed(recipe.seed + 1)
    half = N_FAMILY // 2
    bases = sample(generator, half, single=1.0) + scatter(generator, N_FAMILY - half, counts=(1,))
    found = []
    for base in bases:
        kinds = [replace(base.objects[0], shape=shape) for shape in SHAPES]
        found.append([replace(base, objects=(kind,)) for kind in kinds if not kind.held_out])
    file = cache / f"clip_families_{N_FAMILY}_{recipe.seed}.pt"
    if not file.exists():
        torch.save(to_bytes(draw([scene for family in found for scene in family])), file)
    return found, torch.load(file, weights_only=True).unflatten(0, (N_FAMILY, -1))


def towers(loss: str) -> Clip:
    """Not yet started."""
    return Clip(biased=loss == "sigmoid")


def learned(clip: Clip) -> dict[str, Tensor]:
    """The loss' own numbers: the logarithm of the scale, and the bias if there is one."""
    found = {"scale": clip.logit_scale, "bias": clip.logit_bias}
    return {name: value.detach().clone() for name, value in found.items() if value is not None}


def train(recipe: Recipe, cache: Path, loss: str = "softmax", stop_at: int | None = None) -> tuple[Clip, loop.Log]:
    """The towers and the log. Snapshots go into a folder beside the checkpoint.

    No batch depends on the loss, and both start from the same towers; only the sigmoid's has a bias, and its scale
    starts lower, as in its paper.
    """
    scenes, pictures = drawn(cache, recipe)
    alike, alike_pictures = families(cache, recipe)
    clip, name, cost = towers(loss).start(torch.Generator().manual_seed(recipe.seed)), NAMES[loss], LOSSES[loss]
    kept, steps = cache / f"scene_{name}_snapshots", set(snapshot_steps(recipe.n_step))
    kept.mkdir(exist_ok=True)
    shown, said = draw(fixed_scenes()), [describe(scene, name) for name in LANGUAGES for scene in fixed_scenes()]

    def keep(step: int) -> None:
        if step in steps:
            found = {"image": clip.encode_image(shown), "text": clip.encode_text(said), **learned(clip)}
            torch.save(found, kept / f"{step}.pt")

    def loss_at(step: int) -> tuple[Float[Tensor, ""], float]:
        keep(step)
        generator = rng(recipe, step)
        at = torch.randint(len(scenes), (recipe.n_row,), generator=generator)
        words = random.Random(int(torch.randint(2**62, (), generator=generator)))
        batch, x = [scenes[i] for i in at.tolist()], pictures[at]
        same = torch.randint(len(alike), (N_SAME,), generator=generator)
        hard = [scene for i in same.tolist() for scene in alike[i]]
        batch = batch[: -len(hard)] + hard
        x = torch.cat((x[: -len(hard)], alike_pictures[same].flatten(0, 1)))
        ids = pack([describe(scene, words.choice(LANGUAGES), words) for scene in batch])
        x = spoil(picture(x), generator)
        u, v = clip.pictures(x, fast=True), clip.texts(ids)
        found = cost(clip.logits(u, v))
        return found, float(found.detach())

    @torch.no_grad()
    def bound() -> None:
        clip.logit_scale.clamp_(max=scene_clip.MOST_SCALE)

    def note(step: int) -> dict[str, object] | None:
        if (step + 1) % 200 and step + 1 != recipe.n_step:
            return None
        bias = {} if clip.logit_bias is None else {"bias": round(float(clip.logit_bias.detach()), 2)}
        return {"step": step + 1, "scale": round(float(clip.logit_scale.detach().exp()), 2), **bias, **watch(clip)}

    log = loop.fit(clip, recipe, loss_at, cache / f"scene_{name}.pt", repr((name, recipe, N_FAMILY, N_SAME)),
                   note=note, after=bound, stop_at=stop_at)  # fmt: skip
    keep(len(log.losses))
    return clip, log


# --- files -----------------------------------------------------------------------------------------------------------


def ship(clip: Clip, log: loop.Log, recipe: Recipe, cache: Path) -> None:
    """Half precision, two files; and what the card will say. Of the twin no tower is shipped."""
    weights = {key: weight.detach().half().contiguous() for key, weight in clip.state_dict().items()}
    image = {key: weight for key, weight in weights.items() if key.startswith("image")}
    save_file(image, WEIGHTS / "clip_image.safetensors")
    save_file({key: weight for key, weight in weights.items() if key not in image}, WEIGHTS / "clip_text.safetensors")
    remember(cache, recipe, clip, log, "softmax")


def remember(cache: Path, recipe: Recipe, clip: Clip, log: loop.Log, loss: str) -> None:
    """What the card will say of a training."""
    said = {
        "recipe": asdict(recipe),
        "n_param": {part: sum(weight.numel() for weight in getattr(clip, part).parameters())
                    for part in ("image", "image_head", "text", "text_head")},
        "n_hard": 5 * N_SAME,
        "steps_done": len(log.losses),
        "seconds": round(log.seconds),
        "scale": float(clip.logit_scale.detach().exp()),
        **({} if clip.logit_bias is None else {"bias": float(clip.logit_bias.detach())}),
        "loss_curve": loop.curve(log.losses, 60),
        "notes": log.notes,
    }  # fmt: skip
    (cache / f"scene_{NAMES[loss]}.json").write_text(json.dumps(said), encoding="utf-8")


def make(cache: Path) -> None:
    """Train and ship."""
    ship(*train(RECIPE, cache), RECIPE, cache)


def make_twin(cache: Path) -> None:
    """Train; nothing is shipped before the card is written."""
    clip, log = train(RECIPE, cache, "sigmoid")
    remember(cache, RECIPE, clip, log, "sigmoid")


def export(cache: Path) -> None:
    """Write the weights of a training that is still going on."""
    saved = torch.load(cache / "scene_clip.pt", weights_only=True)
    clip = Clip()
    clip.load_state_dict(saved["model"])
    ship(clip, loop.Log(**saved["log"]), RECIPE, cache)


def write_card(cache: Path) -> None:
    """Snapshots of each training into one file, and everything measured on the weights as shipped; of the twin, whose
    towers are not, on its weights in half precision."""
    frames = {loss: gather(cache, loss) for loss in NAMES}
    card = {
        "data": "drawn by models/scenes.py, captions by models/scene_questions.py; no other data",
        "held_out": sorted(map(list, HELD_OUT)),
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "trained": json.loads((cache / "scene_clip.json").read_text(encoding="utf-8")),
        "snapshots": frames["softmax"],
        "twin": {
            "trained": json.loads((cache / "scene_siglip.json").read_text(encoding="utf-8")),
            "snapshots": frames["sigmoid"],
            "measured": measure(halved(cache)),
        },
    }
    file = WEIGHTS / "scene_clip.json"
    file.write_text(json.dumps(card), encoding="utf-8")
    scene_clip.load.cache_clear()
    card["measured"] = measure(scene_clip.load())
    card["sha256"] = {name: hashlib.sha256((WEIGHTS / f"{name}.safetensors").read_bytes()).hexdigest()
                      for name in ("clip_image", "clip_text", *FILES.values())}  # fmt: skip
    file.write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    print(json.dumps({"softmax": card["measured"], "sigmoid": card["twin"]["measured"]}, indent=1))


def gather(cache: Path, loss: str) -> list[int]:
    """All snapshots of a training in half precision; their steps."""
    files = sorted((cache / f"scene_{NAMES[loss]}_snapshots").glob("*.pt"), key=lambda file: int(file.stem))
    saved = [torch.load(file, weights_only=True) for file in files]
    names = ("image", "text", "scale") + ("bias",) * (loss == "sigmoid")
    kept = {name: torch.stack([each[name] for each in saved]) for name in names}
    save_file({name: part.half() if part.dim() > 1 else part for name, part in kept.items()},
              WEIGHTS / f"{FILES[loss]}.safetensors")  # fmt: skip
    return [int(file.stem) for file in files]


def halved(cache: Path) -> Clip:
    """The finished twin, rounded as the towers are that are shipped."""
    twin = towers("sigmoid")
    twin.load_state_dict(torch.load(cache / "scene_siglip.pt", weights_only=True)["model"])
    return twin.half().float().requires_grad_(False).eval()


PARTS = {"towers": make, "twin": make_twin, "card": write_card}


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the scenes' CLIP: models/weights/clip_*, scene_clip.json")
    parser.add_argument("part", nargs="?", choices=tuple(PARTS), help="all of them in order, if left out")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "model-atlas" / "training")
    parser.add_argument("--export", action="store_true", help="write the weights reached so far, and no more")
    args = parser.parse_args()
    torch.set_num_threads(1)  # another number rounds sums differently
    args.cache.mkdir(parents=True, exist_ok=True)
    if args.export:
        export(args.cache)
        return
    for part in [args.part] if args.part else PARTS:
        PARTS[part](args.cache)


if __name__ == "__main__":
    main()
