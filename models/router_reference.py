"""Routing by other people's code, for "check it now" and the tests of the page moe-router.

References: `MixtralForCausalLM`, `MixtralTopKRouter`, `DeepseekV3MoE`, `DeepseekV3TopkRouter` and
`SwitchTransformersTop1Router` in transformers; plain Python for the rest. A router's matrix is copied; where only the
gate is compared, the matrix is the identity, so that the library's router sees our logits.

Axes: t token, e expert, m model feature.
"""

import math
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor

from models import tiny_moe
from models.tiny_moe import AS_TRAINED, TinyMoE

MIXTRAL = {
    "gain_attention": "input_layernorm.weight",
    "w_q": "self_attn.q_proj.weight",
    "w_k": "self_attn.k_proj.weight",
    "w_v": "self_attn.v_proj.weight",
    "w_o": "self_attn.o_proj.weight",
    "gain_mlp": "post_attention_layernorm.weight",
    "w_router": "mlp.gate.weight",
    "w_down": "mlp.experts.down_proj",
}


def as_mixtral(model: TinyMoE) -> Any:
    """Transformers' Mixtral with the weights of the variant "moe"."""
    from transformers import MixtralConfig, MixtralForCausalLM

    cfg = model.cfg
    settings: dict[str, Any] = {
        "vocab_size": cfg.vocab_size,
        "hidden_size": cfg.d_model,
        "intermediate_size": cfg.d_expert,
        "num_hidden_layers": cfg.n_layer,
        "num_attention_heads": cfg.n_head,
        "num_key_value_heads": cfg.n_kv_head,
        "head_dim": cfg.d_head,
        "num_local_experts": cfg.n_expert,
        "num_experts_per_tok": cfg.top_k,
        "max_position_embeddings": cfg.n_ctx,
        "rms_norm_eps": cfg.norm_eps,
        "rope_parameters": {"rope_type": "default", "rope_theta": cfg.rope_base},
        "tie_word_embeddings": True,
        "attn_implementation": "eager",
        "experts_implementation": "eager",
    }
    mixtral = MixtralForCausalLM(MixtralConfig(**settings)).eval()
    mine = model.state_dict()
    theirs = {"model.embed_tokens.weight": mine["embedding"], "model.norm.weight": mine["gain_final"]}
    theirs["lm_head.weight"] = mine["embedding"]
    for i in range(cfg.n_layer):
        for a, b in MIXTRAL.items():
            theirs[f"model.layers.{i}.{b}"] = mine[f"layers.{i}.{a}"]
        both = torch.cat((mine[f"layers.{i}.w_gate"], mine[f"layers.{i}.w_up"]), dim=1)
        theirs[f"model.layers.{i}.mlp.experts.gate_up_proj"] = both
    mixtral.load_state_dict(theirs)
    return mixtral


@torch.no_grad()
def mixtral_logits(model: TinyMoE, ids: tuple[int, ...]) -> Float[Tensor, "t v"]:
    """Its logits for a text."""
    return as_mixtral(model)(torch.tensor(ids)[None]).logits[0]


@torch.no_grad()
def deepseek_layers(model: TinyMoE, ids: tuple[int, ...]) -> list[tuple[Tensor, Tensor]]:
    """(ours, theirs) for every layer of the variant "fine": what experts and shared expert add, by `DeepseekV3MoE`."""
    from transformers import DeepseekV3Config
    from transformers.models.deepseek_v3.modeling_deepseek_v3 import DeepseekV3MoE

    cfg = model.cfg
    settings: dict[str, Any] = {
        "hidden_size": cfg.d_model,
        "moe_intermediate_size": cfg.d_expert,
        "n_routed_experts": cfg.n_expert,
        "num_local_experts": cfg.n_expert,
        "num_experts_per_tok": cfg.top_k,
        "n_shared_experts": cfg.n_shared,
        "n_group": 1,
        "topk_group": 1,
        "norm_topk_prob": True,
        "routed_scaling_factor": 1.0,
    }
    config = DeepseekV3Config(**settings)
    config._experts_implementation = "eager"
    angle = tiny_moe.rope_angle(len(ids), cfg.n_pair, cfg.rope_base)
    x, found = model.embedding[torch.tensor(ids)[None]], []
    for layer in cast(list[Any], model.layers):
        x = x + layer.attention(x, angle)
        u = tiny_moe.rms_norm(x, layer.gain_mlp, cfg.norm_eps)
        ours, _ = layer.feed_forward(u, AS_TRAINED, torch.Generator())
        block = DeepseekV3MoE(config).eval()
        block.load_state_dict(
            {
                "gate.weight": layer.w_router,
                "gate.e_score_correction_bias": layer.bias,
                "experts.gate_up_proj": torch.cat((layer.w_gate, layer.w_up), dim=1),
                "experts.down_proj": layer.w_down,
                "shared_experts.gate_proj.weight": layer.shared_gate,
                "shared_experts.up_proj.weight": layer.shared_up,
                "shared_experts.down_proj.weight": layer.shared_down,
            }
        )
        found.append((ours[0], block(u)[0]))
        x = x + ours
    return found


