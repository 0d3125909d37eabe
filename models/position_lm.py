"""The language models that differ in nothing but their position scheme: trained on 64 tokens, read on up to 1,024.

Sources: the decoder as in models/tiny_lm.py (Touvron et al. 2023, "LLaMA", section 2.2), without shared keys; the
schemes in models/position_schemes.py. Loss by position: Press et al. 2022, "Train Short, Test Long", section 2.2.
Needles: key-value recall, the smallest form of the passkey task of Mohtashami & Jaggi 2023, section 4.2.

    x_0     = sqrt(d_model) E[ids] + scheme.embed            Vaswani et al. 2017, section 3.4
    x'_l    = x_l + sum_h z_h W_O^h                          A_h = softmax(scheme.scores(q_h, k_h) + mask)
    x_{l+1} = x'_l + swiglu(rms_norm(x'_l))                  z_h = A_h v_h
    logits  = rms_norm(x_L) E^T
    needle  = <key> K v                                      three tokens somewhere in the text: a capital, a digit
    asked   = <key> K                                        later in the same text: the next token must be v

Glossary
    x          residual stream, "b t m"                      E          embedding, (vocab_size, d_model)
    q, k, v    query, key, value                             w_q ...    weight matrices, stored (out, in): y = x W^T
    z          one head's output before W_O                  gain       RMSNorm's learned scale, one per feature
    distance   position of the asked K minus position of the digit to be recalled

Axes: b batch, t query position, s key position, h head, d head feature, m model feature, f feed-forward feature, v
vocabulary. Positions count from 0; position 0 is always <bos>.

Simplified: no KV cache, no dropout. The scheme may be exchanged at each call: nothing is written to the module.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor, nn

from models.fields import no_tick
from models.language_model import ModelUnavailable
from models.position_schemes import ROPE_BASE, SCHEMES, Learned, NoPosition, Rotary
from models.rope_scaling import Scaled, linear, ntk_aware, unscaled, yarn
from models.tiny_lm import BOS, WEIGHTS, rms_norm, swiglu

KEY = "<key>"  # begins a needle, and the question for one
KEYS, VALUES = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789"  # each one token; the plays write no digits
FACTOR = 16.0  # 1,024 tokens / 64: what the tuned models are stretched by


@dataclass(frozen=True)
class Config:
    """The model's size, the same for every scheme."""

    vocab_size: int = 512
    n_layer: int = 2
    n_head: int = 4
    d_head: int = 32
    d_model: int = 96
    d_ff: int = 192
    n_ctx: int = 64  # tokens in a training sequence
    norm_eps: float = 1e-5


class Block(nn.Module):
    """One layer: attention, then the feed-forward layer, each adding to the residual stream."""

    def __init__(self, cfg: Config) -> None:
        super().__init__()
        self.cfg = cfg
        self.gain_attention = nn.Parameter(torch.ones(cfg.d_model))
        self.w_q = nn.Parameter(torch.zeros(cfg.n_head * cfg.d_head, cfg.d_model))
        self.w_k = nn.Parameter(torch.zeros(cfg.n_head * cfg.d_head, cfg.d_model))
        self.w_v = nn.Parameter(torch.zeros(cfg.n_head * cfg.d_head, cfg.d_model))
        self.w_o = nn.Parameter(torch.zeros(cfg.d_model, cfg.n_head * cfg.d_head))
        self.gain_mlp = nn.Parameter(torch.ones(cfg.d_model))
        self.w_gate = nn.Parameter(torch.zeros(cfg.d_ff, cfg.d_model))
        self.w_up = nn.Parameter(torch.zeros(cfg.d_ff, cfg.d_model))
        self.w_down = nn.Parameter(torch.zeros(cfg.d_model, cfg.d_ff))

    def forward(
        self, x: Float[Tensor, "b s m"], scheme: NoPosition, future: Float[Tensor, "t s"]
    ) -> tuple[Float[Tensor, "b t m"], Float[Tensor, "b h t s"]]:
        """The stream after this layer at the last t of the s positions, and their attention."""

        def heads(x: Float[Tensor, "b n m"], weight: Tensor) -> Float[Tensor, "b h n d"]:
            return F.linear(x, weight).unflatten(-1, (-1, self.cfg.d_head)).transpose(1, 2)

        n_query = len(future)
        normed = rms_norm(x, self.gain_attention, self.cfg.norm_eps)
        query, key = heads(normed[:, -n_query:], self.w_q), heads(normed, self.w_k)
        attention = (scheme.scores(query, key) + future).softmax(-1)
        z = attention @ heads(normed, self.w_v)
        x = x[:, -n_query:] + F.linear(z.transpose(1, 2).flatten(2), self.w_o)
        x = x + swiglu(rms_norm(x, self.gain_mlp, self.cfg.norm_eps), self.w_gate, self.w_up, self.w_down)
        return x, attention


