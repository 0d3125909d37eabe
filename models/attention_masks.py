"""Scaled dot-product attention under a mask, step by step: scores, scale, mask, softmax, output.

Source: Vaswani et al. 2017, "Attention Is All You Need", section 3.2.1, equation (1) and footnote 4.

    S = Q K^T                      score:  one number per pair of positions
    Z = S / sqrt(d_head)           scaled: if q and k have independent entries of variance 1, q . k has variance d_head
    M = Z where visible, else -inf masked: exp(-inf) = 0, so a hidden position gets exactly no weight
    A = softmax(M)                 weight: every row sums to 1
    Y = A V                        output

Glossary
    Q, K, V   query, key, value: one row per token; random, or one head's of a real model (after RoPE where it has it)
    entropy   of a row of A, in bits: 0 is one token, log2(k) is an even look at k tokens
    reach     who can have heard of whom after 1..n_layer layers of this mask (models/visibility.py)
    edit      one token's q, k and v are replaced by random ones of the same length: whose output changes?
    singular  singular values of A; effective rank = exp(entropy of their shares), Roy & Vetterli 2007

Axes: t query position, s key position, d head feature, l layer, c head width on the scale curve.

Simplified: one head, one layer, no dropout. The masks are laid over the head's vectors as they are: a model that was
trained with another mask would have learned other vectors. Longformer's separate projections for global tokens are left
out, as is the restart of positions inside packed documents.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Annotated, Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from models import language_model, visibility
from models.fields import Choice, Range, Text, no_tick
from models.grouped_attention import key_heads
from models.head_reading import N_TOKEN, cut
from models.visibility import CLAIMS, PARAMETER, RULES, Shape, bounds

__all__ = ["CLAIMS", "Config", "Trace", "check", "facts", "limits", "scrubbed", "sweep", "trace"]

N_CELL_MAX = 2**18  # cells of all frames of a sweep together: 64 frames of 64 x 64
WIDTHS = (1, 2, 4, 8, 16, 32, 64, 128, 256)  # head widths on the scale curve


@dataclass(frozen=True)
class Config:
    """One head's vectors under one mask, or under two. Numbers too large for the text are cut down to fit it."""

    mask: Annotated[str, Choice(*RULES)] = "causal"
    compare: Annotated[str, Choice("none", *RULES)] = "none"
    source: Annotated[str, Choice("random", "tiny-lm", "minilm", "smollm2")] = "tiny-lm"
    text: Annotated[str, Text(2_000)] = "The inventor Zilberkov built a clock. The inventor Z"
    layer: Annotated[int, Range(0, 29)] = 1
    head: Annotated[int, Range(0, 11)] = 4  # of the tiny LM's layer 1: an induction head
    window: Annotated[int, Range(1, N_TOKEN)] = 4
    n_prefix: Annotated[int, Range(0, N_TOKEN)] = 6
    n_source: Annotated[int, Range(1, N_TOKEN)] = 6
    chunk: Annotated[int, Range(1, N_TOKEN)] = 5
    stride: Annotated[int, Range(1, N_TOKEN)] = 4
    n_global: Annotated[int, Range(0, N_TOKEN)] = 1
    n_document: Annotated[int, Range(1, 16)] = 3
    n_image: Annotated[int, Range(0, N_TOKEN)] = 6
    local_per_global: Annotated[int, Range(1, 7)] = 5
    n_layer: Annotated[int, Range(1, 12)] = 3
    edit: Annotated[int, Range(0, N_TOKEN - 1)] = 8
    scaled: bool = True
    n_token: Annotated[int, Range(2, N_TOKEN)] = 16  # of the random source; a text has its own
    d_head: Annotated[int, Range(1, 128)] = 32  # of the random source; a model has its own
    seed: Annotated[int, Range(0, 99)] = 0


@dataclass(frozen=True)
class Vectors:
    """One head's q, k, v, wherever they come from."""

    label: tuple[str, ...]  # one per token
    query: Float[Tensor, "t d"]
    key: Float[Tensor, "s d"]
    value: Float[Tensor, "s d"]
    layer: int  # the layer and head really taken; 0 for random vectors
    head: int
    n_cut: int  # tokens of the text that were left out


