"""Pictures of attention under a mask: the inspector, and five small figures that share the tokens as their axis.

Every function takes a Trace of models/attention_masks.py and the page's words, and returns a View or a Plotly figure
with an alt text of its own numbers. Colours: query blue for who looks, key orange for the edited token, value green
for outputs, the probability scale for weights.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from viz import palette
from viz.components.matrix import Panel, Scrub, Stage, inspector
from viz.plots import finish
from viz.view import View

if TYPE_CHECKING:
    from models.attention_masks import Shown, Sweep, Trace

Words = Mapping[str, str]
INSPECTOR, FIGURE = 560, 340  # heights in pixels
# Middle tones, which stand out on light and on dark paper alike.
WEIGHT = palette.palette()["probability"][5]
LAYOUT = {"margin": {"l": 56, "r": 16, "t": 28, "b": 56}, "bargap": 0.15}


def matrix(trace: Trace, words: Words, sweeps: Sequence[Sweep] = (), pin: tuple[int, int] | None = None) -> View:
    """Scores, scale, mask, softmax and output of one mask, or of two side by side.

    sweeps: one per mask shown, all of one field: its scrubber then plays every value.
    """
    panels = [_panel(trace, shown, sweeps[i] if sweeps else None, words) for i, shown in enumerate(trace.shown)]
    scrub = None
    if sweeps and len(sweeps[0].values) > 1:
        scrub = Scrub(sweeps[0].field, words[sweeps[0].field], sweeps[0].values, sweeps[0].index)
    n, d_head = trace.query.shape
    masks = " / ".join(f"{words['mask_' + s.name]}: {int(s.mask.sum())}/{n * n}" for s in trace.shown)
    return inspector(
        panels,
        trace.label,
        trace.label,
        alt=words["alt_matrix"].format(n=n, d=d_head, masks=masks),
        scrub=scrub,
        words={"rows": words["rows"], "cols": words["cols"]},
        stage=3,  # the weights: what everyone came for
        pin=pin,
        height=INSPECTOR,
        name="attention-masks",
    )


def _panel(trace: Trace, shown: Shown, sweep: Sweep | None, words: Words) -> Panel:
    n, d_head = trace.query.shape
    query, key, score, scaled = (x.numpy() for x in (trace.query, trace.key, trace.score, trace.scaled))
    masked, weight, output = shown.masked.numpy(), shown.weight.numpy(), shown.output.numpy()
    if sweep is not None:
        masked = np.where(sweep.mask.numpy(), scaled, -np.inf)
        weight, output = sweep.weight.numpy(), sweep.output.numpy()
        if (masked == masked[:1]).all():  # this mask does not know the number that is turned
            masked, weight, output = masked[0], weight[0], output[0]
    explain = "explain_unscaled" if bool((trace.scaled == trace.score).all()) else "explain_scaled"
    return Panel(
        f"{words['mask_' + shown.name]} · {int(shown.mask.sum())}/{n * n}",
        [
            Stage(words["stage_score"], score, "signed", words["explain_score"], left=query, right=key),
            Stage(words["stage_scaled"], scaled, "signed", words[explain], numbers={"d": d_head}),
            Stage(words["stage_masked"], masked, "signed", words["explain_masked"]),
            Stage(
                words["stage_weight"], weight, "probability", words["explain_weight"], masked=words["explain_hidden"]
            ),
            Stage(
                words["stage_output"],
                output,
                "signed",
                words["explain_output"],
                cols=[str(j) for j in range(d_head)],
                right=trace.value.numpy().T,
                roles=("query", "value"),
                axes=(words["rows"], words["features"]),
            ),
        ],
    )


def edit(trace: Trace, words: Words) -> go.Figure:
    """How much each output changes when one token is replaced; an output that does not change at all says 0."""
    figure = _rows(trace, words)
    for row, shown in enumerate(trace.shown, 1):
        change = shown.edit_difference.numpy()
        fill = [_fill("key" if t == trace.edit else "value") for t in range(len(change))]
        figure.add_trace(
            go.Bar(
                x=np.arange(len(change)),
                y=change,
                marker={"color": fill, "line": {"width": 0}},
                # "0" only where it is exactly 0: a small bar keeps its height as its number
                text=["0" if c == 0 else "" for c in change],
                textposition="outside",
                hovertemplate="%{customdata}: %{y:.3g}<extra></extra>",
                customdata=_labels(trace),
                showlegend=False,
            ),
            row=row,
            col=1,
        )
    alts = [
        words["alt_edit"].format(
            mask=words["mask_" + shown.name],
            token=trace.label[trace.edit],
            position=trace.edit,
            changed=int((shown.edit_difference > 0).sum()),
            before=int((shown.edit_difference[: trace.edit] > 0).sum()),
            n=len(trace.label),
        )
        for shown in trace.shown
    ]
    figure.update_yaxes(title=words["axis_change"], rangemode="tozero")
    figure.add_annotation(x=trace.edit, y=1, yref="paper", text=words["edited"], showarrow=False, yanchor="bottom")
    return finish(figure, " ".join(alts), FIGURE, **LAYOUT)


def reach(trace: Trace, words: Words) -> go.Figure:
    """Which tokens one token can have heard of after each layer: the one that learns most."""
    figure = _rows(trace, words)
    alts = []
    for row, shown in enumerate(trace.shown, 1):
        heard = shown.reach[:, shown.far].numpy()
        ticks = np.arange(1, len(heard) + 1)
        colours = [_faint(palette.palette()["masked"]["line"]), WEIGHT]
        figure.add_trace(
            go.Heatmap(
                x=np.arange(len(trace.label)),
                y=ticks,
                z=heard.astype(np.uint8),
                zmin=0,
                zmax=1,
                colorscale=[[0, colours[0]], [0.5, colours[0]], [0.5, colours[1]], [1, colours[1]]],
                showscale=False,
                xgap=1,
                ygap=2,
                hovertemplate=f"{words['axis_layer']} %{{y}}<extra></extra>",
            ),
            row=row,
            col=1,
        )
        counts = heard.sum(1).tolist()
        text = [f"{layer} · {count}" for layer, count in zip(ticks, counts, strict=True)]
        figure.update_yaxes(tickvals=ticks, ticktext=text, title=words["axis_layer"], row=row, col=1)
        alts.append(
            words["alt_reach"].format(
                mask=words["mask_" + shown.name], token=trace.label[shown.far], counts=", ".join(map(str, counts))
            )
        )
    return finish(figure, " ".join(alts), FIGURE, **LAYOUT)


def entropy(trace: Trace, words: Words) -> go.Figure:
    """How spread out each token's look is, in bits, under the most it could be: an even look at all it sees."""
    figure = _rows(trace, words)
    alts = []
    for row, shown in enumerate(trace.shown, 1):
        bits, most = shown.entropy.numpy(), np.log2(shown.mask.numpy().sum(1))
        x = np.arange(len(bits))
        figure.add_trace(
            go.Bar(
                x=x,
                y=bits,
                marker={"color": _fill("query"), "line": {"width": 0}},
                name=words["entropy"],
                showlegend=row == 1,
                customdata=_labels(trace),
                hovertemplate="%{customdata}: %{y:.2f}<extra></extra>",
            ),
            row=row,
            col=1,
        )
        figure.add_trace(
            go.Scatter(
                x=x,
                y=most,
                mode="markers",
                marker={"symbol": "line-ew-open", "size": 12, "line_width": 3, "color": _fill("key")},
                name=words["entropy_most"],
                showlegend=row == 1,
                hovertemplate="%{y:.2f}<extra></extra>",
            ),
            row=row,
            col=1,
        )
        alts.append(
            words["alt_entropy"].format(
                mask=words["mask_" + shown.name], mean=float(bits.mean()), most=float(most.mean())
            )
        )
    figure.update_yaxes(title=words["axis_bits"], rangemode="tozero")
    return finish(figure, " ".join(alts), FIGURE, **LAYOUT)


