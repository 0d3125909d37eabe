"""Pictures of text by unmasking: both models filling the same blanks on one clock, and what stands behind it.

Every function takes what models/text_diffusion.py computed and the page's words, and returns a View with an alt text
of its own numbers. The scrubber below the texts moves the mask schedule too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from viz import palette
from viz.components.curves import Axis, Line, curves
from viz.components.kit import Scrub
from viz.components.unmasking import Lane, unmasking
from viz.view import View

if TYPE_CHECKING:
    from models.text_diffusion import HeldOut, Quality, Run, Trace

Words = Mapping[str, str]
STRIP, FIGURE, HALF = 470, 340, 300  # heights in pixels
OUTCOMES = ("HH", "HT", "TH", "TT")
DIFFUSION, OWN = "line:0", "line:1"  # the colours of the two models


def strip(trace: Trace, words: Words) -> View:
    """Both texts, pass by pass. A click on a token of the first masks it."""
    n_frame = len(trace.diffusion.token)
    lanes = [
        _lane(trace, trace.diffusion, words, "diffusion", trace.blocks if len(trace.blocks) > 1 else ()),
        _lane(trace, trace.autoregressive, words, "ar", ()),
    ]
    return unmasking(
        lanes,
        list(trace.label),
        masked=trace.holes,
        scrub=Scrub("step", words["pass"], list(range(n_frame)), trace.index),
        alt=" ".join(
            words["alt_strip"].format(
                title=lane.title,
                index=min(trace.index, run.n_pass),
                n_pass=run.n_pass,
                masked=int((run.token[trace.index] < 0).sum()),
                n=int((~trace.given).sum()),
                text=_plain(trace, run),
            )
            for lane, run in zip(lanes, (trace.diffusion, trace.autoregressive), strict=True)
        ),
        height=STRIP,
        name="unmasking",
    )


def _lane(trace: Trace, run: Run, words: Words, name: str, blocks: tuple[int, ...]) -> Lane:
    n, each = len(run.token), run.forwards / max(1, run.n_pass)
    return Lane(
        words[f"lane_{name}"],
        run.token.numpy(),
        weight=run.weight.numpy(),
        fixed=trace.given.numpy(),
        notes=[
            words["note"].format(
                index=min(i, run.n_pass), n_pass=run.n_pass, forwards=round(min(i, run.n_pass) * each),
                ms=1e3 * run.seconds,
            )
            for i in range(n)
        ],
        guess=(run.guess.numpy(), run.guess_weight.numpy()),
        blocks=blocks,
    )  # fmt: skip


def _plain(trace: Trace, run: Run) -> str:
    """The first of what stands there, for the alt text."""
    return "".join("_" if i < 0 else trace.label[i] for i in run.token[trace.index].tolist()[1:])[:80]


def filled(trace: Trace, words: Words) -> View:
    """Which pass filled which place."""
    where = np.nonzero(~trace.given.numpy())[0]
    step, own = trace.diffusion.step.numpy()[where], trace.autoregressive.step.numpy()[where]
    texts = [trace.label[i].strip() for i in trace.diffusion.token[-1].numpy()[where]]
    x = where.astype(float)
    return curves(
        x,
        [
            Line(words["lane_diffusion"], step, role=DIFFUSION, form="dots", labels=texts),
            Line(words["lane_ar"], own, role=OWN, quiet=True),
        ],
        x_axis=_spread(words["axis_place"], x),
        y_axis=Axis(words["axis_pass"], low=0, high=float(max(own.max(), step.max())) + 1),
        marks=[(float(at) - 0.5, "") for at in trace.blocks[1:]],
        alt=words["alt_filled"].format(
            n=len(where), values=", ".join(f"{place}: {one}" for place, one in zip(where[:24], step[:24], strict=True))
        ),
        height=FIGURE,
        name="filled",
    )


def _spread(title: str, x: np.ndarray) -> Axis:
    """An axis with room at both ends."""
    return Axis(title, low=float(x.min()) - 1, high=float(x.max()) + 1)


def perplexity(found: Quality, words: Words) -> View:
    """Perplexity of what was written, against the number of passes."""
    steps = np.array(found.steps, float)
    values = found.perplexity.numpy()
    return curves(
        steps,
        [
            Line(words["lane_diffusion"], values, role=DIFFUSION, form="line" if len(steps) > 1 else "dots"),
            Line(words["lane_ar"], np.full(len(steps), found.own_perplexity), role=OWN, quiet=True),
        ],
        x_axis=_steps(words["axis_passes"], steps),
        y_axis=Axis(words["axis_perplexity"], log=True),
        alt=_said(words["alt_perplexity"], found, values, found.own_perplexity, "{:.0f}"),
        height=HALF,
        name="perplexity",
    )


def distinct(found: Quality, words: Words) -> View:
    """How many pairs of neighbours differ, against the number of passes."""
    steps = np.array(found.steps, float)
    values = found.distinct.numpy()
    return curves(
        steps,
        [
            Line(words["lane_diffusion"], values, role=DIFFUSION, form="line" if len(steps) > 1 else "dots"),
            Line(words["lane_ar"], np.full(len(steps), found.own_distinct), role=OWN, quiet=True),
        ],
        x_axis=_steps(words["axis_passes"], steps),
        y_axis=Axis(words["axis_distinct"], low=0, high=1),
        alt=_said(words["alt_distinct"], found, values, found.own_distinct, "{:.2f}"),
        height=HALF,
        name="distinct",
    )


def _steps(title: str, steps: np.ndarray) -> Axis:
    """A logarithmic axis of so many passes; of a single number some room around it."""
    room = {"low": steps[0] / 2, "high": steps[0] * 2} if len(steps) == 1 else {}
    return Axis(title, log=True, ticks=[(at, f"{at:g}") for at in steps], **room)


def _said(template: str, found: Quality, values: np.ndarray, own: float, form: str) -> str:
    pairs = ", ".join(f"{steps}: {form.format(value)}" for steps, value in zip(found.steps, values, strict=True))
    return template.format(values=pairs, own=form.format(own))


def cost(trace: Trace, words: Words) -> View:
    """Passes and tokens through the model, against the length of the text."""
    length = np.array(trace.cost.length, float)
    return curves(
        length,
        [
            Line(words["line_forwards"], trace.cost.forwards, role=DIFFUSION),
            Line(words["line_passes"], trace.cost.n_pass, role=DIFFUSION, form="steps"),
            Line(words["line_ar"], length, role=OWN),
        ],
        x_axis=Axis(words["axis_length"], log=True, ticks=[(at, f"{at:g}") for at in length[::2]]),
        y_axis=Axis(words["axis_count"], log=True),
        marks=[(100.0, "")],
        alt=words["alt_cost"].format(
            asked=trace.asked,
            values=", ".join(
                f"{n}: {passes}, {forwards}"
                for n, passes, forwards in zip(trace.cost.length, trace.cost.n_pass, trace.cost.forwards, strict=True)
            ),
        ),
        height=FIGURE,
        name="cost",
    )


def coins(trace: Trace, words: Words) -> View:
    """Two coins: as they are, drawn in one pass, in two. Its own slider: how dependent they are."""
    exact, at = trace.joint, trace.dependence
    return curves(
        np.arange(1.0, 5.0),
        [
            Line(words["line_truth"], 100 * exact.truth.numpy(), role="line:2", form="bars"),
            Line(words["line_one"], 100 * exact.one_pass.numpy(), role="line:3", form="bars"),
            Line(words["line_two"], 100 * exact.two_passes.numpy(), role=DIFFUSION, form="bars"),
        ],
        x_axis=Axis("", low=0.4, high=4.6, ticks=[(i + 1.0, name) for i, name in enumerate(OUTCOMES)]),
        y_axis=Axis(words["axis_probability"], low=0, high=60),
        scrub=Scrub("dependence", words["dependence"], [round(float(c), 2) for c in exact.dependence], at),
        readout=[
            [words["readout_coins"].format(one=float(q[1:3].sum()), truth=float(p[1:3].sum()), lost=float(lost))]
            for p, q, lost in zip(exact.truth, exact.one_pass, exact.information, strict=True)
        ],
        alt=words["alt_coins"].format(
            c=float(exact.dependence[at]), truth=float(exact.truth[at, 1:3].sum()),
            one=float(exact.one_pass[at, 1:3].sum()), two=float(exact.two_passes[at, 1:3].sum()),
        ),
        height=FIGURE + 40,
        name="coins",
    )  # fmt: skip


def schedule(trace: Trace, words: Words) -> View:
    """How much is still masked after each pass, for both models; the strip's scrubber moves the line."""
    n_frame, n_free = len(trace.diffusion.token), max(1, int((~trace.given).sum()))
    shares = [100 * (run.token < 0).sum(1).numpy() / n_free for run in (trace.diffusion, trace.autoregressive)]
    frames = np.arange(n_frame, dtype=float)
    return curves(
        frames,
        [
            Line(words["lane_diffusion"], shares[0], role=DIFFUSION),
            Line(words["lane_ar"], shares[1], role=OWN),
        ],
        x_axis=Axis(words["axis_pass"]),
        y_axis=Axis(words["axis_masked"], low=0, high=100),
        cursor=frames,
        follow="step",
        index=trace.index,
        alt=words["alt_schedule"].format(
            index=trace.index, diffusion=float(shares[0][trace.index]), own=float(shares[1][trace.index])
        ),
        height=HALF,
        name="schedule",
    )


