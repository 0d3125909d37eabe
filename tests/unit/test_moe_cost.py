"""The cost of mixtures of experts: every count against transformers' own modules on the meta device, every expectation
against enumeration, a Markov chain or drawn tokens, and numbers worked out by hand."""

from __future__ import annotations

import itertools
import json
import math
import re
from typing import Any

import pytest
import torch

from models import moe_configs, moe_cost, moe_families, moe_meta, moe_routing
from models.moe_configs import ConfigRefused, reals
from models.moe_cost import BATCHES, Config, check, facts, trace
from models.moe_shapes import PARTS, Amount, Layer, Shape, active, flops, n_active, n_total, read, total

KEYS = list(reals())


# --- counting: real models -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", KEYS)
def test_equal_to_the_real_modules_to_the_last_parameter(key: str) -> None:
    """In all, and in every layer: attention, dense FFN, router, shared experts, one expert, norms and biases."""
    ours = reals()[key].shape
    model = moe_meta.build(reals()[key].values)
    assert all(parameter.is_meta for parameter in model.parameters())
    assert n_total(ours) == sum(parameter.numel() for parameter in model.parameters())
    assert moe_meta.shape_of(model) == ours


@pytest.mark.parametrize("key", [key for key in KEYS if reals()[key].published])
def test_close_to_what_the_makers_say(key: str) -> None:
    """Total within 3 %; used within 30 %, for makers differ in whether embeddings count and round strongly."""
    real = reals()[key]
    assert real.published is not None
    assert n_total(real.shape) / 1e9 == pytest.approx(real.published[0], rel=0.03)
    assert n_active(real.shape) / 1e9 == pytest.approx(real.published[1], rel=0.3)


def test_every_real_model_says_where_it_is_from() -> None:
    for real in reals().values():
        assert real.source and real.opened in moe_configs.OPENED and real.url.startswith("https://"), real.key
    assert {real.key for real in reals().values() if real.opened == "account"} == {"kimi-k2"}


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("mixtral-8x7b", "Mixtral"),
        ("deepseek-v3", "DeepseekV3"),
        ("llama4-scout", "Llama4Text"),
        ("qwen3-next-80b-a3b", "Qwen3Next"),
        ("mistral-7b", "Mistral"),
    ],
)
def test_defaults_are_the_classes_own(key: str, name: str) -> None:
    import transformers

    config = getattr(transformers, f"{name}Config")()
    assert reals()[key].opened == "defaults"
    for field, value in reals()[key].values.items():
        if field not in ("model_type", "full_attention_interval"):
            assert getattr(config, field) == value, field


def test_mixtral_by_hand() -> None:
    shape = reals()["mixtral-8x7b"].shape
    assert shape.expert == 3 * 4096 * 14336 == 176_160_768
    outside = 2 * 32000 * 4096 + 32 * (2 * 4096 * 4096 + 2 * 4096 * 1024 + 8 * 4096 + 2 * 4096) + 4096
    assert outside == 1_605_636_096
    assert n_total(shape) == outside + 32 * 8 * 176_160_768 == 46_702_792_704
    assert n_active(shape) == outside + 32 * 2 * 176_160_768 == 12_879_925_248


# --- counting: every family, with odd sizes that differ ---------------------------------------------------------------

