"""Control tasks on the page: a floor of the first screen, beside its own majority."""

import pytest

from probes.results.result import Claim
from reports import render_report
from tests.support.pages.sections import TASK, result_with, section_of


def control(outcome, selectivity, **settings):
    numbers = {"control_accuracy": 0.737, "control_majority": 0.54, "accuracy": 0.737 + selectivity, "n": 300}
    limits = (selectivity - 0.02, selectivity + 0.02)
    claims = [
        Claim("selectivity", outcome, TASK, {**numbers, "selectivity": selectivity, "share_scored": 0.5}, limits),
        Claim("floor", outcome, TASK, {"floor": "control", "accuracy": 0.737, "difference": selectivity}, limits),
    ]
    return result_with(*claims, settings={"data": settings} if settings else None)


@pytest.mark.parametrize(
    ("outcome", "selectivity", "standing", "sentence"),
    [
        ("below", -0.083, "below random labels learnt by heart", "It is 8.3 points (6.3 to 10.3) below random labels"),
        ("cannot_tell", 0.01, "not above a bag of words or random labels learnt by heart", "These test texts cannot"),
        ("above", 0.126, "not above a bag of words", "and 12.6 (10.6 to 14.6) above random labels learnt by heart."),
    ],
)
def test_labels_learnt_by_heart_are_a_floor_of_the_first_screen(outcome, selectivity, standing, sentence):
    page = render_report(control(outcome, selectivity)).replace("\u00a0", " ")
    assert standing in page
    assert sentence in page
    (table,) = section_of(control(outcome, selectivity), "floors").parts[0].tables
    assert table.rows[-1][0] == "random labels learnt by heart"
    assert "Random labels: of the texts whose type occurs in training" in page


def test_a_control_is_shown_beside_its_own_majority_and_the_types_are_named():
    plain, column = (section_of(control("above", 0.1, **data), "control") for data in ({}, {"control_type": "speaker"}))
    assert "learns 73.7\u00a0% by heart (always answering the most frequent: 54.0\u00a0%)." in plain.verdict[0]
    assert any("a type is the text's first word." in note for note in plain.notes)
    assert any("exposes a text's first word has low selectivity" in note for note in plain.notes)
    assert any("a type is what column speaker says." in note for note in column.notes)
    assert any("exposes that type has low selectivity" in note for note in column.notes)
    assert any("the lowest and the highest draw" in note for note in plain.notes)
