"""The app with one mechanism that takes as long as a test wants: while the folder HELD holds a file of its number.

`trace-37` holds up the trace of 37 random tokens (which ticks), `limits-37` the ranges of the controls (which do not).
HELD/log says what began and how it ended.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from models import attention_masks as masks  # noqa: E402
from models.fields import Range, no_tick  # noqa: E402
from ui.web import MIDDLEWARE, ROUTES  # noqa: E402

HELD = Path(os.environ["HELD"])
trace_at_once, limits_at_once = masks.trace, masks.limits


def note(line: str) -> None:
    with (HELD / "log").open("a") as log:
        log.write(line + "\n")


def trace(cfg: masks.Config, tick: Callable[[float], None] = no_tick) -> masks.Trace:
    note(f"begin {cfg.n_token}")
    try:
        while (HELD / f"trace-{cfg.n_token}").exists():
            tick(0.5)
            time.sleep(0.02)
    except BaseException as error:
        note(f"{type(error).__name__} {cfg.n_token}")
        raise
    note(f"end {cfg.n_token}")
    return trace_at_once(cfg)


def limits(values: dict[str, Any]) -> dict[str, Range]:
    while (HELD / f"limits-{values['n_token']}").exists():
        time.sleep(0.02)
    return limits_at_once(values)


masks.trace, masks.limits = trace, limits
app = st.App(ROOT / "ui" / "shell.py", middleware=MIDDLEWARE, routes=ROUTES)
