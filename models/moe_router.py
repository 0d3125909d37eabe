"""A trained router at work: which experts each token of a text goes to, with what weight, and what depends on it.

Sources: Shazeer et al. 2017, "Outrageously Large Neural Networks", section 2 (gating). Fedus et al. 2022, "Switch
Transformers", section 2.2 (capacity). The model: models/tiny_moe.py, trained here on three domains; a text through it:
models/router_reading.py; the gates: models/gates.py; gates side by side, and the worked example of a full expert:
models/router_gates.py; losses with other k and capacities, and on held-out text: models/router_measure.py.

    logit       = rms_norm(x) W_r^T / temperature                     one number per expert
    chosen      = the k experts with the largest score
    y_t         = shared(u_t) + sum_e weight[t, e] E_e(u_t)           weight is 0 where not chosen or dropped
    capacity    = ceil(k tokens / experts * factor)                   of each expert, if there is a limit

Glossary
    score       what the gate compares: the probability, or sigmoid + bias, or the noisy logit
    kept        chosen, and within the expert's capacity; a token that nobody keeps passes on the residual stream
    load        an expert's share of all assignments: 1 / experts if all work equally
    entropy     of the load, as a part of its maximum: 1 equal, 0 one expert does everything

Axes: l layer with a router, t token, e expert. Layers and experts are numbered from 1, tokens from 0 (<bos>).

Simplified: the router was trained with one gate; every other gate is tried on it without training.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from models import gates, router_gates, tiny_moe
from models.balancing import load, load_entropy
from models.fields import Choice, LogRange, Range, Text, no_tick
from models.router_claims import CLAIMS
from models.router_measure import DENSE
from models.router_reading import N_TOKEN, Signed, encode, mean_loss, parse_experts, read
from models.router_reference import capacity_gap, conserved, gate_gap, model_gap
from models.tiny_moe import CONFIGS, Switches

__all__ = ["CLAIMS", "Config", "Trace", "check", "facts", "pinned", "switches", "trace"]

TEXT = (
    "JULIET:\nMy bounty is as boundless as the sea,\nMy love as deep.\n"
    "东风夜放花千树。更吹落、星如雨。\n"
    "def area(width, height):\n    return width * height\n"
)
N_NEAR = 32  # tokens in the matrix of experts by tokens
NOISE = 1.0  # deviation of the noisy gate in the picture of kinds
GATES = (
    "trained",
    "softmax_topk",
    "topk_softmax",
    "renormalised",
    "sigmoid_bias",
    "group_limited",
    "dense",
    "noisy_topk",
    "expert_choice",
    "random",
)


@dataclass(frozen=True)
class Config:
    """A text, a trained model, and how its router is run."""

    text: Annotated[str, Text(2_000)] = TEXT
    model: Annotated[str, Choice("moe", "fine")] = "moe"
    gate: Annotated[str, Choice(*GATES)] = "trained"
    k_moe: Annotated[int, Range(1, 8)] = 2  # experts per token, of "moe"
    k_fine: Annotated[int, Range(1, 16)] = 4  # the same, of "fine"
    capacity: Annotated[float, Range(0.0, 3.0, 0.25)] = 0.0  # factor; 0: no limit
    temperature: Annotated[float, LogRange(0.25, 4.0)] = 1.0
    noise: Annotated[float, Range(0.0, 1.0, 0.05)] = 0.0  # jitter; for "noisy_topk" the deviation on the logits
    seed: Annotated[int, Range(0, 99)] = 0
    shared: bool = True  # of "fine"
    without: Annotated[str, Text(200)] = ""  # "2.5 3.1": layer.expert, switched off
    n_shown: Annotated[int, Range(1, 16)] = 16  # experts drawn one by one; the others as one
    layer: Annotated[int, Range(1, 4)] = 4
    token: Annotated[int, Range(0, N_TOKEN - 1)] = 34  # pinned; past the end: the last one


@dataclass(frozen=True)
class Trace:
    """What every router did with the text, and what the text cost."""

    model: str
    gate: str  # in effect: one of tiny_moe.GATES
    compares: str  # the gate whose scores are compared: a "random" router has the gate it was trained with
    squash: str  # "softmax" or "sigmoid": how logits become probabilities
    trained_gate: str
    k: int  # experts per token
    trained_k: int
    capacity: float
    limit: int  # capacity: tokens an expert takes; 0: no limit
    n_shared: int  # shared experts that are switched on
    n_shown: int
    layer: int  # from 0
    token: int
    near: tuple[int, int]  # tokens around it that the matrix shows: from, up to but without
    label: tuple[str, ...]
    ids: tuple[int, ...]
    n_cut: int  # tokens of the text left out
    logit: Float[Tensor, "l t e"]  # -inf for an expert that is switched off
    probability: Float[Tensor, "l t e"]
    score: Float[Tensor, "l t e"]
    chosen: Bool[Tensor, "l t e"]
    kept: Bool[Tensor, "l t e"]
    weight: Float[Tensor, "l t e"]
    bias: Float[Tensor, "e"]  # of the layer shown; zeros unless trained with it
    load: Float[Tensor, "l e"]
    entropy: Float[Tensor, "l"]
    surprise: Float[Tensor, "u"]  # -log p of every token but the first, nats
    surprise_trained: Float[Tensor, "u"]  # of the model as it was trained
    without: tuple[tuple[int, int], ...]  # (layer, expert) switched off, from 0
    bad: tuple[str, ...]  # parts of Config.without that name no expert
    order: Float[Tensor, "g e"]  # the pinned token's weights by each of router_gates.ORDERS
    example: Float[Tensor, "g f"]  # the same of router_gates.EXAMPLE, two of eight
    kinds: tuple[gates.Gating, ...]  # the layer's logits through each of router_gates.KINDS
    overflow: router_gates.Overflow  # the worked example of a full expert


def switches(cfg: Config) -> tuple[Switches, tuple[str, ...]]:
    """How the model is run, and the parts of `without` that name no expert."""
    about = CONFIGS[cfg.model]
    gate = "" if cfg.gate in ("trained", about.gate) else cfg.gate
    k = cfg.k_moe if cfg.model == "moe" else cfg.k_fine
    without, bad = parse_experts(cfg.without, about.n_layer, about.n_expert)
    how = Switches(
        gate=gate,
        top_k=0 if k == about.top_k or gate in DENSE else k,
        temperature=cfg.temperature,
        noise=cfg.noise,
        seed=cfg.seed if cfg.noise or gate == "random" else 0,
        capacity_factor=cfg.capacity,
        shared=cfg.shared or about.n_shared == 0,
        without=without,
    )
    return how, bad


def pinned(token: int | None) -> dict[str, int]:
    """The Config field of the token that was clicked; a second click lets it go."""
    return {} if token is None else {"token": token}


@torch.no_grad()
def trace(cfg: Config, tick: Callable[[float], None] = no_tick) -> Trace:
    """Read the text as the controls say, and once more as trained. Raises ModelUnavailable."""
    about = CONFIGS[cfg.model]
    how, bad = switches(cfg)
    tick(0.0)
    ids, n_cut = encode(cfg.text)
    reading = read(cfg.model, ids, how)
    tick(0.7)
    trained = read(cfg.model, ids, tiny_moe.AS_TRAINED)
    layer = min(cfg.layer, len(reading.logit)) - 1
    n_token = len(ids)
    token = min(cfg.token, n_token - 1)
    gate = how.gate or about.gate
    compares = about.gate if gate == "random" else gate
    k = about.n_expert if gate in DENSE else how.top_k or about.top_k
    bias = bias_of(cfg.model, layer)
    share = torch.stack([load(one) for one in reading.chosen])
    return Trace(
        model=cfg.model,
        gate=gate,
        compares=compares,
        squash="sigmoid" if compares == "sigmoid_bias" else "softmax",
        trained_gate=about.gate,
        k=k,
        trained_k=about.top_k,
        capacity=cfg.capacity,
        limit=gates.capacity(n_token, about.n_expert, cfg.capacity, how.top_k or about.top_k) if cfg.capacity else 0,
        n_shared=about.n_shared if how.shared else 0,
        n_shown=min(cfg.n_shown, about.n_expert),
        layer=layer,
        token=token,
        near=near(token, n_token),
        label=reading.label,
        ids=ids,
        n_cut=n_cut,
        logit=reading.logit,
        probability=reading.probability,
        score=reading.score,
        chosen=reading.chosen,
        kept=reading.kept,
        weight=reading.weight,
        bias=bias,
        load=share,
        entropy=load_entropy(share),
        surprise=reading.surprise,
        surprise_trained=trained.surprise,
        without=tuple(sorted(how.without)),
        bad=bad,
        order=router_gates.orders(reading.logit[layer, token], min(k, about.n_expert), bias),
        example=router_gates.orders(torch.tensor(router_gates.EXAMPLE), 2, torch.zeros(len(router_gates.EXAMPLE))),
        kinds=tuple(
            router_gates.kind(name, reading.logit[layer], about.top_k, NOISE, 0) for name in router_gates.KINDS
        ),
        overflow=router_gates.overflow(),
    )


def near(token: int, n_token: int) -> tuple[int, int]:
    """Up to N_NEAR tokens with the given one in the middle, as far as the text goes: (first, past the last)."""
    first = max(0, min(token - N_NEAR // 2, n_token - N_NEAR))
    return first, min(n_token, first + N_NEAR)


def bias_of(variant: str, layer: int) -> Float[Tensor, "e"]:
    """The balancing bias of one router (counted from 0): zeros in a model trained with a loss instead."""
    bias = tiny_moe.load(variant).layers[layer].bias
    assert isinstance(bias, Tensor)
    return bias


# --- what the captions say -------------------------------------------------------------------------------------------


def facts(trace: Trace) -> dict[str, float | int | str]:
    """The numbers that the captions name: of the layer shown, where nothing else is said. Experts count from 1."""
    n_layer, n_token, n_expert = trace.logit.shape
    chosen, kept, weight = trace.chosen[trace.layer], trace.kept[trace.layer], trace.weight[trace.layer]
    share = trace.load[trace.layer]
    dropped = (trace.chosen & ~trace.kept).sum((1, 2))
    asked = chosen.sum(0)
    passed = ~kept.any(-1) & chosen.any(-1)
    loss, trained = mean_loss(trace.surprise), mean_loss(trace.surprise_trained)
    sums = trace.order.sum(-1)
    example = trace.example
    first = weight.argmax(-1)
    return {
        "layer": trace.layer + 1,
        "n_layer": n_layer,
        "n_token": n_token,
        "n_near": trace.near[1] - trace.near[0],
        "n_cut": trace.n_cut,
        "n_expert": n_expert,
        "n_shared": trace.n_shared,
        "gate": trace.gate,
        "k": trace.k,
        "trained_k": trace.trained_k,
        "token": trace.label[trace.token],
        "to": _named(weight[trace.token]) or "–",
        "best_logit": int(trace.logit[trace.layer, trace.token].argmax()) + 1,
        "best_probability": float(trace.probability[trace.layer, trace.token].max()),
        "weight_sum": float(weight[trace.token].sum()),
        "busiest": int(share.argmax()) + 1,
        "busiest_share": float(share.max()),
        "idlest": int(share.argmin()) + 1,
        "idlest_share": float(share.min()),
        "equal_share": 1 / n_expert,
        "entropy": float(trace.entropy[trace.layer]),
        "n_assigned": int(chosen.sum()),
        "n_dropped": int(dropped[trace.layer]),
        "n_passed": int(passed.sum()),
        "n_dropped_all": int(dropped.sum()),
        "limit": trace.limit,
        "factor": trace.capacity,
        "n_most_asked": int(asked.max()),
        "n_twice": int((chosen.sum(-1) > trace.k).sum()),
        "n_none": int((~chosen.any(-1)).sum()),
        "loss": loss,
        "loss_trained": trained,
        "rise": Signed(loss - trained),
        "moves": "same" if abs(loss - trained) < 0.02 else "worse" if loss > trained else "better",
        "without": ", ".join(f"{layer + 1}.{expert + 1}" for layer, expert in trace.without),
        "n_without": len(trace.without),
        "bad": ", ".join(part[:12] for part in trace.bad[:5]),
        "n_bad": len(trace.bad),
        "n_path": len({tuple(path) for path in trace.weight.argmax(-1).T.tolist()}),
        "n_possible": n_expert**n_layer,
        "n_stay": int((trace.weight.argmax(-1) == first).all(0).sum()),
        "sum_softmax_topk": float(sums[0]),
        "sum_topk_softmax": float(sums[1]),
        "sum_renormalised": float(sums[2]),
        "sum_sigmoid_bias": float(sums[3]),
        "sum_group_limited": float(sums[4]),
        "example_one": float(example[0, 0]),
        "example_two": float(example[0, 1]),
        "example_sum": float(example[0].sum()),
        "example_one_after": float(example[1, 0]),
        "example_two_after": float(example[1, 1]),
        "example_k": 2,
    } | _kind_facts(trace)


def _named(weight: Float[Tensor, "e"]) -> str:
    """The experts that work for one token, the largest weight first: "3 (61 %), 7 (39 %)"."""
    order = weight.argsort(descending=True).tolist()
    said = [f"{e + 1} ({float(weight[e]):.0%})" for e in order if weight[e] > 0]
    return ", ".join(said[:4]) + (" …" if len(said) > 4 else "")


def _kind_facts(trace: Trace) -> dict[str, float | int | str]:
    """What five kinds of gate make of the layer's logits: experts per token, the fullest expert, tokens without any."""
    said: dict[str, float | int | str] = {}
    for i, name in enumerate(router_gates.KINDS):
        chosen = trace.kinds[i].chosen
        said[f"{name}_mean"] = float(chosen.sum(-1).float().mean())
        said[f"{name}_most"] = int(chosen.sum(0).max())
        said[f"{name}_none"] = int((~chosen.any(-1)).sum())
    n_expert = trace.logit.shape[2]
    n_group = router_gates.groups(n_expert)
    said |= {"n_group": n_group, "n_inside": n_expert // n_group, "n_logit": n_group + n_expert // n_group}
    return said


@torch.no_grad()
def check(cfg: Config) -> dict[str, float]:
    """The whole model against transformers, the gate against a library's or a loop, and that no token is lost."""
    reading = trace(cfg)
    name, gap = model_gap(cfg.model, reading.ids)
    found = {f"as trained = {name}": gap}
    layer = reading.layer
    found["chosen = kept + dropped"] = max(
        conserved(*one) for one in zip(reading.chosen, reading.kept, reading.weight, strict=True)
    )
    if reading.gate not in ("expert_choice", "noisy_topk", "random"):
        logit = reading.logit[layer]
        bias = reading.bias if reading.gate == "sigmoid_bias" else torch.zeros(logit.shape[1])
        ours = (
            router_gates.order(reading.gate, logit, reading.k, bias)
            if reading.gate not in DENSE
            else gates.dense(logit)
        )
        name, gap = gate_gap(reading.gate, logit, ours.weight, reading.k, bias)
        found[f"weights = {name}"] = gap
    if reading.limit:
        found["kept = queue"] = capacity_gap(
            reading.chosen[layer], reading.kept[layer], len(reading.ids), reading.limit
        )
    return found
