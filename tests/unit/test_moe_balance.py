"""The small mixture and its training: every field of the film by another way, the proof of the gates, the phenomenon.

References: torch.optim.SGD on modules of torch.nn, point by point; models/gates.py; explicit loops; finite differences.
"""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models import cluster_film, cluster_moe, cluster_training, moe_balance
from models.balance_reference import BY_GATE
from models.balancing import bias_step, load, load_entropy
from models.cluster_ends import COLLAPSED, Comparison, ends
from models.cluster_moe import GATES, N_CLUSTER, N_FEATURE, N_HIDDEN, SPREAD, Layer, experts, forward, scores, world
from models.cluster_training import FRAMES, N_STEP, STRIDE, Dose, Film, Setting, begin, draw, train
from models.gates import capacity, within_capacity
from models.moe_balance import REMEDIES, Config, Trace, at, check, compare, facts, through, trace, trained

FREE = torch.full((1,), torch.inf)
SMALL = Setting(n_expert=5, top_k=2, gate="softmax_topk", micro=7, n_micro=3, common=2.0)


@pytest.fixture(scope="module")
def seen() -> Trace:
    """What the page shows first."""
    return trace(Config())


@pytest.fixture(scope="module")
def short() -> Film:
    """Two frames of five runs of one seed, and one of another."""
    doses = [Dose(5), Dose(5, switch=0.3), Dose(5, gamma=0.01), Dose(5, noise=1.0), Dose(5, factor=1.0), Dose(6)]
    return train(SMALL, doses, n_step=STRIDE)


# --- the world -------------------------------------------------------------------------------------------------------


def test_clusters_lie_apart_and_points_beside_their_lines() -> None:
    made = world(7, 1.2)
    gaps = torch.pdist(made.centre)
    assert len(made.centre) == N_CLUSTER and float(gaps.min()) > cluster_moe.APART
    cluster = torch.arange(N_CLUSTER).repeat_interleave(500)
    x = made.draw(cluster, torch.Generator().manual_seed(1))
    off = x - made.centre[cluster]
    assert float(off.std()) == pytest.approx(SPREAD, rel=0.05) and abs(float(off.mean())) < 0.01
    label = made.label(x, cluster)
    for t in range(0, len(x), 97):
        (a, b), (u, v) = off[t].tolist(), made.normal[cluster[t]].tolist()
        assert bool(label[t]) == (a * u + b * v > 0)
    assert 0.4 < float(label.mean()) < 0.6
    torch.testing.assert_close(made.normal.norm(dim=-1), torch.ones(N_CLUSTER))


def test_the_lift_by_hand() -> None:
    """First what all share, then a wave of each frequency; inner products fall off with the distance."""
    made = world(7, 1.2)
    x = torch.tensor([[0.3, -0.2], [0.3, -0.1], [-1.0, 0.9]])
    h = made.lift(x, 3.0)
    assert h.shape == (3, 1 + N_FEATURE) and (h[:, 0] == 3).all()
    angle = 0.3 * float(made.frequency[0, 4]) - 0.2 * float(made.frequency[1, 4]) + float(made.phase[4])
    assert float(h[0, 5]) == pytest.approx(math.sqrt(2 / N_FEATURE) * math.cos(angle), abs=1e-6)
    wave = h[:, 1:]
    assert float(wave[0] @ wave[1]) > float(wave[0] @ wave[2])


def test_every_text_is_about_one_cluster() -> None:
    worlds, generators, _ = begin(SMALL, [Dose(5)])
    batch = draw(worlds, generators, SMALL)
    assert batch.x.shape == (1, 21, 2)
    near = torch.cdist(batch.x[0], worlds[0].centre).argmin(-1).unflatten(0, (3, 7))
    usual = near.mode(-1).values
    assert (near == usual[:, None]).float().mean() > 0.9 and len(set(usual.tolist())) == 3


# --- the layer -------------------------------------------------------------------------------------------------------


