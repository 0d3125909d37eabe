"""Past the trained length: six position schemes, and seven ways to make the RoPE model read on.

Sources: Press et al. 2022, "Train Short, Test Long", section 2 (loss past the trained length). The methods:
models/rope_scaling.py (other frequencies) and models/long_attention.py (other positions, or fewer keys). The models:
models/position_lm.py, trained on texts of 64 tokens. What is measured on them: models/length_curves.py.

    method    frequencies                        positions               keys in sight
    none      w_i                                t - s                   all
    linear    w_i / s                            t - s                   all
    ntk       (base s^(d/(d-2)))^(-i/n_pair)     t - s                   all
    dynamic   the same, s = length / trained     t - s                   all
    yarn      gamma w_i + (1 - gamma) w_i / s    t - s, temperature      all
    dca       w_i                                remapped, below 64      all
    sinks     w_i                                in the cache, below 64  the first 4 and the last 60
    window    w_i                                t - s, below 64         the last 64

Glossary
    w_i       radians per token of pair i        trained    64 tokens
    s         factor                             tuned      weights trained on for a few steps with the method, at
    gamma     YaRN's ramp                                   factor 16 and texts of 1,024 tokens
    rise      loss at some length minus loss within the trained length (its last octave), nats per token

A factor that is not on the grid stands for the nearest one that is; methods other than linear, ntk and yarn have none.
Simplified: no KV cache; each length is read in one pass.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import torch
from jaxtyping import Float, Int
from torch import Tensor

from models import context_cost, context_lengths, position_lm, rope_scaling
from models.context_methods import (
    ATTENTIONS,
    FACTORS,
    N_PAIR,
    NEAR,
    PLAIN,
    SCALINGS,
    STRETCHED,
    TRAINED,
    TUNED,
    at,
    base_curve,
    fresh_curve,
    nearest,
    reach,
    rise,
    scheme_at,
    stretched_curve,
    within,
)
from models.fields import Choice, Range, no_tick
from models.length_curves import EDGES, LONGEST, REACH, Curve, centres
from models.long_context_claims import CLAIMS as CLAIMS_OF_CURVES
from models.long_context_reference import frequency_gap, logit_gap
from models.position_schemes import ROPE_BASE, SCHEMES

__all__ = ["CLAIMS", "Config", "Trace", "check", "facts", "trace"]

CLAIMS = CLAIMS_OF_CURVES | context_cost.CLAIMS | context_lengths.CLAIMS
N_SHOWN = 128  # tokens in the picture of relative positions: two trained lengths


@dataclass(frozen=True)
class Config:
    """How the RoPE model is made to read on past its 64 tokens."""

    method: Annotated[str, Choice(*SCALINGS, *ATTENTIONS)] = "yarn"
    factor: Annotated[int, Range(1, 16)] = 16
    tuned: bool = False  # of linear, ntk, yarn and none; the others have no tuned weights
    fresh: bool = False  # also the learned table with untrained rows past its end
    length: Annotated[int, Range(1024, 10 * 2**20)] = 128 * 1024  # of a text, for the price of length


@dataclass(frozen=True)
class Trace:
    """Curves of the six schemes, and of the RoPE model at every factor; angles and positions of the method."""

    method: str
    tuned: bool
    trained: int  # tokens in a training text
    factors: tuple[int, ...]  # (1,) if the method has none
    index: int  # the factor shown
    scheme: tuple[str, ...]
    context: Float[Tensor, "n"]  # tokens read, centre of each bin
    base: Float[Tensor, "a n"]  # loss in nats per token; NaN where a model cannot read on
    base_error: Float[Tensor, "a n"]  # standard error
    fresh: Float[Tensor, "n"]  # the learned table with untrained rows; NaN if not asked for
    refusal: str  # what the learned table says to a longer text
    stretched: Float[Tensor, "f n"]
    stretched_error: Float[Tensor, "f n"]
    distance: Float[Tensor, "m"]  # to the needle, centre of each bin
    base_recall: Float[Tensor, "a m"]  # share of needles found
    stretched_recall: Float[Tensor, "f m"]
    inv_freq: Float[Tensor, "f p"]  # at a text of LONGEST tokens
    attention_factor: Float[Tensor, "f"]
    seen: Float[Tensor, "p"]  # where each pair's angles ended in training, radians
    reached: Float[Tensor, "f p"]  # largest angle of each pair in a text of LONGEST tokens
    keep: Float[Tensor, "p"]  # YaRN's ramp: 1 keeps a pair, 0 interpolates it
    keep_llama: Float[Tensor, "l"]  # the same for Llama 2: 64 pairs, 4,096 tokens
    keep_paper: Float[Tensor, "l"]  # the same, falling over turns instead of pairs
    span: Float[Tensor, "k"]  # factors from 1 to 64
    mscale: Float[Tensor, "k"]  # YaRN's factor on cosines and sines at each
    relative: Int[Tensor, "t s"]  # difference of positions that RoPE sees; -1: out of sight
    cost: context_cost.Trace  # of real models, at every length


@torch.no_grad()
def trace(cfg: Config, tick: Callable[[float], None] = no_tick) -> Trace:
    """Measure all schemes, and the method at every factor. Raises ModelUnavailable when weights are missing."""
    tuned = cfg.tuned and cfg.method in TUNED
    factors = FACTORS if cfg.method in STRETCHED else (1,)
    n_curve = len(SCHEMES) + 1 + len(factors)
    base: list[Curve] = []
    for scheme in SCHEMES:
        tick(len(base) / n_curve)
        base.append(base_curve(scheme))
    fresh = fresh_curve().loss if cfg.fresh else torch.full_like(base[0].loss, torch.nan)
    stretched: list[Curve] = []
    for factor in factors:
        tick((len(base) + 1 + len(stretched)) / n_curve)
        stretched.append(stretched_curve(cfg.method, factor, tuned))
    scaled = [SCALINGS.get(cfg.method, SCALINGS["none"])(float(factor), LONGEST) for factor in factors]
    inv_freq = torch.stack([how.inv_freq for how in scaled])
    attention = ATTENTIONS[cfg.method]() if cfg.method in ATTENTIONS else None
    farthest = TRAINED - 1 if attention else LONGEST - 1
    position = torch.arange(N_SHOWN)
    span = torch.logspace(0, math.log10(64), 49)
    relative = attention.relative(N_SHOWN, N_SHOWN) if attention else position[:, None] - position
    return Trace(
        method=cfg.method,
        tuned=tuned,
        trained=TRAINED,
        factors=factors,
        index=nearest(cfg.factor) if len(factors) > 1 else 0,
        scheme=tuple(SCHEMES),
        context=centres(EDGES),
        base=torch.stack([curve.loss for curve in base]),
        base_error=torch.stack([curve.error for curve in base]),
        fresh=fresh,
        refusal=base_curve("learned").refusal,
        stretched=torch.stack([curve.loss for curve in stretched]),
        stretched_error=torch.stack([curve.error for curve in stretched]),
        distance=centres(REACH),
        base_recall=torch.stack([curve.recall for curve in base]),
        stretched_recall=torch.stack([curve.recall for curve in stretched]),
        inv_freq=inv_freq,
        attention_factor=torch.tensor([how.attention_factor for how in scaled]),
        seen=TRAINED * PLAIN,
        reached=farthest * inv_freq,
        keep=rope_scaling.ramp(N_PAIR, ROPE_BASE, TRAINED),
        keep_llama=rope_scaling.ramp(64, ROPE_BASE, 4096),
        keep_paper=rope_scaling.ramp_over_turns(64, ROPE_BASE, 4096, 32.0, 1.0),
        span=span,
        mscale=torch.tensor([rope_scaling.mscale(factor) for factor in span.tolist()]),
        relative=torch.where(position[:, None] >= position, relative, -1),
        cost=context_cost.trace(cfg.length),
    )


# --- what the captions say, and what the claims rest on --------------------------------------------------------------


def facts(trace: Trace) -> dict[str, float | int | str]:
    """The numbers that the captions name. `mended` is a share of the plain RoPE model's rise, at most all."""
    rope, learned = trace.scheme.index("rope"), trace.scheme.index("learned")
    shown = trace.stretched[trace.index]
    found = trace.stretched_recall[trace.index]
    near = trace.distance < TRAINED
    fresh = trace.fresh[~trace.fresh.isnan()]
    said: dict[str, float | int | str] = {
        "method": trace.method,
        "factor": trace.factors[trace.index],
        "trained": TRAINED,
        "four": 4 * TRAINED,
        "longest": LONGEST,
        "n_pair": N_PAIR,
        "refusal": trace.refusal,
        "error": float(trace.base_error[rope, at(LONGEST)]),
        "loss": float(within(trace.base[rope])),
        # What the method costs where the model needed none.
        "short": float(within(shown) - within(trace.base[rope])),
        "reach": reach(shown, float(within(trace.base[rope]))),
        "reach_rope": reach(trace.base[rope], float(within(trace.base[rope]))),
        "near": NEAR,
        "recall_near": float(found[near].mean()),
        "recall_far": float(found[~near].mean()),
        "recall_last": float(found[-1]),
        "recall_rope": float(trace.base_recall[rope][~near].mean()),
        "recall_rope_near": float(trace.base_recall[rope][near].mean()),
        "fresh_rise": float(rise(trace.fresh, 4)) if len(fresh) else 0.0,
        "learned_loss": float(within(trace.base[learned])),
        "max_relative": int(trace.relative.max()),
        "n_shown": N_SHOWN,
    }
    for times in (4, 16):
        for i, scheme in enumerate(trace.scheme):
            if i != learned:
                said[f"rise{times}_{scheme}"] = float(rise(trace.base[i], times))
        level = within(trace.base[rope])
        said[f"rise{times}"] = float(shown[at(times * TRAINED)] - level)
        said[f"mended{times}"] = min(1.0, 1 - float(said[f"rise{times}"]) / float(said[f"rise{times}_rope"]))
    rising = {i: float(rise(trace.base[i], 4)) for i in range(len(trace.scheme)) if i != learned}
    said["flattest"] = trace.scheme[min(rising, key=lambda i: abs(rising[i]))]
    said["steepest"] = trace.scheme[max(rising, key=lambda i: rising[i])]
    beyond = [one for one in context_lengths.CONTEXTS if one.trained and one.offered > one.trained]
    said |= {"n_contexts": len(context_lengths.CONTEXTS), "n_beyond": len(beyond)}
    return said | _angle_facts(trace) | context_cost.facts(trace.cost)


