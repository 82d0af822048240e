"""Agreement of attributions between fine-tuned heads on the page."""

import pytest

from reports.lookup import value
from reports.sections.classifier import head_agreement
from reports.text import wording
from tests.support.pages.sections import section_of, without
from tests.support.results.fine_tuned import tuned


def test_every_pair_of_heads_has_its_correlation_with_the_interval_once_in_words(fine_tuned):
    claims = [claim for claim in fine_tuned.claims if claim.id == "fine_tuned_head_agreement"]
    first, *_ = section_of(fine_tuned, "same").verdict
    for claim in claims:
        correlation = wording.decimal(value(claim, "correlation"), 2)
        limits = wording.confidence(claim.interval, scale=1, digits=2)
        assert f"{correlation} {limits}" in first
    assert "24 texts" in first


@pytest.mark.parametrize(
    ("outcome", "bounds"), [("above", (0.51, 0.71)), ("cannot_tell", (-0.1, 0.3)), ("below", (-0.71, -0.51))]
)
def test_the_outcome_is_said_beside_the_correlations(outcome, bounds):
    analysis = tuned(explained=False, fine_tuned_head_agreement=(outcome, sum(bounds) / 2, bounds))
    first, *_ = section_of(analysis, "same").verdict
    assert f"{head_agreement.ENDINGS[outcome]}: " in first


@pytest.mark.parametrize(
    ("outcome", "bounds"), [("above", (0.18, 0.22)), ("cannot_tell", (-0.01, 0.01)), ("below", (-0.22, -0.18))]
)
def test_comprehensiveness_is_compared_with_random_orders_in_points(outcome, bounds):
    analysis = tuned(explained=False, fine_tuned_faithfulness=(outcome, sum(bounds) / 2, bounds))
    section = section_of(analysis, "same")
    assert section.verdict[-1].startswith(head_agreement.OPENINGS[outcome])
    (table,) = section.parts[0].tables
    assert not any("%" in cell for row in table.rows for cell in row)


def test_a_result_without_agreement_has_faithfulness_alone(fine_tuned):
    section = section_of(without(fine_tuned, claims=("fine_tuned_head_agreement",)), "same")
    assert section.parts[0].drawings == ()
    assert section.parts[0].tables
    neither = without(fine_tuned, claims=("fine_tuned_head_agreement", "fine_tuned_faithfulness"))
    assert section_of(neither, "same") is None
