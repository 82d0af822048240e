"""The paired bootstrap: against plain loops, scikit-learn and closed forms."""

import time

import numpy as np
import pytest

from probes import InputError
from probes.statistics.bootstrap import ARRAYS_PER_CLASS, SHARES, Bootstrap, Predictions, _Resamples, bootstrap
from probes.statistics.intervals import (
    percentile_interval,
    reflected_interval,
    wilson_interval,
)
from probes.statistics.metrics import METRICS
from probes.statistics.simultaneous import simultaneous_intervals


def log_softmax(logits):
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def random_log_probs(rng, labels, n_classes, skill):
    return log_softmax(rng.standard_normal((len(labels), n_classes)) + skill * np.eye(n_classes)[labels])


def certain(predicted, n_classes=2):
    """A classifier that gives its class a probability of .9."""
    rest = 0.1 / (n_classes - 1)
    return Predictions.of(np.log(np.where(predicted[:, None] == np.arange(n_classes), 0.9, rest)))


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize(("n_classes", "labelled"), [(2, 2), (2, 1), (3, 3), (7, 6), (1, 1)])
def test_resampled_scores_equal_a_plain_loop(n_classes, labelled, name):
    rng = np.random.default_rng(0)
    labels = rng.integers(labelled, size=40)
    labels[:2] = labelled - 1, 0  # some resamplings lack a class
    labels[2:] = np.minimum(labels[2:], max(labelled - 2, 0)) if labelled > 2 else labels[2:]
    tied = log_softmax(np.round(random_log_probs(rng, labels, n_classes, 1)))
    same = np.tile(log_softmax(np.arange(n_classes)[None] / 2.0), (40, 1))
    random = [random_log_probs(rng, labels, n_classes, skill) for skill in (0, 2, 9)]
    classifiers = [Predictions.of(log_prob) for log_prob in (*random, tied, same)]
    resampled = bootstrap(labels, classifiers, resamples=25, seed=7)
    measured = [METRICS[name](labels, p.log_prob) for p in classifiers]
    np.testing.assert_allclose(resampled.estimates[name], measured, rtol=1e-12, atol=1e-12)
    scores = resampled.scores[name]
    assert scores.shape == (25, 5)
    draws = np.random.default_rng(7).integers(40, size=(25, 40))
    expected = [[METRICS[name](labels[rows], p.log_prob[rows]) for p in classifiers] for rows in draws]
    np.testing.assert_allclose(scores, expected, rtol=1e-12, atol=1e-12)


def test_resamplings_of_one_class_have_no_auroc():
    labels = np.array([1, 0, 0, 0])
    areas = bootstrap(labels, [certain(labels)], resamples=200).scores["auroc"][:, 0]
    share = np.isnan(areas).mean()
    assert share == pytest.approx((3 / 4) ** 4 + (1 / 4) ** 4, abs=0.1)
    np.testing.assert_array_equal(areas[~np.isnan(areas)], 1)


@pytest.mark.parametrize("n_classes", [2, 5])
def test_chunks_do_not_change_the_resampling(monkeypatch, n_classes):
    rng = np.random.default_rng(0)
    labels = rng.integers(n_classes, size=30)
    classifiers = [Predictions.of(random_log_probs(rng, labels, n_classes, 1))] * 2
    whole = bootstrap(labels, classifiers, resamples=50)
    for chunk in (1, 100):
        monkeypatch.setattr("probes.statistics.resampling.MAX_ENTRIES", chunk)
        parts = bootstrap(labels, classifiers, resamples=50)
        for name, values in whole.scores.items():
            # Sums that are not of whole numbers may differ in the last digit by the order in which they are added.
            limit = 1e-13 if name in ("log_loss", "ece") else 0
            np.testing.assert_allclose(parts.scores[name], values, rtol=limit, atol=limit)


def test_both_ways_to_compute_auroc_agree_to_the_last_bit(monkeypatch):
    rng = np.random.default_rng(0)
    labels = rng.integers(40, size=90)
    tied = Predictions.of(log_softmax(np.round(random_log_probs(rng, labels, 41, 1))))
    areas = []
    for dense, chunk in ((0, 2**23), (16, 2**23), (16, 5000)):
        monkeypatch.setattr("probes.statistics.bootstrap.DENSE_EXAMPLES_PER_CLASS", dense)
        monkeypatch.setattr("probes.statistics.resampling.MAX_ENTRIES", chunk)
        areas.append(bootstrap(labels, [tied], resamples=60).scores["auroc"])
    np.testing.assert_array_equal(areas[0], areas[1])
    np.testing.assert_array_equal(areas[0], areas[2])


