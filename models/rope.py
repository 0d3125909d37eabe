"""Rotary position embedding: pairs of features turn with position, so that q . k sees the distance only.

Source: Su et al. 2021, "RoFormer: Enhanced Transformer with Rotary Position Embedding", sections 3.2 (definition),
3.4.2 (how it is computed), 3.4.3 (long-term decay). Half-split pairs: GPT-NeoX, Llama. Rotating a part of the features
only: GPT-J, GPT-NeoX; Barbero et al. 2024, "Round and Round We Go!", on what the slow pairs are used for.

    theta_i     = base^(-i / r)                       r pairs turn, the fastest one radian per position
    R_m x       : the pair (x_a, x_b) number i turns by m theta_i
                  (x_a cos - x_b sin, x_a sin + x_b cos)
    (R_m q) . (R_n k) = q . R_{n-m} k                 only the distance m - n is left: turning both changes nothing
                      = sum_i |q_i| |k_i| cos(phi_i + (m - n) theta_i),     phi_i the angle from k_i to q_i unturned
    wavelength_i = 2 pi / theta_i                     positions until pair i is back where it began

Glossary
    base         10,000 in the paper; larger: slower pairs        angle     m theta_i in radians, "t p"
    content      q and k as the projections give them             query, key   the same after the rotation
    part         each pair's share of the score q . k / sqrt(d_head); they add up to the score
    distance     m - n, query position minus key position         alike     correlation of random q and k
    half-split   feature i pairs with i + r (Llama)               interleaved   feature 2i pairs with 2i + 1 (the paper)
    bound        section 3.4.3: |sum_i h_i e^(j d theta_i)| <= max|h_{i+1} - h_i| sum_i |S_i|, S_i the sum of the first
                 i of the e^(j d theta_i); drawn is sum_i |S_i| as a share of its value at distance 0

Axes: t query position, s key position, p pair, d feature, o distance, b base, n draw (one random q and k, or one pair
of tokens). All count from 0.

Conventions: positive angle, first position 0, scores divided by sqrt(d_head). With `share` < 1 the first 2 r features
turn, as in GPT-NeoX. Random q and k: one content each, placed at every position, which is what makes the law visible; a
model's q and k are those of its tokens. Simplified: no causal mask, the scores of later keys are shown too.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from models.fields import Choice, LogRange, Range, Text, no_tick
from models.grouped_attention import key_heads, raw_scores
from models.head_reading import look
from models.language_model import load

N_TOKEN = 64  # positions: 64 x 64 cells and their parts are what one picture can carry
N_DISTANCE = 128  # distances on the near curves
N_BLOCK, N_IN_BLOCK = 72, 32  # stretches of the far curve, and distances tried in each
N_DRAW = 512  # random pairs of q and k behind a mean
BASES = tuple(float(f"{10 ** (2 + i / 4):.3g}") for i in range(21))  # 1e2 .. 1e7, the stops of the base slider
TEXT = "The inventor Zilberkov built a clock. The inventor Z"
# What the two models were trained with; their own configs say the same (tested).
BASE = {"tiny-lm": 1e4, "smollm2": 1e5}
PAIRINGS = ("half-split", "interleaved")
TITLES = {"tiny-lm": "tiny LM", "smollm2": "SmolLM2"}


@dataclass(frozen=True)
class Config:
    """Where q and k come from, and how they turn."""

    source: Annotated[str, Choice("random", *BASE)] = "random"
    text: Annotated[str, Text(2_000)] = TEXT
    layer: Annotated[int, Range(0, 29)] = 0  # past the model's last: the last
    head: Annotated[int, Range(0, 8)] = 1
    base: Annotated[float, LogRange(1e2, 1e7, per_decade=4)] = 1e4  # of random q and k; a model has its own
    n_pair: Annotated[int, Range(1, 64)] = 8  # d_head = 2 n_pair, so never odd
    share: Annotated[float, Range(0.0, 1.0, 0.125)] = 1.0  # of the pairs that turn
    alike: Annotated[float, Range(0.0, 1.0, 0.1)] = 1.0  # 1: k has the content of q, 0: nothing of it
    pairing: Annotated[str, Choice(*PAIRINGS)] = "half-split"
    n_ctx: Annotated[str, Choice("256", "2048", "4096", "8192", "32768", "131072")] = "4096"
    n_token: Annotated[int, Range(2, N_TOKEN)] = 48
    seed: Annotated[int, Range(0, 99)] = 30
    query: Annotated[int, Range(0, N_TOKEN - 1)] = 30  # position m
    key: Annotated[int, Range(0, N_TOKEN - 1)] = 18  # position n
    pair: Annotated[int, Range(-1, 63)] = -1  # seen in the plane; -1: the one that moves the scores most


@dataclass(frozen=True)
class Content:
    """q and k before the rotation, wherever they come from."""

    name: str  # "" for random vectors
    label: tuple[str, ...]  # one per position; empty for random vectors
    query: Float[Tensor, "t d"]
    key: Float[Tensor, "s d"]
    base: float
    n_ctx: int
    layer: int
    head: int
    n_cut: int  # tokens of the text that were left out


@dataclass(frozen=True)
class Trace:
    """Everything the page shows of one Config."""

    content: Content
    n_rotate: int  # pairs that turn
    pairing: str
    frequency: Float[Tensor, "p"]  # radians per position, 0 for a pair that does not turn
    wavelength: Float[Tensor, "p"]  # positions, inf for a pair that does not turn
    angle: Float[Tensor, "t p"]
    query_content: Float[Tensor, "t p 2"]
    key_content: Float[Tensor, "s p 2"]
    query: Float[Tensor, "t p 2"]  # turned
    key: Float[Tensor, "s p 2"]
    part: Float[Tensor, "t s p"]
    score: Float[Tensor, "t s"]  # q_t . k_s / sqrt(d_head) after the rotation
    plain: Float[Tensor, "t s"]  # the same without any rotation
    at: tuple[int, int]  # (m, n)
    together: Float[Tensor, "t"]  # score of q_m and k_n with both moved to other positions, their distance kept
    alone: Float[Tensor, "t"]  # the same with only the query moved
    by_distance: Float[Tensor, "o p"]  # parts of q_m . k_n, were they 0, 1, 2, ... apart
    bases: tuple[float, ...]  # the bases that the curves below are computed for; a model has one
    base_index: int
    wavelengths: Float[Tensor, "b p"]
    mean: Float[Tensor, "b o"]  # score over the draws at each distance, as a share of its mean for equal contents at 0
    std: Float[Tensor, "b o"]
    bound: Float[Tensor, "b o"]  # section 3.4.3, as a share of its value at distance 0
    block: Float[Tensor, "k"]  # middle of each stretch of distances from 1 to 4 n_ctx
    far: Float[Tensor, "b 3 k"]  # the mean score in each stretch: lowest, mean, highest
    change: Float[Tensor, "n"]  # score at distance m - n less score at distance 0, one per draw
    permutation: Int[Tensor, "d"]  # features of a half-split vector in the order that interleaved code wants them
    mismatch: float  # largest change of a score when the other pairing is applied to the same features
    permuted: float  # the same with the features permuted first: rounding only
    pair: int  # seen in the plane


# --- the mechanism ---------------------------------------------------------------------------------------------------


def inverse_frequencies(n_pair: int, n_rotate: int, base: float) -> Float[Tensor, "p"]:
    """theta_i = base^(-i / n_rotate) for the pairs that turn, 0 for the others. Section 3.2.2, i from 0."""
    turning = base ** -(torch.arange(n_rotate) / max(n_rotate, 1))
    return torch.cat([turning, torch.zeros(n_pair - n_rotate)])


def pair_index(n_pair: int, n_rotate: int, pairing: str) -> Int[Tensor, "p 2"]:
    """The two features that each pair is made of.

    Half-split: (i, i + r) among the first 2 r features, which turn, and in the same way among the rest.
    """
    if pairing == "interleaved":
        return torch.arange(2 * n_pair).unflatten(0, (n_pair, 2))
    turning = torch.arange(2 * n_rotate).unflatten(0, (2, n_rotate)).T
    still = 2 * n_rotate + torch.arange(2 * (n_pair - n_rotate)).unflatten(0, (2, n_pair - n_rotate)).T
    return torch.cat([turning, still])


def rotate(pairs: Float[Tensor, "*n t p 2"], angle: Float[Tensor, "t p"]) -> Float[Tensor, "*n t p 2"]:
    """Turn each pair counter-clockwise by its angle. Section 3.4.2."""
    a, b = pairs.unbind(-1)
    cos, sin = angle.cos(), angle.sin()
    return torch.stack([a * cos - b * sin, a * sin + b * cos], dim=-1)


def turned(
    x: Float[Tensor, "t d"], position: Float[Tensor, "t"], frequency: Float[Tensor, "p"], index: Int[Tensor, "p 2"]
) -> Float[Tensor, "t p 2"]:
    """The pairs of x, each row turned to its position."""
    return rotate(x[:, index], position[:, None] * frequency)


Turn = Callable[[Tensor, Tensor], Tensor]  # `turned` with its frequencies and pairs: (x, position) -> pairs


def parts(query: Float[Tensor, "t p 2"], key: Float[Tensor, "s p 2"]) -> Float[Tensor, "t s p"]:
    """Each pair's share of q_t . k_s / sqrt(d_head)."""
    return torch.einsum("tpc,spc->tsp", query, key) / math.sqrt(2 * query.shape[1])


