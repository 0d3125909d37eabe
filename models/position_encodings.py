"""Two position encodings side by side on one sentence: what each adds to the scores, and where attention goes then.

Sources, with the formula of every scheme: models/position_schemes.py. Attention itself: Vaswani et al. 2017, "Attention
Is All You Need", equation (1). That attention without positions does not see the order of its input: ibid.,
section 3.5; Kazemnejad et al. 2023, section 3 and appendix C (with a causal mask it does).

    content[t, s]  = q_t . k_s / sqrt(d)                 q = W_Q e, k = W_K e: words alone
    score[t, s]    = what the scheme makes of it          after e + p, after R_t q and R_s k, or with a bias
    position[t, s] = score - content                      all that position does to the score
    A              = softmax(score + mask)                z = A V
    equivariance   z(P e) = P z(e) for every reordering P of the words: true without positions, false with them

Glossary
    e         a word's vector: the same word has the same, whatever the text; random, from the word and the seed
    q, k, v   query, key, value of one head             p       vector of a position (sinusoidal, learned)
    start     positions before the first word           P       a permutation of the words
    moved     how far a word's output is from its output when the words stand in another order

Axes: t query position, s key position, d head feature, m model feature, h head, p pair of features, r row of the table,
w position of a sinusoid,
k distance, a words back, n start, c scheme (as in SCHEMES).

Conventions: positions count from 0; distance = t - s. Both schemes get the same word vectors and the same weights, so
whatever differs is due to position. Nothing here is trained: random words, random weights, a learned table and T5's
biases as random as before the first step of training (as large as sinusoids, and of standard deviation 1). With
`weights = "trained"` each scheme has a small language model of its own instead: models/position_reading.py.
Simplified: one head, one layer; T5's scores are divided by sqrt(d) like the others' (T5 itself does not divide).
"""

import hashlib
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from models import position_lm, position_reading, position_reference
from models.fields import Choice, LogRange, Range, Text, no_tick
from models.layer_patterns import PATTERNS, Strip, rotates, strips
from models.position_claims import CLAIMS
from models.position_history import EVENTS, Event
from models.position_schemes import (
    Alibi,
    Learned,
    NoPosition,
    RelativeBias,
    Rotary,
    Sinusoidal,
    rope_frequency,
    slopes,
)

__all__ = ["CLAIMS", "Config", "Trace", "check", "facts", "limits", "trace"]

SCHEMES = ("none", "sinusoidal", "learned", "t5", "alibi", "rope")
ORDERS = ("written", "reversed", "shuffled", "swapped")
D_MODEL = 64
N_TOKEN = 32  # words of a text that are used
N_START = 33  # places where the text may begin: 0 .. 32
N_ROW = N_TOKEN + N_START - 1  # rows of the learned table: every start has room for every text
N_PAST = 16  # positions past the table's last row that it may be asked for
N_APART = 48  # distances at which vectors of positions are compared
N_FAR = 200  # distances on the bucket staircase, to either side
TEXT = "The dog bit the man and the man bit the dog"
# One letter of a script without spaces, a word with its apostrophes, or a punctuation mark.
UNSPACED = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
WORD = re.compile(rf"[{UNSPACED}]|[^\W{UNSPACED}]+(?:['’][^\W{UNSPACED}]+)*|[^\w\s]")


@dataclass(frozen=True)
class Config:
    """Two schemes, a sentence, and the order its words stand in."""

    text: Annotated[str, Text(2_000)] = TEXT
    scheme: Annotated[str, Choice(*SCHEMES)] = "rope"
    other: Annotated[str, Choice(*SCHEMES)] = "alibi"
    weights: Annotated[str, Choice("random", "trained")] = "random"
    order: Annotated[str, Choice(*ORDERS)] = "written"
    causal: bool = False  # trained models always are
    start: Annotated[int, Range(0, N_START - 1)] = 0  # position of the first word
    n_head: Annotated[int, Range(1, 64)] = 8
    head: Annotated[int, Range(0, 63)] = 1  # past the last: the last
    layer: Annotated[int, Range(0, 1)] = 0  # of the trained models
    n_pair: Annotated[int, Range(1, 32)] = 16  # d_head = 2 n_pair
    content: Annotated[float, Range(0.0, 2.0, 0.1)] = 1.0  # size of the word vectors; at 0 all words are alike
    base: Annotated[float, LogRange(1e1, 1e6)] = 1e4  # of the sinusoids and of RoPE
    n_bucket: Annotated[int, Range(4, 64, 2)] = 32
    max_distance: Annotated[int, Range(33, 256)] = 128
    row: Annotated[int, Range(0, N_ROW + N_PAST)] = N_ROW  # the position that the learned table is asked for
    first: Annotated[int, Range(0, N_ROW - 1)] = 0  # two positions whose sinusoidal vectors are compared
    second: Annotated[int, Range(0, N_ROW - 1)] = 3
    interval: Annotated[int, Range(0, 12)] = 4  # every interval-th layer without position
    seed: Annotated[int, Range(0, 99)] = 0


