"""Work side by side in threads, each with its share of the cores.

Several tasks of one core each beat one task of all cores, which wait for each other at the end of every operation, the
longer the busier the machine is.
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

_thread = threading.local()
"""For each thread that works for another: `stops`, the events that end its work."""


class Stopped(Exception):  # noqa: N818 - not an error: nobody waits for what was being done
    """A task was given up, because the work that it is part of has ended."""


BYTES_ABREAST = 2**28
"""Features held at once by tasks side by side; of larger ones, one task at a time has all cores."""


class Map(Protocol):
    """Results in the order of the items."""

    def __call__(self, work: Callable[[T], R], items: Iterable[T], /) -> Iterator[R]:
        """Like the built-in one."""
        ...


@contextlib.contextmanager
def side_by_side(count: int) -> Iterator[Map]:
    """A map that works on `count` items at once, each with its share of PyTorch's cores.

    numpy's products run in one thread meanwhile: OpenBLAS's others spin for milliseconds after each, and would hold up
    PyTorch's. Where the block ends by an error or an interrupt, tasks that call `check_stopped` end at once.
    """
    cores, stop = torch.get_num_threads(), threading.Event()
    stops = (*getattr(_thread, "stops", ()), stop)

    def begin() -> None:
        torch.set_num_threads(max(1, cores // count))
        _thread.stops = stops

    with _numpys_threads().limit(limits=1):
        threads = ThreadPoolExecutor(count, initializer=begin)
        try:
            yield threads.map
        finally:
            stop.set()
            threads.shutdown(cancel_futures=True)
            torch.set_num_threads(cores)  # a thread's setting is also what threads after it begin with


def check_stopped() -> None:
    """Give a task up whose result nobody waits for any more; called between the steps of long ones.

    Raises:
        Stopped: The work that this thread does a part of has ended.
    """
    if any(stop.is_set() for stop in getattr(_thread, "stops", ())):
        raise Stopped("the work that this task is part of has ended")


@contextlib.contextmanager
def few_cores(size: int) -> Iterator[None]:
    """For a task that holds `size` bytes of features and has no other beside it: the share of the cores it would have.

    Small operations gain nothing from more, and on a busy machine wait many times as long.
    """
    cores = torch.get_num_threads()
    torch.set_num_threads(max(1, cores // abreast(size, "cpu")))
    try:
        with _numpys_threads().limit(limits=1):
            yield
    finally:
        torch.set_num_threads(cores)


def abreast(size: int, device: str) -> int:
    """How many tasks that hold `size` bytes of features each to run at once."""
    return 1 if device != "cpu" else max(1, min(torch.get_num_threads(), BYTES_ABREAST // max(1, size)))


@functools.cache
def _numpys_threads() -> ThreadpoolController:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(prefix="libscipy_openblas")
