"""Choice of C, the inverse penalty strength of a probe: on validation, or by folds of the training examples."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from probes.checks import InputError, check_same_length
from probes.logistic.fitted_probe import FittedProbe
from probes.logistic.fitting import LogisticProbe
from probes.probing.folds import Folds
from probes.sequences import Float64Array, FloatArray, IntegerArray, class_ids, finite_features

DEFAULT_CS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Inverse strengths of the L2 penalty, from strong to weak, as in scikit-learn (on a sum over examples)."""
APPROXIMATE_TOLERANCE = 1e-5
"""Tolerance, in nats an example, of fits that only enter averages: floors, controls, resampled training sets."""
NO_FINITE_LOSS = (
    "no probe gives a finite log loss on the held-out examples: their features are so large that its logits overflow"
)


@dataclass(frozen=True, eq=False)
class Sample:
    """Features of one site with the labels of one column."""

    features: FloatArray
    """(examples, hidden)"""
    labels: IntegerArray
    """(examples,) class ids."""


@dataclass(frozen=True)
class Trial:
    """Validation loss of the probe with one penalty."""

    c: float
    validation_log_loss: float
    """In nats."""
    converged: bool


@dataclass(frozen=True, eq=False)
class Selection:
    """Probe with the lowest validation log loss, and the trials among which it was selected."""

    probe: FittedProbe
    trials: tuple[Trial, ...]


def select_probe(path: Iterable[FittedProbe], features: Any, labels: IntegerArray) -> Selection:
    """Select the probe with the lowest log loss on validation.

    Args:
        path: Probes of increasing `c`; of equally good probes the first, with the strongest penalty, is selected.
        features: (examples, hidden) features of the validation examples; may be sparse.
        labels: (examples,) class ids of the validation examples.

    Raises:
        InputError: Lengths differ, or there are no probes.
    """
    is_sparse = hasattr(features, "tocsr")  # made by the bag of words, from numbers that are finite
    if not is_sparse:
        features = finite_features(features, name="validation features")
    labels = class_ids(labels, name="validation labels")
    check_same_length(validation_features=range(features.shape[0]), validation_labels=labels)
    rows = np.arange(len(labels))
    trials: list[Trial] = []
    best_probe: FittedProbe | None = None
    least_loss = math.inf
    for probe in path:
        log_probs = probe.log_prob(features)
        loss = float(-log_probs[rows, labels].mean())
        trials.append(Trial(probe.c, loss, probe.converged))
        if loss < least_loss:
            best_probe = probe
            least_loss = loss
    if not trials:
        raise InputError("no penalty strength to choose from")
    if best_probe is None:
        raise InputError(NO_FINITE_LOSS)
    return Selection(best_probe, tuple(trials))


def select_by_folds(
    probe: LogisticProbe, train: Sample, folds: Folds, cs: Sequence[float], *, n_classes: int, device: str = "cpu"
) -> tuple[Selection, Float64Array]:
    """Select the penalty with the lowest log loss over held-out parts, and fit a probe with it on all examples.

    The standardisation for a held-out part is fitted on the remaining examples alone.

    Args:
        probe: Kind of probe to fit; its own `c` is not used.
        train: Training examples.
        folds: Parts of the training examples.
        cs: Inverse penalty strengths, increasing.
        n_classes: Number of classes of the task.
        device: Device on which probes are fitted.

    Returns:
        The selection, and (examples, classes) log probabilities of each example by the selected probe that was fitted
        without its part.

    Raises:
        InputError: No penalty gives a finite log loss.
    """
    n_examples = len(train.labels)
    rows = np.arange(n_examples)
    log_probs = np.empty((len(cs), n_examples, n_classes))
    converged = np.ones(len(cs), dtype=bool)
    for held_out in folds.parts:
        # Fit the whole path on the remaining examples and score the part.
        remaining = np.setdiff1d(rows, held_out)
        fitter = probe.prepare(train.features[remaining], device=device)
        path = fitter.fit_path(train.labels[remaining], cs, n_classes=n_classes)
        for i, fitted_probe in enumerate(path):
            log_probs[i, held_out] = fitted_probe.log_prob(train.features[held_out])
            converged[i] &= fitted_probe.converged
    # Choose C by the mean over all examples, each scored by the probe that did not see it.
    label_log_probs = log_probs[:, rows, train.labels]
    losses = -label_log_probs.mean(axis=1)
    if not np.isfinite(losses).any():
        raise InputError(NO_FINITE_LOSS)
    best = int(np.nanargmin(losses))
    # Refit with the chosen C on all examples.
    fitter = probe.prepare(train.features, device=device)
    fit_labels = train.labels[None]
    (chosen,) = fitter.fit_many(fit_labels, (cs[best],), n_classes=n_classes)
    trials = []
    for c, loss, has_converged in zip(cs, losses, converged, strict=True):
        trials.append(Trial(float(c), float(loss), bool(has_converged)))
    return Selection(chosen, tuple(trials)), log_probs[best]
