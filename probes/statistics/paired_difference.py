"""Paired difference in test accuracy between two results, over the texts that both were tested on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from probes.checks import side_of_zero

N_RESAMPLES = 100_000
"""Number of bootstrap samples; each is three numbers, so that many cost little."""


@dataclass(frozen=True)
class PairedDifference:
    """Test accuracy of one result minus that of another over the same texts, or the reason why it is not known."""

    result: str
    other_result: str
    difference: float
    interval: tuple[float, float]
    """95 % confidence interval, simultaneous for all pairs of a label column; not numbers where it is not known."""
    n: int
    """Number of texts."""
    missing: str = ""
    """Reason why there is no paired difference; empty where there is one."""

    @property
    def outcome(self) -> str:
        """`above`, `below`, or `cannot_tell` where the interval contains zero."""
        return side_of_zero(*self.interval)


def paired_interval(differences: NDArray[np.float64], n_pairs: int = 1) -> tuple[float, float]:
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
    counts = np.random.default_rng(0).multinomial(n_texts, shares, size=N_RESAMPLES)
    means = (counts[:, 0] - counts[:, 2]) / n_texts
    tail = 2.5 / n_pairs
    lower, upper = np.percentile(means, [tail, 100 - tail]).tolist()
    return lower, upper
