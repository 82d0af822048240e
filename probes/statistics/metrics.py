"""Scores of predictions: scikit-learn's, over labels and log probabilities."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probes.checks import InputError, check_same_length
from probes.sequences import check_labels, class_ids, feature_array, plain_array

BINS = 15
"""Of the calibration error."""


def _checked(
    labels: NDArray[np.integer[Any]], log_prob: NDArray[np.floating[Any]]
) -> tuple[NDArray[np.integer[Any]], NDArray[np.floating[Any]]]:
    """(examples,) class ids and (examples, classes) log probabilities, from lists and tensors too.

    Raises:
        InputError: Lengths differ, there are no examples, a label is no class, or a log probability is NaN.
    """
    labels, log_prob = class_ids(labels), feature_array(log_prob, name="log probabilities", axes="(examples, classes)")
    check_same_length(labels=labels, log_prob=log_prob)
    if not log_prob.size:
        raise InputError(f"a score needs one example and one class, found log probabilities of shape {log_prob.shape}")
    check_labels(labels, log_prob.shape[1])
    if np.isnan(log_prob).any():
        row = int(np.isnan(log_prob).any(axis=1).argmax())
        raise InputError(f"log probabilities are not numbers, first in row {row}")
    return labels, log_prob


def accuracy(labels: NDArray[np.integer[Any]], log_prob: NDArray[np.floating[Any]]) -> float:
    """Share of examples whose most probable class is their label."""
    labels, log_prob = _checked(labels, log_prob)
    from sklearn.metrics import accuracy_score

    return float(accuracy_score(labels, log_prob.argmax(axis=1)))


def balanced_accuracy(labels: NDArray[np.integer[Any]], log_prob: NDArray[np.floating[Any]]) -> float:
    """Unweighted mean of the classes' recall, over the classes that are labelled."""
    labels, log_prob = _checked(labels, log_prob)
    from sklearn.metrics import recall_score

    # balanced_accuracy_score is the same number, with a warning where a class is predicted and not labelled.
    return float(recall_score(labels, log_prob.argmax(axis=1), labels=np.unique(labels), average="macro"))


def macro_f1(labels: NDArray[np.integer[Any]], log_prob: NDArray[np.floating[Any]]) -> float:
    """Unweighted mean of the classes' F1, over the classes that are labelled or predicted; 0 where it is undefined."""
    labels, log_prob = _checked(labels, log_prob)
    from sklearn.metrics import f1_score

    return float(f1_score(labels, log_prob.argmax(axis=1), average="macro", zero_division=0))


def mcc(labels: NDArray[np.integer[Any]], log_prob: NDArray[np.floating[Any]]) -> float:
    """Matthews correlation of labels and predictions, of any number of classes; 0 where either is always the same.

    Source: Gorodkin (2004), Computational Biology and Chemistry 28.
    """
    labels, log_prob = _checked(labels, log_prob)
    from sklearn.metrics import matthews_corrcoef

    predicted = log_prob.argmax(axis=1)
    if len(np.unique(labels)) == 1 or len(np.unique(predicted)) == 1:
        return 0.0  # scikit-learn's answer too, with a warning where both are one class
    return float(matthews_corrcoef(labels, predicted))


def auroc(labels: NDArray[np.integer[Any]], log_prob: NDArray[np.floating[Any]]) -> float:
    """Share of pairs of two classes that the log probabilities put in the right order; a tie is half right.

    With more than two classes the mean of one against the rest, over the classes that some examples have and others
    have not; nan where there are none.
    """
    found = class_auroc(labels, log_prob)
    defined = ~np.isnan(found)
    return float(found[defined].mean()) if defined.any() else float("nan")


