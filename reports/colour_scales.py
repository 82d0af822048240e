"""Colour scales of explained texts: the score with the fullest colour, for each method and kind of output."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from probes.results.result import Attribution

LEAST_SCALE = 0.05
"""Lowest score with the fullest colour: a page whose words change nothing stays pale."""
SCALE_QUANTILE = 0.99
"""Quantile of the absolute word scores that has the fullest colour."""

Scales = Mapping[tuple[str, bool], float]
"""Method, and whether the difference of two classes is explained -> absolute score with the fullest colour."""


def scale_key(a: Attribution) -> tuple[str, bool]:
    """Return the key of an attribution's scale."""
    return a.method, a.against is not None


def scales(attributions: Sequence[Attribution]) -> dict[tuple[str, bool], float]:
    """Return the colour scale of each method and kind of output; those that score higher would pale the others."""
    by_key = dict[tuple[str, bool], list[Attribution]]()
    for a in attributions:
        by_key.setdefault(scale_key(a), []).append(a)
    return {key: scale(of_key) for key, of_key in by_key.items()}


def scale(attributions: Iterable[Attribution]) -> float:
    """Return the score, in the explained unit, at which a word has its fullest colour."""
    positive = [np.zeros(0)]
    for attribution in attributions:
        scores = np.abs(attribution.word_scores)
        positive.append(scores[np.isfinite(scores) & (scores > 0)])
    sizes = np.concatenate(positive)
    if not len(sizes):
        return 1.0
    return max(LEAST_SCALE, float(np.quantile(sizes, SCALE_QUANTILE)))
