"""Bag of words: the floor of logistic regression on TF-IDF words, which reads texts without their order."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from probes.logistic.absent_classes import PartialProbe, expand_to_all_classes
from probes.logistic.fitted_probe import FittedProbe
from probes.parallel import limited_cores
from probes.probing.folds import Folds
from probes.probing.penalty_selection import select_probe
from probes.randomness import preserved_random_state
from probes.sequences import Float64Array, IntegerArray

MOST_WEIGHTS = 2**23
"""Weights of a bag of words, one for each word and class; the solver holds about ten numbers for each weight."""
BAG_OF_WORDS_CS = (0.1, 1.0, 10.0, 100.0)
"""Inverse penalty strengths of the bag of words. Rows of TF-IDF have length 1, not one unit in each dimension, so that
they need a weaker penalty than standardised features."""


@dataclass(frozen=True, eq=False)
class TextSample:
    """Texts with the labels of one column."""

    texts: Sequence[str]
    """(examples,)"""
    labels: IntegerArray
    """(examples,) class ids."""


@dataclass(frozen=True, eq=False)
class BagOfWords:
    """Predictions of a bag of words for the test texts."""

    log_probs: Float64Array
    """(examples, classes) natural logarithms of the class probabilities."""
    max_words: int | None
    """Size of the vocabulary where it was limited to `MOST_WEIGHTS` weights, else None."""


def bag_of_words(
    train: TextSample, validation: TextSample | Folds, test_texts: Sequence[str], *, n_classes: int
) -> BagOfWords:
    """Fit logistic regression on TF-IDF words and score the test texts.

    Args:
        train: Training texts.
        validation: Texts on which C is chosen, or folds of the training texts.
        test_texts: Texts to score.
        n_classes: Number of classes of the task. The rarest words are left out where a weight for each word and class
            would be more than `MOST_WEIGHTS`.
    """
    # Products with sparse rows: OpenBLAS would start its threads for the vectors between them.
    with limited_cores(0):
        vectorizer, path = _fit_words(train, n_classes=n_classes)
        is_limited = len(vectorizer.vocabulary_) == vectorizer.max_features
        max_words = vectorizer.max_features if is_limited else None
        if isinstance(validation, Folds):
            best = _best_c_by_folds(train, validation, n_classes=n_classes)
            probe = next(itertools.islice(path, best, None))
        else:
            features = vectorizer.transform(validation.texts)
            probe = select_probe(path, features, validation.labels).probe
        return BagOfWords(probe.log_prob(vectorizer.transform(test_texts)), max_words)


def _best_c_by_folds(train: TextSample, folds: Folds, *, n_classes: int) -> int:
    """Return the index in `BAG_OF_WORDS_CS` with the lowest log loss over held-out parts."""
    # The vocabulary and its weights are fitted on the remaining texts alone.
    losses = np.zeros(len(BAG_OF_WORDS_CS))
    all_rows = np.arange(len(train.labels))
    for held_out in folds.parts:
        remaining = np.setdiff1d(all_rows, held_out)
        vectorizer, path = _fit_words(_take(train, remaining), n_classes=n_classes)
        part = _take(train, held_out)
        features = vectorizer.transform(part.texts)
        rows = np.arange(len(part.labels))
        for i, probe in enumerate(path):
            log_probs = probe.log_prob(features)
            losses[i] -= log_probs[rows, part.labels].sum()
    return int(losses.argmin())


def _take(sample: TextSample, rows: IntegerArray) -> TextSample:
    """Return some rows of a sample."""
    texts = [sample.texts[row] for row in rows]
    return TextSample(texts, sample.labels[rows])


def _fit_words(train: TextSample, *, n_classes: int) -> tuple[Any, Iterator[FittedProbe]]:
    """Return the fitted TF-IDF vectorizer of the training texts, and one probe for each of `BAG_OF_WORDS_CS`."""
    with preserved_random_state():
        from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(
        # Single characters count as words too: besides "?", "I" or "a" can carry a label.
        token_pattern=r"(?u)\b\w+\b|[^\w\s]",
        sublinear_tf=True,
        dtype=np.float64,
        max_features=max(1, MOST_WEIGHTS // n_classes),
    )
    features = vectorizer.fit_transform(train.texts)
    return vectorizer, _fit_sparse_path(features, train.labels, BAG_OF_WORDS_CS, n_classes=n_classes)


def _fit_sparse_path(
    features: Any, labels: IntegerArray, cs: Sequence[float], *, n_classes: int
) -> Iterator[FittedProbe]:
    """Yield probes on sparse features without standardisation, each started from the weights of the one before."""
    with preserved_random_state():
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression

    classes = np.unique(labels)
    model = LogisticRegression(solver="newton-cg", max_iter=200, warm_start=True)
    for c in cs:
        weight = np.zeros((1, features.shape[1]))
        bias = np.zeros(1)
        converged = True
        if len(classes) > 1:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                model.set_params(C=c).fit(features, labels)
            converged = not any(issubclass(warning.category, ConvergenceWarning) for warning in caught)
            weight = model.coef_
            bias = model.intercept_
        logits = features @ weight.T + bias if len(classes) < n_classes else None
        partial = PartialProbe(weight, bias, classes, logits)
        yield expand_to_all_classes(partial, n_classes=n_classes, c=c, converged=converged)
