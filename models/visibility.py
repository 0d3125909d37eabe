"""Who may look at whom: eleven attention masks as rules on positions, their pair counts, and how far sight spreads.

A mask is a yes/no table: row t (the query's position) may look at column s (the key's position). Each rule below is one
line of arithmetic on t and s, so it makes one mask from plain numbers or a whole batch of masks from tensors (n, 1, 1).

    full          everyone sees everyone                          Vaswani et al. 2017, sec. 3.2.3 (encoder)
    causal        s <= t                                          the same (decoder)
    prefix        causal, but the first n_prefix see each other   Raffel et al. 2020 (T5), sec. 3.2.1
    cross         everyone sees the source, no one the target     Vaswani et al. 2017, sec. 3.2.3 (encoder-decoder)
    sliding       causal and s > t - window                       Jiang et al. 2023 (Mistral 7B), sec. 2
    local_global  sliding layers, then one causal layer           Gemma 2 report, sec. 2 (1:1); Gemma 3, sec. 2 (5:1)
    chunked       causal inside blocks of `chunk`                 Llama 4, `attention_chunk_size`
    strided       the last `stride`, then every stride-th         Child et al. 2019, sec. 4.3, merged as in sec. 5.1
    longformer    window // 2 on both sides, plus global tokens   Beltagy et al. 2020, sec. 3.1
    packed        causal inside each of n_document documents      Zhao et al. 2024, abstract
    image_prefix  causal, but the image's tokens see each other   Gemma 3 in `transformers`, `blockwise_overlay`

Glossary: t query position, s key position (both from 0), n_token tokens, window the tokens a sliding row sees, itself
included.

Conventions: W = window counts the token itself, as `sliding_window_overlay` in `transformers` does; the Mistral paper's
closed interval [t - W, t] would hold W + 1. In `cross`, one sequence is source followed by target: the source rows are
the encoder's own full attention, the target rows the decoder's cross-attention. The image stands at positions
1..n_image, after one token of text.

No row is ever empty: every rule lets a token see itself, except `cross`, where it sees the source, which has at least
one token. So softmax never divides by zero.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Int
from torch import Tensor

Number = Any  # an int; or a tensor (n, 1, 1), for n masks at once
Answer = dict[str, int | float]


@dataclass(frozen=True)
class Shape:
    """The numbers that shape a mask, already cut down to what n_token tokens allow."""

    n_token: int
    window: Number = 1
    n_prefix: Number = 0
    n_source: Number = 1
    chunk: Number = 1
    stride: Number = 1
    n_global: Number = 0
    n_document: Number = 1
    n_image: Number = 0
    n_layer: Number = 1  # in local_global, the mask is that of layer n_layer of the stack, counted from 1
    local_per_global: Number = 1


def bounds(n_token: int) -> dict[str, tuple[int, int]]:
    """{number: (least, greatest) value that makes a difference with n_token tokens}."""
    return {
        "window": (1, n_token),
        "n_prefix": (0, n_token),
        "n_source": (1, max(1, n_token - 1)),  # at least one source token, and one target token if there are two
        "chunk": (1, n_token),
        "stride": (1, n_token),
        "n_global": (0, n_token),
        "n_document": (1, min(16, n_token)),
        "n_image": (0, n_token - 1),
        "n_layer": (1, 12),
        "local_per_global": (1, 7),
    }


def fit(wanted: object, n_token: int) -> Shape:
    """The Shape with the numbers that `wanted` (a Config) has under the same names, cut down to n_token tokens."""
    return Shape(
        n_token, **{name: min(max(getattr(wanted, name), low), high) for name, (low, high) in bounds(n_token).items()}
    )


Rule = Callable[[Tensor, Tensor, Shape], Tensor]


def full(t: Tensor, s: Tensor, shape: Shape) -> Tensor:
    return (t >= 0) & (s >= 0)


def causal(t: Tensor, s: Tensor, shape: Shape) -> Tensor:
    return s <= t


def prefix(t: Tensor, s: Tensor, shape: Shape) -> Tensor:
    return (s <= t) | (s < shape.n_prefix)


def cross(t: Tensor, s: Tensor, shape: Shape) -> Tensor:
    return (t >= 0) & (s < shape.n_source)


def sliding(t: Tensor, s: Tensor, shape: Shape) -> Tensor:
    return (s <= t) & (s > t - shape.window)


def local_global(t: Tensor, s: Tensor, shape: Shape) -> Tensor:
    is_global = shape.n_layer % (shape.local_per_global + 1) == 0
    return (s <= t) & ((s > t - shape.window) | is_global)


def chunked(t: Tensor, s: Tensor, shape: Shape) -> Tensor:
    return (s <= t) & (t // shape.chunk == s // shape.chunk)


def strided(t: Tensor, s: Tensor, shape: Shape) -> Tensor:
    return (s <= t) & ((s > t - shape.stride) | ((t - s) % shape.stride == 0))


def longformer(t: Tensor, s: Tensor, shape: Shape) -> Tensor:
    return ((t - s).abs() <= shape.window // 2) | (t < shape.n_global) | (s < shape.n_global)


def packed(t: Tensor, s: Tensor, shape: Shape) -> Tensor:
    return (s <= t) & (t * shape.n_document // shape.n_token == s * shape.n_document // shape.n_token)


def image_prefix(t: Tensor, s: Tensor, shape: Shape) -> Tensor:
    in_image = (t >= 1) & (t <= shape.n_image) & (s >= 1) & (s <= shape.n_image)
    return (s <= t) | in_image


RULES: dict[str, Rule] = {
    "full": full,
    "causal": causal,
    "prefix": prefix,
    "cross": cross,
    "sliding": sliding,
    "local_global": local_global,
    "chunked": chunked,
    "strided": strided,
    "longformer": longformer,
    "packed": packed,
    "image_prefix": image_prefix,
}

# The number a reader would turn to see what the mask is about; full and causal have none.
PARAMETER: dict[str, str | None] = {
    "full": None,
    "causal": None,
    "prefix": "n_prefix",
    "cross": "n_source",
    "sliding": "window",
    "local_global": "n_layer",
    "chunked": "chunk",
    "strided": "stride",
    "longformer": "n_global",
    "packed": "n_document",
    "image_prefix": "n_image",
}


def visible(name: str, shape: Shape) -> Bool[Tensor, "*n t s"]:
    """The mask: True where row t may look at column s. One mask, or n of them if a number in `shape` is (n, 1, 1)."""
    position = torch.arange(shape.n_token)
    return RULES[name](position[:, None], position[None, :], shape)


def count(name: str, shape: Shape) -> tuple[str, int]:
    """(formula, value): how many pairs a mask leaves visible, in closed form, without making the mask.

    Every number in `shape` is an int. Symbols: n tokens, W window, p prefix, m source, c chunk, l stride, g global
    tokens, k image tokens; q and r quotient and remainder of n by c, l or the number of documents.
    """
    n, triangle = shape.n_token, lambda m: m * (m + 1) // 2
    match name:
        case "full":
            return "n²", n * n
        case "causal":
            return "n(n+1)/2", triangle(n)
        case "prefix":
            p = shape.n_prefix
            return "n(n+1)/2 + p(p−1)/2", triangle(n) + triangle(p - 1)
        case "cross":
            return "n·m", n * shape.n_source
        case "sliding":
            w = min(shape.window, n)
            return "nW − W(W−1)/2", n * w - triangle(w - 1)
        case "local_global":
            return count("sliding" if shape.n_layer % (shape.local_per_global + 1) else "causal", shape)
        case "chunked":
            q, r = divmod(n, shape.chunk)
            return "q·c(c+1)/2 + r(r+1)/2", q * triangle(shape.chunk) + triangle(r)
        case "strided":
            w = min(shape.stride, n)
            q, r = divmod(n, shape.stride)
            return "nl − l(l−1)/2 + l·q(q−1)/2 + qr", n * w - triangle(w - 1) + shape.stride * triangle(q - 1) + q * r
        case "longformer":
            rest = n - shape.n_global  # tokens that are not global
            h = min(shape.window // 2, max(rest - 1, 0))
            return "n² − (n−g)² + (n−g)(2h+1) − h(h+1)", n * n - rest * rest + rest * (2 * h + 1) - h * (h + 1)
        case "packed":
            # n tokens into D documents: r documents of q + 1 tokens, the others of q.
            q, r = divmod(n, shape.n_document)
            return "(D−r)·q(q+1)/2 + r·(q+1)(q+2)/2", (shape.n_document - r) * triangle(q) + r * triangle(q + 1)
        case "image_prefix":
            k = shape.n_image
            return "n(n+1)/2 + k(k−1)/2", triangle(n) + triangle(k - 1)
    raise ValueError(f"no mask is called {name}")


def reach(layers: Bool[Tensor, "l t s"]) -> Bool[Tensor, "l t s"]:
    """Who can have heard of whom: reach[l, t, s] is True if token s can influence row t after layers 0..l.

    reach_l = (mask_l or I) · reach_{l-1} in Boolean algebra; I is the residual stream, which carries a token's own past
    on even where attention does not look.
    """
    n_token = layers.shape[-1]
    seen, steps = torch.eye(n_token), []
    for mask in layers:
        # 0/1 products counted in floats: exact up to 2^24, and far faster than integers.
        seen = (((mask.float() + torch.eye(n_token)) @ seen) > 0).float()
        steps.append(seen > 0)
    return torch.stack(steps)


def reach_width(reached: Bool[Tensor, "l t s"]) -> Int[Tensor, "l"]:
    """How many tokens the best-informed row can have heard of after each layer: the receptive field."""
    return reached.sum(-1).amax(-1)


def far_row(reached: Bool[Tensor, "l t s"]) -> int:
    """The row to tell of: it hears of most in the end and began with the least; the last of several such rows."""
    n_token = reached.shape[-1]
    rank = reached[-1].sum(-1) * (n_token + 1) - reached[0].sum(-1)
    return n_token - 1 - int(rank.flip(0).argmax())


# --- claims that a count settles -------------------------------------------------------------------------------------


def claim_pairs() -> Answer:
    """Pairs at GPT-3's length, n = 2,048, and the share of its arithmetic that QK^T and AV are."""
    n, d_model = 2_048, 12_288
    shape = Shape(n, stride=45)  # 45 is sqrt(n), rounded: the paper's choice
    pairs = {name: int(visible(name, shape).sum()) for name in ("full", "causal", "strided")}
    n_sqrt, n_log = round(n * math.sqrt(n)), round(n * math.log2(n))
    # Per token and layer: 24 d^2 operations in the weight matrices, 4 n d in QK^T and AV.
    return {"n": n, **pairs, "n_sqrt": n_sqrt, "n_log": n_log, "share": n / (n + 6 * d_model)}


