"""Projectors: transformers' LLaVA projector and Q-Former with copied weights, explicit loops, limits, what is off."""

from __future__ import annotations

import math

import pytest
import torch
from transformers import LlamaConfig, LlavaConfig, ViTConfig
from transformers.models.llava.modeling_llava import LlavaMultiModalProjector

from models.projectors import NAMES, PerPatch, Pool, QFormer, make, n_param, n_token
from models.scene_vlm_reference import qformer


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def features(n: int = 64, d: int = 96, b: int = 3) -> torch.Tensor:
    return torch.randn(b, n, d, generator=rng(1))


def shaken(module: torch.nn.Module, size: float = 0.3) -> torch.nn.Module:
    """All weights random, biases and gains too."""
    source = rng(2)
    for weight in module.parameters():
        weight.data += size * torch.randn(weight.shape, generator=source)
    return module.requires_grad_(False)


def test_mlp_is_llavas_projector() -> None:
    ours = shaken(PerPatch(True, 13, 7))
    config = LlavaConfig(
        vision_config=ViTConfig(hidden_size=13, num_attention_heads=1),
        text_config=LlamaConfig(hidden_size=7, num_attention_heads=1, head_dim=2),
        projector_hidden_act="gelu",
    )
    theirs = LlavaMultiModalProjector(config).requires_grad_(False)
    theirs.load_state_dict(ours.state_dict())
    x = features(11, 13)
    torch.testing.assert_close(ours(x).tokens, theirs(x), rtol=1e-6, atol=1e-6)


def test_linear_is_one_matrix_and_every_patch_for_itself() -> None:
    ours, x = shaken(PerPatch(False, 5, 3)), features(7, 5)
    expected = x @ ours.linear_1.weight.T + ours.linear_1.bias
    torch.testing.assert_close(ours(x).tokens, expected)
    other = x.clone()
    other[:, 4] += 1
    moved = (ours(other).tokens - ours(x).tokens).abs().amax((0, 2)) > 0
    assert moved.tolist() == [False] * 4 + [True] + [False] * 2
    assert torch.equal(ours(x).source[0], torch.eye(7))


@pytest.mark.parametrize("k", [1, 4, 9, 36])
def test_pool_is_the_mean_of_squares(k: int) -> None:
    ours, x = shaken(Pool(k, 36, 5, 3)), features(36, 5)
    small = math.isqrt(k)
    edge = 6 // small
    for token in range(k):
        row, column = divmod(token, small)
        inside = [(row * edge + i) * 6 + column * edge + j for i in range(edge) for j in range(edge)]
        expected = ours.project(x[:, inside].mean(1, keepdim=True))
        torch.testing.assert_close(ours(x).tokens[:, token], expected[:, 0])
        assert ours(x).source[0, token].nonzero()[:, 0].tolist() == sorted(inside)
    if k == 36:
        torch.testing.assert_close(ours(x).tokens, PerPatch.forward(ours, x).tokens)


def test_pool_refuses_what_does_not_tile() -> None:
    with pytest.raises(ValueError, match="do not tile"):
        Pool(25, 64)


def test_a_pool_leaves_out_what_is_off() -> None:
    ours, x = shaken(Pool(4, 16, 5, 3)), features(16, 5, 1)
    off = torch.zeros(1, 16, dtype=torch.bool)
    off[0, [0, 1, 4, 2, 3, 6, 7]] = True  # three of the first square, all of the second
    found = ours(x, off)
    torch.testing.assert_close(found.tokens[0, 0], ours.project(x[:, 5:6])[0, 0])
    assert found.off.tolist() == [[False, True, False, False]]
    torch.testing.assert_close(found.source.sum(-1), torch.ones(1, 4))


def test_qformer_is_blip2s() -> None:
    ours = shaken(QFormer(5, n_layer=3, n_head=3, d_ff=17, d_feature=11, d_query=9, d_model=7), 0.2)
    found = qformer(ours, features(13, 11))
    assert max(found.values()) < 1e-5
    small = shaken(make("qformer-8", rng()), 0.02)
    assert max(qformer(small, features()).values()) < 1e-5


def test_qformer_does_not_know_the_order_of_patches_and_hides_what_is_off() -> None:
    ours, x = shaken(make("qformer-4", rng()), 0.02), features()
    turned = torch.randperm(64, generator=rng(3))
    torch.testing.assert_close(ours(x[:, turned]).tokens, ours(x).tokens, rtol=1e-4, atol=1e-5)
    off = torch.zeros(3, 64, dtype=torch.bool)
    off[:, 10:] = True
    torch.testing.assert_close(ours(x, off).tokens, ours(x[:, :10]).tokens, rtol=1e-4, atol=1e-5)
    assert float(ours(x, off).source[:, :, 10:].max()) == 0
    assert ours(x, torch.ones(3, 64, dtype=torch.bool)).off.all() and not ours(x, off).off.any()


@pytest.mark.parametrize("name", NAMES)
def test_every_projector(name: str) -> None:
    ours, x = make(name, rng()).requires_grad_(False), features()
    found = ours(x)
    k = n_token(name)
    assert found.tokens.shape == (3, k, 96) and found.source.shape == (3, k, 64) and found.off.shape == (3, k)
    torch.testing.assert_close(found.source.sum(-1), torch.ones(3, k))
    assert not found.off.any() and 0.001 < float(found.tokens.std()) < 0.3
    off = torch.zeros(3, 64, dtype=torch.bool)
    torch.testing.assert_close(ours(x, off).tokens, found.tokens)
    off[:, 5] = True
    assert float(ours(x, off).source[:, :, 5].max()) == (1 if name.endswith("64") else 0)
    assert int(ours(x, off).off.sum()) == (3 if name.endswith("64") else 0)


def test_parameters_by_hand() -> None:
    assert n_param(make("linear-64")) == 96 * 96 + 96
    assert n_param(make("mlp-64")) == n_param(make("pool-4")) == 2 * (96 * 96 + 96)
    assert n_param(make("qformer-32")) - n_param(make("qformer-4")) == 28 * 96
    with pytest.raises(ValueError, match="no such"):
        make("cnn-64")
