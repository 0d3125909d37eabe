"""The same models built by transformers on torch's meta device: modules without memory, but with parameters to count.

An independent reference for models/moe_families.py, and the way to count any other causal language model that
transformers knows: name and shape of each parameter tell to which part it belongs. Nothing is downloaded or run.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from models.moe_shapes import Layer, Shape

# What DeepSeek-V3's class builds under another name.
ALIASES = {"kimi_k2": "deepseek_v3"}
_LAYER = re.compile(r"(?:(encoder|decoder)\.)?(?:layers|block|h|blocks)\.(\d+)\.")
_TOP_K = ("num_experts_per_tok", "num_experts_per_token", "moe_topk", "moe_top_k", "top_k_experts", "moe_k", "top_k")
_EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts", "num_routed_experts")


def build(values: Mapping[str, Any]) -> nn.Module:
    """The model of a config, on the meta device. Raises whatever transformers raises for a config it cannot build."""
    import transformers

    fields = dict(values)
    kind = ALIASES.get(fields.pop("model_type"), values["model_type"])
    config: Any = transformers.AutoConfig.for_model(kind, **fields)
    with torch.device("meta"):
        if kind == "switch_transformers":
            return transformers.SwitchTransformersForConditionalGeneration(config)
        return transformers.AutoModelForCausalLM.from_config(config)


def part_of(name: str, parameter: torch.Tensor, n_expert: int) -> str:
    """embedding, head, attention, dense, router, shared, experts or vector."""
    if parameter.ndim < 2 or "relative_attention_bias" in name:
        return "vector"
    if re.search(r"(embed_tokens|shared|wte|word_embeddings|embeddings)\.weight$", name) and not _LAYER.search(name):
        return "embedding"
    if re.search(r"(lm_head|embed_out|output)\.weight$", name) and not _LAYER.search(name):
        return "head"
    if re.search(r"shared_(expert|mlp)(?!.*_gate\.)|shared_experts", name) and "shared_expert_gate" not in name:
        return "shared"
    if "experts." in name or (parameter.ndim == 3 and n_expert == len(parameter) > 1 and "conv" not in name):
        return "experts"
    if re.search(r"\.(gate|router|shared_expert_gate|router\.\w+)\.weight$|router\.", name):
        return "router"
    if re.search(r"attn|attention|conv1d|mixer|mamba|temporal", name, re.IGNORECASE):
        return "attention"
    return "dense"


def shape_of(model: nn.Module) -> Shape:
    """What the model's parameters say about it, layer by layer."""
    config: Any = model.config
    config = config.get_text_config() if hasattr(config, "get_text_config") else config
    n = next((int(v) for v in (getattr(config, name, None) for name in _EXPERTS) if isinstance(v, int)), 0)
    k = next((int(v) for v in (getattr(config, name, None) for name in _TOP_K) if isinstance(v, int)), 0)
    if config.model_type == "switch_transformers":
        k = 1
    outside: dict[str, int] = defaultdict(int)
    inside: dict[tuple[str, int], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    mixers: dict[tuple[str, int], str] = {}
    for name, parameter in model.named_parameters():
        part, found = part_of(name, parameter, n), _LAYER.search(name)
        if found is None:
            outside[part if part in ("embedding", "head") else "vector"] += parameter.numel()
            continue
        place = (found[1] or "", int(found[2]))
        inside[place][part] += parameter.numel()
        if re.search(r"linear_attn|mamba|recurrent", name):
            mixers[place] = "linear"
    layers = []
    for place in sorted(inside, key=lambda at: (at[0] == "decoder", at[1])):
        parts = inside[place]
        ffn = ("shared" if parts["shared"] else "moe") if parts["experts"] else "dense"
        layers.append(
            Layer(
                mixers.get(place, place[0] or "attention"),
                ffn,
                parts["attention"],
                parts["dense"],
                parts["router"],
                parts["shared"],
                parts["experts"] // n if n else 0,
                parts["vector"],
            )
        )
    has = any(layer.expert for layer in layers)
    return Shape(
        int(getattr(config, "hidden_size", 0) or getattr(config, "d_model", 0)), n if has else 0, k if has else 0,
        outside["embedding"], outside["head"], outside["vector"], tuple(layers),
    )  # fmt: skip
