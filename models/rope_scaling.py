"""Scaled RoPE: other frequencies for trained weights, so that a longer text fits into the angles the model knows.

Sources: position interpolation, Chen et al. 2023, "Extending Context Window of Large Language Models via Positional
Interpolation", section 2.3. NTK-aware base, by-parts, dynamic scaling, YaRN: Peng et al. 2023, "YaRN", sections 3.1 to
3.4 (numbered as in its second version). LongRoPE: Ding et al. 2024, section 3. Llama 3.1: Grattafiori et al. 2024,
section 3.4.2, and the released code. Proportional RoPE: Gemma 4. All six entries of `ROPE_INIT_FUNCTIONS` in
transformers 5.23 are here; the tests compare frequencies and attention factors.

    w_i    = base^(-i / n_pair)          RoPE turns pair i at position t by the angle t * w_i
    l_i    = 2 pi / w_i                  wavelength: tokens per full turn
    r_i    = trained / l_i               turns within the trained length; below 1, part of the circle was never seen

Every method gives new w_i, and some a factor on the cosines and sines as well. That factor enters q and k alike, so
scores grow by its square: a softmax temperature of 1 / attention_factor^2.

Glossary
    factor             s, target length / trained length       d        2 * n_pair, the features that turn
    inv_freq           w_i, radians per token                  trained  L, the length seen in training
    attention_factor   YaRN's sqrt(1 / t), "mscale"            length   the text's length now

Conventions as in models/tiny_lm.py: half-split pairs, pair 0 the fastest. Simplified: all d features of a head turn.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Scaled:
    """What a method gives a RoPE model: its frequencies, and the factor on cosines and sines."""

    inv_freq: Float[Tensor, "p"]
    attention_factor: float = 1.0


def unscaled(n_pair: int, base: float) -> Scaled:
    """w_i = base^(-i / n_pair): RoPE as it was trained (Su et al. 2021, section 3.2.2)."""
    return Scaled(1.0 / base ** (torch.arange(n_pair) / n_pair))


def linear(n_pair: int, base: float, factor: float) -> Scaled:
    """Position interpolation: w_i / s. Position t turns as t / s did, so all angles stay in the trained range, and
    neighbours move closer together by the same factor."""
    return Scaled(unscaled(n_pair, base).inv_freq / factor)


def ntk_base(n_pair: int, base: float, factor: float) -> float:
    """base * s^(d / (d - 2)): the base at which the slowest pair is slowed by s exactly and the fastest not at all.

    Raises ValueError for a single pair, which would be the fastest and the slowest at once.
    """
    if n_pair < 2:
        raise ValueError("the NTK-aware base needs at least two pairs")
    return base * factor ** (n_pair / (n_pair - 1))


def ntk_aware(n_pair: int, base: float, factor: float) -> Scaled:
    """A larger base instead of smaller positions: pair i is slowed by s^(i / (n_pair - 1)).

    Pairs in between are slowed by less than s, so some of their angles leave the trained range.
    """
    return unscaled(n_pair, ntk_base(n_pair, base, factor))


def dynamic_ntk(n_pair: int, base: float, factor: float, trained: int, length: int) -> Scaled:
    """The NTK-aware base for the text as long as it is now: nothing changes up to the trained length.

    transformers' form: s = factor * length / trained - (factor - 1). With factor 1 this is length / trained, section
    3.3 of the YaRN paper. Keys must be cached before they are turned, since the angles of all positions change.
    """
    stretch = factor * max(length, trained) / trained - (factor - 1)
    return ntk_aware(n_pair, base, stretch)


def turns(n_pair: int, base: float, trained: int) -> Float[Tensor, "p"]:
    """r_i: how often pair i goes round within the trained length."""
    return trained * unscaled(n_pair, base).inv_freq / (2 * math.pi)


def by_parts(inv_freq: Float[Tensor, "p"], factor: float, keep: Float[Tensor, "p"]) -> Float[Tensor, "p"]:
    """keep_i w_i + (1 - keep_i) w_i / s: the mixture of unscaled and interpolated (YaRN, section 3.2)."""
    return inv_freq / factor * (1 - keep) + inv_freq * keep


def ramp(
    n_pair: int, base: float, trained: int, beta_fast: float = 32.0, beta_slow: float = 1.0, truncate: bool = True
) -> Float[Tensor, "p"]:
    """gamma_i: 1 keeps pair i as it is (it goes round more than beta_fast times in the trained length), 0 interpolates
    it wholly (fewer than beta_slow turns).

    In between the weight falls linearly over the pair's number i, as in the authors' code and all libraries. In the
    paper's section 3.2 it falls linearly over r_i: `ramp_over_turns`. `truncate` rounds both ends outwards.
    """
    d = 2 * n_pair

    def pair_with(n_turn: float) -> float:
        """The (fractional) pair that goes round n_turn times: r_i = n_turn solved for i."""
        return d * math.log(trained / (n_turn * 2 * math.pi)) / (2 * math.log(base))

    low, high = pair_with(beta_fast), pair_with(beta_slow)
    if truncate:
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, d - 1)
    if low == high:
        high += 0.001
    return 1 - ((torch.arange(n_pair, dtype=torch.float32) - low) / (high - low)).clamp(0, 1)


def ramp_over_turns(n_pair: int, base: float, trained: int, fast: float, slow: float) -> Float[Tensor, "p"]:
    """The same weight, linear in r_i: 1 above `fast` turns, 0 below `slow` turns."""
    return ((turns(n_pair, base, trained) - slow) / (fast - slow)).clamp(0, 1)


def mscale(factor: float, weight: float = 1.0) -> float:
    """0.1 ln(s) + 1, the factor on cosines and sines that YaRN found by fitting (section 3.4); 1 for s <= 1."""
    return 1.0 if factor <= 1 else 0.1 * weight * math.log(factor) + 1.0


def yarn(
    n_pair: int,
    base: float,
    factor: float,
    trained: int,
    beta_fast: float = 32.0,
    beta_slow: float = 1.0,
    truncate: bool = True,
    attention_factor: float | None = None,
) -> Scaled:
    """Fast pairs stay, slow pairs are interpolated, a ramp in between; and scores grow by mscale(s)^2.

    DeepSeek's models give `attention_factor = mscale(s, m) / mscale(s, m_all)`.
    """
    keep = ramp(n_pair, base, trained, beta_fast, beta_slow, truncate)
    inv_freq = by_parts(unscaled(n_pair, base).inv_freq, factor, keep)
    return Scaled(inv_freq, mscale(factor) if attention_factor is None else attention_factor)


def llama3(n_pair: int, base: float, factor: float, trained: int, low: float = 1.0, high: float = 4.0) -> Scaled:
    """Llama 3.1: by parts, with the ramp over r_i between `low` and `high` turns, and no temperature."""
    keep = ramp_over_turns(n_pair, base, trained, high, low)
    return Scaled(by_parts(unscaled(n_pair, base).inv_freq, factor, keep))


def longrope(
    n_pair: int,
    base: float,
    factor: float,
    trained: int,
    length: int,
    short: Sequence[float],
    long: Sequence[float],
    attention_factor: float | None = None,
) -> Scaled:
    """LongRoPE: one divisor per pair, found by a search over models and texts; another set within the trained length.

    attention_factor = sqrt(1 + ln s / ln L): the entropy of attention over s * L tokens brought back to that of L.
    """
    divisor = torch.tensor(list(long if length > trained else short), dtype=torch.float32)
    if attention_factor is None:
        attention_factor = 1.0 if factor <= 1 else math.sqrt(1 + math.log(factor) / math.log(trained))
    return Scaled(unscaled(n_pair, base).inv_freq / divisor, attention_factor)


def proportional(n_pair: int, base: float, factor: float = 1.0, share: float = 1.0) -> Scaled:
    """Gemma 4: only the fastest `share` of the pairs turn, at the frequencies they have among all n_pair; the slow
    pairs stand still and carry no position at all."""
    inv_freq = unscaled(n_pair, base).inv_freq / factor
    inv_freq[int(share * n_pair) :] = 0
    return Scaled(inv_freq)
