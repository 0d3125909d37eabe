"""Early fusion in miniature: one causal transformer reads and writes words and picture codes in one sequence.

Sources: Chameleon Team 2024, "Chameleon: Mixed-Modal Early-Fusion Foundation Models", section 2 (one vocabulary, begin
and end marks around a picture's codes), section 2.3 (queries and keys normalised); Ho & Salimans 2022, "Classifier-Free
Diffusion Guidance", with next-token logits as in Gafni et al. 2022, "Make-A-Scene", section 3.4.

    writing   START words BOI k_1 ... k_64 EOI END          a caption becomes a picture
    reading   START BOI k_1 ... k_64 EOI words END          a picture becomes a caption
    x_t = E[token_t] + P[place_t]           h = x + blocks(x)           p(next) = softmax(norm(h_t) E^T)

Glossary
    BOI, EOI   begin and end of a picture            k     code of a place of 4 x 4 pixels, models/vq_scenes.py
    place      a word's number since the last picture, or a code's place in its picture
    guidance   logits of two sequences, with the caption and without: u + g (c - u); a picture that follows START at
               once is the one without

Conventions: token ids are those of models/scene_questions.py, then BOI and EOI, then the codes. Simplified beside
Chameleon: places are learned vectors instead of rotations, 64 codes out of 256 for a picture instead of 1024 out of
8192, and words are whole words.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from safetensors.torch import load_file
from torch import Tensor, nn

from models.fields import no_tick
from models.language_model import ModelUnavailable
from models.scene_questions import END_ID, PAD_ID, START_ID, VOCABULARY
from models.tiny_lm import WEIGHTS
from models.vq_scenes import N_CODE, N_PLACE

N_WORD = len(VOCABULARY)
BOI_ID, EOI_ID = N_WORD, N_WORD + 1
FIRST_CODE = N_WORD + 2
N_TOKEN = FIRST_CODE + N_CODE
MOST_WORDS = 32  # since the last picture: the places that have a vector
NAME = "early_fusion"
SHORT = 256


@dataclass(frozen=True)
class Shape:
    """How large it is."""

    d_model: int = 96
    n_layer: int = 3
    n_head: int = 4
    d_ff: int = 288


def places(ids: Sequence[int]) -> list[int]:
    """Where each token stands: words count from the last picture on, codes and the marks around them in the picture."""
    found, word, code = [], 0, -1
    for token in ids:
        if token == BOI_ID:
            code, word = 0, 0
            found.append(MOST_WORDS + N_PLACE)
        elif token == EOI_ID:
            code = -1
            found.append(MOST_WORDS + N_PLACE + 1)
        elif code >= 0 and token >= FIRST_CODE:
            found.append(MOST_WORDS + min(code, N_PLACE - 1))
            code += 1
        else:
            found.append(min(word, MOST_WORDS - 1))
            word += 1
    return found


def writing(words: Sequence[int], codes: Sequence[int]) -> list[int]:
    """A caption, then its picture."""
    return [START_ID, *words, *picture(codes), END_ID]


def reading(words: Sequence[int], codes: Sequence[int]) -> list[int]:
    """A picture, then its caption."""
    return [START_ID, *picture(codes), *words, END_ID]


def picture(codes: Sequence[int]) -> list[int]:
    """A whole picture as tokens: its codes between the marks."""
    return [BOI_ID, *(FIRST_CODE + code for code in codes), EOI_ID]


class Block(nn.Module):
    """Causal attention with normalised queries and keys, then a gated feed-forward layer; norms come first."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        d = shape.d_model
        self.n_head = shape.n_head
        self.norm_1, self.norm_2 = nn.RMSNorm(d), nn.RMSNorm(d)
        self.norm_q, self.norm_k = nn.RMSNorm(d // shape.n_head), nn.RMSNorm(d // shape.n_head)
        self.qkv = nn.Linear(d, 3 * d, bias=False)
        self.out = nn.Linear(d, d, bias=False)
        self.gate_up = nn.Linear(d, 2 * shape.d_ff, bias=False)
        self.down = nn.Linear(shape.d_ff, d, bias=False)

    def forward(
        self, x: Float[Tensor, "b t d"], keep: bool = False
    ) -> tuple[Float[Tensor, "b t d"], Float[Tensor, "b h t s"] | None]:
        """keep: also the attention weights."""
        b, t, d = x.shape
        q, k, v = self.qkv(self.norm_1(x)).view(b, t, 3, self.n_head, -1).permute(2, 0, 3, 1, 4)
        q, k = self.norm_q(q.float()), self.norm_k(k.float())
        weights = None
        if keep or t <= SHORT:  # faster than the fused kernel where sequences are short
            later = torch.ones(t, t, dtype=torch.bool).triu(1)
            score = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
            weights = score.masked_fill(later, -torch.inf).softmax(-1)
            mixed = weights.to(v.dtype) @ v
        else:
            mixed = F.scaled_dot_product_attention(q, k, v.to(q.dtype), is_causal=True)
        x = x + self.out(mixed.transpose(1, 2).reshape(b, t, d))
        gate, up = self.gate_up(self.norm_2(x)).chunk(2, -1)
        return x + self.down(F.silu(gate) * up), weights if keep else None


class EarlyFusion(nn.Module):
    """Tokens in, logits of the next token out; words and codes are not told apart."""

    def __init__(self, shape: Shape = Shape()) -> None:
        super().__init__()
        self.shape = shape
        self.embed = nn.Embedding(N_TOKEN, shape.d_model)
        self.place = nn.Embedding(MOST_WORDS + N_PLACE + 2, shape.d_model)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.n_layer))
        self.norm = nn.RMSNorm(shape.d_model)

    def start(self, generator: torch.Generator) -> "EarlyFusion":
        """Fresh weights. Returns itself."""
        for name, weight in self.named_parameters():
            if weight.dim() > 1:
                scale = (2 * self.shape.n_layer) ** -0.5 if name.endswith(("out.weight", "down.weight")) else 1.0
                nn.init.normal_(
                    weight, std=0.02 if "blocks" not in name else scale * weight.shape[1] ** -0.5, generator=generator
                )
        return self

    def forward(
        self, ids: Int[Tensor, "b t"], place: Int[Tensor, "b t"], keep: bool = False
    ) -> tuple[Float[Tensor, "b t v"], tuple[Float[Tensor, "b h t s"], ...]]:
        """Logits, and with `keep` the attention of every layer."""
        x = self.embed(ids) + self.place(place)
        attention = []
        for block in self.blocks:
            x, weights = block(x, keep)
            if weights is not None:
                attention.append(weights)
        return self.norm(x) @ self.embed.weight.T, tuple(attention)


