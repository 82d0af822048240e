"""Simultaneous confidence intervals: those of several differences, of which any may be picked for its value."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from probes.sequences import Float64Array, FloatArray
from probes.statistics.intervals import (
    FEWEST_EXAMPLES,
    LEVEL,
    Interval,
    constant_interval,
    is_constant,
    wilson_interval,
    within_bounds,
)

N_DRAWS = 20_000
"""Draws of the largest of several t statistics."""
POWER = 0.8
"""Probability with which the minimum detectable difference is found to be significant."""
POWER_QUANTILE = NormalDist().inv_cdf(POWER)


# Means over the same examples


def simultaneous_mean_intervals(values: FloatArray, *, bounds: Interval | None = None) -> list[Interval]:
    """Compute intervals of several means over the same examples that hold together with 95 % confidence (max-T).

    Each interval reaches as far from its mean as a critical value times the standard error. The critical value is the
    95 % quantile of the largest absolute value of correlated t statistics, which have the correlations of the columns;
    it is computed from `N_DRAWS` draws with a fixed seed. Whichever column is picked for its value, its interval covers
    the mean with at least 95 % confidence. For a single column this is Student's interval.

    Args:
        values: (examples, columns) values, of which each column has a mean.
        bounds: Smallest and largest possible value; None where there are none.

    Returns:
        The interval of each column's mean, within the bounds. With fewer than `FEWEST_EXAMPLES` examples both ends are
        nan. Equal values have the interval of `constant_interval`, at a level divided by the number of columns.

    Source: Hothorn, Bretz & Westfall (2008), Biometrical Journal 50 (simultaneous inference by the multivariate t).
    """
    n, n_columns = values.shape
    if n < FEWEST_EXAMPLES:
        return [(math.nan, math.nan)] * n_columns
    means = values.mean(axis=0)
    ranges = np.ptp(values, axis=0)
    constant = [is_constant(*pair) for pair in zip(means.tolist(), ranges.tolist(), strict=True)]
    varying = ~np.array(constant, dtype=bool)
    deviations = values.std(axis=0, ddof=1)
    critical_value = _critical_value((values - means)[:, varying] / deviations[varying], n_columns)
    half_widths = critical_value * deviations / math.sqrt(n)
    z = NormalDist().inv_cdf(1 - (1 - LEVEL) / 2 / n_columns)
    intervals = []
    for mean, half_width, is_varying in zip(means.tolist(), half_widths.tolist(), varying.tolist(), strict=True):
        if is_varying:
            intervals.append(within_bounds(mean - half_width, mean + half_width, bounds))
        else:
            intervals.append(constant_interval(mean, n, bounds, z=z))
    return intervals


def _critical_value(standardised: Float64Array, n_columns: int) -> float:
    """Return the 95 % quantile of the largest absolute t statistic; that of Bonferroni where it is smaller.

    Args:
        standardised: (examples, varying columns) values with mean 0 and standard deviation 1.
        n_columns: Number of all columns, those of equal values included.
    """
    from scipy.special import stdtrit

    n, n_varying = standardised.shape
    bonferroni = float(stdtrit(n - 1, 1 - (1 - LEVEL) / 2 / n_columns))
    if n_varying < 2:
        return bonferroni
    # Normal draws with the correlations of the columns.
    eigenvalues, eigenvectors = np.linalg.eigh(standardised.T @ standardised / (n - 1))
    factor = eigenvectors * np.sqrt(np.maximum(eigenvalues, 0.0))
    rng = np.random.default_rng(0)
    normal = rng.standard_normal((N_DRAWS, n_varying)) @ factor.T
    scale = np.sqrt(rng.chisquare(n - 1, N_DRAWS) / (n - 1))
    largest = np.abs(normal).max(axis=1) / scale
    return min(bonferroni, float(np.quantile(largest, LEVEL)))


# Differences of accuracy under resampling


def simultaneous_intervals(
    differences: FloatArray,
    resampled_differences: FloatArray,
    *,
    n: int,
) -> tuple[Float64Array, Float64Array]:
    """Compute intervals that hold for all differences at once with 95 % confidence (max-T).

    Args:
        differences: (sites,) differences in accuracy from the reference.
        resampled_differences: (resamples, sites) the same under resampling.
        n: Number of examples.

    Returns:
        (sites,) lower ends and (sites,) upper ends.

    Source: Westfall & Young (1993), Resampling-Based Multiple Testing.
    """
    spread = resampled_differences.std(axis=0)
    half_width = _largest_deviation(differences, resampled_differences) * spread
    lower = differences - half_width
    upper = differences + half_width
    # A difference on every example never varies under resampling; it has a closed form.
    is_total = (np.abs(differences) == 1) & (spread == 0)
    for site in np.flatnonzero(is_total):
        interval = _total_difference_interval(float(differences[site]), n)
        lower[site], upper[site] = interval
    return lower, upper


def _largest_deviation(differences: FloatArray, resampled_differences: FloatArray) -> float:
    """Return the 95 % quantile of the largest studentised deviation of a resampling from the differences."""
    spread = resampled_differences.std(axis=0)
    deviations = np.abs(resampled_differences - differences)
    studentised = np.divide(
        deviations,
        spread,
        out=np.zeros_like(deviations),
        where=spread > 0,
    )
    return float(np.quantile(studentised.max(axis=1, initial=0.0), LEVEL))


def _total_difference_interval(difference: float, n: int) -> Interval:
    """Compute the 95 % interval of a difference of accuracies that is 1, or -1, on all n examples."""
    unseen_share = wilson_interval(1.0, n)[0]
    nearest = 2 * unseen_share - 1  # every unseen example might differ in the other direction
    return (nearest, 1.0) if difference > 0 else (-1.0, -nearest)


def minimum_detectable_difference(
    differences: FloatArray,
    resampled_differences: FloatArray,
    *,
    reference: int,
) -> tuple[float, float]:
    """Compute how large a difference from the reference must be for its simultaneous interval to exclude 0.

    A true difference of the size of the half width is significant with a probability of only 50 %, as its estimate lies
    below it as often as above. With a probability of `POWER` a difference is significant that is larger by the quantile
    of the normal distribution times the standard error.

    Args:
        differences: (sites,) differences in accuracy from the reference.
        resampled_differences: (resamples, sites) the same under resampling.
        reference: Index of the reference among the sites.

    Returns:
        The true difference that is significant with a probability of `POWER` at the median site, and the smallest
        difference that is significant at any site. nan where no other site differs from the reference for any example.

    Source: Cohen (1988), Statistical Power Analysis for the Behavioral Sciences, chapter 1.
    """
    spread = np.delete(resampled_differences.std(axis=0), reference)
    spread = spread[spread > 0]
    if not len(spread):
        return math.nan, math.nan
    critical_value = _largest_deviation(differences, resampled_differences)
    detectable = (critical_value + POWER_QUANTILE) * float(np.median(spread))
    smallest = critical_value * float(spread.min())
    return detectable, smallest
