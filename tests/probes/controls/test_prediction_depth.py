"""Prediction depth: by hand, and beside its noise."""

import math

import numpy as np
import pytest

from probes import InputError
from probes.controls.prediction_depth import prediction_depth, reliability


def test_depth_is_the_first_layer_from_which_nothing_changes():
    predicted = np.array(
        [
            [1, 0, 0, 1],
            [1, 0, 1, 0],
            [1, 1, 1, 1],
            [1, 1, 0, 0],
        ]
    )
    np.testing.assert_array_equal(prediction_depth(predicted), [0, 2, 3, 3])


def test_one_layer_alone_is_every_texts_depth():
    np.testing.assert_array_equal(prediction_depth(np.array([[2, 0, 1]])), 0)
    with pytest.raises(InputError, match="at least one layer"):
        prediction_depth(np.zeros((0, 3), dtype=int))


def test_equal_depths_are_reliable_and_shuffled_depths_are_not():
    rng = np.random.default_rng(0)
    depths = rng.integers(4, size=2000)
    same = reliability(np.stack([depths, depths, depths]))
    assert (same.correlation, same.same) == (pytest.approx(1), 1)
    shuffled = reliability(np.stack([rng.permutation(depths) for _ in range(4)]))
    assert abs(shuffled.correlation) < 0.05
    assert shuffled.same == pytest.approx(shuffled.by_chance, abs=0.02)
    np.testing.assert_allclose(same.by_chance, np.square(np.bincount(depths) / 2000).sum())


def test_where_all_texts_have_one_depth_there_is_no_correlation():
    agreement = reliability(np.array([[2, 2, 2], [2, 2, 2]]))
    assert math.isnan(agreement.correlation)
    assert (agreement.same, agreement.by_chance) == (1, 1)
    with pytest.raises(InputError, match="two refits"):
        reliability(np.array([[1, 2]]))