@dataclass(frozen=True)
class Shown:
    """One scheme on the sentence, with its first word at every place from 0 to N_START - 1 (trained: at 0 only)."""

    name: str
    content: Float[Tensor, "t s"]  # scores without any position
    query: Float[Tensor, "t d"]  # what the score multiplies: after p was added, or after the rotation
    key: Float[Tensor, "s d"]
    position: Float[Tensor, "n t s"]  # what position adds to the scores
    score: Float[Tensor, "n t s"]
    weight: Float[Tensor, "n t s"]  # rows sum to 1
    output: Float[Tensor, "t d"]  # z at the chosen start
    moved: Float[Tensor, "t"]  # largest change of a word's output when the words stand in the other order


@dataclass(frozen=True)
class Trace:
    """Everything the page shows of one Config."""

    label: tuple[str, ...]  # the words in the order shown
    n_cut: int  # words left out
    causal: bool
    trained: bool
    layer: int  # of the trained models, else 0
    start: int
    head: int
    order: str
    other_order: str  # what `moved` compares with: the order as written, or a shuffle if that is what is shown
    place: Int[Tensor, "t"]  # where each shown word stands in the text
    other_place: Int[Tensor, "t"]  # where the words of the other order stand in the text
    shown: tuple[Shown, ...]  # two, or one if both schemes are the same
    law: Float[Tensor, "c 3"]  # measured of every scheme: see `laws`
    wave: Float[Tensor, "w m"]  # sinusoidal vectors of positions 0 .. N_ROW + N_PAST
    table: Float[Tensor, "r e"]  # learned vectors
    likeness: Float[Tensor, "2 b"]  # wave and table: mean cosine of the angle between PE(p) and PE(p + b)
    overlap: Float[Tensor, "r r p"]  # PE(m) . PE(n), pair by pair
    frequency: Float[Tensor, "p"]  # radians per position of every sinusoidal pair
    residual: Float[Tensor, "r"]  # largest |R_n PE(p) - PE(p + n)| over p, in double precision
    first: int
    second: int
    row: int
    error: str  # what PyTorch says when asked for that row; empty if there is one
    distance: Int[Tensor, "k"]  # t - s from -N_FAR to N_FAR
    bucket: Int[Tensor, "2 k"]  # of each distance: bidirectional, causal
    bias: Float[Tensor, "h k"]  # T5's bias of every head at each distance, in the direction chosen
    slope: Float[Tensor, "h"]  # ALiBi
    recency: Float[Tensor, "h a"]  # ALiBi: weights on distances 0 .. N_FAR if all contents were alike
    n_bucket: int
    max_distance: int
    strips: tuple[Strip, ...]  # well-known models and one with the chosen interval
    events: tuple[Event, ...]  # in the order of their dates


# --- words and weights -----------------------------------------------------------------------------------------------


def words_of(text: str) -> tuple[tuple[str, ...], int]:
    """(the first N_TOKEN words and punctuation marks, how many are left out). A text without any is one empty word."""
    found = WORD.findall(text)
    return (tuple(found[:N_TOKEN]) or ("",)), max(0, len(found) - N_TOKEN)


@lru_cache(maxsize=512)
def word_vector(word: str, seed: int) -> Float[Tensor, "m"]:
    """Random entries of variance 1, from the word (upper and lower case alike) and the seed alone."""
    digest = hashlib.sha256(f"{seed} {word.casefold()}".encode("utf-8", "surrogatepass")).digest()
    return torch.randn(D_MODEL, generator=torch.Generator().manual_seed(int.from_bytes(digest[:7], "big")))