def modules(weights: cluster_moe.Weights, r: int) -> tuple[nn.Linear, list[nn.Sequential]]:
    """Router and experts of one run as modules of torch.nn."""
    router = nn.Linear(1 + N_FEATURE, weights.router.shape[1], bias=False)
    router.weight.data = weights.router[r].detach().clone()
    found = []
    for e in range(weights.router.shape[1]):
        inner, outer = nn.Linear(2, N_HIDDEN), nn.Linear(N_HIDDEN, 1)
        inner.weight.data, inner.bias.data = (
            weights.inner[r, :, e].detach().T.clone(),
            weights.shift[r, e].detach().clone(),
        )
        outer.weight.data, outer.bias.data = (
            weights.outer[r, e][None].detach().clone(),
            weights.offset[r, e][None].detach().clone(),
        )
        found.append(nn.Sequential(inner, nn.Tanh(), outer))
    return router, found


def test_experts_are_small_networks() -> None:
    _, _, weights = begin(SMALL, [Dose(5), Dose(6)])
    x = torch.randn(2, 13, 2, generator=torch.Generator().manual_seed(0))
    said = experts(x, weights)
    for r in range(2):
        _, networks = modules(weights, r)
        expected = torch.cat([network(x[r]) for network in networks], dim=-1)
        torch.testing.assert_close(said[r], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("k", [1, 3])
def test_gates_are_those_of_the_router_page(gate: str, k: int) -> None:
    """Chosen experts, weights, and the gradient of the output in the router's weights."""
    worlds, generators, weights = begin(SMALL, [Dose(5)])
    batch = draw(worlds, generators, SMALL)
    routing, y = forward(Layer(gate, k, FREE), weights, torch.zeros(1, 5), batch)
    other = BY_GATE[gate](batch.h[0] @ weights.router[0].T, k)
    assert torch.equal(routing.chosen[0], other.chosen) and (routing.chosen.sum(-1) == k).all()
    torch.testing.assert_close(routing.weight[0], other.weight, rtol=1e-5, atol=1e-7)
    expected = (other.weight * experts(batch.x, weights)[0].detach()).sum(-1)
    torch.testing.assert_close(y[0], expected, rtol=1e-5, atol=1e-6)
    ours = torch.autograd.grad((y * batch.label).sum(), weights.router, retain_graph=True)[0]
    theirs = torch.autograd.grad((expected * batch.label[0]).sum(), weights.router)[0]
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-6)
    torch.testing.assert_close(scores(gate, routing.logit)[0], routing.score[0])


def test_the_bias_moves_the_choice_and_not_the_weight() -> None:
    worlds, generators, weights = begin(SMALL, [Dose(5)])
    batch = draw(worlds, generators, SMALL)
    layer = Layer("sigmoid", 2, FREE)
    plain, _ = forward(layer, weights, torch.zeros(1, 5), batch)
    bias = torch.tensor([[0.0, 0.0, 5.0, 0.0, -5.0]])
    pushed, _ = forward(layer, weights, bias, batch)
    assert pushed.chosen[..., 2].all() and not pushed.chosen[..., 4].any()
    both = plain.chosen & pushed.chosen
    assert both.any() and torch.equal(plain.weight[both], pushed.weight[both])
    torch.testing.assert_close(pushed.weight[..., 2], pushed.logit[..., 2].sigmoid())


def test_capacity_is_the_router_pages_and_nobody_is_lost() -> None:
    worlds, generators, weights = begin(SMALL, [Dose(5), Dose(5), Dose(6)])
    batch = draw(worlds, generators, SMALL)
    factor = torch.tensor([1.0, torch.inf, 0.5])
    routing, y = forward(Layer("softmax_topk", 2, factor), weights, torch.zeros(3, 5), batch)
    assert torch.equal(routing.served[1], routing.chosen[1])
    for r, amount in ((0, 1.0), (2, 0.5)):
        limit = capacity(21, 5, amount, 2)
        expected = within_capacity(routing.chosen[r], routing.score[r], limit)
        assert torch.equal(routing.served[r], expected)
        assert (routing.served[r].sum(0) == routing.chosen[r].sum(0).clamp(max=limit)).all()
        assert not y[r][~routing.served[r].any(-1)].any(), "a point that nobody serves is a guess of one half"
    assert float(cluster_moe.task_loss(torch.zeros(1, 4), torch.ones(1, 4))) == pytest.approx(math.log(2))


# --- the training ----------------------------------------------------------------------------------------------------


