"""Dual chunk attention, attention sinks and windows against slow loops, the papers' figures and their limits."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from models.long_attention import DualChunk, Sinks, window
from models.position_schemes import Rotary, distances, rope_frequency

N_PAIR, N_HEAD = 3, 2
FREQUENCY = rope_frequency(N_PAIR, 100.0)
TRAINED = 11  # a prime, and no multiple of any chunk


def drawn(n_query: int, n_key: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    query = torch.randn(5, N_HEAD, n_query, 2 * N_PAIR, generator=generator)
    return query, torch.randn(5, N_HEAD, n_key, 2 * N_PAIR, generator=generator)


def turned(vector: list[float], by: int) -> list[float]:
    """One vector turned by hand, pair by pair."""
    out = list(vector)
    for i in range(N_PAIR):
        angle = by * float(FREQUENCY[i])
        x, y = vector[i], vector[i + N_PAIR]
        out[i] = x * math.cos(angle) - y * math.sin(angle)
        out[i + N_PAIR] = x * math.sin(angle) + y * math.cos(angle)
    return out


def slow(query: Tensor, key: Tensor, relative: Tensor, factor: float = 1.0) -> Tensor:
    """score[t, s] = q_t turned by M[t, s], times k_s as it is: one pair of tokens at a time."""
    score = torch.full((*query.shape[:-1], key.shape[-2]), -torch.inf)
    for b in range(query.shape[0]):
        for h in range(query.shape[1]):
            for t in range(query.shape[2]):
                for s in range(key.shape[2]):
                    at = int(relative[t, s])
                    if at >= 0:
                        q = turned(query[b, h, t].tolist(), at)
                        dot = sum(a * b for a, b in zip(q, key[b, h, s].tolist(), strict=True))
                        score[b, h, t, s] = factor**2 * dot / math.sqrt(2 * N_PAIR)
    return score


def past(n_query: int, n_key: int) -> Tensor:
    return distances(n_query, n_key) >= 0


def by_hand_chunks(t: int, s: int, trained: int, n_chunk: int) -> int:
    """The paper's three cases."""
    if t // n_chunk == s // n_chunk:
        return t - s
    if t // n_chunk - s // n_chunk == 1:
        return min(t % n_chunk + n_chunk, trained - 1) - s % n_chunk
    return trained - 1 - s % n_chunk


def by_hand_cache(t: int, s: int, trained: int, n_sink: int) -> int:
    """Fill the cache as text comes in: which keys are in it when token t asks, and how far away."""
    kept = list(range(t + 1))
    while len(kept) > trained:
        del kept[n_sink]
    return kept.index(t) - kept.index(s) if s in kept else -1


METHODS = [
    (DualChunk(FREQUENCY, TRAINED), lambda t, s: by_hand_chunks(t, s, TRAINED, 8)),
    (DualChunk(FREQUENCY, TRAINED, 5, 1.3), lambda t, s: by_hand_chunks(t, s, TRAINED, 5)),
    (Sinks(FREQUENCY, TRAINED), lambda t, s: by_hand_cache(t, s, TRAINED, 4)),
    (Sinks(FREQUENCY, TRAINED, 1, 0.7), lambda t, s: by_hand_cache(t, s, TRAINED, 1)),
    (window(FREQUENCY, TRAINED), lambda t, s: by_hand_cache(t, s, TRAINED, 0)),
]


@pytest.mark.parametrize("method", range(len(METHODS)))
@pytest.mark.parametrize(("n_query", "n_key"), [(37, 37), (3, 37), (1, 29), (7, 7)])
def test_scores_and_positions(method, n_query, n_key):
    scheme, by_hand = METHODS[method]
    relative = torch.tensor(
        [[by_hand(t, s) if s <= t else -1 for s in range(n_key)] for t in range(n_key - n_query, n_key)]
    )
    seen = past(n_query, n_key)
    assert torch.equal(scheme.relative(n_query, n_key)[seen], relative[seen])
    query, key = drawn(n_query, n_key)
    ours = scheme.scores(query, key).masked_fill(~seen, -torch.inf)
    torch.testing.assert_close(ours, slow(query, key, relative, scheme.attention_factor), rtol=1e-4, atol=1e-5)


