"""Waiting for a job in front of the visitor: progress, a cancel button, and an ear for whatever else is pressed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import streamlit as st
from streamlit.runtime.scriptrunner import RerunException, StopException, get_script_run_ctx
from streamlit.runtime.scriptrunner_utils.script_requests import ScriptRequestType

from ui.jobs import Job
from ui.language import word

LOOK = 0.1  # seconds between two looks at the job and at the visitor


def wait(job: Job, key: str, give_up: Callable[[], None]) -> None:
    """Return when the job is done. A press on Cancel (whose callback is `give_up`), or on any other control, ends this
    run of the script."""
    place = st.empty()
    with place.container(horizontal=True, vertical_alignment="center"):
        bar = st.progress(0.0, word("computing"))
        st.button(word("cancel"), key=key, on_click=give_up, icon=":material/close:")
    attend(job, lambda: bar.progress(min(max(job.fraction, 0.0), 1.0), word("computing")))
    place.empty()


def attend(job: Job, show: Callable[[], object]) -> None:
    """Return when the job is done. `show` draws that it is not: drawing ends the run if the visitor left the page."""
    while not job.done_within(LOOK):
        show()
        _hear()


def _hear() -> None:
    """End this run if the visitor has pressed something inside the fragment that is running.

    Streamlit 1.67 ends a run by itself only for what stands outside fragments. What was pressed inside one waits until
    the run is over, so that Cancel would come too late; there is no public way to learn of it.
    """
    context = get_script_run_ctx()
    requests = context.script_requests if context else None
    if context is None or requests is None or requests._state is not ScriptRequestType.RERUN:
        return
    request = requests.on_scriptrunner_ready()
    if request.type is not ScriptRequestType.RERUN:
        raise StopException
    asked = request.rerun_data
    if not context.fragment_ids_this_run:  # the whole page is being drawn: it must not be left half drawn
        asked = dataclasses.replace(asked, fragment_id_queue=[])
    raise RerunException(asked)