def test_steps_are_those_of_torchs_own_optimiser() -> None:
    """Fifteen steps of Switch and importance losses with torch.optim.SGD on torch.nn modules, one point at a time."""
    setting = Setting(n_expert=3, top_k=2, gate="renormalised", micro=5, n_micro=2, common=2.0)
    dose = Dose(4, switch=0.2, importance=0.1, z=0.05)
    film = train(setting, [dose], n_step=STRIDE)
    worlds, generators, weights = begin(setting, [dose])
    router, networks = modules(weights, 0)
    optimiser = torch.optim.SGD(
        [
            {"params": router.parameters(), "lr": cluster_training.RATE_ROUTER},
            {"params": [p for network in networks for p in network.parameters()], "lr": cluster_training.RATE_EXPERT},
        ],
        lr=1.0,
        momentum=cluster_training.MOMENTUM,
    )

    def output(x: Tensor, h: Tensor) -> tuple[Tensor, list[Tensor], list[list[int]]]:
        y, probabilities, places = [], [], []
        for point, hidden in zip(x, h, strict=True):
            p = router(hidden).softmax(-1)
            place = p.topk(2).indices.tolist()
            total = sum(p[e] for e in place)
            y.append(sum(p[e] / total * networks[e](point)[0] for e in place))
            probabilities.append(p)
            places.append(place)
        return torch.stack(y), probabilities, places

    for _ in range(STRIDE):
        batch = draw(worlds, generators, setting)
        y, probabilities, places = output(batch.x[0], batch.h[0])
        task = F.binary_cross_entropy_with_logits(y, batch.label[0])
        share = [sum(e in place for place in places) / 20 for e in range(3)]
        mean = torch.stack(probabilities).mean(0)
        switch = 3 * sum(f * p for f, p in zip(share, mean, strict=True))
        weights_of: list[list[Tensor]] = [[], [], []]
        for p, place in zip(probabilities, places, strict=True):
            for e in place:
                weights_of[e].append(p[e] / torch.stack([p[i] for i in place]).sum())
        total = torch.stack([torch.stack(one).sum() if one else torch.zeros(()) for one in weights_of])
        spread = total.var(unbiased=False) / total.mean() ** 2
        z = torch.stack([router(hidden).exp().sum().log() ** 2 for hidden in batch.h[0]]).mean()
        optimiser.zero_grad(set_to_none=False)  # an expert without points coasts on its velocity
        (task + 0.2 * switch + 0.1 * spread + 0.05 * z).backward()
        optimiser.step()
    held = cluster_film.held_out(worlds, 2.0)
    y, _, places = output(held.batch.x[0], held.batch.h[0])
    loss = F.binary_cross_entropy_with_logits(y, held.batch.label[0])
    assert float(film.loss[0, 1]) == pytest.approx(float(loss.detach()), abs=1e-5)
    share = [sum(e in place for place in places) / (2 * len(places)) for e in range(3)]
    assert film.load[0, 1].tolist() == pytest.approx(share, abs=1e-6)
    optimiser.zero_grad(set_to_none=False)
    loss.backward()
    norm = sum(float(p.grad.square().sum()) for p in router.parameters() if p.grad is not None)
    assert float(film.router_gradient[0, 1]) == pytest.approx(math.sqrt(norm), rel=1e-3)
    for e, network in enumerate(networks):
        norm = sum(float(p.grad.square().sum()) for p in network.parameters() if p.grad is not None)
        assert float(film.expert_gradient[0, 1, e]) == pytest.approx(math.sqrt(norm), rel=1e-3)


def test_runs_of_one_seed_begin_alike_and_do_not_disturb_each_other(short: Film) -> None:
    alone = train(SMALL, [Dose(5)], n_step=STRIDE)
    for name in ("owner", "load", "loss", "first", "router_gradient"):
        first, batch = getattr(alone, name)[0], getattr(short, name)
        torch.testing.assert_close(first, batch[0], rtol=1e-4, atol=1e-5)
    for r in (1, 2, 3):
        assert torch.equal(short.owner[r, 0], short.owner[0, 0]) and torch.equal(short.point[r], short.point[0])
        assert not torch.equal(short.loss[r, 1], short.loss[0, 1])
    assert not torch.equal(short.point[5], short.point[0])
    again = train(SMALL, [Dose(5)], n_step=STRIDE)
    assert torch.equal(again.loss, alone.loss)


