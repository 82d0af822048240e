"""Fitting of logistic-regression probes: against scikit-learn, closed forms and properties."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from probes import InputError, LogisticProbe
from probes.logistic.fitted_probe import log_softmax, score_probes


@pytest.mark.parametrize("c", [0.01, 0.5, 10.0])
def test_folded_probe_equals_the_scikit_learn_pipeline(three_classes, c):
    x, y = three_classes[0].astype(np.float64), three_classes[1]
    reference = make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=10_000, tol=1e-8)).fit(x, y)
    fitted = LogisticProbe(c=c, tol=1e-14).fit(x, y, n_classes=3)
    np.testing.assert_allclose(fitted.log_prob(x), reference.predict_log_proba(x), atol=1e-5)
    np.testing.assert_array_equal(fitted.predict(x), reference.predict(x))


@pytest.mark.parametrize("c", [0.01, 0.5, 10.0])
def test_the_default_tolerance_in_float32_is_close_to_the_optimum_in_log_loss(three_classes, c):
    x, y = three_classes
    losses = [
        -probe.fit(features, y, n_classes=3).log_prob(x)[np.arange(len(y)), y].mean()
        for probe, features in ((LogisticProbe(c=c), x), (LogisticProbe(c=c, tol=1e-14), x.astype(np.float64)))
    ]
    assert abs(losses[0] - losses[1]) < 1.5e-4


def test_two_classes_have_two_logits_and_scikit_learns_probabilities(three_classes):
    x, y = three_classes[0].astype(np.float64), (three_classes[1] == 0).astype(int)
    reference = make_pipeline(StandardScaler(), LogisticRegression(C=0.5, max_iter=10_000, tol=1e-8)).fit(x, y)
    fitted = LogisticProbe(c=0.5, tol=1e-14).fit(x, y, n_classes=2)
    assert fitted.weight.shape == (2, 6)
    np.testing.assert_allclose(fitted.log_prob(x), reference.predict_log_proba(x), atol=1e-5)


def test_constant_features_give_the_training_frequencies():
    y = np.repeat([0, 1, 2], [50, 30, 20])
    fitted = LogisticProbe().fit(np.full((100, 5), 0.37, dtype=np.float32), y, n_classes=3)
    np.testing.assert_allclose(np.exp(fitted.log_prob(np.full((1, 5), 0.37)))[0], [0.5, 0.3, 0.2], atol=1e-3)


def test_float32_features_fit_as_float64_ones_do(three_classes):
    x, y = three_classes
    a, b = (LogisticProbe().fit(x.astype(kind), y, n_classes=3) for kind in (np.float32, np.float64))
    np.testing.assert_allclose(a.log_prob(x), b.log_prob(x), atol=2e-3)


def test_a_path_ends_where_single_fits_do(three_classes):
    x, y = three_classes
    cs = (1e-3, 1e-2, 0.1, 1.0)
    for c, fitted in zip(cs, LogisticProbe().prepare(x).fit_path(y, cs, n_classes=3), strict=True):
        assert fitted.c == c
        np.testing.assert_allclose(fitted.log_prob(x), LogisticProbe(c=c).fit(x, y, n_classes=3).log_prob(x), atol=5e-3)


def test_a_fit_without_enough_iterations_has_not_converged(three_classes):
    x, y = three_classes
    assert LogisticProbe(c=100).fit(x, y, n_classes=3).converged
    assert not LogisticProbe(c=100, max_iter=1).fit(x, y, n_classes=3).converged


def test_a_planted_direction_is_read_to_its_bayes_accuracy():
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=8000)
    x = rng.standard_normal((8000, 20))
    x[:, 3] += (2 * y - 1) * 0.8416  # Bayes accuracy is the normal distribution's at 0.8416: 0.8
    fitted = LogisticProbe().fit(x[:4000], y[:4000], n_classes=2)
    accuracy = (fitted.predict(x[4000:]) == y[4000:]).mean()
    assert abs(accuracy - 0.8) < 3 * np.sqrt(0.8 * 0.2 / 4000)
    x[:, 3] = rng.standard_normal(8000)
    without = LogisticProbe().fit(x[:4000], y[:4000], n_classes=2)
    assert abs((without.predict(x[4000:]) == y[4000:]).mean() - 0.5) < 3 * np.sqrt(0.25 / 4000)


@pytest.mark.parametrize(
    ("features", "labels", "error", "message"),
    [
        (np.zeros((3, 2)), np.array([0, 1]), InputError, "lengths differ: features has 3, labels has 2"),
        (np.zeros((2, 2)), np.array([0, 5]), InputError, r"labels must lie in \[0, 3\), found 0 to 5"),
        (np.zeros((2, 2)), np.array([0.0, 1.0]), InputError, "one axis of integers"),
        (np.array([[1.0], [np.nan]]), np.array([0, 1]), InputError, "not finite, first in row 1"),
        (np.zeros((2, 2)), np.array(["a", "b"]), InputError, "must be class ids from 0, found 'a'"),
        (np.zeros((2, 2, 2)), np.array([0, 1]), InputError, r"must be \(examples, hidden\), found shape \(2, 2, 2\)"),
        (np.zeros(2), np.array([0, 1]), InputError, r"must be \(examples, hidden\), found shape \(2,\)"),
        (np.array([["a"], ["b"]]), np.array([0, 1]), InputError, "features must be numbers, found <U1"),
        (np.array([[{}], [1]], dtype=object), np.array([0, 1]), InputError, "features must be numbers"),
        ([[1.0], [1.0, 2.0]], np.array([0, 1]), InputError, "features cannot be made an array"),
        (None, np.array([0, 1]), InputError, "features must be an array, found NoneType"),
        ("text", np.array([0, 1]), InputError, "features must be an array, found str"),
        (np.zeros((0, 2)), np.array([], dtype=int), InputError, "at least one example"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(features, labels, error, message):
    with pytest.raises(error, match=message):
        LogisticProbe().fit(features, labels, n_classes=3)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_logits_are_those_of_float64_where_the_mean_is_far_larger_than_the_spread(far_from_zero, kind, n_classes):
    x, y = far_from_zero[0].astype(kind), (far_from_zero[1] + np.arange(400) % (n_classes - 1)).astype(int)
    fitter = LogisticProbe().prepare(x)
    (fitted,) = fitter.fit_many(y[None], (1.0,), n_classes=n_classes)
    (solution,) = fitter._solve(y[None], (1.0,), None, None, LogisticProbe().tol)
    z = (x.astype(np.float64) - fitter.design.shift) / fitter.design.scale
    exact = z @ solution.weight.T.astype(np.float64) + solution.bias
    exact = np.concatenate([-exact, exact], axis=1) / 2 if n_classes == 2 else exact
    assert np.abs(fitted.weight).max() > 50  # what is folded into one bias would be lost to rounding
    np.testing.assert_allclose(fitted.logits(x), exact, atol=2e-5)
    expected = log_softmax(exact)[np.arange(400), y]
    np.testing.assert_allclose(score_probes([fitted], x, y)[0][0], expected, atol=2e-5)


def test_a_fit_starts_at_the_solution_of_its_start_probe(far_from_zero):
    x, y = far_from_zero
    fitter = LogisticProbe().prepare(x)
    (fitted,) = fitter.fit_many(y[None], (1.0,), n_classes=2)
    begin = fitter._unfold(fitted, [0, 1])
    (solution,) = fitter._solve(y[None], (1.0,), None, None, LogisticProbe().tol)
    np.testing.assert_allclose(begin.weight, solution.weight, atol=1e-6)
    np.testing.assert_allclose(begin.bias, solution.bias, atol=1e-5)
