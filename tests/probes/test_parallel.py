"""Shares of the cores: taken while work is done, and given back."""

import threading
import time

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info

from probes import LogisticProbe
from probes.parallel import MAX_PARALLEL_BYTES, Stopped, check_stopped, limited_cores, n_parallel_tasks, parallel_map


@pytest.fixture
def four():
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


def blas():
    return {pool["num_threads"] for pool in threadpool_info() if pool["prefix"] == "libscipy_openblas"}


@pytest.mark.parametrize(
    ("size", "count"), [(0, 4), (MAX_PARALLEL_BYTES // 2, 2), (MAX_PARALLEL_BYTES, 1), (10**12, 1)]
)
def test_larger_features_allow_fewer_parallel_tasks(four, size, count):
    assert n_parallel_tasks(size, "cpu") == count
    assert n_parallel_tasks(size, "cuda") == 1


@pytest.mark.parametrize(("size", "share"), [(0, 1), (MAX_PARALLEL_BYTES // 2, 2), (10**12, 4)])
def test_a_single_task_takes_the_share_that_it_would_have_among_parallel_ones(four, size, share):
    np.eye(2) @ np.eye(2)
    before = blas()
    with limited_cores(size):
        assert torch.get_num_threads() == share
        assert blas() == {1}
    assert torch.get_num_threads() == 4
    assert blas() == before


def test_all_cores_are_restored_after_an_error(four):
    for manager in (limited_cores(0), parallel_map(4)):
        with pytest.raises(KeyError), manager:
            raise KeyError
        assert torch.get_num_threads() == 4


def test_parallel_tasks_have_their_share_of_the_cores_and_keep_their_order(four):
    with parallel_map(2) as run:
        assert list(run(lambda i: (i, torch.get_num_threads()), range(5))) == [(i, 2) for i in range(5)]


def end_early(work, started_event, error):
    """Start tasks, and raise when the first is at work."""
    with parallel_map(2) as run:
        run(work, range(5))
        started_event.wait()
        raise error


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_tasks_of_a_block_that_ends_early_end_at_their_next_step(error):
    started_event, ended = threading.Event(), []

    def work(_):
        started_event.set()
        for _ in range(10_000):
            time.sleep(0.001)
            try:
                check_stopped()
            except Stopped:
                ended.append("stopped")
                raise
        ended.append("at the end")

    with pytest.raises(error):
        end_early(work, started_event, error)
    assert set(ended) == {"stopped"}
    check_stopped()  # nothing is left behind in this thread


@pytest.mark.timeout(60)
def test_a_fit_ends_when_its_result_is_no_longer_needed():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((400, 30)), rng.integers(2, size=400)
    fitter = LogisticProbe(c=1e6, tol=1e-300, max_iter=10**9).prepare(x)  # hours
    started_event = threading.Event()

    def work(_):
        started_event.set()
        return next(fitter.fit_path(y, (1e6,), n_classes=2))

    with pytest.raises(KeyboardInterrupt):
        end_early(work, started_event, KeyboardInterrupt)
