"""Pictures of reading past the trained length: loss and recall by context, angles, ramp, temperature, positions.

Every function takes a Trace of models/long_context.py and the page's words, and returns a View with an alt text of its
own numbers. The factor's scrubber below the loss moves the recall, the angles and the frequencies as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from viz import palette
from viz.components.curves import Axis, Line, curves
from viz.components.kit import Scrub
from viz.components.matrix import Panel, Stage, inspector
from viz.view import View

if TYPE_CHECKING:
    from models.long_context import Trace

Words = Mapping[str, str]
HERO, FIGURE, MATRIX = 440, 360, 500  # heights in pixels
TICKS = [(float(n), f"{n:,}") for n in (1, 4, 16, 64, 256, 1024)]
TURN = 2 * np.pi
PRICE = 0.05  # nats that a short text may lose before it is called a price


def loss(trace: Trace, words: Words) -> View:
    """Loss against tokens read: all six schemes, and the RoPE model with the method at the factor on the scrubber."""
    learned = trace.scheme.index("learned")
    lines = [
        Line(
            words[f"scheme_{scheme}"],
            trace.base[i].numpy(),
            role=f"line:{i}",
            quiet=scheme != "rope",
            note=words["note_learned"] if i == learned else "",
        )
        for i, scheme in enumerate(trace.scheme)
    ]
    if bool(trace.fresh.isfinite().any()):
        name = words["scheme_fresh"]
        lines.insert(learned + 1, Line(name, trace.fresh.numpy(), role=f"line:{learned}", quiet=True, form="dots"))
    if trace.method != "none" or trace.tuned:
        lines.append(Line(_name(trace, words), trace.stretched.numpy(), role="ink"))
    shown = trace.stretched[trace.index]
    return curves(
        trace.context.numpy(),
        lines,
        x_axis=Axis(words["axis_context"], log=True, low=1, high=1100, ticks=TICKS),
        y_axis=Axis(words["axis_loss"], high=_ceiling(trace)),
        marks=[(trace.trained, words["mark_trained"])],
        scrub=_scrub(trace, words),
        alt=words["alt_loss"].format(
            method=_name(trace, words),
            near=float(shown[trace.context < trace.trained][-2:].mean()),
            far=float(shown[-1]),
            rope=float(trace.base[trace.scheme.index("rope"), -1]),
            alibi=float(trace.base[trace.scheme.index("alibi"), -1]),
        ),
        height=HERO,
        name="loss",
    )


def _ceiling(trace: Trace) -> float:
    """The first tokens of a text can only be guessed: their loss is cut off, for the sake of what comes later."""
    later = trace.context >= 4
    shown = [trace.base[:, later], trace.stretched[:, later]]
    return max(float(y[y.isfinite()].max()) for y in shown) + 0.1


def recall(trace: Trace, words: Words) -> View:
    """Share of needles found against the distance back to them."""
    lines = [
        Line(words[f"scheme_{scheme}"], 100 * trace.base_recall[i].numpy(), role=f"line:{i}", quiet=scheme != "rope")
        for i, scheme in enumerate(trace.scheme)
    ]
    if trace.method != "none" or trace.tuned:
        lines.append(Line(_name(trace, words), 100 * trace.stretched_recall.numpy(), role="ink"))
    found = trace.stretched_recall[trace.index]
    near = trace.distance < trace.trained
    return curves(
        trace.distance.numpy(),
        lines,
        x_axis=Axis(words["axis_distance"], log=True, low=4, high=1100, ticks=TICKS[1:]),
        y_axis=Axis(words["axis_recall"], low=0, high=100),
        marks=[(trace.trained, words["mark_trained"])],
        alt=words["alt_recall"].format(
            method=_name(trace, words), near=float(found[near].mean()), far=float(found[~near].mean())
        ),
        height=HERO,
        name="recall",
        follow=_follow(trace),
        index=_index(trace),
    )


def angles(trace: Trace, words: Words) -> View:
    """For each pair of features: where its angles ended in training, and where they end in the long text."""
    pair = np.arange(len(trace.seen))
    lines = [
        Line(words["line_seen"], trace.seen.numpy(), role="key", form="steps"),
        Line(words["line_reached"], trace.reached.numpy(), role="query", form="dots"),
        Line(words["line_turn"], np.full(len(pair), TURN), quiet=True),
    ]
    new = _new(trace, trace.index)
    return curves(
        pair,
        lines,
        x_axis=Axis(words["axis_pair"]),
        y_axis=Axis(words["axis_angle"], log=True),
        alt=words["alt_angles"].format(new=new, pairs=len(pair), method=_name(trace, words)),
        height=FIGURE,
        name="angles",
        readout=[
            [words["readout_angles"].format(new=_new(trace, f), pairs=len(pair))] for f in range(len(trace.factors))
        ],
        follow=_follow(trace),
        index=_index(trace),
    )


def _new(trace: Trace, frame: int) -> int:
    """Pairs that meet angles which are new to the model: they did not go round in training, and now pass its end."""
    return int(((trace.seen < TURN) & (trace.reached[frame] > trace.seen)).sum())


def frequencies(trace: Trace, words: Words) -> View:
    """By what each pair is slowed down, and YaRN's ramp, which decides it there."""
    pair = np.arange(len(trace.seen))
    plain = trace.seen.numpy() / trace.trained
    slowed = plain / trace.inv_freq.numpy()
    factor = trace.factors[trace.index]
    lines = [
        Line(_name(trace, words), slowed, role="query"),
        Line(words["line_linear"], np.tile(np.array(trace.factors, float)[:, None], len(pair)), quiet=True),
        Line(words["line_ntk"], np.array(trace.factors, float)[:, None] ** (pair / (len(pair) - 1)), quiet=True),
    ]
    return curves(
        pair,
        lines if len(trace.factors) > 1 else lines[:1],
        x_axis=Axis(words["axis_pair"]),
        y_axis=Axis(words["axis_slowed"], low=0.0),
        alt=words["alt_frequencies"].format(
            method=_name(trace, words),
            first=float(slowed[trace.index, 0]),
            last=float(slowed[trace.index, -1]),
            s=factor,
        ),
        height=FIGURE,
        name="frequencies",
        follow=_follow(trace),
        index=_index(trace),
    )