DECODER = {"vocab_size": 101, "hidden_size": 66, "num_hidden_layers": 5, "intermediate_size": 13}
HEADS = {"num_attention_heads": 6, "num_key_value_heads": 3, "head_dim": 14}
LATENT = {
    "num_attention_heads": 2, "kv_lora_rank": 11, "qk_nope_head_dim": 7, "qk_rope_head_dim": 6, "v_head_dim": 5,
    "moe_intermediate_size": 17, "n_routed_experts": 19, "n_shared_experts": 2, "num_experts_per_tok": 3,
}  # fmt: skip
QWEN = HEADS | {"num_experts": 19, "num_experts_per_tok": 3, "moe_intermediate_size": 17}
SWITCH = {
    "model_type": "switch_transformers", "vocab_size": 101, "d_model": 23, "d_kv": 7, "d_ff": 13, "num_heads": 3,
    "num_layers": 6, "num_decoder_layers": 4, "num_experts": 11, "num_sparse_encoder_layers": 3,
    "num_sparse_decoder_layers": 1,
}  # fmt: skip
FAMILIES: list[dict[str, Any]] = [
    {"model_type": "llama", **DECODER, **HEADS},
    {"model_type": "llama", **DECODER, **HEADS, "attention_bias": True, "mlp_bias": True, "tie_word_embeddings": True},
    {"model_type": "mistral", **DECODER, "num_attention_heads": 3, "num_key_value_heads": 1},
    {"model_type": "llama", **DECODER, "num_attention_heads": 3},
    {"model_type": "llama", **DECODER, "num_attention_heads": 3, "num_key_value_heads": None},
    {"model_type": "mixtral", **DECODER, **HEADS, "num_local_experts": 19, "num_experts_per_tok": 3},
    {"model_type": "mixtral", **DECODER, **HEADS},
    {"model_type": "qwen2_moe", **DECODER, **QWEN, "shared_expert_intermediate_size": 29},
    {"model_type": "qwen2_moe", **DECODER, **QWEN, "shared_expert_intermediate_size": 29, "qkv_bias": False,
     "mlp_only_layers": [1, 2], "num_attention_heads": 3},
    {"model_type": "qwen3_moe", **DECODER, **QWEN, "decoder_sparse_step": 2},
    {"model_type": "qwen3_moe", **DECODER, **QWEN, "attention_bias": True, "mlp_only_layers": [0]},
    {"model_type": "qwen3_next", **DECODER, **QWEN, "shared_expert_intermediate_size": 29, "full_attention_interval": 2,
     "linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 5, "linear_value_head_dim": 3,
     "linear_conv_kernel_dim": 3},
    {"model_type": "deepseek_v2", **DECODER, **LATENT, "q_lora_rank": 23, "first_k_dense_replace": 2},
    {"model_type": "deepseek_v2", **DECODER, **LATENT, "q_lora_rank": None, "attention_bias": True, "mlp_bias": True,
     "first_k_dense_replace": 1},
    {"model_type": "deepseek_v3", **DECODER, **LATENT, "q_lora_rank": 23, "first_k_dense_replace": 7},
    {"model_type": "deepseek_v3", **DECODER, **LATENT, "q_lora_rank": None, "attention_bias": True,
     "first_k_dense_replace": 0},
    {"model_type": "kimi_k2", **DECODER, **LATENT, "q_lora_rank": 23, "first_k_dense_replace": 1},
    {"model_type": "llama4_text", **DECODER, **HEADS, "num_local_experts": 19, "interleave_moe_layer_step": 2,
     "intermediate_size_mlp": 31},
    {"model_type": "llama4_text", **DECODER, **HEADS, "num_local_experts": 19, "moe_layers": [0, 3],
     "intermediate_size_mlp": 31, "attention_bias": True},
    SWITCH,
    SWITCH | {"num_layers": 4, "num_sparse_encoder_layers": 4},
]  # fmt: skip


@pytest.mark.parametrize("values", FAMILIES, ids=[f"{i}-{one['model_type']}" for i, one in enumerate(FAMILIES)])
def test_each_family_is_its_class_at_any_size(values: dict[str, Any]) -> None:
    model = moe_meta.build(values)
    ours = moe_families.shape_of(values)
    assert n_total(ours) == sum(parameter.numel() for parameter in model.parameters())
    theirs = moe_meta.shape_of(model)
    if not theirs.moe_layers:  # all layers dense: experts are nowhere
        assert not ours.moe_layers
        theirs = Shape(**{**theirs.__dict__, "n_expert": ours.n_expert, "top_k": ours.top_k})
    assert theirs == ours


TOY = Shape(
    d_model=10, n_expert=7, top_k=2, embedding=1000, head=900, vector=3,
    layers=(
        Layer("attention", "dense", attention=110, dense=130, vector=5),
        Layer("linear", "shared", attention=170, router=19, shared=23, expert=29, vector=11),
    ),
)  # fmt: skip


