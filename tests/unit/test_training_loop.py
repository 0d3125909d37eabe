"""The loop all trainings share, against the same steps written out."""

import math
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from training import loop


@dataclass(frozen=True)
class Recipe:
    n_step: int = 6
    lr: float = 0.1
    n_warmup: int = 2
    weight_decay: float = 0.3


def model() -> torch.nn.Module:
    made = torch.nn.Sequential(torch.nn.Linear(5, 3), torch.nn.Linear(3, 2))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in made.parameters():
            weight.copy_(torch.randn(weight.shape, generator=generator))
    return made


def data(step: int) -> torch.Tensor:
    return torch.randn(7, 5, generator=torch.Generator().manual_seed(step)) * 10


def test_learning_rate() -> None:
    recipe = Recipe(n_step=1_000, lr=2.0, n_warmup=100)
    assert [loop.learning_rate(s, recipe) for s in (0, 49, 99)] == pytest.approx([0.02, 1.0, 2.0])
    assert loop.learning_rate(550, recipe) == pytest.approx(1.1)
    assert loop.learning_rate(1_000, recipe) == pytest.approx(0.2)


def test_fit_is_adamw_with_clipping_written_out(tmp_path: Path) -> None:
    """Loshchilov & Hutter 2019, algorithm 2, in double precision, number by number."""
    mine, slow = model().double(), model().double()
    recipe, beta1, beta2 = Recipe(), 0.9, 0.95

    def loss_at(step: int) -> tuple[torch.Tensor, float]:
        loss = mine(data(step).double()).square().mean()
        return loss, float(loss.detach())

    log = loop.fit(mine, recipe, loss_at, tmp_path / "a.pt", "x", pace={"1.weight": 3.0})
    weights, paces = list(slow.parameters()), [1.0, 1.0, 3.0, 1.0]
    first, second = [torch.zeros_like(w) for w in weights], [torch.zeros_like(w) for w in weights]
    losses = []
    for step in range(recipe.n_step):
        loss = slow(data(step).double()).square().mean()
        losses.append(float(loss.detach()))
        gradients = torch.autograd.grad(loss, weights)
        norm = math.sqrt(sum(float(g.square().sum()) for g in gradients))
        assert norm > 1  # else clipping would go untested
        lr = loop.learning_rate(step, recipe)
        with torch.no_grad():
            for w, g, m, v, pace in zip(weights, gradients, first, second, paces, strict=True):
                g = g / (norm + 1e-6)
                m.copy_(beta1 * m + (1 - beta1) * g)
                v.copy_(beta2 * v + (1 - beta2) * g * g)
                w *= 1 - pace * lr * (recipe.weight_decay if w.dim() > 1 else 0)
                w -= pace * lr * (m / (1 - beta1 ** (step + 1))) / ((v / (1 - beta2 ** (step + 1))).sqrt() + 1e-8)
    assert log.losses == pytest.approx(losses)
    for a, b in zip(mine.parameters(), weights, strict=True):
        torch.testing.assert_close(a, b)


def test_what_is_called_when(tmp_path: Path) -> None:
    mine, calls = model(), []

    def loss_at(step: int) -> tuple[torch.Tensor, float]:
        calls.append(f"loss {step}")
        return mine(data(step)).square().mean(), 7.0 + step

    def note(step: int) -> dict[str, int] | None:
        calls.append(f"note {step}")
        return {"at": step} if step % 2 else None

    def fit(stop_at: int | None = None, identity: str = "x") -> loop.Log:
        return loop.fit(
            mine, Recipe(), loss_at, tmp_path / "a.pt", identity, note=note, after=lambda: calls.append("after"),
            stop_at=stop_at,
        )  # fmt: skip

    fit(2)
    assert calls == ["loss 0", "after", "note 0", "loss 1", "after", "note 1"]
    log = fit()
    assert log.losses == [7.0 + i for i in range(6)] and log.notes == [{"at": 1}, {"at": 3}, {"at": 5}]
    assert calls[6] == "loss 2" and log.seconds > 0
    assert fit().losses == log.losses and len(calls) == 18  # a finished run is its checkpoint
    with pytest.raises(SystemExit, match="another recipe"):
        fit(identity="y")


def test_curve() -> None:
    assert loop.curve([4.0, 2.0, 3.0, 5.0, 1.0, 0.0], 3) == [(2, 3.0), (4, 4.0), (6, 0.5)]
    assert loop.curve([1.0, 2.0], 5) == [(1, 1.0), (2, 2.0)]
