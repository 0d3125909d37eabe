"""What people say about CLIP, computed on the towers trained here and on their snapshots."""

import torch

from models.clip_measures import binding as measure_binding
from models.clip_measures import zero_shot
from models.clip_training import gap, training
from models.scene_clip import START_SCALE, load, sigmoid_loss, softmax_loss

# Radford et al. 2021, sections 2.2, 2.4 and 2.5
N_PAIR_CLIP, N_EPOCH_CLIP, BATCH_CLIP = 400_000_000, 32, 32_768
LARGEST_SCALE = 100


def binding() -> dict[str, float | int]:
    """Which attribute belongs to which object?"""
    clip = load()
    found = measure_binding(clip, 300)
    return {**found, "held_out": zero_shot(clip, True, 200)["both"], "seen": zero_shot(clip, False, 200)["both"]}


def one_space() -> dict[str, float | int]:
    """Are a picture and its caption neighbours?"""
    found = gap()
    kept = training()
    s = kept.image[-1] @ kept.text[-1, 0].T
    n = len(s)
    own = s.diagonal()
    u = kept.image[-1]
    among = (u @ u.T).sum() - n
    return {
        "gap": float(found.distance[-1]),
        "gap_start": float(found.distance[0]),
        "same": float(found.same[-1]),
        "own": float(own.mean()),
        "pictures": float(among / (n * (n - 1))),
        "closest": float((u @ u.T).fill_diagonal_(-1).max(1).values.mean()),
        "languages": float(found.languages[-1]),
        "n": n,
    }


def anything() -> dict[str, float | int]:
    """What was never seen: a new combination, and a new word."""
    clip = load()
    held, seen = zero_shot(clip, True, 300), zero_shot(clip, False, 300)
    v = clip.encode_text(["a hexagon", "a pentagon", "a red hexagon", "a red circle"])
    return {
        "held_out": held["both"],
        "seen": seen["both"],
        "held_shape": held["shape"],
        "held_colour": held["colour"],
        "chance": 1 / 48,
        "unknown": float(v[0] @ v[1]),
        "known": float(v[2] @ v[3]),
    }


def blocks(n_block: int = 4) -> dict[str, float | int]:
    """Each loss of the 40 pairs as a whole, and put together from blocks that never meet."""
    kept = training()
    s = kept.image[-1] @ kept.text[-1, 0].T
    z = s * kept.scale[-1]
    n, size = len(z), len(z) // n_block
    sign = 2 * torch.eye(n) - 1
    pieces = [
        -torch.nn.functional.logsigmoid(sign[i : i + size, j : j + size] * (z[i : i + size, j : j + size] - 20)).sum()
        for i in range(0, n, size)
        for j in range(0, n, size)
    ]
    own = [softmax_loss(z[i : i + size, i : i + size]) for i in range(0, n, size)]
    whole = sigmoid_loss(z - 20)
    return {
        "n": n,
        "n_block": n_block,
        "size": size,
        "sigmoid": float(whole),
        "sigmoid_blocks": float(sum(pieces) / n),
        "sigmoid_off": abs(float(sum(pieces) / n) - float(whole)),
        "softmax": float(softmax_loss(z)),
        "softmax_blocks": float(sum(own) / n_block),
    }


def temperature() -> dict[str, float | int]:
    """Set by hand, or learned?"""
    kept, twin = training(), training("sigmoid")
    return {
        "bias_start": float(twin.bias[0]),
        "bias": float(twin.bias[-1]),
        "twin_start": float(1 / twin.scale[0]),
        "twin_end": float(1 / twin.scale[-1]),
        "start": float(torch.tensor(-START_SCALE).exp()),
        "end": float(1 / kept.scale[-1]),
        "scale": float(kept.scale[-1]),
        "most": LARGEST_SCALE,
        "least": 1 / LARGEST_SCALE,
        "n_step": kept.step[-1],
    }


def batch() -> dict[str, float | int]:
    """How much is compared with how much."""
    recipe = training().card["recipe"]
    return {
        "pairs": N_PAIR_CLIP / 1e6,
        "epochs": N_EPOCH_CLIP,
        "batch": BATCH_CLIP,
        "steps": N_PAIR_CLIP * N_EPOCH_CLIP / BATCH_CLIP,
        "seen": N_PAIR_CLIP * N_EPOCH_CLIP / 1e9,
        "cells": BATCH_CLIP**2 / 1e9,
        "wrong": 1 - 1 / BATCH_CLIP,
        "ours": recipe["n_row"],
        "ours_cells": recipe["n_row"] ** 2,
        "ours_seen": recipe["n_row"] * recipe["n_step"],
        "chance": float(torch.tensor(float(BATCH_CLIP)).log()),
        "ours_chance": float(torch.tensor(float(recipe["n_row"])).log()),
    }
