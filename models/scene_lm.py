"""The language model of the scenes: a Llama-type decoder that reads vectors, so that a picture can take words' places.

Sources: Touvron et al. 2023, "LLaMA", section 2.2 (the recipe; models/tiny_lm.py has it part by part). Reading vectors
instead of ids is how Liu et al. 2023, "Visual Instruction Tuning" (LLaVA), section 4.1, bring pictures in: the image
tokens H_v = W Z_v stand in the sequence like word embeddings.

    x_0     = word embeddings and image tokens in the order of the sequence
    x'_l    = x_l + Attention(rms_norm(x_l))            queries and keys turned by RoPE
    x_{l+1} = x'_l + SwiGLU(rms_norm(x'_l))
    logits  = rms_norm(x_L) E^T                         E: the embedding table of the 95 words (tied)

Glossary
    allowed    allowed[t, s]: whether position t may look at position s; lower triangular in the plain case
    position   what RoPE counts; 0, 1, 2, ... in the plain case
    segment    0 the context (picture or caption), 1, 2, ... turns that follow it, -1 padding. In training several turns
               stand side by side: each sees the context and itself, and counts its positions on from the context

Axes: b batch, t query position, s key position, h head, d head feature, m model feature, v vocabulary, p RoPE pair.
"""

from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from models.language_model import ModelUnavailable
from models.scene_questions import VOCABULARY
from models.stored_rows import read
from models.tiny_lm import WEIGHTS, Config, rms_norm, swiglu

CONFIG = Config(
    vocab_size=len(VOCABULARY), n_layer=3, n_kv_head=4, group_size=1, n_pair=12, d_model=96, d_ff=256, n_ctx=256,
    rope_base=1_000.0,
)  # fmt: skip


@dataclass(frozen=True)
class Read:
    """One pass. `hidden` and `attention` are empty unless asked for; hidden[0] is the input."""

    logits: Float[Tensor, "b t v"]
    hidden: tuple[Float[Tensor, "b t m"], ...] = ()
    attention: tuple[Float[Tensor, "b h t s"], ...] = ()


def causal(n: int) -> Bool[Tensor, "1 t s"]:
    """Everything up to itself."""
    return torch.ones(1, n, n, dtype=torch.bool).tril()


def side_by_side(segment: Int[Tensor, "b t"]) -> tuple[Bool[Tensor, "b t s"], Int[Tensor, "b t"]]:
    """(allowed, position) for turns packed after one context. Padding sees only itself."""
    n = segment.shape[1]
    same = segment[:, :, None] == segment[:, None, :]
    context = (segment == 0)[:, None, :] & (segment >= 0)[:, :, None]
    allowed = (same & (segment >= 0)[:, None, :] | context) & causal(n) | torch.eye(n, dtype=torch.bool)
    own = (same & causal(n)).sum(-1) - 1
    return allowed, own + torch.where(segment > 0, (segment == 0).sum(1, keepdim=True), 0)


def turn(
    x: Float[Tensor, "b h t d"], cos: Float[Tensor, "#b 1 t p"], sin: Float[Tensor, "#b 1 t p"]
) -> Float[Tensor, "b h t d"]:
    """RoPE in half-split pairs, positive angle."""
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)


