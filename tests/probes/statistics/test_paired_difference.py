"""Paired differences of two results: intervals, counts and McNemar's test."""

import math

import numpy as np
import pytest
from scipy.stats import binomtest

from probes.statistics.paired_difference import PairedCounts, PairedDifference, paired_interval, site_differences
from tests.support.results.compared import right


def test_the_paired_interval_is_that_of_texts_drawn_one_by_one():
    rng = np.random.default_rng(0)
    gaps = rng.choice([1.0, 0.0, -1.0], p=[0.2, 0.7, 0.1], size=300)
    drawn_means = gaps[rng.integers(300, size=(20_000, 300))].mean(axis=1)
    np.testing.assert_allclose(paired_interval(gaps), np.percentile(drawn_means, [2.5, 97.5]), atol=0.004)


def test_the_paired_interval_turns_with_the_difference():
    gaps = right(0.8, 1).astype(float) - right(0.7, 2)
    lower, upper = paired_interval(gaps)
    np.testing.assert_allclose(paired_interval(-gaps), (-upper, -lower), atol=0.002)
    assert paired_interval(np.zeros(50)) == (0.0, 0.0)


def test_more_pairs_make_wider_intervals():
    gaps = right(0.8, 1).astype(float) - right(0.7, 2)
    one, many = paired_interval(gaps), paired_interval(gaps, 10)
    assert many[0] < one[0] < one[1] < many[1]


def test_every_text_is_counted_once_and_the_counts_make_the_difference():
    first, second = right(0.8, 1), right(0.7, 2)
    counts = PairedCounts.of(first, second)
    assert counts.n == len(first)
    assert (counts.first_only - counts.second_only) / counts.n == pytest.approx(first.mean() - second.mean())
    assert counts.both + counts.first_only == first.sum()
    assert counts.neither == (~first & ~second).sum()
    assert counts.reversed() == PairedCounts.of(second, first)


@pytest.mark.parametrize(("first_only", "second_only"), [(0, 0), (1, 0), (5, 5), (3, 12), (40, 20), (0, 9)])
def test_mcnemars_p_is_that_of_the_binomial_test_of_scipy(first_only, second_only):
    counts = PairedCounts(50, first_only, second_only, 7)
    n_discordant = first_only + second_only
    expected = binomtest(first_only, n_discordant).pvalue if n_discordant else 1.0
    assert counts.mcnemar_p == pytest.approx(expected)
    assert counts.reversed().mcnemar_p == counts.mcnemar_p


def test_a_reversed_difference_is_the_other_result_minus_this_one():
    counts = PairedCounts(50, 30, 10, 10)
    pair = PairedDifference("a", "b", 0.2, (0.1, 0.3), counts, n_pairs=3)
    assert pair.reversed().interval == (-0.3, -0.1)
    assert (pair.outcome, pair.reversed().outcome) == ("above", "below")
    assert pair.reversed().reversed() == pair
    assert pair.p_value == pytest.approx(3 * counts.mcnemar_p)
    assert math.isnan(PairedDifference("a", "b", 0.2, (math.nan, math.nan), missing="why").p_value)


def test_differences_by_site_are_paired_and_hold_all_at_once():
    rng = np.random.default_rng(3)
    hits = rng.random((400, 12)) < 0.7
    other = hits ^ (rng.random((400, 12)) < 0.05)
    differences = site_differences(hits, other)
    np.testing.assert_allclose(differences.differences, hits.mean(axis=0) - other.mean(axis=0))
    one_by_one = np.array([paired_interval(gap) for gap in (hits.astype(float) - other).T])
    assert (differences.lower < one_by_one[:, 0]).all()
    assert (differences.upper > one_by_one[:, 1]).all()


def test_without_any_difference_the_intervals_by_site_seldom_leave_out_zero():
    n_repeats, n_false = 100, 0
    for seed in range(n_repeats):
        rng = np.random.default_rng(seed)
        hits, other = rng.random((2, 200, 10)) < 0.8
        n_false += set(site_differences(hits, other).outcomes) != {"cannot_tell"}
    assert n_false <= 0.12 * n_repeats


def test_a_site_at_which_no_text_differs_has_no_width():
    hits = np.stack([right(0.8, 1), right(0.5, 2)], axis=1)
    other = np.stack([right(0.6, 3), right(0.5, 2)], axis=1)
    differences = site_differences(hits, other)
    assert differences.outcomes == ["above", "cannot_tell"]
    assert (differences.lower[1], differences.upper[1]) == (0, 0)
