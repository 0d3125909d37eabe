"""Pictures of Swin: grids and windows of its stages, how far one token sees after every block, and what it costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from viz import palette
from viz.components.curves import Axis, Line, curves
from viz.components.kit import Scrub
from viz.components.patches import Panel, patches
from viz.components.pictures import Group, pictures
from viz.view import View

if TYPE_CHECKING:
    from models.swin import Stage

Words = Mapping[str, str]
FIGURE = 380
SIDE = 168  # pixels of the pictures of grids
LINE = (26, 29, 33)


def stages(picture: np.ndarray, plan: Sequence[Stage], stage: int, words: Words) -> View:
    """What each stage's tokens are (means of the picture), with the windows of even and of odd blocks."""
    frames = [[_grid(picture, one.side, one.window, shift) for shift in (None, 0, one.shift)] for one in plan]
    images = np.stack([np.stack(frame) for frame in frames])
    notes = [
        [
            words["note_tokens"].format(side=one.side, width=one.d_model, head=one.n_head),
            words["note_windows"].format(n=one.n_window, window=one.window),
            words["note_shifted"].format(shift=one.shift) if one.shift else words["note_no_shift"],
        ]
        for one in plan
    ]
    here = plan[stage - 1]
    return pictures(
        [
            Group(
                words["group_stages"],
                images,
                titles=[words["title_tokens"], words["title_windows"], words["title_shifted"]],
                notes=notes,
            )
        ],
        columns=3,
        words={"hint": words["hint_stages"], "film": words["film_stages"]},
        scrub=Scrub("swin_stage", words["swin_stage"], list(range(1, len(plan) + 1)), stage - 1),
        alt=words["alt_stages"].format(
            stage=stage, side=here.side, n=here.n_window, window=here.window, shift=here.shift, width=here.d_model
        ),
        height=FIGURE + 20,
        name="swin-stages",
    )


def _grid(picture: np.ndarray, side: int, window: int, shift: int | None) -> np.ndarray:
    """The picture in side x side cells; with a shift the windows are tinted and outlined."""
    cell = SIDE // side
    means = picture.reshape(side, len(picture) // side, side, -1, 3).mean((1, 3))
    image = means.repeat(cell, 0).repeat(cell, 1)
    if shift is None:
        image[::cell] = 0.75 * image[::cell] + 0.25 * np.array(LINE)
        image[:, ::cell] = 0.75 * image[:, ::cell] + 0.25 * np.array(LINE)
        return image.astype(np.uint8)
    tints = np.array([[int(one[i : i + 2], 16) for i in (1, 3, 5)] for one in palette.experts()], float)
    place = np.arange(side)
    # Pieces that share a window after the roll, but are no neighbours, may not see each other: each has its own tint.
    part = (place + (window - shift)) // window if shift else place // window
    number = (3 * part[:, None] + part) % len(tints)
    tint = tints[number].repeat(cell, 0).repeat(cell, 1)
    image = 0.62 * image + 0.38 * tint
    edges = np.flatnonzero(np.diff(part)) * cell + cell
    for edge in edges:
        image[edge - 1 : edge + 1] = LINE
        image[:, edge - 1 : edge + 1] = LINE
    return image.astype(np.uint8)


def reach(found: np.ndarray, windows: np.ndarray, block: int, words: Words) -> View:
    """found: (l, n, n), which token depends on which after every block; windows: (2, n), the windows of even and odd
    blocks."""
    n_block, n, _ = found.shape
    side = round(n**0.5)
    tints = np.array([[int(one[i : i + 2], 16) for i in (1, 3, 5)] for one in palette.experts()], np.uint8)
    colour = np.stack([tints[windows[i % 2] % len(tints)] for i in range(n_block)])
    middle = (side // 2 - 1) * side + side // 2 - 1
    counts = [int(one[middle].sum()) for one in found]
    return patches(
        [
            Panel(words["panel_windows"], colour=colour),
            Panel(words["panel_reach"], heat=found.astype(np.float32), largest=1.0),
        ],
        words={"cell": words["cell"], "hint": words["hint_tokens"]},
        side=side,
        columns=2,
        source=middle,
        scrub=Scrub("swin_block", words["swin_block"], list(range(1, n_block + 1)), block - 1),
        readout=[words["readout_reach"].format(block=i + 1, seen=count, n=n) for i, count in enumerate(counts)],
        alt=words["alt_swin_reach"].format(
            values=", ".join(f"{i + 1}: {count}" for i, count in enumerate(counts)), n=n
        ),
        height=FIGURE + 40,
        name="swin-reach",
    )


def cost(pixels: Sequence[int], swin: Sequence[int], whole: Sequence[int], here: int, words: Words) -> View:
    """Multiply-adds against the picture's size, with windows and without."""
    index = min(range(len(pixels)), key=lambda i: abs(pixels[i] - here))
    return curves(
        np.array(pixels, float),
        [
            Line(words["line_windows"], np.array(swin) / 1e9, role="line:0"),
            Line(words["line_whole"], np.array(whole) / 1e9, role="line:1"),
        ],
        x_axis=Axis(words["axis_pixels"], log=True, ticks=[(p, f"{p:,}") for p in (112, 224, 448, 896, 1344)]),
        y_axis=Axis(words["axis_cost"], log=True),
        scrub=Scrub("resolution", words["axis_pixels"], list(pixels), index),
        on_axis=True,
        readout=[
            [words["readout_cost"].format(pixel=p, swin=a / 1e9, whole=b / 1e9, times=b / a)]
            for p, a, b in zip(pixels, swin, whole, strict=True)
        ],
        alt=words["alt_cost"].format(pixel=pixels[index], swin=swin[index] / 1e9, whole=whole[index] / 1e9),
        height=FIGURE - 40,
        name="swin-cost",
    )