@torch.no_grad()
def model_gap(variant: str, ids: tuple[int, ...]) -> tuple[str, float]:
    """What is compared, and the largest difference, as a part of the largest number."""
    model = tiny_moe.load(variant)
    if variant == "moe":
        ours, theirs = model(torch.tensor(ids)[None])[0][0], mixtral_logits(model, ids)
        return "MixtralForCausalLM", float((ours - theirs).abs().max() / theirs.abs().max())
    gaps = [float((a - b).abs().max() / b.abs().max()) for a, b in deepseek_layers(model, ids)]
    return "DeepseekV3MoE", max(gaps)


@torch.no_grad()
def gate_gap(
    name: str, logit: Float[Tensor, "t e"], weight: Float[Tensor, "t e"], k: int, bias: Float[Tensor, "e"]
) -> tuple[str, float]:
    """What is compared, and the largest difference of the weights from a library's gate on the same logits, or a loop.

    For gates that choose by the logits themselves, with no expert switched off and no limit.
    """
    n_expert = logit.shape[1]
    if name in ("renormalised", "topk_softmax"):
        from transformers import MixtralConfig
        from transformers.models.mixtral.modeling_mixtral import MixtralTopKRouter

        router = MixtralTopKRouter(
            MixtralConfig(hidden_size=n_expert, num_local_experts=n_expert, num_experts_per_tok=k)
        )
        router.weight.data = torch.eye(n_expert)
        _, share, index = router(logit)
        return "MixtralTopKRouter", _gap(weight, index, share)
    if name == "sigmoid_bias":
        from transformers import DeepseekV3Config
        from transformers.models.deepseek_v3.modeling_deepseek_v3 import DeepseekV3TopkRouter

        settings: dict[str, Any] = {
            "hidden_size": n_expert,
            "n_routed_experts": n_expert,
            "num_local_experts": n_expert,
            "num_experts_per_tok": k,
            "n_group": 1,
            "topk_group": 1,
            "norm_topk_prob": True,
            "routed_scaling_factor": 1.0,
        }
        v3: Any = DeepseekV3TopkRouter(DeepseekV3Config(**settings))
        v3.weight.data, v3.e_score_correction_bias = torch.eye(n_expert), bias
        _, share, index = v3(logit)
        return "DeepseekV3TopkRouter", _gap(weight, index, share)
    if name == "softmax_topk" and k == 1:
        from transformers import SwitchTransformersConfig
        from transformers.models.switch_transformers.modeling_switch_transformers import SwitchTransformersTop1Router

        about = SwitchTransformersConfig(d_model=n_expert, num_experts=n_expert, expert_capacity=len(logit))
        switch = SwitchTransformersTop1Router(about).eval()
        switch.classifier.weight.data = torch.eye(n_expert)
        mask, share, _ = switch(logit[None])
        return "SwitchTransformersTop1Router", float((mask[0] * share[0] - weight).abs().max())
    return "loop", max(_row_gap(name, row, mine, k) for row, mine in zip(logit.tolist(), weight.tolist(), strict=True))


def _gap(weight: Tensor, index: Tensor, share: Tensor) -> float:
    return float((torch.zeros_like(weight).scatter(1, index, share) - weight).abs().max())


def _row_gap(name: str, row: list[float], mine: list[float], k: int) -> float:
    """One token, in plain Python: softmax, the allowed experts, the k largest of them."""
    n_expert = len(row)
    share = [math.exp(x - max(row)) for x in row]
    share = [x / sum(share) for x in share]
    allowed = list(range(n_expert))
    if name == "group_limited":
        n_group = math.gcd(tiny_moe.N_GROUP, n_expert)
        size = n_expert // n_group
        near = sorted(range(n_group), key=lambda g: -max(share[g * size : (g + 1) * size]))
        allowed = [e for e in allowed if e // size in near[: max(math.ceil(n_group / 2), math.ceil(k / size))]]
    if name != "dense":
        allowed = sorted(allowed, key=lambda e: -share[e])[:k]
    return max(abs(mine[e] - (share[e] if e in allowed else 0.0)) for e in range(n_expert))


def conserved(chosen: Tensor, kept: Tensor, weight: Tensor) -> float:
    """Assignments that are neither served nor shown as dropped, or that count without being served: 0."""
    dropped = chosen & ~kept
    lost = (chosen.sum() - kept.sum() - dropped.sum()).abs() + (kept & ~chosen).sum() + (weight * ~kept).abs().sum()
    return float(lost)


def capacity_gap(chosen: Tensor, kept: Tensor, n_token: int, limit: int) -> float:
    """(token, expert) pairs in which a queue in plain Python decides otherwise: 0."""
    differ = 0
    for e in range(chosen.shape[1]):
        served = 0
        for t in range(n_token):
            wanted = bool(chosen[t, e]) and served < limit
            served += wanted
            differ += wanted != bool(kept[t, e])
    return float(differ)
