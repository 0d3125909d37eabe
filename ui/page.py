"""The page frame: what every page is made of, top to bottom. A page says only what is its own.

here = ui.open_page(__file__)

@here.live
def picture():
    cfg = here.controls(rope.Config)
    trace = here.run(rope.trace, cfg)
    here.show(viz_rope.scores(trace, here.words))
    here.caption("look", **rope.facts(trace))

here.more()
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any

import cachetools
import streamlit as st

from models.fields import Choice
from ui import address, controls, figure, more, waiting
from ui.catalogue import Entry, entry_of
from ui.jobs import JOBS, Cancelled, size_in_bytes
from ui.language import language, plain, say, sentence, word
from ui.settings import SETTINGS
from viz.view import View

if TYPE_CHECKING:
    from models.image_input import Picture

HEAD: ContextVar[Any] = ContextVar("head")  # where the shell wants the page's title


def open_page(script: str) -> Page:
    """The page of this script, its title and promise drawn."""
    page = Page(entry_of(script))
    address.enter(page.entry.slug)
    with HEAD.get(st):
        st.title(say(page.spec["title"]), anchor=False)
        st.markdown(say(page.spec["promise"]))
    return page


class Page:
    """One page while it is being drawn for one visitor."""

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.spec = entry.spec
        self.words = {name: say(block) for name, block in entry.spec.get("words", {}).items()}
        self._shown = 0
        self._waits = 0

    @property
    def mechanism(self) -> Any:
        """The module models/<mechanism>.py."""
        return importlib.import_module(f"models.{self.entry.mechanism}")

    def live(self, draw: Callable[[], None]) -> None:
        """Draw the interactive part as a fragment: moving a control reruns this function and not the page.

        What a mechanism cannot do it says in one sentence (an exception with a `sentence`), shown in place of
        the picture; everything else stays.
        """

        def guarded() -> None:
            self._shown = self._waits = 0
            try:
                draw()
                _go_on()
            except Cancelled:
                st.info(word("cancelled"), icon=":material/cancel:")
                st.button(word("compute"), key="_compute", on_click=_go_on)
            except Exception as error:
                if not hasattr(error, "sentence"):
                    raise
                st.warning(sentence(error), icon=":material/info:")

        guarded.__qualname__ = f"{self.entry.slug}.{draw.__qualname__}"  # one fragment identity per page
        st.fragment(guarded)()

    def controls(self, config: type, limits: Callable[[dict[str, Any]], controls.Limits] | None = None) -> Any:
        """Draw one widget per field of `config`; return the Config the visitor has chosen.

        limits: narrower ranges for some fields from the values drawn so far. It may have to load a model first, so it
        is run like any other work. When that cannot be done, or is cancelled, all controls are drawn in their full
        ranges before the page says so: the way out is one of them.
        """
        failure: list[Exception] = []

        def narrow(values: dict[str, Any]) -> controls.Limits:
            if limits is None or failure:
                return {}
            try:
                return self.run(_limits, limits, tuple(values.items()))
            except Exception as error:
                failure.append(error)
                return {}

        self._places = controls.places()
        chosen = controls.draw(config, self.spec["controls"], narrow, self._places)
        st.session_state[f"_cfg_{self.entry.slug}"] = chosen
        if failure:
            raise failure[0]
        return chosen

    def upload(self) -> Picture | None:
        """The visitor's own picture, if there is one: an uploader beside the controls. It never leaves this session:
        results of it are kept for this visitor alone, and the link does not hold it."""
        from models import image_input  # it needs torch: only pages that do, too, come here

        texts, row = self._places
        with row.popover(word("upload"), icon=":material/add_photo_alternate:"):
            held = st.file_uploader(word("upload"), key=f"_upload_{self.entry.slug}", help=word("upload_help"))
        if held is None:
            return None
        known = st.session_state.setdefault("_pictures", {})
        try:
            if held.file_id not in known:
                known.clear()
                known[held.file_id] = image_input.read(held.getvalue())
        except image_input.BadImage as error:
            texts.warning(sentence(error), icon=":material/info:")
            return None
        texts.caption(word("uploaded"))
        return known[held.file_id]

    def run(self, work: Callable[..., Any], *args: Any) -> Any:
        """work(*args), computed once for all visitors; after half a second with progress and a cancel button.

        What is made from a private argument (one with `private`, such as an uploaded picture) is this visitor's alone.

        Raises:
            Cancelled: the visitor gave up on this very work and has not asked for it again.
        """
        wanted = (work.__module__, work.__qualname__, args)
        if st.session_state.get("_given_up") == wanted:
            raise Cancelled
        own = _own_results() if any(getattr(arg, "private", False) for arg in args) else None
        if own and wanted in own:
            return own[wanted]
        with JOBS.start(work, *args, keep=own is None).watched() as job:
            if not job.done_within(SETTINGS.patience):
                self._waits += 1  # one draw may have to wait more than once
                waiting.wait(job, f"_cancel_{self._waits}", partial(_give_up, wanted))
            result = job.future.result()
        if own is not None:
            with contextlib.suppress(ValueError):  # larger than all that is kept
                own[wanted] = result
        return result

    def show(self, picture: View | Any, key: str | None = None, **listeners: Callable[[Any], dict[str, Any]]) -> Any:
        """Show a Plotly figure or a browser component.

        listeners: for a state the component reports (a click, a step), which Config fields it sets to what:
        `selected=lambda heads: {"head": heads[0]}`. They go into the URL like any control. A scrubber sets its own.
        Returns the component's state (its attributes are the states its builder names), None for a Plotly figure.
        """
        self._shown += 1
        key = f"{self.entry.slug}-{key or self._shown}"
        callbacks: dict[str, Callable[[], None]] = {}
        if isinstance(picture, View):
            picture = address.linked(picture)
            for state in address.LINKED:
                if state in picture.data:
                    callbacks[f"on_{state}_change"] = partial(address.link, key, state)
            if scrub := picture.data.get("scrub"):
                listeners["scrub"] = lambda index: {scrub["field"]: scrub["values"][index]}
        for state, fields in listeners.items():
            callbacks[f"on_{state}_change"] = partial(self._heard, key, state, fields)
        return figure.show(picture, key, **callbacks)

    def _heard(self, key: str, state: str, fields: Callable[[Any], dict[str, Any]]) -> None:
        """A component reported a state: write what follows from it into the controls."""
        value = st.session_state[key].get(state)
        if value is None:
            return
        try:
            chosen_fields = fields(value)
        except IndexError:  # it spoke of a picture that has been replaced meanwhile
            return
        defaults = {name: getattr(self.mechanism.Config(), name) for name in chosen_fields}
        address.put_all({name: type(defaults[name])(chosen) for name, chosen in chosen_fields.items()}, defaults)

    def split(self, *widths: float) -> list[Any]:
        """Columns side by side, stacked on a phone: `with left: ...`."""
        return st.columns(widths, gap="medium")

    def gallery(self, pictures: dict[str, Callable[[], None]]) -> None:
        """One of several further pictures, chosen by its name in the TOML's [gallery]; the choice is in the URL.

        Only the chosen one is drawn, so a slider never waits for the others.
        """
        names = list(pictures)
        address.sync("figure", Choice(*names), names[0])
        titles = {name: say(self.spec["gallery"][name]) for name in names}
        chosen = st.segmented_control(
            word("gallery"), names, format_func=titles.__getitem__, key="figure", required=True,
            on_change=address.changed, args=("figure", names[0]), label_visibility="collapsed", wrap=True,
        )  # fmt: skip
        pictures[chosen or names[0]]()

    def caption(self, name: str, **facts: Any) -> None:
        """One sentence of the TOML about this very picture, its numbers from the trace."""
        st.markdown(say(self.spec["captions"][name], **facts))

    def note(self, name: str, **values: Any) -> None:
        """One sentence of the TOML's [words] with numbers that are not the trace's: of a further figure's own work."""
        st.markdown(say(self.spec["words"][name], **values))

    def table(self, columns: dict[str, list[str]]) -> None:
        """A table of plain text: {title: cells from top to bottom}."""
        st.table({name: [plain(cell) for cell in cells] for name, cells in columns.items()})

    def titles(self, control: str) -> dict[str, str]:
        """What a control's alternatives are called in the visitor's language."""
        return {name: say(title) for name, title in self.spec["controls"][control]["options"].items()}

    def reason(self, error: Any) -> str:
        """Why something cannot be done, as plain text for a picture."""
        return error.sentence(language()).replace("`", "")

    def more(self) -> None:
        """Everything below the picture: presets, mathematics, code, check, claims, questions, sources."""
        more.draw(self.entry, self.mechanism)


def _limits(
    limits: Callable[[dict[str, Any]], controls.Limits], values: tuple[tuple[str, Any], ...]
) -> controls.Limits:
    return limits(dict(values))


def _own_results() -> cachetools.LRUCache[Any, Any]:
    """What was made of this visitor's own files, gone with the session."""
    if "_own" not in st.session_state:
        st.session_state["_own"] = cachetools.LRUCache(SETTINGS.own_bytes, getsizeof=size_in_bytes)
    return st.session_state["_own"]


def _give_up(wanted: tuple[Any, ...]) -> None:
    st.session_state["_given_up"] = wanted


def _go_on() -> None:
    """What the visitor gave up on may be computed again."""
    st.session_state.pop("_given_up", None)
