"""DiffuSeq: partial noising answers the question that was asked, with the data's own frequencies."""

from __future__ import annotations

import math

import pytest
import torch

from models import diffuseq

T = 13


@pytest.fixture(scope="module")
def light() -> diffuseq.Trace:
    return diffuseq.trace(0, T, 2, 3000)


@pytest.fixture(scope="module")
def cat() -> diffuseq.Trace:
    return diffuseq.trace(2, T, 2, 3000)


def test_pairs_are_spread_evenly() -> None:
    pair, weight = diffuseq.pairs()
    assert pair.shape == (6, 2) and float(weight.sum()) == pytest.approx(1)
    across, up = sorted({float(x) for x in pair[:, 0]}), sorted({float(y) for y in pair[:, 1]})
    assert len(across) == 4 and len(up) == 6, "every word has its own place"
    for places in (across, up):
        assert sum(places) == pytest.approx(0, abs=1e-5)
        assert sum(x * x for x in places) / len(places) == pytest.approx(1, abs=1e-5)
    assert [weight[k].item() for k in (0, 1)] == pytest.approx([0.175, 0.075])


@pytest.mark.parametrize("source", [None, 1])
def test_the_denoiser_is_bayes(source: int | None) -> None:
    pair, weight = diffuseq.pairs()
    z, ab = torch.tensor([[0.3, -0.4], [-1.0, 1.1]]), torch.tensor(0.42)
    given = None if source is None else pair[[s for s, _, _ in diffuseq.PAIRS].index(source), 0]
    aim, likely = diffuseq.denoiser(z, ab, pair, weight, given)
    for p in range(2):
        by_hand = []
        for k, (s, _, _) in enumerate(diffuseq.PAIRS):
            gap = z[p] - ab.sqrt() * pair[k]
            far = float(gap.square().sum() if source is None else gap[1] ** 2)
            by_hand.append(0.0 if source not in (None, s) else float(weight[k]) * math.exp(-far / (2 * 0.58)))
        assert likely[p].tolist() == pytest.approx([w / sum(by_hand) for w in by_hand], abs=1e-5)
    torch.testing.assert_close(aim, likely @ pair)


def test_only_the_target_moves(light: diffuseq.Trace) -> None:
    given = float(light.pair[0, 0])
    partial, both, back = light.path
    assert (partial[..., 0] == given).all() and float(both[T, :, 0].std()) > 0.9
    for t in (3, 8):
        middle, spread = float(back[t, :, 0].mean()), float(back[t, :, 0].std())
        ab = float(light.alpha_bar[t])
        assert middle == pytest.approx(math.sqrt(ab) * given, abs=0.08) and spread == pytest.approx(
            math.sqrt(1 - ab), abs=0.05
        )
    assert (back[0, :, 0] == given).all()
    for path in (both, back):
        torch.testing.assert_close(path[T, :, 1], partial[T, :, 1])  # all three start from the same noise


def test_answers_have_the_datas_frequencies(light: diffuseq.Trace, cat: diffuseq.Trace) -> None:
    assert light.known.tolist() == pytest.approx([0.7, 0.3, 0, 0, 0, 0])
    assert float((light.share[0] - light.known).abs().max()) < 0.03
    assert float(light.answered[0, 0]) == 1 and float(cat.answered[0, 0]) == 1
    for trace in (light, cat):
        assert float(trace.answered[1, 0]) == pytest.approx(1 / 4, abs=0.05), "noising both, any source comes out"
        torch.testing.assert_close(trace.share.sum(-1), torch.ones(3))
        assert torch.equal(trace.ends, diffuseq.nearest(trace.path[:, 0], trace.pair))
    assert 0.4 < float(cat.answered[2, 0]) < 0.8, "put back is not the same as never noised"
    mine = trace.source_of[diffuseq.nearest(cat.path[2, 5], cat.pair)] == 2
    assert float(cat.answered[2, 5]) == pytest.approx(float(mine.float().mean()))


def test_unconditional_shares_are_the_weights(light: diffuseq.Trace) -> None:
    assert float((light.share[1] - light.weight).abs().max()) < 0.05


def test_facts_and_check(light: diffuseq.Trace) -> None:
    said = diffuseq.facts(light, 4)
    assert (said["source"], said["target"], said["n_target"]) == ("light", "光", 2)
    assert said["best_partial"] == pytest.approx(float(light.share[0, 0]))
    assert said["off_both"] == pytest.approx(float((light.share[1] - light.known).abs().sum() / 2))
    assert max(diffuseq.check(1, T).values()) < 1e-5
    assert float(light.alpha_bar[0]) == 1 and (light.alpha_bar.diff() < 0).all()
