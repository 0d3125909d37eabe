"""The same computations by other hands: frequencies by transformers, logits by Llama and Mistral, dual chunks and sinks
pair of tokens by pair of tokens. Used by "check it now" and by the tests."""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from models.position_lm import Block, PositionLM
from models.rope_scaling import Scaled, ntk_base
from models.tiny_lm import rms_norm

LIBRARY = {"linear": "linear", "dynamic": "dynamic", "yarn": "yarn"}  # method -> rope_type; others are "default"


def rope_parameters(method: str, factor: float, trained: int, base: float, n_pair: int) -> dict[str, object]:
    """What a configuration of transformers says for the same RoPE. NTK-aware is plain RoPE with another base."""
    if method not in LIBRARY:
        theta = ntk_base(n_pair, base, factor) if method == "ntk" else base
        return {"rope_type": "default", "rope_theta": theta}
    more = {"original_max_position_embeddings": trained} if method == "yarn" else {}
    return {"rope_type": LIBRARY[method], "rope_theta": base, "factor": factor, **more}


def configured(method: str, model: PositionLM, factor: float, trained: int, base: float) -> dict[str, Any]:
    """The sizes of our model in the words of transformers."""
    cfg = model.cfg
    longer = int(trained * factor) if method == "yarn" else trained
    return {
        "vocab_size": cfg.vocab_size,
        "hidden_size": cfg.d_model,
        "intermediate_size": cfg.d_ff,
        "num_hidden_layers": cfg.n_layer,
        "num_attention_heads": cfg.n_head,
        "num_key_value_heads": cfg.n_head,
        "head_dim": cfg.d_head,
        "rms_norm_eps": cfg.norm_eps,
        "max_position_embeddings": longer,
        "rope_parameters": rope_parameters(method, factor, trained, base, cfg.d_head // 2),
        "tie_word_embeddings": True,
        "attn_implementation": "eager",
    }


def frequency_gap(method: str, ours: Scaled, factor: float, trained: int, length: int, base: float) -> float:
    """Largest difference of frequencies and of the attention factor from the library's, for a text of this length.

    The library knows NTK-aware as its dynamic form at one length: factor 1 at factor * trained tokens.
    """
    from transformers import LlamaConfig
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS
    from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

    n_pair = len(ours.inv_freq)
    kind = {"ntk": "dynamic"}.get(method, method)
    more: dict[str, object] = {"rope_type": LIBRARY.get(kind, "default"), "rope_theta": base}
    if kind in LIBRARY:
        more["factor"] = 1.0 if method == "ntk" else factor
    if kind == "yarn":
        more["original_max_position_embeddings"] = trained
    config = LlamaConfig(
        hidden_size=2 * n_pair,
        num_attention_heads=1,
        head_dim=2 * n_pair,
        max_position_embeddings=int(trained * factor) if kind == "yarn" else trained,
        rope_parameters=more,
    )
    if kind not in LIBRARY:
        theirs, attention_factor = LlamaRotaryEmbedding(config).get_buffer("inv_freq"), 1.0
    else:
        at = int(trained * factor) if method == "ntk" else length
        theirs, attention_factor = ROPE_INIT_FUNCTIONS[kind](config, torch.device("cpu"), seq_len=at)
    return max(float((ours.inv_freq - theirs).abs().max()), abs(ours.attention_factor - attention_factor))


def logit_gap(
    method: str,
    model: PositionLM,
    ids: Int[Tensor, "1 t"],
    ours: Float[Tensor, "1 t v"],
    factor: float,
    trained: int,
    base: float,
) -> tuple[str, float]:
    """What our logits are compared with, and the largest difference."""
    if method in ("dca", "sinks"):
        theirs, name = by_pairs(method, model, ids, trained, base), "q turned by M[t, s]"
    else:
        theirs, name = by_library(method, model, ids, factor, trained, base)
    return name, float((ours - theirs).abs().max())


def by_library(
    method: str, model: PositionLM, ids: Int[Tensor, "1 t"], factor: float, trained: int, base: float
) -> tuple[Float[Tensor, "1 t v"], str]:
    """Logits of a Llama with our weights; for the window of a Mistral, whose attention slides."""
    from transformers import LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM, PreTrainedModel

    library: PreTrainedModel
    sizes = configured(method, model, factor, trained, base)
    if method == "window":
        library = MistralForCausalLM(MistralConfig(**sizes, sliding_window=trained))
    else:
        library = LlamaForCausalLM(LlamaConfig(**sizes))
    weights: dict[str, Tensor] = {"model.embed_tokens.weight": model.embedding, "lm_head.weight": model.embedding}
    weights["model.norm.weight"] = model.gain_final
    for i, layer in enumerate(blocks(model)):
        at = f"model.layers.{i}"
        weights[f"{at}.input_layernorm.weight"] = layer.gain_attention
        weights[f"{at}.post_attention_layernorm.weight"] = layer.gain_mlp
        for name in "qkvo":
            weights[f"{at}.self_attn.{name}_proj.weight"] = getattr(layer, f"w_{name}")
        for name in ("gate", "up", "down"):
            weights[f"{at}.mlp.{name}_proj.weight"] = getattr(layer, f"w_{name}")
    library.load_state_dict(weights)
    embedded = model.embedding[ids] * model.cfg.d_model**0.5  # Llama itself does not scale its embeddings
    return library.eval()(inputs_embeds=embedded).logits, type(library).__name__


def blocks(model: PositionLM) -> list[Block]:
    return [layer for layer in model.layers if isinstance(layer, Block)]


def by_pairs(
    method: str, model: PositionLM, ids: Int[Tensor, "1 t"], trained: int, base: float
) -> Float[Tensor, "1 t v"]:
    """Logits with each pair of tokens turned by its own difference of positions: n^2 angles per pair of features.

    Re(q e^{i M w} conj(k)) = cos(M w) (q1 k1 + q2 k2) - sin(M w) (q2 k1 - q1 k2), in float64.
    """
    n_token, n_pair = ids.shape[1], model.cfg.d_head // 2
    relative = torch.tensor(
        [[REMAPPED[method](t, s, trained) if s <= t else -1 for s in range(n_token)] for t in range(n_token)]
    )
    angle = relative[..., None] * base ** (-torch.arange(n_pair, dtype=torch.float64) / n_pair)
    cos, sin = angle.cos(), angle.sin()
    x = model.embedding[ids[0]].double() * model.cfg.d_model**0.5
    for layer in blocks(model):
        normed = rms_norm(x, layer.gain_attention.double(), model.cfg.norm_eps)
        q, k, v = (
            F.linear(normed, w.double()).unflatten(-1, (-1, model.cfg.d_head)).transpose(0, 1)
            for w in (layer.w_q, layer.w_k, layer.w_v)
        )
        (q1, q2), (k1, k2) = (each.split(n_pair, dim=-1) for each in (q, k))
        straight = torch.einsum("hti,hsi,tsi->hts", q1, k1, cos) + torch.einsum("hti,hsi,tsi->hts", q2, k2, cos)
        across = torch.einsum("hti,hsi,tsi->hts", q2, k1, sin) - torch.einsum("hti,hsi,tsi->hts", q1, k2, sin)
        score = (straight - across) * model.cfg.d_head**-0.5
        attention = score.masked_fill(relative < 0, -torch.inf).softmax(-1)
        x = x + F.linear((attention @ v).transpose(0, 1).flatten(1), layer.w_o.double())
        normed = rms_norm(x, layer.gain_mlp.double(), model.cfg.norm_eps)
        hidden = F.silu(F.linear(normed, layer.w_gate.double())) * F.linear(normed, layer.w_up.double())
        x = x + F.linear(hidden, layer.w_down.double())
    final = rms_norm(x, model.gain_final.double(), model.cfg.norm_eps)
    return F.linear(final, model.embedding.double())[None].float()


def in_chunks(t: int, s: int, trained: int) -> int:
    """Dual chunk attention's three cases (An et al. 2024, section 3), chunks of three quarters of the length."""
    n_chunk = 3 * trained // 4
    apart = t // n_chunk - s // n_chunk
    if apart == 0:
        return t - s
    return (min(t % n_chunk + n_chunk, trained - 1) if apart == 1 else trained - 1) - s % n_chunk


def in_cache(t: int, s: int, trained: int) -> int:
    """StreamingLLM with four sinks, by filling the cache as the text comes in; -1: no longer in it."""
    kept = list(range(t + 1)) if t < trained else [*range(4), *range(t + 5 - trained, t + 1)]
    return kept.index(t) - kept.index(s) if s in kept else -1


REMAPPED = {"dca": in_chunks, "sinks": in_cache}
