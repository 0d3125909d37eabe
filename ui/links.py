"""Links inside the app: the pages of this run, and what every link carries along."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

import streamlit as st

from ui import address
from ui.catalogue import Entry

PAGES: ContextVar[dict[str, Any]] = ContextVar("pages")  # slug -> st.Page of this run


def kept() -> dict[str, str]:
    """Language and theme, where they are not the defaults."""
    return {name: st.session_state[name] for name in address.STICKY if st.session_state.get(name) not in (None, "en")}


def to(entry: Entry, about: dict[str, Any], label: str, icon: str) -> None:
    """A link to a page in the state (and with the further picture) that a question or claim names."""
    parameters = {name: address.write(value) for name, value in about.get("state", {}).items()} | kept()
    if "figure" in about:
        parameters["figure"] = about["figure"]
    st.page_link(PAGES.get()[entry.slug], label=label, icon=icon, query_params=parameters or None)
