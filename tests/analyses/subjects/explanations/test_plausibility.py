"""Plausibility: explanations beside the spans that annotators marked."""

import numpy as np
import pandas as pd
import pytest

from probes import AnalysisResult
from tests.support.commands.command_lines import call, files


def test_spans_that_somebody_marked_are_compared_with_the_words_that_count_most(root, tmp_path):
    table = pd.read_csv(root / "test.csv")
    table["why"] = [f"0-{text.index(' ')}" if i % 2 else "" for i, text in enumerate(table["text"])]  # the first word
    table.to_csv(tmp_path / "test.csv", index=False)
    words = [*files(root), "--test", str(tmp_path / "test.csv"), "--rationales", "why", "--attribute", "10"]
    assert call(root, "attribute", *words, "--no-faithfulness", out="marked") == 0
    analysis = AnalysisResult.load(root / "marked")
    (claim,) = (c for c in analysis.claims if c.id == "deciding_words")
    single = [a for a in analysis.attributions if a.against is None]
    explained = [a for a in single if a.text_id % 2]
    assert 0 < len(explained) < len(single) == 10
    first = [a.word_scores.argmax() == 1 for a in explained]  # after [CLS]
    assert (claim.numbers["n"], claim.numbers["hits"]) == (len(explained), np.mean(first))
    expected = np.mean([1 / len(a.text.split()) for a in explained])  # words of one token each
    assert claim.numbers["random"] == pytest.approx(expected, abs=0.06)
