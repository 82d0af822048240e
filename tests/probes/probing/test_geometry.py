"""Spread, anisotropy, CKA and ridge against closed forms, plain loops, scikit-learn and the definition by HSIC."""

import csv
import itertools
import math

import numpy as np
import pytest
from sklearn.linear_model import Ridge, RidgeCV
from sklearn.metrics import r2_score
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.model_selection import LeaveOneOut, cross_val_predict
from sklearn.preprocessing import StandardScaler

from probes import InputError
from probes.features.extraction import pool_texts
from probes.probing import geometry
from probes.probing.geometry import anisotropy, cka_interval, cka_matrix, linear_cka, predictability, spread
from probes.statistics.intervals import N_FOLDS, jackknife_interval

SHAPES = [(2, 3), (5, 40), (40, 40), (41, 40), (300, 8)]
"""Fewer texts than hidden units, as many, more."""


def cloud(examples=50, hidden=6, seed=0, *, shift=0.0):
    return np.random.default_rng(seed).standard_normal((examples, hidden)) + shift


def rotation(hidden, seed=9):
    return np.linalg.qr(cloud(hidden, hidden, seed))[0]


def simplex(n):
    """n unit vectors, every two at the cosine -1 / (n - 1)."""
    return np.eye(n) - 1 / n


def hsic_cka(x, y):
    """By the definition: centring matrices, and the trace of the product of the similarities."""
    n = len(x)
    centring = np.eye(n) - np.ones((n, n)) / n
    k, m = (centring @ v @ v.T @ centring for v in (x.astype(np.float64), y.astype(np.float64)))
    return np.trace(k @ m) / math.sqrt(np.trace(k @ k) * np.trace(m @ m))


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


@pytest.mark.parametrize("measure", [anisotropy, lambda x: linear_cka(x, x), lambda x: cka_matrix([x], [0]), spread])
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
    monkeypatch.setattr(geometry, "MOST_SIMILARITIES", band)
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
    by_texts, by_dimensions = geometry._shared_by_texts(held), geometry._shared_by_dimensions(held)
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
    anisotropy(features[0])
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
    with pytest.raises(InputError, match="no layer is asked for"):
        cka_matrix(cloud()[None], [])


# Predicting one vector from another


def pair(examples, hidden, predicted_hidden, *, noise, seed=0):
    """x, and y that is linear in it plus noise."""
    x = cloud(examples, hidden, seed, shift=3)
    y = x @ cloud(hidden, predicted_hidden, seed=99) - 2 + noise * cloud(examples, predicted_hidden, seed + 1)
    return x.astype(np.float32), y.astype(np.float32)


def predicted(train, test, **options):
    return predictability(*train, test_x=test[0], test_y=test[1], **options)


def test_a_linear_function_is_predicted_completely():
    result = predicted(pair(200, 6, 4, noise=0), pair(100, 6, 4, noise=0, seed=5))
    np.testing.assert_allclose(result.r2, 1, atol=1e-5)
    assert result.mean == pytest.approx(1, abs=1e-5)
    assert result.interval == pytest.approx((1, 1), abs=1e-5)


def test_the_share_predicted_is_that_of_the_signal():
    # Each dimension has the variance of w'x, which is |w|², plus that of the noise.
    result = predicted(pair(4000, 6, 4, noise=2), pair(4000, 6, 4, noise=2, seed=5))
    signal = np.square(cloud(6, 4, seed=99)).sum(axis=0)
    np.testing.assert_allclose(result.r2, signal / (signal + 4), atol=0.03)
    lower, upper = result.interval
    assert lower < (signal / (signal + 4)).mean() < upper
    assert 0 < upper - lower < 0.05


def test_shuffled_pairs_and_unrelated_vectors_are_not_predicted():
    train, test = pair(400, 6, 4, noise=0), pair(300, 6, 4, noise=0, seed=5)
    result = predicted(train, test)
    assert result.mean > 0.99
    assert -0.1 < result.mean_floor < 0.01
    unrelated = predicted((train[0], cloud(400, 4, seed=8)), (test[0], cloud(300, 4, seed=9)))
    assert -0.1 < unrelated.mean < 0.01


def test_even_more_dimensions_than_texts_predict_nothing_of_unrelated_vectors():
    result = predicted((cloud(50, 200), cloud(50, 3, seed=1)), (cloud(500, 200, seed=2), cloud(500, 3, seed=3)))
    assert -0.25 < result.mean < 0.05


