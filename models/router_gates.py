"""The same logits through one gate after the other, and what a full expert does: small experiments without a model.

Sources: Shazeer et al. 2017, "Outrageously Large Neural Networks", section 2.1 and appendix B. Fedus et al. 2022,
"Switch Transformers", section 2.2 (capacity). Zhou et al. 2022, "Expert Choice Routing", section 3. All gates are
models/gates.py's.

    orders     softmax then top-k, top-k then softmax, renormalised, sigmoid + bias, group-limited: one token
    kinds      dense, noisy top-k, Switch, two levels, expert choice: all tokens of a text
    overflow   6 tokens, 3 experts: the capacity of each is 6 / 3 * factor, rounded up

Glossary
    EXAMPLE    logits of the claim card: the two best hold .629 of the softmax
    ASKED      the expert that each of the six tokens asks for
    group      hierarchical: a = 2 groups (of 8 experts) or 4 (of 16); its logit is log sum exp of its experts' logits

Axes: g gate, t token, e expert.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from models import gates
from models.gates import Gating

EXAMPLE = (2.0, 1.0, 0.5, -1.0, 0.0, 0.2, -0.5, 0.1)
ORDERS = ("softmax_topk", "topk_softmax", "renormalised", "sigmoid_bias", "group_limited")
KINDS = ("dense", "noisy_topk", "switch", "hierarchical", "expert_choice")
ASKED = (0, 1, 0, 2, 0, 1)
FACTORS = (0.5, 1.0, 1.5, 2.0)
N_GROUP = 4


def order(name: str, logit: Float[Tensor, "t e"], k: int, bias: Float[Tensor, "e"]) -> Gating:
    """One of ORDERS."""
    if name == "sigmoid_bias":
        return gates.sigmoid_bias(logit, k, bias)
    if name == "group_limited":
        # Half of the groups, or as many as k experts need.
        n_expert = logit.shape[1]
        n_group = math.gcd(N_GROUP, n_expert)
        return gates.group_limited(logit, k, n_group, max(math.ceil(n_group / 2), math.ceil(k * n_group / n_expert)))
    gate = {"softmax_topk": gates.softmax_topk, "topk_softmax": gates.topk_softmax, "renormalised": gates.renormalised}
    return gate[name](logit, k)


def orders(logit: Float[Tensor, "e"], k: int, bias: Float[Tensor, "e"]) -> Float[Tensor, "g e"]:
    """One token's weights by each of ORDERS."""
    return torch.cat([order(name, logit[None], k, bias).weight for name in ORDERS])


def groups(n_expert: int) -> int:
    """Groups of the hierarchical gate: of four experts where that goes."""
    return max(1, n_expert // 4)


def kind(name: str, logit: Float[Tensor, "t e"], k: int, noise: float, seed: int) -> Gating:
    """One of KINDS. Two levels: the best group, in it the k best experts; expert choice: k t / e tokens each."""
    n_token, n_expert = logit.shape
    if name == "dense":
        return gates.dense(logit)
    if name == "noisy_topk":
        generator = torch.Generator().manual_seed(seed)
        return gates.noisy_topk(logit, torch.full_like(logit, noise), k, generator)
    if name == "switch":
        return gates.softmax_topk(logit, 1)
    if name == "hierarchical":
        grouped = logit.unflatten(-1, (groups(n_expert), -1))
        return gates.hierarchical(grouped.logsumexp(-1), grouped, 1, min(k, grouped.shape[-1]))
    return gates.expert_choice(logit, min(n_token, gates.capacity(n_token, n_expert, 1.0, k)))


@dataclass(frozen=True)
class Overflow:
    """The worked example, one frame per capacity factor: six tokens ask for one of three experts each."""

    factor: tuple[float, ...]
    limit: tuple[int, ...]  # capacity of each expert
    logit: Float[Tensor, "t e"]
    probability: Float[Tensor, "t e"]
    chosen: Bool[Tensor, "t e"]
    kept: Bool[Tensor, "n t e"]
    weight: Float[Tensor, "n t e"]


def overflow() -> Overflow:
    """Top-1 with first come, first served, as in Switch. With factor 1 the third token for expert 1 is dropped."""
    logit = 2.0 * F.one_hot(torch.tensor(ASKED), 3).float()
    gate = gates.softmax_topk(logit, 1)
    limit = tuple(gates.capacity(len(ASKED), 3, factor) for factor in FACTORS)
    kept = torch.stack([gates.within_capacity(gate.chosen, gate.score, size) for size in limit])
    return Overflow(FACTORS, limit, logit, gate.score, gate.chosen, kept, gate.weight * kept)
