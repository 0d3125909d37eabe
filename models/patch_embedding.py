"""A picture becomes a sequence: cut into patches, flattened, and projected, in three ways that are one.

Source: Dosovitskiy et al. 2021, "An Image is Worth 16x16 Words", section 3.1 and equation (1).

    x_i = patch i as a vector of 3 patch^2 numbers        z_i = x_i E + b

    as a convolution     kernel patch x patch, stride patch: kernel k of it is column k of E, folded up
    as unfold + linear   every patch's numbers side by side, one matrix product
    by hand              a loop over rows, columns, and one sum of products

Glossary
    left over   pixels at the right and lower edge that no whole patch covers: a strided convolution never reads them
    pairs       (tokens)^2, what one head of self-attention weighs: it grows with the fourth power of 1 / patch

Conventions: pictures are "3 y x" in [-1, 1]; a patch is flattened channel, row, column; patches in reading order.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from models.fields import no_tick
from models.vision_transformer import patchify

N_PIXEL = 224  # the width and height that classifiers of ImageNet read
WIDTH = 768  # of ViT-B
SMALLEST, LARGEST = 7, 112  # patch sizes shown: 32 x 32 patches down to 2 x 2


@dataclass(frozen=True)
class Size:
    """What a patch size makes of a picture of n_pixel x n_pixel."""

    patch: int
    side: int  # whole patches along an edge
    left_over: int  # pixels along an edge
    n_patch: int
    n_token: int  # with [CLS]
    n_number: int  # in a patch
    n_weight: int  # of the projection, with its bias
    n_pair: int


@dataclass(frozen=True)
class Cut:
    """A picture, cut; and how far three ways of projecting its patches are apart."""

    size: Size
    picture: UInt8[Tensor, "y x 3"]  # without what is left over
    mean: UInt8[Tensor, "n 3"]  # of every patch
    unfolded: float  # largest difference between convolution and unfold + linear
    looped: float  # between convolution and the sums by hand
    largest: float  # of the projected numbers, for scale


def size(patch: int, n_pixel: int = N_PIXEL, width: int = WIDTH) -> Size:
    """The counts of one patch size. Raises ValueError if not even one patch fits."""
    if not 1 <= patch <= n_pixel:
        raise ValueError(f"no patch of {patch} pixels in {n_pixel}")
    side = n_pixel // patch
    n, number = side**2, 3 * patch**2
    return Size(patch, side, n_pixel - side * patch, n, n + 1, number, (number + 1) * width, (n + 1) ** 2)


def convolved(
    picture: Float[Tensor, "3 y x"], weight: Float[Tensor, "d 3 p p"], bias: Float[Tensor, "d"]
) -> Float[Tensor, "n d"]:
    """A convolution whose stride is its kernel's size."""
    return F.conv2d(picture[None], weight, bias, stride=weight.shape[-1])[0].flatten(1).T


def unfolded(
    picture: Float[Tensor, "3 y x"], weight: Float[Tensor, "d 3 p p"], bias: Float[Tensor, "d"]
) -> Float[Tensor, "n d"]:
    """Patches as rows, then one linear map."""
    return F.linear(patchify(picture[None], weight.shape[-1])[0], weight.flatten(1), bias)


def looped(
    picture: Float[Tensor, "3 y x"], weight: Float[Tensor, "d 3 p p"], bias: Float[Tensor, "d"]
) -> Float[Tensor, "n d"]:
    """Patch after patch: cut it out, multiply it with every kernel, sum."""
    p = weight.shape[-1]
    rows, columns = picture.shape[1] // p, picture.shape[2] // p
    cut = [picture[:, r * p : r * p + p, c * p : c * p + p] for r in range(rows) for c in range(columns)]
    return torch.stack([torch.einsum("cyx,dcyx->d", one, weight) + bias for one in cut])


@torch.no_grad()
def cut(picture: Float[Tensor, "3 y x"], patch: int, seed: int = 0, tick: Callable[[float], None] = no_tick) -> Cut:
    """The patches, and the three projections with one random E, of which a sixteenth of the columns is tried."""
    about = size(patch, picture.shape[-1])
    width = WIDTH // 16
    source = torch.Generator().manual_seed(seed)
    weight = torch.randn(width, 3, patch, patch, generator=source) * about.n_number**-0.5
    bias = torch.randn(width, generator=source)
    tick(0.2)
    one, two = convolved(picture, weight, bias), unfolded(picture, weight, bias)
    tick(0.6)
    three = looped(picture, weight, bias)
    kept = picture[:, : about.side * patch, : about.side * patch]
    return Cut(
        about,
        bytes_of(kept.permute(1, 2, 0)),
        bytes_of(patchify(kept[None], patch)[0].view(about.n_patch, 3, -1).mean(-1)),
        float((one - two).abs().max()),
        float((one - three).abs().max()),
        float(one.abs().max()),
    )


def bytes_of(values: Float[Tensor, "*n"]) -> UInt8[Tensor, "*n"]:
    """From [-1, 1] to 0 ... 255."""
    return ((values + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
