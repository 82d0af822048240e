"""Intervals: against plain loops, scikit-learn and closed forms."""

import math
import time

import numpy as np
import pytest
import scipy.stats

from probes import InputError
from probes.statistics.bootstrap import (
    FOLDS,
    HELD,
    SHARES,
    STUDENT,
    Bootstrap,
    Predictions,
    _Draws,
    bootstrap,
    class_intervals,
    detectable,
    jackknife,
    mean_intervals,
    percentile,
    reflected,
    share_intervals,
    simultaneous,
    wilson,
)
from probes.statistics.metrics import METRICS


def log_softmax(logits):
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def predictions(rng, labels, n_classes, skill):
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
    tied = log_softmax(np.round(predictions(rng, labels, n_classes, 1)))
    same = np.tile(log_softmax(np.arange(n_classes)[None] / 2.0), (40, 1))
    said = [predictions(rng, labels, n_classes, skill) for skill in (0, 2, 9)]
    kept = [Predictions.of(log_prob) for log_prob in (*said, tied, same)]
    resampled = bootstrap(labels, kept, resamples=25, seed=7)
    measured = [METRICS[name](labels, p.log_prob) for p in kept]
    np.testing.assert_allclose(resampled.measured[name], measured, rtol=1e-12, atol=1e-12)
    found = resampled.scores[name]
    assert found.shape == (25, 5)
    draws = np.random.default_rng(7).integers(40, size=(25, 40))
    expected = [[METRICS[name](labels[rows], p.log_prob[rows]) for p in kept] for rows in draws]
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


def test_some_resamplings_of_two_classes_have_no_auroc():
    labels = np.array([1, 0, 0, 0])
    found = bootstrap(labels, [certain(labels)], resamples=200).scores["auroc"][:, 0]
    share = np.isnan(found).mean()
    assert share == pytest.approx((3 / 4) ** 4 + (1 / 4) ** 4, abs=0.1)
    np.testing.assert_array_equal(found[~np.isnan(found)], 1)


@pytest.mark.parametrize("n_classes", [2, 5])
def test_chunks_do_not_change_the_resampling(monkeypatch, n_classes):
    rng = np.random.default_rng(0)
    labels = rng.integers(n_classes, size=30)
    said = [Predictions.of(predictions(rng, labels, n_classes, 1))] * 2
    whole = bootstrap(labels, said, resamples=50)
    for chunk in (1, 100):
        monkeypatch.setattr("probes.statistics.bootstrap.CHUNK", chunk)
        parts = bootstrap(labels, said, resamples=50)
        for name, values in whole.scores.items():
            # Sums that are not of whole numbers may differ in the last digit by the order in which they are added.
            limit = 1e-13 if name in ("log_loss", "ece") else 0
            np.testing.assert_allclose(parts.scores[name], values, rtol=limit, atol=limit)


def test_of_many_classes_auroc_is_the_same_to_the_last_bit_by_either_way(monkeypatch):
    rng = np.random.default_rng(0)
    labels = rng.integers(40, size=90)
    tied = Predictions.of(log_softmax(np.round(predictions(rng, labels, 41, 1))))
    found = []
    for dense, chunk in ((0, 2**23), (16, 2**23), (16, 5000)):
        monkeypatch.setattr("probes.statistics.bootstrap.DENSE", dense)
        monkeypatch.setattr("probes.statistics.bootstrap.CHUNK", chunk)
        found.append(bootstrap(labels, [tied], resamples=60).scores["auroc"])
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


def test_many_classes_are_resampled_few_at_a_time(monkeypatch):
    n_classes, widest = 300, 0
    of = _Draws.of.__func__

    def watched(cls, labels, k, counts):
        nonlocal widest
        widest = max(widest, len(counts) * k)
        return of(cls, labels, k, counts)

    monkeypatch.setattr(_Draws, "of", classmethod(watched))
    monkeypatch.setattr("probes.statistics.bootstrap.CHUNK", 24_000)
    labels = np.arange(60) % n_classes
    bootstrap(labels, [certain(labels, n_classes)], resamples=50)
    assert 0 < widest <= 24_000 / HELD


def test_resampling_is_fast_enough_to_be_done_for_every_score():
    rng = np.random.default_rng(0)
    labels = rng.integers(2, size=1821)
    said = [Predictions.of(predictions(rng, labels, 2, 1)) for _ in range(5)]
    start = time.process_time()
    bootstrap(labels, said)
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
    said = Predictions.of(predictions(rng, labels, 2, 1))
    assert bootstrap(labels, [said, said]).difference(name, 0, 1) == (0.0, 0.0)


