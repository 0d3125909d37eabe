"""Long work for many visitors: once per config, bounded, cancellable."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable

import numpy as np
import pytest

from ui.jobs import Backlog, Cancelled, Jobs, size_in_bytes


def test_the_same_work_is_computed_once_for_all() -> None:
    jobs, runs, go = Jobs(workers=2), [], threading.Event()

    def work(config: int) -> int:
        runs.append(config)
        go.wait(10)
        return config * 2

    first, second = jobs.start(work, 7), jobs.start(work, 7)
    assert first is second
    go.set()
    assert first.future.result(10) == 14
    assert jobs.start(work, 7).future.result(10) == 14
    assert jobs.start(work, 8).future.result(10) == 16
    assert runs == [7, 8]


def test_no_more_than_the_allowed_workers_run_at_once() -> None:
    jobs, lock, running, most = Jobs(workers=2), threading.Lock(), 0, 0
    meet = threading.Barrier(2, timeout=10)

    def work(config: int) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        meet.wait()
        with lock:
            running -= 1

    for job in [jobs.start(work, i) for i in range(6)]:
        job.future.result(20)
    assert most == 2


def test_a_job_nobody_waits_for_stops_at_its_next_tick() -> None:
    jobs, started, left, ended = Jobs(workers=1), threading.Event(), threading.Event(), []

    def work(config: int, tick: Callable[[float], None]) -> str:
        for step in range(1000):
            tick(step / 1000)
            if config:
                started.set()
                left.wait(10)
        ended.append(config)
        return "done"

    job = jobs.start(work, 1)
    with job.watched():
        assert started.wait(10)
    left.set()
    with pytest.raises(Cancelled):
        job.future.result(10)
    assert not ended
    assert job.fraction < 1
    again = jobs.start(work, 1)
    assert again is not job, "a cancelled job is not handed to the next visitor"
    assert again.future.result(10) == "done"


def test_one_visitor_leaving_does_not_stop_another() -> None:
    jobs, go = Jobs(workers=1), threading.Event()

    def work(tick: Callable[[float], None]) -> str:
        go.wait(10)
        tick(0.5)
        return "done"

    job = jobs.start(work)
    with job.watched():
        with job.watched():
            pass
        go.set()
        assert job.future.result(10) == "done"


def test_who_has_just_been_given_a_job_keeps_it_alive() -> None:
    """Between being given a job and waiting for it, everybody else may leave: it must not end under the newcomer."""
    jobs, go = Jobs(workers=1), threading.Event()

    def work(tick: Callable[[float], None]) -> str:
        go.wait(10)
        tick(0.5)
        return "done"

    with jobs.start(work).watched():
        newcomer = jobs.start(work)
    go.set()
    with newcomer.watched():
        assert newcomer.future.result(10) == "done"


def test_work_that_is_wanted_again_in_time_is_not_begun_again() -> None:
    jobs, runs, started, go = Jobs(workers=1), [], threading.Event(), threading.Event()

    def work(tick: Callable[[float], None]) -> str:
        runs.append(1)
        started.set()
        go.wait(10)
        tick(0.5)
        return "done"

    with jobs.start(work).watched() as first:
        assert started.wait(10)
    with jobs.start(work).watched() as again:
        assert again is first
        go.set()
        assert again.future.result(10) == "done"
    assert len(runs) == 1


def test_a_job_left_behind_that_finishes_all_the_same_is_kept() -> None:
    """What never ticks cannot be stopped; its result is as good as any."""
    jobs, runs, started, go = Jobs(workers=1), [], threading.Event(), threading.Event()

    def work() -> str:
        runs.append(1)
        started.set()
        go.wait(10)
        return "done"

    with jobs.start(work).watched() as job:
        assert started.wait(10)
    go.set()
    assert job.future.result(10) == "done"
    assert jobs.start(work).future.result(10) == "done"
    assert len(runs) == 1


def test_a_time_out_inside_the_work_is_its_failure_not_a_reason_to_wait() -> None:
    def work() -> None:
        raise TimeoutError("the work's own")

    with Jobs(workers=1).start(work).watched() as job:
        assert job.done_within(10)
        with pytest.raises(TimeoutError, match="own"):
            job.future.result(0)


def test_visitors_who_come_and_go_always_get_the_result() -> None:
    """Many visitors start and leave the same work at random: whoever stays is answered, never with a cancellation."""
    jobs, answers = Jobs(workers=2), []

    def work(tick: Callable[[float], None]) -> str:
        for step in range(20):
            tick(step / 20)
            time.sleep(0.001)
        return "done"

    def visit(seed: int) -> None:
        luck = random.Random(seed)
        for _ in range(30):
            with jobs.start(work).watched() as job:
                job.done_within(luck.random() * 0.004)
        with jobs.start(work).watched() as job:
            answers.append(job.future.result(10))

    visitors = [threading.Thread(target=visit, args=(seed,)) for seed in range(8)]
    for one in visitors:
        one.start()
    for one in visitors:
        one.join(30)
    assert answers == ["done"] * 8


def test_a_failure_is_not_kept() -> None:
    jobs, tries = Jobs(workers=1), []

    def work() -> str:
        tries.append(1)
        if len(tries) == 1:
            raise ValueError("once")
        return "done"

    with pytest.raises(ValueError, match="once"):
        jobs.start(work).future.result(10)
    assert jobs.start(work).future.result(10) == "done"


def test_the_cache_forgets_the_least_recently_used_by_bytes() -> None:
    jobs, runs = Jobs(workers=1, cache_bytes=250), []

    def work(config: int) -> np.ndarray:
        runs.append(config)
        return np.zeros(100, np.uint8)

    for config in (1, 2, 1, 3, 1, 2):
        assert jobs.start(work, config).future.result(10).nbytes == 100
    assert runs == [1, 2, 3, 2]
    big = Jobs(workers=1, cache_bytes=50)
    assert big.start(work, 9).future.result(10).nbytes == 100, "a result larger than the cache is still a result"


def test_size_counts_arrays_wherever_they_are() -> None:
    array = np.zeros((3, 5), np.float32)
    assert size_in_bytes({"a": [array, (array,)]}) == 2 * 60


def test_a_backlog_is_worked_off_one_by_one_while_somebody_asks() -> None:
    jobs, order, go = Jobs(workers=2), [], threading.Event()

    def first() -> dict[str, int]:
        go.wait(10)
        order.append(1)
        return {"n": 1}

    def second() -> dict[str, int]:
        order.append(2)
        raise ValueError("no")

    def third() -> dict[str, int]:
        order.append(3)
        return {}

    backlog, works = Backlog(jobs), [first, second, third]
    assert backlog.ask(works) == [None, None, None]
    assert backlog.ask(works) == [None, None, None], "asking again starts nothing"
    go.set()
    assert backlog._thread
    backlog._thread.join(10)
    one, two, three = backlog.ask(works)
    assert (one, three, order) == ({"n": 1}, {}, [1, 2, 3])
    assert isinstance(two, ValueError)


def test_a_backlog_rests_when_nobody_asks_and_goes_on_later(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs, go, runs = Jobs(workers=1), threading.Event(), []

    def slow() -> int:
        go.wait(10)
        return 1

    def later() -> int:
        runs.append(1)
        return 2

    backlog = Backlog(jobs)
    monkeypatch.setattr(backlog, "PATIENCE", -1.0)
    backlog.ask([slow, later])
    assert backlog._thread
    backlog._thread.join(10)
    assert runs == [], "nobody has asked for longer than it is patient"
    go.set()
    monkeypatch.setattr(backlog, "PATIENCE", 60.0)
    assert backlog.ask([slow, later]) == [None, None]
    backlog._thread.join(10)
    assert backlog.ask([slow, later]) == [1, 2]
