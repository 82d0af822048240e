"""Intervals: against resampling, scipy and published figures."""

import numpy as np
import pytest
import scipy.stats

from probes.checks import side_of_zero
from probes.statistics.intervals import (
    FEWEST_EXAMPLES,
    N_FOLDS,
    accuracy_interval,
    class_intervals,
    drop_interval,
    jackknife_interval,
    mean_interval,
    mean_intervals,
    percentile_interval,
    share_difference_interval,
    wilson_interval,
)


@pytest.mark.parametrize("n", [6, 7, 50])
def test_the_interval_of_a_mean_is_students(n):
    values = np.random.default_rng(1).standard_normal((n, 2))
    expected = scipy.stats.t.interval(0.95, n - 1, loc=values.mean(axis=0), scale=scipy.stats.sem(values))
    np.testing.assert_allclose(mean_intervals(values), np.transpose(expected), rtol=1e-12)
    assert mean_interval(values[:, 0]) == pytest.approx(mean_intervals(values)[0])


@pytest.mark.parametrize("n", range(6))
def test_a_mean_of_fewer_than_six_examples_has_no_interval(n):
    assert FEWEST_EXAMPLES == 6
    assert 2 * 0.5 ** (FEWEST_EXAMPLES - 1) > 0.05 > 2 * 0.5**FEWEST_EXAMPLES  # two-sided sign test
    assert np.isnan(mean_interval(np.arange(n, dtype=float))).all()


@pytest.mark.parametrize("value", [0.0, 0.1 + 0.2, 1.0])
@pytest.mark.parametrize("n", [6, 100])
def test_equal_values_are_no_certainty(value, n):
    values = np.full(n, value)
    values[::2] += 1e-17
    assert np.isnan(mean_interval(values)).all()
    lower, upper = mean_interval(values, bounds=(-1, 1))
    unseen = wilson_interval(0.0, n)[1]
    assert (upper - value) == pytest.approx(unseen * (1 - value))
    assert (value - lower) == pytest.approx(unseen * (1 + value))


def test_an_interval_ends_at_the_bounds_of_its_values():
    values = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.9])
    lower, upper = mean_interval(values)
    assert lower < 0
    assert mean_interval(values, bounds=(0, 1)) == (0.0, upper)


@pytest.mark.parametrize(("n", "limit"), [(6, 0.055), (16, 0.055), (100, 0.055)])
def test_means_of_nothing_are_called_an_effect_as_often_as_stated(n, limit):
    rng = np.random.default_rng(0)
    draws = {
        "normal": rng.standard_normal((n, 4000)),
        "hits": rng.choice([-1.0, 0.0, 1.0], p=[0.15, 0.7, 0.15], size=(n, 4000)),
        "bounded": np.tanh(rng.standard_normal((n, 4000))),
    }
    for values in draws.values():
        sides = [side_of_zero(*interval) for interval in mean_intervals(values)]
        assert np.mean([side != "cannot_tell" for side in sides]) <= limit + 0.012  # a binomial's 3.5 deviations


def test_an_accuracy_of_one_seed_has_wilsons_interval_and_of_several_students():
    hits = np.arange(50) % 5 != 0
    assert accuracy_interval(hits) == wilson_interval(0.8, 50)
    of_seeds = np.stack([hits, np.arange(50) % 4 != 0]).mean(axis=0)
    assert accuracy_interval(of_seeds) == mean_interval(of_seeds, bounds=(0, 1))


def test_wilson_at_the_ends_and_in_the_middle():
    np.testing.assert_allclose(wilson_interval(1.0, 10), (0.7225, 1.0), atol=1e-4)
    np.testing.assert_allclose(wilson_interval(0.0, 10), (0.0, 0.2775), atol=1e-4)
    np.testing.assert_allclose(wilson_interval(0.5, 100), (0.4038, 0.5962), atol=1e-4)


def test_intervals_of_class_scores_are_those_of_resampling():
    rng = np.random.default_rng(3)
    labels = rng.choice(4, size=3000, p=[0.6, 0.25, 0.15, 0])
    predicted = np.where(rng.random(3000) < 0.75, labels, rng.integers(3, size=3000))
    intervals = class_intervals(labels, predicted, 4)
    draws = rng.integers(3000, size=(2000, 3000))
    for i in range(3):
        is_label = labels[draws] == i
        is_predicted = predicted[draws] == i
        correct = (is_label & is_predicted).sum(axis=1)
        for name, n in (("precision", is_predicted.sum(axis=1)), ("recall", is_label.sum(axis=1))):
            assert intervals[name][i] == pytest.approx(percentile_interval(correct / n), abs=0.006)
        f1 = 2 * correct / (is_predicted.sum(axis=1) + is_label.sum(axis=1))
        assert intervals["f1"][i] == pytest.approx(percentile_interval(f1), abs=0.006)
    assert np.isnan([intervals[name][3] for name in ("precision", "recall", "f1")]).all()


def without_each(values):
    """(folds,) mean of (folds, examples) values without each fold."""
    return np.array([np.delete(values, fold, axis=0).mean() for fold in range(len(values))])


