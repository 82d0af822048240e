"""Standardisation: dimensions that vary by rounding alone."""

import numpy as np

from probes import LogisticProbe
from probes.statistics.standardisation import standardisation


def test_a_dimension_of_rounding_errors_is_not_scaled_up(three_classes):
    x, y = three_classes
    noise = np.random.default_rng(1).standard_normal((len(x), 1)).astype(np.float32)
    dead = np.concatenate([x, 0.25 + noise * 1e-30, 0.25 + noise * 1e-8], axis=1).astype(np.float32)
    mean, scale = standardisation(dead)
    np.testing.assert_array_equal(scale[-2:], np.abs(mean).max())
    fitted, bare = (LogisticProbe().fit(features, y, n_classes=3) for features in (dead, x))
    np.testing.assert_allclose(fitted.weight[:, -2:], 0, atol=1e-6)
    np.testing.assert_allclose(fitted.log_prob(dead), bare.log_prob(x), atol=1e-3)
