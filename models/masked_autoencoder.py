"""A masked autoencoder of drawn scenes: three patches in four are hidden, and a transformer paints them in.

Source: He et al. 2022, "Masked Autoencoders Are Scalable Vision Learners", section 3 and figure 1.

    noise ~ U(0, 1) per patch,  order = argsort(noise),  kept = the first int(n (1 - ratio)) of it
    encoder    reads [CLS] and the kept patches only: 50 tokens, not 197, at a ratio of 0.75
    decoder    W enc where a patch is kept, one learned vector m where it is hidden, each with its position
    L = mean over the hidden patches of mean (pixels - decoded)^2           kept patches cost nothing

Glossary
    n        patches: 14 x 14 = 196                    hidden   true where the encoder sees nothing
    restore  where each patch went in the shuffled order, argsort(order)

Conventions: pictures are "b 3 y x" in [-1, 1]; patches in reading order; a patch is channel, row, column.
Simplified: positions start as sines and cosines and are learned on, as ViT's; targets are plain pixels, not normalised
per patch, so that what the decoder says can be looked at.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor, nn

from models.language_model import ModelUnavailable
from models.small_vision import narrow_start, waves
from models.stored_rows import read
from models.vision_transformer import Block, Shape, VisionTransformer, patchify

WEIGHTS = Path(__file__).parent / "weights"
ENCODER = Shape(n_pixel=56, patch=4, d_model=96, n_layer=4, n_head=4, d_ff=384)
D_DECODER, N_DECODER, N_HEAD = 64, 2, 4
RATIO = 0.75
RATIOS = (0.1, 0.25, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)  # that are shown


@dataclass(frozen=True)
class Masking:
    """Which patches are hidden."""

    kept: Int[Tensor, "b k"]  # in shuffled order
    restore: Int[Tensor, "b n"]
    hidden: Bool[Tensor, "b n"]


def random_masking(noise: Float[Tensor, "b n"], ratio: float) -> Masking:
    """The patches with the least noise are kept, int(n (1 - ratio)) of each picture.

    As ViTMAEModel.random_masking of transformers, which also returns the kept tokens.
    """
    n_keep = int(noise.shape[1] * (1 - ratio))
    order = noise.argsort(1)
    restore = order.argsort(1)
    return Masking(order[:, :n_keep], restore, restore >= n_keep)


class MaskedAutoencoder(nn.Module):
    """Pictures and what to hide in, every patch's pixels out."""

    def __init__(
        self, shape: Shape = ENCODER, d_decoder: int = D_DECODER, n_decoder: int = N_DECODER, n_head: int = N_HEAD
    ) -> None:
        super().__init__()
        self.encoder = VisionTransformer(shape)
        self.narrow = nn.Linear(shape.d_model, d_decoder)
        self.mask_token = nn.Parameter(torch.zeros(d_decoder))
        self.position = nn.Parameter(torch.zeros(1 + shape.side**2, d_decoder))
        self.blocks = nn.ModuleList(Block(d_decoder, n_head, 4 * d_decoder) for _ in range(n_decoder))
        self.norm = nn.LayerNorm(d_decoder)
        self.head = nn.Linear(d_decoder, 3 * shape.patch**2)

    @torch.no_grad()
    def start(self, generator: torch.Generator) -> "MaskedAutoencoder":
        """Fresh weights. Returns itself."""
        narrow_start(self, generator)
        nn.init.normal_(self.mask_token, std=0.02, generator=generator)
        for position in (self.encoder.position, self.position):
            position.copy_(waves(self.encoder.shape.side, position.shape[1]))
        return self

    def forward(self, picture: Float[Tensor, "b 3 y x"], masking: Masking) -> Float[Tensor, "b n p"]:
        """What every patch is said to show, those kept as well."""
        seen = self.encoder.visible(picture, masking.kept, keep=True)  # keep: see Classifier.summary
        tokens = self.narrow(seen.out)
        n = masking.hidden.shape[1]
        filled = torch.cat((tokens[:, 1:], self.mask_token.expand(len(tokens), n - masking.kept.shape[1], -1)), 1)
        filled = filled.gather(1, masking.restore[:, :, None].expand(-1, -1, filled.shape[-1]))
        x = torch.cat((tokens[:, :1], filled), 1) + self.position
        for block in self.blocks:
            x, _ = block(x, keep=True)
        return self.head(self.norm(x))[:, 1:]