def test_biases_move_by_gamma_away_from_the_load(short: Film) -> None:
    still = [0, 1, 3, 4, 5]
    assert not short.bias[still].any() and short.bias[2, 1].any()
    steps = short.bias[2, 1] / 0.01
    torch.testing.assert_close(steps, steps.round(), rtol=0, atol=1e-3)
    assert float(steps.abs().max()) <= STRIDE
    worlds, generators, weights = begin(SMALL, [Dose(5)])
    routing, _ = forward(Layer("softmax_topk", 2, FREE), weights, torch.zeros(1, 5), draw(worlds, generators, SMALL))
    one = train(SMALL, [Dose(5, gamma=0.01)], n_step=STRIDE)
    assert bias_step(torch.zeros(5), load(routing.chosen[0]), 0.01).abs().max() <= 0.01 + 1e-9
    torch.testing.assert_close(one.bias[0], short.bias[2], rtol=0, atol=1e-6)


def test_a_micro_batch_by_itself() -> None:
    """The Switch loss of every text alone, and the mean of them."""
    worlds, generators, weights = begin(SMALL, [Dose(5)])
    routing, _ = forward(Layer("softmax_topk", 2, FREE), weights, torch.zeros(1, 5), draw(worlds, generators, SMALL))
    amounts = {name: torch.zeros(1) for name in ("importance", "z")} | {"switch": torch.tensor([0.3])}
    each = []
    for text in range(3):
        rows = slice(7 * text, 7 * text + 7)
        f = [float(routing.chosen[0, rows, e].sum()) / 14 for e in range(5)]
        p = [float(routing.score[0, rows, e].mean().detach()) for e in range(5)]
        each.append(5 * sum(a * b for a, b in zip(f, p, strict=True)))
    by_text = cluster_training.added(routing, Setting(5, 2, "softmax_topk", 7, 3, True), amounts)
    assert float(by_text.detach()) == pytest.approx(0.3 * sum(each) / 3, rel=1e-5)
    whole = cluster_training.added(routing, SMALL, amounts)
    assert float(whole.detach()) == pytest.approx(
        0.3 * 5 * float(load(routing.chosen[0]) @ routing.score[0].mean(0).detach()), rel=1e-5
    )


def test_information_by_hand() -> None:
    sure = torch.eye(3)[None] * 4
    none = torch.ones(1, 3, 3)
    assert cluster_film.information(torch.cat([sure, none])).tolist() == pytest.approx([1.0, 0.0], abs=1e-6)
    # Two clusters of 4; expert 0 gets 3 and 1, expert 1 the others: I = log 2 - H(1/4) in nats, both entropies log 2.
    half = torch.tensor([[[3.0, 1.0], [1.0, 3.0]]])
    expected = 1 - (-0.75 * math.log(0.75) - 0.25 * math.log(0.25)) / math.log(2)
    assert float(cluster_film.information(half)) == pytest.approx(expected, rel=1e-5)
    alone = torch.tensor([[[4.0, 0.0], [4.0, 0.0]]])  # one expert has all: it tells nothing
    assert float(cluster_film.information(alone)) == 0


# --- the film --------------------------------------------------------------------------------------------------------


def test_the_film_is_consistent(seen: Trace, short: Film) -> None:
    """Shares sum to 1, the map agrees with the points, every point is served or dropped."""
    film = seen.film
    assert film.load.shape == (2, len(FRAMES), 8) and film.owner.shape[2:] == (cluster_film.GRID, cluster_film.GRID)
    torch.testing.assert_close(film.load.sum(-1), torch.ones(2, len(FRAMES)))
    torch.testing.assert_close(film.importance.sum(-1), torch.ones(2, len(FRAMES)))
    torch.testing.assert_close(seen.entropy, load_entropy(film.load))
    assert torch.equal(seen.working, (film.load >= 0.01).sum(-1).float())
    grid, flipped = cluster_film.GRID, film.point[0] * torch.tensor([1.0, -1.0])
    column, row = ((flipped / cluster_film.REACH + 1) / 2 * grid).long().T
    inside = (column >= 0) & (column < grid) & (row >= 0) & (row < grid)
    for r, n in ((0, 0), (0, 9), (1, 32)):
        counted = torch.bincount(film.first[r, n].long(), minlength=8) / len(film.cluster)
        torch.testing.assert_close(counted, film.load[r, n])  # top-1: load counts first choices
        owner = film.owner[r, n][row[inside], column[inside]]
        assert float((owner == film.first[r, n][inside]).float().mean()) > 0.93  # a cell is no point
    assert not film.dropped.any()
    dropped = short.dropped[4, -1].float().mean()
    assert 0 < float(dropped) < 0.9 and not short.dropped[:4].any()
    # An expert without any point has no gradient, one with points has one.
    alive = film.load > 0
    assert torch.equal(film.expert_gradient > 0, alive)


