"""Pictures of a Vision Transformer: where every head looks, patches and their size, positions, features.

Every function takes a Trace of models/vit.py, or what its further functions found, and the page's words, and returns a
View with an alt text of its own numbers. Heat maps answer to the pointer: the patch under it is the one that looks.
Swin's windows and the table of ImageNet: viz/swin.py, viz/imagenet.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from viz.components.curves import Axis, Line, curves
from viz.components.kit import Scrub
from viz.components.patches import Panel, patches
from viz.components.scene import scene
from viz.view import View

if TYPE_CHECKING:
    from models.patch_embedding import Cut, Size
    from models.vit import Trace
    from models.vit_studies import Features

Words = Mapping[str, str]
MAIN, COMPOSER, FIGURE = 470, 470, 360  # heights in pixels
SHAPES = ("circle", "square", "triangle", "star", "heart", "ring")
LEARNED = 8  # patches along an edge of the pictures that the small model was trained on
NAMED = ("shape", "colour", "size", "usual_shape", "usual_colour", "usual_size")


def composer(text: str, rgb: Mapping[str, Sequence[float]], radius: Mapping[str, float], words: Words) -> View:
    """The scene, to be changed with the pointer. rgb, radius: of models/scenes.py."""
    n = text.count(";")
    return scene(
        text,
        shapes={name: words[f"shape_{name}"] for name in SHAPES},
        colours={name: (words[f"colour_{name}"], _css(value)) for name, value in rgb.items()},
        sizes={name: (words[f"size_{name}"], value) for name, value in radius.items()},
        alt=words["alt_composer"].format(n=n, ground=words[f"colour_{text.split(';')[0]}"]),
        height=COMPOSER,
        name="scene",
    )


def _css(rgb: Sequence[float]) -> str:
    return "#" + "".join(f"{round(255 * part):02x}" for part in rgb)


def original(trace: Trace, words: Words) -> View:
    """An uploaded picture, as the model sees it."""
    picture = trace.picture.numpy()
    return patches(
        [Panel(words["panel_own"], picture)],
        words={"cell": words["cell"]},
        side=trace.side,
        columns=1,
        alt=words["alt_own"].format(n=len(picture)),
        height=COMPOSER,
        name="picture",
    )


def sources(side: int, words: Words) -> list[str]:
    """The names of all tokens: [CLS], then the patches."""
    return [words["cls"], *(words["cell"].format(row=i + 1, column=j + 1) for i in range(side) for j in range(side))]


def board(trace: Trace, words: Words, layer: int, source: int) -> View:
    """The picture, and over it where each head looks, their mean, and the roll-out up to this layer."""
    n_layer, n_head = trace.attention.shape[:2]
    picture, n = trace.picture.numpy(), trace.side**2
    heat = trace.attention[..., 1:].float().numpy()
    flow = trace.rollout[..., 1:].float().numpy()
    mean = heat.mean(1)
    panels = [Panel(words["panel_picture"], picture)]
    panels += [Panel(words["panel_head"].format(n=h + 1), picture, heat=heat[:, h]) for h in range(n_head)]
    panels += [Panel(words["panel_mean"], picture, heat=mean), Panel(words["panel_flow"], picture, heat=flow)]
    place = _place(trace, source, words)
    top = mean[layer, source]
    return patches(
        panels,
        words={"cell": words["cell"]},
        side=trace.side,
        columns=4 if n_head == 4 else 5,
        sources=sources(trace.side, words),
        source=source,
        scrub=Scrub("layer", words["layer"], list(range(1, n_layer + 1)), layer),
        alt=words["alt_board"].format(
            n=n, heads=n_head, layer=layer + 1, layers=n_layer, place=place, top=float(top.max()),
            row=int(top.argmax()) // trace.side + 1, column=int(top.argmax()) % trace.side + 1,
        ),
        height=MAIN,
        name="attention",
    )  # fmt: skip


def _place(trace: Trace, source: int, words: Words) -> str:
    if not source:
        return words["cls"]
    return words["cell"].format(row=(source - 1) // trace.side + 1, column=(source - 1) % trace.side + 1)


def named(facts: Mapping[str, float | int | str], words: Words) -> dict[str, float | int | str]:
    """The facts with the names of shapes, colours and sizes in the visitor's language."""
    found = dict(facts)
    for name in NAMED:
        kind = name.removeprefix("usual_")
        found[name] = words[f"{kind}_{facts[name]}"] if facts[name] else ""
    return found


