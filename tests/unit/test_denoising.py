"""Denoising in the plane: both paths against diffusers, every field of the trace by another way, limits and identities.

References: diffusers' schedulers with the same network and the same fresh noise; explicit loops; the closed form of
models/mixture_score.py; the seed formula written out. The shipped networks are held to numbers in test_plane_net.py.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
import torch

from models import denoising_reference, mixture_score
from models.denoising import Config, Trace, at, check, facts, labels, limits, sampled, trace, within
from models.denoising_config import COUNTS, setting
from models.denoising_reference import carried, their_path
from models.drawing import EXAMPLE, NothingDrawn
from models.noise_schedule import KINDS, SCHEDULES, both, schedule
from models.plane_data import CENTRES, DATA, DEVIATION, draw, n_class
from models.plane_net import shipped
from models.plane_quality import USUAL
from models.plane_sampling import PLANE, WIDTH, Setting, density, field, grid, middles, noised, predicted, start, walk


@pytest.fixture(scope="module")
def seen() -> Trace:
    """What the page shows first."""
    return trace(Config())


@pytest.fixture(scope="module")
def exact() -> Trace:
    """The best prediction, few steps, a class."""
    return trace(Config(data="gaussians", model="exact", n_step=20, towards=3, guidance=1.0, schedule="cosine"))


# --- the paths -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", SCHEDULES)
def test_paths_are_those_of_diffusers(kind: str, name: str) -> None:
    """Step by step from the same start, guided, with the same fresh noise."""
    asked = Setting("letters", kind, name, label=2, scale=1.5)
    net, x = shipped()["letters", kind].net, start(17, 5)
    for sampler, eta in (("ddpm", 0.0), ("ddim", 0.0), ("ddim", 0.7)):
        ours = walk(asked, net, x, 20, sampler, eta, seed=4)
        other = their_path(asked, net, x, 20, sampler, eta, seed=4)
        torch.testing.assert_close(ours.x, other, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(ours.x[0], x)


def test_each_step_by_itself_to_five_digits() -> None:
    """From the recorded points one step of diffusers each, so that nothing adds up."""
    asked, net = Setting("moons"), shipped()["moons", "epsilon"].net
    ours = walk(asked, net, start(31, 0), 50, "ddim")
    scheduler, alpha_bar = denoising_reference.theirs(asked, "ddim", 50), schedule("linear")
    for i, t in enumerate(ours.step):
        said = predicted(asked, net, ours.x[i], alpha_bar[t].expand(31))
        then = scheduler.step(said, t, ours.x[i], use_clipped_model_output=True)
        torch.testing.assert_close(ours.x[i + 1], then.prev_sample, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(ours.x0[i], then.pred_original_sample, atol=1e-5, rtol=1e-5)


def test_the_trace_holds_these_paths(seen: Trace) -> None:
    """The trace is the walk of 320 points; frames fall from 1000 to 0; both begin with the same noise."""
    net = shipped()["moons", "epsilon"].net
    assert seen.t == (*range(1000, 0, -20), 0) and seen.index == 50
    for s, sampler in enumerate(("ddpm", "ddim")):
        path = walk(Setting("moons", scale=2.0), net, start(320, 0), 50, sampler)
        assert torch.equal(seen.x[s], path.x) and torch.equal(seen.x0[s, :-1], path.x0)
        assert torch.equal(seen.x0[s, -1], seen.x[s, -1])
    assert torch.equal(seen.x[0, 0], seen.x[1, 0]) and not torch.equal(seen.x[0, -1], seen.x[1, -1])
    torch.testing.assert_close(seen.alpha_bar[:-1], schedule("linear")[[t - 1 for t in seen.t[:-1]]])
    assert float(seen.alpha_bar[-1]) == 1


def test_predicted_points_belong_to_the_noise_predicted(seen: Trace) -> None:
    """x_t = sqrt(ab) x0 + sqrt(1 - ab) epsilon, and DDIM without fresh noise goes on with the same two."""
    ab, x, x0 = seen.alpha_bar[:, None, None], seen.x[1], seen.x0[1]
    epsilon = ((x - ab.sqrt() * x0) / (1 - ab).sqrt())[:-1]
    torch.testing.assert_close(x[1:], ab[1:].sqrt() * x0[:-1] + (1 - ab[1:]).sqrt() * epsilon, atol=2e-4, rtol=1e-3)


def test_nothing_is_random_but_by_the_seed() -> None:
    a, b, other = (trace(Config(n_step=10, eta=0.5, seed=seed)) for seed in (3, 3, 4))
    assert torch.equal(a.x, b.x) and torch.equal(a.density, b.density) and not torch.equal(a.x, other.x)


def test_ddim_with_all_of_the_noise_is_ddpm() -> None:
    full = trace(Config(n_step=20, eta=1.0))
    torch.testing.assert_close(full.x[0], full.x[1], atol=1e-4, rtol=1e-4)
    none = trace(Config(n_step=20))
    assert torch.equal(full.x[0], none.x[0]) and facts(none)["apart_end"] > 1


def test_one_step_lands_on_the_mean() -> None:
    """From pure noise the best single guess is the mean of all data: DDIM's and DDPM's only step."""
    one = trace(Config(data="gaussians", model="exact", n_step=1))
    assert one.t == (1000, 0) and torch.equal(one.x[0, -1], one.x[1, -1])
    assert float(one.x[0, -1].abs().max()) < 0.15
    assert facts(one)["outside_ddim"] == 1


@pytest.mark.parametrize(("count", "n_frame"), [(1, 2), (3, 4), (127, 101)])
def test_frames(count: int, n_frame: int) -> None:
    found = trace(Config(n_step=count))
    assert len(found.t) == n_frame == found.x.shape[1] == len(found.density) == len(found.field)
    assert found.t[0] == 1000 and found.t[-1] == 0 and list(found.t) == sorted(found.t, reverse=True)
    whole = walk(Setting("moons", scale=2.0), shipped()["moons", "epsilon"].net, start(320, 0), count, "ddim")
    torch.testing.assert_close(found.x[1, -1], whole.x[-1])


# --- what stands beside them -----------------------------------------------------------------------------------------


def test_the_forward_points_have_the_statistics_of_the_formula() -> None:
    """Many points, frame by frame: mean sqrt(ab) x_0, deviation sqrt(1 - ab), frames correlated as in a chain."""
    clean = torch.tensor([[0.7, -1.3]]).repeat(40_000, 1)
    ab = torch.tensor([0.01, 0.3, 0.8, 1.0])
    x = noised(clean, ab, torch.Generator().manual_seed(0))
    for i, level in enumerate(ab.tolist()):
        torch.testing.assert_close(x[i].mean(0), level**0.5 * clean[0], atol=0.02, rtol=0)
        assert float(x[i].std(0).mean()) == pytest.approx((1 - level) ** 0.5, abs=0.01)
    rest = [(x[i] - ab[i].sqrt() * clean).flatten() for i in (1, 2)]
    together = float((rest[0] * rest[1]).mean())  # Cov(x_s, x_t) = sqrt(ab_t / ab_s) (1 - ab_s)
    assert together == pytest.approx((0.3 / 0.8) ** 0.5 * (1 - 0.8), abs=0.01)
    assert torch.equal(x[3], clean)


def test_forward_of_the_trace(seen: Trace) -> None:
    assert torch.equal(seen.forward[-1], draw_again(seen)[0]) and torch.equal(seen.forward_class, draw_again(seen)[1])
    assert float(seen.forward[0].std()) == pytest.approx(1, abs=0.08)
    step = seen.forward.diff(dim=0).norm(dim=-1).mean(-1)
    assert float(step.max()) < 0.8  # a path: fresh noise in every frame would move by 1.8


def draw_again(seen: Trace) -> tuple[torch.Tensor, torch.Tensor]:
    """The page's forward points: the second draw after those it compares with."""
    generator = torch.Generator().manual_seed(1_000)
    draw(seen.data, 4096, generator)
    clean = draw(seen.data, 320, generator)
    return clean.x, clean.label


