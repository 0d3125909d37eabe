"""How well a language model predicts and recalls, by how much text it has read: loss and needles.

Sources: loss by position, Press et al. 2022, "Train Short, Test Long", section 2.2. Needles: models/position_lm.py.

    loss     mean of -log p(next token) over the held-out tokens that have exactly so many tokens before them
    recall   share of questions `<key> K` after which the digit of `<key> K v`, `distance` tokens back, is likeliest

Every bin of contexts above 32 is measured on the very same tokens: texts of each length end where they must for the
tokens at issue to have that much before them. A curve then rises or falls by what the model makes of its context, not
by what it has to predict. Methods that look at the length of the text (dynamic NTK) see the right one.

Glossary
    context    tokens read before the prediction, <bos> included       bin     of contexts half an octave, of distances
    distance   from the digit to the letter that asks for it                   an octave wide
    target     a token to be predicted: the last N_TARGET of a held-out row

All models are measured on the same texts: differences between them are finer than the error of each.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from models.fields import no_tick
from models.position_lm import PositionLM, alphabet, held_out, slots, tokenizer
from models.position_schemes import NoPosition

EDGES = (0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)  # of contexts
REACH = (1, 8, 16, 32, 64, 128, 256, 512, 1024)  # of distances; no question stands nearer than 2
LONGEST = EDGES[-1]
SHORTEST = 32  # texts of so many tokens give all bins up to it
N_SOURCE, N_TARGET = 3, 256  # held-out rows, and tokens of each that every length is measured on
ASKED = {64: (24, 4), 128: (8, 8), 256: (4, 16), 512: (2, 24), 1024: (1, 24)}  # length -> texts, needles in each

SchemeAt = Callable[[int], NoPosition | None]  # length of the text -> the scheme that reads it; None: the model's own


@dataclass(frozen=True)
class Curve:
    """Loss and recall of one model, in bins; a bin that the model cannot reach is NaN."""

    loss: Float[Tensor, "n"]  # nats per token, in the bins of EDGES
    error: Float[Tensor, "n"]  # standard error of each
    recall: Float[Tensor, "m"]  # 0 to 1, in the bins of REACH
    refusal: str  # what the model said to a text that is too long for it; "" if it read all


def centres(edges: tuple[int, ...]) -> Float[Tensor, "n"]:
    """Geometric mean of the first and last whole number in each bin (edges[i], edges[i + 1]]."""
    low, high = torch.tensor(edges[:-1]) + 1.0, torch.tensor(edges[1:]) * 1.0
    return (low * high).sqrt()


def in_bins(value: Float[Tensor, "k"], at: Int[Tensor, "k"], edges: tuple[int, ...]) -> tuple[Tensor, Tensor, Tensor]:
    """Mean, standard error and count of the values in each bin; an empty one is NaN, NaN, 0."""
    place = torch.bucketize(at, torch.tensor(edges)) - 1  # edges[i] < at <= edges[i + 1]
    n_bin = len(edges) - 1
    member = F.one_hot(place, n_bin).float()
    count = member.sum(0)
    mean = (member * value[:, None]).sum(0) / count
    variance = (member * (value[:, None] - mean.nan_to_num()).square()).sum(0) / (count - 1)
    return mean, (variance / count).sqrt(), count


def texts(length: int) -> tuple[Int[Tensor, "b t"], int]:
    """(Texts of length + 1 tokens, how many tokens at their ends are targets): together they cover all targets once."""
    below = 0 if length == SHORTEST else EDGES[EDGES.index(length) - 1]
    step = length - EDGES[EDGES.index(length) - 1]  # targets that one text covers in the bin of its length
    source = held_out(N_SOURCE, LONGEST + 1)
    ends = torch.arange(LONGEST + 1 - N_TARGET + step, LONGEST + 2, step)
    ids = torch.cat([source[:, end - length - 1 : end] for end in ends.tolist()])
    ids[:, 0] = source[0, 0]  # every text begins with <bos>
    return ids, length - below


def needles(length: int, seed: int) -> tuple[Int[Tensor, "b t"], Int[Tensor, "b k"], Int[Tensor, "b k"]]:
    """Texts that end with questions: (ids, the position of each asking letter, the distance back to its digit).

    Each row is held-out text; needles, each with a letter of its own, are written over its beginning, the questions
    over its end, each followed by its answer. Nearer than half the length, only texts of 64 tokens ask.
    """
    n_row, n_needle = ASKED[length]
    generator = torch.Generator().manual_seed(seed * 10_007 + length)
    letters = alphabet(tokenizer())
    ids = held_out(n_row, length).clone()
    first = length - 3 * n_needle
    asks = first + 1 + 3 * torch.arange(n_needle)
    distance = torch.zeros(n_row, n_needle, dtype=torch.long)
    for row, back in zip(ids, distance, strict=True):
        places = torch.tensor(slots(n_needle, 1, first if length == min(ASKED) else length // 2, generator))
        keys = letters.keys[torch.randperm(len(letters.keys), generator=generator)[:n_needle]]
        values = letters.values[torch.randint(len(letters.values), (n_needle,), generator=generator)]
        order = torch.randperm(n_needle, generator=generator)  # needle i is asked for as number order[i]
        for place, key, value, turn in zip(places, keys, values, order, strict=True):
            needle = torch.stack((torch.tensor(letters.key), key, value))
            row[place : place + 3] = needle
            row[first + 3 * turn : first + 3 * turn + 3] = needle
        back[order] = asks[order] - (places + 2)
    return ids, asks.expand(n_row, -1), distance


@lru_cache(maxsize=1)
def _plain() -> dict[int, tuple[Int[Tensor, "b t"], int]]:
    return {n: texts(n) for n in EDGES if n >= SHORTEST}


@lru_cache(maxsize=1)
def _asking() -> dict[int, tuple[Tensor, Tensor, Tensor]]:
    return {n: needles(n, seed=0) for n in ASKED}


def measure(model: PositionLM, scheme_at: SchemeAt, tick: Callable[[float], None] = no_tick) -> Curve:
    """Loss and recall at every context length. An IndexError of the model ends its curves there."""
    losses: list[tuple[Tensor, Tensor]] = []
    recalls: list[tuple[Tensor, Tensor]] = []
    n_step, refusal = len(_plain()) + len(_asking()), ""
    try:
        for length, (ids, n_last) in _plain().items():
            tick(len(losses) / n_step)
            logits = model(ids[:, :-1], scheme_at(length), last=n_last)[0]
            loss = F.cross_entropy(logits.flatten(0, 1), ids[:, -n_last:].flatten(), reduction="none")
            context = torch.arange(length - n_last, length) + 1
            losses.append((loss, context.expand(len(ids), -1).flatten()))
    except IndexError as end:
        refusal = str(end)
    for length, (ids, asks, distance) in _asking().items():
        tick((len(_plain()) + len(recalls)) / n_step)
        if refusal and length > min(ASKED):
            break
        row, first = torch.arange(len(ids))[:, None], int(asks.min())
        logits = model(ids, scheme_at(length), last=length - first)[0]
        right = logits[row, asks - first].argmax(-1) == ids[row, asks + 1]
        far = distance > (0 if length == min(ASKED) else length // 2)
        recalls.append((right[far].float(), distance[far]))
    loss_at, context_at = map(torch.cat, zip(*losses, strict=True))
    found, back = map(torch.cat, zip(*recalls, strict=True))
    mean, error, _ = in_bins(loss_at, context_at, EDGES)
    return Curve(mean, error, in_bins(found, back, REACH)[0], refusal)


def questions_per_bin() -> Int[Tensor, "m"]:
    """How many questions stand behind each value of recall."""
    asked = [far[far > (0 if n == min(ASKED) else n // 2)] for n, (_, _, far) in _asking().items()]
    at = torch.cat(asked)
    return in_bins(torch.zeros(len(at)), at, REACH)[2].long()
