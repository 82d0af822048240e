"""Control tasks on the page: task, control task and the gap between them."""

import pandas as pd
import pytest

from probes.results.result import Claim
from reports.text.wording import confidence, percent, points
from tests.support.pages.sections import TASK, result_with, section_of

COLUMNS = (
    "task pooling layer control_accuracy lowest highest control_majority accuracy selectivity "
    "lower upper n share_scored"
)


def control(outcome, selectivity, **settings):
    numbers = {"control_accuracy": 0.737, "control_majority": 0.54, "accuracy": 0.737 + selectivity, "n": 300}
    limits = (selectivity - 0.02, selectivity + 0.02)
    claim = Claim("selectivity", outcome, TASK, {**numbers, "selectivity": selectivity, "share_scored": 0.5}, limits)
    rows = [
        (TASK, pooling, layer, 0.7, 0.6, 0.8, 0.5, 0.8, 0.1, 0.05, 0.15, 300, 0.5)
        for pooling in ("cls", "mean")
        for layer in range(3)
    ]
    tables = {"control_tasks": pd.DataFrame(rows, columns=COLUMNS.split())}
    return result_with(claim, settings={"data": settings} if settings else None, **tables)


@pytest.mark.parametrize(("outcome", "selectivity"), [("below", -0.083), ("cannot_tell", 0.01), ("above", 0.126)])
def test_selectivity_stands_with_its_interval_beside_both_accuracies(outcome, selectivity):
    (sentence,) = section_of(control(outcome, selectivity), "control").verdict
    for words in (percent(0.737 + selectivity), percent(0.737), points(selectivity)):
        assert words in sentence
    assert confidence((selectivity - 0.02, selectivity + 0.02)) in sentence
    assert ("CI contains 0" in sentence) == (outcome == "cannot_tell")


def test_the_panel_holds_the_pooling_of_the_best_probe_and_the_table_every_probe():
    (part,) = section_of(control("above", 0.1), "control").parts
    (row,) = part.panels
    svg = row.drawings[0].svg
    assert svg.count("control task (range over the draws), layer 1: 70.0 (60.0 to 80.0)") == 1
    assert len(part.tables[0].rows) == 6


def test_the_types_of_a_control_task_are_named():
    plain, column = (section_of(control("above", 0.1, **data), "control") for data in ({}, {"control_type": "speaker"}))
    assert any("A text's type is the text's first word." in note for note in plain.notes)
    assert any("A text's type is the value of column speaker." in note for note in column.notes)
