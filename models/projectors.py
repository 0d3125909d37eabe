"""Projectors: from the vision encoder's features to tokens that a language model can read as if they were words.

Sources: LLaVA, Liu et al. 2023, section 4.1, H_v = W Z_v (one matrix). LLaVA-1.5, Liu et al. 2023 (a two-layer
MLP). BLIP-2, Li et al. 2023, section 3.1 and figure 2 (the Q-Former). Average pooling before the MLP, to have
fewer tokens: one of the projectors that McKinzie et al. 2024, "MM1", compare.

    linear     h_i = W z_i + b                                    one token per patch
    mlp        h_i = W_2 gelu(W_1 z_i + b_1) + b_2                 one token per patch
    pool       z_j = mean of a square of patches, then the mlp    16, 4 or 1 tokens
    qformer    learned queries look at each other and at all LN(z_i), then W: as many tokens as there are queries

Glossary
    z, features   one vector per patch, "b n d"         h, tokens    one vector per image token, "b k m"
    source        source[k, n]: share of patch n in token k. Rows sum to 1. Of the Q-Former: its attention, mean over
                  layers and heads
    off           patches that are switched off; a token all of whose patches are off is off itself

Conventions: GELU by the error function; the Q-Former normalises after each step (post-norm, eps 1e-12), as BERT does.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

NAMES = (
    "linear-64", "mlp-64", "pool-16", "pool-4", "pool-1", "qformer-4", "qformer-8", "qformer-16", "qformer-32",
)  # fmt: skip
N_PATCH = 64
D_FEATURE = 96
D_MODEL = 96
QUIET = 0.06  # of a last matrix at the start: features are some thirty times as large as word embeddings


@dataclass(frozen=True)
class Projected:
    """What a projector returns."""

    tokens: Float[Tensor, "b k m"]
    source: Float[Tensor, "b k n"]
    off: Bool[Tensor, "b k"]


def none_off(features: Float[Tensor, "b n d"]) -> Bool[Tensor, "b n"]:
    """No patch."""
    return torch.zeros(features.shape[:2], dtype=torch.bool)


class PerPatch(nn.Module):
    """A matrix or an MLP, applied to every patch alike."""

    def __init__(self, deep: bool, d_feature: int = D_FEATURE, d_model: int = D_MODEL) -> None:
        super().__init__()
        self.linear_1 = nn.Linear(d_feature, d_model)
        self.linear_2 = nn.Linear(d_model, d_model) if deep else None

    def project(self, x: Float[Tensor, "b k d"]) -> Float[Tensor, "b k m"]:
        """Each vector for itself."""
        x = self.linear_1(x)
        return x if self.linear_2 is None else self.linear_2(F.gelu(x))

    def forward(self, features: Float[Tensor, "b n d"], off: Bool[Tensor, "b n"] | None = None) -> Projected:
        n = features.shape[1]
        source = torch.eye(n).expand(len(features), n, n)
        return Projected(self.project(features), source, none_off(features) if off is None else off)


class Pool(PerPatch):
    """The mean of each square of patches, then the MLP."""

    def __init__(
        self, n_token: int, n_patch: int = N_PATCH, d_feature: int = D_FEATURE, d_model: int = D_MODEL
    ) -> None:
        super().__init__(True, d_feature, d_model)
        side, small = round(n_patch**0.5), round(n_token**0.5)
        if small**2 != n_token or side % small:
            raise ValueError(f"{n_token} squares do not tile {side} x {side} patches")
        row = torch.arange(n_patch) // side // (side // small)
        column = torch.arange(n_patch) % side // (side // small)
        self.square = (row * small + column)[None] == torch.arange(n_token)[:, None]  # "k n"

    def forward(self, features: Float[Tensor, "b n d"], off: Bool[Tensor, "b n"] | None = None) -> Projected:
        off = none_off(features) if off is None else off
        source = (self.square & ~off[:, None]).float()
        n = source.sum(-1, keepdim=True)
        gone = n[:, :, 0] == 0
        source = torch.where(gone[:, :, None], self.square / self.square.sum(-1, keepdim=True), source / n.clamp(min=1))
        return Projected(self.project(source @ features), source, gone)


class Look(nn.Module):
    """Multi-head attention from x to y, added to x and normalised: BERT's layer, or its crossing to the picture."""

    def __init__(self, d_model: int, d_other: int, n_head: int) -> None:
        super().__init__()
        self.n_head = n_head
        self.query, self.key = nn.Linear(d_model, d_model), nn.Linear(d_other, d_model)
        self.value, self.out = nn.Linear(d_other, d_model), nn.Linear(d_model, d_model)
        self.norm = nn.LayerNorm(d_model, eps=1e-12)

    def forward(
        self, x: Float[Tensor, "b q m"], y: Float[Tensor, "b n d"], off: Bool[Tensor, "b n"] | None = None
    ) -> tuple[Float[Tensor, "b q m"], Float[Tensor, "b h q n"]]:
        def heads(z: Float[Tensor, "b _ m"]) -> Float[Tensor, "b h _ e"]:
            return z.unflatten(-1, (self.n_head, -1)).transpose(1, 2)

        query, key, value = heads(self.query(x)), heads(self.key(y)), heads(self.value(y))
        score = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5
        if off is not None:  # with every patch off all are looked at alike; the caller drops the tokens
            score = score.masked_fill(off[:, None, None], torch.finfo(score.dtype).min)
        weights = score.softmax(-1)
        return self.norm(self.out((weights @ value).transpose(1, 2).flatten(2)) + x), weights