def test_the_papers_example_of_dual_chunks():
    """Figure 2 of An et al.: 12 tokens, chunks of 6, trained at 10: no position above 9. Some rows read off by hand."""
    relative = DualChunk(FREQUENCY, 10, 6).relative(12, 12)
    assert relative[6].tolist()[:7] == [6, 5, 4, 3, 2, 1, 0]
    assert relative[9].tolist()[:10] == [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]
    assert relative[11].tolist() == [9, 8, 7, 6, 5, 4, 5, 4, 3, 2, 1, 0]
    far = DualChunk(FREQUENCY, 10, 6).relative(18, 18)
    assert far[12].tolist()[:13] == [9, 8, 7, 6, 5, 4, 6, 5, 4, 3, 2, 1, 0]
    assert int(far[past(18, 18)].max()) == 9


@pytest.mark.parametrize("scheme", [scheme for scheme, _ in METHODS])
def test_no_position_is_new(scheme):
    """Between 0 and the largest trained one, however long the text."""
    relative = scheme.relative(500, 500)[past(500, 500)]
    assert int(relative.max()) == TRAINED - 1
    assert int(relative.min()) == (0 if isinstance(scheme, DualChunk) else -1)


def test_neighbours_keep_their_distance():
    """Across the border of two chunks too, as far back as the trained length leaves room (w = c - n_chunk)."""
    scheme = DualChunk(FREQUENCY, 64)
    relative = scheme.relative(480, 480)
    assert scheme.n_chunk == 48
    for t in range(480):
        for back in range(min(16, t) + 1):
            if t % 48 < 16 or back <= t % 48:
                assert int(relative[t, t - back]) == back


@pytest.mark.parametrize("n_token", [1, 4, 8])
def test_one_chunk_is_plain_rope(n_token):
    query, key = drawn(n_token, n_token)
    plain = Rotary(FREQUENCY).scores(query, key)
    torch.testing.assert_close(DualChunk(FREQUENCY, TRAINED).scores(query, key), plain, rtol=0, atol=1e-6)


@pytest.mark.parametrize("n_token", [1, 7, 11])
def test_a_window_as_long_as_the_text_is_plain_rope(n_token):
    query, key = drawn(n_token, n_token)
    plain = Rotary(FREQUENCY).scores(query, key)
    for scheme in (window(FREQUENCY, TRAINED), Sinks(FREQUENCY, TRAINED), Sinks(FREQUENCY, TRAINED, 10)):
        torch.testing.assert_close(scheme.scores(query, key), plain, rtol=0, atol=1e-6)


def test_every_query_sees_as_many_keys_as_fit():
    """And always itself, so no row of the softmax is empty. Sinks and latest tokens are the ones that stay."""
    query, key = drawn(40, 40)
    for scheme in (Sinks(FREQUENCY, TRAINED), window(FREQUENCY, TRAINED)):
        weight = scheme.scores(query, key).masked_fill(~past(40, 40), -torch.inf).softmax(-1)
        torch.testing.assert_close(weight.sum(-1), torch.ones(5, N_HEAD, 40))
        seen = (weight > 0)[0, 0].sum(-1)
        assert seen.tolist() == [min(t + 1, TRAINED) for t in range(40)]
    kept = Sinks(FREQUENCY, TRAINED).relative(40, 40)[39] >= 0
    assert kept.nonzero().flatten().tolist() == [0, 1, 2, 3, *range(33, 40)]


def test_a_cached_query_gets_the_same_scores():
    query, key = drawn(40, 40)
    for scheme, _ in METHODS:
        whole = scheme.scores(query, key)
        torch.testing.assert_close(scheme.scores(query[:, :, -3:], key), whole[:, :, -3:])


def test_what_cannot_be_built():
    with pytest.raises(ValueError, match="longer than the trained"):
        DualChunk(FREQUENCY, 10, 11)
    with pytest.raises(ValueError, match="no room"):
        Sinks(FREQUENCY, 4, 4)
