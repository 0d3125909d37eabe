"""The floor: a bare Streamlit page that draws the same figures as a page, computed beforehand, with no model.

Served by bench/floor_app.py; MODEL_ATLAS_FLOOR names the file with the figures.
"""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import streamlit as st

from ui import figure

st.set_page_config(layout="wide")


@st.cache_resource
def _figures() -> list[list[object]]:
    return pickle.loads(Path(os.environ["MODEL_ATLAS_FLOOR"]).read_bytes())


@st.fragment
def picture() -> None:
    """One slider; each of its values shows one set of figures."""
    choices = _figures()
    which = st.slider("Figures", 0, len(choices) - 1, 0)
    for number, item in enumerate(choices[which]):
        figure.show(item, f"floor-{number}")


picture()