def test_density_is_a_mean_of_bells(seen: Trace) -> None:
    """Cell by cell; row 0 is at the top; it sums to one over the plane."""
    clean, ab = torch.tensor([[1.0, 2.0], [-0.5, 0.3], [0.2, 0.1]]), torch.tensor([1.0, 0.4])
    found, centre = density(clean, ab, 24), middles(24).tolist()
    for n, level in enumerate(ab.tolist()):
        variance = 1 - level + WIDTH**2
        for row, column in ((4, 15), (3, 16), (12, 12), (20, 3)):
            total = 0.0
            for a, b in clean.tolist():
                dx, dy = centre[column] - level**0.5 * a, centre[23 - row] - level**0.5 * b
                total += math.exp(-(dx * dx + dy * dy) / (2 * variance)) / (2 * math.pi * variance) / 3
            assert float(found[n, row, column]) == pytest.approx(total, rel=1e-3, abs=1e-6)
    assert int(found[0].argmax()) // 24 in (11, 10, 4, 3)
    area = (2 * PLANE / seen.density.shape[-1]) ** 2
    mass = seen.density.sum((1, 2)) * area
    assert float(mass.min()) > 0.98 and float(mass.max()) < 1.02


@pytest.mark.parametrize("kind", KINDS)
def test_field_points_to_the_predicted_mean(kind: str) -> None:
    net, alpha_bar, places = shipped()["swiss_roll", kind].net, schedule("sigmoid")[[5, 400, 999]], grid(5, 2.0)
    found = field(Setting("swiss_roll", kind, "sigmoid"), net, places, alpha_bar)
    for n, ab in enumerate(alpha_bar):
        _, x0 = both(places, net.at(places, ab), ab, kind)
        torch.testing.assert_close(found[n], ab.sqrt() * x0.clamp(-3, 3) - places, atol=1e-4, rtol=1e-3)


