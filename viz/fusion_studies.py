"""Further pictures of fusion: pictures written code by code, video, real systems, and what nobody outside knows.

Every function takes what models/fusion_codes.py, fusion_video.py or fusion_systems.py found and the page's words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from viz.components.curves import Axis, Line, curves
from viz.components.kit import Scrub
from viz.components.ledger import Group as Bars
from viz.components.ledger import Part, Row, ledger
from viz.components.pictures import Group, pictures
from viz.view import View

if TYPE_CHECKING:
    from models.fusion_codes import Written
    from models.fusion_systems import System
    from models.fusion_video import Video

Words = Mapping[str, str]
WRITTEN, CURVES, FILM, BARS = 430, 330, 180, 420
STYLE_COLOUR = {"late": 0, "cross": 1, "early": 2, "early-encoder": 3, "early-patch": 5}


def written(found: Written, done: int, words: Words) -> View:
    """Pictures of the caption, and continuations of the scene, uncovered in the order their codes were written."""
    n = len(found.chance)
    index = min(range(len(found.step)), key=lambda i: abs(found.step[i] - done))
    right = sum(all(one.values()) for one in found.verdict)
    marks = [("right" if all(one.values()) else "wrong") if one else "" for one in found.verdict]
    chance = found.chance.numpy()
    readout = [
        words["readout_written"].format(done=step, of=chance.shape[1], chance=float(chance[:, max(0, step - 1)].mean()))
        for step in found.step
    ]
    return pictures(
        [
            Group(words["group_written"], found.image.numpy(), titles=[str(i + 1) for i in range(n)], marks=marks),
            Group(words["group_rest"], found.rest.numpy(), titles=[str(i + 1) for i in range(n)]),
            Group(words["group_original"], found.original.numpy()[None], titles=[words["yours"]]),
        ],
        columns=[2, 2, 1],
        scrub=Scrub("written", words["codes_written"], found.step, index),
        readout=readout,
        alt=words["alt_written"].format(
            n=n, done=found.step[index], of=chance.shape[1], right=right, judged=len(found.verdict)
        ),
        height=WRITTEN,
        name="written",
    )


def video(found: Video, fps: int, words: Words) -> View:
    """Tokens of a clip against the frame rate, in each style."""
    i = found.fps.index(fps)
    lines = [
        Line(words["line_late"], np.array(found.late, float), role="line:0"),
        Line(words["line_pooled"].format(pool=found.pool), np.array(found.pooled, float), role="line:4", quiet=True),
        Line(words["line_cross"], np.array(found.cross, float), role="line:1"),
        Line(words["line_early"], np.array(found.early, float), role="line:2"),
        Line(words["line_context"], np.full(len(found.fps), 4096.0), role="line:7", quiet=True),
    ]
    readout = [
        [
            words["readout_video"].format(
                fps=rate, frames=found.frames[k], late=found.late[k], cross=found.cross[k],
                early=found.early[k], same=float(found.same[k]),
                averaged=words["readout_averaged"].format(pooled=found.pooled[k]) if found.pool > 1 else "",
            )
        ]
        for k, rate in enumerate(found.fps)
    ]  # fmt: skip
    return curves(
        np.array(found.fps, float),
        lines if found.pool > 1 else [lines[0], *lines[2:]],
        x_axis=Axis(words["axis_fps"]),
        y_axis=Axis(words["axis_token"], log=True),
        scrub=Scrub("fps", words["axis_fps"], list(found.fps), i),
        on_axis=True,
        readout=readout,
        alt=words["alt_video"].format(
            seconds=found.seconds,
            fps=fps,
            frames=found.frames[i],
            late=found.late[i],
            cross=found.cross[i],
            early=found.early[i],
        ),
        height=CURVES,
        name="video",
    )


def video_notes(found: Video) -> list[str]:
    """Names of the sentences below it: about averaging only where frames are averaged."""
    return ["note_video", "note_video_pooled"] if found.pool > 1 else ["note_video"]


def film(found: Video, fps: int, words: Words) -> View:
    """Some frames of the clip, as they are sampled."""
    i = found.fps.index(fps)
    return pictures(
        [Group(words["group_film"], found.image.numpy())],
        columns=found.image.shape[1],
        follow="fps",
        index=i,
        alt=words["alt_film"].format(n=found.image.shape[1], fps=fps, same=float(found.same[i])),
        height=FILM,
        name="film",
    )


def systems(every: Sequence[System], words: Words) -> View:
    """Tokens of one picture that the language model reads, in its sequence or beside it."""
    styles = [style for style in STYLE_COLOUR if any(one.style == style for one in every)]

    def row(one: System) -> Row:
        return Row(one.name, [one.n_token if one.style == style else 0 for style in styles])

    return ledger(
        [Part(words[f"kind_{style}"], STYLE_COLOUR[style], hatched=style == "cross") for style in styles],
        [Bars(words[f"kind_{style}"], [row(one) for one in every if one.style == style]) for style in styles],
        axis=words["axis_system"],
        alt=words["alt_systems"].format(values=", ".join(f"{one.name} {one.n_token:,}" for one in every)),
        height=BARS,
        name="systems",
    )  # fmt: skip


def _slug(name: str) -> str:
    """Llama 3.2 Vision 11B: llama_3_2_vision_11b."""
    return re.sub(r"\W+", "_", name.lower())


def system_table(every: Sequence[System], words: Words) -> dict[str, list[str]]:
    """{title: cells}."""
    return {
        words["column_system"]: [f"{one.name} ({one.year})" for one in every],
        words["column_style"]: [words[f"kind_{one.style}"] for one in every],
        words["column_encoder"]: [words["no_encoder"] if one.encoder == "none" else one.encoder for one in every],
        words["column_pixel"]: [f"{one.n_pixel} / {one.patch}" for one in every],
        words["column_adapter"]: [words[f"connects_{_slug(one.name)}"] for one in every],
        words["column_token"]: [f"{one.n_token:,}" for one in every],
        words["column_lm"]: [one.lm for one in every],
        words["column_source"]: [one.source + ("" if one.read else words["reported"]) for one in every],
    }


def unknown_table(rows: Sequence[str], words: Words) -> dict[str, list[str]]:
    """{title: cells}: what is public about two systems, and what is not."""
    return {
        words["column_question"]: [words[f"asked_{row}"] for row in rows],
        "GPT-4V": [words[f"gpt4v_{row}"] for row in rows],
        "Gemini 1.0": [words[f"gemini_{row}"] for row in rows],
        words["column_guess"]: [words[f"guess_{row}"] for row in rows],
    }


TABLES: Mapping[str, Any] = {"systems": system_table, "unknown": unknown_table}
