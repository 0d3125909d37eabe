"""Train the early-fusion model: `python -m training.early_fusion`, after `python -m training.vq_scenes`.

Writes models/weights/early_fusion.safetensors and its card. Stopped and started again, the run goes on from its last
checkpoint: batch i is drawn from a generator seeded by (seed, i) alone.

Recipe: drawn scenes, each as 64 codes of the shipped codebook with a caption in English or Chinese, drawn anew each
time. Half of the sequences write (caption, then picture), half read (picture, then caption). The loss is the mean over
codes plus half the mean over words: a caption has few words, and each should count. The forward pass computes in
bfloat16.
"""

import argparse
import hashlib
import json
import platform
import random
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from safetensors.torch import save_file
from torch import Tensor

from models import early_fusion, scene_pipeline, vq_scenes
from models.early_fusion import FIRST_CODE, EarlyFusion, batch, reading, writing
from models.scene_captions import LANGUAGES, Request, Wanted, caption, request
from models.scene_captions import read as understand
from models.scene_classifier import SceneClassifier, compare
from models.scene_questions import PAD_ID, spell, tokenise
from models.scenes import HELD_OUT, Scene, draw, sample
from models.tiny_lm import WEIGHTS
from training import loop


@dataclass(frozen=True)
class Recipe:
    """How it is trained."""

    n_step: int = 4_000
    n_row: int = 64  # sequences in a batch
    lr: float = 3e-3
    n_warmup: int = 60
    weight_decay: float = 0.02
    n_scene: int = 24_000
    single: float = 0.9  # share of scenes with one object
    seed: int = 0


RECIPE = Recipe()


def rng(recipe: Recipe, step: int) -> torch.Generator:
    """For one batch."""
    return torch.Generator().manual_seed(recipe.seed * 1_000_003 + step + 1)


@torch.no_grad()
def coded(scenes: list[Scene]) -> Int[Tensor, "n k"]:
    """Codes of pictures by the shipped codebook."""
    vq = vq_scenes.load().model
    parts = [vq.encode(draw(scenes[i : i + 200])).flatten(1) for i in range(0, len(scenes), 200)]
    return torch.cat(parts).to(torch.uint8)


def row(scene: Scene, codes: list[int], words: random.Random) -> list[int]:
    """One sequence, in one language and one order or the other."""
    said = tokenise(caption(scene, words.choice(LANGUAGES), words)).ids
    return (writing if words.random() < 0.5 else reading)(said, codes)


def loss_of(logits: Float[Tensor, "b t v"], ids: Int[Tensor, "b t"]) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """What is minimised, and the mean over codes alone."""
    target = ids[:, 1:]
    each = F.cross_entropy(logits[:, :-1].float().transpose(1, 2), target, reduction="none")
    code, word = target >= FIRST_CODE, (target != PAD_ID) & (target < FIRST_CODE)
    return each[code].mean() + 0.5 * each[word].mean(), each[code].mean()


def train(
    recipe: Recipe, scenes: list[Scene], codes: Tensor, checkpoint: Path, stop_at: int | None = None
) -> tuple[EarlyFusion, loop.Log]:
    """`stop_at` interrupts as a power cut would."""
    model = EarlyFusion().start(torch.Generator().manual_seed(recipe.seed))

    def loss_at(step: int) -> tuple[Float[Tensor, ""], float]:
        generator = rng(recipe, step)
        at = torch.randint(len(scenes), (recipe.n_row,), generator=generator).tolist()
        words = random.Random(int(torch.randint(2**62, (), generator=generator)))
        ids, place = batch([row(scenes[i], codes[i].tolist(), words) for i in at])
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits, _ = model(ids, place)
        loss, shown = loss_of(logits, ids)
        return loss, float(shown.detach())

    return model, loop.fit(model, recipe, loss_at, checkpoint, repr(recipe), stop_at=stop_at)


@torch.no_grad()
def measure(model: EarlyFusion, n: int = 60) -> dict[str, Any]:
    """Pictures written, judged by the classifier; captions read, compared with the scene. Single objects."""
    vq = vq_scenes.load().model
    judge = scene_pipeline.load_part("scene_classifier", SceneClassifier())
    found: dict[str, Any] = {"n": n}
    for name, held_out in (("seen", False), ("held_out", True)):
        scenes = sample(torch.Generator().manual_seed(8_001), n, held_out, single=1.0)
        written, read = [], []
        codes = coded(scenes)
        for i, scene in enumerate(scenes):
            language = LANGUAGES[i % 2]
            words = tokenise(caption(scene, language)).ids
            done = early_fusion.write(model, words, 1, torch.Generator().manual_seed(i), guidance=2.0, temperature=0.7)
            seen = judge.see(vq.decode(done.code.view(1, vq_scenes.N_SIDE, -1)))[0]
            written.append(compare(seen, request(scene)))
            opening = tokenise("a" if language == "en" else "一个").ids
            said = understand(spell(early_fusion.read(model, codes[i].tolist(), opening).words))
            read.append(agrees(said, scene))
        found[f"write_{name}"] = {key: round(sum(one[key] for one in written) / n, 3) for key in written[0]}
        found[f"write_{name}"]["whole"] = round(sum(all(one.values()) for one in written) / n, 3)
        found[f"read_{name}"] = {key: round(sum(one[key] for one in read) / n, 3) for key in read[0]}
    return found


def agrees(said: Request, scene: Scene) -> dict[str, bool]:
    """Whether a caption names the shape and the colour of a scene's only object, and no wrong size or background."""
    thing = said.objects[0] if len(said.objects) == 1 else Wanted()
    real = scene.objects[0]
    return {
        "shape": thing.shape == real.shape,
        "colour": thing.colour == real.colour,
        "size": thing.size in (real.size, None),
        "background": said.background in (scene.background, None),
    }


def ship(model: EarlyFusion, log: loop.Log, recipe: Recipe) -> None:
    """Half precision, and the card measured on just that."""
    file = WEIGHTS / f"{early_fusion.NAME}.safetensors"
    save_file({key: value.detach().half().contiguous() for key, value in model.state_dict().items()}, file)
    card = {
        "data": "drawn by models/scenes.py, captions by models/scene_captions.py; no other data",
        "held_out": sorted(map(list, HELD_OUT)),
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "recipe": asdict(recipe),
        "n_param": sum(weight.numel() for weight in model.parameters()),
        "steps_done": len(log.losses),
        "seconds": round(log.seconds),
        "loss_curve": loop.curve(log.losses, 60),
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
    }
    path = WEIGHTS / f"{early_fusion.NAME}.json"
    path.write_text(json.dumps(card), encoding="utf-8")
    early_fusion.load.cache_clear()
    card["measured"] = measure(early_fusion.load().model)
    path.write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(card["measured"], indent=1))


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the early-fusion model: models/weights/early_fusion*")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "model-atlas" / "training")
    args = parser.parse_args()
    torch.set_num_threads(1)  # another number rounds sums differently
    args.cache.mkdir(parents=True, exist_ok=True)
    scenes = sample(torch.Generator().manual_seed(RECIPE.seed), RECIPE.n_scene, single=RECIPE.single)
    model, log = train(RECIPE, scenes, coded(scenes), args.cache / f"{early_fusion.NAME}.pt")
    ship(model, log, RECIPE)


if __name__ == "__main__":
    main()