def weights(cfg: Config) -> Float[Tensor, "3 d m"]:
    """W_Q, W_K, W_V of the one head: entries of variance 1 / D_MODEL, so q and k have entries of variance 1."""
    generator = torch.Generator().manual_seed(cfg.seed)
    return (
        torch.randn(32, 3, 2, D_MODEL, generator=generator)[: cfg.n_pair].transpose(0, 1).flatten(1, 2) / D_MODEL**0.5
    )


def learned_table(cfg: Config) -> Learned:
    """An untrained table of N_ROW vectors, as large as the sinusoids."""
    learned = Learned(N_ROW, D_MODEL)
    generator = torch.Generator().manual_seed(1_000 + cfg.seed)
    learned.table.data = torch.randn(N_ROW, D_MODEL, generator=generator) / 2**0.5
    return learned.requires_grad_(False)


def relative_bias(cfg: Config) -> RelativeBias:
    """T5's bias with an untrained table of standard deviation 1. Encoders look both ways, decoders back."""
    relative = RelativeBias(cfg.n_head, cfg.n_bucket, cfg.max_distance, bidirectional=not cfg.causal)
    generator = torch.Generator().manual_seed(1_000 + cfg.seed)
    relative.table.data = torch.randn(64, 64, generator=generator)[: cfg.n_bucket, : cfg.n_head]
    return relative.requires_grad_(False)


MAKERS: dict[str, Callable[[Config], NoPosition]] = {
    "none": lambda cfg: NoPosition(),
    "sinusoidal": lambda cfg: Sinusoidal(D_MODEL, cfg.base),
    "learned": learned_table,
    "t5": relative_bias,
    "alibi": lambda cfg: Alibi(cfg.n_head),
    "rope": lambda cfg: Rotary(rope_frequency(cfg.n_pair, cfg.base)),
}


# --- one head under one scheme ---------------------------------------------------------------------------------------


def vectors(
    scheme: NoPosition, x: Float[Tensor, "*b t m"], weight: Float[Tensor, "3 d m"], start: int
) -> tuple[Float[Tensor, "*b t d"], Float[Tensor, "*b t d"], Float[Tensor, "*b t d"]]:
    """q, k, v of words at positions start, start + 1, ...: with the positions' vectors added, if there are any."""
    added = scheme.embed(start + x.shape[-2])
    placed = x + added[start:] if isinstance(added, Tensor) else x
    return placed @ weight[0].T, placed @ weight[1].T, placed @ weight[2].T


def scores(
    scheme: NoPosition, head: int, query: Float[Tensor, "*b t d"], key: Float[Tensor, "*b s d"], start: int
) -> Float[Tensor, "*b t s"]:
    """The head's scores with the first word at position `start`: others stand before it, whose keys are cut away."""
    n_head = scheme.slope.shape[0] if isinstance(scheme, Alibi) else 1
    n_head = scheme.table.shape[1] if isinstance(scheme, RelativeBias) else n_head
    many = (*key.shape[:-2], n_head, -1, -1)  # the schemes work on all heads at once
    before = key.new_zeros(*key.shape[:-2], start, key.shape[-1])
    longer = torch.cat((before, key), dim=-2)
    found = scheme.scores(query.unsqueeze(-3).expand(many), longer.unsqueeze(-3).expand(many))
    return found[..., head if n_head > 1 else 0, :, start:]


def contents(x: Float[Tensor, "*b t m"], weight: Float[Tensor, "3 d m"]) -> Float[Tensor, "*b t t"]:
    """Scores of words without any position."""
    query, key, _ = vectors(NoPosition(), x, weight, 0)
    return scores(NoPosition(), 0, query, key, 0)


def attention(score: Float[Tensor, "*n t s"], causal: bool) -> Float[Tensor, "*n t s"]:
    """Rows to weights; with a causal mask nobody looks ahead."""
    future = torch.ones(score.shape[-2:], dtype=torch.bool).triu(1)
    return (score.masked_fill(future, -math.inf) if causal else score).softmax(-1)


def output(
    cfg: Config, scheme: NoPosition, head: int, x: Float[Tensor, "*b t m"], weight: Float[Tensor, "3 d m"]
) -> Float[Tensor, "*b t d"]:
    """z of words in this order, the first at the chosen start."""
    query, key, value = vectors(scheme, x, weight, cfg.start)
    return attention(scores(scheme, head, query, key, cfg.start), cfg.causal) @ value


