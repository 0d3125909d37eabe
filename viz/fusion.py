"""Pictures of fusion: one prompt in three models, their masks, and a picture's codes.

Every function takes a Trace of models/fusion.py, or what models/fusion_codes.py found, and the page's words, and
returns a View with an alt text of its own numbers. Studies and real systems: viz/fusion_studies.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from viz.components.matrix import Panel as Matrix
from viz.components.matrix import Stage as Step
from viz.components.matrix import inspector
from viz.components.patches import Panel, patches
from viz.components.scene import scene as composer
from viz.components.schematic import WORDS, Box, Layer, Number, Piece, schematic
from viz.components.schematic import Lane as Column
from viz.view import View

if TYPE_CHECKING:
    from models.fusion import Lane, Segment, Trace
    from models.fusion_codes import Codes

Words = Mapping[str, str]
MAIN, FIGURE, BOOK = 470, 360, 400  # heights in pixels
ROLES = {
    "encoder": "frozen",
    "vq": "frozen",
    "projector": "trained",
    "resampler": "trained",
    "gated": "trained",
    "nearest": "table",
    "rows": "table",
}
COUNTS = ("length", "cache", "pairs", "param")
BOOK_SIDE = 16


def board(trace: Trace, words: Words) -> View:
    """The three models on the prompt, side by side."""
    largest = {name: max(_number(lane, name) for lane in trace.lanes) for name in COUNTS}
    return schematic(
        trace.image.numpy(),
        [_column(trace, lane, largest, words) for lane in trace.lanes],
        words={name: words[f"board_{name}"] for name in WORDS},
        alt=words["alt_board"].format(
            pictures=trace.n_picture,
            words=len(trace.words),
            values="; ".join(
                words["alt_lane"].format(
                    name=words[f"style_{lane.style}"], length=lane.length, cache=lane.cache, n=lane.n_per_picture
                )
                for lane in trace.lanes
            ),
        ),
        height=MAIN + 85 * max(0, trace.n_picture - 2) + 14 * trace.n_picture * (trace.lanes[0].side > 8),
        name="fusion",
    )


def _number(lane: Lane, name: str) -> int:
    return lane.n_image_param if name == "param" else getattr(lane, name)


def _column(trace: Trace, lane: Lane, largest: Mapping[str, int], words: Words) -> Column:
    gated = trace.gated if lane.style == "cross" else (False,) * len(trace.gated)
    opening = float(np.tanh(trace.gate))
    layers = []
    for i, has in enumerate(gated):
        if has:
            layers.append(Layer(words["layer_gated"].format(open=opening), opening))
        layers.append(Layer(words["layer"].format(n=i + 1)))
    return Column(
        title=words[f"style_{lane.style}"],
        note=words[f"like_{lane.style}"],
        boxes=[
            Box(words[f"stage_{one.name}"], words[f"shape_{one.name}"].format(*one.shape), ROLES[one.name])
            for one in lane.stages
        ],
        pieces=[_piece(one, lane, trace, words) for one in lane.segments],
        beside=[_beside(one, words) for one in lane.memory],
        layers=layers,
        numbers=[
            Number(words[f"count_{name}"], f"{_number(lane, name):,}", _number(lane, name) / largest[name])
            for name in COUNTS
        ],
        colours=lane.colour.numpy() if lane.side else None,
        side=lane.side,
    )


def _piece(one: Segment, lane: Lane, trace: Trace, words: Words) -> Piece:
    """What it sees is read off the masks: everything before it, and the latents that its row allows."""
    reads: list[int] = []
    if lane.memory:
        row = lane.sees[one.start]
        reads = [k for k, memory in enumerate(lane.memory) if bool(row[memory.start : memory.start + memory.n].any())]
    said = words[f"said_{one.kind}"].format(
        text=_text(one, words), picture=one.picture + 1, n=one.n, start=one.start + 1, end=one.start + one.n,
        length=lane.length, before=one.start,
    )  # fmt: skip
    if lane.memory:
        said += " " + (
            words["said_reads"].format(n=lane.memory[reads[0]].n, picture=reads[0] + 1)
            if reads
            else words["said_reads_none"]
        )
    return Piece(one.kind, _text(one, words), one.picture, one.start, one.n, said, reads)


def _text(one: Segment, words: Words) -> str:
    return words["mark_image"].format(n=one.picture + 1) if one.text == "<image>" else one.text


def _beside(one: Segment, words: Words) -> Piece:
    said = words["said_latents"].format(picture=one.picture + 1, n=one.n)
    return Piece("picture", "", one.picture, one.start, one.n, said)


def mask(trace: Trace, words: Words) -> View:
    """Who may look at whom, piece by piece: in one sequence, and with the pictures beside it."""
    late, cross = trace.lanes[0], trace.lanes[1]
    whole = [_name(one, words) for one in late.segments]
    words_only = [_name(one, words) for one in cross.segments]
    memory = [words["latents_of"].format(n=one.picture + 1) for one in cross.memory]
    causal = np.tril(np.ones((len(whole), len(whole)), bool))
    sees = np.zeros((len(words_only), len(memory) + len(words_only)), bool)
    sees[:, len(memory) :] = np.tril(np.ones((len(words_only), len(words_only)), bool))
    for k, one in enumerate(cross.memory):
        sees[:, k] = cross.sees[:, one.start : one.start + one.n].any(1).numpy()
    sees_it, blind = words["mask_sees"], words["mask_blind"]
    alone = Step(words["mask_stage"], causal, "mask", sees_it, blind)
    beside = Step(words["mask_stage"], sees, "mask", sees_it, blind, rows=words_only, cols=[*memory, *words_only])
    return inspector(
        [Matrix(words["mask_one"], [alone]), Matrix(words["mask_two"], [beside])],
        whole,
        whole,
        alt=words["alt_mask"].format(
            n=len(whole), one=int(causal.sum()), m=len(words_only), columns=sees.shape[1], two=int(sees.sum())
        ),
        words={"rows": words["mask_rows"], "cols": words["mask_cols"], "hint": words["mask_hint"]},
        height=560,
        name="masks",
    )


def _name(one: Segment, words: Words) -> str:
    return words["picture_n"].format(n=one.picture + 1) if one.kind == "picture" else _text(one, words)


# --- codes -----------------------------------------------------------------------------------------------------------


def compose(
    text: str, shapes: Sequence[str], inks: Mapping[str, tuple[float, ...]], radii: Mapping[str, float], words: Words
) -> View:
    """The visitor's scene. inks: red, green, blue, 0 to 1, by the colour's name; radii: in edges, by size."""
    css = {name: "#" + "".join(f"{round(255 * part):02x}" for part in rgb) for name, rgb in inks.items()}
    return composer(
        text,
        shapes={name: words[f"s_{name}"] for name in shapes},
        colours={name: (words[f"c_{name}"], css[name]) for name in inks},
        sizes={name: (words[f"z_{name}"], radius) for name, radius in radii.items()},
        alt=words["alt_compose"].format(n=text.count(";")),
        height=BOOK,
        name="scene",
    )


def codes(found: Codes, words: Words) -> View:
    """The picture, its codes in their colours, what the decoder makes of them, and which places one code decides."""
    side = found.code.shape[0]
    flat = found.code.flatten().tolist()
    texts = [words["code_at"].format(code=code, row=i // side + 1, column=i % side + 1) for i, code in enumerate(flat)]
    heat = np.concatenate([found.error.numpy()[None], found.reach.numpy()])
    return patches(
        [
            Panel(words["panel_picture"], image=found.image.numpy()),
            Panel(words["panel_codes"], colour=found.ink.numpy()[None], texts=texts,
                  note=words["note_codes"].format(used=found.n_used, n=len(flat))),
            Panel(words["panel_again"], image=found.again.numpy(),
                  note=words["note_again"].format(bits=found.bits, raw=found.raw_bits)),
            Panel(words["panel_reach"], heat=heat[None], note=words["note_error"].format(error=found.rmse)),
        ],
        side=side,
        columns=4,
        sources=[words["source_error"], *texts],
        source=found.place + 1,
        alt=words["alt_codes"].format(
            n=len(flat), used=found.n_used, error=found.rmse, reach=float((found.reach > 2).sum(1).float().mean())
        ),
        words={"hint": words["hint_codes"], "hint_read": words["hint_codes_kept"]},
        height=FIGURE,
        name="codes",
    )  # fmt: skip


def place_of(row: int) -> int:
    """The place that a click on the codes chose, -1 for none."""
    return int(row) - 1


def codebook(found: Codes, words: Words) -> View:
    """All codes in the colour they paint when a picture consists of nothing else; how far the others are from one."""
    n = len(found.book)
    texts = [words["code_n"].format(code=k) for k in found.order.tolist()]
    used = int(found.code.unique().numel())
    heat = np.concatenate([found.distance.mean(0, keepdim=True).numpy(), found.distance.numpy()])
    source = found.order.tolist().index(found.changed_to) + 1 if found.changed_to >= 0 else 0
    return patches(
        [
            Panel(
                words["panel_book"],
                colour=found.book.numpy()[None],
                texts=texts,
                note=words["note_book"].format(n=used),
            ),
            Panel(words["panel_distance"], heat=heat[None], texts=texts, note=words["note_distance"]),
        ],
        side=BOOK_SIDE,
        columns=2,
        sources=[words["source_mean"], *texts],
        source=source,
        alt=words["alt_book"].format(n=n, used=used, distance=float(found.distance.mean())),
        words={"hint": words["hint_book"], "hint_read": words["hint_book_kept"]},
        height=BOOK,
        name="codebook",
    )


def code_of(row: int, found: Codes) -> int:
    """The code that a click on the codebook chose, -1 for none."""
    return int(found.order[int(row) - 1]) if row > 0 else -1


def captions(trace: Trace) -> Sequence[str]:
    """Names of the captions below the schematic."""
    found = ["lengths", "cost"]
    if trace.unknown:
        found.insert(0, "unknown")
    if trace.n_cut:
        found.insert(0, "cut")
    found.append("gate_shut" if trace.gate == 0 else "gate_open")
    return found


def thumbnail(trace: Trace) -> str:
    """Three sequences as strips: words grey, picture tokens in their colours."""
    rects = []
    for row, lane in enumerate(trace.lanes):
        y, x = 14 + 30 * row, 6.0
        scale = 148 / max(one.length for one in trace.lanes)
        for one in lane.segments:
            wide = max(1.2, one.n * scale)
            colour = "#8a8f98"
            if one.kind == "picture" and lane.side:
                mean = lane.colour[one.picture].float().mean(0).round().int().tolist()
                colour = "#" + "".join(f"{value:02x}" for value in mean)
            elif one.kind != "word":
                colour = "#B04600"
            rects.append(f'<rect x="{x:.1f}" y="{y}" width="{wide:.1f}" height="18" fill="{colour}"/>')
            x += wide
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 160 100">{"".join(rects)}</svg>'
