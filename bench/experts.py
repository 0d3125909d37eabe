"""How quick the pages about experts are: a text through the trained router, and training while somebody waits."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from bench.positions import turns

Report = Callable[[str, float, float | None, str], None]


def measure(rounds: int, report: Report) -> None:
    """Both computations."""
    routing(rounds, report)
    training(rounds, report)


def routing(rounds: int, report: Report) -> None:
    """128 tokens through the small mixture, with all that its four routers did; floor: transformers' Mixtral with the
    same weights, its logits alone."""
    import torch

    from models import router_reading, router_reference, tiny_moe

    texts = tiny_moe.held_out()["shakespeare"][: rounds + 1, : router_reading.N_TOKEN]
    mixtral = router_reference.as_mixtral(tiny_moe.load("moe"))

    def page(i: int) -> object:
        return router_reading.read("moe", tuple(texts[i].tolist()), tiny_moe.AS_TRAINED)

    @torch.no_grad()
    def floor(i: int) -> object:
        return mixtral(texts[i][None]).logits

    report("128 tokens through the small mixture", *turns(rounds, page, floor), "ms")


def training(rounds: int, report: Report) -> None:
    """Two runs of one seed as one batch, filmed, as the page moe-balance shows them first."""
    from models.cluster_training import N_STEP, Dose, Setting, train

    found = []
    for _ in range(rounds):
        began = time.perf_counter()
        train(Setting(), [Dose(23), Dose(23, switch=0.1)])
        found.append(N_STEP / (time.perf_counter() - began))
    report("live training of moe-balance, two runs", statistics.median(found), None, "steps/s")
