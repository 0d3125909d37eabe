"""Pictures of CLIP and of its twin: pairs over the training, both losses over the temperature, what either training
led to, zero-shot, retrieval, combinations, the gap, and binding.

Every function takes a Trace of models/clip.py, or what models/clip_training.py and clip_uses.py found, and the page's
words, and returns a View or a figure with an alt text of its own numbers. The scrubber of the first picture plays the
training in all that follow "step".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from viz import palette
from viz.components.curves import Axis, Line, curves
from viz.components.kit import Scrub
from viz.components.matrix import Panel, Stage, inspector
from viz.components.pairs import pairs
from viz.components.particles import Plane, particles
from viz.components.pictures import Group, pictures
from viz.components.scene import scene
from viz.plots import finish
from viz.view import View

if TYPE_CHECKING:
    from torch import Tensor

    from models.clip import Sweep, Trace
    from models.clip_training import Gap, Progress
    from models.clip_twin import Beside
    from models.clip_uses import Binding, Choice, Combinations, Found

Words = Mapping[str, str]
SHAPES = ("circle", "square", "triangle", "star", "heart", "ring")  # as the composer can draw them
MAIN, FIGURE = 560, 380  # heights in pixels
ASKED = ("zero_shot", "retrieval", "combinations", "binding")  # pictures for which the towers run


def board(trace: Trace, words: Words, step: int, row: int = 0, column: int = 0) -> View:
    """Every picture against every caption, at every snapshot; pairs that belong together are ringed."""
    n = len(trace.text)
    readout = [
        words["readout_board"].format(
            step=at, softmax=float(soft), sigmoid=float(alone), chance=float(np.log(n)),
            right=round(float(text) * n), n=n, back=round(float(picture) * n),
        )
        for at, soft, alone, text, picture in zip(
            trace.step, trace.softmax, trace.sigmoid, trace.recall_text, trace.recall_picture, strict=True
        )
    ]  # fmt: skip
    s = trace.similarity[step]
    alt = words["alt_board"].format(
        n=n, step=trace.step[step], loss=trace.trained, right=float(s.diagonal().mean()),
        wrong=float((s.sum() - s.diagonal().sum()) / max(1, n * (n - 1))),
        text=round(float(trace.recall_text[step]) * n), picture=round(float(trace.recall_picture[step]) * n),
    )  # fmt: skip
    return pairs(
        trace.picture.numpy(),
        [words["held_out_mark"] * held + text for text, held in zip(trace.text, trace.held_out, strict=True)],
        trace.similarity.numpy(),
        trace.share.numpy(),
        right=np.eye(n, dtype=bool),
        chosen=(min(row, n - 1), min(column, n - 1)),
        scrub=Scrub("step", words["step"], trace.step, step),
        readout=readout,
        alt=alt,
        words={"share": words[f"share_{trace.judge}"]},
        height=MAIN,
        name="pairs",
    )


def _shares(title: str, values: np.ndarray, words: Words) -> Stage:
    return Stage(title, values, "probability", words["explain_judge"], limits=(0.0, 1.0))


# --- losses ----------------------------------------------------------------------------------------------------------


def losses(found: Sweep, temperature: float, words: Words) -> View:
    """Both losses of the same matrix against the temperature; the scrubber of `judges` moves the line."""
    k = nearest(found.temperature, temperature)
    readout = [
        [
            words["readout_losses"].format(
                temperature=t, softmax=float(a), sigmoid=float(b), best=float(c), bias=float(d)
            )
        ]
        for t, a, b, c, d in zip(
            found.temperature, found.softmax, found.sigmoid, found.best, found.best_bias, strict=True
        )
    ]
    top = 3 * found.chance
    return curves(
        np.array(found.temperature),
        [
            Line(words["line_softmax"], _below(found.softmax, top), role="line:0"),
            Line(words["line_sigmoid"], _below(found.sigmoid, top), role="line:1"),
            Line(words["line_best"], _below(found.best, top), role="line:2"),
            Line(words["line_chance"], np.full(len(found.temperature), found.chance), quiet=True),
        ],
        x_axis=Axis(words["axis_temperature"], log=True),
        y_axis=Axis(words["axis_loss"], low=0, high=top),
        follow="temperature",
        index=k,
        cursor=np.array(found.temperature),
        readout=readout,
        alt=words["alt_losses"].format(
            temperature=found.temperature[k], softmax=float(found.softmax[k]), sigmoid=float(found.sigmoid[k]),
            chance=found.chance,
        ),
        height=FIGURE,
        name="losses",
    )  # fmt: skip


def _below(values: Tensor, top: float) -> np.ndarray:
    """What lies above the axis is a gap."""
    y = values.numpy()
    return np.where(y <= top, y, np.nan)


def nearest(values: Sequence[float], wanted: float) -> int:
    """On a logarithmic scale."""
    return min(range(len(values)), key=lambda i: abs(float(np.log(values[i] / wanted))))


def judges(found: Sweep, temperature: float, words: Words) -> View:
    """The same cosines as the softmax and as the sigmoid see them, at every temperature."""
    k = nearest(found.temperature, temperature)
    names = [str(i + 1) for i in range(len(found.text))]
    panels = (("share_row", found.row), ("share_sigmoid", found.alone))
    return inspector(
        [
            Panel(words[name], [_shares(words[name], part.numpy(), words)])
            for name, part in panels
        ],
        names,
        names,
        scrub=Scrub("temperature", words["temperature"], list(found.temperature), k),
        alt=words["alt_judges"].format(
            temperature=found.temperature[k], row=float(found.row[k].diagonal().mean()),
            alone=float(found.alone[k].diagonal().mean()), n=len(names),
        ),
        words={"rows": words["axis_picture"], "cols": words["axis_caption"]},
        height=FIGURE + 80,
        name="judges",
    )  # fmt: skip


# --- training --------------------------------------------------------------------------------------------------------


def progress(found: Progress, step: int, words: Words) -> View:
    """What was learned when, as shares."""
    x = np.maximum(np.array(found.step, float), 0.7)
    watched = np.array(found.watched["step"], float)
    lines = [
        Line(words["line_recall"], found.recall_text.numpy(), role="line:0"),
        *(
            Line(words[f"line_{name}"], np.array(found.watched[name]), x=watched, role=f"line:{i}")
            for i, name in ((2, "seen"), (1, "held_out"), (3, "binding"))
        ),
    ]
    return curves(
        x,
        lines,
        x_axis=Axis(words["axis_step"], log=True, ticks=_ticks(found.step)),
        y_axis=Axis(words["axis_share"], low=0, high=1),
        follow="step",
        index=step,
        cursor=x,
        alt=words["alt_progress"].format(
            step=found.step[-1], loss=found.trained, recall=float(found.recall_text[-1]),
            **{name: found.watched[name][-1] for name in ("seen", "held_out", "binding")},
        ),
        height=FIGURE,
        name="training",
    )  # fmt: skip


def cosines(found: Progress, step: int, words: Words) -> View:
    """Right pairs, wrong pairs, the gap and the temperature."""
    x = np.maximum(np.array(found.step, float), 0.7)
    values = {"right": found.right, "wrong": found.wrong, "gap": found.gap, "learned": found.temperature}
    return curves(
        x,
        [
            Line(words[f"line_{name}"], value.numpy(), role=f"line:{i}")
            for i, (name, value) in enumerate(values.items())
        ],
        x_axis=Axis(words["axis_step"], log=True, ticks=_ticks(found.step)),
        y_axis=Axis(words["axis_cosine"]),
        follow="step",
        index=step,
        cursor=x,
        alt=words["alt_cosines"].format(
            step=found.step[step], loss=found.trained, right=float(found.right[step]), wrong=float(found.wrong[step]),
            gap=float(found.gap[step]), temperature=float(found.temperature[step]),
        ),
        height=FIGURE - 60,
        name="cosines",
    )  # fmt: skip


def _ticks(steps: Sequence[int]) -> list[tuple[float, str]]:
    """0, which a logarithmic axis does not have, stands where 0.7 would."""
    return [(0.7, "0"), *((float(10**k), f"{10**k:,}") for k in range(4) if 10**k <= steps[-1])]


# --- both losses side by side ----------------------------------------------------------------------------------------


def beside(found: Beside, words: Words) -> dict[str, list[str]]:
    """{title: cells}: what was measured on both sets of towers; ≠ where they differ by more than chance."""
    shares = {
        words[f"row_{name}"].format(n=found.n[name]): [f"{value:.1%}" for value in pair]
        for name, pair in found.share.items()
    }
    marks = ["≠" if name in found.larger else "" for name in found.share]
    numbers = {
        words[f"row_{name}"]: [f"{value:.1f}" if name in ("scale", "bias") else f"{value:.2f}" for value in pair]
        for name, pair in found.number.items()
    }
    alone = {words["row_bias"], words["row_threshold"]}  # the softmax loss, which comes first, has neither
    rows = {title: ["-", row[1]] if title in alone else row for title, row in {**shares, **numbers}.items()}
    return {
        words["column_measure"]: list(rows),
        **{words[f"column_{loss}"]: [row[i] for row in rows.values()] for i, loss in enumerate(found.loss)},
        words["column_differ"]: [*marks, *[""] * len(numbers)],
    }


def learning(found: Beside, words: Words) -> View:
    """Zero-shot accuracy of both while they trained."""
    last = {loss: {name: values[-1] for name, values in found.watched[loss].items()} for loss in found.loss}
    return curves(
        np.array(found.step, float),
        [
            Line(words[f"line_{loss}_{name}"], np.array(values), role=f"line:{i + 2 * k}")
            for i, (loss, watched) in enumerate(found.watched.items())
            for k, (name, values) in enumerate(watched.items())
        ],
        x_axis=Axis(words["axis_step"]),
        y_axis=Axis(words["axis_share"], low=0, high=1),
        alt=words["alt_twin"].format(
            step=found.step[-1],
            **{f"{loss}_{name}": value for loss, row in last.items() for name, value in row.items()},
        ),
        height=FIGURE - 60,
        name="twin",
    )


# --- zero-shot and retrieval -----------------------------------------------------------------------------------------


def composer(text: str, rgb: Mapping[str, Sequence[float]], radius: Mapping[str, float], words: Words) -> View:
    """The scene that is asked about, to be changed by hand. rgb, radius: of models/scenes.py."""
    colours = {name: (words[f"colour_{name}"], _css(value)) for name, value in rgb.items()}
    return scene(
        text,
        shapes={name: words[f"shape_{name}"] for name in SHAPES},
        colours=colours,
        sizes={name: (words[f"size_{name}"], value) for name, value in radius.items()},
        alt=words["alt_composer"].format(n=text.count(";"), text=text[:200]),
        height=FIGURE,
        name="scene",
    )


def _css(rgb: Sequence[float]) -> str:
    return "#" + "".join(f"{round(255 * part):02x}" for part in rgb)


def original(found: Choice | Found, words: Words) -> View:
    """An uploaded picture, as the tower sees it."""
    return pictures(
        [Group(words["group_own"], found.shown.numpy()[None])],
        columns=1,
        alt=words["alt_own"].format(n=len(found.shown)),
        height=FIGURE - 60,
        name="picture",
    )


def choice(found: Choice, words: Words) -> go.Figure:
    """How much of the picture's choice each caption gets, and its cosine."""
    n = len(found.label)
    marks = {True: " ✓", False: "", None: ""}
    names = [_wrapped(label or words["empty"]) + marks[fit] for label, fit in zip(found.label, found.fits, strict=True)]
    order = list(range(n))[::-1]
    share = found.share.numpy()
    text = [f"{share[i]:.1%} · cos {float(found.cosine[i]):.2f}" for i in order]
    figure = go.Figure(
        go.Bar(
            x=[float(share[i]) for i in order], y=[str(i) for i in order], text=text, orientation="h",
            textposition=["inside" if share[i] > 0.5 else "outside" for i in order], cliponaxis=False,
            marker={"color": [palette.experts()[2] if found.fits[i] else palette.experts()[0] for i in order]},
            hoverinfo="skip", textfont={"size": 13}, insidetextanchor="end",
        )
    )  # fmt: skip
    figure.update_xaxes(range=[0, 1], tickformat=".0%", title=words["axis_choice"], fixedrange=True)
    figure.update_yaxes(
        tickvals=[str(i) for i in order], ticktext=[names[i] for i in order], fixedrange=True, automargin=True
    )
    best = int(share.argmax())
    said = "; ".join(f"{label}: {part:.1%}" for label, part in zip(found.label, share.tolist(), strict=True))
    alt = words["alt_choice"].format(label=found.label[best], share=float(share[best]), values=said)
    return finish(figure, alt, max(200, 44 * n + 90), margin={"l": 8, "r": 16, "t": 8, "b": 48})