def test_a_small_model_by_hand() -> None:
    assert total(TOY) == {
        "embedding": 1000, "attention": 280, "dense": 130, "router": 19, "shared": 23, "experts": 203, "head": 900,
        "vector": 19,
    }  # fmt: skip
    assert active(TOY)["experts"] == 58 and n_total(TOY) - n_active(TOY) == 5 * 29
    assert flops(TOY) == {
        "embedding": 0, "attention": 560, "dense": 260, "router": 38, "shared": 46, "experts": 116, "head": 1800,
        "vector": 0,
    }  # fmt: skip
    assert read(TOY, 3.5)["experts"] == 3.5 * 29 and read(TOY, 3.5)["embedding"] == 0
    tied = Shape(**{**TOY.__dict__, "head": 0})
    assert flops(tied)["head"] == 2000 and read(tied, 1)["embedding"] == 1000
    assert tuple(total(TOY)) == tuple(read(TOY, 1)) == PARTS


@pytest.mark.parametrize("kind", ["llama", "mixtral", "qwen3_moe"])
def test_arithmetic_is_what_torch_counts(kind: str) -> None:
    """One token through a real model: torch's own counter, without Q K^T and A V, which the length decides."""
    import transformers
    from torch.utils.flop_counter import FlopCounterMode

    values = next(one for one in FAMILIES if one["model_type"] == kind)
    config = transformers.AutoConfig.for_model(
        kind, **{name: one for name, one in values.items() if name != "model_type"}
    )
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    if hasattr(model, "set_experts_implementation"):
        model.set_experts_implementation("eager")
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(torch.tensor([[5]]), use_cache=False)
    scores = 2 * 2 * config.num_attention_heads * config.head_dim * config.num_hidden_layers
    assert counter.get_total_flops() - scores == sum(flops(moe_families.shape_of(values)).values())


# --- routing ----------------------------------------------------------------------------------------------------------


def test_mixtral_touches_two_to_eight_experts() -> None:
    found = [round(moe_routing.distinct(8, 2, b), 1) for b in (1, 2, 4, 8, 16)]
    assert found == [2.0, 3.5, 5.5, 7.2, 7.9]
    assert found[3] == round(8 * (1 - 0.75**8), 1)


@pytest.mark.parametrize(("n", "k"), [(8, 2), (7, 3), (16, 1), (13, 13), (64, 6)])
def test_touched_experts_are_those_of_the_chain(n: int, k: int) -> None:
    for batch in (1, 2, 5, 23):
        expected = moe_routing.distinct(n, k, batch)
        assert moe_routing.distinct_by_chain(n, k, batch) == pytest.approx(expected, abs=1e-9)
        assert k - 1e-9 <= expected <= n + 1e-9
    assert moe_routing.distinct(n, k, 1) == pytest.approx(k)
    assert moe_routing.distinct(n, k, 10**6) == pytest.approx(n)


def test_touched_experts_by_every_possible_choice() -> None:
    """3 tokens, 2 of 5 experts: all 1,000 outcomes."""
    outcomes = list(itertools.product(itertools.combinations(range(5), 2), repeat=3))
    mean = sum(len(set().union(*outcome)) for outcome in outcomes) / len(outcomes)
    assert len(outcomes) == 1000 and moe_routing.distinct(5, 2, 3) == pytest.approx(mean)


@pytest.mark.parametrize(("n", "k"), [(8, 2), (128, 8)])
def test_drawn_tokens_agree_and_popular_experts_touch_fewer(n: int, k: int) -> None:
    batches = (1, 4, 16, 64)
    drawn = moe_routing.sampled(n, k, batches, 0.0)
    for value, batch in zip(drawn.tolist(), batches, strict=True):
        assert value == pytest.approx(moe_routing.distinct(n, k, batch), abs=0.06 * n)
    popular = moe_routing.sampled(n, k, batches, 1.5)
    assert popular[0] == k and (popular[1:3] < drawn[1:3]).all()
    assert (popular.diff() >= 0).all() and (drawn <= n).all()


