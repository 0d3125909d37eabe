"""One widget per Config field, each bound to the URL.

Kinds and bounds come from the dataclass (models/fields.py), labels and help from the page's TOML.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from models.fields import Choice, Kind, LogRange, Range, Several, Text, fields
from ui import address
from ui.language import language, say, word

Limits = Mapping[str, Kind]
PAGE = "page"  # an option of this name stands for the language of the page
Spec = dict[str, Any]


def places() -> tuple[Any, Any]:
    """Where a page's controls stand: texts, and the row of all others below them."""
    texts = st.container()
    return texts, st.container(horizontal=True, vertical_alignment="bottom", gap="medium", key="atlas-controls")


def draw(
    config: type,
    spec: dict[str, Spec],
    limits: Callable[[dict[str, Any]], Limits] | None = None,
    at: tuple[Any, Any] | None = None,
) -> Any:
    """Draw the controls of one Config in the TOML's order; return the Config they make.

    spec: the page's [controls]. limits: narrower kinds for some fields, from the values drawn so far (a model with
    six layers offers six). A field that does not matter now (its `when`) is not drawn and has its default.
    at: `places`, if they are drawn already.
    """
    kinds = fields(config)
    values = {name: default for name, (_, _, default) in kinds.items()}
    texts, row = at or places()
    more: Any = None
    for name, about in spec.items():
        if not _wanted(about, values):
            continue
        _, kind, default = kinds[name]
        if limits:
            kind = limits(values).get(name, kind)
        if isinstance(kind, Range):
            default = type(default)(min(max(default, kind.low), kind.high))
        refused = address.sync(name, kind, default)
        if refused is not None:
            texts.caption(word("refused", name=name, text=refused[:60], default=address.write(default)))
        place = about.get("place", "main")
        values[name] = st.session_state[name]
        if place in ("scrub", "hidden"):
            continue
        if place == "more" and more is None:
            more = row.popover(word("more"), icon=":material/tune:")
        with more if place == "more" else texts if isinstance(kind, Text) else row:
            values[name] = _widget(name, kind, default, about)
        if isinstance(kind, Text) and "pieces" in about:
            with row.popover(word("compose"), icon=":material/add_comment:"):
                _pieces(name, kind, default, [say(piece) for piece in about["pieces"]])
    for name, about in spec.items():
        if values[name] == PAGE and PAGE in about.get("options", {}) and language() != "en":
            values[name] = language()
    return config(**values)


