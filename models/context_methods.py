"""What makes the RoPE model of models/position_lm.py read past its 64 tokens, and what that does to its curves.

Sources: models/rope_scaling.py and models/long_attention.py name those of each method. Loss past the trained length:
Press et al. 2022, "Train Short, Test Long", section 2.2.

Glossary
    factor     s, by which a method stretches the trained length      trained   64 tokens
    tuned      weights trained on for a few steps with the method, at factor 16 and texts of 1,024 tokens
    rise       loss at some length minus loss within the trained length (its last octave), nats per token

Curves are computed once and kept: models are measured on the same texts, so their differences are exact.
"""

from collections.abc import Callable
from functools import lru_cache

from jaxtyping import Float
from torch import Tensor

from models import position_lm, rope_scaling
from models.length_curves import EDGES, LONGEST, Curve, SchemeAt, measure
from models.long_attention import DualChunk, Sinks, window
from models.position_schemes import ROPE_BASE, Rotary
from models.rope_scaling import Scaled

FACTORS = (1, 2, 4, 8, 12, 16)
SIZE = position_lm.Config()
TRAINED, N_PAIR = SIZE.n_ctx, SIZE.d_head // 2

Scaling = Callable[[float, int], Scaled]  # of the factor and the text's length
SCALINGS: dict[str, Scaling] = {
    "none": lambda factor, length: rope_scaling.unscaled(N_PAIR, ROPE_BASE),
    "linear": lambda factor, length: rope_scaling.linear(N_PAIR, ROPE_BASE, factor),
    "ntk": lambda factor, length: rope_scaling.ntk_aware(N_PAIR, ROPE_BASE, factor),
    "dynamic": lambda factor, length: rope_scaling.dynamic_ntk(N_PAIR, ROPE_BASE, 1.0, TRAINED, length),
    "yarn": lambda factor, length: rope_scaling.yarn(N_PAIR, ROPE_BASE, factor, TRAINED),
}
PLAIN = rope_scaling.unscaled(N_PAIR, ROPE_BASE).inv_freq
ATTENTIONS: dict[str, Callable[[], DualChunk | Sinks]] = {
    "dca": lambda: DualChunk(PLAIN, TRAINED),
    "sinks": lambda: Sinks(PLAIN, TRAINED),
    "window": lambda: window(PLAIN, TRAINED),
}
STRETCHED = ("linear", "ntk", "yarn")  # the methods that have a factor
TUNED = {"none": "plain", "linear": "linear", "ntk": "ntk", "yarn": "yarn"}  # method -> shipped fine-tuned weights


def nearest(factor: int) -> int:
    """The place of the nearest factor of the grid."""
    return min(range(len(FACTORS)), key=lambda i: abs(FACTORS[i] - factor))


def scheme_at(method: str, factor: float) -> SchemeAt:
    """What reads a text of some length with this method."""
    if method in ATTENTIONS:
        scheme = ATTENTIONS[method]()
        return lambda length: scheme

    def scaled(length: int) -> Rotary:
        how = SCALINGS[method](factor, length)
        return Rotary(how.inv_freq, how.attention_factor)

    return scaled


@lru_cache(maxsize=16)
def base_curve(scheme: str) -> Curve:
    """One of the six models as it was trained."""
    return measure(position_lm.load(scheme), lambda length: None)


@lru_cache(maxsize=1)
def fresh_curve() -> Curve:
    """The learned table, its missing rows drawn afresh."""
    model = position_lm.load("learned")
    longer = position_lm.lengthened(model.scheme.get_parameter("table"), LONGEST)
    return measure(model, lambda length: longer)


@lru_cache(maxsize=128)
def stretched_curve(method: str, factor: int, tuned: bool) -> Curve:
    """The RoPE model, read with a method."""
    if not tuned and (method == "none" or (factor == 1 and method in STRETCHED)):
        return base_curve("rope")
    return measure(position_lm.load("rope", TUNED[method] if tuned else ""), scheme_at(method, float(factor)))


def at(edge: int) -> int:
    """The bin that ends at so many tokens."""
    return EDGES.index(edge) - 1


def within(loss: Float[Tensor, "*b n"]) -> Float[Tensor, "*b"]:
    """Loss within the trained length: its last octave, where the model has most to go by."""
    return loss[..., at(TRAINED) - 1 : at(TRAINED) + 1].mean(-1)


def rise(loss: Float[Tensor, "*b n"], times: int) -> Float[Tensor, "*b"]:
    """Loss at `times` the trained length minus loss within it."""
    return loss[..., at(times * TRAINED)] - within(loss)


NEAR = 0.4  # nats


def reach(loss: Float[Tensor, "n"], level: float) -> int:
    """Tokens up to which the loss stays within NEAR of a level, from the trained length on; 0: nowhere."""
    if float(within(loss)) > level + NEAR:
        return 0
    far = TRAINED
    for i in range(at(TRAINED) + 1, len(loss)):
        if not float(loss[i]) <= level + NEAR:
            break
        far = EDGES[i + 1]
    return far