def test_choices_are_different_experts_with_the_wanted_popularity() -> None:
    generator = torch.Generator().manual_seed(3)
    chosen = moe_routing.choices(7, 3, 5000, 0.0, generator)
    assert all(len(set(row)) == 3 for row in chosen[:200].tolist())
    share = torch.bincount(chosen.flatten(), minlength=7) / 5000
    torch.testing.assert_close(share, torch.full((7,), 3 / 7), atol=0.03, rtol=0)
    one = moe_routing.choices(4, 1, 20_000, 1.0, torch.Generator().manual_seed(3))
    share = torch.bincount(one.flatten(), minlength=4) / 20_000
    torch.testing.assert_close(share, torch.tensor([12, 6, 4, 3]) / 25, atol=0.02, rtol=0)  # 1, 1/2, 1/3, 1/4


@pytest.mark.parametrize(("n", "k", "d"), [(7, 2, 3), (6, 3, 2), (5, 1, 8), (8, 2, 8), (4, 4, 1)])
def test_messages_by_every_possible_choice(n: int, k: int, d: int) -> None:
    owner = moe_routing.owners(n, d).tolist()
    held = [owner.count(device) for device in range(d)]
    assert sum(held) == n and max(held) - min(held) <= 1 and owner == sorted(owner)
    copies = reached = count = 0
    for source in range(d):
        for choice in itertools.combinations(range(n), k):
            away = [owner[expert] for expert in choice if owner[expert] != source]
            copies, reached, count = copies + len(away), reached + len(set(away)), count + 1
    assert moe_routing.copies_sent(n, k, d) == pytest.approx(copies / count)
    assert moe_routing.devices_reached(n, k, d) == pytest.approx(reached / count)


def test_no_token_is_lost_on_its_way() -> None:
    for skew in (0.0, 1.3):
        sent = moe_routing.sent(11, 3, 5, 17, skew)
        assert sent.shape == (5, 11) and (sent.sum(1) == 3 * 17).all() and (sent <= 17).all()
    assert moe_routing.copies_sent(8, 2, 1) == 0 and moe_routing.devices_reached(8, 2, 1) == 0
    # There and back, 32 layers, 1.75 copies of 4,096 numbers of 2 bytes.
    assert moe_routing.all_to_all(4096, 32, 1.75, 2.0) == 2 * 1.75 * 4096 * 32 * 2 == 917_504


def test_the_shrinking_batch_and_finer_experts() -> None:
    assert moe_routing.tokens_per_expert(8, 2, 12) == 3 and moe_routing.tokens_per_expert(8, 2, 12, 5) == 15
    assert moe_routing.combinations(16, 2, (1, 2, 4)) == [120, 35_960, 4_426_165_368]
    assert moe_routing.combinations(5, 2, (1,)) == [len(list(itertools.combinations(range(5), 2)))]


