"""Paired differences in test accuracy between two results, over the texts that both were tested on."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from probes.checks import side_of_zero
from probes.sequences import BoolArray, Float64Array, FloatArray
from probes.statistics.intervals import Interval
from probes.statistics.resampling import resampled_means
from probes.statistics.simultaneous import simultaneous_intervals

N_COUNT_RESAMPLES = 100_000
"""Number of bootstrap samples of the best sites; each is three numbers, so that many cost little."""


@dataclass(frozen=True)
class PairedCounts:
    """Number of texts that both of two results classify correctly, one of them alone, or neither."""

    both: int
    first_only: int
    second_only: int
    neither: int

    @classmethod
    def of(cls, first: BoolArray, second: BoolArray) -> PairedCounts:
        """Count the texts from (texts,) whether the first result, and the second, classifies each correctly."""
        return cls(
            both=int((first & second).sum()),
            first_only=int((first & ~second).sum()),
            second_only=int((second & ~first).sum()),
            neither=int((~first & ~second).sum()),
        )

    @property
    def n(self) -> int:
        """Number of texts."""
        return self.both + self.first_only + self.second_only + self.neither

    @property
    def mcnemar_p(self) -> float:
        """Two-sided p-value of McNemar's exact test that both results have the same accuracy.

        Under that hypothesis each text that one result alone classifies correctly is as likely to be the first's as the
        second's, so that the smaller of the two counts follows a binomial distribution.

        Source: McNemar (1947), Psychometrika 12.
        """
        from scipy.special import bdtr

        n_discordant = self.first_only + self.second_only
        smaller = min(self.first_only, self.second_only)
        return min(1.0, 2 * float(bdtr(smaller, n_discordant, 0.5)))

    def reversed(self) -> PairedCounts:
        """Return the counts with the second result first."""
        return PairedCounts(self.both, self.second_only, self.first_only, self.neither)


@dataclass(frozen=True)
class PairedDifference:
    """Test accuracy of one result minus that of another over the same texts, or the reason why it is not known."""

    result: str
    other_result: str
    difference: float
    interval: Interval
    """95 % confidence interval, simultaneous for all pairs of a label column; not numbers where it is not known."""
    counts: PairedCounts | None = None
    """Texts by who classifies them correctly; None where there is no paired difference."""
    n_pairs: int = 1
    """Number of pairs of the label column, for which interval and p-value are corrected (Bonferroni)."""
    missing: str = ""
    """Reason why there is no paired difference; empty where there is one."""

    @property
    def n(self) -> int:
        """Number of texts."""
        return 0 if self.counts is None else self.counts.n

    @property
    def outcome(self) -> str:
        """`above`, `below`, or `cannot_tell` where the interval contains zero."""
        return side_of_zero(*self.interval)

    @property
    def p_value(self) -> float:
        """p-value of McNemar's exact test, multiplied by the number of pairs; not a number without counts."""
        return float("nan") if self.counts is None else min(1.0, self.n_pairs * self.counts.mcnemar_p)

    def reversed(self) -> PairedDifference:
        """Return the accuracy of the other result minus that of this one."""
        lower, upper = self.interval
        return dataclasses.replace(
            self,
            result=self.other_result,
            other_result=self.result,
            difference=-self.difference,
            interval=(-upper, -lower),
            counts=None if self.counts is None else self.counts.reversed(),
        )


def paired_difference(
    result: str, other_result: str, hits: BoolArray, other_hits: BoolArray, *, n_pairs: int = 1
) -> PairedDifference:
    """Compare two results over the same texts.

    Args:
        result: Name of the result.
        other_result: Name of the result whose accuracy is subtracted.
        hits: (texts,) whether the result classifies a text correctly.
        other_hits: (texts,) the same of the other result.
        n_pairs: Number of pairs for which interval and p-value are corrected.
    """
    gaps = hits.astype(np.float64) - other_hits
    interval = paired_interval(gaps, n_pairs)
    counts = PairedCounts.of(hits, other_hits)
    return PairedDifference(result, other_result, float(gaps.mean()), interval, counts, n_pairs)


def paired_interval(differences: FloatArray, n_pairs: int = 1) -> Interval:
    """Compute the bootstrap interval of a mean difference, paired over the texts.

    Each text is won, drawn or lost. Resampling the texts therefore resamples the counts of the three, which follow a
    multinomial distribution.

    Args:
        differences: (texts,) correctness of one result minus that of the other: 1, 0 or -1.
        n_pairs: Number of intervals that contain their true values simultaneously with 95 % (Bonferroni).

    Returns:
        Lower and upper end of the interval.
    """
    n_texts = len(differences)
    shares = [float((differences == outcome).mean()) for outcome in (1, 0, -1)]
    counts = np.random.default_rng(0).multinomial(n_texts, shares, size=N_COUNT_RESAMPLES)
    means = (counts[:, 0] - counts[:, 2]) / n_texts
    tail = 2.5 / n_pairs
    lower, upper = np.percentile(means, [tail, 100 - tail]).tolist()
    return lower, upper


@dataclass(frozen=True, eq=False)
class SiteDifferences:
    """Test accuracy of one result minus that of another at several sites, over the same texts."""

    differences: Float64Array
    """(sites,) differences, as shares."""
    lower: Float64Array
    """(sites,) lower ends of 95 % confidence intervals that hold for all sites simultaneously."""
    upper: Float64Array
    """(sites,) upper ends."""

    @property
    def outcomes(self) -> list[str]:
        """`above`, `below` or `cannot_tell` for each site."""
        return [side_of_zero(*limits) for limits in zip(self.lower.tolist(), self.upper.tolist(), strict=True)]


def site_differences(hits: BoolArray, other_hits: BoolArray) -> SiteDifferences:
    """Compute the difference in test accuracy at each site, with simultaneous intervals (max-T bootstrap).

    Args:
        hits: (texts, sites) whether one result classifies a text correctly at a site.
        other_hits: (texts, sites) the same of the other result, whose accuracies are subtracted.
    """
    gaps = hits.astype(np.float64) - other_hits
    differences = gaps.mean(axis=0)
    lower, upper = simultaneous_intervals(differences, resampled_means(gaps, 0), n=len(gaps))
    return SiteDifferences(differences, lower, upper)
