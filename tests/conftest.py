"""Shared by all tests: shapes of every tensor in models/ are checked at run time, here and only here."""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.chdir(ROOT)

from ui.settings import limit_threads  # noqa: E402

limit_threads()

from jaxtyping import install_import_hook  # noqa: E402

install_import_hook("models", "beartype.beartype")

import torch  # noqa: E402

torch.set_num_threads(1)
