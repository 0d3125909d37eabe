"""One head of a trained language model, with its position scheme and without: scores, attention and output.

The models are those of models/position_lm.py, alike in everything but their scheme. What position adds to a score is
measured by reading the same text with the same weights and no scheme at all:

    position[t, s] = score[t, s] - content[t, s]        content: the model's own scheme replaced by `NoPosition`

In the first layer that is the scheme's own work; further up it is also what the layers below made of it.

Axes: t query position, s key position, h head, d head feature, m model feature.
"""

from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from models.position_lm import Block, PositionLM, tokenizer
from models.position_schemes import NoPosition, Rotary
from models.tiny_lm import BOS, byte_of_symbol, rms_norm, show_bytes


@dataclass(frozen=True)
class Head:
    """What one head did with one text."""

    query: Float[Tensor, "t d"]  # after the rotation, if there is one
    key: Float[Tensor, "s d"]
    score: Float[Tensor, "t s"]  # before the mask
    weight: Float[Tensor, "t s"]
    output: Float[Tensor, "t d"]  # z


def tokens(text: str, most: int) -> tuple[Int[Tensor, "t"], tuple[str, ...], int]:
    """(ids with <bos> in front, `most` of them at most; their labels; how many are left out).

    Raises ModelUnavailable.
    """
    made = tokenizer()
    found = made.encode(text.encode("utf-8", "replace").decode("utf-8")).ids
    bos = made.get_vocab()[BOS]
    ids = [bos, *found][:most]
    symbol = byte_of_symbol()
    piece = {i: piece for piece, i in made.get_vocab().items()}
    labels = (BOS if i == bos else show_bytes(bytes(symbol[c] for c in piece[i])) for i in ids)
    return torch.tensor(ids), tuple(labels), len(found) + 1 - len(ids)


@torch.no_grad()
def read(model: PositionLM, ids: Int[Tensor, "t"], scheme: NoPosition, layer: int, head: int) -> Head:
    """The head while the model reads these tokens with this scheme."""
    cfg, n_token = model.cfg, len(ids)
    future = torch.full((n_token, n_token), -torch.inf).triu(1)
    x = model.embedding[ids][None] * cfg.d_model**0.5 + scheme.embed(n_token)
    blocks = cast(list[Block], list(model.layers))
    for below in blocks[:layer]:
        x, _ = below(x, scheme, future)
    block = blocks[layer]
    normed = rms_norm(x, block.gain_attention, cfg.norm_eps)
    query, key, value = (
        F.linear(normed, weight).unflatten(-1, (-1, cfg.d_head)).transpose(1, 2)
        for weight in (block.w_q, block.w_k, block.w_v)
    )
    score = scheme.scores(query, key)
    weight = (score + future).softmax(-1)
    if isinstance(scheme, Rotary):
        position = torch.arange(n_token)
        query, key = scheme.rotate(query, position), scheme.rotate(key, position)
    return Head(
        query=query[0, head],
        key=key[0, head],
        score=score[0, head],
        weight=weight[0, head],
        output=(weight @ value)[0, head],
    )
