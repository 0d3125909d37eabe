"""Long work for many visitors: each distinct (function, config) is computed once, by a few workers, and kept.

A job that nobody waits for any more is cancelled: whoever drags a slider past ten values leaves nine jobs behind.
"""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import threading
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import cachetools

from ui.settings import SETTINGS


class Cancelled(Exception):
    """The visitor, or everybody, gave up on this job."""


class Job:
    """One computation under way. `fraction` is how much of it is done, 0 to 1, as far as it tells."""

    def __init__(self) -> None:
        self.future: Future[Any] = Future()
        self.fraction = 0.0
        self._waiting = 0
        self._stop = threading.Event()
        self._lock = threading.Lock()

    def tick(self, fraction: float) -> None:
        """Called by the computation itself; the place where a cancelled one ends."""
        self.fraction = fraction
        if self._stop.is_set():
            raise Cancelled

    def cancel(self) -> None:
        """End at the next tick."""
        self._stop.set()

    @property
    def cancelled(self) -> bool:
        return self._stop.is_set()

    @contextlib.contextmanager
    def watched(self) -> Iterator[Job]:
        """Somebody waits. When the last one leaves an unfinished job, it is cancelled."""
        with self._lock:
            self._waiting += 1
        try:
            yield self
        finally:
            with self._lock:
                self._waiting -= 1
                if not self._waiting and not self.future.done():
                    self.cancel()


class Jobs:
    """Bounded workers, one job per distinct work, results in one cache bounded by their size in bytes."""

    def __init__(self, workers: int = SETTINGS.workers, cache_bytes: int = SETTINGS.cache_bytes) -> None:
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="trace", initializer=_ready_thread)
        self._done: cachetools.LRUCache[Hashable, Any] = cachetools.LRUCache(cache_bytes, getsizeof=size_in_bytes)
        self._running: dict[Hashable, Job] = {}
        self._lock = threading.Lock()

    def start(self, work: Callable[..., Any], *args: Hashable) -> Job:
        """The job of work(*args): finished already, under way, or new."""
        key = (f"{work.__module__}.{work.__qualname__}", args)
        with self._lock:
            job = self._running.get(key)
            if job is not None and not job.cancelled:
                return job
            job = Job()
            if key in self._done:
                job.future.set_result(self._done[key])
                return job
            self._running[key] = job
        self._pool.submit(self._work, key, job, work, args)
        return job

    def _work(self, key: Hashable, job: Job, work: Callable[..., Any], args: tuple[Hashable, ...]) -> None:
        try:
            job.tick(0.0)
            extra = {"tick": job.tick} if "tick" in inspect.signature(work).parameters else {}
            result = work(*args, **extra)
        except BaseException as error:  # it belongs to whoever asks for the result
            self._forget(key, job)
            job.future.set_exception(error)
        else:
            with self._lock, contextlib.suppress(ValueError):  # larger than the whole cache: not kept
                self._done[key] = result
            self._forget(key, job)
            job.future.set_result(result)

    def _forget(self, key: Hashable, job: Job) -> None:
        with self._lock:
            if self._running.get(key) is job:
                del self._running[key]


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
