"""The further pictures: each number by another way, and what they are there to show."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from models import denoising_claims, mixture_score
from models.denoising import CLAIMS, Config
from models.denoising_comparisons import (
    SCALES,
    Quality,
    WrongFormula,
    determinism,
    guidance,
    quality,
    spread,
    variance,
    wrong_formula,
)
from models.denoising_studies import LEVELS, exact, forward, kinds, points, schedules, split, training
from models.noise_schedule import SCHEDULES, beta, schedule
from models.plane_data import DATA, draw
from models.plane_quality import sliced


def test_forward_agrees_with_the_closed_form() -> None:
    found = forward(Config(data="letters", schedule="cosine"), n_frame=61, n_point=2000)
    assert found.t == tuple(round(i * 1000 / 60) for i in range(61)) and found.x.shape == (61, 2000, 2)
    ab = torch.cat((torch.ones(1), schedule("cosine")))[list(found.t)]
    torch.testing.assert_close(found.alpha_bar, ab)
    torch.testing.assert_close(found.signal, ab.sqrt(), atol=0.06, rtol=0)
    torch.testing.assert_close(found.spread, (1 - ab).sqrt(), atol=0.04, rtol=0)
    torch.testing.assert_close(found.closed[0], found.x[0])
    assert float(found.gap.max()) < 0.08 and float(found.gap[0]) == 0
    assert len(found.density) == 61 and set(found.group.tolist()) == {1, 2, 3, 4}


def test_split_by_hand() -> None:
    clean = torch.randn(5000, 2, generator=torch.Generator().manual_seed(0))
    rest = torch.randn(5000, 2, generator=torch.Generator().manual_seed(1))
    share, left = split(clean, (0.6 * clean + 0.3 * rest)[None])
    assert float(share) == pytest.approx(0.6, abs=0.01) and float(left) == pytest.approx(0.3, abs=0.01)


def test_a_thousand_single_steps_are_the_closed_form() -> None:
    found = schedules(Config(data="gaussians"), n_point=4000)
    assert found.name == SCHEDULES and found.t[0] == 1 and found.t[-1] == 1000
    assert found.difference < 0.04
    for i, name in enumerate(SCHEDULES):
        torch.testing.assert_close(found.alpha_bar[i], schedule(name))
        torch.testing.assert_close(found.beta[i], beta(schedule(name)))
        torch.testing.assert_close(
            (1 - found.beta[i].double()).prod().float(), schedule(name)[-1], rtol=0.02, atol=1e-9
        )
        torch.testing.assert_close(found.closed_signal[i] ** 2 + found.closed_noise[i] ** 2, torch.ones(len(found.t)))
        assert float(found.alpha_bar[i, found.half[i] - 1]) < 0.5 <= float(found.alpha_bar[i, found.half[i] - 2])
        assert float(found.snr[i, found.half[i] - 1]) < 1
    assert found.half[1] > found.half[0] and found.half[2] > found.half[0]  # the linear one hurries


def test_the_three_targets() -> None:
    """Losses come near the best possible; each kind is bad where it divides by almost nothing, v nowhere."""
    found = kinds(Config(data="gaussians"))
    ab = schedule("linear")[[t - 1 for t in LEVELS]]
    for i in (0, 2):
        assert float((found.loss[i] / found.best[i]).max() if i else (found.loss[i] / found.best[i])[:14].max()) < 1.25
    assert float((found.loss - found.best).sum(-1).min()) > 0  # the best loses less than any network
    torch.testing.assert_close(found.best[0], exact(Config()).best, rtol=0.1, atol=0.01)  # other points
    inner = slice(5, 13)
    torch.testing.assert_close(
        found.epsilon_error[:, inner], found.epsilon_error[:1, inner].expand(3, -1), rtol=0.12, atol=0
    )
    # x_0's error is epsilon's, times (1 - ab) / ab: both are of the same x_t
    torch.testing.assert_close(
        found.x0_error[2, inner], found.epsilon_error[2, inner] * ((1 - ab) / ab)[inner], rtol=0.02, atol=0
    )
    torch.testing.assert_close(found.loss[0], found.epsilon_error[0])
    torch.testing.assert_close(found.loss[1], found.x0_error[1])
    assert float(found.epsilon_error[1, 0]) > 5 * float(found.epsilon_error[0, 0])
    assert float(found.x0_error[0, -1]) > 2 * float(found.x0_error[1, -1])
    assert float(found.epsilon_error[2, 0]) < 1.1 and float(found.x0_error[2, -1]) < 1.1 * float(found.x0_error[1, -1])
    assert float(found.sliced.max()) < 0.1 and found.floor < 0.08


def test_no_network_beats_the_exact_epsilon() -> None:
    """Its loss is the least there can be, and what a network has more is the square of its error."""
    found = exact(Config())
    for i in range(3):
        more = found.loss[i] - found.best
        torch.testing.assert_close(more, found.error[i] ** 2, rtol=0.15, atol=0.02)
    assert float(found.error[0].max()) < 0.2 and float(found.error[2].max()) < 0.2
    assert found.shown == 200 and exact(Config(t=700)).shown == 700
    truth = mixture_score.score(found.origin, schedule("linear")[199], mixture_score.EIGHT) * (
        1 - schedule("linear")[199]
    )
    small = found.origin.norm(dim=-1) < 2.5
    torch.testing.assert_close(found.truth[small], truth[small], atol=1e-3, rtol=1e-3)
    assert float((found.learned - found.truth)[small].norm(dim=-1).mean()) < 0.1 * float(
        truth[small].norm(dim=-1).mean()
    )


def test_training_tells_its_curve() -> None:
    found = training(Config(data="letters", kind="x0"))
    assert len(found.step) == len(found.loss) == 60 and not found.live and found.seconds > 0
    assert float(found.loss[-5:].mean()) < float(found.loss[0])


@pytest.mark.parametrize("data", DATA)
def test_points_are_the_data(data: str) -> None:
    assert float(sliced(points(Config(data=data)), draw(data, 2560, torch.Generator().manual_seed(1)).x)) < 0.12


# --- comparisons -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def curves() -> Quality:
    return quality(Config(data="checkerboard"), counts=(1, 5, 10, 100), n_point=300, n_seed=2)


def test_quality_rises_with_steps_and_ddim_leads_at_few(curves: Quality) -> None:
    ddpm, half, ddim = curves.sliced
    for line in (ddpm, half, ddim):
        assert float(line[0]) > 5 * float(line[3]) and float(line[3]) < 2 * curves.floor
    assert float(ddim[1]) < 0.93 * float(ddpm[1]) and float(ddim[2]) < 0.93 * float(ddpm[2])
    assert float(ddpm[0]) == float(ddim[0])  # one step is the same
    assert float(curves.outside[:, 0].min()) > 0.5 > 0.15 > float(curves.outside[:, 3].max())
    assert float(curves.seconds[2, 3]) > 3 * float(curves.seconds[2, 1])
    assert curves.name == ("ddpm", "half", "ddim") and 0 < curves.floor_deviation < curves.floor


def test_quality_tells_progress() -> None:
    told: list[float] = []
    quality(Config(), told.append, n_point=20, n_seed=2, counts=(1, 2, 5))
    assert told == sorted(told) and told[-1] == pytest.approx(1)


def test_guidance_narrows() -> None:
    found = guidance(Config(data="letters", n_step=20))
    assert found.towards == 1 and found.scale == SCALES
    plain, right, strong = (SCALES.index(scale) for scale in (0.0, 1.0, 4.0))
    assert float(found.hit[plain]) == pytest.approx(0.3, abs=0.1)  # the D has its share of the ink
    assert float(found.hit[right]) > 0.95 and float(found.hit[strong]) > 0.95
    assert float(found.spread[right]) == pytest.approx(found.spread_data, rel=0.08)
    assert float(found.spread[strong]) < 0.7 * found.spread_data
    assert int(found.sliced.argmin()) == right and float(found.sliced[right]) < 3 * found.floor
    x = found.x[right]
    ways = [math.dist(p, x.mean(0).tolist()) ** 2 for p in x.tolist()]
    assert float(spread(x)) == pytest.approx(math.sqrt(sum(ways) / len(ways)), rel=1e-4)
    assert guidance(Config(towards=2, n_step=5)).towards == 2


def test_only_fresh_noise_makes_runs_differ() -> None:
    found = determinism(Config(n_step=10), n_point=128)
    assert float(found.most[0]) == 0 and found.again == 0
    assert all(float(a) <= float(b) * 1.15 for a, b in zip(found.apart[:-1], found.apart[1:], strict=True))
    assert float(found.apart[-1]) == pytest.approx(found.ddpm, rel=1e-3)
    assert 0.7 * found.strangers < found.ddpm < 1.1 * found.strangers
    torch.testing.assert_close(found.apart[3], (found.x[0, 3] - found.x[1, 3]).norm(dim=-1).mean())


def test_variance_of_eta_one_is_that_of_ddpm() -> None:
    found = variance(Config(schedule="cosine", n_step=50))
    ab = schedule("cosine").double().tolist()
    for t in (1, 2, 500, 1000):
        before = ab[t - 2] if t > 1 else 1.0
        small = (1 - before) / (1 - ab[t - 1]) * (1 - ab[t - 1] / before)
        assert float(found.ddpm[t - 1]) == pytest.approx(small, rel=1e-5, abs=1e-12)
        assert float(found.large[t - 1]) == pytest.approx(1 - ab[t - 1] / before, rel=1e-4)
    assert found.largest_difference < 1e-12 and found.apart < 1e-3
    assert float(found.ddim[0].max()) == 0
    torch.testing.assert_close(found.ddim[1], found.ddim[2] / 4)
    assert bool((found.ddpm <= found.large + 1e-9).all())


@pytest.fixture(scope="module")
def formulas() -> WrongFormula:
    return wrong_formula(n_point=600)


def test_the_experiment_of_claim_f01(formulas: WrongFormula) -> None:
    right, wrong, silent = range(3)
    assert float(formulas.deviation[right, -1]) == pytest.approx(1.005, abs=0.04)
    assert float(formulas.near[right]) > 0.99
    assert float(formulas.deviation[wrong, -1]) > 1e30 and float(formulas.near[wrong]) < 0.01
    assert float(formulas.deviation[silent, -1]) < 0.2 and float(formulas.near[silent]) < 0.01
    torch.testing.assert_close(formulas.histogram.sum(-1), torch.ones(3, dtype=torch.float64))
    assert float((formulas.histogram[right] - formulas.truth).abs().sum()) < 0.3
    assert [round(float(formulas.coefficient[t]), 4) for t in (0, 499, 999)] == [0.01, 0.0105, 0.02]
    assert formulas.t[0] == 1000 and formulas.t[-1] == 0 and len(formulas.t) == formulas.deviation.shape[1]


def test_claims_are_numbers(monkeypatch: pytest.MonkeyPatch, formulas: WrongFormula, curves: Quality) -> None:
    """As the page computes them, with fewer steps and points."""
    monkeypatch.setattr(denoising_claims, "wrong_formula", lambda: formulas)
    monkeypatch.setattr(denoising_claims, "determinism", lambda cfg: determinism(replace(cfg, n_step=5), n_point=64))
    monkeypatch.setattr(
        denoising_claims, "quality", lambda cfg, counts: quality(cfg, n_point=20, n_seed=2, counts=counts)
    )
    monkeypatch.setattr(denoising_claims, "COUNTS", (5, 10, 50, 60))
    said = {name: work() for name, work in CLAIMS.items() if name != "ddpm-better"}
    assert all(math.isfinite(value) for numbers in said.values() for value in numbers.values())
    assert said["reverse-step"]["std_wrong"] > 1e30 and said["deterministic"]["apart_0"] == 0
    assert said["every-run-differs"]["ddpm"] > 1 and said["every-run-differs"]["again"] == 0
    assert set(said["almost-unchanged"]) > {"ddim_5", "ddpm_50", "ddim_all", "worse", "speed", "floor"}
    assert denoising_claims.of(curves, "ddim", 10) == float(curves.sliced[2, 2])
    assert CLAIMS["ddpm-better"] is CLAIMS["almost-unchanged"]