def _wrapped(label: str, width: int = 26) -> str:
    """Plotly breaks no lines; long captions are cut."""
    short = label if len(label) <= 2 * width else label[: 2 * width - 1] + "…"
    at = short.rfind(" ", 0, width + 1) if len(short) > width else -1
    if len(short) > width and at < 0:
        at = width
    parts = [short] if at < 0 else [short[:at], short[at:].strip()]
    return "<br>".join(_plain(part) for part in parts)


def _plain(part: str) -> str:
    return part.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("$", "&#36;")


def retrieved(found: Found, words: Words) -> View:
    """The nearest pictures of the pool, ticked if they show what the query names."""
    marks = ["" if fit is None else "right" if fit else "wrong" for fit in found.fitting]
    return pictures(
        [Group(words["group_found"].format(query=found.query[:60]), found.picture.numpy(),
               titles=[str(i + 1) for i in range(len(found.picture))],
               notes=[f"{value:.2f}" for value in found.picture_cosine.tolist()], marks=marks)],
        columns=len(found.picture),
        alt=words["alt_retrieved"].format(
            n=len(found.picture), right=marks.count("right"), best=float(found.picture_cosine[0])
        ),
        height=200,
        name="retrieved",
    )  # fmt: skip


def captions_for(found: Found, words: Words) -> dict[str, list[str]]:
    """{title: cells}: the nearest captions of the pool."""
    marks = {True: "✓", False: "✗", None: ""}
    return {
        words["column_rank"]: [str(i + 1) for i in range(len(found.text))],
        words["column_caption"]: list(found.text),
        words["column_cosine"]: [f"{value:.2f}" for value in found.text_cosine.tolist()],
        words["column_true"]: [marks[one] for one in found.true],
    }