def reorder(order: str, n_token: int, seed: int) -> Int[Tensor, "t"]:
    """Which word of the text stands at each place. A shuffle moves at least one word, if there are two."""
    if order == "reversed":
        return torch.arange(n_token).flip(0)
    place = torch.arange(n_token)
    if order == "swapped":
        place[[0, -1]] = place[[-1, 0]]
    if order == "shuffled":
        place = torch.randperm(n_token, generator=torch.Generator().manual_seed(2_000 + seed))
        if torch.equal(place, torch.arange(n_token)):
            place = place.roll(1)
    return place


def show(cfg: Config, name: str, x: Float[Tensor, "t m"], other: Float[Tensor, "t m"], back: Int[Tensor, "t"]) -> Shown:
    """One scheme on words x; `other` has the same words in another order, `back` where each word of x is in it."""
    scheme, weight, head = MAKERS[name](cfg), weights(cfg), min(cfg.head, cfg.n_head - 1)
    content = contents(x, weight)
    score = torch.stack(
        [scores(scheme, head, *vectors(scheme, x, weight, start)[:2], start) for start in range(N_START)]
    )
    query, key, _ = vectors(scheme, x, weight, cfg.start)
    if isinstance(scheme, Rotary):
        position = cfg.start + torch.arange(len(x))
        query, key = scheme.rotate(torch.stack((query, key)), position)  # as if they were two heads
    here = output(cfg, scheme, head, x, weight)
    there = output(cfg, scheme, head, other, weight)
    return Shown(
        name=name,
        content=content,
        query=query,
        key=key,
        position=score - content,
        score=score,
        weight=attention(score, cfg.causal),
        output=here,
        moved=(here - there[back]).abs().amax(-1),
    )


# --- what holds for a scheme whatever the sentence -------------------------------------------------------------------

N_SENTENCE, N_WORD, FAR = 48, 11, 17  # the sample that the laws are measured on, and how far it is moved


def measured(cfg: Config) -> Config:
    """The fields that the laws depend on, all others at their defaults."""
    names = ("n_head", "head", "n_pair", "base", "n_bucket", "max_distance", "seed")
    return Config(**{name: getattr(cfg, name) for name in names})


@lru_cache(maxsize=64)
@torch.no_grad()
def laws(cfg: Config) -> Float[Tensor, "c 3"]:
    """Three numbers for every scheme, from random sentences of N_WORD words without a mask.

    0: largest change of an output when the words are shuffled (0: the scheme does not see order).
    1: largest change of a score when the sentence begins FAR positions later (0: only distances count).
    2: share of the variance of `position` that does not depend on the words (1: a bias; NaN without positions). With
       S sentences, the variance of the mean holds 1 / S of the variance between sentences, which is taken off.
    """
    weight, head = weights(cfg), min(cfg.head, cfg.n_head - 1)
    x = torch.randn(N_SENTENCE, N_WORD, D_MODEL, generator=torch.Generator().manual_seed(3_000 + cfg.seed))
    place, found = reorder("shuffled", N_WORD, cfg.seed), []
    content = contents(x, weight)
    for name in SCHEMES:
        scheme = MAKERS[name](cfg)
        near, far = (scores(scheme, head, *vectors(scheme, x, weight, start)[:2], start) for start in (0, FAR))
        whole = output(cfg, scheme, head, x, weight)
        shuffled = output(cfg, scheme, head, x[:, place], weight)
        position = near - content
        between = position.var(0).mean()
        common = (position.mean(0).var(correction=0) - between / N_SENTENCE).clamp(min=0)
        share = float(common / (common + between)) if name != "none" else math.nan
        found.append([float((shuffled - whole[:, place]).abs().max()), float((far - near).abs().max()), share])
    return torch.tensor(found)


# --- the tables behind single schemes --------------------------------------------------------------------------------


