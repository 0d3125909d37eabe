"""Pictures of what convolutions know by birth: which places see a pixel, what a shift does, how many pictures it takes;
and of the masked autoencoder, at every mask ratio.

Every function takes what models/vision_studies.py or models/masked_autoencoder.py found, and the page's words, and
returns a View with an alt text of its own numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from viz.components.curves import Axis, Line, curves
from viz.components.kit import Scrub
from viz.components.patches import Panel, patches
from viz.components.pictures import Group, pictures
from viz.view import View

if TYPE_CHECKING:
    from models.masked_autoencoder import Painted
    from models.vision_studies import Hunger, Reach, Shift

Words = Mapping[str, str]
KINDS = ("cnn", "vit")
QUESTIONS = ("shape", "colour", "size", "all")  # rows of the Trace
FIGURE = 340  # height in pixels


def reach(found: Reach, words: Words, field: str, index: int = 0, image: np.ndarray | None = None) -> View:
    """Touch a patch: which of the 8 x 8 cells answer differently, in the CNN and in the ViT, layer after layer.

    `field`: the Config field that the scrubber drives, 1 to the number of layers; `image`: uint8, below the cells.
    """
    moved = found.moved.numpy()
    n_layer, side = moved.shape[1], round(moved.shape[-1] ** 0.5)
    share = found.share.tolist()
    panels = [
        Panel(
            words[f"panel_{kind}"],
            image=image,
            heat=moved[m],
            note=[
                words["note_reach"].format(
                    layer=words[f"{kind}_layer_{i + 1}"], share=share[m][i], field=int(found.field[m, i])
                )
                for i in range(n_layer)
            ],
        )
        for m, kind in enumerate(KINDS)
    ]
    return patches(
        panels,
        words={"cell": words["cell"], "hint": words["hint_reach"]},
        side=side,
        columns=2,
        scrub=Scrub(field, words["layer"], list(range(1, n_layer + 1)), index),
        alt=words["alt_reach"].format(
            layer=index + 1, cnn=share[0][index], vit=share[1][index], field=int(found.field[0, index])
        ),
        height=500,
        name="reach",
    )


def fields(found: Reach, words: Words) -> View:
    """The edge of what a place can see, by the formula and as measured, and of what matters to it."""
    n_layer = found.field.shape[1]
    layer = np.arange(1, n_layer + 1, dtype=float)
    lines = []
    for m, kind in enumerate(KINDS):
        role = f"line:{m}"
        lines.append(Line(words[f"line_field_{kind}"], found.field[m].numpy().astype(float), role=role))
        lines.append(Line(words[f"line_extent_{kind}"], found.extent[m].numpy().astype(float), role=role, form="dots"))
        lines.append(Line(words[f"line_effective_{kind}"], found.effective[m].numpy(), role=role, quiet=True))
    return curves(
        layer,
        lines,
        x_axis=Axis(words["layer"], ticks=[(float(i), f"{i:g}") for i in layer]),
        y_axis=Axis(words["axis_field"], low=0),
        alt=words["alt_fields"].format(
            cnn=", ".join(str(one) for one in found.field[0].tolist()),
            vit=", ".join(str(one) for one in found.field[1].tolist()),
            effective=float(found.effective[0, -1]),
        ),
        height=FIGURE,
        name="receptive-field",
    )


OPERATIONS = {  # in the order of the Trace: colour; "": not drawn, only said
    "convolution": "line:0",
    "average": "",
    "maximum": "",
    "stride": "line:3",
    "cnn": "",
    "patches": "line:2",
    "vit": "line:1",
}


def shift_error(found: Shift, words: Words, field: str, index: int = 0) -> View:
    """How far operations are from moving their answer along with the picture; all of them are said for the shift that
    the scrubber of `field` has chosen."""
    error = found.error.numpy()
    x = np.arange(error.shape[1], dtype=float)
    lines = [
        Line(words[f"line_{name}"], error[o], role=role) for o, (name, role) in enumerate(OPERATIONS.items()) if role
    ]
    readout = [
        [f"{s:g} px: " + "; ".join(f"{words[f'line_{name}']} {error[o, i]:.2f}" for o, name in enumerate(OPERATIONS))]
        for i, s in enumerate(x)
    ]
    said = "; ".join(
        f"{words[f'line_{name}']} {error[o, 1]:.2f}, {error[o, 4]:.2f}" for o, name in enumerate(OPERATIONS)
    )
    return curves(
        x,
        lines,
        x_axis=Axis(words["axis_shift"], ticks=[(float(s), f"{s:g}") for s in x]),
        y_axis=Axis(words["axis_error"], low=0),
        follow=field,
        index=index,
        cursor=x,
        readout=readout,
        alt=words["alt_shift_error"].format(values=said),
        height=FIGURE + 60,
        name="equivariance",
    )


def shift_class(found: Shift, shapes: Sequence[str], words: Words, field: str, index: int = 0) -> View:
    """The probability of what each model said at first, as the picture is pushed to the right, and how far the vector
    that its heads read has moved. `shapes`: the names of the six shapes, in the page's language."""
    probability = found.probability.numpy()
    x = np.arange(probability.shape[1], dtype=float)
    first = probability[:, 0].argmax(-1)
    lines, said = [], []
    for m, kind in enumerate(KINDS):
        name = words[f"line_class_{kind}"].format(shape=shapes[first[m]])
        lines.append(Line(name, probability[m, :, first[m]], role=f"line:{m}"))
        lines.append(Line(words[f"line_change_{kind}"], found.summary[m].numpy(), role=f"line:{m}", quiet=True))
        said.append(f"{name} {probability[m, :, first[m]].min():.0%} – {probability[m, :, first[m]].max():.0%}")
    readout = [
        [
            words["readout_shift"].format(
                shift=s,
                cnn=shapes[probability[0, s].argmax()],
                cnn_share=float(probability[0, s].max()),
                vit=shapes[probability[1, s].argmax()],
                vit_share=float(probability[1, s].max()),
            )
        ]
        for s in range(len(x))
    ]
    return curves(
        x,
        lines,
        x_axis=Axis(words["axis_shift"], ticks=[(float(s), f"{s:g}") for s in x]),
        y_axis=Axis(words["axis_class"], low=0, high=max(1.0, float(found.summary.max()))),
        scrub=Scrub(field, words["axis_shift"], [int(s) for s in x], index),
        on_axis=True,
        readout=readout,
        alt=words["alt_shift_class"].format(n=int(x[-1]), values="; ".join(said)),
        height=FIGURE,
        name="invariance",
    )


