"""Pictures of rotary position embedding: pairs as clocks, and what the rotation does to scores.

Every function takes a Trace of models/rope.py and the page's words, and returns a View or a Plotly figure with an alt
text of its own numbers. Colours: query blue, key orange; positions on the cyclic scale; scores diverge around 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from viz import palette
from viz.components.clocks import clocks as clock_faces
from viz.components.curves import Axis, Line, curves
from viz.components.kit import Scrub
from viz.components.matrix import Panel, Stage, inspector
from viz.plots import finish, shown
from viz.view import View

if TYPE_CHECKING:
    from models.rope import Trace

Words = Mapping[str, str]
CLOCKS, FIGURE = 500, 360  # heights in pixels
N_BIN = 41
TICKS = [(10.0, "10"), (1e3, "1,000"), (1e5, "100,000"), (1e7, "10⁷")]
SCORE = "probability:0.7"  # scores are neither queries nor keys
GREY = palette.palette()["verdict"]["gray"]  # a middle tone, for light and dark paper


def clocks(trace: Trace, words: Words) -> View:
    """Every pair as a clock face, and all scores: two scrubbers move the query and the key."""
    m, n = trace.at
    n_token, n_pair = trace.angle.shape
    return clock_faces(
        trace.query.numpy(),
        trace.key.numpy(),
        trace.score.numpy(),
        trace.part.numpy(),
        trace.wavelength.numpy(),
        query_scrub=Scrub("query", words["query"], range(n_token), m),
        key_scrub=Scrub("key", words["key"], range(n_token), n),
        labels=trace.content.label,
        unit=bool(trace.content.label),  # a model's pairs differ too much in length for one scale
        alt=words["alt_clocks"].format(pairs=n_pair, turning=trace.n_rotate, m=m, n=n, score=float(trace.score[m, n])),
        words={"score": words["score"]},
        height=CLOCKS,
        name="rope",
    )


def _bases(trace: Trace, words: Words) -> Scrub | None:
    """The slider of the base; a model has only its own."""
    if len(trace.bases) == 1:
        return None
    return Scrub("base", words["base"], [_plain(base) for base in trace.bases], trace.base_index)


def _plain(number: float) -> float | int:
    return int(number) if number == int(number) else number


def distance(trace: Trace, words: Words) -> View:
    """The mean score over many q and k at each distance, with its spread; for random ones also the paper's bound."""
    mean, std = trace.mean.numpy(), trace.std.numpy()
    random = not trace.content.name
    lines = [
        Line(words["line_mean"], mean, role=SCORE),
        Line(words["line_above"], mean + std, quiet=True),
        Line(words["line_below"], mean - std, quiet=True),
    ]
    if random:
        lines.append(Line(words["line_bound"], trace.bound.numpy(), role="line:4"))
    longest = mean.shape[1]
    own = mean[trace.base_index]
    return curves(
        np.arange(longest),
        lines,
        x_axis=Axis(words["axis_distance"]),
        y_axis=Axis(words["axis_mean" if random else "axis_score"]),
        scrub=_bases(trace, words),
        alt=words["alt_distance"].format(
            n=len(trace.change), start=float(own[0]), far=float(own[longest // 2 :].mean()), to=longest - 1
        ),
        height=FIGURE,
        name="rope-distance",
    )


def far(trace: Trace, words: Words) -> View:
    """The mean score from distance 1 to four times the context, in stretches: its mean, lowest and highest."""
    low, mean, high = trace.far.numpy().transpose(1, 0, 2)
    n_ctx, block = trace.content.n_ctx, trace.block.numpy()
    own = trace.base_index
    beyond = block > n_ctx
    return curves(
        block,
        [
            Line(words["line_mean"], mean, role=SCORE),
            Line(words["line_high"], high, quiet=True),
            Line(words["line_low"], low, quiet=True),
        ],
        x_axis=Axis(words["axis_distance"], log=True),
        y_axis=Axis(words["axis_score" if trace.content.name else "axis_mean"]),
        bands=[(n_ctx, 4 * n_ctx, words["band_untrained"])],
        scrub=_bases(trace, words),
        alt=words["alt_far"].format(
            n_ctx=n_ctx,
            low=float(low[own][~beyond].min()),
            high=float(high[own][~beyond].max()),
            low_beyond=float(low[own][beyond].min()),
            high_beyond=float(high[own][beyond].max()),
        ),
        height=FIGURE,
        name="rope-far",
    )


def wavelengths(trace: Trace, words: Words) -> View:
    """The wavelength of every pair, the context length, and the pairs of a head of 128 features at the same base."""
    wave = trace.wavelengths[:, : trace.n_rotate].numpy()
    n_rotate, n_ctx = trace.n_rotate, trace.content.n_ctx
    at = np.arange(n_rotate) / max(n_rotate, 1)
    llama = np.arange(64) / 64
    lines = [Line(words["line_context"].format(n=n_ctx), [n_ctx, n_ctx], x=[0, 1], role="ink")]
    if n_rotate != 64:
        name = words["line_128"].format(longest=2 * math.pi * trace.content.base ** (63 / 64))
        bases = np.array(trace.bases)[:, None]
        lines.append(Line(name, 2 * math.pi * bases**llama, x=llama, quiet=True))
    if n_rotate:
        lines.append(Line(words["line_pairs"].format(n=n_rotate), wave, x=at, role=SCORE, form="dots"))
    own = trace.wavelength.numpy()[:n_rotate]
    return curves(
        [0, 1],
        lines,
        x_axis=Axis("", low=0, high=1, ticks=[(0, words["fast"]), (1, words["slow"])]),
        y_axis=Axis(words["axis_wavelength"], log=True, low=1, high=1e8, ticks=TICKS),
        scrub=_bases(trace, words),
        alt=words["alt_wavelengths"].format(
            n=n_rotate, longest=float(own.max()) if n_rotate else 0.0, n_ctx=n_ctx, long=int((own > n_ctx).sum())
        ),
        height=FIGURE,
        name="rope-wavelengths",
    )


def offset(trace: Trace, words: Words) -> View:
    """This very q and k at other distances: the score, and what fast, slow and unturned pairs give to it."""
    part = trace.by_distance.numpy()
    n_fast = (trace.n_rotate + 1) // 2
    groups = {"fast": slice(0, n_fast), "slow": slice(n_fast, trace.n_rotate), "still": slice(trace.n_rotate, None)}
    lines = [Line(words["line_score"], part.sum(1), role="ink")]
    for (name, which), role in zip(groups.items(), (SCORE, "line:5", "line:4"), strict=True):
        if part[:, which].size:
            lines.append(Line(words[f"line_{name}"], part[:, which].sum(1), role=role))
    m, n = trace.at
    return curves(
        np.arange(len(part)),
        lines,
        x_axis=Axis(words["axis_distance"]),
        y_axis=Axis(words["axis_score"]),
        marks=[(m - n, words["mark_here"].format(distance=m - n))] if 0 <= m - n < len(part) else [],
        alt=words["alt_offset"].format(
            low=float(part.sum(1).min()), high=float(part.sum(1).max()), at=int(part.sum(1).argmax()), to=len(part) - 1
        ),
        height=FIGURE,
        name="rope-offset",
    )


def additive(trace: Trace, words: Words) -> View:
    """How much m - n changes a score, over many q and k; a bias that is added to scores would change all alike."""
    change = trace.change.numpy()
    middle, spread = float(change.mean()), float(change.std())
    width = 4 * max(spread, 1e-3)
    edges = np.linspace(middle - width, middle + width, N_BIN + 1)
    share = np.histogram(change, edges)[0] / len(change)
    m, n = trace.at
    return curves(
        (edges[1:] + edges[:-1]) / 2,
        [Line(words["line_rope"].format(std=spread), share, role=SCORE, form="bars")],
        x_axis=Axis(words["axis_change"].format(distance=m - n)),
        y_axis=Axis(words["axis_share"], low=0),
        marks=[(middle, words["mark_additive"])],
        alt=words["alt_additive"].format(n=len(change), distance=m - n, mean=middle, std=spread),
        height=FIGURE,
        name="rope-additive",
    )


def plane(trace: Trace, words: Words) -> go.Figure:
    """One pair of features of every q and k, before and after the rotation."""
    i, (m, n) = trace.pair, trace.at
    stages = ((trace.query_content, trace.key_content), (trace.query, trace.key))
    titles = [words["before"], words["after"]]
    figure = make_subplots(rows=1, cols=2, subplot_titles=titles, horizontal_spacing=0.08)
    label = [shown(text) for text in trace.content.label]
    names = [f"{t} {label[t]}" if label else str(t) for t in range(len(trace.query))]
    reach = 1.12 * max(float(x[:, i].norm(dim=-1).max()) for x in stages[1]) or 1.0
    # Equal contents lie on each other: the key's mark is a frame around the query's.
    marks = {
        "query": {"size": 6, "symbol": "circle"},
        "key": {"size": 10, "symbol": "diamond-open", "line": {"width": 2}},
    }
    for column, stage in enumerate(stages, 1):
        for role, pairs, chosen in (("query", stage[0], m), ("key", stage[1], n)):
            x, y = pairs[:, i].numpy().T
            colour = palette.colour(f"{role}_fill")
            dots = go.Scatter(
                x=x,
                y=y,
                mode="markers",
                name=words[f"dots_{role}"],
                legendgroup=role,
                showlegend=column == 1,
                marker=marks[role] | {"color": colour},
                customdata=names,
                hovertemplate="%{customdata}: (%{x:.2f}, %{y:.2f})<extra>%{fullData.name}</extra>",
            )
            hand = go.Scatter(
                x=[0, x[chosen]],
                y=[0, y[chosen]],
                mode="lines",
                legendgroup=role,
                showlegend=False,
                line={"color": colour, "width": 3},
                hoverinfo="skip",
            )
            figure.add_traces([dots, hand], rows=1, cols=column)
        figure.update_xaxes(range=[-reach, reach], constrain="domain", row=1, col=column)
        figure.update_yaxes(
            range=[-reach, reach],
            scaleanchor="x" if column == 1 else "x2",
            constrain="domain",
            row=1,
            col=column,
        )
    template = words["alt_plane" if i < trace.n_rotate else "alt_plane_still"]
    alt = template.format(pair=i, n=len(trace.query), wavelength=float(trace.wavelength[i]))
    margin = {"l": 40, "r": 12, "t": 56, "b": 40}
    legend = {"orientation": "h", "y": -0.12, "yanchor": "top", "x": 0}
    return finish(figure, alt, FIGURE + 40, margin=margin, legend=legend)


def pairing(trace: Trace, words: Words) -> go.Figure:
    """Which features turn together: half-split above, interleaved below, lines from each feature to its new place."""
    n_pair, r = len(trace.frequency), trace.n_rotate
    # Feature j of the interleaved order is feature order[j] of the half-split one.
    order = np.empty(2 * n_pair, dtype=int)
    order[0 : 2 * r : 2], order[1 : 2 * r : 2] = np.arange(r), r + np.arange(r)
    rest = n_pair - r
    order[2 * r :: 2], order[2 * r + 1 :: 2] = 2 * r + np.arange(rest), 2 * r + rest + np.arange(rest)
    scale = palette.palette()["cyclic"]
    few = n_pair <= 16
    figure = go.Figure()
    for below, above in enumerate(order):
        i = below // 2
        colour = scale[round(i / n_pair * (len(scale) - 1))] if i < r else GREY
        figure.add_scatter(
            x=[above, below],
            y=[1, 0],
            mode="lines+markers+text" if few else "lines+markers",
            text=[str(above), str(below)] if few else None,
            textposition=["top center", "bottom center"],
            line={"color": colour, "width": 2},
            marker={"size": 12 if few else 6, "color": colour, "symbol": "square"},
            hovertemplate=words["hover_pair" if i < r else "hover_still"].format(pair=i) + ": %{x}<extra></extra>",
            showlegend=False,
        )
    figure.update_xaxes(title=words["axis_feature"], showgrid=False, zeroline=False, showticklabels=not few)
    ticks = [words["half_split"], words["interleaved"]]
    figure.update_yaxes(tickvals=[1, 0], ticktext=ticks, range=[-0.35, 1.35], showgrid=False, zeroline=False)
    alt = words["alt_pairing"].format(n=n_pair, r=r, wrong=trace.mismatch, right=trace.permuted)
    return finish(figure, alt, FIGURE - 60, margin={"l": 96, "r": 16, "t": 16, "b": 56})


def cache(trace: Trace, words: Words) -> View:
    """cos and sin of every position and pair: what an implementation computes once and keeps."""
    angle = trace.angle.numpy()
    n_token, n_pair = angle.shape
    panels = [
        Panel(name, [Stage(name, wave, "signed", words[f"explain_{name}"], limits=(-1.0, 1.0), roles=("", ""))])
        for name, wave in (("cos", np.cos(angle)), ("sin", np.sin(angle)))
    ]
    return inspector(
        panels,
        [str(t) for t in range(n_token)],
        [str(i) for i in range(n_pair)],
        alt=words["alt_cache"].format(t=n_token, p=n_pair),
        words={"rows": words["axis_position"], "cols": words["axis_pair_number"]},
        height=FIGURE + 80,
        name="rope-cache",
    )


def captions(trace: Trace) -> list[str]:
    """Names of the captions that say what the clocks show."""
    random, r = not trace.content.name, trace.n_rotate
    wanted = {
        "law" if random else "law_model": True,
        "none": r == 0,
        "pairs": r > 0,
        "still": 0 < r < len(trace.frequency),
        "cut": trace.content.n_cut > 0,
    }
    return [name for name, it_is_so in wanted.items() if it_is_so]


def caption_of(trace: Trace, figure: str, facts: Mapping[str, object]) -> str:
    """Name of the caption below one of the further figures."""
    random = not trace.content.name
    if figure == "distance":
        return ("independent" if facts["decay"] == "none" else "distance") if random else "distance_model"
    if figure in ("wavelengths", "pairing", "additive") and not trace.n_rotate:
        return "nothing_turns"
    if figure == "additive" and trace.at[0] == trace.at[1]:
        return "additive_here"
    if figure == "far":
        return "far" if random else "far_model"
    if figure == "plane" and trace.pair >= trace.n_rotate:
        return "plane_still"
    if figure == "plane":
        return "plane" if random else "plane_model"
    return figure


def thumbnail(trace: Trace) -> str:
    """Some clock faces, fast to slow."""
    n_pair, (m, n) = len(trace.frequency), trace.at
    chosen = np.unique(np.linspace(0, n_pair - 1, min(n_pair, 6)).round().astype(int))
    faces = []
    for place, i in enumerate(chosen):
        x, y = 30 + 50 * (place % 3), 28 + 46 * (place // 3)
        faces.append(f'<circle cx="{x}" cy="{y}" r="19" fill="none" stroke="{GREY}" stroke-width="1.5"/>')
        for role, pair in (("query_fill", trace.query[m, i]), ("key_fill", trace.key[n, i])):
            size = float(pair.norm()) or 1.0
            a, b = x + 17 * float(pair[0]) / size, y - 17 * float(pair[1]) / size
            faces.append(
                f'<line x1="{x}" y1="{y}" x2="{a:.1f}" y2="{b:.1f}" stroke="{palette.colour(role)}" stroke-width="3.5"'
                ' stroke-linecap="round"/>'
            )
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 160 100">{"".join(faces)}</svg>'
