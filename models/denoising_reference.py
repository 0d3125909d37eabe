"""The denoising of the plane, done in other ways: by diffusers' schedulers, torch's autograd, and an explicit loop.

Only the network is shared. DDPMScheduler and DDIMScheduler walk a whole path from the same start with the same fresh
noise; the closed-form epsilon is the derivative of the logarithm of the density; for a distance, mass is carried from
one heap to the next.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from models import mixture_score
from models.denoising_steps import N_TRAIN
from models.noise_schedule import add_noise, schedule
from models.plane_net import PlaneNet
from models.plane_quality import sliced, wasserstein
from models.plane_sampling import PLANE, Setting, predicted, start, walk

THEIRS = {"linear": "linear", "cosine": "squaredcos_cap_v2", "sigmoid": "sigmoid"}
KIND = {"epsilon": "epsilon", "x0": "sample", "v": "v_prediction"}
MOST = 100  # steps that are checked


def theirs(setting: Setting, sampler: str, n_step: int) -> Any:
    """diffusers' scheduler for the same sampling."""
    from diffusers import DDIMScheduler, DDPMScheduler

    common = {
        "num_train_timesteps": N_TRAIN,
        "prediction_type": KIND[setting.predicts],
        "clip_sample": True,
        "clip_sample_range": PLANE,
        "timestep_spacing": "trailing",
    }
    shape = {"beta_start": 1e-4, "beta_end": 0.02, "beta_schedule": THEIRS[setting.schedule]}
    made: Any = DDPMScheduler(variance_type="fixed_small", **shape, **common)
    if sampler == "ddim":  # which knows no sigmoid schedule: it is handed the other's betas
        made = DDIMScheduler(trained_betas=made.betas.tolist(), set_alpha_to_one=True, **common)
    made.set_timesteps(n_step)
    return made


@torch.no_grad()
def their_path(
    setting: Setting, net: PlaneNet, x: Float[Tensor, "m 2"], n_step: int, sampler: str, eta: float, seed: int
) -> Float[Tensor, "n m 2"]:
    """All points of a path, from noise to result, by diffusers."""
    scheduler, alpha_bar = theirs(setting, sampler, n_step), schedule(setting.schedule)
    generator, found = torch.Generator().manual_seed(10_000 + seed), [x]
    for t in scheduler.timesteps.tolist():
        said = predicted(setting, net, x, alpha_bar[t].expand(len(x)))
        if sampler == "ddpm":
            x = scheduler.step(said, t, x, generator=generator).prev_sample
        else:
            more = {"eta": eta, "use_clipped_model_output": True, "generator": generator}
            x = scheduler.step(said, t, x, **more).prev_sample
        found.append(x)
    return torch.stack(found)


def largest(ours: Tensor, other: Tensor) -> float:
    """The largest difference."""
    return float((ours - other).abs().max())


def differences(setting: Setting, net: PlaneNet, n_step: int, eta: float, seed: int) -> dict[str, float]:
    """Largest difference of each part. Taken are a hundred steps at most, and a number that divides 1000, the next
    below: else diffusers steps past its own next step."""
    n_step = max(n for n in range(1, min(n_step, MOST) + 1) if N_TRAIN % n == 0)
    x = start(64, seed)
    found = {}
    for sampler in ("ddpm", "ddim"):
        ours = walk(setting, net, x, n_step, sampler, eta, seed).x
        found[sampler] = largest(ours, their_path(setting, net, x, n_step, sampler, eta, seed))

    t = torch.tensor([0, 1, 17, 499, 999])
    clean, noise = start(5, seed + 1), start(5, seed + 2)
    scheduler = theirs(setting, "ddpm", n_step)
    ours = add_noise(clean, noise, schedule(setting.schedule)[t, None])
    found["add_noise"] = largest(ours, scheduler.add_noise(clean, noise, t))
    found["score"] = score_difference(x)
    found["sliced"] = sliced_difference(x, start(181, seed + 3))
    return found


@torch.enable_grad()
def score_difference(x: Float[Tensor, "m 2"]) -> float:
    """Exact epsilon, and -sqrt(1 - ab) times the gradient of the log density, by autograd, in double precision."""
    worst, mixture = 0.0, mixture_score.EIGHT
    mixture = mixture_score.Mixture(mixture.centre.double(), mixture.weight.double(), mixture.deviation)
    for level in (0.999, 0.5, 0.001):
        ab, place = torch.tensor(level, dtype=torch.float64), x.double().requires_grad_()
        (slope,) = torch.autograd.grad(mixture_score.log_density(place, ab, mixture).sum(), place)
        ours = mixture_score.epsilon(place.detach(), ab, mixture)
        worst = max(worst, largest(ours, -(1 - ab).sqrt() * slope))
    return worst


def carried(a: list[float], b: list[float]) -> float:
    """Mean way of the mass of one heap to the other on a line: what lies lowest goes to the lowest place left."""
    a, b, way = sorted(a), sorted(b), 0.0
    i = j = 0
    left, room = 1 / len(a), 1 / len(b)
    while i < len(a) and j < len(b):
        moved = min(left, room)
        way += moved * abs(a[i] - b[j])
        left, room = left - moved, room - moved
        if left < 1e-12:
            i, left = i + 1, 1 / len(a)
        if room < 1e-12:
            j, room = j + 1, 1 / len(b)
    return way


def sliced_difference(a: Float[Tensor, "n 2"], b: Float[Tensor, "m 2"]) -> float:
    """Distances along the two axes, and their mean."""
    along = [carried(a[:, d].tolist(), b[:, d].tolist()) for d in range(2)]
    ours = wasserstein(a.T, b.T)
    return max(largest(ours, torch.tensor(along)), abs(float(sliced(a, b, 2)) - sum(along) / 2))
