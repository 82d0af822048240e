"""Baselines on the page: one that is not neutral is named on the first screen."""

from reports import warnings
from tests.support.results.explained import checked


def test_a_baseline_that_is_not_neutral_is_a_caveat_of_the_first_screen():
    assert not any("not neutral" in care for care in warnings(checked()))
    (care,) = (care for care in warnings(checked(baseline_bias="informed", heads=("probe",))) if "not neutral" in care)
    assert "in 15 of 24 texts (mean total variation 0.08)" in care
