"""Pictures of text diffusion in a plane: words as points (Diffusion-LM), pairs as points (DiffuSeq), words as corners
of a triangle (SSD-LM), and the curves beside them.

Every function takes the Trace of models/text_diffusion_zoo.py and the page's words. The slider runs from noise (t = T)
to words (t = 0), so that playing it is generating.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from viz.components.curves import Axis, Line, curves
from viz.components.kit import Scrub
from viz.components.particles import Plane, particles
from viz.components.unmasking import Lane, unmasking
from viz.view import View

if TYPE_CHECKING:
    from models.text_diffusion_zoo import Trace

Words = Mapping[str, str]
PLANES, FIGURE, TEXT = 560, 320, 330  # heights in pixels
EDGE = 3.0
WAYS = ("partial", "both", "put_back")
CORNERS = np.array([[-1.3, -0.85], [1.3, -0.85], [0.0, 1.4]])  # of the triangle, word by word
MOST_FRAMES = 200
FOLLOWED = (0, 1, 2)


def scrub(trace: Trace, words: Words) -> Scrub:
    """The slider over t, from noise to words."""
    last = len(trace.part.alpha_bar) - 1  # type: ignore[union-attr]
    return Scrub("step", words["scrub_t"], list(range(last, -1, -1)), last - trace.step)


def played(values: Any) -> np.ndarray:
    """Frames from t = T to t = 0, as numbers."""
    return np.ascontiguousarray(np.asarray(values)[::-1])


def cells(place: np.ndarray, edge: float = EDGE, fine: int = 600) -> list[np.ndarray]:
    """The borders between the places' cells: where two are equally near, and none is nearer."""
    found, place = [], place.astype(float)
    for i, j in itertools.combinations(range(len(place)), 2):
        middle, apart = (place[i] + place[j]) / 2, place[j] - place[i]
        along = np.array([-apart[1], apart[0]]) / np.linalg.norm(apart)
        line = middle + np.linspace(-2 * edge, 2 * edge, fine)[:, None] * along
        far = np.linalg.norm(line[:, None] - place[None], axis=-1)
        inside = (far[:, i] <= far.min(1) + 1e-9) & (np.abs(line) <= edge).all(1)
        if inside.sum() > 1:
            found.append(line[np.flatnonzero(inside)[[0, -1]]])
    return found


# --- Diffusion-LM ----------------------------------------------------------------------------------------------------


def points(trace: Trace, words: Words) -> View:
    """Words noised, and noise denoised: without clamping, and with it."""
    part: Any = trace.part
    place = part.embedding.numpy()
    anchors = [(float(x), float(y), word) for (x, y), word in zip(place, part.word, strict=True)]
    common: dict[str, Any] = {"anchors": anchors, "outline": cells(place)}
    ends = [_nearest(path[0].numpy(), place) for path in (part.plain, part.clamped)]
    planes = [
        Plane(
            words["plane_forward"],
            played(part.forward),
            notes=[words["note_rounded"].format(share=x) for x in played(part.accuracy)],
            group=part.origin.numpy(),
            **common,
        )
    ]
    for r, name in enumerate(("plain", "clamped")):
        planes.append(
            Plane(
                words[f"plane_{name}"].format(share=part.clamp),
                played(getattr(part, name)),
                notes=[words["note_gap"].format(gap=x) for x in played(part.gap[r])],
                group=ends[r],
                target=played(getattr(part, f"{name}_x0")),
                **common,
            )
        )
    return particles(
        planes,
        x=(-EDGE, EDGE),
        y=(-EDGE, EDGE),
        followed=FOLLOWED,
        groups=list(part.word),
        scrub=scrub(trace, words),
        alt=words["alt_points"].format(
            t=trace.step,
            n=len(part.alpha_bar) - 1,
            share=float(part.accuracy[trace.step]),
            plain=float(part.gap[0, 0]),
            clamped=float(part.gap[1, 0]),
        ),
        height=PLANES,
        name="diffusion-lm",
    )


