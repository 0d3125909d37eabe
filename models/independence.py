"""What is lost when two words are drawn at once: the smallest joint distribution that shows it, exactly.

Source: Wu et al. 2025, "Fast-dLLM", section 2.2 (parallel decoding breaks dependencies between tokens);
Sahoo et al. 2024 (MDLM), section 3.2: given what is visible, masked positions are drawn independently.

    p(HH) = p(TT) = (1 + c) / 4,   p(HT) = p(TH) = (1 - c) / 4          two coins, c from 0 (free) to 1 (always alike)
    one pass     q(x, y) = p(x) p(y) = 1 / 4                            each is right, both together are not
    two passes   q(x, y) = p(x) p(y | x) = p(x, y)                      the second knows the first

    KL(p || one pass) = sum p log (p / q) = I(x; y)                     the mutual information is what is lost

Axes: d values of c, s the four outcomes HH, HT, TH, TT; x first coin, y second coin.

Conventions: nats; 0 log 0 = 0.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from models.unmasking import unmask

OUTCOMES = ("HH", "HT", "TH", "TT")
DEPENDENCE = tuple(round(0.05 * i, 2) for i in range(21))
MASK = 2


@dataclass(frozen=True)
class Joint:
    """The four outcomes for every c: as they are, drawn in one pass, drawn in two."""

    dependence: Float[Tensor, "d"]
    truth: Float[Tensor, "d s"]
    one_pass: Float[Tensor, "d s"]
    two_passes: Float[Tensor, "d s"]
    information: Float[Tensor, "d"]  # mutual information, nats


def joint() -> Joint:
    """Everything exact, in double precision."""
    c = torch.tensor(DEPENDENCE, dtype=torch.float64)
    alike, other = (1 + c) / 4, (1 - c) / 4
    truth = torch.stack((alike, other, other, alike), dim=1).unflatten(1, (2, 2))
    first, second = truth.sum(2), truth.sum(1)
    one_pass = first[:, :, None] * second[:, None, :]
    after = truth / first[:, :, None]  # p(y | x)
    two_passes = first[:, :, None] * after
    information = (torch.xlogy(truth, truth) - torch.xlogy(truth, one_pass)).sum((1, 2))
    flat = [x.flatten(1).float() for x in (truth, one_pass, two_passes)]
    return Joint(c.float(), flat[0], flat[1], flat[2], information.float())


def coins(c: float, ids: Int[Tensor, "b n"]) -> Float[Tensor, "b n v"]:
    """The perfect model of the two coins: the exact conditional of each, given what is visible. H is 0, T is 1."""
    other = ids.flip(1)
    same, different = (1 + c) / 2, (1 - c) / 2
    heads = torch.where(other == MASK, 0.5, torch.where(other == 0, same, different))
    return torch.stack((heads, 1 - heads), dim=-1).log()


def thrown(c: float, n_step: int, n_row: int, seed: int) -> Float[Tensor, "s"]:
    """Shares of HH, HT, TH, TT among rows drawn by the very sampler of the page, in one pass or in two."""
    filling = unmask(
        lambda ids: coins(c, ids),
        torch.full((n_row, 2), MASK),
        torch.ones(2, dtype=torch.bool),
        MASK,
        order="random",
        n_step=n_step,
        block=2,
        temperature=1.0,
        generator=torch.Generator().manual_seed(seed),
    )
    outcome = filling.ids[-1, :, 0] * 2 + filling.ids[-1, :, 1]
    return torch.bincount(outcome, minlength=4) / n_row
