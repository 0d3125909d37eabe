"""Text by unmasking: from a row of masks to words in a chosen number of passes, in a chosen order.

Sources: Nie et al. 2025, "Large Language Diffusion Models" (LLaDA), algorithms 4 and 5 (random and low-confidence
remasking) and section 2.4 (blocks from left to right); Sahoo et al. 2024, "Simple and Effective Masked Diffusion
Language Models" (MDLM), section 4; Ye et al. 2025, "Dream" (entropy); Wang et al. 2025, "Remasking Discrete Diffusion
Models with Inference-Time Scaling" (ReMDM), section 4 (tokens masked again, the least sure first); Arriola et al. 2025,
"Block Diffusion".

    one pass:   p_i = softmax(logits_i)           for all positions i at once, each without knowing the others' draw
                x_i ~ p_i^(1 / temperature)       for the masked i of the block
                keep the n best of them           the others stay masked
                mask some again                   of those placed before, the least probable

Glossary
    predict     token ids with masks -> logits; any model that reads both ways, or one made up for a test
    free        the positions that are masked at first; all others are given and never change
    block       so many free positions, filled before the next block begins; 1 and left to right is one by one, all at
                once is plain masked diffusion
    plan        how many positions of which block a pass fills
    confidence  p_i of the token drawn, under the model itself (temperature 1), as LLaDA has it
    entropy     of p_i: the less of it, the sooner; unlike confidence it does not look at the draw

Axes: b rows that are filled together (same places masked), n positions, f frames (before the first pass, then after
each), k candidates, v vocabulary.

Conventions: temperature 0 takes the most probable token. What was masked again counts as masked in that pass's frame,
and the next pass fills as many more; after the last pass of a block nothing is left masked there.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from models.fields import no_tick

ORDERS = ("confidence", "entropy", "random", "left_to_right")
N_GUESS = 5  # candidates remembered for every position

Predict = Callable[[Int[Tensor, "b n"]], Float[Tensor, "b n v"]]


class Pass(NamedTuple):
    """What one pass does: it fills so many of the free positions first .. end - 1."""

    first: int
    end: int
    fills: int


@dataclass(frozen=True)
class Filling:
    """Every frame of a run: before the first pass, then after each."""

    ids: Int[Tensor, "f b n"]
    masked: Bool[Tensor, "f b n"]
    probability: Float[Tensor, "f b n"]  # with which the token there was placed; 1 where given, 0 where masked
    step: Int[Tensor, "b n"]  # the pass that placed it for good, from 1; 0 where given
    candidate: Int[Tensor, "f b n k"]  # what the next pass thinks of a masked position, or thought of a filled one
    candidate_probability: Float[Tensor, "f b n k"]
    plan: tuple[Pass, ...]


def plan(n_free: int, n_step: int, block: int) -> tuple[Pass, ...]:
    """Which pass fills how many: blocks from left to right, passes shared out by size, positions evenly over passes.

    n_step is clipped to what is possible: at least one pass for a block, at most one for a position.
    """
    if n_free == 0:
        return ()
    block = min(block, n_free)
    edges = [*range(0, n_free, block), n_free]
    n_block = len(edges) - 1
    n_step = min(max(n_step, n_block), n_free)
    last = max(1, round(n_step * (edges[-1] - edges[-2]) / n_free)) if n_block > 1 else n_step
    passes: list[Pass] = []
    for k, (first, end) in enumerate(pairwise(edges)):
        before, after = (round((n_step - last) * i / max(1, n_block - 1)) for i in (k, k + 1))
        share = last if k == n_block - 1 else after - before
        size = end - first
        passes += [Pass(first, end, size // share + (i < size % share)) for i in range(share)]
    return tuple(passes)


COLD = 1e-4  # below it logits / temperature leave the range of float32, and the likeliest token is certain anyway


def draw(
    logits: Float[Tensor, "b n v"], temperature: float, generator: torch.Generator
) -> tuple[Int[Tensor, "b n"], Float[Tensor, "b n"]]:
    """(a token for every position, its probability under the model itself)."""
    probability = logits.softmax(-1)
    if temperature < COLD:
        token = probability.argmax(-1)
    else:
        flat = (logits / temperature).softmax(-1).flatten(0, 1)
        token = torch.multinomial(flat, 1, generator=generator)[:, 0].unflatten(0, logits.shape[:2])
    return token, probability.gather(-1, token[..., None])[..., 0]


def merit(
    order: str, probability: Float[Tensor, "b n"], logits: Float[Tensor, "b n v"], generator: torch.Generator
) -> Float[Tensor, "b n"]:
    """How early each position is filled: the higher, the sooner."""
    if order == "confidence":
        return probability
    if order == "entropy":
        p = logits.softmax(-1)
        return torch.xlogy(p, p).sum(-1)
    if order == "left_to_right":
        return -torch.arange(logits.shape[1], dtype=torch.float32).expand(probability.shape)
    return torch.rand(probability.shape, generator=generator)


def best(score: Float[Tensor, "b n"], allowed: Bool[Tensor, "b n"], count: int) -> Bool[Tensor, "b n"]:
    """The `count` allowed positions with the highest score in each row; of equals the leftmost."""
    rank = score.masked_fill(~allowed, -torch.inf).sort(dim=-1, descending=True, stable=True).indices[:, :count]
    return torch.zeros_like(allowed).scatter(1, rank, True)


@torch.no_grad()
def unmask(
    predict: Predict,
    ids: Int[Tensor, "b n"],
    free: Bool[Tensor, "n"],
    mask: int,
    *,
    order: str,
    n_step: int,
    block: int,
    temperature: float,
    generator: torch.Generator,
    remask: float = 0.0,
    n_guess: int = N_GUESS,
    tick: Callable[[float], None] = no_tick,
) -> Filling:
    """Fill the free positions of every row. See the module's first lines for the arguments.

    remask: the share of a block's filled positions that each pass but the block's last masks again
    n_guess: how many candidates to remember; none is faster
    """
    where = free.nonzero()[:, 0]
    now, masked = ids.masked_fill(free, mask), free.expand(ids.shape).clone()
    held = (~masked).float()
    step = torch.zeros_like(ids)
    passes = plan(len(where), n_step, block)
    frames = [(now, masked, held)]
    candidate = ids[..., None].expand(*ids.shape, n_guess).clone()
    chance = torch.zeros(candidate.shape)
    chance[..., :1] = 1.0
    guesses = []
    again = 0
    for i, (first, end, count) in enumerate(passes):
        tick(i / len(passes))
        logits = predict(now)
        if n_guess:
            top = logits.softmax(-1).topk(min(n_guess, logits.shape[-1]))
            pad = (0, n_guess - top.indices.shape[-1])  # a vocabulary smaller than the list
            candidate = torch.where(masked[..., None], F.pad(top.indices, pad), candidate)
            chance = torch.where(masked[..., None], F.pad(top.values, pad), chance)
        guesses.append((candidate, chance))
        token, probability = draw(logits, temperature, generator)
        inside = torch.zeros_like(free)
        inside[where[first:end]] = True
        chosen = best(merit(order, probability, logits, generator), masked & inside, count + again)
        now = torch.where(chosen, token, now)
        held = torch.where(chosen, probability, held)
        step = torch.where(chosen, torch.full_like(step, i + 1), step)
        masked = masked & ~chosen
        again = 0
        if i + 1 < len(passes) and passes[i + 1].first == first:
            # Not what this very pass has placed: the next one would know nothing new of it.
            older = inside & ~masked & ~chosen
            again = int(remask * int((inside & ~masked[0]).sum()))
            again = min(again, int(older.sum(-1).min()))
            if again:
                lost = best(-held, older, again)
                now, held = now.masked_fill(lost, mask), held.masked_fill(lost, 0.0)
                step, masked = step.masked_fill(lost, 0), masked | lost
        frames.append((now, masked, held))
    guesses.append((candidate, chance))
    tick(1.0)
    return Filling(
        ids=torch.stack([frame[0] for frame in frames]),
        masked=torch.stack([frame[1] for frame in frames]),
        probability=torch.stack([frame[2] for frame in frames]),
        step=step,
        candidate=torch.stack([guess[0] for guess in guesses]),
        candidate_probability=torch.stack([guess[1] for guess in guesses]),
        plan=passes,
    )
