"""Class prior against closed forms."""

import numpy as np
import pytest

from probes import LogisticProbe
from probes.probing.class_prior import constant_feature_log_probs, smoothed_prior_log_probs


def test_the_smoothed_prior_adds_one_to_every_count():
    np.testing.assert_allclose(
        np.exp(smoothed_prior_log_probs(np.array([0, 0, 1]), n_classes=3)), [3 / 6, 2 / 6, 1 / 6]
    )


@pytest.mark.parametrize("labels", [[0, 0, 1], [2, 0, 2, 2, 0, 4], [1, 1, 1]])
def test_the_closed_form_of_constant_features_equals_a_fitted_probe(labels):
    y = np.array(labels * 20)
    fitted = LogisticProbe(tol=1e-12).fit(np.ones((len(y), 3), dtype=np.float32), y, n_classes=5)
    np.testing.assert_allclose(
        fitted.log_prob(np.ones((1, 3), dtype=np.float32))[0], constant_feature_log_probs(y, n_classes=5), atol=1e-5
    )
