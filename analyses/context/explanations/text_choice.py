"""Choice of the texts that are worth explaining: errors and extremes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probes.data.texts import Texts


def choose_texts(
    labels: NDArray[np.integer[Any]],
    log_probs: NDArray[np.floating[Any]],
    n_texts: int,
    *,
    same_words: Sequence[int] | None = None,
) -> NDArray[np.int64]:
    """Choose texts worth explaining: misclassified first, then the most and the least certain, spread over classes.

    Half are misclassified, the most certain first; a quarter are correct and the most certain; the rest are correct and
    the least certain. If a group has too few texts, the other groups fill up. A second text of the same words, as the
    other half of a minimal pair, is chosen only where the other texts do not suffice.

    Args:
        labels: (examples,) class ids.
        log_probs: (examples, classes) log probabilities of the head that is explained; the probe's for both heads.
        n_texts: Most texts to choose.
        same_words: (examples,) one id for all texts of the same words, as `same_word_ids` returns them; all texts
            differ when None.

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
    word_ids = range(len(labels)) if same_words is None else same_words
    chosen: list[int] = []
    # The share of each group, then what the other groups leave, then further texts of the same words.
    for group, size in zip(groups, sizes, strict=True):
        chosen += _next_rows(group, size, chosen, word_ids)
    for group in groups:
        chosen += _next_rows(group, n_texts - len(chosen), chosen, word_ids)
    for group in groups:
        chosen += _next_rows(group, n_texts - len(chosen), chosen, range(len(labels)))
    return np.array(chosen, dtype=np.int64)


def same_word_ids(texts: Texts) -> list[int]:
    """Return (texts,) ids from 0, one for all texts that have the same words in any order, as minimal pairs do."""
    id_of_words: dict[tuple[str, ...], int] = {}
    ids = []
    for text in texts.joined:
        words = tuple(sorted(re.findall(r"\w+", text.casefold())))
        ids.append(id_of_words.setdefault(words or (text,), len(id_of_words)))
    return ids


def _next_rows(group: Sequence[int], n_rows: int, chosen: Sequence[int], word_ids: Sequence[int]) -> list[int]:
    """Return the first rows of a group, at most `n_rows`, whose ids neither a chosen row nor an earlier one has."""
    taken = {word_ids[row] for row in chosen}
    rows = list[int]()
    for row in group:
        if len(rows) >= n_rows:
            break
        if word_ids[row] not in taken:
            taken.add(word_ids[row])
            rows.append(row)
    return rows


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
