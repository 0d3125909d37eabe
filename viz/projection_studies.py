"""Further pictures of the chain: every question of a scene, patches switched off one by one, image tokens beside words
over training, which parts learn, and how often each projector is right.

Every function takes a study of models/projection_studies.py and the page's words, and returns a View (or the columns of
a table) with an alt text of its own numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from viz import projection_real
from viz.components.curves import Axis, Line, curves
from viz.components.kit import Scrub
from viz.components.ledger import Group, Part, Row, ledger
from viz.components.particles import Plane, particles
from viz.components.patches import Panel, patches
from viz.view import View

if TYPE_CHECKING:
    from models.projection_scores import Accuracy, Budget
    from models.projection_studies import Ablated, Answered, Growth, Stages
    from models.projection_systems import System

Words = Mapping[str, str]
THREE, PLANE, FIGURE, BARS, LEARN = 400, 560, 300, 340, 420  # heights in pixels
SIDE = 8
NETWORKS = ("encoder", "projector", "language_model")
KINDS = ("colour", "shape", "count", "relation")


def every(found: Sequence[Answered], words: Words, step: int = 0) -> dict[str, list[str]]:
    """{title: cells}: a row for each question."""
    return {
        words["column_kind"]: [words[f"kind_{one.kind}"] for one in found],
        words["column_question"]: [one.question for one in found],
        words["column_answer"]: [f"{one.answer} ({one.p:.0%})" for one in found],
        words["column_truth"]: [
            "?" if not one.truth else f"{'✓' if one.truth == one.answer else '✗'} {one.truth}" for one in found
        ],
    }


def ablated(found: Ablated, words: Words, step: int = 0) -> View:
    """Where the answer looked, and what it loses without each patch: its token gone, its pixels gone."""
    image = found.picture.numpy()
    names, signs = ("looked", "tokens_off", "pixels_off"), (False, True, True)
    maps = [found.looked.numpy(), found.tokens.numpy(), found.pixels.numpy()]
    most = max(float(np.abs(one).max()) for one in maps[1:])
    return patches(
        [
            Panel(
                words[f"panel_{name}"], image, heat=values[None, None], signed=signed,
                largest=most if signed and most > 0 else None, note=words[f"note_{name}"],
            )
            for name, values, signed in zip(names, maps, signs, strict=True)
        ],
        side=SIDE,
        columns=3,
        alt=words["alt_ablated"].format(
            answer=found.answer, look=float(maps[0].max()), tokens=float(maps[1].max()), pixels=float(maps[2].max())
        ),
        height=THREE,
        name="ablated",
    )  # fmt: skip


# --- image tokens beside words ---------------------------------------------------------------------------------------


def space(found: Growth, words: Words, step: int = 0) -> View:
    """Tokens of one picture and the words for colours and shapes in one plane, at every snapshot of the training."""
    points = np.concatenate([found.token.numpy(), found.word.numpy()], 1)
    things = [" " in what for what in found.covered]
    group = [*(1 if thing else 0 for thing in things), *(2 + i for i in found.language.tolist())]
    labels = [*(what.replace(" ", " ") for what in found.covered), *found.name]
    n = len(found.covered)
    low, high = points.reshape(-1, 2).min(0), points.reshape(-1, 2).max(0)
    edge = 0.06 * (high - low).max()
    index = min(step, len(found.step) - 1)
    return particles(
        [
            Plane(
                words["plane"].format(explained=found.explained), points, group=np.array(group), labels=labels,
                notes=[
                    words["note_plane"].format(
                        phase=phase, cosine=float(found.cosine[i]), gap=float(found.gap[i]), ratio=float(found.ratio[i])
                    )
                    for i, phase in enumerate(found.phase)
                ],
            )
        ],
        x=(float(low[0] - edge), float(high[0] + edge)),
        y=(float(low[1] - edge), float(high[1] + edge)),
        followed=followed(found),
        groups=[words[f"group_{name}"] for name in ("ground", "thing", "english", "chinese")],
        scrub=Scrub("step", words["step"], tuple(range(len(found.step))), index),
        alt=words["alt_space"].format(
            n=n, w=len(found.name), steps=found.step[-1], first=float(found.cosine[0]), last=float(found.cosine[-1]),
            gap_first=float(found.gap[0]), gap_last=float(found.gap[-1]),
        ),
        height=PLANE,
        name="space",
    )  # fmt: skip


def followed(found: Growth) -> list[int]:
    """A token in the middle of each of the first two things, and both languages' words for them: at most 8."""
    names = [what for what in dict.fromkeys(found.covered) if " " in what][:2]
    chosen = []
    for name in names:
        at = [i for i, what in enumerate(found.covered) if what == name]
        chosen.append(at[len(at) // 2])
    n = len(found.covered)
    asked = [part for name in names for part in name.split()]
    english = [i for i, word in enumerate(found.name) if word in asked and not int(found.language[i])]
    half = len(found.name) // 2
    return [*chosen, *(n + i for i in english), *(n + i + half for i in english)][:8]


def nearness(found: Growth, words: Words, step: int = 0) -> View:
    """Cosine of tokens to their nearest words, and how far apart both clouds are, over the training."""
    x = np.arange(len(found.step), dtype=float)
    index = min(step, len(x) - 1)
    turn = next((i for i, phase in enumerate(found.phase) if phase == 2), len(x) - 1)
    return curves(
        x,
        [
            Line(words["line_cosine"], found.cosine.numpy(), role="line:0"),
            Line(words["line_gap"], found.gap.numpy(), role="line:1"),
            Line(words["line_ratio"], found.ratio.numpy(), role="line:2"),
        ],
        x_axis=Axis(
            words["axis_step"], ticks=[(float(i), f"{step:,}") for i, step in enumerate(found.step) if i % 3 == 0]
        ),
        y_axis=Axis(words["axis_nearness"], log=True),
        marks=[(float(turn), words["mark_stage_2"])],
        cursor=x,
        follow="step",
        index=index,
        alt=words["alt_nearness"].format(first=float(found.cosine[0]), last=float(found.cosine[-1])),
        height=FIGURE,
        name="nearness",
    )


# --- who learns ------------------------------------------------------------------------------------------------------


def stages(found: Stages, words: Words, step: int = 0) -> View:
    """For each system and stage: what share of all parameters learns, what stands still (hatched)."""
    rows = []
    for k, name in enumerate(found.name):
        share = (100 * found.size[k] / found.size[k].sum()).tolist()
        for stage in (0, 1):
            values = [part for size, learns in zip(share, found.learns[k][stage], strict=True) for part in
                      ((size, 0.0) if learns else (0.0, size))]  # fmt: skip
            rows.append(Row(words["row_stage"].format(name=name or words["ours"], stage=stage + 1), values))
    parts = [
        Part(words[f"part_{name}" if learns else f"part_{name}_frozen"], colour, hatched=not learns)
        for name, colour in zip(NETWORKS, (0, 1, 2), strict=True)
        for learns in (True, False)
    ]
    size = found.size[0]
    return ledger(
        parts,
        [Group(words["group_stages"], rows)],
        axis=words["axis_stages"],
        unit="%",
        alt=words["alt_stages"].format(
            first=float(size[1] / size.sum()), second=float(size[1:].sum() / size.sum()),
            llava=float(found.size[2, 1] / found.size[2].sum()),
        ),
        height=LEARN,
        name="stages",
    )  # fmt: skip


def gradients(found: Stages, words: Words, step: int = 0) -> View:
    """Gradient norms of the parts that learned, over the training of the main projector."""
    norm = found.norm.numpy()
    turn = next((step for step, phase in zip(found.step, found.phase, strict=True) if phase == 2), found.step[-1])
    names = [(i, name) for i, name in enumerate(NETWORKS) if norm[:, i].any()]
    return curves(
        np.array(found.step, float),
        [
            Line(words[f"part_{name}"], np.where(norm[:, i] > 0, norm[:, i], np.nan), role=f"line:{i}")
            for i, name in names
        ],
        x_axis=Axis(words["axis_step"]),
        y_axis=Axis(words["axis_gradient"], log=True),
        marks=[(float(turn), words["mark_stage_2"])],
        alt=words["alt_gradients"].format(
            values="; ".join(f"{words[f'part_{name}']} {norm[0, i]:.2g}, {norm[-1, i]:.2g}" for i, name in names)
        ),
        height=FIGURE,
        name="gradients",
    )


# --- how often it is right -------------------------------------------------------------------------------------------


def kinds(found: Accuracy, words: Words, step: int = 0) -> View:
    """By kind of question: chance, blind, after each stage, and the language model reading words instead."""
    x = np.arange(len(found.kind), dtype=float)
    names = (
        ("chance", 7), ("blind", 6), ("aligned", 1), ("seen", 0), ("held_out", 2), ("reader", 4),
    )  # fmt: skip
    held = ", ".join(
        f"{words[f'kind_{kind}']} {one:.0%}" for kind, one in zip(found.kind, found.held_out.tolist(), strict=True)
    )
    blind = ", ".join(f"{one:.0%}" for one in found.blind.tolist())
    return curves(
        x,
        [Line(words[f"line_{name}"], 100 * getattr(found, name).numpy(), role=f"line:{role}", form="bars")
         for name, role in names],
        x_axis=Axis("", low=-0.5, high=len(x) - 0.5,
                    ticks=[(float(i), words[f"kind_{kind}"]) for i, kind in enumerate(found.kind)]),
        y_axis=Axis(words["axis_right"], low=0, high=100),
        alt=words["alt_kinds"].format(n=found.n_question, held=held, blind=blind),
        height=BARS,
        name="kinds",
    )  # fmt: skip


def languages(found: Accuracy, words: Words, step: int = 0) -> dict[str, list[str]]:
    """{title: cells}: held-out combinations, by language."""
    columns = {words["column_kind"]: [words[f"kind_{kind}"] for kind in found.kind]}
    for name in ("chance", "blind", "aligned", "seen", "held_out", "reader"):
        columns[words[f"line_{name}"]] = [f"{one:.1%}" for one in getattr(found, name).tolist()]
    for i, name in enumerate(("english", "chinese")):
        columns[words[f"column_{name}"]] = [f"{one:.1%}" for one in found.language[i].tolist()]
    return columns


def budget(found: Budget, words: Words, step: int = 0) -> View:
    """Right answers against the number of image tokens, one line per kind of projector."""
    families: dict[str, list[int]] = {}
    for i, name in enumerate(found.name):
        families.setdefault(name.split("-")[0], []).append(i)
    families["pool"] = [*families.get("pool", []), *families.get("mlp", [])]
    counts = sorted(set(found.n_token))
    mean = 100 * found.mean.numpy()
    lines = []
    for k, family in enumerate(("qformer", "pool", "linear")):
        at = sorted(families.get(family, []), key=lambda i: found.n_token[i])
        if at:
            lines.append(
                Line(words[f"family_{family}"], mean[at], x=[found.n_token[i] for i in at], role=f"line:{k}",
                     form="line" if len(at) > 1 else "dots")
            )  # fmt: skip
    blind = 100 * float(found.blind.mean())
    lines.append(Line(words["line_blind"], [blind, blind], x=[counts[0], counts[-1]], quiet=True))
    return curves(
        np.array(counts, float),
        lines,
        x_axis=Axis(words["axis_tokens"], log=True, ticks=[(float(n), str(n)) for n in counts]),
        y_axis=Axis(words["axis_right"], low=0, high=100),
        alt=words["alt_budget"].format(
            values=", ".join(f"{name} {share:.0f} %" for name, share in zip(found.name, mean, strict=True)), blind=blind
        ),
        height=BARS,
        name="token-count",
    )


def projectors(found: Budget, words: Words, step: int = 0) -> dict[str, list[str]]:
    """{title: cells}: a row for each projector."""
    columns = {
        words["column_projector"]: list(found.name),
        words["column_tokens"]: [str(n) for n in found.n_token],
        words["column_parameters"]: [f"{n:,}" for n in found.n_param],
    }
    for i, kind in enumerate(KINDS):
        columns[words[f"kind_{kind}"]] = [f"{share:.0%}" for share in found.share[:, i].tolist()]
    return columns


def systems(found: Sequence[System], words: Words, step: int = 0) -> dict[str, list[str]]:
    """{title: cells}: a row for each system."""
    return {
        words["column_system"]: [one.name or words["ours"] for one in found],
        words["column_picture"]: [f"{one.n_pixel} × {one.n_pixel}" for one in found],
        words["column_features"]: [f"{one.n_patch} × {one.d_feature}" for one in found],
        words["column_bridge"]: [
            f"{words[f'projector_{one.projector}']}, {_count(one.bridge, words)}" for one in found
        ],
        words["column_image_tokens"]: [f"{one.n_token} × {one.d_model}" for one in found],
        words["column_encoder"]: [_count(one.encoder, words) for one in found],
        words["column_language"]: [_count(one.language, words) for one in found],
    }


def context(found: Sequence[System], words: Words, step: int = 0) -> View:
    """What one picture takes of a context of 4096 tokens."""
    rows = [Row(one.name or words["ours"], [one.n_token]) for one in found]
    return ledger(
        [Part(words["part_image_tokens"], 1)],
        [Group(words["group_context"], rows)],
        axis=words["axis_context"],
        alt=words["alt_context"].format(
            values=", ".join(f"{one.name or words['ours']} {one.n_token}" for one in found)
        ),
        height=250,
        name="context",
    )


def _count(parameter: int, words: Words) -> str:
    if parameter >= 1e9:
        return words["billions"].format(n=parameter / 1e9)
    return (
        words["millions"].format(n=parameter / 1e6)
        if parameter >= 1e6
        else words["thousands"].format(n=parameter / 1e3)
    )


# What the page shows under each name of its gallery: studies, and of each its tables and figures, in order. The last
# argument of each is the snapshot shown (of "real": the depth).
SHOWN: dict[str, dict[str, list[Callable[..., Any]]]] = {
    "every": {"every": [every]},
    "ablated": {"ablated": [ablated]},
    "growth": {"growth": [space, nearness]},
    "kinds": {"kinds": [kinds, languages]},
    "budget": {"budget": [budget, projectors]},
    "stages": {"stages": [stages, gradients]},
    "systems": {"systems": [systems, context]},
    "real": {"measured": [projection_real.measured], "real": [projection_real.chain, projection_real.guesses]},
}
