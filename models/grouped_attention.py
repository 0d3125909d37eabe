"""Attention whose query heads share keys and values: multi-head, grouped-query and multi-query in one formula.

Sources: Vaswani et al. 2017, "Attention Is All You Need", equation (1); multi-query: Shazeer 2019, "Fast Transformer
Decoding", section 3; grouped-query: Ainslie et al. 2023, "GQA", section 2.2.

    A_h = softmax(Q_h K_g^T / sqrt(d_head) + mask)      z_h = A_h V_g      g = h // (n_head / n_kv_head)

    n_kv_head = n_head   multi-head attention (MHA): every query head has keys of its own
    n_kv_head = 1        multi-query attention (MQA): still n_head query heads, so still n_head maps
    in between           grouped-query attention (GQA)

Glossary
    Q, K, V   query, key, value, after RoPE where the model has it      A   attention, rows sum to 1
    raw       Q K^T / sqrt(d_head), before mask and softmax             z   one head's mixture of values

Axes: h query head, g key/value head, t query position, s key position, d head feature. All count from 0.
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor


def key_heads(n_head: int, n_kv_head: int) -> Int[Tensor, "h"]:
    """The key/value head that each query head reads: neighbours share."""
    return torch.arange(n_head) // (n_head // n_kv_head)


def raw_scores(query: Float[Tensor, "*h t d"], key: Float[Tensor, "*h s d"]) -> Float[Tensor, "*h t s"]:
    """q_t . k_s / sqrt(d_head)."""
    return query @ key.mT / math.sqrt(query.shape[-1])


def causal_softmax(raw: Float[Tensor, "*h t s"], causal: bool) -> Float[Tensor, "*h t s"]:
    """Rows to weights; a causal model may not look ahead."""
    future = torch.ones(raw.shape[-2:], dtype=torch.bool).triu(1)
    return (raw.masked_fill(future, -torch.inf) if causal else raw).softmax(-1)


def grouped_attention(
    query: Float[Tensor, "h t d"], key: Float[Tensor, "g s d"], value: Float[Tensor, "g s d"], causal: bool
) -> tuple[Float[Tensor, "h t d"], Float[Tensor, "h t s"]]:
    """(z, A) of all heads of a layer. g = 1 is multi-query attention, g = h multi-head attention."""
    mine = key_heads(len(query), len(key))
    attention = causal_softmax(raw_scores(query, key[mine]), causal)
    return attention @ value[mine], attention


def kv_bytes(n_layer: int, n_kv_head: int, d_head: int, n_byte: int = 2) -> int:
    """Bytes that the KV cache grows by with each token: a key and a value per layer and key/value head."""
    return 2 * n_layer * n_kv_head * d_head * n_byte
