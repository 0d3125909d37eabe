"""The layer and the balancing terms of models/moe_balance.py by other ways: point by point, and by transformers.

References: `load_balancing_loss_func` of transformers' Mixtral and Switch, `router_z_loss_func` of Switch; the gates of
models/gates.py; a loop over points and experts in plain numbers.
"""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from models import balancing, gates
from models.cluster_moe import Layer, Weights, forward
from models.cluster_training import Dose, Setting, begin, draw

BY_GATE: dict[str, Callable[[Tensor, int], gates.Gating]] = {
    "softmax_topk": gates.softmax_topk,
    "topk_softmax": gates.topk_softmax,
    "renormalised": gates.renormalised,
    "sigmoid": lambda logit, k: gates.sigmoid_bias(logit, k, torch.zeros(logit.shape[-1]), renormalise=False),
    "sigmoid_renormalised": lambda logit, k: gates.sigmoid_bias(logit, k, torch.zeros(logit.shape[-1])),
}


@torch.no_grad()
def point_by_point(gate: str, k: int, weights: Weights, x: Tensor, h: Tensor) -> Float[Tensor, "t"]:
    """The layer's output, one point and one chosen expert at a time."""
    y = torch.zeros(len(x))
    for t in range(len(x)):
        logit = torch.stack([weights.router[0, e] @ h[t] for e in range(weights.router.shape[1])])
        found = BY_GATE[gate](logit[None], k)
        for e in found.chosen[0].nonzero()[:, 0].tolist():
            hidden = [
                torch.tanh(weights.inner[0, :, e, u] @ x[t] + weights.shift[0, e, u])
                for u in range(weights.shift.shape[-1])
            ]
            said = torch.stack(hidden) @ weights.outer[0, e] + weights.offset[0, e]
            y[t] += found.weight[0, e] * said
    return y


def differences(setting: Setting, seed: int) -> dict[str, float]:
    """Largest differences, on one batch and the first weights."""
    from transformers.models.mixtral.modeling_mixtral import load_balancing_loss_func as mixtral
    from transformers.models.switch_transformers.modeling_switch_transformers import (
        load_balancing_loss_func as switch,
    )
    from transformers.models.switch_transformers.modeling_switch_transformers import router_z_loss_func

    worlds, generators, weights = begin(setting, [Dose(seed)])
    batch, bias = draw(worlds, generators, setting), torch.zeros(1, setting.n_expert)
    k = setting.top_k
    layer = Layer(setting.gate, k, torch.full((1,), torch.inf))
    routing, y = forward(layer, weights, bias, batch)
    some = min(24, y.shape[1])
    slow = point_by_point(setting.gate, k, weights, batch.x[0, :some], batch.h[0, :some])
    logit = routing.logit[0]
    probability = logit.softmax(-1)
    chosen = gates.best(probability, k)
    ours = balancing.switch_loss(probability, chosen, 1.0)
    theirs = mixtral((logit,), setting.n_expert, k)
    place = probability.topk(k, dim=-1).indices
    return {
        "y = one point at a time": float((y[0, :some].detach() - slow).abs().max()),
        "k N Σ f P = Mixtral": float((k * ours - theirs).detach().abs()),
        "its gradient": gap(k * ours, theirs, weights),
        "k N Σ f P = Switch": float((k * ours - switch(probability[None], place[None])).detach().abs()),
        "z = Switch": float((balancing.z_loss(logit, 1.0) - router_z_loss_func(logit[None])).detach().abs()),
    }


def gap(ours: Tensor, theirs: Any, weights: Weights) -> float:
    """Largest difference of two losses' gradients in the router."""
    one, two = (torch.autograd.grad(loss, weights.router, retain_graph=True)[0] for loss in (ours, theirs))
    return float((one - two).abs().max())