def _angle_facts(trace: Trace) -> dict[str, float | int | str]:
    """A pair that goes round within the trained length has met every angle; the others only those up to `seen`."""
    part = trace.seen < 2 * math.pi
    new = part & (trace.reached[trace.index] > trace.seen)
    factor = trace.factors[trace.index]
    scale = float(trace.attention_factor[trace.index])
    keep = rope_scaling.ramp(N_PAIR, ROPE_BASE, TRAINED)
    return {
        "n_part": int(part.sum()),
        "n_new": int(new.sum()),
        "n_new_plain": int((part & (trace.seen < (LONGEST - 1) * PLAIN)).sum()),
        "n_keep": int((keep == 1).sum()),
        "n_interpolated": int((keep == 0).sum()),
        "slowest": float(2 * math.pi / trace.inv_freq[trace.index, -1]),
        "slowest_plain": float(2 * math.pi / PLAIN[-1]),
        "base": ROPE_BASE,
        "ntk_base": rope_scaling.ntk_base(N_PAIR, ROPE_BASE, float(factor)),
        "attention_factor": scale,
        "score_factor": scale**2,
        "mscale": rope_scaling.mscale(float(factor)),
    }


@torch.no_grad()
def check(cfg: Config) -> dict[str, float]:
    """The method's frequencies against transformers' own, and the model's logits against an independent model."""
    factor = float(FACTORS[nearest(cfg.factor)]) if cfg.method in STRETCHED else 1.0
    weights = TUNED[cfg.method] if cfg.tuned and cfg.method in TUNED else ""
    model = position_lm.load("rope", weights)
    ids = position_lm.held_out(1, 3 * TRAINED)
    ours = model(ids, scheme_at(cfg.method, factor)(ids.shape[1]))[0]
    found = {}
    if cfg.method in SCALINGS:
        how = SCALINGS[cfg.method](factor, LONGEST)
        found["w = ROPE_INIT_FUNCTIONS"] = frequency_gap(cfg.method, how, factor, TRAINED, LONGEST, ROPE_BASE)
    name, gap = logit_gap(cfg.method, model, ids, ours, factor, TRAINED, ROPE_BASE)
    return found | {f"logits = {name}": gap}
