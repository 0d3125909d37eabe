"""Train the small mixture of models/cluster_moe.py by plain gradient descent, with and without a remedy, and film it.

Sources: Shazeer et al. 2017, "Outrageously Large Neural Networks" (why a few experts win, importance). Fedus et al.
2022, "Switch Transformers". Zoph et al. 2022, "ST-MoE". DeepSeek-AI 2024, "DeepSeek-V3" (bias). Qiu et al. 2025,
"Demons in the Detail" (a micro-batch's balance or the batch's). The terms themselves: models/balancing.py.

    loss     = task + switch + importance + z             each with the run's own dose, 0 without it
    velocity <- 0.9 velocity + d loss / d weights         weights <- weights - rate * velocity
    bias     <- bias_step(bias, load, gamma)              after the step; no gradient

Glossary
    dose     how much of each remedy one run takes        micro-batch   one text: points of one cluster
    noise    deviation of the noise on the logits         batch         n_micro texts, the clusters in turn
    factor   of the capacity; inf: no limit               film          models/cluster_film.py, every STRIDE steps

Axes: r run, n frame, t token, e expert; others as in models/cluster_film.py.

Conventions: runs of one seed begin with the same weights and see the same points in the same order. Plain gradient
descent, because Adam divides each weight's gradient by its usual size and so lets rarely chosen experts keep up: part
of what the remedies are for would be hidden.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from functools import partial

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor, vmap

from models import balancing
from models.cluster_film import Frame, gradients, held_out, look
from models.cluster_moe import N_CLUSTER, Batch, Layer, Routing, Weights, World, forward, initial, task_loss, world
from models.fields import no_tick

N_STEP = 480
STRIDE = 15  # steps between two frames
FRAMES = tuple(range(0, N_STEP + 1, STRIDE))
RATE_ROUTER, RATE_EXPERT, MOMENTUM = 0.02, 1.5, 0.9
SMALL = 0.1  # deviation of the router's first weights
TURN = 1.2  # deviation of the angles of the clusters' lines, radians


@dataclass(frozen=True)
class Setting:
    """What all runs of one training share."""

    n_expert: int = 8
    top_k: int = 1
    gate: str = "softmax_topk"
    micro: int = 32  # points in a micro-batch
    n_micro: int = 8
    by_micro: bool = False  # the Switch loss balances every micro-batch, not the batch as a whole
    common: float = 4.0  # the part of h that all points share
    still: bool = False  # the router keeps its first weights


@dataclass(frozen=True)
class Dose:
    """What one run takes."""

    seed: int = 0
    switch: float = 0.0
    importance: float = 0.0
    z: float = 0.0
    gamma: float = 0.0
    noise: float = 0.0
    factor: float = torch.inf


@dataclass(frozen=True)
class Film:
    """Every frame of every run."""

    point: Float[Tensor, "r t 2"]
    cluster: Int[Tensor, "t"]
    owner: UInt8[Tensor, "r n i j"]
    strength: UInt8[Tensor, "r n i j"]
    first: UInt8[Tensor, "r n t"]
    dropped: Bool[Tensor, "r n t"]
    load: Float[Tensor, "r n e"]
    importance: Float[Tensor, "r n e"]
    text_entropy: Float[Tensor, "r n"]
    information: Float[Tensor, "r n"]
    loss: Float[Tensor, "r n"]
    size: Float[Tensor, "r n"]
    bias: Float[Tensor, "r n e"]
    router_gradient: Float[Tensor, "r n"]
    expert_gradient: Float[Tensor, "r n e"]

    @property
    def entropy(self) -> Float[Tensor, "r n"]:
        """Load entropy: 1 if all experts get the same, 0 if one gets all."""
        return balancing.load_entropy(self.load)


Amounts = dict[str, Float[Tensor, "r"]]  # every run's dose of each remedy


def train(
    setting: Setting, doses: Sequence[Dose], tick: Callable[[float], None] = no_tick, n_step: int = N_STEP
) -> Film:
    """Train one run per dose, all as one batch, and film them."""
    worlds, generators, weights = begin(setting, doses)
    amounts = {name: torch.tensor([float(asdict(dose)[name]) for dose in doses]) for name in asdict(doses[0])}
    # Its own source: who wants noise sees the same points as who wants none.
    chance = [torch.Generator().manual_seed(20_000 + dose.seed) for dose in doses]
    layer = Layer(setting.gate, setting.top_k, amounts["factor"])
    velocity = [torch.zeros_like(weight) for weight in weights.all()]
    rates = [0.0 if setting.still else RATE_ROUTER] + [RATE_EXPERT] * (len(velocity) - 1)
    bias = torch.zeros(len(doses), setting.n_expert)
    held = held_out(worlds, setting.common)
    frames = [look(layer, weights, bias, held)]
    for step in range(1, n_step + 1):
        batch = draw(worlds, generators, setting)
        routing, y = forward(layer, weights, bias, batch, noise(amounts["noise"], chance, batch, setting))
        loss = task_loss(y, batch.label) + added(routing, setting, amounts)
        found = gradients(loss.sum(), weights)
        with torch.no_grad():
            for weight, gradient, moving, rate in zip(weights.all(), found, velocity, rates, strict=True):
                weight.sub_(moving.mul_(MOMENTUM).add_(gradient), alpha=rate)
            if amounts["gamma"].any():
                gamma = amounts["gamma"][:, None]
                bias = bias + gamma * vmap(partial(balancing.bias_step, gamma=1.0))(
                    torch.zeros_like(bias), vmap(balancing.load)(routing.chosen)
                )
        if step % STRIDE == 0:
            tick(step / (n_step + 1))
            frames.append(look(layer, weights, bias, held))
    film = {one.name: torch.stack([getattr(frame, one.name) for frame in frames], dim=1) for one in fields(Frame)}
    return Film(point=held.batch.x, cluster=held.cluster, **film)


def begin(setting: Setting, doses: Sequence[Dose]) -> tuple[list[World], list[torch.Generator], Weights]:
    """Every run's world, source of points, and first weights: they depend on its seed alone."""
    worlds = [world(dose.seed, TURN) for dose in doses]
    generators = [torch.Generator().manual_seed(10_000 + dose.seed) for dose in doses]
    each = [initial(dose.seed, setting.n_expert, SMALL).all() for dose in doses]
    weights = Weights(*(torch.cat(parts).requires_grad_() for parts in zip(*each, strict=True)))
    return worlds, generators, weights


