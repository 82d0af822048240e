"""Predictability of a vector against closed forms, a plain bootstrap and scikit-learn's ridge regression."""

import csv
import itertools

import numpy as np
import pytest
from sklearn.linear_model import Ridge, RidgeCV
from sklearn.metrics import r2_score
from sklearn.model_selection import LeaveOneOut, cross_val_predict
from sklearn.preprocessing import StandardScaler

from probes import InputError
from probes.features.in_memory import pool_texts
from probes.mechanism.cls_predictability import RIDGE_PENALTIES, predictability
from tests.support.datasets.clouds import cloud


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
    ridges = [Ridge(penalty * len(z)) for penalty in RIDGE_PENALTIES]
    errors = [np.square(y - cross_val_predict(ridge, z, y, cv=LeaveOneOut())).mean(axis=0) for ridge in ridges]
    for i, best in enumerate(np.argmin(errors, axis=0)):
        predictions = ridges[best].fit(z, y[:, i]).predict(unseen)
        expected.append(r2_score(test[1][:, i], predictions))
    np.testing.assert_allclose(predicted(train, test).r2, expected, atol=1e-4)


def test_the_interval_is_that_of_a_plain_bootstrap():
    train, test = pair(100, 4, 3, noise=2), pair(60, 4, 3, noise=2, seed=5)
    result = predicted(train, test)
    model = RidgeCV(np.array(RIDGE_PENALTIES) * 100, alpha_per_target=True)
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
    with pytest.raises(InputError, match="needs 2 texts or more, found 20 to fit on and 1 to predict"):
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