class PositionLM(nn.Module):
    """The decoder and its position scheme. `forward` writes nothing to the module, so threads may share it."""

    def __init__(self, cfg: Config, scheme: NoPosition, generator: torch.Generator | None = None) -> None:
        """Random weights from `generator`; without one the matrices stay zero, waiting for `load_state_dict`.

        The scheme's own weights are drawn last: one seed gives all schemes the same decoder to begin with.
        """
        super().__init__()
        self.cfg = cfg
        self.embedding = nn.Parameter(torch.zeros(cfg.vocab_size, cfg.d_model))
        self.layers = nn.ModuleList(Block(cfg) for _ in range(cfg.n_layer))
        self.gain_final = nn.Parameter(torch.ones(cfg.d_model))
        self.scheme = scheme
        if generator is not None:
            for name, weight in self.named_parameters():
                if name.startswith("scheme."):
                    nn.init.normal_(weight, std=TABLE_STD, generator=generator)
                elif weight.dim() == 2:
                    # Each layer adds twice to the stream: smaller steps keep its size independent of depth (GPT-2).
                    depth = (2 * cfg.n_layer) ** -0.5 if name.endswith(("w_o", "w_down")) else 1.0
                    nn.init.normal_(weight, std=weight.shape[1] ** -0.5 * depth, generator=generator)

    def forward(
        self, ids: Int[Tensor, "b s"], scheme: NoPosition | None = None, maps: bool = False, last: int = 0
    ) -> tuple[Float[Tensor, "b t v"], tuple[Float[Tensor, "b h _ s"], ...]]:
        """Logits for the token after each position and, with `maps`, every layer's attention (else none).

        `scheme` takes the place of the model's own. `last`: only at so many positions at the end (0: at all), for which
        the last layer has less to do. Raises IndexError past the end of a learned table.
        """
        scheme = self.scheme if scheme is None else scheme
        n_token = ids.shape[1]
        x = self.embedding[ids] * self.cfg.d_model**0.5 + scheme.embed(n_token)
        future = torch.full((n_token, n_token), -torch.inf).triu(1)
        attentions = []
        for layer in self.layers:
            x, attention = layer(x, scheme, future[-last:] if layer is self.layers[-1] else future)
            if maps:
                attentions.append(attention)
        return F.linear(rms_norm(x, self.gain_final, self.cfg.norm_eps), self.embedding), tuple(attentions)


TABLE_STD = 0.5  # of a learned table before training; the token embeddings begin with 1 per feature


def lengthened(table: Float[Tensor, "n m"], n_ctx: int, seed: int = 0) -> Learned:
    """A learned table with its missing rows drawn afresh, as before training."""
    n_trained, d_model = table.shape
    longer = Learned(max(n_ctx, n_trained), d_model)
    with torch.no_grad():
        nn.init.normal_(longer.table, std=TABLE_STD, generator=torch.Generator().manual_seed(seed))
        longer.table[:n_trained] = table
    return longer.requires_grad_(False)


TUNED: dict[str, Callable[[int, int, float], Scaled]] = {  # of n_pair, trained length, factor
    "plain": lambda n_pair, trained, factor: unscaled(n_pair, ROPE_BASE),
    "linear": lambda n_pair, trained, factor: linear(n_pair, ROPE_BASE, factor),
    "ntk": lambda n_pair, trained, factor: ntk_aware(n_pair, ROPE_BASE, factor),
    "yarn": lambda n_pair, trained, factor: yarn(n_pair, ROPE_BASE, factor, trained),
}


