"""Pictures of balance between experts: the plane by its owners, load, loss and gradients over training, comparisons.

Every function takes a Trace or a Comparison of models/moe_balance.py and the page's words, and returns a View or a
figure with an alt text of its own numbers. The scrubber over the training steps, below the map, moves the curves too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from viz import palette
from viz.components.curves import Axis, Line, curves
from viz.components.kit import Scrub
from viz.components.matrix import Panel, Stage, inspector
from viz.components.regions import Run, regions
from viz.plots import finish
from viz.view import View

if TYPE_CHECKING:
    from models.cluster_ends import Comparison
    from models.moe_balance import Trace

Words = Mapping[str, str]
MAP, SMALL, FIGURE = 560, 240, 360  # heights in pixels
EDGE = 1.45  # the map shows -EDGE to EDGE
NONE, WITH = "line:1", "ink"  # the colours of the two runs


def plane(trace: Trace, words: Words) -> View:
    """Who owns which part of the plane, without a remedy and with it, at every filmed step; every second point."""
    film, half = trace.film, slice(None, None, 2)
    runs = [
        Run(
            _names(trace, words)[r],
            film.owner[r].numpy(),
            film.load[r].numpy(),
            strength=film.strength[r].numpy(),
            chosen=film.first[r, :, half].numpy(),
            dropped=film.dropped[r, :, half].numpy() if film.dropped[r].any() else None,
            limit=min(1.0, trace.limit) if r and math.isfinite(trace.limit) else None,
            notes=[words["note"].format(loss=loss) for loss in film.loss[r].tolist()],
        )
        for r in range(len(film.load))
    ]
    n = film.load.shape[-1]
    return regions(
        runs,
        x=(-EDGE, EDGE),
        y=(-EDGE, EDGE),
        points=film.point[0, half].numpy(),
        group=film.cluster[half].numpy(),
        groups=[words["cluster"].format(n=i + 1) for i in range(int(film.cluster.max()) + 1)],
        scrub=Scrub("step", words["step"], trace.step, trace.index),
        alt=" ".join(
            words["alt_plane"].format(
                run=_names(trace, words)[r],
                step=trace.step[trace.index],
                working=int(trace.working[r, trace.index]),
                n=n,
                largest=float(film.load[r, trace.index].max()),
            )
            for r in range(len(runs))
        ),
        height=MAP,
        name="balance",
    )


def entropy(trace: Trace, words: Words) -> View:
    """Load entropy over the steps."""
    return _over_steps(trace, words, "entropy", trace.entropy.numpy(), Axis(words["axis_entropy"], low=0, high=1))


def loss(trace: Trace, words: Words) -> View:
    """The task's loss over the steps; guessing costs ln 2."""
    return _over_steps(trace, words, "loss", trace.film.loss.numpy(), Axis(words["axis_loss"], low=0))


def gradient(trace: Trace, words: Words) -> View:
    """The norm of the task's gradient in the router over the steps."""
    values = trace.film.router_gradient.numpy()
    axis = Axis(words["axis_gradient"], low=0, high=max(0.01, float(values.max())))
    return _over_steps(trace, words, "gradient", values, axis)


def _over_steps(trace: Trace, words: Words, name: str, values: np.ndarray, axis: Axis) -> View:
    titles, i = _names(trace, words), trace.index
    return curves(
        np.array(trace.step, float),
        [Line(titles[r], values[r], role=WITH if r else NONE) for r in range(len(values))],
        x_axis=Axis(words["axis_step"]),
        y_axis=axis,
        cursor=[float(step) for step in trace.step],
        alt=words["alt_over"].format(
            what=axis.title,
            n=trace.step[-1],
            step=trace.step[i],
            values=", ".join(f"{titles[r]}: {values[r, i]:.3g}" for r in range(len(values))),
        ),
        height=SMALL,
        name=name,
        follow="step",
        index=i,
    )


def taught(trace: Trace, words: Words) -> View:
    """How large each expert's gradient is at each filmed step; none at all is masked."""
    every = slice(None, None, 2)
    values = trace.film.expert_gradient.numpy()[:, every].transpose(0, 2, 1).astype(float)
    silent = (values == 0).mean((1, 2))
    values[values == 0] = -np.inf
    titles = _names(trace, words)
    top = float(values.max())
    return inspector(
        [
            Panel(
                titles[r],
                [
                    Stage(
                        words["stage_taught"],
                        values[r],
                        "probability",
                        words["explain_taught"],
                        masked=words["explain_untaught"],
                        limits=(0.0, top),
                    )
                ],
            )
            for r in range(len(values))
        ],
        [str(e + 1) for e in range(values.shape[1])],
        [str(step) for step in trace.step[every]],
        alt=words["alt_taught"].format(
            values=", ".join(f"{title}: {share:.0%}" for title, share in zip(titles, silent, strict=True))
        ),
        words={"rows": words["experts"], "cols": words["axis_step"]},
        height=FIGURE,
        name="gradients",
    )