def ramp(trace: Trace, words: Words) -> View:
    """YaRN's weight per pair: 1 keeps it, 0 interpolates it. For this model, and for one of Llama 2's size."""
    keep = trace.keep.numpy()
    big = trace.keep_llama.numpy()
    return curves(
        np.linspace(0, 1, len(big)),
        [
            Line(words["line_small"], keep, x=np.linspace(0, 1, len(keep)), role="query", form="dots"),
            Line(words["line_llama"], big, role="line:3"),
            Line(words["line_paper"], trace.keep_paper.numpy(), role="line:3", quiet=True),
        ],
        x_axis=Axis(words["axis_share"], low=0, high=1),
        y_axis=Axis(words["axis_keep"], low=0, high=1),
        alt=words["alt_ramp"].format(
            kept=int((keep == 1).sum()),
            mixed=int(((keep > 0) & (keep < 1)).sum()),
            interpolated=int((keep == 0).sum()),
            kept_llama=int((big == 1).sum()),
            interpolated_llama=int((big == 0).sum()),
        ),
        height=FIGURE,
        name="ramp",
    )


def temperature(trace: Trace, words: Words) -> View:
    """The factor on cosines and sines, and its square, by which every score grows."""
    s, factor = trace.span.numpy(), trace.mscale.numpy()
    return curves(
        s,
        [Line(words["line_mscale"], factor, role="query"), Line(words["line_score"], factor**2, role="line:3")],
        x_axis=Axis(
            words["axis_factor"], log=True, low=1, high=64, ticks=[(float(n), str(n)) for n in (1, 2, 4, 8, 16, 32, 64)]
        ),
        y_axis=Axis(words["axis_times"], low=1.0),
        cursor=[float(f) for f in trace.factors],
        alt=words["alt_temperature"].format(s=trace.factors[trace.index]),
        height=FIGURE,
        name="temperature",
        follow=_follow(trace),
        index=_index(trace),
    )


