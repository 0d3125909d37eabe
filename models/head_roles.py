"""What an attention head looks at, as numbers: five scores, what two heads have in common, and the strongest relation.

Sources: previous-token and induction heads, Olsson et al. 2022, "In-context Learning and Induction Heads", section "Key
Concepts". Sinks, Xiao et al. 2023, "Efficient Streaming Language Models with Attention Sinks", section 3.1. Offsets and
entropy of real heads, Clark et al. 2019, "What Does BERT Look At?", section 3. Shared keys, Ainslie et al. 2023, "GQA",
section 2.2.

Each score is a mean over the positions t it is defined for; 0 if there are none
    previous   A[t, t - 1], for t > 0
    induction  A[t, p + 1], p the last position before t - 1 that holds the same token as t
    sink       A[t, 0], for t > 0
    same       sum of A[t, s] over the other positions s it may see that hold the same token as t
    entropy    -sum_s A[t, s] log2 A[t, s], bits: 0 looks at one token, log2 n looks at n tokens evenly

Glossary
    A, attention   row t says how position t divides its look over positions s; every row sums to 1
    overlap        sum_s min(A_i[t, s], A_j[t, s]), mean over t: the attention that heads i and j have in common

Axes: l layer, h query head, t query position, s key position, n score. All count from 0.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

ROLE = 0.5  # a head has a role when more than half of its attention goes there
SCORES = ("previous", "induction", "sink", "same", "entropy")

Pair = tuple[int, int]


def earlier_copy(ids: Int[Tensor, "t"]) -> list[Pair]:
    """(t, p) for each position t whose token stood before: p is its last position before t - 1.

    Position t - 1 does not count: the token after it is t itself, and looking at oneself copies nothing.
    """
    last: dict[int, int] = {}
    pairs = []
    for t, token in enumerate(ids.tolist()):
        if t >= 2:
            last[int(ids[t - 2])] = t - 2
        if token in last:
            pairs.append((t, last[token]))
    return pairs


def role_scores(attention: Float[Tensor, "l h t s"], ids: Int[Tensor, "t"], causal: bool) -> Float[Tensor, "n l h"]:
    """The five scores of every head, in the order of SCORES."""
    n = len(ids)
    zero = attention.new_zeros(attention.shape[:2])
    previous = attention.diagonal(-1, -2, -1).mean(-1) if n > 1 else zero
    sink = attention[..., 1:, 0].mean(-1) if n > 1 else zero
    copies = earlier_copy(ids)
    t, p = torch.tensor(copies, dtype=torch.long).reshape(-1, 2).T
    induction = attention[..., t, p + 1].mean(-1) if copies else zero
    twin = (ids[:, None] == ids).fill_diagonal_(False)
    twin = twin.tril() if causal else twin
    rows = twin.any(-1)
    same = (attention * twin).sum(-1)[..., rows].mean(-1) if rows.any() else zero
    # xlogy(0, 0) = 0, the limit of p log p.
    entropy = -torch.special.xlogy(attention, attention).sum(-1).mean(-1) / math.log(2)
    return torch.stack((previous, induction, sink, same, entropy))


def overlap(attention: Float[Tensor, "h t s"]) -> Float[Tensor, "h h"]:
    """Attention that two heads have in common: 1 for the same map, 0 for maps that never meet."""
    return torch.stack([torch.minimum(one, attention).sum(-1).mean(-1) for one in attention])


def overlap_means(attention: Float[Tensor, "l h t s"], key_head: Int[Tensor, "h"]) -> tuple[float, float]:
    """Mean overlap of two different heads of one layer: those that share keys, those that do not."""
    shared = key_head[:, None] == key_head
    pairs = torch.stack([overlap(layer) for layer in attention])
    within = pairs[:, shared & ~torch.eye(len(key_head), dtype=torch.bool)]
    across = pairs[:, ~shared]
    return (float(within.mean()) if within.numel() else 0.0), (float(across.mean()) if across.numel() else 0.0)


def strongest_relation(
    attention: Float[Tensor, "t s"], label: Sequence[str], special: Sequence[bool]
) -> tuple[Pair, float]:
    """The largest weight from one word to another: not to itself, not from or to a special token or punctuation, and
    not to position 0, where a head parks the attention it has no use for."""
    word = torch.tensor([any(c.isalnum() for c in text) and not s for text, s in zip(label, special, strict=True)])
    allowed = (word[:, None] & word).fill_diagonal_(False)
    allowed[:, 0] = False
    if not (attention * allowed).any():
        return (-1, -1), 0.0
    t, s = divmod(int((attention * allowed).argmax()), len(label))
    return (t, s), float(attention[t, s])