def claim_window() -> Answer:
    """How many tokens a row sees under s > t - W, and under the closed interval [t - W, t]."""
    window, n = 4, 32
    shape = Shape(n, window=window)
    t, s = torch.arange(n)[:, None], torch.arange(n)[None, :]
    closed = (s <= t) & (s >= t - window)
    both_sides = visible("longformer", replace(shape, n_global=0))
    return {
        "window": window,
        "code": int(visible("sliding", shape)[-1].sum()),
        "closed": int(closed[-1].sum()),
        "longformer": int(both_sides[n // 2].sum()),
    }


def claim_reach() -> Answer:
    """The receptive field of stacked windows, measured on a small stack, and the same formula for Mistral 7B v0.1."""
    window, n_layer, n = 4, 3, 32
    layers = visible("sliding", Shape(n, window=window)).expand(n_layer, n, n)
    return {
        "window": window,
        "n_layer": n_layer,
        "measured": int(reach_width(reach(layers))[-1]),
        "formula": n_layer * (window - 1) + 1,
        "product": n_layer * window,
        "mistral": 32 * (4_096 - 1) + 1,
        "mistral_product": 32 * 4_096,
    }


def claim_interleave() -> Answer:
    """Visible pairs of Gemma's layer patterns as a share of all-causal layers, at each model's longest context."""
    answer: Answer = {}
    for name, window, ratio, n in (("gemma2", 4_096, 1, 8_192), ("gemma3", 1_024, 5, 131_072)):
        stack = [Shape(n, window=window, n_layer=i + 1, local_per_global=ratio) for i in range(ratio + 1)]
        pairs = sum(count("local_global", shape)[1] for shape in stack)
        answer |= {f"{name}_window": window, f"{name}_ratio": ratio, f"{name}_n": n}
        answer[f"{name}_share"] = pairs / (len(stack) * count("causal", stack[0])[1])
    return answer


@torch.no_grad()
def claim_rank(n: int = 256, n_draw: int = 5) -> Answer:
    """Effective rank, exp(entropy of the singular values' shares), of softmax matrices of random Q K^T."""
    answer: Answer = {"n": n}
    for d_head in (4, 64):
        query, key = torch.randn(2, n_draw, n, d_head, generator=torch.Generator().manual_seed(0))
        score = query @ key.mT * d_head**-0.5
        for name in ("full", "causal"):
            weight = score.masked_fill(~visible(name, Shape(n)), -math.inf).softmax(-1)
            share = F.normalize(torch.linalg.svdvals(weight), p=1, dim=-1)
            answer[f"{name}_{d_head}"] = float(torch.special.entr(share).sum(-1).exp().mean())
    return answer


CLAIMS: dict[str, Callable[[], Answer]] = {
    "pairs": claim_pairs,
    "window": claim_window,
    "reach": claim_reach,
    "interleave": claim_interleave,
    "rank": claim_rank,
}