def state(config: type, chosen: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Every control of `config` as `chosen` says, all others at their defaults; and the defaults."""
    defaults = {name: default for name, (_, _, default) in fields(config).items()}
    return {name: chosen.get(name, default) for name, default in defaults.items()}, defaults


def clean(text: str, max_length: int) -> tuple[str, int, int]:
    """The text without what no model can read, at most `max_length` characters; how many characters could not be read,
    and of how many others the text was made."""
    readable = "".join(c for c in text if c != "\0" and not "\ud800" <= c <= "\udfff")
    return readable[:max_length], len(text) - len(readable), len(readable)


def _wanted(about: Spec, values: dict[str, Any]) -> bool:
    """Whether a control matters now. A choice of several counts if one of them is asked for."""
    return all(
        values[name] in allowed or (isinstance(values[name], str) and set(values[name].split()) & set(allowed))
        for name, allowed in about.get("when", {}).items()
    )


def _widget(name: str, kind: Kind, default: Any, about: Spec) -> Any:
    """One widget; its value comes from session state, where address.sync has just put it.

    It is given that value as its default, too. Streamlit 1.67 tells the browser of a value set here only once: if that
    message is overtaken by the next run before the widget is drawn, the browser shows the default instead.
    """
    label, held = say(about["label"]), st.session_state[name]
    common: dict[str, Any] = {
        "key": name,
        "help": say(about["help"]) if "help" in about else None,
        "on_change": functools.partial(address.changed, name, default),
    }
    if isinstance(kind, bool):
        return st.toggle(label, value=held, **common)
    if isinstance(kind, Choice | Several):
        titles = {option: say(about["options"][option]) for option in kind.names}
        return _of_list(label, kind, default, titles, common["help"], name)
    if isinstance(kind, Text):
        return _text(label, kind, default, common)
    if isinstance(kind, LogRange):
        stops = log_stops(kind, default)
        st.session_state[name] = nearest = min(stops, key=lambda stop: abs(math.log(stop / held)))
        return st.select_slider(label, stops, nearest, format_func=lambda x: f"{x:,.6g}", **common)
    return _slider(label, kind, default, common)


def _slider(label: str, kind: Range, default: Any, common: dict[str, Any]) -> Any:
    whole = type(default)
    low, high = whole(kind.low), whole(kind.high)
    if low == high:
        return low  # nothing to choose: a model with one layer
    held = st.session_state[common["key"]]
    if not low <= held <= high:
        address.put(common["key"], default, default)  # the range shrank under a value chosen before
    step = kind.step or (1 if whole is int else (kind.high - kind.low) / 100)
    return st.slider(label, low, high, st.session_state[common["key"]], step=whole(step), **common)


def _of_list(
    label: str, kind: Choice | Several, default: str, titles: dict[str, str], tip: str | None, name: str
) -> str:
    """One or several of a list. The browser sends the titles it shows, so that each language has a widget of its own.

    For several the widget holds a list, the control one string; a choice of too few changes nothing.
    """
    key = f"_{name}_{language()}"

    def chosen() -> None:
        value = st.session_state[key] if isinstance(kind, Choice) else " ".join(st.session_state[key])
        if isinstance(kind, Choice) or kind.holds(value):
            address.put(name, value, default)

    held, options = st.session_state[name], list(kind.names)
    common: dict[str, Any] = {"format_func": titles.__getitem__, "key": key, "help": tip, "on_change": chosen}
    if isinstance(kind, Choice):
        st.session_state[key] = held
        st.selectbox(label, options, options.index(held), **common)
    else:
        st.session_state[key] = held.split()
        st.multiselect(label, options, held.split(), max_selections=kind.most, **common)
    return st.session_state[name]


def _text(label: str, kind: Text, default: str, common: dict[str, Any]) -> str:
    name = common["key"]
    note = f"_note_{name}"

    def tidy() -> None:
        """Clean what is there, keep the URL in step, and remember what this text has lost."""
        lost = clean(st.session_state[name] or "", kind.max_length)
        st.session_state[name], st.session_state[note] = lost[0], lost
        address.changed(name, default)

    if clean(st.session_state[name] or "", kind.max_length)[0] != st.session_state[name]:
        tidy()  # from a link
    common["on_change"] = tidy
    held = st.session_state[name]
    if kind.max_length > 200:
        text = st.text_area(label, held, height=68, **common)
    else:
        text = st.text_input(label, held, **common)
    about, dropped, given = st.session_state.get(note, ("", 0, 0))
    if about == text and dropped:
        st.caption(word("dropped", count=dropped))
    if about == text and given > len(about):
        st.caption(word("cut", kept=len(about), given=given))
    if not address.fits(address.write(text or "")):
        st.caption(word("no_link"))
    return text or ""


def _pieces(name: str, kind: Text, default: str, pieces: list[str]) -> None:
    """Words to compose a text of, for who would rather press than type: each is put at its end."""
    key = f"_piece_{name}_{language()}"

    def add() -> None:
        held, piece = (st.session_state[name] or "").rstrip(), st.session_state[key]
        st.session_state[key] = None  # it may be pressed again
        gap = " " if held and piece.isascii() else ""
        if piece and len(held + gap + piece) <= kind.max_length:
            address.put(name, held + gap + piece, default)

    st.pills(word("compose"), pieces, key=key, on_change=add, label_visibility="collapsed")
    st.button(word("empty"), key=f"_empty_{name}", on_click=address.put, args=(name, "", default))


def log_stops(kind: LogRange, default: float) -> list[float]:
    """The stops of a logarithmic slider, three significant digits each, the default among them; whole numbers if the
    default is one."""
    count = round(math.log10(kind.high / kind.low) * kind.per_decade)
    ratio = (kind.high / kind.low) ** (1 / count)
    stops = [float(f"{kind.low * ratio**i:.3g}") for i in range(count + 1)]
    return sorted({default, *(map(round, stops) if isinstance(default, int) else stops)})
