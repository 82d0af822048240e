"""Shapes of the clouds of vectors that a layer makes of many texts, and how well one is predicted from another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probes.checks import InputError, check_same_length
from probes.parallel import n_parallel_tasks, parallel_map
from probes.probing.sites import LayerFeatures
from probes.probing.standardisation import moments
from probes.randomness import preserved_random_state
from probes.sequences import finite_features
from probes.statistics.intervals import N_FOLDS, jackknife_interval, percentile_interval
from probes.statistics.resampling import N_RESAMPLES, resampling_counts

BAND = 2**24
"""Float32 entries of similarities between texts that CKA holds at a time."""
PENALTIES = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2)
"""Of ridge regression on standardised vectors, a training example."""


@dataclass(frozen=True)
class Spread:
    """How far apart the vectors of different texts lie."""

    max_range: float
    """Largest, over dimensions, of maximum minus minimum over texts: exactly 0 where every text has the same vector."""
    relative: float
    """Root mean squared distance to the mean vector, divided by the norm of the mean vector."""


@dataclass(frozen=True, eq=False)
class Alignment:
    """How alike the layers of one pooling place the same texts."""

    cka: NDArray[np.float64]
    """(layers, layers) linear CKA, symmetric, 1 on the diagonal; nan beside a layer that is constant over texts."""
    floor: NDArray[np.float64]
    """(layers, layers) what it would be on average if the texts of one layer were shuffled; nan where CKA is."""


@dataclass(frozen=True, eq=False)
class Predictability:
    """How well one vector of a text is predicted from another, on texts that the regression has not seen."""

    r2: NDArray[np.float64]
    """(hidden,) share of a dimension's variance that is predicted: 1 is all, below 0 is worse than saying the test
    texts' mean; nan where it is constant over the training or the test texts, as [CLS] is at layer 0."""
    interval: tuple[float, float]
    """95 % of `mean`, over resamplings of the test texts."""
    floor: NDArray[np.float64]
    """(hidden,) the same after a fit on shuffled pairs: every training text has another's vector."""

    @property
    def mean(self) -> float:
        """`r2` averaged over the dimensions that vary; nan where none does."""
        return _average(self.r2)

    @property
    def mean_floor(self) -> float:
        """`floor` averaged likewise."""
        return _average(self.floor)


def spread(features: NDArray[np.floating[Any]]) -> Spread:
    """Spread of (examples, hidden) vectors."""
    features = finite_features(features)
    centre = features.mean(axis=0, dtype=np.float64)
    max_range = float(np.ptp(features, axis=0).max())
    # Of one vector repeated, the mean differs from it by rounding; its distance is 0 all the same.
    distance = float(np.sqrt(np.square(features - centre).sum(axis=1).mean())) if max_range else 0.0
    return Spread(max_range, distance / max(float(np.linalg.norm(centre)), np.finfo(np.float64).tiny))


def anisotropy(features: NDArray[np.floating[Any]]) -> float:
    """Mean cosine similarity between the vectors of different texts.

    Near 0 where directions are spread evenly, 1 where all texts share one, never below -1 / (n - 1). All pairs count,
    none is sampled: the squared norm of the sum of n unit vectors is n plus the cosines of all ordered pairs.

    Args:
        features: (examples, hidden) pooled features of one layer. A zero vector has no direction and is left out.

    Returns:
        A cosine; nan with fewer than two vectors that are not zero.

    Source: Ethayarajh (2019), anisotropy, arXiv:1909.00512; there of words in contexts, here of whole texts.
    """
    features = finite_features(features)
    norms = np.sqrt(np.einsum("ij,ij->i", features, features, dtype=np.float64))
    n = int(np.count_nonzero(norms))
    if n < 2:
        return float("nan")
    inverse = np.divide(1.0, norms, out=np.zeros_like(norms), where=norms > 0)
    total = np.einsum("i,ij->j", inverse, features, dtype=np.float64)
    # Rounding alone crosses the bounds.
    return float(np.clip((total @ total - n) / (n * (n - 1)), -1 / (n - 1), 1.0))


