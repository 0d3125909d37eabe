"""What the runs of models/cluster_training.py look like at one step: who owns which part of the plane, who gets how
many points, what the loss is, and where its gradient goes.

Sources: Fedus et al. 2022, "Switch Transformers" (load). Shazeer et al. 2017, "Outrageously Large Neural Networks"
(importance). Qiu et al. 2025, "Demons in the Detail" (balance within a text, and specialisation).

    load          share of the assignments                    importance   share of the gate's weights
    text_entropy  load entropy of one cluster's points alone
    information   2 I(expert; cluster) / (H(expert) + H(cluster))
    gradient      norms of d task / d weights, by autograd, on the held-out points

Axes: r run, n frame, t held-out point, e expert, i and j rows and columns of the map, row 0 at the top.

Conventions: measured without noise, on points that training never sees, in one random order (which matters where an
expert has a capacity).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor, vmap

from models import balancing
from models.cluster_moe import N_CLUSTER, Batch, Layer, Weights, World, forward, scores, task_loss

N_HELD = 60  # held-out points of each cluster
GRID = 96  # cells of the map in each direction
REACH = 1.45  # the map shows -REACH to REACH


@dataclass(frozen=True)
class Held:
    """The held-out points of every run, and what the router sees of every cell of the map."""

    batch: Batch
    cluster: Int[Tensor, "t"]
    cell: Float[Tensor, "r c m"]


@dataclass(frozen=True)
class Frame:
    """All runs at one step."""

    owner: UInt8[Tensor, "r i j"]  # the expert with the best score + bias in each cell
    strength: UInt8[Tensor, "r i j"]  # its score, 0 to 255
    first: UInt8[Tensor, "r t"]  # each point's first choice
    dropped: Bool[Tensor, "r t"]  # points that no expert serves
    load: Float[Tensor, "r e"]
    importance: Float[Tensor, "r e"]
    text_entropy: Float[Tensor, "r"]  # mean over the clusters
    information: Float[Tensor, "r"]  # 0 to 1
    loss: Float[Tensor, "r"]  # of the task, nats per point
    size: Float[Tensor, "r"]  # mean of (log sum exp logit)^2
    bias: Float[Tensor, "r e"]
    router_gradient: Float[Tensor, "r"]
    expert_gradient: Float[Tensor, "r e"]


def held_out(worlds: Sequence[World], common: float) -> Held:
    """The same number of points of every cluster, in random order, and the middle of every cell."""
    generator = torch.Generator().manual_seed(1)
    cluster = torch.arange(N_CLUSTER).repeat(N_HELD)[torch.randperm(N_CLUSTER * N_HELD, generator=generator)]
    middle = (torch.arange(GRID) + 0.5) / GRID * 2 * REACH - REACH
    place = torch.stack([middle.repeat(GRID), middle.flip(0).repeat_interleave(GRID)], dim=-1)
    x = [one.draw(cluster, torch.Generator().manual_seed(2)) for one in worlds]
    batch = Batch(
        x=torch.stack(x),
        h=torch.stack([one.lift(at, common) for one, at in zip(worlds, x, strict=True)]),
        label=torch.stack([one.label(at, cluster) for one, at in zip(worlds, x, strict=True)]),
    )
    return Held(batch, cluster, torch.stack([one.lift(place, common) for one in worlds]))


def look(layer: Layer, weights: Weights, bias: Float[Tensor, "r e"], held: Held) -> Frame:
    """One frame."""
    with torch.enable_grad():
        routing, y = forward(layer, weights, bias, held.batch)
        loss = task_loss(y, held.batch.label)
        router, *parts = gradients(loss.sum(), weights)
    with torch.no_grad():
        cell = scores(layer.gate, held.cell @ weights.router.transpose(1, 2))
        best = (cell + bias[:, None]).max(-1).indices
        strength = cell.gather(-1, best[..., None])[..., 0].unflatten(1, (GRID, GRID))
        count = torch.stack([routing.chosen[:, held.cluster == c].sum(1) for c in range(N_CLUSTER)], dim=1).float()
        importance = routing.weight.sum(1)
        return Frame(
            owner=best.unflatten(1, (GRID, GRID)).byte(),
            strength=(255 * strength).round().byte(),
            first=(routing.score + bias[:, None]).max(-1).indices.byte(),
            dropped=~routing.served.any(-1),
            load=vmap(balancing.load)(routing.chosen),
            importance=importance / importance.sum(-1, keepdim=True),
            text_entropy=balancing.load_entropy(count / count.sum(-1, keepdim=True)).mean(-1),
            information=information(count),
            loss=loss.detach(),
            size=routing.logit.logsumexp(-1).square().mean(-1),
            bias=bias,
            router_gradient=router.flatten(1).norm(dim=-1),
            expert_gradient=torch.stack([by_expert(part) for part in parts]).sum(0).sqrt(),
        )


def gradients(loss: Float[Tensor, ""], weights: Weights) -> tuple[Tensor, ...]:
    """Of the loss, in the router's and the experts' weights: zeros where nothing depends on them."""
    return torch.autograd.grad(loss, weights.all(), allow_unused=True, materialize_grads=True)


def by_expert(gradient: Tensor) -> Float[Tensor, "r e"]:
    """The squares of one weight's gradient, added up for each expert."""
    square = gradient.square()
    return square.sum((1, 3)) if square.dim() == 4 else square[..., None].flatten(2).sum(-1)


def information(count: Float[Tensor, "r c e"]) -> Float[Tensor, "r"]:
    """Normalised mutual information of cluster and expert: 0 if they know nothing of each other, 1 if one says all."""
    joint = count / count.sum((1, 2), keepdim=True)
    cluster, expert = (torch.special.entr(joint.sum(axis)).sum(-1) for axis in (2, 1))
    shared = cluster + expert - torch.special.entr(joint).sum((1, 2))
    return (2 * shared / (cluster + expert)).clamp(0, 1)