@pytest.mark.parametrize("name", METRICS)
def test_a_paired_difference_is_narrower_than_an_unpaired_one(name):
    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=400)
    log_prob = predictions(rng, labels, 3, 1)
    said = [Predictions.of(p) for p in (log_prob, log_softmax(log_prob + rng.standard_normal((400, 3)) / 5))]
    resampled = bootstrap(labels, said, resamples=500)
    values = resampled.scores[name]
    apart = percentile(values[:, 0] - np.random.default_rng(1).permutation(values[:, 1]))
    lower, upper = resampled.difference(name, 0, 1)
    assert upper - lower < apart[1] - apart[0]


def test_a_difference_on_every_example_has_wilsons_width():
    labels = np.zeros(3, dtype=int)
    resampled = bootstrap(labels, [certain(labels), certain(labels + 1)])
    least = 2 * wilson(1.0, 3)[0] - 1
    assert least < 0  # three examples tell nothing for sure
    assert resampled.difference("accuracy", 0, 1) == pytest.approx((least, 1.0))
    assert resampled.difference("accuracy", 1, 0) == pytest.approx((-1.0, -least))
    lower, upper = simultaneous(np.array([-1.0, 0.0]), np.array([[-1.0, 0.0]] * 9), n=3)
    np.testing.assert_allclose((lower, upper), ((-1, 0), (-least, 0)))
    labels = np.zeros(1000, dtype=int)
    assert bootstrap(labels, [certain(labels), certain(labels + 1)]).difference("accuracy", 0, 1)[0] > 0.99


@pytest.mark.parametrize(("name", "chance"), [("balanced_accuracy", 0.5), ("auroc", 0.5), ("mcc", 0.0)])
def test_all_right_minus_always_the_same_answer_has_a_width(name, chance):
    labels = np.repeat([0, 1], [40, 20])
    resampled = bootstrap(labels, [certain(labels), certain(labels * 0)])
    gaps = resampled.scores[name][:, 0] - resampled.scores[name][:, 1]
    assert set(gaps) == {1 - chance}  # so that percentiles would claim to know it for sure
    lower, upper = resampled.difference(name, 0, 1)
    assert (lower, upper) == (pytest.approx(resampled.interval(name, 0)[0] - chance), 1 - chance)
    assert 0 < lower < upper


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


@pytest.mark.parametrize("name", SHARES)
def test_a_share_of_one_or_zero_has_an_interval_all_the_same(name):
    labels = np.repeat([0, 1], [90, 10])
    resampled = bootstrap(labels, [certain(labels), certain(1 - labels)], resamples=100)
    trials = 100 if name == "accuracy" else 10  # the rarest class has fewest
    assert resampled.interval(name, 0) == wilson(1.0, trials)
    assert resampled.interval(name, 1) == wilson(0.0, trials)


def test_an_absent_class_is_not_the_rarest():
    labels = np.repeat([0, 2], [90, 10])
    assert bootstrap(labels, [certain(labels, 3)]).interval("auroc", 0) == wilson(1.0, 10)


@pytest.mark.parametrize("counts", [(50, 50), (96, 4), (40, 30, 30)])
def test_a_correlation_of_one_has_the_end_of_an_accuracy_of_one(counts):
    k, n = len(counts), 100
    labels = np.repeat(np.arange(k), counts)
    resampled = bootstrap(labels, [certain(labels, k), certain((labels + 1) % k, k)], resamples=500)
    lower, upper = resampled.interval("mcc", 0)
    assert upper == 1
    error = 1 - wilson(1.0, n)[0]
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


def test_a_correlation_of_one_from_two_examples_tells_nothing():
    assert bootstrap(np.array([0, 1]), [certain(np.array([0, 1]))]).interval("mcc", 0)[0] < 0


def test_resamplings_without_a_score_are_left_out_of_its_interval():
    scores = np.concatenate([np.full(50, np.nan), np.linspace(0, 1, 101)])[:, None]
    found = Bootstrap({"auroc": scores}, {"auroc": np.array([0.5])}, np.array([5, 5]))
    assert found.interval("auroc", 0) == pytest.approx((0.025, 0.975))
    one_class = bootstrap(np.zeros(4, dtype=int), [certain(np.zeros(4, dtype=int))], resamples=10)
    assert np.isnan(one_class.interval("auroc", 0)).all()
    assert np.isnan(one_class.difference("auroc", 0, 0)).all()


def test_the_interval_of_a_calibration_error_takes_off_what_chance_adds():
    rng = np.random.default_rng(0)
    log_prob = log_softmax(1.5 * rng.standard_normal((300, 2)))
    labels = (rng.random(300) < np.exp(log_prob[:, 1])).astype(int)  # calibrated: the true error is 0
    resampled = bootstrap(labels, [Predictions.of(log_prob)])
    assert percentile(resampled.scores["ece"][:, 0])[0] > 0.02
    lower, upper = resampled.interval("ece", 0)
    assert lower == 0
    assert resampled.measured["ece"][0] <= upper
    assert reflected(np.array([0.3] * 9 + [0.5]), 0.2) == (pytest.approx(-0.055), 0.2)