def rounding(trace: Trace, words: Words) -> View:
    """How often rounding a noised point still gives its word, over t."""
    part: Any = trace.part
    n = len(part.alpha_bar)
    return curves(
        np.arange(n, dtype=float),
        [
            Line(words["line_wide"], part.wide.numpy(), role="line:2"),
            Line(words["line_plane"], part.accuracy.numpy(), role="line:0"),
            Line(words["line_drawn"], part.drawn.numpy(), role="ink", form="dots"),
            Line(words["line_kept"], part.alpha_bar.numpy(), role="line:3", quiet=True),
        ],
        x_axis=Axis(words["axis_t"]),
        y_axis=Axis(words["axis_right"], low=0, high=1),
        marks=[(float(trace.step), f"t = {trace.step}")],
        alt=words["alt_rounding"].format(
            t=trace.step, plane=float(part.accuracy[trace.step]), wide=float(part.wide[trace.step])
        ),
        height=FIGURE,
        name="rounding",
    )


def _nearest(place: np.ndarray, of: np.ndarray) -> np.ndarray:
    return np.linalg.norm(place[:, None] - of[None], axis=-1).argmin(1)


# --- DiffuSeq --------------------------------------------------------------------------------------------------------


def pair_names(trace: Trace, words: Words) -> list[str]:
    """ "light → 光" for every pair."""
    part: Any = trace.part
    source, target = words["sources"].split(), words["targets"].split()
    return [f"{source[s]} → {target[t]}" for s, t in zip(part.source_of.tolist(), part.target_of.tolist(), strict=True)]


def asked(trace: Trace, words: Words) -> View:
    """One source asked in three ways: only the target noised, both noised, both noised and the source put back."""
    part: Any = trace.part
    place, names = part.pair.numpy(), pair_names(trace, words)
    given = float(place[part.source_of.numpy() == part.source][0, 0])
    target = words["targets"].split()
    anchors = [(float(x), float(y), target[t]) for (x, y), t in zip(place, part.target_of.tolist(), strict=True)]
    source = words["sources"].split()
    mine = source[part.source]
    bottom = {s: float(place[i, 0]) for i, s in enumerate(part.source_of.tolist())}
    anchors += [(x, -EDGE + 0.25, source[s]) for s, x in bottom.items()]
    planes = [
        Plane(
            words[f"way_{way}"],
            played(part.path[r]),
            notes=[
                words["note_answered"].format(share=x, source=source[part.source]) for x in played(part.answered[r])
            ],
            group=part.ends[r].numpy(),
            anchors=anchors,
            outline=[np.array([[given, -EDGE], [given, EDGE]])],
        )
        for r, way in enumerate(WAYS)
    ]
    return particles(
        planes,
        x=(-EDGE, EDGE),
        y=(-EDGE, EDGE),
        followed=FOLLOWED,
        groups=names,
        scrub=scrub(trace, words),
        axes=(words["axis_source"], words["axis_target"]),
        alt=words["alt_asked"].format(
            source=mine,
            t=trace.step,
            partial=float(part.answered[0, 0]),
            both=float(part.answered[1, 0]),
            back=float(part.answered[2, 0]),
        ),
        height=PLANES,
        name="diffuseq",
    )


def answers(trace: Trace, words: Words) -> View:
    """How often each pair came out, and how often it should."""
    part: Any = trace.part
    names = pair_names(trace, words)
    rows = [(words["line_known"], part.known.numpy(), "ink")]
    rows += [(words[f"way_{way}"], part.share[r].numpy(), f"line:{r}") for r, way in enumerate(WAYS)]
    n = len(names)
    return curves(
        np.arange(1, n + 1, dtype=float),
        [Line(name, 100 * values, role=role, form="bars") for name, values, role in rows],
        x_axis=Axis(words["axis_pair"], low=0.4, high=n + 0.6, ticks=[(i + 1.0, name) for i, name in enumerate(names)]),
        y_axis=Axis(words["axis_percent"], low=0, high=100),
        alt=words["alt_answers"].format(
            values="; ".join(
                f"{names[k]}: " + ", ".join(f"{name} {values[k]:.0%}" for name, values, _ in rows)
                for k in range(n)
                if float(part.known[k]) > 0
            )
        ),
        height=FIGURE,
        name="answers",
    )


# --- SSD-LM ----------------------------------------------------------------------------------------------------------


