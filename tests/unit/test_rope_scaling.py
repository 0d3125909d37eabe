"""Scaled RoPE against every entry of transformers' `ROPE_INIT_FUNCTIONS`, against numbers by hand, and its limits."""

from __future__ import annotations

import math
from itertools import product

import pytest
import torch
from torch import Tensor
from transformers import LlamaConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

from models import rope_scaling
from models.rope_scaling import Scaled
from models.tiny_lm import rope_angle

PAIRS, BASES, FACTORS, TRAINED = (3, 16, 64), (1e4, 5e5), (1.0, 1.5, 4.0, 16.0, 40.0), (64, 4096)


def library(kind: str, n_pair: int, base: float, trained: int, length: int | None = None, **more) -> Scaled:
    """The frequencies that transformers computes for a model with heads of 2 * n_pair features."""
    longer = int(trained * more.get("factor", 1.0)) if kind in ("yarn", "llama3", "longrope") else trained
    if kind in ("yarn", "llama3", "longrope"):
        more["original_max_position_embeddings"] = trained
    config = LlamaConfig(
        hidden_size=2 * n_pair,
        num_attention_heads=1,
        head_dim=2 * n_pair,
        max_position_embeddings=longer,
        rope_parameters={"rope_type": kind, "rope_theta": base, **more},
    )
    inv_freq, attention_factor = ROPE_INIT_FUNCTIONS[kind](config, torch.device("cpu"), seq_len=length)
    return Scaled(inv_freq, float(attention_factor))


def same(ours: Scaled, theirs: Scaled) -> None:
    torch.testing.assert_close(ours.inv_freq, theirs.inv_freq, rtol=1e-6, atol=1e-9)
    assert abs(ours.attention_factor - theirs.attention_factor) < 1e-6


def test_all_entries_of_the_library_are_here():
    assert set(ROPE_INIT_FUNCTIONS) == {"linear", "dynamic", "yarn", "longrope", "llama3", "proportional"}


@pytest.mark.parametrize(("n_pair", "base"), list(product(PAIRS, BASES)))
def test_unscaled_is_the_default_and_the_tiny_models_own(n_pair, base):
    config = LlamaConfig(
        hidden_size=2 * n_pair,
        num_attention_heads=1,
        head_dim=2 * n_pair,
        rope_parameters={"rope_type": "default", "rope_theta": base},
    )
    ours = rope_scaling.unscaled(n_pair, base)
    torch.testing.assert_close(ours.inv_freq, LlamaRotaryEmbedding(config).inv_freq, rtol=1e-6, atol=0)
    torch.testing.assert_close(ours.inv_freq, rope_angle(2, n_pair, base)[1], rtol=0, atol=0)
    assert ours.attention_factor == 1.0


@pytest.mark.parametrize(("n_pair", "base", "factor"), list(product(PAIRS, BASES, FACTORS)))
def test_linear(n_pair, base, factor):
    same(rope_scaling.linear(n_pair, base, factor), library("linear", n_pair, base, 64, factor=factor))


@pytest.mark.parametrize(("n_pair", "base", "factor", "trained"), list(product(PAIRS, BASES, FACTORS, TRAINED)))
def test_dynamic_at_lengths_below_at_and_above_the_trained_one(n_pair, base, factor, trained):
    for length in (1, trained, trained + 1, 3 * trained, 16 * trained):
        same(
            rope_scaling.dynamic_ntk(n_pair, base, factor, trained, length),
            library("dynamic", n_pair, base, trained, length, factor=factor),
        )


@pytest.mark.parametrize(("n_pair", "base", "factor"), list(product(PAIRS, BASES, FACTORS)))
def test_ntk_aware_is_the_dynamic_one_with_factor_1_at_that_length(n_pair, base, factor):
    length = int(64 * factor)
    theirs = library("dynamic", n_pair, base, 64, length, factor=1.0)
    same(rope_scaling.ntk_aware(n_pair, base, length / 64), theirs)