def test_the_detection_limits_are_the_least_and_the_median_half_width_of_the_other_places():
    rng = np.random.default_rng(0)
    measured = np.array([0.0, 0.1, 0.2, -0.1])
    resampled = measured + rng.standard_normal((1000, 4)) * [0, 0.01, 0.05, 0.1]
    lower, upper = simultaneous(measured, resampled, n=100)
    least, usual = detectable(measured, resampled, n=100, reference=0)
    assert (least, usual) == pytest.approx(((upper[1] - lower[1]) / 2, (upper[2] - lower[2]) / 2))
    shifted = np.array([0.0, least * 0.99, usual * 1.01, -0.1])
    moved = simultaneous(shifted, resampled + shifted - measured, n=100)
    assert moved[0][2] > 0  # such a difference is told from 0
    assert moved[0][1] < 0 < moved[1][1]  # such a one is not, and nowhere is one so small
    alike = np.column_stack([resampled, resampled[:, 0]])  # one more place, that answers as the reference does
    assert detectable(np.append(measured, 0.0), alike, n=100, reference=0)[0] == pytest.approx(least, rel=0.1)
    assert np.isnan(detectable(measured[:1], resampled[:, :1], n=100, reference=0)).all()


def test_intervals_of_a_classs_scores_are_those_of_resampling():
    rng = np.random.default_rng(3)
    labels = rng.choice(4, size=3000, p=[0.6, 0.25, 0.15, 0])
    predicted = np.where(rng.random(3000) < 0.75, labels, rng.integers(3, size=3000))
    found = class_intervals(labels, predicted, 4)
    drawn = rng.integers(3000, size=(2000, 3000))
    for i in range(3):
        true, said = labels[drawn] == i, predicted[drawn] == i
        right = (true & said).sum(axis=1)
        for name, of in (("precision", said.sum(axis=1)), ("recall", true.sum(axis=1))):
            assert found[name][i] == pytest.approx(percentile(right / of), abs=0.006)
        f1 = 2 * right / (said.sum(axis=1) + true.sum(axis=1))
        assert found["f1"][i] == pytest.approx(percentile(f1), abs=0.006)
    assert np.isnan([found[name][3] for name in ("precision", "recall", "f1")]).all()


def test_shares_of_0_and_1_have_wilsons_interval():
    hits = np.zeros((157, 3), dtype=bool)
    hits[:, 1], hits[:80, 2] = True, True
    none, every, half = share_intervals(hits)
    assert none == (0.0, pytest.approx(0.0239, abs=1e-4))
    assert every == (pytest.approx(1 - 0.0239, abs=1e-4), 1.0)
    assert half == mean_intervals(hits.astype(float))[2]


def test_predictions_and_labels_that_do_not_fit_are_errors():
    labels, said = np.array([0, 1]), Predictions.of(np.log(np.full((2, 2), 0.5)))
    with pytest.raises(InputError, match="at least one example"):
        bootstrap(np.array([], dtype=int), [])
    with pytest.raises(InputError, match="at least one example and one classifier"):
        bootstrap(labels, [])
    with pytest.raises(InputError, match=r"classifier 1 has \(2, 3\)"):
        bootstrap(labels, [said, Predictions.of(np.zeros((2, 3)))])
    with pytest.raises(InputError, match=r"classifier 0 has \(2, 2\)"):
        bootstrap(np.array([0, 1, 1]), [said])
    with pytest.raises(InputError, match=r"\[0, 2\)"):
        bootstrap(labels + 1, [said])
    with pytest.raises(InputError, match="not finite, first in row 1"):
        Predictions.of(np.array([[0.0, -1.0], [0.0, -np.inf]]))
    with pytest.raises(InputError, match=r"found shape \(3,\)"):
        Predictions.of(np.zeros(3))


def test_the_jackknife_of_a_mean_is_students_interval_of_the_means_of_its_shares():
    values = np.random.default_rng(0).standard_normal((FOLDS, 30))
    without = np.array([np.delete(values, share, axis=0).mean() for share in range(FOLDS)])
    error = values.mean(axis=1).std(ddof=1) / math.sqrt(FOLDS)
    expected = values.mean() - STUDENT * error, values.mean() + STUDENT * error
    assert jackknife(values.mean(), without) == pytest.approx(expected)
    assert scipy.stats.t.ppf(0.975, FOLDS - 1) == pytest.approx(STUDENT, abs=1e-3)


def test_a_jackknife_needs_all_its_shares():
    with pytest.raises(InputError, match="takes 20 values, found 3"):
        jackknife(0.0, np.zeros(3))
