"""Fixtures of the tests of probing."""

import numpy as np
import pytest

from probes import SweepOptions, sweep_probes
from tests.support.sweep_splits import split


@pytest.fixture(scope="module")
def sweep():
    names = {"three": ("a", "b", "c"), "two": ("no", "yes")}
    return sweep_probes(split(0), split(1), split(2), class_names=names, options=SweepOptions(model="tiny"))


@pytest.fixture
def correlated():
    """Features whose directions differ by orders of magnitude, as those of a layer do."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((300, 12)) @ (rng.standard_normal((12, 12)) * np.logspace(0, -2, 12)) + 0.5
    return x, rng.integers(4, size=300)
