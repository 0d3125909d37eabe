"""Pictures of latent diffusion: every step of every picture, what the network looks at, its parts, and measurements.

Every function takes a Trace of models/latent_diffusion.py, or what models/latent_measures.py and latent_sizes.py found,
and the page's words, and returns a View or a figure with an alt text of its own numbers. The scrubber below the
pictures plays all steps in the browser.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from viz import palette
from viz.components.curves import Axis, Line, curves
from viz.components.kit import Scrub
from viz.components.ledger import Group as Bars
from viz.components.ledger import Part, Row, ledger
from viz.components.matrix import Panel, Stage, inspector
from viz.components.pictures import Group, Heat, pictures
from viz.plots import finish
from viz.view import View

if TYPE_CHECKING:
    from models.latent_diffusion import Trace
    from models.latent_measures import Combinations, Reconstruction, Sweep
    from models.latent_sizes import Size
    from models.latent_sizes import Stage as Station

Words = Mapping[str, str]
MAIN, SMALLER, FIGURE = 575, 490, 360  # heights in pixels
COLUMNS = {1: 1, 4: 2, 9: 3, 16: 8}
BETWEEN = 9
FAR = 3.0  # the colour scale of latents ends here, on both sides


def board(trace: Trace, words: Words, step: int, chosen: int = 0, word: int = -1) -> View:
    """The picture that every step predicts, of all pictures; over it where the word is looked at. Of the chosen one
    also what the network sees and its latent, both as it is and as predicted; and a start picture."""
    n, p = trace.image.shape[:2]
    one = min(chosen, p - 1)
    between = trace.mode in ("seeds", "captions")
    latent = np.concatenate([coloured(x[:, one].numpy()) for x in (trace.latent, trace.clean)], axis=1)
    c = trace.latent.shape[2]
    groups = [
        Group(
            words["group_picture"],
            trace.image.numpy(),
            titles=[f"{share:.0%}" for share in trace.share] if between else [str(i + 1) for i in range(p)],
            marks=[_mark(verdict) for verdict in trace.verdict],
        ),
        Group(
            words["group_noisy"],
            trace.noisy[:, one : one + 1].numpy(),
            titles=[str(one + 1)],
            notes=[[words["level"].format(level=t)] for t in trace.t],
        ),
        Group(
            words["group_latent"],
            latent,
            titles=[words[name].format(n=i + 1) for name in ("channel", "predicted") for i in range(c)],
        ),
    ]
    columns = [BETWEEN if between else COLUMNS[p], 1, 2 * c if between else c]
    if between:  # two rows of pictures; what the network sees at the ends is another matter
        del groups[1], columns[1]
    if len(trace.start):
        groups.insert(1, Group(words["group_start"], trace.start.numpy(), titles=[words["drawn"], words["again"]]))
        columns.insert(1, 1)
    judged = [all(verdict.values()) for verdict in trace.verdict if verdict]
    return pictures(
        groups,
        columns=columns,
        heat=Heat(_labels(trace, words), trace.attention.numpy()) if trace.n_taken else None,
        word=_word(trace, word),
        chosen=one,
        scrub=Scrub("step", words["step"], trace.step, step) if n > 1 else None,
        alt=words["alt_board"].format(
            n=p, step=trace.step[step], steps=trace.n_taken, level=trace.t[step], right=sum(judged), judged=len(judged),
            picture=one + 1, noisy=float(trace.latent[step, one].std()), clean=float(trace.clean[step, one].std()),
        ),
        height=SMALLER if p == 16 or trace.mode in ("captions", "picture") else MAIN,
        name="pictures",
    )  # fmt: skip


def _word(trace: Trace, word: int) -> int | None:
    return word if 0 <= word < len(trace.word) and trace.n_taken else None


def _labels(trace: Trace, words: Words) -> list[str]:
    """The words, the two marks that frame a caption in plain language."""
    named = {"<start>": words["word_start"], "<end>": words["word_end"]}
    return [named.get(word, word) for word in trace.word]


def _mark(verdict: Mapping[str, bool]) -> str:
    return "" if not verdict else "right" if all(verdict.values()) else "wrong"


def coloured(values: np.ndarray) -> np.ndarray:
    """Values on the signed scale, -FAR to FAR, as pictures: (...,) to (..., 3)."""
    stops = np.array([[int(stop[i : i + 2], 16) for i in (1, 3, 5)] for stop in palette.palette()["signed"]], float)
    place = (np.clip(values, -FAR, FAR) + FAR) / (2 * FAR) * (len(stops) - 1)
    low = np.clip(np.floor(place).astype(int), 0, len(stops) - 2)
    part = (place - low)[..., None]
    return np.round((1 - part) * stops[low] + part * stops[low + 1]).astype(np.uint8)


# --- further figures -------------------------------------------------------------------------------------------------


def parts(real: Sequence[Station], ours: Sequence[Station], words: Words) -> go.Figure:
    """Both pipelines from the caption to the picture, side by side: what flows, and what it flows through."""
    figure, high = go.Figure(), len(real)
    for column, (title, stages) in enumerate(((words["real"], real), (words["ours"], ours))):
        colour = palette.experts()[2 * column]
        middle = column + 0.5
        figure.add_annotation(x=middle, y=high - 0.1, text=f"<b>{title}</b>", showarrow=False, font={"size": 15})
        for i, stage in enumerate(stages):
            y = high - 1 - i
            name = words[f"stage_{stage.name}"]
            if not stage.parameter:
                figure.add_annotation(x=middle, y=y, text=f"{name}  <b>{stage.shape}</b>", showarrow=False)
                continue
            edge = {"type": "rect", "x0": column + 0.04, "x1": column + 0.96, "y0": y - 0.42, "y1": y + 0.42}
            line = {"color": colour, "width": 1.5, "dash": "solid" if stage.used else "dot"}
            if stage.used:
                figure.add_shape(**edge, fillcolor=colour, opacity=0.18, line={"width": 0}, layer="below")
            figure.add_shape(**edge, line=line)
            text = f"<b>{name}</b><br>{_count(stage.parameter, words)}"
            figure.add_annotation(x=middle, y=y, text=text, showarrow=False, font={"size": 13})
    figure.update_xaxes(visible=False, range=[0, 2], fixedrange=True)
    figure.update_yaxes(visible=False, range=[-0.5, high + 0.2], fixedrange=True)
    said = "; ".join(
        f"{title}: "
        + ", ".join(f"{words[f'stage_{one.name}']} {_count(one.parameter, words)}" for one in stages if one.parameter)
        for title, stages in ((words["real"], real), (words["ours"], ours))
    )
    margin = {"l": 8, "r": 8, "t": 8, "b": 8}
    return finish(figure, words["alt_parts"].format(values=said), 56 * (high + 1), margin=margin)


def _count(parameter: int, words: Words) -> str:
    name, size = ("millions", 1e6) if parameter >= 1e6 else ("thousands", 1e3)
    return words[name].format(n=parameter / size)


def sizes(resolutions: Sequence[int], rows: Sequence[tuple[Size, Size]], resolution: int, words: Words) -> View:
    """Positions, values and pairs of attention, in pixels and in the latent, against the picture's size."""
    x = np.array(resolutions, float)
    names = ("position", "value", "pair")
    lines = []
    for i, name in enumerate(names):
        for k, where in enumerate(("pixel", "latent")):
            y = [float(getattr(row[k], name)) for row in rows]
            lines.append(Line(words[f"line_{name}_{where}"], y, role=f"line:{i}", quiet=bool(k)))
    index = min(range(len(x)), key=lambda i: abs(x[i] - resolution))
    readout = [
        [
            words["readout_sizes"].format(
                size=int(size),
                side=int(size) // 8,
                position=a.position / b.position,
                value=a.value / b.value,
                pair=a.pair / b.pair,
            )
        ]
        for size, (a, b) in zip(x, rows, strict=True)
    ]
    a, b = rows[index]
    return curves(
        x,
        lines,
        x_axis=Axis(words["axis_resolution"], log=True, ticks=[(float(size), f"{size:g}") for size in x]),
        y_axis=Axis(words["axis_count"], log=True),
        scrub=Scrub("resolution", words["axis_resolution"], [int(size) for size in x], index),
        on_axis=True,
        readout=readout,
        alt=words["alt_sizes"].format(
            size=int(x[index]), pixel=a.position, latent=b.position, pairs=a.pair, latent_pairs=b.pair
        ),
        height=FIGURE + 60,
        name="sizes",
    )