def linear_cka(x: NDArray[np.floating[Any]], y: NDArray[np.floating[Any]]) -> float:
    """Linear centred kernel alignment: how alike two sets of vectors place the same texts, in float64.

    1 where one is a rotation and rescaling of the other. It is 0 only where no direction of one varies with any of the
    other, and few texts push it up: unrelated Gaussian vectors of p dimensions get about p / (p + examples).

    Args:
        x: (examples, hidden) features.
        y: (examples, other hidden) features of the same texts, in the same order.

    Returns:
        In [0, 1]; nan where a side is constant over texts, as [CLS] is at layer 0, or there is but one text.

    Raises:
        InputError: Lengths differ.

    Source: Kornblith et al. (2019), arXiv:1905.00414.
    """
    check_same_length(x=x, y=y)
    a, b = _centred(x), _centred(y)
    if len(a) > max(a.shape[1], b.shape[1]):
        shared, own = np.square(a.T @ b).sum(), np.linalg.norm(a.T @ a) * np.linalg.norm(b.T @ b)
    else:
        k, m = a @ a.T, b @ b.T
        shared, own = np.vdot(k, m), np.linalg.norm(k) * np.linalg.norm(m)
    return float(np.clip(shared / own, 0.0, 1.0)) if own else float("nan")


def cka_interval(x: NDArray[np.floating[Any]], y: NDArray[np.floating[Any]], *, seed: int = 0) -> tuple[float, float]:
    """95 % interval of `linear_cka` over texts, by a jackknife that leaves out a twentieth of them in turn.

    The products of all texts are taken once, and those of each share subtracted: it costs about as much as the CKA.

    Args:
        x: (examples, hidden) features.
        y: (examples, other hidden) features of the same texts, in the same order.
        seed: Of the shares.

    Returns:
        Within [0, 1]; nan with fewer than two texts a share, or where a side is constant.
    """
    measured = linear_cka(x, y)
    if len(x) < 2 * N_FOLDS or np.isnan(measured):
        return float("nan"), float("nan")
    sides = _centred(x), _centred(y)
    dealt = np.random.default_rng(seed).permutation(len(x)) % N_FOLDS
    pairs = [(0, 1), (0, 0), (1, 1)]
    whole = [sides[i].T @ sides[j] for i, j in pairs]
    without = []
    for share in range(N_FOLDS):
        out = [side[dealt == share] for side in sides]
        # Centred on all texts: the rest sums to minus what is left out.
        rest, n = [-own.sum(axis=0) for own in out], len(x) - len(out[0])
        norms = [
            np.linalg.norm(total - out[i].T @ out[j] - np.outer(rest[i], rest[j]) / n)
            for (i, j), total in zip(pairs, whole, strict=True)
        ]
        without.append(norms[0] ** 2 / (norms[1] * norms[2]))
    lower, upper = jackknife_interval(measured, np.array(without))
    return max(0.0, lower), min(1.0, upper)


