"""Balance between experts: a router that is trained together with its experts, with and without a remedy.

Sources: Shazeer et al. 2017, "Outrageously Large Neural Networks" (a few experts win; importance). Fedus et al. 2022,
"Switch Transformers". Zoph et al. 2022, "ST-MoE" (z-loss). DeepSeek-AI 2024, "DeepSeek-V3" (bias). Qiu et al. 2025,
"Demons in the Detail" (micro-batch or global batch). The layer: models/cluster_moe.py, its training:
models/cluster_training.py, the terms: models/balancing.py.

    y_t = sum_e weight[t, e] E_e(x_t)          an expert that is not chosen has no gradient: it learns nothing,
                                               and the router never learns what it could have done

    remedy        what it adds                                             acts through
    switch        alpha N sum_e f_e P_e                                    P: the loss's gradient
    importance    w CV^2(sum_t weight[t, e])                               the weights: the loss's gradient
    z             c mean (log sum exp logit)^2                             the logits: the loss's gradient
    bias          b_e <- b_e + gamma sign(mean load - load_e)              the choice; no gradient
    noise         logit + normal * deviation                               the choice, in training
    capacity      no expert serves more than factor k t / N points         the rest is dropped

Glossary
    entropy   of the load, as a share of its maximum: 1 all experts work equally, 0 one does everything
    working   experts with at least one point in a hundred
    run 0     without remedy, run -1 with it; both begin with the same weights and see the same points

Axes: r run, n frame, g gate, k experts per token; others as in models/cluster_film.py.

Conventions: the gradient that reaches the router is the task's, without what a remedy adds. Simplified: one layer, 2-D
points, plain gradient descent, a few hundred steps: coefficients of real models are smaller and act for longer.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, Any

import torch
from jaxtyping import Float
from torch import Tensor

from models.balance_reference import differences
from models.cluster_ends import Comparison
from models.cluster_film import gradients, held_out
from models.cluster_moe import GATES, N_CLUSTER, Layer, forward, task_loss
from models.cluster_training import FRAMES, N_STEP, STRIDE, Dose, Film, Setting, begin, train
from models.fields import Choice, LogRange, Range, no_tick

REMEDIES = ("none", "switch", "importance", "bias", "z", "noise", "capacity")
STRENGTHS = {  # of each remedy, from nothing to too much
    "switch": (0.001, 0.01, 0.03, 0.1, 0.3, 1.0),
    "importance": (0.001, 0.01, 0.03, 0.1, 0.3, 1.0),
    "z": (0.001, 0.01, 0.03, 0.1, 0.3, 1.0),
    "bias": (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1),
    "noise": (0.1, 0.2, 0.5, 1.0, 1.5, 2.0),
    "capacity": (1.0, 1.25, 1.5, 2.0, 3.0, 4.0),
}
SEEDS = range(6)
WORKING = 0.01
MOST_CHOSEN = 4


@dataclass(frozen=True)
class Config:
    """A layer and how it is trained."""

    remedy: Annotated[str, Choice(*REMEDIES)] = "switch"
    coefficient: Annotated[float, LogRange(1e-3, 1.0, per_decade=4)] = 0.1  # of the Switch, importance and z-loss
    gamma: Annotated[float, LogRange(1e-4, 1e-1, per_decade=4)] = 0.003
    noise: Annotated[float, Range(0.0, 2.0, 0.1)] = 1.0
    factor: Annotated[float, Range(0.5, 4.0, 0.25)] = 1.25
    scope: Annotated[str, Choice("global", "micro")] = "global"  # what the Switch loss balances
    top_k: Annotated[int, Range(1, MOST_CHOSEN)] = 1
    n_expert: Annotated[int, Range(4, 16)] = 8
    gate: Annotated[str, Choice(*GATES)] = "softmax_topk"
    micro: Annotated[int, Range(4, 64, 4)] = 32  # points in a micro-batch
    n_micro: Annotated[int, Range(1, 16)] = 8
    common: Annotated[float, Range(0.0, 6.0, 0.5)] = 4.0
    seed: Annotated[int, Range(0, 99)] = 23
    step: Annotated[int, Range(0, N_STEP, STRIDE)] = N_STEP


@dataclass(frozen=True)
class Trace:
    """The film of both runs (of one without a remedy), and what each gate lets through to the router."""

    remedy: str
    strength: float
    limit: float  # share of the assignments that one expert can serve; inf: all
    step: tuple[int, ...]
    index: int  # the frame shown
    film: Film
    entropy: Float[Tensor, "r n"]
    working: Float[Tensor, "r n"]
    gate: tuple[str, ...]
    gate_gradient: Float[Tensor, "g k"]  # norm of the task's gradient in the router before the first step, top-k 1 to 4
    top_k: int
    chosen_gate: str


def setting(cfg: Config) -> Setting:
    """What both runs share."""
    return Setting(cfg.n_expert, cfg.top_k, cfg.gate, cfg.micro, cfg.n_micro, cfg.scope == "micro", cfg.common)


def strength(cfg: Config) -> float:
    """How much of the chosen remedy."""
    amount = {"none": 0.0, "bias": cfg.gamma, "noise": cfg.noise, "capacity": cfg.factor}
    return amount.get(cfg.remedy, cfg.coefficient)


def dose(remedy: str, amount: float, seed: int) -> Dose:
    """One run's dose."""
    field = {"bias": "gamma", "capacity": "factor"}.get(remedy, remedy)
    return Dose(seed) if remedy == "none" else Dose(seed, **{field: amount})


