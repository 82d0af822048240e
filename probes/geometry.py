"""Shapes of the clouds of vectors that a layer makes of many texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probes.checks import check_features


@dataclass(frozen=True)
class Spread:
    """How far apart the vectors of different texts lie."""

    max_range: float
    """Largest, over dimensions, of maximum minus minimum over texts: exactly 0 where every text has the same vector."""
    relative: float
    """Root mean squared distance to the mean vector, divided by the norm of the mean vector."""


def spread(features: NDArray[np.floating[Any]]) -> Spread:
    """Spread of (examples, hidden) vectors."""
    check_features(features)
    centre = features.mean(axis=0, dtype=np.float64)
    max_range = float(np.ptp(features, axis=0).max())
    # Of one vector repeated, the mean differs from it by rounding; its distance is 0 all the same.
    distance = float(np.sqrt(np.square(features - centre).sum(axis=1).mean())) if max_range else 0.0
    return Spread(max_range, distance / max(float(np.linalg.norm(centre)), np.finfo(np.float64).tiny))