def score_waves(query: Float[Tensor, "n p 2"], key: Float[Tensor, "n p 2"]) -> Float[Tensor, "n c"]:
    """What a score is made of at any distance, for n pairs of contents: c = 2 p amplitudes of cos and of sin.

    q . R_{-distance} k = sum_i (q_i . k_i) cos(distance theta_i) + (q_i x k_i) sin(distance theta_i)
    """
    (qa, qb), (ka, kb) = query.unbind(-1), key.unbind(-1)
    return torch.cat([qa * ka + qb * kb, qa * kb - qb * ka], dim=-1) / math.sqrt(2 * query.shape[1])


def waves_at(distance: Float[Tensor, "o"], frequency: Float[Tensor, "*b p"]) -> Float[Tensor, "*b c o"]:
    """cos and sin of every pair at every distance: `score_waves(q, k) @ waves_at(distance, frequency)` is the score."""
    angle = frequency[..., None] * distance
    return torch.cat([angle.cos(), angle.sin()], dim=-2)


def stretches(longest: float) -> Float[Tensor, "k j"]:
    """N_BLOCK stretches of distances from 1 to `longest`, equally long on a log axis, N_IN_BLOCK distances in each."""
    edge = torch.logspace(0, math.log10(longest), N_BLOCK + 1)
    inside = (torch.arange(N_IN_BLOCK) + 0.5) / N_IN_BLOCK
    return (edge[:-1, None] + (edge[1:] - edge[:-1])[:, None] * inside).round()


