"""Pictures of position encodings: two schemes side by side, and a small picture for each of them alone.

Every function takes a Trace of models/position_encodings.py and the page's words, and returns a View or a Plotly figure
with an alt text of its own numbers. Colours: query blue for who looks, key orange for who is looked at, the signed
scale for scores, the probability scale for weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from viz import palette
from viz.components.clocks import clocks
from viz.components.curves import Axis, Line, curves
from viz.components.matrix import Panel, Scrub, Stage, inspector
from viz.plots import finish
from viz.view import View

if TYPE_CHECKING:
    from models.no_position import Learned
    from models.position_encodings import Shown, Trace

Words = Mapping[str, str]
INSPECTOR, FIGURE = 556, 320  # heights in pixels


def pair(trace: Trace, words: Words) -> View:
    """What position adds, the scores and the attention of two schemes, as the sentence begins at every place."""
    at = trace.start
    said = [
        words["alt_scheme"].format(
            scheme=_name(shown, words), moved=float(shown.moved.max()), most=float(shown.position[at].abs().max())
        )
        for shown in trace.shown
    ]
    return inspector(
        [_panel(trace, shown, words) for shown in trace.shown],
        trace.label,
        trace.label,
        alt=words["alt_pair"].format(n=len(trace.label), said="; ".join(said)),
        scrub=None if trace.trained else Scrub("start", words["start"], range(len(trace.shown[0].score)), at),
        words={"rows": words["rows"], "cols": words["cols"]},
        # What position adds tells the schemes apart at a glance; of trained heads, all want to see where they look.
        stage=3 if trace.trained else 1,
        pin=pin(trace),
        height=INSPECTOR,
        name="position-encodings",
    )


def pin(trace: Trace) -> tuple[int, int]:
    """The cell that the caption tells of: where the two schemes differ most, or the largest weight of the only one."""
    first, last = (shown.weight[trace.start].numpy() for shown in (trace.shown[0], trace.shown[-1]))
    gap = np.abs(first - last) if len(trace.shown) == 2 else first
    row, col = np.unravel_index(int(gap.argmax()), gap.shape)
    return int(row), int(col)


def _panel(trace: Trace, shown: Shown, words: Words) -> Panel:
    d_head, n_bias = shown.query.shape[1], shown.name in ("t5", "alibi")
    content, query, key = shown.content.numpy(), shown.query.numpy() / d_head**0.5, shown.key.numpy()
    position, score, weight = (_frames(x.numpy()) for x in (shown.position, shown.score, shown.weight))
    future = ~np.tri(len(trace.label), dtype=bool) if trace.causal else np.zeros(content.shape, bool)
    numbers = {"slope": float(trace.slope[trace.head]), "d": d_head}
    # The vectors are those of the chosen start: where scores move with it, products would be another frame's.
    moves = score.ndim == 3
    return Panel(
        _name(shown, words),
        [
            Stage(words["stage_content"], np.where(future, -np.inf, content), "signed", words["explain_content"]),
            Stage(
                words["stage_position"],
                np.where(future, -np.inf, position),
                "signed",
                words["explain_deep" if trace.layer else f"explain_{shown.name}"],
                numbers=numbers,
            ),
            Stage(
                words["stage_score"],
                np.where(future, -np.inf, score),
                "signed",
                words["explain_sum" if moves or n_bias else "explain_score"],
                left=None if moves or n_bias else query,
                right=None if moves or n_bias else key,
            ),
            Stage(words["stage_weight"], weight, "probability", words["explain_weight"], limits=(0.0, 1.0)),
        ],
    )


def _frames(values: np.ndarray) -> np.ndarray:
    """(n, t, s), or (t, s) if the picture stands still wherever the sentence begins (rounding aside)."""
    return values[0] if np.abs(values - values[:1]).max() < 1e-4 else values


def _name(shown: Shown, words: Words) -> str:
    return words[f"scheme_{shown.name}"]


# --- captions --------------------------------------------------------------------------------------------------------

SAME = 1e-4  # differences below are rounding


def named(facts: Mapping[str, float | int | str], words: Words) -> dict[str, float | int | str]:
    """The facts with the schemes by their names on the page, and with changes that are mere rounding as such."""
    names = {which: words[f"scheme_{facts[which]}"] for which in ("scheme", "other")}
    changes = ("moved", "other_moved", "shifted", "other_shifted")
    return {**facts, **names, **{change: _change(float(facts[change])) for change in changes}}


def _change(value: float) -> str:
    """0.57, or "0 ± 1e-7" for what is rounding, or 0."""
    if value >= SAME:
        return f"{value:.2f}"
    return f"0 ± {value:.0e}".replace("e-0", "e-") if value else "0"


def captions(trace: Trace) -> list[str]:
    """Names of the captions that say what the picture shows."""
    several = len(set(trace.label)) > 1
    blind = {shown.name for shown in trace.shown if float(shown.moved.max()) < SAME and several}
    bare = any(shown.name == "none" for shown in trace.shown)
    wanted = {
        "compare" if len(trace.shown) == 2 else "alone": True,
        "order": len(trace.shown) == 2 and several,
        "blind": "none" in blind,
        "mirror": "alibi" in blind and trace.order == "reversed",
        "mask_tells": bare and several and "none" not in blind,
        "trained": trace.trained,
        "start": len(trace.shown) == 2 and not trace.trained,
        "cut": trace.n_cut > 0,
        "empty": not trace.label[0],
    }
    return [name for name, it_is_so in wanted.items() if it_is_so]


def caption_of(trace: Trace, figure: str) -> str:
    """Name of the caption below one of the further pictures."""
    if figure == "table":
        return "table" if trace.error else "table_there"
    return f"{figure}_trained" if trace.trained and figure in ("t5", "likeness") else figure


def parts(figure: str) -> tuple[str, ...]:
    """The pictures that one name of the gallery stands for, from top to bottom."""
    return {"t5": ("buckets", "bias"), "alibi": ("slopes", "recency")}.get(figure, (figure,))


# --- further pictures ------------------------------------------------------------------------------------------------


def shuffle(trace: Trace, words: Words) -> View:
    """How far every word's output moves when the words stand in the other order."""
    n = len(trace.label)
    lines = [Line(_name(shown, words), shown.moved.numpy(), form="bars") for shown in trace.shown]
    said = "; ".join(f"{_name(shown, words)} {float(shown.moved.max()):.2g}" for shown in trace.shown)
    return curves(
        range(n),
        lines,
        x_axis=Axis(words["axis_word"], low=-0.5, high=n - 0.5, ticks=list(enumerate(trace.label))),
        y_axis=Axis(words["axis_moved"], low=0.0),
        alt=words["alt_shuffle"].format(said=said),
        height=FIGURE,
        name="shuffle",
    )


