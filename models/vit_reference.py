"""The page's Vision Transformer and Swin against transformers' own classes with the same weights, and identities.

References: transformers' ViTModel and its interpolation of positions, SwinModel; torch's convolution.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor

from models import patch_embedding, swin, vit_reading
from models.small_vision import Classifier
from models.vision_transformer import VisionTransformer

if TYPE_CHECKING:
    from models.vit import Trace

LARGER = 13  # patches along an edge, where positions are interpolated
TINY = (swin.Stage(14, 8, 2, 2, 7, 3), swin.Stage(7, 16, 2, 4, 7, 0))


@torch.no_grad()
def differences(classifier: Classifier, trace: Trace) -> dict[str, float]:
    """Largest difference of each comparison."""
    model: Any = classifier.body
    shape = model.shape
    source = torch.Generator().manual_seed(0)
    picture = torch.rand(2, 3, shape.n_pixel, shape.n_pixel, generator=source) * 2 - 1
    theirs, ours = vit_model(model), model(picture, keep=True)
    said = theirs(picture, output_attentions=True)
    larger = torch.rand(1, 3, LARGER * shape.patch, LARGER * shape.patch, generator=source) * 2 - 1
    resized = vit_reading.read(model, vit_reading.embed(model, larger)).out
    cut = patch_embedding.cut(torch.rand(3, 112, 112, generator=source) * 2 - 1, 16)
    order = torch.randperm(shape.side**2, generator=source)
    mixed = vit_reading.shuffled(picture[0], shape.patch, order)[None]
    blind, blind_mixed = (
        vit_reading.read(model, vit_reading.embed(model, one, False)).summary for one in (picture[:1], mixed)
    )
    windows = swin_model()
    small = torch.rand(1, 3, 56, 56, generator=source) * 2 - 1
    return {
        "patches: convolution, unfold + linear": cut.unfolded,
        "patches: convolution, one sum after another": cut.looped,
        "all tokens: transformers' ViTModel": _off(ours.out, said.last_hidden_state),
        "attention, all layers: ViTModel": max(
            _off(a, b) for a, b in zip(ours.attention, said.attentions, strict=True)
        ),
        "positions on 13 x 13 patches: ViTModel": _off(
            resized, theirs(larger, interpolate_pos_encoding=True).last_hidden_state
        ),
        "patches shuffled, no positions: [CLS]": _off(blind, blind_mixed),
        "this picture's attention in single precision: sum - 1": float(
            max((weights.sum(-1) - 1).abs().max() for weights in ours.attention)
        ),
        "roll-out: sum - 1": float(
            (vit_reading.rollout(torch.stack([w[0] for w in ours.attention]), 0.5).sum(-1) - 1).abs().max()
        ),
        "Swin, windows and shifted windows: SwinModel": _off(
            copied(swin.Swin(TINY).eval(), windows)(small)[-1].flatten(1, 2), windows(small).last_hidden_state
        ),
    }


def vit_model(ours: VisionTransformer) -> Any:
    """transformers' ViTModel with our weights."""
    from transformers import ViTConfig, ViTModel

    shape, describe = ours.shape, cast(Any, ViTConfig)  # it takes more than its signature says
    config = describe(
        hidden_size=shape.d_model, num_hidden_layers=shape.n_layer, num_attention_heads=shape.n_head,
        intermediate_size=shape.d_ff, image_size=shape.n_pixel, patch_size=shape.patch, layer_norm_eps=1e-5,
        attn_implementation="eager",
    )  # fmt: skip
    model: Any = ViTModel(config, add_pooling_layer=False)
    state = {
        "embeddings.cls_token": ours.cls[None, None],
        "embeddings.position_embeddings": ours.position[None],
        "embeddings.patch_embeddings.projection.weight": ours.embed.weight,
        "embeddings.patch_embeddings.projection.bias": ours.embed.bias,
        "layernorm.weight": ours.norm.weight,
        "layernorm.bias": ours.norm.bias,
    }
    for i, block in enumerate(ours.blocks):
        state |= {f"layers.{i}.{name}": weight for name, weight in _block(block, "layernorm").items()}
    model.load_state_dict(state)
    return model.eval()