def decay_bound(distance: Float[Tensor, "o"], frequency: Float[Tensor, "*b p"]) -> Float[Tensor, "*b o"]:
    """mean_i |S_i|, S_i = sum_{j < i} exp(i distance theta_j), as a share of its value at distance 0. Section 3.4.3."""
    wave = torch.polar(torch.ones(()), frequency[..., None] * distance)
    size = wave.cumsum(-2).abs().mean(-2)
    return size / ((frequency.shape[-1] + 1) / 2)


# --- q and k ---------------------------------------------------------------------------------------------------------


def draw(n_draw: int, d_head: int, alike: float, generator: torch.Generator) -> Float[Tensor, "2 n d"]:
    """n random q and k with standard normal entries; `alike` is the correlation of an entry of q with k's."""
    query, other = torch.randn(2, n_draw, d_head, generator=generator)
    return torch.stack([query, alike * query + math.sqrt(1 - alike**2) * other])


def contents(cfg: Config) -> Content:
    """Random contents, one q and one k for all positions, or a head's, turned back. Raises ModelUnavailable."""
    if cfg.source == "random":
        query, key = draw(1, 2 * cfg.n_pair, cfg.alike, torch.Generator().manual_seed(cfg.seed))
        shape = (cfg.n_token, -1)
        return Content("", (), query.expand(shape), key.expand(shape), cfg.base, int(cfg.n_ctx), 0, 0, 0)
    model = load(cfg.source)
    seen = look(cfg.source, cfg.text, frozenset())  # a causal model: the first tokens know nothing of what is cut
    layer, head = min(cfg.layer, model.n_layer - 1), min(cfg.head, model.n_head - 1)
    shared = int(key_heads(model.n_head, model.n_kv_head)[head])
    query, key = (x[:N_TOKEN] for x in (seen.reading.query[layer, head], seen.reading.key[layer, shared]))
    n_token, d_head = query.shape
    base, n_pair = BASE[cfg.source], d_head // 2
    index = pair_index(n_pair, n_pair, "half-split")
    # The model hands over turned vectors. A turn by -angle takes the rotation off again.
    back = [
        turned(x, -torch.arange(n_token, dtype=torch.float32), inverse_frequencies(n_pair, n_pair, base), index)
        for x in (query, key)
    ]
    query, key = (x.transpose(-1, -2).flatten(-2) for x in back)
    n_cut = seen.n_cut + len(seen.reading.label) - n_token
    label = seen.reading.label[:N_TOKEN]
    return Content(TITLES[cfg.source], label, query, key, base, model.n_ctx, layer, head, n_cut)


