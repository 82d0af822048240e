"""CKA against closed forms, plain loops and its definition by centring matrices."""

import itertools
import math
import warnings

import numpy as np
import pytest

from probes import InputError
from probes.features.cka import _shared_by_dimensions, _shared_by_texts, cka_interval, cka_matrix, linear_cka
from probes.statistics.intervals import N_FOLDS, jackknife_interval
from tests.support.datasets.clouds import cloud, rotation, simplex

SHAPES = [(2, 3), (5, 40), (40, 40), (41, 40), (300, 8)]
"""Fewer texts than hidden units, as many, more."""


def hsic_cka(x, y):
    """By the definition: centring matrices, and the trace of the product of the similarities."""
    n = len(x)
    centring = np.eye(n) - np.ones((n, n)) / n
    k, m = (centring @ v @ v.T @ centring for v in (x.astype(np.float64), y.astype(np.float64)))
    return np.trace(k @ m) / math.sqrt(np.trace(k @ k) * np.trace(m @ m))


# CKA of two


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [
        # Two texts in one dimension are always alike.
        ([[1], [3]], [[5], [-2]], 1),
        # Both are centred as they stand, and x'y = 1 - 1 + 0.
        ([[1], [-1], [0]], [[1], [1], [-2]], 0),
        # Centred (1, -1, 0) and (1, 0, -1): (x'y)² / (x'x y'y) = 1 / (2 x 2).
        ([[2], [0], [1]], [[7], [6], [5]], 1 / 4),
        # The corners of a square and their first coordinate: |y'x|² = 16, |x'x| = 4 sqrt 2, |y'y| = 4.
        ([[1, 1], [1, -1], [-1, 1], [-1, -1]], [[1], [1], [-1], [-1]], math.sqrt(0.5)),
    ],
    ids=["two texts", "right angle", "a quarter", "half a square"],
)
def test_cka_of_few_vectors_is_worked_by_hand(x, y, expected):
    x, y = np.array(x, dtype=np.float64), np.array(y, dtype=np.float64)
    assert linear_cka(x, y) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("shift", [0, 50])
@pytest.mark.parametrize(("examples", "hidden"), SHAPES)
@pytest.mark.parametrize("other_hidden", [1, 7, 60])
def test_cka_is_its_definition_by_centring_matrices(examples, hidden, other_hidden, shift):
    x = cloud(examples, hidden, shift=shift)
    y = x @ cloud(hidden, other_hidden, seed=1) + cloud(examples, other_hidden, seed=2)
    assert linear_cka(x, y) == pytest.approx(hsic_cka(x, y), abs=1e-9)
    assert linear_cka(y, x) == pytest.approx(linear_cka(x, y), abs=1e-12)


@pytest.mark.parametrize(("examples", "hidden"), SHAPES)
def test_cka_with_itself_rotated_rescaled_and_shifted_is_one(examples, hidden):
    x = cloud(examples, hidden)
    for transformed in (x, x @ rotation(hidden), x * 1e-6, x * -1e6, x + 3, x @ rotation(hidden) * 40 - 2):
        assert linear_cka(x, transformed) == pytest.approx(1, abs=1e-9)
        assert linear_cka(x, transformed) <= 1


def test_cka_depends_on_the_scale_of_single_directions():
    x = cloud(300, 8)
    assert linear_cka(x, x * [30, 1, 1, 1, 1, 1, 1, 1]) < 0.5


def test_cka_of_unrelated_clouds_falls_with_the_number_of_texts():
    # E|x'y|² is n p², E|x'x|² is n p (n + p): their ratio is p / (n + p).
    for examples, hidden in ((20, 200), (200, 200), (20_000, 20)):
        x, y = cloud(examples, hidden, seed=1), cloud(examples, hidden, seed=2)
        assert linear_cka(x, y) == pytest.approx(hidden / (hidden + examples), rel=0.1)


@pytest.mark.parametrize(("examples", "hidden"), [(90, 5), (61, 80)])
def test_the_interval_of_cka_is_a_jackknife_over_texts_left_out_one_by_one(examples, hidden):
    x = cloud(examples, hidden, shift=3)
    y = x + 2 * cloud(examples, hidden, seed=1)
    dealt = np.random.default_rng(4).permutation(examples) % N_FOLDS
    without = np.array([linear_cka(x[dealt != share], y[dealt != share]) for share in range(N_FOLDS)])
    lower, upper = jackknife_interval(linear_cka(x, y), without)
    assert cka_interval(x, y, seed=4) == pytest.approx((max(0, lower), min(1, upper)), abs=1e-10)


def test_the_interval_of_cka_holds_the_truth_about_as_often_as_it_says():
    rng, truth, hits = np.random.default_rng(0), None, 0
    mix = rng.standard_normal((4, 4))
    big = rng.standard_normal((200_000, 4))
    truth = linear_cka(big, big @ mix + 1.5 * rng.standard_normal(big.shape))
    for trial in range(200):
        x = rng.standard_normal((400, 4))
        lower, upper = cka_interval(x, x @ mix + 1.5 * rng.standard_normal(x.shape), seed=trial)
        hits += lower <= truth <= upper
    print(f"\n{hits / 2:.1f} % of 200 intervals hold the true CKA of {truth:.3f}")
    assert 0.9 <= hits / 200 <= 0.99


