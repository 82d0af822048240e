"""Predictability of [CLS]: the share of its variance that ridge regression predicts from another vector of the text."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from probes.checks import InputError, check_same_length
from probes.parallel import n_parallel_tasks, parallel_map
from probes.randomness import preserved_random_state
from probes.sequences import Float64Array, FloatArray, finite_features
from probes.statistics.intervals import percentile_interval
from probes.statistics.resampling import N_RESAMPLES, resampling_counts
from probes.statistics.standardisation import moments

RIDGE_PENALTIES = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2)
"""Penalties of ridge regression on standardised vectors, for each training example."""
UNDEFINED = (float("nan"), float("nan"))
"""Interval of a value that is not defined."""


@dataclass(frozen=True, eq=False)
class Predictability:
    """Share of the variance of one vector of a text that another vector predicts, on texts not used in the fit."""

    r2: Float64Array
    """(hidden,) share of a dimension's variance that is predicted: 1 is all, below 0 is worse than predicting the mean
    of the test texts; nan where it is constant over the training or the test texts, as [CLS] is at layer 0."""
    interval: tuple[float, float]
    """95 % CI of `mean`, over resampled test texts."""
    floor: Float64Array
    """(hidden,) the same share after a fit on shuffled pairs, in which every training text has another's vector."""

    @property
    def mean(self) -> float:
        """Mean of `r2` over the dimensions that vary; nan where none does."""
        return _mean_of_defined(self.r2)

    @property
    def mean_floor(self) -> float:
        """Mean of `floor` over the dimensions that vary; nan where none does."""
        return _mean_of_defined(self.floor)


def predictability(
    x: FloatArray, y: FloatArray, *, test_x: FloatArray, test_y: FloatArray, seed: int = 0
) -> Predictability:
    """Compute the share of the variance of `y` that is a linear function of `x`, by ridge regression.

    Both sides are standardised on the training texts. Each dimension of `y` has the penalty of `RIDGE_PENALTIES` with
    the lowest leave-one-out error. Dimensions that vary by rounding alone neither predict nor are predicted.

    Args:
        x: (examples, hidden) predicting vectors of the training texts.
        y: (examples, other hidden) predicted vectors of the same texts.
        test_x: (test examples, hidden) predicting vectors of the test texts.
        test_y: (test examples, other hidden) predicted vectors of the test texts.
        seed: Seed of the shuffled pairs, and of the resampled test texts.

    Raises:
        InputError: Shapes do not fit together, there are fewer than 2 texts on a side, or a value is not finite.
    """
    check_same_length(x=x, y=y)
    check_same_length(test_x=test_x, test_y=test_y)
    x, y, test_x, test_y = map(finite_features, (x, y, test_x, test_y))
    _check_dimensions(x, y, test_x, test_y)
    _, y_deviation = moments(y)
    _, test_y_deviation = moments(test_y)
    varies = (y_deviation > 0) & (test_y_deviation > 0)
    r2 = np.full(y.shape[1], np.nan)
    floor = np.full(y.shape[1], np.nan)
    if not varies.any():
        return Predictability(r2, UNDEFINED, floor)
    # Standardise x, without the dimensions that do not vary.
    mean, deviation = moments(x)
    zeros = np.zeros_like(deviation)
    inverse_scale = np.divide(1.0, deviation, out=zeros, where=deviation > 0)
    standardised_x = (x - mean) * inverse_scale
    standardised_test_x = (test_x - mean) * inverse_scale
    # Squared errors of fits on the real and on shuffled pairs.
    truth = test_y[:, varies].astype(np.float64)
    rng = np.random.default_rng(seed)
    shuffled_x = standardised_x[rng.permutation(len(x))]

    def squared_errors(train_x: Float64Array) -> Float64Array:
        predictions = _ridge_predictions(train_x, y[:, varies], standardised_test_x)
        return np.asarray(np.square(truth - predictions))

    with parallel_map(n_parallel_tasks(3 * standardised_x.nbytes, "cpu")) as run:
        errors, shuffled_errors = run(squared_errors, (standardised_x, shuffled_x))
    # Share of the variance.
    centred_truth = truth - truth.mean(axis=0)
    variance = np.square(centred_truth).sum(axis=0)
    r2[varies] = 1 - errors.sum(axis=0) / variance
    floor[varies] = 1 - shuffled_errors.sum(axis=0) / variance
    return Predictability(r2, _r2_interval(truth, errors, rng), floor)


def _check_dimensions(x: FloatArray, y: FloatArray, test_x: FloatArray, test_y: FloatArray) -> None:
    """Raise unless training and test vectors have the same dimensions, and two texts or more."""
    x_sizes = (x.shape[1], test_x.shape[1])
    y_sizes = (y.shape[1], test_y.shape[1])
    if x_sizes[0] != x_sizes[1] or y_sizes[0] != y_sizes[1]:
        sizes = f"x {x_sizes[0]} and {x_sizes[1]}, y {y_sizes[0]} and {y_sizes[1]}"
        raise InputError(f"training and test vectors must have the same dimensions, found {sizes}")
    if min(len(x), len(test_x)) < 2:
        raise InputError(
            f"a share of variance needs 2 texts or more, found {len(x)} to fit on and {len(test_x)} to predict"
        )


def _ridge_predictions(x: Float64Array, y: FloatArray, test_x: Float64Array) -> Float64Array:
    """Return the (test examples, hidden) predictions of `y` by ridge regression, with a penalty for each dimension."""
    with preserved_random_state():
        from sklearn.linear_model import RidgeCV

    mean = y.mean(axis=0, dtype=np.float64)
    scale = y.std(axis=0, dtype=np.float64)
    penalties = np.array(RIDGE_PENALTIES) * len(x)
    standardised_y = (y - mean) / scale
    ridge = RidgeCV(penalties, alpha_per_target=True)
    ridge.fit(x, standardised_y)
    predictions = ridge.predict(test_x).reshape(len(test_x), -1)
    return np.asarray(predictions * scale + mean)


def _r2_interval(truth: Float64Array, errors: Float64Array, rng: np.random.Generator) -> tuple[float, float]:
    """Compute the 95 % interval of the mean R² over dimensions, over resampled test texts.

    Args:
        truth: (test examples, dimensions) predicted vectors.
        errors: (test examples, dimensions) squared errors.
        rng: Random generator of the resamples.
    """
    n_examples, n_dimensions = truth.shape
    centred = truth - truth.mean(axis=0)
    # A resample is a row of counts of texts: all sums over it are one product.
    terms = np.concatenate([errors, np.square(centred), centred], axis=1)
    values = np.empty(N_RESAMPLES)
    width = n_examples + 3 * n_dimensions
    for chunk, counts in resampling_counts(n_examples, rng, width=width):
        sums = counts.astype(np.float64) @ terms
        error_sums, square_sums, centred_sums = np.split(sums, 3, axis=1)
        variance = square_sums - np.square(centred_sums) / n_examples
        # A resample of few texts may hold one text alone, which does not vary.
        undefined = np.full_like(error_sums, np.nan)
        unexplained = np.divide(error_sums, variance, out=undefined, where=variance > 0)
        values[chunk] = 1 - unexplained.mean(axis=1)
    return percentile_interval(values)


def _mean_of_defined(values: Float64Array) -> float:
    """Return the mean of the values that are not nan; nan where all are."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else float("nan")
