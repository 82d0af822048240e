"""Attributions of many texts by word: which words speak for a class, and which against it, over a whole dataset."""

from __future__ import annotations

import math
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from probes.checks import InputError
from probes.results.result import Attribution
from probes.sequences import check_instances

if TYPE_CHECKING:
    import pandas as pd

LEVEL = 0.95
SETTINGS = ("method", "baseline", "head", "layer", "pooling", "unit", "against", "states_layer")
"""What the attributions of one task share, so that their scores can be averaged."""


def word_means(attributions: Iterable[Attribution]) -> pd.DataFrame:
    """The mean score of every word, for each class that is explained.

    A word is what stands in the text, in both texts of a pair, without regard to case (Unicode's full case folding,
    composed): `Film` and `film` are one, `film` and `films` are two. Special tokens are no words.

    A word's occurrences in one text share that text, and are no independent observations. Each text therefore counts
    once, with the mean of its occurrences, and the interval is Student's for the mean of texts: with n of them, t of
    n - 1 degrees of freedom times their standard deviation over √n. It is exact where these means are normally
    distributed, takes the texts as drawn independently, and leaves out the luck of the training sample. Each interval
    holds for its word alone: of a thousand words that do nothing, some fifty have one that excludes 0.

    Args:
        attributions: Of one head and method for each task, one a text and class. Scores of a text explained for several
            classes count for each by itself.

    Returns:
        A row for each task, class and word: `task`, `target`, `word`, `n` occurrences, `n_texts` that hold it, `mean`
        over the texts, in the unit that is explained, `lower` and `upper` end of its 95 % interval, nan for a word of a
        single text. Rows go by task and class, and then from the word that speaks most for the class to that which
        speaks most against it.

    Raises:
        InputError: The attributions of a task are of several heads, methods or settings.

    Source: Student (1908), The Probable Error of a Mean, Biometrika 6.
    """
    import pandas as pd
    from scipy.special import stdtrit

    shared: dict[str | None, tuple[object, ...]] = {}
    scores: defaultdict[tuple[str | None, str, str], defaultdict[int, list[float]]]
    scores = defaultdict(lambda: defaultdict(list))
    for text, a in enumerate(check_instances(attributions, Attribution, "attributions")):
        settings = tuple(getattr(a, name) for name in SETTINGS)
        if shared.setdefault(a.task, settings) != settings:
            name, first, other = next(
                each for each in zip(SETTINGS, shared[a.task], settings, strict=True) if each[1] != each[2]
            )
            of = "attributions" if a.task is None else f"attributions of {a.task!r}"
            raise InputError(
                f"{of} differ in {name}: {first!r} and {other!r}; their scores have no common mean, pass one kind alone"
            )
        for word, score, (side, *_) in zip(a.words, a.word_scores.tolist(), a.word_offsets, strict=True):
            if side >= 0:
                scores[a.task, a.target, folded(word)][text].append(score)
    rows = []
    for (task, target, word), found in scores.items():
        # Exact sums: the order of the texts must not show, not even in the order of rows.
        means, n = [math.fsum(some) / len(some) for some in found.values()], len(found)
        mean, half = math.fsum(means) / n, math.nan
        if n > 1:
            variance = math.fsum((each - mean) ** 2 for each in means) / (n - 1)
            half = float(stdtrit(n - 1, (1 + LEVEL) / 2)) * math.sqrt(variance / n)
        rows.append((task, target, word, sum(map(len, found.values())), n, mean, mean - half, mean + half))
    rows.sort(key=lambda row: (row[0] or "", row[1], -row[5], row[2]))
    columns = ["task", "target", "word", "n", "n_texts", "mean", "lower", "upper"]
    kinds = {"n": np.int64, "n_texts": np.int64, "mean": np.float64, "lower": np.float64, "upper": np.float64}
    return pd.DataFrame(rows, columns=columns).astype(kinds)


def folded(word: str) -> str:
    """The word without regard to case, and to whether its accents are characters of their own.

    Source: The Unicode Standard, section 3.13, canonical caseless matching.
    """
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", word).casefold())