def test_a_constant_side_or_few_texts_have_no_interval_of_cka():
    x = cloud(100, 3)
    assert np.isnan(cka_interval(x, np.ones((100, 3)))).all()
    assert np.isnan(cka_interval(x[:39], x[:39])).all()
    assert cka_interval(x, 2 * x) == pytest.approx((1, 1), abs=1e-9)


def test_a_side_that_is_constant_without_one_part_of_the_texts_has_no_interval_of_cka():
    x = cloud(100, 3, shift=3)
    y = np.ones((100, 3)) / 3
    y[0] = [1, 0.2, 7]
    assert 0 < linear_cka(x, y) < 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(cka_interval(x, y)).all()
        assert np.isnan(cka_interval(y, x)).all()


def test_texts_in_another_order_have_a_low_cka():
    x = cloud(5000, 8)
    assert linear_cka(x, x) == pytest.approx(1)
    assert linear_cka(x, x[::-1]) < 0.01


def test_cka_with_a_constant_side_or_one_text_is_undefined():
    x, one = cloud(40, 6).astype(np.float32), np.tile(cloud(1, 6).astype(np.float32), (40, 1))
    assert np.ptp(one - one.mean(axis=0), axis=1).max() > 0  # rounding would be taken for structure
    for a, b in ((x, one), (one, x), (one, one), (one[:3], x[:3]), (x[:1], x[:1]), (x[:0], x[:0]), (x, x * 0)):
        assert math.isnan(linear_cka(a, b))


def test_cka_of_texts_of_different_numbers_is_refused():
    with pytest.raises(InputError, match="lengths differ: x has 4, y has 5"):
        linear_cka(cloud(4), cloud(5))


@pytest.mark.parametrize("measure", [lambda x: linear_cka(x, x), lambda x: cka_matrix([x], [0])])
def test_values_that_are_not_finite_are_refused(measure):
    x = cloud(5)
    x[3, 1] = np.nan
    with pytest.raises(InputError, match="not finite, first in row 3"):
        measure(x)


# CKA of all layers


def drifting(layers, examples, hidden):
    """Each layer a noisy turn of the one before, with a mean of its own and a few large dimensions."""
    scale = np.where(np.arange(hidden) < 3, 5, 1)
    x = cloud(examples, hidden) * scale
    for layer in range(layers):
        x = 0.8 * x @ rotation(hidden, seed=layer) + 0.6 * cloud(examples, hidden, seed=100 + layer) * scale
        yield (x + 10 * layer).astype(np.float32)


@pytest.mark.parametrize("band", [1, 2000, 2**24])
@pytest.mark.parametrize(("examples", "hidden"), SHAPES)
def test_the_matrix_is_the_plain_loop_over_pairs(examples, hidden, band, monkeypatch):
    monkeypatch.setattr("probes.features.cka.MOST_SIMILARITIES", band)
    features = dict(enumerate(drifting(4, examples, hidden)))
    layers = [3, 0, 2]
    cka = cka_matrix(features, layers).cka
    expected = [[linear_cka(features[a], features[b]) for b in layers] for a in layers]
    np.testing.assert_allclose(cka, expected, atol=1e-5)
    np.testing.assert_allclose(cka, [[hsic_cka(features[a], features[b]) for b in layers] for a in layers], atol=1e-5)
    assert cka.dtype == np.float64
    assert (cka == cka.T).all()
    assert cka.max() <= 1


def test_inner_products_by_texts_and_by_dimensions_agree():
    held = np.stack(list(drifting(5, 90, 30)))
    by_texts, by_dimensions = _shared_by_texts(held), _shared_by_dimensions(held)
    np.testing.assert_allclose(by_texts, by_dimensions, rtol=1e-5)


@pytest.mark.parametrize(("examples", "hidden"), [(9, 30), (400, 30)])
def test_cka_falls_with_the_distance_between_drifting_layers(examples, hidden):
    cka = cka_matrix(np.stack(list(drifting(6, examples, hidden))), range(6)).cka
    np.testing.assert_allclose(np.diagonal(cka), 1, atol=1e-6)
    assert cka[0, 1] > cka[0, 5] + 0.1


