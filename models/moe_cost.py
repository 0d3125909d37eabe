"""What a mixture of experts costs beside a dense model: parameters stored, read and used, arithmetic, memory, messages.

Sources: the counting is that of models/moe_shapes.py, real sizes those of models/moe_configs.toml, each with its
source; routing: models/moe_routing.py (Shazeer et al. 2017; Dai et al. 2024). Three numbers are told apart, which
people mix up:

    stored   all parameters: what memory must hold
    used     those that one token is multiplied with: arithmetic, 2 operations each
    read     those that a step of B tokens fetches from memory: with B it climbs from used to stored

Speed follows whichever is short. One user alone waits for memory: the time of a step is that of `read`. Large batches
and training wait for arithmetic: `used`. Neither is a measured speed; networks, kernels and unbalanced experts take
their part.

Glossary
    m     model: the chosen one, the one beside it    p   part (moe_shapes.PARTS)
    b     batch of tokens in one step                 a   all models    l   layer
    d, e  device, expert                              s   split

Simplified: choices of tokens are independent (`touched`) or of fixed popularity (`skewed`); every layer routes alike; a
quantised weight has no scales beside it; a token's experts may lie on any device.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import torch
from jaxtyping import Float, Int
from torch import Tensor

from models import moe_configs, moe_meta, moe_routing, moe_shapes
from models.fields import Choice, Range, Text, no_tick
from models.moe_configs import reals
from models.moe_cost_claims import CLAIMS
from models.moe_shapes import FFNS, PARTS, Amount, Shape, n_active, n_total

__all__ = ["CLAIMS", "Config", "Trace", "check", "facts", "trace"]

SPARSE = tuple(key for key, real in reals().items() if real.sparse)
ALL = ("llama2-70b", "llama2-13b", "mistral-7b", *SPARSE)
DRAWN = 256  # at most so many tokens of each device are drawn for `sent`
DTYPES = {"float32": 4.0, "bfloat16": 2.0, "float8": 1.0, "int4": 0.5}  # bytes per parameter
BATCHES = tuple(sorted({2**i for i in range(13)} | {3 * 2**i for i in range(11)}))  # 1, 2, 3, 4, 6, ... 4096
SPLITS = tuple(range(1, 9))
CARD = 80e9  # bytes of the accelerator that memory is compared with
BASE = (16, 2)  # experts and top-k before splitting, as in Dai et al. 2024


@dataclass(frozen=True)
class Config:
    """One model beside another, and how it is run."""

    model: Annotated[str, Choice(*SPARSE, "own")] = "mixtral-8x7b"
    own: Annotated[str, Text(20_000)] = moe_configs.example()  # a config.json
    beside: Annotated[str, Choice(*ALL)] = "llama2-70b"
    dtype: Annotated[str, Choice(*DTYPES)] = "bfloat16"
    n_device: Annotated[int, Range(1, 64)] = 8
    batch: Annotated[int, Range(1, 4096)] = 8  # tokens in one step; one that is not on the grid stands for the nearest
    skew: Annotated[float, Range(0.0, 2.0, 0.1)] = 1.0  # popularity of experts, rank^-skew, of the skewed line
    split: Annotated[int, Range(1, 8)] = 4  # of fine-grained experts


@dataclass(frozen=True)
class Trace:
    """Counts of two models, what batches and devices make of them, and all models for comparison."""

    key: tuple[str, str]
    name: tuple[str, str]
    opened: str  # how the chosen model's sizes were read: one of moe_configs.OPENED, or "own"
    shape: tuple[Shape, Shape]
    total: Int[Tensor, "m p"]
    active: Int[Tensor, "m p"]
    flops: Int[Tensor, "m p"]  # per token
    batch: Int[Tensor, "b"]
    index: int  # the batch shown
    touched: Float[Tensor, "m b"]  # different experts per layer: the formula
    sampled: Float[Tensor, "b"]  # the same by drawing tokens, chosen model
    skewed: Float[Tensor, "b"]  # the same with popular experts
    read: Float[Tensor, "m b"]  # parameters fetched in one step
    read_parts: Float[Tensor, "m b p"]  # the same by part
    read_skewed: Float[Tensor, "b"]
    size: float  # bytes per parameter
    memory: Float[Tensor, "m t"]  # bytes in each of DTYPES
    owner: Int[Tensor, "e"]  # device of each expert
    sent: Int[Tensor, "d e"]  # tokens from each device to each expert, of DRAWN or fewer of each device
    copies: float  # of a token that leave its device, one for each expert
    reached: float  # other devices a token needs
    message: tuple[float, float]  # bytes per token and step, there and back, in all layers: for copies, for reached
    per_expert: Float[Tensor, "two b"]  # tokens of one expert: from one device's batch, from all devices'
    split: Int[Tensor, "s"]
    ways: tuple[tuple[int, ...], ...]  # combinations, one row for BASE and one for the chosen model's n and k
    split_index: int
    n_device: int
    all_name: tuple[str, ...]
    all_total: Float[Tensor, "a"]
    all_active: Float[Tensor, "a"]
    strip: Int[Tensor, "a l"]  # index in FFNS of each layer, -1 past the last
    linear: Int[Tensor, "a l"]  # 1 where the layer's attention is a linear kind


def nearest(batch: int) -> int:
    """Index of the batch in BATCHES that is nearest in proportion."""
    return min(range(len(BATCHES)), key=lambda i: abs(math.log(BATCHES[i] / batch)))


def _chosen(cfg: Config) -> tuple[str, str, Shape]:
    if cfg.model != "own":
        real = reals()[cfg.model]
        return real.key, real.name, real.shape
    kind, shape = moe_configs.shape_of(cfg.own)
    return "own", kind[:40], shape


@torch.no_grad()
def trace(cfg: Config, tick: Callable[[float], None] = no_tick) -> Trace:
    """Count both models. Raises ConfigRefused for a pasted text that cannot be counted."""
    key, name, shape = _chosen(cfg)
    other = reals()[cfg.beside]
    shapes = (shape, other.shape)
    n, k, d = shape.n_expert, shape.top_k, cfg.n_device
    index = nearest(cfg.batch)
    tick(0.1)
    touched = torch.tensor([[moe_routing.distinct(s.n_expert, s.top_k, b) for b in BATCHES] for s in shapes])
    sampled = moe_routing.sampled(n, k, BATCHES, 0.0)
    tick(0.4)
    skewed = moe_routing.sampled(n, k, BATCHES, round(cfg.skew, 2))
    tick(0.8)
    copies = moe_routing.copies_sent(n, k, d) if n else 0.0
    reached = moe_routing.devices_reached(n, k, d) if n else 0.0
    size = DTYPES[cfg.dtype]
    n_moe = len(shape.moe_layers)
    messages = [moe_routing.all_to_all(shape.d_model, n_moe, each, DTYPES["bfloat16"]) for each in (copies, reached)]
    compared = {real.name: real.shape for real in reals().values()}
    if key == "own":
        compared[name] = shape
    longest = max(len(s.layers) for s in compared.values())

    def strip(of: Callable[[moe_shapes.Layer], int], blank: int) -> Int[Tensor, "a l"]:
        rows = [[of(layer) for layer in s.layers] + [blank] * (longest - len(s.layers)) for s in compared.values()]
        return torch.tensor(rows)

    return Trace(
        key=(key, other.key),
        name=(name, other.name),
        opened=reals()[key].opened if key in reals() else "own",
        shape=shapes,
        total=_table(moe_shapes.total, shapes),
        active=_table(moe_shapes.active, shapes),
        flops=_table(moe_shapes.flops, shapes),
        batch=torch.tensor(BATCHES),
        index=index,
        touched=touched,
        sampled=sampled,
        skewed=skewed,
        read=torch.stack([_read(s, t).sum(1) for s, t in zip(shapes, touched, strict=True)]),
        read_parts=torch.stack([_read(s, t) for s, t in zip(shapes, touched, strict=True)]),
        read_skewed=_read(shape, skewed).sum(1),
        size=size,
        memory=torch.tensor([[n_total(s) * each for each in DTYPES.values()] for s in shapes], dtype=torch.float64),
        owner=moe_routing.owners(n, d) if n else torch.zeros(0, dtype=torch.int64),
        sent=moe_routing.sent(n, k, d, min(DRAWN, BATCHES[index]), round(cfg.skew, 2))
        if n
        else torch.zeros(d, 0).long(),
        copies=copies,
        reached=reached,
        message=(messages[0], messages[1]),
        per_expert=torch.tensor([[moe_routing.tokens_per_expert(n, k, b, each) for b in BATCHES] for each in (1, d)]),
        split=torch.tensor(SPLITS),
        ways=tuple(tuple(moe_routing.combinations(*base, SPLITS)) for base in (BASE, (n, k))),
        split_index=SPLITS.index(cfg.split),
        n_device=d,
        all_name=tuple(compared),
        all_total=torch.tensor([n_total(s) for s in compared.values()], dtype=torch.float64),
        all_active=torch.tensor([n_active(s) for s in compared.values()], dtype=torch.float64),
        strip=strip(lambda layer: FFNS.index(layer.ffn), -1),
        linear=strip(lambda layer: int(layer.mixer == "linear"), 0),
    )


def _table(count: Callable[[Shape], dict[str, int]], shapes: tuple[Shape, Shape]) -> Int[Tensor, "m p"]:
    return torch.tensor([[count(shape)[part] for part in PARTS] for shape in shapes])


def _read(shape: Shape, n_distinct: Float[Tensor, "b"]) -> Float[Tensor, "b p"]:
    parts = [list(moe_shapes.read(shape, float(each)).values()) for each in n_distinct]
    return torch.tensor(parts, dtype=torch.float64)


# --- what the captions say --------------------------------------------------------------------------------------------

B = 1e9


def facts(trace: Trace) -> dict[str, float | int | str]:
    """Numbers for the captions: parameters in billions, memory in GB (10^9 bytes), arithmetic in billions (GFLOP)."""
    shape, other = trace.shape
    i, n, k = trace.index, shape.n_expert, shape.top_k
    total, active = n_total(shape), n_active(shape)
    total_beside, active_beside = n_total(other), n_active(other)
    gflop, gflop_beside = (float(row.sum()) / B for row in trace.flops)
    reads, reads_beside = float(trace.read[0, i]), float(trace.read[1, i])
    real = reals().get(trace.key[0])
    return {
        "model": trace.name[0],
        "beside": trace.name[1],
        "total": Amount(total / B),
        "active": Amount(active / B),
        "share": active / total,
        "total_beside": Amount(total_beside / B),
        "active_beside": Amount(active_beside / B),
        "fewer": active_beside / active,
        "memory_ratio": total / total_beside,
        "heavier": trace.key[0] if active > active_beside else trace.key[1],
        "n": n,
        "k": k,
        "n_moe": len(shape.moe_layers),
        "n_layer": len(shape.layers),
        "n_dense": sum(layer.ffn == "dense" for layer in shape.layers),
        "expert": Amount(shape.expert / B),
        "expert_all": Amount(sum(layer.expert for layer in shape.layers) / B),
        "expert_share": float(trace.total[0, PARTS.index("experts")]) / total,
        "batch": int(trace.batch[i]),
        "touched": float(trace.touched[0, i]),
        "sampled": float(trace.sampled[i]),
        "skewed": float(trace.skewed[i]),
        "read": reads / B,
        "read_beside": reads_beside / B,
        "read_gb": reads * trace.size / B,
        "read_beside_gb": reads_beside * trace.size / B,
        "read_ratio": reads_beside / reads,
        "intensity": int(trace.batch[i]) * gflop * B / (reads * trace.size),
        "intensity_beside": int(trace.batch[i]) * gflop_beside * B / (reads_beside * trace.size),
        "gflop": gflop,
        "gflop_beside": gflop_beside,
        "gflop_ratio": gflop_beside / gflop,
        "gb": total * trace.size / B,
        "gb_beside": total_beside * trace.size / B,
        "cards": math.ceil(total * trace.size / CARD),
        "cards_beside": math.ceil(total_beside * trace.size / CARD),
        "n_device": trace.n_device,
        "per_device": n / trace.n_device,
        "drawn": min(DRAWN, int(trace.batch[i])),
        "copies": trace.copies,
        "reached": trace.reached,
        "message_kb": trace.message[0] / 1e3,
        "message_once_kb": trace.message[1] / 1e3,
        "busiest": _busiest(trace),
        "alone": float(trace.per_expert[0, i]),
        "together": float(trace.per_expert[1, i]),
        "split": int(trace.split[trace.split_index]),
        "n_split": BASE[0] * int(trace.split[trace.split_index]),
        "k_split": BASE[1] * int(trace.split[trace.split_index]),
        "ways_before": math.comb(*BASE),
        "ways": trace.ways[0][trace.split_index],
        "ways_own": float(f"{trace.ways[1][0]:.6g}") if len(str(trace.ways[1][0])) < 300 else math.inf,
        "n_models": len(trace.all_name),
        "published": Amount(real.published[0] if real and real.published else math.nan),
        "published_active": Amount(real.published[1] if real and real.published else math.nan),
        "source": real.source if real else "",
    }


def _busiest(trace: Trace) -> float:
    """How many times the mean load the device has that gets most tokens."""
    if not trace.sent.numel() or not int(trace.sent.sum()):
        return 1.0
    load = torch.zeros(trace.n_device, dtype=torch.int64).index_add_(0, trace.owner, trace.sent.sum(0))
    return float(load.max()) * trace.n_device / float(load.sum())


@torch.no_grad()
def check(cfg: Config) -> dict[str, float]:
    """Both models built by transformers on the meta device and counted there; experts touched, by a chain of draws."""
    found: dict[str, float] = {}
    for key, values in (
        (cfg.model, moe_configs.parse(cfg.own) if cfg.model == "own" else reals()[cfg.model].values),
        (cfg.beside, reals()[cfg.beside].values),
    ):
        ours = _chosen(cfg)[2] if key == "own" else reals()[key].shape
        model = moe_meta.build(values)
        theirs = moe_meta.shape_of(model)
        found[f"{key}: parameters"] = float(abs(n_total(ours) - sum(p.numel() for p in model.parameters())))
        gaps = [abs(moe_shapes.total(ours)[part] - moe_shapes.total(theirs)[part]) for part in PARTS]
        gaps += [abs(moe_shapes.active(ours)[part] - moe_shapes.active(theirs)[part]) for part in PARTS]
        found[f"{key}: parts, total and active"] = float(max(gaps))
    shape = _chosen(cfg)[2]
    if 0 < shape.n_expert * shape.top_k <= 20_000:
        batch = BATCHES[nearest(cfg.batch)]
        chain = moe_routing.distinct_by_chain(shape.n_expert, shape.top_k, batch)
        found["n (1 - (1 - k/n)^B)"] = abs(chain - moe_routing.distinct(shape.n_expert, shape.top_k, batch))
    return found
