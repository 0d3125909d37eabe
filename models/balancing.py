"""Balance between experts: how unequal their load is, and the terms and steps that make it more equal.

Sources: Shazeer et al. 2017, "Outrageously Large Neural Networks", section 4, equations (6) and (7) (importance). Fedus
et al. 2022, "Switch Transformers", section 2.2, equations (4) to (6). Zoph et al. 2022, "ST-MoE" (z-loss).
DeepSeek-AI 2024, "DeepSeek-V3", section 2.1.2 (bias instead of a loss).

    load_e         = assignments of expert e / all assignments                     counts: no gradient
    importance_e   = sum_t weight[t, e]                                            has a gradient
    importance     = w CV(importance)^2                                            CV = deviation / mean
    switch         = alpha N sum_e f_e P_e, f = load, P_e = mean_t p[t, e]   alpha if uniform, alpha N if one has all
    z              = c mean_t (log sum_e exp logit[t, e])^2
    bias           b_e <- b_e + gamma sign(mean load - load_e)                     no loss at all

Glossary: N number of experts; p softmax of the router's logits. Axes: t token, e expert.

Conventions: f sums to 1 whatever top-k is. Hugging Face's `load_balancing_loss_func` of Mixtral counts assignments per
token, so that its value is k times this one's.
"""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def load(chosen: Bool[Tensor, "t e"]) -> Float[Tensor, "e"]:
    """Each expert's share of all assignments; they sum to 1. Zeros if there are none."""
    count = chosen.float().sum(0)
    return count / count.sum().clamp_min(1)


def load_entropy(share: Float[Tensor, "*b e"]) -> Float[Tensor, "*b"]:
    """Entropy of the load as a part of its maximum log e: 1 if all experts work equally, 0 if one does everything."""
    return torch.special.entr(share).sum(-1) / math.log(max(2, share.shape[-1]))


def importance(weight: Float[Tensor, "t e"]) -> Float[Tensor, "e"]:
    """The gate's weights summed over the tokens. Equal importance may hide unequal load."""
    return weight.sum(0)


def cv_squared(x: Float[Tensor, "e"]) -> Float[Tensor, ""]:
    """The square of the coefficient of variation: variance / mean^2, 0 when all are equal, e - 1 when one has all."""
    return x.var(unbiased=False) / x.mean().square()


def importance_loss(weight: Float[Tensor, "t e"], coefficient: float) -> Float[Tensor, ""]:
    """Shazeer et al., equation (7)."""
    return coefficient * cv_squared(importance(weight))


def switch_loss(
    probability: Float[Tensor, "t e"], chosen: Bool[Tensor, "t e"], coefficient: float
) -> Float[Tensor, ""]:
    """Fedus et al., equation (4). The counts f have no gradient; the router's comes through P, in proportion to f."""
    return coefficient * probability.shape[-1] * (load(chosen) * probability.mean(0)).sum()


def z_loss(logit: Float[Tensor, "t e"], coefficient: float) -> Float[Tensor, ""]:
    """Large logits cost: it keeps the router's softmax in its stable range, and does not balance by itself."""
    return coefficient * logit.logsumexp(-1).square().mean()


def bias_step(bias: Float[Tensor, "e"], share: Float[Tensor, "e"], gamma: float) -> Float[Tensor, "e"]:
    """The biases after one batch: who had more than the mean load goes down by gamma, who had less goes up."""
    return bias + gamma * (share.mean() - share).sign()
