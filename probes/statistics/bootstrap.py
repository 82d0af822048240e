"""How far a score could have come out otherwise on other test texts of the same kind.

All intervals resample the test examples, paired over all that was measured; they leave out the training sample's luck.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probes.checks import InputError
from probes.sequences import check_labels
from probes.statistics.metrics import METRICS, calibration_gaps, class_scores

RESAMPLES = 2000
LEVEL = 0.95
NORMAL = 1.959963984540054
"""Quantile of the normal distribution that leaves 2.5 % above it."""
CHUNK = 2**23
"""Entries of the resampling matrix, and of the scores by class, held at once."""
HELD = 8
"""Arrays of a number for each resampling and class, or pair of examples, that the scores take."""
DENSE = 16
"""Examples to a class below which AUROC is a product of matrices: a walk over them for each class takes longer."""
SHARES = ("accuracy", "balanced_accuracy", "macro_f1", "auroc")
"""Scores from 0 to 1 that have Wilson's interval at the ends."""


FOLDS = 20
"""Shares of the examples that a jackknife leaves out in turn."""
STUDENT = 2.093
"""Student's t at 97.5 %, with FOLDS - 1 degrees of freedom."""


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a classifier said of each test example."""

    log_prob: NDArray[np.float32]
    """(examples, classes), finite."""

    @classmethod
    def of(cls, log_prob: NDArray[np.floating[Any]]) -> Predictions:
        """From (examples, classes) log probabilities of any float type."""
        if log_prob.ndim != 2 or not log_prob.shape[1]:
            raise InputError(f"log probabilities must be (examples, classes), found shape {log_prob.shape}")
        kept = log_prob.astype(np.float32)
        if not np.isfinite(kept).all():
            row = int(np.flatnonzero(~np.isfinite(kept).all(axis=1))[0])
            raise InputError(f"log probabilities hold a value that is not finite, first in row {row}")
        return cls(kept)

    @cached_property
    def predicted(self) -> NDArray[np.int64]:
        """(examples,) most probable class."""
        return np.asarray(self.log_prob.argmax(axis=1))


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """Resampled scores of several classifiers on the same examples, paired."""

    scores: Mapping[str, NDArray[np.float64]]
    """Metric -> (resamples, classifiers), for every metric of `METRICS`."""
    measured: Mapping[str, NDArray[np.float64]]
    """Metric -> (classifiers,) with every example once."""
    counts: NDArray[np.int64]
    """(classes,) examples labelled so."""

    def interval(self, metric: str, index: int) -> tuple[float, float]:
        """95 % interval of one classifier's score: the percentiles of its resamplings, without the undefined ones.

        Where a share is 0 or 1 every resampling says the same, and Wilson's interval takes the place: of all examples
        for accuracy; of as many as the rarest labelled class has for the scores that average over classes, which is
        conservative, since the other classes tell more (and an AUROC of 1 has that many disjoint pairs in order).
        A Matthews correlation of 1 takes the end of the accuracy, as a classifier has it that predicts each class as
        often as it is labelled: 1 - error / (1 - sum of squared shares of the classes); at -1, which only two
        classes reach, the mirror image. See `reflected` for the calibration error.
        """
        value, values = float(self.measured[metric][index]), self.scores[metric][:, index]
        if metric in SHARES and value in (0.0, 1.0):
            labelled = self.counts[self.counts > 0]
            return wilson(value, int(labelled.sum() if metric == "accuracy" else labelled.min()))
        if metric == "mcc" and abs(value) == 1:
            n = int(self.counts.sum())
            least = max(-1.0, 1 - (1 - wilson(1.0, n)[0]) / (1 - float(((self.counts / n) ** 2).sum())))
            return (least, 1.0) if value == 1 else (-1.0, -least)
        if metric == "ece":
            lower, upper = reflected(values, value)
            return max(0.0, lower), upper
        return percentile(values)

    def difference(self, metric: str, index: int, reference: int) -> tuple[float, float]:
        """95 % interval of a classifier's score minus the reference's, over the same resamplings.

        Where every resampling gives one difference that is not 0, as when one is right on every example and the other
        on none, the ends of their own intervals are subtracted, which is conservative.
        """
        gaps = self.scores[metric][:, index] - self.scores[metric][:, reference]
        values = np.unique(gaps[~np.isnan(gaps)])
        if len(values) == 1 and values[0] != 0:
            (lower, upper), (least, most) = self.interval(metric, index), self.interval(metric, reference)
            return lower - most, upper - least
        measured = self.measured[metric]
        return reflected(gaps, float(measured[index] - measured[reference])) if metric == "ece" else percentile(gaps)


def bootstrap(
    labels: NDArray[np.integer[Any]],
    predictions: Sequence[Predictions],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Bootstrap:
    """Every score of every classifier under the same resamplings of the examples.

    Each resampled value is what the function in `METRICS` gives for the examples drawn. A resampling is a row of
    counts, so that most scores are products of that row with per-example numbers.

    Args:
        labels: (examples,) class ids.
        predictions: One for each classifier, of the same examples and classes.
        resamples: Number of resamplings.
        seed: Of the resampling.

    Raises:
        InputError: No examples or classifiers, or they do not fit together.

    Source: Efron & Tibshirani (1993), An Introduction to the Bootstrap, chapter 13 (percentile intervals).
    """
    n = len(labels)
    if n == 0 or not predictions:
        raise InputError("a bootstrap needs at least one example and one classifier")
    n_classes = predictions[0].log_prob.shape[1]
    check_labels(labels, n_classes)
    for i, said in enumerate(predictions):
        if said.log_prob.shape != (n, n_classes):
            asked = f"({n}, {n_classes}) log probabilities"
            raise InputError(f"classifier {i} has {said.log_prob.shape}, the labels and the first ask for {asked}")
    rng = np.random.default_rng(seed)
    whole = _Draws.of(labels, n_classes, np.ones((1, n)))
    once = [whole.scores(said) for said in predictions]
    measured = {name: np.array([float(found[name][0]) for found in once]) for name in METRICS}
    scores = {name: np.empty((resamples, len(predictions))) for name in METRICS}
    width = max(1, CHUNK // max(n, HELD * n_classes))
    for start in range(0, resamples, width):
        window = slice(start, min(start + width, resamples))
        size = window.stop - start
        drawn = rng.integers(n, size=(size, n)) + n * np.arange(size)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n)
        draws = _Draws.of(labels, n_classes, counts.astype(np.float64))
        for i, said in enumerate(predictions):
            for name, values in draws.scores(said).items():
                scores[name][window, i] = values
    return Bootstrap(scores, measured, np.bincount(labels, minlength=n_classes))


@dataclass(frozen=True, eq=False)
class _Draws:
    """Some resamplings, and what they share between classifiers."""

    labels: NDArray[np.integer[Any]]
    """(examples,)"""
    truth: NDArray[np.bool_]
    """(examples, classes)"""
    counts: NDArray[np.float64]
    """(resamples, examples) how often each was drawn."""
    rows: NDArray[np.float32]
    """(examples, resamples) the same; whole numbers below 2**24, which stay exact, and so do their sums."""
    labelled: NDArray[np.float64]
    """(resamples, classes) examples drawn of each class."""

    @classmethod
    def of(cls, labels: NDArray[np.integer[Any]], n_classes: int, counts: NDArray[np.float64]) -> _Draws:
        truth = labels[:, None] == np.arange(n_classes)
        rows = np.ascontiguousarray(counts.T, dtype=np.float32)
        return cls(labels, truth, counts, rows, counts @ truth.astype(np.float64))

    def scores(self, said: Predictions) -> dict[str, NDArray[np.float64]]:
        """Metric -> (resamples,)."""
        n, n_classes = self.truth.shape
        chosen = said.predicted[:, None] == np.arange(n_classes)
        losses = -said.log_prob[np.arange(n), self.labels].astype(np.float64)
        gaps = calibration_gaps(self.labels, said.log_prob)
        # The resamplings stand first: OpenBLAS is ten times slower at the same product the other way round.
        sums = self.counts @ np.column_stack([self.truth & chosen, chosen, losses, gaps.T])
        hits, predicted, loss, gap = np.split(sums, [n_classes, 2 * n_classes, 2 * n_classes + 1], axis=1)
        right, both = hits.sum(axis=1), self.labelled + predicted
        spread = (n * n - (self.labelled**2).sum(axis=1)) * (n * n - (predicted**2).sum(axis=1))
        return {
            "accuracy": right / n,
            "balanced_accuracy": _ratio(hits, self.labelled).sum(axis=1) / (self.labelled > 0).sum(axis=1),
            "macro_f1": _ratio(2 * hits, both).sum(axis=1) / (both > 0).sum(axis=1),
            "mcc": _ratio(n * right - (self.labelled * predicted).sum(axis=1), np.sqrt(spread)),
            "auroc": self._auroc(class_scores(said.log_prob)),
            "log_loss": loss[:, 0] / n,
            "ece": np.abs(gap).sum(axis=1) / n,
        }

    def _auroc(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """(resamples,) mean over the classes that are defined; nan where none is."""
        n, n_classes = scores.shape
        total, defined = np.zeros(len(self.counts)), np.zeros(len(self.counts))
        won_at_once = self._won(scores) if n_classes * DENSE > n and n_classes > 2 else None
        for i in range(1 if n_classes == 2 else n_classes):  # the second of two against the first says the same again
            score, positive = scores[:, i], self.truth[:, i]
            if positive.any() and not positive.all():
                if won_at_once is not None:
                    won = won_at_once[i]
                else:
                    below_first, tied_first = np.lexsort((positive, score)), np.lexsort((~positive, score))
                    won = self._in_order(below_first, positive)
                    if (positive[below_first] != positive[tied_first]).any():  # a tie is half won
                        won = (won + self._in_order(tied_first, positive)) / 2
                pairs = self.labelled[:, i] * (n - self.labelled[:, i])
                total += _ratio(won, pairs)
                defined += pairs > 0
        return np.divide(total, defined, out=np.full_like(total, np.nan), where=defined > 0)

    def _won(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """(classes, resamples) pairs in which an example of the class scores above one of the rest; a tie is half won.

        A product of examples x examples with examples x resamples, whatever the number of classes.
        """
        n = len(scores)
        won = np.zeros((scores.shape[1], len(self.counts)))
        by_class = np.argsort(self.labels, kind="stable")
        step = max(1, CHUNK // (HELD * n))
        for start in range(0, n, step):
            members = by_class[start : start + step]
            classes = self.labels[members]
            own, others = scores[members, classes][:, None], scores[:, classes].T
            beaten = (others < own).astype(np.float32) + (others == own) * np.float32(0.5)
            beaten[self.labels == classes[:, None]] = 0
            pairs = self.rows[members] * (beaten @ self.rows)
            starts = np.flatnonzero(np.diff(classes, prepend=-1))
            won[classes[starts]] += np.add.reduceat(pairs, starts, axis=0, dtype=np.float64)
        return won

    def _in_order(self, order: NDArray[np.intp], positive: NDArray[np.bool_]) -> NDArray[np.float64]:
        """(resamples,) pairs in which the positive example comes after the other in `order`."""
        below, won = np.zeros(len(self.counts), np.float32), np.zeros(len(self.counts))
        # A walk that keeps one row of sums in the processor's cache is ten times faster than np.cumsum over all rows.
        for i, is_positive in zip(order.tolist(), positive[order].tolist(), strict=True):
            if is_positive:
                won += self.rows[i] * below
            else:
                below += self.rows[i]
        return won


def _ratio(above: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
    """The quotient; 0 where it is undefined."""
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)


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


def detectable(
    differences: NDArray[np.floating[Any]], resampled: NDArray[np.floating[Any]], *, n: int, reference: int
) -> tuple[float, float]:
    """How large a difference from the reference must be for the simultaneous intervals to exclude 0.

    It is the intervals' half width, which is smaller where a place answers much as the reference does: the least over
    the other places, and the median. Places that always answer alike tell nothing; nan where there are no others.

    Args:
        differences: (points,) in accuracy, as measured.
        resampled: (resamples, points) the same under resampling.
        n: Examples.
        reference: Which of the points is the reference.
    """
    lower, upper = simultaneous(differences, resampled, n=n)
    others = np.delete((upper - lower) / 2, reference)
    others = others[others > 0]
    return (float(others.min()), float(np.median(others))) if len(others) else (math.nan, math.nan)


def _total(difference: float, n: int) -> tuple[float, float]:
    """95 % interval of a difference of accuracies that is 1, or -1, on all n examples."""
    least = 2 * wilson(1.0, n)[0] - 1  # the others might go the other way
    return (least, 1.0) if difference > 0 else (-1.0, -least)


def wilson(share: float, n: int, *, z: float = NORMAL) -> tuple[float, float]:
    """95 % interval of a share of n; of another level by its normal quantile `z`.

    Source: Wilson (1927), Journal of the American Statistical Association 22.
    """
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # At an end of the scale the interval ends there; rounding alone keeps it from that.
    return (0.0 if share == 0 else max(0.0, centre - half)), (1.0 if share == 1 else min(1.0, centre + half))


def class_intervals(
    labels: NDArray[np.integer[Any]], predicted: NDArray[np.integer[Any]], n_classes: int
) -> dict[str, list[tuple[float, float]]]:
    """95 % intervals of each class's precision, recall and F1; nan where there is nothing to share.

    Each is a share of some examples, or tells one: precision of those predicted so, recall of those labelled so, and F1
    is 2 J / (1 + J) of J, the right ones' share of those that are either. The intervals are Wilson's.
    """
    right = np.bincount(labels[labels == predicted], minlength=n_classes)
    said, true = (np.bincount(each, minlength=n_classes) for each in (predicted, labels))
    found = {
        name: [wilson(hits / n, int(n)) if n else (math.nan, math.nan) for hits, n in zip(right, of, strict=True)]
        for name, of in (("precision", said), ("recall", true), ("f1", said + true - right))
    }
    return found | {"f1": [(2 * lower / (1 + lower), 2 * upper / (1 + upper)) for lower, upper in found["f1"]]}


def percentile(values: NDArray[np.floating[Any]]) -> tuple[float, float]:
    """The middle 95 % of (resamples,) values, those that are nan left out; nan where all are."""
    defined = values[~np.isnan(values)]
    if not len(defined):
        return math.nan, math.nan
    lower, upper = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(lower), float(upper)


def mean_intervals(values: NDArray[np.floating[Any]], *, seed: int = 0) -> list[tuple[float, float]]:
    """95 % percentile intervals of the means of (examples, columns) values, paired over the examples."""
    n = len(values)
    if n == 0:
        raise InputError("a bootstrap needs at least one example")
    rng = np.random.default_rng(seed)
    means = np.empty((RESAMPLES, values.shape[1]))
    rows = max(1, CHUNK // n)
    for start in range(0, RESAMPLES, rows):
        window = slice(start, min(start + rows, RESAMPLES))
        size = window.stop - window.start
        drawn = rng.integers(n, size=(size, n)) + n * np.arange(size)[:, None]
        means[window] = np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n) @ values / n
    return [percentile(column) for column in means.T]


def share_intervals(hits: NDArray[np.bool_], *, seed: int = 0) -> list[tuple[float, float]]:
    """95 % intervals of the shares of (examples, columns) hits, paired; Wilson's where a share is 0 or 1."""
    found = mean_intervals(hits.astype(float), seed=seed)
    shares = hits.mean(axis=0)
    return [
        wilson(float(share), len(hits)) if share in (0, 1) else limits
        for share, limits in zip(shares, found, strict=True)
    ]


