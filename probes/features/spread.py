"""Spread of the vectors of different texts: how far apart they lie, and whether they share a direction (anisotropy)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from probes.sequences import FloatArray, finite_features


@dataclass(frozen=True)
class Spread:
    """Distances between the vectors of different texts."""

    max_range: float
    """Largest, over dimensions, of maximum minus minimum over texts: exactly 0 where every text has the same vector."""
    relative: float
    """Root mean squared distance to the mean vector, divided by the norm of the mean vector."""


def spread(features: FloatArray) -> Spread:
    """Compute the spread of (examples, hidden) vectors."""
    features = finite_features(features)
    centre = features.mean(axis=0, dtype=np.float64)
    max_range = float(np.ptp(features, axis=0).max())
    # The mean of one repeated vector differs from it by rounding; the distance is 0 all the same.
    distance = 0.0
    if max_range:
        squared_distances = np.square(features - centre).sum(axis=1)
        distance = float(np.sqrt(squared_distances.mean()))
    smallest_norm = np.finfo(np.float64).tiny
    norm = max(float(np.linalg.norm(centre)), smallest_norm)
    return Spread(max_range, distance / norm)


def anisotropy(features: FloatArray) -> float:
    """Compute the mean cosine similarity between the vectors of different texts.

    It is near 0 where directions are spread evenly, 1 where all texts share one direction, and never below
    -1 / (n - 1). All pairs count: the squared norm of the sum of n unit vectors is n plus the cosines of all ordered
    pairs.

    Args:
        features: (examples, hidden) pooled features of one layer. Zero vectors have no direction and are left out.

    Returns:
        A cosine; nan with fewer than two vectors that are not zero.

    Source: Ethayarajh (2019), anisotropy, arXiv:1909.00512; there of words in contexts, here of whole texts.
    """
    features = finite_features(features)
    squares = np.einsum("ij,ij->i", features, features, dtype=np.float64)
    norms = np.sqrt(squares)
    n = int(np.count_nonzero(norms))
    if n < 2:
        return float("nan")
    # Sum of the unit vectors.
    zeros = np.zeros_like(norms)
    inverse_norms = np.divide(1.0, norms, out=zeros, where=norms > 0)
    total = np.einsum("i,ij->j", inverse_norms, features, dtype=np.float64)
    cosine = (total @ total - n) / (n * (n - 1))
    # Rounding alone exceeds the bounds.
    lowest = -1 / (n - 1)
    return float(np.clip(cosine, lowest, 1.0))
