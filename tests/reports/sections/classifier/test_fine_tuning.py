"""Fine-tuning on the page: beside the best frozen probe, and before it."""

import dataclasses

import pytest

from probes.results.result import Claim
from reports import render_report
from reports.lookup import View
from reports.sections.classifier import fine_tuning as tuned_sections
from reports.sections.classifier.questions import QUESTIONS
from reports.sections.overview import answers
from tests.support.pages.reader import Page
from tests.support.pages.sections import answer_of
from tests.support.results.fine_tuned import tuned


@pytest.mark.parametrize(
    ("outcome", "bounds", "expected"),
    [
        ("above", (0.038, 0.068), "That is 5.3 points (3.8 to 6.8) above the best probe of the frozen"),
        ("below", (-0.068, -0.038), "That is 5.3 points (3.8 to 6.8) below the best probe of the frozen"),
        ("cannot_tell", (-0.01, 0.03), "Cannot tell it from the best probe of the frozen pretrained encoder"),
    ],
)
def test_fine_tuning_stands_above_below_or_beside_the_best_frozen_probe(outcome, bounds, expected):
    gain = -0.053 if outcome == "below" else 0.053
    (block,) = answers(tuned(fine_tuning_gain=(outcome, gain, bounds)))
    assert any(sentence.replace("\u00a0", " ").startswith(expected) for sentence in block.sentences)
    badge = {"above": "above the", "below": "below the", "cannot_tell": "not told apart from the"}[outcome]
    assert block.standing == f"{badge} best frozen probe"
    assert block.good == (outcome == "above")


def test_a_pooler_that_was_random_is_called_so_only_before_fine_tuning(fine_tuned):
    absent = Claim("random_pooler", "random", numbers={"reason": "its bias is exactly zero"})
    random = dataclasses.replace(fine_tuned, claims=(*fine_tuned.claims, absent))
    assert answer_of(random, next(iter(QUESTIONS)))[-1] == (
        "The pooler of this encoder was never pretrained (its bias is exactly zero): fine-tuning begins with a random "
        "one."
    )
    curves, changed = tuned_sections.before_and_after(View(random)).parts
    assert "Before fine-tuning it is a random layer: it was never trained." in curves.notes
    assert {row[1] for table in (curves.tables[0], changed.tables[0]) for row in table.rows} == {
        "[CLS]",
        "mean",
        "pooler",
    }


def test_an_encoder_that_was_frozen_is_not_called_fine_tuned(fine_tuned):
    still = fine_tuned.tables["parameter_change"].assign(change=0.0, relative=0.0)
    words = Page(
        render_report(dataclasses.replace(fine_tuned, tables={"parameter_change": still}, attributions=()))
    ).words
    assert "On one encoder, left as it is, classifiers were trained that read the pooler, [CLS] and the mean." in words
    assert "no parameter of it moved" in words
