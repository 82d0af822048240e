"""Test accuracy of the heads on the page: their differences, and losses by epoch."""

import pytest

from reports.sections.classifier import training
from reports.text import wording
from tests.support.pages.sections import section_of
from tests.support.results.fine_tuned import SEEDS, N, tuned


@pytest.mark.parametrize(
    ("outcome", "gap", "bounds"),
    [("above", 0.021, (0.01, 0.032)), ("below", -0.021, (-0.032, -0.01)), ("cannot_tell", 0.001, (-0.01, 0.012))],
)
def test_two_heads_are_compared_with_the_interval_of_their_difference(outcome, gap, bounds):
    analysis = tuned(explained=False, pooler_in_cls=(outcome, gap, bounds))
    difference = f"{wording.points(gap)} points {wording.confidence(bounds)}"
    sentences = section_of(analysis, "training").verdict
    (sentence,) = (text for text in sentences if difference in text)
    assert sentence.casefold().startswith(f"the pooler head {training.VERBS[outcome]} the [cls] head")
    assert f"n = {N:,}" in sentence


def test_every_seed_has_a_line_and_every_head_one_entry_in_the_legend(fine_tuned):
    (part,) = section_of(fine_tuned, "training").parts
    (row,) = part.panels
    assert len(row.drawings) == 2
    assert len(row.legend) == 3
    assert f"{SEEDS} seeds" in row.caption
