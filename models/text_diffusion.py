"""Masked diffusion for text beside an autoregressive model: the same blanks, vocabulary and training text.

Sources: Nie et al. 2025, "Large Language Diffusion Models" (LLaDA); Sahoo et al. 2024 (MDLM); Arriola et al. 2025,
"Block Diffusion"; Wang et al. 2025 (ReMDM). The parts: models/masked_lm.py (model and objective), models/unmasking.py
(orders, blocks, masking again), models/continuation.py (left to right), models/text_quality.py, models/independence.py.

    diffusion        T passes, each over all n positions             T n   tokens through the model
    autoregressive   N passes, each over one token (cache)           n - 1 tokens through the model, at most

Glossary
    given, free   positions that are there from the start; positions to fill: N of them
    pass          one run of the model; passes follow each other, so they are what must be waited for
    forwards      tokens that went through the model, summed over passes: what must be computed
    written       what stands on the free positions at the end

Axes: f frames (before the first pass, then after each), n positions, k candidates.

Conventions: position 0 is <bos>. Both models share one clock, a frame per pass; who is done first stands still. Neither
may write <bos>. Times are measured with one row on this machine, and say nothing of a graphics card.
Simplified: the diffusion model computes all positions in every pass; block models with a cache compute less.
"""

import math
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from models import masked_lm, text_diffusion_claims, text_quality, tiny_lm
from models.continuation import fill
from models.fields import Choice, Range, Text, no_tick
from models.independence import DEPENDENCE, Joint, joint
from models.text_diffusion_reference import differences
from models.unmasking import ORDERS, Filling, unmask

MOST = masked_lm.N_MAX  # positions, <bos> included
LONGEST = 64  # tokens appended
COSTS = (8, 16, 32, 64, 100, 128, 256, 512, 1024)  # lengths for which passes are counted


@dataclass(frozen=True)
class Config:
    """A text with blanks, and how they are filled."""

    text: Annotated[str, Text(400)] = "HAMLET:\nMy lord, I have been so much in love with you"
    order: Annotated[str, Choice(*ORDERS)] = "confidence"
    steps: Annotated[int, Range(1, LONGEST)] = 8
    block: Annotated[int, Range(1, LONGEST)] = LONGEST
    temperature: Annotated[float, Range(0.0, 1.5, 0.1)] = 0.8
    length: Annotated[int, Range(0, LONGEST)] = 32
    holes: Annotated[str, Text(200)] = ""  # positions of the text that are masked as well
    remask: Annotated[float, Range(0.0, 0.5, 0.05)] = 0.0
    seed: Annotated[int, Range(0, 99)] = 0
    step: Annotated[int, Range(0, MOST)] = 5  # the frame shown; beyond the last: the last
    dependence: Annotated[float, Range(0.0, 1.0, 0.05)] = 1.0  # of the two coins


@dataclass(frozen=True)
class Run:
    """One model filling the blanks."""

    token: Int[Tensor, "f n"]  # -1 where masked
    weight: Float[Tensor, "f n"]  # probability with which the token was placed
    guess: Int[Tensor, "f n k"]
    guess_weight: Float[Tensor, "f n k"]
    step: Int[Tensor, "n"]  # the pass that filled it, 0 where given
    n_pass: int
    forwards: int
    seconds: float  # measured
    nats: float  # of the written text, under tiny-lm, per token
    distinct: float  # different pairs of neighbours in it, as a share
    written: str


@dataclass(frozen=True)
class Cost:
    """What texts of growing length take, counted; autoregressive with a cache, a text of N takes N passes and N."""

    length: tuple[int, ...]
    n_pass: tuple[int, ...]
    forwards: tuple[int, ...]


@dataclass(frozen=True)
class Trace:
    """Both runs on one clock."""

    label: tuple[str, ...]  # of every token id
    given: Bool[Tensor, "n"]
    holes: tuple[int, ...]  # given positions that the visitor has masked
    blocks: tuple[int, ...]  # positions at which a block begins
    diffusion: Run
    autoregressive: Run
    n_cut: int  # tokens of the text that had no place
    asked: int  # passes asked for
    block: int  # free positions in a block
    order: str
    temperature: float
    remask: float
    index: int
    cost: Cost
    joint: Joint
    dependence: int  # index into the joint


def still(cfg: Config) -> Config:
    """The same experiment, whatever the scrubbers show: what they only play is not computed again."""
    return replace(cfg, step=Config().step, dependence=Config().dependence)


def at(trace: Trace, step: int, dependence: float) -> Trace:
    """The same trace at another frame, or the last one; and at another dependence, or the next one."""
    c = min(range(len(DEPENDENCE)), key=lambda i: abs(DEPENDENCE[i] - dependence))
    return replace(trace, index=min(step, len(trace.diffusion.token) - 1), dependence=c)


