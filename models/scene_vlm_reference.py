"""The chain rebuilt from another library's parts, with copied weights: what models/scene_vlm.py must agree with.

    llava      transformers' LlavaForConditionalGeneration: a ViT (with our stem where ours has one), LLaVA's MLP
               projector, a Llama. Ours must give its features, image tokens, attention and logits
    qformer    transformers' Blip2QFormerModel: ours must give its queries and its attention to the picture

Conventions: values are largest absolute differences. Both references are small and made anew at each call.
"""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from models.projectors import PerPatch, QFormer
from models.scene_questions import IMAGE_ID
from models.scene_vlm import Vlm


def linear(name: str, module: Any) -> dict[str, Tensor]:
    """Weight and bias under another name."""
    return {f"{name}.weight": module.weight, f"{name}.bias": module.bias}


class Patches(nn.Module):
    """A stem in the place of ViT's patch embedding."""

    def __init__(self, stem: Any) -> None:
        super().__init__()
        self.stem, self.projection = stem, stem[-1]  # ViT looks up the number type of a `projection`

    def forward(self, pixel_values: Float[Tensor, "b 3 y x"], **options: object) -> Float[Tensor, "b n d"]:
        found: Tensor = self.stem(pixel_values).flatten(2).transpose(1, 2)
        return found


def vit_weights(vlm: Vlm, layer: str = "layers.{i}") -> dict[str, Tensor]:
    """The encoder's, as ViTModel names them."""
    eye = vlm.encoder
    found = {
        "embeddings.cls_token": eye.cls[None, None],
        "embeddings.position_embeddings": eye.position[None],
        **linear("layernorm", eye.norm),
    }
    if not eye.shape.stem:
        found |= linear("embeddings.patch_embeddings.projection", eye.embed)
    for i, block in enumerate(eye.blocks):
        at = layer.format(i=i)
        attention: Any = block.attention
        for name, weight, bias in zip("qkv", attention.qkv.weight.chunk(3), attention.qkv.bias.chunk(3), strict=True):
            found |= {f"{at}.attention.{name}_proj.weight": weight, f"{at}.attention.{name}_proj.bias": bias}
        found |= linear(f"{at}.attention.o_proj", attention.out)
        found |= linear(f"{at}.layernorm_before", block.norm_1) | linear(f"{at}.layernorm_after", block.norm_2)
        mlp: Any = block.mlp
        found |= linear(f"{at}.mlp.fc1", mlp[0]) | linear(f"{at}.mlp.fc2", mlp[2])
    return found


def llama_weights(vlm: Vlm) -> dict[str, Tensor]:
    """The language model's, as LlamaModel names them."""
    found: dict[str, Tensor] = {"embed_tokens.weight": vlm.lm.embedding, "norm.weight": vlm.lm.gain_final}
    for i, layer in enumerate(vlm.lm.layers):
        block: Any = layer
        at = f"layers.{i}"
        for name, weight in zip("qkv", block.w_qkv.chunk(3), strict=True):
            found[f"{at}.self_attn.{name}_proj.weight"] = weight
        found |= {
            f"{at}.self_attn.o_proj.weight": block.w_o,
            f"{at}.mlp.gate_proj.weight": block.w_gate,
            f"{at}.mlp.up_proj.weight": block.w_up,
            f"{at}.mlp.down_proj.weight": block.w_down,
            f"{at}.input_layernorm.weight": block.gain_attention,
            f"{at}.post_attention_layernorm.weight": block.gain_mlp,
        }
    return found


