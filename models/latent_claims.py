"""What people say about guidance, prompts and the autoencoder, settled on the small latent diffusion model.

Sources: Rombach et al. 2022, "High-Resolution Image Synthesis with Latent Diffusion Models", section 3. Ho & Salimans
2022, "Classifier-Free Diffusion Guidance", equation (6) and section 4. How it is measured: models/latent_measures.py.
"""

import copy
from collections.abc import Callable
from dataclasses import replace

from torch import Tensor

from models.latent_measures import N_EACH, QUICK, guidances, marks, scenes
from models.latent_sampling import Setting, simply
from models.scene_captions import caption, request
from models.scene_pipeline import load
from models.scenes import COLOURS

GUIDANCE = 3.0


def without_encoder() -> dict[str, float | int]:
    """Claim: text to image runs the VAE encoder. Calls of encoder and decoder while pictures are made from text."""
    pipeline = load()
    calls = {"encode": 0, "decode": 0}
    vae = copy.copy(pipeline.vae)
    for name in calls:
        object.__setattr__(vae, name, _counted(getattr(pipeline.vae, name), name, calls))
    watched = replace(pipeline, vae=vae)
    latents = simply(watched, ["a small green square"] * 4, Setting(4), 1)
    watched.vae.decode(latents)
    n_all = pipeline.n_param("all")
    return {
        "encoded": calls["encode"],
        "decoded": calls["decode"],
        "encoder_thousand": pipeline.n_param("encoder") / 1e3,
        "share": pipeline.n_param("encoder") / n_all,
    }


def _counted(work: Callable[..., Tensor], name: str, calls: dict[str, int]) -> Callable[..., Tensor]:
    def counted(*args: Tensor) -> Tensor:
        calls[name] += 1
        return work(*args)

    return counted


def more_is_better() -> dict[str, float | int]:
    """Claim: the higher the guidance, the better the picture."""
    found = guidances(QUICK, (1.0, GUIDANCE, 10.0))
    return {"n_picture": found.n_picture} | {
        f"{name}_{value:g}": found.measure[name][i]
        for name in ("right", "variety", "spread")
        for i, value in enumerate(found.value)
    }


def words_by_attention() -> dict[str, float | int]:
    """Claim: the prompt reaches the picture through cross-attention. The same noise with the captions, with none, and
    with each caption given to its neighbour."""
    pipeline, drawn = load(), scenes(N_EACH, False, 1.0, 5)
    said, wanted = [caption(scene) for scene in drawn], [request(scene) for scene in drawn]
    found = {}
    for name, texts, guidance in (
        ("own", said, GUIDANCE),
        ("none", [""] * N_EACH, 1.0),
        ("next", said[1:] + said[:1], GUIDANCE),
    ):
        pictures = pipeline.vae.decode(simply(pipeline, texts, Setting(QUICK, guidance), 11))
        found[name] = marks(pipeline.judge(pictures, wanted))["right"]
    return found | {"n_picture": N_EACH}


def negative() -> dict[str, float | int]:
    """Claim: what the negative prompt names is removed. Large squares of any colour, with and without the negative
    caption "a red square"; what becomes of red squares, of the commonest other colour, and of red backgrounds."""
    pipeline, seen = load(), {}
    for name, text in (("without", ""), ("with", "a red square")):
        how = Setting(QUICK, GUIDANCE, negative=text)
        latents = simply(pipeline, ["a large square"] * N_EACH, how, 31)
        seen[name] = pipeline.see(pipeline.vae.decode(latents))
    squares = {name: [thing.colour for scene in found for thing in scene.objects] for name, found in seen.items()}
    found: dict[str, float | int] = {"n_picture": N_EACH, "guidance": GUIDANCE}
    for name in seen:
        n = max(1, len(squares[name]))
        found |= {f"{colour}_{name}": squares[name].count(colour) / n for colour in COLOURS}
        found[f"ground_{name}"] = sum(scene.background == "red" for scene in seen[name]) / N_EACH
    return found
