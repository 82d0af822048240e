"""Choice of the texts that are worth explaining: errors and extremes."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray


def choose_texts(
    labels: NDArray[np.integer[Any]], log_probs: NDArray[np.floating[Any]], n_texts: int
) -> NDArray[np.int64]:
    """Choose texts worth explaining: misclassified first, then the most and the least certain, spread over classes.

    Half are misclassified, the most certain first; a quarter are correct and the most certain; the rest are correct and
    the least certain. If a group has too few texts, the other groups fill up.

    Args:
        labels: (examples,) class ids.
        log_probs: (examples, classes) log probabilities of the head that is explained; the probe's for both heads.
        n_texts: Most texts to choose.

    Returns:
        (texts,) rows, in the order of the groups.
    """
    is_wrong = log_probs.argmax(axis=1) != labels
    by_certainty = np.argsort(-log_probs.max(axis=1), kind="stable")
    wrong = by_certainty[is_wrong[by_certainty]]
    correct = by_certainty[~is_wrong[by_certainty]]
    groups = [_alternate_classes(rows, labels) for rows in (wrong, correct, correct[::-1])]
    n_wrong = n_texts // 2
    n_certain = n_texts // 4
    sizes = (n_wrong, n_certain, n_texts - n_wrong - n_certain)
    chosen: list[int] = []
    # The share of each group, then what the other groups leave.
    for group, size in zip(groups, sizes, strict=True):
        remaining = [row for row in group if row not in chosen]
        chosen += remaining[:size]
    for group in groups:
        remaining = [row for row in group if row not in chosen]
        chosen += remaining[: n_texts - len(chosen)]
    return np.array(chosen, dtype=np.int64)


def _alternate_classes(rows: NDArray[np.integer[Any]], labels: NDArray[np.integer[Any]]) -> list[int]:
    """Return the rows in their order, but one of each class in turn."""
    counts: Counter[int] = Counter()
    turns = []
    for class_id in labels[rows].tolist():
        turns.append(counts[class_id])
        counts[class_id] += 1
    order = np.argsort(np.array(turns, dtype=np.int64), kind="stable")
    alternating: list[int] = rows[order].tolist()
    return alternating
