"""The paired bootstrap over test examples, for every score of several classifiers at once.

All classifiers are scored on the same resamplings. Chance in the choice of the training sample is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from probes.checks import InputError
from probes.sequences import BoolArray, Float64Array, FloatArray, Int64Array, IntegerArray, check_labels
from probes.statistics import resampling
from probes.statistics.intervals import Interval, percentile_interval, reflected_interval, wilson_interval
from probes.statistics.metrics import METRICS, calibration_gaps, class_scores

ARRAYS_PER_CLASS = 8
"""Arrays of a number for each resampling and class, or pair of examples, that are in memory while scores are made."""
DENSE_EXAMPLES_PER_CLASS = 16
"""Examples to a class below which AUROC is a product of matrices: a walk over them for each class takes longer."""
SHARES = ("balanced_accuracy", "macro_f1", "auroc")
"""Scores from 0 to 1 that have Wilson's interval at the ends."""


@dataclass(frozen=True, eq=False)
class Predictions:
    """Class probabilities that a classifier gives to the test examples."""

    log_prob: NDArray[np.float32]
    """(examples, classes) log probabilities, all finite."""

    @classmethod
    def of(cls, log_prob: FloatArray) -> Predictions:
        """Convert (examples, classes) log probabilities of any float type.

        Raises:
            InputError: They have another shape, or one is not finite.
        """
        if log_prob.ndim != 2 or not log_prob.shape[1]:
            raise InputError(f"log probabilities must be (examples, classes), found shape {log_prob.shape}")
        converted = log_prob.astype(np.float32)
        is_finite = np.isfinite(converted).all(axis=1)
        if not is_finite.all():
            row = int(is_finite.argmin())
            raise InputError(f"log probabilities hold a value that is not finite, first in row {row}")
        return cls(converted)

    @cached_property
    def predicted(self) -> Int64Array:
        """(examples,) most probable class."""
        return np.asarray(self.log_prob.argmax(axis=1))


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """Resampled scores of several classifiers on the same examples, paired."""

    scores: Mapping[str, Float64Array]
    """Metric -> (resamples, classifiers), for every metric of `METRICS`."""
    estimates: Mapping[str, Float64Array]
    """Metric -> (classifiers,) with every example once."""
    class_counts: Int64Array
    """(classes,) examples labelled with each class."""

    def interval(self, metric: str, index: int) -> Interval:
        """Compute the 95 % interval of one classifier's score.

        An accuracy has Wilson's interval. The intervals of other scores run between percentiles of the resampled
        scores, undefined ones left out. Three of them need more care:

        - A mean share of 0 or 1 is the same in every resampling; see `_extreme_share_interval`.
        - So is a Matthews correlation of 1 or -1; see `_extreme_mcc_interval`.
        - A calibration error is overestimated by samples; see `reflected_interval`.

        Args:
            metric: Name in `METRICS`.
            index: Position of the classifier.
        """
        estimate = float(self.estimates[metric][index])
        values = self.scores[metric][:, index]
        if metric == "accuracy":
            return wilson_interval(estimate, int(self.class_counts.sum()))
        if metric in SHARES and estimate in (0.0, 1.0):
            return self._extreme_share_interval(estimate)
        if metric == "mcc" and abs(estimate) == 1:
            return self._extreme_mcc_interval(estimate)
        if metric == "ece":
            lower, upper = reflected_interval(values, estimate)
            return max(0.0, lower), upper
        return percentile_interval(values)

    def difference(self, metric: str, index: int, reference: int) -> Interval:
        """Compute the 95 % interval of a classifier's score minus the reference's, over the same resamplings.

        Where every resampling gives one difference that is not 0, as when one classifier is correct on every example
        and the other on none, the ends of their separate intervals are subtracted, which is conservative.

        Args:
            metric: Name in `METRICS`.
            index: Position of the classifier.
            reference: Position of the reference.
        """
        scores = self.scores[metric]
        differences = scores[:, index] - scores[:, reference]
        distinct = np.unique(differences[~np.isnan(differences)])
        if len(distinct) == 1 and distinct[0] != 0:
            lower, upper = self.interval(metric, index)
            reference_lower, reference_upper = self.interval(metric, reference)
            return lower - reference_upper, upper - reference_lower
        if metric == "ece":
            estimates = self.estimates[metric]
            return reflected_interval(differences, float(estimates[index] - estimates[reference]))
        return percentile_interval(differences)

    def _extreme_share_interval(self, share: float) -> Interval:
        """Compute Wilson's interval of a mean share of 0 or 1.

        The scores that average over classes count as a share of the examples of the rarest labelled class, which is
        conservative since the other classes have more (and an AUROC of 1 has that many disjoint pairs in order).
        """
        labelled = self.class_counts[self.class_counts > 0]
        return wilson_interval(share, int(labelled.min()))

    def _extreme_mcc_interval(self, correlation: float) -> Interval:
        """Compute the interval of a Matthews correlation of 1 or -1 from Wilson's interval of an accuracy of 1.

        A classifier that predicts each class as often as it is labelled has a correlation of
        1 - error / (1 - sum of the squared class shares). A correlation of -1, which two classes alone can reach, has
        the mirror image.
        """
        n = int(self.class_counts.sum())
        error = 1 - wilson_interval(1.0, n)[0]
        chance_agreement = float(((self.class_counts / n) ** 2).sum())
        nearest = max(-1.0, 1 - error / (1 - chance_agreement))
        return (nearest, 1.0) if correlation == 1 else (-1.0, -nearest)


