"""Probes with random weights over the tiny models."""

import numpy as np

from probes import FittedProbe
from tests.support.models import HIDDEN


def probe(n_classes=2, seed=0):
    rng = np.random.default_rng(seed)
    weight = rng.standard_normal((n_classes, HIDDEN)).astype(np.float32)
    return FittedProbe(weight, rng.standard_normal(n_classes).astype(np.float32))