# --- combinations, gap, binding --------------------------------------------------------------------------------------


def combinations(found: Combinations, words: Words) -> go.Figure:
    """Accuracy of each combination; those that training never showed are framed."""
    share = found.share.numpy()
    held = found.held_out.numpy()
    text = [[f"{value:.0%}" for value in row] for row in share]
    figure = go.Figure(
        go.Heatmap(
            z=share,
            zmin=0,
            zmax=1,
            colorscale=palette.plotly_scale("probability"),
            text=text,
            texttemplate="%{text}",
            hovertemplate="%{y}, %{x}: %{z:.0%}<extra></extra>",
            x=[words[f"colour_{name}"] for name in found.colours],
            y=[words[f"shape_{name}"] for name in found.shapes],
            xgap=3,
            ygap=3,
            showscale=False,
        )
    )
    line = {"color": palette.colour("key"), "width": 3}
    for i, j in zip(*np.nonzero(held), strict=True):
        figure.add_shape(type="rect", x0=j - 0.48, x1=j + 0.48, y0=i - 0.48, y1=i + 0.48, line=line)
    figure.update_yaxes(autorange="reversed", fixedrange=True, automargin=True)
    figure.update_xaxes(fixedrange=True, side="top", tickangle=0)
    alt = words["alt_combinations"].format(
        n=found.n_each, seen=float(share[~held].mean()), held_out=float(share[held].mean()), k=int(held.sum())
    )
    return finish(figure, alt, FIGURE - 20, margin={"l": 8, "r": 8, "t": 32, "b": 8})