def weight(words: Words) -> View:
    """The objective's weight: 1/t grows as fast as masks get rare."""
    t = np.arange(1, 21) / 20
    return curves(
        t,
        [
            Line(words["line_weight"], 1 / t, role="line:3"),
            Line(words["line_share"], t, role="line:2"),
            Line(words["line_product"], np.ones(len(t)), quiet=True),
        ],
        x_axis=Axis(words["axis_t"], low=0, high=1),
        y_axis=Axis(words["axis_factor"], log=True),
        alt=words["alt_weight"].format(values=", ".join(f"{at:.2f}: {1 / at:.1f}" for at in t[[0, 1, 3, 9, 19]])),
        height=HALF,
        name="weight",
    )


def held_out(found: HeldOut, words: Words) -> View:
    """Surprise of a masked token against the share that is masked; tiny-lm's, which sees all that is left, beside."""
    x = found.share.numpy()
    lines = []
    for c, domain in enumerate(found.domain):
        lines.append(Line(words[domain], found.loss[c].numpy(), role=f"line:{c}"))
        own = np.full(len(x), float(found.own[c]))
        lines.append(Line(f"{words[domain]}: tiny-lm", own, role=f"line:{c}", quiet=True))
    return curves(
        x,
        lines,
        x_axis=Axis(words["axis_share"], low=0, high=1),
        y_axis=Axis(words["axis_nats"], low=0),
        alt=words["alt_held_out"].format(
            values=", ".join(
                f"{words[domain]}: {float(found.bound[c]):.2f}, {float(found.own[c]):.2f}"
                for c, domain in enumerate(found.domain)
            )
        ),
        height=FIGURE,
        name="held-out",
    )


