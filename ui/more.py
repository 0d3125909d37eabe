"""What stands below every picture, drawn from the page's TOML: try this, predict first, and the tabs."""

from __future__ import annotations

import inspect
import string
from collections.abc import Callable
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from ui import address, controls, waiting
from ui.catalogue import Entry
from ui.jobs import JOBS
from ui.language import say, sentence, word
from viz import palette

VERDICTS: dict[str, tuple[Any, str]] = {
    "right": ("green", ":material/check_circle:"),
    "wrong": ("red", ":material/cancel:"),
    "contradiction": ("red", ":material/compare_arrows:"),
    "imprecise": ("orange", ":material/tune:"),
    "outdated": ("orange", ":material/history:"),
    "unverifiable": ("gray", ":material/help:"),
}


def draw(entry: Entry, mechanism: Any) -> None:
    """Presets, prediction, then one tab each for mathematics, code, check, claims, questions and sources."""
    spec = entry.spec
    _presets(entry, mechanism)
    if "predict" in spec:
        _predict(entry, mechanism)
    tabs = [
        ("mathematics", ":material/function:", lambda: _mathematics(spec), "mathematics" in spec),
        ("code", ":material/code:", lambda: _code(mechanism), True),
        ("check", ":material/verified:", lambda: _check(entry, mechanism), hasattr(mechanism, "check")),
        ("claims", ":material/gavel:", lambda: _claims(spec, mechanism), "claims" in spec),
        ("questions", ":material/quiz:", lambda: _questions(entry, mechanism), "questions" in spec),
        ("sources", ":material/menu_book:", lambda: _sources(spec), "sources" in spec),
    ]
    wanted = [tab for tab in tabs if tab[3]]
    # Only the open tab is computed and sent; a change of tab reruns this function.
    drawn = st.tabs(
        [f"{icon} {word(name)}" for name, icon, _, _ in wanted], key=f"_tabs_{entry.slug}", on_change="rerun"
    )
    for tab, (_, _, content, _) in zip(drawn, wanted, strict=True):
        if tab.open:
            with tab:
                content()


def _presets(entry: Entry, mechanism: Any) -> None:
    presets = entry.spec.get("presets", [])
    if not presets:
        return
    st.markdown(f"**{word('try_this')}**")
    with st.container(horizontal=True, key=f"presets-{entry.slug}"):
        for preset in presets:
            st.button(
                say(preset["label"]),
                key=f"_preset_{preset['id']}",
                help=say(preset["question"]),
                on_click=_apply,
                args=(entry, mechanism.Config, preset),
            )
    chosen = next((p for p in presets if p["id"] == st.session_state.get(f"_chosen_{entry.slug}")), None)
    if chosen:
        st.caption(say(chosen["question"]))


def _apply(entry: Entry, config: type, about: dict[str, Any]) -> None:
    """Go to the state of a preset, question or prediction, and to the further picture it names."""
    values, defaults = controls.state(config, about["state"])
    for first in list(entry.spec.get("gallery", {}))[:1]:
        values["figure"], defaults["figure"] = about.get("figure", first), first
    address.put_all(values, defaults)
    address.unlink()
    st.session_state[f"_chosen_{entry.slug}"] = about.get("id")
    st.session_state["_jump"] = st.session_state.get("_jump", 0) + 1  # the picture is above: the shell scrolls there


def _predict(entry: Entry, mechanism: Any) -> None:
    """A question about a state that is not on the screen; the answer is computed there and then."""
    about = entry.spec["predict"]
    with st.container(border=True):
        texts = {option["value"]: say(option["text"]) for option in about["options"]}
        st.markdown(f"**{word('predict')}** {say(about['question'])}")
        guess = st.pills(
            word("predict"),
            list(texts),
            format_func=texts.__getitem__,
            key=f"_guess_{entry.slug}",
            label_visibility="collapsed",
        )
        if guess is None:
            return
        with JOBS.start(mechanism.trace, mechanism.Config(**about["state"])).watched() as job:
            facts = mechanism.facts(job.future.result())
        right = facts[about["fact"]] == guess
        st.markdown(("✓ " if right else "✗ ") + word("predicted" if right else "mispredicted"))
        if "answer" in about:
            st.markdown(say(about["answer"], **facts))
        st.button(word("show_me"), key="_predict_show", on_click=_apply, args=(entry, mechanism.Config, about))