def bootstrap(
    labels: IntegerArray,
    predictions: Sequence[Predictions],
    *,
    resamples: int = resampling.N_RESAMPLES,
    seed: int = 0,
) -> Bootstrap:
    """Compute every score of every classifier under the same resamplings of the examples.

    Each resampled value is what the function in `METRICS` gives for the resampled examples. A resampling is a row of
    counts, so that most scores are products of that row with per-example numbers.

    Args:
        labels: (examples,) class ids.
        predictions: Those of each classifier, for the same examples and classes.
        resamples: Number of resamplings.
        seed: Seed of the resampling.

    Raises:
        InputError: There are no examples or no classifiers, or they do not fit together.

    Source: Efron & Tibshirani (1993), An Introduction to the Bootstrap, chapter 13 (percentile intervals).
    """
    n_classes = _check_predictions(labels, predictions)
    n = len(labels)
    # Scores with every example once.
    whole_sample = _Resamples.of(labels, n_classes, np.ones((1, n)))
    whole_scores = [whole_sample.scores(classifier) for classifier in predictions]
    estimates = {}
    for name in METRICS:
        estimates[name] = np.array([float(scores[name][0]) for scores in whole_scores])
    # Scores of all classifiers under each chunk of resamplings.
    resampled = {name: np.empty((resamples, len(predictions))) for name in METRICS}
    rng = np.random.default_rng(seed)
    width = max(n, ARRAYS_PER_CLASS * n_classes)
    for chunk, counts in resampling.resampling_counts(
        n,
        rng,
        width=width,
        n_resamples=resamples,
    ):
        sample = _Resamples.of(labels, n_classes, counts.astype(np.float64))
        for i, classifier in enumerate(predictions):
            for name, values in sample.scores(classifier).items():
                resampled[name][chunk, i] = values
    return Bootstrap(resampled, estimates, np.bincount(labels, minlength=n_classes))


def _check_predictions(labels: IntegerArray, predictions: Sequence[Predictions]) -> int:
    """Return the number of classes where labels and predictions fit together.

    Raises:
        InputError: There are no examples or no classifiers, a label is no class, or a shape differs.
    """
    n = len(labels)
    if n == 0 or not predictions:
        raise InputError("a bootstrap needs at least one example and one classifier")
    n_classes = int(predictions[0].log_prob.shape[1])
    check_labels(labels, n_classes)
    for i, classifier in enumerate(predictions):
        shape = classifier.log_prob.shape
        if shape != (n, n_classes):
            expected = f"({n}, {n_classes}) log probabilities"
            raise InputError(f"classifier {i} has {shape}, the labels and the first ask for {expected}")
    return n_classes


