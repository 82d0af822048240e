"""Prediction depth through probes: the layer from which a text's prediction no longer changes.

An adaptation of Baldock et al. (2021), arXiv:2106.09647: they ask nearest neighbours at the layers of a classifier that
was trained on the task, we ask probes at the layers of a frozen encoder.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probes.checks import InputError
from probes.probing.selection import APPROXIMATE_TOLERANCE
from probes.probing.sites import ProbedSite
from probes.probing.standardisation import CHUNK_ROWS, moments

REFITS = 5


@dataclass(frozen=True, eq=False)
class Refitted:
    """What the probes of one place say of the test texts."""

    probability: NDArray[np.float64]
    """(texts,) of the text's label."""
    predicted: NDArray[np.int64]
    """(texts,)"""
    refits: NDArray[np.int64]
    """(refits, texts) predictions of probes fitted on resampled training texts."""
    converged: bool
    """Whether all of those reached their tolerance."""
    varies: bool = True
    """Whether the training texts' vectors differ here by more than rounding; else every text gets one answer."""


@dataclass(frozen=True)
class Reliability:
    """How much of the difference in depth between texts comes again with another training sample."""

    correlation: float
    """Mean Pearson correlation of the texts' depths between two refits; nan where a refit gives all texts one depth."""
    same: float
    """Share of texts that have the same depth in two refits, on average."""
    by_chance: float
    """That share if the depths of each refit were dealt out to the texts at random."""


def prediction_depth(predicted: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """(texts,) row of the first layer from which on every layer predicts what the last one does.

    Args:
        predicted: (layers, texts) predicted class ids.
    """
    if not len(predicted):
        raise InputError("prediction depth needs at least one layer")
    settled = np.logical_and.accumulate((predicted == predicted[-1])[::-1])[::-1]
    return np.asarray(settled.argmax(axis=0))


def refitting(n: int = REFITS, *, seed: int = 0) -> Callable[[ProbedSite], Refitted]:
    """A study for `sweep_probes`: the chosen probe's predictions, and those of refits on bootstrap training samples.

    A refit has the same sample at every place, and the penalty that was chosen there.
    """

    @functools.cache
    def draw(size: int) -> NDArray[np.float32]:
        return np.random.default_rng(seed).multinomial(size, np.full(size, 1 / size), size=n).astype(np.float32)

    def study(place: ProbedSite) -> Refitted:
        counts = draw(len(place.train.labels))
        labels = np.tile(place.train.labels, (n, 1))
        chosen = place.selection.probe
        cs = (chosen.c,) * n
        probes = place.fitter.fit_many(
            labels, cs, n_classes=place.n_classes, weights=counts, start=chosen, tol=APPROXIMATE_TOLERANCE
        )
        log_prob = chosen.log_prob(place.test.features)
        return Refitted(
            np.exp(log_prob[np.arange(len(log_prob)), place.test.labels]),
            np.asarray(log_prob.argmax(axis=1)),
            np.stack([probe.predict(place.test.features) for probe in probes]),
            all(probe.converged for probe in probes),
            _varies(place.train.features),
        )

    return study


def _varies(features: NDArray[np.floating[Any]]) -> bool:
    """Whether (examples, hidden) vectors differ by more than rounding; where they do, some of them mostly tell."""
    return any(bool((moments(rows)[1] > 0).any()) for rows in (features[:CHUNK_ROWS], features))


def reliability(depths: NDArray[np.integer[Any]]) -> Reliability:
    """How alike the depths of several refits are.

    Args:
        depths: (refits, texts), two refits or more.
    """
    if len(depths) < 2:
        raise InputError("reliability needs at least two refits")
    pairs = [(a, b) for i, a in enumerate(depths) for b in depths[i + 1 :]]
    constant = (depths == depths[:, :1]).all(axis=1).any()
    correlation = float("nan") if constant else float(np.mean([np.corrcoef(a, b)[0, 1] for a, b in pairs]))
    layers = int(depths.max()) + 1
    shares = [np.bincount(row, minlength=layers) / depths.shape[1] for row in depths]
    by_chance = [float(p @ q) for i, p in enumerate(shares) for q in shares[i + 1 :]]
    return Reliability(correlation, float(np.mean([(a == b).mean() for a, b in pairs])), float(np.mean(by_chance)))
