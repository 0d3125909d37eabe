"""Further pictures of denoising: the forward process, schedules, steps, guidance, fresh noise, a wrong formula.

Every function takes a study of models/denoising_studies.py (or the Trace) and the page's words, and returns a View with
an alt text of its own numbers. Each study's numbers for the sentence below its picture: viz/denoising_numbers.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from viz.components.curves import Axis, Line, curves
from viz.components.kit import Scrub
from viz.components.particles import Plane, particles
from viz.denoising import EDGE, SAMPLERS
from viz.view import View

if TYPE_CHECKING:
    from models.denoising import Trace
    from models.denoising_comparisons import Determinism, Guidance, Quality, Variance, WrongFormula
    from models.denoising_studies import Forward, Schedules

Words = Mapping[str, str]
FIELD, FIGURE, HALF = 620, 360, 280  # heights in pixels
HALFWAY = "line:3"  # the colour of eta = 0.5
ONE_BY_ONE = tuple(f"line:{i}" for i in (0, 1, 2))


def forward(found: Forward, t: int, words: Words) -> View:
    """Data become noise: one step after the other, and in one go; behind them the density of all data at that t."""
    index = nearest(found.t, t)
    ways = (("stepwise", found.x.numpy()), ("at_once", found.closed.numpy()))
    return particles(
        [
            Plane(
                words[name],
                x,
                notes=[words["note_level"].format(alpha_bar=bar) for bar in found.alpha_bar.tolist()],
                group=found.group.numpy() - int(found.group.min()),
                density=found.density.numpy(),
            )
            for name, x in ways
        ],
        x=(-EDGE, EDGE),
        y=(-EDGE, EDGE),
        followed=[0, 7, 21],
        groups=[words["data_class"].format(n=n) for n in sorted(set(found.group.tolist()))],
        trails="none",  # in one go every frame has noise of its own: what joins them is no path
        scrub=Scrub("noised", words["noised"], list(found.t), index),
        alt=words["alt_forward"].format(
            t=found.t[index],
            alpha_bar=float(found.alpha_bar[index]),
            **{f"std_{name}": float(x[index].std()) for name, x in ways},
        ),
        height=480,
        name="forward",
    )


def nearest(times: Sequence[float], t: float) -> int:
    """The frame nearest to t."""
    return min(range(len(times)), key=lambda i: abs(times[i] - t))


def field(trace: Trace, words: Words) -> View:
    """The density of the noised data at t and the field that leads uphill; it follows the slider."""
    size = np.linalg.norm(trace.field[trace.index].numpy(), axis=-1)
    return particles(
        [
            Plane(
                words["field"],
                trace.forward.numpy(),
                notes=[words["note_t"].format(t=t) for t in trace.t],
                group=trace.forward_class.numpy() - 1,
                density=trace.density.numpy(),
                arrows=(trace.origin.numpy(), trace.field.numpy()),
            )
        ],
        x=(-EDGE, EDGE),
        y=(-EDGE, EDGE),
        trails="none",
        follow="t",
        index=trace.index,
        alt=words["alt_field"].format(
            t=trace.t[trace.index], n=len(size), mean=float(size.mean()), most=float(size.max())
        ),
        height=FIELD,
        name="score",
    )


# --- schedules -------------------------------------------------------------------------------------------------------


def schedules(found: Schedules, words: Words) -> View:
    """What one step after the other leaves of data and noise (dots), and what the formula says (lines)."""
    t = np.array(found.t, float)
    names = [words[f"schedule_{name}"] for name in found.name]
    at = found.t[nearest(found.t, 500)]
    lines = [
        Line(names[i], np.sqrt(bars), x=np.arange(1.0, 1001.0), role=ONE_BY_ONE[i])
        for i, bars in _rows(found.alpha_bar)
    ]
    lines += [
        Line(words["iterated"].format(name=names[i]), found.signal[i].numpy(), x=t, role=ONE_BY_ONE[i], form="dots")
        for i in range(len(names))
    ]
    return curves(
        np.arange(1.0, 1001.0),
        lines,
        x_axis=Axis(words["axis_t"], low=0, high=1000),
        y_axis=Axis(words["axis_signal"], low=0, high=1),
        alt=words["alt_schedules"].format(
            t=at,
            values=", ".join(f"{names[i]} {float(found.alpha_bar[i, at - 1]):.3f}" for i in range(len(names))),
            difference=float(found.difference),
        ),
        height=FIGURE,
        name="schedules",
    )


def betas(found: Schedules, words: Words) -> View:
    """The variance that every single step adds."""
    names = [words[f"schedule_{name}"] for name in found.name]
    return curves(
        np.arange(1.0, 1001.0),
        [Line(names[i], beta, role=ONE_BY_ONE[i]) for i, beta in _rows(found.beta)],
        x_axis=Axis(words["axis_t"], low=0, high=1000),
        y_axis=Axis(words["axis_beta"], log=True, low=1e-5, high=1),
        alt=words["alt_betas"].format(
            values="; ".join(
                f"{names[i]}: {beta[0]:.1e}, {beta[499]:.1e}, {beta[-1]:.1e}" for i, beta in _rows(found.beta)
            )
        ),
        height=HALF,
        name="beta",
    )


# --- sampling in other ways ------------------------------------------------------------------------------------------


def quality(found: Quality, words: Words) -> View:
    """Distance from the result to fresh data against the number of steps, mean over several starts."""
    names = {"ddpm": words["ddpm"], "ddim": words["ddim"].format(eta=0), "half": words["ddim"].format(eta=0.5)}
    roles = {"ddpm": SAMPLERS[0], "ddim": SAMPLERS[1], "half": HALFWAY}
    count = np.array(found.count, float)
    sliced = found.sliced.numpy()
    return curves(
        count,
        [
            *(Line(names[name], sliced[i], role=roles[name]) for i, name in enumerate(found.name)),
            Line(words["floor"], np.full(len(count), found.floor), quiet=True),
        ],
        x_axis=Axis(words["axis_count"], log=True, ticks=[(n, f"{n:g}") for n in count]),
        y_axis=Axis(words["axis_sliced"], log=True),
        alt=words["alt_quality"].format(
            values="; ".join(
                f"{n:g}: " + ", ".join(f"{names[name]} {sliced[i, k]:.3f}" for i, name in enumerate(found.name))
                for k, n in enumerate(count)
            ),
            floor=found.floor,
        ),
        height=FIGURE,
        name="quality",
    )


def guidance(found: Guidance, words: Words) -> View:
    """What becomes of the results as guidance grows: in the class, off the data, spread, distance."""
    scale = np.array(found.scale, float)
    measures = [(name, getattr(found, name).numpy()) for name in ("hit", "outside", "spread", "sliced")]
    return curves(
        scale,
        [Line(words[f"measure_{name}"], values, role=f"line:{i}") for i, (name, values) in enumerate(measures)],
        x_axis=Axis(words["axis_scale"]),
        y_axis=Axis(words["axis_measures"], low=0),
        alt=words["alt_guidance"].format(
            n=found.towards,
            values="; ".join(
                f"{x:g}: " + ", ".join(f"{words[f'measure_{name}']} {values[k]:.2f}" for name, values in measures)
                for k, x in enumerate(scale)
            ),
        ),
        height=HALF,
        name="guidance",
    )


def guided(found: Guidance, words: Words) -> View:
    """The results without guidance, with the class as it is, and with the most guidance."""
    scale, x = list(found.scale), found.x.numpy()
    chosen = [0, nearest(scale, 2), len(scale) - 1]
    return particles(
        [
            Plane(
                words["scale"].format(scale=scale[k]),
                x[k],
                notes=[words["note_hit"].format(hit=float(found.hit[k]))],
                ghost=found.ghost.numpy(),
            )
            for k in chosen
        ],
        x=(-EDGE, EDGE),
        y=(-EDGE, EDGE),
        trails="none",
        alt=words["alt_guided"].format(
            values="; ".join(f"{scale[k]:g}: {float(found.hit[k]):.0%}" for k in chosen), n=found.towards
        ),
        height=330,
        name="guided",
    )


def determinism(found: Determinism, words: Words) -> View:
    """How far two runs from one start end from each other, by eta."""
    eta, apart = np.array(found.eta, float), found.apart.numpy()
    return curves(
        eta,
        [
            Line(words["apart"], apart, role=SAMPLERS[1]),
            Line(words["start_apart"], np.full(len(eta), found.strangers), quiet=True),
        ],
        x_axis=Axis("η"),
        y_axis=Axis(words["axis_apart"], low=0),
        alt=words["alt_determinism"].format(
            values=", ".join(f"{x:g}: {a:.2f}" for x, a in zip(eta, apart, strict=True)), start=found.strangers
        ),
        height=HALF,
        name="determinism",
    )


def runs(found: Determinism, words: Words) -> View:
    """Both runs' results in one plane: without fresh noise one lies upon the other."""
    x = found.x.numpy()
    m = min(x.shape[2], 120)
    group = np.repeat([0, 1], m)
    ends = (0, len(found.eta) - 1)
    return particles(
        [
            Plane(
                words["ddim"].format(eta=found.eta[k]),
                np.concatenate([x[0, k, :m], x[1, k, :m]]),
                notes=[words["note_apart"].format(apart=float(found.apart[k]))],
                group=group,
            )
            for k in ends
        ],
        x=(-EDGE, EDGE),
        y=(-EDGE, EDGE),
        trails="none",
        groups=[words["run"].format(n=1), words["run"].format(n=2)],
        alt=words["alt_runs"].format(first=float(found.apart[0]), last=float(found.apart[-1]), n=m),
        height=400,
        name="runs",
    )


