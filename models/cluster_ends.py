"""The ends of several trainings of models/cluster_training.py side by side, and the numbers that are said of them.

Sources: none of its own; what is compared: models/moe_balance.py.

    collapsed   load entropy below COLLAPSED          even   the run with the highest load entropy
    plain       the runs without a remedy             best   the run with the lowest loss

Axes: r run.

Conventions: `_none` is without a remedy; `first` and `last` are the first and the last run that has one.
"""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

COLLAPSED = 0.4


@dataclass(frozen=True)
class Comparison:
    """The last frame of several runs."""

    name: tuple[str, ...]
    value: Float[Tensor, "r"]  # what differs: strength or seed
    entropy: Float[Tensor, "r"]
    text_entropy: Float[Tensor, "r"]
    loss: Float[Tensor, "r"]
    information: Float[Tensor, "r"]
    dropped: Float[Tensor, "r"]


def ends(found: Comparison) -> dict[str, float | int | str]:
    """The numbers that the captions name; `even` and `best` are names of remedies."""
    plain = [i for i, name in enumerate(found.name) if name == "none"]
    others = [i for i, name in enumerate(found.name) if name != "none"]
    entropy, loss, value = found.entropy.tolist(), found.loss.tolist(), [float(f"{x:.6g}") for x in found.value]
    even, best = max(others, key=entropy.__getitem__), min(others, key=loss.__getitem__)
    said: dict[str, float | int | str] = {
        "collapsed": COLLAPSED,
        "n_plain": len(plain),
        "n_collapsed_none": sum(entropy[i] < COLLAPSED for i in plain),
        "n_collapsed": sum(entropy[i] < COLLAPSED for i in others),
        "high_none": max(entropy[i] for i in plain),
        "low": min(entropy[i] for i in others),
        "end_entropy_none": entropy[plain[0]],
        "end_loss_none": loss[plain[0]],
    }
    for end, i in (("even", even), ("best", best), ("first", others[0]), ("last", others[-1])):
        said |= {
            end: found.name[i],
            f"{end}_value": value[i],
            f"{end}_entropy": entropy[i],
            f"{end}_loss": loss[i],
            f"{end}_text": float(found.text_entropy[i]),
            f"{end}_information": float(found.information[i]),
        }
    return said
