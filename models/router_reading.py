"""One text through a trained mixture of experts: what every router did with every token, and what the text cost.

Sources: models/tiny_moe.py (the model), models/gates.py (the gates).

    loss        mean over the text's tokens of -log p(next token), in nats
    dropped     a (token, expert) pair that was chosen past the expert's capacity

Axes: l layer with a router, t token, e expert. Layers and experts are numbered from 1, as they stand on the picture;
"2.5" is expert 5 of layer 2.

Conventions: at most N_TOKEN tokens are read. Every reading is remembered: a slider that comes back costs nothing.
"""

import re
import threading
from dataclasses import dataclass

import cachetools
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from models import tiny_moe
from models.tiny_moe import Switches

N_TOKEN = 128
Pair = tuple[int, int]


class Signed(float):
    """A difference. Written with a minus and not a hyphen, and without a sign where it rounds to zero."""

    def __format__(self, code: str) -> str:
        said = super().__format__(code).replace("-", "−")
        return said if any(c in "123456789" for c in said) else said.lstrip("+−")


@dataclass(frozen=True)
class Reading:
    """What the routers did with one text."""

    ids: tuple[int, ...]
    label: tuple[str, ...]
    logit: Float[Tensor, "l t e"]  # -inf for an expert that is switched off
    probability: Float[Tensor, "l t e"]
    score: Float[Tensor, "l t e"]
    chosen: Bool[Tensor, "l t e"]
    kept: Bool[Tensor, "l t e"]
    weight: Float[Tensor, "l t e"]
    surprise: Float[Tensor, "u"]  # -log p of tokens 1, 2, ... in nats; empty for a text of one token


def encode(text: str) -> tuple[tuple[int, ...], int]:
    """The first N_TOKEN token ids of the text, and how many more it has."""
    ids = tiny_moe.encode(text)
    return tuple(ids[:N_TOKEN]), max(0, len(ids) - N_TOKEN)


@cachetools.cached(cachetools.LRUCache(96), lock=threading.Lock())
@torch.no_grad()
def read(variant: str, ids: tuple[int, ...], how: Switches) -> Reading:
    """One forward pass. Raises ModelUnavailable."""
    model = tiny_moe.load(variant)
    row = torch.tensor(ids)[None]
    logits, traces = model(row, how)

    def stacked(name: str) -> Tensor:
        return torch.cat([getattr(trace, name) for trace in traces])

    logit = stacked("logit").clone()
    for layer, expert in how.without:
        logit[layer, :, expert] = -torch.inf
    return Reading(
        ids=ids,
        label=tiny_moe.label(list(ids)),
        logit=logit,
        probability=stacked("probability"),
        score=stacked("score"),
        chosen=stacked("chosen"),
        kept=stacked("kept"),
        weight=stacked("weight"),
        surprise=F.cross_entropy(logits[0, :-1], row[0, 1:], reduction="none"),
    )


def mean_loss(surprise: Float[Tensor, "u"]) -> float:
    """Mean in nats per token; 0 for a text in which there is nothing to predict."""
    return float(surprise.mean()) if len(surprise) else 0.0


def parse_experts(text: str, n_layer: int, n_expert: int) -> tuple[frozenset[Pair], tuple[str, ...]]:
    """(layer, expert) pairs, counted from 0, of "2.5 3.1", counted from 1; and the parts that name none.

    At least one expert of every layer stays: a part that would take the last is refused with the rest.
    """
    found: set[Pair] = set()
    bad: list[str] = []
    for part in re.split(r"[\s,;，；、]+", text.strip()):
        if not part:
            continue
        match = re.fullmatch(r"(\d{1,3})[.:](\d{1,3})", part, re.ASCII)
        layer, expert = (int(number) - 1 for number in match.groups()) if match else (-1, -1)
        if not (0 <= layer < n_layer and 0 <= expert < n_expert):
            bad.append(part)
        elif (layer, expert) not in found:
            if sum(at == layer for at, _ in found) == n_expert - 1:
                bad.append(part)
            else:
                found.add((layer, expert))
    return frozenset(found), tuple(bad)
