"""Six ways to tell a transformer where its tokens stand: nothing, two tables, two biases, one rotation.

Sources: sinusoidal, Vaswani et al. 2017, "Attention Is All You Need", section 3.5. Learned table, Gehring et al. 2017,
section 3.1. Relative bias in buckets, Raffel et al. 2020, "T5", section 2.1. ALiBi, Press et al. 2022, section 3; the
slopes of other than 2^n heads, its published code. RoPE, Su et al. 2021, section 3.4.2. None, Kazemnejad et al. 2023.

    none         score[t, s] = q_t . k_s / sqrt(d)                        x_t = e_t
    sinusoidal   the same                                                 x_t = e_t + p_t
    learned      the same                                                 x_t = e_t + P[t]
    t5           q_t . k_s / sqrt(d) + B[bucket(t - s), h]                x_t = e_t
    alibi        q_t . k_s / sqrt(d) - m_h |t - s|                        x_t = e_t
    rope         a^2 (R_t q_t) . (R_s k_s) / sqrt(d)                      x_t = e_t

Glossary
    e, x      token embedding, and what enters the first layer    p, P     sine and cosine vectors; a table of vectors
    q, k      query and key of one head, d features each          B        bias: one number per bucket and head
    m_h       slope of head h                                     R_t      turns pair i by t * inv_freq[i] radians
    a         attention factor: 1, or YaRN's temperature          h        head

Axes: b batch, h head, t query position, s key position, d head feature, m model feature, p pair of features.
Positions count from 0. The queries are the last t of the s positions: keys may come from a cache.

Conventions: distance = t - s, positive into the past. RoPE in half-split pairs with a positive angle, like
models/tiny_lm.py. Every scheme divides by sqrt(d); T5 itself leaves the division out and starts with a W_Q that much
smaller instead, which is the same function of other weights. T5's and ALiBi's biases are shared by all layers.
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

from models.tiny_lm import rope

ROPE_BASE = 10_000.0


class NoPosition(nn.Module):
    """No position at all, and everything that another scheme may change."""

    def embed(self, n_token: int) -> Float[Tensor, "t m"] | float:
        """What is added to the token embeddings of positions 0 .. n_token - 1."""
        return 0.0

    def scores(self, query: Float[Tensor, "*b h t d"], key: Float[Tensor, "*b h s d"]) -> Float[Tensor, "*b h t s"]:
        """Attention scores before the mask. Query i stands at position s - t + i."""
        return (query @ key.transpose(-2, -1)).mul_(query.shape[-1] ** -0.5)  # in place: at 1,024 tokens memory is time


class Sinusoidal(NoPosition):
    """p[t, 2 i] = sin(t / base^(2 i / d_model)), p[t, 2 i + 1] = cos of the same: defined for every position."""

    def __init__(self, d_model: int, base: float = ROPE_BASE) -> None:
        super().__init__()
        self.d_model, self.base = d_model, base

    def embed(self, n_token: int) -> Float[Tensor, "t m"]:
        feature = torch.arange(self.d_model)
        inv_freq = self.base ** (-2.0 * (feature // 2) / self.d_model)
        angle = torch.arange(n_token)[:, None] * inv_freq
        return torch.where(feature % 2 == 0, angle.sin(), angle.cos())


class Learned(NoPosition):
    """One trained vector per position. There is none for position n_ctx: IndexError."""

    def __init__(self, n_ctx: int, d_model: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros(n_ctx, d_model))

    def embed(self, n_token: int) -> Float[Tensor, "t m"]:
        return self.table[torch.arange(n_token)]


def distances(n_query: int, n_key: int) -> Int[Tensor, "t s"]:
    """t - s, the queries being the last of the positions."""
    return spread(falling(n_query, n_key), n_query)


def falling(n_query: int, n_key: int) -> Int[Tensor, "n"]:
    """Every distance once, n_key - 1, ..., 1 - n_query."""
    return torch.arange(n_key - 1, -n_query, -1)


def spread(value: Shaped[Tensor, "*h n"], n_query: int) -> Shaped[Tensor, "*h t s"]:
    """A number for each of the distances `falling` as a matrix: entry (t, s) is that of t - s."""
    return value.unfold(-1, value.shape[-1] - n_query + 1, 1).flip(-2)


class RelativeBias(NoPosition):
    """T5: a trained number per bucket of distances and head. Near distances have a bucket each, far ones share."""

    def __init__(self, n_head: int, n_bucket: int = 32, max_distance: int = 128, bidirectional: bool = False) -> None:
        """Raises ValueError for bounds that leave no room for the logarithmic half of the buckets."""
        super().__init__()
        self.n_bucket, self.max_distance, self.bidirectional = n_bucket, max_distance, bidirectional
        if not 1 <= self.n_exact < max_distance:
            raise ValueError(f"{n_bucket} buckets up to distance {max_distance}: no logarithmic half")
        self.table = nn.Parameter(torch.zeros(n_bucket, n_head))

    @property
    def n_side(self) -> int:
        """Buckets of one direction."""
        return self.n_bucket // 2 if self.bidirectional else self.n_bucket

    @property
    def n_exact(self) -> int:
        """Distances 0 .. n_exact - 1 have a bucket each."""
        return self.n_side // 2

    def bucket(self, distance: Int[Tensor, "*n"]) -> Int[Tensor, "*n"]:
        """Which bucket holds each distance t - s.

        From n_exact on, the buckets grow like a logarithm; all from max_distance on share the last. One direction
        only: the future (negative) counts as distance 0, for the mask removes it. Both: it has the upper half.
        """
        future = (distance < 0).long()
        far = distance.abs() if self.bidirectional else distance.clamp(min=0)
        n_log = self.n_side - self.n_exact
        step = (far.clamp(min=1).float() / self.n_exact).log() / math.log(self.max_distance / self.n_exact) * n_log
        logarithmic = (self.n_exact + step.long()).clamp(max=self.n_side - 1)
        side = self.n_side * future if self.bidirectional else 0
        return torch.where(far < self.n_exact, far, logarithmic) + side

    def bias(self, n_query: int, n_key: int) -> Float[Tensor, "h t s"]:
        """What is added to the scores."""
        return spread(self.table[self.bucket(falling(n_query, n_key))].T, n_query)

    def scores(self, query: Float[Tensor, "*b h t d"], key: Float[Tensor, "*b h s d"]) -> Float[Tensor, "*b h t s"]:
        return super().scores(query, key).add_(self.bias(query.shape[-2], key.shape[-2]))


def slopes(n_head: int) -> Float[Tensor, "h"]:
    """ALiBi's slope of each head: 2^(-8/n), 2^(-16/n), ..., 2^-8 for n = n_head a power of two.

    Otherwise: those of the next smaller power n, then every second slope of 2 n heads.
    """
    n = 2 ** int(math.log2(n_head))
    exponent = [8 * i / n for i in range(1, n + 1)] + [4 * i / n for i in range(1, 2 * (n_head - n), 2)]
    return torch.tensor([2.0**-e for e in exponent])


class Alibi(NoPosition):
    """A fixed penalty that grows linearly with the distance, at another slope for each head."""

    slope: Tensor

    def __init__(self, n_head: int) -> None:
        super().__init__()
        self.register_buffer("slope", slopes(n_head), persistent=False)

    def bias(self, n_query: int, n_key: int) -> Float[Tensor, "h t s"]:
        """What is added to the scores: never positive. (The future, if unmasked, is penalised alike.)"""
        return spread(-self.slope[:, None] * falling(n_query, n_key).abs(), n_query)

    def scores(self, query: Float[Tensor, "*b h t d"], key: Float[Tensor, "*b h s d"]) -> Float[Tensor, "*b h t s"]:
        return super().scores(query, key).add_(self.bias(query.shape[-2], key.shape[-2]))


class Rotary(NoPosition):
    """RoPE: queries and keys turned by angles proportional to their positions."""

    inv_freq: Tensor

    def __init__(self, inv_freq: Float[Tensor, "p"], attention_factor: float = 1.0) -> None:
        """`inv_freq` in radians per position; `attention_factor` multiplies q and k, the score by its square."""
        super().__init__()
        self.register_buffer("inv_freq", inv_freq, persistent=False)
        self.attention_factor = attention_factor

    def rotate(self, x: Float[Tensor, "*b h t d"], position: Int[Tensor, "t"]) -> Float[Tensor, "*b h t d"]:
        """x turned as at these positions, times the attention factor."""
        rows = x.reshape(1, -1, *x.shape[-2:])  # all batch axes and heads as one
        return rope(rows, position[:, None] * self.inv_freq).reshape(x.shape) * self.attention_factor

    def scores(self, query: Float[Tensor, "*b h t d"], key: Float[Tensor, "*b h s d"]) -> Float[Tensor, "*b h t s"]:
        position = torch.arange(key.shape[-2])
        turned = self.rotate(query, position[-query.shape[-2] :])
        return super().scores(turned, self.rotate(key, position))


def rope_frequency(n_pair: int, base: float = ROPE_BASE) -> Float[Tensor, "p"]:
    """inv_freq[i] = base^(-i / n_pair), radians per position."""
    return 1.0 / base ** (torch.arange(n_pair) / n_pair)


def t5_for(n_head: int, n_ctx: int) -> RelativeBias:
    """T5's proportions at another length: it read 512 tokens, its buckets end at 128, and there are 128 / 4 of them.

    So every bucket, the last too, is met in training. At least 8 buckets.
    """
    max_distance = max(8, n_ctx // 4)
    return RelativeBias(n_head, max(8, max_distance // 4), max_distance)


SCHEMES: dict[str, Callable[[int, int, int, int], NoPosition]] = {  # of n_head, d_head, d_model, n_ctx
    "none": lambda n_head, d_head, d_model, n_ctx: NoPosition(),
    "sinusoidal": lambda n_head, d_head, d_model, n_ctx: Sinusoidal(d_model),
    "learned": lambda n_head, d_head, d_model, n_ctx: Learned(n_ctx, d_model),
    "t5": lambda n_head, d_head, d_model, n_ctx: t5_for(n_head, n_ctx),
    "alibi": lambda n_head, d_head, d_model, n_ctx: Alibi(n_head),
    "rope": lambda n_head, d_head, d_model, n_ctx: Rotary(rope_frequency(d_head // 2)),
}