def laws(trace: Trace, words: Words) -> go.Figure:
    """Three measurements of every scheme: sees order, only distances count, a bias."""
    names, law = SCHEMES, trace.law.numpy()
    texts = [[_law(float(value), kind, words) for kind, value in enumerate(row)] for row in law]
    marks = np.array([[_holds(float(value), kind) for kind, value in enumerate(row)] for row in law], float)
    red, green, blue = (int(palette.colour("value_fill")[i : i + 2], 16) for i in (1, 3, 5))
    veil = f"rgba({red},{green},{blue},"  # over any paper
    cells = go.Heatmap(
        z=marks,
        zmin=0,
        zmax=1,
        colorscale=[[0, f"{veil}0)"], [1, f"{veil}0.3)"]],
        showscale=False,
        xgap=3,
        ygap=3,
        hoverinfo="skip",
    )
    # The numbers are a trace of their own: a heatmap's text takes its colour from the veil and not from the theme.
    rows, cols = np.indices(marks.shape).reshape(2, -1)
    numbers = go.Scatter(x=cols, y=rows, text=np.ravel(texts), mode="text", hoverinfo="skip", showlegend=False)
    figure = go.Figure([cells, numbers])
    figure.update_xaxes(tickvals=[0, 1, 2], ticktext=[words[f"law_{i}"] for i in range(3)], side="top")
    figure.update_xaxes(range=[-0.5, 2.5], showgrid=False, zeroline=False)
    figure.update_yaxes(
        tickvals=list(range(len(names))),
        ticktext=[words[f"scheme_{name}"] for name in names],
        range=[len(names) - 0.5, -0.5],
        showgrid=False,
        zeroline=False,
        automargin=True,
    )
    alt = "; ".join(f"{words['scheme_' + name]}: {', '.join(row)}" for name, row in zip(names, texts, strict=True))
    return finish(figure, words["alt_laws"].format(said=alt.replace("<br>", " ")), FIGURE, margin={"t": 64, "b": 8})


