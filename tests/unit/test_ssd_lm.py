"""SSD-LM: the exact denoiser against every text, guidance against autograd, projections, blocks and their limits."""

from __future__ import annotations

import math

import pytest
import torch

from models import ssd_lm

T = 7


@pytest.fixture(scope="module")
def trace() -> ssd_lm.Trace:
    return ssd_lm.trace(5.0, "sampling", 6.0, 2, 5, T, 1)


def test_the_language_is_a_chain() -> None:
    chain = torch.tensor(ssd_lm.CHAIN)
    torch.testing.assert_close(chain.sum(-1), torch.ones(3))
    torch.testing.assert_close(ssd_lm.stationary() @ chain, ssd_lm.stationary())
    texts = ssd_lm.own(3000, torch.Generator().manual_seed(0))
    pairs = torch.zeros(3, 3)
    pairs.index_put_((texts[:, :-1].flatten(), texts[:, 1:].flatten()), torch.ones(1), accumulate=True)
    assert float((pairs / pairs.sum(-1, keepdim=True) - chain).abs().max()) < 0.02
    by_hand = -math.log(float(ssd_lm.stationary()[0]) * 0.2 * 0.3) / 3
    assert float(ssd_lm.surprise(torch.tensor([[0, 1, 2]]))) == pytest.approx(by_hand, abs=1e-5)


def test_words_are_corners_when_k_is_large() -> None:
    words = torch.arange(3)
    assert ssd_lm.encode(words, 5.0)[1].tolist() == [-5, 5, -5]
    for size, corner in ((0.5, math.e / (math.e + 2)), (10.0, 1.0)):
        assert float(ssd_lm.encode(words, size).softmax(-1).diagonal().min()) == pytest.approx(corner, abs=1e-6)


@pytest.mark.parametrize("length", [1, 4])
def test_the_denoiser_goes_through_every_text(length: int) -> None:
    generator = torch.Generator().manual_seed(length)
    w = 3 * torch.randn(2, length, 3, generator=generator)
    before = torch.tensor([[0.2, 0.5, 0.3], [1.0, 0.0, 0.0]])
    for ab in (0.05, 0.6):
        found = ssd_lm.exact(w, before, torch.tensor(ab), 3.0).exp()
        for p in range(2):
            wanted = ssd_lm.by_enumeration(w[p], before[p], ab, 3.0)
            torch.testing.assert_close(found[p].double(), wanted, atol=1e-5, rtol=0)


def test_k_scales_everything_alike() -> None:
    """Signal and noise both have size K: the same words, only other places in the simplex."""
    small, large = (ssd_lm.trace(size, "greedy", 3.0, 1, 4, T, 2) for size in (1.0, 8.0))
    assert torch.equal(small.text, large.text) and torch.equal(small.first, large.first)
    torch.testing.assert_close(small.share, large.share)
    assert float(small.forward[T].amax(-1).mean()) < float(large.forward[T].amax(-1).mean())


def test_guidance_is_the_gradient() -> None:
    logits = torch.randn(2, 3, 3, generator=torch.Generator().manual_seed(4)).requires_grad_()
    for p in range(2):
        f = logits[p].softmax(-1)[:, 1].mean().log()
        (slope,) = torch.autograd.grad(f, logits)
        torch.testing.assert_close(ssd_lm.push(logits.detach(), 1)[p], slope[p], atol=1e-6, rtol=0)
    assert float(ssd_lm.push(logits.detach(), 1).sum(-1).abs().max()) < 1e-6, "softmax does not see a common shift"


def test_projections() -> None:
    logits = torch.tensor([[[0.5, 0.38, 0.12]]]).log()

    def chosen(way: str, uniform: float = 0.0) -> list[bool]:
        return (ssd_lm.project(logits, way, 5.0, torch.full((1, 1, 1), uniform))[0, 0] > 0).tolist()

    assert chosen("greedy") == [True, False, False]
    assert chosen("multi_hot") == [True, True, True], "0.88 is not yet 0.9"
    assert [chosen("sampling", u).index(True) for u in (0.1, 0.49, 0.51, 0.87, 0.89, 1.0)] == [0, 0, 1, 1, 2, 2]
    sure = torch.tensor([[[0.95, 0.04, 0.01]]]).log()
    assert (ssd_lm.project(sure, "multi_hot", 5.0, torch.zeros(1, 1, 1))[0, 0]).tolist() == [5, -5, -5]


