"""Accuracy by text length on the page: a sentence, a panel and a table for each task."""

import dataclasses

import pandas as pd
import pytest

from probes.results.result import Claim
from reports.lookup import View
from reports.sections.caveats import caveats
from reports.sections.overview import summary
from reports.text.wording import percent
from tests.support.pages.sections import section_of, with_tables
from tests.support.results.probed import result

TASKS = ("sentiment", "topic")
GROUPS = pd.DataFrame(
    [(task, "mean", 4, i + 1, 10 * i + 1, 10 * i + 10, 10 * i + 5.5, 0.8 - i / 10, 0.7 - i / 10, 0.9 - i / 10, 40)
     for task in TASKS for i in range(3)],
    columns="task pooling layer group shortest longest mean_length accuracy lower upper n".split(),
)  # fmt: skip


def analysis(outcome, difference=-0.2):
    numbers = {
        "difference": difference,
        "shortest_accuracy": 0.8,
        "longest_accuracy": 0.6,
        "at_most": 10,
        "at_least": 1021,
    }
    numbers |= {"n_shortest": 40, "n_longest": 41}
    claims = [Claim("length_effect", outcome, task, numbers, (-0.38, -0.01)) for task in TASKS]
    with_groups = with_tables(result(), accuracy_by_length=GROUPS)
    return dataclasses.replace(with_groups, claims=(*with_groups.claims, *claims))


def test_each_task_has_a_sentence_with_the_difference_between_long_and_short_texts():
    section = section_of(analysis("below"), "lengths")
    assert section.folded
    for task, sentence in zip(TASKS, section.verdict, strict=True):
        assert sentence.startswith(f"{task}: ")
        for phrase in ("10 characters", "1,021 characters", "(n = 40)", "(n = 41)", "−20.0 points [−38.0, −1.0]."):
            assert phrase in sentence
        assert percent(0.8) in sentence
        assert percent(0.6) in sentence
    unsure = section_of(analysis("cannot_tell"), "lengths")
    assert all(sentence.endswith("not significantly different.") for sentence in unsure.verdict)


@pytest.mark.parametrize(
    ("outcome", "difference", "is_stated"),
    [("below", -0.2, True), ("above", 0.2, True), ("cannot_tell", -0.2, False), ("below", -0.04, False)],
)
def test_a_large_effect_of_length_is_a_caveat(outcome, difference, is_stated):
    stated = [caveat for caveat in caveats(View(analysis(outcome, difference))) if caveat.see == "lengths"]
    assert len(stated) == is_stated
    for caveat in stated:
        for task in TASKS:
            assert f"{task}: " in caveat.sentence
            assert task in caveat.short
    for row in summary(analysis(outcome, difference), drawn=False).rows:
        assert (f"{percent(0.6)} on texts from 1,021 characters on" in row.lines) is is_stated


def test_there_is_a_panel_and_a_table_for_each_task():
    (part,) = section_of(analysis("below"), "lengths").parts
    assert [drawing.caption for drawing in part.panels[0].drawings] == list(TASKS)
    assert [len(table.rows) for table in part.tables] == [3, 3]
    assert part.tables[0].rows[0] == ("1 to 10", "5.5", "80.0\u00a0%", "70.0 to 90.0", "40")


def test_without_groups_there_is_no_section():
    assert section_of(result(), "lengths") is None