def captions(trace: Trace, source: int) -> list[str]:
    """Names of the captions below the picture, by what it shows."""
    said = ["tokens"]
    known = not trace.own and float(trace.thing.mean()) > 0
    said.append(("look_cls" if not source else "look_patch") if known else ("own_cls" if not source else "own_patch"))
    if trace.answer:
        said.append("answer" if not trace.shuffle and trace.positions else "disturbed")
    if trace.model == "small" and not trace.trained:
        said.append("untrained")
    if trace.answer and trace.own:
        said.append("stranger")
    return said


# --- patches ---------------------------------------------------------------------------------------------------------


def tiles(found: Cut, words: Words) -> View:
    """The picture's patches, pulled apart, and the mean colour of each."""
    size = found.size
    return patches(
        [
            Panel(words["panel_tiles"], found.picture.numpy()),
            Panel(words["panel_colour"], colour=found.mean.numpy()[None]),
        ],
        words={"cell": words["cell"]},
        side=size.side,
        columns=2,
        gap=0.12,
        alt=words["alt_tiles"].format(patch=size.patch, side=size.side, n=size.n_patch, number=size.n_number),
        height=FIGURE,
        name="patches",
    )


def sizes(found: Sequence[Size], patch: int, words: Words) -> View:
    """Tokens, numbers in a patch and pairs in attention against the patch size; the slider lies on the axis."""
    x = np.array([one.patch for one in found], float)
    index = min(range(len(x)), key=lambda i: abs(x[i] - patch))
    here = found[index]
    lines = [
        Line(words["line_token"], [one.n_token for one in found], role="line:0"),
        Line(words["line_number"], [one.n_number for one in found], role="line:1"),
        Line(words["line_pair"], [one.n_pair for one in found], role="line:2"),
    ]
    return curves(
        x,
        lines,
        x_axis=Axis(words["axis_patch"], log=True, ticks=[(p, str(p)) for p in (7, 14, 16, 28, 32, 56, 112)]),
        y_axis=Axis(words["axis_count"], log=True, kilo=1000),
        scrub=Scrub("patch", words["axis_patch"], [one.patch for one in found], index),
        on_axis=True,
        readout=[
            [
                words["readout_sizes"].format(
                    patch=one.patch, side=one.side, n=one.n_patch, token=one.n_token, number=one.n_number,
                    pair=one.n_pair, left=one.left_over,
                )
            ]
            for one in found
        ],
        alt=words["alt_sizes"].format(patch=here.patch, token=here.n_token, pair=here.n_pair),
        height=FIGURE,
        name="patch-sizes",
    )  # fmt: skip


# --- positions, heads, features --------------------------------------------------------------------------------------