# --- the trace --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["mixtral-8x7b", "llama4-maverick", "switch-base-8"])
def test_the_trace_is_what_its_functions_say(key: str) -> None:
    cfg = Config(model=key, beside="deepseek-v2", dtype="float8", n_device=3, batch=70, skew=0.7, split=3)
    shown = trace(cfg)
    shapes = (reals()[key].shape, reals()["deepseek-v2"].shape)
    n, k = shapes[0].n_expert, shapes[0].top_k
    assert shown.shape == shapes and shown.name == (reals()[key].name, "DeepSeek-V2")
    assert BATCHES[shown.index] == 64 and shown.batch.tolist() == list(BATCHES)
    for m, shape in enumerate(shapes):
        assert shown.total[m].tolist() == [total(shape)[part] for part in PARTS]
        assert shown.active[m].tolist() == [active(shape)[part] for part in PARTS]
        assert shown.flops[m].tolist() == [flops(shape)[part] for part in PARTS]
        assert shown.memory[m].tolist() == [n_total(shape) * size for size in (4, 2, 1, 0.5)]
        for i, batch in enumerate(BATCHES):
            distinct = shape.n_expert * (1 - (1 - shape.top_k / shape.n_expert) ** batch)
            assert float(shown.touched[m, i]) == pytest.approx(distinct, rel=1e-6)
            wanted = read(shape, distinct)
            torch.testing.assert_close(
                shown.read_parts[m, i], torch.tensor([*wanted.values()]).double(), rtol=1e-6, atol=0
            )
            assert float(shown.read[m, i]) == pytest.approx(sum(wanted.values()), rel=1e-6)
    torch.testing.assert_close(shown.sampled, moe_routing.sampled(n, k, BATCHES, 0.0))
    torch.testing.assert_close(shown.skewed, moe_routing.sampled(n, k, BATCHES, 0.7))
    assert float(shown.read_skewed[5]) == pytest.approx(sum(read(shapes[0], float(shown.skewed[5])).values()))
    assert shown.size == 1 and shown.n_device == 3
    assert torch.equal(shown.owner, moe_routing.owners(n, 3))
    assert torch.equal(shown.sent, moe_routing.sent(n, k, 3, 64, 0.7))
    assert (shown.copies, shown.reached) == (moe_routing.copies_sent(n, k, 3), moe_routing.devices_reached(n, k, 3))
    there_and_back = 2 * shapes[0].d_model * len(shapes[0].moe_layers) * 2
    assert shown.message == pytest.approx((there_and_back * shown.copies, there_and_back * shown.reached))
    for i, batch in enumerate(BATCHES):
        assert shown.per_expert[:, i].tolist() == pytest.approx([k * batch / n, 3 * k * batch / n])
    for s, m in enumerate(range(1, 9)):
        assert [row[s] for row in shown.ways] == [math.comb(16 * m, 2 * m), math.comb(n * m, k * m)]
    assert shown.split.tolist() == list(range(1, 9)) and shown.split_index == 2


def test_all_models_stand_in_the_trace() -> None:
    shown = trace(Config())
    assert shown.all_name == tuple(real.name for real in reals().values())
    assert shown.all_total.tolist() == [n_total(real.shape) for real in reals().values()]
    assert shown.all_active.tolist() == [n_active(real.shape) for real in reals().values()]
    rows = {name: row[row >= 0].tolist() for name, row in zip(shown.all_name, shown.strip, strict=True)}
    assert rows["DeepSeek-V3"] == [0] * 3 + [2] * 58 and rows["Kimi K2"] == [0] + [2] * 60
    assert rows["Llama 4 Maverick"] == [0, 2] * 24 and rows["Mixtral 8x7B"] == [1] * 32
    assert rows["Switch Base, 8 experts"] == [0, 1] * 12 and rows["Llama 2 70B"] == [0] * 80
    linear = dict(zip(shown.all_name, shown.linear.tolist(), strict=True))
    assert linear["Qwen3-Next-80B-A3B"][:48] == [1, 1, 1, 0] * 12 and sum(linear["Mixtral 8x7B"]) == 0


def test_batches_between_the_grid() -> None:
    assert BATCHES[:7] == (1, 2, 3, 4, 6, 8, 12) and BATCHES[-1] == 4096
    for asked, found in ((1, 1), (5, 6), (7, 8), (100, 96), (4000, 4096)):
        assert BATCHES[moe_cost.nearest(asked)] == found


