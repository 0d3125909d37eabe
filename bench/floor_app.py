"""The floor's server: bench/floor.py, the files of the browser components, and nothing else of the app."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import streamlit as st

from ui.web import ROUTES

app = st.App("floor.py", routes=ROUTES)
