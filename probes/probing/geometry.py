"""Geometry of the vectors of many texts: spread, anisotropy, CKA between layers, and predictability of one vector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray

from probes.checks import InputError, check_same_length
from probes.parallel import n_parallel_tasks, parallel_map
from probes.probing.sites import LayerFeatures
from probes.randomness import preserved_random_state
from probes.sequences import BoolArray, Float64Array, FloatArray, finite_features
from probes.statistics.intervals import N_FOLDS, jackknife_interval, percentile_interval
from probes.statistics.resampling import N_RESAMPLES, resampling_counts
from probes.statistics.standardisation import moments

MOST_SIMILARITIES = 2**24
"""Float32 similarities between texts that CKA holds in memory at once."""
RIDGE_PENALTIES = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2)
"""Penalties of ridge regression on standardised vectors, for each training example."""

UNDEFINED = (float("nan"), float("nan"))
"""Interval of a value that is not defined."""


@dataclass(frozen=True)
class Spread:
    """Distances between the vectors of different texts."""

    max_range: float
    """Largest, over dimensions, of maximum minus minimum over texts: exactly 0 where every text has the same vector."""
    relative: float
    """Root mean squared distance to the mean vector, divided by the norm of the mean vector."""


@dataclass(frozen=True, eq=False)
class Alignment:
    """Similarity of the layers of one pooling in how they arrange the same texts."""

    cka: Float64Array
    """(layers, layers) linear CKA, symmetric, 1 on the diagonal; nan for a layer that is constant over texts."""
    floor: Float64Array
    """(layers, layers) expected CKA if the texts of one layer were shuffled; nan where CKA is."""


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


def spread(features: FloatArray) -> Spread:
    """Compute the spread of (examples, hidden) vectors."""
    features = finite_features(features)
    centre = features.mean(axis=0, dtype=np.float64)
    max_range = float(np.ptp(features, axis=0).max())
    # The mean of one repeated vector differs from it by rounding; the distance is 0 all the same.
    distance = 0.0
    if max_range:
        squared_distances = np.square(features - centre).sum(axis=1)
        distance = float(np.sqrt(squared_distances.mean()))
    smallest_norm = np.finfo(np.float64).tiny
    norm = max(float(np.linalg.norm(centre)), smallest_norm)
    return Spread(max_range, distance / norm)


def anisotropy(features: FloatArray) -> float:
    """Compute the mean cosine similarity between the vectors of different texts.

    It is near 0 where directions are spread evenly, 1 where all texts share one direction, and never below
    -1 / (n - 1). All pairs count: the squared norm of the sum of n unit vectors is n plus the cosines of all ordered
    pairs.

    Args:
        features: (examples, hidden) pooled features of one layer. Zero vectors have no direction and are left out.

    Returns:
        A cosine; nan with fewer than two vectors that are not zero.

    Source: Ethayarajh (2019), anisotropy, arXiv:1909.00512; there of words in contexts, here of whole texts.
    """
    features = finite_features(features)
    squares = np.einsum("ij,ij->i", features, features, dtype=np.float64)
    norms = np.sqrt(squares)
    n = int(np.count_nonzero(norms))
    if n < 2:
        return float("nan")
    # Sum of the unit vectors.
    zeros = np.zeros_like(norms)
    inverse_norms = np.divide(1.0, norms, out=zeros, where=norms > 0)
    total = np.einsum("i,ij->j", inverse_norms, features, dtype=np.float64)
    cosine = (total @ total - n) / (n * (n - 1))
    # Rounding alone exceeds the bounds.
    lowest = -1 / (n - 1)
    return float(np.clip(cosine, lowest, 1.0))


# CKA


def linear_cka(x: FloatArray, y: FloatArray) -> float:
    """Compute linear centred kernel alignment: the similarity of two arrangements of the same texts, in float64.

    It is 1 where one arrangement is a rotation and rescaling of the other. It is 0 only where no direction of one
    varies with any of the other, and few texts increase it: unrelated Gaussian vectors of p dimensions get about
    p / (p + examples).

    Args:
        x: (examples, hidden) features.
        y: (examples, other hidden) features of the same texts, in the same order.

    Returns:
        A number in [0, 1]; nan where one side is constant over texts, as [CLS] is at layer 0, or there is one text.

    Raises:
        InputError: Lengths differ.

    Source: Kornblith et al. (2019), arXiv:1905.00414.
    """
    check_same_length(x=x, y=y)
    x = _centred(x)
    y = _centred(y)
    most_dimensions = max(x.shape[1], y.shape[1])
    if len(x) > most_dimensions:
        # More texts than dimensions: by covariances.
        covariance = x.T @ y
        shared = np.square(covariance).sum()
        x_norm = np.linalg.norm(x.T @ x)
        y_norm = np.linalg.norm(y.T @ y)
    else:
        # By similarities between texts.
        x_similarities = x @ x.T
        y_similarities = y @ y.T
        shared = np.vdot(x_similarities, y_similarities)
        x_norm = np.linalg.norm(x_similarities)
        y_norm = np.linalg.norm(y_similarities)
    scale = x_norm * y_norm
    if not scale:
        return float("nan")
    return float(np.clip(shared / scale, 0.0, 1.0))


def cka_interval(x: FloatArray, y: FloatArray, *, seed: int = 0) -> tuple[float, float]:
    """Compute the 95 % interval of `linear_cka` over texts, by a jackknife that leaves out a twentieth in turn.

    The products over all texts are computed once, and those of each part are subtracted: the interval costs about as
    much as the CKA.

    Args:
        x: (examples, hidden) features.
        y: (examples, other hidden) features of the same texts, in the same order.
        seed: Seed of the parts.

    Returns:
        Limits within [0, 1]; nan with fewer than two texts a part, or where one side is constant.
    """
    cka = linear_cka(x, y)
    if len(x) < 2 * N_FOLDS or np.isnan(cka):
        return UNDEFINED
    x = _centred(x)
    y = _centred(y)
    order = np.random.default_rng(seed).permutation(len(x))
    part_ids = order % N_FOLDS
    covariances = (x.T @ y, x.T @ x, y.T @ y)
    # CKA without each part.
    replicates = []
    for part in range(N_FOLDS):
        held_out = part_ids == part
        replicates.append(_cka_without(held_out, x, y, covariances))
    lower, upper = jackknife_interval(cka, np.array(replicates))
    return max(0.0, lower), min(1.0, upper)


def _cka_without(
    held_out: BoolArray, x: Float64Array, y: Float64Array, covariances: tuple[Float64Array, Float64Array, Float64Array]
) -> float:
    """Compute CKA without some texts, from the products of x with y, x with x and y with y over all texts.

    Args:
        held_out: (examples,) texts to leave out.
        x: (examples, hidden) features, centred on all texts.
        y: (examples, other hidden) features, centred on all texts.
        covariances: Products over all texts.
    """
    x_part = x[held_out]
    y_part = y[held_out]
    n_remaining = len(x) - len(x_part)
    # Features are centred on all texts, so that the remaining ones sum to minus the sum of the part.
    x_sum = -x_part.sum(axis=0)
    y_sum = -y_part.sum(axis=0)
    products = (x_part.T @ y_part, x_part.T @ x_part, y_part.T @ y_part)
    sums = ((x_sum, y_sum), (x_sum, x_sum), (y_sum, y_sum))
    norms = []
    for covariance, product, (left_sum, right_sum) in zip(covariances, products, sums, strict=True):
        # Subtract the part, then centre on the remaining texts.
        remaining = covariance - product - np.outer(left_sum, right_sum) / n_remaining
        norms.append(np.linalg.norm(remaining))
    shared_norm, x_norm, y_norm = norms
    return float(shared_norm**2 / (x_norm * y_norm))


def cka_matrix(features: LayerFeatures, layers: Sequence[int]) -> Alignment:
    """Compute linear CKA of every two layers through float32 products, within 1e-5 of `linear_cka`, and its floor.

    Each layer is read once. In memory are a float32 copy of all layers (13 x 10,000 x 768: .4 GB), two layers in
    float64 and 64 MB. The multiplications are half of layers x hidden x examples x (layers x hidden), or x examples
    where those are far fewer: take a sample of a large dataset.

    The floor is the mean over all orders of the texts of one side, not over a few draws: for centred similarities K and
    M of n texts it is tr K tr M / ((n - 1) |K| |M|), which costs a sum of squares a layer. Gaussian vectors of p
    dimensions get about p / (p + n); vectors that vary in few directions get less.

    Args:
        features: Layer -> (examples, hidden), of one pooling.
        layers: Layers in the order of the result.

    Raises:
        InputError: No layer is asked for, or two have different shapes.

    Source: Kornblith et al. (2019), arXiv:1905.00414. The floor: Kazi-Aoual et al. (1995), Computational Statistics &
    Data Analysis 20, there of the RV coefficient, which is linear CKA.
    """
    if not len(layers):
        raise InputError("no layer is asked for; name at least one")
    centred = _centred_layers(features, layers)
    n_layers, n_examples, hidden = centred.shape
    # Inner products of the layers' similarities, the cheaper way; narrow bands run slower than the count says.
    inner_products = _shared_by_texts if 2 * n_examples < n_layers * hidden else _shared_by_dimensions
    shared = inner_products(centred)
    norms = np.sqrt(np.diagonal(shared))
    scale = np.outer(norms, norms)
    varies = scale > 0
    undefined = np.full_like(scale, np.nan)
    cka = np.divide(shared, scale, out=undefined.copy(), where=varies)
    # Floor: a layer's trace is at most |K| sqrt(n - 1), so that it is 1 where few texts lie at equal distances.
    traces = [np.einsum("ij,ij->", layer, layer, dtype=np.float64) for layer in centred]
    shuffled = np.outer(traces, traces)
    floor_scale = scale * (n_examples - 1)
    floor = np.divide(shuffled, floor_scale, out=undefined, where=varies)
    return Alignment(cka.clip(0.0, 1.0), floor.clip(0.0, 1.0))


def _centred_layers(features: LayerFeatures, layers: Sequence[int]) -> NDArray[np.float32]:
    """Return the (layers, examples, hidden) centred features of some layers."""
    first = _centred(features[layers[0]])
    shape = (len(layers), *first.shape)
    centred = np.empty(shape, dtype=np.float32)

    def centre_layer(i: int) -> None:
        layer = first if i == 0 else _centred(features[layers[i]])
        if layer.shape != first.shape:
            raise InputError(
                f"layer {layers[i]} is {layer.shape}, layer {layers[0]} is {first.shape}; "
                "give layers of one pooling of the same texts"
            )
        centred[i] = layer

    with parallel_map(n_parallel_tasks(2 * first.nbytes, "cpu")) as run:
        list(run(centre_layer, range(len(layers))))
    return centred


def _shared_by_texts(centred: NDArray[np.float32]) -> Float64Array:
    """Return the (layers, layers) inner products of the layers' (examples, examples) similarities, band by band."""
    n_layers, n_examples, _ = centred.shape
    shared = np.zeros((n_layers, n_layers))
    n_rows = max(1, MOST_SIMILARITIES // (n_layers * n_examples))
    for start in range(0, n_examples, n_rows):
        # Similarities of some texts to themselves and to all later texts.
        rows = centred[:, start : start + n_rows]
        later_rows = centred[:, start:]
        band = rows @ later_rows.transpose(0, 2, 1)
        # Similarities to later texts occur twice in the symmetric matrix.
        n_band_rows = band.shape[1]
        band[:, :, n_band_rows:] *= np.float32(np.sqrt(2))
        flat = band.reshape(n_layers, -1)
        shared += flat @ flat.T
    return shared


def _shared_by_dimensions(centred: NDArray[np.float32]) -> Float64Array:
    """Return the same inner products as squared norms of the (hidden, hidden) covariances between two layers."""
    n_layers = len(centred)
    shared = np.empty((n_layers, n_layers))
    varies = np.asarray(centred.any(axis=(1, 2)))  # [CLS] at layer 0 does not: a product is saved

    def squared_norm(pair: tuple[int, int]) -> float:
        if not varies[list(pair)].all():
            return 0.0
        first, second = pair
        covariance = centred[first].T @ centred[second]
        return float(np.einsum("ij,ij->", covariance, covariance, dtype=np.float64))

    pairs = list(combinations_with_replacement(range(n_layers), 2))
    with parallel_map(n_parallel_tasks(0, "cpu")) as run:
        squared_norms = run(squared_norm, pairs)
        for (first, second), value in zip(pairs, squared_norms, strict=True):
            shared[first, second] = value
            shared[second, first] = value
    return shared


def _centred(features: FloatArray) -> Float64Array:
    """Centre (examples, hidden) features and scale them to a largest entry of 1; constant features are exactly 0."""
    features = finite_features(features)
    # The mean of one repeated vector differs from it by rounding, and CKA does not depend on the scale.
    if (features == features[:1]).all():
        return np.zeros(features.shape)
    mean = features.mean(axis=0, dtype=np.float64)
    centred: Float64Array = features - mean
    centred /= max(centred.max(), -centred.min())
    return centred


# Predictability


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
        raise InputError(f"a share of variance needs 2 texts, found {len(x)} to fit on and {len(test_x)} to predict")


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
