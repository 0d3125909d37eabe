"""The sampling loop: against formulas written out for one picture, against diffusers, its limits, its noise."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from models import latent_sizes
from models.latent_reference import differences, scheduler
from models.latent_sampling import (
    APART,
    SHAPE,
    Run,
    Setting,
    begin,
    draw,
    generators,
    run,
    simply,
    slerp,
    spread,
    times,
)
from tests.unit.untrained_scenes import pipeline

A, B = "a red circle", "a small blue star on the right, white background"
HOW = Setting(n_step=5, guidance=2.5, eta=0.7, negative="green")


def made(how: Setting, text: str = A, n: int = 3, seed: int = 11) -> Run:
    sources = generators(seed, range(n))
    return run(pipeline(), [[text] * n], how, draw(sources, SHAPE), sources, keep=range(how.n_step))


def alone(how: Setting, text: str, seed: int, picture: int) -> tuple[list[Tensor], list[Tensor]]:
    """One picture by the papers' formulas, in double precision but for the network."""
    parts = pipeline()
    source = torch.Generator().manual_seed(APART * seed + picture)
    x = torch.randn(SHAPE, generator=source).double()
    bars = [float(one) for one in parts.alpha_bar.double()]
    seen, predicted = [], []
    for i in range(how.n_step):
        t = 1000 - i * 1000 // how.n_step - 1
        ab = bars[t]
        ab_next = bars[t - 1000 // how.n_step] if i + 1 < how.n_step else 1.0
        yes, no = (
            parts.unet(x.float()[None], t, parts.encode_text([one]))[0][0].double() for one in (text, how.negative)
        )
        v = no + how.guidance * (yes - no)
        x0 = math.sqrt(ab) * x - math.sqrt(1 - ab) * v
        epsilon = (x - math.sqrt(ab) * x0) / math.sqrt(1 - ab)
        sigma = how.eta * math.sqrt((1 - ab_next) / (1 - ab) * (1 - ab / ab_next))
        seen.append(x)
        predicted.append(x0)
        x = math.sqrt(ab_next) * x0 + math.sqrt(max(0.0, 1 - ab_next - sigma**2)) * epsilon
        if how.eta:
            x = x + sigma * torch.randn(SHAPE, generator=source).double()
    return [*seen, x], predicted


@pytest.mark.parametrize("how", [HOW, replace(HOW, eta=0.0, guidance=6.0)])
def test_every_step_is_the_papers(how: Setting) -> None:
    done = made(how)
    assert done.step == (0, 1, 2, 3, 4) and done.t == (999, 799, 599, 399, 199)
    for picture in (0, 2):
        seen, predicted = alone(how, A, 11, picture)
        torch.testing.assert_close(done.x[:, picture].double(), torch.stack(seen[:-1]), rtol=1e-3, atol=2e-4)
        torch.testing.assert_close(done.x0[:, picture].double(), torch.stack(predicted), rtol=1e-3, atol=2e-4)
        torch.testing.assert_close(done.result[picture].double(), seen[-1], rtol=1e-3, atol=2e-4)


def test_diffusers_takes_the_same_steps() -> None:
    theirs = scheduler(pipeline(), A, HOW, 11)
    torch.testing.assert_close(made(HOW, n=len(theirs)).result, theirs, rtol=1e-4, atol=1e-4)


def test_all_that_check_compares(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latent_sizes, "differences", dict)  # tests/unit/test_latent_sizes.py
    found = differences(pipeline(), B, replace(HOW, n_step=20), 3)
    assert len(found) == 8 and max(found.values()) < 1e-4, found


def test_where_words_are_looked_at() -> None:
    done = made(HOW)
    torch.testing.assert_close(done.attention.sum(3), torch.ones_like(done.attention[:, :, :, 0]))
    parts = pipeline()
    _, looked = parts.unet(done.x[2], done.t[2], parts.encode_text([A] * 3))
    by_hand = torch.stack([looked[name].mean(1) for name in ("up8.0", "up8.1")]).mean(0)  # b q w
    for q, (row, column) in ((0, (0, 0)), (13, (1, 5)), (63, (7, 7))):
        torch.testing.assert_close(done.attention[2, 0, :, :, row, column], by_hand[:, q], rtol=1e-4, atol=1e-5)


def test_guidance_is_a_straight_line_through_both_answers() -> None:
    none, one, far = (made(Setting(1, g, negative="blue")).result for g in (0.0, 1.0, 3.5))
    torch.testing.assert_close(far, none + 3.5 * (one - none), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(none, made(Setting(1, 1.0), "blue").result, rtol=1e-4, atol=1e-4)
    assert float((one - none).abs().max()) > 0.01


def test_two_captions_at_their_ends_are_each_alone() -> None:
    weight = torch.tensor([[1.0, 0.25, 0.0], [0.0, 0.75, 1.0]])
    noise = draw(generators(11, [0, 0, 0]), SHAPE)
    how = Setting(3, 2.0)
    mixed = run(pipeline(), [[A] * 3, [B] * 3], how, noise, weight=weight, keep=[0])
    for picture, text in ((0, A), (2, B)):
        pure = run(pipeline(), [[text] * 3], how, noise).result[picture]
        torch.testing.assert_close(mixed.result[picture], pure, rtol=1e-4, atol=1e-4)
    parts = pipeline()
    a, b, none = (parts.unet(noise[:1], 999, parts.encode_text([text]))[0][0] for text in (A, B, ""))
    v = none + 2.0 * (0.25 * a + 0.75 * b - none)
    ab = parts.alpha_bar[999]
    torch.testing.assert_close(mixed.x0[0, 1], ab.sqrt() * noise[1] - (1 - ab).sqrt() * v, rtol=1e-4, atol=1e-4)


def test_a_picture_does_not_know_its_neighbours() -> None:
    torch.testing.assert_close(made(HOW, n=2).result, made(HOW, n=5).result[:2], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(simply(pipeline(), [B, A], HOW, 11)[1], made(HOW, n=2).result[1], rtol=1e-4, atol=1e-4)


def test_noise_belongs_to_seed_and_picture() -> None:
    all_of = [draw(generators(seed, range(3)), SHAPE) for seed in (0, 1)]
    flat = torch.cat(all_of).flatten(1)
    assert float((flat @ flat.T / flat.shape[1]).fill_diagonal_(0).abs().max()) < 0.35, "independent"
    source = generators(4, [2])
    first, second = draw(source, SHAPE), draw(source, SHAPE)
    assert not torch.equal(first, second) and torch.equal(first, draw(generators(4, [2]), SHAPE))
    still, moved = made(replace(HOW, eta=0.0)), made(HOW)
    assert torch.equal(still.result, made(replace(HOW, eta=0.0)).result)
    assert float((still.result - moved.result).abs().max()) > 0.01


def test_slerp_by_hand() -> None:
    a, b = torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.0, 1.0, 0.0])
    torch.testing.assert_close(slerp(a, b, 0.5), torch.tensor([math.sqrt(0.5), math.sqrt(0.5), 0.0]))
    torch.testing.assert_close(slerp(a, b, 1 / 3), torch.tensor([math.cos(math.pi / 6), 0.5, 0.0]))
    torch.testing.assert_close(slerp(a, a, 0.3), a)
    torch.testing.assert_close(slerp(a, -a, 0.25), 0.5 * a)
    noise = draw(generators(1, range(2)), SHAPE)
    lengths = [float(slerp(noise[0], noise[1], share).norm()) for share in (0.0, 0.25, 0.5, 1.0)]
    assert min(lengths) > 0.93 * max(lengths), "noise stays as long as noise"
    assert float((0.5 * (noise[0] + noise[1])).norm()) < 0.8 * min(lengths)


@pytest.mark.parametrize(("strength", "n"), [(0.0, 0), (0.04, 0), (0.3, 3), (0.65, 6), (1.0, 10)])
def test_strength_is_the_share_of_steps(strength: float, n: int) -> None:
    every = times(Setting(10))
    assert times(Setting(10, strength=strength)) == every[10 - n :] and len(every) == 10


def test_a_start_picture_gets_the_noise_of_its_step() -> None:
    parts, how = pipeline(), Setting(10, strength=0.3)
    noise, start = draw(generators(2, range(2)), SHAPE), torch.full((1, *SHAPE), 0.5)
    ab = float(parts.alpha_bar[299])
    expected = math.sqrt(ab) * 0.5 + math.sqrt(1 - ab) * noise
    torch.testing.assert_close(begin(parts, how, noise, start), expected)
    assert torch.equal(begin(parts, replace(how, strength=1.0), noise, start), noise)
    assert torch.equal(begin(parts, replace(how, strength=0.0), noise, start), start.expand(2, -1, -1, -1))
    assert torch.equal(begin(parts, how, noise), noise)


def test_what_is_recorded() -> None:
    assert spread(5, 21) == [0, 1, 2, 3, 4] and spread(50, 21)[::20] == [0, 49] and len(set(spread(50, 21))) == 21
    sources = generators(11, range(2))
    done = run(pipeline(), [[A] * 2], HOW, draw(sources, SHAPE), sources, keep=[1, 4])
    assert done.step == (1, 4) and done.t == (799, 199) and done.x.shape == (2, 2, *SHAPE)
    torch.testing.assert_close(done.x, made(HOW, n=2).x[[1, 4]], rtol=1e-4, atol=1e-4)
    heard: list[float] = []
    none = run(pipeline(), [[A]], Setting(4), draw(generators(0, [0]), SHAPE), tick=heard.append)
    assert none.x.shape[0] == 0 and heard == [0.25, 0.5, 0.75, 1.0]


def test_it_can_be_cancelled() -> None:
    def stop(fraction: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(pipeline(), [[A]], Setting(50), draw(generators(0, [0]), SHAPE), tick=stop)