def limits(values: dict[str, Any]) -> dict[str, Range]:
    """The layers and heads that the model has. Raises ModelUnavailable."""
    if values["source"] == "random":
        return {"pair": Range(-1, values["n_pair"] - 1)}
    model = load(values["source"])
    return {
        "layer": Range(0, model.n_layer - 1),
        "head": Range(0, model.n_head - 1),
        "pair": Range(-1, model.d_head // 2 - 1),
    }


def elsewhere(
    query: Float[Tensor, "d"], key: Float[Tensor, "d"], at: tuple[int, int], n_token: int, turn: Turn
) -> tuple[Float[Tensor, "t"], Float[Tensor, "t"], Float[Tensor, "o p"]]:
    """Scores of one query and key put at other positions: both moved, only the query moved; parts at every distance."""
    (m, n), position = at, torch.arange(float(n_token))
    q, k = query.expand(n_token, -1), key.expand(n_token, -1)
    both = parts(turn(q, position + max(m - n, 0)), turn(k, position + max(n - m, 0))).sum(-1).diagonal()
    alone = parts(turn(q, position), turn(k[:1], torch.tensor([float(n)]))).sum(-1)[:, 0]
    far = turn(query.expand(N_DISTANCE, -1), torch.arange(float(N_DISTANCE)))
    return both, alone, parts(far, turn(k[:1], torch.zeros(1)))[:, 0]


def other_pairing(
    found: Content, score: Float[Tensor, "t s"], pairing: str, n_rotate: int, frequency: Float[Tensor, "p"]
) -> tuple[Int[Tensor, "d"], float, float]:
    """(permutation from half-split to interleaved order, change of the scores without it, and with it)."""
    n_pair, position = len(frequency), torch.arange(float(len(score)))
    mine, other = (pair_index(n_pair, n_rotate, name) for name in sorted(PAIRINGS, key=pairing.__ne__))
    order = torch.empty(2 * n_pair, dtype=torch.long)
    order[other.flatten()] = mine.flatten()
    wrong, right = (
        parts(*(turned(x, position, frequency, other) for x in pair)).sum(-1)
        for pair in ((found.query, found.key), (found.query[:, order], found.key[:, order]))
    )
    to_interleaved = order if pairing == "half-split" else order.argsort()
    return to_interleaved, float((wrong - score).abs().max()), float((right - score).abs().max())


@torch.no_grad()
def trace(cfg: Config, tick: Callable[[float], None] = no_tick) -> Trace:
    """Turn q and k, take their scores apart, and see what a distance does to them. Raises ModelUnavailable."""
    found = contents(cfg)
    tick(0.5)
    random = cfg.source == "random"
    n_token, d_head = found.query.shape
    n_pair = d_head // 2
    n_rotate = round(cfg.share * n_pair) if random else n_pair
    pairing = cfg.pairing if random else "half-split"
    index = pair_index(n_pair, n_rotate, pairing)
    frequency = inverse_frequencies(n_pair, n_rotate, found.base)
    turn = partial(turned, frequency=frequency, index=index)

    position = torch.arange(float(n_token))
    query, key = turn(found.query, position), turn(found.key, position)
    part = parts(query, key)
    score = part.sum(-1)
    m, n = min(cfg.query, n_token - 1), min(cfg.key, n_token - 1)
    together, alone, by_distance = elsewhere(found.query[m], found.key[n], (m, n), n_token, turn)

    # Many contents at every distance and base: random ones, or every query of the text with every key up to it.
    if random:
        q_draw, k_draw = draw(N_DRAW, d_head, cfg.alike, torch.Generator().manual_seed(1_000 + cfg.seed))
        bases, unit = tuple(sorted({*BASES, found.base})), math.sqrt(d_head)  # unit: the mean of q . q / sqrt(d_head)
    else:
        t, s = torch.tril_indices(n_token, n_token)
        q_draw, k_draw, bases, unit = found.query[t], found.key[s], (found.base,), 1.0
    tick(0.7)
    wave = score_waves(q_draw[:, index], k_draw[:, index])
    spectrum = torch.stack([inverse_frequencies(n_pair, n_rotate, base) for base in bases])
    distance, tried = torch.arange(float(N_DISTANCE)), stretches(4.0 * found.n_ctx)
    near = wave @ waves_at(distance, spectrum)  # b n o
    far = (wave.mean(0) @ waves_at(tried.flatten(), spectrum)).unflatten(-1, tried.shape)  # b k j
    change = (wave @ waves_at(torch.tensor([0.0, float(m - n)]), frequency)).diff(dim=-1)
    permutation, mismatch, permuted = other_pairing(found, score, pairing, n_rotate, frequency)
    tick(0.95)
    return Trace(
        content=found,
        n_rotate=n_rotate,
        pairing=pairing,
        frequency=frequency,
        wavelength=2 * math.pi / frequency,
        angle=position[:, None] * frequency,
        query_content=found.query[:, index],
        key_content=found.key[:, index],
        query=query,
        key=key,
        part=part,
        score=score,
        plain=raw_scores(found.query, found.key),
        at=(m, n),
        together=together,
        alone=alone,
        by_distance=by_distance,
        bases=bases,
        base_index=bases.index(found.base),
        wavelengths=2 * math.pi / spectrum,
        mean=near.mean(1) / unit,
        std=near.std(1, correction=0) / unit,
        bound=decay_bound(distance, spectrum),
        block=tried.mean(-1),
        far=torch.stack([far.amin(-1), far.mean(-1), far.amax(-1)], dim=1) / unit,
        change=change[:, 0],
        permutation=permutation,
        mismatch=mismatch,
        permuted=permuted,
        pair=min(cfg.pair, n_pair - 1) if cfg.pair >= 0 else int(part.flatten(0, 1).std(0, correction=0).argmax()),
    )


# --- what the captions say -------------------------------------------------------------------------------------------


def facts(trace: Trace) -> dict[str, float | int | str]:
    """The numbers and tokens that the captions name."""
    found, (m, n) = trace.content, trace.at
    n_pair = len(trace.frequency)
    slow = trace.wavelength[: trace.n_rotate]
    n_long = int((slow > found.n_ctx).sum())
    mean, std = trace.mean[trace.base_index], trace.std[trace.base_index]
    far = mean[N_DISTANCE // 2 :]
    beyond = trace.block > found.n_ctx
    low, _, high = trace.far[trace.base_index]
    seen = torch.cat([mean, low[~beyond], high[~beyond]])
    # The mean of N draws is off by about std / sqrt(N): below four times that it is nothing.
    noise = 4 * float(std[0]) / math.sqrt(len(trace.change))
    decay = "none" if abs(float(mean[0])) < noise else "falls" if float(far.mean()) < 0.5 * float(mean[0]) else "stays"
    size = trace.query.square().sum(-1).sum(-1).sqrt() - found.query.norm(dim=-1)
    said: dict[str, float | int | str] = {
        "model": found.name,
        "layer": found.layer,
        "head": found.head,
        "n_cut": found.n_cut,
        "n_token": len(found.query),
        "query": m,
        "key": n,
        "distance": m - n,
        "query_token": (found.label[m].strip() or "␣") if found.label else "",
        "key_token": (found.label[n].strip() or "␣") if found.label else "",
        "base": found.base,
        "n_pair": n_pair,
        "n_rotate": trace.n_rotate,
        "n_still": n_pair - trace.n_rotate,
        "d_head": 2 * n_pair,
        "score": float(trace.score[m, n]),
        "plain": float(trace.plain[m, n]),
        "together": float(trace.together.max() - trace.together.min()),
        "alone": float(trace.alone.max() - trace.alone.min()),
        "alone_low": float(trace.alone.min()),
        "alone_high": float(trace.alone.max()),
        "length": float(size.abs().max()),
        "n_ctx": found.n_ctx,
        "n_long": n_long,
        "share_long": n_long / max(trace.n_rotate, 1),
        "longest": float(slow.max()) if len(slow) else math.inf,
        "longest_128": 2 * math.pi * found.base ** (63 / 64),  # d_head 128, as in Llama
        "mean_0": float(mean[0]),
        "mean_far": float(far.mean()),
        "ripple": float(far.max() - far.min()),
        "std_0": float(std[0]),
        "std_far": float(std[N_DISTANCE // 2 :].mean()),
        "bound_far": float(trace.bound[trace.base_index, N_DISTANCE // 2 :].mean()),
        "std_mean": float(std.mean()),
        "peak": int(mean.argmax()),
        "peak_score": float(mean.max()),
        "valley": int(mean.argmin()),
        "valley_score": float(mean.min()),
        "seen_low": float(seen.min()),
        "seen_high": float(seen.max()),
        "beyond_low": float(low[beyond].min()),
        "beyond_high": float(high[beyond].max()),
        "n_far": 4 * found.n_ctx,
        "n_distance": N_DISTANCE - 1,
        "n_half": N_DISTANCE // 2,
        "n_draw": len(trace.change),
        "decay": decay,
        "change_mean": float(trace.change.mean()),
        "change_std": float(trace.change.std(correction=0)),
        "mismatch": trace.mismatch,
        "permuted": trace.permuted,
        "pair": trace.pair,
        "pair_wavelength": float(trace.wavelength[trace.pair]),
        "pair_turns": len(found.query) / float(trace.wavelength[trace.pair]),
        "fast_part": float(trace.part[m, n, : max(1, n_pair // 2)].sum()),
        "slow_part": float(trace.part[m, n, max(1, n_pair // 2) :].sum()),
    }
    return said


@torch.no_grad()
def check(cfg: Config) -> dict[str, float]:
    """q, k and scores again: Llama's rotary embedding (Cohere's for interleaved pairs), and complex multiplication."""
    from transformers.models.cohere import modeling_cohere
    from transformers.models.cohere.configuration_cohere import CohereConfig
    from transformers.models.llama import modeling_llama
    from transformers.models.llama.configuration_llama import LlamaConfig

    seen = trace(cfg)
    d_rotate, position = 2 * seen.n_rotate, torch.arange(len(seen.content.query))[None]
    index = pair_index(len(seen.frequency), seen.n_rotate, seen.pairing)
    content, own = (seen.content.query, seen.content.key), (seen.query, seen.key)
    again = list(content)
    if seen.n_rotate:
        about: dict[str, Any] = {
            "hidden_size": d_rotate,
            "num_attention_heads": 1,
            "rope_parameters": {"rope_type": "default", "rope_theta": seen.content.base},
        }
        if seen.pairing == "half-split":
            rotary: Any = modeling_llama.LlamaRotaryEmbedding(LlamaConfig(**about))
            apply = modeling_llama.apply_rotary_pos_emb
        else:
            rotary = modeling_cohere.CohereRotaryEmbedding(CohereConfig(**about))
            apply = modeling_cohere.apply_rotary_pos_emb
        cos, sin = rotary(content[0], position)
        moved = apply(*(x[None, None, :, :d_rotate] for x in content), cos, sin)
        again = [torch.cat([y[0, 0], x[:, d_rotate:]], dim=-1) for x, y in zip(content, moved, strict=True)]
    name = "Llama" if seen.pairing == "half-split" else "Cohere"
    found = {
        f"{what}, {name}": float((x[:, index] - y).abs().max())
        for what, x, y in zip(("q", "k"), again, own, strict=True)
    }
    found[f"q · k / √d_head, {name}"] = float((raw_scores(*again) - seen.score).abs().max())
    query, key = (torch.view_as_complex(x[:, index].double()) for x in content)
    turn = torch.polar(torch.ones(()).double(), position[0, :, None] * seen.frequency.double())
    score = ((query * turn) @ (key * turn).mH).real / math.sqrt(2 * len(seen.frequency))
    found["q · k / √d_head, complex numbers"] = float((score - seen.score).abs().max())
    return found


# --- the claims ------------------------------------------------------------------------------------------------------

Live = dict[str, float | int | str]


def claim_additive() -> Live:
    """Random q and k, d_head 64, distance 12: how differently the scores change, and what moving both changes."""
    n_draw, n_pair, distance = 4_096, 32, 12
    frequency = inverse_frequencies(n_pair, n_pair, 1e4)
    index = pair_index(n_pair, n_pair, "half-split")
    query, key = draw(n_draw, 2 * n_pair, 0.0, torch.Generator().manual_seed(0))
    wave = score_waves(query[:, index], key[:, index])
    at = waves_at(torch.tensor([0.0, float(distance)]), frequency)
    change = (wave @ at).diff(dim=-1)
    # In double precision, so that what is left is the law and not the rounding.
    position = torch.arange(1_000).double()
    q, k = (x[:1].double().expand(len(position), -1) for x in (query, key))
    exact = 1e4 ** -(torch.arange(n_pair).double() / n_pair)
    both = parts(turned(q, position + distance, exact, index), turned(k, position, exact, index)).sum(-1).diagonal()
    return {
        "n_draw": n_draw,
        "d_head": 2 * n_pair,
        "distance": distance,
        "std": float(change.std(correction=0)),
        "low": float(change.min()),
        "high": float(change.max()),
        "n_shift": len(position),
        "shift": float(both.max() - both.min()),
    }


def claim_extrapolation() -> Live:
    """Llama 2's base, head and trained length: pairs whose angle at four times that length was never met."""
    n_pair, base, n_ctx = 64, 1e4, 4_096
    frequency = inverse_frequencies(n_pair, n_pair, base)
    never = frequency * (n_ctx - 1) < 2 * math.pi  # less than one turn in training: every larger angle is new
    return {
        "n_pair": n_pair,
        "n_ctx": n_ctx,
        "far": 4 * n_ctx,
        "never": int(never.sum()),
        "share": float(never.float().mean()),
        "seen": math.degrees(float(frequency[-1]) * n_ctx),
        "asked": math.degrees(float(frequency[-1]) * 4 * n_ctx),
        "longest": 2 * math.pi / float(frequency[-1]),
    }


FAR = 512  # distances that the claim about decay looks at


def claim_decay() -> Live:
    """Mean and spread of a score at distance 0 and far away: k with q's content, k independent of q (d_head 64)."""
    n_draw, n_pair = 4_096, 32
    frequency = inverse_frequencies(n_pair, n_pair, 1e4)
    index = pair_index(n_pair, n_pair, "half-split")
    at = waves_at(torch.arange(float(FAR)), frequency)
    said: Live = {"n_draw": n_draw, "d_head": 2 * n_pair, "from": FAR // 2, "to": FAR - 1}
    for name, alike in (("same", 1.0), ("other", 0.0)):
        query, key = draw(n_draw, 2 * n_pair, alike, torch.Generator().manual_seed(0))
        score = score_waves(query[:, index], key[:, index]) @ at
        far = score[:, FAR // 2 :]
        said |= {f"{name}_0": float(score[:, 0].mean()), f"{name}_far": float(far.mean())}
        said |= {f"{name}_std_0": float(score[:, 0].std()), f"{name}_std_far": float(far.std(0).mean())}
    return said


def claim_pairings() -> Live:
    """Scores of half-split pairs against interleaved ones: the features permuted first, and as they are."""
    seen = trace(Config(alike=0.0, n_pair=32))
    return {
        "d_head": 64,
        "permuted": seen.permuted,
        "mismatch": seen.mismatch,
        "low": float(seen.score.min()),
        "high": float(seen.score.max()),
    }


def claim_added() -> Live:
    """The small model's first layer on the same token at different positions: its values, its keys, their lengths."""
    seen = look("tiny-lm", TEXT, frozenset()).reading
    same = [t for t, label in enumerate(seen.label) if label == seen.label[-1]]
    key, value = seen.key[0, :, same], seen.value[0, :, same]
    length = key.norm(dim=-1)
    return {
        "token": seen.label[-1].strip(),
        "first": same[0],
        "last": same[-1],
        "value": float((value - value[:, :1]).abs().max()),
        "key": float((key[:, -1] - key[:, 0]).norm(dim=-1).mean() / length.mean()),
        "length": float((length - length[:, :1]).abs().max()),
    }


CLAIMS: dict[str, Callable[[], Live]] = {
    "additive": claim_additive,
    "extrapolation": claim_extrapolation,
    "decay": claim_decay,
    "pairings": claim_pairings,
    "added": claim_added,
}