def class_auroc(labels: NDArray[np.integer[Any]], log_prob: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """(classes,) AUROC of each class against the rest; nan where all or no examples have it."""
    labels, log_prob = _checked(labels, log_prob)
    from sklearn.metrics import roc_auc_score

    n_classes = log_prob.shape[1]
    truth = labels[:, None] == np.arange(n_classes)
    defined = np.flatnonzero(truth.any(axis=0) & ~truth.all(axis=0))
    found = np.full(n_classes, np.nan)
    if len(defined):
        # The order alone counts, and scikit-learn refuses the infinite scores of a probability of 0.
        ranks = [np.unique(column, return_inverse=True)[1] for column in class_scores(log_prob).T[defined]]
        found[defined] = roc_auc_score(truth[:, defined], np.stack(ranks, axis=1), average=None)
    return found


def class_scores(log_prob: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """(examples, classes) what AUROC ranks by: log probabilities; of two classes, their difference.

    The difference has the order of the probability, and still tells apart what is too close to 1 to differ there.
    """
    exact = log_prob.astype(np.float64)
    return np.asarray(exact - exact[:, ::-1] if exact.shape[1] == 2 else exact)


def log_loss(labels: NDArray[np.integer[Any]], log_prob: NDArray[np.floating[Any]]) -> float:
    """Mean of minus the log probability of the label, in nats."""
    labels, log_prob = _checked(labels, log_prob)
    return float(-log_prob[np.arange(len(labels)), labels].mean(dtype=np.float64))


def ece(labels: NDArray[np.integer[Any]], log_prob: NDArray[np.floating[Any]]) -> float:
    """Expected calibration error: how far confidence is from accuracy, in 15 equal bins of the top probability.

    It is above 0 for a calibrated classifier too, the more the fewer examples there are.

    Source: Guo et al. (2017), arXiv:1706.04599.
    """
    gaps = calibration_gaps(labels, log_prob)
    return float(np.abs(gaps.sum(axis=1)).sum() / gaps.shape[1])


def calibration_gaps(labels: NDArray[np.integer[Any]], log_prob: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """(bins, examples): 1 if right else 0, minus the top probability, in the bin of that probability; else 0."""
    labels, log_prob = _checked(labels, log_prob)
    confidence = np.exp(log_prob.max(axis=1).astype(np.float64))
    bins = np.digitize(confidence, np.arange(1, BINS) / BINS, right=True)  # a bin holds its upper end
    gaps = np.zeros((BINS, len(labels)))
    gaps[bins, np.arange(len(labels))] = (log_prob.argmax(axis=1) == labels) - confidence
    return gaps


def average_precision(scores: NDArray[np.number[Any]], positive: NDArray[np.bool_]) -> float:
    """Area under the precision-recall curve: mean precision at the positive examples; nan where there are none.

    Precision at an example counts all that score as much or more, so that the order of ties does not matter.

    Args:
        scores: (examples,) higher for those thought positive.
        positive: (examples,)

    Raises:
        InputError: Lengths differ.
    """
    from sklearn.metrics import average_precision_score

    scores, positive = plain_array(scores, name="scores"), plain_array(positive, name="positive")
    if scores.ndim != 1 or scores.dtype.kind not in "fiub" or positive.dtype != bool:
        raise InputError(
            f"scores must be (examples,) numbers and positive bools, found {scores.dtype}, {positive.dtype}"
        )
    check_same_length(scores=scores, positive=positive)
    return float(average_precision_score(positive, scores)) if positive.any() else float("nan")


def per_class(
    labels: NDArray[np.integer[Any]], log_prob: NDArray[np.floating[Any]]
) -> dict[str, NDArray[np.float64] | NDArray[np.int64]]:
    """Precision, recall, f1, auroc against the rest and count of each class: name -> (classes,).

    An undefined auroc is nan, the others are 0 where they are undefined.
    """
    labels, log_prob = _checked(labels, log_prob)
    from sklearn.metrics import precision_recall_fscore_support

    predicted, classes = log_prob.argmax(axis=1), np.arange(log_prob.shape[1])
    scores = precision_recall_fscore_support(labels, predicted, labels=classes, zero_division=0)
    found = dict(zip(("precision", "recall", "f1", "count"), scores, strict=True))
    return {**found, "auroc": class_auroc(labels, log_prob)}


def confusion(
    labels: NDArray[np.integer[Any]], predicted: NDArray[np.integer[Any]]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The pairs of a label and a prediction that occur, by label and prediction, and how often: (pairs,) each.

    A matrix of all pairs has the square of the number of classes, most of them 0 where classes are many.
    """
    labels, predicted = class_ids(labels), class_ids(predicted, name="predicted")
    check_same_length(labels=labels, predicted=predicted)
    pairs, counts = np.unique(np.stack([labels, predicted]).astype(np.int64), axis=1, return_counts=True)
    return pairs[0], pairs[1], counts


METRICS: dict[str, Callable[[NDArray[np.integer[Any]], NDArray[np.floating[Any]]], float]] = {
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "macro_f1": macro_f1,
    "mcc": mcc,
    "auroc": auroc,
    "log_loss": log_loss,
    "ece": ece,
}