def trace(cfg: Config, tick: Callable[[float], None] = no_tick) -> Trace:
    """Train without a remedy and with it, both as one batch, and film them."""
    doses = [Dose(cfg.seed)]
    if cfg.remedy != "none":
        doses.append(dose(cfg.remedy, strength(cfg), cfg.seed))
    film = train(setting(cfg), doses, tick)
    done = Trace(
        remedy=cfg.remedy,
        strength=strength(cfg),
        limit=cfg.factor / cfg.n_expert if cfg.remedy == "capacity" else math.inf,
        step=FRAMES,
        index=len(FRAMES) - 1,
        film=film,
        entropy=film.entropy,
        working=(film.load >= WORKING).sum(-1).float(),
        gate=GATES,
        gate_gradient=through(cfg),
        top_k=cfg.top_k,
        chosen_gate=cfg.gate,
    )
    return at(done, cfg.step)


def trained(cfg: Config) -> Config:
    """The same training, whatever step is shown: what a scrubber only plays is not trained again."""
    return replace(cfg, step=N_STEP)


def at(trace: Trace, step: int) -> Trace:
    """The same training at another step, or the filmed one next to it."""
    return replace(trace, index=min(range(len(trace.step)), key=lambda i: abs(trace.step[i] - step)))


def through(cfg: Config) -> Float[Tensor, "g k"]:
    """The proof: the norm of the task's gradient in the router, by autograd, for every gate and every top-k.

    With one expert per token a weight that is normalised over the chosen is exp(l) / exp(l) = 1, whatever the logit l:
    its derivative is 0, and the router cannot learn from the task.
    """
    shared = setting(cfg)
    worlds, _, weights = begin(shared, [Dose(cfg.seed)])
    batch, bias = held_out(worlds, cfg.common).batch, torch.zeros(1, cfg.n_expert)
    norm = torch.zeros(len(GATES), MOST_CHOSEN)
    for g, gate in enumerate(GATES):
        for k in range(MOST_CHOSEN):
            _, y = forward(Layer(gate, k + 1, torch.full((1,), torch.inf)), weights, bias, batch)
            norm[g, k] = gradients(task_loss(y, batch.label).sum(), weights)[0].norm()
    return norm


# --- several runs side by side ---------------------------------------------------------------------------------------


