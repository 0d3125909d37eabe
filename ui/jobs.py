"""Long work for many visitors: each distinct (function, config) is computed once, by a few workers, and kept.

A job that nobody waits for any more is cancelled: whoever drags a slider past ten values leaves nine jobs behind.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import inspect
import sys
import threading
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

import cachetools

from ui.settings import SETTINGS


class Cancelled(Exception):
    """The visitor gave up on this work; or nobody waits for it any more."""


class Job:
    """One computation under way. `fraction` is how much of it is done, 0 to 1, as far as it tells."""

    def __init__(self) -> None:
        self.future: Future[Any] = Future()
        self.fraction = 0.0
        self._coming = 0  # were given this job and have not begun to wait
        self._waiting = 0
        self._ended = False
        self._lock = threading.Lock()

    def tick(self, fraction: float) -> None:
        """Called by the computation itself; the place where one that nobody wants any more ends."""
        self.fraction = fraction
        with self._lock:
            if not self._coming and not self._waiting:
                self._ended = True
                raise Cancelled

    def join(self) -> bool:
        """One more wants the result, and will wait in `watched`. False if this job has ended without one."""
        with self._lock:
            self._coming += not self._ended
            return not self._ended

    def done_within(self, seconds: float) -> bool:
        """Wait so long at most. (A TimeoutError of future.result() could be the computation's own.)"""
        return bool(wait([self.future], seconds).done)

    @contextlib.contextmanager
    def watched(self) -> Iterator[Job]:
        """Somebody waits. When the last one leaves, an unfinished job ends at its next tick, unless one more joins."""
        with self._lock:
            self._coming = max(0, self._coming - 1)
            self._waiting += 1
        try:
            yield self
        finally:
            with self._lock:
                self._waiting -= 1


class Jobs:
    """Bounded workers, one job per distinct work, results in one cache bounded by their size in bytes."""

    def __init__(self, workers: int = SETTINGS.workers, cache_bytes: int = SETTINGS.cache_bytes) -> None:
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="trace", initializer=_ready_thread)
        self._done: cachetools.LRUCache[Hashable, Any] = cachetools.LRUCache(cache_bytes, getsizeof=size_in_bytes)
        self._running: dict[Hashable, Job] = {}
        self._lock = threading.Lock()

    def start(self, work: Callable[..., Any], *args: Hashable, keep: bool = True) -> Job:
        """The job of work(*args): finished already, under way, or new. keep: its result, in the cache for all."""
        key = (f"{work.__module__}.{work.__qualname__}", args)
        with self._lock:
            job = self._running.get(key)
            if job is not None and job.join():
                return job
            job = Job()
            job.join()
            if key in self._done:
                job.future.set_result(self._done[key])
                return job
            self._running[key] = job
        self._pool.submit(self._work, key, job, work, args, keep)
        return job

    def finished(self, work: Callable[..., Any], *args: Hashable) -> bool:
        """Whether work(*args) can be had at once."""
        return self.peek(work, *args) is not None

    def peek(self, work: Callable[..., Any], *args: Hashable) -> Any:
        """work(*args) if it can be had at once, else None."""
        with self._lock:
            return self._done.get((f"{work.__module__}.{work.__qualname__}", args))

    def _work(self, key: Hashable, job: Job, work: Callable[..., Any], args: tuple[Hashable, ...], keep: bool) -> None:
        try:
            job.tick(0.0)
            extra = {"tick": job.tick} if "tick" in inspect.signature(work).parameters else {}
            loaded = len(sys.modules)
            result = work(*args, **extra)
            if len(sys.modules) > loaded + 50:  # it brought a library along
                settle()
        except BaseException as error:  # it belongs to whoever asks for the result
            self._forget(key, job)
            job.future.set_exception(error)
        else:
            with self._lock, contextlib.suppress(ValueError):  # larger than the whole cache: not kept
                if keep:
                    self._done[key] = result
            self._forget(key, job)
            job.future.set_result(result)

    def _forget(self, key: Hashable, job: Job) -> None:
        with self._lock:
            if self._running.get(key) is job:
                del self._running[key]


class Backlog:
    """Much work for whoever looks on: one after the other, by one worker at most, as long as somebody asks."""

    PATIENCE = 10.0  # seconds without a question after which no further work begins

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs
        self._errors: dict[Callable[..., Any], Exception] = {}
        self._asked = 0.0
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def ask(self, works: Sequence[Callable[..., Any]]) -> list[Any]:
        """What has come of each of them so far: its result, the exception it raised, or None."""
        found = [self._errors.get(work) if (done := self._jobs.peek(work)) is None else done for work in works]
        missing = [work for work, result in zip(works, found, strict=True) if result is None]
        with self._lock:
            self._asked = time.monotonic()
            if missing and (self._thread is None or not self._thread.is_alive()):
                self._thread = threading.Thread(target=self._work, args=(missing,), name="backlog", daemon=True)
                self._thread.start()
        return found

    def _work(self, works: Sequence[Callable[..., Any]]) -> None:
        for work in works:
            if time.monotonic() - self._asked > self.PATIENCE:
                return
            with self._jobs.start(work).watched() as job:
                wait([job.future])
            error = job.future.exception()
            if isinstance(error, Exception):
                self._errors[work] = error


def settle() -> None:
    """Tell the garbage collector that what is here now stays.

    Streamlit 1.67 collects all of memory after every script run. With torch and transformers loaded that takes about
    100 ms, in which no picture can be sent. Frozen objects are not looked at again.
    """
    gc.collect()
    gc.freeze()


def _ready_thread() -> None:
    import torch

    torch.set_num_threads(SETTINGS.torch_threads)


def size_in_bytes(value: Any) -> int:
    """Bytes of all tensors and arrays in a dataclass, tuple, list or dict, and a little for everything else."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return sum(size_in_bytes(getattr(value, f.name)) for f in dataclasses.fields(value))
    if isinstance(value, dict):
        return sum(size_in_bytes(v) for v in value.values())
    if isinstance(value, list | tuple):
        return sum(size_in_bytes(v) for v in value)
    return int(getattr(value, "nbytes", 64))


JOBS = Jobs()
BACKLOG = Backlog(JOBS)