class QLayer(nn.Module):
    """The queries look at each other, then at the picture, then each passes an MLP."""

    def __init__(self, d_model: int, d_feature: int, n_head: int, d_ff: int) -> None:
        super().__init__()
        self.itself, self.picture = Look(d_model, d_model, n_head), Look(d_model, d_feature, n_head)
        self.wide, self.narrow = nn.Linear(d_model, d_ff), nn.Linear(d_ff, d_model)
        self.norm = nn.LayerNorm(d_model, eps=1e-12)

    def forward(
        self, x: Float[Tensor, "b q m"], features: Float[Tensor, "b n d"], off: Bool[Tensor, "b n"]
    ) -> tuple[Float[Tensor, "b q m"], Float[Tensor, "b h q n"]]:
        x, _ = self.itself(x, x)
        x, weights = self.picture(x, features, off)
        return self.norm(self.narrow(F.gelu(self.wide(x))) + x), weights


class QFormer(nn.Module):
    """BLIP-2's bridge, small: learned queries, two layers, both with a look at the picture, and a matrix at the end."""

    def __init__(
        self, n_query: int, n_layer: int = 2, n_head: int = 4, d_ff: int = 192,
        d_feature: int = D_FEATURE, d_query: int = D_MODEL, d_model: int = D_MODEL,
    ) -> None:  # fmt: skip
        super().__init__()
        self.queries = nn.Parameter(torch.zeros(n_query, d_query))
        self.see = nn.LayerNorm(d_feature)  # BLIP-2's comes after its vision encoder
        self.norm = nn.LayerNorm(d_query, eps=1e-12)
        self.layers = nn.ModuleList(QLayer(d_query, d_feature, n_head, d_ff) for _ in range(n_layer))
        self.out = nn.Linear(d_query, d_model)

    def forward(self, features: Float[Tensor, "b n d"], off: Bool[Tensor, "b n"] | None = None) -> Projected:
        off = none_off(features) if off is None else off
        x, looked = self.norm(self.queries).expand(len(features), -1, -1), []
        features = self.see(features)
        for layer in self.layers:
            x, weights = layer(x, features, off)
            looked.append(weights)
        source = torch.stack(looked).mean((0, 2))
        return Projected(self.out(x), source, off.all(1, keepdim=True).expand(-1, x.shape[1]))


Projector = PerPatch | QFormer


def make(name: str, generator: torch.Generator | None = None) -> Projector:
    """A projector of NAMES, with random weights if there is a generator."""
    kind, count = name.split("-")
    n = int(count)
    module: Projector
    match kind:
        case "linear" | "mlp":
            module = PerPatch(kind == "mlp")
        case "pool":
            module = Pool(n)
        case "qformer":
            module = QFormer(n)
        case _:
            raise ValueError(f"no such projector: {name}")
    if generator is not None:
        for key, weight in module.named_parameters():
            if weight.dim() > 1:
                last = key in ("linear_2.weight", "out.weight") or name.startswith("linear")
                std = 1.0 if key == "queries" else weight.shape[1] ** -0.5 * (QUIET if last else 1.0)
                nn.init.normal_(weight, std=std, generator=generator)
            elif key.endswith("bias"):
                nn.init.zeros_(weight)
    return module


def n_token(name: str) -> int:
    """How many image tokens it makes of a picture."""
    return int(name.split("-")[1])


def n_param(module: nn.Module) -> int:
    """Weights of a module."""
    return sum(weight.numel() for weight in module.parameters())
