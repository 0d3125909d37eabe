"""What every training here has in common: the optimizer, the learning rate, and a loop that survives a power cut.

AdamW (Loshchilov & Hutter 2019) with weight decay on matrices only, linear warm-up, half a cosine down to a tenth,
gradient clipping at 1. A run stopped and started again goes on from its last checkpoint and ends at the same weights,
if batch i depends on i alone.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Schedule(Protocol):
    """What the loop reads of a recipe."""

    @property
    def lr(self) -> float: ...
    @property
    def n_warmup(self) -> int: ...
    @property
    def n_step(self) -> int: ...
    @property
    def weight_decay(self) -> float: ...


@dataclass
class Log:
    """What training wrote down."""

    losses: list[float] = field(default_factory=list)  # every step, nats per token
    seconds: float = 0.0
    notes: list[dict[str, Any]] = field(default_factory=list)  # what `note` measured on the way


def learning_rate(step: int, recipe: Schedule) -> float:
    """Linear from 0 to lr, then half a cosine down to a tenth of lr."""
    if step < recipe.n_warmup:
        return recipe.lr * (step + 1) / recipe.n_warmup
    done = (step - recipe.n_warmup) / max(1, recipe.n_step - recipe.n_warmup)
    return recipe.lr * (0.1 + 0.9 * (1 + math.cos(math.pi * done)) / 2)


def adamw(model: nn.Module, recipe: Schedule, pace: dict[str, float]) -> torch.optim.AdamW:
    """Matrices decay towards zero; gains, one number per feature, do not. See `fit` for `pace`."""
    groups: dict[tuple[bool, float], list[Tensor]] = {(True, 1.0): [], (False, 1.0): []}
    for name, weight in model.named_parameters():
        factor = next((value for ending, value in pace.items() if name.endswith(ending)), 1.0)
        groups.setdefault((weight.dim() > 1, factor), []).append(weight)
    decay = {True: recipe.weight_decay, False: 0.0}
    return torch.optim.AdamW(
        [{"params": part, "weight_decay": decay[matrix], "pace": pace} for (matrix, pace), part in groups.items()],
        lr=recipe.lr,
        betas=(0.9, 0.95),
    )


def fit(
    model: nn.Module,
    recipe: Schedule,
    loss_at: Callable[[int], tuple[Float[Tensor, ""], float]],
    checkpoint: Path,
    identity: str,
    *,
    save_every: int = 100,
    note: Callable[[int], dict[str, Any] | None] = lambda step: None,
    after: Callable[[], None] = lambda: None,
    pace: dict[str, float] | None = None,
    stop_at: int | None = None,
) -> Log:
    """Train `model` in place. Goes on from `checkpoint` if it is there; the checkpoint of a finished run is its result.

    `loss_at(step)`: what is minimised, and the number to write down. `after()`: once the optimizer has stepped.
    `note(step)`: something to remember after that step, or None. `pace`: weights whose names end so learn so many times
    faster. `stop_at` interrupts before that step, as a power cut
    would. `identity` says what the checkpoint belongs to; raises SystemExit for another's.
    """
    optimizer, log = adamw(model, recipe, pace or {}), Log()
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True)
        if saved["identity"] != identity:
            raise SystemExit(f"{checkpoint} belongs to another recipe: delete it to start anew")
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        log = Log(**saved["log"])

    clock = time.monotonic()
    end = recipe.n_step if stop_at is None else stop_at
    for step in range(len(log.losses), end):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, recipe) * group["pace"]
        loss, shown = loss_at(step)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        after()
        log.losses.append(shown)
        seen = note(step)
        if seen is not None:
            log.notes.append(seen)
        if (step + 1) % save_every == 0 or step + 1 == end:
            now = time.monotonic()
            log.seconds, clock = log.seconds + now - clock, now
            part = checkpoint.with_suffix(".part")  # a crash while writing must not cost the last good checkpoint
            state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "log": vars(log)}
            torch.save({"identity": identity, **state}, part)
            part.replace(checkpoint)
            print(f"{checkpoint.stem} {step + 1}/{recipe.n_step}  {log.seconds:.0f} s  {shown:.3f}", end="  ")
            print(*log.notes[-1:], flush=True)
    return log


def curve(losses: list[float], n_point: int = 100) -> list[tuple[int, float]]:
    """(step, mean loss since the point before), about n_point of them."""
    edge = [round(i * len(losses) / n_point) for i in range(n_point + 1)]
    return [(b, round(sum(losses[a:b]) / (b - a), 4)) for a, b in pairwise(edge) if b > a]