def blanks(cfg: Config) -> tuple[Int[Tensor, "n"], Bool[Tensor, "n"], tuple[int, ...], int]:
    """(ids, which are free, the visitor's holes, tokens cut off): the text, its holes, and `length` places after it.

    With neither holes nor places there is nothing to do: then one place is appended.
    """
    lm = tiny_lm.load()
    ids = lm.encode(cfg.text)
    kept = ids[: MOST - max(1, cfg.length)]
    asked = {int(number) for number in re.findall(r"\d{1,4}", cfg.holes, re.ASCII)}
    holes = tuple(sorted(i for i in asked if 0 < i < len(kept)))
    length = cfg.length or (0 if holes else 1)
    free = torch.zeros(len(kept) + length, dtype=torch.bool)
    free[list(holes)] = True
    free[len(kept) :] = True
    return torch.tensor(kept + [0] * length), free, holes, len(ids) - len(kept)


@torch.no_grad()
def trace(cfg: Config, tick: Callable[[float], None] = no_tick) -> Trace:
    """Fill the same blanks by unmasking and from left to right."""
    lm, model = tiny_lm.load(), masked_lm.load()
    ids, free, holes, n_cut = blanks(cfg)
    never = (lm.bos,)

    model(ids[None]), lm.model(ids[None])  # the first pass of a process is slow, and is nobody's fault
    started = time.perf_counter()
    unmasked = unmask(
        lambda rows: masked_lm.predict(model, rows, never), ids[None], free, model.mask, order=cfg.order,
        n_step=cfg.steps, block=cfg.block, temperature=cfg.temperature, remask=cfg.remask,
        generator=torch.Generator().manual_seed(cfg.seed), tick=lambda done: tick(0.6 * done),
    )  # fmt: skip
    between = time.perf_counter()
    continued, forwards = fill(
        lm.model, ids[None], free, temperature=cfg.temperature, never=never,
        generator=torch.Generator().manual_seed(cfg.seed), tick=lambda done: tick(0.6 + 0.4 * done),
    )  # fmt: skip
    ended = time.perf_counter()

    where = free.nonzero()[:, 0].tolist()
    n_frame = 1 + max(len(unmasked.plan), len(continued.plan))
    done = Trace(
        label=lm.label(range(lm.vocab_size)),
        given=~free,
        holes=holes,
        blocks=tuple(where[i] for i in sorted({one.first for one in unmasked.plan})),
        diffusion=run(unmasked, free, n_frame, len(unmasked.plan) * len(ids), between - started),
        autoregressive=run(continued, free, n_frame, forwards, ended - between),
        n_cut=n_cut,
        asked=cfg.steps,
        block=min(cfg.block, len(where)),
        order=cfg.order,
        temperature=cfg.temperature,
        remask=cfg.remask,
        index=0,
        cost=cost(COSTS, cfg.steps),
        joint=joint(),
        dependence=0,
    )
    return at(done, cfg.step, cfg.dependence)


def run(filling: Filling, free: Bool[Tensor, "n"], n_frame: int, forwards: int, seconds: float) -> Run:
    """The first row of a filling, standing still once it is done."""
    lm = tiny_lm.load()
    frame = torch.arange(n_frame).clamp(max=len(filling.plan))
    last = filling.ids[-1]
    # An id that tiny-lm cannot read would be a mask left over: there is none.
    nats = text_quality.surprise(lm.model, last)[0, free[1:]]
    written = last[0, free].tolist()
    return Run(
        token=torch.where(filling.masked, -1, filling.ids)[frame, 0],
        weight=filling.probability[frame, 0].clamp(max=1.0),
        guess=filling.candidate[frame, 0],
        guess_weight=filling.candidate_probability[frame, 0].clamp(max=1.0),
        step=filling.step[0],
        n_pass=len(filling.plan),
        forwards=forwards,
        seconds=seconds,
        nats=float(nats.mean()),
        distinct=text_quality.distinct(written),
        written=lm.decode(written),
    )


def holed(places: list[int]) -> dict[str, str]:
    """The field that keeps what the visitor has masked by clicks."""
    return {"holes": " ".join(str(place) for place in sorted(places))}


# --- further experiments ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Quality:
    """Text written in more and more passes, beside tiny-lm's own; all PROMPTS, several rows of each."""

    steps: tuple[int, ...]
    perplexity: Float[Tensor, "q"]
    distinct: Float[Tensor, "q"]
    own_perplexity: float
    own_distinct: float
    n_text: int
    length: int


def quality(cfg: Config, tick: Callable[[float], None] = no_tick) -> Quality:
    """With the order, temperature, block size, remasking and seed chosen; the text is the six prompts', 32 tokens."""
    way = text_quality.Way(cfg.order, cfg.temperature, cfg.block, cfg.remask)
    found, own = text_quality.quality(way, seed=cfg.seed, tick=tick)
    found = tuple({one.steps: one for one in found}.values())  # small blocks leave fewer numbers of passes
    return Quality(
        steps=tuple(one.steps for one in found),
        perplexity=torch.tensor([one.perplexity for one in found]),
        distinct=torch.tensor([one.distinct for one in found]),
        own_perplexity=own.perplexity,
        own_distinct=own.distinct,
        n_text=text_quality.N_SAMPLE * len(text_quality.PROMPTS),
        length=text_quality.LENGTH,
    )


