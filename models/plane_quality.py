"""How near a cloud of points is to another: the sliced Wasserstein distance, and the share that lies where no data are.

Sources: Rabin et al. 2011, "Wasserstein Barycenter and its Application to Texture Mixing" (slicing). Bonneel et al.
2015, "Sliced and Radon Wasserstein Barycenters of Measures".

    W(a, b)  = integral of |F_a(u) - F_b(u)| du          in one dimension: the area between the distribution functions,
                                                         the mean way that mass must be moved to turn a into b
    SW(a, b) = mean over directions d of W(a . d, b . d)

Conventions: directions are spread evenly over half a circle instead of drawn at random, so the distance has no noise
of its own. Finite clouds of one distribution are not at distance 0: what a result is held against is `floor`.
"""

import math

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

N_DIRECTION = 32
USUAL = 0.99  # a point is outside if it is farther from the data than this share of other data is


def ordered(x: Float[Tensor, "*d n"]) -> Float[Tensor, "*d n"]:
    """From small to large. By numpy, which is several times as fast as torch: that finds out the order, too."""
    return torch.from_numpy(np.sort(x.numpy(), axis=-1))


def wasserstein(a: Float[Tensor, "*d n"], b: Float[Tensor, "*e m"]) -> Float[Tensor, "*f"]:
    """The distance in one dimension, of clouds that may differ in size; axes before the last are broadcast."""
    a, b = ordered(a), ordered(b)
    if b.shape[-1] % a.shape[-1] == 0:  # then each of a goes to the same number of b, in order
        return (a.repeat_interleave(b.shape[-1] // a.shape[-1], -1) - b).abs().mean(-1)
    shape = torch.broadcast_shapes(a.shape[:-1], b.shape[:-1])
    a, b = a.expand(*shape, -1).contiguous(), b.expand(*shape, -1).contiguous()
    u = ordered(torch.cat((a, b), dim=-1))
    share_a = torch.searchsorted(a, u[..., :-1].contiguous(), right=True) / a.shape[-1]
    share_b = torch.searchsorted(b, u[..., :-1].contiguous(), right=True) / b.shape[-1]
    return ((share_a - share_b).abs() * u.diff(dim=-1)).sum(-1)


def sliced(
    a: Float[Tensor, "*d n 2"], b: Float[Tensor, "*e m 2"], n_direction: int = N_DIRECTION
) -> Float[Tensor, "*f"]:
    """The sliced Wasserstein distance of two clouds, or of several pairs of clouds at once (axes are broadcast)."""
    turn = torch.arange(n_direction) * (math.pi / n_direction)
    across = torch.stack((turn.cos(), turn.sin())).to(a.dtype)
    return wasserstein((a @ across).transpose(-1, -2), (b @ across).transpose(-1, -2)).mean(-1)


def nearest(
    x: Float[Tensor, "*d n 2"], data: Float[Tensor, "g 2"]
) -> tuple[Float[Tensor, "*d n"], Int[Tensor, "*d n"]]:
    """Distance to the nearest of the data, and which one it is."""
    found = torch.cdist(x, data).min(-1)
    return found.values, found.indices


def outside(x: Float[Tensor, "*d n 2"], data: Float[Tensor, "g 2"]) -> Bool[Tensor, "*d n"]:
    """Which points are farther from the data than all but one in a hundred of the data are from the rest."""
    half = len(data) // 2
    usual = nearest(data[half:], data[:half])[0].quantile(USUAL)
    return nearest(x, data[:half])[0] > usual