def _holds(value: float, kind: int) -> bool:
    return [value > SAME, value < SAME, value > 0.99][kind]


def _law(value: float, kind: int, words: Words) -> str:
    if np.isnan(value):
        return words["law_none"]
    return f"{words['yes' if _holds(value, kind) else 'no']}<br>{f'{value:.0%}' if kind == 2 else _change(value)}"


def wave(trace: Trace, words: Words) -> View:
    """The sinusoidal vectors of all positions: a fast pair of features on the left, a slow one on the right."""
    vectors = trace.wave[: len(trace.table)].numpy()
    n, m = vectors.shape
    return inspector(
        [Panel("", [Stage("PE", vectors, "signed", words["explain_wave"], limits=(-1.0, 1.0), roles=("", ""))])],
        [str(i) for i in range(n)],
        [str(i) for i in range(m)],
        alt=words["alt_wave"].format(n=n, m=m),
        words={"rows": words["axis_position"], "cols": words["axis_feature"]},
        height=460,
        name="sinusoidal",
    )


def turning(trace: Trace, words: Words) -> View:
    """Two positions of the sinusoidal encoding as hands on clocks: their angle depends on the shift alone."""
    overlap = trace.overlap.numpy()
    pairs = trace.wave[: len(overlap)].unflatten(-1, (-1, 2)).numpy()
    positions = range(len(pairs))
    frequency = trace.frequency.numpy()
    return clocks(
        pairs,
        pairs,
        overlap.sum(-1),
        overlap,
        2 * np.pi / frequency,
        query_scrub=Scrub("first", words["first"], positions, trace.first),
        key_scrub=Scrub("second", words["second"], positions, trace.second),
        alt=words["alt_turning"].format(first=trace.first, second=trace.second, residual=float(trace.residual.max())),
        words={name: words[f"clocks_{name}"] for name in CLOCKS},
        height=480,
        name="sinusoidal-shift",
    )


CLOCKS = ("query", "key", "under", "score", "scores", "keys", "hand_query", "hand_key", "state")


def likeness(trace: Trace, words: Words) -> View:
    """How alike the vectors of two positions are, against their distance: sinusoidal and untrained learned vectors."""
    sinusoidal, learned = trace.likeness.numpy()
    return curves(
        range(len(sinusoidal)),
        [Line(words["scheme_sinusoidal"], sinusoidal), Line(words["scheme_learned"], learned)],
        x_axis=Axis(words["axis_apart"], low=0.0),
        y_axis=Axis(words["axis_likeness"]),
        alt=words["alt_likeness"].format(
            near=float(sinusoidal[1]),
            far=float(sinusoidal[-1]),
            learned=float(learned[1]),
            learned_far=float(learned[-1]),
        ),
        height=FIGURE,
        name="likeness",
    )


FEATURE = 8  # of the sinusoids, one turn in about twenty positions


def table(trace: Trace, words: Words) -> View:
    """One feature of the learned table by position, which ends, and of the sinusoids, which do not."""
    learned, waves, n_row = trace.table[:, FEATURE].numpy(), trace.wave[:, FEATURE].numpy(), len(trace.table)
    last = len(waves) - 1
    gap = np.full(last + 1 - n_row, np.nan)
    return curves(
        range(last + 1),
        [
            Line(words["scheme_learned"], np.concatenate((learned, gap))),
            Line(words["scheme_sinusoidal"], waves),
        ],
        x_axis=Axis(words["axis_position"], low=0.0, high=float(last)),
        y_axis=Axis(words["feature"].format(j=FEATURE)),
        alt=words["alt_table"].format(n=n_row, row=trace.row, error=trace.error or words["there"]),
        bands=[(n_row - 0.5, float(last), words["no_row"])],
        scrub=Scrub("row", words["row"], range(last + 1), trace.row),
        on_axis=True,
        height=FIGURE,
        name="learned-table",
    )


def buckets(trace: Trace, words: Words) -> View:
    """Bucket against distance: a staircase whose steps grow."""
    distance, (both, past) = _near(trace), trace.bucket.numpy()
    shown = np.isin(trace.distance.numpy(), distance)
    both, past = both[shown], past[shown]
    return curves(
        distance,
        [Line(words["both_ways"], both, form="steps"), Line(words["past_only"], past, form="steps")],
        x_axis=Axis(words["axis_distance"]),
        y_axis=Axis(words["axis_bucket"], low=0.0),
        marks=[(0, words["itself"])],
        alt=words["alt_buckets"].format(
            near=int(both[distance == 1][0]), ahead=int(both[distance == -1][0]), far=int(both[-1]), most=distance[-1]
        ),
        height=FIGURE,
        name="t5-buckets",
    )


