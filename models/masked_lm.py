"""The masked diffusion language model trained here: tiny-lm's body, looking both ways, taught to fill in masks.

Sources: Nie et al. 2025, "Large Language Diffusion Models" (LLaDA), section 2.1, equation (3) and algorithm 1; the same
bound in Sahoo et al. 2024, "Simple and Effective Masked Diffusion Language Models" (MDLM), section 3, and Shi et al.
2024. Starting from the weights of an autoregressive model: Gong et al. 2024, "Scaling Diffusion Language Models via
Adaptation from Autoregressive Models" (DiffuLLaMA), section 3.

    t ~ U(0, 1),    each token becomes [MASK] with probability t
    loss = - (1 / n) sum over masked i of log p(x_i | what is visible) / t           >=  - (1 / n) log p(x), on average

Glossary
    t             share of masks, the "time" of this diffusion: 1 all masked, 0 clean text
    1 / t         weight: a draw with few masks is a draw with few terms, and each term counts for more
    p(x_i | ...)  one pass over the whole sequence gives it for every masked position at once, each on its own
    shift         the guess for position i is read at position i - 1, as the autoregressive weights learned it

Conventions: position 0 is <bos> and is never masked. No causal mask, otherwise tiny-lm's layer: RMSNorm, RoPE, grouped
keys, SwiGLU, tied embeddings; see models/tiny_lm.py. The model is never told t: how many masks it sees says it (Ou et
al. 2024). Simplified: no dropout, no padding.
"""

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from safetensors.torch import load_file
from torch import Tensor, nn

from models import tiny_lm
from models.language_model import ModelUnavailable
from models.tiny_lm import WEIGHTS, rms_norm, rope, rope_angle, swiglu

N_MAX = 128  # tokens in a sequence, <bos> included: what it was trained on


class Block(tiny_lm.Block):
    """tiny-lm's layer without its causal mask: every position looks at every position."""

    def forward(  # type: ignore[override]
        self, x: Float[Tensor, "b t m"], angle: Float[Tensor, "t p"]
    ) -> Float[Tensor, "b t m"]:
        normed = rms_norm(x, self.gain_attention, self.cfg.norm_eps)

        def heads(weight: Tensor) -> Float[Tensor, "b h t d"]:
            return F.linear(normed, weight).unflatten(-1, (-1, self.cfg.d_head)).transpose(1, 2)

        query, key, value = rope(heads(self.w_q), angle), rope(heads(self.w_k), angle), heads(self.w_v)
        z = F.scaled_dot_product_attention(query, key, value, enable_gqa=True)
        x = x + F.linear(z.transpose(1, 2).flatten(2), self.w_o)
        return x + swiglu(rms_norm(x, self.gain_mlp, self.cfg.norm_eps), self.w_gate, self.w_up, self.w_down)


class MaskedLM(nn.Module):
    """Token ids with masks -> logits for every position. The id `vocab_size` is [MASK]; it is never an answer."""

    def __init__(self, cfg: tiny_lm.Config, shift: bool = True, generator: torch.Generator | None = None) -> None:
        """Random weights from `generator`; without one the matrices wait for `load_state_dict`."""
        super().__init__()
        self.cfg, self.shift = cfg, shift
        body = tiny_lm.TinyLM(cfg, generator)
        self.embedding, self.gain_final = body.embedding, body.gain_final
        self.embedding_mask = nn.Parameter(body.embedding.detach().mean(0, keepdim=True))
        self.layers = nn.ModuleList(Block(cfg) for _ in range(cfg.n_layer))
        for mine, theirs in zip(self.layers, body.layers, strict=True):
            mine.load_state_dict(theirs.state_dict())

    @property
    def mask(self) -> int:
        """The id of [MASK]."""
        return self.cfg.vocab_size

    def hidden(self, ids: Int[Tensor, "b t"]) -> Float[Tensor, "b t m"]:
        """What the last layer hands to the embedding table, at the position it speaks about."""
        angle = rope_angle(ids.shape[1], self.cfg.n_pair, self.cfg.rope_base)
        x = F.embedding(ids, torch.cat((self.embedding, self.embedding_mask)))
        for layer in self.layers:
            x = layer(x, angle)
        x = rms_norm(x, self.gain_final, self.cfg.norm_eps)
        return torch.cat((x[:, :1], x[:, :-1]), dim=1) if self.shift else x

    def forward(self, ids: Int[Tensor, "b t"]) -> Float[Tensor, "b t v"]:
        """Logits over the vocabulary for every position, masked or not."""
        return F.linear(self.hidden(ids), self.embedding)


# --- the objective ---------------------------------------------------------------------------------------------------


def shares(n_row: int, generator: torch.Generator) -> Float[Tensor, "b"]:
    """t of each row, uniform on (0, 1] and spread evenly over the batch: one shared offset, equal distances.

    Each row alone is uniform, and the batch's mean loss varies less (MDLM, appendix C.3).
    """
    t = (torch.rand((), generator=generator) + torch.arange(n_row)) / n_row
    return t.clamp(min=1e-3)


def corrupt(
    ids: Int[Tensor, "b t"], share: Float[Tensor, "b"], mask: int, generator: torch.Generator
) -> tuple[Int[Tensor, "b t"], Bool[Tensor, "b t"]]:
    """(ids with masks, which are masked): each token but the first becomes a mask with its row's probability."""
    masked = torch.rand(ids.shape, generator=generator) < share[:, None]
    masked[:, 0] = False
    return ids.masked_fill(masked, mask), masked


def masked_loss(
    model: MaskedLM, ids: Int[Tensor, "b t"], masked: Bool[Tensor, "b t"], share: Float[Tensor, "b"]
) -> Float[Tensor, "b"]:
    """Each row's sum over its masked tokens of -log p / t, per token: LLaDA's equation (3), in nats."""
    x = model.hidden(ids.masked_fill(masked, model.mask))
    # Only the masked positions have a term, so only they need logits.
    loss = F.cross_entropy(F.linear(x[masked], model.embedding), ids[masked], reduction="none")
    weighted = loss / share[:, None].expand_as(ids)[masked]
    row = masked.nonzero()[:, 0]
    return torch.zeros(len(ids)).index_add(0, row, weighted) / (ids.shape[1] - 1)


# --- the shipped model -----------------------------------------------------------------------------------------------


@lru_cache(maxsize=2)
def load(folder: Path = WEIGHTS) -> MaskedLM:
    """The shipped model: stored in half precision, computed in single. Raises ModelUnavailable."""
    try:
        about = card(folder)
        weights = load_file(folder / "masked_lm.safetensors")
        model = MaskedLM(tiny_lm.Config(**about["config"]), about["shift"])
        model.load_state_dict({name: weight.float() for name, weight in weights.items()})
    except Exception as error:
        raise ModelUnavailable("shipped_damaged") from error
    return model.requires_grad_(False).eval()


@lru_cache(maxsize=2)
def card(folder: Path = WEIGHTS) -> dict[str, Any]:
    """How it was trained and what was measured: models/weights/masked_lm.json."""
    return json.loads((folder / "masked_lm.json").read_text(encoding="utf-8"))


def predict(model: MaskedLM, ids: Int[Tensor, "b t"], never: Sequence[int] = ()) -> Float[Tensor, "b t v"]:
    """Logits in which the tokens `never` cannot be drawn: <bos> would end the text."""
    logits = model(ids)
    logits[..., list(never)] = -torch.inf
    return logits
