"""The two pages made of all other pages: the interview deck and the list of claims. They grow as pages come."""

from __future__ import annotations

import importlib
from typing import Any

import streamlit as st

from ui import address, home, more
from ui.catalogue import Entry, entries, sections
from ui.language import say, word
from ui.page import open_page


def interview(script: str) -> None:
    """A deck of cards: filter by section, reveal the short answer, then the long one, then see it."""
    open_page(script)
    titles = {section.name: say(section.title) for section in sections()}
    deck = [(entry, question) for entry in entries().values() for question in entry.spec.get("questions", [])]
    with_questions = [name for name in titles if any(entry.section == name for entry, _ in deck)]
    chosen = st.segmented_control(
        word("section"),
        with_questions,
        format_func=titles.__getitem__,
        key="section",
        bind="query-params",
        on_change=_first,
    )
    deck = [(entry, question) for entry, question in deck if chosen in (None, entry.section)]
    if not deck:
        st.info(word("no_questions"))
        return

    @st.fragment
    def card() -> None:
        number = st.session_state.setdefault("_card", 0) % len(deck)
        entry, question = deck[number]
        with st.container(border=True, key="card"):
            st.caption(f"{word('card', number=number + 1, total=len(deck))} · {say(entry.spec['title'])}")
            st.subheader(say(question["question"]), anchor=False)
            key = f"{entry.slug}_{question['id']}"
            if st.toggle(word("reveal"), key=f"_short_{key}"):
                st.markdown(f"**{say(question['short'])}**")
                if st.toggle(word("reveal_long"), key=f"_long_{key}"):
                    st.markdown(say(question["long"]))
            _show_me(entry, question)
        with st.container(horizontal=True):
            st.button(word("previous"), icon=":material/arrow_back:", on_click=_turn, args=(-1,))
            st.button(word("next"), icon=":material/arrow_forward:", on_click=_turn, args=(1,))

    card()


def _first() -> None:
    st.session_state["_card"] = 0


def _turn(by: int) -> None:
    st.session_state["_card"] += by


def _show_me(entry: Entry, question: dict[str, Any]) -> None:
    """A link to the page in the state that demonstrates the answer."""
    state = {name: address.write(value) for name, value in question.get("state", {}).items()} | home.kept()
    if "figure" in question:
        state["figure"] = question["figure"]
    st.page_link(
        home.PAGES.get()[entry.slug], label=word("show_me"), icon=":material/visibility:", query_params=state or None
    )


def claims(script: str) -> None:
    """All claim cards, by verdict."""
    open_page(script)
    found = [(entry, claim) for entry in entries().values() for claim in entry.spec.get("claims", [])]
    used = [verdict for verdict in more.VERDICTS if any(claim["verdict"] == verdict for _, claim in found)]
    chosen = st.segmented_control(
        word("verdict"), used, format_func=word, key="verdict", bind="query-params", selection_mode="multi"
    )
    for entry, claim in found:
        if chosen and claim["verdict"] not in chosen:
            continue
        mechanism = importlib.import_module(f"models.{entry.mechanism}")
        more.claim(claim, mechanism)
        st.page_link(
            home.PAGES.get()[entry.slug], label=say(entry.spec["title"]), icon=":material/open_in_new:",
            query_params=home.kept() or None,
        )  # fmt: skip