@dataclass(frozen=True)
class Shown:
    """What one mask makes of the scores."""

    name: str
    mask: Bool[Tensor, "t s"]  # True where row t may look at column s
    masked: Float[Tensor, "t s"]  # -inf where hidden
    weight: Float[Tensor, "t s"]
    output: Float[Tensor, "t d"]
    entropy: Float[Tensor, "t"]  # bits
    singular: Float[Tensor, "t"]  # of weight, largest first
    reach: Bool[Tensor, "l t s"]  # after layers 1..n_layer
    far: int  # the row whose reach the page tells of
    edit_difference: Float[Tensor, "t"]  # largest change in a row of output when token `edit` is replaced
    formula: str  # closed form of the number of visible pairs
    n_formula: int  # its value


@dataclass(frozen=True)
class Trace(Vectors):
    """Everything the page shows of one Config."""

    score: Float[Tensor, "t s"]
    scaled: Float[Tensor, "t s"]  # equal to score when the scale is off
    shown: tuple[Shown, ...]  # one, or two with `compare`
    edited: Float[Tensor, "3 d"]  # q, k, v of the token put in place of token `edit`
    width: Int[Tensor, "c"]  # head widths of the scale curve
    peak: Float[Tensor, "2 c"]  # mean largest weight of a row of random scores: with the scale, without
    pairs: dict[str, int]  # visible pairs of every mask at this length, in closed form
    shape: Shape
    edit: int


@dataclass(frozen=True)
class Sweep:
    """One field at many values, computed in one batch: what the scrubber plays."""

    field: str
    values: tuple[int, ...]
    index: int  # where the Config's own value stands
    mask: Bool[Tensor, "n t s"]
    weight: Float[Tensor, "n t s"]
    output: Float[Tensor, "n t d"]


@lru_cache(maxsize=4)
@torch.no_grad()
def read(name: str, text: str) -> tuple[language_model.Reading, int]:
    """(reading, tokens left out) of a text of at most N_TOKEN tokens. Remembered: sliders do not change the text."""
    model = language_model.load(name)
    ids, n_cut = cut(model, text)
    return model.read(ids), n_cut


def vectors(cfg: Config) -> Vectors:
    """Random q, k, v, or those of one head, layer and head cut down to what the model has. Raises ModelUnavailable."""
    if cfg.source == "random":
        generator = torch.Generator().manual_seed(cfg.seed)
        query, key, value = torch.randn(3, cfg.n_token, cfg.d_head, generator=generator)
        return Vectors(tuple(str(t) for t in range(cfg.n_token)), query, key, value, 0, 0, 0)
    reading, n_cut = read(cfg.source, cfg.text)
    n_layer, n_head = reading.query.shape[:2]
    layer, head = min(cfg.layer, n_layer - 1), min(cfg.head, n_head - 1)
    shared = int(key_heads(n_head, reading.key.shape[1])[head])  # several query heads may share one key/value head
    query, key, value = reading.query[layer, head], reading.key[layer, shared], reading.value[layer, shared]
    return Vectors(reading.label, query, key, value, layer, head, n_cut)


def attend(
    scaled: Float[Tensor, "t s"], mask: Bool[Tensor, "*n t s"], value: Float[Tensor, "s d"]
) -> tuple[Float[Tensor, "*n t s"], Float[Tensor, "*n t s"], Float[Tensor, "*n t d"]]:
    """(masked, weight, output) of one mask, or of n masks at once."""
    masked = scaled.masked_fill(~mask, -math.inf)
    weight = masked.softmax(-1)
    return masked, weight, weight @ value


def effective_rank(singular: Float[Tensor, "t"]) -> float:
    """exp of the entropy of the singular values' shares: n if all are equal, 1 if there is only one."""
    return float(torch.special.entr(singular / singular.sum()).sum().exp())


def limits(values: dict[str, Any]) -> dict[str, Range]:
    """What the controls may be: the layers and heads that the model has, the positions that the text has.

    Raises ModelUnavailable.
    """
    n_token, kinds = values["n_token"], {}
    if values["source"] != "random":
        model = language_model.load(values["source"])
        n_token = len(cut(model, values["text"])[0])
        kinds = {"layer": Range(0, model.n_layer - 1), "head": Range(0, model.n_head - 1)}
    return kinds | {"edit": Range(0, n_token - 1)} | {name: Range(*ends) for name, ends in bounds(n_token).items()}