def gates(trace: Trace, words: Words) -> View:
    """The gradient that each gate lets through to the router, by top-k."""
    norm = trace.gate_gradient.numpy()
    names = [words[f"gate_{gate}"] for gate in trace.gate]
    return curves(
        np.arange(1, norm.shape[1] + 1, dtype=float),
        [Line(name, norm[g], role=f"line:{g}", form="bars") for g, name in enumerate(names)],
        x_axis=_places(words["axis_k"], norm.shape[1]),
        y_axis=Axis(words["axis_gradient"], low=0),
        alt=words["alt_gates"].format(values="; ".join(f"{name} {norm[g, 0]:.1e}" for g, name in enumerate(names))),
        readout=[[words["readout_gates"].format(values=", ".join(_exact(x) for x in norm[:, 0]))]],
        height=FIGURE,
        name="gates",
    )


def _places(title: str, n: int) -> Axis:
    """Groups of bars at 1 to n, with room for whole bars at both ends."""
    return Axis(title, low=0.4, high=n + 0.6, ticks=[(float(i + 1), str(i + 1)) for i in range(n)])


def _exact(x: float) -> str:
    return "0" if x == 0 else f"{x:.1e}" if x < 1e-4 else f"{x:.3f}"


def importance(trace: Trace, words: Words) -> View:
    """Load and importance of each expert, as shares."""
    film, n = trace.film, trace.film.load.shape[-1]
    return curves(
        np.arange(1, n + 1, dtype=float),
        [
            Line(words["line_load"], 100 * film.load[-1].numpy(), role="line:0", form="bars"),
            Line(words["line_importance"], 100 * film.importance[-1].numpy(), role="line:2", form="bars"),
        ],
        x_axis=_places(words["experts"], n),
        y_axis=Axis(words["axis_share"], low=0),
        alt=words["alt_importance"].format(
            run=_names(trace, words)[-1],
            load=float(film.load[-1, trace.index].max()),
            importance=float(film.importance[-1, trace.index].max()),
        ),
        height=FIGURE,
        name="importance",
        follow="step",
        index=trace.index,
    )


def bias(trace: Trace, words: Words) -> View:
    """Every expert's bias over the steps."""
    values = trace.film.bias[-1].numpy()
    return curves(
        np.array(trace.step, float),
        [
            Line(words["expert"].format(n=e + 1), values[:, e], role=f"line:{e % len(palette.palette()['line'])}")
            for e in range(values.shape[1])
        ],
        x_axis=Axis(words["axis_step"]),
        y_axis=Axis(words["axis_bias"]),
        cursor=[float(step) for step in trace.step],
        alt=words["alt_bias"].format(low=float(values[trace.index].min()), high=float(values[trace.index].max())),
        height=FIGURE,
        name="bias",
        follow="step",
        index=trace.index,
    )


# --- several trainings -----------------------------------------------------------------------------------------------


def scopes(found: Comparison, words: Words) -> go.Figure:
    """Balance of the batch, balance within one text, and specialisation, for the three runs."""
    measures = [found.entropy.numpy(), found.text_entropy.numpy(), found.information.numpy()]
    titles = [words[name] for name in ("axis_entropy", "measure_text", "measure_information")]
    return _bars(found, words, [words[f"scope_{name}"] for name in found.name], measures, titles)


def remedies(found: Comparison, words: Words) -> go.Figure:
    """Load entropy and loss with every remedy."""
    measures = [found.entropy.numpy(), found.loss.numpy()]
    titles = [words["axis_entropy"], words["axis_loss"]]
    return _bars(found, words, [words[f"remedy_{name}"] for name in found.name], measures, titles)


def _bars(found: Comparison, words: Words, runs: list[str], measures: list[np.ndarray], titles: list[str]) -> go.Figure:
    colours = palette.palette()["line"]
    figure = go.Figure(
        [
            go.Bar(
                x=values,
                y=runs,
                name=title,
                orientation="h",
                marker={"color": colours[i], "line": {"color": colours[i], "width": 1.5}},  # a bar of 0 is a line
                text=[f"{abs(x):.2f}" for x in values],
                textposition="outside",
                cliponaxis=False,
                hovertemplate="%{y}: %{x:.3f}<extra>" + title + "</extra>",
            )
            for i, (values, title) in enumerate(zip(measures, titles, strict=True))
        ]
    )
    said = "; ".join(
        f"{run}: " + ", ".join(f"{title} {values[r]:.2f}" for values, title in zip(measures, titles, strict=True))
        for r, run in enumerate(runs)
    )
    return finish(
        figure,
        words["alt_bars"].format(values=said),
        max(FIGURE, 100 + 52 * len(runs)),
        barmode="group",
        xaxis={"range": [0, 1.05]},
        yaxis={"autorange": "reversed", "automargin": True},
    )


