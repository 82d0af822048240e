"""Which texts are worth explaining: errors and extremes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def choose_texts(labels: NDArray[np.integer[Any]], log_prob: NDArray[np.floating[Any]], n: int) -> NDArray[np.int64]:
    """Rows of n texts worth explaining: misclassified first, then the most and the least certain, spread over classes.

    Half are misclassified, the surest first; a quarter are right and the most certain; the rest are right and the least
    certain. Where a kind has too few, the others fill up.

    Args:
        labels: (examples,) class ids.
        log_prob: (examples, classes) of the head that will be explained; the probe's where both are.
        n: How many.
    """
    certainty, wrong = log_prob.max(axis=1), log_prob.argmax(axis=1) != labels
    surest, rows = np.argsort(-certainty, kind="stable"), []
    right = surest[~wrong[surest]]
    kinds = (_spread(surest[wrong[surest]], labels), _spread(right, labels), _spread(right[::-1], labels))
    shares = (n // 2, n // 4, n - n // 2 - n // 4)
    for kind, share in zip(kinds, shares, strict=True):
        rows += [row for row in kind if row not in rows][:share]
    for kind in kinds:
        rows += [row for row in kind if row not in rows][: n - len(rows)]
    return np.array(rows, dtype=np.int64)


def _spread(rows: NDArray[np.integer[Any]], labels: NDArray[np.integer[Any]]) -> list[int]:
    """The rows in their order, but one of each class in turn."""
    turn = dict.fromkeys(np.unique(labels[rows]).tolist(), 0)
    keys = []
    for place, row in enumerate(rows.tolist()):
        class_id = int(labels[row])
        keys.append((turn[class_id], place, row))
        turn[class_id] += 1
    return [row for _, _, row in sorted(keys)]