def loss(
    said: Float[Tensor, "b n p"], picture: Float[Tensor, "b 3 y x"], hidden: Bool[Tensor, "b n"]
) -> Float[Tensor, ""]:
    """Mean squared error over the hidden patches alone."""
    patch = math.isqrt(said.shape[-1] // 3)
    return (said.float() - patchify(picture, patch))[hidden].square().mean()


def unpatchify(patches: Float[Tensor, "b n p"]) -> Float[Tensor, "b 3 y x"]:
    """The picture that patches make, in reading order: the inverse of patchify."""
    patch, side = math.isqrt(patches.shape[-1] // 3), math.isqrt(patches.shape[1])
    return F.fold(patches.transpose(1, 2), side * patch, patch, stride=patch)


@lru_cache(maxsize=1)
def load() -> MaskedAutoencoder:
    """The shipped one.

    Raises:
        ModelUnavailable: the weights are missing or damaged.
    """
    try:
        model = MaskedAutoencoder()
        model.load_state_dict(read(WEIGHTS / "masked_autoencoder.safetensors"))
    except Exception as error:
        raise ModelUnavailable("shipped_damaged") from error
    return model.requires_grad_(False).eval()


# --- one picture at every ratio --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Painted:
    """f: RATIOS; n: 14 x 14 patches."""

    image: UInt8[Tensor, "y x 3"]
    hidden: Bool[Tensor, "f n"]  # at a higher ratio all those of a lower one, and more
    painted: UInt8[Tensor, "f y x 3"]  # hidden patches as the decoder says, the others as they are
    said: UInt8[Tensor, "f y x 3"]  # all patches as the decoder says
    cell: Float[Tensor, "f n"]  # mean squared error of each hidden patch, 0 where nothing is hidden
    error: Float[Tensor, "f"]  # over all hidden patches
    plain: Float[Tensor, "f"]  # of the visible pixels' mean colour in their place


@torch.no_grad()
def paint(picture: Float[Tensor, "1 3 y x"], seed: int = 0) -> Painted:
    """One picture, 56 pixels wide, at every ratio; the order in which patches go depends on the seed alone.

    Raises:
        ModelUnavailable: the weights are missing or damaged.
    """
    model = load()
    shape = model.encoder.shape
    noise = torch.rand(1, shape.side**2, generator=torch.Generator().manual_seed(seed))
    right = patchify(picture, shape.patch)
    hidden, painted, said, cell, plain = [], [], [], [], []
    for ratio in RATIOS:
        masking = random_masking(noise, ratio)
        out = model(picture, masking)
        mask = masking.hidden[..., None]
        mean = right[~masking.hidden].unflatten(1, (3, -1)).mean((0, 2)).repeat_interleave(shape.patch**2)
        hidden.append(masking.hidden[0])
        painted.append(unpatchify(torch.where(mask, out, right))[0])
        said.append(unpatchify(out)[0])
        cell.append(((out - right).square().mean(-1) * masking.hidden)[0])
        plain.append(((mean - right).square().mean(-1)[masking.hidden]).mean())
    missed, gone = torch.stack(cell), torch.stack(hidden)
    return Painted(
        image=as_bytes(picture)[0],
        hidden=gone,
        painted=as_bytes(torch.stack(painted)),
        said=as_bytes(torch.stack(said)),
        cell=missed,
        error=missed.sum(1) / gone.sum(1),
        plain=torch.stack(plain),
    )


def as_bytes(picture: Float[Tensor, "n 3 y x"]) -> UInt8[Tensor, "n y x 3"]:
    """0 to 255 from [-1, 1], the colour last."""
    return ((picture.movedim(1, -1) + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def paint_facts(found: Painted, index: int) -> dict[str, float | int]:
    """What the captions say of one ratio. `gain`: how much smaller the error is than that of the mean colour."""
    n, hidden = found.hidden.shape[1], int(found.hidden[index].sum())
    return {
        "ratio": RATIOS[index],
        "n_patch": n,
        "visible": n - hidden,
        "hidden": hidden,
        "error": float(found.error[index]),
        "plain": float(found.plain[index]),
        "gain": float(found.plain[index] / found.error[index]),
    }
