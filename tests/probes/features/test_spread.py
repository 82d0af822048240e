"""Spread and anisotropy against closed forms, plain loops and scikit-learn."""

import itertools
import math

import numpy as np
import pytest
from sklearn.metrics.pairwise import cosine_similarity

from probes import InputError
from probes.features.spread import anisotropy, spread
from tests.support.datasets.clouds import cloud, rotation, simplex

# Spread


def test_the_spread_of_two_points_is_its_closed_form():
    result = spread(np.array([[3.0, 0.0], [3.0, 8.0]]))
    assert result.max_range == 8
    assert result.relative == pytest.approx(4 / 5)


def test_one_vector_repeated_has_no_spread_at_all():
    result = spread(np.tile(cloud(1, 6).astype(np.float32), (7, 1)))
    assert (result.max_range, result.relative) == (0, 0)


# Anisotropy


@pytest.mark.parametrize("shift", [0, 1, 30])
def test_anisotropy_is_the_mean_over_all_pairs(shift):
    x = cloud(23, 6, shift=shift)
    pairs = [a @ b / math.sqrt((a @ a) * (b @ b)) for a, b in itertools.combinations(x, 2)]
    assert anisotropy(x) == pytest.approx(np.mean(pairs), abs=1e-12)
    similar = cosine_similarity(x)
    assert anisotropy(x) == pytest.approx(similar[~np.eye(23, dtype=bool)].mean(), abs=1e-12)


@pytest.mark.parametrize(
    ("vectors", "expected"),
    [
        ([[1, 0], [0, 1]], 0),
        ([[2, 0], [-3, 0]], -1),
        ([[1, 0], [1, 1]], math.sqrt(0.5)),
        ([[1, 0], [5, 0], [0, 2]], 1 / 3),
        ([[1, 0], [-1, 0], [0, 1], [0, -1]], -1 / 3),
    ],
    ids=str,
)
def test_anisotropy_of_few_vectors_is_worked_by_hand(vectors, expected):
    assert anisotropy(np.array(vectors, dtype=np.float32)) == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("n", [2, 3, 10, 200])
def test_the_corners_of_a_simplex_have_the_smallest_possible_anisotropy(n):
    cosine = anisotropy(simplex(n))
    assert cosine == pytest.approx(-1 / (n - 1), abs=1e-12)
    assert cosine >= -1 / (n - 1)


def test_vectors_that_are_all_equal_have_anisotropy_one():
    for dtype in (np.float16, np.float32, np.float64):
        cosine = anisotropy(np.tile(cloud(1, 384).astype(dtype), (1000, 1)))
        assert cosine == pytest.approx(1, abs=1e-12)
        assert cosine <= 1


def test_a_symmetric_cloud_has_anisotropy_near_zero_and_a_shifted_one_near_one():
    assert abs(anisotropy(cloud(2000, 50))) < 2e-3
    assert anisotropy(cloud(2000, 50, shift=20)) > 0.99


def test_anisotropy_depends_on_directions_only():
    x = cloud(30, 6, shift=1)
    lengths = np.exp(cloud(30, 1, seed=1) * 5)
    assert anisotropy(x * lengths) == pytest.approx(anisotropy(x), abs=1e-12)
    assert anisotropy(x @ rotation(6)) == pytest.approx(anisotropy(x), abs=1e-12)
    assert anisotropy(x[::-1]) == pytest.approx(anisotropy(x), abs=1e-12)


def test_zero_vectors_have_no_direction_and_are_left_out():
    x = cloud(30, 6, shift=1)
    mixed = np.insert(x, [0, 7, 30], 0.0, axis=0)
    assert len(mixed) == 33
    assert anisotropy(mixed) == pytest.approx(anisotropy(x), abs=1e-12)


@pytest.mark.parametrize(
    "vectors", [np.ones((1, 3)), np.zeros((5, 3)), np.eye(3)[[0]].repeat(2, 0) * [[1], [0]], np.ones((0, 3))], ids=len
)
def test_anisotropy_of_fewer_than_two_directions_is_undefined(vectors):
    assert math.isnan(anisotropy(vectors))


def test_float32_vectors_lose_nothing_in_the_sum():
    x = cloud(5000, 16, shift=100).astype(np.float32)
    assert anisotropy(x) == pytest.approx(anisotropy(x.astype(np.float64)), abs=1e-14)


@pytest.mark.parametrize("measure", [anisotropy, spread])
def test_values_that_are_not_finite_are_refused(measure):
    x = cloud(5)
    x[3, 1] = np.nan
    with pytest.raises(InputError, match="not finite, first in row 3"):
        measure(x)


@pytest.mark.parametrize("measure", [anisotropy, spread])
def test_features_are_not_changed(measure):
    features = cloud(20, 5)
    before = features.copy()
    measure(features)
    np.testing.assert_array_equal(features, before)