@pytest.mark.parametrize("n_folds", [2, 3, 7, 19, N_FOLDS])
@pytest.mark.parametrize("n_of_fold", [1, 30])
def test_the_jackknife_of_a_mean_is_students_interval_of_the_means_of_its_folds(n_folds, n_of_fold):
    values = np.random.default_rng(0).standard_normal((n_folds, n_of_fold))
    expected = scipy.stats.t.interval(0.95, n_folds - 1, loc=values.mean(), scale=scipy.stats.sem(values.mean(axis=1)))
    assert jackknife_interval(values.mean(), without_each(values)) == pytest.approx(expected)


@pytest.mark.parametrize("n", [2, 3, 5, 10, 19, 31])
def test_a_jackknife_of_few_examples_holds_the_truth_as_often_as_it_says(n):
    rng = np.random.default_rng(n)
    n_folds = min(n, N_FOLDS)
    folds = np.arange(n) % n_folds
    is_remaining = folds != np.arange(n_folds)[:, None]
    hits = 0
    for values in rng.standard_normal((1500, n)):
        lower, upper = jackknife_interval(values.mean(), is_remaining @ values / is_remaining.sum(axis=1))
        hits += lower <= 0 <= upper
    assert 0.93 < hits / 1500 < 0.97


def test_a_jackknife_of_one_example_or_none_is_undefined():
    for n in (0, 1):
        assert np.isnan(jackknife_interval(0.5, np.full(n, 0.5))).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_jackknife_with_a_value_that_is_not_finite_is_undefined(value):
    assert np.isnan(jackknife_interval(0.5, np.array([0.4, value, 0.6]))).all()
    assert np.isnan(jackknife_interval(value, np.array([0.4, 0.5, 0.6]))).all()


@pytest.mark.parametrize("n", [2, 3, 19, N_FOLDS])
def test_a_jackknife_of_equal_values_is_the_estimate_alone(n):
    assert jackknife_interval(0.1, np.full(n, 0.1)) == (0.1, 0.1)


def test_the_interval_of_a_difference_is_newcombes():
    # Newcombe (1998), table II, method 10: 56/70 - 48/80 and 9/10 - 3/10.
    assert share_difference_interval(56 / 70, 70, 48 / 80, 80) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert share_difference_interval(0.9, 10, 0.3, 10) == pytest.approx((0.1705, 0.8090), abs=5e-5)


def test_the_interval_of_the_reversed_difference_is_the_mirror_image():
    lower, upper = share_difference_interval(0.8, 50, 0.6, 90)
    assert share_difference_interval(0.6, 90, 0.8, 50) == pytest.approx((-upper, -lower))


def test_intervals_of_equal_shares_exclude_zero_as_seldom_as_promised():
    rng = np.random.default_rng(0)
    shares, reference_shares = rng.binomial(120, 0.85, size=(2, 2000)) / 120
    missed = {}
    for n_comparisons in (1, 10):
        limits = [
            share_difference_interval(a, 120, b, 120, n_comparisons=n_comparisons)
            for a, b in zip(shares, reference_shares, strict=True)
        ]
        missed[n_comparisons] = np.mean([lower > 0 or upper < 0 for lower, upper in limits])
    assert 0.03 < missed[1] < 0.07
    assert missed[10] < 0.012


def test_the_interval_of_a_drop_is_that_of_a_difference_widened_for_the_candidates_above_alone():
    shares = (0.7, 300, 0.8, 200)
    assert drop_interval(*shares, n_candidates=1) == share_difference_interval(*shares)
    lower, upper = drop_interval(*shares, n_candidates=39, n_comparisons=2)
    assert lower == share_difference_interval(*shares, n_comparisons=2)[0]
    assert upper == share_difference_interval(*shares, n_comparisons=78)[1]


@pytest.mark.parametrize("n", [50, 200, 1000])
@pytest.mark.parametrize("share_in_common", [0.0, 0.8])
def test_the_drop_of_the_best_of_many_candidates_excludes_zero_no_oftener_than_stated(n, share_in_common):
    rng = np.random.default_rng(n)
    n_candidates, n_trials, accuracy = 195, 1000, 0.8
    n_common = round(n * share_in_common)
    common_hits = rng.binomial(n_common, accuracy, size=n_trials)
    further_hits = rng.binomial(n - n_common, accuracy, size=(n_trials, n_candidates))
    validation = (common_hits + further_hits.max(axis=1)) / n
    test = rng.binomial(n, accuracy, size=n_trials) / n
    missed = {"drop": 0, "difference": 0}
    for test_share, validation_share in zip(test, validation, strict=True):
        shares = (test_share, n, validation_share, n)
        limits = {
            "drop": drop_interval(*shares, n_candidates=n_candidates),
            "difference": share_difference_interval(*shares),
        }
        for kind, (lower, upper) in limits.items():
            missed[kind] += lower > 0 or upper < 0
    assert missed["drop"] / n_trials <= 0.025
    assert missed["difference"] / n_trials > (0.4 if share_in_common == 0 else 0.06)


def test_a_drop_beyond_the_choice_excludes_zero():
    _, upper = drop_interval(0.7, 1000, 0.8, 1000, n_candidates=195)
    assert upper < 0
    _, upper = drop_interval(0.76, 1000, 0.8, 1000, n_candidates=195)
    assert upper > 0 > share_difference_interval(0.76, 1000, 0.8, 1000)[1]