def test_facts_by_hand() -> None:
    said = facts(trace(Config(batch=8)))
    assert said["fewer"] == pytest.approx(68_976_648_192 / 12_879_925_248)
    assert said["share"] == pytest.approx(0.2758, abs=1e-4) and said["expert_all"] == pytest.approx(5.637, abs=1e-3)
    assert said["touched"] == pytest.approx(8 * (1 - 0.75**8))
    wanted = 12_879_925_248 - 32000 * 4096 + (8 * (1 - 0.75**8) - 2) * 32 * 176_160_768
    assert said["read_gb"] == pytest.approx(2 * wanted / 1e9) and said["read"] == pytest.approx(wanted / 1e9)
    assert said["gflop"] == pytest.approx(2 * (12_879_925_248 - 32000 * 4096 - 65 * 4096) / 1e9)
    assert (said["cards"], said["cards_beside"], said["heavier"]) == (2, 2, "llama2-70b")
    assert said["intensity_beside"] == pytest.approx(8, abs=1e-3)  # one operation per byte and token in 16 bits
    assert said["message_kb"] == pytest.approx(917.504) and (said["alone"], said["together"]) == (2, 16)
    assert said["ways"] == 4_426_165_368 and said["ways_before"] == 120 and said["ways_own"] == 28
    load = trace(Config(batch=8)).sent.sum(0)
    assert said["busiest"] == pytest.approx(float(load.max() * 8 / load.sum()))


def test_the_reference_agrees_everywhere() -> None:
    for cfg in (Config(model="kimi-k2", beside="switch-base-8", batch=3), Config(model="own", beside="mistral-7b")):
        found = check(cfg)
        assert len(found) == 5 and all(gap < 1e-9 for gap in found.values()), found


def test_claims() -> None:
    said = {name: claim() for name, claim in moe_cost.CLAIMS.items()}
    six = said["six_times_half"]
    assert six["fewer"] == pytest.approx(5.36, abs=5e-3) and six["arithmetic"] == pytest.approx(5.39, abs=5e-3)
    assert six["memory"] == pytest.approx(0.323, abs=1e-3) and six["saved"] == pytest.approx(0.814, abs=1e-3)
    assert (
        six["read_1"] == pytest.approx(six["arithmetic"], rel=1e-3) and six["read_1"] > six["read_8"] > six["read_64"]
    )
    assert six["read_8"] == pytest.approx(68.7145 / 42.0569, rel=1e-4)
    parts = said["eight_times_seven"]
    assert parts["expert"] == pytest.approx(5.637, abs=1e-3) and parts["experts"] == pytest.approx(8 * parts["expert"])
    outside = parts["attention"] + parts["tables"]
    assert parts["experts"] + outside == pytest.approx(parts["total"], abs=2e-3)
    assert parts["expert"] + outside == pytest.approx(parts["dense"], abs=2e-3)
    same = said["same_arithmetic"]
    assert same["more"] == pytest.approx(1.79, abs=5e-3) and same["active"] / same["dense"] == pytest.approx(
        1.78, abs=5e-3
    )
    assert same["switch_more"] < 0.01 and same["switch"] == pytest.approx(7.415 / 0.6193, rel=1e-3)
    training = said["training_cost"]
    assert training["less"] == pytest.approx(5.39, abs=5e-3) and training["gflop"] < training["gflop_13b"]
    assert training["memory"] == pytest.approx(16 * 46.7028, rel=1e-4)
    qwen = said["qwen_first"]
    assert (qwen["first_n"], qwen["first_k"]) == (60, 4) and qwen["first_active"] == pytest.approx(2.7, abs=0.02)
    assert qwen["first_total"] == pytest.approx(14.3, abs=0.05)
    shared = said["shared_experts"]
    assert [shared[f"{name}_shared"] for name in ("qwen2", "qwen3", "next", "deepseek", "llama4")] == [8, 0, 1, 1, 1]
    assert [shared[f"{name}_k"] for name in ("qwen2", "qwen3", "next", "deepseek", "llama4")] == [8, 8, 10, 8, 1]
    like = said["like_thirteen"]
    assert (
        like["read_1"] == pytest.approx(1, abs=0.02)
        and like["read_8"] > 3
        and like["touched_8"] == pytest.approx(7.2, abs=0.01)
    )
    rounded = said["published"]
    names = ("mixtral_8x7b", "mixtral_8x22b", "deepseek_v2", "deepseek_v3")
    whole = [round(float(rounded[f"{name}{end}"])) for name in names for end in ("", "_active")]
    assert whole == [47, 13, 141, 39, 236, 21, 671, 38]
    assert rounded["deepseek_v3_without"] == pytest.approx(37.552 - 129280 * 7168 / 1e9, abs=1e-3)
    both = said["deepseek_maverick"]
    assert (
        both["round"] == pytest.approx(0.68, abs=5e-3)
        and both["more"] == pytest.approx(0.675, abs=1e-3)
        and both["active"] == pytest.approx(2.185, abs=1e-3)
    )
    assert (both["v3_moe"], both["maverick_moe"], both["maverick_layers"]) == (58, 24, 48)