def test_many_classes_are_resampled_few_at_a_time(monkeypatch):
    n_classes, widest = 300, 0
    of = _Resamples.of.__func__

    def watched(cls, labels, k, counts):
        nonlocal widest
        widest = max(widest, len(counts) * k)
        return of(cls, labels, k, counts)

    monkeypatch.setattr(_Resamples, "of", classmethod(watched))
    monkeypatch.setattr("probes.statistics.resampling.MAX_ENTRIES", 24_000)
    labels = np.arange(60) % n_classes
    bootstrap(labels, [certain(labels, n_classes)], resamples=50)
    assert 0 < widest <= 24_000 / ARRAYS_PER_CLASS


def test_resampling_is_fast_enough_to_be_done_for_every_score():
    rng = np.random.default_rng(0)
    labels = rng.integers(2, size=1821)
    classifiers = [Predictions.of(random_log_probs(rng, labels, 2, 1)) for _ in range(5)]
    start = time.process_time()
    bootstrap(labels, classifiers)
    assert time.process_time() - start < 2  # measured .15; a fifth of a usual sweep


def test_an_interval_has_the_width_of_the_binomial():
    labels = np.zeros(1000, dtype=int)
    lower, upper = bootstrap(labels, [certain(np.arange(1000) >= 800)]).interval("accuracy", 0)
    reach = 1.96 * np.sqrt(0.8 * 0.2 / 1000)
    np.testing.assert_allclose([lower, upper], [0.8 - reach, 0.8 + reach], atol=0.004)


@pytest.mark.parametrize("name", METRICS)
def test_a_paired_difference_of_equal_classifiers_is_exactly_zero(name):
    rng = np.random.default_rng(0)
    labels = rng.integers(2, size=100)
    classifier = Predictions.of(random_log_probs(rng, labels, 2, 1))
    assert bootstrap(labels, [classifier, classifier]).difference(name, 0, 1) == (0.0, 0.0)


@pytest.mark.parametrize("name", METRICS)
def test_a_paired_difference_is_narrower_than_an_unpaired_one(name):
    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=400)
    log_prob = random_log_probs(rng, labels, 3, 1)
    classifiers = [Predictions.of(p) for p in (log_prob, log_softmax(log_prob + rng.standard_normal((400, 3)) / 5))]
    resampled = bootstrap(labels, classifiers, resamples=500)
    values = resampled.scores[name]
    apart = percentile_interval(values[:, 0] - np.random.default_rng(1).permutation(values[:, 1]))
    lower, upper = resampled.difference(name, 0, 1)
    assert upper - lower < apart[1] - apart[0]


def test_a_difference_on_every_example_has_wilsons_width():
    labels = np.zeros(3, dtype=int)
    resampled = bootstrap(labels, [certain(labels), certain(labels + 1)])
    least = 2 * wilson_interval(1.0, 3)[0] - 1
    assert least < 0  # three examples tell nothing for sure
    assert resampled.difference("accuracy", 0, 1) == pytest.approx((least, 1.0))
    assert resampled.difference("accuracy", 1, 0) == pytest.approx((-1.0, -least))
    lower, upper = simultaneous_intervals(np.array([-1.0, 0.0]), np.array([[-1.0, 0.0]] * 9), n=3)
    np.testing.assert_allclose((lower, upper), ((-1, 0), (-least, 0)))
    labels = np.zeros(1000, dtype=int)
    assert bootstrap(labels, [certain(labels), certain(labels + 1)]).difference("accuracy", 0, 1)[0] > 0.99


@pytest.mark.parametrize(("name", "chance"), [("balanced_accuracy", 0.5), ("auroc", 0.5), ("mcc", 0.0)])
def test_a_perfect_classifier_minus_a_constant_one_has_an_interval_with_a_width(name, chance):
    labels = np.repeat([0, 1], [40, 20])
    resampled = bootstrap(labels, [certain(labels), certain(labels * 0)])
    gaps = resampled.scores[name][:, 0] - resampled.scores[name][:, 1]
    assert set(gaps) == {1 - chance}  # so that percentiles would claim to know it for sure
    lower, upper = resampled.difference(name, 0, 1)
    assert (lower, upper) == (pytest.approx(resampled.interval(name, 0)[0] - chance), 1 - chance)
    assert 0 < lower < upper


