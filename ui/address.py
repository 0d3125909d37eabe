"""The address bar is the state: every control's value, the language and the theme live in the URL.

Streamlit's own `bind="query-params"` writes a choice's *displayed* text, so a link would depend on the language it was
copied in. Here the URL holds the value itself; what equals the default is left out. A change from outside (a pasted
link, back and forward, a preset) wins over the widget. A long text travels compressed; one that no server would take
in an address is left out of it, and the page says so.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import re
import zlib
from collections.abc import Mapping
from typing import Any

import streamlit as st

from models.fields import Choice, Kind, Several, Text
from viz.view import View

PACKED = "~"  # begins a text that is compressed
SHORT = 400  # characters; longer texts are compressed
STICKY = ("lang", "theme")  # which every page keeps
LONGEST = 24_000  # characters of URL text; a server refuses an address of 64 KB
LARGEST = 4 * 100_000  # bytes that a compressed text may unfold to


def sync(name: str, kind: Kind, default: Any, sticky: bool = False) -> str | None:
    """Bring session state (key `name`) in line with the URL; call it right before the widget is drawn.

    sticky: a URL without the parameter (Streamlit clears them between pages) changes nothing and gets it back.
    Returns the URL's text if it is no legal value (the default is then used and the parameter dropped), else None.
    """
    text = st.query_params.get(name)
    if name in st.session_state and text == st.session_state.get(_seen(name)):
        return None
    if sticky and text is None and name in st.session_state:
        changed(name, default)
        return None
    value = read(text, kind, default)
    refused = text if text is not None and value is None else None
    put(name, default if value is None else value, default)
    return refused


def enter(page: str) -> None:
    """Forget the controls of the page the visitor comes from: two pages may use one name for different things."""
    if st.session_state.setdefault("_page", page) != page:
        for name in [key.removeprefix("_seen_") for key in st.session_state if str(key).startswith("_seen_")]:
            if name not in STICKY:
                st.session_state.pop(name, None)
                del st.session_state[_seen(name)]
        st.session_state["_page"] = page


def put(name: str, value: Any, default: Any) -> None:
    """Set a control from code, and the URL with it."""
    put_all({name: value}, {name: default})


def put_all(values: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
    """Set controls from code, and the URL with them: one step back in the browser's history."""
    for name, value in values.items():
        st.session_state[name] = value
    _write_all(values, defaults)


def changed(name: str, default: Any) -> None:
    """Write session state to the URL: every control's on_change."""
    _write_all({name: st.session_state[name]}, {name: default})


def _write_all(values: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
    """Defaults, and what is too long, are left out of the URL."""
    before = st.query_params.to_dict()
    after = dict(before)
    for name, value in values.items():
        text = "" if value is None else write(value)
        if value != defaults[name] and value is not None and fits(text):
            after[name] = text
        else:
            after.pop(name, None)
    if after != before:
        st.query_params.from_dict(after)
    for name in values:
        st.session_state[_seen(name)] = after.get(name)


def read(text: str | None, kind: Kind, default: Any) -> Any:
    """The value a URL parameter stands for; None if it is missing or not legal for `kind`."""
    if text is None:
        return None
    if isinstance(kind, Choice):
        return text if text in kind.names else None
    if isinstance(kind, bool):
        return {"true": True, "false": False}.get(text.lower())
    if isinstance(kind, Several):
        return " ".join(text.split()) if kind.holds(text) else None
    if isinstance(kind, Text):
        return _unpack(text) if text.startswith(PACKED) else text
    try:
        number = type(default)(text)
    except ValueError:
        return None
    return number if kind.low <= number <= kind.high else None


def write(value: Any) -> str:
    """A value as URL text."""
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value)
    return _pack(text) if len(text) > SHORT or text.startswith(PACKED) else text


def fits(text: str) -> bool:
    """Whether URL text is short enough for every server and browser on its way."""
    return len(text) <= LONGEST


def _pack(text: str) -> str:
    packed = zlib.compress(text.encode("utf-8", "replace"), 9)
    return PACKED + base64.urlsafe_b64encode(packed).decode("ascii").rstrip("=")


def _unpack(text: str) -> str | None:
    """The text again; None if it was damaged on its way."""
    try:
        packed = base64.urlsafe_b64decode(text.removeprefix(PACKED) + "=" * (-(len(text) - 1) % 4))
        return zlib.decompressobj().decompress(packed, LARGEST).decode("utf-8")
    except (binascii.Error, zlib.error, UnicodeDecodeError):
        return None


LINKED = ("stage", "pin")  # what a visitor does inside a component that belongs to the view a link shows


def linked(view: View) -> View:
    """The view with the step and the pinned cell that the URL names, if this view has such."""
    if "stage" not in view.data:
        return view
    stages, shape = len(view.data["panels"][0]["stages"]), (len(view.data["rows"]), len(view.data["cols"]))
    found: dict[str, Any] = {}
    stage, pin = st.query_params.get("stage", ""), re.fullmatch(r"(\d{1,3})-(\d{1,3})", st.query_params.get("pin", ""))
    if stage.isdecimal() and int(stage) < stages:
        found["stage"] = int(stage)
    if pin and int(pin[1]) < shape[0] and int(pin[2]) < shape[1]:
        found["pin"] = [int(pin[1]), int(pin[2])]
    return dataclasses.replace(view, data=view.data | found)


def link(key: str, state: str) -> None:
    """Write a component's step or pinned cell into the URL: its on_<state>_change."""
    value = st.session_state[key].get(state)
    if value is None:
        st.query_params.pop(state, None)
    else:
        st.query_params[state] = "-".join(str(int(part)) for part in value) if isinstance(value, list) else str(value)


def unlink() -> None:
    """Forget step and pinned cell: another picture is asked for."""
    for state in LINKED:
        st.query_params.pop(state, None)


def _seen(name: str) -> str:
    return f"_seen_{name}"
