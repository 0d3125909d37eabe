"""Gates: from a router's logits to the experts a token goes to, and with what weight.

Sources: Shazeer et al. 2017, "Outrageously Large Neural Networks", section 2.1 (softmax gating, noisy top-k gating) and
appendix B (two levels). Fedus et al. 2022, "Switch Transformers", section 2.1 (one expert per token) and section 2.2,
equation (3) (capacity). Jiang et al. 2024, "Mixtral of Experts", section 2.1. DeepSeek-AI 2024, "DeepSeek-V2" and
"DeepSeek-V3", section 2.1 of each (groups; sigmoid and bias). Zhou et al. 2022, "Mixture-of-Experts with Expert Choice
Routing", section 3.

    y_t = sum_e weight[t, e] E_e(x_t)                        the layer's output; a weight of 0 costs nothing

    gate            compared by            weight of a chosen expert                      a token's weights sum to
    dense           softmax(logit)         softmax(logit)                                 1, all experts work
    softmax_topk    softmax(logit)         softmax(logit)                                 what the k best hold, below 1
    topk_softmax    logit                  softmax over the k chosen logits               1
    renormalised    softmax(logit)         softmax(logit) / their sum                     1: the same as topk_softmax
    sigmoid_bias    sigmoid(logit) + bias  sigmoid(logit) / their sum * scale             scale
    group_limited   softmax, best groups   softmax(logit)                                 below 1
    noisy_topk      logit + noise          softmax over the k chosen noisy logits         1
    hierarchical    two levels of top-k    product of both levels' weights                1
    expert_choice   softmax(logit)         softmax(logit)                                 anything, even 0

Glossary
    logit    x W_r, "t e"                    chosen   which experts a token is sent to
    score    what the experts are compared by, -inf for one that is out of the running
    limit    tokens that one expert can serve (its capacity); whoever comes later is dropped

Axes: t token (a batch's sequences one after another), e expert, a group, b expert within its group.

Conventions: an expert whose logit is -inf is switched off: no gate chooses it. Of equal scores the lower index wins.
The choice has no gradient; the weights have one.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor


@dataclass(frozen=True)
class Gating:
    """What a gate makes of the logits."""

    score: Float[Tensor, "t e"]
    chosen: Bool[Tensor, "t e"]
    weight: Float[Tensor, "t e"]  # 0 where not chosen


def best(score: Float[Tensor, "*t e"], k: int) -> Bool[Tensor, "*t e"]:
    """The k largest of each row; fewer where fewer are above -inf."""
    rank = score.detach().sort(dim=-1, descending=True, stable=True).indices.argsort(dim=-1)
    return (rank < k) & (score > -torch.inf)


def dense(logit: Float[Tensor, "t e"]) -> Gating:
    """Softmax gating: every expert works for every token."""
    score = logit.softmax(-1)
    return Gating(score, logit > -torch.inf, score)


def softmax_topk(logit: Float[Tensor, "t e"], k: int) -> Gating:
    """Softmax over all experts, then the k best with the probabilities they have. Switch is k = 1."""
    score = logit.softmax(-1)
    chosen = best(logit, k)
    return Gating(score, chosen, score * chosen)


def topk_softmax(logit: Float[Tensor, "t e"], k: int) -> Gating:
    """The k best, then softmax among them. With k = 1 the weight is the constant 1: no gradient reaches the router."""
    chosen = best(logit, k)
    return Gating(logit, chosen, logit.masked_fill(~chosen, -torch.inf).softmax(-1))


def renormalised(logit: Float[Tensor, "t e"], k: int) -> Gating:
    """Softmax over all experts, the k best, divided by their sum (Mixtral)."""
    gate = softmax_topk(logit, k)
    return Gating(gate.score, gate.chosen, gate.weight / gate.weight.sum(-1, keepdim=True))


def sigmoid_bias(
    logit: Float[Tensor, "t e"],
    k: int,
    bias: Float[Tensor, "e"],
    scale: float = 1.0,
    renormalise: bool = True,
    n_group: int = 1,
    k_group: int = 1,
) -> Gating:
    """DeepSeek-V3: each expert has its own sigmoid; the bias decides who is chosen and is no part of the weight.

    With groups, a group counts as the sum of its two best scores, and only experts of the k_group best groups compete.
    """
    affinity = logit.sigmoid()
    score = (affinity + bias).masked_fill(logit == -torch.inf, -torch.inf)
    if n_group > 1:
        grouped = score.unflatten(-1, (n_group, -1))
        leaders = grouped.topk(min(2, grouped.shape[-1]), dim=-1).values.sum(-1)
        score = score.masked_fill(~best(leaders, k_group).repeat_interleave(grouped.shape[-1], -1), -torch.inf)
    chosen = best(score, k)
    weight = affinity * chosen
    if renormalise:
        weight = weight / weight.sum(-1, keepdim=True)
    return Gating(score, chosen, weight * scale)


def group_limited(logit: Float[Tensor, "t e"], k: int, n_group: int, k_group: int) -> Gating:
    """DeepSeek-V2: a token's experts come from its k_group best groups (devices), so that it visits few of them."""
    probability = logit.softmax(-1)
    grouped = logit.unflatten(-1, (n_group, -1))
    near = best(grouped.amax(-1), k_group).repeat_interleave(grouped.shape[-1], -1)
    chosen = best(logit.masked_fill(~near, -torch.inf), k)
    return Gating(probability.masked_fill(~near, -torch.inf), chosen, probability * chosen)


