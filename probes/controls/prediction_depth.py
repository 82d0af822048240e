"""Prediction depth through probes: the layer from which a text's prediction no longer changes.

The method is adapted from Baldock et al. (2021), arXiv:2106.09647, who apply nearest neighbours to the layers of a
classifier trained on the task; here probes are applied to the layers of a frozen encoder.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from probes.checks import InputError
from probes.sequences import Int64Array, IntegerArray, plain_array


@dataclass(frozen=True)
class Reliability:
    """Agreement of the depths of the same texts between refits."""

    correlation: float
    """Mean Pearson correlation of depths between two refits; nan where all texts of a refit have one depth."""
    same: float
    """Mean share of texts with the same depth in two refits."""
    by_chance: float
    """Expected share if the depths of each refit were assigned to the texts at random."""


def prediction_depth(predictions: IntegerArray) -> Int64Array:
    """Return the (texts,) index of the first layer from which all predictions equal that of the last layer.

    Args:
        predictions: (layers, texts) predicted class ids.

    Returns:
        Indices from 0, of rows and not of the model's layers.

    Raises:
        InputError: There are no layers, or the predictions are no ids of two axes.

    Source: Baldock et al. (2021), arXiv:2106.09647, who apply nearest neighbours to the layers.
    """
    predictions = plain_array(predictions, name="predictions")
    if predictions.ndim != 2 or predictions.dtype.kind not in "iu":
        shape = predictions.shape
        raise InputError(f"predictions must be (layers, texts) class ids, found {predictions.dtype} of shape {shape}")
    if not len(predictions):
        raise InputError("prediction depth needs at least one layer")
    equals_last = predictions == predictions[-1]
    # From the last layer downwards: does every layer above agree as well?
    from_last = equals_last[::-1]
    all_above_equal = np.logical_and.accumulate(from_last)[::-1]
    return np.asarray(all_above_equal.argmax(axis=0))


def reliability(depths: IntegerArray) -> Reliability:
    """Compute the agreement of the depths of several refits.

    Args:
        depths: (refits, texts) depths of two refits or more.

    Raises:
        InputError: There are fewer than two refits.
    """
    if len(depths) < 2:
        raise InputError("reliability needs at least two refits")
    pairs = list(itertools.combinations(depths, 2))
    # Correlation between two refits.
    correlation = float("nan")
    equals_first = depths == depths[:, :1]
    has_constant_refit = equals_first.all(axis=1).any()
    if not has_constant_refit:
        correlations = [np.corrcoef(a, b)[0, 1] for a, b in pairs]
        correlation = float(np.mean(correlations))
    # Share of equal depths.
    same_shares = [(a == b).mean() for a, b in pairs]
    same = float(np.mean(same_shares))
    # Its expectation from the distributions of depths alone.
    n_texts = depths.shape[1]
    n_layers = int(depths.max()) + 1
    distributions = [np.bincount(row, minlength=n_layers) / n_texts for row in depths]
    chance_shares = [float(p @ q) for p, q in itertools.combinations(distributions, 2)]
    by_chance = float(np.mean(chance_shares))
    return Reliability(correlation, same, by_chance)
