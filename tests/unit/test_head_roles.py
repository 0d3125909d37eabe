"""The scores of a head against their definitions written out as loops, and against heads whose score is known."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models import head_roles as roles


def random_attention(*shape: int, causal: bool, seed: int = 0) -> torch.Tensor:
    score = 2 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
    if causal:
        score = score + torch.full(shape[-2:], -torch.inf).triu(1)
    return score.softmax(-1)


def slow_scores(attention: list, ids: list[int], causal: bool) -> tuple[float, ...]:
    """One head's five scores, straight from their definitions."""
    n = len(ids)
    previous, sink, induction, same, entropy = [], [], [], [], []
    for t in range(n):
        row = attention[t]
        entropy.append(-sum(p * math.log2(p) for p in row if p > 0))
        if t > 0:
            previous.append(row[t - 1])
            sink.append(row[0])
        before = [p for p in range(t - 1) if ids[p] == ids[t]]
        if before:
            induction.append(row[max(before) + 1])
        twins = [s for s in range(t if causal else n) if s != t and ids[s] == ids[t]]
        if twins:
            same.append(sum(row[s] for s in twins))
    return tuple(sum(x) / len(x) if x else 0.0 for x in (previous, induction, sink, same, entropy))


TEXTS = {
    "repeats": [7, 2, 3, 2, 2, 5, 7, 2, 3, 2, 2, 5, 11],
    "never repeats": list(range(13)),
    "one token over and over": [4] * 13,
    "two tokens": [1, 1],
    "one token": [9],
}


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("ids", TEXTS.values(), ids=TEXTS.keys())
def test_scores_are_what_their_definitions_say(ids, causal):
    n = len(ids)
    attention = random_attention(2, 3, n, n, causal=causal)
    scores = roles.role_scores(attention, torch.tensor(ids), causal)
    assert scores.shape == (5, 2, 3) and scores.isfinite().all()
    for layer in range(2):
        for head in range(3):
            slow = slow_scores(attention[layer, head].tolist(), ids, causal)
            assert scores[:, layer, head].tolist() == pytest.approx(slow, abs=1e-6)


def test_scores_by_hand():
    """a b a, causal: row 1 = (1/4, 3/4), row 2 = (1/8, 1/2, 3/8)."""
    attention = torch.tensor([[[[1, 0, 0], [0.25, 0.75, 0], [0.125, 0.5, 0.375]]]])
    previous, induction, sink, same, entropy = roles.role_scores(attention, torch.tensor([8, 9, 8]), True).flatten()
    assert previous == pytest.approx((0.25 + 0.5) / 2)
    assert induction == pytest.approx(0.5)  # from the second a to b, which came after the first
    assert sink == pytest.approx((0.25 + 0.125) / 2)
    assert same == pytest.approx(0.125)  # the second a at the first
    rows = [
        0.0,
        0.25 * math.log2(4) + 0.75 * math.log2(4 / 3),
        0.375 * math.log2(8 / 3) + 0.5 * math.log2(2) + 0.125 * math.log2(8),
    ]
    assert entropy == pytest.approx(sum(rows) / 3)


def test_perfect_heads_score_one():
    ids = torch.tensor([3, 1, 4, 5, 9, 3, 1, 4, 5, 9])
    shift = {0: 1, 1: 4, 3: 5}  # which score a head that looks so many positions back reaches, on a period of five
    for score, back in shift.items():
        attention = torch.zeros(1, 1, 10, 10)
        for t in range(10):
            attention[0, 0, t, max(t - back, 0)] = 1.0
        assert roles.role_scores(attention, ids, True)[score] == pytest.approx(1.0)
    uniform = torch.full((1, 1, 10, 10), 0.1)
    assert roles.role_scores(uniform, ids, False)[4] == pytest.approx(math.log2(10))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=17), st.booleans(), st.integers(0, 9))
def test_scores_on_any_text(ids, causal, seed):
    attention = random_attention(1, 1, len(ids), len(ids), causal=causal, seed=seed)
    scores = roles.role_scores(attention, torch.tensor(ids), causal).flatten()
    assert scores.tolist() == pytest.approx(slow_scores(attention[0, 0].tolist(), ids, causal), abs=1e-5)
    assert (scores[:4] >= 0).all() and (scores[:4] <= 1 + 1e-6).all()
    assert 0 <= scores[4] <= math.log2(len(ids)) + 1e-6


def test_scores_do_not_depend_on_what_the_tokens_are_called():
    ids = torch.tensor(TEXTS["repeats"])
    attention = random_attention(2, 3, 13, 13, causal=True)
    assert torch.equal(roles.role_scores(attention, ids, True), roles.role_scores(attention, 100 - 3 * ids, True))


def test_overlap_is_the_common_part_of_two_maps():
    attention = random_attention(2, 5, 7, 7, causal=True)
    for layer in attention:
        found = roles.overlap(layer)
        for i in range(5):
            for j in range(5):
                rows = [sum(min(layer[i, t, s], layer[j, t, s]) for s in range(7)) for t in range(7)]
                assert found[i, j] == pytest.approx(float(sum(rows)) / 7, abs=1e-6)
    apart = torch.stack((torch.eye(7), torch.eye(7).flip(0)))
    assert roles.overlap(apart)[0, 1] == pytest.approx(1 / 7)  # they meet in the middle only


def test_overlap_means_tell_groups_apart():
    attention = random_attention(3, 4, 7, 7, causal=False)
    group = torch.tensor([0, 0, 1, 1])
    pairs = {True: [], False: []}
    for layer in attention:
        common = roles.overlap(layer)
        for i in range(4):
            for j in range(4):
                if i != j:
                    pairs[bool(group[i] == group[j])].append(float(common[i, j]))
    expected = tuple(sum(pairs[k]) / len(pairs[k]) for k in (True, False))
    assert roles.overlap_means(attention, group) == pytest.approx(expected, abs=1e-6)
    assert roles.overlap_means(attention, torch.arange(4))[0] == 0.0
    assert roles.overlap_means(attention, torch.zeros(4, dtype=torch.long))[1] == 0.0


def test_strongest_relation_is_between_words():
    label = ("[CLS]", "The", " cat", " sat", ".", "[SEP]")
    special = (True, False, False, False, False, True)
    attention = random_attention(6, 6, causal=False)
    best = max((float(attention[t, s]), t, s) for t in (1, 2, 3) for s in (1, 2, 3) if t != s)
    assert roles.strongest_relation(attention, label, special) == ((best[1], best[2]), pytest.approx(best[0]))
    # Position 0 is a sink even where it is a word; punctuation and special tokens are no words.
    attention = torch.tensor([[1.0, 0, 0], [0.9, 0.08, 0.02], [0.7, 0.2, 0.1]])
    assert roles.strongest_relation(attention, ("A", "b", "c"), (False,) * 3) == ((2, 1), pytest.approx(0.2))
    assert roles.strongest_relation(attention, ("A", "b", "!"), (False,) * 3) == ((-1, -1), 0.0)


def test_relations_in_chinese_count():
    assert roles.strongest_relation(torch.full((3, 3), 1 / 3), ("[CLS]", "猫", "坐"), (True, False, False))[0] == (1, 2)
