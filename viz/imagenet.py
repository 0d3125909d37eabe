"""What classifiers reach on ImageNet: a table with its sources, and accuracy against parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from viz import palette
from viz.components.curves import Axis, Line, curves
from viz.plots import finish
from viz.view import View

if TYPE_CHECKING:
    from models.imagenet import Part, Row

Words = Mapping[str, str]
HEIGHT = 380


def table(rows: Sequence[tuple[Row, int]], words: Words) -> dict[str, list[str]]:
    """{title: cells}: what the sources say, and what is told."""
    return {
        words["column_model"]: [one.model for one, _ in rows],
        words["column_parameters"]: [f"{n / 1e6:.1f} M" for _, n in rows],
        words["column_data"]: [one.data for one, _ in rows],
        words["column_pixels"]: [f"{one.pixels}" for one, _ in rows],
        words["column_top1"]: [f"{one.top1:.2f}" for one, _ in rows],
        words["column_told"]: [f"{one.told:.1f}" if one.told else "–" for one, _ in rows],
        words["column_source"]: [
            one.source if one.read else words["reported"].format(source=one.source) for one, _ in rows
        ],
    }


def chart(rows: Sequence[tuple[Row, int]], words: Words) -> View:
    """Accuracy against parameters, one colour for each amount of data; crosses: as told."""
    kinds = list(dict.fromkeys(_kind(one) for one, _ in sorted(rows, key=lambda pair: pair[0].n_picture)))
    lines = []
    for i, kind in enumerate(kinds):
        chosen = sorted((n / 1e6, one.top1, one) for one, n in rows if _kind(one) == kind)
        names = [f"{one.model} {one.pixels}" for _, _, one in chosen]
        lines.append(
            Line(
                kind,
                [top for _, top, _ in chosen],
                x=[n for n, _, _ in chosen],
                role=f"line:{i}",
                form="dots",
                labels=[*names[:-1], ""],  # the last dot has the line's name beside it, and its own below that
                note=names[-1],
            )
        )
    told = sorted((n / 1e6, one.told) for one, n in rows if one.told)
    lines.append(
        Line(words["line_told"], [t for _, t in told], x=[n for n, _ in told], role="ink", form="dots", quiet=True)
    )
    best = max(rows, key=lambda pair: pair[0].top1)
    return curves(
        np.array(sorted({n / 1e6 for _, n in rows})),
        lines,
        x_axis=Axis(words["axis_parameters"], log=True, ticks=[(v, str(v)) for v in (60, 86, 200, 300, 630)]),
        y_axis=Axis(words["axis_top1"], low=76, high=90),
        alt=words["alt_imagenet"].format(n=len(rows), model=best[0].model, top=best[0].top1, data=best[0].data),
        height=HEIGHT,
        name="imagenet",
    )


def _kind(row: Row) -> str:
    return row.data.replace("22K", "21K")


def diagram(resnet: Sequence[Part], vit: Sequence[Part], words: Words) -> go.Figure:
    """Both networks from the picture down to the classes: a box for each part, with its shape and its parameters."""
    figure, said = go.Figure(), []
    high = max(len(resnet), len(vit))
    for column, (title, parts) in enumerate((("ResNet-152", resnet), ("ViT-B/16", vit))):
        colour, step = palette.experts()[2 * column], high / len(parts)
        total = sum(part.n_parameter for part in parts)
        figure.add_annotation(
            x=column + 0.5, y=high + 0.25, text=f"<b>{title}</b>  {total / 1e6:.1f} M", showarrow=False,
            font={"size": 15},
        )  # fmt: skip
        for i, part in enumerate(parts):
            y = high - (i + 0.5) * step
            name = words[f"part_{part.name}"].format(n=part.repeated)
            millions = f"{part.n_parameter / 1e6:.2f} M"
            edge = {"x0": column + 0.03, "x1": column + 0.97, "y0": y - 0.42 * step, "y1": y + 0.42 * step}
            figure.add_shape(
                type="rect", **edge, fillcolor=colour, opacity=0.08 + 0.4 * part.n_parameter / total,
                line={"width": 0}, layer="below",
            )  # fmt: skip
            figure.add_shape(type="rect", **edge, line={"color": colour, "width": 1.5})
            shape = " × ".join(map(str, part.shape))
            text = f"<b>{name}</b><br>{shape} · {millions}"
            figure.add_annotation(x=column + 0.5, y=y, text=text, showarrow=False, font={"size": 13})
            said.append(f"{title} {name} {millions}")
    figure.update_xaxes(visible=False, range=[0, 2], fixedrange=True)
    figure.update_yaxes(visible=False, range=[0, high + 0.5], fixedrange=True)
    margin = {"l": 8, "r": 8, "t": 8, "b": 8}
    return finish(figure, words["alt_diagram"].format(values="; ".join(said)), 62 * high + 40, margin=margin)
