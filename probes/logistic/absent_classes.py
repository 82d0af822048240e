"""Classes that do not occur in the training examples: a probe of the occurring ones, expanded to all classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probes.logistic.fitted_probe import FittedProbe, log_softmax
from probes.sequences import IntegerArray


@dataclass(frozen=True, eq=False)
class PartialProbe:
    """Weights of the classes that occur in the training examples."""

    weight: NDArray[Any]
    """(columns, hidden); of two occurring classes one column, the logit of the second."""
    bias: NDArray[Any]
    """(columns,)"""
    classes: IntegerArray
    """(occurring classes,) class ids."""
    logits: NDArray[Any] | None
    """(examples, columns) logits of the training examples; None where all classes of the task occur."""
    center: NDArray[np.float32] | None = None
    """(hidden,) vector that is subtracted from the features first; None for zero."""


def expand_to_all_classes(partial: PartialProbe, *, n_classes: int, c: float, converged: bool) -> FittedProbe:
    """Return a probe of all classes of the task.

    A class that does not occur gets no weights, and the bias at which its average log odds on the training examples are
    those of 1 to examples + 1.

    Args:
        partial: Weights of the occurring classes.
        n_classes: Number of classes of the task.
        c: Inverse penalty strength, for the record.
        converged: Whether the solver reached its tolerance, for the record.
    """
    weight = partial.weight
    bias = partial.bias
    if len(partial.classes) == 2:  # divide the logit between both classes, which leaves the softmax as it is
        weight = np.concatenate([-weight, weight]) / 2
        bias = np.concatenate([-bias, bias]) / 2
    all_weights = np.zeros((n_classes, weight.shape[1]))
    all_biases = np.zeros(n_classes)
    if partial.logits is not None:
        logits = partial.logits
        if len(partial.classes) == 2:
            logits = np.concatenate([-logits, logits], axis=1) / 2
        # Average logarithm of the softmax denominator, minus the log odds.
        log_denominator = logits[:, 0] - log_softmax(logits)[:, 0]
        all_biases[:] = log_denominator.mean() - np.log(len(logits) + 1)
    all_weights[partial.classes] = weight
    all_biases[partial.classes] = bias
    return FittedProbe(
        all_weights.astype(np.float32),
        all_biases.astype(np.float32),
        c=float(c),
        converged=converged,
        center=partial.center,
    )