def compare(cfg: Config, what: str, tick: Callable[[float], None] = no_tick) -> Comparison:
    """Train several runs as one batch.

    what: "strengths" (without the remedy, then from weak to strong), "seeds" (for each without, then with), "remedies"
    (all of them), or "texts" (without; the Switch loss on the batch as a whole; on every micro-batch by itself).
    Where no remedy is chosen, the Switch loss stands in.
    """
    remedy = "switch" if cfg.remedy == "none" else cfg.remedy
    shared, amount = setting(cfg), strength(replace(cfg, remedy=remedy))
    name: tuple[str, ...]
    value: tuple[float, ...]
    if what == "texts":
        name, value = ("none", "global", "micro"), (0.0, cfg.coefficient, cfg.coefficient)
        doses = [Dose(cfg.seed), Dose(cfg.seed, switch=cfg.coefficient)]
        whole = train(replace(shared, by_micro=False), doses, lambda done: tick(0.6 * done))
        each = train(replace(shared, by_micro=True), doses[1:], lambda done: tick(0.6 + 0.4 * done))
        films = [whole, each]
    elif what == "strengths":
        steps = STRENGTHS[remedy]
        name, value = ("none", *[remedy] * len(steps)), (math.nan, *steps)
        films = [train(shared, [Dose(cfg.seed), *(dose(remedy, one, cfg.seed) for one in steps)], tick)]
    elif what == "seeds":
        name, value = ("none", remedy) * len(SEEDS), tuple(float(seed) for seed in SEEDS for _ in range(2))
        films = [train(shared, [dose(one, amount, int(seed)) for one, seed in zip(name, value, strict=True)], tick)]
    else:
        name = REMEDIES
        value = tuple(amount if one == cfg.remedy else strength(Config(remedy=one)) for one in REMEDIES)
        films = [train(shared, [dose(*one, cfg.seed) for one in zip(REMEDIES, value, strict=True)], tick)]
    return Comparison(
        name=name,
        value=torch.tensor(value),
        entropy=torch.cat([film.entropy[:, -1] for film in films]),
        text_entropy=torch.cat([film.text_entropy[:, -1] for film in films]),
        loss=torch.cat([film.loss[:, -1] for film in films]),
        information=torch.cat([film.information[:, -1] for film in films]),
        dropped=torch.cat([film.dropped[:, -1].float().mean(-1) for film in films]),
    )


# --- what the captions say, and what the claims rest on --------------------------------------------------------------


def facts(trace: Trace) -> dict[str, float | int]:
    """The numbers that the captions name, at the step shown; `_none` is the run without a remedy."""
    film, n, index = trace.film, trace.film.load.shape[-1], trace.index
    said: dict[str, float | int] = {
        "step": trace.step[index],
        "n_step": trace.step[-1],
        "n_expert": n,
        "top_k": trace.top_k,
        "strength": trace.strength,
        "entropy_start": float(trace.entropy[0, 0]),
        "uniform": 1 / n,
        "n_cluster": N_CLUSTER,
        "n_gate_zero": int((trace.gate_gradient[:, 0] < 1e-6).sum()),
        "n_gate": len(trace.gate),
        "frozen": int(float(film.router_gradient[0].max()) < 1e-6),
    }
    for name, r in (("", -1), ("_none", 0)):
        idle = film.load[r, index] < WORKING
        said |= {
            f"entropy{name}": float(trace.entropy[r, index]),
            f"working{name}": int(trace.working[r, index]),
            f"working_end{name}": int(trace.working[r, -1]),
            f"idle{name}": int(idle.sum()),
            f"untaught{name}": int((film.expert_gradient[r, index] == 0).sum()),
            f"largest{name}": float(film.load[r, index].max()),
            f"loss{name}": float(film.loss[r, index]),
            f"text{name}": float(film.text_entropy[r, index]),
            f"information{name}": float(film.information[r, index]),
            f"gradient{name}": float(film.router_gradient[r, index]),
            f"dropped{name}": float(film.dropped[r, index].float().mean()),
            f"size{name}": float(film.size[r, index]),
            f"load_cv{name}": float(film.load[r, index].var(unbiased=False) * n * n),
            f"importance_cv{name}": float(film.importance[r, index].var(unbiased=False) * n * n),
            f"bias_low{name}": float(film.bias[r, index].min()),
            f"bias_high{name}": float(film.bias[r, index].max()),
        }
    for g, gate in enumerate(trace.gate):
        said |= {f"gate_{gate}_{k + 1}": float(trace.gate_gradient[g, k]) for k in range(MOST_CHOSEN)}
    return said


