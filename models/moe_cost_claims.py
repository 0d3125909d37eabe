"""Claims people repeat about what mixtures of experts cost, each settled by counting.

Every function gives the numbers of one claim card; sizes are those of models/moe_configs.toml.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

from models import moe_families, moe_routing, moe_shapes
from models.moe_configs import reals
from models.moe_shapes import Amount, Shape, n_active, n_total

Live = dict[str, float | int | str]
B = 1e9
# Its config.json is that of Qwen2MoeConfig's defaults in transformers 5.23.
QWEN1_5_MOE = {
    "model_type": "qwen2_moe", "vocab_size": 151936, "hidden_size": 2048, "intermediate_size": 5632,
    "moe_intermediate_size": 1408, "shared_expert_intermediate_size": 5632, "num_hidden_layers": 24,
    "num_attention_heads": 16, "num_key_value_heads": 16, "num_experts": 60, "num_experts_per_tok": 4,
}  # fmt: skip


def _shape(key: str) -> Shape:
    return reals()[key].shape


def _flops(key: str) -> int:
    return sum(moe_shapes.flops(_shape(key)).values())


def _read(key: str, batch: int) -> float:
    shape = _shape(key)
    return sum(moe_shapes.read(shape, moe_routing.distinct(shape.n_expert, shape.top_k, batch)).values())


def _sizes(key: str) -> tuple[Amount, Amount]:
    return Amount(n_total(_shape(key)) / B), Amount(n_active(_shape(key)) / B)


def six_times_half() -> Live:
    """Mixtral 8x7B against Llama 2 70B: arithmetic, memory, and what a step reads for one, eight and 64 tokens."""
    total, active = _sizes("mixtral-8x7b")
    dense, _ = _sizes("llama2-70b")
    said: Live = {
        "total": total, "active": active, "dense": dense, "fewer": dense / active,
        "arithmetic": _flops("llama2-70b") / _flops("mixtral-8x7b"),
        "saved": 1 - _flops("mixtral-8x7b") / _flops("llama2-70b"), "memory": 1 - total / dense,
    }  # fmt: skip
    for batch in (1, 8, 64):
        said[f"read_{batch}"] = _read("llama2-70b", batch) / _read("mixtral-8x7b", batch)
    return said


def eight_times_seven() -> Live:
    """One expert of Mixtral over all layers, what is not in experts, the sum, and a whole Mistral 7B."""
    shape = _shape("mixtral-8x7b")
    parts = moe_shapes.total(shape)
    total, active = _sizes("mixtral-8x7b")
    return {
        "expert": Amount(parts["experts"] / shape.n_expert / B),
        "experts": Amount(parts["experts"] / B),
        "attention": Amount(parts["attention"] / B),
        "tables": Amount((parts["embedding"] + parts["head"]) / B),
        "total": total,
        "active": active,
        "dense": _sizes("mistral-7b")[0],
        "times": total / _sizes("mistral-7b")[0],
    }


def same_arithmetic() -> Live:
    """Mixtral's arithmetic beside Mistral 7B, of which it has everything but the experts, and beside its own size."""
    total, active = _sizes("mixtral-8x7b")
    dense, _ = _sizes("mistral-7b")
    switch, base = _shape("switch-base-128"), _shape("switch-base-8")
    return {
        "active": active,
        "dense": dense,
        "more": _flops("mixtral-8x7b") / _flops("mistral-7b"),
        "total": total,
        "less": total / active,
        "switch": n_total(switch) / n_total(base),
        "switch_more": sum(moe_shapes.flops(switch).values()) / sum(moe_shapes.flops(base).values()) - 1,
    }