@dataclass(frozen=True, eq=False)
class _Resamples:
    """A chunk of resamplings, with the arrays that all classifiers share."""

    labels: IntegerArray
    """(examples,) class ids."""
    is_label: BoolArray
    """(examples, classes) whether a class is the example's label."""
    counts: Float64Array
    """(resamples, examples) how often each example is drawn."""
    count_rows: NDArray[np.float32]
    """(examples, resamples) the same; whole numbers below 2**24, which are exact, and so are their sums."""
    class_counts: Float64Array
    """(resamples, classes) resampled examples labelled with each class."""

    @classmethod
    def of(cls, labels: IntegerArray, n_classes: int, counts: Float64Array) -> _Resamples:
        is_label = labels[:, None] == np.arange(n_classes)
        count_rows = np.ascontiguousarray(counts.T, dtype=np.float32)
        class_counts = counts @ is_label.astype(np.float64)
        return cls(labels, is_label, counts, count_rows, class_counts)

    def scores(self, predictions: Predictions) -> dict[str, Float64Array]:
        """Compute metric -> (resamples,) scores of one classifier."""
        n, n_classes = self.is_label.shape
        # Per-example numbers of which the scores need resampled sums.
        is_predicted = predictions.predicted[:, None] == np.arange(n_classes)
        is_correct = self.is_label & is_predicted
        label_log_prob = predictions.log_prob[np.arange(n), self.labels]
        losses = -label_log_prob.astype(np.float64)
        gaps = calibration_gaps(self.labels, predictions.log_prob)
        # The resamplings stand first: OpenBLAS is ten times slower at the same product the other way round.
        sums = self.counts @ np.column_stack([is_correct, is_predicted, losses, gaps.T])
        boundaries = [n_classes, 2 * n_classes, 2 * n_classes + 1]
        parts = np.split(sums, boundaries, axis=1)
        correct_by_class, predicted_by_class, loss_sums, gap_sums = parts
        correct = correct_by_class.sum(axis=1)
        # Recall and F1, averaged over the classes for which they are defined.
        recall = _ratio(correct_by_class, self.class_counts)
        n_labelled_classes = (self.class_counts > 0).sum(axis=1)
        class_totals = self.class_counts + predicted_by_class
        f1 = _ratio(2 * correct_by_class, class_totals)
        n_present_classes = (class_totals > 0).sum(axis=1)
        # Matthews correlation: the covariance of labels and predictions over their standard deviations.
        covariance = n * correct - (self.class_counts * predicted_by_class).sum(axis=1)
        label_variance = n * n - (self.class_counts**2).sum(axis=1)
        prediction_variance = n * n - (predicted_by_class**2).sum(axis=1)
        return {
            "accuracy": correct / n,
            "balanced_accuracy": recall.sum(axis=1) / n_labelled_classes,
            "macro_f1": f1.sum(axis=1) / n_present_classes,
            "mcc": _ratio(covariance, np.sqrt(label_variance * prediction_variance)),
            "auroc": self._auroc(class_scores(predictions.log_prob)),
            "log_loss": loss_sums[:, 0] / n,
            "ece": np.abs(gap_sums).sum(axis=1) / n,
        }

    def _auroc(self, scores: Float64Array) -> Float64Array:
        """Compute the (resamples,) mean AUROC over the classes where it is defined; nan where there are none."""
        n, n_classes = scores.shape
        n_resamples = len(self.counts)
        total = np.zeros(n_resamples)
        n_defined = np.zeros(n_resamples)
        is_dense = n_classes * DENSE_EXAMPLES_PER_CLASS > n and n_classes > 2
        wins_by_class = self._dense_wins(scores) if is_dense else None
        # Of two classes the second against the first would give the same number again.
        for class_id in range(1 if n_classes == 2 else n_classes):
            positive = self.is_label[:, class_id]
            if not positive.any() or positive.all():
                continue
            wins = (
                self._sorted_wins(scores[:, class_id], positive) if wins_by_class is None else wins_by_class[class_id]
            )
            n_positive = self.class_counts[:, class_id]
            pairs = n_positive * (n - n_positive)
            total += _ratio(wins, pairs)
            n_defined += pairs > 0
        return np.divide(
            total,
            n_defined,
            out=np.full_like(total, np.nan),
            where=n_defined > 0,
        )

    def _dense_wins(self, scores: Float64Array) -> Float64Array:
        """Count (classes, resamples) pairs in which an example of the class scores above one of another class.

        A tie counts one half. It is a product of examples x examples with examples x resamples, whatever the number
        of classes.
        """
        n, n_classes = scores.shape
        wins = np.zeros((n_classes, len(self.counts)))
        by_class = np.argsort(self.labels, kind="stable")
        step = max(1, resampling.MAX_ENTRIES // (ARRAYS_PER_CLASS * n))
        for start in range(0, n, step):
            members = by_class[start : start + step]
            classes = self.labels[members]
            # Compare each member with every example, by the score of the member's class.
            member_scores = scores[members, classes][:, None]
            example_scores = scores[:, classes].T
            is_above = (example_scores < member_scores).astype(np.float32)
            is_tied = (example_scores == member_scores) * np.float32(0.5)
            outcomes = is_above + is_tied
            outcomes[self.labels == classes[:, None]] = 0
            # Weight both sides of a pair by how often they are drawn, and add up by class.
            pairs = self.count_rows[members] * (outcomes @ self.count_rows)
            class_starts = np.flatnonzero(np.diff(classes, prepend=-1))
            wins[classes[class_starts]] += np.add.reduceat(
                pairs,
                class_starts,
                axis=0,
                dtype=np.float64,
            )
        return wins

    def _sorted_wins(self, scores: Float64Array, positive: BoolArray) -> Float64Array:
        """Count (resamples,) pairs in which a positive example scores above a negative one; a tie counts one half.

        Ties are won in the order that puts negative examples first and lost in the other; half is their average.
        """
        negatives_first = np.lexsort((positive, scores))
        positives_first = np.lexsort((~positive, scores))
        wins = self._wins_in_order(negatives_first, positive)
        has_ties = (positive[negatives_first] != positive[positives_first]).any()
        if has_ties:
            wins = (wins + self._wins_in_order(positives_first, positive)) / 2
        return wins

    def _wins_in_order(self, order: NDArray[np.intp], positive: BoolArray) -> Float64Array:
        """Count (resamples,) pairs in which the positive example comes after the negative one in `order`."""
        negatives = np.zeros(len(self.counts), np.float32)
        wins = np.zeros(len(self.counts))
        # A walk with one row of sums in the processor's cache is ten times faster than np.cumsum over all rows.
        for example, is_positive in zip(order.tolist(), positive[order].tolist(), strict=True):
            if is_positive:
                wins += self.count_rows[example] * negatives
            else:
                negatives += self.count_rows[example]
        return wins


def _ratio(numerator: Float64Array, denominator: Float64Array) -> Float64Array:
    """Divide; the ratio is 0 where it is undefined."""
    return np.divide(
        numerator,
        denominator,
        out=np.zeros_like(numerator),
        where=denominator > 0,
    )
