"""Scores of predicted log probabilities against labels, mostly by scikit-learn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probes.checks import InputError, check_same_length
from probes.randomness import preserved_random_state
from probes.sequences import (
    BoolArray,
    Float64Array,
    FloatArray,
    Int64Array,
    IntegerArray,
    check_labels,
    class_ids,
    feature_array,
    plain_array,
)

N_BINS = 15
"""Bins of the calibration error."""
SORTED_CLASSES = 64
"""Columns of scores that are sorted at once for AUROC: a copy of all columns would double the memory."""


def _sklearn_metrics() -> Any:
    """Import scikit-learn's metrics without a change of Python's random state, from which it draws while it loads."""
    with preserved_random_state():
        from sklearn import metrics
    return metrics


def _as_arrays(labels: IntegerArray, log_prob: FloatArray) -> tuple[IntegerArray, FloatArray]:
    """Convert lists and tensors to (examples,) class ids and (examples, classes) log probabilities.

    Raises:
        InputError: Lengths differ, there are no examples, a label is no class, or a log probability is NaN.
    """
    labels = class_ids(labels)
    log_prob = feature_array(log_prob, name="log probabilities", axes="(examples, classes)")
    check_same_length(labels=labels, log_prob=log_prob)
    if not log_prob.size:
        raise InputError(f"a score needs one example and one class, found log probabilities of shape {log_prob.shape}")
    check_labels(labels, log_prob.shape[1])
    is_nan = np.isnan(log_prob).any(axis=1)
    if is_nan.any():
        row = int(is_nan.argmax())
        raise InputError(f"log probabilities are not numbers, first in row {row}")
    return labels, log_prob


def accuracy(labels: IntegerArray, log_prob: FloatArray) -> float:
    """Compute the share of examples whose most probable class is their label."""
    labels, log_prob = _as_arrays(labels, log_prob)
    return float(_sklearn_metrics().accuracy_score(labels, log_prob.argmax(axis=1)))


def balanced_accuracy(labels: IntegerArray, log_prob: FloatArray) -> float:
    """Compute the unweighted mean recall of the labelled classes."""
    labels, log_prob = _as_arrays(labels, log_prob)
    # balanced_accuracy_score is the same number, with a warning where a class is predicted and not labelled.
    recall = _sklearn_metrics().recall_score
    return float(
        recall(
            labels,
            log_prob.argmax(axis=1),
            labels=np.unique(labels),
            average="macro",
        )
    )


def macro_f1(labels: IntegerArray, log_prob: FloatArray) -> float:
    """Compute the unweighted mean F1 of the labelled or predicted classes; an undefined F1 counts as 0."""
    labels, log_prob = _as_arrays(labels, log_prob)
    return float(
        _sklearn_metrics().f1_score(
            labels,
            log_prob.argmax(axis=1),
            average="macro",
            zero_division=0,
        )
    )


def mcc(labels: IntegerArray, log_prob: FloatArray) -> float:
    """Compute the Matthews correlation of labels and predictions of any number of classes.

    It is 0 where all labels or all predictions are one class.

    Source: Gorodkin (2004), Computational Biology and Chemistry 28.
    """
    labels, log_prob = _as_arrays(labels, log_prob)
    predictions = log_prob.argmax(axis=1)
    n_distinct = min(len(np.unique(labels)), len(np.unique(predictions)))
    if n_distinct == 1:
        return 0.0  # scikit-learn returns 0 too, with a warning where both are one class
    return float(_sklearn_metrics().matthews_corrcoef(labels, predictions))


def auroc(labels: IntegerArray, log_prob: FloatArray) -> float:
    """Compute the area under the ROC curve: the share of pairs of two classes that are ranked correctly.

    A tie counts one half. With more than two classes it is the mean over one class against the rest, over the classes
    that have positive and negative examples; nan where there are none.
    """
    areas = class_auroc(labels, log_prob)
    is_defined = ~np.isnan(areas)
    return float(areas[is_defined].mean()) if is_defined.any() else float("nan")


def class_auroc(labels: IntegerArray, log_prob: FloatArray) -> Float64Array:
    """Compute the (classes,) AUROC of one class against the rest; nan where all or no examples have the class."""
    labels, log_prob = _as_arrays(labels, log_prob)
    n_examples, n_classes = log_prob.shape
    counts = np.bincount(labels, minlength=n_classes)
    defined = np.flatnonzero((counts > 0) & (counts < n_examples))
    # With more than two classes the order of the log probabilities alone matters.
    scores = class_scores(log_prob) if n_classes == 2 else log_prob
    class_rows = np.split(np.argsort(labels, kind="stable"), np.cumsum(counts)[:-1])
    areas = np.full(n_classes, np.nan)
    for start in range(0, len(defined), SORTED_CLASSES):
        window = defined[start : start + SORTED_CLASSES]
        sorted_scores = np.sort(scores[:, window].T, axis=1)
        for label, label_scores in zip(window, sorted_scores, strict=True):
            n_pairs = counts[label] * (n_examples - counts[label])
            positive_scores = np.sort(scores[class_rows[label], label])
            areas[label] = _twice_ordered_pairs(label_scores, positive_scores) / (2 * n_pairs)
    return areas


def _twice_ordered_pairs(sorted_scores: FloatArray, positive_scores: FloatArray) -> int:
    """Count twice the pairs in which a positive score is above another class's score; a tie counts one half.

    This is Mann & Whitney's U by the ranks of the positive scores, doubled so that it is a whole number.

    Args:
        sorted_scores: (examples,) scores of all examples, increasing.
        positive_scores: (positives,) scores of the examples of the class.
    """
    ranks_below = np.searchsorted(sorted_scores, positive_scores, side="left")
    ranks_up_to = np.searchsorted(sorted_scores, positive_scores, side="right")
    # The ranks count the pairs of two positives too, each once.
    return int((ranks_below + ranks_up_to).sum()) - len(positive_scores) ** 2


def class_scores(log_prob: FloatArray) -> Float64Array:
    """Compute the (examples, classes) scores by which AUROC ranks examples.

    They are the log probabilities; of two classes, the difference between the two. It ranks as the probability does,
    and still distinguishes probabilities that are rounded to 1.
    """
    exact = log_prob.astype(np.float64)
    if exact.shape[1] != 2:
        return exact
    return np.asarray(exact - exact[:, ::-1])


def log_loss(labels: IntegerArray, log_prob: FloatArray) -> float:
    """Compute the mean negative log probability of the label, in nats."""
    labels, log_prob = _as_arrays(labels, log_prob)
    label_log_prob = log_prob[np.arange(len(labels)), labels]
    return float(-label_log_prob.mean(dtype=np.float64))


def ece(labels: IntegerArray, log_prob: FloatArray) -> float:
    """Compute the expected calibration error: the distance of confidence from accuracy, over equal bins of confidence.

    Samples overestimate it: a calibrated classifier has an error above 0, and more so the fewer examples there are.

    Source: Guo et al. (2017), arXiv:1706.04599.
    """
    gaps = calibration_gaps(labels, log_prob)
    bin_gaps = np.abs(gaps.sum(axis=1))
    n_examples = gaps.shape[1]
    return float(bin_gaps.sum() / n_examples)


def calibration_gaps(labels: IntegerArray, log_prob: FloatArray) -> Float64Array:
    """Compute each example's correctness (0 or 1) minus its confidence.

    Returns:
        (bins, examples) gaps; an example has one in the bin of its confidence (its top probability) and 0 in the rest.
    """
    labels, log_prob = _as_arrays(labels, log_prob)
    confidence = _confidence(log_prob)
    is_correct = log_prob.argmax(axis=1) == labels
    gaps = np.zeros((N_BINS, len(labels)))
    gaps[_bins_of(confidence), np.arange(len(labels))] = is_correct - confidence
    return gaps


def calibration_bins(labels: IntegerArray, log_prob: FloatArray) -> dict[str, Float64Array | Int64Array]:
    """Compute the points of a reliability diagram: mean confidence and accuracy in each bin of confidence.

    The expected calibration error is the distance of the two, averaged over the bins with `count` as weights.

    Returns:
        `count`, `correct` (the number of correct examples) and `confidence` -> (bins,) values; the mean confidence of
        an empty bin is nan.

    Source: Guo et al. (2017), arXiv:1706.04599.
    """
    labels, log_prob = _as_arrays(labels, log_prob)
    confidence = _confidence(log_prob)
    bins = _bins_of(confidence)
    is_correct = log_prob.argmax(axis=1) == labels
    counts = np.bincount(bins, minlength=N_BINS)
    correct = np.bincount(bins[is_correct], minlength=N_BINS)
    confidence_sums = np.bincount(bins, weights=confidence, minlength=N_BINS)
    mean_confidence = np.full(N_BINS, np.nan)
    np.divide(confidence_sums, counts, out=mean_confidence, where=counts > 0)
    return {"count": counts, "correct": correct, "confidence": mean_confidence}


def _confidence(log_prob: FloatArray) -> Float64Array:
    """Return the (examples,) probabilities of the most probable class."""
    top_log_prob = log_prob.max(axis=1)
    return np.asarray(np.exp(top_log_prob.astype(np.float64)))


def _bins_of(confidence: Float64Array) -> Int64Array:
    """Return the (examples,) bins of confidence, from 0; a bin includes its upper edge."""
    inner_edges = np.arange(1, N_BINS) / N_BINS
    return np.digitize(confidence, inner_edges, right=True)


def average_precision(scores: NDArray[np.number[Any]], positive: BoolArray) -> float:
    """Compute the average precision: the mean precision at the positive examples; nan where there are none.

    Precision at an example counts all examples that score as much or more, so that the order of ties does not matter.

    Args:
        scores: (examples,) scores, higher where an example is more likely positive.
        positive: (examples,) whether an example is positive.

    Raises:
        InputError: Lengths differ.
    """
    scores = plain_array(scores, name="scores")
    positive = plain_array(positive, name="positive")
    if scores.ndim != 1 or scores.dtype.kind not in "fiub" or positive.dtype != bool:
        raise InputError(
            f"scores must be (examples,) numbers and positive bools, found {scores.dtype}, {positive.dtype}"
        )
    check_same_length(scores=scores, positive=positive)
    if not positive.any():
        return float("nan")
    return float(_sklearn_metrics().average_precision_score(positive, scores))


def per_class(labels: IntegerArray, log_prob: FloatArray) -> dict[str, Float64Array | Int64Array]:
    """Compute precision, recall, F1, AUROC against the rest and the number of examples of every class.

    Returns:
        Name -> (classes,) values. An undefined AUROC is nan, other undefined scores are 0.
    """
    labels, log_prob = _as_arrays(labels, log_prob)
    scores = precision_recall_f1(labels, log_prob.argmax(axis=1), log_prob.shape[1])
    return {**scores, "auroc": class_auroc(labels, log_prob)}


def precision_recall_f1(
    labels: IntegerArray, predicted: IntegerArray, n_classes: int
) -> dict[str, Float64Array | Int64Array]:
    """Compute precision, recall, F1 and the number of examples of every class; undefined scores are 0.

    Args:
        labels: (examples,) class ids.
        predicted: (examples,) predicted class ids.
        n_classes: Number of classes.

    Returns:
        `precision`, `recall`, `f1` and `count` -> (classes,) values.
    """
    classes = np.arange(n_classes)
    scores = _sklearn_metrics().precision_recall_fscore_support(labels, predicted, labels=classes, zero_division=0)
    return dict(zip(("precision", "recall", "f1", "count"), scores, strict=True))


def confusion(labels: IntegerArray, predicted: IntegerArray) -> tuple[Int64Array, Int64Array, Int64Array]:
    """Count the pairs of a label and a prediction that occur: the confusion matrix without its zeros.

    Args:
        labels: (examples,) class ids.
        predicted: (examples,) predicted class ids.

    Returns:
        (pairs,) labels, (pairs,) predictions and (pairs,) counts, sorted by label and prediction.
    """
    labels = class_ids(labels)
    predicted = class_ids(predicted, name="predicted")
    check_same_length(labels=labels, predicted=predicted)
    examples = np.stack([labels, predicted]).astype(np.int64)
    pairs, counts = np.unique(examples, axis=1, return_counts=True)
    return pairs[0], pairs[1], counts


METRICS: dict[str, Callable[[IntegerArray, FloatArray], float]] = {
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "macro_f1": macro_f1,
    "mcc": mcc,
    "auroc": auroc,
    "log_loss": log_loss,
    "ece": ece,
}