def _near(trace: Trace) -> np.ndarray:
    """The distances that are worth drawing: some way past the one from which all share a bucket."""
    distance = trace.distance.numpy()
    return distance[np.abs(distance) <= 1.6 * trace.max_distance]


def bias(trace: Trace, words: Words) -> View:
    """What T5's table adds at each distance: the chosen head, the others quiet."""
    distance = _near(trace)
    values = trace.bias[:, np.isin(trace.distance.numpy(), distance)].numpy()
    others = [h for h in range(len(values)) if h != trace.head][:7]
    return curves(
        distance,
        [Line("", values[h], form="steps", quiet=True) for h in others]
        + [Line(words["head_name"].format(head=trace.head), values[trace.head], form="steps", role="query")],
        x_axis=Axis(words["axis_distance"]),
        y_axis=Axis(words["axis_bias"]),
        marks=[(0, words["itself"])],
        alt=words["alt_bias"].format(head=trace.head, n=len(np.unique(values[trace.head]))),
        height=FIGURE,
        name="t5-bias",
    )


def slopes(trace: Trace, words: Words) -> View:
    """ALiBi's slope of every head, a straight line on a log axis where the heads are a power of two."""
    slope = trace.slope.numpy()
    number = np.arange(1, len(slope) + 1)
    return curves(
        number,
        [Line(words["slope"], slope, form="dots", role="key")],
        x_axis=Axis(words["axis_head"], low=0.0, high=len(slope) + 1.0),
        y_axis=Axis(words["axis_slope"], log=True),
        marks=[(trace.head + 1, words["head_name"].format(head=trace.head))],
        alt=words["alt_slopes"].format(n=len(slope), first=float(slope.max()), last=float(slope.min())),
        height=FIGURE,
        name="alibi-slopes",
    )


