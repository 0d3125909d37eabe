"""Everything process-wide in one place: threads, workers, memory. Read from the environment once, at import."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclasses.dataclass(frozen=True)
class Settings:
    """Limits of one server process."""

    torch_threads: int = 1  # the tensors are small and the visitors many: one core each beats one visitor on all cores
    workers: int = 2  # computations that run at once; further ones queue
    cache_bytes: int = 512 * 2**20  # traces kept for all visitors, least recently used out first
    own_bytes: int = 32 * 2**20  # results of a visitor's own files, kept for that visitor alone
    patience: float = 0.5  # seconds a picture may take before progress and a cancel button appear


def _from_environment() -> Settings:
    """MODEL_ATLAS_WORKERS=4 overrides `workers`, and so on for every field."""
    settings = Settings()
    for name, value in dataclasses.asdict(settings).items():
        if text := os.environ.get(f"MODEL_ATLAS_{name.upper()}"):
            settings = dataclasses.replace(settings, **{name: type(value)(text)})
    return settings


SETTINGS = _from_environment()


def limit_threads() -> None:
    """Keep native libraries to `torch_threads`; must run before the first of them is imported."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, str(SETTINGS.torch_threads))
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