def bounds(found: HeldOut, words: Words) -> dict[str, str]:
    """The bounds as a caption says them."""
    return {
        "values": "; ".join(
            f"{words[domain]} {float(found.bound[c]):.2f} / {float(found.own[c]):.2f}"
            for c, domain in enumerate(found.domain)
        )
    }


def named(found: Quality) -> dict[str, Any]:
    """What a caption says of the quality: its ends and tiny-lm's own."""
    return {
        "first": found.steps[0], "last": found.steps[-1],
        "first_perplexity": float(found.perplexity[0]), "last_perplexity": float(found.perplexity[-1]),
        "first_distinct": float(found.distinct[0]), "last_distinct": float(found.distinct[-1]),
        "own_perplexity": found.own_perplexity, "own_distinct": found.own_distinct,
        "more": float(found.perplexity[-1]) / found.own_perplexity - 1,
        "n_text": found.n_text, "length": found.length,
    }  # fmt: skip


def models(words: Words) -> dict[str, list[str]]:
    """The table of models: what is reported of each."""
    rows = ("llada", "dream", "mercury", "gemini")
    columns = ("model", "who", "how", "reported")
    return {words[f"column_{column}"]: [words[f"{row}_{column}"] for row in rows] for column in columns}


def captions(trace: Trace) -> list[str]:
    """Names of the captions below the texts, by what is shown."""
    names = ["clock", "work", "text", f"order_{trace.order}"]
    if trace.block == 1:
        names.append("one_by_one")
    elif len(trace.blocks) > 1:
        names.append("blocks")
    if trace.remask and trace.diffusion.n_pass > 1:
        names.append("remasked")
    if trace.holes:
        names.append("holes")
    if trace.asked != trace.diffusion.n_pass:
        names.append("clipped")
    if trace.n_cut:
        names.append("cut")
    return names


def thumbnail(trace: Trace) -> str:
    """The places over the passes: filled or still masked."""
    shown, colours = trace.diffusion.token.numpy(), palette.palette()
    n_frame, n = min(len(shown), 1 + trace.diffusion.n_pass), shown.shape[1]
    rows, columns = min(n_frame, 12), min(n, 24)
    cells = []
    for i in range(rows):
        frame = shown[round(i * (n_frame - 1) / max(1, rows - 1))]
        for j in range(columns):
            filled_here = frame[j * n // columns] >= 0
            fill = colours["line"][0] if filled_here else colours["masked"]["back"]
            cells.append(
                f'<rect x="{4 + j * 152 / columns:.1f}" y="{4 + i * 92 / rows:.1f}" width="{152 / columns - 1:.1f}" '
                f'height="{92 / rows - 1:.1f}" fill="{fill}"/>'
            )
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 160 100">{"".join(cells)}</svg>'