def recency(trace: Trace, words: Words) -> View:
    """Where heads of different slopes look if all contents were alike."""
    n_head = len(trace.slope)
    order = trace.slope.argsort(descending=True).tolist()
    heads = sorted({order[0], order[n_head // 3], order[2 * n_head // 3], order[-1], trace.head}, key=order.index)
    distance = np.arange(trace.recency.shape[1])
    return curves(
        distance + 1,
        [Line(f"m = {float(trace.slope[h]):.3g}", trace.recency[h].numpy()) for h in heads],
        x_axis=Axis(words["axis_back"], log=True),
        y_axis=Axis(words["axis_weight"], low=0.0),
        alt=words["alt_recency"].format(
            first=float(trace.recency[order[0], 0]), last=float(trace.recency[order[-1], 0])
        ),
        height=FIGURE,
        name="alibi-recency",
    )


def layers(trace: Trace, words: Words) -> go.Figure:
    """Which layers of a model rotate and which have no position, in the colours that the history gives these kinds."""
    most = max(len(strip.rotates) for strip in trace.strips)
    z = np.full((len(trace.strips), most), np.nan)
    text = np.full(z.shape, "", dtype=object)
    for i, strip in enumerate(trace.strips):
        turns = strip.rotates.numpy()
        z[i, : len(turns)] = turns
        text[i, : len(turns)] = np.where(turns, words["turns"], words["still"])
    turning, still = (palette.experts()[KINDS.index(kind)] for kind in ("rotary", "none"))
    strips = go.Heatmap(
        z=z,
        x=np.arange(1, most + 1),
        zmin=0,
        zmax=1,
        colorscale=[[0, still], [0.5, still], [0.5, turning], [1, turning]],
        text=text,
        showscale=False,
        xgap=1.5,
        ygap=14,
        hovertemplate=words["hover_layer"] + "<extra></extra>",
    )
    legend = [
        go.Scatter(
            x=[None],
            y=[None],
            mode="markers",
            marker={"symbol": "square", "size": 11, "color": colour},
            name=words[name],
        )
        for name, colour in (("turns", turning), ("still", still))
    ]
    figure = go.Figure([strips, *legend])
    names = [
        f"{strip.title or words['yours']}<br>{int((~strip.rotates).sum())} / {len(strip.rotates)}"
        for strip in trace.strips
    ]
    rows = list(range(len(names)))
    figure.update_yaxes(
        tickvals=rows, ticktext=names, range=[len(names) - 0.5, -0.5], showgrid=False, zeroline=False, automargin=True
    )
    figure.update_xaxes(title=words["axis_layer"], showgrid=False, zeroline=False, range=[0, most + 1])
    said = "; ".join(name.replace("<br>", ": ") for name in names)
    return finish(figure, words["alt_layers"].format(said=said), FIGURE + 60, margin={"t": 32, "b": 48})


def nope(learned: Learned, words: Words) -> View:
    """Two models without any position encoding learn to say where a token stands: with a causal mask, and without."""
    said = words["nope_said"].format(
        causal=float(learned.causal[-1]),
        full=float(learned.full[-1]),
        parity_causal=learned.parity_causal,
        parity_full=learned.parity_full,
        chance=learned.chance,
    )
    return curves(
        learned.step.numpy(),
        [
            Line(words["mask_causal"], 100 * learned.causal.numpy()),
            Line(words["mask_full"], 100 * learned.full.numpy()),
            Line(words["chance"], np.full(len(learned.step), 100 * learned.chance), quiet=True),
        ],
        x_axis=Axis(words["axis_step"], low=0.0),
        y_axis=Axis(words["axis_right"], low=0.0, high=100.0),
        alt=said,
        readout=[[said]],
        height=FIGURE,
        name="no-position",
    )


def history(trace: Trace, words: Words) -> go.Figure:
    """The encodings in the order they came, and who took them up; the colour says of which kind they are."""
    figure = go.Figure()
    for kind in KINDS:
        rows = [i for i, event in enumerate(trace.events) if event.kind == kind]
        events = [trace.events[i] for i in rows]
        figure.add_trace(
            go.Scatter(
                x=[event.year + (event.month - 0.5) / 12 for event in events],
                y=rows,
                mode="markers+text",
                name=words[f"kind_{kind}"],
                marker={"size": 11, "color": palette.experts()[KINDS.index(kind)]},
                text=[f"\u2002{words['event_' + event.id]}\u2002" for event in events],
                textposition=["middle left" if event.year >= LATE else "middle right" for event in events],
                cliponaxis=False,
                customdata=[[f"{event.year}-{event.month:02d}", event.source] for event in events],
                hovertemplate="%{customdata[0]} · %{customdata[1]}<extra></extra>",
            )
        )
    figure.update_yaxes(range=[len(trace.events) - 0.4, -0.6], visible=False)
    years = range(2017, 2026)
    figure.update_xaxes(range=[2016.9, 2026], tickvals=list(years), ticktext=[str(y) for y in years], side="top")
    said = "; ".join(f"{event.year} {words['event_' + event.id]}" for event in trace.events)
    layout = {
        "margin": {"l": 8, "r": 8, "t": 32, "b": 56},
        "legend": {"orientation": "h", "y": -0.02, "yanchor": "top"},
    }
    return finish(figure, words["alt_history"].format(said=said), 26 * len(trace.events) + 96, **layout)


LATE = 2022  # from this year on, names stand to the left of their dots
KINDS = ("absolute", "relative", "rotary", "none", "mixed")
SCHEMES = ("none", "sinusoidal", "learned", "t5", "alibi", "rope")


def thumbnail(trace: Trace) -> str:
    """What position adds to the scores, for both schemes: blue and red squares."""
    scale = palette.palette()["signed"]
    cells = []
    for panel, shown in enumerate((trace.shown[0], trace.shown[-1])):
        position = shown.position[trace.start].numpy()
        n = min(len(position), 9)
        side, most = 66 / n, float(np.abs(position).max()) or 1.0
        cells += [
            f'<rect x="{10 + 74 * panel + col * side:.1f}" y="{17 + row * side:.1f}" width="{side * 0.92:.1f}"'
            f' height="{side * 0.92:.1f}" fill="{_shade(scale, float(position[row, col]) / most)}"/>'
            for row in range(n)
            for col in range(n)
        ]
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 160 100">{"".join(cells)}</svg>'


def _shade(scale: list[str], value: float) -> str:
    """A colour of a scale that runs from -1 to 1."""
    return scale[round((value + 1) / 2 * (len(scale) - 1))]
