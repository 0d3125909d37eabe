"""Five ways to carry diffusion, made for numbers, over to words.

    d3pm           models/d3pm.py           the noise is a table of probabilities from word to word
    diffusion_lm   models/diffusion_lm.py   words are points in the plane, and points can be noised
    diffuseq       models/diffuseq.py       a source stays clean, its target is noised
    ssd_lm         models/ssd_lm.py         words are corners of a simplex, logits are noised, text is written in blocks
    ar_diffusion   models/ar_diffusion.py   every position has its own noise level, the left ones first

Each of these files reads alone, with its paper, sections and symbols. Here they share only a page: one Config whose
fields matter to one or more of them, and one slider over the noise. Wherever a paper has a trained network, these have
the best possible denoiser of a language small enough to know: what goes wrong is then never the network's fault.

Conventions: `step` is t, the noise level (0 clean, T noise); AR-Diffusion has one for every position, so there the
frames count passes.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, Any

import torch

from models import ar_diffusion, d3pm, diffuseq, diffusion_lm, ssd_lm
from models.fields import Choice, Kind, Range, no_tick

KINDS = ("d3pm", "diffusion_lm", "diffuseq", "ssd_lm", "ar_diffusion")
MOST = 64  # steps


@dataclass(frozen=True)
class Config:
    """One of the five, and its settings; the others' do not matter."""

    kind: Annotated[str, Choice(*KINDS)] = "d3pm"
    corruption: Annotated[str, Choice(*d3pm.CORRUPTIONS)] = "uniform"
    n_word: Annotated[int, Range(3, 16)] = 8
    clean: Annotated[int, Range(1, 16)] = 3  # the word whose posterior is shown
    schedule: Annotated[str, Choice(*diffusion_lm.SCHEDULES)] = "sqrt"
    clamp: Annotated[float, Range(0.0, 1.0, 0.05)] = 0.5
    source: Annotated[str, Choice(*diffuseq.SOURCES)] = "light"
    logit: Annotated[float, Range(0.5, 10.0, 0.5)] = 5.0  # K
    projection: Annotated[str, Choice(*ssd_lm.PROJECTIONS)] = "sampling"
    guidance: Annotated[float, Range(0.0, 16.0, 1.0)] = 4.0
    wanted: Annotated[int, Range(1, ssd_lm.N_WORD)] = 3
    block: Annotated[int, Range(1, ssd_lm.LENGTH)] = 3
    slope: Annotated[float, Range(0.0, 1.0, 0.05)] = 0.25
    path: Annotated[str, Choice(*ar_diffusion.PATHS)] = "straight"
    anchor: Annotated[float, Range(1.0, 6.0, 0.5)] = 2.0
    per_word: Annotated[int, Range(1, 8)] = 3
    n_step: Annotated[int, Range(4, MOST, 4)] = 24
    seed: Annotated[int, Range(0, 99)] = 0
    step: Annotated[int, Range(0, MOST)] = 10
    passed: Annotated[int, Range(0, 48)] = 4  # AR-Diffusion's frame: passes so far
    written: Annotated[int, Range(0, MOST * ssd_lm.LENGTH)] = MOST * ssd_lm.LENGTH  # of the text in blocks, passes


Part = d3pm.Trace | diffusion_lm.Trace | diffuseq.Trace | ssd_lm.Trace | ar_diffusion.Trace


@dataclass(frozen=True)
class Trace:
    """What one of the five computed, and which of its frames is shown."""

    kind: str
    part: Part
    step: int  # t, or AR-Diffusion's passes: as close to the one asked for as there is
    written: int


def limits(values: dict[str, Any]) -> dict[str, Kind]:
    """No more clean words than there are words."""
    return {"clean": Range(1, values["n_word"])}


def trace(cfg: Config, tick: Callable[[float], None] = no_tick) -> Trace:
    """Run the chosen one."""
    part: Part
    if cfg.kind == "d3pm":
        part = d3pm.trace(cfg.corruption, cfg.n_word, min(cfg.clean, cfg.n_word) - 1, cfg.n_step, cfg.seed)
    elif cfg.kind == "diffusion_lm":
        part = diffusion_lm.trace(cfg.schedule, cfg.clamp, cfg.n_step, cfg.seed)
    elif cfg.kind == "diffuseq":
        part = diffuseq.trace(diffuseq.SOURCES.index(cfg.source), cfg.n_step, cfg.seed)
    elif cfg.kind == "ssd_lm":
        part = ssd_lm.trace(cfg.logit, cfg.projection, cfg.guidance, cfg.wanted - 1, cfg.block, cfg.n_step, cfg.seed)
    else:
        part = ar_diffusion.trace(cfg.path, cfg.slope, cfg.anchor, cfg.per_word, cfg.seed)
    tick(1.0)
    return at(Trace(cfg.kind, part, 0, 0), cfg)


def computed(cfg: Config) -> Config:
    """The same computation whatever frame is shown: what a slider only plays is not computed again."""
    return replace(cfg, step=Config.step, passed=Config.passed, written=Config.written)


def at(trace: Trace, cfg: Config) -> Trace:
    """The same computation at other frames."""
    part = trace.part
    n_written = len(part.written) - 1 if isinstance(part, ssd_lm.Trace) else 0
    wanted = cfg.passed if trace.kind == "ar_diffusion" else cfg.step
    return replace(trace, step=min(wanted, last(trace)), written=min(cfg.written, n_written))