def scale_curve(trace: Trace, words: Words) -> go.Figure:
    """Mean largest weight of a row of random scores against the head width, with and without 1/sqrt(d)."""
    width, (scaled, raw) = trace.width.numpy(), trace.peak.numpy()
    figure = go.Figure()
    for name, y, dash in (("curve_raw", raw, "dot"), ("curve_scaled", scaled, "solid")):
        figure.add_trace(
            go.Scatter(
                x=width,
                y=y,
                mode="lines+markers",
                line={"color": WEIGHT, "dash": dash, "width": 2.5},
                name=words[name],
                hovertemplate="d = %{x}: %{y:.2f}<extra></extra>",
            )
        )
    here = float(trace.shown[0].weight.amax(-1).mean())
    figure.add_trace(
        go.Scatter(
            x=[trace.query.shape[1]],
            y=[here],
            mode="markers",
            marker={"symbol": "diamond", "size": 12, "color": _fill("query")},
            name=words["curve_here"],
            hovertemplate="d = %{x}: %{y:.2f}<extra></extra>",
        )
    )
    figure.update_xaxes(type="log", tickvals=width, ticktext=[str(d) for d in width], title=words["axis_width"])
    figure.update_yaxes(range=[0, 1.02], tickformat=".0%", title=words["axis_peak"])
    alt = words["alt_scale"].format(
        d=int(width[-1]), first=float(raw[0]), raw=float(raw[-1]), scaled=float(scaled[-1]), here=here
    )
    return finish(figure, alt, FIGURE, **LAYOUT)