def sinusoids(position: Float[Tensor, "*n"], base: float) -> Float[Tensor, "*n p 2"]:
    """PE as pairs (sin, cos) in double precision: float32 angles near 100 radians are off by 4e-6."""
    frequency = base ** -(torch.arange(D_MODEL // 2, dtype=torch.float64) / (D_MODEL // 2))
    angle = position[..., None].double() * frequency
    return torch.stack((angle.sin(), angle.cos()), dim=-1)


def turn(pair: Float[Tensor, "*n p 2"], shift: int, base: float) -> Float[Tensor, "*n p 2"]:
    """R_shift: every pair turned by shift times its frequency. The matrix does not know the position."""
    sin, cos = sinusoids(torch.tensor(float(shift)), base).unbind(-1)
    return torch.stack((pair[..., 0] * cos + pair[..., 1] * sin, pair[..., 1] * cos - pair[..., 0] * sin), dim=-1)


def shift_residual(base: float) -> Float[Tensor, "r"]:
    """Largest |R_n PE(p) - PE(p + n)| over the first N_ROW positions p, for every shift n below N_ROW."""
    pairs = sinusoids(torch.arange(2.0 * N_ROW), base)
    shifts = range(N_ROW)
    return torch.stack([(turn(pairs[:N_ROW], n, base) - pairs[n : n + N_ROW]).abs().max() for n in shifts]).float()


def asked(table: Float[Tensor, "r m"], row: int) -> str:
    """What PyTorch's embedding says when it is asked for a row: nothing, or its error."""
    try:
        F.embedding(torch.tensor([row]), table)
    except IndexError as error:
        return f"{type(error).__name__}: {error}"
    return ""


def limits(values: dict[str, Any]) -> dict[str, Range]:
    """A head that exists."""
    n_head = position_lm.Config().n_head if values["weights"] == "trained" else values["n_head"]
    return {"head": Range(0, n_head - 1)}


def mean_cosine(vectors: Float[Tensor, "r m"]) -> Float[Tensor, "b"]:
    """How alike the vectors of two positions are, by their distance 0 .. N_APART - 1."""
    length = F.normalize(vectors, dim=-1)
    return torch.stack([(length[: len(length) - b] * length[b:]).sum(-1).mean() for b in range(N_APART)])


def show_trained(
    cfg: Config, name: str, ids: Int[Tensor, "t"], other: Int[Tensor, "t"], back: Int[Tensor, "t"]
) -> Shown:
    """One trained model on tokens; `other` has the same tokens in another order. Raises ModelUnavailable."""
    model = position_lm.load(name)
    head = min(cfg.head, model.cfg.n_head - 1)
    seen, bare = (position_reading.read(model, ids, scheme, cfg.layer, head) for scheme in (model.scheme, NoPosition()))
    there = position_reading.read(model, other, model.scheme, cfg.layer, head)
    return Shown(
        name=name,
        content=bare.score,
        query=seen.query,
        key=seen.key,
        position=(seen.score - bare.score)[None],
        score=seen.score[None],
        weight=seen.weight[None],
        output=seen.output,
        moved=(seen.output - there.output[back]).abs().amax(-1),
    )


def tables(cfg: Config) -> tuple[Float[Tensor, "r e"], RelativeBias, Float[Tensor, "h"]]:
    """(learned vectors, T5's bias, ALiBi's slopes): random ones, or those of the trained models."""
    if cfg.weights == "random":
        return learned_table(cfg).table, relative_bias(cfg), slopes(cfg.n_head)
    learned, relative, alibi = (position_lm.load(name).scheme for name in ("learned", "t5", "alibi"))
    assert isinstance(learned, Learned) and isinstance(relative, RelativeBias) and isinstance(alibi, Alibi)
    return learned.table, relative, alibi.slope


@torch.no_grad()
def trace(cfg: Config, tick: Callable[[float], None] = no_tick) -> Trace:
    """Both schemes on the same words, with the same random weights or each with its own trained ones.

    Raises ModelUnavailable when the trained models cannot be had.
    """
    trained = cfg.weights == "trained"
    other_order = "shuffled" if cfg.order == "written" else "written"
    names = (cfg.scheme,) if cfg.scheme == cfg.other else (cfg.scheme, cfg.other)
    table, relative, slope = tables(cfg)
    if trained:
        ids, words, n_cut = position_reading.tokens(cfg.text, N_TOKEN)
        # <bos> stays in front: every text the models know begins with it.
        place, other_place = (
            torch.cat((torch.zeros(1, dtype=torch.long), 1 + reorder(order, len(ids) - 1, cfg.seed)))
            for order in (cfg.order, other_order)
        )
        back = other_place.argsort()[place]
        shown = tuple(show_trained(cfg, name, ids[place], ids[other_place], back) for name in names)
    else:
        words, n_cut = words_of(cfg.text)
        place, other_place = (reorder(order, len(words), cfg.seed) for order in (cfg.order, other_order))
        back = other_place.argsort()[place]
        written = cfg.content * torch.stack([word_vector(word, cfg.seed) for word in words])
        shown = tuple(show(cfg, name, written[place], written[other_place], back) for name in names)
    tick(0.5)

    wave = Sinusoidal(D_MODEL, cfg.base).embed(N_ROW + N_PAST + 1)
    pairs = wave[:N_ROW].unflatten(-1, (-1, 2))
    distance = torch.arange(-N_FAR, N_FAR + 1)
    sizes = relative.n_bucket, relative.max_distance
    both, past = (RelativeBias(1, *sizes, bidirectional=two) for two in (True, False))
    return Trace(
        label=tuple(words[i] for i in place),
        n_cut=n_cut,
        causal=cfg.causal or trained,
        trained=trained,
        layer=cfg.layer if trained else 0,
        start=0 if trained else cfg.start,
        head=min(cfg.head, len(slope) - 1),
        order=cfg.order,
        other_order=other_order,
        place=place,
        other_place=other_place,
        shown=shown,
        law=laws(measured(cfg)),
        wave=wave,
        table=table,
        likeness=torch.stack([mean_cosine(wave[:N_ROW]), mean_cosine(table)]),
        overlap=torch.einsum("mpi,npi->mnp", pairs, pairs),
        frequency=rope_frequency(D_MODEL // 2, cfg.base),
        residual=shift_residual(cfg.base),
        first=cfg.first,
        second=cfg.second,
        row=cfg.row,
        error=asked(table, cfg.row),
        distance=distance,
        bucket=torch.stack([both.bucket(distance), past.bucket(distance)]),
        bias=relative.table[relative.bucket(distance)].T,
        slope=slope,
        recency=(-slope[:, None] * torch.arange(N_FAR + 1)).softmax(-1),
        n_bucket=relative.n_bucket,
        max_distance=relative.max_distance,
        strips=strips(cfg.interval),
        events=EVENTS,
    )


def facts(trace: Trace) -> dict[str, float | int | str]:
    """The numbers and words that the captions name. `other_` marks those of the second scheme (or the only one's)."""
    first, other, at = trace.shown[0], trace.shown[-1], trace.start
    n_token = len(trace.label)
    gap = (first.weight[at] - other.weight[at]).abs()
    row, col = divmod(int((gap if len(trace.shown) == 2 else first.weight[at]).argmax()), n_token)
    said: dict[str, float | int | str] = {
        "scheme": first.name,
        "other": other.name,
        "n_token": n_token,
        "n_cut": trace.n_cut,
        "start": at,
        "head": trace.head,
        "layer": trace.layer,
        "n_head": len(trace.slope),
        "d_head": first.query.shape[1],
        "d_model": D_MODEL,
        "row": row,
        "col": col,
        "from": trace.label[row] or "␣",
        "to": trace.label[col] or "␣",
        "apart": row - col,
        "gap": float(gap.max()),
        "moves": "same" if float(first.moved.max()) < 1e-4 else "changed",
        "slope": float(trace.slope[trace.head]),
        "slope_first": float(trace.slope.max()),
        "slope_last": float(trace.slope.min()),
        "n_row": N_ROW,
        "asked": trace.row,
        "error": trace.error,
        "first": trace.first,
        "second": trace.second,
        "shift": abs(trace.second - trace.first),
        "residual": float(trace.residual[abs(trace.second - trace.first)]),
        "residual_max": float(trace.residual.max()),
    }
    said |= _table_facts(trace)
    for mark, shown in (("", first), ("other_", other)):
        word = int(shown.moved.argmax())
        position = shown.position[at]
        said |= {
            f"{mark}share": float(shown.weight[at, row, col]),
            f"{mark}moved": float(shown.moved.max()),
            f"{mark}moved_word": trace.label[word] or "␣",
            f"{mark}position": float(position[row, col]),
            f"{mark}most": float(position.abs().max()),
            # How much the picture changes when the sentence begins elsewhere.
            f"{mark}shifted": float((shown.score - shown.score[:1]).abs().max()),
        }
    return said


def _table_facts(trace: Trace) -> dict[str, float | int | str]:
    """Of the pictures of single schemes."""
    steep, flat = int(trace.slope.argmax()), int(trace.slope.argmin())
    smollm3, llama4 = PATTERNS["smollm3"], PATTERNS["llama4"]
    back = trace.distance >= 0
    side = trace.bucket[0 if not trace.causal else 1][back]  # buckets of distances 0, 1, 2, ...
    return {
        "far": FAR,
        "rope_share": float(trace.law[SCHEMES.index("rope"), 2]),
        "slowest": float(2 * math.pi / trace.frequency[-1]),
        "near": float(trace.likeness[0, 1]),
        "near_learned": float(trace.likeness[1, 1]),
        "far_learned": float(trace.likeness[1, -1]),
        "n_apart": N_APART - 1,
        "n_bucket": trace.n_bucket,
        "n_side": int(side.max()) + 1,
        "n_exact": int((side.bincount() == 1).sum()),
        "last_from": int((side == side.max()).nonzero()[0]),
        "max_distance": trace.max_distance,
        "n_bias": len(trace.bias[trace.head].unique()),
        "steep": float(trace.recency[steep, 0]),
        # Half of the weight of m, m e^-slope, ...: ln 2 / slope words, in closed form for an endless text.
        "flat": math.log(2) / float(trace.slope[flat]),
        "smollm3_nope": int((~rotates(smollm3.n_layer, smollm3.interval)).sum()),
        "smollm3_layers": smollm3.n_layer,
        "llama4_nope": int((~rotates(llama4.n_layer, llama4.interval)).sum()),
        "llama4_layers": llama4.n_layer,
        "llama4_reach": llama4.reach,
    }


@torch.no_grad()
def check(cfg: Config) -> dict[str, float]:
    """Both schemes' position terms and outputs against transformers' T5, BLOOM, Llama and DistilBERT, and PyTorch."""
    if cfg.weights == "trained":
        return check_trained(cfg)
    seen, head = trace(cfg), min(cfg.head, cfg.n_head - 1)
    n, start = len(seen.label), cfg.start
    words, weight = words_of(cfg.text)[0], weights(cfg)
    x = cfg.content * torch.stack([word_vector(words[i], cfg.seed) for i in seen.place.tolist()])
    position, answer = start + torch.arange(n), {}
    for shown in seen.shown:
        scheme, placed_x, bias = MAKERS[shown.name](cfg), x, torch.zeros(n, n)
        reference = "F.scaled_dot_product_attention"
        if isinstance(scheme, Sinusoidal):
            reference = "DistilBERT's table"
            placed_x = x + position_reference.sinusoidal_table(start + n, D_MODEL, cfg.base)[start:]
        elif isinstance(scheme, Learned):
            reference = "nn.Embedding"
            placed_x = x + position_reference.embedded(scheme.table.data, position)
        elif isinstance(scheme, RelativeBias):
            reference = "T5Attention.compute_bias"
            table = scheme.table.data
            bias = position_reference.t5_bias(table, n, cfg.max_distance, scheme.bidirectional)[head]
        elif isinstance(scheme, Alibi):
            reference = "build_alibi_tensor"
            row = position_reference.bloom_bias(cfg.n_head, start + n)[head, start:]
            bias = -(row[:, None] - row[None, :]).abs()  # BLOOM leaves out what softmax takes off each row
        query, key, value = (placed_x @ w.T for w in weight)
        if isinstance(scheme, Rotary):
            reference = "apply_rotary_pos_emb"
            query, key = (position_reference.llama_rotated(y, position, cfg.base) for y in (query, key))
        z = position_reference.attended(query, key, value, bias, cfg.causal)
        answer[f"{shown.name}: {reference}"] = float((z - shown.output).abs().max())
        answer[f"{shown.name}: rows sum to 1"] = float((shown.weight.sum(-1) - 1).abs().max())
    return answer


def check_trained(cfg: Config) -> dict[str, float]:
    """The attention shown against the one that the trained model itself reports."""
    seen, answer = trace(cfg), {}
    ids = position_reading.tokens(cfg.text, N_TOKEN)[0][seen.place]
    for shown in seen.shown:
        own = position_lm.load(shown.name)(ids[None], maps=True)[1][cfg.layer][0, seen.head]
        answer[f"{shown.name}: PositionLM's attention"] = float((own - shown.weight[0]).abs().max())
        answer[f"{shown.name}: rows sum to 1"] = float((shown.weight.sum(-1) - 1).abs().max())
    return answer