def test_exact_field_is_the_score_of_the_density(exact: Trace) -> None:
    """field / (1 - ab) is the gradient of log q; with a class, of that class; the field of the walk, too."""
    assert exact.model == "exact" and torch.equal(exact.field, exact.field_exact)
    for n in (3, 10, 19):
        ab = exact.alpha_bar[n]
        mean = CENTRES[2] * ab.sqrt()
        slope = (mean - exact.origin) / (ab * DEVIATION**2 + 1 - ab)
        inside = ((exact.origin + (1 - ab) * slope).abs() < 2.9 * ab.sqrt()).all(-1)
        assert int(inside.sum()) > 50
        torch.testing.assert_close(exact.field[n][inside] / (1 - ab), slope[inside], atol=2e-3, rtol=2e-3)
    assert len(trace(Config(n_step=2)).field_exact) == 0


def test_exact_sampling_draws_the_mixture() -> None:
    asked = Setting("gaussians", exact=True)
    end = walk(asked, shipped()["gaussians", "epsilon"].net, start(2048, 0), 200, "ddpm", keep=()).x[-1]
    way, which = torch.cdist(end, CENTRES).min(-1)
    share = torch.bincount(which, minlength=8) / 2048
    assert float((share - 1 / 8).abs().max()) < 0.035
    width = float(way.square().mean().sqrt()) / (DEVIATION * 2**0.5)
    assert 0.8 < width < 1.02  # a little narrow: the small variance, with few steps


