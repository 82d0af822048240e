"""Linear CKA: the similarity of two layers, or of all layers, in how they arrange the same texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray

from probes.checks import InputError, check_same_length
from probes.parallel import n_parallel_tasks, parallel_map
from probes.sequences import BoolArray, Float64Array, FloatArray, LayerFeatures, finite_features
from probes.statistics.intervals import N_FOLDS, jackknife_interval

MOST_SIMILARITIES = 2**24
"""Float32 similarities between texts that CKA holds in memory at once."""
ROUNDING_SHARE = 1e-13
"""Share of the variance of all texts up to which that of a part of them is rounding, so that the part is constant."""
UNDEFINED = (float("nan"), float("nan"))
"""Interval of a value that is not defined."""


@dataclass(frozen=True, eq=False)
class Alignment:
    """Similarity of the layers of one pooling in how they arrange the same texts."""

    cka: Float64Array
    """(layers, layers) linear CKA, symmetric, 1 on the diagonal; nan for a layer that is constant over texts."""
    floor: Float64Array
    """(layers, layers) expected CKA if the texts of one layer were shuffled; nan where CKA is."""


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
        Limits within [0, 1]; nan with fewer than two texts a part, or where one side is constant, be it without one of
        the parts.
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
    if np.isnan(lower):
        return UNDEFINED
    return max(0.0, lower), min(1.0, upper)


def _cka_without(
    held_out: BoolArray, x: Float64Array, y: Float64Array, covariances: tuple[Float64Array, Float64Array, Float64Array]
) -> float:
    """Compute CKA without some texts, from the products of x with y, x with x and y with y over all texts.

    It is nan where one side of the remaining texts is constant, up to rounding.

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
        norm = float(np.linalg.norm(remaining))
        norms.append(norm if norm > ROUNDING_SHARE * np.linalg.norm(covariance) else 0.0)
    shared_norm, x_norm, y_norm = norms
    scale = x_norm * y_norm
    return shared_norm**2 / scale if scale > 0 else float("nan")


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
        raise InputError("no layers; name at least one")
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
