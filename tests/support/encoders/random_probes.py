"""Probes with random weights over the tiny models."""

import numpy as np

from probes import FittedProbe
from tests.support.encoders.models import HIDDEN


def probe(n_classes=2, seed=0, scale=1.0):
    """A probe on states of the tiny models; the same seed gives the same probe."""
    rng = np.random.default_rng(seed)
    weight = rng.standard_normal((n_classes, HIDDEN)) * scale
    return FittedProbe(weight.astype(np.float32), rng.standard_normal(n_classes).astype(np.float32))
