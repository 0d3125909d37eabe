"""The balancing terms against transformers' own (values and gradients), an explicit loop, and numbers by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers.models.mixtral.modeling_mixtral import load_balancing_loss_func as mixtral
from transformers.models.switch_transformers import modeling_switch_transformers as switch

from models import balancing
from models.gates import best

T, E = 37, 11  # primes: a transposed axis cannot pass


@pytest.fixture
def logit() -> Tensor:
    return (2 * torch.randn(T, E, generator=torch.Generator().manual_seed(3))).requires_grad_()


def gradient(loss: Any, weight: Tensor) -> Tensor:
    """transformers calls its losses numbers, which they are not."""
    return torch.autograd.grad(loss, weight, retain_graph=True)[0]


@pytest.mark.parametrize("k", [1, 2, 3])
def test_switch_loss_is_mixtrals(logit: Tensor, k: int) -> None:
    """Mixtral counts k assignments per token: k times ours. Values and gradients."""
    probability = logit.softmax(-1)
    ours = k * balancing.switch_loss(probability, best(probability, k), 1.0)
    theirs = mixtral((logit,), E, k)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=0)
    torch.testing.assert_close(gradient(ours, logit), gradient(theirs, logit), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("k", [1, 2])
def test_switch_loss_is_switchs(logit: Tensor, k: int) -> None:
    probability = logit.softmax(-1)
    ours = k * balancing.switch_loss(probability, best(probability, k), 0.01)
    theirs = 0.01 * switch.load_balancing_loss_func(probability[None], probability.topk(k).indices[None])
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=0)
    torch.testing.assert_close(gradient(ours, logit), gradient(theirs, logit), rtol=1e-4, atol=1e-9)


def test_z_loss_is_switchs(logit: Tensor) -> None:
    ours = balancing.z_loss(logit, 0.001)
    theirs = 0.001 * switch.router_z_loss_func(logit[None])
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=0)
    torch.testing.assert_close(gradient(ours, logit), gradient(theirs, logit), rtol=1e-4, atol=1e-9)
    # All logits equal: (log 8)^2, whatever the probabilities.
    assert float(balancing.z_loss(torch.zeros(5, 8), 1.0)) == pytest.approx(math.log(8) ** 2, rel=1e-6)


def test_even_is_alpha_and_collapsed_is_alpha_times_n() -> None:
    """8 experts, alpha 0.01: 0.01 and 0.08."""
    even = torch.eye(8)
    uniform = torch.full((8, 8), 1 / 8)
    assert float(balancing.switch_loss(uniform, even.bool(), 0.01)) == pytest.approx(0.01)
    one = torch.zeros(8, 8)
    one[:, 3] = 1
    assert float(balancing.switch_loss(one, one.bool(), 0.01)) == pytest.approx(0.08)
    # All points at one expert, but the probabilities even: the loss cannot see it, its gradient can.
    assert float(balancing.switch_loss(uniform, one.bool(), 0.01)) == pytest.approx(0.01)


def test_switch_gradient_pushes_the_busy_down(logit: Tensor) -> None:
    """d loss / d P_e = alpha N f_e, spread evenly over the tokens."""
    probability = logit.detach().softmax(-1).requires_grad_()
    chosen = best(probability, 1)
    found = gradient(balancing.switch_loss(probability, chosen, 0.5), probability)
    for e in range(E):
        share = sum(bool(chosen[t, e]) for t in range(T)) / T
        assert found[:, e].tolist() == pytest.approx([0.5 * E * share / T] * T, rel=1e-5)


def test_load_importance_and_their_spread_by_hand() -> None:
    chosen = torch.tensor([[1, 1, 0], [1, 0, 0], [1, 0, 1], [1, 0, 0]]).bool()
    assert balancing.load(chosen).tolist() == pytest.approx([4 / 6, 1 / 6, 1 / 6])
    assert balancing.load(torch.zeros(4, 3).bool()).tolist() == [0, 0, 0]
    weight = torch.tensor([[0.5, 0.5, 0.0], [0.1, 0.0, 0.0], [0.2, 0.0, 0.3], [0.2, 0.0, 0.0]])
    assert balancing.importance(weight).tolist() == pytest.approx([1.0, 0.5, 0.3])
    # Mean 0.6, variance (0.16 + 0.01 + 0.09) / 3.
    assert float(balancing.cv_squared(torch.tensor([1.0, 0.5, 0.3]))) == pytest.approx(0.26 / 3 / 0.36)
    assert float(balancing.importance_loss(weight, 0.1)) == pytest.approx(0.1 * 0.26 / 3 / 0.36)


def test_spread_from_even_to_all_at_one() -> None:
    assert float(balancing.cv_squared(torch.full((E,), 0.7))) == pytest.approx(0, abs=1e-12)
    alone = torch.zeros(E)
    alone[4] = 5
    assert float(balancing.cv_squared(alone)) == pytest.approx(E - 1)
    assert float(balancing.load_entropy(torch.full((E,), 1 / E))) == pytest.approx(1)
    assert float(balancing.load_entropy(alone / 5)) == 0
    half = torch.tensor([0.5, 0.5, 0, 0])
    assert float(balancing.load_entropy(half)) == pytest.approx(0.5)  # log 2 / log 4
    both = balancing.load_entropy(torch.stack([half, torch.full((4,), 0.25)]))
    assert both.tolist() == pytest.approx([0.5, 1.0])


def test_equal_importance_can_hide_unequal_load() -> None:
    """One expert with one sure point, one with three unsure ones: importance is equal, load is 1 to 3."""
    weight = torch.tensor([[0.9, 0.0], [0.0, 0.3], [0.0, 0.3], [0.0, 0.3]])
    assert float(balancing.importance_loss(weight, 1.0)) == pytest.approx(0, abs=1e-9)
    assert balancing.load(weight > 0).tolist() == [0.25, 0.75]


def test_a_bias_step_by_hand() -> None:
    share = torch.tensor([0.5, 0.25, 0.25, 0.0])
    moved = balancing.bias_step(torch.tensor([0.1, 0.2, 0.3, 0.4]), share, 0.01)
    assert moved.tolist() == pytest.approx([0.09, 0.2, 0.3, 0.41])  # who has the mean stays