@pytest.mark.parametrize("way", ssd_lm.PROJECTIONS)
@pytest.mark.parametrize("block", [1, 5, 12])
def test_blocks(way: str, block: int) -> None:
    run = ssd_lm.write(torch.tensor([0.0, 16.0]), 0, 5.0, way, block, T, 0)
    n_block = math.ceil(ssd_lm.LENGTH / block)
    assert len(run.frame) == n_block * T + 1 and (run.frame[0] == -1).all()
    for b in range(n_block):
        frame = run.frame[b * T + 1]
        assert (frame[:, (b + 1) * block :] == -1).all() and (frame[:, : (b + 1) * block] >= 0).all()
        done = run.frame[b * T + T :, :, : (b + 1) * block]
        assert (done == done[:1]).all(), "what has been written stays"
    assert torch.equal(run.frame[-1], run.text[:, 0]) and run.film.shape == (T + 1, 2, ssd_lm.N_TEXT, 3)
    assert torch.equal(run.film[0].argmax(-1), run.text[:, :, 0])
    assert float((run.text[1] == 0).float().mean()) > float((run.text[0] == 0).float().mean()) + 0.1


def test_one_word_at_a_time_is_the_chain_itself() -> None:
    """Block size 1, sampling, no guidance: each word is drawn from the chain given the last one."""
    run = ssd_lm.write(torch.zeros(6), 0, 5.0, "sampling", 1, 24, 3)
    texts = run.text[0]
    assert torch.equal(run.text[0], run.text[5]), "the same noise for every strength of guidance"
    pairs = torch.zeros(3, 3)
    pairs.index_put_((texts[:, :-1].flatten(), texts[:, 1:].flatten()), torch.ones(1), accumulate=True)
    assert float((pairs / pairs.sum(-1, keepdim=True) - torch.tensor(ssd_lm.CHAIN)).abs().max()) < 0.12


def test_the_trace_is_a_simplex(trace: ssd_lm.Trace) -> None:
    for film in (trace.forward, trace.plain, trace.guided):
        assert film.shape == (T + 1, ssd_lm.N_TEXT, 3)
        torch.testing.assert_close(film.sum(-1), torch.ones(T + 1, ssd_lm.N_TEXT))
    assert torch.equal(trace.forward[0].argmax(-1), trace.origin)
    noise = (trace.forward[T].log() - trace.forward[T].log().mean(-1, keepdim=True)) / 5
    for t in (2, 5):
        ab = trace.alpha_bar[t]
        logits = ab.sqrt() * ssd_lm.encode(trace.origin, 5.0) + (1 - ab).sqrt() * 5 * noise
        torch.testing.assert_close(trace.forward[t], logits.softmax(-1), atol=0.01, rtol=0)
    torch.testing.assert_close(trace.plain[T], trace.guided[T])  # both start from the same noise
    assert torch.equal(trace.plain[0].argmax(-1), trace.first[0]) and torch.equal(
        trace.guided[0].argmax(-1), trace.first[1]
    )
    assert torch.equal(trace.written[-1], trace.text) and trace.weight.shape == trace.written.shape
    assert (trace.weight[1:, :, :5] >= 1 / 3 - 1e-6).all(), "the likeliest of three"


def test_more_guidance_more_of_the_word(trace: ssd_lm.Trace) -> None:
    assert (trace.share.diff() > 0).all() and float(trace.share[-1] - trace.share[0]) > 0.3
    assert float(trace.share[0]) == pytest.approx(float(ssd_lm.stationary()[2]), abs=0.08)
    assert float(trace.surprise[0]) == pytest.approx(trace.own_surprise, abs=0.12)
    run = ssd_lm.write(torch.tensor(ssd_lm.SWEEP), 2, 5.0, "sampling", 5, T, 1)
    torch.testing.assert_close(trace.surprise, torch.stack([ssd_lm.surprise(text).mean() for text in run.text]))
    said = ssd_lm.facts(trace, 3)
    assert said["passes"] == 3 * T and said["sharp_noise"] == pytest.approx(
        float((trace.forward[T].amax(-1) > 0.9).float().mean())
    )
    assert max(ssd_lm.check(4.0, T).values()) < 1e-5
