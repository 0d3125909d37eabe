"""How much noise at which step, and the three things a network may be asked to predict.

Sources: Ho et al. 2020, "Denoising Diffusion Probabilistic Models", section 2, equations (2) and (4); section 4 (the
linear schedule). Nichol & Dhariwal 2021, "Improved DDPM", section 3.2, equation (17) (cosine). Xu et al. 2022,
"GeoDiff" (sigmoid). Salimans & Ho 2022, "Progressive Distillation", section 4 and appendix D (v-prediction).

    q(x_t | x_{t-1}) = N(sqrt(1 - beta_t) x_{t-1}, beta_t I)          one step: shrink a little, add a little noise
    q(x_t | x_0)     = N(sqrt(ab_t) x_0, (1 - ab_t) I)                all steps at once, ab_t = prod_{s<=t} (1 - beta_s)
    x_t = sqrt(ab_t) x_0 + sqrt(1 - ab_t) epsilon,   v = sqrt(ab_t) epsilon - sqrt(1 - ab_t) x_0

Glossary
    beta         variance that one step adds, (n,)                    ab, alpha_bar   what is left of x_0's variance
    snr          signal-to-noise ratio ab / (1 - ab)                  epsilon         the noise, as large as x_0

Conventions: index t = 0 is the paper's t = 1, the first step that adds noise; ab before it is 1. DDIM's paper writes
alpha for this alpha_bar. The same numbers as diffusers' "linear", "squaredcos_cap_v2" and "sigmoid".
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

SCHEDULES = ("linear", "cosine", "sigmoid")
KINDS = ("epsilon", "x0", "v")
N_TRAIN = 1000
LARGEST_BETA = 0.999  # of the cosine schedule: its last step would leave nothing


def schedule(name: str, n: int = N_TRAIN) -> Float[Tensor, "n"]:
    """alpha_bar of every step, falling from almost 1.

    linear: beta from 1e-4 to 0.02. sigmoid: between the same ends, along a logistic curve. cosine: alpha_bar itself
    follows cos^2. The first two are meant for n = 1000 steps.

    Raises:
        ValueError: an unknown name.
    """
    low, high = 1e-4, 0.02
    if name == "linear":
        added = torch.linspace(low, high, n)
    elif name == "sigmoid":
        added = torch.sigmoid(torch.linspace(-6, 6, n)) * (high - low) + low
    elif name == "cosine":
        edge = [math.cos((t / n + 0.008) / 1.008 * math.pi / 2) ** 2 for t in range(n + 1)]
        added = torch.tensor([min(1 - edge[t + 1] / edge[t], LARGEST_BETA) for t in range(n)])
    else:
        raise ValueError(f"no noise schedule {name!r}: {', '.join(SCHEDULES)}")
    return (1 - added).cumprod(0)


def beta(alpha_bar: Float[Tensor, "n"]) -> Float[Tensor, "n"]:
    """The variance each step adds: 1 - ab_t / ab_{t-1}."""
    before = torch.cat((torch.ones(1), alpha_bar[:-1]))
    return 1 - alpha_bar / before


def snr(alpha_bar: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """Signal-to-noise ratio: the data's share of the variance over the noise's."""
    return alpha_bar / (1 - alpha_bar)


def add_noise(
    x0: Float[Tensor, "*x"], noise: Float[Tensor, "*x"], alpha_bar: Float[Tensor, "*#x"] | Float[Tensor, ""]
) -> Float[Tensor, "*x"]:
    """x_t in one go, DDPM equation (4). alpha_bar: one number, or one per sample in a shape that broadcasts."""
    return alpha_bar.sqrt() * x0 + (1 - alpha_bar).sqrt() * noise


def target(
    x0: Float[Tensor, "*x"],
    noise: Float[Tensor, "*x"],
    alpha_bar: Float[Tensor, "*#x"] | Float[Tensor, ""],
    kind: str,
) -> Float[Tensor, "*x"]:
    """What a network of this kind is asked for."""
    if kind == "epsilon":
        return noise
    if kind == "x0":
        return x0
    return alpha_bar.sqrt() * noise - (1 - alpha_bar).sqrt() * x0


def both(
    x: Float[Tensor, "*x"],
    output: Float[Tensor, "*x"],
    alpha_bar: Float[Tensor, "*#x"] | Float[Tensor, ""],
    kind: str,
) -> tuple[Float[Tensor, "*x"], Float[Tensor, "*x"]]:
    """(epsilon, x0) from x_t and whatever the network predicted: each of the three gives the other two."""
    signal, noise = alpha_bar.sqrt(), (1 - alpha_bar).sqrt()
    if kind == "epsilon":
        return output, (x - noise * output) / signal
    if kind == "x0":
        return (x - signal * output) / noise, output
    return signal * output + noise * x, signal * x - noise * output
