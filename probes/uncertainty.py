"""How far a score could have come out otherwise on other test texts of the same kind.

All intervals resample the test examples, paired over everything that was measured on them. They leave out the luck of
the training sample.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probes.checks import InputError, check_same_length

RESAMPLES = 2000
LEVEL = 0.95
CHUNK = 2**24
"""Entries of the resampling matrix held at once."""


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a classifier said of each test example."""

    predicted: NDArray[np.int64]
    """(examples,) most probable class."""
    loss: NDArray[np.float64]
    """(examples,) minus the log probability of the label, in nats."""

    @classmethod
    def of(cls, log_prob: NDArray[np.floating[Any]], labels: NDArray[np.integer[Any]]) -> Predictions:
        """From (examples, classes) log probabilities."""
        check_same_length(log_prob=log_prob, labels=labels)
        return cls(log_prob.argmax(axis=1), -log_prob[np.arange(len(labels)), labels].astype(np.float64))


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """Resampled scores of several classifiers on the same examples, paired."""

    accuracy: NDArray[np.float64]
    """(resamples, classifiers)"""
    macro_f1: NDArray[np.float64]
    log_loss: NDArray[np.float64]

    def interval(self, metric: str, index: int) -> tuple[float, float]:
        """95 % percentile interval of one classifier's score."""
        return percentile(getattr(self, metric)[:, index])

    def difference(self, index: int, reference: int, *, n: int) -> tuple[float, float]:
        """95 % percentile interval of the difference of two classifiers' accuracies on n examples.

        Where one is right on every example and the other on none, every resampling says the same, and Wilson's interval
        of the share of such examples takes the place.
        """
        gaps = self.accuracy[:, index] - self.accuracy[:, reference]
        return _total(float(gaps[0]), n) if (np.abs(gaps) == 1).all() else percentile(gaps)


def bootstrap(
    labels: NDArray[np.integer[Any]],
    predictions: Sequence[Predictions],
    *,
    n_classes: int,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Bootstrap:
    """Scores of every classifier under the same resamplings of the examples.

    A resampling is a row of counts, so that every score is a product of that row with per-example numbers.

    Args:
        labels: (examples,) class ids.
        predictions: One for each classifier.
        n_classes: Classes of the task.
        resamples: Number of resamplings.
        seed: Of the resampling.

    Source: Efron & Tibshirani (1993), An Introduction to the Bootstrap, chapter 13 (percentile intervals).
    """
    n = len(labels)
    if n == 0 or not predictions:
        raise InputError("a bootstrap needs at least one example and one classifier")
    rng = np.random.default_rng(seed)
    classes = np.arange(n_classes)
    truth = (labels[:, None] == classes).astype(np.float32)
    correct = np.stack([p.predicted == labels for p in predictions], axis=1).astype(np.float32)
    loss = np.stack([p.loss for p in predictions], axis=1)
    scores = {name: np.empty((resamples, len(predictions))) for name in ("accuracy", "macro_f1", "log_loss")}
    rows = max(1, CHUNK // n)
    for start in range(0, resamples, rows):
        window = slice(start, min(start + rows, resamples))
        size = window.stop - window.start
        drawn = rng.integers(n, size=(size, n)) + n * np.arange(size)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n)
        light = counts.astype(np.float32)  # whole numbers below 2**24 stay exact
        scores["accuracy"][window] = light @ correct / n
        scores["log_loss"][window] = counts @ loss / n
        labelled = light @ truth
        for i, p in enumerate(predictions):
            hits = light @ (truth * correct[:, i : i + 1])
            said = light @ (p.predicted[:, None] == classes).astype(np.float32)
            both = labelled + said
            f1 = np.divide(2 * hits, both, out=np.zeros_like(both), where=both > 0)
            scores["macro_f1"][window, i] = f1.sum(axis=1) / np.maximum((both > 0).sum(axis=1), 1)
    return Bootstrap(**scores)


def accuracy_interval(resampled: NDArray[np.floating[Any]], accuracy: float, n: int) -> tuple[float, float]:
    """95 % interval of an accuracy: Wilson's at 0 and 1, where every resampling says the same, else the bootstrap's."""
    return wilson(accuracy, n) if accuracy in (0.0, 1.0) else percentile(resampled)


def simultaneous(
    differences: NDArray[np.floating[Any]], resampled: NDArray[np.floating[Any]], *, n: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lower and upper ends that hold for all the differences at once, with 95 % confidence (max-T).

    Args:
        differences: (points,) as measured.
        resampled: (resamples, points) the same under resampling.
        n: Examples.

    Source: Westfall & Young (1993), Resampling-Based Multiple Testing.
    """
    spread = resampled.std(axis=0)
    moved = np.abs(resampled - differences)
    ratio = np.divide(moved, spread, out=np.zeros_like(moved), where=spread > 0)
    reach = np.quantile(ratio.max(axis=1, initial=0.0), LEVEL) * spread
    lower, upper = differences - reach, differences + reach
    for i in np.flatnonzero((np.abs(differences) == 1) & (spread == 0)):
        lower[i], upper[i] = _total(float(differences[i]), n)
    return lower, upper


def _total(difference: float, n: int) -> tuple[float, float]:
    """95 % interval of a difference of accuracies that is 1, or -1, on all n examples."""
    least = 2 * wilson(1.0, n)[0] - 1  # the others might go the other way
    return (least, 1.0) if difference > 0 else (-1.0, -least)


def wilson(share: float, n: int) -> tuple[float, float]:
    """95 % interval of a share of n.

    Source: Wilson (1927), Journal of the American Statistical Association 22.
    """
    z = 1.959963984540054
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def percentile(values: NDArray[np.floating[Any]]) -> tuple[float, float]:
    """The middle 95 % of (resamples,) values."""
    lower, upper = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(lower), float(upper)
