"""Scores to output against PyTorch and `transformers`, each field of the Trace on its own; laws; random Configs."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from models import attention_masks, language_model, visibility
from models.attention_masks import PARAMETER, Config, check, effective_rank, facts, sweep, trace
from models.fields import Choice, Text, fields
from models.language_model import Reading
from models.visibility import RULES, visible

PRIME = Config(source="random", n_token=13, d_head=7, window=3, n_prefix=5, n_source=5, chunk=3, edit=4, n_layer=2)


@st.composite
def configs(draw: st.DrawFn) -> Config:
    """Any legal Config of the random source; text and model are for the fake model below."""
    values = {}
    for name, (kind, about, _) in fields(Config).items():
        if kind is bool:
            values[name] = draw(st.booleans())
        elif isinstance(about, Choice):
            values[name] = draw(st.sampled_from(about.names))
        elif isinstance(about, Text):
            values[name] = draw(st.text(max_size=8))
        else:
            values[name] = draw(st.integers(int(about.low), int(about.high)))
    return Config(**values | {"source": "random", "n_token": draw(st.integers(2, 40))})


class Fake:
    """A language model with random insides: 3 layers, 4 query heads on 2 key/value heads, one token per character."""

    n_layer, n_head, n_kv_head, d_head, vocab_size = 3, 4, 2, 5, 0

    def __init__(self, causal: bool, n_ctx: int = 300) -> None:
        self.name, self.causal, self.n_ctx = "fake", causal, n_ctx

    def encode(self, text: str) -> list[int]:
        return [1, *(ord(c) for c in text), 2]

    def label(self, ids: Sequence[int]) -> tuple[str, ...]:
        return tuple(str(i) for i in ids)

    def read(self, ids: Sequence[int], ablate: frozenset[tuple[int, int]] = frozenset()) -> Reading:
        generator, n = torch.Generator().manual_seed(len(ids)), len(ids)
        query = torch.randn(3, 4, n, 5, generator=generator)
        key, value = torch.randn(2, 3, 2, n, 5, generator=generator)
        score = query @ key.repeat_interleave(2, 1).mT / 5**0.5
        mask = torch.ones(n, n, dtype=torch.bool)
        attention = score.masked_fill(~(mask.tril() if self.causal else mask), -math.inf).softmax(-1)
        return Reading(torch.tensor(list(ids)), self.label(ids), query, key, value, attention, torch.zeros(0))


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch):
    def use(model: Fake) -> Fake:
        attention_masks.read.cache_clear()
        monkeypatch.setattr(language_model, "load", lambda name: model)
        return model

    yield use
    attention_masks.read.cache_clear()


# --- scores to output -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scaled", [True, False])
@pytest.mark.parametrize("mask", RULES)
def test_weight_and_output_equal_pytorchs(mask: str, scaled: bool) -> None:
    seen = trace(dataclasses.replace(PRIME, mask=mask, scaled=scaled))
    shown = seen.shown[0]
    assert torch.equal(shown.mask, visible(mask, seen.shape))
    scale = 7**-0.5 if scaled else 1.0
    output = F.scaled_dot_product_attention(seen.query, seen.key, seen.value, shown.mask, scale=scale)
    torch.testing.assert_close(shown.output, output, atol=1e-6, rtol=0)
    # With the identity as values, attention's output is its weights.
    weight = F.scaled_dot_product_attention(seen.query, seen.key, torch.eye(13), shown.mask, scale=scale)
    torch.testing.assert_close(shown.weight, weight, atol=1e-6, rtol=0)
    for t in range(13):
        for s in range(13):
            dot = sum(float(a) * float(b) for a, b in zip(seen.query[t], seen.key[s], strict=True))
            assert float(seen.score[t, s]) == pytest.approx(dot, abs=1e-5)
            assert float(seen.scaled[t, s]) == pytest.approx(dot * scale, abs=1e-5)
            hidden = shown.masked[t, s] == -math.inf
            assert hidden != bool(shown.mask[t, s])
            assert hidden or shown.masked[t, s] == seen.scaled[t, s]


def test_multihead_attention_and_cross_attention_equal_pytorchs() -> None:
    for mask in RULES:
        differences = check(dataclasses.replace(PRIME, mask=mask))
        assert len(differences) == 3
        assert max(differences.values()) < 1e-5, mask
    seen = trace(dataclasses.replace(PRIME, mask="cross"))
    source, shown = seen.shape.n_source, seen.shown[0]
    module = torch.nn.MultiheadAttention(7, 1, bias=False, batch_first=True)
    with torch.no_grad():
        module.in_proj_weight.copy_(torch.eye(7).repeat(3, 1))
        module.out_proj.weight.copy_(torch.eye(7))
        output, weight = module(seen.query[None, source:], seen.key[None, :source], seen.value[None, :source])
    torch.testing.assert_close(shown.output[source:], output[0], atol=1e-6, rtol=0)
    torch.testing.assert_close(shown.weight[source:, :source], weight[0], atol=1e-6, rtol=0)
    # The order of the source's keys does not matter to the target.
    order = torch.tensor([3, 0, 4, 1, 2])
    shuffled = F.scaled_dot_product_attention(seen.query[source:], seen.key[order], seen.value[order])
    torch.testing.assert_close(shown.output[source:], shuffled, atol=1e-6, rtol=0)


@pytest.mark.parametrize("n_global", [1, 2])
def test_longformer_equals_transformers_self_attention(n_global: int) -> None:
    from transformers import LongformerConfig
    from transformers.models.longformer.modeling_longformer import LongformerSelfAttention

    cfg = Config(mask="longformer", source="random", n_token=24, d_head=7, window=4, n_global=n_global)
    seen = trace(cfg)
    # One linear map per role out of the joint vector (q, k, v); the global projections are copies of the local ones.
    d_all = 3 * 7
    module = LongformerSelfAttention(
        LongformerConfig(
            hidden_size=d_all, num_attention_heads=3, attention_window=[4], attention_probs_dropout_prob=0.0
        ),
        layer_id=0,
    ).eval()
    with torch.no_grad():
        for i, role in enumerate(("query", "key", "value")):
            for name in (role, f"{role}_global"):
                linear = getattr(module, name)
                linear.bias.zero_()
                linear.weight.zero_()
                linear.weight[:7, 7 * i : 7 * (i + 1)] = torch.eye(7)  # head 0 of three does the work
        is_global = torch.arange(24) < n_global
        output = module(
            torch.cat([seen.query, seen.key, seen.value], -1)[None],
            attention_mask=torch.where(is_global, 10_000.0, 0.0)[None],
            is_index_masked=torch.zeros(1, 24, dtype=torch.bool),
            is_index_global_attn=is_global[None],
            is_global_attn=True,
        )[0]
    torch.testing.assert_close(seen.shown[0].output, output[0, :, :7], atol=1e-5, rtol=0)


def test_two_tokens_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    one = torch.tensor([[2.0, 0.0], [0.0, 4.0]])
    vectors = attention_masks.Vectors(("a", "b"), one, one / 2, torch.tensor([[1.0, 0.0], [0.0, 3.0]]), 0, 0, 0)
    monkeypatch.setattr(attention_masks, "vectors", lambda cfg: vectors)
    seen = trace(Config(mask="full", source="random", scaled=True))
    assert seen.score.tolist() == [[2.0, 0.0], [0.0, 8.0]]
    w = 1 / (1 + math.exp(-math.sqrt(2)))  # softmax of (2, 0) / sqrt(2)
    assert seen.shown[0].weight[0].tolist() == pytest.approx([w, 1 - w])
    assert seen.shown[0].output[0].tolist() == pytest.approx([w, 3 * (1 - w)])
    assert float(seen.shown[0].entropy[0]) == pytest.approx(-w * math.log2(w) - (1 - w) * math.log2(1 - w))


# --- what is measured on it -------------------------------------------------------------------------------------------


@given(configs())
@settings(max_examples=60, deadline=None)
def test_laws_hold_for_every_config(cfg: Config) -> None:
    seen = trace(cfg)
    n = cfg.n_token
    assert len(seen.shown) == (2 if cfg.compare not in ("none", cfg.mask) else 1)
    assert seen.shown[0].name == cfg.mask
    for shown in seen.shown:
        torch.testing.assert_close(shown.weight.sum(-1), torch.ones(n), atol=1e-5, rtol=0)
        assert (shown.weight[~shown.mask] == 0).all()
        assert shown.output.isfinite().all()
        # An even look at k tokens is the most uncertain one.
        assert (shown.entropy <= shown.mask.sum(-1).log2() + 1e-4).all()
        assert (shown.entropy >= 0).all()
        assert shown.n_formula == int(shown.mask.sum()) == seen.pairs[shown.name]
        # The squares of the singular values add up to the squares of the weights.
        assert float(shown.singular.square().sum()) == pytest.approx(float(shown.weight.square().sum()), rel=1e-4)
        assert shown.reach.shape == (cfg.n_layer, n, n)
        blind = ~shown.mask[:, seen.edit]
        blind[seen.edit] = False
        assert (shown.edit_difference[blind] == 0).all()
    numbers = facts(seen)
    assert all(isinstance(x, str) or math.isfinite(x) for x in numbers.values())


def test_entropy_and_singular_values_equal_numpys() -> None:
    for shown in trace(dataclasses.replace(PRIME, mask="prefix", compare="strided")).shown:
        weight = shown.weight.double().numpy()
        for row, entropy in zip(weight, shown.entropy.tolist(), strict=True):
            assert entropy == pytest.approx(-sum(w * math.log2(w) for w in row if w > 0), abs=1e-5)
        np.testing.assert_allclose(shown.singular.numpy(), np.linalg.svd(weight, compute_uv=False), atol=1e-5)
    assert effective_rank(torch.ones(5)) == pytest.approx(5)
    assert effective_rank(torch.tensor([3.0, 0.0, 0.0])) == pytest.approx(1)


def test_reach_is_that_of_the_layers_in_order() -> None:
    cfg = dataclasses.replace(PRIME, mask="local_global", local_per_global=2, n_layer=3)
    shown = trace(cfg).shown[0]
    assert torch.equal(shown.mask, visible("causal", visibility.Shape(13)))  # layer 3 of 2:1 is a global one
    assert visibility.reach_width(shown.reach).tolist() == [3, 5, 13]
    one = trace(dataclasses.replace(cfg, n_layer=1)).shown[0]
    assert torch.equal(one.mask, one.reach[0])


@pytest.mark.parametrize("mask", RULES)
def test_edit_difference_equals_running_again_with_the_other_token(mask: str) -> None:
    seen = trace(dataclasses.replace(PRIME, mask=mask))
    query, key, value = (torch.cat([x[:4], new[None], x[5:]]) for x, new in zip(
        (seen.query, seen.key, seen.value), seen.edited, strict=True
    ))  # fmt: skip
    shown = seen.shown[0]
    after = F.scaled_dot_product_attention(query, key, value, shown.mask)
    torch.testing.assert_close(shown.edit_difference, (after - shown.output).abs().amax(-1), atol=1e-5, rtol=0)
    assert shown.edit_difference[4] > 0.1
    for row, old in zip(seen.edited, (seen.query[4], seen.key[4], seen.value[4]), strict=True):
        assert float(row.norm()) == pytest.approx(float(old.norm()), rel=1e-5)
        assert float((row - old).abs().max()) > 0.1
    if mask in ("causal", "sliding", "chunked", "strided", "packed", "local_global"):
        assert shown.edit_difference[:4].tolist() == [0.0] * 4
    if mask == "full":
        assert (shown.edit_difference > 0).all()


def test_peak_curve_grows_without_the_scale_and_stays_level_with_it() -> None:
    seen = trace(Config(source="random", n_token=16))
    scaled, raw = seen.peak
    assert seen.width.tolist() == list(attention_masks.WIDTHS)
    assert float(scaled[0]) == float(raw[0])  # sqrt(1) = 1
    assert (raw.diff() > -0.01).all()
    assert float(raw[-1]) > 0.85
    assert float(scaled.max() - scaled.min()) < 0.06
    # Other draws, by explicit loop: the mean largest weight at d = 64.
    generator = torch.Generator().manual_seed(7)
    total = torch.zeros(2)
    for _ in range(400):
        query, key = torch.randn(64, generator=generator), torch.randn(16, 64, generator=generator)
        score = key @ query
        total += torch.stack([(score / 8).softmax(0).max(), score.softmax(0).max()])
    torch.testing.assert_close(total / 400, seen.peak[:, 6], atol=0.04, rtol=0)


def test_scores_have_the_variance_of_footnote_4() -> None:
    seen = trace(Config(source="random", n_token=128, d_head=101))
    assert float(seen.score.var()) == pytest.approx(101, rel=0.1)
    assert float(seen.scaled.var()) == pytest.approx(1, rel=0.1)
    assert torch.equal(trace(Config(source="random", scaled=False)).scaled, trace(Config(source="random")).score)


def test_same_config_same_numbers_and_no_global_randomness() -> None:
    before = torch.get_rng_state()
    first, again = trace(PRIME), trace(PRIME)
    check(PRIME)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first.query, again.query)
    assert torch.equal(first.shown[0].edit_difference, again.shown[0].edit_difference)
    assert not torch.equal(first.query, trace(dataclasses.replace(PRIME, seed=1)).query)


def test_a_watcher_can_cancel() -> None:
    def stop(fraction: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trace(PRIME, tick=stop)


# --- sweep ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mask", [name for name, field in PARAMETER.items() if field])
def test_sweep_equals_one_trace_per_value(mask: str) -> None:
    field = PARAMETER[mask]
    assert field
    cfg = dataclasses.replace(PRIME, mask=mask)
    seen = sweep(cfg, field)
    low, high = visibility.bounds(13)[field]
    assert seen.field == field
    assert seen.values == tuple(range(low, high + 1))
    assert seen.values[seen.index] == getattr(trace(cfg).shape, field)
    for i, value in enumerate(seen.values):
        shown = trace(dataclasses.replace(cfg, **{field: value})).shown[0]
        assert torch.equal(seen.mask[i], shown.mask)
        torch.testing.assert_close(seen.weight[i], shown.weight, atol=1e-6, rtol=0)
        torch.testing.assert_close(seen.output[i], shown.output, atol=1e-6, rtol=0)


def test_a_long_sweep_is_thinned_and_keeps_its_own_value() -> None:
    seen = sweep(Config(mask="sliding", source="random", n_token=128, window=101), "window")
    assert seen.values[seen.index] == 101
    assert seen.values[0] == 1
    assert seen.mask.numel() <= 1.1 * attention_masks.N_CELL_MAX
    with pytest.raises(KeyError):
        sweep(PRIME, "seed")


# --- a real model's head ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("causal", [True, False])
def test_a_models_own_mask_gives_its_own_attention(fake, causal: bool) -> None:
    model = fake(Fake(causal))
    own = "causal" if causal else "full"
    for layer, head in ((0, 0), (1, 1), (2, 2), (2, 3)):
        cfg = Config(mask=own, source="smollm2", text="eleven char", layer=layer, head=head)
        seen, reading = trace(cfg), model.read(model.encode("eleven char"))
        torch.testing.assert_close(seen.shown[0].weight, reading.attention[layer, head], atol=1e-6, rtol=0)
        assert torch.equal(seen.value, reading.value[layer, head // 2])
        assert check(cfg)["attention of fake"] < 1e-6
        assert "attention of fake" not in check(dataclasses.replace(cfg, mask="sliding"))
    assert seen.label == model.label(model.encode("eleven char"))


def test_layer_and_head_are_cut_to_the_model_and_long_text_to_128_tokens(fake) -> None:
    fake(Fake(causal=True))
    seen = trace(Config(source="smollm2", text="x" * 200, layer=29, head=11))
    assert (seen.layer, seen.head) == (2, 3)
    assert len(seen.label) == 128
    assert seen.n_cut == 74
    assert facts(seen)["n_cut"] == 74
    fake(Fake(causal=False, n_ctx=50))
    seen = trace(Config(mask="full", source="minilm", text="x" * 200))
    assert len(seen.label) == 50
    assert seen.label[-1] == "2"  # the encoder's closing token stays
    empty = trace(Config(source="minilm", text=""))
    assert len(empty.label) == 2


def test_limits_are_those_of_the_model_and_the_text(fake, monkeypatch: pytest.MonkeyPatch) -> None:
    values = {name: default for name, (_, _, default) in fields(Config).items()}
    few = attention_masks.limits(values | {"source": "random", "n_token": 7})
    assert (few["edit"].high, few["window"].high, few["n_image"].high) == (6, 7, 6)
    assert "layer" not in few
    fake(Fake(causal=True))
    real = attention_masks.limits(values | {"source": "tiny-lm", "text": "abc"})
    assert (real["layer"].high, real["head"].high, real["edit"].high) == (2, 3, 4)
    for name, kind in real.items():
        assert fields(Config)[name][1].low <= kind.low <= kind.high <= fields(Config)[name][1].high, name

    def missing(name: str) -> None:
        raise language_model.ModelUnavailable("shipped_damaged")

    monkeypatch.setattr(language_model, "load", missing)
    with pytest.raises(language_model.ModelUnavailable):  # no answer is better than one that would be kept
        attention_masks.limits(values)


def test_one_token_is_enough(fake) -> None:
    model = fake(Fake(causal=True))
    model.encode = lambda text: [1]  # type: ignore[method-assign]
    for mask in RULES:
        seen = trace(Config(mask=mask, source="tiny-lm", text=""))
        assert seen.shown[0].weight.tolist() == [[1.0]]
        facts(seen)
        if PARAMETER[mask]:
            sweep(Config(mask=mask, source="tiny-lm", text=""), PARAMETER[mask])


def test_facts_say_what_the_trace_shows() -> None:
    seen = trace(Config(mask="causal", compare="sliding", source="random", n_token=16, window=5, edit=9, n_layer=3))
    numbers = facts(seen)
    expected = {
        "n_visible": 136,
        "n_pair": 256,
        "formula": "n(n+1)/2",
        "share": 136 / 256,
        "other_n_visible": 16 * 5 - 10,
        "n_first_only": 136 - 70,
        "n_other_only": 0,
        "n_changed": 7,
        "n_changed_before": 0,
        "max_before": 0.0,
        "edit_label": "9",
        "reach_one": 16,
        "reach_all": 16,
        "reach_line": 13,
    }
    assert {name: numbers[name] for name in expected} == expected
    weight, mask = seen.shown[0].weight, seen.shown[0].mask
    surplus = {
        (t, s): float(weight[t, s]) * math.log(float(weight[t, s] * (t + 1)))
        for t in range(16)
        for s in range(t)
        if mask[t, s]
    }
    row, col = max(surplus, key=surplus.__getitem__)
    assert (numbers["row"], numbers["col"]) == (str(row), str(col))
    assert numbers["weight"] == float(weight[row, col])
    assert numbers["peak_raw"] > numbers["peak_scaled"]
