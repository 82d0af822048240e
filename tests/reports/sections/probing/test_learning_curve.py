"""The learning curve on the page: whether it has a plateau, and round numbers below the axis."""

import pandas as pd
import pytest

from probes.results.result import Claim
from reports.sections.probing.learning_curve import VERDICTS
from tests.support.pages.sections import TASK, result_with, section_of

NUMBERS = {
    "train_texts": 2400,
    "accuracy": 0.775,
    "fewer_texts": 1200,
    "fewer_accuracy": 0.765,
    "gain": 0.01,
    "n": 896,
}
SIZES = (2, 10, 38, 150, 600, 1200, 2400)


def curve():
    rows = [(TASK, "mean", 4, size, 0.01, 0.6, 0.57, 0.63, 0.5) for size in SIZES]
    return pd.DataFrame(rows, columns="task pooling layer train_texts c accuracy lower upper log_loss".split())


@pytest.mark.parametrize("outcome", VERDICTS)
def test_the_sentence_says_what_the_claim_decides(outcome):
    claim = Claim("learning_curve", outcome, TASK, NUMBERS, (-0.005, 0.025))
    (sentence,) = section_of(result_with(claim, learning_curve=curve()), "sizes").verdict
    assert sentence.replace("\u00a0", " ") == (
        f"77.5 % with 2,400 texts, 76.5 % with 1,200; +1.0 points [−0.5, 2.5]: {VERDICTS[outcome]}."
    )


def test_a_curve_without_a_claim_is_drawn_without_a_sentence():
    section = section_of(result_with(learning_curve=curve()), "sizes")
    assert section.verdict == ()
    assert len(section.parts[0].panels[0].drawings) == 1


def test_powers_of_ten_are_labelled_and_every_size_has_a_row():
    (part,) = section_of(result_with(learning_curve=curve()), "sizes").parts
    svg = part.panels[0].drawings[0].svg
    assert all(f">{label}</text>" in svg for label in ("10", "100", "1,000"))
    assert not any(f">{label}</text>" in svg for label in ("38", "150", "2,400"))
    assert [row[0] for row in part.tables[0].rows] == [f"{size:,}" for size in SIZES]
