"""The price of length against real modules on the meta device, and against numbers worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from models import context_cost, context_lengths
from models.context_cost import GIB, LENGTHS, MODELS, Shape, grouped, kv_bytes, latent, quadratic_share, score_flops
from models.context_lengths import BY_ID, CONTEXTS, METHODS

N = 128 * 1024


def weights(model: torch.nn.Module) -> int:
    """Weights of the linear maps of all layers that one token meets, read off a module; experts: those it uses."""
    cfg = model.config.get_text_config()
    used = 0
    for name, parameter in model.named_parameters():
        if "layers." not in name or parameter.ndim < 2:
            continue
        share = cfg.num_experts_per_tok / cfg.n_routed_experts if parameter.ndim == 3 else 1
        used += int(parameter.numel() * share)
    return used


def on_meta(kind: str, **sizes: int) -> torch.nn.Module:
    import transformers

    config = getattr(transformers, f"{CONFIG.get(kind, kind)}Config")(**sizes)
    with torch.device("meta"):
        return getattr(transformers, f"{kind}ForCausalLM")(config)


CONFIG = {"Gemma3": "Gemma3Text"}
LLAMA70 = {"hidden_size": 8192, "intermediate_size": 28672, "num_attention_heads": 64, "num_key_value_heads": 8}
LLAMA8 = {"hidden_size": 4096, "intermediate_size": 14336, "num_attention_heads": 32, "num_key_value_heads": 8}
GEMMA = {"hidden_size": 5376, "intermediate_size": 21504, "num_attention_heads": 32, "num_key_value_heads": 16,
         "head_dim": 128, "sliding_window": 1024, "num_hidden_layers": 62}  # fmt: skip


@pytest.mark.parametrize(
    ("key", "kind", "sizes"),
    [
        ("llama2-70b", "Llama", LLAMA70 | {"num_hidden_layers": 80}),
        ("llama3.1-8b", "Llama", LLAMA8 | {"num_hidden_layers": 32}),
        ("gemma3-27b", "Gemma3", GEMMA),
        ("deepseek-v3", "DeepseekV3", {}),
    ],
)
def test_weights_are_those_of_the_real_modules(key: str, kind: str, sizes: dict[str, int]) -> None:
    assert MODELS[key].weight == weights(on_meta(kind, **sizes))


def test_gpt3_has_the_parameters_it_is_named_for() -> None:
    """175B: the layers, 50,257 tokens and 2,048 positions of width 12,288 (Brown et al. 2020, Table 2.1)."""
    shape = MODELS["gpt3"]
    assert shape.weight == 96 * 12 * 12288**2
    assert (shape.weight + (50257 + 2048) * 12288) / 1e9 == pytest.approx(174.6, abs=0.1)


def test_gemmas_windows_are_those_of_its_config() -> None:
    from transformers import Gemma3TextConfig

    layers = Gemma3TextConfig(num_hidden_layers=62, sliding_window=1024).layer_types
    shape = MODELS["gemma3-27b"]
    assert shape.n_local == layers.count("sliding_attention") == 52 and shape.n_layer == len(layers)


def test_deepseeks_latent_is_that_of_its_config() -> None:
    from transformers import DeepseekV3Config

    cfg, shape = DeepseekV3Config(), MODELS["deepseek-v3"]
    assert shape.cached == cfg.kv_lora_rank + cfg.qk_rope_head_dim == 576
    assert (shape.d_qk, shape.d_v) == (cfg.qk_nope_head_dim + cfg.qk_rope_head_dim, cfg.v_head_dim)
    assert (shape.n_layer, shape.n_head) == (cfg.num_hidden_layers, cfg.num_attention_heads)


TOY = grouped("toy", d_model=10, n_layer=5, n_head=6, n_kv_head=3, d_head=7, ffn=110, n_local=2, window=4)


def test_a_small_model_by_hand() -> None:
    """5 layers: W_q, W_o 10 x 42 each, W_k, W_v 10 x 21 each, 110 weights of FFN; 3 layers see all, 2 only 4 tokens."""
    assert TOY.weight == 5 * (2 * 420 + 2 * 210 + 110)
    assert context_cost.linear_flops(TOY, 11) == 2 * 11 * TOY.weight
    assert score_flops(TOY, 11) == 2 * 11 * (3 * 11 + 2 * 4) * 6 * (7 + 7)
    assert kv_bytes(TOY, 11) == (3 * 11 + 2 * 4) * (2 * 3 * 7) * 2
    assert kv_bytes(TOY, 11, size=1) * 2 == kv_bytes(TOY, 11)
    mla = latent("toy", 10, 5, 6, d_nope=7, d_rope=2, d_v=3, d_query=11, d_c=13, ffn=17)
    assert mla.weight == 5 * (10 * 11 + 11 * 6 * 9 + 10 * 15 + 13 * 6 * 10 + 6 * 3 * 10) + 17
    assert score_flops(mla, 2) == 2 * 2 * (5 * 2) * 6 * (9 + 3) and kv_bytes(mla, 2) == 5 * 2 * 15 * 2


def test_scores_are_counted_as_torch_counts_them() -> None:
    """FLOPs of one layer's Q K^T and A V from torch's own counter."""
    from torch.utils.flop_counter import FlopCounterMode

    n, h, d = 37, 5, 7
    q, k, v = (torch.zeros(h, n, d, device="meta") for _ in range(3))
    with FlopCounterMode(display=False) as counter:
        (q @ k.transpose(-1, -2)).softmax(-1) @ v
    assert counter.get_total_flops() == score_flops(Shape("", 0, 1, h, d, d, 0, 0), n)


def test_the_share_of_a_plain_layer() -> None:
    """n / (n + 6 d) exactly, 2.70 % for GPT-3 at 2,048, half at 6 d; it only grows; short texts are linear."""
    gpt3 = MODELS["gpt3"]
    for n in (1, 2048, 73728, 10**6):
        assert quadratic_share(gpt3, n) == pytest.approx(context_cost.plain_share(12288, n))
    assert quadratic_share(gpt3, 2048) == pytest.approx(0.0270, abs=5e-5)
    assert quadratic_share(gpt3, 6 * 12288) == pytest.approx(0.5)


@pytest.mark.parametrize("key", MODELS)
def test_longer_costs_more_and_parts_add_up(key: str) -> None:
    trace = context_cost.trace()
    m = list(MODELS).index(key)
    for row in (trace.share, trace.kv, trace.linear, trace.score):
        assert (row[m].diff() > 0).all()
    torch.testing.assert_close(trace.share[m] * (trace.linear[m] + trace.score[m]), trace.score[m])
    torch.testing.assert_close(trace.linear[m], trace.n.double() * 2 * MODELS[key].weight)
    expected = [kv_bytes(MODELS[key], n) for n in LENGTHS]
    assert trace.kv[m].tolist() == expected
    plain = [n / (n + 6 * MODELS[key].d_model) for n in LENGTHS]
    torch.testing.assert_close(trace.plain[m], torch.tensor(plain, dtype=torch.float64))


def test_lengths_are_round_and_ascend() -> None:
    assert sorted(set(LENGTHS)) == LENGTHS and {1024, 1536, 2048, 131072, 196608, 8 << 20, 10 << 20} <= set(LENGTHS)
    assert (LENGTHS[0], LENGTHS[-1], len(LENGTHS)) == (1024, 10 << 20, 28)
    trace = context_cost.trace(131072)
    assert trace.n.tolist() == LENGTHS and LENGTHS[trace.index] == 131072
    for asked, found in ((1, 1024), (2048, 2048), (2500, 2048), (2530, 3072), (10**9, 10 << 20)):
        assert LENGTHS[context_cost.nearest(asked)] == found, asked


def test_the_published_numbers() -> None:
    """320 GiB, 40 GiB, 62 -> 10.4 GiB, 70.3 KB per token."""
    assert kv_bytes(MODELS["llama2-70b"], N) == 40 * GIB
    assert kv_bytes(MODELS["llama3.1-8b"], N) == 16 * GIB
    assert kv_bytes(MODELS["gemma3-27b"], N) / GIB == pytest.approx(10.4, abs=0.01)
    assert kv_bytes(MODELS["deepseek-v3"], 1) == 61 * 576 * 2 == 70272


def test_facts_are_those_of_the_length() -> None:
    said = context_cost.facts(context_cost.trace(N))
    assert (said["length"], said["kv_llama2_70b"], said["kv_gpt3"]) == (N, 40, 576)
    assert said["share_gpt3"] == pytest.approx(N / (N + 73728))
    assert (said["most"], said["least"], said["most_kv"]) == ("GPT-3", "DeepSeek-V3", 576)
    assert said["least_kv"] == pytest.approx(70272 * N / GIB)


def test_claims() -> None:
    found = {name: claim() for name, claim in (context_cost.CLAIMS | context_lengths.CLAIMS).items()}
    hundred = found["hundred-gigabytes"]
    assert (hundred["mha"], hundred["gqa"], hundred["per_token"]) == (320, 40, 320)
    assert hundred["mha_gb"] == pytest.approx(343.6, abs=0.05) and hundred["gqa_gb"] == pytest.approx(42.9, abs=0.05)
    assert hundred["heads"] == pytest.approx(18.6, abs=0.05)
    saved = found["windows-and-latents"]
    assert (saved["gemma_full"], saved["deepseek"]) == (62, 70.272)
    assert saved["gemma"] == pytest.approx(10.40625) and saved["deepseek_heads"] == 61 * 2 * 128 * 128 * 2 / 1e3
    quadratic = found["quadratic-part"]
    assert quadratic["gpt3_half"] == 73728
    for key in ("llama2-70b", "llama3.1-8b", "deepseek-v3"):
        half = quadratic[f"{key.replace('-', '_').replace('.', '_')}_half"]
        assert quadratic_share(MODELS[key], int(half)) == pytest.approx(0.5, abs=1e-4)
    assert found["gpt3-context"] == {"gpt3": 2048, "later": 4096, "name": "GPT-3.5"}
    assert found["code-llama-length"]["trained"] == 16384
    assert found["stretched-lengths"] == pytest.approx(
        {"code_llama": 100_000 / 16384, "qwen2_5": 4, "qwen3": 4, "smollm3": 2, "llama4_scout": 40, "deepseek_v3": 1,
         "llama3_1": 1}
    )  # fmt: skip
    llama = found["llama-contexts"]
    assert [llama[name] for name in ("one", "two", "three", "three_one")] == [2048, 4096, 8192, 131072]
    assert (llama["four"], llama["maverick"], llama["trained"]) == (10 << 20, 1 << 20, 1 << 18)
    assert found["qwen3-contexts"] == {"trained": 32768, "offered": 131072, "factor": 4, "later": 262144}


# --- the table -------------------------------------------------------------------------------------------------------


def test_contexts_are_in_order_and_complete() -> None:
    dates = [(one.year, one.month) for one in CONTEXTS]
    assert dates == sorted(dates) and len(BY_ID) == len(CONTEXTS) == len({one.name for one in CONTEXTS})
    for one in CONTEXTS:
        assert one.method in METHODS and one.source and 1 <= one.month <= 12, one.id
        assert (one.trained is None) or (one.pretrained or 0) <= one.trained <= one.offered, one.id
        assert one.pretrained is None or one.trained is not None, one.id
        assert one.method != "unpublished" or one.pretrained is None, one.id
    assert not any(one.method in ("table", "rope") and one.trained != one.offered for one in CONTEXTS)
    assert {one.id for one in CONTEXTS if not one.opened} == {"gpt3.5"}


def test_contexts_are_those_of_the_configs() -> None:
    from transformers import DeepseekV3Config, GPT2Config, LlamaConfig, OpenAIGPTConfig

    assert BY_ID["gpt1"].offered == OpenAIGPTConfig().n_positions == 512
    assert BY_ID["gpt2"].offered == GPT2Config().n_positions == 1024
    assert BY_ID["llama1"].offered == LlamaConfig().max_position_embeddings == 2048
    assert BY_ID["deepseek-v3"].pretrained == DeepseekV3Config().max_position_embeddings == 4096


def test_a_length_is_a_number_of_tokens() -> None:
    """The makers' round numbers stay round, the others are powers of two, or ten times one."""
    for one in CONTEXTS:
        for n in (one.offered, one.trained or 1, one.pretrained or 1):
            assert n % 1000 == 0 or math.log2(n).is_integer() or math.log2(n / 10).is_integer(), one.id
