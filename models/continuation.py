"""The same blanks filled the usual way: from left to right, one token per pass, with a key/value cache.

Sources: the chain rule; the cache as in Pope et al. 2022, "Efficiently Scaling Transformer Inference", section 2. The
model: models/tiny_lm.py.

    p(x) = product over i of p(x_i | x_0 .. x_{i-1})          every token is drawn knowing all those before it

Glossary
    cache     keys and values of the tokens read so far, per layer: a token passes through the model once
    free      the positions to fill; where text is given further right, it is read when its turn comes, not before
    forwards  tokens that passed through the model, summed over all passes

Axes: b rows, n positions, f frames, m new tokens, _ tokens read so far, g key/value heads, d head width, v vocabulary.

Conventions: as in models/unmasking.py, whose `Filling` is returned: one frame before, then one after each pass. What
stands right of a blank cannot be seen: that is what an autoregressive model cannot do.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from models.fields import no_tick
from models.tiny_lm import Block, TinyLM, rms_norm, rope, rope_angle, swiglu
from models.unmasking import N_GUESS, Filling, Pass, draw

Cache = list[tuple[Float[Tensor, "b g _ d"], Float[Tensor, "b g _ d"]]]


def read(model: TinyLM, ids: Int[Tensor, "b m"], cache: Cache) -> tuple[Float[Tensor, "b v"], Cache]:
    """(logits for the token after the last of `ids`, the cache with `ids` in it). An empty cache: the first tokens."""
    cfg = model.cfg
    before, n_new = cache[0][0].shape[2] if cache else 0, ids.shape[1]
    angle = rope_angle(before + n_new, cfg.n_pair, cfg.rope_base)[before:]
    seen = torch.ones(n_new, before + n_new, dtype=torch.bool).tril(before)
    x, grown = model.embedding[ids], []
    for i, layer in enumerate(model.layers):
        assert isinstance(layer, Block)
        normed = rms_norm(x, layer.gain_attention, cfg.norm_eps)
        query, key, value = (
            F.linear(normed, weight).unflatten(-1, (-1, cfg.d_head)).transpose(1, 2)
            for weight in (layer.w_q, layer.w_k, layer.w_v)
        )
        query, key = rope(query, angle), rope(key, angle)
        if cache:
            key, value = torch.cat((cache[i][0], key), dim=2), torch.cat((cache[i][1], value), dim=2)
        grown.append((key, value))
        z = F.scaled_dot_product_attention(query, key, value, attn_mask=seen, enable_gqa=True)
        x = x + F.linear(z.transpose(1, 2).flatten(2), layer.w_o)
        x = x + swiglu(rms_norm(x, layer.gain_mlp, cfg.norm_eps), layer.w_gate, layer.w_up, layer.w_down)
    return F.linear(rms_norm(x[:, -1], model.gain_final, cfg.norm_eps), model.embedding), grown


@torch.no_grad()
def fill(
    model: TinyLM,
    ids: Int[Tensor, "b n"],
    free: Bool[Tensor, "n"],
    *,
    temperature: float,
    generator: torch.Generator,
    never: tuple[int, ...] = (),
    tick: Callable[[float], None] = no_tick,
) -> tuple[Filling, int]:
    """(every frame, token-forwards of one row). Position 0 is given. What is free holds any id until it is filled."""
    where = free.nonzero()[:, 0].tolist()
    if where and where[0] == 0:
        raise ValueError("the first position is <bos>, which nothing predicts")
    now, masked = ids.clone(), free.expand(ids.shape).clone()
    held, step = (~masked).float(), torch.zeros_like(ids)
    candidate = ids[..., None].expand(*ids.shape, N_GUESS).clone()
    chance = torch.zeros(candidate.shape)
    chance[~masked, 0] = 1.0
    frames, guesses = [(now, masked, held)], []
    cache: Cache = []
    done = 0
    for i, at in enumerate(where):
        tick(i / len(where))
        logits, cache = read(model, now[:, done:at], cache)
        done = at
        logits[:, list(never)] = -torch.inf
        top = logits.softmax(-1).topk(N_GUESS)
        candidate, chance = candidate.clone(), chance.clone()
        candidate[:, at], chance[:, at] = top.indices, top.values
        guesses.append((candidate, chance))
        token, probability = draw(logits[:, None], temperature, generator)
        now, masked, held, step = now.clone(), masked.clone(), held.clone(), step.clone()
        now[:, at], held[:, at], masked[:, at], step[:, at] = token[:, 0], probability[:, 0], False, i + 1
        frames.append((now, masked, held))
    guesses.append((candidate, chance))
    tick(1.0)
    filling = Filling(
        ids=torch.stack([frame[0] for frame in frames]),
        masked=torch.stack([frame[1] for frame in frames]),
        probability=torch.stack([frame[2] for frame in frames]),
        step=step,
        candidate=torch.stack([guess[0] for guess in guesses]),
        candidate_probability=torch.stack([guess[1] for guess in guesses]),
        plan=tuple(Pass(i, i + 1, 1) for i in range(len(where))),
    )
    return filling, done
