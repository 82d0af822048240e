"""Simultaneous intervals: against Student, Bonferroni and simulation, and the detectable difference that follows."""

import numpy as np
import pytest
import scipy.stats

from probes.statistics import simultaneous
from probes.statistics.intervals import (
    FEWEST_EXAMPLES,
    HIT_DIFFERENCES,
    mean_interval,
    percentile_interval,
    wilson_interval,
)
from probes.statistics.simultaneous import (
    minimum_detectable_difference,
    simultaneous_intervals,
    simultaneous_mean_intervals,
)


def half_width(interval):
    return (interval[1] - interval[0]) / 2


def test_one_mean_has_students_interval_and_equal_columns_too():
    values = np.random.default_rng(0).standard_normal((20, 1))
    assert simultaneous_mean_intervals(values)[0] == pytest.approx(mean_interval(values[:, 0]))
    repeated = simultaneous_mean_intervals(np.tile(values, 5))
    for interval in repeated:
        assert half_width(interval) == pytest.approx(half_width(mean_interval(values[:, 0])), rel=0.02)


def test_independent_means_have_the_width_of_the_largest_of_as_many_t_statistics():
    n, n_columns = 12, 8
    values = np.linalg.qr(np.column_stack([np.ones(n), np.random.default_rng(0).standard_normal((n, n_columns))]))[0]
    values = values[:, 1:]  # without correlation, each with mean 0
    statistics = np.random.default_rng(1).standard_normal((200_000, n_columns))
    scale = np.sqrt(np.random.default_rng(2).chisquare(n - 1, 200_000) / (n - 1))
    expected = np.quantile(np.abs(statistics).max(axis=1) / scale, 0.95)
    standard_error = values.std(axis=0, ddof=1) / np.sqrt(n)
    measured = [half_width(interval) for interval in simultaneous_mean_intervals(values)]
    np.testing.assert_allclose(measured / standard_error, expected, rtol=0.02)
    assert expected < scipy.stats.t.isf(0.025 / n_columns, n - 1)  # Bonferroni is wider


@pytest.mark.parametrize("n", range(FEWEST_EXAMPLES))
def test_a_few_examples_have_no_interval(n):
    assert np.isnan(simultaneous_mean_intervals(np.ones((n, 3)), bounds=HIT_DIFFERENCES)).all()


def test_equal_values_beside_others_are_no_certainty():
    values = np.column_stack([np.zeros(50), np.arange(50) % 2])
    constant, varying = simultaneous_mean_intervals(values, bounds=HIT_DIFFERENCES)
    unseen = wilson_interval(0.0, 50, z=scipy.stats.norm.isf(0.025 / 2))[1]
    assert constant == pytest.approx((-unseen, unseen))
    assert half_width(varying) > half_width(mean_interval(values[:, 1]))
    assert np.isnan(simultaneous_mean_intervals(values)[0]).all()
    alone = simultaneous_mean_intervals(values[:, :1], bounds=HIT_DIFFERENCES)[0]
    assert alone == pytest.approx(mean_interval(values[:, 0], bounds=HIT_DIFFERENCES))


@pytest.mark.parametrize(("n", "kind"), [(16, "normal"), (100, "normal"), (100, "hits")])
def test_a_picked_column_is_called_an_effect_in_at_most_five_percent_of_nulls(monkeypatch, n, kind):
    monkeypatch.setattr(simultaneous, "N_DRAWS", 1000)
    rng = np.random.default_rng(0)
    n_simulations, n_columns = 600, 20
    simultaneous_claims, single_claims = 0, 0
    for _ in range(n_simulations):
        values = rng.standard_normal((n, 1)) + rng.standard_normal((n, n_columns))
        if kind == "hits":  # a text in ten changes
            values = (values > 2.33).astype(float) - (values < -2.33)
        intervals = simultaneous_mean_intervals(values, bounds=HIT_DIFFERENCES if kind == "hits" else None)
        simultaneous_claims += any(lower > 0 or upper < 0 for lower, upper in intervals)
        lower, _ = mean_interval(values[:, values.mean(axis=0).argmax()])
        single_claims += lower > 0
    assert single_claims / n_simulations > 0.14
    assert simultaneous_claims / n_simulations < 0.05 + 3 * np.sqrt(0.05 * 0.95 / n_simulations)


def test_simultaneous_intervals_are_wider_than_single_ones_and_hold_the_estimate():
    rng = np.random.default_rng(0)
    measured = np.array([0.0, 0.1, 0.2])
    resampled = measured + rng.standard_normal((4000, 3)) * [0, 0.05, 0.1]
    lower, upper = simultaneous_intervals(measured, resampled, n=100)
    assert (lower[0], upper[0]) == (0.0, 0.0)
    np.testing.assert_allclose((upper - lower)[1:] / 2 / [0.05, 0.1], 2.236, atol=0.06)  # two independent normals
    single = percentile_interval(resampled[:, 1])
    assert upper[1] - lower[1] > single[1] - single[0]


@pytest.mark.parametrize("spreads", [[0.05], [0.02, 0.05, 0.1]])
def test_the_detectable_difference_is_significant_with_a_probability_of_eighty_percent(spreads):
    rng = np.random.default_rng(0)
    deviations = np.array([0.0, *spreads])
    resampled = rng.standard_normal((4000, len(deviations))) * deviations
    detectable, smallest = minimum_detectable_difference(np.zeros(len(deviations)), resampled, reference=0)
    site = 1 + len(spreads) // 2  # the median one
    n_significant = 0
    for _ in range(1000):
        measured = np.zeros(len(deviations))
        measured[site] = detectable + deviations[site] * rng.standard_normal()
        lower, _ = simultaneous_intervals(measured, resampled + measured, n=100)
        n_significant += lower[site] > 0
    assert n_significant / 1000 == pytest.approx(0.8, abs=0.04)
    lower, _ = simultaneous_intervals(np.zeros(len(deviations)), resampled, n=100)
    assert smallest == pytest.approx(-lower[1])  # the site with the smallest spread


def test_only_sites_that_differ_from_the_reference_have_a_detectable_difference():
    resampled = np.random.default_rng(0).standard_normal((1000, 2)) * [0, 0.05]
    with_alike = np.column_stack([resampled, resampled[:, 0]])
    alone = minimum_detectable_difference(np.zeros(2), resampled, reference=0)
    assert minimum_detectable_difference(np.zeros(3), with_alike, reference=0) == pytest.approx(alone)
    assert np.isnan(minimum_detectable_difference(np.zeros(1), resampled[:, :1], reference=0)).all()
