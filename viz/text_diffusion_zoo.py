"""Pictures of five kinds of text diffusion: tables of probabilities (D3PM), noise levels by position (AR-Diffusion),
and those of viz/zoo_planes.py; which of them stand on the page for which kind.

Every function takes the Trace of models/text_diffusion_zoo.py and the page's words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from viz import palette
from viz.components.curves import Axis, Line, curves
from viz.components.kit import Scrub
from viz.components.matrix import Panel, Stage, inspector
from viz.components.unmasking import Lane, unmasking
from viz.view import View
from viz.zoo_planes import CORNERS, FIGURE, answers, asked, blocks, guidance, points, rounding, triangle

if TYPE_CHECKING:
    from models.text_diffusion_zoo import Trace

Words = Mapping[str, str]

# Of each kind: the pictures above, the pictures below (the notes stand beside the last of them), and the notes.
Row = tuple[tuple[float, str], ...]
PAGE: dict[str, tuple[Row, Row]] = {
    "d3pm": (((3, "tables"), (2, "sentence")), ((3, "steps"),)),
    "diffusion_lm": (((1, "points"),), ((3, "rounding"),)),
    "diffuseq": (((1, "asked"),), ((3, "answers"),)),
    "ssd_lm": (((1, "triangle"),), ((3, "blocks"), (2, "guidance"))),
    "ar_diffusion": (((2, "speed"), (3, "order")), ((2, "levels"), (2, "right"))),
}
TABLES, SENTENCE, LEVELS = 500, 400, 440  # heights in pixels


# --- D3PM ------------------------------------------------------------------------------------------------------------


def names(trace: Trace, words: Words) -> list[str]:
    """The words of the language, and [MASK] where there is one."""
    part: Any = trace.part
    return words["numbers"].split()[: part.n_word] + (["[MASK]"] if part.corruption == "absorbing" else [])


def tables(trace: Trace, words: Words) -> View:
    """One step and t steps; then backwards, knowing x_0 and not knowing it."""
    part: Any = trace.part
    labels, t = names(trace, words), trace.step
    clean = labels[part.clean]
    stays = float(part.tables.power[t, part.clean, part.clean])

    def stage(name: str, values: Any, explain: str, axes: tuple[str, str]) -> Stage:
        return Stage(
            words[name],
            values.numpy().astype(np.float32),
            "probability",
            words[explain].replace("{clean}", clean),
            masked=words["explain_impossible"],
            limits=(0.0, 1.0),
            roles=("", ""),
            axes=axes,
        )

    ahead, back = (words["from_x"], words["to_x"]), (words["seen_x"], words["before_x"])
    panels = [
        Panel(
            words["panel_one"],
            [
                stage("stage_forward", part.tables.one, "explain_one", ahead),
                stage("stage_back", part.posterior, "explain_posterior", back),
            ],
        ),
        Panel(
            words["panel_power"],
            [
                stage("stage_forward", part.tables.power, "explain_power", ahead),
                stage("stage_back", part.backward, "explain_backward", back),
            ],
        ),
    ]
    return inspector(
        panels,
        labels,
        labels,
        scrub=Scrub("step", words["scrub_t"], list(range(len(part.distance))), t),
        words={"rows": words["from_x"], "cols": words["to_x"]},
        alt=words["alt_tables"].format(
            name=words[f"corruption_{part.corruption}"],
            t=t,
            n=len(part.distance) - 1,
            word=clean,
            stays=stays,
            distance=float(part.distance[t]),
        ),
        height=TABLES,
        name="d3pm",
    )


def sentence(trace: Trace, words: Words) -> View:
    """A sentence corrupted, restored as a whole, and restored word by word."""
    part: Any = trace.part
    films = (part.forward, part.exact, part.by_word)
    tokens = [film.numpy() for film in films]
    share = [
        np.take_along_axis(belief.numpy(), token[..., None], -1)[..., 0]
        for belief, token in zip(part.belief, tokens, strict=True)
    ]
    lanes = [
        Lane(
            words[f"lane_{name}"],
            np.where(token >= part.n_word, -1, token),
            weight=share[r],
            guess=likeliest(part.belief[r].numpy(), part.n_word),
            notes=[words["note_right"] if bool(part.right[r]) else words["note_wrong"]] if r else (),
        )
        for r, (name, token) in enumerate(zip(("forward", "exact", "by_word"), tokens, strict=True))
    ]
    labels = names(trace, words)

    def read(film: Any) -> str:
        return " ".join(labels[w] for w in film[trace.step].tolist())

    return unmasking(
        lanes,
        labels,
        follow="step",
        index=trace.step,
        order=False,
        words={"key_weight": words["key_belief"], "key_new": words["key_changed"], "key_removed": words["key_changed"]},
        alt=words["alt_sentence"].format(
            t=trace.step, forward=read(films[0]), exact=read(films[1]), word=read(films[2])
        ),
        height=SENTENCE,
        name="sentence",
    )


def likeliest(belief: np.ndarray, n_word: int, most: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """The few likeliest words at every place, and their probabilities."""
    shown = belief[..., :n_word]
    ids = np.argsort(-shown, axis=-1)[..., :most]
    return ids, np.take_along_axis(shown, ids, -1)


def steps(trace: Trace, words: Words) -> View:
    """How many texts restored word by word are sentences, by number of steps."""
    part: Any = trace.part
    x = np.array(part.steps, dtype=float)
    every = [words[f"corruption_{one}"] for one in ("uniform", "absorbing", "gaussian")]
    return curves(
        x,
        [
            *(Line(name, 100 * part.share[c].numpy(), role=f"line:{c}") for c, name in enumerate(every)),
            Line(words["line_exact"], np.full(len(x), 100.0), quiet=True),
        ],
        x_axis=Axis(words["axis_steps"], log=True, ticks=[(float(v), f"{v:g}") for v in x]),
        y_axis=Axis(words["axis_sentences"], low=0, high=100),
        alt=words["alt_steps"].format(
            values="; ".join(
                f"{name}: "
                + ", ".join(f"{k} – {share:.0%}" for k, share in zip(part.steps, part.share[c].tolist(), strict=True))
                for c, name in enumerate(every)
            )
        ),
        height=FIGURE,
        name="steps",
    )


# --- AR-Diffusion ----------------------------------------------------------------------------------------------------


def levels(trace: Trace, words: Words) -> View:
    """The noise level of every position at every pass, as a table."""
    part: Any = trace.part
    level = part.level.numpy()
    n_frame, n = level.shape
    return inspector(
        [
            Panel(
                "",
                [
                    Stage(
                        words["stage_level"],
                        level.T.astype(np.float32),
                        "probability",
                        words["explain_level"],
                        limits=(0.0, float(part.per_word)),
                        roles=("", ""),
                    )
                ],
            )
        ],
        [str(i + 1) for i in range(n)],
        [str(f) for f in range(n_frame)],
        words={"rows": words["axis_position"], "cols": words["axis_passes"]},
        alt=words["alt_levels"].format(frame=trace.step, values=", ".join(str(x) for x in level[trace.step])),
        height=FIGURE,
        name="levels",
    )


def speed(trace: Trace, words: Words) -> View:
    """The noise level of every position, as a line that moves with the slider."""
    part: Any = trace.part
    level = part.level.numpy().astype(float)
    n = level.shape[1]
    return curves(
        np.arange(1, n + 1, dtype=float),
        [Line(words["line_level"], level, role="line:0"), Line("", level, role="line:0", form="dots")],
        x_axis=Axis(words["axis_position"], low=0.8, high=n + 0.2, ticks=[(i + 1.0, str(i + 1)) for i in range(n)]),
        y_axis=Axis(
            words["axis_level"],
            low=0,
            high=float(part.per_word),
            ticks=[(float(i), str(i)) for i in range(part.per_word + 1)],
        ),
        alt=words["alt_levels"].format(frame=trace.step, values=", ".join(f"{x:g}" for x in level[trace.step])),
        height=LEVELS,
        name="speed",
        follow="passed",
        index=trace.step,
    )


def order(trace: Trace, words: Words) -> View:
    """The same text all at once, at this slope, and one by one."""
    part: Any = trace.part
    labels = words["numbers"].split()[: part.belief.shape[-1]]
    lanes = [
        Lane(
            words[f"lane_{name}"],
            part.lanes[r].numpy(),
            weight=part.belief[r].numpy().max(-1),
            guess=likeliest(part.belief[r].numpy(), len(labels)),
            notes=[
                words["note_passes"].format(step=step, n=int(part.passes[r])) for step in part.lane_step[r].tolist()
            ],
        )
        for r, name in enumerate(("at_once", "slope", "one_by_one"))
    ]
    return unmasking(
        lanes,
        labels,
        scrub=Scrub("passed", words["scrub_pass"], list(range(len(part.level))), trace.step),
        order=False,
        words={"key_weight": words["key_written"]},
        alt=words["alt_order"].format(
            frame=trace.step,
            n=int(part.passes[1]),
            values="; ".join(
                f"{lane.title}: " + " ".join(labels[w] if w >= 0 else "·" for w in part.lanes[r][trace.step].tolist())
                for r, lane in enumerate(lanes)
            ),
        ),
        height=LEVELS,
        name="order",
    )


def right(trace: Trace, words: Words) -> View:
    """Share of sentences against passes: more slope, or simply more levels all at once."""
    part: Any = trace.part
    x = part.passes_of.numpy().astype(float)
    return curves(
        x,
        [
            Line(words["line_slope"].format(n=part.per_word), 100 * part.right_of.numpy(), role="line:0"),
            Line("", 100 * part.right_of.numpy(), role="line:0", form="dots", labels=[f"{s:g}" for s in part.slopes]),
            Line(words["line_same"], 100 * part.same_of.numpy(), role="line:3"),
        ],
        x_axis=Axis(words["axis_passes"], low=0),
        y_axis=Axis(words["axis_sentences"], low=0, high=100),
        marks=[(float(part.passes[1]), words["mark_here"])],
        alt=words["alt_right"].format(
            values="; ".join(
                f"{s:g}: {int(p)}, {a:.0%}, {b:.0%}"
                for s, p, a, b in zip(part.slopes, x, part.right_of.tolist(), part.same_of.tolist(), strict=True)
            )
        ),
        height=FIGURE,
        name="right",
    )


# --- the page --------------------------------------------------------------------------------------------------------

PICTURES: dict[str, Callable[[Trace, Words], View]] = {
    "tables": tables,
    "sentence": sentence,
    "steps": steps,
    "points": points,
    "rounding": rounding,
    "asked": asked,
    "answers": answers,
    "triangle": triangle,
    "blocks": blocks,
    "guidance": guidance,
    "levels": levels,
    "speed": speed,
    "order": order,
    "right": right,
}


def notes(trace: Trace, said: Mapping[str, Any]) -> list[str]:
    """Names of the notes beside the pictures, by what is shown."""
    part: Any = trace.part
    if trace.kind == "d3pm":
        ends = "look_few" if said["few_absorbing"] < said["few_uniform"] else "look_many"
        return [f"look_{part.corruption}", "look_back", ends]
    if trace.kind == "diffusion_lm":
        return ["look_points", "look_clamped" if part.clamp > 0 else "look_unclamped"]
    if trace.kind == "diffuseq":
        return ["look_asked", "look_two" if said["n_target"] > 1 else "look_single"]
    if trace.kind == "ssd_lm":
        return ["look_triangle", "look_guided" if part.guidance > 0 else "look_unguided", "look_blocks"]
    return ["look_levels", "look_straight" if part.path == "straight" else "look_anchor"]


def named(trace: Trace, words: Words) -> dict[str, str]:
    """What the notes call things in the visitor's language."""
    part: Any = trace.part
    if trace.kind == "d3pm":
        return {"word": names(trace, words)[part.clean]}
    if trace.kind == "diffuseq":
        best = int(part.target_of[int(part.known.argmax())])
        return {"source": words["sources"].split()[part.source], "target": words["targets"].split()[best]}
    if trace.kind == "ssd_lm":
        return {"word": words["weather"].split()[part.wanted]}
    return {}