def _mathematics(spec: dict[str, Any]) -> None:
    for block in spec["mathematics"]:
        if "title" in block:
            st.markdown(f"**{say(block['title'])}**")
        st.markdown(palette.colour_symbols(say(block["text"]), dark=st.context.theme.type == "dark"))


def _code(mechanism: Any) -> None:
    st.caption(word("code_ran", file=mechanism.__name__.replace(".", "/") + ".py"))
    st.code(inspect.getsource(mechanism.trace), language="python")
    if st.toggle(word("whole_file"), key="_whole_file"):
        st.code(inspect.getsource(mechanism), language="python")


def _check(entry: Entry, mechanism: Any) -> None:
    st.caption((inspect.getdoc(mechanism.check) or "").split("\n")[0])
    config = st.session_state.get(f"_cfg_{entry.slug}")
    if config is None or not st.button(word("check_now"), key="_check", icon=":material/play_arrow:"):
        return
    try:
        with JOBS.start(mechanism.check, config).watched() as job, st.spinner(word("computing")):
            differences = job.future.result()
    except Exception as error:
        if not hasattr(error, "sentence"):
            raise
        st.warning(sentence(error), icon=":material/info:")
        return
    st.table({word("quantity"): list(differences), word("difference"): [f"{d:.2e}" for d in differences.values()]})


def _claims(spec: dict[str, Any], mechanism: Any) -> None:
    places = []
    for about in spec["claims"]:
        with st.container(border=True):
            verdict(about)
            st.markdown(f"“{say(about['claim'])}”")
            places.append((about, st.empty()))
    for about, place in places:
        answer(about, place, None)
    for about, place in places:
        if "live" in about:
            answer(about, place, _computed(mechanism.CLAIMS[about["live"]], place))


def verdict(about: dict[str, Any]) -> None:
    """A claim's verdict as a badge."""
    colour, icon = VERDICTS[about["verdict"]]
    st.badge(word(about["verdict"]), icon=icon, color=colour)


def answer(about: dict[str, Any], place: DeltaGenerator, values: dict[str, Any] | Exception | None) -> None:
    """What is right, with its live numbers; or why they cannot be had. None: they are still to come."""
    if values is None and "live" in about:
        place.caption(word("computing"))
        return
    with place.container():
        if isinstance(values, Exception):
            if not hasattr(values, "sentence"):
                raise values
            st.warning(sentence(values), icon=":material/info:")
        else:
            st.markdown(say(about["answer"], **(values or {})))
        if "source" in about:
            st.caption(say(about["source"]))


def _computed(work: Callable[[], dict[str, Any]], place: DeltaGenerator) -> dict[str, Any] | Exception:
    """A claim's numbers, computed once for all visitors, or what was raised instead."""
    with JOBS.start(work).watched() as job:
        waiting.attend(job, lambda: place.caption(word("computing")))
        error = job.future.exception()
        return error if isinstance(error, Exception) else job.future.result()


def _questions(entry: Entry, mechanism: Any) -> None:
    for question in entry.spec["questions"]:
        with st.expander(say(question["question"])):
            st.markdown(f"**{say(question['short'])}**")
            st.markdown(say(question["long"]))
            if "state" in question:
                st.button(
                    word("show_me"),
                    key=f"_question_{question['id']}",
                    on_click=_apply,
                    args=(entry, mechanism.Config, question),
                )


def _sources(spec: dict[str, Any]) -> None:
    for source in spec["sources"]:
        text = say(source["text"])
        st.markdown(f"- [{text}]({source['url']})" if "url" in source else f"- {text}")


def placeholders(text: str) -> set[str]:
    """Names of the {placeholders} in a template."""
    return {name.split(".")[0].split("[")[0] for _, name, _, _ in string.Formatter().parse(text) if name}
