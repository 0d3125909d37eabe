"""Schedules and reverse steps against diffusers' schedulers, against autograd-free loops, and against each other."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from models.denoising_steps import SAMPLERS, ddim_step, ddpm_step, guided, posterior_variance, sample, timesteps
from models.noise_schedule import KINDS, SCHEDULES, add_noise, beta, both, schedule, snr, target

THEIRS = {"linear": "linear", "cosine": "squaredcos_cap_v2", "sigmoid": "sigmoid"}
PREDICTION = {"epsilon": "epsilon", "x0": "sample", "v": "v_prediction"}


def scheduler(kind: str, name: str, prediction: str = "epsilon", **more: Any) -> Any:
    """diffusers' own, set up as our modules are."""
    import diffusers

    # DDIMScheduler does not know "sigmoid": it gets DDPMScheduler's numbers
    return getattr(diffusers, kind)(
        trained_betas=diffusers.DDPMScheduler(beta_schedule=THEIRS[name]).betas.numpy(),
        prediction_type=PREDICTION[prediction],
        timestep_spacing="trailing",
        clip_sample=False,
        **more,
    )


def normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def network(x: Tensor, t: int) -> Tensor:
    """Any smooth function of both: what is compared is the step, not the prediction."""
    return torch.tanh(x.flip(-1)) * math.cos(t / 300) + 0.1


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_schedules_are_those_of_diffusers(name: str) -> None:
    theirs = scheduler("DDPMScheduler", name)
    assert torch.allclose(schedule(name), theirs.alphas_cumprod, rtol=1e-5, atol=1e-9)
    assert torch.allclose(beta(schedule(name)), theirs.betas, rtol=1e-3, atol=2e-6)


@pytest.mark.parametrize("name", SCHEDULES)
def test_noise_is_added_as_diffusers_adds_it(name: str) -> None:
    x0, noise, t = normal(0, 5, 3, 2), normal(1, 5, 3, 2), torch.tensor([0, 7, 101, 500, 999])
    theirs = scheduler("DDPMScheduler", name).add_noise(x0, noise, t)
    assert torch.allclose(add_noise(x0, noise, schedule(name)[t].view(5, 1, 1)), theirs, atol=1e-6)


@pytest.mark.parametrize("name", SCHEDULES)
def test_one_jump_is_all_the_small_steps(name: str) -> None:
    """Mean and variance, step by step, end where the closed form says."""
    ab, mean, variance = schedule(name).double(), 1.0, 0.0
    for b in beta(ab.float()).double().tolist():
        mean, variance = math.sqrt(1 - b) * mean, (1 - b) * variance + b
    assert math.isclose(mean, float(ab[-1].sqrt()), abs_tol=1e-4)
    assert math.isclose(variance, float(1 - ab[-1]), rel_tol=1e-4)


def test_numbers_worked_out_by_hand() -> None:
    ab = torch.tensor(0.64)
    assert math.isclose(float(snr(ab)), 0.64 / 0.36, rel_tol=1e-6)
    x = add_noise(torch.tensor(2.0), torch.tensor(-1.0), ab)  # 0.8 * 2 - 0.6
    assert math.isclose(float(x), 1.0, rel_tol=1e-6)
    assert math.isclose(float(target(torch.tensor(2.0), torch.tensor(-1.0), ab, "v")), -0.8 - 1.2, rel_tol=1e-6)
    assert math.isclose(float(guided(torch.tensor(3.0), torch.tensor(1.0), 2.5)), 6.0)


@pytest.mark.parametrize("kind", KINDS)
def test_every_target_gives_back_noise_and_picture(kind: str) -> None:
    x0, noise, ab = normal(0, 7, 3), normal(1, 7, 3), torch.tensor(0.37)
    epsilon, picture = both(add_noise(x0, noise, ab), target(x0, noise, ab, kind), ab, kind)
    assert torch.allclose(epsilon, noise, atol=1e-5)
    assert torch.allclose(picture, x0, atol=1e-5)


def test_v_is_diffusers_velocity() -> None:
    x0, noise, t = normal(0, 3, 2), normal(1, 3, 2), torch.tensor([3, 400, 998])
    theirs = scheduler("DDPMScheduler", "cosine").get_velocity(x0, noise, t)
    assert torch.allclose(target(x0, noise, schedule("cosine")[t].view(3, 1), "v"), theirs, atol=1e-6)