def gap(found: Gap, words: Words, step: int) -> View:
    """All vectors in the plane across which pictures and captions lie apart, at every snapshot."""
    point = found.point.numpy()
    m = point.shape[1]
    p = m // 3
    target = point.copy()
    target[:, :p] = point[:, p : 2 * p]  # a picture's own English caption, and back
    target[:, p : 2 * p] = point[:, :p]
    target[:, 2 * p :] = point[:, :p]
    edge = float(np.abs(point).max()) * 1.08
    notes = [
        words["note_plane"].format(gap=float(distance), same=float(same))
        for distance, same in zip(found.distance, found.same, strict=True)
    ]
    return particles(
        [Plane(words["title_gap"].format(loss=found.trained), point, notes=notes, group=np.array(found.group),
               target=target, labels=found.label)],
        x=(-edge, edge),
        y=(-edge, edge),
        followed=[0, 5],
        trails="none",
        groups=[words["group_picture"], words["group_en"], words["group_zh"]],
        follow="step",
        index=step,
        axes=(words["axis_gap"], words["axis_across"]),
        alt=words["alt_gap"].format(
            step=found.step[step], loss=found.trained, gap=float(found.distance[step]), same=float(found.same[step]),
            n=m, explained=found.explained,
        ),
        words={"target": words["target_gap"]},
        height=500,
        name="gap",
    )  # fmt: skip


def binding(found: Binding, words: Words) -> go.Figure:
    """How often the right caption is the nearer one; a coin would be right half the time."""
    names = [words[f"case_{name}"] for name in found.cases]
    said = ", ".join(f"{name} {value:.0%}" for name, value in zip(names, found.share, strict=True))
    figure = go.Figure(
        go.Bar(
            x=list(found.share), y=names, text=[f"{value:.0%}" for value in found.share], orientation="h",
            textposition=["inside" if value > 0.9 else "outside" for value in found.share], insidetextanchor="end",
            cliponaxis=False, textfont={"size": 13}, hoverinfo="skip",
            marker={"color": palette.experts()[0]},
        )
    )  # fmt: skip
    figure.add_vline(
        x=0.5, line={"color": palette.colour("key"), "width": 2, "dash": "dot"},
        annotation={"text": words["line_coin"], "yanchor": "bottom", "y": 1, "x": 0.5, "xanchor": "center"},
    )  # fmt: skip
    figure.update_xaxes(range=[0, 1], tickformat=".0%", title=words["axis_binding"], fixedrange=True)
    figure.update_yaxes(autorange="reversed", fixedrange=True, automargin=True)
    alt = words["alt_binding"].format(n=found.n, values=said)
    return finish(figure, alt, FIGURE - 100, margin={"l": 8, "r": 16, "t": 28, "b": 48})


