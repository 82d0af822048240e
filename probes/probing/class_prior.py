"""Class prior of the training labels: the floor of a probe that reads nothing of the texts."""

from __future__ import annotations

import numpy as np

from probes.logistic.fitted_probe import log_softmax
from probes.sequences import Float64Array, IntegerArray


def constant_feature_log_probs(labels: IntegerArray, *, n_classes: int) -> Float64Array:
    """Return the (classes,) log probabilities of a probe fitted on a constant vector.

    A class that does not occur in `labels` has odds of 1 to examples + 1, as with every probe.
    """
    counts = np.bincount(labels, minlength=n_classes)
    shares = np.maximum(counts, 1) / len(labels)
    absent_logit = -np.log(len(labels) + 1)
    logits = np.where(counts > 0, np.log(shares), absent_logit)
    return log_softmax(logits)


def smoothed_prior_log_probs(labels: IntegerArray, *, n_classes: int) -> Float64Array:
    """Return the (classes,) log shares of the labels, with one added to the count of every class."""
    counts = np.bincount(labels, minlength=n_classes) + 1.0
    return np.asarray(np.log(counts / counts.sum()))
