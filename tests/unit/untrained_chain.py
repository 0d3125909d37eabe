"""A chain of encoder, projector and language model with random weights and a made-up card: laws that hold for any."""

from __future__ import annotations

import functools
import random
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from models import projectors, scene_vlm
from models.scene_questions import KINDS
from models.scene_vlm import History, Vlm

STEPS = (0, 10, 20, 40, 60)


@functools.cache
def card() -> dict[str, Any]:
    """Shares in the shape of models/weights/scene_vlm.json, every one different."""
    rng = random.Random(5)

    def table() -> dict[str, float]:
        return {kind: round(rng.uniform(0.2, 1), 4) for kind in (*KINDS, "all")}

    def languages() -> dict[str, dict[str, float]]:
        return {name: table() for name in ("en", "zh", "both")}

    names = (*projectors.NAMES, scene_vlm.BLIND)
    return {
        "accuracy": {n: {s: {p: languages() for p in ("seen", "held_out")} for s in ("1", "2")} for n in names},
        "n_question": {p: {n: dict.fromkeys(KINDS, 7) for n in ("en", "zh", "both")} for p in ("seen", "held_out")},
        "chance": table(),
        "variants": {name: {"steps": [30, 900 if name == scene_vlm.MAIN else 60]} for name in names},
        "watched": {scene_vlm.MAIN: [[], [{"step": 50, "held_out": dict.fromkeys(KINDS, 0.75)}, {"step": 60}]]},
        "gradients": [
            {"step": step, "stage": 1 + i // 3, "encoder": 0.0, "projector": 1 / (i + 1), "language_model": 2.0 + i}
            for i, step in enumerate(STEPS)
        ],
        "lm": {"accuracy": {"map": table()}, "accuracy_held_out": {"map": table(), "caption": table()}},
    }


@functools.cache
def chain(variant: str = scene_vlm.MAIN, phase: str = "2") -> Vlm:
    """Every phase has weights of its own."""
    return replace(scene_vlm.untrained(variant, seed=int(phase)), card=card())


def history(picture: Float[Tensor, "1 3 y x"]) -> History:
    """Tokens that grow, words that move in the second stage."""
    vlm = chain()
    tokens = vlm.project(vlm.features(picture)).tokens[0]
    grown = torch.stack([tokens * (1 + i) for i in range(len(STEPS))])
    words = torch.stack([vlm.lm.embedding + (0.01 * i if i > 2 else 0.0) for i in range(len(STEPS))])
    return History(STEPS, (1, 1, 1, 2, 2), grown, words)
