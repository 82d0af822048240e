"""Copies of an encoder that work side by side, each in a thread of its own."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterable, Iterator
from queue import SimpleQueue
from typing import Protocol, TypeVar

import torch

from probes.encoder import onednn
from probes.encoder.encoder import Encoder
from probes.parallel import check_stopped, parallel_map

T = TypeVar("T")
R = TypeVar("R")

MAX_RUNNERS = 8
"""Encoders at once on a CPU; more would wait for Python's own lock."""


class Run(Protocol):
    """Results in the order of the items; `work` is given an encoder that no other thread has."""

    def __call__(self, work: Callable[[T, Encoder], R], items: Iterable[T], /) -> Iterator[R]:
        """Work on all items."""
        ...


@contextlib.contextmanager
def runners(encoder: Encoder, *, most: int = MAX_RUNNERS) -> Iterator[Run]:
    """Run work side by side, each piece with the encoder or a twin of it.

    On a CPU two batches of one core each beat one of two cores by 10 to 16 %. On a GPU the second thread prepares a
    batch while the first one waits. For `most` pieces of work there are no more of them, so that one has all cores.
    """
    cores, limit = torch.get_num_threads(), {"cpu": MAX_RUNNERS, "cuda": 2}.get(encoder.device.type, 1)
    free: SimpleQueue[Encoder] = SimpleQueue()
    free.put(encoder)
    count = max(1, min(limit, most, cores if encoder.device.type == "cpu" else limit))
    if _is_watched(encoder):
        count = 1
    try:
        for _ in range(count - 1):
            free.put(encoder.twin())
    except (TypeError, RuntimeError, ValueError):  # a model that cannot be copied runs in one thread, on all cores
        count = free.qsize()

    def one(work: Callable[[T, Encoder], R], item: T) -> R:
        check_stopped()
        runner = free.get()
        try:
            return work(item, runner)
        finally:
            free.put(runner)

    with parallel_map(count) as run:
        yield lambda work, items: run(functools.partial(one, work), items)


def _is_watched(encoder: Encoder) -> bool:
    """Whether somebody's own code runs inside the model: a copy would share what it keeps, and two threads mix it."""
    for module in encoder.model.modules():
        hooks = (*module._forward_pre_hooks.values(), *module._forward_hooks.values())
        # transformers leaves some that keep nothing; ours are placed later, on each copy.
        if any(not str(getattr(hook, "__module__", "")).startswith("transformers.") for hook in hooks):
            return True
        own = vars(module).get("forward")
        if own is not None and getattr(own, "__module__", "") != onednn.__name__:
            return True
    return False
