"""The two pages made of all other pages: the interview deck and the list of claims. They grow as pages come."""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Callable
from typing import Any

import streamlit as st

from models.fields import Choice, Range
from ui import address, links, more
from ui.catalogue import Entry, entries, sections
from ui.jobs import BACKLOG
from ui.language import say, word
from ui.page import open_page
from viz import study

WIDTHS = [1.2, 3, 4.8, 1.9]  # of the table of claims


def interview(script: str) -> None:
    """A deck of cards: filter by section, reveal the short answer, then the long one, then see it."""
    open_page(script)
    titles = {section.name: say(section.title) for section in sections()}
    deck = _all("questions")
    chosen = _filter("section", {name: titles[name] for name in titles if any(e.section == name for e, _ in deck)})
    deck = [(entry, question) for entry, question in deck if chosen in (None, entry.section)]
    if not deck:
        st.info(word("no_questions"))
        return

    @st.fragment
    def card() -> None:
        address.sync("card", Range(1, len(deck)), 1)
        number = st.session_state["card"]
        entry, question = deck[number - 1]
        with st.container(border=True):
            st.caption(f"{word('card', number=number, total=len(deck))} · {say(entry.spec['title'])}")
            st.subheader(say(question["question"]), anchor=False)
            key = f"{entry.slug}_{question['id']}"
            if st.toggle(word("reveal"), key=f"_short_{key}"):
                st.markdown(f"**{say(question['short'])}**")
                if st.toggle(word("reveal_long"), key=f"_long_{key}"):
                    st.markdown(say(question["long"]))
            links.to(entry, question, word("show_me"), ":material/visibility:")
        before, after = ((number - 2) % len(deck) + 1, number % len(deck) + 1)
        with st.container(horizontal=True):
            st.button(word("previous"), icon=":material/arrow_back:", on_click=address.put, args=("card", before, 1))
            st.button(word("next"), icon=":material/arrow_forward:", on_click=address.put, args=("card", after, 1))

    card()


def _filter(name: str, titles: dict[str, str]) -> str | None:
    """One of the titles or none of them; in the URL."""
    address.sync(name, Choice(*titles), None)
    return st.segmented_control(
        word(name), list(titles), format_func=titles.__getitem__, key=name, on_change=address.changed, args=(name, None)
    )


def claims(script: str) -> None:
    """All claims in one table, by verdict. Their numbers come one after the other, and stand there when they do."""
    open_page(script)
    found = _all("claims")
    used = [verdict for verdict in more.VERDICTS if any(claim["verdict"] == verdict for _, claim in found)]
    chosen = _filter("verdict", {verdict: word(verdict) for verdict in used})
    found = [(entry, claim) for entry, claim in found if chosen in (None, claim["verdict"])]
    works = [_work(entry, claim) for entry, claim in found if "live" in claim]
    values = dict(zip(works, BACKLOG.ask(works), strict=True))
    if None in values.values():
        _coming(works, sum(value is None for value in values.values()))
    with st.container(border=True):
        header = st.columns(WIDTHS)
        for column, name in zip(header, ("verdict", "claim", "answer", "page"), strict=True):
            column.markdown(f"**{word(name)}**")
    for entry, claim in found:
        with st.container(border=True):
            verdict, said, answer, where = st.columns(WIDTHS)
            with verdict:
                more.verdict(claim)
            said.markdown(f"“{say(claim['claim'])}”")
            more.answer(claim, answer.empty(), values[_work(entry, claim)] if "live" in claim else None)
            with where:
                links.to(entry, claim, say(entry.spec["title"]), ":material/open_in_new:")


@st.fragment(run_every=2)
def _coming(works: list[Callable[[], dict[str, Any]]], missing: int) -> None:
    """How many numbers are still being computed; draws the page anew when there are more."""
    st.caption(word("claims_coming", n=missing))
    if sum(value is None for value in BACKLOG.ask(works)) < missing:
        st.rerun()


def _work(entry: Entry, claim: dict[str, Any]) -> Callable[[], dict[str, Any]]:
    """What computes a claim's numbers."""
    work: Callable[[], dict[str, Any]] = importlib.import_module(f"models.{entry.mechanism}").CLAIMS[claim["live"]]
    return work


def thumbnail(slug: str) -> str:
    """The small picture of a study page: how many questions each section has, or how many claims each verdict."""
    if slug == "claims":
        counts = Counter(claim["verdict"] for _, claim in _all("claims"))
        return study.bars([(counts[name], word(name), shade) for name, (shade, _) in more.VERDICTS.items()])
    counts = Counter(entry.section for entry, _ in _all("questions"))
    return study.cards([counts[section.name] for section in sections() if counts[section.name]])


def _all(kind: str) -> list[tuple[Entry, dict[str, Any]]]:
    return [(entry, one) for entry in entries().values() for one in entry.spec.get(kind, [])]
