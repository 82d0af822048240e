"""Shares of the cores: taken while work is done, and given back."""

import threading
import time

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info

from probes import LogisticProbe
from probes.parallel import BYTES_ABREAST, Stopped, abreast, check_stopped, few_cores, side_by_side


@pytest.fixture
def four():
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


def blas():
    return {pool["num_threads"] for pool in threadpool_info() if pool["prefix"] == "libscipy_openblas"}


@pytest.mark.parametrize(("size", "count"), [(0, 4), (BYTES_ABREAST // 2, 2), (BYTES_ABREAST, 1), (10**12, 1)])
def test_the_larger_the_features_the_fewer_tasks_at_once(four, size, count):
    assert abreast(size, "cpu") == count
    assert abreast(size, "cuda") == 1


@pytest.mark.parametrize(("size", "share"), [(0, 1), (BYTES_ABREAST // 2, 2), (10**12, 4)])
def test_a_task_without_another_beside_it_takes_the_share_it_would_have(four, size, share):
    np.eye(2) @ np.eye(2)
    before = blas()
    with few_cores(size):
        assert torch.get_num_threads() == share
        assert blas() == {1}
    assert torch.get_num_threads() == 4
    assert blas() == before


def test_the_cores_come_back_after_an_error(four):
    for manager in (few_cores(0), side_by_side(4)):
        with pytest.raises(KeyError), manager:
            raise KeyError
        assert torch.get_num_threads() == 4


def test_work_side_by_side_has_its_share_of_the_cores_and_keeps_its_order(four):
    with side_by_side(2) as run:
        assert list(run(lambda i: (i, torch.get_num_threads()), range(5))) == [(i, 2) for i in range(5)]


def end_early(work, begun, error):
    """Start tasks, and raise when the first is at work."""
    with side_by_side(2) as run:
        run(work, range(5))
        begun.wait()
        raise error


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_where_a_block_ends_early_its_tasks_end_at_their_next_step(error):
    begun, ended = threading.Event(), []

    def work(_):
        begun.set()
        for _ in range(10_000):
            time.sleep(0.001)
            try:
                check_stopped()
            except Stopped:
                ended.append("stopped")
                raise
        ended.append("at the end")

    with pytest.raises(error):
        end_early(work, begun, error)
    assert set(ended) == {"stopped"}
    check_stopped()  # nothing is left behind in this thread


def test_a_fit_whose_result_nobody_waits_for_is_given_up():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((400, 30)), rng.integers(2, size=400)
    fitter = LogisticProbe(c=1e6, tol=1e-300, max_iter=10**6).on(x)
    begun = threading.Event()

    def work(_):
        begun.set()
        return next(fitter.path(y, (1e6,), n_classes=2))

    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        end_early(work, begun, KeyboardInterrupt)
    assert time.monotonic() - started < 2