def jackknife(measured: float, without: NDArray[np.floating[Any]]) -> tuple[float, float]:
    """95 % interval of a smooth statistic of all examples together, which has no value for a single one.

    Args:
        measured: On all examples.
        without: (20,) on all but each of `FOLDS` equal shares of them, dealt at random.

    Source: Efron & Tibshirani (1993), An Introduction to the Bootstrap, 11 (delete-a-group).
    """
    if len(without) != FOLDS:
        raise InputError(f"a jackknife takes {FOLDS} values, found {len(without)}")
    spread = float(np.sqrt((FOLDS - 1) * np.var(without)))
    return measured - STUDENT * spread, measured + STUDENT * spread


def reflected(values: NDArray[np.floating[Any]], measured: float) -> tuple[float, float]:
    """95 % interval for a score that a sample puts too high: the percentiles of (resamples,) values, mirrored.

    A calibration error is above its true value by chance alone, and a resampling of the sample adds the same chance
    again, so that the percentiles can lie above the truth altogether, and above the measured score. Mirrored about the
    measured score they take that distance off; widened, if need be, to hold it. Close to a true value of 0 they hold
    it less often than 95 % of the time.

    Source: Davison & Hinkley (1997), Bootstrap Methods and their Application, section 5.2 (basic intervals).
    """
    lower, upper = percentile(values)
    return min(measured, 2 * measured - upper), max(measured, 2 * measured - lower)