def triangle(trace: Trace, words: Words) -> View:
    """Words noised in the simplex, and written: without guidance and with it."""
    part: Any = trace.part
    names = words["weather"].split()
    anchors = [(float(x), float(y), name) for (x, y), name in zip(CORNERS, names, strict=True)]
    common: dict[str, Any] = {"anchors": anchors, "outline": [CORNERS[[0, 1, 2, 0]]]}
    rows = [
        (words["plane_simplex"].format(size=part.size), part.forward, part.origin, None),
        (words["plane_unguided"], part.plain, part.first[0], 0),
        (words["plane_guided"].format(guidance=part.guidance, word=names[part.wanted]), part.guided, part.first[1], 1),
    ]
    planes = []
    for title, film, group, r in rows:
        sharp = (film.numpy().max(-1) > 0.9).mean(-1)
        wanted = None if r is None else float((part.first[r] == part.wanted).float().mean())
        note = words["note_corner"] if wanted is None else words["note_wanted"]
        planes.append(
            Plane(
                title,
                played(film.numpy() @ CORNERS),
                notes=[note.format(share=x, wanted=wanted or 0.0, word=names[part.wanted]) for x in sharp[::-1]],
                group=group.numpy(),
                **common,
            )
        )
    return particles(
        planes,
        x=(-1.6, 1.6),
        y=(-1.3, 1.9),
        followed=FOLLOWED[:1],
        groups=names,
        scrub=scrub(trace, words),
        alt=words["alt_triangle"].format(
            t=trace.step,
            size=part.size,
            corner=float((part.forward[trace.step].amax(-1) > 0.9).float().mean()),
            word=names[part.wanted],
            plain=float((part.first[0] == part.wanted).float().mean()),
            guided=float((part.first[1] == part.wanted).float().mean()),
        ),
        height=PLANES,
        name="ssd-lm",
    )


def blocks(trace: Trace, words: Words) -> View:
    """One text written block by block, without guidance and with it, from the same noise."""
    part: Any = trace.part
    n = len(part.written)
    every = max(1, math.ceil((n - 1) / MOST_FRAMES))
    at = [*range(0, n - 1, every), n - 1]
    index = min(range(len(at)), key=lambda i: abs(at[i] - trace.written))
    names = words["weather"].split()
    length = part.text.shape[1]
    starts = list(range(0, length, part.block))
    titles = [words["plane_unguided"], words["plane_guided"].format(guidance=part.guidance, word=names[part.wanted])]
    n_step = len(part.alpha_bar) - 1
    lanes = [
        Lane(
            title,
            part.written[at, r].numpy(),
            weight=part.weight[at, r].numpy(),
            notes=[words["note_block"].format(block=min(len(starts), f // n_step + 1), n=len(starts)) for f in at],
            blocks=starts[1:],
        )
        for r, title in enumerate(titles)
    ]
    return unmasking(
        lanes,
        names,
        scrub=Scrub("written", words["scrub_written"], at, index),
        order=False,
        words={"key_weight": words["key_written"], "hint": words["hint_written"]},
        alt=words["alt_blocks"].format(
            n=len(starts),
            passes=n - 1,
            plain=" ".join(names[w] for w in part.text[0].tolist()),
            guided=" ".join(names[w] for w in part.text[1].tolist()),
        ),
        height=TEXT,
        name="blocks",
    )


def guidance(trace: Trace, words: Words) -> View:
    """What more guidance does: the wanted word's share, and how unlikely the text becomes."""
    part: Any = trace.part
    x = np.array(part.strength, dtype=float)
    name = words["weather"].split()[part.wanted]
    return curves(
        x,
        [
            Line(words["line_share"].format(word=name), part.share.numpy(), role="line:0"),
            Line(words["line_surprise"], part.surprise.numpy(), role="line:3"),
            Line(words["line_own"], np.full(len(x), part.own_surprise), role="line:3", quiet=True),
        ],
        x_axis=Axis(words["axis_guidance"], ticks=[(float(v), f"{v:g}") for v in x]),
        y_axis=Axis(words["axis_share_nats"], low=0),
        alt=words["alt_guidance"].format(
            word=name,
            values=", ".join(
                f"{v:g}: {a:.2f}, {b:.2f}"
                for v, a, b in zip(x, part.share.tolist(), part.surprise.tolist(), strict=True)
            ),
        ),
        height=FIGURE,
        name="guidance",
    )
