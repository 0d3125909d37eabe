"""The network of the plane: its parts by hand, its training, and what the shipped weights can do."""

from __future__ import annotations

import json
import math
from hashlib import sha256

import pytest
import torch
import torch.nn.functional as F

from models import plane_net, plane_training
from models.drawing import EXAMPLE, NothingDrawn
from models.language_model import ModelUnavailable
from models.noise_schedule import KINDS, SCHEDULES, add_noise, both, schedule, snr
from models.plane_data import DATA, draw
from models.plane_net import NAME, WEIGHTS, PlaneNet, n_param, shipped
from models.plane_quality import outside, sliced
from models.plane_sampling import Setting, start, walk
from models.plane_training import LIVE, SHIPPED, Recipe, curve, fit, learning_rate, levels, network

CARD = json.loads((WEIGHTS / f"{NAME}.json").read_text(encoding="utf-8"))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_forward_pass_by_hand() -> None:
    net = PlaneNet(seeded(1), width=13, n_block=2)
    torch.nn.init.normal_(net.out.weight, generator=seeded(2))
    x, log_snr, label = (
        torch.randn(5, 2, generator=seeded(3)),
        torch.tensor([-20.0, -3.0, 0.0, 4.0, 99.0]),
        torch.arange(5),
    )
    with torch.no_grad():
        said = net(x, log_snr, label)
        for i in range(5):
            place = x[i].tolist()
            turns = [v * k * math.pi / 3 for v in place for k in (1, 2, 4)]
            level = min(10.0, max(-10.0, float(log_snr[i])))
            clock = [0.1 * 15 ** (j / 7) for j in range(8)]
            waves = [math.sin(level * c) for c in clock] + [math.cos(level * c) for c in clock]
            told = net.noise(torch.tensor([level / 4, *waves])) + net.label.weight[i]
            h = net.place(torch.tensor([*place, *map(math.sin, turns), *map(math.cos, turns)])) + told
            for block in net.blocks:
                h = h + block(F.silu(h + told))
            torch.testing.assert_close(said[i], net.out(F.silu(h)), atol=1e-5, rtol=1e-5)
        same = net.at(x, snr_to_ab(-3.0), 1)
        torch.testing.assert_close(same[1], said[1], atol=1e-4, rtol=1e-4)


def snr_to_ab(log_snr: float) -> torch.Tensor:
    return torch.tensor(log_snr).sigmoid()


def test_noise_levels_of_all_schedules() -> None:
    level = levels()
    assert len(level) == 3000 and float(level.min()) > 0 and float(level.max()) < 1
    torch.testing.assert_close(level[:1000], schedule("linear"), atol=1e-5, rtol=0)
    assert float(snr(level).log().abs().max()) < 10.1


def test_the_rate_rises_and_falls() -> None:
    recipe = Recipe(n_step=1000)
    rate = [learning_rate(step, recipe) for step in range(1000)]
    assert rate[0] == pytest.approx(recipe.lr / 100) and max(rate) == pytest.approx(recipe.lr)
    assert rate[-1] == pytest.approx(recipe.lr / 100, rel=0.01) and rate[550] == pytest.approx(
        0.505 * recipe.lr, rel=0.01
    )


def test_the_curve_holds_every_loss_once() -> None:
    losses = [torch.tensor(float(i)) for i in range(130)]
    found = curve(losses)
    assert found[-1][0] == 130 and len(found) == 60
    edge = [0, *(step for step, _ in found)]
    total = sum(mean * (b - a) for a, b, (_, mean) in zip(edge[:-1], edge[1:], found, strict=True))
    assert total == pytest.approx(sum(range(130)))
    assert curve(losses[:3]) == ((1, 0.0), (2, 1.0), (3, 2.0))


@pytest.mark.parametrize("kind", KINDS)
def test_a_short_training_learns_repeats_and_reports(kind: str) -> None:
    told: list[float] = []
    recipe = Recipe(n_step=120, n_batch=64, n_pool=500, n_warmup=10)
    fitted = fit("drawn", kind, recipe, "VVzz.0zz0", told.append)
    assert told == sorted(told) and told[-1] == 1 and fitted.kind == kind and fitted.live
    first, last = fitted.curve[0][1], sum(loss for _, loss in fitted.curve[-10:]) / 10
    assert last < (0.96 if kind == "v" else 0.8) * first  # what is left of v is as large as the noise itself
    again = fit("drawn", kind, recipe, "VVzz.0zz0")
    for a, b in zip(fitted.net.parameters(), again.net.parameters(), strict=True):
        assert torch.equal(a, b) and not a.requires_grad


