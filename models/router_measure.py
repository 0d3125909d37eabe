"""What the routing is worth in loss: with k experts per token, with a smaller capacity, and with one expert taken away.

Source: the ablation is Michel et al. 2019, "Are Sixteen Heads Really Better than One?", section 3, done to experts. The
model and its held-out rows: models/tiny_moe.py.

    loss[d]       mean over the domain's rows of -log p(next token), nats
    rise[e, d]    loss[d] without expert e of one layer, minus loss[d] of the model as the controls run it

Axes: k experts per token, f capacity factor, l layer, e expert, d domain (shakespeare, chinese, python). Of each
domain the first N_ROW rows are read.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

import cachetools
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from models import gates, tiny_moe
from models.fields import no_tick
from models.router_reading import mean_loss, read
from models.specialisation import Favourite, Specialisation, specialisation
from models.specialisation import favourites as favourites_of
from models.tiny_moe import CONFIGS, DOMAINS, Switches

N_ROW = 8
N_BEST = 8  # favourite tokens of an expert
FACTORS = tuple(i / 4 for i in range(1, 13))
DENSE = ("dense",)  # gates for which k means nothing


# --- on the text of the page -----------------------------------------------------------------------------------------


def with_k(how: Switches, k: int, trained_k: int) -> Switches:
    """The same with k experts per token; named as switches() names it, so that nothing is read twice."""
    return replace(how, top_k=0 if k == trained_k or how.gate in DENSE else k)


def text_losses(
    variant: str, ids: tuple[int, ...], how: Switches, tick: Callable[[float], None] = no_tick
) -> Float[Tensor, "k"]:
    """The text's loss with 1, 2, ... all experts per token. Raises ModelUnavailable."""
    about, found = CONFIGS[variant], []
    for k in range(1, about.n_expert + 1):
        tick((k - 1) / about.n_expert)
        found.append(mean_loss(read(variant, ids, with_k(how, k, about.top_k)).surprise))
    return torch.tensor(found)


@dataclass(frozen=True)
class Capacities:
    """A text with a larger and larger capacity of the experts."""

    factor: tuple[float, ...]
    limit: tuple[int, ...]
    dropped: Float[Tensor, "f l"]  # share of the assignments that were dropped
    loss: Float[Tensor, "f"]
    free: float  # loss without a limit


def text_capacities(
    variant: str, ids: tuple[int, ...], how: Switches, tick: Callable[[float], None] = no_tick
) -> Capacities:
    """The text with every capacity factor. Raises ModelUnavailable."""
    dropped, loss = [], []
    for i, factor in enumerate(FACTORS):
        tick(i / len(FACTORS))
        reading = read(variant, ids, replace(how, capacity_factor=factor))
        lost = (reading.chosen & ~reading.kept).sum((1, 2)) / reading.chosen.sum((1, 2)).clamp_min(1)
        dropped.append(lost)
        loss.append(mean_loss(reading.surprise))
    about = CONFIGS[variant]
    limit = tuple(gates.capacity(len(ids), about.n_expert, f, how.top_k or about.top_k) for f in FACTORS)
    free = mean_loss(read(variant, ids, replace(how, capacity_factor=0.0)).surprise)
    return Capacities(FACTORS, limit, torch.stack(dropped), torch.tensor(loss), free)


# --- on held-out text ------------------------------------------------------------------------------------------------


@torch.no_grad()
def domain_loss(variant: str, how: Switches) -> Float[Tensor, "d"]:
    """Loss of each domain. Rows are read one by one, so that none queues behind another for an expert's capacity.

    Raises ModelUnavailable.
    """
    model, found = tiny_moe.load(variant), []
    for domain in DOMAINS:
        rows = tiny_moe.held_out()[domain][:N_ROW]
        loss = [F.cross_entropy(model(row[None, :-1], how)[0][0], row[1:]) for row in rows]
        found.append(torch.stack(loss).mean())
    return torch.stack(found)


@dataclass(frozen=True)
class Sweep:
    """Loss against the number of experts per token."""

    trained_k: int
    loss: Float[Tensor, "k d"]  # k = 1, 2, ... all
    active_twin: Float[Tensor, "d"]  # the dense model with as many active parameters
    total_twin: Float[Tensor, "d"]  # the dense model with as many parameters in total


def sweep(variant: str, how: Switches, tick: Callable[[float], None] = no_tick) -> Sweep:
    """The model with k = 1 to all experts per token, otherwise as `how` says. Raises ModelUnavailable."""
    about = CONFIGS[variant]
    found = []
    for k in range(1, about.n_expert + 1):
        tick((k - 1) / (about.n_expert + 2))
        found.append(domain_loss(variant, replace(how, top_k=k)))
    twins: list[Tensor] = []
    for twin in ("dense_active", "dense_total"):
        tick((len(found) + len(twins)) / (about.n_expert + 2))
        twins.append(domain_loss(twin, tiny_moe.AS_TRAINED))
    return Sweep(about.top_k, torch.stack(found), twins[0], twins[1])


@dataclass(frozen=True)
class Drop:
    """What each expert of one layer is worth to each domain."""

    layer: int  # from 0
    loss: Float[Tensor, "d"]  # of the model as the controls run it
    loss_trained: Float[Tensor, "d"]  # of the model as trained
    rise: Float[Tensor, "e d"]  # without one more expert; 0 for one that is off already


def drop(variant: str, how: Switches, layer: int, tick: Callable[[float], None] = no_tick) -> Drop:
    """Every expert of the layer (counted from 0) taken away in turn. Raises ModelUnavailable."""
    n_expert = CONFIGS[variant].n_expert
    base = domain_loss(variant, how)
    rise = []
    for expert in range(n_expert):
        tick((expert + 1) / (n_expert + 2))
        rise.append(domain_loss(variant, replace(how, without=how.without | {(layer, expert)})) - base)
    tick((n_expert + 1) / (n_expert + 2))
    return Drop(layer, base, domain_loss(variant, tiny_moe.AS_TRAINED), torch.stack(rise))


# --- what the experts specialise in ----------------------------------------------------------------------------------


@cachetools.cached(cachetools.LRUCache(8), key=lambda variant, how, tick=no_tick: (variant, how), lock=threading.Lock())
def specialists(variant: str, how: Switches, tick: Callable[[float], None] = no_tick) -> Specialisation:
    """All routers on the held-out text, beside a router that ignores the token. Raises ModelUnavailable.

    Without a limit: what they choose, whoever is served.
    """
    return specialisation(variant, replace(how, capacity_factor=0.0), tick)


@dataclass(frozen=True)
class Favourites:
    """What each expert of one layer gets more often than its share."""

    found: Specialisation
    best: tuple[tuple[Favourite, ...], ...]


def favourites(variant: str, how: Switches, layer: int, tick: Callable[[float], None] = no_tick) -> Favourites:
    """Of the layer counted from 0. Raises ModelUnavailable."""
    found = specialists(variant, how, tick)
    return Favourites(found, favourites_of(found, layer, n_token=N_BEST))
