"""Shares of two samples, such as accuracies on validation and on test, compared."""

from __future__ import annotations

import math
from statistics import NormalDist

from probes.statistics.bootstrap import LEVEL, wilson


def difference_of_shares(
    one: float, n_one: int, other: float, n_other: int, *, comparisons: int = 1
) -> tuple[float, float]:
    """95 % interval of `one - other`, shares of two independent samples; for so many comparisons at once.

    Source: Newcombe (1998), Statistics in Medicine 17, method 10.
    """
    z = NormalDist().inv_cdf(1 - (1 - LEVEL) / 2 / comparisons)
    (low_one, high_one), (low_other, high_other) = wilson(one, n_one, z=z), wilson(other, n_other, z=z)
    gap = one - other
    return gap - math.hypot(one - low_one, high_other - other), gap + math.hypot(high_one - one, other - low_other)