@pytest.mark.parametrize("name", SHARES)
def test_a_share_of_one_or_zero_has_wilsons_interval(name):
    labels = np.repeat([0, 1], [90, 10])
    resampled = bootstrap(labels, [certain(labels), certain(1 - labels)], resamples=100)
    trials = 100 if name == "accuracy" else 10  # the rarest class has fewest
    assert resampled.interval(name, 0) == wilson_interval(1.0, trials)
    assert resampled.interval(name, 1) == wilson_interval(0.0, trials)


def test_an_absent_class_is_not_the_rarest():
    labels = np.repeat([0, 2], [90, 10])
    assert bootstrap(labels, [certain(labels, 3)]).interval("auroc", 0) == wilson_interval(1.0, 10)


@pytest.mark.parametrize("counts", [(50, 50), (96, 4), (40, 30, 30)])
def test_a_correlation_of_one_has_the_end_of_an_accuracy_of_one(counts):
    k, n = len(counts), 100
    labels = np.repeat(np.arange(k), counts)
    resampled = bootstrap(labels, [certain(labels, k), certain((labels + 1) % k, k)], resamples=500)
    lower, upper = resampled.interval("mcc", 0)
    assert upper == 1
    error = 1 - wilson_interval(1.0, n)[0]
    assert lower == pytest.approx(1 - error / (1 - sum((c / n) ** 2 for c in counts)))
    # In a large population with that error and as many predictions as labels of each class, it is the correlation.
    shares = np.array(counts) / n
    table = (1 - error / (1 - (shares**2).sum())) * np.diag(shares)
    table += error / (1 - (shares**2).sum()) * np.outer(shares, shares)
    assert np.trace(table) == pytest.approx(1 - error)
    covariance = np.trace(table) - (shares**2).sum()
    assert lower == pytest.approx(covariance / (1 - (shares**2).sum()))
    if k == 2:
        assert resampled.interval("mcc", 1) == (-1.0, -lower)


def test_a_correlation_of_one_from_two_examples_has_an_interval_that_holds_zero():
    assert bootstrap(np.array([0, 1]), [certain(np.array([0, 1]))]).interval("mcc", 0)[0] < 0


def test_resamplings_without_a_score_are_left_out_of_its_interval():
    scores = np.concatenate([np.full(50, np.nan), np.linspace(0, 1, 101)])[:, None]
    resampled = Bootstrap({"auroc": scores}, {"auroc": np.array([0.5])}, np.array([5, 5]))
    assert resampled.interval("auroc", 0) == pytest.approx((0.025, 0.975))
    one_class = bootstrap(np.zeros(4, dtype=int), [certain(np.zeros(4, dtype=int))], resamples=10)
    assert np.isnan(one_class.interval("auroc", 0)).all()
    assert np.isnan(one_class.difference("auroc", 0, 0)).all()


def test_the_interval_of_a_calibration_error_subtracts_the_bias_of_sampling():
    rng = np.random.default_rng(0)
    log_prob = log_softmax(1.5 * rng.standard_normal((300, 2)))
    labels = (rng.random(300) < np.exp(log_prob[:, 1])).astype(int)  # calibrated: the true error is 0
    resampled = bootstrap(labels, [Predictions.of(log_prob)])
    assert percentile_interval(resampled.scores["ece"][:, 0])[0] > 0.02
    lower, upper = resampled.interval("ece", 0)
    assert lower == 0
    assert resampled.estimates["ece"][0] <= upper
    assert reflected_interval(np.array([0.3] * 9 + [0.5]), 0.2) == (pytest.approx(-0.055), 0.2)


def test_predictions_and_labels_that_do_not_fit_are_errors():
    labels = np.array([0, 1])
    classifier = Predictions.of(np.log(np.full((2, 2), 0.5)))
    with pytest.raises(InputError, match="at least one example"):
        bootstrap(np.array([], dtype=int), [])
    with pytest.raises(InputError, match="at least one example and one classifier"):
        bootstrap(labels, [])
    with pytest.raises(InputError, match=r"classifier 1 has \(2, 3\)"):
        bootstrap(labels, [classifier, Predictions.of(np.zeros((2, 3)))])
    with pytest.raises(InputError, match=r"classifier 0 has \(2, 2\)"):
        bootstrap(np.array([0, 1, 1]), [classifier])
    with pytest.raises(InputError, match=r"\[0, 2\)"):
        bootstrap(labels + 1, [classifier])
    with pytest.raises(InputError, match="not finite, first in row 1"):
        Predictions.of(np.array([[0.0, -1.0], [0.0, -np.inf]]))
    with pytest.raises(InputError, match=r"found shape \(3,\)"):
        Predictions.of(np.zeros(3))
