"""Means of words over texts: those of the texts that were drawn."""

import numpy as np
import pandas as pd
import pytest

from analyses.context.explanations.explanations import explain_sample
from tests.support.commands.explanations import rows_of


def test_words_over_all_texts_average_those_of_the_texts_drawn(explanations):
    table = pd.DataFrame(rows_of(explanations, "word_means"))
    for head in ("probe", "model"):
        (case,) = (case for case in explanations.cases if case.head.kind == head)
        sample = explain_sample(explanations, case)
        for target, rows in table[table["head"] == head].groupby("target"):
            texts = [a for a in sample if a.target == target]
            first_row = rows.iloc[0]
            scores = [
                np.mean([s for w, s in zip(a.words, a.word_scores, strict=True) if w.casefold() == first_row["word"]])
                for a in texts
                if first_row["word"] in map(str.casefold, a.words)
            ]
            assert first_row["n_texts"] == len(scores)
            assert first_row["mean"] == pytest.approx(np.mean(scores))
