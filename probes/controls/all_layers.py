"""The all-layers probe: one probe on the vectors of all layers of a pooling, with which the best layer is compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from probes.checks import InputError
from probes.logistic.fitted_probe import FittedProbe
from probes.logistic.fitting import LogisticProbe
from probes.probing.folds import Folds
from probes.probing.penalty_selection import (
    APPROXIMATE_TOLERANCE,
    DEFAULT_CS,
    NO_FINITE_LOSS,
    Sample,
    Selection,
    Trial,
)
from probes.probing.sites import Examples, ExampleSplits
from probes.sequences import FloatArray
from probes.statistics.bootstrap import Predictions

N_FOLDS = 5
"""Folds of the training examples, of which one chooses the penalty where there is no validation split."""
MOST_BYTES = 2**31
"""Largest size of the training features of all layers together."""


@dataclass(frozen=True, eq=False)
class AllLayersProbe:
    """Probe on the concatenated vectors of all layers of one pooling."""

    pooling: str
    layers: tuple[int, ...]
    selection: Selection
    """The probe, and the penalties that were tried."""
    predictions: Predictions
    """Predictions for the test examples."""


def all_layers_obstacle(train: Examples, pooling: str, layers: Sequence[int]) -> str | None:
    """Return why no all-layers probe is fitted, or None where there is no reason.

    Args:
        train: Training examples.
        pooling: Pooling whose layers are concatenated.
        layers: Layers that are concatenated.
    """
    if len(layers) < 2:
        return "a single layer is probed"
    n_bytes = len(layers) * np.asarray(train.features[pooling][layers[0]]).nbytes
    if n_bytes > MOST_BYTES:
        return f"the training vectors of all layers together take {n_bytes / 2**30:.1f} GiB"
    return None


def fit_all_layers_probe(
    splits: ExampleSplits,
    task: str,
    pooling: str,
    layers: Sequence[int],
    *,
    n_classes: int,
    cs: Sequence[float] = DEFAULT_CS,
    device: str = "cpu",
    seed: int = 0,
) -> AllLayersProbe:
    """Fit a logistic-regression probe on the standardised vectors of all layers, one after the other.

    The penalties are those of a single layer divided by the number of layers: were all layers equal, the weights would
    be spread over them and the L2 penalty would be that much smaller. They are tried from strong to weak until the log
    loss on validation rises. Where there is no validation split, a fold of the training examples chooses the penalty.

    Args:
        splits: Examples with features of the pooling and labels of the label column.
        task: Label column.
        pooling: Pooling whose layers are concatenated.
        layers: Layers to concatenate.
        n_classes: Number of classes.
        cs: Inverse penalty strengths of a single layer, increasing.
        device: Device on which probes are fitted.
        seed: Seed of the folds.

    Raises:
        InputError: There is no layer, or no penalty gives a finite log loss on validation.

    Source: Tenney et al. (2019), arXiv:1905.06316 (probes on all layers together, by a weighted mean of layers).
    """
    if not len(layers):
        raise InputError("an all-layers probe needs at least one layer")
    penalties = [c / len(layers) for c in cs]
    train = _concatenated(splits.train, task, pooling, layers)
    if splits.validation is not None:
        validation = _concatenated(splits.validation, task, pooling, layers)
        selection = _selected(train, validation, penalties, n_classes=n_classes, device=device)
    else:
        units = splits.train.units
        n_units = len(train.labels if units is None else np.unique(units))
        folds = Folds.of(train.labels, units, n=min(N_FOLDS, n_units), seed=seed)
        selection = _selected_by_a_fold(train, folds, penalties, n_classes=n_classes, device=device)
    test = _concatenated(splits.test, task, pooling, layers)
    predictions = Predictions.of(selection.probe.log_prob(test.features))
    return AllLayersProbe(pooling, tuple(layers), selection, predictions)


def _concatenated(split: Examples, task: str, pooling: str, layers: Sequence[int]) -> Sample:
    """Return the (examples, layers x hidden) features of all layers with their labels."""
    features: list[FloatArray] = [np.asarray(split.features[pooling][layer]) for layer in layers]
    return Sample(np.concatenate(features, axis=1), split.labels[task])


def _selected(train: Sample, validation: Sample, cs: Sequence[float], *, n_classes: int, device: str) -> Selection:
    """Fit probes from strong to weak penalties until the validation loss rises, and select the best."""
    fitter = LogisticProbe().prepare(train.features, device=device)
    rows = np.arange(len(validation.labels))
    trials: list[Trial] = []
    best: FittedProbe | None = None
    probe: FittedProbe | None = None
    least_loss = np.inf
    for c in cs:
        # Each fit starts from the last one, whose penalty is stronger.
        (probe,) = fitter.fit_many(
            train.labels[None], (c,), n_classes=n_classes, start=probe, tol=APPROXIMATE_TOLERANCE
        )
        loss = float(-probe.log_prob(validation.features)[rows, validation.labels].mean())
        trials.append(Trial(c, loss, probe.converged))
        if not loss < least_loss:
            break
        best = probe
        least_loss = loss
    if best is None:
        raise InputError(NO_FINITE_LOSS)
    return Selection(best, tuple(trials))


def _selected_by_a_fold(train: Sample, folds: Folds, cs: Sequence[float], *, n_classes: int, device: str) -> Selection:
    """Select the penalty on one fold of the training examples, and fit the probe on all of them."""
    held_out = folds.parts[0]
    remaining = np.setdiff1d(np.arange(len(train.labels)), held_out)
    validation = Sample(train.features[held_out], train.labels[held_out])
    remaining_train = Sample(train.features[remaining], train.labels[remaining])
    selection = _selected(remaining_train, validation, cs, n_classes=n_classes, device=device)
    # Refit with the selected penalty on all training examples.
    fitter = LogisticProbe().prepare(train.features, device=device)
    (probe,) = fitter.fit_many(train.labels[None], (selection.probe.c,), n_classes=n_classes, tol=APPROXIMATE_TOLERANCE)
    return Selection(probe, selection.trials)