def test_within_a_text_by_loops(seen: Trace) -> None:
    film, total = seen.film, 0.0
    for c in range(N_CLUSTER):
        share = [float((film.first[1, -1][film.cluster == c] == e).float().mean()) for e in range(8)]
        total += -sum(s * math.log(s) for s in share if s) / math.log(8) / N_CLUSTER
    assert float(film.text_entropy[1, -1]) == pytest.approx(total, abs=1e-5)


def test_another_step_is_the_same_training(seen: Trace) -> None:
    assert trained(Config(step=30)) == Config()
    assert at(seen, 31).index == 2 and at(seen, 0).index == 0 and at(seen, N_STEP).index == len(FRAMES) - 1
    assert at(seen, 30).film is seen.film
    said = facts(at(seen, 0))
    assert said["step"] == 0 and said["loss"] == pytest.approx(said["loss_none"]) and said["entropy_start"] > 0.9


# --- the proof -------------------------------------------------------------------------------------------------------


def test_one_expert_and_a_normalised_weight_give_the_router_nothing() -> None:
    """Exactly 0 for top-k before softmax; rounding where the sum is divided by; by finite differences as well."""
    norm = dict(zip(GATES, through(Config()), strict=True))
    assert float(norm["topk_softmax"][0]) == 0.0
    assert float(norm["renormalised"][0]) < 1e-7 and float(norm["sigmoid_renormalised"][0]) < 1e-7
    assert min(float(norm[gate][0]) for gate in ("softmax_topk", "sigmoid")) > 1e-3
    assert min(float(one[1:].min()) for one in norm.values()) > 1e-3
    torch.testing.assert_close(norm["topk_softmax"][1:], norm["renormalised"][1:], rtol=1e-4, atol=1e-6)
    worlds, _, weights = begin(Setting(), [Dose(23)])
    batch = cluster_film.held_out(worlds, 4.0).batch

    def loss(gate: str, move: float) -> float:
        router = weights.router.detach().double().clone()
        router[0, 3, 5] += move
        moved = cluster_moe.Weights(router, *(part.detach().double() for part in weights.all()[1:]))
        wide = cluster_moe.Batch(batch.x.double(), batch.h.double(), batch.label.double())
        _, y = forward(Layer(gate, 1, FREE), moved, torch.zeros(1, 8).double(), wide)
        return float(cluster_moe.task_loss(y, wide.label))

    assert loss("topk_softmax", 1e-7) == loss("topk_softmax", -1e-7)
    slope = (loss("softmax_topk", 1e-7) - loss("softmax_topk", -1e-7)) / 2e-7
    _, y = forward(Layer("softmax_topk", 1, FREE), weights, torch.zeros(1, 8), batch)
    found = torch.autograd.grad(cluster_moe.task_loss(y, batch.label).sum(), weights.router)[0][0, 3, 5]
    assert slope == pytest.approx(float(found), rel=1e-2) and abs(slope) > 1e-6


def test_a_router_without_gradient_stands_still() -> None:
    still = trace(Config(gate="topk_softmax", remedy="none"))
    assert not still.film.router_gradient.any()
    assert (still.film.owner == still.film.owner[:, :1]).all()
    assert facts(still)["frozen"] == 1 and facts(still)["entropy"] > 0.9
    assert float(still.film.loss[0, -1]) < 0.5, "the experts learn all the same"


def test_why_the_router_that_cannot_learn_ends_lower_here() -> None:
    """Not for its map, which is the same in both: for its weights of 1. The clusters it does not learn."""
    learns, still = Setting(), Setting(still=True)
    kept = train(still, [Dose(23, switch=0.1), Dose(23)], n_step=STRIDE)
    assert torch.equal(kept.owner[:, 1], kept.owner[:, 0]) and kept.router_gradient.all()
    assert not torch.equal(train(learns, [Dose(23)], n_step=STRIDE).owner[0, 1], kept.owner[0, 1])
    said = moe_balance.gate_order()
    assert said["loss_frozen"] < said["loss_mended"] < said["loss_none"] < said["loss_still"] < math.log(2)
    assert said["after"] == 0 and said["entropy_frozen"] > 0.9
    assert said["information_frozen"] < said["information_mended"]
    assert said["worlds_frozen"] < said["worlds_mended"] - 0.1


