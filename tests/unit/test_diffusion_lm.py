"""Diffusion-LM: the best denoiser, rounding as an integral and by drawing, and what clamping does."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from models import diffusion_lm
from models.denoising_steps import ddpm_step
from models.tiny_lm import load

T = 13


@pytest.fixture(scope="module")
def trace() -> diffusion_lm.Trace:
    return diffusion_lm.trace("sqrt", 0.5, T, 3)


def test_embeddings_are_tiny_lms_seen_along_two_axes() -> None:
    plane, wide = diffusion_lm.embeddings()
    model = load()
    ids = [model.encode(f" {word}") for word in diffusion_lm.WORDS]
    assert all(len(one) == 2 for one in ids), "every word is one token"
    table = model.model.embedding[[one[1] for one in ids]].detach().double()
    table = table - table.mean(0)
    torch.testing.assert_close(wide, (table / table.square().mean().sqrt()).float())
    vector = torch.linalg.eigh(table.T @ table).eigenvectors
    for axis in range(2):
        seen = table @ vector[:, -1 - axis]
        across = plane[:, axis].double()
        assert abs(float(seen @ across / (seen.norm() * across.norm()))) == pytest.approx(1, abs=1e-4)
    assert float(plane.square().mean()) == pytest.approx(1, abs=1e-5) and float(plane.mean(0).abs().max()) < 1e-5
    apart = torch.cdist(plane, plane) + 9 * torch.eye(len(plane))
    assert float(apart.min()) > 0.8, "no two words lie on each other"


@pytest.mark.parametrize("name", diffusion_lm.SCHEDULES)
def test_schedules_fall_from_one_to_nothing(name: str) -> None:
    kept = diffusion_lm.noise_left(name, T)
    assert kept.shape == (T + 1,) and float(kept[0]) == 1 and (kept.diff() < 0).all() and 0 < float(kept[-1]) < 1e-3
    if name == "sqrt":
        assert float(kept[5]) == pytest.approx(1 - math.sqrt(5 / T + 1e-4), abs=1e-6)


def test_the_denoiser_is_bayes() -> None:
    embedding, _ = diffusion_lm.embeddings()
    x, ab = torch.tensor([[0.4, -0.2], [-1.5, 0.9]]), torch.tensor(0.37)
    aim, likely = diffusion_lm.denoiser(x, ab, embedding)
    for p in range(2):
        weight = [math.exp(-float((x[p] - ab.sqrt() * e).square().sum()) / (2 * 0.63)) for e in embedding]
        np.testing.assert_allclose(likely[p], np.array(weight) / sum(weight), rtol=1e-4)
        mean = sum(w * e for w, e in zip(weight, embedding, strict=True)) / sum(weight)
        torch.testing.assert_close(aim[p], mean, atol=1e-5, rtol=0)


def test_rounding_has_a_formula_for_two_words_and_for_a_square() -> None:
    for ab in (0.9, 0.4, 0.05):
        spread = math.sqrt((1 - ab) / ab)
        inside = 0.5 * (1 + math.erf(0.6 / spread / math.sqrt(2)))
        pair = torch.tensor([[-0.6, 0.0], [0.6, 0.0]])
        assert diffusion_lm.accuracy(pair, ab) == pytest.approx(inside, abs=1e-5)
        square = torch.tensor([[-0.6, -0.6], [-0.6, 0.6], [0.6, -0.6], [0.6, 0.6]])
        assert diffusion_lm.accuracy(square, ab) == pytest.approx(inside**2, abs=1e-3)
    assert diffusion_lm.accuracy(pair, 1.0) == 1.0


def test_rounding_gets_worse_with_noise_and_drawing_agrees(trace: diffusion_lm.Trace) -> None:
    assert (trace.accuracy.diff() < 0).all() and float(trace.accuracy[0]) == 1
    assert float(trace.accuracy[-1]) == pytest.approx(1 / 8, abs=0.02), "in pure noise any word is as near"
    assert float((trace.accuracy - trace.drawn).abs().max()) < 0.03
    assert (trace.wide >= trace.drawn - 0.01).all() and float(trace.wide[T // 2]) > 0.99
    generator = torch.Generator().manual_seed(8)
    _, wide = diffusion_lm.embeddings()
    ab, word = trace.alpha_bar[T - 1], torch.arange(2000) % 8
    x = ab.sqrt() * wide[word] + (1 - ab).sqrt() * torch.randn(2000, wide.shape[1], generator=generator)
    again = float((diffusion_lm.nearest(x / ab.sqrt(), wide) == word).float().mean())
    assert float(trace.wide[T - 1]) == pytest.approx(again, abs=0.04)


def test_forward_is_what_the_schedule_leaves(trace: diffusion_lm.Trace) -> None:
    start = trace.embedding[trace.origin]
    torch.testing.assert_close(trace.forward[0], start)
    noise = (trace.forward[T] - trace.alpha_bar[T].sqrt() * start) / (1 - trace.alpha_bar[T]).sqrt()
    for t in (1, 7):
        ab = trace.alpha_bar[t]
        torch.testing.assert_close(trace.forward[t], ab.sqrt() * start + (1 - ab).sqrt() * noise, atol=1e-4, rtol=0)
    assert trace.origin.bincount().tolist() == [12] * 8


def test_the_way_back_step_by_step() -> None:
    embedding, generator = diffusion_lm.embeddings()[0], torch.Generator().manual_seed(1)
    kept = diffusion_lm.noise_left("cosine", 5)
    start, noise = torch.randn(4, 2, generator=generator), torch.randn(6, 4, 2, generator=generator)
    film, aims = diffusion_lm.reverse(start, noise, kept, embedding, 0.4)
    assert torch.equal(film[5], start)
    for t in (5, 4, 3, 2, 1):
        aim, _ = diffusion_lm.denoiser(film[t], kept[t], embedding)
        if t <= 2:
            aim = embedding[diffusion_lm.nearest(aim, embedding)]
        torch.testing.assert_close(aims[t], aim)
        torch.testing.assert_close(film[t - 1], ddpm_step(film[t], aim, kept[t], kept[t - 1], noise[t]))
    torch.testing.assert_close(aims[0], film[0])


def test_clamping_ends_on_a_word(trace: diffusion_lm.Trace) -> None:
    assert float(trace.gap[1, 0]) < 1e-5 < 0.1 < float(trace.gap[0, 0])
    ends = diffusion_lm.nearest(trace.clamped[0], trace.embedding)
    torch.testing.assert_close(trace.clamped[0], trace.embedding[ends])
    gap = torch.cdist(trace.plain_x0[4], trace.embedding).amin(-1).mean()
    assert float(trace.gap[0, 4]) == pytest.approx(float(gap), abs=1e-4)
    torch.testing.assert_close(trace.plain[7:], trace.clamped[7:])  # the first half of the way is the same
    plain = diffusion_lm.nearest(trace.plain[0], trace.embedding)
    assert trace.moved == pytest.approx(float((plain != ends).float().mean()))
    never = diffusion_lm.trace("sqrt", 0.0, T, 3)
    torch.testing.assert_close(never.plain, never.clamped)
    assert never.moved == 0 and diffusion_lm.facts(never, 2)["n_clamped"] == 0


def test_with_many_steps_every_word_comes_out_as_often() -> None:
    embedding, generator = diffusion_lm.embeddings()[0], torch.Generator().manual_seed(1)
    kept = diffusion_lm.noise_left("cosine", 48)
    start, noise = torch.randn(3000, 2, generator=generator), torch.randn(49, 3000, 2, generator=generator)
    film, _ = diffusion_lm.reverse(start, noise, kept, embedding, 0.0)
    share = diffusion_lm.nearest(film[0], embedding).bincount(minlength=8) / 3000
    assert float((share - 1 / 8).abs().max()) < 0.025
    assert float(torch.cdist(film[0], embedding).amin(-1).max()) < 0.05


def test_check_and_facts(trace: diffusion_lm.Trace) -> None:
    assert max(diffusion_lm.check("linear", T).values()) < 1e-5
    said = diffusion_lm.facts(trace, 4)
    assert said["accuracy"] == float(trace.accuracy[4]) and said["n_word"] == 8 and said["n_step"] == T
