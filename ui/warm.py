"""What the first visitor would wait for, computed while nobody waits: imports and every page's first trace."""

from __future__ import annotations

import importlib
import logging
import threading

from ui.catalogue import entries
from ui.jobs import JOBS, settle

_started: list[threading.Thread] = []


def warm_up() -> threading.Thread:
    """Import each page's mechanism and compute its default trace, in the background, one after the other."""
    thread = threading.Thread(target=_warm, name="warm-up", daemon=True)
    _started.append(thread)
    thread.start()
    return thread


def under_way() -> bool:
    """Whether some page's first trace may still be coming by itself."""
    return any(thread.is_alive() for thread in _started)


def _warm() -> None:
    import plotly.graph_objects  # noqa: F401  (the import is the point)

    for entry in entries().values():
        if not entry.mechanism:
            continue
        try:
            mechanism = importlib.import_module(f"models.{entry.mechanism}")
            with JOBS.start(mechanism.trace, mechanism.Config()).watched() as job:
                job.future.result()
        except Exception:  # a page that cannot start says so itself, on the page
            logging.getLogger(__name__).exception("no first trace for %s", entry.slug)
    settle()