def noisy_topk(
    logit: Float[Tensor, "t e"], deviation: Float[Tensor, "t e"], k: int, generator: torch.Generator
) -> Gating:
    """Noise on every logit, then top-k, then softmax: sometimes the next best is tried (equations 3 to 5)."""
    return topk_softmax(logit + torch.randn(logit.shape, generator=generator) * deviation, k)


def hierarchical(primary: Float[Tensor, "t a"], secondary: Float[Tensor, "t a b"], k_group: int, k: int) -> Gating:
    """Two levels: the k_group best groups, in each of them the k best experts; expert a * n_b + b has the product.

    Of a * b experts only a + k_group * b logits are needed.
    """
    outer = topk_softmax(primary, k_group)
    inner = topk_softmax(secondary.flatten(0, 1), k)

    def nested(one: Tensor) -> Tensor:
        return one.unflatten(0, secondary.shape[:2])

    chosen = (outer.chosen[..., None] & nested(inner.chosen)).flatten(1)
    weight = (outer.weight[..., None] * nested(inner.weight)).flatten(1)
    score = (primary.log_softmax(-1)[..., None] + secondary.log_softmax(-1)).flatten(1)
    return Gating(score, chosen, weight)


def expert_choice(logit: Float[Tensor, "t e"], limit: int) -> Gating:
    """Each expert takes its `limit` best tokens: loads are equal, but a token may be taken by none or by many, and who
    is taken depends on later tokens, too."""
    probability = logit.softmax(-1)
    score = probability.masked_fill(logit == -torch.inf, -torch.inf)
    chosen = best(score.T, limit).T
    return Gating(score, chosen, probability * chosen)


def jitter(x: Float[Tensor, "t m"], amount: float, generator: torch.Generator) -> Float[Tensor, "t m"]:
    """The router's input, each feature times a number between 1 - amount and 1 + amount (Switch, in training only)."""
    return x * (1 + amount * (2 * torch.rand(x.shape, generator=generator) - 1))


# --- capacity --------------------------------------------------------------------------------------------------------


def capacity(n_token: int, n_expert: int, factor: float, k: int = 1) -> int:
    """Tokens one expert can serve: k * n_token / n_expert * factor, Fedus et al. 2022, equation (3), where k = 1.

    Rounded up, so that with factor 1 nobody is dropped from a balanced batch.
    """
    return math.ceil(k * n_token / n_expert * factor - 1e-9)


def within_capacity(
    chosen: Bool[Tensor, "t e"], score: Float[Tensor, "t e"], limit: int, by: str = "position"
) -> Bool[Tensor, "t e"]:
    """Which of the chosen pairs are served. by "position": first come, first served (Switch); "score": the best first.

    What is not served adds nothing: the token passes the layer on the residual stream alone.
    """
    if by == "position":
        return chosen & (chosen.cumsum(0) <= limit)
    return best(score.masked_fill(~chosen, -torch.inf).T, limit).T