def check(cfg: Config) -> dict[str, float]:
    """The layer point by point; its balancing terms, and their gradient, against transformers' own."""
    return differences(setting(cfg), cfg.seed)


def once(**changes: Any) -> dict[str, float | int]:
    """The facts of one training."""
    return facts(trace(Config(**changes)))


def gate_order() -> dict[str, float]:
    """Claim: before or after top-k, the softmax is the same. The gradient in the router, at the start; and why the
    router that cannot learn ends lower here: `loss_still` is its map with the weights p of the other."""
    cfg, worlds = Config(), [int(seed) for seed in SEEDS]
    shown = through(cfg)
    of = {gate: shown[g] for g, gate in enumerate(GATES)}
    frozen, usual = once(gate="topk_softmax", remedy="none"), once()
    still = train(replace(setting(cfg), still=True), [Dose(cfg.seed)])
    blank = train(setting(replace(cfg, gate="topk_softmax")), [Dose(seed) for seed in worlds])
    mended = train(setting(cfg), [dose("switch", cfg.coefficient, seed) for seed in worlds])
    return {
        "loss_still": float(still.loss[0, -1]),
        "information_frozen": float(frozen["information"]),
        "information_mended": float(usual["information"]),
        "n_world": len(worlds),
        "worlds_frozen": float(blank.information[:, -1].mean()),
        "worlds_mended": float(mended.information[:, -1].mean()),
        "before": float(of["softmax_topk"][0]),
        "after": float(of["topk_softmax"][0]),
        "divided": float(of["renormalised"][0]),
        "before_two": float(of["softmax_topk"][1]),
        "after_two": float(of["topk_softmax"][1]),
        "loss_frozen": float(frozen["loss"]),
        "entropy_frozen": float(frozen["entropy"]),
        "loss_none": float(usual["loss_none"]),
        "loss_mended": float(usual["loss"]),
    }


def without_a_loss() -> dict[str, float | int]:
    """Claim: DeepSeek-V3 balances without any auxiliary loss."""
    bias = once(remedy="bias", gate="sigmoid")
    return {
        "entropy": float(bias["entropy"]),
        "text": float(bias["text"]),
        "entropy_none": float(bias["entropy_none"]),
        "gamma": Config().gamma,
    }


def remedies() -> dict[str, float]:
    """Claim: noise balances the load. The load entropy at the end, with each remedy at its usual strength."""
    found = compare(Config(), "remedies")
    of = dict(zip(found.name, found.entropy.tolist(), strict=True))
    return of | {f"loss_{name}": loss for name, loss in zip(found.name, found.loss.tolist(), strict=True)}


def too_much() -> dict[str, float]:
    """Claim: the coefficient must be large enough to balance and small enough not to disturb."""
    found = compare(Config(), "strengths")
    strengths = STRENGTHS["switch"]
    return {
        "weak": strengths[1],
        "strong": strengths[-1],
        "entropy_none": float(found.entropy[0]),
        "entropy_weak": float(found.entropy[2]),
        "entropy_usual": float(found.entropy[4]),
        "entropy_strong": float(found.entropy[-1]),
        "loss_none": float(found.loss[0]),
        "loss_usual": float(found.loss[4]),
        "loss_strong": float(found.loss[-1]),
    }


CLAIMS = {
    "gate-order": gate_order,
    "without-a-loss": without_a_loss,
    "noise": remedies,
    "coefficient": too_much,
}