def positions(trace: Trace, words: Words) -> View:
    """The difference of positions that RoPE sees between every query and every key."""
    seen = trace.relative.numpy().astype(float)
    seen[seen < 0] = -np.inf
    n = len(seen)
    label = [str(i) for i in range(n)]
    stage = Stage(
        words["stage_positions"],
        seen,
        "probability",
        words["explain_position"],
        masked=words["explain_unseen"],
        limits=(0.0, n - 1.0),
    )
    return inspector(
        [Panel(_name(trace, words), [stage])],
        label,
        label,
        alt=words["alt_positions"].format(method=_name(trace, words), most=int(trace.relative.max()), n=n),
        words={"rows": words["queries"], "cols": words["keys"]},
        height=MATRIX,
        name="positions",
    )


def _name(trace: Trace, words: Words) -> str:
    return (
        words["tuned"].format(method=words[f"method_{trace.method}"])
        if trace.tuned
        else words[f"method_{trace.method}"]
    )


def _scrub(trace: Trace, words: Words) -> Scrub | None:
    return Scrub("factor", words["factor"], trace.factors, trace.index) if len(trace.factors) > 1 else None


def _follow(trace: Trace) -> str:
    """The field whose scrubber moves a picture; methods without a factor have none."""
    return "factor" if len(trace.factors) > 1 else ""


def _index(trace: Trace) -> int:
    return trace.index if len(trace.factors) > 1 else 0


def captions(trace: Trace, facts: Mapping[str, float | int | str]) -> list[str]:
    """Names of the captions below the curves."""
    if trace.method == "none" and not trace.tuned:
        return ["method_none", "recall_plain"]
    names = [f"method_{trace.method}"]
    if trace.tuned:
        names.append("tuned" if len(trace.factors) > 1 else "tuned_plain")
    names.append("result" if facts["reach"] else "result_never")
    unchanged = not trace.tuned and trace.method in ("dynamic", "dca", "sinks", "window")
    price = "unchanged" if unchanged else "short_texts" if float(facts["short"]) >= PRICE else "short_same"
    return [*names, price, "recall"]


def thumbnail(trace: Trace) -> str:
    """The curves as they are on the page, without words: the six schemes thin, the chosen method thick."""
    x = 8 + 144 * np.log(trace.context.numpy()) / np.log(1024)
    shown = [*trace.base.numpy(), trace.stretched[trace.index].numpy()]
    low = min(float(np.nanmin(y)) for y in shown)
    high = max(float(np.nanmax(y[6:])) for y in shown)

    def path(y: np.ndarray, colour: str, width: float) -> str:
        points = [
            f"{a:.1f} {float(np.clip(92 - 84 * (b - low) / (high - low or 1), 4, 96)):.1f}"
            for a, b in zip(x, y, strict=True)
            if np.isfinite(b)
        ]
        return f'<polyline points="{" ".join(points)}" fill="none" stroke="{colour}" stroke-width="{width}"/>'

    colours: Sequence[str] = palette.palette()["line"]
    edge = 8 + 144 * np.log(trace.trained) / np.log(1024)
    rule = f'<path d="M{edge:.1f} 4V96" stroke="#8A8F98" stroke-dasharray="3 3" fill="none"/>'
    drawn = [path(y, colours[i], 1.6) for i, y in enumerate(shown[:-1])]
    drawn.append(path(shown[-1], palette.palette()["probability"][5], 3.2))
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 160 100">{rule}{"".join(drawn)}</svg>'