def strengths(found: Comparison, words: Words) -> View:
    """Load entropy and loss against the remedy's strength; thin lines: without it."""
    x = found.value[1:].numpy().astype(float)
    entropy, loss = found.entropy.numpy(), found.loss.numpy()
    still = np.ones(len(x))
    return curves(
        x,
        [
            Line(words["axis_entropy"], entropy[1:], role="line:0"),
            Line(words["axis_loss"], loss[1:], role="line:3"),
            Line(words["entropy_none"], entropy[0] * still, role="line:0", quiet=True),
            Line(words["loss_none"], loss[0] * still, role="line:3", quiet=True),
        ],
        x_axis=Axis(words[f"strength_{found.name[-1]}"], log=True, ticks=[(float(v), f"{v:g}") for v in x]),
        y_axis=Axis(words["axis_both"], low=0, high=1),
        alt=words["alt_strengths"].format(
            values=", ".join(f"{v:g}: {a:.2f}, {b:.2f}" for v, a, b in zip(x, entropy[1:], loss[1:], strict=True))
        ),
        height=FIGURE,
        name="strengths",
    )


def seeds(found: Comparison, words: Words) -> View:
    """Load entropy at the end for every seed, without the remedy and with it."""
    seed, entropy = found.value[::2].numpy().astype(float), found.entropy.numpy()
    lines = [
        Line(words["remedy_none"], entropy[::2], role=NONE, form="dots"),
        Line(words[f"remedy_{found.name[1]}"], entropy[1::2], role=WITH, form="dots"),
    ]
    return curves(
        seed,
        lines,
        x_axis=Axis(words["axis_seed"], low=-0.5, high=float(seed[-1]) + 0.5, ticks=[(s, f"{s:g}") for s in seed]),
        y_axis=Axis(words["axis_entropy"], low=0, high=1),
        alt=words["alt_seeds"].format(n=len(seed), none=float(entropy[::2].max()), low=float(entropy[1::2].min())),
        height=FIGURE,
        name="seeds",
    )


def named(said: Mapping[str, float | int | str], words: Words) -> dict[str, str]:
    """The remedies among the numbers of a comparison, by the names that a caption gives them."""
    return {end: words.get(f"remedy_{said[end]}", "") for end in ("even", "best", "first", "last")}


def _names(trace: Trace, words: Words) -> list[str]:
    return [words["remedy_none"], words[f"remedy_{trace.remedy}"]][: len(trace.film.load)]


def captions(trace: Trace, facts: Mapping[str, float | int | str]) -> list[str]:
    """Names of the captions beside the curves, by what this training shows."""
    if facts["frozen"]:
        return ["frozen", "frozen_end"] if trace.remedy == "none" else ["frozen", f"how_{trace.remedy}"]
    if trace.remedy == "none":
        return ["none", "spiral"]
    gained = float(facts["entropy"]) - float(facts["entropy_none"])
    verdict = "mended" if float(facts["entropy"]) >= 0.9 else "partly" if gained >= 0.15 else "not_mended"
    price = "cheaper" if float(facts["loss"]) < float(facts["loss_none"]) - 0.01 else "dearer"
    return [verdict, price, f"how_{trace.remedy}"]


def thumbnail(trace: Trace) -> str:
    """The plane at the end, without a remedy and with it."""
    colours = palette.experts()
    cells = []
    for r in range(len(trace.film.load)):
        owner = trace.film.owner[r, -1].numpy()
        size = 100 if len(trace.film.load) == 1 else 76
        left, top = (30 if size == 100 else 2 + 80 * r), (100 - size) / 2
        step = owner.shape[0] / 19
        for i in range(19):
            for j in range(19):
                expert = int(owner[int((i + 0.5) * step), int((j + 0.5) * step)])
                cells.append(
                    f'<rect x="{left + j * size / 19:.1f}" y="{top + i * size / 19:.1f}" width="{size / 19 + 0.2:.1f}" '
                    f'height="{size / 19 + 0.2:.1f}" fill="{colours[expert % len(colours)]}"/>'
                )
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 160 100">{"".join(cells)}</svg>'