def test_the_ends_by_hand() -> None:
    """Four runs in two worlds; which fall, which is best and which most even."""
    rows = {
        "entropy": [0.1, 0.9, 0.5, 0.39],
        "text_entropy": [0.0, 0.2, 0.1, 0.3],
        "loss": [0.6, 0.3, 0.5, 0.2],
        "information": [0.0, 0.7, 0.2, 0.6],
        "dropped": [0.0, 0.0, 0.0, 0.1],
    }
    found = Comparison(
        ("none", "bias", "none", "z"),
        torch.tensor([0.0, 0.01, 1.0, 0.3]),
        **{name: torch.tensor(row) for name, row in rows.items()},
    )
    said = ends(found)
    assert COLLAPSED == said["collapsed"] == 0.4
    assert (said["n_plain"], said["n_collapsed_none"], said["n_collapsed"]) == (2, 1, 1)
    assert (said["even"], said["best"], said["first"], said["last"]) == ("bias", "z", "bias", "z")
    expected = {"high_none": 0.5, "low": 0.39, "end_entropy_none": 0.1, "end_loss_none": 0.6, "even_value": 0.01}
    expected |= {"best_loss": 0.2, "best_value": 0.3, "first_text": 0.2, "last_information": 0.6, "even_entropy": 0.9}
    assert {name: said[name] for name in expected} == pytest.approx(expected)


@pytest.mark.parametrize("gate", ["softmax_topk", "sigmoid_renormalised"])
def test_the_reference_agrees(gate: str) -> None:
    found = check(Config(gate=gate, top_k=3, n_expert=7))
    assert len(found) == 5 and max(found.values()) < 1e-5, found


# --- the phenomenon --------------------------------------------------------------------------------------------------


def test_it_collapses_and_is_mended(seen: Trace) -> None:
    said = facts(seen)
    assert said["entropy_start"] > 0.9 and said["entropy_none"] < 0.2 and said["working_none"] <= 2
    assert said["working_end_none"] == 1, "the answer of the prediction"
    assert said["entropy"] > 0.9 and said["working"] == 8
    assert said["loss"] < said["loss_none"] - 0.05


def test_it_collapses_for_every_seed_and_every_seed_is_mended() -> None:
    found = compare(Config(), "seeds")
    assert found.name[:2] == ("none", "switch") and found.value.tolist()[::2] == [0, 1, 2, 3, 4, 5]
    assert float(found.entropy[::2].max()) < 0.5 and float(found.entropy[1::2].min()) > 0.8


def test_every_remedy_does_what_the_page_says() -> None:
    """Balance losses and bias updates balance; z-loss, noise and capacity do not; capacity drops."""
    found = compare(Config(), "remedies")
    assert found.name == REMEDIES
    entropy = dict(zip(found.name, found.entropy.tolist(), strict=True))
    assert min(entropy[one] for one in ("switch", "importance", "bias")) > 0.8
    assert max(entropy[one] for one in ("none", "z", "noise", "capacity")) < 0.6
    dropped = dict(zip(found.name, found.dropped.tolist(), strict=True))
    assert dropped["capacity"] > 0.3 and sum(dropped.values()) == dropped["capacity"]
    assert entropy["switch"] == pytest.approx(moe_balance.once()["entropy"], abs=0.05)


def test_micro_batches_balance_texts_and_cost_the_field() -> None:
    found = compare(Config(), "texts")
    assert found.name == ("none", "global", "micro")
    text, information = found.text_entropy.tolist(), found.information.tolist()
    assert text[2] > text[1] + 0.1 and information[2] < information[1] - 0.1


def test_ticks_rise_and_may_cancel() -> None:
    class Enough(Exception):
        pass

    told: list[float] = []

    def tick(fraction: float) -> None:
        told.append(fraction)
        if len(told) == 3:
            raise Enough

    with pytest.raises(Enough):
        trace(Config(), tick)
    assert told == sorted(told) and told[0] > 0 and told[-1] < 1
