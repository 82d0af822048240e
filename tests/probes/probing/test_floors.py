"""Floors without an encoder: closed forms, and words without their order."""

import numpy as np
import pytest

from probes import LogisticProbe
from probes.probing.floors import TextSample, bag_of_words, constant_feature_log_probs, smoothed_prior_log_probs
from probes.probing.selection import Folds


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


def test_a_bag_of_words_reads_words_but_not_their_order():
    words = [("good film", 1), ("bad film", 0), ("good plot", 1), ("bad plot", 0)] * 20
    order = [("a b", 1), ("b a", 0)] * 40
    for rows, accuracy in ((words, 1.0), (order, 0.5)):
        texts, labels = [t for t, _ in rows], np.array([y for _, y in rows])
        sample = TextSample(texts, labels)
        words = bag_of_words(sample, sample, texts, n_classes=2)
        assert words.max_words is None
        assert (words.log_probs.argmax(axis=1) == labels).mean() == accuracy


def test_a_bag_of_words_chooses_c_by_folds():
    rows = [("good film", 1), ("bad film", 0), ("good plot", 1), ("bad plot", 0)] * 10
    texts, labels = [text for text, _ in rows], np.array([label for _, label in rows])
    words = bag_of_words(TextSample(texts, labels), Folds.of(labels, n=4), texts, n_classes=2)
    np.testing.assert_array_equal(words.log_probs.argmax(axis=1), labels)