@pytest.mark.parametrize(("n_pair", "base", "factor", "trained"), list(product(PAIRS, BASES, FACTORS, TRAINED)))
def test_yarn(n_pair, base, factor, trained):
    same(rope_scaling.yarn(n_pair, base, factor, trained), library("yarn", n_pair, base, trained, factor=factor))
    for fast, slow, truncate in ((8.0, 2.0, True), (8.0, 0.5, False), (40.0, 1.0, False)):
        more = {"beta_fast": fast, "beta_slow": slow, "truncate": truncate}
        same(
            rope_scaling.yarn(n_pair, base, factor, trained, fast, slow, truncate),
            library("yarn", n_pair, base, trained, factor=factor, **more),
        )


def test_yarn_with_given_temperatures():
    """As DeepSeek's configurations give them: one weight for the rotated part, one for all dimensions."""
    ours = rope_scaling.mscale(40.0, 0.707) / rope_scaling.mscale(40.0, 1.0)
    same(
        rope_scaling.yarn(32, 1e4, 40.0, 4096, attention_factor=ours),
        library("yarn", 32, 1e4, 4096, factor=40.0, mscale=0.707, mscale_all_dim=1.0),
    )
    same(
        rope_scaling.yarn(32, 1e4, 40.0, 4096, attention_factor=0.9),
        library("yarn", 32, 1e4, 4096, factor=40.0, attention_factor=0.9),
    )


@pytest.mark.parametrize(("n_pair", "base", "factor", "trained"), list(product(PAIRS, BASES, FACTORS, TRAINED)))
def test_llama3(n_pair, base, factor, trained):
    for low, high in ((1.0, 4.0), (0.5, 8.0)):
        same(
            rope_scaling.llama3(n_pair, base, factor, trained, low, high),
            library("llama3", n_pair, base, trained, factor=factor, low_freq_factor=low, high_freq_factor=high),
        )


@pytest.mark.parametrize(("n_pair", "base", "factor", "trained"), list(product(PAIRS, BASES, FACTORS, TRAINED)))
def test_longrope(n_pair, base, factor, trained):
    generator = torch.Generator().manual_seed(n_pair)
    short, long = (torch.rand(2, n_pair, generator=generator) * 30 + 1).tolist()
    for length in (trained, trained + 1):
        for given in (None, 1.19):
            more = {} if given is None else {"attention_factor": given}
            same(
                rope_scaling.longrope(n_pair, base, factor, trained, length, short, long, given),
                library(
                    "longrope",
                    n_pair,
                    base,
                    trained,
                    length,
                    factor=factor,
                    short_factor=short,
                    long_factor=long,
                    **more,
                ),
            )


@pytest.mark.parametrize(("n_pair", "base", "share"), list(product(PAIRS, BASES, (0.25, 0.4, 0.5, 1.0))))
def test_proportional(n_pair, base, share):
    for factor in (1.0, 8.0):
        same(
            rope_scaling.proportional(n_pair, base, factor, share),
            library("proportional", n_pair, base, 64, factor=factor, partial_rotary_factor=share),
        )


# --- numbers by hand, limits and identities --------------------------------------------------------------------------


def test_published_numbers():
    assert rope_scaling.mscale(16.0) == pytest.approx(1.2773, abs=5e-5)
    assert rope_scaling.ntk_base(64, 1e4, 8.0) == pytest.approx(82_685, abs=0.5)
    # The paper's fit is for sqrt(1 / t): at s = 8 the softmax temperature is 0.685.
    assert 1 / rope_scaling.mscale(8.0) ** 2 == pytest.approx(0.6853, abs=5e-5)


