"""Can a transformer without any position encoding tell where a token stands? Two small models are asked, and trained.

Sources: Kazemnejad et al. 2023, "The Impact of Positional Encoding on Length Generalization in Transformers": the first
layer of a causal decoder can find every token's absolute position without an encoding (theorem 1). Haviv et al. 2022,
"Transformer Language Models without Positional Encodings Still Learn Positional Information": trained ones do.

    input    <bos> and N_PLACE random tokens: what a token is tells nothing about where it stands
    target   at every place its own number, 0 .. N_PLACE
    causal   a token that gives all it sees the same weight gives <bos> 1 / (t + 1), which tells t
    full     z(P e) = P z(e): equal tokens have equal outputs wherever they stand, so no answer beats a guess

Both models start from the same weights and see the same tokens in the same order; only the mask differs.

Glossary
    x        residual stream, "b t m"       w_q ...  weights, stored (out, in)       rate    learning rate
    share    correct answers of all         parity   answers that are at least even where the place is even

Axes: b batch, t place, m model feature, k evaluation. Layers: rms_norm without gains, attention, GELU; no biases.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from models.fields import no_tick

N_PLACE, N_TOKEN = 12, 4  # places after <bos>, different tokens
N_LAYER, N_HEAD, D_MODEL = 2, 2, 32
N_STEP, EVERY, N_BATCH, RATE = 400, 20, 32, 1e-2
N_TEST = 256


@dataclass(frozen=True)
class Learned:
    """How the two models did on sequences they had not seen, as training went on."""

    step: Int[Tensor, "k"]
    causal: Float[Tensor, "k"]  # share of places after <bos> that were named right
    full: Float[Tensor, "k"]
    parity_causal: float  # at the end
    parity_full: float
    chance: float  # the best that the same answer everywhere can do


Weights = dict[str, Tensor]


def initial(seed: int) -> Weights:
    """Random weights of variance 1 / fan-in; embeddings of variance 1."""
    generator = torch.Generator().manual_seed(seed)
    m = D_MODEL
    shapes = {"embedding": (N_TOKEN + 1, m), "answer": (N_PLACE + 1, m)}
    for layer in range(N_LAYER):
        shapes |= {f"{layer}.{name}": (m, m) for name in ("w_q", "w_k", "w_v", "w_o")}
        shapes |= {f"{layer}.w_up": (4 * m, m), f"{layer}.w_down": (m, 4 * m)}
    made = {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    return {name: w if name == "embedding" else w * w.shape[1] ** -0.5 for name, w in made.items()}


def answers(weights: Weights, ids: Int[Tensor, "b t"], causal: bool) -> Float[Tensor, "b t c"]:
    """Logits of every token's own place."""
    x = weights["embedding"][ids]
    future = torch.full((ids.shape[1], ids.shape[1]), -math.inf).triu(1) if causal else torch.zeros(())
    for layer in range(N_LAYER):
        w_q, w_k, w_v, w_o, w_up, w_down = (
            weights[f"{layer}.{name}"] for name in ("w_q", "w_k", "w_v", "w_o", "w_up", "w_down")
        )
        seen = F.rms_norm(x, (D_MODEL,))
        query, key, value = ((seen @ w.T).unflatten(-1, (N_HEAD, -1)).transpose(1, 2) for w in (w_q, w_k, w_v))
        weight = (query @ key.mT * (D_MODEL // N_HEAD) ** -0.5 + future).softmax(-1)
        x = x + (weight @ value).transpose(1, 2).flatten(2) @ w_o.T
        x = x + F.gelu(F.rms_norm(x, (D_MODEL,)) @ w_up.T) @ w_down.T
    return F.rms_norm(x, (D_MODEL,)) @ weights["answer"].T


def sequences(n: int, generator: torch.Generator) -> Int[Tensor, "b t"]:
    """<bos> (the last id) and random tokens."""
    bos = torch.full((n, 1), N_TOKEN)
    return torch.cat((bos, torch.randint(N_TOKEN, (n, N_PLACE), generator=generator)), dim=1)


def fit(causal: bool, seed: int, tick: Callable[[float], None]) -> tuple[list[float], float, Weights]:
    """(share of right answers every EVERY steps, parity at the end, trained weights). Adam, rate falling to 0."""
    weights = {name: w.requires_grad_() for name, w in initial(seed).items()}
    optimizer = torch.optim.Adam(list(weights.values()), lr=RATE)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / N_STEP)
    generator = torch.Generator().manual_seed(1_000 + seed)
    test = sequences(N_TEST, torch.Generator().manual_seed(2_000 + seed))
    place, shares, parity = torch.arange(N_PLACE + 1), [], 0.0
    for step in range(N_STEP + 1):
        if step % EVERY == 0:
            tick(step / N_STEP)
            with torch.no_grad():
                said = answers(weights, test, causal).argmax(-1)[:, 1:]  # <bos> is told by what it is
            shares.append(float((said == place[1:]).float().mean()))
            parity = float((said % 2 == place[1:] % 2).float().mean())
        if step < N_STEP:
            logits = answers(weights, sequences(N_BATCH, generator), causal)
            loss = F.cross_entropy(logits.flatten(0, 1), place.repeat(N_BATCH))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return shares, parity, {name: w.detach() for name, w in weights.items()}


def learn(seed: int, tick: Callable[[float], None] = no_tick) -> Learned:
    """Train both models, the same but for the mask."""
    with torch.enable_grad():
        causal, parity_causal, _ = fit(True, seed, lambda done: tick(done / 2))
        full, parity_full, _ = fit(False, seed, lambda done: tick(0.5 + done / 2))
    return Learned(
        step=torch.arange(0, N_STEP + 1, EVERY),
        causal=torch.tensor(causal),
        full=torch.tensor(full),
        parity_causal=parity_causal,
        parity_full=parity_full,
        chance=1 / N_PLACE,
    )
