"""The paired difference of two results and its interval."""

import numpy as np

from probes.statistics.paired_difference import paired_interval
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
