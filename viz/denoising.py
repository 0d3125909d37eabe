"""Pictures of denoising in the plane: both samplers from one start, and what is known of every noise level.

Every function takes a Trace or Schedules of models/denoising.py and models/denoising_studies.py and the page's words,
and returns a View with an alt text of its own numbers. The slider below the planes runs from noise (t = 1000) to data
(t = 0); the curves below follow it. Further pictures: viz/denoising_studies.py and viz/denoising_learning.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from viz import palette
from viz.components.curves import Axis, Line, curves
from viz.components.kit import Scrub
from viz.components.particles import Plane, particles
from viz.components.sketch import sketch
from viz.view import View

if TYPE_CHECKING:
    from models.denoising import Trace
    from models.denoising_studies import Schedules

Words = Mapping[str, str]
PLANES, BESIDE, SMALL, PEN = 640, 556, 220, 460  # heights in pixels; BESIDE: the planes next to the pad
EDGE = 3.0  # the planes show -EDGE to EDGE
SAMPLERS = ("line:1", "line:0")  # the colours of DDPM and DDIM
FEW = 6  # steps: so few that the way is a few straight lines


def reverse(trace: Trace, words: Words, labels: Sequence[str] = ()) -> View:
    """From one start to the data, by DDPM and by DDIM; the arrows point to where data are, the hollow dots are x0."""
    titles, groups = _names(trace, words), [words["class"].format(name=name) for name in labels]
    x, x0 = trace.x.numpy(), trace.x0.numpy()
    arrows = (trace.origin.numpy(), trace.field.numpy())
    return particles(
        [
            Plane(
                titles[s],
                x[s],
                notes=[words["note_gap"].format(gap=_short(gap)) for gap in trace.gap[s].tolist()],
                group=trace.end_class[s].numpy() - 1,
                ghost=trace.ghost.numpy(),
                arrows=arrows,
                target=x0[s],
            )
            for s in range(len(x))
        ],
        x=(-EDGE, EDGE),
        y=(-EDGE, EDGE),
        followed=followed(trace),
        trails="all",
        groups=groups[: int(trace.end_class.max())],
        scrub=_scrub(trace, words),
        alt=words["alt_reverse"].format(
            t=trace.t[trace.index],
            n=x.shape[2],
            n_step=trace.n_step,
            values="; ".join(
                words["alt_sampler"].format(
                    name=titles[s],
                    gap=_short(float(trace.gap[s, trace.index])),
                    end=_short(float(trace.sliced[s])),
                    outside=float(trace.outside[s]),
                )
                for s in range(len(x))
            ),
        ),
        height=BESIDE if trace.data == "drawn" else PLANES,
        name="denoising",
    )


def followed(trace: Trace) -> list[int]:
    """Three points whose starts lie well apart: the lowest, the one nearest the middle of the right, the highest."""
    start = trace.x[0, 0].numpy()
    inside = np.abs(start).max(1) < 0.8 * EDGE
    places = np.where(inside[:, None], start, np.inf)
    chosen: list[int] = []
    for goal in ((-1.2, -1.0), (1.4, 0.1), (-0.6, 1.4)):
        near = np.square(places - goal).sum(1)
        near[chosen] = np.inf
        chosen.append(int(near.argmin()))
    return sorted(set(chosen))


def pen(strokes: str, sampled: np.ndarray | None, words: Words, problem: str = "") -> View:
    """The visitor's own distribution: strokes, and the points that the training is given."""
    n_stroke = len([one for one in strokes.split(".") if one])
    return sketch(
        strokes,
        alt=problem or words["alt_pen"].format(n=n_stroke, points=0 if sampled is None else len(sampled)),
        sampled=sampled,
        height=PEN,
        name="drawing",
    )


# --- curves that follow the slider -----------------------------------------------------------------------------------


def curves_below(trace: Trace, known: Schedules, words: Words) -> list[View]:
    """What is left of the data, signal to noise, and how far the samplers are from the forward process."""
    return [levels(trace, known, words), ratio(trace, known, words), gap(trace, words)]


def levels(trace: Trace, known: Schedules, words: Words) -> View:
    """What is left of the data at every t, by the chosen schedule, with the others in grey."""
    chosen = known.name.index(trace.schedule)
    bars = _times(known.alpha_bar.numpy())
    at = trace.index
    return _follows(
        trace,
        words,
        [
            Line(words[f"schedule_{known.name[i]}"], bars[i], role="" if i != chosen else "value", quiet=i != chosen)
            for i in _last(len(bars), chosen)
        ],
        Axis(words["axis_alpha_bar"], low=0, high=1),
        "levels",
        words["alt_levels"].format(
            t=trace.t[at], alpha_bar=float(trace.alpha_bar[at]), name=words[f"schedule_{trace.schedule}"]
        ),
    )