def make_llava(vlm: Vlm) -> Any:
    """LlavaForConditionalGeneration with the weights of a chain whose projector is an MLP on every patch."""
    from transformers import LlamaConfig, LlavaConfig, LlavaForConditionalGeneration, ViTConfig

    projector, shape, cfg = vlm.projector, vlm.encoder.shape, vlm.lm.cfg
    if not isinstance(projector, PerPatch) or projector.linear_2 is None or vlm.variant.startswith("pool"):
        raise ValueError("LLaVA's projector is an MLP on every patch")
    sight = ViTConfig(
        hidden_size=shape.d_model, num_hidden_layers=shape.n_layer, num_attention_heads=shape.n_head,
        intermediate_size=shape.d_ff, image_size=shape.n_pixel, patch_size=shape.patch, hidden_act="gelu",
        layer_norm_eps=1e-5, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    text = LlamaConfig(
        vocab_size=cfg.vocab_size, hidden_size=cfg.d_model, intermediate_size=cfg.d_ff, num_hidden_layers=cfg.n_layer,
        num_attention_heads=cfg.n_head, num_key_value_heads=cfg.n_head, head_dim=cfg.d_head, rms_norm_eps=cfg.norm_eps,
        rope_parameters={"rope_type": "default", "rope_theta": cfg.rope_base}, tie_word_embeddings=True,
        max_position_embeddings=cfg.n_ctx,
    )  # fmt: skip
    config = LlavaConfig(
        vision_config=sight, text_config=text, image_token_index=IMAGE_ID, image_seq_length=shape.side**2,
        vision_feature_layer=-2, vision_feature_select_strategy="default", projector_hidden_act="gelu",
    )  # fmt: skip
    model = LlavaForConditionalGeneration(config).eval().requires_grad_(False)
    model.set_attn_implementation("eager")  # the others do not hand out their weights
    weights = {f"model.vision_tower.{key}": weight for key, weight in vit_weights(vlm).items()}
    weights |= {f"model.language_model.{key}": weight for key, weight in llama_weights(vlm).items()}
    weights |= {f"model.multi_modal_projector.{key}": weight for key, weight in projector.state_dict().items()}
    weights["lm_head.weight"] = vlm.lm.embedding
    left = model.load_state_dict(weights, strict=False)
    if shape.stem:  # ViT has one convolution here: ours takes its place
        model.model.vision_tower.embeddings.patch_embeddings = Patches(vlm.encoder.embed)
    missing = [key for key in left.missing_keys if ".pooler." not in key and ".patch_embeddings." not in key]
    if missing or left.unexpected_keys:
        raise ValueError(f"weights do not fit: {missing} {left.unexpected_keys}")
    return model


@torch.no_grad()
def llava(vlm: Vlm, picture: Float[Tensor, "1 3 y x"], question: Sequence[int]) -> dict[str, float]:
    """Differences in features, tokens, hidden, attention and logits, for one question."""
    ours, model = vlm.answer(picture, question), make_llava(vlm)
    sight = model.model.vision_tower(picture, output_hidden_states=True).hidden_states[-2][:, 1:]
    out = model(
        input_ids=ours.ids[None], pixel_values=picture, output_attentions=True, output_hidden_states=True,
        return_dict=True,
    )  # fmt: skip
    found = {
        "features": sight[0] - ours.features,
        "tokens": torch.cat(list(out.image_hidden_states)).view_as(ours.tokens) - ours.tokens,
        "hidden": torch.cat(out.hidden_states[:-1]) - ours.hidden[:-1],  # theirs normalises the last one
        "attention": torch.cat(out.attentions) - ours.attention,
        "logits": out.logits[0, ours.answer_at :] - ours.logits,
    }
    return {name: float(difference.abs().max()) for name, difference in found.items()}


def make_qformer(projector: QFormer) -> Any:
    """Blip2QFormerModel with its weights."""
    from transformers import Blip2QFormerConfig, Blip2QFormerModel

    first: Any = projector.layers[0]
    config = Blip2QFormerConfig(
        vocab_size=7, hidden_size=projector.queries.shape[1], num_hidden_layers=len(projector.layers),
        num_attention_heads=first.itself.n_head, intermediate_size=first.wide.out_features, hidden_act="gelu",
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, layer_norm_eps=1e-12,
        cross_attention_frequency=1, encoder_hidden_size=first.picture.key.in_features, use_qformer_text_input=False,
    )  # fmt: skip
    weights = linear("layernorm", projector.norm)
    for i, layer in enumerate(projector.layers):
        block: Any = layer
        for ours, theirs in (("itself", "attention"), ("picture", "crossattention")):
            look, at = getattr(block, ours), f"encoder.layer.{i}.{theirs}"
            for name in ("query", "key", "value"):
                weights |= linear(f"{at}.attention.{name}", getattr(look, name))
            weights |= linear(f"{at}.output.dense", look.out) | linear(f"{at}.output.LayerNorm", look.norm)
        at = f"encoder.layer.{i}"
        weights |= linear(f"{at}.intermediate_query.dense", block.wide)
        weights |= linear(f"{at}.output_query.dense", block.narrow) | linear(f"{at}.output_query.LayerNorm", block.norm)
    model = Blip2QFormerModel(config).eval().requires_grad_(False)
    model.set_attn_implementation("eager")
    model.load_state_dict(weights)
    return model


@torch.no_grad()
def qformer(projector: QFormer, features: Float[Tensor, "b n d"]) -> dict[str, float]:
    """Differences in the tokens (the matrix after it is ours, as is the LayerNorm before it) and in the attention."""
    ours, model = projector(features), make_qformer(projector)
    out = model(
        query_embeds=projector.queries[None].expand(len(features), -1, -1),
        encoder_hidden_states=projector.see(features),
        output_attentions=True, return_dict=True,
    )  # fmt: skip
    source = torch.stack(out.cross_attentions).mean((0, 2))
    return {
        "tokens": float((projector.out(out.last_hidden_state) - ours.tokens).abs().max()),
        "attention": float((source - ours.source).abs().max()),
    }
