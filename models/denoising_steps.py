"""From x_t to a less noisy x_{t-k}: the reverse steps of DDPM and DDIM, and the loop that strings them together.

Sources: Ho et al. 2020, "Denoising Diffusion Probabilistic Models", equations (6), (7) and algorithm 2. Song et al.
2021, "Denoising Diffusion Implicit Models", equations (12) and (16). Ho & Salimans 2022, "Classifier-Free Diffusion
Guidance", equation (6). Lin et al. 2024, "Common Diffusion Noise Schedules and Sample Steps are Flawed", table 2
("trailing" steps: the first one starts where the noise is).

    x0      = (x_t - sqrt(1 - ab) epsilon) / sqrt(ab)                                          the predicted picture
    DDPM    x_prev ~ N(mu, s^2),   mu = sqrt(ab') b / (1 - ab) x0 + sqrt(a) (1 - ab') / (1 - ab) x_t
    DDIM    x_prev = sqrt(ab') x0 + sqrt(1 - ab' - eta^2 s^2) epsilon + eta s z
    with    a = ab / ab',   b = 1 - a,   s^2 = (1 - ab') / (1 - ab) b

Glossary
    ab, ab'    alpha_bar at this step and at the next one, which is less noisy: 1 after the last
    a, b       alpha and beta of the stride between the two, DDPM's own if no step is left out
    s^2        variance of the posterior q(x_prev | x_t, x0): "fixed small"
    eta        how much of s DDIM draws anew: 0 nothing, so the start decides everything; 1 as much as DDPM
    z          fresh normal noise

Conventions: as in models/noise_schedule.py. The same numbers as diffusers' DDPMScheduler (variance_type "fixed_small")
and DDIMScheduler, both with timestep_spacing "trailing".
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from models.fields import no_tick
from models.noise_schedule import N_TRAIN, both

SAMPLERS = ("ddpm", "ddim", "wrong")
Denoise = Callable[[Float[Tensor, "*x"], int], Float[Tensor, "*x"]]  # (x_t, t) -> what the network predicts


@dataclass(frozen=True)
class Path:
    """The steps of one sampling that were kept, n of them."""

    step: tuple[int, ...]  # t at which the network was asked
    x: Float[Tensor, "m *x"]  # m = n + 1: x_t as the network saw it, and the result
    x0: Float[Tensor, "n *x"]  # predicted at each kept step
    epsilon: Float[Tensor, "n *x"]


def timesteps(n_step: int, n_train: int = N_TRAIN) -> list[int]:
    """The steps to take, from n_train - 1 downwards, evenly spread.

    Raises:
        ValueError: no steps, or more than there are.
    """
    if not 1 <= n_step <= n_train:
        raise ValueError(f"{n_step} steps: 1 to {n_train}")
    return [round(n_train - i * n_train / n_step) - 1 for i in range(n_step)]


def posterior_variance(ab: Float[Tensor, ""], ab_prev: Float[Tensor, ""]) -> Float[Tensor, ""]:
    """Variance of q(x_prev | x_t, x0), DDPM equation (7)."""
    return (1 - ab_prev) / (1 - ab) * (1 - ab / ab_prev)


def ddpm_step(
    x: Float[Tensor, "*x"],
    x0: Float[Tensor, "*x"],
    ab: Float[Tensor, ""],
    ab_prev: Float[Tensor, ""],
    noise: Float[Tensor, "*x"],
) -> Float[Tensor, "*x"]:
    """A draw from the posterior q(x_prev | x_t, x0), DDPM equations (6) and (7)."""
    a = ab / ab_prev
    mean = (ab_prev.sqrt() * (1 - a) * x0 + a.sqrt() * (1 - ab_prev) * x) / (1 - ab)
    return mean + posterior_variance(ab, ab_prev).sqrt() * noise


def ddim_step(
    x0: Float[Tensor, "*x"],
    epsilon: Float[Tensor, "*x"],
    ab: Float[Tensor, ""],
    ab_prev: Float[Tensor, ""],
    eta: float,
    noise: Float[Tensor, "*x"],
) -> Float[Tensor, "*x"]:
    """Noise the predicted picture again, less: partly with the noise just removed, partly with fresh noise. DDIM
    equation (12)."""
    deviation = eta * posterior_variance(ab, ab_prev).sqrt()
    direction = (1 - ab_prev - deviation**2).clamp(min=0).sqrt()
    return ab_prev.sqrt() * x0 + direction * epsilon + deviation * noise


def wrong_step(
    x: Float[Tensor, "*x"],
    epsilon: Float[Tensor, "*x"],
    ab: Float[Tensor, ""],
    ab_prev: Float[Tensor, ""],
    noise: Float[Tensor, "*x"],
) -> Float[Tensor, "*x"]:
    """A formula that is passed around: (x_t - epsilon) / sqrt(1 - beta) + noise. It takes away all of the noise at
    every step, where DDPM takes beta / sqrt(1 - ab) of it."""
    return (x - epsilon) / (ab / ab_prev).sqrt() + posterior_variance(ab, ab_prev).sqrt() * noise


def guided(conditional: Float[Tensor, "*x"], unconditional: Float[Tensor, "*x"], scale: float) -> Float[Tensor, "*x"]:
    """Classifier-free guidance. scale: 0 ignores the condition, 1 follows it, more exaggerates it."""
    return unconditional + scale * (conditional - unconditional)


@torch.no_grad()
def sample(
    denoise: Denoise,
    x: Float[Tensor, "*x"],
    alpha_bar: Float[Tensor, "n"],
    steps: list[int],
    kind: str,
    sampler: str = "ddim",
    eta: float = 0.0,
    generator: torch.Generator | None = None,
    keep: Collection[int] | None = None,
    clip: float | None = None,
    tick: Callable[[float], None] = no_tick,
) -> Path:
    """Denoise x along `steps`, which descend; after the last one nothing of the noise is left.

    x: at steps[0]; kind: what denoise predicts; eta: DDIM's only
    generator: for the fresh noise, the same amount at every step whatever the sampler; not needed if none is used
    keep: which of the steps (0 is the first) are recorded, all if left out; the result always is
    clip: predicted pictures are kept within -clip to clip, and epsilon follows

    Raises:
        ValueError: an unknown sampler.
    """
    if sampler not in SAMPLERS:
        raise ValueError(f"no sampler {sampler!r}: {', '.join(SAMPLERS)}")
    one = torch.ones((), dtype=alpha_bar.dtype)
    fresh = sampler != "ddim" or eta > 0
    kept: list[tuple[int, Tensor, Tensor, Tensor]] = []
    for i, t in enumerate(steps):
        ab = alpha_bar[t]
        ab_prev = alpha_bar[steps[i + 1]] if i + 1 < len(steps) else one
        epsilon, x0 = both(x, denoise(x, t), ab, kind)
        if clip is not None:
            x0 = x0.clamp(-clip, clip)
            epsilon = (x - ab.sqrt() * x0) / (1 - ab).sqrt()
        if keep is None or i in keep:
            kept.append((t, x, x0, epsilon))
        noise = torch.randn(x.shape, generator=generator, dtype=x.dtype) if fresh else torch.zeros_like(x)
        if sampler == "ddpm":
            x = ddpm_step(x, x0, ab, ab_prev, noise)
        elif sampler == "ddim":
            x = ddim_step(x0, epsilon, ab, ab_prev, eta, noise)
        else:
            x = wrong_step(x, epsilon, ab, ab_prev, noise)
        tick((i + 1) / len(steps))
    step, seen, x0s, epsilons = zip(*kept, strict=True) if kept else ((), (), (), ())
    empty = x.new_empty((0, *x.shape))
    return Path(
        step=tuple(step),
        x=torch.stack((*seen, x)),
        x0=torch.stack(x0s) if x0s else empty,
        epsilon=torch.stack(epsilons) if epsilons else empty,
    )