def thumbnail(trace: Trace) -> str:
    """The tables as little squares, or dots in a plane, or bars of levels."""
    part: Any = trace.part
    colours = palette.palette()["line"]
    marks: list[str] = []

    def box(x: float, y: float, width: float, height: float, fill: str) -> None:
        marks.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{fill}"/>')

    if trace.kind == "d3pm":
        table = part.tables.power[trace.step].numpy()
        size, scale = 92 / len(table), palette.palette()["probability"]
        for (i, j), p in np.ndenumerate(table):
            box(34 + j * size, 4 + i * size, size, size, scale[min(len(scale) - 1, int(p * len(scale)))])
    elif trace.kind == "ar_diffusion":
        for i, x in enumerate(part.level[trace.step].tolist()):
            high = 4 + 84 * x / part.per_word
            box(20 + 21 * i, 94 - high, 16, high, colours[0])
    else:
        film = part.path[0] if trace.kind == "diffuseq" else part.plain
        place = film[trace.step].numpy()
        if trace.kind == "ssd_lm":
            place = place @ (1.7 * CORNERS)
        for i, (x, y) in enumerate(place[:60]):
            fill = colours[i % len(colours)]
            marks.append(f'<circle cx="{80 + 22 * x:.1f}" cy="{50 - 15 * y:.1f}" r="2.2" fill="{fill}"/>')
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 160 100">{"".join(marks)}</svg>'
