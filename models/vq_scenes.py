"""A picture as 64 whole numbers: a vector-quantised autoencoder of the drawn scenes, 32 x 32 x 3 values to 8 x 8 codes.

Sources: van den Oord, Vinyals & Kavukcuoglu 2017, "Neural Discrete Representation Learning", section 3.1, equations (1)
and (2), section 3.2, equation (3), appendix A.1 (codes as running means); Chameleon Team 2024, "Chameleon:
Mixed-Modal Early-Fusion Foundation Models", section 2.1 (one picture as 1024 codes out of 8192 in a language model's
sequence).

    z_e(x)      encoder: one vector of d numbers per place
    k           argmin_j || z_e(x) - e_j ||_2                                                           (1)
    z_q(x)      e_k                                                                                     (2)
    to the decoder goes  z_e + sg[z_q - z_e]: the value of z_q, the gradient of z_e (straight-through)
    loss        || x - decoder(z_q) ||  +  beta || z_e - sg[z_q] ||^2                                    (3)

Glossary
    e_j    entry j of the codebook, one of N_CODE vectors of N_DIM numbers      sg   "stop gradient": a constant here
    code   k, the number that stands for a place of 4 x 4 pixels and what is around it
    perplexity   exp of the entropy of how often codes are used: N_CODE if all were used alike

Conventions: pictures are "b 3 y x" in [-1, 1], codes are in reading order. Simplified: no adversarial and no perceptual
loss; codes follow a running mean of the vectors they stand for (training/vq_scenes.py), not a gradient.
"""

import json
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, UInt8
from safetensors.torch import load_file
from torch import Tensor, nn

from models.language_model import ModelUnavailable
from models.scene_parts import ResBlock, conv, norm
from models.scenes import N_PIXEL
from models.tiny_lm import WEIGHTS

N_CODE = 256
N_DIM = 16
N_SIDE = 8
N_PLACE = N_SIDE**2
BETA = 0.25
NAME = "vq_scenes"


@dataclass(frozen=True)
class Quantised:
    """What the codebook makes of the encoder's vectors."""

    code: Int[Tensor, "b h w"]
    vector: Float[Tensor, "b d h w"]  # the chosen entries, with the gradient of what they replace
    commitment: Float[Tensor, ""]  # mean squared distance of the encoder's vectors from their entries


def distances(z: Float[Tensor, "n d"], book: Float[Tensor, "k d"]) -> Float[Tensor, "n k"]:
    """Squared Euclidean distance of every vector from every entry of the codebook."""
    return z.square().sum(1, keepdim=True) - 2 * z @ book.T + book.square().sum(1)


def nearest(z: Float[Tensor, "b d h w"], book: Float[Tensor, "k d"]) -> Int[Tensor, "b h w"]:
    """Equation (1) at every place; the first of several equally near entries."""
    b, d, h, w = z.shape
    return distances(z.permute(0, 2, 3, 1).reshape(-1, d), book).argmin(1).view(b, h, w)


def quantise(z: Float[Tensor, "b d h w"], book: Float[Tensor, "k d"]) -> Quantised:
    """Equations (1) and (2), the gradient straight through."""
    code = nearest(z, book)
    chosen = book[code].permute(0, 3, 1, 2)
    return Quantised(code, z + (chosen - z).detach(), F.mse_loss(z, chosen.detach()))


class VQScenes(nn.Module):
    """`encode` gives codes, `decode` pictures; training also needs `vectors` and `paint`."""

    book: Float[Tensor, "k d"]

    def __init__(self, fine: int = 32, coarse: int = 64) -> None:
        """`fine` and `coarse`: channels at 16 x 16 and at 8 x 8."""
        super().__init__()
        self.encoder = nn.Sequential(
            nn.PixelUnshuffle(2),
            conv(12, fine),
            ResBlock(fine, fine),
            conv(fine, coarse, stride=2),
            ResBlock(coarse, coarse),
            norm(coarse),
            nn.SiLU(),
            nn.Conv2d(coarse, N_DIM, 1),
        )
        self.decoder = nn.Sequential(
            conv(N_DIM, coarse),
            ResBlock(coarse, coarse),
            ResBlock(coarse, coarse),
            nn.Upsample(scale_factor=2),
            conv(coarse, fine),
            ResBlock(fine, fine),
            norm(fine),
            nn.SiLU(),
            conv(fine, 12),
            nn.PixelShuffle(2),
        )
        self.register_buffer("book", torch.zeros(N_CODE, N_DIM))

    def vectors(self, picture: Float[Tensor, "b 3 y x"]) -> Float[Tensor, "b d h w"]:
        """z_e."""
        return self.encoder(picture)

    def paint(self, vector: Float[Tensor, "b d h w"]) -> Float[Tensor, "b 3 y x"]:
        """The decoder's picture, not clamped."""
        return self.decoder(vector)

    def encode(self, picture: Float[Tensor, "b 3 y x"]) -> Int[Tensor, "b h w"]:
        """Codes from 0 to N_CODE - 1."""
        return nearest(self.vectors(picture), self.book)

    def decode(self, code: Int[Tensor, "b h w"]) -> Float[Tensor, "b 3 y x"]:
        """Pictures in [-1, 1]."""
        return self.paint(self.book[code].permute(0, 3, 1, 2)).clamp(-1, 1)


def perplexity(code: Int[Tensor, "*n"]) -> float:
    """How many codes are in use, weighed by how often: exp of the entropy."""
    share = torch.bincount(code.flatten(), minlength=N_CODE).double() / code.numel()
    return float(torch.exp(-(share * share.clamp_min(1e-300).log()).sum()))


@cache
@torch.no_grad()
def tiles() -> UInt8[Tensor, "k y x 3"]:
    """What each code looks like: the middle of a picture that consists of nothing else."""
    vq = load().model
    code = torch.arange(N_CODE)[:, None, None].expand(-1, N_SIDE, N_SIDE)
    middle = slice(N_PIXEL // 2 - 4, N_PIXEL // 2 + 4)
    painted = torch.cat([vq.decode(part)[:, :, middle, middle] for part in code.split(64)])
    return ((painted.movedim(1, -1) + 1) * 127.5).round().to(torch.uint8)


@cache
def inks() -> UInt8[Tensor, "k 3"]:
    """The mean colour of each tile."""
    return tiles().float().mean((1, 2)).round().to(torch.uint8)


@dataclass(frozen=True)
class Trained:
    """The shipped autoencoder and its card."""

    model: VQScenes
    card: dict[str, Any]


@cache
def load() -> Trained:
    """From models/weights. Raises ModelUnavailable where they are missing."""
    file = WEIGHTS / f"{NAME}.safetensors"
    if not file.exists():
        raise ModelUnavailable(NAME)
    model = VQScenes().eval().requires_grad_(False)
    model.load_state_dict({key: value.float() for key, value in load_file(file).items()})
    return Trained(model, json.loads((WEIGHTS / f"{NAME}.json").read_text(encoding="utf-8")))
