"""Distances between clouds: explicit loops, known values, and what counts as outside."""

from __future__ import annotations

import math

import pytest
import torch

from models.denoising_reference import carried
from models.plane_quality import N_DIRECTION, nearest, outside, sliced, wasserstein


def cloud(n: int, seed: int, *more: int) -> torch.Tensor:
    return torch.randn(*more, n, 2, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("n", "m"), [(7, 7), (7, 21), (13, 5), (5, 13), (1, 3), (11, 1)])
def test_one_dimension_by_carrying_mass(n: int, m: int) -> None:
    a, b = cloud(n, 0)[:, 0], 2 * cloud(m, 1)[:, 0] + 0.3
    assert float(wasserstein(a, b)) == pytest.approx(carried(a.tolist(), b.tolist()), rel=1e-5)


def test_by_hand() -> None:
    """{0, 1} against {0, 0, 3}: a sixth moves by 1, a third by 2; and mass that is moved by 1 costs 1."""
    assert float(wasserstein(torch.tensor([0.0, 1.0]), torch.tensor([0.0, 0.0, 3.0]))) == pytest.approx(1 / 6 + 2 / 3)
    assert float(wasserstein(torch.tensor([5.0, 1.0]), torch.tensor([2.0, 6.0]))) == pytest.approx(1)


def test_a_shift_costs_its_mean_shadow() -> None:
    """Moving a cloud by d moves its shadow on a direction by d |cos|, 2 / pi of it in the mean."""
    x = cloud(37, 2)
    assert float(sliced(x, x + torch.tensor([0.6, 0.8]))) == pytest.approx(2 / math.pi, rel=0.01)
    assert float(sliced(x, x)) == 0
    other = cloud(53, 3)
    assert float(sliced(x, other)) == pytest.approx(float(sliced(other, x)), rel=1e-5)
    assert float(sliced(x, other)) <= float(sliced(x, x[:17])) + float(sliced(x[:17], other)) + 1e-6


def test_slices_are_those_of_a_loop() -> None:
    a, b = cloud(7, 4, 3), cloud(11, 5)
    found = sliced(a, b)
    for k in range(3):
        total = 0.0
        for d in range(N_DIRECTION):
            turn = math.pi * d / N_DIRECTION
            across = torch.tensor([math.cos(turn), math.sin(turn)])
            total += carried((a[k] @ across).tolist(), (b @ across).tolist())
        assert float(found[k]) == pytest.approx(total / N_DIRECTION, rel=1e-5)
    torch.testing.assert_close(sliced(a, b.expand(3, -1, -1)), found)


def test_nearest_and_outside() -> None:
    data = torch.rand(2000, 2, generator=torch.Generator().manual_seed(6))
    x = torch.tensor([[0.5, 0.5], [1.5, 0.5], [0.4, 0.2], [-9.0, 3.0]])
    way, which = nearest(x, data)
    for i in range(len(x)):
        ways = [math.dist(x[i].tolist(), point) for point in data.tolist()]
        assert int(which[i]) == min(range(2000), key=ways.__getitem__) and float(way[i]) == pytest.approx(
            min(ways), abs=1e-3
        )
    assert outside(x, data).tolist() == [False, True, False, True]
    fresh = torch.rand(5000, 2, generator=torch.Generator().manual_seed(7))
    assert float(outside(fresh, data).float().mean()) == pytest.approx(0.01, abs=0.008)
