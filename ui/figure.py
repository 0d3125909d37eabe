"""Put a picture on the page: a Plotly figure or a browser component, with its alt text and its exports."""

from __future__ import annotations

import functools
import importlib
from typing import TYPE_CHECKING, Any

import streamlit as st

from ui.language import kit_words, language
from viz.view import View

if TYPE_CHECKING:
    import plotly.graph_objects as go

# The component's own files are fetched once by URL and cached by the browser; only this line travels with each picture.
_LOADER = """const module = await import(location.origin + "/kit/{name}/main.js");
export default module.default;"""


@functools.cache
def _component(name: str, height: int) -> Any:
    # The height is reserved at once, and grows only where two panels must be stacked (on a phone).
    css = f":host {{\n  display: block;\n  min-height: {height}px;\n}}"
    return st.components.v2.component(f"atlas_{name}_{height}", js=_LOADER.format(name=name), css=css)


def mount(view: View, key: str, **callbacks: Any) -> Any:
    """Show a browser component; the result holds the state it reports.

    callbacks: on_<state>_change for each state of the component that the page listens to.
    """
    states = getattr(importlib.import_module(f"viz.components.{view.component}"), "STATES", ())
    listeners = {f"on_{state}_change": _ignore for state in states} | callbacks
    data = view.data | {"lang": language(), "alt": view.alt, "height": view.height, "ui": kit_words()}
    return _component(view.component, view.height)(key=key, data=data, height="content", **listeners)


def show(picture: View | go.Figure, key: str, **callbacks: Any) -> Any:
    """Show either kind of picture; a component's state, None for a Plotly figure."""
    return mount(picture, key, **callbacks) if isinstance(picture, View) else show_plotly(picture, key)


def show_plotly(figure: go.Figure, key: str) -> None:
    """Show a Plotly figure of fixed height with its alt text, and below it its exports."""
    meta = figure.layout.meta or {}
    config = {"displaylogo": False, "displayModeBar": False}
    with st.container(key=f"figure-{key}"):
        st.plotly_chart(figure, key=key, config=config, alt=meta.get("alt", ""))
        mount(View("export", {"target": f"st-key-figure-{key}", "name": key}, 28, ""), f"{key}-export")


def _ignore() -> None:
    """A component's state must have a listener to be reported at all."""