class Block(nn.Module):
    """Attention, then the feed-forward layer, each adding to the residual stream."""

    def __init__(self, cfg: Config) -> None:
        super().__init__()
        self.cfg = cfg
        width = cfg.n_head * cfg.d_head
        self.gain_attention = nn.Parameter(torch.ones(cfg.d_model))
        self.w_qkv = nn.Parameter(torch.zeros(3 * width, cfg.d_model))
        self.w_o = nn.Parameter(torch.zeros(cfg.d_model, width))
        self.gain_mlp = nn.Parameter(torch.ones(cfg.d_model))
        self.w_gate = nn.Parameter(torch.zeros(cfg.d_ff, cfg.d_model))
        self.w_up = nn.Parameter(torch.zeros(cfg.d_ff, cfg.d_model))
        self.w_down = nn.Parameter(torch.zeros(cfg.d_model, cfg.d_ff))

    def forward(
        self,
        x: Float[Tensor, "b t m"],
        cos: Float[Tensor, "#b 1 t p"],
        sin: Float[Tensor, "#b 1 t p"],
        allowed: Bool[Tensor, "#b t s"],
        keep: bool,
    ) -> tuple[Float[Tensor, "b t m"], Float[Tensor, "b h t s"] | None]:
        cfg, weights = self.cfg, None
        normed = rms_norm(x, self.gain_attention, cfg.norm_eps)
        query, key, value = F.linear(normed, self.w_qkv).unflatten(-1, (3, cfg.n_head, -1)).permute(2, 0, 3, 1, 4)
        query, key = turn(query, cos, sin).to(value.dtype), turn(key, cos, sin).to(value.dtype)
        if keep:
            score = query @ key.transpose(-1, -2) * cfg.d_head**-0.5
            weights = score.masked_fill(~allowed[:, None], -torch.inf).softmax(-1)
            z = weights @ value
        else:
            z = F.scaled_dot_product_attention(query, key, value, attn_mask=allowed[:, None])
        x = x + F.linear(z.transpose(1, 2).flatten(2), self.w_o)
        return x + swiglu(rms_norm(x, self.gain_mlp, cfg.norm_eps), self.w_gate, self.w_up, self.w_down), weights


class SceneLM(nn.Module):
    """The decoder. `forward` writes nothing to the module, so threads may share it."""

    def __init__(self, cfg: Config = CONFIG, generator: torch.Generator | None = None) -> None:
        """Random weights from `generator`; without one the matrices are zero, waiting for `load_state_dict`."""
        super().__init__()
        self.cfg = cfg
        self.embedding = nn.Parameter(torch.zeros(cfg.vocab_size, cfg.d_model))
        self.layers = nn.ModuleList(Block(cfg) for _ in range(cfg.n_layer))
        self.gain_final = nn.Parameter(torch.ones(cfg.d_model))
        if generator is not None:
            for name, weight in self.named_parameters():
                if weight.dim() == 2:
                    # What layers add starts small beside the words: with a louder start it took twice as many steps
                    # until answers depended on the question at all.
                    depth = 0.3 * (2 * cfg.n_layer) ** -0.5 if name.endswith(("w_o", "w_down")) else 1.0
                    std = 0.15 if name == "embedding" else weight.shape[1] ** -0.5 * depth
                    nn.init.normal_(weight, std=std, generator=generator)

    def embed(self, ids: Int[Tensor, "b t"]) -> Float[Tensor, "b t m"]:
        """One row of the table per word."""
        return F.embedding(ids, self.embedding)

    def forward(
        self,
        x: Float[Tensor, "b t m"],
        allowed: Bool[Tensor, "#b t s"] | None = None,
        position: Int[Tensor, "#b t"] | None = None,
        keep: bool = False,
    ) -> Read:
        """Logits for the word after each position. `keep`: also what flows between the layers, and the attention."""
        n = x.shape[1]
        if allowed is None:
            allowed = causal(n)
        if position is None:
            position = torch.arange(n)[None]
        frequency = 1.0 / self.cfg.rope_base ** (torch.arange(self.cfg.n_pair) / self.cfg.n_pair)
        angle = (position[:, :, None] * frequency)[:, None]
        cos, sin = angle.cos(), angle.sin()
        hidden, attention = [x], []
        for layer in self.layers:
            x, weights = layer(x, cos, sin, allowed, keep)
            if keep:
                hidden.append(x)
                attention.append(weights)
        logits = F.linear(rms_norm(x, self.gain_final, self.cfg.norm_eps), self.embedding)
        return Read(logits, tuple(hidden) if keep else (), tuple(attention))


@lru_cache(maxsize=1)
def load() -> SceneLM:
    """The model as pretrained on text alone. Raises ModelUnavailable."""
    model = SceneLM()
    try:
        model.load_state_dict(read(WEIGHTS / "scene_lm.safetensors"))
    except Exception as error:
        raise ModelUnavailable("shipped_damaged") from error
    return model.requires_grad_(False).eval()
