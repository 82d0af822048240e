"""Mean scores of words over the attributions of many texts."""

from __future__ import annotations

import math
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from probes.checks import InputError
from probes.results.result import Attribution
from probes.sequences import check_instances
from probes.statistics.intervals import FEWEST_EXAMPLES

if TYPE_CHECKING:
    import pandas as pd

CONFIDENCE = 0.95
"""Confidence level of the intervals."""
SETTINGS = ("method", "baseline", "head", "layer", "pooling", "unit", "against", "states_layer")
"""Fields that the attributions of one task must share, so that their scores can be averaged."""
NUMBER_TYPES = {
    "n": np.int64,
    "n_texts": np.int64,
    "mean": np.float64,
    "lower": np.float64,
    "upper": np.float64,
    "simultaneous_lower": np.float64,
    "simultaneous_upper": np.float64,
}
"""Column with numbers in the table of word means -> its type."""
COLUMNS = ("task", "target", "word", *NUMBER_TYPES)

WordKey = tuple[str | None, str, str]
"""Task, explained class and word."""


def word_means(attributions: Iterable[Attribution]) -> pd.DataFrame:
    """Compute the mean score of every word, for each explained class.

    Words come from the text, or from both texts of a pair, without regard to case (Unicode's full case folding,
    composed): `Film` and `film` are one word, `film` and `films` are two. Special tokens are no words.

    Occurrences of a word in one text are no independent observations. Each text therefore counts once, with the mean of
    its occurrences, and the interval is Student's for the mean of n texts: the t quantile with n - 1 degrees of freedom
    times the standard deviation of the texts over √n. It is exact where these means are normally distributed. It takes
    the texts as independent draws and ignores the variance due to the training sample. Each interval holds for its word
    alone: of a thousand words without effect, about fifty have an interval that excludes 0. Words that are picked for
    their means need the simultaneous intervals, which hold together for all words of a task, of all its classes, that
    occur in at least `FEWEST_EXAMPLES` texts (Bonferroni).

    Args:
        attributions: Attributions of one head and method for each task, one for each text and class. Scores of a text
            explained for several classes count separately for each class.

    Returns:
        A row for each task, class and word: `task`, `target`, `word`, `n` occurrences, `n_texts` that hold the word,
        `mean` over the texts in the explained unit, `lower` and `upper` end of its 95 % interval, nan for a word of a
        single text, and `simultaneous_lower` and `simultaneous_upper`, nan for a word of fewer than `FEWEST_EXAMPLES`
        texts. Rows are ordered by task and class, then by falling mean.

    Raises:
        InputError: The attributions of a task are of several heads, methods or settings.

    Source: Student (1908), The Probable Error of a Mean, Biometrika 6.
    """
    import pandas as pd

    checked = check_instances(attributions, Attribution, "attributions")
    _check_same_settings(checked)
    scores_of_words = _scores_of_words(checked)
    n_compared = Counter(task for (task, _, _), scores in scores_of_words.items() if len(scores) >= FEWEST_EXAMPLES)
    rows = []
    for (task, target, word), scores in scores_of_words.items():
        rows.append((task, target, word, *_word_statistics(scores, n_compared[task])))
    rows.sort(key=_row_order)
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(NUMBER_TYPES)


def _row_order(row: tuple[Any, ...]) -> tuple[str, str, float, str]:
    """Return the key that orders rows by task, class and falling mean."""
    task, target, word = row[:3]
    mean = row[COLUMNS.index("mean")]
    return task or "", target, -mean, word


def _check_same_settings(attributions: Sequence[Attribution]) -> None:
    """Raise an error where the attributions of a task differ in their settings.

    Raises:
        InputError: They differ.
    """
    settings_of_tasks: dict[str | None, tuple[object, ...]] = {}
    for a in attributions:
        settings = tuple(getattr(a, name) for name in SETTINGS)
        expected = settings_of_tasks.setdefault(a.task, settings)
        for name, first, second in zip(SETTINGS, expected, settings, strict=True):
            if first != second:
                subject = "attributions" if a.task is None else f"attributions of {a.task!r}"
                raise InputError(
                    f"{subject} differ in {name}: {first!r} and {second!r}; their scores have no common mean; "
                    "pass attributions of one kind"
                )


def _scores_of_words(attributions: Sequence[Attribution]) -> Mapping[WordKey, Sequence[Sequence[float]]]:
    """Return for each word, for each text that holds it, the scores of its occurrences."""
    scores: defaultdict[WordKey, list[list[float]]] = defaultdict(list)
    for a in attributions:
        scores_in_text: defaultdict[WordKey, list[float]] = defaultdict(list)
        segments = a.word_offsets[:, 0].tolist()
        scores_of_words = a.word_scores.tolist()
        for word, score, segment in zip(a.words, scores_of_words, segments, strict=True):
            if segment >= 0:
                scores_in_text[a.task, a.target, fold_case(word)].append(score)
        for key, occurrences in scores_in_text.items():
            scores[key].append(occurrences)
    return scores


def _word_statistics(scores: Sequence[Sequence[float]], n_compared: int) -> tuple[Any, ...]:
    """Compute the last columns of a word's row.

    Args:
        scores: For each text that holds the word, the scores of its occurrences.
        n_compared: Number of words whose simultaneous intervals hold together.

    Returns:
        Occurrences, texts, mean, and lower and upper end of the interval and of the simultaneous interval.
    """
    from scipy.special import stdtrit

    n_occurrences = sum(len(occurrences) for occurrences in scores)
    n_texts = len(scores)
    # Exact sums: the order of the texts has no influence, not even on the order of rows.
    means = [math.fsum(occurrences) / len(occurrences) for occurrences in scores]
    mean = math.fsum(means) / n_texts
    half_width = math.nan
    simultaneous_half_width = math.nan
    if n_texts > 1:
        variance = math.fsum((text_mean - mean) ** 2 for text_mean in means) / (n_texts - 1)
        quantile = float(stdtrit(n_texts - 1, (1 + CONFIDENCE) / 2))
        standard_error = math.sqrt(variance / n_texts)
        half_width = quantile * standard_error
        if n_texts >= FEWEST_EXAMPLES:
            simultaneous_quantile = float(stdtrit(n_texts - 1, 1 - (1 - CONFIDENCE) / 2 / n_compared))
            simultaneous_half_width = simultaneous_quantile * standard_error
    interval = (mean - half_width, mean + half_width)
    simultaneous_interval = (mean - simultaneous_half_width, mean + simultaneous_half_width)
    return n_occurrences, n_texts, mean, *interval, *simultaneous_interval


def fold_case(word: str) -> str:
    """Return the word without regard to case, and to whether its accents are separate characters.

    Source: The Unicode Standard, section 3.13, canonical caseless matching.
    """
    decomposed = unicodedata.normalize("NFD", word)
    return unicodedata.normalize("NFC", decomposed.casefold())
