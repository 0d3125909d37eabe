"""One forward pass of a language model over a text, read once and shared by everything that is drawn from it.

Sources: switching a head off, Michel et al. 2019, "Are Sixteen Heads Really Better than One?", section 3; Olsson et al.
2022, "In-context Learning and Induction Heads", "Argument 3".

    x' = x + sum_h z_h W_O^h          without head h: z_h = 0, everything else as it was
    KL(p || q) = sum_v p_v (log2 p_v - log2 q_v)        what the whole model's prediction p loses in q, in bits

Axes: l layer, h query head, t query position, s key position, m thumbnail pixel, n score, v vocabulary, k candidate for
the next token. Layers, heads and positions count from 0.
"""

import math
import re
from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from models.grouped_attention import key_heads
from models.head_roles import Pair, overlap_means, role_scores
from models.language_model import LanguageModel, Reading, load

N_TOKEN = 128  # a longer text is cut: 128 x 128 cells are what a screen can show
N_PIXEL = 32  # side of a thumbnail
N_NEXT = 10  # candidates for the next token


def parse_heads(text: str, n_layer: int, n_head: int) -> tuple[frozenset[Pair], tuple[str, ...]]:
    """ "3.1 5.0" as {(3, 1), (5, 0)}; also L3H1, 3:1 and commas. Second: the parts that name no head; never raises."""
    good, bad = set(), []
    for part in re.split(r"[\s,;，；、]+", text.strip()):
        match = re.fullmatch(r"[Ll]?(\d{1,4})[.:hH](\d{1,4})", part)
        pair = (int(match[1]), int(match[2])) if match else (n_layer, n_head)
        if pair[0] < n_layer and pair[1] < n_head:
            good.add(pair)
        elif part:
            bad.append(part)
    return frozenset(good), tuple(bad)


def cut(model: LanguageModel, text: str) -> tuple[list[int], int]:
    """The text's tokens, at most N_TOKEN, and how many were left out. What ends every text ([SEP]) still ends it."""
    ids, frame = model.encode(text), model.encode("")
    limit = min(N_TOKEN, model.n_ctx)
    if len(ids) <= limit:
        return ids, 0
    n_end = 0
    while n_end < len(frame) and ids[-1 - n_end] == frame[-1 - n_end]:
        n_end += 1
    n_end = min(n_end, limit - 1)
    return ids[: limit - n_end] + ids[len(ids) - n_end :], len(ids) - limit


def shrink(attention: Float[Tensor, "l h t s"]) -> UInt8[Tensor, "l h m m"]:
    """Thumbnails of at most N_PIXEL x N_PIXEL bytes."""
    n = attention.shape[-1]
    small = F.adaptive_max_pool2d(attention, N_PIXEL) if n > N_PIXEL else attention
    return (small * 255).round().to(torch.uint8)


@dataclass(frozen=True)
class Look:
    """A reading and what all heads of it have in common."""

    reading: Reading
    n_cut: int
    score: Float[Tensor, "n l h"]
    maps: UInt8[Tensor, "l h m m"]
    overlap_within: float
    overlap_across: float


@lru_cache(maxsize=8)  # about 30 MB each for SmolLM2 with 128 tokens
@torch.no_grad()
def look(name: str, text: str, ablate: frozenset[Pair]) -> Look:
    """One forward pass. Cached, so that a click on another head of the same text computes nothing of it again."""
    model = load(name)
    ids, n_cut = cut(model, text)
    reading = model.read(ids, ablate)
    key_head = key_heads(model.n_head, model.n_kv_head)
    score = role_scores(reading.attention, reading.ids, model.causal)
    return Look(reading, n_cut, score, shrink(reading.attention), *overlap_means(reading.attention, key_head))


def next_tokens(
    before: Float[Tensor, "v"], after: Float[Tensor, "v"]
) -> tuple[Int[Tensor, "k"], Float[Tensor, "k"], Float[Tensor, "k"], float]:
    """The N_NEXT tokens most likely before or after, by probability before; both probabilities; KL(before || after)."""
    p, q = before.softmax(-1), after.softmax(-1)
    top = torch.maximum(p, q).topk(min(N_NEXT, len(p))).indices
    top = top[p[top].argsort(descending=True, stable=True)]
    # From logits, because a probability may be too small for its logarithm.
    divergence = (p * (before.log_softmax(-1) - after.log_softmax(-1))).sum() / math.log(2)
    return top, p[top], q[top], max(0.0, float(divergence))
