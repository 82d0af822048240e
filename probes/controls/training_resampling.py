"""Resampled training sets: how much scores, and the choice of the best site, depend on the training sample."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from probes.checks import InputError, side_of_zero
from probes.logistic.fitted_probe import FittedProbe, score_probes
from probes.probing.sites import ProbedSite, Site
from probes.sequences import BoolArray, Float64Array, FloatArray, Int64Array, IntegerArray
from probes.statistics.resampling import N_RESAMPLES, resampling_counts
from probes.statistics.simultaneous import simultaneous_intervals
from probes.statistics.standardisation import CHUNK_ROWS, moments

N_REFITS = 20
REFIT_TOLERANCE = 3e-5
"""Tolerance of the refits, in nats an example: far below the differences between sites. With a smaller one, the refits
of 47 classes cost more than twice the sweep."""


@dataclass(frozen=True, eq=False)
class RefitResult:
    """Predictions for the test examples by the probes of one site, and their losses on held-out examples."""

    label_probability: Float64Array
    """(examples,) probability of the example's label."""
    predictions: Int64Array
    """(examples,) predicted class ids of the selected probe."""
    refit_predictions: NDArray[np.unsignedinteger]
    """(refits, examples) predicted class ids of probes fitted on resampled training sets."""
    refit_losses: Float64Array
    """(refits,) log losses, in nats, on the examples that choose the best site in each resampled training set."""
    converged: bool
    """Whether all refits reached their tolerance."""
    varies: bool = True
    """Whether the training vectors differ by more than rounding; if not, all examples get the same prediction."""


def refit_study(n: int = N_REFITS, *, seed: int = 0) -> Callable[[ProbedSite], RefitResult]:
    """Make a study for `sweep_probes` that refits the selected probe on bootstrap samples of the training examples.

    A refit has the same sample at every site, and the C that was selected there. Units, such as duplicates and groups,
    are drawn whole. The loss of a refit is that on validation; where folds replace it, it is that on the training
    examples which the sample leaves out.

    Args:
        n: Number of refits.
        seed: Seed of the samples.

    Source: Breiman (1996), Out-of-bag estimation (losses on the examples that a bootstrap sample leaves out).
    """
    cached_counts = functools.cache(functools.partial(_independent_counts, n, seed))

    def study(probed_site: ProbedSite) -> RefitResult:
        train = probed_site.train
        test = probed_site.test
        selected_probe = probed_site.selection.probe
        n_train = len(train.labels)
        counts = cached_counts(n_train)
        if probed_site.train_units is not None:
            counts = _unit_counts(n, seed, probed_site.train_units)
        # Refits: each example weighs as often as the bootstrap sample holds it.
        refits = probed_site.fitter.fit_many(
            np.tile(train.labels, (n, 1)),
            (selected_probe.c,) * n,
            n_classes=probed_site.n_classes,
            weights=counts,
            start=selected_probe,
            tol=REFIT_TOLERANCE,
        )
        log_probs = selected_probe.log_prob(test.features)
        label_log_probs = log_probs[np.arange(len(log_probs)), test.labels]
        class_type = np.min_scalar_type(probed_site.n_classes)  # predictions of all sites and refits stay in memory
        refit_predictions = [probe.predict(test.features).astype(class_type) for probe in refits]
        return RefitResult(
            label_probability=np.exp(label_log_probs),
            predictions=np.asarray(log_probs.argmax(axis=1)),
            refit_predictions=np.stack(refit_predictions),
            refit_losses=_held_out_losses(refits, counts, probed_site),
            converged=all(probe.converged for probe in refits),
            varies=_varies(train.features),
        )

    return study


def _independent_counts(n: int, seed: int, n_examples: int) -> NDArray[np.float32]:
    """Draw (refits, examples) how often each example is in a bootstrap sample."""
    rng = np.random.default_rng(seed)
    uniform = np.full(n_examples, 1 / n_examples)
    return rng.multinomial(n_examples, uniform, size=n).astype(np.float32)


def _unit_counts(n: int, seed: int, units: IntegerArray) -> NDArray[np.float32]:
    """Draw (refits, examples) how often the unit of each example is in a bootstrap sample of units."""
    _, first_rows, positions = np.unique(units, return_index=True, return_inverse=True)
    # Number the units by their first example, so that units of one example each change nothing.
    unit_ids = first_rows.argsort().argsort()[positions]
    counts = _independent_counts(n, seed, len(first_rows))
    return counts[:, unit_ids]