def vae(found: Reconstruction, words: Words) -> View:
    """Scenes, what the decoder makes of their latents, and the channels of the latents: a column for each scene."""
    n, c = found.latent.shape[:2]
    enlarge = found.original.shape[1] // found.latent.shape[-1]
    latent = coloured(found.latent.transpose(0, 1).flatten(0, 1).numpy()).repeat(enlarge, 1).repeat(enlarge, 2)
    image = np.concatenate([found.original.numpy(), found.again.numpy(), latent])
    error = [f"±{error:.1f}" for error in found.error.tolist()]
    return pictures(
        [
            Group(
                words["group_vae"],
                image,
                notes=[*[""] * n, *error, *[""] * (c * n)],
            )
        ],
        columns=n,
        alt=words["alt_vae"].format(
            n=n, low=float(found.error.min()), high=float(found.error.max()), signal=found.signal
        ),
        height=640,
        name="autoencoder",
    )


def guidances(found: Sweep, guidance: float, words: Words) -> View:
    """What guidance does to accuracy and variety."""
    base, variety = found.measure["variety"][found.value.index(1.0)], np.array(found.measure["variety"])
    heard = np.array(found.value) >= 1  # without the caption anything goes: several times the variety
    lines = [
        Line(words["line_right"], found.measure["right"], role="line:0"),
        Line(words["line_whole"], found.measure["whole"], role="line:1"),
        Line(words["line_variety"], np.where(heard, variety / base, np.nan), role="line:2"),
        Line(words["line_spread"], found.measure["spread"], role="line:3"),
    ]
    return _sweep(found, lines, guidance, Axis(words["axis_guidance"]), "guidances", words)


