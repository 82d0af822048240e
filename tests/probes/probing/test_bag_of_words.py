"""Bag of words: words without their order."""

import numpy as np

from probes.probing.bag_of_words import TextSample, bag_of_words
from probes.probing.folds import Folds


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
