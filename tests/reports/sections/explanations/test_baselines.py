"""Baselines on the page: one that is not neutral is named on the first screen."""

import dataclasses

import pytest

from reports import warnings
from reports.sections.explanations.baselines import bias_sentence, neutral_alternative
from tests.support.results.explained import checked


def test_a_baseline_that_is_not_neutral_is_a_caveat_of_the_first_screen():
    assert not any("not neutral" in care for care in warnings(checked()))
    (care,) = (care for care in warnings(checked(baseline_bias="informed", heads=("probe",))) if "not neutral" in care)
    assert "in 15 of 24 texts (mean total variation 0.08)" in care


def biased(**numbers):
    """Claim about a baseline that is not neutral."""
    claims = checked(baseline_bias="informed", heads=("probe",)).claims
    claim = next(claim for claim in claims if claim.id == "baseline_bias")
    return dataclasses.replace(claim, numbers={**claim.numbers, "baseline": "mean", "nearest": "sampled", **numbers})


@pytest.mark.parametrize(("distance", "is_neutral"), [(0.2, True), (0.25, True), (0.3, False)])
def test_an_alternative_is_named_only_where_it_is_neutral(distance, is_neutral):
    claim = biased(nearest_distance=distance, limit=0.25)
    assert ("--baseline sampled" in bias_sentence(claim)) is is_neutral
    assert ("No available baseline is neutral" in bias_sentence(claim)) is not is_neutral
    assert neutral_alternative(claim) == ("sampled" if is_neutral else "")


def test_without_a_limit_nothing_is_stated_about_the_other_baselines():
    assert "No available baseline" not in bias_sentence(biased(nearest_distance=0.9))
