"""The best possible prediction of the noise, in closed form, where the data are a mixture of Gaussians.

Source: Bishop 1995, "Neural Networks for Pattern Recognition", section 6.1 (the best prediction in mean square is the
conditional mean). Song et al. 2021, "Score-Based Generative Modeling", equations (6) and (7). Efron 2011, "Tweedie's
Formula and Selection Bias".

    x_0 ~ sum_k w_k N(c_k, s^2 I)    =>    x_t ~ sum_k w_k N(sqrt(ab) c_k, S I),   S = ab s^2 + 1 - ab
    r_k     = share of component k in the density at x_t                      (a softmax: who could have made x_t)
    score   = sum_k r_k (sqrt(ab) c_k - x_t) / S                              gradient of log q(x_t)
    epsilon = -sqrt(1 - ab) score                                             E[epsilon | x_t]

Glossary
    centre    c_k, k of them in d dimensions        weight   w_k, they sum to 1        deviation   s, the same for all

A network trained without end on the same data comes to this epsilon and not to the noise itself: what it cannot know,
it averages. Its loss is what is left then.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from models.plane_data import CENTRES, DEVIATION


@dataclass(frozen=True)
class Mixture:
    """Gaussians of one width."""

    centre: Float[Tensor, "k d"]
    weight: Float[Tensor, "k"]
    deviation: float

    def draw(self, n: int, generator: torch.Generator) -> Float[Tensor, "n d"]:
        """n points."""
        component = torch.multinomial(self.weight, n, replacement=True, generator=generator)
        spread = torch.randn(n, self.centre.shape[1], generator=generator, dtype=self.centre.dtype)
        return self.centre[component] + self.deviation * spread

    def only(self, label: int) -> "Mixture":
        """One component (1...), or all for 0."""
        if label == 0:
            return self
        return Mixture(self.centre[label - 1 : label], torch.ones_like(self.weight[:1]), self.deviation)


EIGHT = Mixture(CENTRES, torch.full((8,), 1 / 8), DEVIATION)
TWO = Mixture(torch.tensor([[-1.0], [1.0]], dtype=torch.float64), torch.full((2,), 0.5, dtype=torch.float64), 0.1)


Level = Float[Tensor, ""] | Float[Tensor, "*n 1"]  # alpha_bar: one for all, or one for each point


def weighed(x: Float[Tensor, "*n d"], ab: Level, mixture: Mixture) -> tuple[Float[Tensor, "*n k"], Tensor]:
    """log of w_k and of how far x_t lies from component k, in its widths; and S."""
    variance = ab * mixture.deviation**2 + 1 - ab
    way = x[..., None, :] - (ab.sqrt()[..., None] if ab.dim() else ab.sqrt()) * mixture.centre
    return mixture.weight.log() - way.square().sum(-1) / (2 * variance), variance


def responsibility(x: Float[Tensor, "*n d"], ab: Level, mixture: Mixture) -> Float[Tensor, "*n k"]:
    """r_k at every x_t; sums to 1."""
    return weighed(x, ab, mixture)[0].softmax(-1)


def log_density(x: Float[Tensor, "*n d"], ab: Float[Tensor, ""], mixture: Mixture) -> Float[Tensor, "*n"]:
    """log q(x_t)."""
    part, variance = weighed(x, ab, mixture)
    return part.logsumexp(-1) - 0.5 * x.shape[-1] * (2 * torch.pi * variance).log()


def score(x: Float[Tensor, "*n d"], ab: Level, mixture: Mixture) -> Float[Tensor, "*n d"]:
    """Gradient of log q(x_t)."""
    part, variance = weighed(x, ab, mixture)
    return (ab.sqrt() * (part.softmax(-1) @ mixture.centre) - x) / variance


def epsilon(x: Float[Tensor, "*n d"], ab: Level, mixture: Mixture) -> Float[Tensor, "*n d"]:
    """E[epsilon | x_t]: the best prediction of the noise."""
    return -(1 - ab).sqrt() * score(x, ab, mixture)
