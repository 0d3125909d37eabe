"""The modules of fusion against transformers' own classes with copied weights, and the identity that a closed gate is.

quantiser    ChameleonVQVAEVectorQuantizer: codes, chosen vectors, the gradient that passes straight through
resampler    IdeficsPerceiverResampler
gated layer  IdeficsGatedCrossAttentionLayer, words before the first picture included
gate 0       logits with pictures against logits of the text alone
"""

from typing import Any

import torch
from torch import Tensor

from models import fusion_styles
from models.fusion_styles import D_IMAGE, LM, PICTURE, GatedCross, Resampler
from models.scene_questions import IMAGE_ID
from models.vq_scenes import N_CODE, N_DIM, quantise


def differences(n_latent: int, seed: int) -> dict[str, float]:
    """{what: largest difference}."""
    generator = torch.Generator().manual_seed(seed)
    return {
        **quantiser(generator),
        "resampler": resampler(n_latent, generator),
        "gated layer": gated_layer(n_latent, generator),
        "gate 0": closed_gate(n_latent, seed),
    }


def quantiser(generator: torch.Generator) -> dict[str, float]:
    """Our nearest codes and straight-through gradient against Chameleon's."""
    from transformers.models.chameleon.configuration_chameleon import ChameleonVQVAEConfig
    from transformers.models.chameleon.modeling_chameleon import ChameleonVQVAEVectorQuantizer

    theirs = ChameleonVQVAEVectorQuantizer(ChameleonVQVAEConfig(num_embeddings=N_CODE, embed_dim=N_DIM))
    book = torch.randn(N_CODE, N_DIM, generator=generator)
    theirs.embedding.weight.data.copy_(book)
    z = torch.randn(2, N_DIM, 5, 7, generator=generator)
    weight = torch.randn(z.shape, generator=generator)
    ours_in, theirs_in = (z.clone().requires_grad_(True) for _ in range(2))
    with torch.enable_grad():
        found = quantise(ours_in, book)
        chosen, _, index = theirs(theirs_in)
        gradient = torch.autograd.grad((found.vector * weight).sum(), ours_in)[0]
        other = torch.autograd.grad((chosen * weight).sum(), theirs_in)[0]
    return {
        "codes": float((found.code.flatten() != index).sum()),
        "code vectors": largest(found.vector, chosen),
        "straight-through gradient": max(largest(gradient, other), largest(gradient, weight)),
    }


def idefics() -> Any:
    """IDEFICS of our sizes."""
    from transformers import IdeficsConfig

    config = IdeficsConfig(
        hidden_size=LM.d_model, num_attention_heads=4, intermediate_size=LM.d_ff, hidden_act="silu", rms_norm_eps=1e-6,
        alpha_initializer="ones", alpha_type="float", qk_layer_norms=False, dropout=0.0,
        vision_config={"embed_dim": D_IMAGE}, perceiver_config={"qk_layer_norms_perceiver": False},
    )  # fmt: skip
    config._attn_implementation = "eager"
    return config


@torch.no_grad()
def resampler(n_latent: int, generator: torch.Generator) -> float:
    """Largest difference of the latents."""
    from transformers.models.idefics.perceiver import IdeficsPerceiverResampler

    ours = Resampler(n_latent)
    fusion_styles.fill(ours, generator)
    theirs = IdeficsPerceiverResampler(idefics(), D_IMAGE, len(ours.layers), ours.n_head, D_IMAGE // 4, n_latent)
    theirs.latents.copy_(ours.latents)
    theirs.layer_norm.load_state_dict(ours.norm.state_dict())
    blocks: Any = theirs.blocks
    for (attention, mlp), layer in zip(blocks, ours.layers, strict=True):
        for name, part in (
            ("norm_features", attention.context_layer_norm), ("norm_latents", attention.latents_layer_norm),
            ("q", attention.q_proj), ("k", attention.k_proj), ("v", attention.v_proj), ("out", attention.output_proj),
            ("norm_mlp", mlp.ln), ("up", mlp.fc), ("down", mlp.c_proj),
        ):  # fmt: skip
            part.load_state_dict(layer.get_submodule(name).state_dict())
    features = torch.randn(37, D_IMAGE, generator=generator)
    return largest(ours(features), theirs(features[None])[0])


@torch.no_grad()
def gated_layer(n_latent: int, generator: torch.Generator) -> float:
    """Largest difference of what a half-open layer gives, the first words before any picture."""
    from transformers.models.idefics.modeling_idefics import IdeficsGatedCrossAttentionLayer

    theirs = IdeficsGatedCrossAttentionLayer(idefics(), layer_idx=0).eval()
    ours = GatedCross(0.7)
    fusion_styles.fill(ours, generator)
    for mine, part in (
        (ours.q, theirs.cross_attn.q_proj), (ours.k, theirs.cross_attn.k_proj), (ours.v, theirs.cross_attn.v_proj),
        (ours.out, theirs.cross_attn.o_proj), (ours.gate, theirs.mlp.gate_proj), (ours.up, theirs.mlp.up_proj),
        (ours.down, theirs.mlp.down_proj), (ours.norm_1, theirs.input_layernorm),
        (ours.norm_2, theirs.post_attention_layernorm),
    ):  # fmt: skip
        part.load_state_dict(mine.state_dict())
    theirs.alpha_cross_attn.fill_(0.7)
    theirs.alpha_dense.fill_(0.7)
    prompt = [7, 8, PICTURE, 9, PICTURE, 10, 11]
    sees = fusion_styles.sight(prompt, 2, n_latent)
    x = torch.randn(len(prompt), LM.d_model, generator=generator)
    memory = torch.randn(2 * n_latent, D_IMAGE, generator=generator)
    bias = torch.zeros(sees.shape).masked_fill(~sees, torch.finfo(torch.float32).min)[None, None]
    out = theirs(
        x[None],
        image_hidden_states=memory[None],
        image_attention_mask=bias,
        cross_attention_gate=sees.any(1)[None].float(),
    )
    return largest(ours(x, memory, sees), out[0])


@torch.no_grad()
def closed_gate(n_latent: int, seed: int) -> float:
    """With gates at 0 the pictures change no logit at all."""
    parts = fusion_styles.build(32, 8, n_latent, 1, 0.0, seed)
    prompt = [PICTURE, 7, 8, PICTURE, 9]
    feature = list(torch.randn(2, 16, D_IMAGE, generator=torch.Generator().manual_seed(seed)))
    with_pictures = fusion_styles.cross(parts, prompt, feature, IMAGE_ID)[-1]
    return largest(with_pictures, fusion_styles.text_only(parts, prompt, IMAGE_ID))


def largest(a: Tensor, b: Tensor) -> float:
    """Largest difference."""
    return float((a - b).detach().abs().max())