def _block(block: Any, norm: str) -> dict[str, Tensor]:
    """One of our blocks under transformers' names."""
    found: dict[str, Tensor] = {}
    for part in ("weight", "bias"):
        thirds = getattr(block.attention.qkv, part).chunk(3)
        found |= {f"attention.{name}_proj.{part}": third for name, third in zip("qkv", thirds, strict=True)}
        found[f"attention.o_proj.{part}"] = getattr(block.attention.out, part)
        found[f"{norm}_before.{part}"] = getattr(block.norm_1, part)
        found[f"{norm}_after.{part}"] = getattr(block.norm_2, part)
        found[f"mlp.fc1.{part}"] = getattr(block.mlp[0], part)
        found[f"mlp.fc2.{part}"] = getattr(block.mlp[2], part)
    return found


def swin_model(seed: int = 0) -> Any:
    """A tiny SwinModel with random weights, its bias tables too."""
    from transformers import SwinConfig, SwinModel

    first = TINY[0]
    model: Any = SwinModel(
        SwinConfig(
            image_size=first.side * swin.PATCH, patch_size=swin.PATCH, embed_dim=first.d_model,
            depths=[stage.depth for stage in TINY], num_heads=[stage.n_head for stage in TINY],
            window_size=swin.WINDOW, layer_norm_eps=swin.EPS,
        )
    )  # fmt: skip
    source = torch.Generator().manual_seed(seed)
    for weight in model.parameters():
        weight.copy_(torch.randn(weight.shape, generator=source) * (0.3 if weight.dim() > 1 else 1.0))
    return model.eval()


def copied(ours: swin.Swin, theirs: Any) -> swin.Swin:
    """Our Swin with a SwinModel's weights."""
    state = theirs.state_dict()
    mine: dict[str, Tensor] = {}
    for part in ("weight", "bias"):
        mine[f"embed.{part}"] = state[f"embeddings.patch_embeddings.projection.{part}"]
        mine[f"norm_0.{part}"] = state[f"embeddings.norm.{part}"]
        mine[f"norm.{part}"] = state[f"layernorm.{part}"]
    for k, blocks in enumerate(ours.stages):
        for i, _ in enumerate(blocks.children()):
            at, to = f"encoder.layers.{k}.blocks.{i}", f"stages.{k}.{i}"
            for part in ("weight", "bias"):
                mine[f"{to}.attention.qkv.{part}"] = torch.cat(
                    [state[f"{at}.attention.{name}_proj.{part}"] for name in "qkv"]
                )
                mine[f"{to}.attention.out.{part}"] = state[f"{at}.attention.o_proj.{part}"]
                for here, there in (("norm_1", "layernorm_before"), ("norm_2", "layernorm_after")):
                    mine[f"{to}.{here}.{part}"] = state[f"{at}.{there}.{part}"]
                for here, there in (("mlp.0", "mlp.fc1"), ("mlp.2", "mlp.fc2")):
                    mine[f"{to}.{here}.{part}"] = state[f"{at}.{there}.{part}"]
            mine[f"{to}.attention.bias"] = state[f"{at}.attention.relative_position_bias.relative_position_bias_table"]
    for k, _ in enumerate(ours.merges):
        mine[f"merges.{k}.norm.weight"] = state[f"encoder.layers.{k}.downsample.norm.weight"]
        mine[f"merges.{k}.norm.bias"] = state[f"encoder.layers.{k}.downsample.norm.bias"]
        mine[f"merges.{k}.reduce.weight"] = state[f"encoder.layers.{k}.downsample.reduction.weight"]
    ours.load_state_dict(mine)
    return ours.requires_grad_(False)


def _off(a: Tensor, b: Tensor) -> float:
    return float((a - b).abs().max())