def test_numbers_of_the_result(seen: Trace) -> None:
    """Distances, the floor, who is outside: loops over the points."""
    generator = torch.Generator().manual_seed(1_000)
    known = draw("moons", 4096, generator)
    draw("moons", 320, generator)
    aim = draw("moons", 1280, generator).x
    for s in range(2):
        end, total = seen.x[s, -1], 0.0
        for d in range(32):
            turn = math.pi * d / 32
            across = torch.tensor([math.cos(turn), math.sin(turn)])
            total += carried((end @ across).tolist(), (aim @ across).tolist())
        assert float(seen.sliced[s]) == pytest.approx(total / 32, rel=1e-4)
        usual = torch.cdist(known.x[2048:], known.x[:2048]).min(-1).values.quantile(USUAL)
        lost = torch.cdist(end, known.x[:2048]).min(-1).values > usual
        assert float(seen.outside[s]) == pytest.approx(float(lost.float().mean()))
        whose = known.label[torch.cdist(end, known.x).argmin(-1)]
        assert torch.equal(seen.end_class[s], whose) and float(seen.hit[s]) == 1
        assert float(seen.gap[s, -1]) == pytest.approx(float(seen.sliced[s]), abs=0.03)
        assert float(seen.gap[s, 0]) < 0.12
    assert 0.03 < seen.floor < 0.12
    assert float(seen.sliced.max()) < 2.5 * seen.floor  # the phenomenon: noise has become moons
    assert torch.equal(seen.ghost, known.x[:1280]) and torch.equal(seen.ghost_class, known.label[:1280])


def test_a_class_is_hit(exact: Trace) -> None:
    assert exact.towards == 3 and float(exact.hit.min()) > 0.98
    assert float((exact.x[:, -1] - CENTRES[2]).norm(dim=-1).median()) < 0.3
    many = trace(Config(towards=8, n_step=10))
    assert many.towards == 2 and float(many.hit.min()) > 0.9  # moons have two


# --- the wrong formula -----------------------------------------------------------------------------------------------


def test_the_wrong_formula_is_the_one_written_down() -> None:
    """x <- (x - epsilon) / sqrt(1 - beta) + noise, by hand; DDIM beside it is as ever."""
    cfg = Config(data="gaussians", model="exact", formula="wrong", n_step=50)
    found, right = trace(cfg), trace(replace(cfg, formula="right"))
    assert torch.equal(found.x[1], right.x[1])
    ab, x, generator = schedule("linear"), start(320, 0), torch.Generator().manual_seed(10_000)
    for i, t in enumerate(range(999, -1, -20)):
        before = ab[t - 20] if t > 20 else torch.tensor(1.0)
        epsilon = mixture_score.epsilon(x, ab[t], mixture_score.EIGHT)
        noise = torch.randn(x.shape, generator=generator)
        small = (1 - before) / (1 - ab[t]) * (1 - ab[t] / before)
        x = (x - epsilon) / (ab[t] / before).sqrt() + small.sqrt() * noise
        torch.testing.assert_close(found.x[0, i + 1], x, atol=1e-3, rtol=1e-3)
    said = facts(found)
    assert said["std_ddpm"] > 4 and said["away_ddpm"] > 0.3 and said["away_ddim"] == 0
    assert float(right.sliced[0]) < 0.25 < 1 < float(found.sliced[0])


def test_what_runs_away_stays_finite() -> None:
    """With 200 steps beyond 10,000; what a thousand steps make no longer fits into a number."""
    found = trace(Config(data="gaussians", model="exact", formula="wrong", n_step=200))
    assert 1e4 < float(found.x.abs().max()) <= 1e6 and bool(found.gap.isfinite().all())
    assert json.dumps(facts(found)) and facts(found)["away_ddpm"] > 0.8
    assert within(torch.tensor([math.nan, math.inf, -math.inf, 2e6, -3.0])).tolist() == [1e6, 1e6, -1e6, 1e6, -3.0]


# --- facts, controls, checks -----------------------------------------------------------------------------------------


