"""Scores and their intervals: against scikit-learn, plain loops and closed forms."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from probes import InputError
from probes.metrics import METRICS, confusion, per_class
from probes.uncertainty import Predictions, accuracy_interval, bootstrap, percentile, simultaneous, wilson


def predictions(rng, labels, n_classes, skill):
    logits = rng.standard_normal((len(labels), n_classes)) + skill * np.eye(n_classes)[labels]
    return np.log(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True))


@pytest.mark.parametrize("n_classes", [2, 3, 7])
def test_resampled_scores_equal_a_plain_loop(n_classes):
    rng = np.random.default_rng(0)
    labels = rng.integers(n_classes - 1, size=50)  # the last class is absent
    log_probs = [predictions(rng, labels, n_classes, skill) for skill in (0, 2)]
    found = bootstrap(labels, [Predictions.of(p, labels) for p in log_probs], n_classes=n_classes, resamples=20, seed=7)
    draws = np.random.default_rng(7).integers(50, size=(20, 50))
    for resample, rows in enumerate(draws):
        for i, log_prob in enumerate(log_probs):
            for name, score in METRICS.items():
                expected = score(labels[rows], log_prob[rows])
                np.testing.assert_allclose(getattr(found, name)[resample, i], expected, rtol=1e-5)


def test_chunks_do_not_change_the_resampling(monkeypatch):
    rng = np.random.default_rng(0)
    labels = rng.integers(2, size=30)
    said = [Predictions.of(predictions(rng, labels, 2, 1), labels)]
    whole = bootstrap(labels, said, n_classes=2, resamples=50)
    monkeypatch.setattr("probes.uncertainty.CHUNK", 100)
    np.testing.assert_array_equal(whole.accuracy, bootstrap(labels, said, n_classes=2, resamples=50).accuracy)


def test_an_interval_has_the_width_of_the_binomial():
    labels = np.zeros(1000, dtype=int)
    said = Predictions((np.arange(1000) >= 800).astype(int), np.zeros(1000))
    lower, upper = bootstrap(labels, [said], n_classes=2).interval("accuracy", 0)
    reach = 1.96 * np.sqrt(0.8 * 0.2 / 1000)
    np.testing.assert_allclose([lower, upper], [0.8 - reach, 0.8 + reach], atol=0.004)


def test_a_paired_difference_of_equal_classifiers_is_exactly_zero():
    rng = np.random.default_rng(0)
    labels = rng.integers(2, size=100)
    said = Predictions.of(predictions(rng, labels, 2, 1), labels)
    assert bootstrap(labels, [said, said], n_classes=2).difference(0, 1, n=100) == (0.0, 0.0)


def test_a_difference_on_every_example_has_wilsons_width():
    labels = np.zeros(3, dtype=int)
    right, wrong = Predictions(labels, np.zeros(3)), Predictions(labels + 1, np.zeros(3))
    resampled = bootstrap(labels, [right, wrong], n_classes=2)
    least = 2 * wilson(1.0, 3)[0] - 1
    assert least < 0  # three examples tell nothing for sure
    assert resampled.difference(0, 1, n=3) == (least, 1.0)
    assert resampled.difference(1, 0, n=3) == (-1.0, -least)
    lower, upper = simultaneous(np.array([-1.0, 0.0]), np.array([[-1.0, 0.0]] * 9), n=3)
    np.testing.assert_allclose((lower, upper), ((-1, 0), (-least, 0)))
    assert resampled.difference(0, 1, n=1000)[0] > 0.99


def test_simultaneous_intervals_are_wider_than_single_ones_and_hold_the_measured():
    rng = np.random.default_rng(0)
    measured = np.array([0.0, 0.1, 0.2])
    resampled = measured + rng.standard_normal((4000, 3)) * [0, 0.05, 0.1]
    lower, upper = simultaneous(measured, resampled, n=100)
    assert (lower[0], upper[0]) == (0.0, 0.0)
    np.testing.assert_allclose((upper - lower)[1:] / 2 / [0.05, 0.1], 2.236, atol=0.06)  # two independent normals
    single = percentile(resampled[:, 1])
    assert upper[1] - lower[1] > single[1] - single[0]


def test_wilson_at_the_ends_and_in_the_middle():
    np.testing.assert_allclose(wilson(1.0, 10), (0.7225, 1.0), atol=1e-4)
    np.testing.assert_allclose(wilson(0.0, 10), (0.0, 0.2775), atol=1e-4)
    np.testing.assert_allclose(wilson(0.5, 100), (0.4038, 0.5962), atol=1e-4)


def test_an_accuracy_of_one_has_an_interval_all_the_same():
    assert accuracy_interval(np.ones(100), 1.0, 10) == wilson(1.0, 10)
    assert accuracy_interval(np.linspace(0, 1, 101), 0.5, 10) == pytest.approx((0.025, 0.975))


def test_nothing_to_resample_is_an_error():
    with pytest.raises(InputError, match="at least one example"):
        bootstrap(np.array([], dtype=int), [], n_classes=2)


def test_scores_of_known_predictions():
    labels = np.array([0, 0, 1, 2])
    log_prob = np.log(np.array([[0.7, 0.2, 0.1], [0.2, 0.7, 0.1], [0.2, 0.7, 0.1], [0.7, 0.2, 0.1]]))
    assert METRICS["accuracy"](labels, log_prob) == 0.5
    assert METRICS["log_loss"](labels, log_prob) == pytest.approx(-np.log([0.7, 0.2, 0.7, 0.1]).mean())
    assert METRICS["macro_f1"](labels, log_prob) == pytest.approx(
        f1_score(labels, [0, 1, 1, 0], average="macro", zero_division=0)
    )


def test_per_class_scores_and_confusion_of_an_absent_class_are_zero():
    labels, predicted = np.array([0, 0, 1]), np.array([0, 1, 1])
    found = per_class(labels, predicted, 3)
    np.testing.assert_allclose(found["precision"], [1, 0.5, 0])
    np.testing.assert_allclose(found["recall"], [0.5, 1, 0])
    np.testing.assert_array_equal(found["count"], [2, 1, 0])
    np.testing.assert_array_equal(confusion(labels, predicted, 3), [[1, 1, 0], [0, 1, 0], [0, 0, 0]])
