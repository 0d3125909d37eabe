"""What every Plotly figure of the pages shares: a fixed height, no paper of its own, its alt text, tokens as labels."""

from __future__ import annotations

import html
from typing import Any

import plotly.graph_objects as go

MARGIN = {"l": 96, "r": 24, "t": 32, "b": 56}


def finish(figure: go.Figure, alt: str, height: int, **layout: Any) -> go.Figure:
    """The figure, ready for the page. height in pixels; alt: what it shows, in one or two sentences."""
    common: dict[str, Any] = {
        "height": height,
        "margin": MARGIN,
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "bargap": 0.25,
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        "meta": {"alt": alt},
    }
    return figure.update_layout(common | layout)


def visible(piece: str) -> str:
    """A piece of a vocabulary in a sentence: spaces and line breaks as marks that can be seen."""
    return piece.replace(" ", "·").replace("\n", "↵").replace("\t", "⇥")


def shown(label: str) -> str:
    """A token for Plotly, which would read `<b>` as bold and `$x$` as a formula; a space as a raised dot."""
    short = label if len(label) <= 16 else label[:15] + "…"
    return html.escape(visible(short), quote=False).replace("$", "&#36;")
