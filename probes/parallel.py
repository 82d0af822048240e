"""Tasks in parallel threads, each with its share of the processor's cores.

Several tasks of one core each are faster than one task on all cores, whose threads wait for each other at the end of
every operation, and the longer the busier the machine is.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol, TypeVar

import torch

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

T = TypeVar("T")
R = TypeVar("R")

MAX_PARALLEL_BYTES = 2**28
"""Features in memory at once in parallel tasks; of larger ones, one task at a time has all cores."""

_worker = threading.local()
"""State of a worker thread: `stop_events`, any of which ends its task."""


class Stopped(Exception):  # noqa: N818 - no result is missing that a caller waits for
    """The work that a task is part of has ended, and the task with it."""


class Map(Protocol):
    """A map that yields results in the order of the items."""

    def __call__(self, task: Callable[[T], R], items: Iterable[T], /) -> Iterator[R]:
        """Apply the task to every item, as the built-in `map` does."""
        ...


@contextlib.contextmanager
def parallel_map(n_workers: int) -> Iterator[Map]:
    """Yield a map that works on several items at once, each with its share of PyTorch's cores.

    NumPy's matrix products run in one thread meanwhile: further OpenBLAS threads spin for milliseconds after each
    product and would delay PyTorch's. Where the block ends by an error or an interrupt, tasks that call `check_stopped`
    end at once.

    Args:
        n_workers: Number of items at once.
    """
    n_cores = torch.get_num_threads()
    stop_event = threading.Event()
    stop_events = (*getattr(_worker, "stop_events", ()), stop_event)

    def initialize_worker() -> None:
        torch.set_num_threads(max(1, n_cores // n_workers))
        _worker.stop_events = stop_events

    with _numpy_threads().limit(limits=1):
        executor = ThreadPoolExecutor(n_workers, initializer=initialize_worker)
        try:
            yield executor.map
        finally:
            stop_event.set()
            executor.shutdown(cancel_futures=True)
            torch.set_num_threads(n_cores)  # threads that start later begin with the setting of any thread before


def check_stopped() -> None:
    """End a task whose result is no longer needed; long tasks call this between their steps.

    Raises:
        Stopped: The work that this thread's task is part of has ended.
    """
    if any(event.is_set() for event in getattr(_worker, "stop_events", ())):
        raise Stopped("the work to which this task belongs has ended")


@contextlib.contextmanager
def limited_cores(n_bytes: int) -> Iterator[None]:
    """Give a single task the share of the cores that it would have among parallel ones.

    Small operations gain nothing from more, and on a busy machine wait many times as long.

    Args:
        n_bytes: Size of the features that the task has in memory.
    """
    n_cores = torch.get_num_threads()
    torch.set_num_threads(max(1, n_cores // n_parallel_tasks(n_bytes, "cpu")))
    try:
        with _numpy_threads().limit(limits=1):
            yield
    finally:
        torch.set_num_threads(n_cores)


def n_parallel_tasks(n_bytes: int, device: str) -> int:
    """Return how many tasks to run at once.

    Args:
        n_bytes: Size of the features that each task has in memory.
        device: Device on which the tasks compute.
    """
    if device != "cpu":
        return 1
    n_in_memory = MAX_PARALLEL_BYTES // max(1, n_bytes)
    return max(1, min(torch.get_num_threads(), n_in_memory))


@functools.cache
def _numpy_threads() -> ThreadpoolController:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(prefix="libscipy_openblas")
