"""The same attention from other people's code, for "check it now" and the tests of the page position-encodings.

References: T5's `T5Attention`, BLOOM's `build_alibi_tensor`, Llama's `LlamaRotaryEmbedding` with `apply_rotary_pos_emb`
and DistilBERT's `create_sinusoidal_embeddings` in transformers; `nn.Embedding` and `F.scaled_dot_product_attention` in
PyTorch.

Axes: h head, t query position, s key position, d head feature, m model feature, r position.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn


def t5_bias(
    table: Float[Tensor, "b h"], n_token: int, max_distance: int, bidirectional: bool
) -> Float[Tensor, "h t s"]:
    """What transformers' T5 adds to its scores."""
    from transformers import T5Config
    from transformers.models.t5.modeling_t5 import T5Attention

    n_bucket, n_head = table.shape
    config = T5Config(
        d_model=8,
        d_kv=4,
        num_heads=n_head,
        relative_attention_num_buckets=n_bucket,
        relative_attention_max_distance=max_distance,
        is_decoder=not bidirectional,
    )
    attention = T5Attention(config, has_relative_attention_bias=True, layer_idx=0)
    attention.relative_attention_bias.weight.data = table
    return attention.compute_bias(n_token, n_token)[0]


def bloom_bias(n_head: int, n_token: int) -> Float[Tensor, "h s"]:
    """What transformers' BLOOM adds to its scores: slope * s. With a causal mask softmax makes it -slope * (t - s)."""
    from transformers.models.bloom.modeling_bloom import build_alibi_tensor

    return build_alibi_tensor(torch.ones(1, n_token), n_head, torch.float32)[:, 0]


def llama_rotated(x: Float[Tensor, "t d"], position: Int[Tensor, "t"], base: float) -> Float[Tensor, "t d"]:
    """x after transformers' Llama has turned it."""
    from transformers import LlamaConfig
    from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding, apply_rotary_pos_emb

    d_head = x.shape[-1]
    rope: dict[str, object] = {"rope_type": "default", "rope_theta": base}
    config = LlamaConfig(hidden_size=d_head, num_attention_heads=1, head_dim=d_head, rope_parameters=rope)
    cos, sin = LlamaRotaryEmbedding(config)(x[None], position[None])
    return apply_rotary_pos_emb(x[None, None], x[None, None], cos, sin)[0][0, 0]


def sinusoidal_table(n_row: int, d_model: int, base: float) -> Float[Tensor, "r m"]:
    """DistilBERT's table; it knows the base 10,000 only, so for another base the formula in double precision."""
    if base == 10_000.0:
        from transformers.models.distilbert.modeling_distilbert import create_sinusoidal_embeddings

        table = torch.empty(n_row, d_model)
        create_sinusoidal_embeddings(n_row, d_model, table)
        return table.detach()
    angle = torch.arange(n_row)[:, None].double() * base ** -(torch.arange(0, d_model, 2).double() / d_model)
    return torch.stack((angle.sin(), angle.cos()), dim=-1).flatten(1).float()


def embedded(table: Float[Tensor, "r m"], position: Int[Tensor, "t"]) -> Float[Tensor, "t m"]:
    """Rows of a learned table from `nn.Embedding`. Raises IndexError past the last."""
    return nn.Embedding.from_pretrained(table)(position)


def attended(
    query: Float[Tensor, "t d"],
    key: Float[Tensor, "s d"],
    value: Float[Tensor, "s e"],
    bias: Float[Tensor, "t s"],
    causal: bool,
) -> Float[Tensor, "t e"]:
    """z by PyTorch's own attention, with the bias as its mask."""
    future = torch.full(bias.shape, -torch.inf).triu(1) if causal else torch.zeros(bias.shape)
    return F.scaled_dot_product_attention(query[None], key[None], value[None], (bias + future)[None])[0]
