"""The scenes' CLIP against other people's code: what `check` on the page runs.

References: transformers' CLIPModel and SiglipModel, tiny and with random weights, for the losses; its CLIPTextModel
with the text tower's own weights copied; slow loops over every pair.
"""

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from models.scene_clip import N_WORD, Clip, pack, sigmoid_loss, softmax_loss
from models.scene_questions import END_ID, PAD_ID, START_ID, VOCABULARY

TEXTS = ("a red circle", "左边一个大的蓝色方形，白色背景", "", "a green star above a small heart on a black background")


@torch.no_grad()
def differences(clip: Clip, similarity: Float[Tensor, "n n"], temperature: float, bias: float) -> dict[str, float]:
    """Largest difference of each comparison. Losses are compared relative to their size where that is above 1."""
    z = similarity / temperature
    model, twin = clip_model(), siglip_model()
    generator = torch.Generator().manual_seed(0)
    return {
        "softmax loss: pair by pair": _relative(softmax_loss(z), slow_softmax(z.tolist())),
        "softmax loss: transformers' CLIPModel": huggingface(model, generator, softmax_loss),
        "sigmoid loss: pair by pair": _relative(sigmoid_loss(z + bias), slow_sigmoid((z + bias).tolist())),
        "sigmoid loss: transformers' SiglipModel": huggingface(twin, generator, sigmoid_loss),
        "text tower: transformers' CLIPTextModel with these weights": text_tower(clip),
        "lengths of both towers' vectors: 1": max(
            float((clip.encode_text(TEXTS).norm(dim=1) - 1).abs().max()),
            float((clip.encode_image(torch.randn(3, 3, 32, 32, generator=generator)).norm(dim=1) - 1).abs().max()),
        ),
    }


def _relative(ours: Tensor, theirs: float) -> float:
    return abs(float(ours) - theirs) / max(1.0, abs(theirs))


def slow_softmax(z: list[list[float]]) -> float:
    """By the definition, in double precision."""
    n, total = len(z), 0.0
    for i in range(n):
        for line in (z[i], [z[j][i] for j in range(n)]):
            top = max(line)
            total -= line[i] - top - math.log(sum(math.exp(value - top) for value in line))
    return total / (2 * n)


def slow_sigmoid(z: list[list[float]]) -> float:
    """By the definition, in double precision."""
    n, total = len(z), 0.0
    for i in range(n):
        for j in range(n):
            value = z[i][j] if i == j else -z[i][j]
            total += math.log1p(math.exp(-value)) if value > -30 else -value
    return total / n


def _towers(name: str) -> dict[str, Any]:
    text = {"hidden_size": 20, "intermediate_size": 12, "num_hidden_layers": 1, "num_attention_heads": 2,
            "vocab_size": 23, "max_position_embeddings": 7, "eos_token_id": 22}  # fmt: skip
    vision = {"hidden_size": 20, "intermediate_size": 12, "num_hidden_layers": 1, "num_attention_heads": 2,
              "image_size": 14, "patch_size": 7}  # fmt: skip
    return {"text_config": text, "vision_config": vision} | ({"projection_dim": 11} if name == "clip" else {})


def clip_model() -> Any:
    """Tiny, its weights drawn from a generator of its own."""
    from transformers import CLIPConfig, CLIPModel

    return drawn(CLIPModel(CLIPConfig(**_towers("clip"))))


def siglip_model() -> Any:
    """Tiny, its weights drawn from a generator of its own."""
    from transformers import SiglipConfig, SiglipModel

    return drawn(SiglipModel(SiglipConfig(**_towers("siglip"))))


def drawn(model: Any) -> Any:
    """All weights anew: matrices large enough that similarities differ."""
    generator = torch.Generator().manual_seed(3)
    for name, weight in model.named_parameters():
        if weight.dim() > 1:
            weight.copy_(0.4 * torch.randn(weight.shape, generator=generator))
        elif name == "logit_scale":
            weight.fill_(1.3)
        elif name == "logit_bias":
            weight.fill_(-2.0)
    return model.eval()


def huggingface(model: Any, generator: torch.Generator, loss: Any, n: int = 5) -> float:
    """Difference of its own loss from `loss` of its own similarities, scale and bias."""
    ids = torch.randint(1, 22, (n, 7), generator=generator)
    ids[:, -1] = 22
    out = model(input_ids=ids, pixel_values=torch.randn(n, 3, 14, 14, generator=generator), return_loss=True)
    bias = getattr(model, "logit_bias", torch.zeros(1))
    z = model.logit_scale.exp() * out.image_embeds @ out.text_embeds.T + bias
    return abs(float(out.loss) - float(loss(z)))


def text_tower(clip: Clip) -> float:
    """Largest difference of the unnormalised text features from CLIPTextModel's with copied weights."""
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection

    ours: Any = clip.text
    d, n_layer = ours.word.embedding_dim, len(ours.blocks)
    # CLIPTextModel takes END_ID = 2 for an old kind of configuration, so END trades places with the last word.
    last = len(VOCABULARY) - 1
    config = CLIPTextConfig(
        vocab_size=len(VOCABULARY), hidden_size=d, intermediate_size=ours.blocks[0].mlp[0].out_features,
        num_hidden_layers=n_layer, num_attention_heads=ours.blocks[0].n_head, max_position_embeddings=N_WORD,
        hidden_act="gelu", projection_dim=clip.text_head.out_features, eos_token_id=last, pad_token_id=PAD_ID,
        bos_token_id=START_ID,
    )  # fmt: skip
    theirs = CLIPTextModelWithProjection(config).eval()
    swap = torch.arange(len(VOCABULARY))
    swap[END_ID], swap[last] = last, END_ID
    weights = {
        "text_model.embeddings.token_embedding.weight": ours.word.weight[swap],
        "text_model.embeddings.position_embedding.weight": ours.position,
        "text_model.final_layer_norm.weight": ours.norm.weight,
        "text_model.final_layer_norm.bias": ours.norm.bias,
        "text_projection.weight": clip.text_head.weight,
    }
    for i, block in enumerate(ours.blocks):
        front = f"text_model.encoder.layers.{i}"
        for kind in ("weight", "bias"):
            q, k, v = getattr(block.qkv, kind).chunk(3)
            weights |= {f"{front}.self_attn.{name}_proj.{kind}": part for name, part in (("q", q), ("k", k), ("v", v))}
            parts = {
                "self_attn.out_proj": block.out,
                "layer_norm1": block.norm_1,
                "layer_norm2": block.norm_2,
                "mlp.fc1": block.mlp[0],
                "mlp.fc2": block.mlp[2],
            }
            for name, part in parts.items():
                weights[f"{front}.{name}.{kind}"] = getattr(part, kind)
    missing, extra = theirs.load_state_dict(weights, strict=False)
    assert not extra and all("position_ids" in name for name in missing), (missing, extra)
    ids = pack(TEXTS)
    found = theirs(input_ids=swap[ids]).text_embeds
    return float((found - clip.text_head(ours(ids))).abs().max())
