"""Standardisation of features: their means, and their standard deviations where they vary by more than rounding."""

from __future__ import annotations

import numpy as np

from probes.checks import InputError
from probes.sequences import Float64Array, FloatArray

CHUNK_ROWS = 256
"""Rows that are squared or scored at once: few enough for the cache of a core."""
LEAST_DEVIATION = 1e-30
"""Smallest value of the largest standard deviation: the weights of smaller features overflow in float32."""
MOST_DEVIATION = 1e100
"""Largest standard deviation: the squares of larger features overflow in float64."""
LEAST_RELATIVE_DEVIATION = 1e-6
"""Relative deviation below which a dimension is rounding error, which standardising would scale up to unit size."""
ROUNDING_ERROR = 2.0**-22
"""Largest deviation as a share of the largest mean below which all vectors are one vector with rounding errors.
Products of float32 numbers have errors of that size, also in dimensions whose own mean is small."""


def standardisation(features: FloatArray) -> tuple[Float64Array, Float64Array]:
    """Compute the (hidden,) mean and the (hidden,) scale of features.

    The scale is the standard deviation; in a dimension that varies by rounding alone it is the largest mean, or 1 if
    that is larger. Rounding errors grow with the numbers that are rounded, so that a scale of 1 would let the probe
    read them where the numbers are large.

    Args:
        features: (examples, hidden) features.

    Raises:
        InputError: A dimension varies by so little or so much that weights for it cannot be computed.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # overflow is reported below
        mean, deviation = moments(features)
    largest = float(deviation.max(initial=0.0))
    if largest and not LEAST_DEVIATION <= largest <= MOST_DEVIATION:
        size = f"{largest:.1e}" if largest < float("inf") else "more than 1e+150"
        raise InputError(
            f"features have a standard deviation of {size}, a probe takes {LEAST_DEVIATION:g} to {MOST_DEVIATION:g}; "
            "scale them first"
        )
    rounding_scale = max(1.0, float(np.abs(mean).max(initial=0.0)))
    return mean, np.where(deviation > 0, deviation, rounding_scale)


def moments(features: FloatArray) -> tuple[Float64Array, Float64Array]:
    """Compute the (hidden,) mean and the (hidden,) standard deviation of features.

    The standard deviation is 0 in a dimension that varies by rounding alone.
    """
    mean = features.mean(axis=0, dtype=np.float64)
    # Sum of squared deviations, in chunks: numpy's own would hold all rows in float64.
    total = np.zeros_like(mean)
    buffer = np.empty((min(CHUNK_ROWS, len(features)), len(mean)))
    for start in range(0, len(features), CHUNK_ROWS):
        rows = features[start : start + CHUNK_ROWS]
        centred = np.subtract(rows, mean, out=buffer[: len(rows)])
        total += np.einsum("ij,ij->j", centred, centred)
    deviation = np.sqrt(total / len(features))
    if not np.isfinite(deviation).all():
        return mean, deviation
    # All vectors are one vector with rounding errors.
    mean_size = np.abs(mean)
    largest_deviation = deviation.max(initial=0.0)
    if largest_deviation <= ROUNDING_ERROR * mean_size.max(initial=0.0):
        return mean, np.zeros_like(deviation)
    # Single dimensions that vary by rounding alone.
    least_deviation = LEAST_RELATIVE_DEVIATION * np.maximum(mean_size, largest_deviation)
    return mean, np.where(deviation > least_deviation, deviation, 0.0)
