"""Classes that do not occur in the training examples, against closed forms."""

import numpy as np

from probes import LogisticProbe


def test_a_class_that_does_not_occur_has_a_small_finite_probability(three_classes):
    x, y = three_classes
    without_class_1 = y != 1
    fitted = LogisticProbe().fit(x[without_class_1], y[without_class_1], n_classes=4)
    probability = np.exp(fitted.log_prob(x[without_class_1]))
    assert np.isfinite(fitted.log_prob(x)).all()
    assert not np.isin(fitted.predict(x[without_class_1]), [1, 3]).any()
    # Its logit is where the geometric mean of its odds is one in examples + 1.
    odds = fitted.logits(x[without_class_1])[:, 1] - np.log(
        np.exp(fitted.logits(x[without_class_1])[:, [0, 2]]).sum(axis=1)
    )
    np.testing.assert_allclose(odds.mean(), -np.log(without_class_1.sum() + 1), atol=1e-4)
    assert probability[:, 1].max() < 0.5


def test_one_occurring_class_is_always_predicted_with_a_probability_below_one(three_classes):
    x = three_classes[0][:10]
    fitted = LogisticProbe().fit(x, np.full(10, 2), n_classes=3)
    np.testing.assert_array_equal(fitted.predict(x), 2)
    np.testing.assert_allclose(np.exp(fitted.log_prob(x))[0], np.array([1, 1, 11]) / 13, rtol=1e-5)
