"""The visitor's language, and text in it. All text lives in TOML blocks that hold `en` and `zh` side by side."""

from __future__ import annotations

import functools
import re
from typing import Any

import streamlit as st

from ui.catalogue import LANGUAGES, read_toml
from ui.settings import ROOT


def language() -> str:
    """Code of the current language: from the switch, before its first run from the URL, else English."""
    chosen = st.session_state.get("lang") or st.query_params.get("lang")
    return chosen if chosen in LANGUAGES else "en"


def say(block: dict[str, str] | str, /, **values: Any) -> str:
    """The block's text in the current language with its placeholders filled, values as plain text, never as markup."""
    text = block if isinstance(block, str) else block[language()]
    return text.format(**{name: plain(value) for name, value in values.items()}) if values else text


@functools.cache
def _frame_words() -> dict[str, Any]:
    return read_toml(ROOT / "ui" / "words.toml")


def word(name: str, /, **values: Any) -> str:
    """A word of the frame itself (ui/words.toml, [frame.<name>])."""
    return say(_frame_words()["frame"][name], **values)


def kit_words() -> dict[str, str]:
    """The words of the browser components, in the current language."""
    return {name: say(block) for name, block in _frame_words()["kit"].items()}


def sentence(error: Any) -> str:
    """Why something cannot be done, as the mechanism says it; what the visitor typed stays plain text."""
    return error.sentence(language(), plain)


_MARKUP = re.compile(r"([!-/:-@\[-`{-~])")
_JOINER = "\u2060"  # no width; it only keeps apart what would be read as one sign
# Signs that are read as such even when escaped: `:smile:` and `:red[...]`, mail and www addresses, arrows and dashes.
_SIGN = re.compile(r"(?<=[:@])|(?<=www)(?=\.)|(?<=[-<>=~])(?=[-<>=~])", re.IGNORECASE)


def plain(value: Any) -> Any:
    """A string that Markdown shows as it is; numbers pass unchanged, so that format codes still apply.

    Every ASCII punctuation mark may be escaped in Markdown (CommonMark 0.31, section 2.4). What Streamlit looks for
    after that, in the text itself, is kept apart by word joiners.
    """
    if not isinstance(value, str):
        return value
    one_line = re.sub(r"\s*[\r\n\x0b\x0c\u2028\u2029]+\s*", " ↵ ", value)
    return _MARKUP.sub(r"\\\1", _SIGN.sub(_JOINER, one_line))