def ratio(trace: Trace, known: Schedules, words: Words) -> View:
    """The signal-to-noise ratio at every t, on a logarithmic scale."""
    chosen = known.name.index(trace.schedule)
    ratios = _times(known.snr.numpy(), first=np.nan).clip(min=1e-5)
    bar = float(trace.alpha_bar[trace.index])
    return _follows(
        trace,
        words,
        [
            Line(words[f"schedule_{known.name[i]}"], ratios[i], role="" if i != chosen else "value", quiet=i != chosen)
            for i in _last(len(ratios), chosen)
        ],
        Axis(words["axis_snr"], log=True, low=1e-5, high=1e4),
        "snr",
        words["alt_snr"].format(t=trace.t[trace.index], snr=_short(bar / (1 - bar)) if bar < 1 else "∞"),
    )


def gap(trace: Trace, words: Words) -> View:
    """How far each sampler's points are from the forward process at the same t."""
    titles, values = _names(trace, words), np.clip(trace.gap.numpy(), 1e-3, 1e3)
    t = np.array(trace.t, float)[::-1]  # rising
    floor = np.full(len(t), trace.floor)
    return _follows(
        trace,
        words,
        [
            *(Line(titles[s], values[s][::-1], x=t, role=SAMPLERS[s]) for s in range(len(values))),
            Line(words["floor"], floor, x=t, quiet=True),
        ],
        Axis(words["axis_gap"], log=True),
        "gap",
        words["alt_gap"].format(
            t=trace.t[trace.index],
            values=", ".join(f"{titles[s]}: {_short(float(trace.gap[s, trace.index]))}" for s in range(len(values))),
            floor=_short(trace.floor),
        ),
    )


def _follows(trace: Trace, words: Words, lines: list[Line], y_axis: Axis, name: str, alt: str) -> View:
    return curves(
        np.arange(1001.0),
        lines,
        x_axis=Axis(words["axis_t"], low=-40, high=1000),  # room for the values at t = 0
        y_axis=y_axis,
        cursor=[float(t) for t in trace.t],
        alt=alt,
        height=SMALL,
        name=name,
        follow="t",
        index=trace.index,
    )


def _times(by_step: np.ndarray, first: float = 1.0) -> np.ndarray:
    """(schedules, 1000) by index of the step -> (schedules, 1001) from t = 0 to t = 1000."""
    clean = np.full((len(by_step), 1), first)
    return np.concatenate([clean, by_step], axis=1)


def _last(n: int, chosen: int) -> list[int]:
    """All of them, the chosen one last, so that it lies on top."""
    return [i for i in range(n) if i != chosen] + [chosen]


# --- what is said ----------------------------------------------------------------------------------------------------


def captions(trace: Trace, facts: Mapping[str, float | int | str]) -> list[str]:
    """Names of the captions below the planes, by what is shown."""
    last = len(trace.t) - 1
    where = "start" if trace.index == 0 else "end" if trace.index == last else "middle"
    if trace.formula == "wrong":
        return ["wrong", f"wrong_{trace.model}"]
    if trace.towards:
        second = "guided"
    elif trace.n_step == 1:
        second = "one_step"
    elif trace.n_step <= FEW:
        second = "few"
    elif trace.eta == 1:
        second = "same"
    elif trace.eta > 0:
        second = "part"
    else:
        second = "regions"
    said = [where, second]
    if trace.data == "drawn":
        said.append("drawn")
    if trace.model == "exact":
        said.append("exact_model")
    elif trace.kind != "epsilon":
        said.append(f"kind_{trace.kind}")
    return said


def _names(trace: Trace, words: Words) -> list[str]:
    first = words["ddpm"] if trace.formula == "right" else words["ddpm_wrong"]
    return [first, words["ddim"].format(eta=trace.eta)]


def _scrub(trace: Trace, words: Words) -> Scrub:
    return Scrub("t", words["t"], list(trace.t), trace.index)


def _short(value: float) -> str:
    """A distance in few characters, whether it is 0.05 or 1e+30."""
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.0f}" if abs(value) < 1e4 else f"{value:.0e}"


def thumbnail(trace: Trace) -> str:
    """DDIM's paths from noise to data."""
    x, groups, colours = trace.x[1].numpy(), trace.end_class[1].numpy() - 1, palette.experts()

    def place(point: np.ndarray) -> str:
        return f"{80 + point[0] * 48 / EDGE:.1f},{50 - point[1] * 48 / EDGE:.1f}"

    every = np.unique(np.linspace(0, len(x) - 1, 12).astype(int))
    marks = []
    for i in range(0, x.shape[1], 4):
        if np.abs(x[:, i]).max() > EDGE:
            continue
        shade = colours[int(groups[i]) % len(colours)]
        way = " ".join(place(x[n, i]) for n in every)
        end = place(x[-1, i]).split(",")
        marks.append(
            f'<polyline points="{way}" fill="none" stroke="{shade}" stroke-opacity="0.35" stroke-width="0.7"/>'
        )
        marks.append(f'<circle cx="{end[0]}" cy="{end[1]}" r="1.5" fill="{shade}"/>')
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 160 100">{"".join(marks)}</svg>'