def _held_out_losses(refits: list[FittedProbe], counts: NDArray[np.float32], probed_site: ProbedSite) -> Float64Array:
    """Return (refits,) log losses on validation, or on the training examples that each sample leaves out.

    A sample that leaves none out is scored on all of them.
    """
    if probed_site.validation is not None:
        held_out = probed_site.validation
        is_held_out = np.ones((len(refits), len(held_out.labels)), dtype=bool)
    else:
        held_out = probed_site.train
        is_held_out = counts == 0
        is_held_out[~is_held_out.any(axis=1)] = True
    label_log_probs, _ = score_probes(refits, held_out.features, held_out.labels)
    totals = np.where(is_held_out, label_log_probs, 0.0).sum(axis=1)
    losses = -totals / is_held_out.sum(axis=1)
    # A probe whose logits overflow is never the best.
    return np.where(np.isfinite(losses), losses, np.inf)


def _varies(features: FloatArray) -> bool:
    """Return whether (examples, hidden) vectors differ by more than rounding; a few of them usually suffice to see."""
    for rows in (features[:CHUNK_ROWS], features):
        _, deviation = moments(rows)
        if (deviation > 0).any():
            return True
    return False


@dataclass(frozen=True, eq=False)
class ResampledScores:
    """Scores of all sites of one label column over resampled training sets."""

    sites: tuple[Site, ...]
    accuracies: Float64Array
    """(refits, sites) test accuracies."""
    is_chosen: BoolArray
    """(refits, sites) whether the site is the best of a resampled training set, by the losses of its refits."""
    is_tied: BoolArray
    """(refits, sites) whether the site is that one, or its test accuracy is not significantly below that of it."""


def resampled_scores(
    results: Mapping[Site, RefitResult], labels: IntegerArray, *, ineligible: tuple[str, ...] = (), seed: int = 0
) -> ResampledScores:
    """Choose the best site anew in every resampled training set, and compare all sites with it on test.

    A site ties with the best one, or is above it, unless the simultaneous 95 % interval of their difference in test
    accuracy lies below 0. It is the same rule as for the sites that tie with the best one of a sweep.

    Args:
        results: Site -> result of `refit_study`, with the same number of refits.
        labels: (examples,) class ids of the test examples.
        ineligible: Poolings that are never the best.
        seed: Seed of the bootstrap of the test examples.

    Raises:
        InputError: No site is eligible.
    """
    sites = tuple(results)
    is_eligible = np.array([site.pooling not in ineligible for site in sites])
    if not is_eligible.any():
        raise InputError("no site is eligible as the best of a resampled training set")
    # Choose the best site in every resampled training set.
    losses = np.stack([result.refit_losses for result in results.values()], axis=1)
    chosen = np.where(is_eligible, losses, np.inf).argmin(axis=1)
    chosen = np.where(is_eligible[chosen], chosen, is_eligible.argmax())
    # Compare all sites with it on test.
    hits = np.stack([result.refit_predictions == labels for result in results.values()], axis=2)
    accuracies = hits.mean(axis=1)
    n_refits = len(hits)
    resampled = _resampled_accuracies(hits, seed)
    is_tied = np.empty(accuracies.shape, dtype=bool)
    for refit in range(n_refits):
        best = chosen[refit]
        differences = accuracies[refit] - accuracies[refit, best]
        resampled_differences = resampled[refit] - resampled[refit][:, [best]]
        limits = simultaneous_intervals(differences, resampled_differences, n=len(labels))
        is_tied[refit] = [side_of_zero(*interval) != "below" for interval in zip(*limits, strict=True)]
    is_chosen = chosen[:, None] == np.arange(len(sites))
    return ResampledScores(sites, accuracies, is_chosen, is_tied)


def _resampled_accuracies(hits: BoolArray, seed: int) -> Float64Array:
    """Draw (refits, resamples, sites) accuracies of (refits, examples, sites) hits over resampled test examples."""
    n_refits, n_examples, n_sites = hits.shape
    accuracies = np.empty((n_refits, N_RESAMPLES, n_sites))
    # All refits and sites share the resamplings, which are costlier to draw than to use.
    for chunk, counts in resampling_counts(n_examples, np.random.default_rng(seed), width=n_examples):
        shares = counts / n_examples
        for refit in range(n_refits):
            accuracies[refit, chunk] = shares @ hits[refit].astype(np.float64)
    return accuracies