def batch(rows: Sequence[Sequence[int]]) -> tuple[Int[Tensor, "b t"], Int[Tensor, "b t"]]:
    """Ids and places, padded on the right to the longest."""
    longest = max(map(len, rows))
    ids = torch.tensor([[*row, *[PAD_ID] * (longest - len(row))] for row in rows])
    place = torch.tensor([[*places(row), *[0] * (longest - len(row))] for row in rows])
    return ids, place


@dataclass(frozen=True)
class Written:
    """Pictures written token by token."""

    code: Int[Tensor, "b n"]
    chance: Float[Tensor, "b n"]  # the model's probability of each code it drew, before temperature and guidance


@torch.no_grad()
def write(
    model: EarlyFusion,
    words: Sequence[int],
    n: int,
    generator: torch.Generator,
    guidance: float = 1.0,
    temperature: float = 1.0,
    known: Sequence[int] = (),
    tick: Callable[[float], None] = no_tick,
) -> Written:
    """n pictures of one caption, each code drawn in its turn; `known`: codes that are given, the first ones."""
    start = [START_ID, *words, BOI_ID, *(FIRST_CODE + code for code in known)]
    bare = [START_ID, BOI_ID, *start[2 + len(words) :]]
    ids, without = (torch.tensor([row] * n) for row in (start, bare))
    chances = [torch.ones(n, len(known))]
    for i in range(len(known), N_PLACE):
        logits = _codes(model, ids)
        chance = logits.softmax(-1)
        if guidance != 1:
            none = _codes(model, without)
            logits = none + guidance * (logits - none)
        if temperature > 0:
            drawn = torch.multinomial((logits / temperature).softmax(-1), 1, generator=generator)
        else:
            drawn = logits.argmax(-1, keepdim=True)
        chances.append(chance.gather(1, drawn))
        ids, without = (torch.cat((row, drawn + FIRST_CODE), 1) for row in (ids, without))
        tick((i + 1) / N_PLACE)
    return Written(ids[:, -N_PLACE:] - FIRST_CODE, torch.cat(chances, 1))


def _codes(model: EarlyFusion, ids: Int[Tensor, "b t"]) -> Float[Tensor, "b k"]:
    """Logits of the codes at the next place."""
    place = torch.tensor(places(ids[0].tolist())).expand_as(ids)
    return model(ids, place)[0][:, -1, FIRST_CODE:]


@dataclass(frozen=True)
class Read:
    """A caption written after a picture: its words and the probability of each."""

    words: tuple[int, ...]
    chance: tuple[float, ...]


@torch.no_grad()
def read(model: EarlyFusion, codes: Sequence[int], opening: Sequence[int] = ()) -> Read:
    """The likeliest word each time, until END; `opening`: its first words, which choose the language."""
    ids, chance = [START_ID, *picture(codes), *opening], [1.0] * len(opening)
    while len(chance) < MOST_WORDS:
        logits = model(*batch([ids]))[0][0, -1, :N_WORD]
        best = int(logits.argmax())
        if best == END_ID:
            break
        chance.append(float(logits.softmax(-1)[best]))
        ids.append(best)
    return Read(tuple(ids[3 + N_PLACE :]), tuple(chance))


@dataclass(frozen=True)
class Trained:
    """The shipped model and its card."""

    model: EarlyFusion
    card: dict[str, Any]


@cache
def load() -> Trained:
    """From models/weights. Raises ModelUnavailable where they are missing."""
    file = WEIGHTS / f"{NAME}.safetensors"
    if not file.exists():
        raise ModelUnavailable(NAME)
    model = EarlyFusion().eval().requires_grad_(False)
    model.load_state_dict({key: value.float() for key, value in load_file(file).items()})
    return Trained(model, json.loads((WEIGHTS / f"{NAME}.json").read_text(encoding="utf-8")))
