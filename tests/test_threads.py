"""Shares of the cores: taken while work is done, and given back."""

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info

from probes.threads import BYTES_ABREAST, abreast, few_cores, side_by_side


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