def steps(found: Sweep, n_step: int, words: Words) -> View:
    """What more steps do to accuracy, and how far the picture is from that of the most steps."""
    far = max(found.measure["distance"][0], 1e-9)
    lines = [
        Line(words["line_right"], found.measure["right"], role="line:0"),
        Line(words["line_whole"], found.measure["whole"], role="line:1"),
        Line(words["line_distance"], np.array(found.measure["distance"]) / far, role="line:4"),
    ]
    ticks = [(value, f"{value:g}") for value in found.value]
    return _sweep(found, lines, n_step, Axis(words["axis_steps"], log=True, ticks=ticks), "steps", words)


def _sweep(found: Sweep, lines: Sequence[Line], here: float, axis: Axis, name: str, words: Words) -> View:
    """The value chosen on the page is marked."""
    rows = zip(found.value, found.measure["right"], found.measure["whole"], strict=True)
    said = ", ".join(f"{value:g}: {right:.0%}, {whole:.0%}" for value, right, whole in rows)
    return curves(
        np.array(found.value),
        lines,
        x_axis=axis,
        y_axis=Axis(words[f"axis_{name}_share"], low=0),
        marks=[(float(here), words["here"])] if found.value[0] <= here <= found.value[-1] else [],
        alt=words[f"alt_{name}"].format(n=found.n_picture, values=said),
        height=FIGURE,
        name=name,
    )


def strip(found: Sweep, words: Words, rows: int = 3) -> View:
    """The first picture of a few captions at every value, from the same noise."""
    image = found.image[:, :rows].transpose(0, 1).flatten(0, 1).numpy()
    titles = [f"{value:g}" for _ in range(rows) for value in found.value]
    return pictures(
        [Group(words["group_strip"], image, titles=titles)],
        columns=len(found.value),
        alt=words["alt_strip"].format(n=len(image), values=", ".join(f"{v:g}" for v in found.value)),
        height=110 * rows + 60,
        name="strip",
    )


def table(found: Combinations, names: Sequence[str], groups: Sequence[str], words: Words) -> dict[str, list[str]]:
    """{title: cells}: a row for every group, a column for every attribute."""
    columns = {words["column_group"]: [words[f"group_{group}"] for group in groups]}
    for m, name in enumerate(names):
        columns[words[f"attribute_{name}"]] = [f"{share:.0%}" for share in found.accuracy[:, m].tolist()]
    return columns


