"""Gates against the pinned transformers' own routers with copied weights, against loops, and by hand; values and
gradients."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import DeepseekV2Config, DeepseekV3Config, MixtralConfig, SwitchTransformersConfig
from transformers.models.deepseek_v2.modeling_deepseek_v2 import DeepseekV2TopkRouter
from transformers.models.deepseek_v3.modeling_deepseek_v3 import DeepseekV3MoE, DeepseekV3TopkRouter
from transformers.models.mixtral.modeling_mixtral import MixtralSparseMoeBlock
from transformers.models.switch_transformers.modeling_switch_transformers import SwitchTransformersTop1Router

from models import gates

T, M, E, K = 13, 7, 11, 3  # tokens, features, experts, experts per token
# The example of the claim card: two logits stand out, the rest is noise.
EIGHT = torch.tensor([[2.0, 1.0, 0.5, -1.0, 0.0, 0.2, -0.5, 0.1]])


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def scattered(index: Tensor, weight: Tensor, n_expert: int) -> Tensor:
    """A library's (t, k) indices and weights as one row of e weights per token."""
    return torch.zeros(len(index), n_expert).scatter(1, index, weight)


def gradient(out: Tensor, direction: Tensor, x: Tensor) -> Tensor:
    """d (out . direction) / d x."""
    return torch.autograd.grad((out * direction).sum(), x, retain_graph=True)[0]


# --- against the libraries -------------------------------------------------------------------------------------------


def test_mixtral_values_and_gradients():
    """The whole sparse block with copied weights: its output, and what reaches the router's matrix and its input."""
    width = 5
    config = MixtralConfig(hidden_size=M, intermediate_size=width, num_local_experts=E, num_experts_per_tok=K)
    block = MixtralSparseMoeBlock(config).eval()
    with torch.no_grad():
        for i, weight in enumerate(block.parameters()):
            weight.copy_(normal(*weight.shape, seed=i + 1) * 0.6)
    x = normal(T, M, seed=9).requires_grad_()
    theirs = block(x[None])[0]
    router = block.gate.weight
    gate = gates.renormalised(F.linear(x, router), K)
    y = torch.zeros(T, M)
    for e in range(E):  # every expert for every token, and the weights decide: no dispatch to get wrong
        a, b = F.linear(x, block.experts.gate_up_proj[e]).split(width, dim=-1)
        y = y + gate.weight[:, e, None] * F.linear(F.silu(a) * b, block.experts.down_proj[e])
    torch.testing.assert_close(y, theirs, rtol=1e-5, atol=1e-5)
    direction = normal(T, M, seed=10)
    for of in (x, router, block.experts.down_proj):
        torch.testing.assert_close(gradient(y, direction, of), gradient(theirs, direction, of), rtol=1e-4, atol=1e-5)
    _, weight, index = block.gate(x)
    torch.testing.assert_close(gate.weight, scattered(index, weight, E))
    assert torch.equal(gate.chosen, scattered(index, torch.ones_like(weight), E).bool())


@pytest.mark.parametrize(("n_group", "k_group"), [(1, 1), (5, 1), (5, 2), (5, 5)])
@pytest.mark.parametrize("renormalise", [True, False])
def test_deepseek_v3_values_and_gradients(n_group, k_group, renormalise):
    """15 experts in 5 groups of 3: sigmoid, bias in the choice only, groups by their two best, scale."""
    n_expert, k, scale = 15, 2, 2.5
    config = DeepseekV3Config(
        hidden_size=M, num_local_experts=n_expert, n_routed_experts=n_expert, num_experts_per_tok=k, n_group=n_group,
        topk_group=k_group, norm_topk_prob=renormalise, routed_scaling_factor=scale,
    )  # fmt: skip
    router = DeepseekV3TopkRouter(config)
    bias = 0.3 * normal(n_expert, seed=3)
    with torch.no_grad():
        router.weight.copy_(normal(n_expert, M, seed=1))
    router.e_score_correction_bias.copy_(bias)
    x = normal(T, M, seed=2).requires_grad_()
    logit, weight, index = router(x)
    theirs = scattered(index, weight, n_expert)
    gate = gates.sigmoid_bias(F.linear(x, router.weight), k, bias, scale, renormalise, n_group, k_group)
    torch.testing.assert_close(F.linear(x, router.weight), logit)
    torch.testing.assert_close(gate.weight, theirs, rtol=1e-5, atol=1e-6)
    direction = normal(T, n_expert, seed=4)
    for of in (x, router.weight):
        torch.testing.assert_close(
            gradient(gate.weight, direction, of), gradient(theirs, direction, of), rtol=1e-4, atol=1e-6
        )
    if renormalise:
        torch.testing.assert_close(gate.weight.sum(-1), torch.full((T,), scale))