def cost(trace: Trace, words: Words) -> go.Figure:
    """Visible pairs of every mask at this length, dearest first, as a share of full attention."""
    full = trace.pairs["full"]
    names = sorted(trace.pairs, key=lambda name: trace.pairs[name])
    chosen = {shown.name for shown in trace.shown}
    figure = go.Figure(
        go.Bar(
            x=[trace.pairs[name] / full for name in names],
            y=[words["mask_" + name] for name in names],
            orientation="h",
            marker={
                "color": [WEIGHT if name in chosen else _faint(WEIGHT) for name in names],
                "line": {"width": 0},
            },
            text=[f"{trace.pairs[name]:,} · {trace.pairs[name] / full:.0%}" for name in names],
            textposition="outside",
            hoverinfo="skip",
        )
    )
    figure.update_xaxes(range=[0, 1.3], tickformat=".0%", tickvals=[0, 0.25, 0.5, 0.75, 1], title=words["axis_share"])
    figure.update_yaxes(automargin=True)
    alt = words["alt_cost"].format(
        pairs="; ".join(f"{words['mask_' + name]} {trace.pairs[name]}" for name in reversed(names))
    )
    return finish(figure, alt, FIGURE, **LAYOUT)


def spectrum(trace: Trace, words: Words) -> go.Figure:
    """Singular values of the weights: a matrix that mixes much alike has few that count."""
    figure = go.Figure()
    colours = [WEIGHT, _fill("query")]
    ranks = []
    for shown, colour in zip(trace.shown, colours, strict=False):
        singular = shown.singular.double().numpy()
        share = singular / singular.sum()
        rank = float(np.exp(-(share[share > 0] * np.log(share[share > 0])).sum()))
        ranks.append(f"{words['mask_' + shown.name]}: {rank:.1f}")
        figure.add_trace(
            go.Scatter(
                x=np.arange(1, len(singular) + 1),
                y=singular,
                mode="lines+markers",
                line={"color": colour, "width": 2},
                name=f"{words['mask_' + shown.name]} · {words['rank']} {rank:.1f}",
                hovertemplate="%{x}: %{y:.3f}<extra></extra>",
            )
        )
    figure.update_xaxes(title=words["axis_singular"])
    figure.update_yaxes(rangemode="tozero", title=words["axis_value"])
    return finish(figure, words["alt_spectrum"].format(ranks="; ".join(ranks)), FIGURE, **LAYOUT)


def thumbnail(trace: Trace) -> str:
    """The weights as a small picture: masked cells are left out, darker is more."""
    shown = trace.shown[0]
    weight, mask = shown.weight.numpy(), shown.mask.numpy()
    n = min(len(weight), 16)
    side = 92 / n
    cells = [
        f'<rect x="{34 + col * side:.2f}" y="{4 + row * side:.2f}" width="{side * 0.9:.2f}" height="{side * 0.9:.2f}" '
        f'rx="{side * 0.12:.2f}" fill="{WEIGHT}" fill-opacity="{0.15 + 0.85 * float(weight[row, col]) ** 0.5:.2f}"/>'
        for row in range(n)
        for col in range(n)
        if mask[row, col]
    ]
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 160 100">{"".join(cells)}</svg>'


def _rows(trace: Trace, words: Words) -> go.Figure:
    """One strip per mask, the tokens as their common axis."""
    titles = [words["mask_" + shown.name] for shown in trace.shown] if len(trace.shown) == 2 else None
    figure = make_subplots(len(trace.shown), 1, shared_xaxes=True, vertical_spacing=0.16, subplot_titles=titles)
    figure.update_annotations(x=0, xanchor="left", font_size=13)
    n = len(trace.label)
    every = -(-n // 24)  # as many labels as fit
    at = list(range(0, n, every))
    figure.update_xaxes(tickvals=at, ticktext=[_labels(trace)[t] for t in at], tickangle=-45, range=[-0.6, n - 0.4])
    return figure


def _labels(trace: Trace) -> list[str]:
    """Tokens for Plotly, which would read `<b>` as bold and `$x$` as a formula: as plain text, and not too long."""
    short = (label if len(label) <= 12 else label[:11] + "…" for label in trace.label)
    return [html.escape(label, quote=False).replace("$", "&#36;") for label in short]


def _fill(role: str) -> str:
    return palette.colour(f"{role}_fill")


def _faint(colour: str) -> str:
    """The colour as a veil over whatever paper is below."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.35)"
