"""The numbers that the sentences below the further pictures name, read off the same studies that are drawn.

One function for each picture of viz/denoising_studies.py and viz/denoising_learning.py that has a sentence; it returns
{name in the sentence: number}.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from viz import denoising_learning as learning
from viz import denoising_studies as studies
from viz.denoising_studies import nearest
from viz.view import View

if TYPE_CHECKING:
    from models.denoising import Trace
    from models.denoising_comparisons import Determinism, Guidance, Quality, Variance, WrongFormula
    from models.denoising_config import Config
    from models.denoising_studies import Exact, Forward, Kinds, Schedules, Training

Numbers = dict[str, float | int]
FEW, SOME, MANY = 5, 50, 1000  # steps


def forward(found: Forward, t: int) -> Numbers:
    """Both clouds at t, and what is left of x0."""
    i = nearest(found.t, t)
    return {
        "t": found.t[i],
        "std": float(found.x[i].std()),
        "std_closed": float(found.closed[i].std()),
        "signal": float(found.signal[i]),
        "formula": float(found.alpha_bar[i]) ** 0.5,
    }


def field(trace: Trace) -> Numbers:
    """How long the longest arrow is."""
    return {"t": trace.t[trace.index], "largest_field": float(trace.field[trace.index].norm(dim=-1).max())}


def schedules(found: Schedules) -> Numbers:
    """alpha_bar in the middle and at the end."""
    bars = {name: found.alpha_bar[i] for i, name in enumerate(found.name)}
    said: Numbers = {"difference": float(found.difference)}
    for name, bar in bars.items():
        said |= {name: float(bar[499]), f"{name}_end": float(bar[-1])}
    return said


def betas(found: Schedules) -> Numbers:
    """beta at both ends."""
    said: Numbers = {}
    for i, name in enumerate(found.name):
        said |= {f"{name}_first": float(found.beta[i, 0]), f"{name}_last": float(found.beta[i, -1])}
    return said


def quality(found: Quality) -> Numbers:
    """Few, some and many steps, and who is nearer how often."""
    count = tuple(int(n) for n in found.count)
    few, some, many = (nearest(count, n) for n in (FEW, SOME, MANY))
    sliced = {name: found.sliced[i] for i, name in enumerate(found.name)}
    seconds = found.seconds[found.name.index("ddim")]
    return {
        "few": count[few],
        "many": count[many],
        "some": count[some],
        "ddpm_few": float(sliced["ddpm"][few]),
        "ddim_few": float(sliced["ddim"][few]),
        "ddpm_many": float(sliced["ddpm"][many]),
        "ddim_many": float(sliced["ddim"][many]),
        "floor": found.floor,
        "n_seed": found.n_seed,
        "n_point": found.n_point,
        "n_count": len(count),
        "wins": int((sliced["ddim"] < sliced["ddpm"]).sum()),
        "seconds_many": float(seconds[many]),
        "seconds_some": float(seconds[some]),
    }


def kinds(found: Kinds) -> Numbers:
    """The error in epsilon where there is least noise."""
    return _by_kind(found, found.epsilon_error.numpy())


def clean(found: Kinds) -> Numbers:
    """The error in x0 where there is most noise."""
    return _by_kind(found, found.x0_error.numpy())


def _by_kind(found: Kinds, errors: np.ndarray) -> Numbers:
    first, last = (0, -1) if found.t[0] < found.t[-1] else (-1, 0)
    said: Numbers = {"low": found.t[first], "high": found.t[last]}
    for i, kind in enumerate(found.kind):
        said |= {f"{kind}_low": float(errors[i, first]), f"{kind}_high": float(errors[i, last])}
    return said


def exact(found: Exact) -> Numbers:
    """The network that predicts epsilon against the best there is."""
    i = found.kind.index("epsilon")
    k = nearest(found.t, found.shown)
    return {
        "error_low": float(found.error[i].min()),
        "error_high": float(found.error[i].max()),
        "t": found.t[k],
        "best": float(found.best[k]),
        "loss": float(found.loss[i, k]),
    }


def guidance(found: Guidance) -> Numbers:
    """Without guidance, with the class as it is, and with the most guidance."""
    scale = tuple(float(x) for x in found.scale)
    none, one, most = nearest(scale, 0), nearest(scale, 1), len(scale) - 1
    return {
        "n": found.towards,
        "most": scale[most],
        "hit_none": float(found.hit[none]),
        "hit_one": float(found.hit[one]),
        "hit_most": float(found.hit[most]),
        "spread_one": float(found.spread[one]),
        "spread_most": float(found.spread[most]),
        "spread_data": found.spread_data,
        "outside_one": float(found.outside[one]),
        "outside_most": float(found.outside[most]),
    }


def determinism(found: Determinism) -> Numbers:
    """Two runs from one start, without and with fresh noise."""
    return {
        "apart_none": float(found.apart[0]),
        "apart_full": float(found.apart[-1]),
        "start": found.strangers,
        "ddpm": found.ddpm,
    }


def variance(found: Variance) -> Numbers:
    """How well DDIM's variance is DDPM's."""
    return {"difference": found.largest_difference, "apart": found.apart, "n_step": found.n_step}


def wrong(found: WrongFormula) -> Numbers:
    """What each formula takes away, and what becomes of the points."""
    ends = {name: float(found.deviation[i, -1]) for i, name in enumerate(found.name)}
    return ends | {
        "coefficient_first": float(found.coefficient[0]),
        "coefficient_middle": float(found.coefficient[499]),
        "coefficient_last": float(found.coefficient[-1]),
    }


def wrong_ends(found: WrongFormula) -> Numbers:
    """Who ends where the data are."""
    return {f"near_{name}": float(found.near[i]) for i, name in enumerate(found.name)}


def training(found: Training) -> Numbers:
    """The network and its training."""
    return {
        "n_param": found.n_param,
        "n_step": int(found.step[-1]),
        "seconds": found.seconds,
        "first": float(found.loss[0]),
        "last": float(found.loss[-1]),
    }


# What each further picture of the page is made of: pictures one below the other, each with the numbers of its sentence.
Parts = list[tuple[Callable[..., View], Callable[..., Numbers] | None]]
PARTS: dict[str, Parts] = {
    "forward": [(studies.forward, forward)],
    "field": [(studies.field, field)],
    "quality": [(studies.quality, quality)],
    "schedules": [(studies.schedules, schedules), (studies.betas, betas)],
    "determinism": [(studies.runs, None), (studies.determinism, determinism)],
    "variance": [(studies.variance, variance)],
    "kinds": [(learning.kinds, kinds), (learning.clean, clean)],
    "exact": [(learning.fields, None), (learning.exact, exact)],
    "guidance": [(studies.guided, None), (studies.guidance, guidance)],
    "wrong_formula": [(studies.wrong, wrong), (studies.wrong_ends, wrong_ends)],
    "training": [(learning.training, training)],
}
# Controls that a study does not read: moving them must not have it computed anew.
SAMPLING = ("n_step", "eta", "formula")
GUIDING = ("towards", "guidance")
UNREAD: dict[str, tuple[str, ...]] = {
    "forward": (*SAMPLING, *GUIDING, "kind", "model"),
    "quality": SAMPLING,
    "schedules": (*SAMPLING, *GUIDING, "kind", "model", "schedule"),
    "determinism": ("eta", "formula"),
    "variance": ("eta", "formula"),
    "kinds": (*SAMPLING, *GUIDING, "kind", "model"),
    "exact": (*SAMPLING, *GUIDING, "model", "data", "drawing"),
    "guidance": ("guidance", "formula"),
    "training": (*SAMPLING, *GUIDING, "model", "schedule", "seed"),
}


def asked(cfg: Config, name: str) -> Config:
    """The Config without what this study does not read."""
    plain = type(cfg)()
    return dataclasses.replace(cfg, **{field: getattr(plain, field) for field in UNREAD[name]})