def shift_strip(found: Shift, words: Words) -> View:
    """The picture as it is pushed."""
    image = found.image.numpy()
    return pictures(
        [Group(words["group_shifted"], image, titles=[f"{s} px" for s in range(len(image))])],
        columns=len(image),
        alt=words["alt_shift_strip"].format(n=len(image) - 1),
        height=190,
        name="shifted",
    )


def hunger(found: Hunger, question: int, words: Words) -> View:
    """Accuracy against the number of pictures learned from; `question`: which row of the Trace."""
    x = np.array(found.n_picture, float)
    lines, said = [], []
    for m, kind in enumerate(KINDS):
        seen, held = 100 * found.seen[m, question].numpy(), 100 * found.held_out[m, question].numpy()
        lines.append(Line(words[f"line_seen_{kind}"], seen, role=f"line:{m}"))
        lines.append(Line(words[f"line_held_{kind}"], held, role=f"line:{m}", quiet=True))
        shares = ", ".join(f"{n:,.0f} {share:.0f} %" for n, share in zip(x, seen, strict=True))
        said.append(f"{words[f'panel_{kind}']}: {shares}")
    readout = [
        words["readout_hunger"].format(
            cnn=float(found.seen[0, question, -1]), vit=float(found.seen[1, question, -1]), n=int(x[-1])
        )
    ]
    return curves(
        x,
        lines,
        x_axis=Axis(words["axis_pictures"], log=True, ticks=[(n, f"{n:,.0f}") for n in x]),
        y_axis=Axis(words["axis_hunger"].format(question=words[f"line_{QUESTIONS[question]}"]), low=0, high=100),
        readout=[readout],
        alt=words["alt_hunger"].format(n=found.n_test, values="; ".join(said)),
        height=FIGURE + 40,
        name="data-hunger",
    )


def paint(found: Painted, percents: Sequence[int], words: Words, field: str, index: int = 6) -> View:
    """What the encoder sees, what the decoder makes of it, and where it is wrong, at every mask ratio.

    `field`: the Config field that the scrubber drives: one of `percents`, the mask ratios in per cent.
    """
    hidden, cell = found.hidden.numpy(), found.cell.numpy()
    n = hidden.shape[1]
    side = round(n**0.5)
    counts = [n - int(one.sum()) for one in hidden]
    error, plain = found.error.tolist(), found.plain.tolist()
    panels = [
        Panel(
            words["panel_visible"],
            image=found.image.numpy(),
            off=hidden,
            note=[words["note_visible"].format(n=count, total=n) for count in counts],
        ),
        Panel(
            words["panel_painted"],
            image=found.painted.numpy(),
            note=[words["note_painted"].format(error=a, plain=b) for a, b in zip(error, plain, strict=True)],
        ),
        Panel(
            words["panel_wrong"],
            heat=np.sqrt(cell)[:, None],
            largest=1.0,
            note=words["note_wrong"],
        ),
    ]
    return patches(
        panels,
        words={"cell": words["cell"]},
        side=side,
        columns=3,
        scrub=Scrub(field, words["ratio"], list(percents), index),
        alt=words["alt_paint"].format(
            ratio=percents[index], n=counts[index], total=n, error=error[index], plain=plain[index]
        ),
        height=440,
        name="masked-autoencoder",
    )
