"""Prediction depth through probes: the layer from which a text's prediction no longer changes.

The method is adapted from Baldock et al. (2021), arXiv:2106.09647, who apply nearest neighbours to the layers of a
classifier trained on the task; here probes are applied to the layers of a frozen encoder.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from probes.checks import InputError
from probes.probing.penalty_selection import APPROXIMATE_TOLERANCE
from probes.probing.sites import ProbedSite
from probes.sequences import Float64Array, FloatArray, Int64Array, IntegerArray, plain_array
from probes.statistics.standardisation import CHUNK_ROWS, moments

N_REFITS = 5


@dataclass(frozen=True, eq=False)
class RefitResult:
    """Predictions for the test texts by the probes of one site."""

    label_probability: Float64Array
    """(texts,) probability of the text's label."""
    predictions: Int64Array
    """(texts,) predicted class ids of the selected probe."""
    refit_predictions: Int64Array
    """(refits, texts) predicted class ids of probes fitted on resampled training texts."""
    converged: bool
    """Whether all refits reached their tolerance."""
    varies: bool = True
    """Whether the training texts' vectors differ by more than rounding; if not, all texts get the same prediction."""


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


def refit_study(n: int = N_REFITS, *, seed: int = 0) -> Callable[[ProbedSite], RefitResult]:
    """Make a study for `sweep_probes` that refits the selected probe on bootstrap samples of the training texts.

    A refit has the same sample at every site, and the C that was selected there.

    Args:
        n: Number of refits.
        seed: Seed of the samples.
    """

    @functools.cache
    def sample_counts(size: int) -> NDArray[np.float32]:
        rng = np.random.default_rng(seed)
        uniform = np.full(size, 1 / size)
        return rng.multinomial(size, uniform, size=n).astype(np.float32)

    def study(probed_site: ProbedSite) -> RefitResult:
        train = probed_site.train
        test = probed_site.test
        selected_probe = probed_site.selection.probe
        # Refits: each example weighs as often as the bootstrap sample holds it.
        refits = probed_site.fitter.fit_many(
            np.tile(train.labels, (n, 1)),
            (selected_probe.c,) * n,
            n_classes=probed_site.n_classes,
            weights=sample_counts(len(train.labels)),
            start=selected_probe,
            tol=APPROXIMATE_TOLERANCE,
        )
        log_probs = selected_probe.log_prob(test.features)
        label_log_probs = log_probs[np.arange(len(log_probs)), test.labels]
        return RefitResult(
            label_probability=np.exp(label_log_probs),
            predictions=np.asarray(log_probs.argmax(axis=1)),
            refit_predictions=np.stack([probe.predict(test.features) for probe in refits]),
            converged=all(probe.converged for probe in refits),
            varies=_varies(train.features),
        )

    return study


def _varies(features: FloatArray) -> bool:
    """Return whether (examples, hidden) vectors differ by more than rounding; a few of them usually suffice to see."""
    for rows in (features[:CHUNK_ROWS], features):
        _, deviation = moments(rows)
        if (deviation > 0).any():
            return True
    return False


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
