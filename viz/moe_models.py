"""Still pictures of mixtures of experts, for viz/moe_cost.py: arithmetic, memory, devices, layers, and all models."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from viz import palette
from viz.plots import finish

if TYPE_CHECKING:
    from models.moe_cost import Trace

Words = Mapping[str, str]
LOW, FIGURE, TALL = 280, 400, 520  # heights in pixels
PARTS = ("embedding", "attention", "dense", "router", "shared", "experts", "head", "vector")
# Which of the categorical colours each part has.
PLACES = {"embedding": 1, "attention": 0, "dense": 4, "router": 6, "shared": 3, "experts": 2, "head": 5, "vector": 7}
DTYPES = ("float32", "bfloat16", "float8", "int4")
FFNS = ("dense", "moe", "shared")
GREY = palette.palette()["verdict"]["gray"]  # a middle tone, for light and dark paper
B = 1e9
CARD = 80  # GB
NO_MARGIN = {"l": 8, "r": 8, "t": 56, "b": 48}


def short(name: str) -> str:
    """A name fit for a label: what a visitor pastes may be long."""
    return name if len(name) <= 24 else name[:23] + "…"


def shown(name: str) -> str:
    """A name for Plotly, which would read `<b>` as bold and `$x$` as a formula."""
    return html.escape(short(name), quote=False).replace("$", "&#36;")


def colour(part: str) -> str:
    """The colour of a part of a model."""
    return palette.experts()[PLACES[part]]


def arithmetic(trace: Trace, words: Words) -> go.Figure:
    """Operations for one token, by part, of both models."""
    table = trace.flops.numpy() / B
    names = [shown(name) + " " * m for m, name in enumerate(trace.name)]
    figure = go.Figure()
    for p, part in enumerate(PARTS):
        if table[:, p].max() > 0:
            title = words[f"part_{part}"]
            figure.add_bar(
                y=names,
                x=table[:, p],
                orientation="h",
                name=title,
                marker_color=colour(part),
                hovertemplate="%{x:,.2f}·10⁹<extra>" + title + "</extra>",
            )
    sums = table.sum(1)
    figure.add_scatter(
        y=names,
        x=sums,
        mode="text",
        text=[f" {value:,.1f}" for value in sums],
        textposition="middle right",
        hoverinfo="skip",
        showlegend=False,
        cliponaxis=False,
    )
    figure.update_xaxes(title=words["axis_gflop"], range=[0, 1.15 * float(sums.max())], zeroline=False)
    figure.update_yaxes(autorange="reversed", showgrid=False)
    values = "; ".join(f"{name} {value:,.1f}" for name, value in zip(trace.name, sums, strict=True))
    alt = words["alt_arithmetic"].format(values=values)
    legend = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "traceorder": "normal"}
    return finish(figure, alt, LOW, barmode="stack", margin=NO_MARGIN, legend=legend)


def memory(trace: Trace, words: Words) -> go.Figure:
    """Bytes of all parameters in each format, beside cards of 80 GB."""
    table = trace.memory.numpy() / B
    kinds = [words[f"dtype_{name}"] for name in DTYPES]
    rows, most = np.arange(len(DTYPES)), float(table.max())
    lined = most > 0.6 * CARD  # else the card's end is out of sight
    span = 1.45 * max(most, CARD if lined else 0.0)
    figure = go.Figure()
    for m, part in enumerate(("experts", "dense")):
        name = shown(trace.name[m])
        figure.add_bar(
            y=rows,
            x=table[m],
            orientation="h",
            name=name,
            legendgroup=name + " " * m,
            marker_color=colour(part),
            hovertemplate="%{x:,.1f} GB<extra>" + name + "</extra>",
        )
        figure.add_scatter(  # what a short bar says stands beyond the card's line, which would cross it out
            y=rows + (m - 0.5) * 0.375,
            x=np.where(lined & (table[m] < CARD), CARD, table[m]) + 0.01 * span,
            mode="text",
            text=[words["cards"].format(gb=gb, cards=int(np.ceil(gb / CARD))) for gb in table[m]],
            textposition="middle right",
            cliponaxis=False,
            legendgroup=name + " " * m,
            showlegend=False,
            hoverinfo="skip",
        )
    if lined:
        figure.add_vline(x=CARD, line={"color": GREY, "dash": "dash"})
        place = {"x": CARD, "y": 1, "yref": "paper", "xanchor": "left", "yanchor": "bottom"}
        figure.add_annotation(text=words["card"], showarrow=False, **place)
    figure.update_xaxes(title=words["axis_gb"], range=[0, span], zeroline=False)
    figure.update_yaxes(range=[len(DTYPES) - 0.5, -0.5], tickvals=rows, ticktext=kinds, showgrid=False, zeroline=False)
    values = "; ".join(f"{kind}: {table[0, t]:,.1f} / {table[1, t]:,.1f}" for t, kind in enumerate(kinds))
    alt = words["alt_memory"].format(name=trace.name[0], beside=trace.name[1], values=values)
    legend = {"orientation": "h", "y": 1.1, "yanchor": "bottom", "x": 0}
    return finish(figure, alt, FIGURE, barmode="group", margin=NO_MARGIN | {"t": 72}, legend=legend)


def devices(trace: Trace, words: Words) -> go.Figure:
    """Tokens that each device sends to each expert; a device's own experts are framed."""
    sent, owner = trace.sent.numpy(), trace.owner.numpy()
    d, n = sent.shape
    cells = go.Heatmap(
        z=sent,
        x=np.arange(1, n + 1),
        y=np.arange(1, d + 1),
        colorscale=palette.plotly_scale("probability"),
        zmin=0,
        colorbar={"title": {"text": words["axis_tokens_sent"], "side": "right"}, "thickness": 12},
        customdata=np.broadcast_to(owner + 1, (d, n)),
        hovertemplate=words["hover_device"] + "<extra></extra>",
    )
    figure = go.Figure(cells)
    for device in range(d):
        own = np.flatnonzero(owner == device)
        if len(own):
            box = {"x0": own[0] + 0.5, "x1": own[-1] + 1.5, "y0": device + 0.5, "y1": device + 1.5}
            figure.add_shape(type="rect", line={"color": colour("experts"), "width": 2}, **box)
    figure.update_xaxes(title=words["axis_expert"], showgrid=False, zeroline=False, range=[0.4, n + 0.6])
    figure.update_yaxes(title=words["axis_device"], showgrid=False, zeroline=False, range=[d + 0.6, 0.4])
    stay = int(sent[owner[None, :] == np.arange(d)[:, None]].sum())
    alt = words["alt_devices"].format(d=d, n=n, tokens=int(sent.sum()), share=1 - stay / max(1, int(sent.sum())))
    height = TALL if d > 16 else FIGURE
    return finish(figure, alt, height, margin={"l": 64, "r": 8, "t": 16, "b": 56})


