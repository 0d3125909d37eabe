"""A small Vision Transformer: a picture becomes a sentence of patches, and a transformer reads it.

Source: Dosovitskiy et al. 2021, "An Image is Worth 16x16 Words", section 3.1, equations (1) to (4) and figure 1.

    z_0 = [x_class; x_1 E; ...; x_n E] + E_pos          each patch x_i is a vector of 3 patch^2 numbers       (1)
    z'  = MSA(LN(z)) + z                                pre-norm attention, all patches see all patches      (2)
    z   = MLP(LN(z')) + z'                              GELU between two linear maps                         (3)
    y   = LN(z_L)                                       its first row is the picture's summary               (4)

Glossary
    s       side of the grid of patches, n = s^2        t       tokens: [CLS] and n patches, in reading order
    layers  what flows between the blocks: z_0, z_1, ..., z_L, before the last normalisation

Conventions: pictures are "b 3 y x" in [-1, 1]; a patch is flattened as a convolution flattens it: channel, row, column.
Attention is [layer, head, query t, key s]. Simplified: no dropout, square pictures.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn


@dataclass(frozen=True)
class Shape:
    """How large a Vision Transformer is."""

    n_pixel: int = 32
    patch: int = 4
    d_model: int = 96
    n_layer: int = 4
    n_head: int = 4
    d_ff: int = 384
    stem: bool = False  # a few small convolutions in place of the one large one (the paper's "hybrid")

    @property
    def side(self) -> int:
        """Patches along an edge."""
        return self.n_pixel // self.patch


@dataclass(frozen=True)
class Seen:
    """One pass. `out` after the last normalisation; `layers` and `attention` are empty unless asked for."""

    out: Float[Tensor, "b t d"]
    layers: tuple[Float[Tensor, "b t d"], ...] = ()
    attention: tuple[Float[Tensor, "b h t s"], ...] = ()

    @property
    def summary(self) -> Float[Tensor, "b d"]:
        """The [CLS] token."""
        return self.out[:, 0]

    @property
    def patches(self) -> Float[Tensor, "b n d"]:
        """Every patch, in reading order."""
        return self.out[:, 1:]


def patchify(picture: Float[Tensor, "b c y x"], patch: int) -> Float[Tensor, "b n _"]:
    """Every patch as a vector: channel, row, column. Patches in reading order."""
    return F.unfold(picture, patch, stride=patch).transpose(1, 2)


class Attention(nn.Module):
    """Multi-head self-attention without a mask. Returns its output and the weights if `keep`."""

    def __init__(self, d_model: int, n_head: int) -> None:
        super().__init__()
        self.n_head = n_head
        self.qkv = nn.Linear(d_model, 3 * d_model)
        self.out = nn.Linear(d_model, d_model)

    def forward(
        self, x: Float[Tensor, "b t d"], keep: bool = False
    ) -> tuple[Float[Tensor, "b t d"], Float[Tensor, "b h t s"] | None]:
        b, t, d = x.shape
        q, k, v = self.qkv(x).view(b, t, 3, self.n_head, d // self.n_head).permute(2, 0, 3, 1, 4)
        weights = None
        if keep:
            weights = torch.softmax(q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5, -1)
            mixed = weights @ v
        else:
            mixed = F.scaled_dot_product_attention(q, k, v)
        return self.out(mixed.transpose(1, 2).reshape(b, t, d)), weights


class Block(nn.Module):
    """Equations (2) and (3)."""

    def __init__(self, d_model: int, n_head: int, d_ff: int) -> None:
        super().__init__()
        self.norm_1 = nn.LayerNorm(d_model)
        self.attention = Attention(d_model, n_head)
        self.norm_2 = nn.LayerNorm(d_model)
        self.mlp = nn.Sequential(nn.Linear(d_model, d_ff), nn.GELU(), nn.Linear(d_ff, d_model))

    def forward(
        self, x: Float[Tensor, "b t d"], keep: bool = False
    ) -> tuple[Float[Tensor, "b t d"], Float[Tensor, "b h t s"] | None]:
        mixed, weights = self.attention(self.norm_1(x), keep)
        x = x + mixed
        return x + self.mlp(self.norm_2(x)), weights


def stem(shape: Shape) -> nn.Sequential:
    """Convolutions of 3 x 3, each second one halving the picture, down to the grid of patches; neighbours overlap."""
    layers: list[nn.Module] = []
    n_in, n_out = 3, shape.d_model // 2
    for _ in range(shape.patch.bit_length() - 1):
        layers += [nn.Conv2d(n_in, n_out, 3, stride=2, padding=1), nn.GELU()]
        layers += [nn.Conv2d(n_out, n_out, 3, padding=1), nn.GELU()]
        n_in, n_out = n_out, shape.d_model
    return nn.Sequential(*layers, nn.Conv2d(n_in, shape.d_model, 1))


class VisionTransformer(nn.Module):
    """Pictures in, one vector per token out. What is done with them is the caller's: a head, a projector."""

    def __init__(self, shape: Shape = Shape()) -> None:
        super().__init__()
        self.shape = shape
        self.embed = stem(shape) if shape.stem else nn.Conv2d(3, shape.d_model, shape.patch, stride=shape.patch)
        self.cls = nn.Parameter(torch.zeros(shape.d_model))
        self.position = nn.Parameter(torch.zeros(1 + shape.side**2, shape.d_model))
        self.blocks = nn.ModuleList(Block(shape.d_model, shape.n_head, shape.d_ff) for _ in range(shape.n_layer))
        self.norm = nn.LayerNorm(shape.d_model)

    def start(self, generator: torch.Generator) -> "VisionTransformer":
        """Fresh weights: normal with deviation 0.02, biases zero. Returns itself."""
        for name, weight in self.named_parameters():
            if weight.dim() > 1 or name == "cls":
                nn.init.normal_(weight, std=0.02, generator=generator)
            elif name.endswith("bias"):
                nn.init.zeros_(weight)
        for module in self.embed.modules():
            if isinstance(module, nn.Conv2d):
                fan_in = module.weight[0].numel()
                nn.init.normal_(
                    module.weight, std=(2 / fan_in if self.shape.stem else 1 / fan_in) ** 0.5, generator=generator
                )
        return self

    def tokens(self, picture: Float[Tensor, "b 3 y x"]) -> Float[Tensor, "b t d"]:
        """z_0: [CLS] and the patches, each with its position."""
        patches = self.embed(picture).flatten(2).transpose(1, 2)
        return torch.cat((self.cls.expand(len(patches), 1, -1), patches), 1) + self.position

    def read(self, tokens: Float[Tensor, "b t d"], keep: bool = False) -> Seen:
        """The blocks, on tokens that have their positions already (all of them, or only some: a masked autoencoder)."""
        layers, attention = [tokens], []
        for block in self.blocks:
            tokens, weights = block(tokens, keep)
            if keep:
                layers.append(tokens)
                attention.append(weights)
        return Seen(self.norm(tokens), tuple(layers) if keep else (), tuple(attention))

    def forward(self, picture: Float[Tensor, "b 3 y x"], keep: bool = False) -> Seen:
        """keep: also what flows between the blocks, and every attention weight."""
        return self.read(self.tokens(picture), keep)

    def visible(self, picture: Float[Tensor, "b 3 y x"], kept: Int[Tensor, "b k"], keep: bool = False) -> Seen:
        """Only [CLS] and the patches `kept` (numbers from 0, reading order) are read."""
        tokens = self.tokens(picture)
        chosen = tokens[:, 1:].gather(1, kept[:, :, None].expand(-1, -1, tokens.shape[-1]))
        return self.read(torch.cat((tokens[:, :1], chosen), 1), keep)