def test_the_first_qwen_mixture_is_its_classes_defaults() -> None:
    from transformers import Qwen2MoeConfig

    from models.moe_cost_claims import QWEN1_5_MOE

    for field, value in QWEN1_5_MOE.items():
        assert getattr(Qwen2MoeConfig(), field) == value


# --- pasted configs ---------------------------------------------------------------------------------------------------

MIXTRAL = {"model_type": "mixtral", **DECODER, **HEADS, "num_local_experts": 19, "num_experts_per_tok": 3}
REFUSED: dict[str, tuple[str, str]] = {
    "nothing": ("", "empty"),
    "spaces": (" \n\t", "empty"),
    "prose": ("a model with eight experts", "not_json"),
    "a brace missing": ('{"model_type": "llama",', "not_json"),
    "brackets": ("[" * 20_000, "not_json"),
    "a number too long": ('{"model_type": "llama", "hidden_size": ' + "9" * 5000 + "}", "not_json"),
    "a list": ("[1, 2]", "no_object"),
    "a word": ('"mixtral"', "no_object"),
    "null": ("null", "no_object"),
    "no type": ('{"hidden_size": 5}', "no_type"),
    "a type that is a number": ('{"model_type": 7}', "no_type"),
    "an unknown type": ('{"model_type": "<b>nobody</b>"}', "unknown"),
    "no language model": ('{"model_type": "vit", "hidden_size": 8}', "unknown"),
    "nothing but a type": ('{"model_type": "mixtral"}', "missing"),
    "no experts": (json.dumps({"model_type": "deepseek_v3", **DECODER}), "missing"),
    "negative": (json.dumps(MIXTRAL | {"hidden_size": -4096}), "bad"),
    "zero layers": (json.dumps(MIXTRAL | {"num_hidden_layers": 0}), "bad"),
    "a fraction": (json.dumps(MIXTRAL | {"intermediate_size": 2.5}), "bad"),
    "not a number": ('{"model_type": "llama", "hidden_size": NaN, "intermediate_size": 3}', "bad"),
    "infinite": ('{"model_type": "llama", "hidden_size": Infinity, "intermediate_size": 3}', "bad"),
    "true": (json.dumps(MIXTRAL | {"vocab_size": True}), "bad"),
    "too many experts": (json.dumps(MIXTRAL | {"num_local_experts": 10**6}), "bad"),
    "too many layers": (json.dumps(MIXTRAL | {"num_hidden_layers": 10**9}), "bad"),
    "too wide": (json.dumps(MIXTRAL | {"hidden_size": 10**30}), "bad"),
    "step zero": (json.dumps({"model_type": "qwen3_moe", **DECODER, **QWEN, "decoder_sparse_step": 0}), "bad"),
    "more chosen than there are": (json.dumps(MIXTRAL | {"num_experts_per_tok": 20}), "too_many"),
    "too much to build": ('{"model_type": "olmoe", "num_hidden_layers": 900, "num_experts": 2000}', "bad"),
    "cannot be built": ('{"model_type": "olmoe", "hidden_size": 7, "num_attention_heads": 0}', "no_build"),
}


@pytest.mark.parametrize("about", REFUSED)
def test_what_is_no_config_is_one_sentence_in_each_language(about: str) -> None:
    text, key = REFUSED[about]
    with pytest.raises(ConfigRefused) as refused:
        trace(Config(model="own", own=text))
    assert refused.value.key == key
    english, chinese = (refused.value.sentence(lang) for lang in ("en", "zh"))
    assert re.search(r"[一-鿿]", chinese) and not re.search(r"[一-鿿]", english)
    assert "{" not in english + chinese and len(english) < 400
    marked = refused.value.sentence("en", plain=lambda value: str(value).replace("<", "&lt;"))
    assert "<b>" not in marked