def layers(trace: Trace, words: Words) -> go.Figure:
    """A row for each model, a cell for each layer: dense FFN, experts, experts with a shared one."""
    strip, linear = trace.strip.numpy(), trace.linear.numpy()
    colours = [colour("dense"), colour("experts"), colour("shared")]
    names = [shown(name) for name in trace.all_name]
    kinds = np.array([*[words[f"ffn_{kind}"] for kind in FFNS], ""], dtype=object)
    mixers = np.where(linear == 1, words["mixer_linear"], words["mixer_attention"])
    cells = go.Heatmap(
        z=np.where(strip < 0, np.nan, strip),
        x=np.arange(1, strip.shape[1] + 1),
        y=names,
        colorscale=[stop for i, one in enumerate(colours) for stop in ([i / 3, one], [(i + 1) / 3, one])],
        zmin=-0.5,
        zmax=2.5,
        showscale=False,
        xgap=0.5,
        ygap=4,
        customdata=np.stack([kinds[strip], mixers], axis=-1),
        hovertemplate=words["hover_layer"] + "<extra></extra>",
    )
    figure = go.Figure(cells)
    for one, kind in zip(colours, FFNS, strict=True):
        marker = {"symbol": "square", "size": 12, "color": one}
        figure.add_scatter(x=[None], y=[None], mode="markers", marker=marker, name=words[f"ffn_{kind}"])
    rows, cols = np.nonzero(linear)
    marker = {"symbol": "line-ew-open", "size": 6, "color": "#fff"}
    figure.add_scatter(
        x=cols + 1,
        y=[names[r] for r in rows],
        mode="markers",
        marker=marker,
        name=words["mixer_linear"],
        hoverinfo="skip",
        showlegend=False,
    )
    figure.update_xaxes(title=words["axis_layer"], showgrid=False, zeroline=False)
    figure.update_yaxes(autorange="reversed", showgrid=False)
    rows_said = "; ".join(
        f"{name}: {int((row > 0).sum())} / {int((row >= 0).sum())}"
        for name, row in zip(trace.all_name, strip, strict=True)
    )
    return finish(figure, words["alt_layers"].format(rows=rows_said), TALL, margin=NO_MARGIN | {"t": 40})


