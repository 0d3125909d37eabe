"""Other ways to the same numbers: what models/text_diffusion.py is checked against, on the page and in the tests.

Sources: Nie et al. 2025 (LLaDA), equation (3) and algorithm 1, token by token; Vaswani et al. 2017, equation (1), for
attention without a mask; the chain rule without a cache.

Axes: b rows, n and t positions, h heads, d head width, m model feature, v vocabulary.
"""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from models import masked_lm, tiny_lm
from models.continuation import fill
from models.independence import OUTCOMES, joint
from models.masked_lm import Block, MaskedLM, corrupt, masked_loss
from models.tiny_lm import rms_norm, rope, rope_angle


def plain_logits(model: MaskedLM, ids: Int[Tensor, "t"]) -> Float[Tensor, "t v"]:
    """One row, head by head, with the attention weights written out and every position looking at every other."""
    cfg = model.cfg
    table = torch.cat((model.embedding, model.embedding_mask))
    x = torch.stack([table[int(i)] for i in ids])
    angle = rope_angle(len(ids), cfg.n_pair, cfg.rope_base)
    for layer in model.layers:
        assert isinstance(layer, Block)
        normed = rms_norm(x, layer.gain_attention, cfg.norm_eps)
        added = torch.zeros_like(x)
        for h in range(cfg.n_head):
            g = h // cfg.group_size
            rows, shared = slice(h * cfg.d_head, (h + 1) * cfg.d_head), slice(g * cfg.d_head, (g + 1) * cfg.d_head)
            query = rope((normed @ layer.w_q[rows].T)[None, None], angle)[0, 0]
            key = rope((normed @ layer.w_k[shared].T)[None, None], angle)[0, 0]
            attention = (query @ key.T / math.sqrt(cfg.d_head)).softmax(-1)
            added = added + attention @ (normed @ layer.w_v[shared].T) @ layer.w_o[:, rows].T
        x = x + added
        normed = rms_norm(x, layer.gain_mlp, cfg.norm_eps)
        x = x + (F.silu(normed @ layer.w_gate.T) * (normed @ layer.w_up.T)) @ layer.w_down.T
    logits = rms_norm(x, model.gain_final, cfg.norm_eps) @ model.embedding.T
    # With the shift, what is said of position i stands at position i - 1; of the first, which is given, nothing.
    return torch.stack([logits[max(0, i - 1)] for i in range(len(ids))]) if model.shift else logits


def slow_loss(
    model: MaskedLM, ids: Int[Tensor, "b t"], masked: Bool[Tensor, "b t"], share: Float[Tensor, "b"]
) -> list[float]:
    """LLaDA's equation (3), one token at a time."""
    found = []
    for row, hidden, t in zip(ids, masked, share.tolist(), strict=True):
        logits = plain_logits(model, row.masked_fill(hidden, model.mask))
        total = 0.0
        for i in range(len(row)):
            if hidden[i]:
                total -= float(logits[i].log_softmax(-1)[row[i]]) / t
        found.append(total / (len(row) - 1))
    return found


@torch.no_grad()
def differences(ids: Int[Tensor, "n"], free: Bool[Tensor, "n"]) -> dict[str, float]:
    """Largest differences, relative to the number where it is a loss."""
    model, lm = masked_lm.load(), tiny_lm.load()
    given = ids.masked_fill(free, model.mask)
    generator = torch.Generator().manual_seed(3)
    rows = torch.randint(lm.vocab_size, (2, 23), generator=generator)
    share = torch.tensor([0.3, 0.9])
    _, masked = corrupt(rows, share, model.mask, generator)
    fast, slow = masked_loss(model, rows, masked, share), torch.tensor(slow_loss(model, rows, masked, share))
    filling, _ = fill(lm.model, ids[None], free, temperature=0.0, generator=generator, never=(lm.bos,))
    text = filling.ids[-1, 0]
    probability = lm.model(text[None])[0][0].clone()
    probability[:, lm.bos] = -torch.inf
    expected = probability.softmax(-1)[:-1].gather(1, text[1:, None])[:, 0][free[1:]]
    exact = joint()
    count = 0.0
    for c, truth, parallel in zip(exact.dependence.tolist(), exact.truth, exact.one_pass, strict=True):
        for s, outcome in enumerate(OUTCOMES):
            p = (1 + c) / 4 if outcome[0] == outcome[1] else (1 - c) / 4
            count = max(count, abs(float(truth[s]) - p), abs(float(parallel[s]) - 0.25))
    logits = plain_logits(model, given)
    scale = float(logits.abs().max())
    return {
        "logits": float((model(given[None])[0] - logits).abs().max()) / scale,
        "objective": float(((fast - slow) / slow).abs().max()),
        "cache": float((filling.probability[-1, 0][free] - expected).abs().max()),
        "coins": count,
    }