@pytest.mark.parametrize(("examples", "hidden"), [(9, 30), (400, 30)])
def test_a_constant_layer_has_an_undefined_cka_with_all_layers(examples, hidden):
    features = np.stack(list(drifting(4, examples, hidden)))
    whole = cka_matrix(features, range(4))
    features[1] = features[1, 0]
    constant = cka_matrix(features, range(4))
    varying = np.ix_([0, 2, 3], [0, 2, 3])
    for values, expected in ((constant.cka, whole.cka), (constant.floor, whole.floor)):
        assert np.isnan(values[1]).all()
        assert np.isnan(values[:, 1]).all()
        np.testing.assert_array_equal(values[varying], expected[varying])


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_tiny_and_huge_features_neither_vanish_nor_overflow(scale):
    features = np.stack(list(drifting(3, 60, 10)))
    expected = cka_matrix(features, range(3))
    alignment = cka_matrix(features * np.float32(scale), range(3))
    np.testing.assert_allclose(alignment.cka, expected.cka, atol=1e-5)
    np.testing.assert_allclose(alignment.floor, expected.floor, atol=1e-5)
    assert linear_cka(features[0] * np.float32(scale), features[1]) == pytest.approx(expected.cka[0, 1], abs=1e-5)


def test_each_layer_is_read_once():
    features, layers_read = dict(enumerate(drifting(4, 20, 5))), []

    class Counted:
        def __getitem__(self, layer):
            layers_read.append(layer)
            return features[layer]

    cka_matrix(Counted(), [2, 0, 3])
    assert layers_read == [2, 0, 3]


def test_features_are_not_changed():
    features = np.stack(list(drifting(3, 20, 5)))
    before = features.copy()
    cka_matrix(features, range(3))
    linear_cka(features[0], features[1])
    np.testing.assert_array_equal(features, before)


def test_one_text_has_an_undefined_matrix():
    alignment = cka_matrix(np.stack(list(drifting(3, 1, 5))), range(3))
    assert np.isnan(alignment.cka).all()
    assert np.isnan(alignment.floor).all()


# The floor of CKA


@pytest.mark.parametrize("examples", [2, 3, 5])
@pytest.mark.parametrize("hidden", [1, 2, 40])
def test_the_floor_is_the_mean_over_every_order_of_the_texts(examples, hidden):
    features = np.stack(list(drifting(3, examples, hidden)))
    floor = cka_matrix(features, range(3)).floor
    orders = [list(order) for order in itertools.permutations(range(examples))]
    for a, b in itertools.product(range(3), repeat=2):
        every = [hsic_cka(features[a], features[b][order]) for order in orders]
        assert floor[a, b] == pytest.approx(np.mean(every), abs=1e-5)


@pytest.mark.parametrize(("examples", "hidden"), [(60, 200), (300, 8)])
def test_shuffled_texts_reach_the_floor_on_average(examples, hidden):
    features = np.stack(list(drifting(2, examples, hidden)))
    rng = np.random.default_rng(4)
    shuffled = [linear_cka(features[0], features[1][rng.permutation(examples)]) for _ in range(100)]
    alignment = cka_matrix(features, range(2))
    error = np.std(shuffled) / math.sqrt(len(shuffled))
    assert alignment.floor[0, 1] == pytest.approx(np.mean(shuffled), abs=4 * error)
    assert alignment.cka[0, 1] > alignment.floor[0, 1] + 0.1


@pytest.mark.parametrize(("examples", "hidden"), [(20, 200), (200, 200), (20_000, 20)])
def test_the_floor_of_gaussian_vectors_falls_with_the_number_of_texts(examples, hidden):
    alignment = cka_matrix(np.stack([cloud(examples, hidden, seed) for seed in range(2)]), range(2))
    np.testing.assert_allclose(alignment.floor, hidden / (hidden + examples), rtol=0.1)
    assert alignment.cka[0, 1] == pytest.approx(alignment.floor[0, 1], rel=0.1)


def test_vectors_that_vary_in_few_directions_have_a_lower_floor():
    wide, narrow = cloud(200, 100), cloud(200, 100) * np.where(np.arange(100) < 2, 100, 1)
    assert cka_matrix([wide], [0]).floor[0, 0] > 0.3
    assert cka_matrix([narrow], [0]).floor[0, 0] < 0.02


def test_texts_at_equal_distances_have_a_floor_of_one():
    alignment = cka_matrix(np.stack([simplex(9), simplex(9) * 3]), range(2))
    np.testing.assert_allclose(alignment.floor, 1, atol=1e-6)
    np.testing.assert_allclose(alignment.cka, 1, atol=1e-6)
    assert alignment.floor.max() <= 1


def test_the_floor_is_symmetric_and_independent_of_the_order():
    features = np.stack(list(drifting(4, 50, 12)))
    floor = cka_matrix(features, range(4)).floor
    assert (floor == floor.T).all()
    shuffled = features.copy()
    shuffled[2] = features[2][::-1]
    np.testing.assert_allclose(cka_matrix(shuffled, range(4)).floor, floor, atol=1e-6)


def test_layers_of_different_shapes_are_refused():
    with pytest.raises(InputError, match=r"layer 1 is \(1, 6\), layer 0 is \(4, 6\)"):
        cka_matrix({0: cloud(4), 1: cloud(1)}, [0, 1])


def test_no_layer_is_refused():
    with pytest.raises(InputError, match="no layers; name"):
        cka_matrix(cloud()[None], [])
