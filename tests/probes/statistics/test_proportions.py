"""Shares of two samples compared."""

import numpy as np
import pytest

from probes.statistics.proportions import difference_of_shares


def test_the_interval_of_a_difference_is_newcombes():
    # Newcombe (1998), table II, method 10: 56/70 - 48/80 and 9/10 - 3/10.
    assert difference_of_shares(56 / 70, 70, 48 / 80, 80) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert difference_of_shares(0.9, 10, 0.3, 10) == pytest.approx((0.1705, 0.8090), abs=5e-5)


def test_the_other_way_round_is_the_mirror_image():
    lower, upper = difference_of_shares(0.8, 50, 0.6, 90)
    assert difference_of_shares(0.6, 90, 0.8, 50) == pytest.approx((-upper, -lower))


def test_equal_samples_seldom_differ_by_more_than_chance_and_more_seldom_among_several():
    rng = np.random.default_rng(0)
    one, other = rng.binomial(120, 0.85, size=(2, 2000)) / 120
    missed = {}
    for comparisons in (1, 10):
        limits = [
            difference_of_shares(a, 120, b, 120, comparisons=comparisons) for a, b in zip(one, other, strict=True)
        ]
        missed[comparisons] = np.mean([lower > 0 or upper < 0 for lower, upper in limits])
    assert 0.03 < missed[1] < 0.07
    assert missed[10] < 0.012
