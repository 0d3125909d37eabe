"""The home page: what this is, an LLM's anatomy as a map of the pages, and every page as a card with a live picture."""

from __future__ import annotations

import importlib
import logging
import sys
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from ui import figure, links, page, study, warm
from ui.catalogue import Entry, entries, sections
from ui.jobs import JOBS
from ui.language import language, say, word
from viz.components.atlas import atlas

LOOK = 1.0  # seconds between two looks at what a new server has computed


def draw() -> None:
    """The whole page."""
    if slug := st.session_state.pop("_open", None):
        st.switch_page(links.PAGES.get()[slug], query_params=links.kept() or None)
    with page.HEAD.get(st):
        st.title("Model Atlas", anchor=False)
        st.markdown(word("home_promise"))
    missing = st.query_params.get("missing", "")[:100]
    if missing:
        st.warning(word("no_such_page", name=missing), icon=":material/search_off:")
    # A new server is still computing: the map is there at once, its pictures come as they are done.
    coming = warm.under_way()

    @st.fragment(run_every=LOOK if coming else None)
    def the_map() -> None:
        ready = not warm.under_way()
        titles = {section.name: say(section.title) for section in sections()}
        cards = [_card(entry, titles[entry.section], ready) for entry in entries().values()]
        words = {name: word(name) for name in ("search", "nothing")}
        result = figure.mount(atlas(cards, language(), words, word("atlas_alt"), missing), "atlas")
        st.session_state["_open"] = getattr(result, "open", None)
        if st.session_state["_open"] or (coming and ready):  # somewhere to go, or nothing more to look for
            st.rerun()

    the_map()


def _card(entry: Entry, section: str, ready: bool) -> dict[str, Any]:
    query = urlencode(links.kept())
    return {
        "slug": entry.slug,
        "href": f"/{entry.slug}" + (f"?{query}" if query else ""),
        "title": say(entry.spec["title"]),
        "promise": say(entry.spec["promise"]),
        "section": section,
        "terms": [
            entry.slug,
            *entry.spec["title"].values(),
            *(term for terms in entry.spec.get("terms", {}).values() for term in terms),
        ],
        "parts": entry.spec.get("atlas", []),
        "thumbnail": thumbnail(entry, ready),
    }


def thumbnail(entry: Entry, ready: bool = True) -> str | None:
    """The page's own small picture of its default state, as SVG; empty if the page has none or cannot compute it.

    ready: False asks for what has been computed already; None if that is still to come.
    """
    if not entry.mechanism:
        return study.thumbnail(entry.slug)
    try:
        if not ready and f"models.{entry.mechanism}" not in sys.modules:
            return None
        mechanism = importlib.import_module(f"models.{entry.mechanism}")
        if not ready and not JOBS.finished(mechanism.trace, mechanism.Config()):
            return None
        with JOBS.start(mechanism.trace, mechanism.Config()).watched() as job:
            return importlib.import_module(f"viz.{entry.mechanism}").thumbnail(job.future.result())
    except Exception:  # one page that cannot start must not take the map down
        logging.getLogger(__name__).exception("no thumbnail for %s", entry.slug)
        return ""
