"""The router page's numbers: against transformers' own models with the shipped weights, against loops, and by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from transformers.models.mixtral import modeling_mixtral

from models import (
    gates,
    moe_router,
    router_claims,
    router_gates,
    router_measure,
    router_reference,
    tiny_moe,
)
from models.moe_router import Config, facts, trace
from models.router_reading import N_TOKEN, encode, mean_loss, parse_experts, read
from models.specialisation import Favourite, Specialisation
from models.tiny_moe import AS_TRAINED, CONFIGS, Switches

SHORT = "KING:\nNo more.\n东风夜放花千树。\ndef f(x):\n    return x\n"
VARIANTS = ("moe", "fine")
GATES = moe_router.GATES


@pytest.fixture(autouse=True)
def few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(router_measure, "N_ROW", 1)


# --- reading ---------------------------------------------------------------------------------------------------------


def test_the_routers_are_mixtrals():
    """Every layer's logits and weights of "moe", watched in transformers' model with the same weights."""
    ids, _ = encode(SHORT)
    model, seen = tiny_moe.load("moe"), []
    forward = modeling_mixtral.MixtralTopKRouter.forward

    def watched(self, hidden):
        out = forward(self, hidden)
        seen.append(out)
        return out

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(modeling_mixtral.MixtralTopKRouter, "forward", watched)
        logits = router_reference.mixtral_logits(model, ids)
    reading = read("moe", ids, AS_TRAINED)
    assert len(seen) == len(reading.logit) == CONFIGS["moe"].n_layer
    for layer, (logit, weight, index) in enumerate(seen):
        torch.testing.assert_close(reading.logit[layer], logit, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(reading.probability[layer], logit.softmax(-1), rtol=1e-4, atol=1e-5)
        theirs = torch.zeros_like(logit).scatter(1, index, weight)
        torch.testing.assert_close(reading.weight[layer], theirs, rtol=1e-4, atol=1e-5)
        assert torch.equal(reading.chosen[layer], theirs > 0) and torch.equal(reading.kept[layer], theirs > 0)
    for u in (0, 5, len(ids) - 2):
        assert float(reading.surprise[u]) == pytest.approx(-float(logits[u].log_softmax(-1)[ids[u + 1]]), abs=1e-4)
    assert mean_loss(reading.surprise) == pytest.approx(sum(reading.surprise.tolist()) / (len(ids) - 1), rel=1e-5)
    assert mean_loss(torch.zeros(0)) == 0


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_whole_model_by_other_peoples_code(variant):
    ids, _ = encode(SHORT)
    name, gap = router_reference.model_gap(variant, ids)
    assert name == {"moe": "MixtralForCausalLM", "fine": "DeepseekV3MoE"}[variant]
    assert gap < 1e-5


def test_what_is_read():
    ids, cut = encode(SHORT)
    assert cut == 0 and list(ids) == tiny_moe.encode(SHORT) and ids[0] == tiny_moe.encode("")[0]
    long, cut = encode("ab " * 300)
    assert len(long) == N_TOKEN and cut == len(tiny_moe.encode("ab " * 300)) - N_TOKEN > 0
    empty, _ = encode("")
    assert len(empty) == 1 and read("moe", empty, AS_TRAINED).surprise.shape == (0,)
    assert read("moe", ids, AS_TRAINED) is read("moe", ids, Switches()), "remembered"


def test_experts_in_a_text():
    assert parse_experts("2.5 3.1, 1:8；4.4", 4, 8) == (frozenset({(1, 4), (2, 0), (0, 7), (3, 3)}), ())
    assert parse_experts("5.1 0.3 1.9 2 x 1.0 ١.٢", 4, 8) == (
        frozenset(),
        ("5.1", "0.3", "1.9", "2", "x", "1.0", "١.٢"),
    )
    assert parse_experts("", 4, 8) == (frozenset(), ())
    # One of each layer stays, named twice is once.
    found, bad = parse_experts("1.1 1.1 1.2 1.3 2.1", 2, 3)
    assert found == {(0, 0), (0, 1), (1, 0)} and bad == ("1.3",)


@pytest.mark.parametrize("gate", GATES)
def test_an_expert_that_is_off_works_for_nobody(gate):
    shown = trace(Config(text=SHORT, gate=gate, without="2.3 2.4 4.1", k_moe=3))
    assert shown.without == ((1, 2), (1, 3), (3, 0))
    for layer, expert in shown.without:
        assert not shown.chosen[layer, :, expert].any() and not shown.weight[layer, :, expert].any()
        assert not shown.probability[layer, :, expert].any()
        assert (shown.logit[layer, :, expert] == -torch.inf).all()
    assert shown.weight.isfinite().all() and shown.probability.isfinite().all()
    assert facts(shown)["without"] == "2.3, 2.4, 4.1", "counted from 1 on the page, from 0 in the code"
    assert int((shown.logit == -torch.inf).sum()) == 3 * len(shown.ids)


# --- the trace -------------------------------------------------------------------------------------------------------


def test_how_the_model_is_run():
    assert moe_router.switches(Config())[0] == AS_TRAINED == moe_router.switches(Config(model="fine"))[0]
    assert moe_router.switches(Config(gate="renormalised"))[0] == AS_TRAINED, "that is how it was trained"
    assert moe_router.switches(Config(k_fine=9, seed=5))[0] == AS_TRAINED, "of the other model; no noise, no seed"
    assert moe_router.switches(Config(shared=False))[0] == AS_TRAINED, "this model has none"
    how, bad = moe_router.switches(
        Config(model="fine", gate="softmax_topk", k_fine=9, capacity=1.5, temperature=2.0, noise=0.25, seed=3,
               shared=False, without="1.16 9.9")
    )  # fmt: skip
    assert how == Switches("softmax_topk", 9, 2.0, 0.25, 3, 1.5, False, frozenset({(0, 15)})) and bad == ("9.9",)
    assert moe_router.switches(Config(gate="dense", k_moe=5))[0].top_k == 0
    assert moe_router.switches(Config(gate="random", seed=7))[0].seed == 7
    assert trace(Config(text=SHORT)).n_shown == 8 and trace(Config(text=SHORT, model="fine", n_shown=3)).n_shown == 3
    assert moe_router.pinned(None) == {} and moe_router.pinned(5) == {"token": 5}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("gate", GATES)
def test_every_gate_on_the_model(variant, gate):
    """What the gate says of its weights holds in every layer; nothing is lost."""
    k = 3
    shown = trace(Config(text=SHORT, model=variant, gate=gate, k_moe=k, k_fine=k, temperature=1.3))
    about = CONFIGS[variant]
    effective = about.gate if gate in ("trained", "random") else gate
    per_token, total = shown.chosen.sum(-1), shown.weight.sum(-1)
    assert shown.gate == (about.gate if gate == "trained" else gate) and shown.compares == effective
    if gate == "dense":
        assert shown.chosen.all() and shown.k == about.n_expert
    elif gate == "expert_choice":
        assert (shown.chosen.sum(1) == gates.capacity(len(shown.ids), about.n_expert, 1.0, k)).all()
    else:
        assert (per_token == k).all() and shown.k == k
    if effective in ("topk_softmax", "renormalised", "sigmoid_bias", "noisy_topk", "dense"):
        torch.testing.assert_close(total, torch.ones_like(total))
    elif gate != "expert_choice":
        assert (total < 1).all() and (total > 0).all()
    assert torch.equal(shown.kept, shown.chosen) and shown.limit == 0
    torch.testing.assert_close(shown.weight * shown.chosen, shown.weight)
    if effective == "sigmoid_bias":
        assert shown.squash == "sigmoid"
        torch.testing.assert_close(shown.probability, shown.logit.sigmoid())
    else:
        torch.testing.assert_close(shown.probability, shown.logit.softmax(-1))


@pytest.mark.parametrize("gate", ["trained", "softmax_topk", "group_limited", "dense"])
@pytest.mark.parametrize("factor", [0.25, 1.0, 3.0])
def test_capacity_by_a_queue(gate, factor):
    shown = trace(Config(text=SHORT, gate=gate, capacity=factor, k_moe=3))
    n_token, n_expert = len(shown.ids), 8
    k = 2 if gate == "dense" else 3
    assert shown.limit == math.ceil(k * n_token / n_expert * factor)
    for layer in range(len(shown.logit)):
        for e in range(n_expert):
            queue = shown.chosen[layer, :, e].nonzero().flatten().tolist()
            assert shown.kept[layer, :, e].nonzero().flatten().tolist() == queue[: shown.limit]
    assert not shown.weight[~shown.kept].any()
    said = facts(shown)
    lost = [
        (t, e) for t in range(n_token) for e in range(n_expert)
        if shown.chosen[shown.layer, t, e] and not shown.kept[shown.layer, t, e]
    ]  # fmt: skip
    assert said["n_dropped"] == len(lost)
    assert said["n_passed"] == sum(not shown.kept[shown.layer, t].any() for t in range(n_token))
    assert said["n_assigned"] == int(shown.kept[shown.layer].sum()) + len(lost), "served or dropped, never lost"


def test_load_entropy_and_paths_by_loops():
    shown = trace(Config(text=SHORT, layer=3))
    assert shown.layer == 2
    for layer in range(4):
        count = [0] * 8
        for t in range(len(shown.ids)):
            for e in range(8):
                count[e] += int(shown.chosen[layer, t, e])
        share = [n / sum(count) for n in count]
        assert shown.load[layer].tolist() == pytest.approx(share)
        entropy = -sum(p * math.log(p) for p in share if p) / math.log(8)
        assert float(shown.entropy[layer]) == pytest.approx(entropy, abs=1e-5)
    said = facts(shown)
    first = [[int(shown.weight[layer, t].argmax()) for layer in range(4)] for t in range(len(shown.ids))]
    assert said["n_path"] == len({tuple(path) for path in first})
    assert said["n_stay"] == sum(len(set(path)) == 1 for path in first)
    assert said["n_possible"] == 8**4 and said["equal_share"] == 0.125
    assert said["busiest_share"] == pytest.approx(float(shown.load[2].max()))
    assert said["n_none"] == said["n_twice"] == 0


def test_the_pinned_token():
    shown = trace(Config(text=SHORT, token=127, layer=1))
    assert shown.token == len(shown.ids) - 1, "past the end: the last one"
    shown = trace(Config(text=SHORT, token=3, layer=1))
    weight = shown.weight[0, 3]
    best = sorted(range(8), key=lambda e: -float(weight[e]))[:2]
    wanted = ", ".join(f"{e + 1} ({float(weight[e]):.0%})" for e in best)
    said = facts(shown)
    assert said["to"] == wanted and said["token"] == shown.label[3]
    assert said["weight_sum"] == pytest.approx(1, abs=1e-5)
    many = facts(trace(Config(text=SHORT, gate="dense")))["to"]
    assert many.count("(") == 4 and many.endswith("…")
    nobody = trace(Config(text=SHORT, capacity=0.25, token=127))
    if not nobody.kept[nobody.layer, nobody.token].any():
        assert facts(nobody)["to"] == "–"


def test_losses_of_the_trace():
    ids, _ = encode(SHORT)
    shown = trace(Config(text=SHORT, gate="random", seed=4))
    torch.testing.assert_close(shown.surprise_trained, read("moe", ids, AS_TRAINED).surprise)
    said = facts(shown)
    assert said["loss"] == pytest.approx(float(shown.surprise.mean()), abs=1e-6)
    assert said["rise"] == pytest.approx(said["loss"] - said["loss_trained"], abs=1e-6)
    assert facts(trace(Config(text=SHORT)))["moves"] == "same"
    assert not torch.equal(shown.surprise, trace(Config(text=SHORT, gate="random", seed=5)).surprise)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_shared_expert(variant):
    with_it, without = (trace(Config(text=SHORT, model=variant, shared=on)) for on in (True, False))
    if variant == "moe":
        assert with_it.n_shared == without.n_shared == 0 and torch.equal(with_it.surprise, without.surprise)
    else:
        assert (with_it.n_shared, without.n_shared) == (1, 0)
        assert not torch.equal(with_it.surprise, without.surprise)
        # The first router reads what no expert has touched yet.
        torch.testing.assert_close(with_it.logit[0], without.logit[0])


def test_noise_comes_from_its_seed():
    one, again, other = (trace(Config(text=SHORT, noise=0.5, seed=s)).logit for s in (1, 1, 2))
    assert torch.equal(one, again) and not torch.equal(one, other)
    torch.testing.assert_close(
        trace(Config(text=SHORT, temperature=2.0)).logit[0] * 2, trace(Config(text=SHORT)).logit[0]
    )


# --- gates side by side ----------------------------------------------------------------------------------------------


def test_orders_of_the_example_by_hand():
    """e^2 / 16.0570 = .4602, e / 16.0570 = .1693: .6295; among the two alone .7311 and .2689."""
    shown = trace(Config(text=SHORT))
    one, two = shown.example[:2]
    assert one.tolist() == pytest.approx([0.46018, 0.16929] + [0] * 6, abs=1e-5)
    assert float(one.sum()) == pytest.approx(0.629, abs=5e-4)
    assert two.tolist() == pytest.approx([0.73106, 0.26894] + [0] * 6, abs=1e-5)
    torch.testing.assert_close(shown.example[2], two)
    sigmoid = [1 / (1 + math.exp(-x)) for x in (2, 1)]
    assert shown.example[3, :2].tolist() == pytest.approx([x / sum(sigmoid) for x in sigmoid])
    said = facts(shown)
    assert said["example_sum"] == pytest.approx(0.629, abs=5e-4) and said["example_one_after"] == pytest.approx(
        0.73106, abs=1e-5
    )


@pytest.mark.parametrize("variant", VARIANTS)
def test_orders_of_the_pinned_token(variant):
    shown = trace(Config(text=SHORT, model=variant, k_moe=3, k_fine=5, token=7, layer=4))
    k = 3 if variant == "moe" else 5
    logit = shown.logit[3, 7].tolist()
    top = sorted(range(len(logit)), key=lambda e: -logit[e])[:k]
    total = sum(math.exp(x) for x in logit)
    plain = [math.exp(logit[e]) / total if e in top else 0.0 for e in range(len(logit))]
    assert shown.order[0].tolist() == pytest.approx(plain, abs=1e-6)
    for i in (1, 2):
        assert shown.order[i].tolist() == pytest.approx([p / sum(plain) for p in plain], abs=1e-6)
    biased = [1 / (1 + math.exp(-x)) + float(b) for x, b in zip(logit, shown.bias, strict=True)]
    chosen = sorted(range(len(logit)), key=lambda e: -biased[e])[:k]
    free = [1 / (1 + math.exp(-logit[e])) if e in chosen else 0.0 for e in range(len(logit))]
    assert shown.order[3].tolist() == pytest.approx([s / sum(free) for s in free], abs=1e-6)
    size = len(logit) // 4
    best = sorted(range(4), key=lambda g: -max(logit[g * size : (g + 1) * size]))[: max(2, math.ceil(k / size))]
    near = sorted((e for e in range(len(logit)) if e // size in best), key=lambda e: -logit[e])[:k]
    assert set(shown.order[4].nonzero().flatten().tolist()) == set(near)
    said = facts(shown)
    for i, name in enumerate(router_gates.ORDERS):
        assert said[f"sum_{name}"] == pytest.approx(float(shown.order[i].sum()), abs=1e-6)


@pytest.mark.parametrize("variant", VARIANTS)
def test_kinds_of_gate(variant):
    shown = trace(Config(text=SHORT, model=variant, layer=2))
    n_token, n_expert = len(shown.ids), CONFIGS[variant].n_expert
    k = CONFIGS[variant].top_k
    logit = shown.logit[1]
    made = dict(zip(router_gates.KINDS, shown.kinds, strict=True))
    torch.testing.assert_close(made["dense"].weight, logit.softmax(-1))
    best = logit.softmax(-1).max(-1)
    assert torch.equal(made["switch"].weight.argmax(-1), best.indices)
    torch.testing.assert_close(made["switch"].weight.sum(-1), best.values)
    assert (made["noisy_topk"].chosen.sum(-1) == k).all()
    # Two levels: all experts of a token in one group of four, the group with the most probability.
    share = logit.softmax(-1).view(n_token, -1, 4)
    group = share.sum(-1).argmax(-1)
    assert router_gates.groups(n_expert) == n_expert // 4
    for t in range(n_token):
        inside = share[t, group[t]]
        wanted = set((group[t] * 4 + inside.topk(k).indices).tolist())
        assert set(made["hierarchical"].chosen[t].nonzero().flatten().tolist()) == wanted
    torch.testing.assert_close(made["hierarchical"].weight.sum(-1), torch.ones(n_token))
    size = math.ceil(k * n_token / n_expert)
    assert (made["expert_choice"].chosen.sum(0) == size).all()
    said = facts(shown)
    assert said["expert_choice_most"] == size and said["switch_mean"] == 1 and said["dense_mean"] == n_expert
    assert said["expert_choice_none"] == int((made["expert_choice"].chosen.sum(-1) == 0).sum())
    assert said["n_logit"] == n_expert // 4 + 4


def test_the_worked_example_drops_exactly_one():
    """Tokens 1, 3, 5 ask for expert 1, tokens 2 and 6 for 2, token 4 for 3. Capacity 1, 2, 3, 4 drops 3, 1, 0, 0."""
    made = router_gates.overflow()
    assert made.factor == (0.5, 1.0, 1.5, 2.0) and made.limit == (1, 2, 3, 4)
    dropped = [(made.chosen & ~kept).nonzero().tolist() for kept in made.kept]
    assert dropped == [[[2, 0], [4, 0], [5, 1]], [[4, 0]], [], []]
    top = math.exp(2) / (math.exp(2) + 2)
    assert made.weight[1, :, 0].tolist() == pytest.approx([top, 0, top, 0, 0, 0])
    for kept, weight in zip(made.kept, made.weight, strict=True):
        assert int(kept.sum()) + int((made.chosen & ~kept).sum()) == 6
        assert torch.equal(weight > 0, kept)
    assert trace(Config(text="x")).overflow.limit == made.limit


# --- what is measured ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", VARIANTS)
def test_loss_with_other_numbers_of_experts(variant):
    ids, _ = encode(SHORT)
    about = CONFIGS[variant]
    loss = router_measure.text_losses(variant, ids, AS_TRAINED)
    assert loss.shape == (about.n_expert,)
    row = torch.tensor(ids)[None]
    for k in (1, about.top_k, about.n_expert):
        logits = tiny_moe.load(variant)(row, Switches(top_k=k))[0][0]
        assert float(loss[k - 1]) == pytest.approx(float(F.cross_entropy(logits[:-1], row[0, 1:])), abs=1e-5)
    dense = router_measure.text_losses(variant, ids, Switches(gate="dense"))
    assert len(set(dense.tolist())) == 1
    if variant == "moe":
        assert float(dense[0]) == pytest.approx(float(loss[-1]), abs=1e-5), "all experts, divided by 1"


def test_capacity_for_a_text():
    ids, _ = encode(SHORT)
    found = router_measure.text_capacities("moe", ids, AS_TRAINED)
    assert found.factor[0] == 0.25 and found.factor[-1] == 3.0 and 1.0 in found.factor
    assert found.limit == tuple(math.ceil(2 * len(ids) / 8 * f) for f in found.factor)
    for i in (0, 3, 11):
        shown = trace(Config(text=SHORT, capacity=found.factor[i]))
        lost = (shown.chosen & ~shown.kept).sum((1, 2)) / shown.chosen.sum((1, 2))
        torch.testing.assert_close(found.dropped[i], lost)
        assert float(found.loss[i]) == pytest.approx(mean_loss(shown.surprise), abs=1e-6)
    assert found.free == pytest.approx(mean_loss(trace(Config(text=SHORT)).surprise))
    # A capacity of a quarter of the even share serves at most a quarter.
    assert (found.dropped[0] >= 1 - 8 * found.limit[0] / (2 * len(ids)) - 1e-6).all()


def held_out_loss(variant: str, how: Switches, n_row: int = 1) -> list[float]:
    """Mean over the rows of each domain, by a loop over tokens."""
    found = []
    for domain in tiny_moe.DOMAINS:
        total, count = 0.0, 0
        for row in tiny_moe.held_out()[domain][:n_row]:
            log_p = tiny_moe.load(variant)(row[None], how)[0][0].log_softmax(-1)
            # The last position is read too; what comes before it does not see it.
            for t in range(len(row) - 1):
                total, count = total - float(log_p[t, row[t + 1]]), count + 1
        found.append(total / count)
    return found


def test_held_out_sweep_and_drop():
    found = router_measure.sweep("moe", AS_TRAINED)
    assert found.trained_k == 2 and found.loss.shape == (8, 3)
    assert found.loss[0].tolist() == pytest.approx(held_out_loss("moe", Switches(top_k=1)), abs=1e-5)
    assert found.loss[1].tolist() == pytest.approx(held_out_loss("moe", AS_TRAINED), abs=1e-5)
    assert found.active_twin.tolist() == pytest.approx(held_out_loss("dense_active", AS_TRAINED), abs=1e-5)
    assert found.total_twin.tolist() == pytest.approx(held_out_loss("dense_total", AS_TRAINED), abs=1e-5)
    how = Switches(without=frozenset({(1, 4)}))
    dropped = router_measure.drop("moe", how, 1)
    assert dropped.layer == 1 and dropped.rise.shape == (8, 3)
    base = held_out_loss("moe", how)
    assert dropped.loss.tolist() == pytest.approx(base, abs=1e-5)
    assert dropped.loss_trained.tolist() == pytest.approx(held_out_loss("moe", AS_TRAINED), abs=1e-5)
    assert not dropped.rise[4].any(), "it is off already"
    both = held_out_loss("moe", replace(how, without=frozenset({(1, 4), (1, 0)})))
    assert dropped.rise[0].tolist() == pytest.approx([b - a for a, b in zip(base, both, strict=True)], abs=1e-5)


def test_specialists_are_computed_once(monkeypatch):
    calls = []

    def once(variant: str, how: Switches, tick: object) -> Specialisation:
        calls.append((variant, how))
        return Specialisation(torch.zeros(3, 1, 2, dtype=torch.long), torch.zeros(4, 3, 1, 2, 8).bool(), (), {})

    monkeypatch.setattr(router_measure, "specialisation", once)
    made_up = tuple(Favourite(i, label, 9.0 - i, 8, 1.0, ()) for i, label in enumerate((" a", "b")))
    monkeypatch.setattr(router_measure, "favourites_of", lambda found, layer, n_token: (made_up,) * layer)
    router_measure.specialists.cache_clear()
    found = router_measure.specialists("moe", AS_TRAINED)
    made = router_measure.favourites("moe", AS_TRAINED, 2, lambda done: None)
    assert made.found is found and [[one.label for one in mine] for mine in made.best] == [[" a", "b"]] * 2
    assert router_measure.specialists("moe", Switches(top_k=1)) is not found
    assert calls == [("moe", AS_TRAINED), ("moe", Switches(top_k=1))]
    router_measure.specialists.cache_clear()


@pytest.mark.parametrize("work", ["trace", "text_losses", "text_capacities", "sweep", "drop"])
def test_ticks_rise_and_may_cancel(work):
    ids, _ = encode("No more.")
    runs = {
        "trace": lambda tick: trace(Config(text="No more."), tick),
        "text_losses": lambda tick: router_measure.text_losses("moe", ids, AS_TRAINED, tick),
        "text_capacities": lambda tick: router_measure.text_capacities("moe", ids, AS_TRAINED, tick),
        "sweep": lambda tick: router_measure.sweep("moe", AS_TRAINED, tick),
        "drop": lambda tick: router_measure.drop("moe", AS_TRAINED, 0, tick),
    }
    seen: list[float] = []
    runs[work](seen.append)
    assert seen == sorted(seen) and seen[0] >= 0 and seen[-1] <= 1

    def cancel(fraction: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        runs[work](cancel)


# --- check, and that it would notice ---------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("gate", GATES)
def test_the_page_checks_itself(variant, gate, monkeypatch):
    monkeypatch.setattr(moe_router, "model_gap", lambda *_: ("library", 0.0))
    for k, factor in ((1, 0.0), (3, 1.0)):
        found = moe_router.check(Config(text=SHORT, model=variant, gate=gate, k_moe=k, k_fine=k, capacity=factor))
        assert max(found.values()) < 1e-5, found
        assert len(found) >= 2 + (factor > 0)
    found = moe_router.check(Config(text=SHORT, model=variant, gate=gate, without="2.1"))
    assert max(found.values()) < 1e-5, found


def test_the_references_notice():
    logit = torch.randn(13, 8, generator=torch.Generator().manual_seed(0))
    bias = torch.zeros(8)
    right = {name: router_gates.order(name, logit, 2, bias).weight for name in router_gates.ORDERS}
    for name in ("softmax_topk", "topk_softmax", "sigmoid_bias"):
        assert router_reference.gate_gap(name, logit, right[name], 2, bias)[1] < 1e-6
    assert router_reference.gate_gap("renormalised", logit, right["softmax_topk"], 2, bias)[1] > 0.1
    assert router_reference.gate_gap("softmax_topk", logit, right["topk_softmax"], 2, bias)[1] > 0.1
    assert router_reference.gate_gap("softmax_topk", logit, right["softmax_topk"], 1, bias)[1] > 0.05
    assert router_reference.gate_gap("sigmoid_bias", logit, right["sigmoid_bias"], 2, bias + torch.arange(8))[1] > 0.1
    assert router_reference.gate_gap("group_limited", logit, right["softmax_topk"], 2, bias)[1] > 0
    chosen = torch.tensor([[True, False], [True, False], [True, True]])
    kept = torch.tensor([[True, False], [True, False], [False, True]])
    assert router_reference.conserved(chosen, kept, kept.float()) == 0
    assert router_reference.conserved(chosen, kept, chosen.float()) > 0, "weight on what was dropped"
    assert router_reference.conserved(chosen, ~kept, (~kept).float()) > 0, "kept but never chosen"
    assert router_reference.capacity_gap(chosen, kept, 3, 2) == 0
    assert (
        router_reference.capacity_gap(chosen, kept, 3, 3) == 1
        and router_reference.capacity_gap(chosen, kept, 3, 1) == 1
    )


# --- claims ----------------------------------------------------------------------------------------------------------


def test_claims_by_hand():
    said = router_claims.claim_order()
    assert said["sum"] == pytest.approx(0.6295, abs=1e-4) and said["one"] == pytest.approx(0.4602, abs=1e-4)
    assert (said["one_after"], said["two_after"]) == pytest.approx((0.7311, 0.2689), abs=1e-4)
    assert said["same"] < 1e-6 and said["gradient_after"] == 0
    # d p_0 / d logit_0 = p_0 (1 - p_0), the largest entry of the gradient of p_0.
    assert said["gradient_switch"] == pytest.approx(0.46018 * (1 - 0.46018), abs=1e-4)
    assert router_claims.claim_usual_k() == {
        "mixtral_k": 2, "mixtral": 8, "v3_k": 8, "v3": 256, "qwen_k": 8, "qwen": 128, "next_k": 10, "next": 512,
        "llama_k": 1, "llama": 16,
    }  # fmt: skip
    assert router_claims.claim_capacity() == {
        "tokens": 6, "experts": 3, "capacity_one": 2, "dropped_one": 1, "capacity_more": 3, "dropped_more": 0,
    }  # fmt: skip
    said = router_claims.claim_two_levels()
    assert (said["chosen"], said["logits_two"], said["logits_flat"]) == (4, 32, 256)
    assert said["sum"] == pytest.approx(1)


def test_the_shared_experts_worth():
    said = router_claims.claim_shared()
    base, without = (held_out_loss("fine", Switches(shared=on)) for on in (True, False))
    rise = [b - a for a, b in zip(base, without, strict=True)]
    assert [said["shakespeare"], said["chinese"], said["python"]] == pytest.approx(rise, abs=1e-5)
    assert said["shared"] == pytest.approx(sum(rise) / 3, abs=1e-5)
    routed = []
    for e in (0, 4, 8, 12):
        loss = held_out_loss("fine", Switches(without=frozenset({(1, e)})))
        routed.append(sum(b - a for a, b in zip(base, loss, strict=True)) / 3)
    assert said["routed"] == pytest.approx(sum(routed) / 4, abs=1e-5)


# --- what the shipped weights show -----------------------------------------------------------------------------------


def rise(variant: str, how: Switches) -> float:
    """Mean over the domains, against the model as trained."""
    return sum(held_out_loss(variant, how, 2)) / 3 - sum(held_out_loss(variant, AS_TRAINED, 2)) / 3


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_choice_of_experts_matters_as_shipped(variant):
    """Drawn by lot: much worse. One expert: worse. All experts: no better. Softmax without the sum: a little worse."""
    about = CONFIGS[variant]
    assert rise(variant, Switches(gate="random")) > 0.5
    assert rise(variant, Switches(top_k=1)) > 0.05
    assert -0.02 < rise(variant, Switches(top_k=about.top_k + 1)) < 0.05
    assert rise(variant, Switches(top_k=about.n_expert)) > 0.0
    assert rise(variant, Switches(gate="softmax_topk")) > 0.01


def test_the_shared_expert_is_worth_more_than_a_routed_one_as_shipped():
    shared = rise("fine", Switches(shared=False))
    routed = rise("fine", Switches(without=frozenset({(1, 4)})))
    assert shared > 0.1 and shared > 3 * routed


def test_the_prediction_as_shipped():
    """All eight experts do not help the text that the page opens with."""
    assert facts(trace(Config(k_moe=8)))["moves"] == "worse"


def test_a_short_text_overflows_as_shipped():
    said = facts(trace(Config(capacity=1.0)))
    assert said["n_dropped_all"] > 10 and facts(trace(Config(capacity=3.0)))["n_dropped_all"] < said["n_dropped_all"]
