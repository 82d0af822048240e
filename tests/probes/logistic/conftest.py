"""Fixtures of the tests of logistic regression."""

import numpy as np
import pytest


@pytest.fixture
def correlated():
    """Features whose directions differ by orders of magnitude, as those of a layer do."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((300, 12)) @ (rng.standard_normal((12, 12)) * np.logspace(0, -2, 12)) + 0.5
    return x, rng.integers(4, size=300)


@pytest.fixture
def far_from_zero():
    """Features as [CLS] of a low layer has them: means of hundreds, spreads a hundred-thousandth of that."""
    rng = np.random.default_rng(0)
    mean = 200 * rng.standard_normal(24)
    spread = 2e-5 * np.abs(mean)
    x = (mean + spread * (rng.standard_normal((400, 24)) @ rng.standard_normal((24, 24)))).astype(np.float32)
    odds = ((x.astype(np.float64) - mean) / spread) @ rng.standard_normal(24)
    return x, (odds / odds.std() + 0.5 * rng.logistic(size=400) > 0).astype(int)
