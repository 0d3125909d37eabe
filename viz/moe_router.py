"""Pictures of a router at work: the text, its experts and the text after them, the matrix, paths, load.

Every function takes a Trace of models/moe_router.py and the page's words, and returns a View or a Plotly figure with an
alt text of its own numbers. Experts have the palette's colours by their number, which is written; dropped is red.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from viz import palette
from viz.components.kit import Scrub
from viz.components.matrix import Panel, Stage, inspector
from viz.components.routes import paths as paths_view
from viz.components.routes import routes
from viz.plots import finish, shown
from viz.router_gates import colour_of, example, kinds, orders, overflow
from viz.view import View

if TYPE_CHECKING:
    from models.moe_router import Trace

__all__ = [
    "below", "captions", "example", "kinds", "load", "matrix", "orders", "overflow", "paths", "routing", "thumbnail",
]  # fmt: skip

Words = Mapping[str, str]
HERO, PATHS, FIGURE = 520, 460, 380  # heights in pixels
MATRIX, ROW = 150, 20  # of the matrix without its rows, and of a row
OWN_SCORE = ("sigmoid_bias", "noisy_topk", "group_limited")  # gates that compare something else than the probability


def routing(trace: Trace, words: Words) -> View:
    """The text with its tokens coloured by their experts, the experts' bins, and the pinned token's numbers."""
    experts, parts = _folded(trace, words)
    n_layer = len(trace.logit)
    own = trace.compares in OWN_SCORE
    names = [words["stage_logit"], words[f"stage_{trace.squash}"], words["stage_weight"]]
    if own:
        names.insert(2, words[f"score_{trace.compares}"])
    shared = [words["shared"]] * trace.n_shared
    return routes(
        trace.label,
        experts,
        parts["logit"],
        parts["probability"],
        parts["weight"],
        parts["chosen"],
        parts["kept"],
        score=parts["score"] if own else None,
        scrub=Scrub("layer", words["layer"], tuple(range(1, n_layer + 1)), trace.layer),
        token=trace.token,
        limit=[trace.limit] * n_layer if trace.limit else None,
        shared=shared,
        stages=names,
        alt=_alt_routing(trace, words),
        height=HERO,
        name="routing",
    )


def _folded(trace: Trace, words: Words) -> tuple[list[str], dict[str, np.ndarray]]:
    """Names and arrays of the experts that are drawn; those past `n_shown` are one, which holds what they hold."""
    n, n_expert = trace.n_shown, trace.logit.shape[2]
    names = [str(e + 1) for e in range(n)]
    arrays = {
        what: getattr(trace, what).numpy() for what in ("logit", "probability", "score", "weight", "chosen", "kept")
    }
    if n == n_expert:
        return names, arrays
    with np.errstate(divide="ignore"):
        rest = {
            "logit": np.log(np.exp(arrays["logit"][..., n:].astype(np.float64)).sum(-1)),
            "probability": np.minimum(arrays["probability"][..., n:].sum(-1), 1),
            "score": arrays["score"][..., n:].max(-1),
            "weight": arrays["weight"][..., n:].sum(-1),
            "chosen": arrays["chosen"][..., n:].any(-1),
            "kept": arrays["kept"][..., n:].any(-1),
        }
    folded = {what: np.concatenate((array[..., :n], rest[what][..., None]), -1) for what, array in arrays.items()}
    return [*names, words["others"].format(first=n + 1, last=n_expert)], folded


def _alt_routing(trace: Trace, words: Words) -> str:
    layer, token = trace.layer, trace.token
    weight = trace.weight[layer, token]
    to = ", ".join(
        f"{e + 1} ({float(weight[e]):.0%})" for e in weight.argsort(descending=True).tolist() if weight[e] > 0
    )
    said = words["alt_routing"].format(
        n=len(trace.label),
        experts=trace.logit.shape[2],
        layer=layer + 1,
        token=trace.label[token].strip(),
        to=to or "–",
        busiest=int(trace.load[layer].argmax()) + 1,
        share=float(trace.load[layer].max()),
    )
    dropped = int((trace.chosen[layer] & ~trace.kept[layer]).sum())
    return f"{said} {words['alt_dropped'].format(n=dropped)}" if trace.limit else said


def paths(trace: Trace, words: Words) -> View:
    """Every token's way through the layers, by the expert with its largest weight."""
    experts, parts = _folded(trace, words)
    n_path = len({tuple(path) for path in trace.weight.argmax(-1).T.tolist()})
    return paths_view(
        trace.label,
        experts,
        parts["chosen"],
        parts["weight"],
        parts["kept"],
        [str(layer + 1) for layer in range(len(trace.logit))],
        token=trace.token,
        alt=words["alt_paths"].format(n=len(trace.label), layers=len(trace.logit), paths=n_path),
        height=PATHS,
        name="paths",
    )


