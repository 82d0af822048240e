"""Probes before and after fine-tuning on the page."""

import dataclasses

import pytest

from probes.results.result import Claim
from reports.sections.classifier import fine_tuning
from reports.text.wording import percent
from tests.support.pages.sections import section_of
from tests.support.results.fine_tuned import N, tuned


def test_every_pooling_has_a_panel_of_accuracy_and_one_of_similarity(fine_tuned):
    (part,) = section_of(fine_tuned, "tuned").parts
    accuracy, similarity = part.panels
    for row in (accuracy, similarity):
        assert [drawing.caption for drawing in row.drawings] == ["[CLS]", "Mean", "Pooler"]
        assert f"n = {N:,}" in row.caption
    assert len(part.tables) == 2


@pytest.mark.parametrize(
    ("outcome", "gain", "bounds"),
    [("above", 0.115, (0.097, 0.133)), ("below", -0.02, (-0.03, -0.01)), ("cannot_tell", 0.002, (-0.01, 0.014))],
)
def test_what_a_probe_gains_is_said_by_outcome_with_its_interval(outcome, gain, bounds):
    change = (outcome, gain, bounds)
    first, *_ = section_of(tuned(explained=False, cls_change=change, cls_change_in_mean=change), "tuned").verdict
    assert first.startswith(fine_tuning.VERBS[outcome])
    assert percent(0.772) in first
    assert percent(0.772 + gain) in first


def test_a_pooler_that_was_random_is_called_so_only_before_fine_tuning(fine_tuned):
    absent = Claim("random_pooler", "random", numbers={"reason": "its bias is exactly zero"})
    random = dataclasses.replace(fine_tuned, claims=(*fine_tuned.claims, absent))
    section = section_of(random, "tuned")
    assert any("Before fine-tuning, the pooler is untrained" in note for note in section.notes)
    assert {row[1] for table in section.parts[0].tables for row in table.rows} == {"[CLS]", "mean", "pooler"}
    assert any("its bias is exactly zero" in note for note in section_of(random, "training").notes)