@lru_cache(maxsize=64)
@torch.no_grad()
def peak_curve(n_key: int, seed: int) -> Float[Tensor, "2 c"]:
    """Mean largest weight of a random query over n_key random keys for every width in WIDTHS: with the scale, without.

    Each draw makes vectors of the largest width and cuts them to their first d entries, so the curve is smooth in d.
    """
    generator, n_draw = torch.Generator().manual_seed(seed), 8_192 // n_key
    query = torch.randn(n_draw, 1, max(WIDTHS), generator=generator)
    key = torch.randn(n_draw, n_key, max(WIDTHS), generator=generator)
    width = torch.tensor(WIDTHS)
    score = (query * key).cumsum(-1)[..., width - 1]  # draw, key, width
    return torch.stack([(s.softmax(1)).amax(1).mean(0) for s in (score * width**-0.5, score)])


def substitute(cfg: Config, found: Vectors, edit: int) -> Float[Tensor, "3 d"]:
    """q, k, v of another token: random directions, as long as the ones they replace."""
    old = torch.stack([found.query[edit], found.key[edit], found.value[edit]])
    # Its own stream of random numbers: cfg.seed alone would draw the first tokens' vectors again.
    new = torch.randn(old.shape, generator=torch.Generator().manual_seed(1_000 + cfg.seed))
    return F.normalize(new, dim=-1) * old.norm(dim=-1, keepdim=True)


@torch.no_grad()
def trace(cfg: Config, tick: Callable[[float], None] = no_tick) -> Trace:
    """Scores to output under one mask or two. Raises ModelUnavailable."""
    found = vectors(cfg)
    tick(0.6)
    n_token, d_head = found.query.shape
    shape, edit = visibility.fit(cfg, n_token), min(cfg.edit, n_token - 1)
    scale = d_head**-0.5 if cfg.scaled else 1.0
    score = found.query @ found.key.T
    scaled = score * scale
    edited = substitute(cfg, found, edit)
    query, key, value = (x.clone() for x in (found.query, found.key, found.value))
    query[edit], key[edit], value[edit] = edited
    scaled_after = (query @ key.T) * scale

    shown = []
    for name in sorted({cfg.mask, cfg.compare} - {"none"}, key=cfg.mask.__ne__):  # a mask is not compared with itself
        mask = visibility.visible(name, shape)
        masked, weight, output = attend(scaled, mask, found.value)
        output_after = attend(scaled_after, mask, value)[2]
        layers = [visibility.visible(name, replace(shape, n_layer=layer)) for layer in range(1, cfg.n_layer + 1)]
        reached = visibility.reach(torch.stack(layers))
        formula, n_formula = visibility.count(name, shape)
        shown.append(
            Shown(
                name=name,
                mask=mask,
                masked=masked,
                weight=weight,
                output=output,
                entropy=torch.special.entr(weight).sum(-1) / math.log(2),  # with 0 log 0 = 0
                singular=torch.linalg.svdvals(weight),
                reach=reached,
                far=visibility.far_row(reached),
                edit_difference=(output_after - output).abs().amax(-1),
                formula=formula,
                n_formula=n_formula,
            )
        )
    return Trace(
        **vars(found),
        score=score,
        scaled=scaled,
        shown=tuple(shown),
        edited=edited,
        width=torch.tensor(WIDTHS),
        peak=peak_curve(n_token, cfg.seed),
        pairs={name: visibility.count(name, shape)[1] for name in RULES},
        shape=shape,
        edit=edit,
    )


def scrubbed(cfg: Config) -> str | None:
    """The field whose values are worth playing: the main number of the mask, else that of the one beside it."""
    return PARAMETER[cfg.mask] or PARAMETER.get(cfg.compare)


@torch.no_grad()
def sweep(cfg: Config, field: str) -> Sweep:
    """Mask, weight and output for every value of `field` that this many tokens allow, in one batched pass.

    Values are thinned out evenly where all of them would be more than N_CELL_MAX cells; the Config's own value stays.
    Raises ModelUnavailable, and KeyError for a field that shapes no mask.
    """
    found = vectors(cfg)
    n_token, d_head = found.query.shape
    low, high = bounds(n_token)[field]
    shape = visibility.fit(cfg, n_token)
    own = getattr(shape, field)
    step = math.ceil((high - low + 1) * n_token**2 / N_CELL_MAX)
    values = sorted({*range(low, high + 1, step), own})
    many: Any = torch.tensor(values)[:, None, None]
    mask = visibility.visible(cfg.mask, replace(shape, **{field: many})).expand(len(values), n_token, n_token)
    scaled = found.query @ found.key.T * (d_head**-0.5 if cfg.scaled else 1.0)
    _, weight, output = attend(scaled, mask, found.value)
    return Sweep(field, tuple(values), values.index(own), mask, weight, output)