def draw(worlds: Sequence[World], generators: Sequence[torch.Generator], setting: Setting) -> Batch:
    """One batch of every run: n_micro texts, each about one cluster, the clusters in a new order every time."""
    turn = torch.arange(setting.n_micro) % N_CLUSTER
    parts = []
    for one, generator in zip(worlds, generators, strict=True):
        cluster = torch.randperm(N_CLUSTER, generator=generator)[turn].repeat_interleave(setting.micro)
        x = one.draw(cluster, generator)
        parts.append((x, one.lift(x, setting.common), one.label(x, cluster)))
    return Batch(*(torch.stack(part) for part in zip(*parts, strict=True)))


def noise(
    deviation: Float[Tensor, "r"], generators: Sequence[torch.Generator], batch: Batch, setting: Setting
) -> Float[Tensor, "r t e"] | None:
    """Random numbers for the logits; none if no run wants them."""
    if not deviation.any():
        return None
    shape = (batch.x.shape[1], setting.n_expert)
    return torch.stack(
        [amount * torch.randn(shape, generator=one) for amount, one in zip(deviation, generators, strict=True)]
    )


def added(routing: Routing, setting: Setting, amounts: Amounts) -> Float[Tensor, "r"]:
    """What the doses add to the task's loss."""
    total = torch.zeros(len(routing.logit))
    if amounts["switch"].any():
        share = routing.score / routing.score.sum(-1, keepdim=True)  # a sigmoid gate's scores do not sum to 1
        parts = [share, routing.chosen]
        if setting.by_micro:
            parts = [part.unflatten(1, (setting.n_micro, -1)).flatten(0, 1) for part in parts]
        each = vmap(partial(balancing.switch_loss, coefficient=1.0))(*parts)
        total = total + amounts["switch"] * each.unflatten(0, (len(total), -1)).mean(-1)
    if amounts["importance"].any():
        each = vmap(partial(balancing.importance_loss, coefficient=1.0))(routing.weight)
        total = total + amounts["importance"] * each
    if amounts["z"].any():
        total = total + amounts["z"] * vmap(partial(balancing.z_loss, coefficient=1.0))(routing.logit)
    return total
