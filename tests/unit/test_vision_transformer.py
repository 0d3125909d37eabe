"""The Vision Transformer against transformers' ViTModel with copied weights, and its patches three ways."""

import pytest
import torch
import torch.nn.functional as F
from transformers import ViTConfig, ViTModel

from models.vision_transformer import Seen, Shape, VisionTransformer, patchify

SHAPE = Shape(n_pixel=21, patch=7, d_model=22, n_layer=3, n_head=2, d_ff=37)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def ours() -> VisionTransformer:
    model = VisionTransformer(SHAPE).start(rng()).eval().requires_grad_(False)
    for weight in model.parameters():  # no zero left anywhere
        weight.add_(0.1 * torch.randn(weight.shape, generator=rng(1)))
    return model


@pytest.fixture(scope="module")
def theirs(ours: VisionTransformer) -> ViTModel:
    config = ViTConfig(
        hidden_size=22, num_hidden_layers=3, num_attention_heads=2, intermediate_size=37, image_size=21, patch_size=7,
        layer_norm_eps=1e-5, attn_implementation="eager",
    )  # fmt: skip
    model = ViTModel(config, add_pooling_layer=False).eval().requires_grad_(False)
    copied = {
        "embeddings.cls_token": ours.cls[None, None],
        "embeddings.position_embeddings": ours.position[None],
        "embeddings.patch_embeddings.projection.weight": ours.embed.weight,
        "embeddings.patch_embeddings.projection.bias": ours.embed.bias,
        "layernorm.weight": ours.norm.weight,
        "layernorm.bias": ours.norm.bias,
    }
    for i, block in enumerate(ours.blocks):
        query, key, value = zip(block.attention.qkv.weight.chunk(3), block.attention.qkv.bias.chunk(3), strict=True)
        parts = {
            "attention.q_proj": query,
            "attention.k_proj": key,
            "attention.v_proj": value,
            "attention.o_proj": (block.attention.out.weight, block.attention.out.bias),
            "mlp.fc1": (block.mlp[0].weight, block.mlp[0].bias),
            "mlp.fc2": (block.mlp[2].weight, block.mlp[2].bias),
            "layernorm_before": (block.norm_1.weight, block.norm_1.bias),
            "layernorm_after": (block.norm_2.weight, block.norm_2.bias),
        }
        for name, (weight, bias) in parts.items():
            copied |= {f"layers.{i}.{name}.weight": weight, f"layers.{i}.{name}.bias": bias}
    model.load_state_dict(copied)
    return model


@pytest.fixture(scope="module")
def picture() -> torch.Tensor:
    return torch.randn(5, 3, 21, 21, generator=rng(2))


def test_like_transformers_layer_by_layer(ours: VisionTransformer, theirs: ViTModel, picture: torch.Tensor) -> None:
    seen: Seen = ours(picture, keep=True)
    reference = theirs(picture, output_hidden_states=True, output_attentions=True)
    torch.testing.assert_close(seen.out, reference.last_hidden_state, atol=1e-5, rtol=1e-5)
    for mine, other in zip(seen.attention, reference.attentions, strict=True):
        torch.testing.assert_close(mine, other, atol=1e-6, rtol=1e-5)
    for mine, other in zip(seen.layers[:-1], reference.hidden_states[:3], strict=True):
        torch.testing.assert_close(mine, other, atol=1e-5, rtol=1e-5)
    assert torch.equal(seen.summary, seen.out[:, 0]) and seen.patches.shape == (5, 9, 22)


def test_fast_and_watched_attention_agree(ours: VisionTransformer, picture: torch.Tensor) -> None:
    torch.testing.assert_close(ours(picture).out, ours(picture, keep=True).out, atol=1e-5, rtol=1e-5)
    for weights in ours(picture, keep=True).attention:
        torch.testing.assert_close(weights.sum(-1), torch.ones(5, 2, 10))


def test_a_patch_is_a_vector_of_channel_row_column(picture: torch.Tensor) -> None:
    patches = patchify(picture, 7)
    assert patches.shape == (5, 9, 147)
    tiles = [
        picture[:, :, 7 * row : 7 * row + 7, 7 * column : 7 * column + 7] for row in range(3) for column in range(3)
    ]
    by_hand = torch.stack([tile.flatten(1) for tile in tiles], 1)
    assert torch.equal(patches, by_hand)


def test_the_convolution_is_a_linear_map_of_patches(ours: VisionTransformer, picture: torch.Tensor) -> None:
    linear = F.linear(patchify(picture, 7), ours.embed.weight.flatten(1), ours.embed.bias)
    torch.testing.assert_close(ours.tokens(picture)[:, 1:] - ours.position[1:], linear, atol=1e-5, rtol=1e-5)


def test_patches_without_positions_are_a_set(ours: VisionTransformer, picture: torch.Tensor) -> None:
    tokens = torch.randn(2, 10, 22, generator=rng(3))
    order = torch.tensor([0, 4, 2, 9, 1, 7, 3, 8, 6, 5])
    torch.testing.assert_close(ours.read(tokens).out[:, order], ours.read(tokens[:, order]).out, atol=1e-5, rtol=1e-5)


def test_all_patches_visible_is_the_whole_picture(ours: VisionTransformer, picture: torch.Tensor) -> None:
    every = torch.arange(9).expand(5, -1)
    torch.testing.assert_close(ours.visible(picture, every).out, ours(picture).out)
    some = torch.tensor([[7, 2, 3]] * 5)
    kept = ours.visible(picture, some)
    assert kept.out.shape == (5, 4, 22)
    blank = picture.clone()
    blank[:, :, 14:, 14:] = 9.0  # patch 8: not among those seen
    assert torch.equal(kept.out, ours.visible(blank, some).out)