def test_classes_are_hidden_as_often_as_said() -> None:
    """A class that is always hidden leaves its vector where it began; one that is never hidden, that of "none"."""
    begun = fit("moons", "epsilon", Recipe(n_step=1, n_batch=8, n_pool=100, lr=0.0)).net.label.weight
    for hidden, still in ((1.0, slice(1, 3)), (0.0, slice(0, 1))):
        recipe = Recipe(n_step=30, n_batch=32, n_pool=100, n_warmup=2, hidden=hidden)
        moved = (fit("moons", "epsilon", recipe).net.label.weight - begun).abs().amax(-1)
        assert float(moved[still].max()) == 0 and float(moved[:3].max()) > 0.01
        assert float(moved[3:].max()) == 0  # classes that moons do not have


def test_a_training_can_be_cancelled_and_is_done_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plane_training, "LIVE", Recipe(n_step=40, n_batch=16, n_pool=100, n_warmup=5))

    class Stop(Exception):
        pass

    def stop(fraction: float) -> None:
        raise Stop

    with pytest.raises(Stop):
        network("drawn", "v", "0011", stop)
    found = network("drawn", "v", "0011")
    assert found.live and network("drawn", "v", "0011", stop) is found  # nothing left to cancel
    assert network("drawn", "x0", "0011").kind == "x0" and network("drawn", "v", "1100") is not found
    assert not network("drawn", "v", EXAMPLE).live and not network("moons", "v", "0011").live
    with pytest.raises(NothingDrawn):
        network("drawn", "v", "")


# --- the shipped weights ---------------------------------------------------------------------------------------------


def test_the_card_is_about_these_weights() -> None:
    file = WEIGHTS / f"{NAME}.safetensors"
    assert sha256(file.read_bytes()).hexdigest() == CARD["sha256"]
    assert file.stat().st_size < 2 * 2**20 and n_param() == CARD["n_param"]
    assert set(shipped()) == {(data, kind) for data in DATA for kind in KINDS}
    assert CARD["recipe"]["n_step"] == SHIPPED.n_step and CARD["live_recipe"]["n_step"] == LIVE.n_step


@pytest.mark.parametrize("data", DATA)
def test_every_network_makes_what_it_was_trained_on(data: str) -> None:
    """Sliced Wasserstein distance to fresh data, 2048 points: data to data have 0.02 to 0.06, noise 0.2."""
    fresh = draw(data, 4096, seeded(5)).x
    floor = float(sliced(fresh[:2048], fresh[2048:]))
    assert floor < 0.08
    assert float(sliced(start(2048, 11), fresh)) > 0.15
    for kind in KINDS:
        net = shipped()[data, kind].net
        end = walk(Setting(data, kind), net, start(2048, 11), 25, "ddim", keep=()).x[-1]
        distance, lost = float(sliced(end, fresh)), float(outside(end, fresh).float().mean())
        assert distance < 0.09, (kind, distance)
        assert lost < (0.25 if kind == "x0" else 0.12), (kind, lost)


@pytest.mark.parametrize("name", SCHEDULES)
def test_one_network_serves_every_schedule_and_both_samplers(name: str) -> None:
    fresh = draw("moons", 4096, seeded(5)).x
    for sampler, n_step in (("ddim", 20), ("ddpm", 60)):
        end = walk(
            Setting("moons", "v", name), shipped()["moons", "v"].net, start(2048, 3), n_step, sampler, keep=()
        ).x[-1]
        assert float(sliced(end, fresh)) < 0.09, (sampler, float(sliced(end, fresh)))


@pytest.mark.parametrize("data", ["gaussians", "letters"])
def test_the_three_kinds_agree(data: str) -> None:
    """At middling noise all say the same, the conditional mean: apart by far less than they are from the truth."""
    clean, noise = draw(data, 2000, seeded(6)).x, torch.randn(2000, 2, generator=seeded(7))
    for t in (150, 300, 500):
        ab = schedule("linear")[t]
        x = add_noise(clean, noise, ab)
        found = [both(x, shipped()[data, kind].net.at(x, ab), ab, kind)[1] for kind in KINDS]
        error = float((found[0] - clean).square().mean().sqrt())
        for other in found[1:]:
            assert float((other - found[0]).square().mean().sqrt()) < 0.2 * error


def test_asking_for_a_class_gives_it() -> None:
    for data, label in (("moons", 1), ("letters", 3), ("checkerboard", 5)):
        net, known = shipped()[data, "epsilon"].net, draw(data, 4096, seeded(8))
        path = walk(Setting(data, "epsilon", label=label, scale=1.0), net, start(256, 1), 25, "ddim", keep=())
        whose = known.label[torch.cdist(path.x[-1], known.x).argmin(-1)]
        assert float((whose == label).float().mean()) > 0.93, data


def test_damaged_weights_are_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setattr(plane_net, "WEIGHTS", tmp_path)
    with pytest.raises(ModelUnavailable) as refused:
        shipped.__wrapped__()
    assert refused.value.sentence("zh")
