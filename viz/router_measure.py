"""Pictures of what routing is worth: loss against k and capacity, experts taken away, what experts specialise in.

Functions take what models/router_measure.py and models/specialisation.py return, and the page's words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from viz import palette
from viz.components.curves import Axis, Line, curves
from viz.plots import finish, visible
from viz.router_gates import colour_of
from viz.view import View

if TYPE_CHECKING:
    from torch import Tensor

    from models.moe_router import Trace
    from models.router_measure import Capacities, Drop, Favourites, Sweep
    from models.specialisation import Specialisation

Words = Mapping[str, str]
FIGURE = 380
DOMAINS = ("shakespeare", "chinese", "python")
CLASSES = ("special", "newline", "space", "digit", "punctuation", "han", "byte", "capital", "word", "piece")
N_CONTEXT = 2
APART = "\u00a0\u00a0\u00a0 "  # between tokens in a table; · and | may be tokens themselves
VISIBLE = 0.005  # nats: losses that differ by less are the same with two decimals


def signed(x: float, digits: int = 2) -> str:
    """A difference with its sign, a minus and not a hyphen; none where it rounds to zero."""
    said = f"{float(x):+.{digits}f}".replace("-", "−")
    return said if any(c in "123456789" for c in said) else said[1:]


def _whole(low: int, high: int) -> list[tuple[float, str]]:
    return [(float(k), str(k)) for k in range(low, high + 1)]


def losses(trace: Trace, loss: Tensor, words: Words) -> View:
    """The text's loss with 1 to all experts per token; marked: as trained, and as the slider has it."""
    n = len(loss)
    trained = float(trace.surprise_trained.mean()) if len(trace.surprise_trained) else 0.0
    k = min(trace.k, n)
    return curves(
        np.arange(1, n + 1),
        [
            Line(words["line_text"], loss.numpy(), role="query", form="line"),
            Line(words["line_trained"], np.full(n, trained), role="ink", quiet=True),
            Line(words["line_now"], [float(loss[k - 1])], x=[float(k)], role="key", form="dots"),
        ],
        x_axis=Axis(words["axis_k"], low=1, high=n, ticks=_whole(1, n)),
        y_axis=Axis(words["axis_loss"]),
        marks=[(trace.trained_k, words["mark_trained"].format(k=trace.trained_k))],
        alt=words["alt_losses"].format(
            n=n,
            one=float(loss[0]),
            all=float(loss[-1]),
            k=k,
            now=float(loss[k - 1]),
            best=int(loss.argmin()) + 1,
            least=float(loss.min()),
        ),
        height=FIGURE,
        name="loss-k",
    )


def held_out(trace: Trace, sweep: Sweep, words: Words) -> View:
    """The same on held-out text, one line per domain; thin: the dense twins."""
    loss = sweep.loss.numpy()
    n = len(loss)
    k = np.arange(1, n + 1)
    lines = [Line(words[f"domain_{domain}"], loss[:, d], role=f"line:{d}") for d, domain in enumerate(DOMAINS)]
    lines.append(Line(words["mean"], loss.mean(1), role="ink"))
    for name, twin in (("active", sweep.active_twin), ("total", sweep.total_twin)):
        lines.append(Line(words[f"twin_{name}"], np.full(n, float(twin.mean())), quiet=True))
    best = int(loss.mean(1).argmin())
    return curves(
        k,
        lines,
        x_axis=Axis(words["axis_k"], low=1, high=n, ticks=_whole(1, n)),
        y_axis=Axis(words["axis_loss"]),
        marks=[(sweep.trained_k, words["mark_trained"].format(k=sweep.trained_k))],
        alt=words["alt_held_out"].format(
            one=float(loss[0].mean()),
            trained_k=sweep.trained_k,
            trained=float(loss[sweep.trained_k - 1].mean()),
            all=float(loss[-1].mean()),
            best=best + 1,
        ),
        height=FIGURE,
        name="held-out-k",
    )


def capacities(trace: Trace, found: Capacities, words: Words) -> View:
    """Share of the assignments that are dropped, against the capacity factor, one line per layer."""
    dropped = 100 * found.dropped.numpy()
    lines = [
        Line(words["layer_n"].format(layer=layer + 1), dropped[:, layer], role=f"line:{layer}")
        for layer in range(dropped.shape[1])
    ]
    at = found.factor.index(1.0)
    return curves(
        np.array(found.factor),
        lines,
        x_axis=Axis(words["axis_factor"], low=found.factor[0], high=found.factor[-1]),
        y_axis=Axis(words["axis_dropped"], low=0, high=100),
        marks=[(1.0, words["mark_one"])],
        alt=words["alt_capacities"].format(
            limit=found.limit[at], share=float(found.dropped[at].mean()), last=float(found.dropped[-1].mean())
        ),
        height=FIGURE,
        name="dropped",
    )


