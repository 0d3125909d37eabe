"""The live numbers behind the claims about long contexts. Each function returns what the claim's answer names.

Sources: Chen et al. 2023, "Extending Context Window of Large Language Models via Positional Interpolation", section 3;
Peng et al. 2023, "YaRN", sections 3.1 and 4; Press et al. 2022, "Train Short, Test Long", section 3; Roziere et al.
2023, "Code Llama", section 2.4; Xiao et al. 2023, "Efficient Streaming Language Models with Attention Sinks".
"""

import math
from collections.abc import Callable

from models import position_lm
from models.context_methods import (
    N_PAIR,
    STRETCHED,
    TRAINED,
    base_curve,
    rise,
    stretched_curve,
    within,
)
from models.length_curves import LONGEST, REACH, measure
from models.position_schemes import ROPE_BASE, Alibi, slopes
from models.rope_scaling import turns, unscaled

Live = dict[str, float | int | str]


def claim_rope_extrapolates() -> Live:
    """Loss of the trained RoPE model at 4 and 16 times its length, beside ALiBi; pairs that never went round."""
    rope, alibi = base_curve("rope"), base_curve("alibi")
    said: Live = {"trained": TRAINED, "longest": LONGEST, "n_pair": N_PAIR}
    for times in (4, 16):
        said[f"rope{times}"] = float(rise(rope.loss, times))
        said[f"alibi{times}"] = float(rise(alibi.loss, times))
    said["part"] = int((turns(N_PAIR, ROPE_BASE, TRAINED) < 1).sum())
    return said


def claim_alibi_untrained() -> Live:
    """ALiBi's biases on models that were not trained with them, against the one that was."""
    said: Live = {"trained": TRAINED, "steepest": float(slopes(8)[0]), "gentlest": float(slopes(8)[-1])}
    biased = Alibi(position_lm.Config().n_head)
    for scheme in ("none", "rope"):
        curve = measure(position_lm.load(scheme), lambda length: biased)
        said[f"{scheme}_before"] = float(within(base_curve(scheme).loss))
        said[f"{scheme}_after"] = float(within(curve.loss))
    said["alibi"] = float(within(base_curve("alibi").loss))
    said["alibi16"] = float(rise(base_curve("alibi").loss, 16))
    return said


def claim_stretched_lengths() -> Live:
    """Loss at 16 times the trained length with factor 16, above plain RoPE's within it: before and after tuning."""
    level = within(base_curve("rope").loss)
    said: Live = {"plain": float(rise(base_curve("rope").loss, 16)), "longest": LONGEST, "trained": TRAINED}
    for method in STRETCHED:
        for tuned in (False, True):
            loss = stretched_curve(method, 16, tuned).loss
            said[f"{method}{'_tuned' if tuned else ''}"] = float(loss[-1] - level)
    said["plain_tuned"] = float(stretched_curve("none", 1, True).loss[-1] - level)
    return said


def claim_code_llama() -> Live:
    """Llama 2's 64 pairs at base 10,000 and at 1,000,000: slowest wavelength, and what 16,384 tokens show of a turn."""
    said: Live = {"tuned_at": 16_384, "used_at": 100_000}
    for name, base in (("old", 1e4), ("new", 1e6)):
        said[f"slowest_{name}"] = float(2 * math.pi / unscaled(64, base).inv_freq[-1])
        said[f"part_{name}"] = int((turns(64, base, 16_384) < 1).sum())
    return said


def claim_endless_stream() -> Live:
    """Loss and recall far past the trained length, of attention that keeps only the latest tokens (and the first)."""
    level = within(base_curve("rope").loss)
    near = REACH.index(TRAINED)
    said: Live = {"trained": TRAINED, "longest": LONGEST, "plain": float(rise(base_curve("rope").loss, 16))}
    for method in ("sinks", "window"):
        curve = stretched_curve(method, 1, False)
        said[method] = float(curve.loss[-1] - level)
        said[f"{method}_near"] = float(curve.recall[:near].mean())
        said[f"{method}_far"] = float(curve.recall[near:].mean())
    return said


CLAIMS: dict[str, Callable[[], Live]] = {
    "rope_extrapolates": claim_rope_extrapolates,
    "alibi_untrained": claim_alibi_untrained,
    "stretched_lengths": claim_stretched_lengths,
    "code_llama": claim_code_llama,
    "endless_stream": claim_endless_stream,
}