def landscape(trace: Trace, words: Words) -> go.Figure:
    """All models: parameters used for a token against parameters stored, on logarithmic axes."""
    x, y = trace.all_total.numpy() / B, trace.all_active.numpy() / B
    low, high = float(x.min()) / 2, 2.5 * float(x.max())
    figure = go.Figure()
    for share in (1.0, 0.3, 0.1, 0.03):
        line = {"color": GREY, "width": 1, "dash": "dot"}
        ends = [low, high]
        figure.add_scatter(
            x=ends, y=[share * end for end in ends], mode="lines", line=line, hoverinfo="skip", showlegend=False
        )
        at = min(0.8 * high, 1.7 * float(y.max()) / share)  # where the line leaves the picture
        place = {"x": np.log10(at), "y": np.log10(at * share), "xanchor": "right", "yanchor": "bottom"}
        figure.add_annotation(text=f"{share:.0%}", showarrow=False, **place)
    window = ((np.log10(low), np.log10(high)), (np.log10(float(y.min()) / 2), np.log10(2 * float(y.max()))))
    places = _places(np.log10(x), np.log10(y), [len(short(name)) for name in trace.all_name], *window)
    for sparse in (True, False):
        of = [i for i in range(len(x)) if (y[i] < x[i]) == sparse]
        chosen = [trace.all_name[i] in trace.name for i in of]
        tone = colour("experts" if sparse else "dense")
        marker = {
            "color": [_faded(tone, 0.3 if one else 0.1) for one in chosen],  # rings: two models may lie on one spot
            "size": [18 if one else 9 for one in chosen],
            "line": {"width": [3 if one else 2 for one in chosen], "color": tone},
            "opacity": 1,
        }
        figure.add_scatter(
            x=x[of],
            y=y[of],
            mode="markers+text",
            name=words["sparse" if sparse else "dense"],
            text=[shown(trace.all_name[i]) for i in of],
            textposition=[places[i] for i in of],
            marker=marker,
            customdata=100 * y[of] / x[of],
            hovertemplate=words["hover_landscape"] + "<extra>%{text}</extra>",
        )
    figure.update_xaxes(title=words["axis_total"], type="log", range=window[0], dtick=1)
    figure.update_yaxes(title=words["axis_active"], type="log", range=window[1], dtick=1)
    values = zip(trace.all_name, x, y, strict=True)
    alt = words["alt_landscape"].format(values="; ".join(f"{name} {a:,.1f} / {b:,.1f}" for name, a, b in values))
    return finish(figure, alt, TALL, margin={"l": 64, "r": 8, "t": 40, "b": 56})


def _faded(tone: str, strength: float) -> str:
    return f"rgba({', '.join(str(int(tone[i : i + 2], 16)) for i in (1, 3, 5))}, {strength})"


# Where a label may stand beside its dot: Plotly's name, and which way its box lies from the dot.
_AROUND = {
    "top center": (0, 1), "bottom center": (0, -1), "middle right": (1, 0), "middle left": (-1, 0), "top right": (1, 1),
    "bottom right": (1, -1), "top left": (-1, 1), "bottom left": (-1, -1),
}  # fmt: skip


def _places(
    x: np.ndarray, y: np.ndarray, lengths: list[int], xs: tuple[float, float], ys: tuple[float, float]
) -> list[str]:
    """For each label the place where it covers least of the dots and of the labels before it, in a picture of usual
    size and, where that leaves a choice, on a phone."""
    py = 400 * (y - ys[0]) / (ys[1] - ys[0])
    wide = {640: 1.0, 290: 0.02}  # how much each width of the picture counts
    px = {one: one * (x - xs[0]) / (xs[1] - xs[0]) for one in wide}
    taken = {one: [(a - 7, b - 7, a + 7, b + 7) for a, b in zip(px[one], py, strict=True)] for one in wide}
    found = []
    for i, length in enumerate(lengths):
        half, costs = 3.3 * length, {}
        for name, (right, up) in _AROUND.items():
            boxes = {one: _around(px[one][i] + right * (half + 9), py[i] + up * 11, half) for one in wide}
            over = {one: _covered(boxes[one], [box for k, box in enumerate(taken[one]) if k != i]) for one in wide}
            for one, (low, _, high, _) in boxes.items():
                over[one] += 1e3 * (low < 0 or high > one)
            costs[name] = (sum(over[one] * wide[one] for one in wide), boxes)
        best = min(costs, key=lambda name: costs[name][0])
        found.append(best)
        for one, box in costs[best][1].items():
            taken[one].append(box)
    return found


_Box = tuple[float, float, float, float]


def _around(x: float, y: float, half: float) -> _Box:
    return (x - half, y - 7, x + half, y + 7)


def _covered(box: _Box, others: list[_Box]) -> float:
    """Area that others take of a box."""
    return sum(
        max(0.0, min(box[2], other[2]) - max(box[0], other[0]))
        * max(0.0, min(box[3], other[3]) - max(box[1], other[1]))
        for other in others
    )