def cka_matrix(features: LayerFeatures, layers: Sequence[int]) -> Alignment:
    """Linear CKA of every two layers, through float32 products: within 1e-5 of `linear_cka`, and its floor.

    Each layer is asked for once. Held are a float32 copy of all layers (13 x 10,000 x 768: .4 GB), two layers in
    float64 and 64 MB. The multiplications are half of layers x hidden x examples x (layers x hidden), or x examples
    where those are far fewer: take a sample of a large dataset.

    The floor is the mean over all orders of the texts of one side, not over a few draws: of centred similarities K and
    M of n texts it is tr K tr M / ((n - 1) |K| |M|), which costs a sum of squares a layer. Gaussian vectors of p
    dimensions get about p / (p + n); vectors that vary in few directions get less.

    Args:
        features: Layer -> (examples, hidden), of one pooling.
        layers: In the order of the result.

    Raises:
        InputError: No layer is asked for, or two have different shapes.

    Source: Kornblith et al. (2019), arXiv:1905.00414. The floor: Kazi-Aoual et al. (1995), Computational Statistics &
    Data Analysis 20, there of the RV coefficient, which is linear CKA.
    """
    if not len(layers):
        raise InputError("no layer is asked for; name at least one")
    first = _centred(features[layers[0]])
    held = np.empty((len(layers), *first.shape), dtype=np.float32)

    def hold(i: int) -> None:
        centred = _centred(features[layers[i]]) if i else first
        if centred.shape != first.shape:
            raise InputError(
                f"layer {layers[i]} is {centred.shape}, layer {layers[0]} is {first.shape}; "
                "give layers of one pooling of the same texts"
            )
        held[i] = centred

    with parallel_map(n_parallel_tasks(2 * first.nbytes, "cpu")) as run:
        list(run(hold, range(len(layers))))
    examples, hidden = first.shape
    # Equal work where the two sides are equal, but narrow bands run slower.
    shared = _shared_by_texts(held) if 2 * examples < len(layers) * hidden else _shared_by_dimensions(held)
    own = np.sqrt(np.diagonal(shared))
    scale = np.outer(own, own)
    unknown = np.full_like(scale, np.nan)
    alike = np.divide(shared, scale, out=unknown.copy(), where=scale > 0)
    # A layer's trace is at most |K| sqrt(n - 1): the floor is 1 where few texts lie at equal distances.
    traces = np.array([np.einsum("ij,ij->", x, x, dtype=np.float64) for x in held])
    shuffled = np.divide(np.outer(traces, traces), scale * (examples - 1), out=unknown, where=scale > 0)
    return Alignment(alike.clip(0.0, 1.0), shuffled.clip(0.0, 1.0))


