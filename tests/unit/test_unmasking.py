"""The samplers on made-up models: ends, orders, blocks, masking again, what is given; left to right with a cache.

References: explicit loops over positions, tiny-lm without a cache, exact probabilities of two coins, random plans.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from models import continuation
from models.independence import DEPENDENCE, MASK, OUTCOMES, coins, joint, thrown
from models.tiny_lm import Config as TinyConfig
from models.tiny_lm import TinyLM
from models.unmasking import N_GUESS, ORDERS, Filling, draw, plan, unmask

V, N, B = 11, 13, 3  # vocabulary, positions, rows
BLANK = V  # the id of the mask


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def model(seed: int = 5) -> Callable[[Tensor], Tensor]:
    """Logits that depend on the position and on every token of the row."""
    generator = rng(seed)
    table, place = torch.randn(V + 1, V, generator=generator), torch.randn(N, V, generator=generator)
    near = torch.randn(N, N, generator=generator)

    def predict(ids: Tensor) -> Tensor:
        return place + torch.einsum("nm,bmv->bnv", near, table[ids]) / 2

    return predict


def row(*holes: int) -> tuple[Tensor, Tensor]:
    """(ids of B rows, which are free)."""
    free = torch.zeros(N, dtype=torch.bool)
    free[list(holes) if holes else list(range(2, N))] = True
    return torch.randint(V, (B, N), generator=rng(9)), free


def fill(order: str = "confidence", *, n_step: int = 4, block: int = N, remask: float = 0.0, temperature: float = 1.0,
         seed: int = 0, holes: tuple[int, ...] = ()) -> Filling:  # fmt: skip
    ids, free = row(*holes)
    return unmask(
        model(), ids, free, BLANK, order=order, n_step=n_step, block=block, temperature=temperature, remask=remask,
        generator=rng(seed),
    )  # fmt: skip


# --- the plan --------------------------------------------------------------------------------------------------------


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.integers(0, 97), st.integers(1, 120), st.integers(1, 120))
def test_every_plan_fills_everything_once(n_free: int, n_step: int, block: int) -> None:
    """Blocks in order, every position in one of them, no pass idle, as many passes as asked where that is possible."""
    passes = plan(n_free, n_step, block)
    size = min(block, n_free)
    n_block = math.ceil(n_free / size) if n_free else 0
    assert len(passes) == (min(max(n_step, n_block), n_free) if n_free else 0)
    assert all(one.fills >= 1 for one in passes)
    edges = sorted({(one.first, one.end) for one in passes})
    assert [first for first, _ in edges] == [size * k for k in range(n_block)]
    assert [(one.first, one.end) for one in passes] == sorted((one.first, one.end) for one in passes)
    for first, end in edges:
        counts = [one.fills for one in passes if one.first == first]
        assert sum(counts) == end - first == min(size, n_free - first)
        assert max(counts) - min(counts) <= 1


def test_a_plan_by_hand() -> None:
    """Seven positions, blocks of three, five passes: two, two and one for the three blocks."""
    assert [tuple(one) for one in plan(7, 5, 3)] == [(0, 3, 2), (0, 3, 1), (3, 6, 2), (3, 6, 1), (6, 7, 1)]
    assert [one.fills for one in plan(10, 4, 10)] == [3, 3, 2, 2]


# --- every frame -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(
    ("n_step", "block", "remask"), [(1, N, 0.0), (4, N, 0.0), (5, 3, 0.0), (7, N, 0.5), (9, 5, 0.4)]
)
def test_nothing_given_changes_and_nothing_is_lost(order: str, n_step: int, block: int, remask: float) -> None:
    ids, free = row(2, 3, 5, 7, 8, 9, 11, 12)
    seen = fill(order, n_step=n_step, block=block, remask=remask, holes=(2, 3, 5, 7, 8, 9, 11, 12))
    assert (seen.ids[:, :, ~free] == ids[:, ~free]).all(), "what is given stays"
    assert torch.equal(seen.masked[0], free.expand(B, N)) and not seen.masked[-1].any()
    assert torch.equal(seen.masked, seen.ids == BLANK)
    assert torch.equal(seen.probability == 0, seen.masked)
    assert (seen.probability[:, :, ~free] == 1).all() and not seen.step[:, ~free].any()
    assert (seen.step[:, free] >= 1).all() and int(seen.step.max()) == len(seen.plan)
    filled = 0
    for i, one in enumerate(seen.plan):
        filled += one.fills
        left = int(free.sum()) - filled
        lost = seen.masked[i + 1].sum(-1) - left  # masked again
        assert (lost >= 0).all() and (remask or not lost.any())
        stay = ~seen.masked[i] & ~seen.masked[i + 1]
        assert (seen.ids[i + 1] == seen.ids[i])[stay].all(), "a token changes only by way of a mask"


@pytest.mark.parametrize("order", ORDERS)
def test_a_pass_keeps_what_the_order_says(order: str) -> None:
    """An explicit loop over positions, with the same draws: who is filled, with what, how probable it was."""
    ids, free = row()
    seen = fill(order, n_step=4, block=6)
    predict, generator, now = model(), rng(0), ids.masked_fill(free, BLANK)
    where = free.nonzero()[:, 0].tolist()
    for i, one in enumerate(seen.plan):
        logits = predict(now)
        token, _ = draw(logits, 1.0, generator)
        noise = torch.rand(B, N, generator=generator) if order == "random" else None
        after = now.clone()
        for b in range(B):
            score = {}
            for n in where[one.first : one.end]:
                p = logits[b, n].softmax(-1)
                if now[b, n] != BLANK:
                    continue
                if order == "confidence":
                    score[n] = float(p[token[b, n]])
                elif order == "entropy":
                    score[n] = sum(float(x) * math.log(float(x)) for x in p)
                else:
                    score[n] = -n if noise is None else float(noise[b, n])
            for n in sorted(score, key=score.__getitem__, reverse=True)[: one.fills]:
                after[b, n] = token[b, n]
                p = float(logits[b, n].softmax(-1)[token[b, n]])
                assert float(seen.probability[i + 1, b, n]) == pytest.approx(p, rel=1e-4)
                assert int(seen.step[b, n]) == i + 1
        assert torch.equal(seen.ids[i + 1], after)
        now = after


def test_candidates_are_what_the_next_pass_thinks() -> None:
    seen, predict = fill(n_step=3), model()
    for i in range(len(seen.plan)):
        top = predict(seen.ids[i]).softmax(-1).topk(N_GUESS)
        masked = seen.masked[i]
        assert torch.equal(seen.candidate[i][masked], top.indices[masked])
        torch.testing.assert_close(seen.candidate_probability[i][masked], top.values[masked])
    assert torch.equal(seen.candidate[-1], seen.candidate[-2])
    ids, free = row()
    without = unmask(
        predict, ids, free, BLANK, order="confidence", n_step=3, block=N, temperature=1.0, generator=rng(), n_guess=0
    )
    assert torch.equal(without.ids, seen.ids) and without.candidate.shape[-1] == 0


def test_masking_again_takes_the_least_probable_of_the_older() -> None:
    seen = fill(n_step=6, remask=0.25)
    choices, again = 0, torch.zeros(B, dtype=torch.long)
    for i in range(len(seen.plan)):
        lost, placed = ~seen.masked[i] & seen.masked[i + 1], seen.masked[i] & ~seen.masked[i + 1]
        assert torch.equal(placed.sum(-1), seen.plan[i].fills + again), "what a pass places it does not mask at once"
        again = lost.sum(-1)
        for b in range(B):
            older = [float(seen.probability[i, b, n]) for n in range(2, N) if not seen.masked[i, b, n]]
            taken = [float(seen.probability[i, b, n]) for n in range(N) if lost[b, n]]
            assert sorted(older)[: len(taken)] == sorted(taken)
            choices += 0 < len(taken) < len(older)
    assert choices > 3, "there was something to choose from"
    assert not torch.equal(fill(n_step=6).ids[-1], seen.ids[-1])


# --- the ends --------------------------------------------------------------------------------------------------------


def test_one_by_one_from_the_left_is_the_chain_rule() -> None:
    """Blocks of one, and the leftmost first in as many passes: both equal a loop over positions; whatever the order."""
    ids, free = row()
    predict, now = model(), ids.masked_fill(free, BLANK)
    for n in free.nonzero()[:, 0].tolist():
        now[:, n] = predict(now)[:, n].argmax(-1)
    for order in ORDERS:
        assert torch.equal(fill(order, n_step=1, block=1, temperature=0.0).ids[-1], now)
    alone = fill("left_to_right", n_step=N, temperature=0.0)
    assert torch.equal(alone.ids[-1], now) and [one.fills for one in alone.plan] == [1] * (N - 2)
    assert alone.step[0].tolist() == [0, 0, *range(1, N - 1)]


def test_a_block_of_everything_is_no_block() -> None:
    whole, larger = fill(block=N - 2), fill(block=500)
    assert torch.equal(whole.ids, larger.ids) and len(whole.plan) == 4
    assert not torch.equal(whole.ids[-1], fill(block=2).ids[-1])


def test_one_pass_is_everything_at_once() -> None:
    ids, free = row()
    seen = fill(n_step=1)
    token, _ = draw(model()(ids.masked_fill(free, BLANK)), 1.0, rng(0))
    assert torch.equal(seen.ids[-1], torch.where(free, token, ids)) and seen.ids.shape[0] == 2


@pytest.mark.parametrize("order", ["confidence", "entropy", "left_to_right"])
def test_without_temperature_nothing_is_left_to_chance(order: str) -> None:
    first, second = (fill(order, temperature=0.0, remask=0.3, n_step=6, seed=seed) for seed in (1, 2))
    assert torch.equal(first.ids, second.ids)
    assert not torch.equal(fill(order, seed=1).ids, fill(order, seed=2).ids)
    assert torch.equal(fill(order, seed=1).ids, fill(order, seed=1).ids)


def test_as_many_passes_as_masks_fill_one_each() -> None:
    for order in ORDERS:
        seen = fill(order, n_step=N)
        assert torch.equal(seen.masked.sum(-1), torch.arange(N - 2, -1, -1)[:, None].expand(-1, B))
        assert (seen.step[:, 2:].sort(-1).values == torch.arange(1, N - 1)).all()


def test_temperature_sharpens_and_probability_is_the_models_own() -> None:
    logits = torch.tensor([[[0.0, 1.0, 2.0]]]).expand(1, 30_000, 3)
    for temperature in (0.5, 1.0, 2.0):
        token, probability = draw(logits, temperature, rng(3))
        share = torch.bincount(token[0], minlength=3) / 30_000
        torch.testing.assert_close(share, (logits[0, 0] / temperature).softmax(-1), rtol=0, atol=0.01)
        assert torch.equal(probability[0], logits[0, 0].softmax(-1)[token[0]])


def test_nothing_to_fill_is_one_frame() -> None:
    ids = torch.randint(V, (B, N), generator=rng(2))
    seen = unmask(
        model(), ids, torch.zeros(N, dtype=torch.bool), BLANK, order="random", n_step=3, block=2, temperature=1.0,
        generator=rng(),
    )  # fmt: skip
    assert seen.plan == () and torch.equal(seen.ids, ids[None])


def test_progress_is_told_and_may_cancel() -> None:
    told: list[float] = []
    ids, free = row()
    unmask(
        model(), ids, free, BLANK, order="random", n_step=5, block=N, temperature=1.0, generator=rng(), tick=told.append
    )
    assert told == sorted(told) and told[-1] == 1.0 and len(told) == 6

    class Enough(Exception):
        pass

    def stop(done: float) -> None:
        if done > 0.3:
            raise Enough

    with pytest.raises(Enough):
        unmask(
            model(), ids, free, BLANK, order="random", n_step=5, block=N, temperature=1.0, generator=rng(), tick=stop
        )


# --- the two coins ---------------------------------------------------------------------------------------------------


def test_the_coins_by_hand() -> None:
    """c = 0.6: 0.4, 0.1, 0.1, 0.4; in one pass a quarter each; the loss is the mutual information."""
    exact = joint()
    at = DEPENDENCE.index(0.6)
    assert exact.truth[at].tolist() == pytest.approx([0.4, 0.1, 0.1, 0.4])
    assert exact.information[at].item() == pytest.approx(
        2 * 0.4 * math.log(0.4 / 0.25) + 2 * 0.1 * math.log(0.1 / 0.25)
    )
    assert (exact.one_pass == 0.25).all() and torch.allclose(exact.two_passes, exact.truth)
    assert exact.truth[-1].tolist() == [0.5, 0, 0, 0.5] and exact.information[-1].item() == pytest.approx(math.log(2))
    assert exact.information[0] == 0 and (exact.information.diff() > 0).all()
    for table in (exact.truth, exact.one_pass, exact.two_passes):
        torch.testing.assert_close(table.sum(1), torch.ones(len(DEPENDENCE)))
    assert OUTCOMES == ("HH", "HT", "TH", "TT")


def test_the_sampler_throws_them_as_they_should_fall() -> None:
    exact = joint()
    for c in (0.0, 0.6, 1.0):
        at = DEPENDENCE.index(c)
        torch.testing.assert_close(thrown(c, 1, 20_000, 1), exact.one_pass[at], rtol=0, atol=0.012)
        torch.testing.assert_close(thrown(c, 2, 20_000, 1), exact.truth[at], rtol=0, atol=0.012)
    assert not thrown(1.0, 2, 500, 0)[1:3].any()
    assert coins(0.6, torch.tensor([[MASK, 0]])).exp()[0, 0].tolist() == pytest.approx([0.8, 0.2])


# --- from left to right, with a cache --------------------------------------------------------------------------------

SMALL = TinyConfig(vocab_size=17, n_layer=3, n_kv_head=2, group_size=3, n_pair=5, d_model=19, d_ff=23, n_ctx=29)


@pytest.fixture(scope="module")
def causal() -> TinyLM:
    made = TinyLM(SMALL, rng(1))
    with torch.no_grad():
        for weight in made.parameters():
            weight += 0.2 * torch.randn(weight.shape, generator=rng(2))
    return made.requires_grad_(False)


def test_the_cache_changes_nothing(causal: TinyLM) -> None:
    ids = torch.randint(17, (2, 13), generator=rng(3))
    whole = causal(ids)[0]
    cache: continuation.Cache = []
    for start, end in ((0, 4), (4, 5), (5, 11), (11, 13)):
        logits, cache = continuation.read(causal, ids[:, start:end], cache)
        torch.testing.assert_close(logits, whole[:, end - 1], rtol=1e-4, atol=1e-5)
    assert cache[0][0].shape == (2, 2, 13, 10)


def test_blanks_are_filled_from_what_stands_left(causal: TinyLM) -> None:
    """Greedy, against a loop without a cache; what is given further right is read, but cannot be seen before."""
    ids, free = torch.randint(1, 17, (2, 11), generator=rng(4)), torch.zeros(11, dtype=torch.bool)
    free[[3, 4, 7, 10]] = True
    seen, forwards = continuation.fill(causal, ids, free, temperature=0.0, generator=rng(), never=(0,))
    now = ids.clone()
    for n in (3, 4, 7, 10):
        logits = causal(now[:, :n])[0][:, -1]
        logits[:, 0] = -torch.inf
        now[:, n] = logits.argmax(-1)
        expected = logits.softmax(-1).max(-1).values
        torch.testing.assert_close(seen.probability[-1][:, n], expected, rtol=1e-4, atol=1e-6)
    assert torch.equal(seen.ids[-1], now) and forwards == 10 and len(seen.plan) == 4
    assert seen.step[0].tolist() == [0, 0, 0, 1, 2, 0, 0, 3, 0, 0, 4]
    assert [int(one.sum()) for one in seen.masked[:, 0]] == [4, 3, 2, 1, 0]
    other = ids.clone()
    other[:, 8:] = (other[:, 8:] + 3) % 16 + 1
    changed, _ = continuation.fill(causal, other, free, temperature=0.0, generator=rng(), never=(0,))
    assert torch.equal(changed.ids[-1][:, :8], seen.ids[-1][:, :8]), "what stands right is not seen"
    with pytest.raises(ValueError, match="bos"):
        continuation.fill(causal, ids, torch.ones(11, dtype=torch.bool), temperature=0.0, generator=rng())


def test_left_to_right_draws_follow_the_model(causal: TinyLM) -> None:
    """Shares of 4,000 draws of one token; the candidates are its distribution."""
    ids, free = torch.tensor([[1, 5, 2]]).expand(4_000, -1), torch.tensor([False, False, True])
    seen, _ = continuation.fill(causal, ids, free, temperature=1.0, generator=rng(6))
    expected = causal(ids[:1, :2])[0][0, -1].softmax(-1)
    share = torch.bincount(seen.ids[-1, :, 2], minlength=17) / 4_000
    torch.testing.assert_close(share, expected, rtol=0, atol=0.03)
    assert torch.equal(seen.candidate[0, 0, 2], expected.topk(N_GUESS).indices)
    loss = F.nll_loss(expected.log()[None].expand(4_000, -1), seen.ids[-1, :, 2], reduction="none")
    torch.testing.assert_close(-seen.probability[-1, :, 2].log(), loss, rtol=1e-4, atol=1e-5)


def test_the_coldest_temperature_is_the_likeliest_token() -> None:
    """No temperature divides by so little that nothing can be drawn."""
    logits = torch.tensor([[[0.5, 2.0, -1.0], [30.0, 29.0, -torch.inf]]])
    for temperature in (0.0, 2.3e-309, 1e-30, 1e-5):
        token, _ = draw(logits, temperature, torch.Generator().manual_seed(0))
        assert token.tolist() == [[1, 0]]
