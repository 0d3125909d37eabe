"""Grouped keys against PyTorch's own attention, against transformers' repeat_kv, and at both ends: MQA and MHA."""

import pytest
import torch
import torch.nn.functional as F

from models import grouped_attention as grouped


def qkv(n_head: int, n_kv_head: int, n_token: int = 11, d_head: int = 7) -> list[torch.Tensor]:
    make = torch.Generator().manual_seed(n_head)
    return [torch.randn(n, n_token, d_head, generator=make) for n in (n_head, n_kv_head, n_kv_head)]


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize(("n_head", "n_kv_head"), [(6, 3), (6, 2), (6, 1), (6, 6), (5, 1)])
def test_grouped_attention_is_pytorchs(n_head, n_kv_head, causal):
    query, key, value = qkv(n_head, n_kv_head)
    z, attention = grouped.grouped_attention(query, key, value, causal)
    torch_z = F.scaled_dot_product_attention(query[None], key[None], value[None], is_causal=causal, enable_gqa=True)
    assert torch.allclose(z, torch_z[0], atol=1e-6)
    assert torch.allclose(attention.sum(-1), torch.ones(n_head, 11), atol=1e-6)


@pytest.mark.parametrize(("n_head", "n_kv_head"), [(6, 3), (6, 2), (15, 5), (7, 1), (5, 5)])
def test_heads_read_the_keys_that_transformers_gives_them(n_head, n_kv_head):
    from transformers.models.llama.modeling_llama import repeat_kv

    key = qkv(n_head, n_kv_head)[1]
    repeated = repeat_kv(key[None], n_head // n_kv_head)[0]
    assert torch.equal(key[grouped.key_heads(n_head, n_kv_head)], repeated)


def test_groups_end_in_mqa_and_mha():
    query, key, value = qkv(6, 6)
    each = [(q @ k.T / 7**0.5).softmax(-1) @ v for q, k, v in zip(query, key, value, strict=True)]
    assert torch.allclose(grouped.grouped_attention(query, key, value, False)[0], torch.stack(each), atol=1e-6)
    one = [(q @ key[0].T / 7**0.5).softmax(-1) @ value[0] for q in query]
    assert torch.allclose(grouped.grouped_attention(query, key[:1], value[:1], False)[0], torch.stack(one), atol=1e-6)


def test_kv_cache_by_hand():
    assert grouped.kv_bytes(80, 8, 128) == 320 * 1024  # Llama 2 70B: 2 * 80 * 8 * 128 numbers of 2 bytes
    assert grouped.kv_bytes(3, 5, 7, n_byte=1) == 2 * 3 * 5 * 7
