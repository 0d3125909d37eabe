"""How good the drawn scenes' models are, as numbers: measured on the weights as shipped, by the classifier.

    accuracy of the classifier        share of right answers to each question, on fresh clean pictures
    fidelity of the VAE               mean squared error in [-1, 1]; does the classifier still see the same scene
    accuracy of generated pictures    one fresh caption each: everything named is right ("whole"), and by attribute

Captions: "held out" has only combinations of shape and colour that no training picture shows, "seen" has none of them;
of one object ("single") or two ("pair"). Each names everything, in English or Chinese, from random templates.
"""

import random
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from models.denoising_steps import guided, sample, timesteps
from models.scene_captions import LANGUAGES, caption, read
from models.scene_classifier import QUESTIONS, answers
from models.scene_pipeline import Pipeline
from models.scenes import Scene, draw
from models.scenes import sample as sample_scenes

N_STEP = 20
SCALE = 3.0
N_CAPTION = 200  # of each sort
SCALES = (0.0, 1.0, 2.0, 3.0, 5.0, 8.0)


def spoil(picture: Float[Tensor, "b 3 y x"], generator: torch.Generator) -> Float[Tensor, "b 3 y x"]:
    """Shifted by up to a pixel, dimmed a little, a little noise: what a generated picture may look like."""
    dx, dy = (int(x) for x in torch.randint(-1, 2, (2,), generator=generator))
    wide = F.pad(picture, (1, 1, 1, 1), mode="replicate")
    moved = wide[:, :, 1 + dy : wide.shape[2] - 1 + dy, 1 + dx : wide.shape[3] - 1 + dx]
    dim = 1 + 0.06 * torch.randn(len(picture), 3, 1, 1, generator=generator)
    return moved * dim + 0.06 * torch.randn(picture.shape, generator=generator)


@torch.no_grad()
def generate(
    pipeline: Pipeline, texts: Sequence[str], n_step: int = N_STEP, scale: float = SCALE, seed: int = 0
) -> Float[Tensor, "b 3 y x"]:
    """One picture per caption, by DDIM."""
    text, empty = pipeline.encode_text(texts), pipeline.encode_text([""]).repeat(len(texts))

    def denoise(x: Tensor, t: int) -> Tensor:
        return guided(pipeline.unet(x, t, text)[0], pipeline.unet(x, t, empty)[0], scale)

    x = pipeline.noise(len(texts), torch.Generator().manual_seed(seed))
    path = sample(denoise, x, pipeline.alpha_bar, timesteps(n_step), pipeline.kind, keep=())
    return pipeline.vae.decode(path.x[-1])


def asked(scenes: Sequence[Scene], rng: random.Random, full: bool = True) -> list[str]:
    """A caption of each scene from a random template; `full`: drawn again until everything is named."""
    found = []
    for scene in scenes:
        while True:
            text = caption(scene, rng.choice(LANGUAGES), rng)
            wanted = read(text)
            named = wanted.background and wanted.layout and all(w.shape and w.colour and w.size for w in wanted.objects)
            if named or not full:
                break
        found.append(text)
    return found


def accuracy(pipeline: Pipeline, texts: Sequence[str], **how: float) -> dict[str, float]:
    """Share of generated pictures where everything named is right, and of each attribute."""
    verdicts = []
    for at in range(0, len(texts), 50):
        part = texts[at : at + 50]
        verdicts += pipeline.judge(generate(pipeline, part, **how), [read(text) for text in part])  # type: ignore[arg-type]
    found: dict[str, list[bool]] = {"whole": [all(verdict.values()) for verdict in verdicts]}
    for verdict in verdicts:
        for name, right in verdict.items():
            found.setdefault(name.split()[0], []).append(right)
    return {name: round(sum(marks) / len(marks), 4) for name, marks in found.items()}


def fresh(seed: int, n: int, held_out: bool | None, single: float, rng: random.Random) -> list[str]:
    """n captions of scenes drawn from another seed than the training's."""
    return asked(sample_scenes(torch.Generator().manual_seed(seed), n, held_out, single), rng)


@torch.no_grad()
def classifier_accuracy(pipeline: Pipeline, n: int = 2_000, seed: int = 101) -> dict[str, float]:
    """Share of right answers, by question, on fresh clean pictures of all combinations."""
    scenes = sample_scenes(torch.Generator().manual_seed(seed), n, None)
    right = [answers(scene) for scene in scenes]
    found = {}
    logits = pipeline.classifier(draw(scenes))
    for name in QUESTIONS:
        truth = torch.tensor([row[name] for row in right])
        found[name] = round(float((logits[name].argmax(-1) == truth)[truth >= 0].float().mean()), 4)
    return found


@torch.no_grad()
def fidelity(pipeline: Pipeline, n: int = 500, seed: int = 102) -> dict[str, float]:
    """Of pictures rebuilt from their latents."""
    found = {}
    for name, held_out in (("seen", False), ("held_out", True)):
        scenes = sample_scenes(torch.Generator().manual_seed(seed), n, held_out)
        original = draw(scenes)
        rebuilt = pipeline.vae.decode(pipeline.vae.encode(original))
        found[f"mse_{name}"] = round(float(F.mse_loss(rebuilt, original)), 6)
        same = [all(verdict.values()) for verdict in pipeline.judge(rebuilt, scenes)]
        found[f"same_scene_{name}"] = round(sum(same) / n, 4)
    return found


def generated(pipeline: Pipeline, n: int = N_CAPTION, seed: int = 103) -> dict[str, dict[str, float]]:
    """Accuracy of generated pictures, n of each sort."""
    rng = random.Random(seed)
    return {
        f"{name} {kind}": accuracy(pipeline, fresh(seed, n, held_out, single, rng))
        for kind, single in (("single", 1.0), ("pair", 0.0))
        for name, held_out in (("seen", False), ("held_out", True))
    }


def measure(pipeline: Pipeline) -> dict[str, object]:
    """What the card says."""
    rng = random.Random(104)
    texts = fresh(105, 60, True, 1.0, rng)
    return {
        "classifier": classifier_accuracy(pipeline),
        "vae": fidelity(pipeline),
        "sampling": {"sampler": "ddim", "n_step": N_STEP, "scale": SCALE, "n_caption": N_CAPTION},
        "generated": generated(pipeline),
        "held_out_single_by_scale": {str(s): accuracy(pipeline, texts, scale=s)["whole"] for s in SCALES},
        "held_out_single_by_step": {str(n): accuracy(pipeline, texts, n_step=n)["whole"] for n in (2, 5, 10, 20, 50)},
    }