@dataclass(frozen=True)
class HeldOut:
    """Held-out text with more and more of it masked: mean -log p of a masked token, nats; tiny-lm's beside it."""

    domain: tuple[str, ...]
    share: Float[Tensor, "l"]  # of the tokens that is masked
    loss: Float[Tensor, "c l"]
    bound: Float[Tensor, "c"]  # mean over all shares
    own: Float[Tensor, "c"]


def held_out(tick: Callable[[float], None] = no_tick) -> HeldOut:
    """Sixteen rows of each domain that neither model has seen."""
    model, judge, rows = masked_lm.load(), tiny_lm.load(), text_quality.held_out()
    n = next(iter(rows.values())).shape[1] - 1
    counts = tuple(range(1, n + 1, 14))
    found, own = [], []
    for i, ids in enumerate(rows.values()):
        tick(i / len(rows))
        found.append(text_quality.bound(model, ids, counts, torch.Generator().manual_seed(0)))
        own.append(text_quality.surprise(judge.model, ids).mean())
    loss = torch.stack(found)
    tick(1.0)
    return HeldOut(tuple(rows), torch.tensor(counts) / n, loss, loss.mean(1), torch.stack(own))


def cost(length: tuple[int, ...], n_step: int) -> Cost:
    """Passes and token-forwards of texts of which nothing is given, all of one block."""
    n_pass = tuple(min(n_step, n) for n in length)
    return Cost(length, n_pass, tuple(passes * n for passes, n in zip(n_pass, length, strict=True)))


# --- what the captions say, and what the claims rest on --------------------------------------------------------------


def facts(trace: Trace) -> dict[str, float | int | str]:
    """The numbers that the captions name; `_ar` is the autoregressive model's."""
    diffusion, own, index = trace.diffusion, trace.autoregressive, trace.index
    free = ~trace.given
    n_free = int(free.sum())
    order = diffusion.step[free]
    turns = order[1:] - order[:-1]
    exact = trace.joint
    per_pass = [int((order == i + 1).sum()) for i in range(diffusion.n_pass)]
    hundred = cost((100,), 10)
    return {
        "n_free": n_free,
        "n_given": int(trace.given.sum()) - 1,
        "n_position": len(trace.given),
        "n_hole": len(trace.holes),
        "n_cut": trace.n_cut,
        "asked": trace.asked,
        "n_pass": diffusion.n_pass,
        "n_pass_ar": own.n_pass,
        "block": trace.block,
        "n_block": len(trace.blocks),
        "forwards": diffusion.forwards,
        "forwards_ar": own.forwards,
        "forward_ratio": diffusion.forwards / max(1, own.forwards),
        "times_more": round(diffusion.forwards / max(1, own.forwards)),
        "pass_ratio": own.n_pass / max(1, diffusion.n_pass),
        "milliseconds": 1e3 * diffusion.seconds,
        "milliseconds_ar": 1e3 * own.seconds,
        "perplexity": math.exp(min(30.0, diffusion.nats)),
        "perplexity_ar": math.exp(min(30.0, own.nats)),
        "distinct": diffusion.distinct,
        "distinct_ar": own.distinct,
        "index": index,
        "n_masked": int((diffusion.token[index] < 0).sum()),
        "n_masked_ar": int((own.token[index] < 0).sum()),
        "most": max(per_pass, default=0),
        "backwards": int((turns < 0).sum()),
        "together": int((turns == 0).sum()),
        "sure": float(diffusion.weight[-1][free].mean()),
        "sure_ar": float(own.weight[-1][free].mean()),
        "temperature": trace.temperature,
        "remask": trace.remask,
        "written": diffusion.written,
        "written_ar": own.written,
        "c": DEPENDENCE[trace.dependence],
        "mixed": float(exact.truth[trace.dependence, 1:3].sum()),
        "mixed_one": float(exact.one_pass[trace.dependence, 1:3].sum()),
        "mixed_two": float(exact.two_passes[trace.dependence, 1:3].sum()),
        "lost": float(exact.information[trace.dependence]),
        "hundred": hundred.length[0],
        "hundred_pass": hundred.n_pass[0],
        "hundred_forwards": hundred.forwards[0],
    }


def check(cfg: Config) -> dict[str, float]:
    """The objective by a slow loop, both models by their definitions, the coins by counting; on texts of this page."""
    ids, free, _, _ = blanks(cfg)
    return differences(ids, free)


CLAIMS = text_diffusion_claims.CLAIMS
