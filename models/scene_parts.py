"""Building blocks that the picture models share: residual blocks, attention with its weights, the time embedding.

Sources: He et al. 2016, "Identity Mappings in Deep Residual Networks" (norm, activation, convolution); Wu & He 2018,
"Group Normalization"; Vaswani et al. 2017, "Attention Is All You Need", section 3.2.1; Ho et al. 2020, "Denoising
Diffusion Probabilistic Models", appendix B (how the time enters).

    res block    out = skip(x) + conv(silu(norm(conv(silu(norm(x))) + W_t silu(e_t))))
    attention    A = softmax(Q K^T / sqrt(d))       z = A V          out = W_o z
    e_t          [cos(t f_k), sin(t f_k)],  f_k = 10000^(-k / n)     k = 0..n-1, n half the width

Glossary
    norm   group normalisation, 8 groups                A   attention, "b heads queries keys"; rows sum to 1
    skip   the identity, or a 1 x 1 convolution where the number of channels changes

Conventions: the last convolution of a block and the last matrix of an attention start at zero, so every block begins as
the identity. Weights are drawn from the generator given, never from the global one.
"""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

N_GROUP = 8


def norm(n_channel: int) -> nn.GroupNorm:
    """Group normalisation with its own gain and shift per channel."""
    return nn.GroupNorm(N_GROUP, n_channel, eps=1e-5)


def conv(n_in: int, n_out: int, stride: int = 1) -> nn.Conv2d:
    """A 3 x 3 convolution that keeps the picture's size, or halves it."""
    return nn.Conv2d(n_in, n_out, 3, stride, padding=1)


def initialise(model: nn.Module, generator: torch.Generator) -> None:
    """Normal weights of variance 1 / fan-in, biases 0, and zero for what a block adds last (names with `_last`)."""
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() > 1:
                std = 0.0 if "_last." in name else weight[0].numel() ** -0.5
                weight.normal_(0.0, 1.0, generator=generator).mul_(std)
            elif name.endswith("bias"):
                weight.zero_()


class ResBlock(nn.Module):
    """Two convolutions beside a skip connection. `n_time`: width of the time embedding, 0 where there is none."""

    def __init__(self, n_in: int, n_out: int, n_time: int = 0) -> None:
        super().__init__()
        self.norm_1, self.conv_1 = norm(n_in), conv(n_in, n_out)
        self.norm_2, self.conv_last = norm(n_out), conv(n_out, n_out)
        self.time = nn.Linear(n_time, n_out) if n_time else None
        self.skip = nn.Conv2d(n_in, n_out, 1) if n_in != n_out else nn.Identity()

    def forward(self, x: Float[Tensor, "b c h w"], e: Float[Tensor, "b k"] | None = None) -> Float[Tensor, "b d h w"]:
        y = self.conv_1(F.silu(self.norm_1(x)))
        if self.time is not None and e is not None:
            y = y + self.time(F.silu(e))[:, :, None, None]
        return self.skip(x) + self.conv_last(F.silu(self.norm_2(y)))


class Attention(nn.Module):
    """Queries from x look at keys from y (self-attention: y is x)."""

    def __init__(self, n_query: int, n_key: int, n_head: int) -> None:
        super().__init__()
        self.n_head = n_head
        self.w_q = nn.Linear(n_query, n_query, bias=False)
        self.w_kv = nn.Linear(n_key, 2 * n_query, bias=False)
        self.w_last = nn.Linear(n_query, n_query)

    def forward(
        self, x: Float[Tensor, "b q c"], y: Float[Tensor, "b k d"], mask: Bool[Tensor, "b k"] | None = None
    ) -> tuple[Float[Tensor, "b q c"], Float[Tensor, "b heads q k"]]:
        """What x takes from y, and the attention. `mask`: False for what nobody may look at."""

        def heads(z: Tensor) -> Tensor:
            return z.unflatten(-1, (self.n_head, -1)).transpose(1, 2)

        key, value = self.w_kv(y).chunk(2, -1)
        query = heads(self.w_q(x))
        score = query @ heads(key).transpose(-1, -2) * query.shape[-1] ** -0.5
        if mask is not None:
            score = score.masked_fill(~mask[:, None, None], -torch.inf)
        attention = score.softmax(-1)
        return self.w_last((attention @ heads(value)).transpose(1, 2).flatten(2)), attention


def time_embedding(t: Float[Tensor, "b"], width: int) -> Float[Tensor, "b k"]:
    """Cosines, then sines."""
    frequency = torch.exp(-math.log(10_000) * torch.arange(width // 2) / (width // 2))
    angle = t[:, None] * frequency
    return torch.cat((angle.cos(), angle.sin()), -1)