def test_deepseek_v3_block():
    """The whole layer with its shared expert: what the gate weighs is what the layer adds up."""
    n_expert, width = 10, 5
    config = DeepseekV3Config(
        hidden_size=M, num_local_experts=n_expert, n_routed_experts=n_expert, num_experts_per_tok=K, n_group=5,
        topk_group=2, moe_intermediate_size=width, n_shared_experts=1, routed_scaling_factor=1.5,
    )  # fmt: skip
    block = DeepseekV3MoE(config).eval()
    with torch.no_grad():
        for i, weight in enumerate(block.parameters()):
            weight.copy_(normal(*weight.shape, seed=i + 20) * 0.6)
    bias = 0.2 * normal(n_expert, seed=5)
    block.gate.e_score_correction_bias.copy_(bias)
    x = normal(T, M, seed=6)
    gate = gates.sigmoid_bias(F.linear(x, block.gate.weight), K, bias, 1.5, True, 5, 2)
    shared = block.shared_experts
    y = shared.down_proj(F.silu(shared.gate_proj(x)) * shared.up_proj(x))
    for e in range(n_expert):
        a, b = F.linear(x, block.experts.gate_up_proj[e]).split(width, dim=-1)
        y = y + gate.weight[:, e, None] * F.linear(F.silu(a) * b, block.experts.down_proj[e])
    torch.testing.assert_close(y, block(x[None])[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("k_group", [1, 2, 5])
def test_deepseek_v2_groups(k_group):
    n_expert, k = 15, 3
    config = DeepseekV2Config(
        hidden_size=M, num_experts=n_expert, n_routed_experts=n_expert, num_experts_per_tok=k, n_group=5,
        topk_group=k_group, topk_method="group_limited_greedy", routed_scaling_factor=1.0, num_attention_heads=1,
    )  # fmt: skip
    router = DeepseekV2TopkRouter(config)
    router.num_experts = n_expert
    router.weight = torch.nn.Parameter(normal(n_expert, M, seed=1))
    x = normal(T, M, seed=2).requires_grad_()
    _, weight, index = router(x)
    theirs = scattered(index, weight, n_expert)
    gate = gates.group_limited(F.linear(x, router.weight), k, 5, k_group)
    torch.testing.assert_close(gate.weight, theirs, rtol=1e-5, atol=1e-6)
    direction = normal(T, n_expert, seed=4)
    torch.testing.assert_close(
        gradient(gate.weight, direction, x), gradient(theirs, direction, x), rtol=1e-4, atol=1e-6
    )
    groups = gate.chosen.view(T, 5, 3).any(-1).sum(-1)
    assert int(groups.max()) <= k_group
    if k_group == 5:
        torch.testing.assert_close(gate.weight, gates.softmax_topk(F.linear(x, router.weight), k).weight)


@pytest.mark.parametrize("limit", [1, 2, 3, 13])
def test_switch_router_with_capacity(limit):
    """Top-1 by softmax, the probability as weight, first come first served."""
    config = SwitchTransformersConfig(d_model=M, num_experts=5, expert_capacity=limit, router_jitter_noise=0.0)
    router = SwitchTransformersTop1Router(config).eval()
    with torch.no_grad():
        router.classifier.weight.copy_(normal(5, M, seed=1))
    x = normal(T, M, seed=2).requires_grad_()
    mask, probability, _ = router(x[None])
    logit = F.linear(x, router.classifier.weight)
    gate = gates.softmax_topk(logit, 1)
    kept = gates.within_capacity(gate.chosen, gate.score, limit)
    assert torch.equal(kept, mask[0].bool())
    theirs = mask[0] * probability[0]
    torch.testing.assert_close(gate.weight * kept, theirs)
    direction = normal(T, 5, seed=3)
    torch.testing.assert_close(gradient(gate.weight * kept, direction, x), gradient(theirs, direction, x))
    assert int(kept.sum(0).max()) <= limit
    # Every token is served or dropped: nothing is lost, nothing is served twice.
    assert int(kept.sum()) + int((gate.chosen & ~kept).sum()) == T


# --- by hand and by loop ---------------------------------------------------------------------------------------------


def test_three_orders_of_the_example():
    """e^2 = 7.389, e^1 = 2.718, and all eight add up to 16.0570: .4602 + .1693 = .6295; among two: .7311, .2689."""
    total = sum(math.exp(x) for x in EIGHT[0].tolist())
    assert total == pytest.approx(16.0570, abs=1e-4)
    first, then, again = gates.softmax_topk(EIGHT, 2), gates.topk_softmax(EIGHT, 2), gates.renormalised(EIGHT, 2)
    assert first.weight[0, :2].tolist() == pytest.approx([math.e**2 / total, math.e / total])
    assert float(first.weight.sum()) == pytest.approx(0.629, abs=5e-4)
    for gate in (then, again):
        assert gate.weight[0, :2].tolist() == pytest.approx([1 / (1 + math.exp(-1)), 1 / (1 + math.e)])
        assert float(gate.weight.sum()) == pytest.approx(1)
    for gate in (first, then, again):
        assert gate.chosen[0].tolist() == [True, True] + [False] * 6
        assert not gate.weight[0, 2:].any()


def test_one_expert_of_topk_softmax_has_no_gradient():
    """K = 1: the weight is the constant 1. Switch's order, and a sigmoid as it is, keep a gradient."""
    logit = normal(T, E).requires_grad_()
    direction = normal(T, E, seed=1)
    assert not gradient(gates.topk_softmax(logit, 1).weight, direction, logit).any()
    assert not gradient(gates.renormalised(logit, 1).weight, direction, logit).abs().max() > 1e-7
    assert gradient(gates.softmax_topk(logit, 1).weight, direction, logit).abs().sum(-1).min() > 0
    free = gates.sigmoid_bias(logit, 1, torch.zeros(E), renormalise=False)
    assert gradient(free.weight, direction, logit).abs().sum(-1).min() > 0
    tied = gates.sigmoid_bias(logit, 1, torch.zeros(E))
    assert not gradient(tied.weight, direction, logit).abs().max() > 1e-7
    assert gradient(gates.topk_softmax(logit, 2).weight, direction, logit).abs().sum(-1).min() > 0


@pytest.mark.parametrize("k", [1, 2, 5, E])
def test_every_gate_by_a_loop(k):
    logit = normal(T, E, seed=7)
    for t in range(T):
        row = logit[t].tolist()
        order = sorted(range(E), key=lambda e: -row[e])[:k]
        total = sum(math.exp(x) for x in row)
        share = {e: math.exp(row[e]) / total for e in order}
        held = sum(share.values())
        wanted = {
            "softmax_topk": share,
            "topk_softmax": {e: p / held for e, p in share.items()},
            "renormalised": {e: p / held for e, p in share.items()},
        }
        for name, weights in wanted.items():
            gate = getattr(gates, name)(logit, k)
            assert set(gate.chosen[t].nonzero().flatten().tolist()) == set(order)
            assert gate.weight[t].tolist() == pytest.approx([weights.get(e, 0.0) for e in range(E)], abs=1e-6)
    # The score is what they are compared by.
    torch.testing.assert_close(gates.topk_softmax(logit, k).score, logit)
    for name in ("softmax_topk", "renormalised"):
        torch.testing.assert_close(
            getattr(gates, name)(logit, k).score, logit.exp() / logit.exp().sum(-1, keepdim=True)
        )


def test_all_experts_is_the_dense_gate():
    logit = normal(T, E)
    whole = gates.dense(logit)
    assert whole.chosen.all()
    torch.testing.assert_close(whole.weight.sum(-1), torch.ones(T))
    for gate in (gates.softmax_topk(logit, E), gates.topk_softmax(logit, E), gates.renormalised(logit, E)):
        torch.testing.assert_close(gate.weight, whole.weight)
    quiet = gates.noisy_topk(logit, torch.zeros(T, E), E, torch.Generator().manual_seed(0))
    torch.testing.assert_close(quiet.weight, whole.weight)
    torch.testing.assert_close(whole.score, logit.softmax(-1))


def test_of_equal_scores_the_lower_index_wins():
    level = torch.zeros(2, 7)
    assert gates.softmax_topk(level, 3).chosen.tolist() == [[True] * 3 + [False] * 4] * 2
    assert gates.best(torch.tensor([[1.0, -torch.inf, -torch.inf]]), 2).tolist() == [[True, False, False]]


def test_bias_moves_the_choice_and_not_the_weight():
    logit = torch.tensor([[1.0, 0.9, -2.0]])
    plain = gates.sigmoid_bias(logit, 1, torch.zeros(3), renormalise=False)
    pushed = gates.sigmoid_bias(logit, 1, torch.tensor([0.0, 0.0, 5.0]), renormalise=False)
    assert plain.chosen.tolist() == [[True, False, False]] and pushed.chosen.tolist() == [[False, False, True]]
    assert float(pushed.weight[0, 2]) == pytest.approx(1 / (1 + math.exp(2)))
    assert pushed.score[0].tolist() == pytest.approx([0.7311, 0.7109, 5.1192], abs=1e-4)
    bias = normal(E).requires_grad_()
    x = normal(T, E, seed=1).requires_grad_()
    gate = gates.sigmoid_bias(x, K, bias)
    assert torch.autograd.grad(gate.weight.square().sum(), bias, allow_unused=True)[0] is None, "no gradient to bias"


def test_noise_tries_the_next_best():
    logit = torch.tensor([[1.0, 0.8, -9.0]]).expand(4000, 3)

    def gate(deviation: float, seed: int = 0) -> gates.Gating:
        return gates.noisy_topk(logit, torch.full((4000, 3), deviation), 1, torch.Generator().manual_seed(seed))

    assert gate(0.0).chosen[:, 0].all()
    # P(0.8 + s a > 1.0 + s b) for standard normal a, b = Phi(-0.2 / (s sqrt 2)); s = 0.2: Phi(-0.7071) = 0.2398.
    assert float(gate(0.2).chosen[:, 1].float().mean()) == pytest.approx(0.2398, abs=0.025)
    assert torch.equal(gate(0.2).chosen, gate(0.2).chosen), "the generator is the argument"
    assert not torch.equal(gate(0.2).chosen, gate(0.2, 1).chosen)
    assert not gate(0.2).chosen[:, 2].any()
    wide = gates.noisy_topk(normal(T, E), torch.ones(T, E), K, torch.Generator().manual_seed(2))
    torch.testing.assert_close(wide.weight.sum(-1), torch.ones(T))
    torch.testing.assert_close(
        wide.weight, wide.score.masked_fill(~wide.chosen, -torch.inf).softmax(-1), msg="weights come from noisy logits"
    )


def test_two_levels_by_a_loop():
    a, b, k_group, k = 3, 5, 2, 2
    primary, secondary = normal(T, a, seed=1), normal(T, a, b, seed=2)
    gate = gates.hierarchical(primary, secondary, k_group, k)
    for t in range(T):
        outer = sorted(range(a), key=lambda g: -float(primary[t, g]))[:k_group]
        of_group = {g: math.exp(primary[t, g]) / sum(math.exp(primary[t, h]) for h in outer) for g in outer}
        wanted = [0.0] * (a * b)
        for g in outer:
            inner = sorted(range(b), key=lambda e: -float(secondary[t, g, e]))[:k]
            for e in inner:
                share = math.exp(secondary[t, g, e]) / sum(math.exp(secondary[t, g, h]) for h in inner)
                wanted[g * b + e] = of_group[g] * share
        assert gate.weight[t].tolist() == pytest.approx(wanted, abs=1e-6)
    assert (gate.chosen.sum(-1) == k_group * k).all() and torch.equal(gate.chosen, gate.weight > 0)
    torch.testing.assert_close(gate.weight.sum(-1), torch.ones(T))
    # All groups and all experts: the product of two softmaxes; its logarithm is the score.
    whole = gates.hierarchical(primary, secondary, a, b)
    product = primary.softmax(-1)[..., None] * secondary.softmax(-1)
    torch.testing.assert_close(whole.weight, product.flatten(1))
    torch.testing.assert_close(gate.score.exp(), product.flatten(1))


def test_two_levels_of_one_flat_router_are_that_router():
    """log sum exp of a group's logits as its primary logit, the logits themselves as secondary: softmax over all."""
    logit = normal(T, 15, seed=5)
    groups = logit.view(T, 3, 5)
    whole = gates.hierarchical(groups.logsumexp(-1), groups, 3, 5)
    torch.testing.assert_close(whole.weight, logit.softmax(-1))


def test_experts_choose_by_a_loop():
    limit = 4
    logit = normal(T, E, seed=3)
    gate = gates.expert_choice(logit, limit)
    share = logit.softmax(-1)
    for e in range(E):
        wanted = sorted(range(T), key=lambda t: -float(share[t, e]))[:limit]
        assert set(gate.chosen[:, e].nonzero().flatten().tolist()) == set(wanted)
    assert (gate.chosen.sum(0) == limit).all(), "loads are equal by construction"
    torch.testing.assert_close(gate.weight, share * gate.chosen)
    assert len(set(gate.chosen.sum(-1).tolist())) > 1, "tokens are not"
    # Who is taken depends on later tokens: the last one, made attractive, pushes another out.
    later = logit.clone()
    later[-1] = 0
    later[-1, 0] = 9
    assert not torch.equal(gates.expert_choice(later, limit).chosen[:-1], gate.chosen[:-1])


def test_jitter_stays_within_its_amount():
    x = normal(997, M, seed=1)
    shaken = gates.jitter(x, 0.1, torch.Generator().manual_seed(0))
    ratio = shaken / x
    assert 0.9 - 1e-5 <= float(ratio.min()) < 0.901 and 1.099 < float(ratio.max()) <= 1.1 + 1e-5
    assert float(ratio.mean()) == pytest.approx(1, abs=0.005)
    assert torch.equal(gates.jitter(x, 0.0, torch.Generator()), x)


# --- an expert that is switched off ----------------------------------------------------------------------------------


def test_no_gate_chooses_an_expert_that_is_off():
    logit = normal(T, 15, seed=8)
    off = logit.clone()
    off[:, [0, 4, 7]] = -torch.inf
    keep = [e for e in range(15) if e not in (0, 4, 7)]
    made = {
        "dense": gates.dense(off),
        "softmax_topk": gates.softmax_topk(off, 3),
        "topk_softmax": gates.topk_softmax(off, 3),
        "renormalised": gates.renormalised(off, 3),
        "sigmoid_bias": gates.sigmoid_bias(off, 3, torch.full((15,), 9.0)),
        "groups": gates.sigmoid_bias(off, 3, torch.zeros(15), n_group=5, k_group=2),
        "group_limited": gates.group_limited(off, 3, 5, 2),
        "noisy_topk": gates.noisy_topk(off, torch.ones(T, 15), 3, torch.Generator().manual_seed(0)),
        "expert_choice": gates.expert_choice(off, 4),
    }
    for name, gate in made.items():
        assert not gate.chosen[:, [0, 4, 7]].any(), name
        assert gate.weight.isfinite().all() and not gate.weight[:, [0, 4, 7]].any(), name
    # What is left is the gate over the others.
    for name in ("softmax_topk", "topk_softmax", "renormalised"):
        torch.testing.assert_close(made[name].weight[:, keep], getattr(gates, name)(logit[:, keep], 3).weight)


# --- capacity --------------------------------------------------------------------------------------------------------


def test_six_tokens_three_experts_factor_one_drops_exactly_one():
    """Capacity 6 / 3 * 1 = 2. The first expert is asked by three tokens and serves the first two."""
    asked = torch.tensor([0, 1, 0, 2, 0, 1])
    chosen = F.one_hot(asked, 3).bool()
    score = torch.zeros(6, 3)
    limit = gates.capacity(6, 3, 1.0)
    assert limit == 2
    kept = gates.within_capacity(chosen, score, limit)
    assert (chosen & ~kept).nonzero().tolist() == [[4, 0]]
    assert gates.capacity(6, 3, 1.5) == 3
    assert torch.equal(gates.within_capacity(chosen, score, 3), chosen), "with factor 1.5 nobody is dropped"
    # By score the least wanted goes, whenever it came.
    score[2, 0] = -1
    assert (chosen & ~gates.within_capacity(chosen, score, 2, by="score")).nonzero().tolist() == [[2, 0]]


@pytest.mark.parametrize(
    ("n_token", "n_expert", "factor", "k", "limit"),
    [
        (6, 3, 1.0, 1, 2),
        (128, 8, 1.25, 1, 20),
        (128, 8, 1.0, 2, 32),
        (7, 3, 1.0, 1, 3),
        (12, 4, 1.1, 1, 4),
        (140, 2, 1.1, 1, 77),  # 70 * 1.1 is 77.00000000000001 in floating point
    ],
)
def test_capacity_by_hand(n_token, n_expert, factor, k, limit):
    assert gates.capacity(n_token, n_expert, factor, k) == limit


@pytest.mark.parametrize("by", ["position", "score"])
@pytest.mark.parametrize("limit", [1, 3, 5, T])
def test_capacity_by_a_loop(by, limit):
    logit = normal(T, E, seed=11)
    gate = gates.softmax_topk(logit, K)
    kept = gates.within_capacity(gate.chosen, gate.score, limit, by)
    for e in range(E):
        queue = [t for t in range(T) if gate.chosen[t, e]]
        if by == "score":
            queue.sort(key=lambda t: -float(gate.score[t, e]))
        assert set(kept[:, e].nonzero().flatten().tolist()) == set(queue[:limit])
    if limit == T:
        assert torch.equal(kept, gate.chosen)
