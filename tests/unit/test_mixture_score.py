"""The exact prediction: autograd, averages over explicit draws, and its limits."""

from __future__ import annotations

import pytest
import torch

from models.mixture_score import EIGHT, TWO, Mixture, epsilon, log_density, responsibility, score
from models.noise_schedule import add_noise
from models.plane_data import draw

ODD = Mixture(
    torch.tensor([[0.3, -1.0, 0.2], [1.1, 0.4, -0.6], [-0.7, 0.9, 1.3]], dtype=torch.float64),
    torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64),
    0.3,
)


@pytest.mark.parametrize("level", [0.9999, 0.7, 0.2, 1e-4])
def test_score_is_the_gradient_of_the_log_density(level: float) -> None:
    ab = torch.tensor(level, dtype=torch.float64)
    x = torch.randn(11, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(log_density(x, ab, ODD).sum(), x)
    torch.testing.assert_close(score(x, ab, ODD), slope)
    torch.testing.assert_close(epsilon(x, ab, ODD), -((1 - ab) ** 0.5) * slope)
    each = ab.expand(11, 1)
    torch.testing.assert_close(epsilon(x, each, ODD), epsilon(x, ab, ODD))


def test_the_density_is_the_sum_of_bells_and_integrates_to_one() -> None:
    ab = torch.tensor(0.6, dtype=torch.float64)
    x = torch.linspace(-8, 8, 4001, dtype=torch.float64)[:, None]
    density = log_density(x, ab, TWO).exp()
    bells = [
        torch.distributions.Normal(c * 0.6**0.5, (0.6 * 0.01 + 0.4) ** 0.5).log_prob(x[:, 0]).exp() for c in (-1, 1)
    ]
    torch.testing.assert_close(density, (bells[0] + bells[1]) / 2)
    assert float(torch.trapezoid(density, x[:, 0])) == pytest.approx(1, abs=1e-9)
    torch.testing.assert_close(responsibility(x, ab, TWO).sum(-1), torch.ones(4001, dtype=torch.float64))


def test_it_is_the_mean_of_the_noise_that_could_have_been() -> None:
    """Of many noised data, those that land near a place: their noise's mean is epsilon there."""
    generator = torch.Generator().manual_seed(1)
    ab, place = torch.tensor(0.5), torch.tensor([0.6, 0.25])
    clean = EIGHT.draw(2_000_000, generator)
    noise = torch.randn(clean.shape, generator=generator)
    here = (add_noise(clean, noise, ab) - place).norm(dim=-1) < 0.06
    assert int(here.sum()) > 2000
    torch.testing.assert_close(noise[here].mean(0), epsilon(place, ab, EIGHT), atol=0.04, rtol=0)


def test_nothing_beats_it() -> None:
    """Any change of the prediction raises the mean square: by the square of the change, as the error is orthogonal."""
    generator = torch.Generator().manual_seed(2)
    clean, ab = draw("gaussians", 200_000, generator).x, torch.tensor(0.8)
    noise = torch.randn(clean.shape, generator=generator)
    x = add_noise(clean, noise, ab)
    best = epsilon(x, ab, EIGHT)
    least = float((best - noise).square().mean())
    for change in (0.1 * x, 0.1 * best, 0.2 * x.cos()):
        more = float((best + change - noise).square().mean())
        assert more - least == pytest.approx(float(change.square().mean()), rel=0.05, abs=3e-4)


def test_one_gaussian_is_linear_and_no_noise_is_no_epsilon() -> None:
    x = torch.randn(7, 2, generator=torch.Generator().manual_seed(3))
    ab = torch.tensor(0.3)
    one = EIGHT.only(3)
    torch.testing.assert_close(
        epsilon(x, ab, one), 0.7**0.5 * (x - 0.3**0.5 * EIGHT.centre[2]) / (0.3 * EIGHT.deviation**2 + 0.7)
    )
    assert EIGHT.only(0) is EIGHT and len(EIGHT.only(8).centre) == 1
    assert float(epsilon(x, torch.tensor(1.0), EIGHT).abs().max()) == 0
    torch.testing.assert_close(epsilon(x, torch.tensor(1e-12), EIGHT), x, atol=1e-5, rtol=0)  # all is noise


def test_the_mixture_of_claim_f01() -> None:
    x = TWO.draw(40_000, torch.Generator().manual_seed(4))[:, 0]
    assert x.dtype == torch.float64 and float(((x.abs() - 1).abs() < 0.3).double().mean()) > 0.99
    assert float(x.std()) == pytest.approx((1 + 0.01) ** 0.5, rel=0.01)
