"""Planted signals on the page: what could not have been shown."""

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
            {"difference": 0.018, "smallest_difference": 0.011, "smallest": 0.05, "repeats": 3},
            [
                "Minimum detectable difference (n = 1,821, 80 % power): 1.8 points (smallest significant difference "
                "1.1).",
                "Power check: the weakest planted signal recovered in all 3 repeats is worth +5.0 points over the "
                "majority class.",
            ],
        ),
        (
            {"difference": math.nan, "smallest_difference": math.nan, "smallest": None, "strongest_tried": 0.12},
            [
                "Power check: the strongest planted signal, +12.0 points over the majority class, was not recovered in "
                "every repeat."
            ],
        ),
        (
            {
                "difference": math.nan,
                "smallest_difference": math.nan,
                "smallest": None,
                "strongest_tried": 0.12,
                "strongest_recovered": 2,
                "repeats": 3,
            },
            [
                "Power check: the strongest planted signal, +12.0 points over the majority class, was recovered in 2 "
                "of 3 repeats."
            ],
        ),
        (
            {"difference": math.nan, "smallest_difference": math.nan, "no_signal": "there is no room"},
            ["Power check: not possible, since there is no room."],
        ),
    ],
)
def test_what_could_not_have_been_shown_is_stated(numbers, sentences):
    view = View(result_with(Claim("minimum_detectable_difference", "measured", TASK, {**numbers, "n": 1821})))
    assert [sentence.replace("\u00a0", " ") for sentence in planted_signals.sentences(view)] == sentences
