"""AR-Diffusion: levels by position and their limits, the denoiser, and what order is worth."""

from __future__ import annotations

import math

import pytest
import torch

from models import ar_diffusion
from models.counting import belongs, sentences

N, T = ar_diffusion.LENGTH, 5


def test_slope_zero_is_all_at_once_and_one_is_one_by_one() -> None:
    once = ar_diffusion.straight(0.0, T)
    assert once.tolist() == [[T - s] * N for s in range(T + 1)]
    single = ar_diffusion.straight(1.0, T)
    assert len(single) - 1 == N * T
    for s, row in enumerate(single.tolist()):
        assert row == [min(T, max(0, T - s + T * n)) for n in range(N)]
        assert sum(0 < x < T for x in row) <= 1


@pytest.mark.parametrize("slope", [0.0, 0.1, 0.25, 0.65, 1.0])
@pytest.mark.parametrize("per_word", [1, 3, 7])
def test_levels_fall_from_left_to_right(slope: float, per_word: int) -> None:
    level = ar_diffusion.straight(slope, per_word)
    assert (level[0] == per_word).all() and (level[-1] == 0).all()
    assert (level.diff(dim=0) <= 0).all() and (level.diff(dim=1) >= 0).all()
    assert len(level) - 1 == math.ceil(per_word * (1 + slope * (N - 1)) - 1e-9)


@pytest.mark.parametrize("scale", [1.0, 2.0, 6.0])
def test_the_papers_lines(scale: float) -> None:
    level = ar_diffusion.anchored(scale, T)
    assert len(level) == N + T + 1 and (level[0] == T).all() and (level[-1] == 0).all()
    assert (level.diff(dim=0) <= 0).all() and (level.diff(dim=1) >= 0).all()
    t = N  # the line starts at the origin: T n / n_e
    assert level[T].tolist() == [round(T * n / (scale * N)) for n in range(N)] and t == N
    t = N - 2  # it has moved two to the right: those on the left are done
    assert level[T + 2, :2].tolist() == [0, 0]
    assert level[T + 2].tolist() == [round(max(0, T * (n - 2) / (scale * N - 2))) for n in range(N)]
    t = N + 2  # it starts two up
    assert level[T - 2].tolist() == [round(min(T, (T - 2) / (scale * N) * n + 2)) for n in range(N)] and t > N


def test_the_denoiser_reads_each_position_at_its_own_level() -> None:
    generator = torch.Generator().manual_seed(0)
    language, point = sentences(ar_diffusion.N_WORD, N), ar_diffusion.points()
    kept = torch.tensor([[0.9, 0.2, 0.5, 0.05, 0.7, 0.4]])
    x = torch.randn(1, N, 2, generator=generator)
    found = ar_diffusion.believe(x, kept, language)[0]
    weight = []
    for words in language:
        far = sum(
            float((x[0, n] - kept[0, n].sqrt() * point[words[n]]).square().sum() / (2 - 2 * kept[0, n]))
            for n in range(N)
        )
        weight.append(math.exp(-far))
    assert found.tolist() == pytest.approx([w / sum(weight) for w in weight], abs=1e-5)
    torch.testing.assert_close(point.norm(dim=-1), torch.full((ar_diffusion.N_WORD,), math.sqrt(2)))


def test_a_finished_word_decides_what_can_follow() -> None:
    language, point = sentences(ar_diffusion.N_WORD, N), ar_diffusion.points()
    x = torch.randn(1, N, 2, generator=torch.Generator().manual_seed(1))
    x[0, 0], x[0, 1] = point[3], point[4]
    kept = torch.full((1, N), 1e-5)
    kept[0, :2] = 1.0
    likely = ar_diffusion.believe(x, kept, language)[0]
    assert int(likely.argmax()) == 3 and float(likely[3]) > 0.999


def test_one_by_one_is_always_right_and_all_at_once_needs_levels() -> None:
    for per_word in (1, 2):
        passes, right, same = ar_diffusion.sweep(per_word, 0)
        assert float(right[-1]) == 1, "each word is drawn knowing those before it"
        assert passes.tolist() == [len(ar_diffusion.straight(s, per_word)) - 1 for s in ar_diffusion.SLOPES]
        assert float(right[0]) < 0.2 and float(same[-1]) > 0.9, "or one gives all of them more levels"
    assert float(right[0]) == float(same[0]), "slope 0 is all at once, from the same noise"
    _, fine, _ = ar_diffusion.sweep(8, 0)
    assert float(fine[0]) > 0.95


def test_ways_run_together_as_alone() -> None:
    ways = [ar_diffusion.kept_at(ar_diffusion.straight(s, 3), 3) for s in (0.0, 0.4, 1.0)]
    run = ar_diffusion.write(ar_diffusion.together(ways), 5, 3)
    for r, way in enumerate(ways):
        alone = ar_diffusion.write(way[:, None], 5, 3)
        assert torch.equal(run.text[r], alone.text[0])
        assert torch.equal(run.word[: len(way), r], alone.word[:, 0])
    assert (run.word[0] == -1).all() and torch.equal(run.word[-1], run.text[:, 0])
    torch.testing.assert_close(run.belief.sum(-1), torch.ones(run.belief.shape[:-1]))


def test_a_position_that_waits_does_not_move() -> None:
    kept = ar_diffusion.kept_at(ar_diffusion.straight(1.0, 2), 2)[:, None]
    run = ar_diffusion.write(kept, 1, 0)
    for n in range(N):
        assert (run.word[: 2 * n + 1, 0, n] == -1).all(), "noise until its turn"
        done = run.word[2 * n + 2 :, 0, n]
        assert (done == done[0]).all() and (run.belief[2 * n + 2 :, 0, n].amax(-1) == 1).all()


@pytest.mark.parametrize("path", ar_diffusion.PATHS)
def test_the_trace(path: str) -> None:
    trace = ar_diffusion.trace(path, 0.4, 2.0, 3, 1)
    level = ar_diffusion.straight(0.4, 3) if path == "straight" else ar_diffusion.anchored(2.0, 3)
    assert torch.equal(trace.level, level) and trace.passes.tolist() == [3, len(level) - 1, 18]
    assert trace.lanes.shape == (3, len(level), N) and torch.equal(trace.lane_step[1], torch.arange(len(level)))
    assert trace.lane_step[:, -1].tolist() == trace.passes.tolist() and (trace.lane_step[:, 0] == 0).all()
    language = sentences(ar_diffusion.N_WORD, N)
    assert trace.correct.tolist() == belongs(trace.lanes[:, -1], language).float().tolist()
    assert trace.right == float(ar_diffusion.shares_right([ar_diffusion.kept_at(level, 3)], 1))
    for r, f, n in ((0, 2, 1), (1, 3, 0)):
        if trace.lanes[r, f, n] >= 0 and trace.level[f, n] > 0:
            assert int(trace.belief[r, f, n].argmax()) == int(trace.lanes[r, f, n])
    said = ar_diffusion.facts(trace, 2)
    assert said["done"] + said["moving"] + said["waiting"] == N and said["passes"] == len(level) - 1
    assert max(ar_diffusion.check(path, 0.4, 2.0, 3).values()) < 1e-5
