"""What a longer context costs: the arithmetic of the scores and the bytes of the key-value cache, in five real models.

Reading n tokens at once, an attention layer with h heads takes

    2 n W                      for its linear maps and its FFN, W weights in all: linear in n
    2 n n_key h (d_qk + d_v)   for the scores Q K^T and the sums A V: quadratic in n where n_key = n

so that their share is

    quadratic / (linear + quadratic), for a plain layer (W = 12 d^2, h d_qk = h d_v = d):  n / (n + 6 d)

A layer with a sliding window has n_key = min(n, window). Every pair is counted, also those that a causal mask hides: a
kernel that skips them needs half of the quadratic part. Embeddings, the output head, norms and softmax are left out.

The cache keeps, for every token and layer, keys and values of the n_kv heads: 2 n_kv d_head numbers. Multi-head latent
attention keeps one vector that all heads share, d_c + d_rope numbers. A layer with a window keeps its last `window`
tokens.

Sources of the sizes: GPT-3, Brown et al. 2020, Table 2.1 (counted as if all of its layers were dense; every other one
is locally banded). Llama 2 and 3.1: meta-llama/llama-models, models/sku_list.py. Gemma 3: google/gemma_pytorch,
gemma/config.py, `get_config_for_27b_v3`; Gemma 3 report 2025, section 2. DeepSeek-V3: `DeepseekV3Config` in
transformers 5.23, whose defaults are its sizes; DeepSeek-AI 2024, section 2.1.1.

Glossary
    n, length   tokens read          cached   numbers kept per token and layer
    W, weight   weights that one token meets, all layers together (of a mixture: those of its own experts)
    GiB         2^30 bytes; GB is 10^9

Axes: m model, n length.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

BYTES = 2  # per number: float16 or bfloat16
GIB = 2**30
K = 1024
LENGTHS = sorted({size << k for k in range(14) for size in (K, 3 * K // 2)} - {3 * K // 2 << 13} | {10 * K * K})


@dataclass(frozen=True)
class Shape:
    """What of a model its cost depends on. n_local of its layers see only the last `window` tokens."""

    name: str
    d_model: int
    n_layer: int
    n_head: int
    d_qk: int
    d_v: int
    weight: int
    cached: int
    n_local: int = 0
    window: int = 0


def grouped(
    name: str, d_model: int, n_layer: int, n_head: int, n_kv_head: int, d_head: int, ffn: int, n_local: int = 0,
    window: int = 0,
) -> Shape:  # fmt: skip
    """Multi-head (n_kv_head = n_head) or grouped-query attention; ffn: weights of one layer's FFN."""
    attention = d_model * d_head * (2 * n_head + 2 * n_kv_head)  # W_q and W_o, W_k and W_v
    weight = n_layer * (attention + ffn)
    return Shape(name, d_model, n_layer, n_head, d_head, d_head, weight, 2 * n_kv_head * d_head, n_local, window)


def latent(
    name: str, d_model: int, n_layer: int, n_head: int, d_nope: int, d_rope: int, d_v: int, d_query: int, d_c: int,
    ffn: int,
) -> Shape:  # fmt: skip
    """Multi-head latent attention as it reads a prompt: all heads' keys and values are unfolded from the latent vector.

    ffn: the FFN weights one token meets, all layers together.
    """
    query = d_model * d_query + d_query * n_head * (d_nope + d_rope)
    key_value = d_model * (d_c + d_rope) + d_c * n_head * (d_nope + d_v)
    weight = n_layer * (query + key_value + n_head * d_v * d_model) + ffn
    return Shape(name, d_model, n_layer, n_head, d_nope + d_rope, d_v, weight, d_c + d_rope)


def gated(d_model: int, d_ff: int) -> int:
    """Weights of an FFN with a gate: up, gate and down."""
    return 3 * d_model * d_ff


def _deepseek() -> Shape:
    """61 layers: 3 dense; 58 with 1 shared expert, 8 of 256 routed ones, and the router itself."""
    expert, router = gated(7168, 2048), 7168 * 256
    ffn = 3 * gated(7168, 18432) + 58 * (9 * expert + router)
    return latent("DeepSeek-V3", 7168, 61, 128, 128, 64, 128, 1536, 512, ffn)


MODELS: dict[str, Shape] = {
    "gpt3": grouped("GPT-3", 12288, 96, 96, 96, 128, 8 * 12288**2),
    "llama2-70b": grouped("Llama 2 70B", 8192, 80, 64, 8, 128, gated(8192, 28672)),
    "llama3.1-8b": grouped("Llama 3.1 8B", 4096, 32, 32, 8, 128, gated(4096, 14336)),
    "gemma3-27b": grouped("Gemma 3 27B", 5376, 62, 32, 16, 128, gated(5376, 21504), n_local=52, window=K),
    "deepseek-v3": _deepseek(),
}


def linear_flops(shape: Shape, n: int) -> float:
    """Additions and multiplications of everything that treats each token by itself."""
    return 2.0 * n * shape.weight


def score_flops(shape: Shape, n: int) -> float:
    """Additions and multiplications of Q K^T and A V in all layers."""
    keys = (shape.n_layer - shape.n_local) * n + shape.n_local * min(n, shape.window)
    return 2.0 * n * keys * shape.n_head * (shape.d_qk + shape.d_v)


def quadratic_share(shape: Shape, n: int) -> float:
    """What part of the arithmetic the scores are."""
    return score_flops(shape, n) / (score_flops(shape, n) + linear_flops(shape, n))