def positions(similarity: np.ndarray, centred: np.ndarray, side: int, source: int, words: Words) -> View:
    """How like a position's embedding all others are; the second panel without the mean of all."""
    cell = source - 1 if 1 <= source <= side**2 else side * (side // 3) + side // 3
    return patches(
        [
            Panel(words["panel_position"], heat=similarity[None], signed=True, largest=1.0),
            Panel(words["panel_centred"], heat=centred[None], signed=True, largest=1.0),
        ],
        words={"cell": words["cell"], "hint": words["hint_alike"]},
        side=side,
        columns=2,
        source=cell,
        alt=words["alt_positions"].format(
            side=side,
            place=words["cell"].format(row=cell // side + 1, column=cell % side + 1),
            beside=float(similarity[cell, cell + 1 if (cell + 1) % side else cell - 1]),
            far=float(similarity[cell, -1]),
        ),
        height=FIGURE,
        name="positions",
    )


def grids(side: Sequence[int], accuracy: Mapping[str, Sequence[float]], size: int, words: Words) -> View:
    """Accuracy of the small model on larger and smaller pictures; the slider chooses the grid of the map beside it."""
    x = np.array(side, float)
    lines = [
        Line(words[f"line_{name}"], [100 * v for v in values], role=f"line:{i}")
        for i, (name, values) in enumerate(accuracy.items())
    ]
    index = min(range(len(x)), key=lambda i: abs(x[i] - size))
    return curves(
        x,
        lines,
        x_axis=Axis(words["axis_side"], ticks=[(s, str(s)) for s in side]),
        y_axis=Axis(words["axis_accuracy"], low=0, high=100),
        marks=[(LEARNED, words["learned"])],
        scrub=Scrub("side", words["axis_side"], list(side), index),
        on_axis=True,
        alt=words["alt_grids"].format(
            values=", ".join(f"{s}: {100 * v:.0f} %" for s, v in zip(side, accuracy["all"], strict=True))
        ),
        height=FIGURE,
        name="grids",
    )


def heads(trace: Trace, words: Words, source: int) -> View:
    """Every head of every layer at once: a row for each layer."""
    n_layer, n_head = trace.attention.shape[:2]
    heat = trace.attention[..., 1:].float().numpy()
    picture = trace.picture.numpy()
    return patches(
        [
            Panel(words["panel_layer_head"].format(layer=i + 1, head=h + 1), picture, heat=heat[i : i + 1, h])
            for i in range(n_layer)
            for h in range(n_head)
        ],
        words={"cell": words["cell"]},
        side=trace.side,
        columns=n_head,
        sources=sources(trace.side, words),
        source=source,
        readout=[words["readout_heads"]],
        alt=words["alt_heads"].format(
            n=n_layer * n_head, layers=n_layer, heads=n_head, place=_place(trace, source, words)
        ),
        height=60 + n_layer * (190 if n_head == 4 else 150),
        name="heads",
    )


def distances(trace: Trace, words: Words) -> View:
    """How far each head looks on average, layer by layer: a dot for each head."""
    found, even = trace.distance.numpy(), _even(trace.side) * trace.patch
    x = np.arange(1, len(found) + 1)
    n_head = found.shape[1]
    dots = Line(words["line_heads"], found.ravel(), x=x.repeat(n_head), role="line:0", form="dots")
    mean = Line(words["panel_mean"], found.mean(1), role="line:0", quiet=True)
    return curves(
        x,
        [dots, mean, Line(words["line_even"], np.full(len(x), even), quiet=True)],
        x_axis=Axis(words["layer"], ticks=[(int(i), str(i)) for i in x]),
        y_axis=Axis(words["axis_distance"]),
        alt=words["alt_distances"].format(
            first_low=found[0].min(), first_high=found[0].max(), last_low=found[-1].min(), last_high=found[-1].max(),
            layers=len(found), even=even,
        ),
        height=FIGURE - 40,
        name="distances",
    )  # fmt: skip


def _even(side: int) -> float:
    """Mean distance of two places of a grid, in places."""
    place = np.stack(np.meshgrid(np.arange(side), np.arange(side)), -1).reshape(-1, 2)
    return float(np.linalg.norm(place[:, None] - place, axis=-1).mean())


def features(found: Features, words: Words, source: int) -> View:
    """Above, patches coloured by their first three principal components, layer by layer; below, how like one patch all
    others are."""
    n, side = len(found.layer), found.side
    colour, like = found.colour.numpy(), found.similarity.float().numpy()
    titles = [words["panel_layer"].format(n=i) if i else words["panel_embedded"] for i in found.layer]
    panels = [
        Panel(title, colour=colour[k : k + 1], note=f"{float(found.explained[k].sum()):.0%}")
        for k, title in enumerate(titles)
    ]
    panels += [Panel(title, heat=like[k : k + 1], signed=True, largest=1.0) for k, title in enumerate(titles)]
    cell = source - 1 if source else side * (side // 3) + side // 3
    return patches(
        panels,
        words={"cell": words["cell"], "hint": words["hint_alike"]},
        side=side,
        columns=n,
        source=cell,
        alt=words["alt_features"].format(
            n=n, first=float(found.explained[0].sum()), last=float(found.explained[-1].sum())
        ),
        height=FIGURE + (80 if n <= 5 else 0),
        name="features",
    )


def thumbnail(trace: Trace) -> str:
    """The picture's patches, and beside it where [CLS] looks in the last layer."""
    side, cells = trace.side, []
    small = trace.picture.numpy().reshape(side, trace.patch, side, trace.patch, 3).mean((1, 3))
    heat = trace.attention[-1, :, 0, 1:].float().mean(0).numpy().reshape(side, side)
    heat = heat / max(float(heat.max()), 1e-9)
    step = 68 / side
    for i in range(side):
        for j in range(side):
            red, green, blue = (int(value) for value in small[i, j])
            x, y = 8 + j * step, 16 + i * step
            edge = f'width="{step - 1:.1f}" height="{step - 1:.1f}"'
            cells.append(f'<rect x="{x:.1f}" y="{y:.1f}" {edge} fill="#{red:02x}{green:02x}{blue:02x}"/>')
            looked = f'fill="#0b62a8" fill-opacity="{0.05 + 0.95 * heat[i, j]:.2f}"'
            cells.append(f'<rect x="{x + 76:.1f}" y="{y:.1f}" {edge} {looked}/>')
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 160 100">{"".join(cells)}</svg>'
