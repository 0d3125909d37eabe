"""The small latent diffusion model against other people's code and against itself: what `check` on the page runs.

References: diffusers' DDIMScheduler (Song et al. 2021) drives the same network; the identities that follow from the
formulas in models/latent_sampling.py; published counts of Stable Diffusion 1.5.
"""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from models import latent_sizes
from models.latent_sampling import SHAPE, Setting, begin, draw, generators, run
from models.noise_schedule import N_TRAIN
from models.scene_pipeline import Pipeline
from models.scenes import Scene, Shape
from models.scenes import draw as paint

N = 2
STEP = 5  # of a check; it divides 1000: diffusers otherwise takes a step to a level next to the one it visits


def differences(pipeline: Pipeline, text: str, how: Setting, seed: int) -> dict[str, float]:
    """Largest difference of each comparison, at the page's guidance, eta and captions, in a few steps."""
    how = replace(how, n_step=STEP, strength=1.0)

    def made(setting: Setting, n: int = N, texts: list[str] | None = None) -> Tensor:
        sources = generators(seed, range(n))
        x = draw(sources, SHAPE)
        return run(pipeline, [texts or [text] * n], setting, x, sources).result

    ours = made(how)
    still = replace(how, eta=0.0)
    plain = replace(still, guidance=1.0)
    drawn = paint([Scene("white", (Shape("circle", "red", "large"),))])
    start, noise = pipeline.vae.encode(drawn), draw(generators(seed, range(N)), SHAPE)
    none = replace(still, strength=0.0)
    kept = run(pipeline, [[text] * N], none, begin(pipeline, none, noise, start.expand(N, -1, -1, -1))).result
    seen = run(pipeline, [[text] * N], still, noise, keep=range(STEP)).attention
    return {
        "DDIM step by step: diffusers' DDIMScheduler": _off(ours, scheduler(pipeline, text, how, seed)),
        "attention over the words: sum - 1": float((seen.sum(3) - 1).abs().max()),
        "guidance 1: the conditional network alone": _off(
            made(plain), scheduler(pipeline, text, plain, seed, alone=text)
        ),
        "guidance 0: the negative caption alone": _off(
            made(replace(still, guidance=0.0)), scheduler(pipeline, text, still, seed, alone=how.negative)
        ),
        "eta 0: the same once more": _off(made(still), made(still)),
        "picture 0 beside 0 and beside 4 others": _off(made(how, 1)[0], made(how, 5)[0]),
        "strength 1: text to image": _off(
            made(still), run(pipeline, [[text] * N], still, begin(pipeline, still, noise, start)).result
        ),
        "strength 0: the reconstruction": _off(kept, start.expand(N, -1, -1, -1)),
    } | latent_sizes.differences()


@torch.no_grad()
def scheduler(pipeline: Pipeline, text: str, how: Setting, seed: int, alone: str | None = None) -> Tensor:
    """The same pictures with diffusers' scheduler in charge of steps, noise levels and formulas, one picture at a time.

    alone: the only caption the network hears, without guidance
    """
    from diffusers import DDIMScheduler

    found = []
    for source in generators(seed, range(N)):
        steps: Any = DDIMScheduler(
            num_train_timesteps=N_TRAIN, beta_schedule="squaredcos_cap_v2", prediction_type="v_prediction",
            clip_sample=False, set_alpha_to_one=True, timestep_spacing="trailing",
        )  # fmt: skip
        steps.set_timesteps(how.n_step)
        x = torch.randn(SHAPE, generator=source)[None]
        for t in steps.timesteps.tolist():
            if alone is None:
                yes, no = (pipeline.unet(x, t, pipeline.encode_text([one]))[0] for one in (text, how.negative))
                out = (1 - how.guidance) * no + how.guidance * yes
            else:
                out = pipeline.unet(x, t, pipeline.encode_text([alone]))[0]
            fresh = torch.randn(SHAPE, generator=source)[None] if how.eta > 0 else None
            x = steps.step(out, t, x, eta=how.eta, variance_noise=fresh).prev_sample
        found.append(x[0])
    return torch.stack(found)


def _off(a: Tensor, b: Tensor) -> float:
    """Largest difference, as a share of the largest value (guidance makes latents large)."""
    return float((a - b).abs().max() / a.abs().max().clamp(min=1.0))