@pytest.mark.parametrize("n", [1, 2, 3, 7, 13, 20, 50, 333, 999, 1000])
def test_timesteps_are_the_trailing_ones(n: int) -> None:
    theirs = scheduler("DDIMScheduler", "linear")
    theirs.set_timesteps(n)
    assert timesteps(n) == theirs.timesteps.tolist()


@pytest.mark.parametrize("n", [0, -3, 1001])
def test_impossible_numbers_of_steps_are_refused(n: int) -> None:
    with pytest.raises(ValueError, match="1 to 1000"):
        timesteps(n)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [1, 4, 25, 100])
@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_ddim_goes_diffusers_way(name: str, kind: str, n: int, eta: float) -> None:
    """Each step from the same x: what was wrong with one would not be hidden by, nor spread to, the next."""
    theirs, ab, noise = scheduler("DDIMScheduler", name, kind), schedule(name), normal(2, 5, 3)
    theirs.set_timesteps(n)
    steps = timesteps(n)
    for i, t in enumerate(steps):
        x = normal(10 + i, 5, 3)
        output = network(x, t)
        wanted = theirs.step(output, t, x, eta=eta, variance_noise=noise if eta else None).prev_sample
        before = ab[steps[i + 1]] if i + 1 < n else torch.tensor(1.0)
        epsilon, x0 = both(x, output, ab[t], kind)
        # what is divided by sqrt(ab) is as large as 1 / sqrt(ab): so is the rounding
        scale = max(1.0, float(wanted.abs().max()))
        assert torch.allclose(ddim_step(x0, epsilon, ab[t], before, eta, noise), wanted, atol=1e-5 * scale), (t, i)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [1, 4, 25, 100, 333, 1000])