def stretched(tuned: str, factor: float = FACTOR) -> Rotary:
    """The RoPE that a fine-tuned model reads with."""
    cfg = Config()
    scaled = TUNED[tuned](cfg.d_head // 2, cfg.n_ctx, factor)
    return Rotary(scaled.inv_freq, scaled.attention_factor)


# --- the shipped files -----------------------------------------------------------------------------------------------


def file_name(scheme: str, tuned: str = "") -> str:
    """The weights of a scheme, or of its fine-tuned descendant."""
    return f"position_lm_{scheme}{'_' if tuned else ''}{tuned}.safetensors"


@lru_cache(maxsize=16)
def load(scheme: str, tuned: str = "") -> PositionLM:
    """A shipped model: stored in half precision, computed in single. Its `scheme` is the one it was trained with.

    `tuned`: "", or one of TUNED for RoPE stretched by FACTOR and fine-tuned. Raises ModelUnavailable.
    """
    cfg = Config()
    made = stretched(tuned) if tuned else SCHEMES[scheme](cfg.n_head, cfg.d_head, cfg.d_model, cfg.n_ctx)
    model = PositionLM(cfg, made)
    try:
        weights = load_file(WEIGHTS / file_name(scheme, tuned))
        model.load_state_dict({name: weight.float() for name, weight in weights.items()})
    except Exception as error:
        raise ModelUnavailable("shipped_damaged") from error
    return model.requires_grad_(False).eval()


@lru_cache(maxsize=1)
def tokenizer() -> Tokenizer:
    """Byte-level BPE of 512 pieces, <bos> and <key> among them. Raises ModelUnavailable."""
    try:
        made = Tokenizer.from_file(str(WEIGHTS / "position_lm.tokenizer.json"))
    except Exception as error:  # tokenizers raises bare Exception
        raise ModelUnavailable("shipped_damaged") from error
    made.encode_special_tokens = True  # "<key>" typed by a reader is five characters, not the token
    return made


@lru_cache(maxsize=1)
def _held_out() -> Int[Tensor, "b t"]:
    try:
        return load_file(WEIGHTS / "position_lm.heldout.safetensors")["ids"].long()
    except Exception as error:
        raise ModelUnavailable("shipped_damaged") from error


def held_out(n_row: int, n_token: int) -> Int[Tensor, "b t"]:
    """The first `n_token` tokens of `n_row` held-out rows (a play never trained on), each begun by <bos>."""
    rows = _held_out()
    if not (1 <= n_row <= rows.shape[0] and 1 <= n_token <= rows.shape[1]):
        raise ValueError(f"held out: {rows.shape[0]} rows of {rows.shape[1]} tokens, not {n_row} of {n_token}")
    return rows[:n_row, :n_token]


# --- measured on them ------------------------------------------------------------------------------------------------


@torch.no_grad()
def loss_by_position(
    model: PositionLM,
    ids: Int[Tensor, "b t"],
    scheme: NoPosition | None = None,
    tick: Callable[[float], None] = no_tick,
) -> Float[Tensor, "b u"]:
    """-log p in nats of the token after each position, u = t - 1. One row at a time: memory stays small."""
    rows = []
    for i, row in enumerate(ids):
        logits = model(row[None, :-1], scheme)[0][0]
        rows.append(F.cross_entropy(logits, row[1:], reduction="none"))
        tick((i + 1) / len(ids))
    return torch.stack(rows)


@dataclass(frozen=True)
class Alphabet:
    """The token ids that needles are made of."""

    bos: int
    key: int
    keys: Int[Tensor, "k"]
    values: Int[Tensor, "w"]


def alphabet(tokenizer: Tokenizer) -> Alphabet:
    known = tokenizer.get_vocab()
    keys, values = (torch.tensor([known[c] for c in letters]) for letters in (KEYS, VALUES))
    return Alphabet(known[BOS], known[KEY], keys, values)


def slots(n_slot: int, low: int, high: int, generator: torch.Generator) -> list[int]:
    """First positions of `n_slot` stretches of three tokens within low .. high - 1 that do not overlap, in order."""
    free = high - low - 2 * n_slot  # each stretch shrunk to one position
    start = torch.randperm(free, generator=generator)[:n_slot].sort().values
    return [low + int(p) + 2 * i for i, p in enumerate(start)]


@torch.no_grad()
def needle_rows(n_token: int, distance: int, n_row: int, seed: int = 0) -> tuple[Int[Tensor, "b t"], Int[Tensor, "b"]]:
    """Held-out text with needles over it: rows that end by asking for one of them, and the digit that must follow.

    The digit stands exactly `distance` positions before the end. Up to three other needles, with other keys and
    digits of their own, stand at random places. Raises ValueError for a distance that does not fit.
    """
    if not 2 <= distance <= n_token - 4:
        raise ValueError(f"a needle {distance} positions before the end of {n_token} tokens: 2 to {n_token - 4} fit")
    letters = alphabet(tokenizer())
    generator = torch.Generator().manual_seed(seed)
    text = held_out(_held_out().shape[0], n_token)
    rows = text[torch.randint(len(text), (n_row,), generator=generator)].clone()
    asked = n_token - 1 - distance  # where the digit stands
    before, after = max(0, (asked - 3) // 3), max(0, (n_token - 3 - asked) // 3)
    answers = []
    for row in rows:
        n_before = min(before, int(torch.randint(4, (), generator=generator)))
        n_after = min(after, 3 - n_before)
        places = slots(n_before, 1, asked - 2, generator) + slots(n_after, asked + 1, n_token - 2, generator)
        keys = letters.keys[torch.randperm(len(letters.keys), generator=generator)[: len(places) + 1]]
        values = letters.values[torch.randint(len(letters.values), (len(places) + 1,), generator=generator)]
        for place, key, value in zip([asked - 2, *places], keys, values, strict=True):
            row[place : place + 3] = torch.stack((torch.tensor(letters.key), key, value))
        row[-2:] = torch.stack((torch.tensor(letters.key), keys[0]))
        answers.append(values[0])
    return rows, torch.stack(answers)


@torch.no_grad()
def needle_accuracy(
    model: PositionLM,
    n_token: int,
    distance: int,
    n_row: int = 32,
    seed: int = 0,
    scheme: NoPosition | None = None,
    tick: Callable[[float], None] = no_tick,
) -> float:
    """Share of rows whose likeliest next token, of all, is the digit asked for. Guessing a digit gives 0.1."""
    rows, answers = needle_rows(n_token, distance, n_row, seed)
    right = 0
    for i, (row, answer) in enumerate(zip(rows, answers, strict=True)):
        right += int(model(row[None], scheme)[0][0, -1].argmax() == answer)
        tick((i + 1) / n_row)
    return right / n_row
