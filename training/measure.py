"""What a small language model has learned, as numbers: held-out loss, a previous-token head, induction.

Source: Olsson et al. 2022, "In-context Learning and Induction Heads": the test on repeated random tokens (section
"Argument 1") and both head scores ("prefix matching" and previous-token heads).

    sequence           <bos> r_1 .. r_n r_1 .. r_n           r uniform over the vocabulary: only copying helps
    previous token     mean over t of A[t, t - 1]
    induction          mean over t in the second half of A[t, s + 1], where s is the first occurrence of token t
    loss               -log p(next token) in nats, mean over the first half and over the second half
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from models.tiny_lm import TinyLanguageModel, TinyLM


def token_loss(logits: Float[Tensor, "b t v"], ids: Int[Tensor, "b t"]) -> Float[Tensor, "b u"]:
    """-log p of each token from the second on, in nats."""
    loss = F.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten(), reduction="none")
    return loss.unflatten(0, (len(ids), -1))


def repeated_random(n_row: int, n: int, vocab_size: int, bos: int, generator: torch.Generator) -> Int[Tensor, "b t"]:
    """<bos> r_1 .. r_n r_1 .. r_n, one row per experiment; within a row no token is drawn twice. t = 1 + 2 n."""
    allowed = torch.tensor([i for i in range(vocab_size) if i != bos])
    rows = torch.stack([allowed[torch.randperm(len(allowed), generator=generator)[:n]] for _ in range(n_row)])
    return torch.cat((torch.full((n_row, 1), bos), rows, rows), dim=1)


def previous_token_score(attention: Float[Tensor, "*b t s"]) -> Float[Tensor, "*b"]:
    """Mean attention to the position just before. 1 for a perfect previous-token head."""
    return attention.diagonal(-1, -2, -1).mean(-1)


def induction_score(attention: Float[Tensor, "*b t s"], n: int) -> Float[Tensor, "*b"]:
    """Mean attention from a token's second occurrence to the token after its first, on <bos> r_1..r_n r_1..r_n.

    Position t = n + i holds r_i again; r_i stood first at i, the token after it at i + 1 = t - (n - 1).
    """
    return attention.diagonal(-(n - 1), -2, -1)[..., 2:].mean(-1)


@dataclass(frozen=True)
class Head:
    """One head and how well it does something."""

    layer: int
    head: int
    score: float


@dataclass(frozen=True)
class Induction:
    """The repeated-random-tokens test. Losses in nats per token."""

    n: int  # tokens before they repeat
    rows: int
    seed: int
    loss_first: float
    loss_second: float
    loss_uniform: float  # of a model that knows nothing: log(vocab_size)
    induction_head: Head
    previous_token_head: Head


def best(score: Float[Tensor, "l h"]) -> Head:
    """The head with the highest score."""
    layer, head = divmod(int(score.argmax()), score.shape[1])
    return Head(layer, head, round(float(score.max()), 4))


@torch.no_grad()
def held_out_loss(lm: TinyLanguageModel, texts: list[str]) -> dict[str, float | int]:
    """Mean loss over the texts' tokens, in nats per token and, comparable between tokenizers, in bits per byte."""
    nats, n_token, n_byte = 0.0, 0, sum(len(text.encode()) for text in texts)
    for text in texts:
        ids = lm.encode(text)
        # Windows of n_ctx that each start with <bos>, as in training; every token is predicted exactly once.
        for start in range(1, len(ids), lm.n_ctx - 1):
            window = torch.tensor([[lm.bos, *ids[start : start + lm.n_ctx - 1]]])
            loss = token_loss(lm.model(window)[0], window)
            nats, n_token = nats + float(loss.sum()), n_token + loss.numel()
    return {
        "nats_per_token": round(nats / n_token, 4),
        "bits_per_byte": round(nats / n_byte / math.log(2), 4),
        "tokens": n_token,
        "bytes": n_byte,
    }


@torch.no_grad()
def previous_token_on_text(lm: TinyLanguageModel, texts: list[str]) -> Float[Tensor, "l h"]:
    """Previous-token score of every head, averaged over the texts (each cut to n_ctx)."""
    scores = [previous_token_score(lm.read(lm.encode(text)[: lm.n_ctx]).attention) for text in texts]
    return torch.stack(scores).mean(0)


@torch.no_grad()
def induction(model: TinyLM, bos: int, n: int = 60, n_row: int = 32, seed: int = 0) -> Induction:
    """Losses of both halves and the best heads."""
    ids = repeated_random(n_row, n, model.cfg.vocab_size, bos, torch.Generator().manual_seed(seed))
    logits, traces = model(ids)
    loss = token_loss(logits, ids).mean(0)
    attention = torch.stack([trace.attention.mean(0) for trace in traces])
    return Induction(
        n=n,
        rows=n_row,
        seed=seed,
        loss_first=round(float(loss[:n].mean()), 4),
        loss_second=round(float(loss[n:].mean()), 4),
        loss_uniform=round(math.log(model.cfg.vocab_size), 4),
        induction_head=best(induction_score(attention, n)),
        previous_token_head=best(previous_token_score(attention)),
    )
