"""What the other loss leads to: towers trained with the softmax loss beside their twin trained with the sigmoid loss.

Sources: Radford et al. 2021, section 2.3 (softmax loss); Zhai et al. 2023, "Sigmoid Loss for Language Image
Pre-Training", section 3 and algorithm 1 (sigmoid loss, learned scale t and bias b, from t = 10 and b = -10).

    z_ij = t cosine_ij + b          sigmoid(z_ij) = 1/2 where cosine_ij = -b / t, the threshold

Glossary
    share      part of n pictures that were right, of models/clip_measures.py
    margin     two standard errors of the difference of two shares: 2 sqrt(p (1 - p) / n + q (1 - q) / n)
    threshold  the cosine from which on the sigmoid calls a pair right rather than wrong

Conventions: numbers come from the card, which training/scene_clip.py wrote from both sets of weights, and from the
snapshots of the 40 fixed pairs. Both trainings start from the same towers and see the same batches. The margin takes
the two samples of pictures for different ones, although they are the same: it is rather too wide.
"""

import math
from dataclasses import dataclass

from models.clip_measures import N_BINDING, N_RETRIEVAL, N_WATCHED, N_ZERO_SHOT
from models.clip_training import progress, training
from models.scene_clip import LOSSES, SIGMOID_BIAS, SIGMOID_SCALE, START_SCALE, load

# the table's shares: name, where the card has it, of how many pictures
SHARES = (
    ("zero_seen", "zero_shot_seen", "both", N_ZERO_SHOT),
    ("zero_colour", "zero_shot_seen", "colour", N_ZERO_SHOT),
    ("zero_shape", "zero_shot_seen", "shape", N_ZERO_SHOT),
    ("zero_held_out", "zero_shot_held_out", "both", N_ZERO_SHOT),
    ("found_seen", "retrieval_seen", "text", N_RETRIEVAL),
    ("found_held_out", "retrieval_held_out", "text", N_RETRIEVAL),
    ("bound", "binding", "binding", N_BINDING),
)
WATCHED = ("seen", "held_out")
Pair = tuple[float, float]


@dataclass(frozen=True)
class Beside:
    """Both trainings, each value in the order of `loss`."""

    loss: tuple[str, ...]
    share: dict[str, Pair]
    n: dict[str, int]  # pictures a share was counted on
    larger: tuple[str, ...]  # names of the shares that differ by more than their margin
    number: dict[str, Pair]  # "gap", mean cosines "right" and "wrong", learned "scale" and "bias", "threshold"
    step: tuple[int, ...]  # of the shares measured on the way
    watched: dict[str, dict[str, tuple[int | float, ...]]]  # loss, name
    n_step: int
    start: dict[str, float]  # "softmax_scale", "sigmoid_scale", "sigmoid_bias"


def beside(language: str = "en") -> Beside:
    """From the card and the snapshots. Raises ModelUnavailable."""
    card = load().card
    measured = [part["measured"][language] for part in (card, card["twin"])]
    kept = [training(loss) for loss in LOSSES]
    share = {name: (measured[0][where][part], measured[1][where][part]) for name, where, part, _ in SHARES}
    curves = [progress(language, loss) for loss in LOSSES]
    scale = [one.card["scale"] for one in kept]
    bias = [one.card.get("bias", 0.0) for one in kept]
    return Beside(
        loss=tuple(LOSSES),
        share=share,
        n={name: n for name, _, _, n in SHARES},
        larger=tuple(name for name, _, _, n in SHARES if apart(share[name], n)),
        number={
            "gap": (measured[0]["gap"]["distance"], measured[1]["gap"]["distance"]),
            "right": (float(curves[0].right[-1]), float(curves[1].right[-1])),
            "wrong": (float(curves[0].wrong[-1]), float(curves[1].wrong[-1])),
            "scale": (scale[0], scale[1]),
            "bias": (bias[0], bias[1]),
            "threshold": (-bias[0] / scale[0], -bias[1] / scale[1]),
        },
        step=tuple(int(step) for step in curves[0].watched["step"]),
        watched={loss: {name: one.watched[name] for name in WATCHED} for loss, one in zip(LOSSES, curves, strict=True)},
        n_step=kept[0].step[-1],
        start={
            "softmax_scale": math.exp(START_SCALE),
            "sigmoid_scale": math.exp(SIGMOID_SCALE),
            "sigmoid_bias": SIGMOID_BIAS,
        },
    )


def apart(share: Pair, n: int) -> bool:
    """Whether two shares of n pictures each differ by more than the margin."""
    p, q = share
    return abs(p - q) > 2 * math.sqrt((p * (1 - p) + q * (1 - q)) / n)


def facts(found: Beside) -> dict[str, float | int]:
    """What the note beside the table names."""
    numbers = {
        f"{loss}_{name}": value[i]
        for i, loss in enumerate(found.loss)
        for name, value in {**found.share, **found.number}.items()
    }
    return {
        "n_step": found.n_step,
        "n_share": len(found.share),
        "n_watched": N_WATCHED,
        "every": found.step[0],
        "n_larger": len(found.larger),
        **{f"start_{name}": value for name, value in found.start.items()},
        **numbers,
    }
