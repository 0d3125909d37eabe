"""Pictures of attention heads: all of them small, one of them in full, and what the model says without some of them.

Every function takes a Trace of models/attention_heads.py and the page's words, and returns a View or a Plotly figure
with an alt text of its own numbers. Colours: query blue for who looks, key orange for who is looked at, value green for
what comes out, the probability scale for weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from viz import palette
from viz.components.arcs import arcs
from viz.components.grid import grid
from viz.components.matrix import Panel, Stage, inspector
from viz.plots import finish, shown
from viz.view import View

if TYPE_CHECKING:
    from models.attention_heads import Trace

Words = Mapping[str, str]
GRID, HEAD, FIGURE = 420, 500, 320  # heights in pixels
SCORES = ("previous", "induction", "sink", "same", "entropy")  # rows of Trace.score
# A middle tone, which stands out on light and on dark paper alike.
WEIGHT = palette.palette()["probability"][5]


def heads(trace: Trace, words: Words) -> View:
    """The thumbnails of all heads: by layer as a table, by score in a row that flows. Switched-off heads are marked."""
    n_head = trace.score.shape[2]
    order = trace.order.tolist()
    pairs = [divmod(i, n_head) for i in order]
    table = trace.order_by == "layer"
    score = None if table else trace.score[SCORES.index(trace.order_by)].flatten()[trace.order].numpy()
    off = set(trace.ablate)
    names = [
        words["head_off" if pair in off else "head_name"].format(
            layer=pair[0], head=pair[1], key=int(trace.key_head[pair[1]])
        )
        for pair in pairs
    ]
    layers = sorted({layer for layer, _ in pairs}) if table else []
    return grid(
        trace.maps.flatten(0, 1)[trace.order].numpy(),
        [f"{layer}.{head}" for layer, head in pairs],
        score,
        _places(trace, [(trace.layer, trace.head)]),
        alt=_alt_heads(trace, words),
        columns=n_head if table else None,
        rows=[f"L{layer}" for layer in layers] or None,
        cols=[f"H{head}" for head in range(n_head)] if table else None,
        names=names,
        score_name="" if table else words[f"score_{trace.order_by}"],
        marked=_places(trace, trace.ablate),
        words={name: words[name] for name in ("mark", "mark_help", "unmark")},
        height=GRID,
        name="attention-heads",
    )


def _places(trace: Trace, pairs: Sequence[tuple[int, int]]) -> list[int]:
    """Where these heads stand in the grid; a head that is not in it is left out."""
    n_head = trace.score.shape[2]
    place = {i: at for at, i in enumerate(trace.order.tolist())}
    return [place[layer * n_head + head] for layer, head in pairs if layer * n_head + head in place]


def _alt_heads(trace: Trace, words: Words) -> str:
    n_layer, n_head = trace.score.shape[1:]
    best = []
    for i, name in enumerate(SCORES):
        score = trace.score[i].flatten()
        at = int(score.argmin() if name == "entropy" else score.argmax())
        best.append(f"{words['score_' + name]}: {at // n_head}.{at % n_head} ({float(score[at]):.2f})")
    return words["alt_heads"].format(
        n=n_layer * n_head, model=trace.name, tokens=len(trace.label), best="; ".join(best)
    )


def head(trace: Trace, words: Words) -> View:
    """The chosen head in the view that the trace asks for."""
    return matrix(trace, words) if trace.view == "matrix" else relations(trace, words)


def matrix(trace: Trace, words: Words) -> View:
    """Scores, softmax and output of the chosen head, each cell explained."""
    n, d_head = trace.query.shape
    raw, attention, value = trace.raw.numpy(), trace.attention.numpy(), trace.value.numpy()
    if trace.causal:
        raw = np.where(np.tri(n, dtype=bool), raw, -np.inf)
    # A model that adds something of its own to its scores gets no formula that would not hold.
    plain = trace.gap < 1e-3
    stages = [
        Stage(
            words["stage_raw"],
            raw,
            "signed",
            words["explain_raw"],
            masked=words["explain_hidden"],
            left=trace.query.numpy() / d_head**0.5,
            right=trace.key.numpy(),
            numbers={"d": d_head},
        ),
        Stage(
            words["stage_weight"],
            attention,
            "probability",
            words["explain_weight" if plain else "explain_weight_other"],
            masked=words["explain_hidden"],
            limits=(0.0, 1.0),
        ),
        Stage(
            words["stage_output"],
            attention @ value,
            "signed",
            words["explain_output"],
            cols=[str(j) for j in range(d_head)],
            right=value.T,
            roles=("query", "value"),
            axes=(words["rows"], words["features"]),
        ),
    ]
    return inspector(
        [Panel(words["head_name"].format(layer=trace.layer, head=trace.head, key=_key(trace)), stages[: _fit(trace)])],
        trace.label,
        trace.label,
        alt=_alt_head(trace, words),
        words={"rows": words["rows"], "cols": words["cols"]},
        stage=1,  # the weights: what everyone came for
        pin=trace.relation if trace.relation[0] >= 0 else None,  # the cell that the caption tells of
        height=HEAD,
        name=f"head-{trace.layer}-{trace.head}",
    )


def _fit(trace: Trace) -> int:
    """How many stages the inspector can hold: a head wider than 128 features has no output picture."""
    return 3 if trace.query.shape[1] <= 128 else 2


def relations(trace: Trace, words: Words) -> View:
    """The chosen head as arcs between tokens, or on the running text."""
    return arcs(
        trace.attention.numpy(),
        trace.label,
        trace.label,
        "text" if trace.view == "text" else "arcs",
        trace.focus,
        alt=_alt_head(trace, words),
        words={"rows": words["rows"], "cols": words["cols"]},
        height=HEAD,
        name=f"head-{trace.layer}-{trace.head}",
    )


def _alt_head(trace: Trace, words: Words) -> str:
    said = words["alt_head"].format(
        name=words["head_name"].format(layer=trace.layer, head=trace.head, key=_key(trace)),
        model=trace.name,
        tokens=len(trace.label),
    )
    t, s = trace.relation
    if t < 0:
        return said
    about = {"start": trace.label[t].strip(), "end": trace.label[s].strip(), "weight": trace.relation_weight}
    return f"{said} {words['alt_relation'].format(**about)}"


def _key(trace: Trace) -> int:
    return int(trace.key_head[trace.head])


def groups(trace: Trace, words: Words) -> go.Figure:
    """What two heads of the chosen layer have in common; a frame around each group that shares its keys."""
    n_head = len(trace.key_head)
    common = trace.overlap.numpy()
    red, green, blue = (int(WEIGHT[i : i + 2], 16) for i in (1, 3, 5))
    ticks = [words["head_keys"].format(head=h, key=int(trace.key_head[h])) for h in range(n_head)]
    figure = go.Figure(
        go.Heatmap(
            z=common,
            zmin=0,
            zmax=1,
            # From nothing to the colour: on any paper.
            colorscale=[[0, f"rgba({red},{green},{blue},0)"], [1, WEIGHT]],
            text=np.char.mod("%.2f", common) if n_head <= 12 else None,
            texttemplate="%{text}" if n_head <= 12 else None,
            customdata=[[f"{trace.layer}.{i} · {trace.layer}.{j}" for j in range(n_head)] for i in range(n_head)],
            hovertemplate="%{customdata}: %{z:.1%}<extra></extra>",
            colorbar={"title": {"text": words["axis_overlap"], "side": "right"}, "tickformat": ".0%", "thickness": 12},
        )
    )
    size = n_head // trace.n_kv_head
    for g in range(trace.n_kv_head):
        low, high = g * size - 0.5, (g + 1) * size - 0.5
        line = {"color": palette.colour("key_fill"), "width": 3}
        figure.add_shape(type="rect", x0=low, x1=high, y0=low, y1=high, line=line)
    figure.update_xaxes(tickvals=list(range(n_head)), ticktext=ticks, showgrid=False)
    figure.update_yaxes(tickvals=list(range(n_head)), ticktext=ticks, autorange="reversed", showgrid=False)
    alt = words["alt_groups"].format(
        layer=trace.layer,
        heads=n_head,
        keys=trace.n_kv_head,
        within=trace.overlap_within,
        across=trace.overlap_across,
    )
    return finish(figure, alt, FIGURE + 40)


def next_token(trace: Trace, words: Words) -> go.Figure:
    """The likeliest next tokens: of the whole model and, side by side, of the model without the switched-off heads."""
    labels = [shown(label) for label in trace.next_label]
    at = list(range(len(labels)))
    before, after = trace.before.numpy(), trace.after.numpy()
    # Hatched: the model as it was.
    bars = [("before", before, "/"), ("after", after, "")] if trace.ablate else [("before", before, "")]
    figure = go.Figure(
        [
            go.Bar(
                y=at,
                x=share,
                orientation="h",
                name=words[f"bar_{name}"],
                marker={"color": palette.colour("value_fill"), "pattern": {"shape": pattern}},
                text=[f"{100 * x:.1f} %" for x in share],
                textposition="outside",
                constraintext="none",
                cliponaxis=False,
                customdata=labels,
                hovertemplate="%{customdata}: %{x:.2%}<extra>%{fullData.name}</extra>",
            )
            for name, share, pattern in bars
        ]
    )
    figure.update_yaxes(tickvals=at, ticktext=labels, autorange="reversed", showgrid=False)
    most = float(max(before.max(initial=0), after.max(initial=0)))
    figure.update_xaxes(title=words["axis_probability"], tickformat=".0%", range=[0, max(1.15 * most, 0.01)])
    figure.update_layout(barmode="group", showlegend=bool(trace.ablate))
    return finish(figure, _alt_next(trace, words), FIGURE + (120 if trace.ablate else 0))


def _alt_next(trace: Trace, words: Words) -> str:
    if not trace.next_label:
        return words["alt_no_next"].format(model=trace.name)
    shares = [f"“{trace.next_label[i]}” {float(trace.before[i]):.1%}" for i in range(min(3, len(trace.next_label)))]
    said = words["alt_next"].format(best=", ".join(shares))
    if not trace.ablate:
        return said
    best = int(trace.after.argmax())
    return f"{said} " + words["alt_after"].format(
        heads=", ".join(f"{layer}.{head}" for layer, head in trace.ablate),
        top=trace.next_label[0],
        share=float(trace.after[0]),
        now=trace.next_label[best],
        now_share=float(trace.after[best]),
    )


def captions_of_all(trace: Trace) -> list[str]:
    """Names of the captions that say what the grid shows."""
    n_layer, n_head = trace.score.shape[1:]
    wanted = {
        "all_heads" if trace.n_repeat else "all_heads_no_repeat": True,
        "many": len(trace.order) < n_layer * n_head,
        "bad": bool(trace.ablate_bad),
        "cut": trace.n_cut > 0,
    }
    return [name for name, it_is_so in wanted.items() if it_is_so]


def caption_of_relation(trace: Trace) -> str:
    """Name of the caption that says what the open head connects."""
    return "relation" if trace.relation[0] >= 0 else "no_relation"


def captions_of_one(trace: Trace) -> list[str]:
    """Names of the captions that say what kind of head the open one is."""
    wanted = {
        "role" if trace.n_repeat else "role_no_repeat": True,
        "sink": float(trace.score[SCORES.index("sink"), trace.layer, trace.head]) > 0.5,
        "off": bool(trace.ablate),
        "gap": trace.gap >= 1e-3,
    }
    return [name for name, it_is_so in wanted.items() if it_is_so]


def caption_of(trace: Trace, figure: str) -> str:
    """Name of the caption below one of the further figures."""
    if figure == "groups":
        return "groups" if trace.n_kv_head < len(trace.key_head) else "groups_mha"
    if not trace.next_label:
        return "no_next_token"
    return "next_token_off" if trace.ablate else "next_token"


def thumbnail(trace: Trace) -> str:
    """The chosen head as arcs from the tokens that look (left) to those they look at (right)."""
    weight = trace.attention.numpy()
    n = min(len(weight), 20)
    step = 92 / n
    y = [4 + step * (i + 0.5) for i in range(n)]
    lines = [
        f'<path d="M52 {y[t]:.1f}C80 {y[t]:.1f} 80 {y[s]:.1f} 108 {y[s]:.1f}" fill="none" stroke="{WEIGHT}"'
        f' stroke-width="1.6" stroke-opacity="{float(weight[t, s]):.2f}"/>'
        for t in range(n)
        for s in range(n)
        if weight[t, s] >= 0.08
    ]
    dots = [
        f'<rect x="{x}" y="{y[i] - step * 0.3:.1f}" width="14" height="{step * 0.6:.1f}" rx="1.5" fill="{colour}"/>'
        for x, colour in ((36, palette.colour("query_fill")), (110, palette.colour("key_fill")))
        for i in range(n)
    ]
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 160 100">{"".join(lines)}{"".join(dots)}</svg>'