def examples(found: Binding, words: Words) -> View:
    """Some of these pictures: cosine with the right caption, and with the swapped one."""
    right = [a > b for a, b in zip(found.right_cosine, found.swapped_cosine, strict=True)]
    notes = [f"{a:.2f} / {b:.2f}" for a, b in zip(found.right_cosine, found.swapped_cosine, strict=True)]
    return pictures(
        [Group(words["group_examples"], found.picture.numpy(), titles=list(found.right), notes=notes,
               marks=["right" if one else "wrong" for one in right])],
        columns=4,
        alt=words["alt_examples"].format(n=len(right), right=sum(right)),
        height=420,
        name="binding-examples",
    )  # fmt: skip


# --- which of them ---------------------------------------------------------------------------------------------------


def views(name: str, found: Any, step: int, temperature: float, words: Words) -> list[Any]:
    """The figures, and tables as {title: cells}, of one further picture, from the top down."""
    match name:
        case "losses":
            return [judges(found, temperature, words), losses(found, temperature, words)]
        case "zero_shot":
            return [choice(found, words)]
        case "retrieval":
            return [retrieved(found, words), captions_for(found, words)]
        case "training":
            at = min(step, len(found.step) - 1)
            return [progress(found, at, words), cosines(found, at, words)]
        case "gap":
            return [gap(found, words, min(step, len(found.step) - 1))]
        case "twin":
            return [beside(found, words), learning(found, words)]
        case "combinations":
            return [combinations(found, words)]
        case "binding":
            return [binding(found, words), examples(found, words)]
    raise ValueError(name)


def notes(name: str, found: Any, trained: str = "softmax") -> list[str]:
    """Names of the sentences below it. trained: the loss chosen; only the softmax' towers can be asked."""
    said = [f"note_{name}"]
    if trained == "sigmoid" and name in ASKED:
        said.append("note_towers")
    if name == "training" and found.bias is not None:
        said.append("note_bias")
    if name == "zero_shot" and all(fit is None for fit in found.fits):
        said[0] = "note_zero_shot_open"
    if name in ("zero_shot", "retrieval") and found.unknown:
        said.append("note_unknown")
    if name == "zero_shot" and found.n_cut:
        said.append("note_cut")
    return said


def named(name: str, found: Any, words: Words) -> dict[str, str]:
    """What a note calls by a name of the reader's language."""
    if name == "twin":
        return {"larger": words["list_comma"].join(words[f"short_{one}"] for one in found.larger) or words["none"]}
    if name != "combinations":
        return {}
    held = np.where(found.held_out.numpy(), found.share.numpy(), 2)
    i, j = np.unravel_index(int(held.argmin()), held.shape)
    colour, shape = words[f"colour_{found.colours[j]}"], words[f"shape_{found.shapes[i]}"]
    return {"worst": words["combination_named"].format(colour=colour, shape=shape)}


def said(trace: Trace) -> list[str]:
    """Names of the captions below the first picture."""
    return [f"judge_{trace.judge}", "pair" if trace.trained == "softmax" else "pair_twin"]


def thumbnail(trace: Trace) -> str:
    """The first six pictures down the side, and how much each caption gets."""
    n = min(6, len(trace.text))
    cells = []
    stops = palette.palette()["probability"]
    part = trace.share[-1].numpy()
    for i in range(n):
        small = trace.picture[i].numpy().reshape(8, 4, 8, 4, 3).mean((1, 3))
        for a in range(8):
            for b in range(8):
                red, green, blue = (int(value) for value in small[a, b])
                cells.append(
                    f'<rect x="{24 + b * 1.75:.2f}" y="{3 + i * 16 + a * 1.75:.2f}" width="1.85" height="1.85" '
                    f'fill="#{red:02x}{green:02x}{blue:02x}"/>'
                )
        for j in range(n):
            colour = stops[round(float(part[i, j]) * (len(stops) - 1))]
            cells.append(f'<rect x="{42 + j * 16}" y="{3 + i * 16}" width="14" height="14" rx="2" fill="{colour}"/>')
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 160 100">{"".join(cells)}</svg>'
