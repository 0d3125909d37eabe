"""Vectors as colours: their places along the three axes of largest variance are red, green and blue.

    colour = 24 + 220 * (axis . (x - mean) - low) / (high - low)        clipped to 24 ... 244, for each axis

Used for patch features as in Oquab et al. 2023, "DINOv2", figure 1: patches of one thing get one colour. The sign of an
axis is nobody's: here its largest weight is positive, so that the same vectors always get the same colours.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from torch import Tensor


@dataclass(frozen=True)
class Axes:
    """Three principal axes and what is shown of them, black to full."""

    mean: Float[Tensor, "d"]
    axis: Float[Tensor, "3 d"]
    low: Float[Tensor, "3"]
    high: Float[Tensor, "3"]

    def paint(self, x: Float[Tensor, "m d"]) -> UInt8[Tensor, "m 3"]:
        """A colour for each vector."""
        place = ((x - self.mean) @ self.axis.T - self.low) / (self.high - self.low).clamp(min=1e-9)
        return (24 + 220 * place.clamp(0, 1)).round().to(torch.uint8)


def principal(x: Float[Tensor, "m d"]) -> Axes:
    """Axes of the largest variance; the sign of each so that its largest weight is positive."""
    mean = x.mean(0)
    axis = torch.linalg.svd(x - mean, full_matrices=False)[2][:3]
    axis = axis * axis.gather(1, axis.abs().argmax(1, keepdim=True)).sign()
    place = (x - mean) @ axis.T
    low, high = place.quantile(torch.tensor([0.01, 0.99]), 0)
    return Axes(mean, axis, low, high)