def wrong(found: WrongFormula, words: Words) -> View:
    """How wide the points spread at every t: by the right formula, by the wrong one, and by it without fresh noise."""
    t = np.array(found.t, float)[::-1]  # rising
    spread = np.clip(found.deviation.numpy(), 1e-3, 1e60)
    return curves(
        t,
        [
            Line(words[f"formula_{name}"], spread[i, ::-1], role=("value", "line:5", "line:7")[i])
            for i, name in enumerate(found.name)
        ],
        x_axis=Axis(words["axis_t"], low=0, high=1000),
        y_axis=Axis(words["axis_std"], log=True),
        alt=words["alt_wrong"].format(
            values="; ".join(
                f"{words[f'formula_{name}']} {float(spread[i, -1]):.3g}" for i, name in enumerate(found.name)
            )
        ),
        height=HALF,
        name="wrong-formula",
    )


def wrong_ends(found: WrongFormula, words: Words) -> View:
    """Where the points end on the line, by each formula; the data are at -1 and 1."""
    edge = found.edge.numpy()
    middle = (edge[1:] + edge[:-1]) / 2
    bars = found.histogram.numpy()
    return curves(
        middle,
        [
            Line(words[f"formula_{name}"], 100 * bars[i], role=("value", "line:5", "line:7")[i], form="steps")
            for i, name in enumerate(found.name)
        ],
        x_axis=Axis(words["axis_place"]),
        y_axis=Axis(words["axis_share"], low=0),
        alt=words["alt_wrong_ends"].format(
            values="; ".join(
                f"{words[f'formula_{name}']} {float(found.near[i]):.1%}" for i, name in enumerate(found.name)
            )
        ),
        height=HALF,
        name="wrong-ends",
    )


def variance(found: Variance, words: Words) -> View:
    """The variance of the fresh noise at every step of the full schedule: what DDPM may choose from, and DDIM's."""
    t = np.array(found.t, float)
    return curves(
        t,
        [
            Line(words["large"], found.large.numpy(), role="line:2"),
            Line(words["small"], found.ddpm.numpy(), role=SAMPLERS[0]),
            Line(words["ddim"].format(eta=1), found.ddim[-1].numpy(), role=SAMPLERS[1]),
        ],
        x_axis=Axis(words["axis_t"], low=0, high=1000),
        y_axis=Axis(words["axis_variance"], log=True),
        alt=words["alt_variance"].format(
            difference=float(found.largest_difference), last=float(found.large[-1]), first=float(found.ddpm[0])
        ),
        height=HALF,
        name="variance",
    )


def _rows(values: object) -> list[tuple[int, np.ndarray]]:
    return list(enumerate(np.asarray(values, float)))
