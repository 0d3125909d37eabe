"""The shell around every page: navigation from the pages/ tree, the language and theme switches."""

from __future__ import annotations

import functools
from typing import Any

import streamlit as st

from models.fields import Choice
from ui import address, figure, home, links, page
from ui.catalogue import LANGUAGES, sections
from ui.language import language, say, word
from ui.settings import ROOT
from viz.view import View


def _switch(name: str, label: str, titles: dict[str, str], default: str | None) -> str | None:
    """A choice that every page keeps in its URL."""
    address.sync(name, Choice(*titles), default, sticky=True)
    return st.segmented_control(
        label, list(titles), format_func=titles.__getitem__, required=default is not None, key=name,
        on_change=address.changed, args=(name, default), label_visibility="collapsed",
    )  # fmt: skip


@functools.cache
def _themes() -> dict[str, dict[str, Any]]:
    """Both themes of .streamlit/config.toml, in the words of Streamlit's browser side."""
    names = ("primaryColor", "linkColor", "backgroundColor", "secondaryBackgroundColor", "textColor")
    shared = {"bodyFont": st.get_option("theme.font"), "headingFont": st.get_option("theme.headingFont")}
    shared |= {name: st.get_option(f"theme.{name}") for name in ("baseRadius", "showWidgetBorder")}
    return {
        theme: shared | {"base": base} | {name: st.get_option(f"theme.{theme}.{name}") for name in names}
        for base, theme in enumerate(("light", "dark"))
    }


st.set_page_config("Model Atlas", ROOT / "ui" / "icon.svg", layout="wide")
st.html(ROOT / "ui" / "style.css")

with st.container(key="atlas-bar", horizontal=True, gap="medium"):
    head = st.container(key="atlas-title", gap="xsmall")
    with st.container(key="atlas-switches", horizontal=True, width="content", gap="small"):
        _switch("lang", "English · 中文", LANGUAGES, "en")
        theme = _switch("theme", word("theme"), {name: word(f"theme_{name}") for name in ("light", "dark")}, None)
        about = {"theme": theme, "themes": _themes(), "copied": word("copied"), "copy": word("copy_link")}
        about["jump"] = st.session_state.get("_jump", 0)
        figure.mount(View("shell", about, 0, ""), "shell")
page.HEAD.set(head)

navigation = {"": [st.Page(home.draw, title=word("home"), icon=":material/explore:", url_path="home", default=True)]}
for section in sections():
    navigation[say(section.title)] = [
        st.Page(entry.script, title=say(entry.spec["title"]), icon=section.icon, url_path=entry.slug)
        for entry in section.pages
    ]
links.PAGES.set({one.url_path: one for pages in navigation.values() for one in pages})
with st.container(key=f"page-{language()}"):  # a new language is a new page: nothing half-translated stays behind
    st.navigation(navigation, position="top").run()
st.container(key="atlas-end").html("<span></span>")  # all of the page is there: tests and measurements wait for it