def _shared_by_texts(held: NDArray[np.float32]) -> NDArray[np.float64]:
    """(layers, layers) inner products of the layers' (examples, examples) similarities, a band of rows at a time."""
    n_layers, examples, _ = held.shape
    shared = np.zeros((n_layers, n_layers))
    step = max(1, BAND // (n_layers * examples))
    for start in range(0, examples, step):
        band = held[:, start : start + step] @ held[:, start:].transpose(0, 2, 1)
        # What lies right of the band's square stands for its mirror image too.
        band[:, :, band.shape[1] :] *= np.float32(np.sqrt(2))
        flat = band.reshape(n_layers, -1)
        shared += flat @ flat.T
    return shared


def _shared_by_dimensions(held: NDArray[np.float32]) -> NDArray[np.float64]:
    """The same as squared norms of the layers' (hidden, hidden) covariances with each other."""
    n_layers = len(held)
    shared = np.empty((n_layers, n_layers))

    varies = np.asarray(held.any(axis=(1, 2)))  # [CLS] at layer 0 does not: a product is saved

    def norm(pair: tuple[int, int]) -> float:
        if not varies[list(pair)].all():
            return 0.0
        cross = held[pair[0]].T @ held[pair[1]]
        return float(np.einsum("ij,ij->", cross, cross, dtype=np.float64))

    pairs = list(combinations_with_replacement(range(n_layers), 2))
    with parallel_map(n_parallel_tasks(0, "cpu")) as run:
        for (i, j), squared in zip(pairs, run(norm, pairs), strict=True):
            shared[i, j] = shared[j, i] = squared
    return shared


def _centred(features: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """(examples, hidden) about the mean, the largest entry 1 in size; exact zeros where all texts have one vector."""
    features = finite_features(features)
    # Of one vector repeated, the mean differs from it by rounding, and CKA knows no scale.
    if (features == features[:1]).all():
        return np.zeros(features.shape)
    centred: NDArray[np.float64] = features - features.mean(axis=0, dtype=np.float64)
    centred /= max(centred.max(), -centred.min())
    return centred


def predictability(
    x: NDArray[np.floating[Any]],
    y: NDArray[np.floating[Any]],
    *,
    test_x: NDArray[np.floating[Any]],
    test_y: NDArray[np.floating[Any]],
    seed: int = 0,
) -> Predictability:
    """How much of `y` is a linear function of `x`, dimension by dimension, by ridge regression.

    Both sides are standardised on the training texts. Each dimension of `y` has the penalty of `PENALTIES` that
    predicts it best when every training text is left out once. Dimensions that vary by rounding alone neither predict
    nor are predicted.

    Args:
        x: (examples, hidden) what predicts, of training texts.
        y: (examples, other hidden) what is predicted, of the same texts.
        test_x: (test examples, hidden)
        test_y: (test examples, other hidden)
        seed: Of the shuffled pairs, and of the resampled test texts.

    Raises:
        InputError: Shapes do not fit together, there are fewer than 2 texts on a side, or a value is not finite.
    """
    check_same_length(x=x, y=y)
    check_same_length(test_x=test_x, test_y=test_y)
    x, y, test_x, test_y = map(finite_features, (x, y, test_x, test_y))
    if x.shape[1] != test_x.shape[1] or y.shape[1] != test_y.shape[1]:
        found = f"x {x.shape[1]} and {test_x.shape[1]}, y {y.shape[1]} and {test_y.shape[1]}"
        raise InputError(f"training and test vectors must have the same dimensions, found {found}")
    if min(len(x), len(test_x)) < 2:
        raise InputError(f"a share of variance needs 2 texts, found {len(x)} to fit on and {len(test_x)} to predict")
    varies = (moments(y)[1] > 0) & (moments(test_y)[1] > 0)
    r2, floor = np.full((2, y.shape[1]), np.nan)
    mean, deviation = moments(x)
    if not varies.any():
        return Predictability(r2, (float("nan"), float("nan")), floor)
    scale = np.divide(1.0, deviation, out=np.zeros_like(deviation), where=deviation > 0)
    own, unseen = (x - mean) * scale, (test_x - mean) * scale
    truth = test_y[:, varies].astype(np.float64)
    total = np.square(truth - truth.mean(axis=0))
    rng = np.random.default_rng(seed)
    pairs = own, own[rng.permutation(len(x))]
    with parallel_map(n_parallel_tasks(3 * own.nbytes, "cpu")) as run:
        lost, shuffled = run(lambda each: np.square(truth - _ridge(each, y[:, varies], unseen)), pairs)
    r2[varies], floor[varies] = (1 - each.sum(axis=0) / total.sum(axis=0) for each in (lost, shuffled))
    return Predictability(r2, _interval(truth, lost, rng), floor)


def _ridge(x: NDArray[np.float64], y: NDArray[np.floating[Any]], unseen: NDArray[np.float64]) -> NDArray[np.float64]:
    """(test examples, hidden) what standardised (examples, hidden) vectors say of `y`, each dimension by itself."""
    with preserved_random_state():
        from sklearn.linear_model import RidgeCV

    mean, scale = y.mean(axis=0, dtype=np.float64), y.std(axis=0, dtype=np.float64)
    ridge = RidgeCV(np.array(PENALTIES) * len(x), alpha_per_target=True).fit(x, (y - mean) / scale)
    return np.asarray(ridge.predict(unseen).reshape(len(unseen), -1) * scale + mean)


def _interval(truth: NDArray[np.float64], lost: NDArray[np.float64], rng: np.random.Generator) -> tuple[float, float]:
    """95 % interval of the mean over dimensions of the share predicted; a resampling is a row of counts of texts."""
    n, hidden = truth.shape
    centred = truth - truth.mean(axis=0)
    sums = np.concatenate([lost, np.square(centred), centred], axis=1)
    values = np.empty(N_RESAMPLES)
    for chunk, counts in resampling_counts(n, rng, width=n + 3 * hidden):
        left, square, plain = np.split(counts.astype(np.float64) @ sums, 3, axis=1)
        total = square - np.square(plain) / n
        # Of few texts one may be drawn n times, and then nothing varies.
        share = np.divide(left, total, out=np.full_like(left, np.nan), where=total > 0)
        values[chunk] = 1 - share.mean(axis=1)
    return percentile_interval(values)


def _average(values: NDArray[np.float64]) -> float:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else float("nan")
