"""Model Atlas: `streamlit run app.py`, or any ASGI server on `app:app`. Imports no torch itself."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from ui.settings import limit_threads

limit_threads()

import streamlit as st  # noqa: E402  (threads are limited before anything native loads)

from ui.warm import warm_up  # noqa: E402
from ui.web import MIDDLEWARE, ROUTES  # noqa: E402


@asynccontextmanager
async def lifespan(_: st.App) -> AsyncIterator[None]:
    """Start computing what the first visitor would wait for, without waiting for it."""
    warm_up()
    yield


app = st.App("ui/shell.py", lifespan=lifespan, middleware=MIDDLEWARE, routes=ROUTES)