def plain_share(d_model: int, n: int) -> float:
    """The same for a plain layer: n / (n + 6 d)."""
    return n / (n + 6 * d_model)


def kv_bytes(shape: Shape, n: int, size: int = BYTES) -> int:
    """Bytes of the cache of one sequence of n tokens. size: bytes per number."""
    tokens = (shape.n_layer - shape.n_local) * n + shape.n_local * min(n, shape.window)
    return tokens * shape.cached * size


@dataclass(frozen=True)
class Trace:
    """All models at all lengths. index: the length chosen, in n."""

    name: tuple[str, ...]
    index: int
    n: Int[Tensor, "n"]
    share: Float[Tensor, "m n"]
    plain: Float[Tensor, "m n"]
    kv: Float[Tensor, "m n"]  # bytes
    linear: Float[Tensor, "m n"]  # floating point operations
    score: Float[Tensor, "m n"]


def nearest(length: int) -> int:
    """Index of the length in LENGTHS that is nearest in proportion."""
    return min(range(len(LENGTHS)), key=lambda i: max(length, LENGTHS[i]) / max(1, min(length, LENGTHS[i])))


def trace(length: int = 128 * K) -> Trace:
    """Every model's costs at 1K to 10M tokens, and the length on the slider."""

    def table(cost: Callable[[Shape, int], float]) -> Float[Tensor, "m n"]:
        return torch.tensor([[cost(shape, n) for n in LENGTHS] for shape in MODELS.values()], dtype=torch.float64)

    return Trace(
        tuple(shape.name for shape in MODELS.values()),
        nearest(length),
        torch.tensor(LENGTHS),
        table(quadratic_share),
        table(lambda shape, n: plain_share(shape.d_model, n)),
        table(kv_bytes),
        table(linear_flops),
        table(score_flops),
    )


def facts(trace: Trace) -> dict[str, float | int | str]:
    """Numbers for the caption, at the length on the slider: cache in GiB and share of the scores for every model, named
    kv_<model> and share_<model> with - and . as _; the largest and the smallest cache."""
    i = trace.index
    said: dict[str, float | int | str] = {"length": int(trace.n[i])}
    for m, key in enumerate(MODELS):
        plain = key.replace("-", "_").replace(".", "_")
        said[f"kv_{plain}"] = float(trace.kv[m, i]) / GIB
        said[f"share_{plain}"] = float(trace.share[m, i])
    most, least = int(trace.kv[:, i].argmax()), int(trace.kv[:, i].argmin())
    said |= {"most": trace.name[most], "most_kv": float(trace.kv[most, i]) / GIB}
    said |= {"least": trace.name[least], "least_kv": float(trace.kv[least, i]) / GIB}
    return said


# --- claims ----------------------------------------------------------------------------------------------------------

Live = dict[str, float | int | str]


def claim_hundred_gigabytes() -> Live:
    """128K tokens of a 70B model in 16 bits: what the formula without groups gives, what Llama 2 70B keeps, and how
    many key-value heads 100 GB would be."""
    shape = MODELS["llama2-70b"]
    n = 128 * K
    mha = grouped("", shape.d_model, shape.n_layer, shape.n_head, shape.n_head, shape.d_qk, 0)
    one_head = kv_bytes(grouped("", shape.d_model, shape.n_layer, shape.n_head, 1, shape.d_qk, 0), n)
    return {
        "n": n,
        "mha": kv_bytes(mha, n) / GIB,
        "mha_gb": kv_bytes(mha, n) / 1e9,
        "gqa": kv_bytes(shape, n) / GIB,
        "gqa_gb": kv_bytes(shape, n) / 1e9,
        "heads": 1e11 / one_head,
        "per_token": kv_bytes(shape, 1) // K,
    }


def claim_windows_and_latents() -> Live:
    """What sliding windows save Gemma 3 27B, and a latent vector DeepSeek-V3, at 128K tokens."""
    gemma, deepseek = MODELS["gemma3-27b"], MODELS["deepseek-v3"]
    n = 128 * K
    unfolded = 2 * deepseek.n_head * deepseek.d_v * deepseek.n_layer * BYTES
    return {
        "n": n,
        "gemma_full": gemma.n_layer * n * gemma.cached * BYTES / GIB,
        "gemma": kv_bytes(gemma, n) / GIB,
        "deepseek": kv_bytes(deepseek, 1) / 1e3,  # KB per token
        "deepseek_heads": unfolded / 1e3,
        "deepseek_gib": kv_bytes(deepseek, n) / GIB,
    }


def claim_quadratic() -> Live:
    """Where the quadratic part is half of the arithmetic, for each model, and GPT-3's share at its own length."""
    said: Live = {"gpt3_share": quadratic_share(MODELS["gpt3"], 2 * K), "gpt3_half": 6 * MODELS["gpt3"].d_model}
    for key in ("llama2-70b", "llama3.1-8b", "deepseek-v3"):
        shape = MODELS[key]
        name = key.replace("-", "_").replace(".", "_")
        said[f"{name}_half"] = round(shape.weight / (shape.n_layer * shape.n_head * (shape.d_qk + shape.d_v)))
    return said


CLAIMS: dict[str, Callable[[], Live]] = {
    "hundred-gigabytes": claim_hundred_gigabytes,
    "windows-and-latents": claim_windows_and_latents,
    "quadratic-part": claim_quadratic,
}
