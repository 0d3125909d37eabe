"""A mixture of experts small enough to train while you wait: points in the plane, a router, and a few tiny experts.

Sources: Shazeer et al. 2017, "Outrageously Large Neural Networks" (the layer, and why a few experts win). Fedus et al.
2022, "Switch Transformers". Chen et al. 2022, "Towards Understanding the Mixture-of-Experts Layer in Deep Learning"
(clusters, each with a rule of its own).

    task      a point x belongs to one of 8 clusters; its label says on which side of its cluster's own line it lies
    lift      h(x) = (c, sqrt(2/m) cos(Omega x + phi))                 what the router sees: c is the same for all
    router    logit[t, e] = W_e . h(x_t)                               starts small and random
    expert    E_e(x) = v_e . tanh(A_e x + a_e) + d_e                   six hidden units
    layer     y_t = sum_e weight[t, e] E_e(x_t)                        the logit of the label; nothing else adds to it

Glossary
    chosen    the k experts with the best score + bias       weight      of a chosen expert, by the gate
    served    chosen and within the expert's capacity        c           `common`: what all hidden vectors share
    Omega     random frequencies, phi random phases          run         one training; several are trained as one batch

Axes: r run, t token (a point), e expert, m feature of h, u hidden unit, c coordinate of the plane.

Conventions: a point that no expert serves has y = 0, which is a guess of one half. Gates as in models/gates.py; the
bias (DeepSeek-V3) moves the choice only, with any of them. Simplified: no residual stream, no attention;
the lift stands in for the layers before.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from models.gates import best, capacity

N_CLUSTER = 8
APART, SPREAD = 0.55, 0.14  # least distance between two centres; deviation of a point from its centre
N_FEATURE = 32  # waves in h(x)
FREQUENCY = 2.0  # their deviation, radians per unit of the plane
N_HIDDEN = 6
GATES = ("softmax_topk", "topk_softmax", "renormalised", "sigmoid", "sigmoid_renormalised")


@dataclass(frozen=True)
class World:
    """What is there before any training: clusters with their lines, and the lift."""

    centre: Float[Tensor, "8 2"]
    normal: Float[Tensor, "8 2"]  # of each cluster's line, which passes its centre
    frequency: Float[Tensor, "2 w"]
    phase: Float[Tensor, "w"]

    def label(self, x: Float[Tensor, "t 2"], cluster: Int[Tensor, "t"]) -> Float[Tensor, "t"]:
        """1 on the side of its cluster's line to which the normal points, 0 on the other."""
        return ((x - self.centre[cluster]) * self.normal[cluster]).sum(-1).gt(0).float()

    def lift(self, x: Float[Tensor, "t 2"], common: float) -> Float[Tensor, "t m"]:
        """The hidden vector: one part that all points share, and waves that tell them apart."""
        wave = math.sqrt(2 / N_FEATURE) * (x @ self.frequency + self.phase).cos()
        return torch.cat([torch.full((len(x), 1), common), wave], dim=-1)

    def draw(self, cluster: Int[Tensor, "t"], generator: torch.Generator) -> Float[Tensor, "t 2"]:
        """One point of each cluster that is asked for."""
        return self.centre[cluster] + SPREAD * torch.randn(len(cluster), 2, generator=generator)


def world(seed: int, turn: float) -> World:
    """Clusters at random places, at least APART from each other; `turn` (radians): how much their lines differ."""
    generator = torch.Generator().manual_seed(seed)
    centre: list[Tensor] = []
    tries = 0
    while len(centre) < N_CLUSTER:
        tries += 1
        point = 2 * torch.rand(2, generator=generator) - 1
        if all((point - other).norm() > APART for other in centre):
            centre.append(point)
        elif tries % 200 == 0:  # these leave no room for the rest
            centre.clear()
    angle = turn * torch.randn(N_CLUSTER, generator=generator)
    return World(
        centre=torch.stack(centre),
        normal=torch.stack([angle.cos(), angle.sin()], dim=-1),
        frequency=FREQUENCY * torch.randn(2, N_FEATURE, generator=generator),
        phase=2 * math.pi * torch.rand(N_FEATURE, generator=generator),
    )


# --- the layer -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Weights:
    """Router and experts of every run."""

    router: Float[Tensor, "r e m"]
    inner: Float[Tensor, "r c e u"]  # A, coordinates first
    shift: Float[Tensor, "r e u"]  # a
    outer: Float[Tensor, "r e u"]  # v
    offset: Float[Tensor, "r e"]  # d

    def all(self) -> list[Tensor]:
        return [self.router, self.inner, self.shift, self.outer, self.offset]


