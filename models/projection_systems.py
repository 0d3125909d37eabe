"""Published systems of the kind "encoder, projector, language model", built from transformers' own classes and counted.

Sources: LLaVA: Liu et al. 2023, "Visual Instruction Tuning", section 4; its repository, docs/Data.md, LLaVA_Bench.md
and scripts/v1_5 (layer -2 of the encoder, [CLS] dropped, "mlp2x_gelu"). LLaVA 1.5: Liu et al. 2024, "Improved Baselines
with Visual Instruction Tuning". BLIP-2: Li et al. 2023, section 3, and transformers' default configuration of it.

Glossary
    patch      vectors that the vision encoder gives, [CLS] not counted
    token      of them, what the language model reads as image tokens, each `d_model` wide
    trained    parameters that learn in stage 1 (alignment) and stage 2 (instructions)

Conventions: networks are built without weights (on torch's "meta" device), which takes no memory: only their shapes are
needed. The language model is counted with its output layer.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import nn

CLIP_WIDTH, CLIP_JOINT, CLIP_PATCH = 1024, 768, 14  # CLIP ViT-L/14: width, joint embedding, patch
VICUNA = {"7B": (4096, 11008, 32, 32), "13B": (5120, 13824, 40, 40)}  # width, MLP, layers, heads


@dataclass(frozen=True)
class System:
    """One system's shapes and sizes."""

    name: str
    n_pixel: int  # along an edge
    patch: int
    n_patch: int
    d_feature: int
    projector: str  # "linear", "mlp" or "qformer"
    n_token: int
    d_model: int
    encoder: int  # parameters
    bridge: int  # of the projector
    language: int
    trained: tuple[bool, bool]  # stage 2: whether the projector, whether the language model learns


def counted(module: nn.Module) -> int:
    """Parameters."""
    return sum(weight.numel() for weight in module.parameters())


def clip(n_pixel: int) -> tuple[nn.Module, tuple[int, ...]]:
    """CLIP ViT-L/14 without weights, and the shape of what it gives for one picture."""
    from transformers import CLIPVisionConfig, CLIPVisionModel

    with torch.device("meta"):
        model = CLIPVisionModel(
            CLIPVisionConfig(
                hidden_size=CLIP_WIDTH, intermediate_size=4 * CLIP_WIDTH, num_hidden_layers=24,
                num_attention_heads=16, image_size=n_pixel, patch_size=CLIP_PATCH, projection_dim=CLIP_JOINT,
            )
        )  # fmt: skip
        return model, tuple(model(torch.zeros(1, 3, n_pixel, n_pixel)).last_hidden_state.shape)


def vicuna(size: str) -> tuple[nn.Module, int]:
    """LLaMA in Vicuna's size without weights, and its width."""
    from transformers import LlamaConfig, LlamaForCausalLM

    d_model, d_ff, n_layer, n_head = VICUNA[size]
    with torch.device("meta"):
        config = LlamaConfig(
            hidden_size=d_model, intermediate_size=d_ff, num_hidden_layers=n_layer, num_attention_heads=n_head,
            vocab_size=32_000,
        )  # fmt: skip
        return LlamaForCausalLM(config), d_model


def perceptron(d_in: int, d_out: int, n_layer: int) -> nn.Sequential:
    """LLaVA's projector: n_layer linear maps with GELU between them."""
    parts: list[nn.Module] = [nn.Linear(d_in, d_out, device="meta")]
    for _ in range(n_layer - 1):
        parts += [nn.GELU(), nn.Linear(d_out, d_out, device="meta")]
    return nn.Sequential(*parts)


def llava(name: str, n_pixel: int, size: str, n_layer: int) -> System:
    """Every patch becomes one token."""
    encoder, (_, n_out, d_feature) = clip(n_pixel)
    language, d_model = vicuna(size)
    kind = "linear" if n_layer == 1 else "mlp"
    bridge = counted(perceptron(d_feature, d_model, n_layer))
    return System(
        name, n_pixel, CLIP_PATCH, n_out - 1, d_feature, kind, n_out - 1, d_model, counted(encoder), bridge,
        counted(language), (True, True),
    )  # fmt: skip


def blip2() -> System:
    """32 learned queries read the picture by cross-attention; the language model is never trained."""
    from transformers import Blip2Config, Blip2ForConditionalGeneration, OPTConfig

    with torch.device("meta"):
        text = OPTConfig(hidden_size=2560, ffn_dim=10_240, num_hidden_layers=32, num_attention_heads=32)
        model = Blip2ForConditionalGeneration(Blip2Config(text_config=text.to_dict()))
    sight: Any = model.config.vision_config
    n_patch = (sight.image_size // sight.patch_size) ** 2
    return System(
        "BLIP-2 OPT-2.7B", sight.image_size, sight.patch_size, n_patch, sight.hidden_size, "qformer",
        model.query_tokens.shape[1], text.hidden_size, counted(model.vision_model),
        counted(model.qformer) + model.query_tokens.numel() + counted(model.language_projection),
        counted(model.language_model), (True, False),
    )  # fmt: skip


@lru_cache(maxsize=1)
def published() -> tuple[System, ...]:
    """Four systems; about two seconds."""
    return (
        llava("LLaVA 13B", 224, "13B", 1),
        llava("LLaVA-1.5 7B", 336, "7B", 2),
        llava("LLaVA-1.5 13B", 336, "13B", 2),
        blip2(),
    )


# --- what the claims rest on -----------------------------------------------------------------------------------------


def shapes() -> dict[str, float | int]:
    """The shapes between CLIP ViT-L/14 and Vicuna, as the networks themselves give them."""
    (_, (_, n_out, width)), (_, (_, n_large, _)) = clip(224), clip(336)
    first, second = perceptron(width, VICUNA["13B"][0], 1), perceptron(width, VICUNA["13B"][0], 2)
    return {
        "n_out": n_out, "width": width, "joint": CLIP_JOINT, "n_patch": n_out - 1, "seven": VICUNA["7B"][0],
        "thirteen": VICUNA["13B"][0], "n_large": n_large - 1, "linear_million": counted(first) / 1e6,
        "mlp_million": counted(second) / 1e6,
    }  # fmt: skip


CC3M, LAION = 3_300_000, 400_000_000  # pairs, rounded: CC3M; LAION-400M
FILTERED, MIXED = 595_000, 558_000  # LLaVA's and LLaVA 1.5's alignment data (docs/Data.md)
INSTRUCTIONS = (58_000, 23_000, 77_000)  # conversations, descriptions, reasoning


def data() -> dict[str, float | int]:
    """How much data LLaVA's stages took."""
    return {
        "filtered_thousand": FILTERED / 1e3, "share": FILTERED / CC3M, "million": CC3M / 1e6,
        "mixed_thousand": MIXED / 1e3, "times": LAION / MIXED,
        "conversation": INSTRUCTIONS[0] / 1e3, "detail": INSTRUCTIONS[1] / 1e3, "reasoning": INSTRUCTIONS[2] / 1e3,
        "instruction_thousand": sum(INSTRUCTIONS) / 1e3,
    }  # fmt: skip


def kinds() -> dict[str, float | int]:
    """What three projectors cost and how many tokens they give."""
    linear, _, mlp, queries = published()
    return {
        "linear_million": linear.bridge / 1e6, "linear_token": linear.n_token, "mlp_million": mlp.bridge / 1e6,
        "mlp_token": mlp.n_token, "query_million": queries.bridge / 1e6, "query_token": queries.n_token,
        "share": mlp.n_token / 4096, "query_share": queries.n_token / 4096,
    }  # fmt: skip