def combinations(found: Combinations, groups: Sequence[str], words: Words) -> View:
    """The first pictures of every group, ticked where everything named is right."""
    titles = [words[f"group_{group}"] for group in groups]
    shares = zip(titles, found.accuracy[:, -1].tolist(), strict=True)
    return pictures(
        [
            Group(title, found.image[g].numpy(), marks=["right" if good else "wrong" for good in found.right[g]])
            for g, title in enumerate(titles)
        ],
        columns=4,
        alt=words["alt_combinations"].format(
            n=found.n_each, values=", ".join(f"{title} {share:.0%}" for title, share in shares)
        ),
        height=FIGURE + 80,
        name="combinations",
    )


def owners(found: Combinations, kinds: Sequence[str], names: Sequence[str], words: Words) -> View:
    """In pictures of two objects: whose colour, whose shape an object got."""
    share = 100 * found.owner.numpy()
    titles = [words[f"owner_{name}"] for name in names]
    rows = [words[f"group_{group}"] for group in ("seen_pair", "held_pair")]
    attributes = [words[f"attribute_{kind}"] for kind in kinds]
    said = "; ".join(
        f"{attribute}: " + ", ".join(f"{title} {share[k, o, 0]:.0f} %" for o, title in enumerate(titles))
        for k, attribute in enumerate(attributes)
    )
    return ledger(
        [Part(title, colour) for title, colour in zip(titles, (2, 1, 0, 6), strict=True)],
        [
            Bars(attribute, [Row(row, share[k, :, g]) for g, row in enumerate(rows)])
            for k, attribute in enumerate(attributes)
        ],
        axis=words["axis_owner"],
        unit="%",
        alt=words["alt_owners"].format(values=said),
        height=260,
        name="owners",
    )


def confusion(found: Combinations, shapes: Sequence[str], words: Words) -> View:
    """Which shape was found where which was asked for, of seen and of held-out combinations."""
    names = [words[f"shape_{shape}"] for shape in shapes]
    share = 100 * found.confusion.numpy()
    panels = [words["panel_seen"], words["panel_held"]]
    kept = ", ".join(f"{title} {np.diag(table).mean():.0f} %" for title, table in zip(panels, share, strict=True))
    return inspector(
        [
            Panel(
                title,
                [
                    Stage(
                        words["stage_confusion"], table, "probability", words["explain_confusion"], limits=(0.0, 100.0)
                    )
                ],
            )
            for title, table in zip(panels, share, strict=True)
        ],
        names,
        names,
        alt=words["alt_confusion"].format(values=kept),
        words={"rows": words["asked"], "cols": words["found"]},
        height=FIGURE + 20,
        name="confusion",
    )


def captions(trace: Trace, word: int = -1) -> list[str]:
    """Names of the captions below the pictures, by what they show."""
    said = []
    if trace.unknown:
        said.append("unknown")
    if not trace.n_taken:
        said.append("nothing")
    elif trace.mode == "picture":
        said.append("picture")
    elif trace.mode in ("seeds", "captions"):
        said.append(trace.mode)
    else:
        said.append("step")
    if trace.problem:
        said.append(f"problem_{trace.problem}")
    elif trace.mode not in ("captions",) and trace.verdict[0]:
        said.append("held_out" if trace.held_out else "judged")
    if _word(trace, word) is not None:
        said.append("word")
    return said


def thumbnail(trace: Trace) -> str:
    """Noise on the left, the finished picture on the right, one between."""
    n = len(trace.step)
    shown = [trace.noisy[0, 0], trace.image[min(n - 1, 1), 0], trace.image[-1, 0]]
    cells = []
    for k, picture in enumerate(shown):
        small = picture.numpy().reshape(16, 2, 16, 2, 3).mean((1, 3))
        for i in range(16):
            for j in range(16):
                red, green, blue = (int(value) for value in small[i, j])
                cells.append(
                    f'<rect x="{2 + 53 * k + j * 3.1:.1f}" y="{25 + i * 3.1:.1f}" width="3.2" height="3.2" '
                    f'fill="#{red:02x}{green:02x}{blue:02x}"/>'
                )
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 160 100">{"".join(cells)}</svg>'