def test_facts_are_of_the_frame(seen: Trace) -> None:
    first, middle, last = (facts(at(seen, t)) for t in (1000, 493, 0))
    assert (first["t"], middle["t"], last["t"]) == (1000, 500, 0)
    assert first["apart"] == 0 and last["apart"] == last["apart_end"] > 0
    assert middle["alpha_bar"] == pytest.approx(float(schedule("linear")[499]))
    assert middle["signal"] ** 2 + middle["noise"] ** 2 == pytest.approx(1)
    assert middle["snr"] == pytest.approx(middle["signal"] ** 2 / middle["noise"] ** 2)
    assert first["std_ddim"] == pytest.approx(float(seen.x[1, 0].std()), rel=0.02)
    assert last["ratio_ddim"] == pytest.approx(last["sliced_ddim"] / last["floor"])
    path = sum(math.dist(a, b) for a, b in zip(seen.x[1, :-1, 7].tolist(), seen.x[1, 1:, 7].tolist(), strict=True))
    assert float(seen.x[1].diff(dim=0).norm(dim=-1).sum(0)[7]) == pytest.approx(path, rel=1e-4)
    assert last["straight_ddim"] < last["moved_ddim"] < 2 < 10 < last["moved_ddpm"]
    assert all(math.isfinite(value) for value in last.values())


def test_ddim_parts_the_noise_into_regions(seen: Trace) -> None:
    """Neighbours in the noise end in the same moon by DDIM; DDPM's fresh noise leaves that to chance."""
    said, first = facts(seen), seen.x[0, 0].tolist()
    for s, name in enumerate(("ddpm", "ddim")):
        same = 0
        for i, place in enumerate(first):
            others = [math.dist(place, other) if j != i else math.inf for j, other in enumerate(first)]
            same += int(seen.end_class[s, i] == seen.end_class[s, others.index(min(others))])
        assert said[f"sorted_{name}"] == pytest.approx(same / 320)
    assert said["sorted_ddim"] > 0.9 > 0.65 > said["sorted_ddpm"]


def test_error_of_the_learned_epsilon() -> None:
    found = at(trace(Config(data="gaussians", n_step=20)), 500)
    ab = schedule("linear")[499]
    net, asked = shipped()["gaussians", "epsilon"].net, Setting("gaussians")
    learned = predicted(asked, net, found.origin, ab.expand(len(found.origin)))
    truth = mixture_score.epsilon(found.origin, ab, mixture_score.EIGHT)
    rms = float((learned - truth).square().mean().sqrt())
    assert facts(found)["error_exact"] == pytest.approx(rms, rel=0.05) and rms < 0.1


def test_controls_keep_within_what_there_is() -> None:
    for data in DATA:
        assert limits({"data": data, "drawing": EXAMPLE})["towards"].high == n_class(data)
        assert len(labels(data, n_class(data))) == n_class(data)
    assert limits({"data": "drawn", "drawing": "🙂"})["towards"].high == 1
    plain = Config()
    assert sampled(Config(t=300, guidance=5.0, drawing="0011", model="exact")) == plain
    assert sampled(Config(towards=8)) == Config(towards=2)
    assert sampled(Config(towards=2, guidance=5.0)) == Config(towards=2, guidance=5.0)
    assert sampled(Config(data="gaussians", model="exact", kind="v")) == Config(data="gaussians", model="exact")
    assert sampled(Config(data="drawn", drawing="0011")) == Config(data="drawn", drawing="0011")
    assert not setting(Config(model="exact")).exact
    assert sampled(Config(noised=7)) == plain and list(COUNTS) == sorted(COUNTS) and COUNTS[-1] == 1000


def test_a_drawing_that_is_none_says_so() -> None:
    for text in ("", "<b>"):
        with pytest.raises(NothingDrawn):
            trace(Config(data="drawn", drawing=text))


def test_progress_is_told_and_may_cancel() -> None:
    told: list[float] = []
    trace(Config(n_step=20), told.append)
    assert told == sorted(told) and told[-1] == pytest.approx(1)

    class Stop(Exception):
        pass

    def stop(fraction: float) -> None:
        raise Stop

    with pytest.raises(Stop):
        trace(Config(n_step=20), stop)


@pytest.mark.parametrize("config", [Config(), Config(n_step=13, schedule="cosine", kind="v", eta=0.4, towards=1)])
def test_check_finds_no_difference(config: Config) -> None:
    found = check(config)
    assert set(found) == {"ddpm", "ddim", "add_noise", "score", "sliced"}
    assert all(value < 2e-4 for value in found.values()), found