def test_a_pasted_config_is_counted() -> None:
    for values in FAMILIES:
        kind, shape = moe_configs.shape_of(json.dumps(values))
        assert kind == values["model_type"]
        assert shape == moe_families.shape_of(moe_configs.parse(json.dumps(values)))
    assert moe_configs.shape_of(moe_configs.example())[1] == reals()["mixtral-8x7b"].shape


def test_a_config_within_a_config() -> None:
    inner = dict(reals()["llama4-maverick"].values)
    whole = {"model_type": "llama4", "architectures": ["x"], "text_config": inner, "vision_config": {"hidden_size": 3}}
    assert moe_configs.shape_of(json.dumps(whole)) == ("llama4_text", reals()["llama4-maverick"].shape)
    bare = {name: value for name, value in inner.items() if name != "model_type"}
    assert moe_configs.shape_of(json.dumps(whole | {"text_config": bare}))[1] == reals()["llama4-maverick"].shape


@pytest.mark.parametrize(
    ("kind", "sizes"),
    [
        ("olmoe", {"num_experts": 6, "num_experts_per_tok": 2}),
        ("gpt_oss", {"num_local_experts": 6, "num_experts_per_tok": 2, "head_dim": 8, "num_key_value_heads": 2}),
        ("granitemoe", {"num_local_experts": 6, "num_experts_per_tok": 2, "num_key_value_heads": 2}),
        ("qwen3", {"num_key_value_heads": 2}),
    ],
)
def test_any_other_language_model_is_built_and_counted(kind: str, sizes: dict[str, int]) -> None:
    values = {"model_type": kind, "vocab_size": 101, "hidden_size": 32, "intermediate_size": 24, "num_hidden_layers": 3,
              "num_attention_heads": 4} | sizes  # fmt: skip
    found, shape = moe_configs.shape_of(json.dumps(values))
    model = moe_meta.build(values)
    assert found == kind and n_total(shape) == sum(parameter.numel() for parameter in model.parameters())
    experts = sum(p.numel() for name, p in model.named_parameters() if "experts" in name or "block_sparse_moe.i" in name
                  or "block_sparse_moe.o" in name)  # fmt: skip
    if kind != "qwen3":
        biases = sum(p.numel() for name, p in model.named_parameters() if "experts" in name and p.ndim < 2)
        assert (shape.n_expert, shape.top_k, len(shape.moe_layers)) == (6, 2, 3)
        assert total(shape)["experts"] == experts - biases
        assert n_total(shape) - n_active(shape) == total(shape)["experts"] * 4 // 6
    else:
        assert not shape.moe_layers and n_total(shape) == n_active(shape)


def test_a_dense_config_has_no_experts_and_still_a_trace() -> None:
    shown = trace(Config(model="own", own=json.dumps(FAMILIES[0])))
    said = facts(shown)
    assert (said["n"], said["n_moe"], said["share"], said["expert_share"]) == (0, 0, 1, 0)
    assert shown.touched[0].abs().sum() == 0 and (shown.read[0] == shown.read[0, 0]).all()
    assert shown.sent.shape == (8, 0) and shown.name[0] == "llama" and shown.opened == "own"
    assert shown.all_name[-1] == "llama" and n_total(shown.shape[0]) == int(shown.all_total[-1])


def test_an_amount_is_counted_as_the_language_does() -> None:
    """Billions in English, 10^8 in Chinese."""
    assert f"{Amount(46.7028):,.1f} {Amount(46.7028):,.0f亿}" == "46.7 467 亿"
    assert f"{Amount(1026.4):,.0f亿} {Amount(0.17616):.3f亿}" == "10,264 亿 1.762 亿"
    assert f"{moe_cost.facts(trace(Config()))['active']:,.0f亿}" == "129 亿"
