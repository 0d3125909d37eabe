"""Weights in a quarter of the space: every matrix as signed bytes with one scale per row, everything else as it is.

Source: Dettmers et al. 2022, "LLM.int8()", section 2.1 and 3.1: absmax quantisation, row by row.

    scale_i = max_j |W_ij| / 127        byte_ij = round(W_ij / scale_i)        W_ij ~ byte_ij scale_i

Conventions: a row runs along the last axis. The largest error is half a scale: 1 / 254 of the row's largest weight.
"""

from pathlib import Path

import torch
from jaxtyping import Float, Int8
from safetensors.torch import load_file, save_file
from torch import Tensor

SCALE = ".scale"


def to_bytes(weight: Float[Tensor, "*i j"]) -> tuple[Int8[Tensor, "*i j"], Float[Tensor, "*i 1"]]:
    """(bytes, scales). A row of zeros has the scale 1."""
    scale = weight.abs().amax(-1, keepdim=True) / 127
    scale = torch.where(scale == 0, 1.0, scale)
    return (weight / scale).round().to(torch.int8), scale


def write(weights: dict[str, Tensor], file: Path) -> None:
    """Matrices as bytes, vectors in half precision, whole numbers as they are."""
    stored = {}
    for name, weight in weights.items():
        weight = weight.detach()
        if weight.is_floating_point() and weight.dim() > 1:
            stored[name], scale = to_bytes(weight.float())
            stored[name + SCALE] = scale
        else:
            stored[name] = weight.half() if weight.is_floating_point() else weight
    save_file({name: weight.contiguous() for name, weight in stored.items()}, file)


def read(file: Path) -> dict[str, Tensor]:
    """In single precision. Raises OSError and what safetensors raises."""
    stored = load_file(file)
    found = {}
    for name, weight in stored.items():
        if name.endswith(SCALE):
            continue
        if name + SCALE in stored:
            found[name] = weight.float() * stored[name + SCALE]
        else:
            found[name] = weight.float() if weight.is_floating_point() else weight
    return found