def drop(trace: Trace, found: Drop, words: Words) -> go.Figure:
    """How much each domain's loss rises without each expert of the layer."""
    rise = found.rise.numpy()
    largest = max(float(np.abs(rise).max()), 1e-6)
    figure = go.Figure(
        go.Heatmap(
            z=rise.T,
            zmin=-largest,
            zmax=largest,
            colorscale=palette.plotly_scale("signed"),
            text=np.vectorize(signed)(rise.T),
            customdata=np.vectorize(signed)(rise.T, 3),
            texttemplate="%{text}" if len(rise) <= 8 else None,
            hovertemplate=words["expert_n"].format(expert="%{x}") + ", %{y}: %{customdata}<extra></extra>",
            x=[str(e + 1) for e in range(len(rise))],
            y=[words[f"domain_{domain}"] for domain in DOMAINS],
            colorbar={"title": {"text": words["axis_rise"], "side": "right"}, "thickness": 12},
        )
    )
    figure.update_xaxes(title=words["axis_missing"], type="category", showgrid=False)
    figure.update_yaxes(autorange="reversed", showgrid=False)
    e, d = np.unravel_index(int(rise.argmax()), rise.shape)
    alt = words["alt_drop"].format(
        layer=found.layer + 1, expert=int(e) + 1, domain=words[f"domain_{DOMAINS[d]}"], rise=signed(rise.max())
    )
    return finish(figure, alt, 280)


def _drop_facts(found: Drop, words: Words) -> dict[str, float | int | str]:
    """Numbers of the caption below it."""
    rise = found.rise
    e, d = divmod(int(rise.argmax()), rise.shape[1])
    mean = rise.mean(1)
    said: dict[str, float | int | str] = {
        "as_trained": bool((found.loss == found.loss_trained).all()),
        "layer": found.layer + 1,
        "expert": e + 1,
        "domain": words[f"domain_{DOMAINS[d]}"],
        "most": signed(float(rise.max())),
        "mean": signed(float(mean.mean()), 3),
        "least": int(mean.argmin()) + 1,
        "least_rise": signed(float(mean.min()), 3),
    }
    for i, domain in enumerate(DOMAINS):
        said[domain] = float(found.loss[i])
        said[f"{domain}_rise"] = signed(float(found.loss[i] - found.loss_trained[i]))
    return said


def specialists(trace: Trace, found: Specialisation, words: Words) -> go.Figure:
    """Where each expert's work on the held-out text comes from, by domain and by class of token, and its load."""
    one = found.layers[trace.layer]
    n_expert = len(one.load)
    tables = [
        (one.by_domain.numpy(), [words[f"domain_{name}"] for name in DOMAINS]),
        (one.by_class.numpy(), [words[f"class_{name}"] for name in CLASSES]),
    ]
    figure = make_subplots(
        rows=3,
        cols=1,
        row_heights=[0.2, 0.25, 0.55],
        vertical_spacing=0.09,
        subplot_titles=[words["held_load"], words["by_domain"], words["by_class"]],
    )
    x = [str(e + 1) for e in range(n_expert)]
    figure.add_bar(
        x=x,
        y=one.load.numpy(),
        marker_color=[colour_of(e) for e in range(n_expert)],
        showlegend=False,
        hovertemplate="%{x}: %{y:.1%}<extra></extra>",
        row=1,
        col=1,
    )
    figure.add_hline(y=1 / n_expert, line_dash="dot", line_color=palette.palette()["verdict"]["gray"], row=1, col=1)
    figure.update_yaxes(tickformat=".0%", rangemode="tozero", row=1, col=1)
    for row, (count, names) in enumerate(tables, start=2):
        seen = count.sum(0) > 0
        share = count / np.maximum(count.sum(0, keepdims=True), 1)
        figure.add_heatmap(
            z=share.T[seen],
            x=x,
            y=[name for name, there in zip(names, seen, strict=True) if there],
            zmin=0,
            zmax=1,
            colorscale=palette.plotly_scale("probability"),  # opaque: its numbers are legible on any paper
            text=np.char.mod("%.0f", 100 * share.T[seen]),
            texttemplate="%{text}" if n_expert <= 8 else None,
            hovertemplate="%{y} → %{x}: %{z:.1%}<extra></extra>",
            showscale=False,
            row=row,
            col=1,
        )
        figure.update_yaxes(autorange="reversed", showgrid=False, row=row, col=1)
    figure.update_xaxes(type="category", showgrid=False, showticklabels=False)
    figure.update_xaxes(title=words["axis_expert"], showticklabels=True, row=3, col=1)
    figure.update_annotations(x=0, xanchor="left", font_size=13)
    alt = words["alt_specialists"].format(
        layer=trace.layer + 1, domain=one.nmi_domain, cls=one.nmi_class, random=max(one.random_domain, one.random_class)
    )
    return finish(figure, alt, 620, margin={"l": 110, "r": 16, "t": 32, "b": 48})