@pytest.mark.parametrize("hidden", [5, 80])
def test_ridge_is_scikit_learns_with_the_penalty_that_leaving_out_every_text_would_choose(hidden):
    train, test = pair(40, hidden, 3, noise=4), pair(40, hidden, 3, noise=4, seed=5)
    x, y = (side.astype(np.float64) for side in train)
    scaler = StandardScaler().fit(x)
    z, unseen, expected = scaler.transform(x), scaler.transform(test[0]), []
    ridges = [Ridge(penalty * len(z)) for penalty in geometry.RIDGE_PENALTIES]
    errors = [np.square(y - cross_val_predict(ridge, z, y, cv=LeaveOneOut())).mean(axis=0) for ridge in ridges]
    for i, best in enumerate(np.argmin(errors, axis=0)):
        predictions = ridges[best].fit(z, y[:, i]).predict(unseen)
        expected.append(r2_score(test[1][:, i], predictions))
    np.testing.assert_allclose(predicted(train, test).r2, expected, atol=1e-4)


def test_the_interval_is_that_of_a_plain_bootstrap():
    train, test = pair(100, 4, 3, noise=2), pair(60, 4, 3, noise=2, seed=5)
    result = predicted(train, test)
    model = RidgeCV(np.array(geometry.RIDGE_PENALTIES) * 100, alpha_per_target=True)
    scaler = StandardScaler().fit(train[0])
    predictions = model.fit(scaler.transform(train[0]), train[1]).predict(scaler.transform(test[0]))
    rng = np.random.default_rng(3)
    rows = (rng.integers(60, size=60) for _ in range(2000))
    values = [r2_score(test[1][resample], predictions[resample]) for resample in rows]
    assert result.interval == pytest.approx(np.quantile(values, [0.025, 0.975]), abs=0.02)
    assert result.mean == pytest.approx(r2_score(test[1], predictions), abs=1e-3)


def test_dimensions_that_do_not_vary_are_neither_predicted_nor_predict():
    train, test = pair(200, 6, 4, noise=0), pair(100, 6, 4, noise=0, seed=5)
    plain = predicted(train, test)
    dead = [(np.hstack([x, np.full((len(x), 1), 7, x.dtype)]), y.copy()) for x, y in (train, test)]
    rounding = 1e-33 * cloud(200, 1, seed=7).astype(np.float32)
    dead[0][1][:, 1:2] = rounding
    dead[1][1][:, 1:2] = rounding[:100]
    result = predicted(*dead)
    assert np.isnan(result.r2).tolist() == np.isnan(result.floor).tolist() == [False, True, False, False]
    np.testing.assert_allclose(result.r2[[0, 2, 3]], plain.r2[[0, 2, 3]], atol=1e-6)
    assert result.mean == pytest.approx(1, abs=1e-5)


def test_a_vector_that_is_the_same_for_every_text_has_nothing_to_predict_and_predicts_nothing():
    x, y = pair(50, 6, 4, noise=0)
    same = np.tile(x[:1], (50, 1))
    result = predicted((x, same), (x, same))
    assert np.isnan(result.r2).all()
    assert np.isnan([result.mean, result.mean_floor, *result.interval]).all()
    assert predicted((same, y), (same, y)).mean == pytest.approx(0, abs=1e-9)


def test_predictability_depends_on_the_seed_alone():
    train, test = pair(50, 6, 4, noise=1), pair(40, 6, 4, noise=1, seed=5)
    first, again, other_seed = (predicted(train, test, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.floor, again.floor)
    assert first.interval == again.interval
    assert (first.floor != other_seed.floor).all()
    np.testing.assert_array_equal(first.r2, other_seed.r2)


def test_vectors_that_do_not_fit_together_are_refused():
    train, test = pair(20, 6, 4, noise=1), pair(10, 6, 4, noise=1)
    with pytest.raises(InputError, match="lengths differ: test_x has 10, test_y has 9"):
        predicted(train, (test[0], test[1][:9]))
    with pytest.raises(InputError, match="found x 6 and 5, y 4 and 4"):
        predicted(train, (test[0][:, :5], test[1]))
    with pytest.raises(InputError, match="needs 2 texts, found 20 to fit on and 1 to predict"):
        predicted(train, (test[0][:1], test[1][:1]))


def test_cls_is_predicted_from_the_content_tokens_of_a_real_encoder(packaged, data):
    with (data / "sst2" / "train.csv").open(encoding="utf-8") as file:
        texts = [row["text"] for row in itertools.islice(csv.DictReader(file), 400)]
    encoded = packaged.encode(texts)
    features = pool_texts(packaged, encoded, ["cls", "content"], [0, 3])
    for i, layer in enumerate((0, 3)):
        (x, test_x), (y, test_y) = (np.split(features[name][i], [300]) for name in ("content", "cls"))
        result = predictability(x, y, test_x=test_x, test_y=test_y)
        print(
            f"layer {layer}: R2 of cls from content {result.mean:.3f} {result.interval}, floor {result.mean_floor:.3f}"
        )
        assert np.isnan(result.r2).all() == (layer == 0)
    assert result.mean > 0.2 > 0.05 > result.mean_floor
