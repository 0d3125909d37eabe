"""How many steps a second the live training of moe-balance makes: two runs of one seed as one batch, filmed."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable


def measure(rounds: int, report: Callable[[str, float, float | None, str], None]) -> None:
    """Train as often as asked; report the median."""
    from models import cluster_training
    from models.cluster_training import Dose, Setting, train

    doses, setting, steps = [Dose(23), Dose(23, switch=0.1)], Setting(), cluster_training.N_STEP
    found = []
    for _ in range(rounds):
        began = time.perf_counter()
        train(setting, doses)
        found.append(steps / (time.perf_counter() - began))
    report("live training of moe-balance, two runs", statistics.median(found), None, "steps/s")