def _special_facts(found: Specialisation, layer: int, words: Words) -> dict[str, float | int | str]:
    """Numbers of the caption below it."""
    one = found.layers[layer]
    share = one.by_domain / one.by_domain.sum(0).clamp_min(1)
    e, d = divmod(int(share.argmax()), share.shape[1])
    return {
        "layer": layer + 1,
        "nmi_domain": one.nmi_domain,
        "nmi_class": one.nmi_class,
        "random_domain": one.random_domain,
        "random_class": one.random_class,
        "untrained_domain": one.untrained_domain,
        "untrained_class": one.untrained_class,
        "entropy": one.load_entropy,
        "expert": e + 1,
        "domain": words[f"domain_{DOMAINS[d]}"],
        "share": float(share.max()),
        "n_held": int(found.ids.numel()),
        "best_layer": max(range(len(found.layers)), key=lambda i: found.layers[i].nmi_domain) + 1,
        "best_domain": max(one.nmi_domain for one in found.layers),
    }


def favourites(trace: Trace, made: Favourites, words: Words) -> dict[str, list[str]]:
    """Each expert's favourite tokens (× lift), places where it got them, its main domain."""
    columns: dict[str, list[str]] = {
        words[name]: [] for name in ("col_expert", "col_tokens", "col_contexts", "col_work")
    }
    by_domain = made.found.layers[trace.layer].by_domain
    for e, mine in enumerate(made.best):
        share = by_domain[e] / by_domain[e].sum().clamp_min(1)
        d = int(share.argmax())
        row = (
            str(e + 1),
            APART.join(f"{visible(one.label)}\u00a0×{one.lift:.1f}" for one in mine) or "–",
            APART.join(
                f"{_short(before)}[{_short(token)}]{_short(after)}"
                for one in mine[:N_CONTEXT]
                for before, token, after in one.contexts[:1]
            )
            or "–",
            f"{words[f'domain_{DOMAINS[d]}']} {float(share[d]):.0%}",
        )
        for name, cell in zip(columns, row, strict=True):
            columns[name].append(cell)
    return columns


def _short(text: str) -> str:
    """Labels in a table: bytes as characters, a part of one as a sign; a line may end after a space."""
    return visible(re.sub(r"(?:<0x[0-9A-F]{2}>)+", _characters, text)).replace("·", "·\u200b")


def _characters(run: re.Match[str]) -> str:
    read = bytes.fromhex(re.sub(r"<0x|>", "", run.group())).decode("utf-8", "replace")
    return re.sub("\ufffd+", "▯", read)


def notes(name: str, numbers: Mapping[str, Any]) -> list[str]:
    """Which sentences are true of these numbers (`facts`), in order."""
    match name:
        case "losses":
            best, trained_k = numbers["best"], numbers["trained_k"]
            if numbers["highest"] - numbers["least"] < VISIBLE:
                where = "flat"
            elif numbers["gain"] < VISIBLE:
                where = "trained"
            else:
                where = "fewer" if best < trained_k else "more"
            return ["losses", f"losses_{where}"]
        case "drop":
            return ["drop_trained" if numbers["as_trained"] else "drop_changed", "drop"]
    return [name]


def facts(name: str, trace: Trace, found: Any, words: Words) -> dict[str, float | int | str]:
    """Numbers of the sentence below one of these pictures."""
    match name:
        case "losses":
            best, trained = int(found.argmin()), float(found[trace.trained_k - 1])
            return {
                "k": trace.k, "now": float(found[min(trace.k, len(found)) - 1]), "one": float(found[0]),
                "all": float(found[-1]), "n": len(found), "best": best + 1, "least": float(found[best]),
                "highest": float(found.max()), "trained_k": trace.trained_k, "trained": trained,
                "gain": trained - float(found[best]),
                "times": (best + 1 + trace.n_shared) / (trace.trained_k + trace.n_shared),
            }  # fmt: skip
        case "capacities":
            at = found.factor.index(1.0)
            enough = [f for f, lost in zip(found.factor, found.dropped, strict=True) if not bool(lost.any())]
            return {
                "limit": found.limit[at], "share": float(found.dropped[at].mean()),
                "worst": int(found.dropped[at].argmax()) + 1, "worst_share": float(found.dropped[at].max()),
                "loss": float(found.loss[at]), "rise": signed(float(found.loss[at]) - found.free),
                "tight": found.factor[0], "tight_rise": signed(float(found.loss[0]) - found.free),
                "enough": f"{enough[0]:g}" if enough else f"> {found.factor[-1]:g}",
            }  # fmt: skip
        case "held_out":
            loss = found.loss.mean(1)
            best = int(loss.argmin())
            return {
                "one": float(loss[0]), "trained_k": found.trained_k, "trained": float(loss[found.trained_k - 1]),
                "all": float(loss[-1]), "n": len(loss), "best": best + 1, "least": float(loss[best]),
                "active": float(found.active_twin.mean()), "total": float(found.total_twin.mean()),
            }  # fmt: skip
        case "drop":
            return _drop_facts(found, words)
        case "favourites":
            return _special_facts(found.found, trace.layer, words)
    return _special_facts(found, trace.layer, words)
