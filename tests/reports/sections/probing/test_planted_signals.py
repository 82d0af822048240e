"""Planted signals on the page: what could not have been seen."""

import math

import pytest

from probes.results.result import Claim
from reports.lookup import View
from reports.sections.probing import planted_signals
from tests.support.pages.sections import TASK, result_with


@pytest.mark.parametrize(
    ("numbers", "sentences"),
    [
        (
            {"difference": 0.018, "usual_difference": 0.027, "smallest": 0.05},
            [
                "With 1,821 test texts, a difference under 1.8 points between the best place and another cannot be "
                "seen; for half of the places it takes 2.7 or more.",
                "Of signals planted in these vectors, the weakest that is found each time lets the best possible probe "
                "be right 5.0 points more often than the majority.",
            ],
        ),
        (
            {"difference": math.nan, "usual_difference": math.nan, "smallest": None, "strongest_tried": 0.12},
            [
                "Signals of known strength were planted in these vectors, and none was found each time: not even the "
                "strongest, which lets the best possible probe be right 12.0 points more often than the majority."
            ],
        ),
        (
            {"difference": math.nan, "usual_difference": math.nan, "no_signal": "there is no room"},
            ["No signal of known strength could be planted, to see which would be found: there is no room."],
        ),
    ],
)
def test_what_could_not_have_been_seen_is_said(numbers, sentences):
    view = View(result_with(Claim("minimum_detectable_difference", "measured", TASK, {**numbers, "n": 1821})))
    assert list(planted_signals.limits(view, TASK)) == sentences
