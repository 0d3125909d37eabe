"""Pictures of gates side by side: one token's logits in several orders, five kinds of gate on a text, a full expert.

Functions take a Trace of models/moe_router.py and the page's words. Experts have their colours and their numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from viz import palette
from viz.components.kit import Scrub
from viz.components.routes import routes
from viz.plots import finish, shown
from viz.view import View

if TYPE_CHECKING:
    from models.moe_router import Trace

Words = Mapping[str, str]
ORDERS = ("softmax_topk", "topk_softmax", "renormalised", "sigmoid_bias", "group_limited")
KINDS = ("dense", "noisy_topk", "switch", "hierarchical", "expert_choice")
N_EXAMPLE = 3  # orders of the example: the first three


def colour_of(expert: int) -> str:
    """The colour of an expert, counted from 0; past the last one they start again."""
    colours = palette.experts()
    return colours[expert % len(colours)]


def orders(trace: Trace, words: Words) -> go.Figure:
    """The pinned token's weights by each order, one row of bars each, its sum beside it."""
    weight = trace.order.numpy()
    titles = [words[f"order_{name}"] for name in ORDERS]
    alt = words["alt_orders"].format(
        token=trace.label[trace.token].strip(),
        layer=trace.layer + 1,
        sums=", ".join(f"{title} {row.sum():.3f}" for title, row in zip(titles, weight, strict=True)),
    )
    return _bars(weight, titles, words, alt)


def example(trace: Trace, words: Words) -> go.Figure:
    """The logits of the claim card, two of eight experts, in three orders."""
    weight = trace.example.numpy()[:N_EXAMPLE]
    titles = [words[f"order_{name}"] for name in ORDERS[:N_EXAMPLE]]
    alt = words["alt_example"].format(
        sums=", ".join(f"{title} {row.sum():.3f}" for title, row in zip(titles, weight, strict=True))
    )
    return _bars(weight, titles, words, alt)


def _bars(weight: np.ndarray, titles: Sequence[str], words: Words, alt: str) -> go.Figure:
    n_expert = weight.shape[1]
    named = [f"{title} · Σ = {row.sum():.3f}" for title, row in zip(titles, weight, strict=True)]
    figure = make_subplots(rows=len(weight), cols=1, subplot_titles=named, vertical_spacing=0.35 / len(weight))
    number = [str(e + 1) for e in range(n_expert)]
    for i, row in enumerate(weight):
        figure.add_bar(
            x=number,
            y=row,
            marker_color=[colour_of(e) for e in range(n_expert)],
            text=[f"{x:.2f}" if x > 0 else "" for x in row],
            textposition="outside",
            textangle=0,
            constraintext="none",
            cliponaxis=False,
            showlegend=False,
            hovertemplate=words["expert_n"].format(expert="%{x}") + ": %{y:.4f}<extra></extra>",
            row=i + 1,
            col=1,
        )
        figure.update_yaxes(range=[0, 1.25], tickvals=[0, 0.5, 1], row=i + 1, col=1)
        figure.update_xaxes(type="category", showticklabels=i == len(weight) - 1, row=i + 1, col=1)
    figure.update_xaxes(title=words["axis_expert"], row=len(weight), col=1)
    figure.update_annotations(x=0, xanchor="left", font_size=13)
    return finish(figure, alt, 60 + 108 * len(weight), margin={"l": 32, "r": 8, "t": 32, "b": 48})


def kinds(trace: Trace, words: Words) -> go.Figure:
    """Experts by tokens, once for each kind of gate: who works for whom, and with what weight."""
    n_token, n_expert = trace.logit.shape[1:]
    titles = [
        f"{words[f'kind_{name}']} · "
        + words["kind_load"].format(mean=float(gate.chosen.sum(-1).float().mean()), most=int(gate.chosen.sum(0).max()))
        for name, gate in zip(KINDS, trace.kinds, strict=True)
    ]
    figure = make_subplots(rows=len(KINDS), cols=1, shared_xaxes=True, subplot_titles=titles, vertical_spacing=0.07)
    middle = palette.palette()["probability"][5]
    red, green, blue = (int(middle[i : i + 2], 16) for i in (1, 3, 5))
    tokens = [shown(label) for label in trace.label]
    for i, gate in enumerate(trace.kinds):
        weight = np.where(gate.chosen.numpy(), gate.weight.numpy(), np.nan)
        figure.add_heatmap(
            z=weight.T,
            zmin=0,
            zmax=1,
            colorscale=[[0, f"rgba({red},{green},{blue},0.12)"], [1, middle]],
            customdata=[[f"{token} · {e + 1}" for token in tokens] for e in range(n_expert)],
            hovertemplate="%{customdata}: %{z:.3f}<extra></extra>",
            showscale=i == 0,
            colorbar={"title": {"text": words["stage_weight"], "side": "right"}, "thickness": 12, "len": 0.4, "y": 0.8},
            row=i + 1,
            col=1,
        )
        every = 1 if n_expert <= 8 else 3
        figure.update_yaxes(
            tickvals=list(range(0, n_expert, every)),
            ticktext=[str(e + 1) for e in range(0, n_expert, every)],
            autorange="reversed",
            showgrid=False,
            row=i + 1,
            col=1,
        )
    figure.update_xaxes(showgrid=False)
    figure.update_xaxes(title=words["axis_token"], row=len(KINDS), col=1)
    figure.update_annotations(x=0, xanchor="left", font_size=13)
    busiest = ", ".join(
        f"{words[f'kind_{name}']} {int(gate.chosen.sum(0).max())}"
        for name, gate in zip(KINDS, trace.kinds, strict=True)
    )
    alt = words["alt_kinds"].format(layer=trace.layer + 1, n=n_token, busiest=busiest)
    return finish(figure, alt, 760, margin={"l": 40, "r": 16, "t": 32, "b": 48})


def overflow(trace: Trace, words: Words) -> View:
    """Six tokens, three experts: drag the capacity factor, and see who is dropped."""
    made, factor = trace.overflow, trace.capacity
    n = len(made.factor)
    t, e = made.logit.shape
    still = (n, t, e)
    index = made.factor.index(factor) if factor in made.factor else made.factor.index(1.0)
    dropped = [int((made.chosen & ~kept).sum()) for kept in made.kept]
    return routes(
        [words["token_n"].format(token=i + 1) for i in range(t)],
        [str(i + 1) for i in range(e)],
        np.broadcast_to(made.logit.numpy(), still),
        np.broadcast_to(made.probability.numpy(), still),
        made.weight.numpy(),
        np.broadcast_to(made.chosen.numpy(), still),
        made.kept.numpy(),
        scrub=Scrub("capacity", words["factor"], made.factor, index),
        token=t - 2,
        limit=made.limit,
        stages=[words["stage_logit"], words["stage_softmax"], words["stage_weight"]],
        alt=words["alt_overflow"].format(
            factor=made.factor[index], limit=made.limit[index], dropped=dropped[index], tokens=t, experts=e
        ),
        height=420,
        name="overflow",
    )