def last(trace: Trace) -> int:
    """The largest step of the chosen one."""
    part = trace.part
    if isinstance(part, d3pm.Trace):
        return len(part.distance) - 1
    if isinstance(part, ar_diffusion.Trace):
        return len(part.level) - 1
    return len(part.alpha_bar) - 1


def facts(trace: Trace) -> dict[str, float | int | str]:
    """The numbers that the notes name, at the frame shown: of the chosen one only."""
    module = {
        "d3pm": d3pm,
        "diffusion_lm": diffusion_lm,
        "diffuseq": diffuseq,
        "ssd_lm": ssd_lm,
        "ar_diffusion": ar_diffusion,
    }[trace.kind]
    return {"step": trace.step, "written": trace.written} | module.facts(trace.part, trace.step)


def check(cfg: Config) -> dict[str, float]:
    """The chosen one against Bayes by enumeration, closed forms, autograd and sums that have to be 1."""
    if cfg.kind == "d3pm":
        return d3pm.check(cfg.corruption, cfg.n_word, min(cfg.clean, cfg.n_word) - 1, cfg.n_step)
    if cfg.kind == "diffusion_lm":
        return diffusion_lm.check(cfg.schedule, cfg.n_step)
    if cfg.kind == "diffuseq":
        return diffuseq.check(diffuseq.SOURCES.index(cfg.source), cfg.n_step)
    if cfg.kind == "ssd_lm":
        return ssd_lm.check(cfg.logit, cfg.n_step)
    return ar_diffusion.check(cfg.path, cfg.slope, cfg.anchor, cfg.per_word)


# --- what the claims rest on -----------------------------------------------------------------------------------------


def masking() -> dict[str, float | int]:
    """Claim: masking is something else than diffusion. It is D3PM's absorbing table: half masked at half the steps."""
    found = d3pm.tables("absorbing", 24, 8)
    halfway = found.power[12]
    language = d3pm.sentences(8, d3pm.LENGTH)
    return {
        "n_step": 24,
        "half": 12,
        "masked": float(halfway[:8, -1].mean()),
        "other": float((halfway[:8, :8].sum() - halfway[:8, :8].diagonal().sum()) / 8),
        "end": float(found.power[-1][:8, -1].min()),
        "n_sentence": len(language),
    }


def without_gauss() -> dict[str, float | int]:
    """Claim: diffusion needs Gaussian noise; or: text is discrete, so it cannot be diffused. Exact, and no Gauss."""
    generator, n_step = torch.Generator().manual_seed(0), d3pm.STEPS[-1]
    exact = {one: d3pm.share_right(one, n_step, 8, True, generator) for one in d3pm.CORRUPTIONS}
    return {
        "n_step": n_step,
        "n_text": d3pm.N_TEXT,
        **{f"exact_{one}": exact[one] for one in d3pm.CORRUPTIONS},
        **{f"word_{one}": float(d3pm.shares(8, 0)[c, -1]) for c, one in enumerate(d3pm.CORRUPTIONS)},
        "chance": 16 / 8**d3pm.LENGTH,
    }


def seq2seq() -> dict[str, float | int]:
    """Claim: DiffuSeq is as good as strong autoregressive models. Computed here: what partial noising does."""
    found = diffuseq.facts(diffuseq.trace(0, 24, 0, 2000), 0)
    lone = diffuseq.facts(diffuseq.trace(2, 24, 0, 2000), 0)
    return {
        "partial": float(found["answered_partial"]),
        "both": float(found["answered_both"]),
        "back": float(lone["answered_put_back"]),
        "best": float(found["best_partial"]),
        "known": float(found["known"]),
    }


def rounding() -> dict[str, float | int]:
    """Claim: a little noise on an embedding changes the word."""
    found = diffusion_lm.trace("sqrt", 0.5, 24, 0)
    said = diffusion_lm.facts(found, 12)
    return {
        "alpha_bar": float(said["alpha_bar"]),
        "plane": float(said["accuracy"]),
        "wide": float(said["wide"]),
        "end_plain": float(said["end_plain"]),
        "end_clamped": float(said["end_clamped"]),
    }


def guided() -> dict[str, float | int]:
    """Claim: on a simplex a classifier can guide, and text is written in blocks."""
    said = ssd_lm.facts(ssd_lm.trace(5.0, "sampling", 4.0, 2, 3, 24, 0), 0)
    names = ("share_none", "share_most", "surprise_none", "surprise_most", "most", "n_block", "block", "passes")
    return {name: said[name] for name in names} | {"own": said["own_surprise"]}


def order() -> dict[str, float | int]:
    """Claim: denoising from left to right reconciles order and refinement. What it gives, and what it costs."""
    said = ar_diffusion.facts(ar_diffusion.trace("straight", 0.25, 2.0, 3, 0), 0)
    alone = ar_diffusion.facts(ar_diffusion.trace("straight", 0.0, 2.0, 1, 0), 0)
    names = ("per_word", "right", "right_once", "right_single", "same_single", "passes", "passes_once", "passes_single")
    return {name: float(said[name]) for name in names} | {
        "one_by_one": float(alone["right_single"]),
        "at_once": float(alone["right_once"]),
        "n": ar_diffusion.LENGTH,
    }


CLAIMS = {
    "masking": masking,
    "without-gauss": without_gauss,
    "seq2seq": seq2seq,
    "rounding": rounding,
    "guided": guided,
    "order": order,
}