def training_cost() -> Live:
    """Arithmetic of training a token, three times that of reading it, and the memory of weights with Adam's states."""
    total, active = _sizes("mixtral-8x7b")
    dense, _ = _sizes("llama2-70b")
    thirteen, _ = _sizes("llama2-13b")
    return {
        "gflop": 3 * _flops("mixtral-8x7b") / B,
        "gflop_70b": 3 * _flops("llama2-70b") / B,
        "gflop_13b": 3 * _flops("llama2-13b") / B,
        "less": _flops("llama2-70b") / _flops("mixtral-8x7b"),
        "active": active,
        "memory": 16 * total,  # GB: weights and gradients in 16 bits, master weights and two moments in 32
        "memory_70b": 16 * dense,
        "memory_13b": 16 * thirteen,
    }


def qwen_first() -> Live:
    """Qwen1.5-MoE, a year before Qwen2 in name and three months in time."""
    first = moe_families.shape_of(QWEN1_5_MOE)
    total, active = _sizes("qwen2-57b-a14b")
    return {
        "first_total": Amount(n_total(first) / B), "first_active": Amount(n_active(first) / B),
        "first_n": first.n_expert, "first_k": first.top_k, "total": total, "active": active,
    }  # fmt: skip


def shared_experts() -> Live:
    """Experts, top-k and the width of what every token passes, in units of one expert."""
    said: Live = {}
    for key in ("qwen2-57b-a14b", "qwen3-235b-a22b", "qwen3-next-80b-a3b", "deepseek-v3", "llama4-maverick"):
        shape, name = _shape(key), key.split("-")[0] if "next" not in key else "next"
        layer = shape.moe_layers[-1]
        said |= {f"{name}_n": shape.n_expert, f"{name}_k": shape.top_k, f"{name}_shared": layer.shared // layer.expert}
    return said


def like_thirteen() -> Live:
    """How much more than Llama 2 13B a step of Mixtral reads, and how many of its eight experts that asks for."""
    said: Live = {"active": _sizes("mixtral-8x7b")[1], "dense": _sizes("llama2-13b")[0]}
    for batch in (1, 8, 64):
        said[f"read_{batch}"] = _read("mixtral-8x7b", batch) / _read("llama2-13b", batch)
        said[f"touched_{batch}"] = moe_routing.distinct(8, 2, batch)
    return said


def published() -> Live:
    """Counted totals and actives of models whose makers give round numbers; V3's without its embedding."""
    said: Live = {}
    for key in ("mixtral-8x7b", "mixtral-8x22b", "deepseek-v2", "deepseek-v3"):
        total, active = _sizes(key)
        name = key.replace("-", "_")
        said |= {name: total, f"{name}_active": active}
    v3 = _shape("deepseek-v3")
    said["deepseek_v3_without"] = Amount((n_active(v3) - v3.embedding) / B)
    return said


def deepseek_maverick() -> Live:
    """DeepSeek-V3 beside Llama 4 Maverick, and where the experts sit."""
    v3, maverick = _shape("deepseek-v3"), _shape("llama4-maverick")
    return {
        "v3": Amount(n_total(v3) / B), "maverick": Amount(n_total(maverick) / B),
        "more": n_total(v3) / n_total(maverick) - 1,
        "round": 671 / 400 - 1,
        "v3_active": Amount(n_active(v3) / B), "maverick_active": Amount(n_active(maverick) / B),
        "active": n_active(v3) / n_active(maverick), "v3_moe": len(v3.moe_layers), "v3_layers": len(v3.layers),
        "maverick_moe": len(maverick.moe_layers), "maverick_layers": len(maverick.layers),
    }  # fmt: skip


CLAIMS: dict[str, Callable[[], Live]] = {
    name: functools.cache(claim)
    for name, claim in {
        "six_times_half": six_times_half,
        "eight_times_seven": eight_times_seven,
        "same_arithmetic": same_arithmetic,
        "training_cost": training_cost,
        "qwen_first": qwen_first,
        "shared_experts": shared_experts,
        "like_thirteen": like_thirteen,
        "published": published,
        "deepseek_maverick": deepseek_maverick,
    }.items()
}