def matrix(trace: Trace, words: Words) -> View:
    """Tokens near the pinned one by experts: the layer's logits, probabilities, weights, every cell in words."""
    first, end = trace.near
    near = slice(first, end)
    layer, n_expert = trace.layer, trace.logit.shape[2]
    stages = [
        Stage(
            words["stage_logit"],
            trace.logit[layer, near].numpy(),
            "signed",
            words["explain_logit"],
            masked=words["explain_off"],
        ),
        Stage(
            words[f"stage_{trace.squash}"],
            trace.probability[layer, near].numpy(),
            "probability",
            words["explain_probability"],
            limits=(0.0, 1.0),
        ),
        Stage(
            words["stage_weight"],
            np.where(trace.kept[layer, near].numpy(), trace.weight[layer, near].numpy(), -np.inf),
            "probability",
            words["explain_weight"],
            masked=words["explain_unused"],
            limits=(0.0, 1.0),
        ),
    ]
    chosen = trace.chosen[layer, near].sum(0)
    return inspector(
        [Panel(words["layer_n"].format(layer=layer + 1), stages)],
        trace.label[near],
        [str(e + 1) for e in range(n_expert)],
        alt=words["alt_matrix"].format(
            layer=layer + 1,
            experts=n_expert,
            n=end - first,
            busiest=int(chosen.argmax()) + 1,
            most=int(chosen.max()),
        ),
        words={"rows": words["rows"], "cols": words["cols"]},
        stage=2,
        pin=(trace.token - first, int(trace.weight[layer, trace.token].argmax())),
        height=MATRIX + ROW * (end - first),
        name=f"experts-layer-{layer + 1}",
    )


def load(trace: Trace, words: Words) -> go.Figure:
    """Each expert's share of the assignments up to every token, one upon the other; the pinned token is marked."""
    chosen = trace.chosen[trace.layer].numpy().cumsum(0)
    share = chosen / np.maximum(chosen.sum(1, keepdims=True), 1)
    n_token, n_expert = share.shape
    tokens = [shown(label) for label in trace.label]
    figure = go.Figure()
    for e in range(n_expert):
        figure.add_scatter(
            x=np.arange(n_token),
            y=share[:, e],
            stackgroup="experts",
            mode="lines",
            line={"width": 0.8, "color": "#ffffff"},
            fillcolor=colour_of(e),
            name=words["expert_n"].format(expert=e + 1),
            customdata=tokens,
            hovertemplate="%{customdata}: %{y:.1%}",
            showlegend=False,
        )
    top = share[-1].cumsum()
    for e in range(n_expert):
        if share[-1, e] >= 1 / 40:
            figure.add_annotation(
                x=1, xref="paper", xanchor="left", y=top[e] - share[-1, e] / 2, showarrow=False,
                text=f"{e + 1} · {share[-1, e]:.0%}",
            )  # fmt: skip
    figure.add_vline(x=trace.token, line={"width": 1.5, "dash": "dot", "color": "#000000"})
    figure.update_yaxes(title=words["axis_load"], tickformat=".0%", range=[0, 1], showgrid=False)
    figure.update_xaxes(title=words["axis_token"], range=[0, max(1, n_token - 1)], showgrid=False)
    alt = words["alt_load"].format(
        layer=trace.layer + 1,
        n=n_token,
        busiest=int(share[-1].argmax()) + 1,
        most=float(share[-1].max()),
        idlest=int(share[-1].argmin()) + 1,
        least=float(share[-1].min()),
    )
    return finish(figure, alt, FIGURE, margin={"l": 64, "r": 64, "t": 16, "b": 48}, hovermode="x unified")


def captions(trace: Trace) -> list[str]:
    """Names of the captions below the picture."""
    chosen, kept = trace.chosen[trace.layer], trace.kept[trace.layer]
    wanted = {
        "routed" if bool(kept[trace.token].any()) else "passed": True,
        "balance": True,
        "changed": bool((trace.surprise != trace.surprise_trained).any()),
        "unchanged": not bool((trace.surprise != trace.surprise_trained).any()) and len(trace.surprise) > 0,
        f"gate_{trace.gate}": trace.gate != trace.trained_gate,
        "dropped": bool((chosen & ~kept).any()),
        "within": trace.limit > 0 and not bool((chosen & ~kept).any()),
        "without": bool(trace.without),
        "bad": bool(trace.bad),
        "cut": trace.n_cut > 0,
    }
    return [name for name, it_is_so in wanted.items() if it_is_so]


def below(name: str, trace: Trace) -> list[str]:
    """Names of the captions below a further picture."""
    part = name == "matrix" and trace.near[1] - trace.near[0] < len(trace.label)
    return [name, "matrix_part"] if part else [name]


def thumbnail(trace: Trace) -> str:
    """The text as a strip of tokens coloured by their first expert, and the experts' loads below it."""
    weight = trace.weight[trace.layer].numpy()
    first = weight.argmax(1)
    n = min(len(first), 60)
    columns = 20
    cells = [
        f'<rect x="{10 + 7 * (i % columns)}" y="{8 + 9 * (i // columns)}" width="6" height="7" rx="1.5"'
        f' fill="{colour_of(int(first[i])) if weight[i].any() else palette.palette()["verdict"]["red"]}"/>'
        for i in range(n)
    ]
    share = trace.load[trace.layer].numpy()
    step = 140 / len(share)
    top = max(float(share.max()), 1e-9)
    bars = [
        f'<rect x="{10 + step * e:.1f}" y="{92 - 44 * share[e] / top:.1f}" width="{step * 0.8:.1f}"'
        f' height="{44 * share[e] / top:.1f}" rx="1.5" fill="{colour_of(e)}"/>'
        for e in range(len(share))
    ]
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 160 100">{"".join(cells)}{"".join(bars)}</svg>'