def test_ntk_keeps_the_fastest_pair_and_slows_the_slowest_by_the_factor():
    for n_pair, factor in product(PAIRS, FACTORS):
        ratio = rope_scaling.unscaled(n_pair, 1e4).inv_freq / rope_scaling.ntk_aware(n_pair, 1e4, factor).inv_freq
        assert ratio[0] == 1
        assert float(ratio[-1]) == pytest.approx(factor, rel=1e-5)
        each = torch.tensor([factor ** (i / (n_pair - 1)) for i in range(n_pair)])
        torch.testing.assert_close(ratio, each, rtol=1e-5, atol=0)
    with pytest.raises(ValueError, match="two pairs"):
        rope_scaling.ntk_base(1, 1e4, 2.0)


def test_factor_1_changes_nothing():
    plain = rope_scaling.unscaled(16, 1e4)
    for scaled in (
        rope_scaling.linear(16, 1e4, 1.0),
        rope_scaling.ntk_aware(16, 1e4, 1.0),
        rope_scaling.dynamic_ntk(16, 1e4, 1.0, 64, 64),
        rope_scaling.dynamic_ntk(16, 1e4, 8.0, 64, 20),
        rope_scaling.yarn(16, 1e4, 1.0, 64),
        rope_scaling.llama3(16, 1e4, 1.0, 64),
        rope_scaling.proportional(16, 1e4),
    ):
        torch.testing.assert_close(scaled.inv_freq, plain.inv_freq, rtol=1e-6, atol=0)
        assert scaled.attention_factor == 1.0


def test_ramp_by_hand():
    """Llama: d = 128, base 1e4, 4,096 tokens. Pair 20.9 goes round 32 times, pair 45.0 once: whole pairs 20 and 46."""
    keep = rope_scaling.ramp(64, 1e4, 4096)
    assert keep[:21].eq(1).all() and keep[46:].eq(0).all()
    assert float(keep[33]) == pytest.approx(0.5)
    slow = [4096 / (2 * math.pi * 1e4 ** (i / 64)) for i in range(64)]
    assert slow[20] > 32 > slow[21] and slow[44] > 1 > slow[46]
    assert torch.equal(rope_scaling.turns(64, 1e4, 4096), torch.tensor(slow)) or torch.allclose(
        rope_scaling.turns(64, 1e4, 4096), torch.tensor(slow), rtol=1e-5
    )


def test_both_ramps_fall_and_agree_at_their_ends():
    """Linear over the pair's number or over its turns: the same ends, another middle."""
    over_pairs = rope_scaling.ramp(64, 1e4, 4096, truncate=False)
    over_turns = rope_scaling.ramp_over_turns(64, 1e4, 4096, 32.0, 1.0)
    for keep in (over_pairs, over_turns):
        assert (keep.diff() <= 0).all() and keep.min() == 0 and keep.max() == 1
    assert torch.equal(over_pairs == 1, over_turns == 1) and torch.equal(over_pairs == 0, over_turns == 0)
    assert (over_turns - over_pairs).min() < -0.2  # turns shrink geometrically, so that ramp falls sooner


def largest_angle(scaled: Scaled, length: int) -> Tensor:
    return (length - 1) * scaled.inv_freq


def test_what_stays_in_the_trained_range():
    """Interpolation keeps every angle below the trained largest one; NTK the slowest only; YaRN those below a turn."""
    n_pair, base, trained, factor = 16, 1e4, 64, 8.0
    length = int(factor * trained)
    seen = largest_angle(rope_scaling.unscaled(n_pair, base), trained)
    interpolated = largest_angle(rope_scaling.linear(n_pair, base, factor), length)
    assert (interpolated <= seen + rope_scaling.unscaled(n_pair, base).inv_freq).all()
    ntk = largest_angle(rope_scaling.ntk_aware(n_pair, base, factor), length)
    assert (ntk[:-1] > seen[:-1] * 1.01).all()
    assert float(ntk[-1] / seen[-1]) == pytest.approx((length - 1) / factor / (trained - 1), rel=1e-5)
    yarn = largest_angle(rope_scaling.yarn(n_pair, base, factor, trained), length)
    slow = rope_scaling.turns(n_pair, base, trained) < 0.5
    assert (yarn[slow] <= seen[slow] * 1.02).all()
