"""Scores of predictions: scikit-learn's, over labels and log probabilities."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probes.checks import check_labels, check_same_length


def accuracy(labels: NDArray[np.integer[Any]], log_prob: NDArray[np.floating[Any]]) -> float:
    """Share of examples whose most probable class is their label."""
    from sklearn.metrics import accuracy_score

    return float(accuracy_score(labels, log_prob.argmax(axis=1)))


def macro_f1(labels: NDArray[np.integer[Any]], log_prob: NDArray[np.floating[Any]]) -> float:
    """Unweighted mean of the classes' F1, over the classes that are labelled or predicted; 0 where it is undefined."""
    from sklearn.metrics import f1_score

    return float(f1_score(labels, log_prob.argmax(axis=1), average="macro", zero_division=0))


def log_loss(labels: NDArray[np.integer[Any]], log_prob: NDArray[np.floating[Any]]) -> float:
    """Mean of minus the log probability of the label, in nats."""
    check_labels(labels, log_prob.shape[1])
    return float(-log_prob[np.arange(len(labels)), labels].mean())


def per_class(
    labels: NDArray[np.integer[Any]], predicted: NDArray[np.integer[Any]], n_classes: int
) -> dict[str, NDArray[np.float64]]:
    """Precision, recall, f1 and count of each class: name -> (classes,). Undefined ones are 0."""
    from sklearn.metrics import precision_recall_fscore_support

    check_same_length(labels=labels, predicted=predicted)
    scores = precision_recall_fscore_support(labels, predicted, labels=np.arange(n_classes), zero_division=0)
    return dict(zip(("precision", "recall", "f1", "count"), scores, strict=True))


def confusion(
    labels: NDArray[np.integer[Any]], predicted: NDArray[np.integer[Any]], n_classes: int
) -> NDArray[np.int64]:
    """(classes, classes) counts, label by prediction."""
    from sklearn.metrics import confusion_matrix

    return np.asarray(confusion_matrix(labels, predicted, labels=np.arange(n_classes)), dtype=np.int64)


METRICS: dict[str, Callable[[NDArray[np.integer[Any]], NDArray[np.floating[Any]]], float]] = {
    "accuracy": accuracy,
    "macro_f1": macro_f1,
    "log_loss": log_loss,
}