def test_ddpm_goes_diffusers_way(name: str, kind: str, n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    import diffusers.schedulers.scheduling_ddpm as module

    noise = normal(2, 5, 3)
    monkeypatch.setattr(module, "randn_tensor", lambda *args, **more: noise)
    theirs, ab = scheduler("DDPMScheduler", name, kind), schedule(name)
    theirs.set_timesteps(n)
    steps = timesteps(n)
    for i in range(0, n, max(1, n // 50)):
        t, x = steps[i], normal(10 + i, 5, 3)
        output = network(x, t)
        wanted = theirs.step(output, t, x).prev_sample
        before = ab[steps[i + 1]] if i + 1 < n else torch.tensor(1.0)
        _, x0 = both(x, output, ab[t], kind)
        fresh = noise if t > 0 else torch.zeros_like(noise)
        scale = max(1.0, float(wanted.abs().max()))
        assert torch.allclose(ddpm_step(x, x0, ab[t], before, fresh), wanted, atol=1e-5 * scale), (t, i)


def test_a_whole_path_is_diffusers_path() -> None:
    theirs, x = scheduler("DDIMScheduler", "linear"), normal(0, 11, 2)
    theirs.set_timesteps(20)
    wanted, seen = x, []
    for t in timesteps(20):
        seen.append(wanted)
        wanted = theirs.step(network(wanted, t), t, wanted).prev_sample
    path = sample(network, x, schedule("linear"), timesteps(20), "epsilon")
    assert torch.allclose(path.x[-1], wanted, atol=1e-4)
    assert torch.allclose(path.x[:-1], torch.stack(seen), atol=1e-4)
    assert path.step == tuple(timesteps(20))
    for t, x_t, x0, epsilon in zip(path.step, path.x, path.x0, path.epsilon, strict=False):
        assert torch.allclose(add_noise(x0, epsilon, schedule("linear")[t]), x_t, atol=1e-4)


def test_the_posterior_is_bayes_rule() -> None:
    """q(x_prev | x_t, x0) from its density on a fine grid."""
    ab, before, x_t, x0 = torch.tensor(0.3), torch.tensor(0.55), 0.7, -1.2
    grid = torch.linspace(-8, 8, 200_001, dtype=torch.float64)
    a = 0.3 / 0.55
    log = -((grid - math.sqrt(0.55) * x0) ** 2) / (2 * 0.45) - (x_t - math.sqrt(a) * grid) ** 2 / (2 * (1 - a))
    weight = (log - log.max()).exp()
    mean = float((weight * grid).sum() / weight.sum())
    variance = float((weight * (grid - mean) ** 2).sum() / weight.sum())
    got = ddpm_step(torch.tensor(x_t), torch.tensor(x0), ab, before, torch.tensor(0.0))
    assert math.isclose(float(got), mean, abs_tol=1e-4)
    assert math.isclose(float(posterior_variance(ab, before)), variance, rel_tol=1e-4)


def test_ddim_with_eta_1_and_all_steps_is_ddpm() -> None:
    ab, x, noise = schedule("linear"), normal(0, 7, 2), normal(1, 7, 2)
    for t in (999, 500, 20, 1):
        epsilon, x0 = both(x, network(x, t), ab[t], "epsilon")
        ddpm = ddpm_step(x, x0, ab[t], ab[t - 1], noise)
        assert torch.allclose(ddim_step(x0, epsilon, ab[t], ab[t - 1], 1.0, noise), ddpm, atol=2e-4), t


def test_eta_0_repeats_and_eta_1_does_not() -> None:
    ab, x = schedule("linear"), normal(0, 7, 2)

    def end(seed: int, **more: Any) -> Tensor:
        return sample(
            network, x, ab, timesteps(20), "epsilon", generator=torch.Generator().manual_seed(seed), **more
        ).x[-1]

    assert torch.equal(end(0), end(1))
    assert not torch.allclose(end(0, eta=1.0), end(1, eta=1.0), atol=0.01)
    assert torch.equal(end(3, sampler="ddpm"), end(3, sampler="ddpm"))
    assert not torch.allclose(end(0, sampler="ddpm"), end(1, sampler="ddpm"), atol=0.01)


def test_only_the_steps_asked_for_are_kept_and_change_nothing() -> None:
    ab, x = schedule("cosine"), normal(0, 5, 2)
    whole = sample(network, x, ab, timesteps(12), "v")
    some = sample(network, x, ab, timesteps(12), "v", keep={0, 5, 11})
    assert torch.equal(some.x, whole.x[[0, 5, 11, 12]])
    assert torch.equal(some.x0, whole.x0[[0, 5, 11]])
    assert some.step == tuple(whole.step[i] for i in (0, 5, 11))
    none = sample(network, x, ab, timesteps(12), "v", keep=())
    assert none.step == ()
    assert torch.equal(none.x[0], whole.x[-1])
    assert none.x0.shape == (0, 5, 2)


def test_clipped_pictures_stay_within_and_noise_follows() -> None:
    ab, x = schedule("cosine"), normal(0, 64, 2)
    path = sample(network, x, ab, timesteps(5), "epsilon", clip=1.5)
    assert float(path.x0.abs().max()) <= 1.5
    for t, x_t, x0, epsilon in zip(path.step, path.x, path.x0, path.epsilon, strict=False):
        assert torch.allclose(add_noise(x0, epsilon, ab[t]), x_t, atol=1e-4)


def test_the_wrong_formula_runs_away() -> None:
    """With the best possible noise for data at +1 and -1, DDPM ends there; the formula ends nowhere."""
    ab = schedule("linear").double()

    def best(x: Tensor, t: int) -> Tensor:
        a, rest = ab[t], 1 - ab[t]
        return (x - a.sqrt() * torch.tanh(a.sqrt() * x / rest)) / rest.sqrt()

    def spread(sampler: str) -> Tensor:
        start, generator = normal(0, 500).double(), torch.Generator().manual_seed(0)
        return sample(best, start, ab, timesteps(1000), "epsilon", sampler, generator=generator).x[-1]

    assert torch.allclose(spread("ddpm").abs(), torch.ones(500).double(), atol=0.05)
    assert float(spread("wrong").abs().max()) > 1e6


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ValueError, match="no noise schedule"):
        schedule("square")
    with pytest.raises(ValueError, match="no sampler"):
        sample(network, normal(0, 2), schedule("linear"), timesteps(2), "epsilon", "euler")
    assert len(SAMPLERS) == 3


def test_progress_is_told() -> None:
    told: list[float] = []
    sample(network, normal(0, 2), schedule("linear"), timesteps(4), "epsilon", tick=told.append)
    assert told == [0.25, 0.5, 0.75, 1.0]