def initial(seed: int, n_expert: int, small: float) -> Weights:
    """One run's random weights. The router is `small`, and nothing in it depends on the common part of h."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(1, *shape, generator=generator)

    router = small * normal(n_expert, 1 + N_FEATURE)
    router[..., 0] = 0
    inner, shift = 1.5 * normal(2, n_expert, N_HIDDEN), normal(n_expert, N_HIDDEN)
    return Weights(router, inner, shift, normal(n_expert, N_HIDDEN) / math.sqrt(N_HIDDEN), torch.zeros(1, n_expert))


def experts(x: Float[Tensor, "r t 2"], weights: Weights) -> Float[Tensor, "r t e"]:
    """What every expert would say of every point."""
    hidden = torch.tanh(x @ weights.inner.flatten(2) + weights.shift.flatten(1)[:, None])
    return (hidden.unflatten(-1, (-1, N_HIDDEN)) * weights.outer[:, None]).sum(-1) + weights.offset[:, None]


@dataclass(frozen=True)
class Layer:
    """How the layer routes; `factor` is each run's capacity factor, inf: an expert serves all that come."""

    gate: str
    top_k: int
    factor: Float[Tensor, "r"]


@dataclass(frozen=True)
class Batch:
    """Points of every run, what the router sees of them, and their labels."""

    x: Float[Tensor, "r t 2"]
    h: Float[Tensor, "r t m"]
    label: Float[Tensor, "r t"]


@dataclass(frozen=True)
class Routing:
    """What the router makes of the points."""

    logit: Float[Tensor, "r t e"]
    score: Float[Tensor, "r t e"]  # between 0 and 1
    chosen: Bool[Tensor, "r t e"]
    served: Bool[Tensor, "r t e"]
    weight: Float[Tensor, "r t e"]  # 0 where not chosen; differentiable in the logits


def scores(gate: str, logit: Float[Tensor, "r t e"]) -> Float[Tensor, "r t e"]:
    """What experts are compared by, before the bias: shares of 1, or with a sigmoid gate each by itself."""
    return logit.sigmoid() if gate.startswith("sigmoid") else logit.softmax(-1)


def weigh(
    gate: str, logit: Float[Tensor, "r t e"], score: Float[Tensor, "r t e"], chosen: Bool[Tensor, "r t e"]
) -> Float[Tensor, "r t e"]:
    """The weights of the chosen experts.

    softmax_topk: the softmax over all experts (Switch). topk_softmax: the softmax over the chosen logits (Shazeer).
    renormalised: the first, divided by the sum over the chosen (Mixtral). sigmoid: each expert's own sigmoid;
    sigmoid_renormalised: divided by the sum over the chosen (DeepSeek-V3).
    """
    if gate == "topk_softmax":
        return logit.masked_fill(~chosen, -torch.inf).softmax(-1)
    weight = score * chosen
    return weight / weight.sum(-1, keepdim=True) if gate.endswith("renormalised") else weight


def within(chosen: Bool[Tensor, "r t e"], factor: Float[Tensor, "r"], k: int) -> Bool[Tensor, "r t e"]:
    """Which of the chosen are served: an expert takes no more than its capacity, first come, first served."""
    if not factor.isfinite().any():
        return chosen
    n_token, n_expert = chosen.shape[1:]
    limit = [capacity(n_token, n_expert, one, k) if math.isfinite(one) else n_token for one in factor.tolist()]
    return chosen & (chosen.cumsum(1) <= torch.tensor(limit)[:, None, None])


def forward(
    layer: Layer,
    weights: Weights,
    bias: Float[Tensor, "r e"],
    batch: Batch,
    noise: Float[Tensor, "r t e"] | None = None,
) -> tuple[Routing, Float[Tensor, "r t"]]:
    """The layer: choose k experts for each point by score + bias, weigh them by the score alone, add up what they say.

    All experts are computed and most are multiplied by 0, which is quicker here than to pick out the points of each.
    """
    logit = batch.h @ weights.router.transpose(1, 2)
    if noise is not None:
        logit = logit + noise
    score = scores(layer.gate, logit)
    chosen = best(score + bias[:, None], layer.top_k)
    served = within(chosen, layer.factor, layer.top_k)
    weight = weigh(layer.gate, logit, score, chosen)
    y = (weight * served * experts(batch.x, weights)).sum(-1)
    return Routing(logit, score, chosen, served, weight), y


def task_loss(y: Float[Tensor, "r t"], label: Float[Tensor, "r t"]) -> Float[Tensor, "r"]:
    """Cross-entropy of the labels, nats per point. Guessing costs ln 2 = 0.693."""
    return F.binary_cross_entropy_with_logits(y, label, reduction="none").mean(-1)