def facts(trace: Trace) -> dict[str, int | float | str]:
    """The captions' numbers. `other_` marks those of the second mask (of the first, if there is only one)."""
    first, other = trace.shown[0], trace.shown[-1]
    n, at_128 = len(trace.label), WIDTHS.index(128)
    # The most telling pair: a weight counts for more, the further it is above an even look at all that the row sees.
    surplus = torch.special.xlogy(first.weight, first.weight * first.mask.sum(-1, keepdim=True))
    row, col = divmod(int(surplus.fill_diagonal_(-math.inf).argmax()), n)
    changed = (first.edit_difference > 0).tolist()
    kinds = [i % (trace.shape.local_per_global + 1) == 0 for i in range(1, trace.shape.n_layer + 1)]
    heard = first.reach[:, first.far].sum(-1).tolist()
    answer: dict[str, int | float | str] = {
        "n_pair": n * n,
        "d_head": trace.query.shape[1],
        "row": trace.label[row].strip() or "␣",
        "col": trace.label[col].strip() or "␣",
        "weight": float(first.weight[row, col]),
        "score_std": float(trace.score.std(correction=0)),
        "peak_here": float(first.weight.amax(-1).mean()),
        "peak_scaled": float(trace.peak[0, at_128]),
        "peak_raw": float(trace.peak[1, at_128]),
        "edit_label": trace.label[trace.edit].strip() or "␣",
        "n_changed": sum(changed),
        "n_changed_before": sum(changed[: trace.edit]),
        "max_before": float(first.edit_difference[: trace.edit].max()) if trace.edit else 0.0,
        "max_after": float(first.edit_difference[trace.edit :].max()),
        "reach_one": heard[0],
        "reach_all": heard[-1],
        "reach_line": trace.shape.n_layer * (trace.shape.window - 1) + 1,
        "n_global_layer": sum(kinds),
        "n_target": n - trace.shape.n_source,
        "n_first_only": int((first.mask & ~other.mask).sum()),
        "n_other_only": int((other.mask & ~first.mask).sum()),
    }
    answer |= vars(trace.shape) | {name: getattr(trace, name) for name in ("layer", "head", "edit", "n_cut")}
    for head, shown in (("", first), ("other_", other)):
        answer[f"{head}n_visible"] = int(shown.mask.sum())
        answer[f"{head}formula"] = shown.formula
        answer[f"{head}share"] = int(shown.mask.sum()) / (n * n)
        answer[f"{head}entropy"] = float(shown.entropy.mean())
        answer[f"{head}rank"] = effective_rank(shown.singular)
    return answer


@torch.no_grad()
def check(cfg: Config) -> dict[str, float]:
    """Largest difference from PyTorch's attention, the closed form and, under its own mask, the model's attention."""
    seen = trace(cfg)
    shown, d_head = seen.shown[0], seen.query.shape[1]
    scale = d_head**-0.5 if cfg.scaled else 1.0
    sdpa = F.scaled_dot_product_attention(seen.query, seen.key, seen.value, shown.mask, scale=scale)
    attention = torch.nn.utils.skip_init(torch.nn.MultiheadAttention, d_head, 1, bias=False)
    attention.in_proj_weight.copy_(torch.eye(d_head).repeat(3, 1))
    # nn.MultiheadAttention always divides by sqrt(d_head); its mask is True where looking is forbidden.
    _, weight = attention(seen.query * scale * d_head**0.5, seen.key, seen.value, attn_mask=~shown.mask)
    answer = {
        "F.scaled_dot_product_attention": float((sdpa - shown.output).abs().max()),
        "nn.MultiheadAttention": float((weight - shown.weight).abs().max()),
        "pairs, closed form": float(abs(int(shown.mask.sum()) - shown.n_formula)),
    }
    if cfg.source != "random" and cfg.scaled:
        model = language_model.load(cfg.source)
        if torch.equal(shown.mask, visibility.visible("causal" if model.causal else "full", seen.shape)):
            own = read(cfg.source, cfg.text)[0].attention[seen.layer, seen.head]
            answer[f"attention of {model.name}"] = float((own - shown.weight).abs().max())
    return answer
