"""Baselines on the page: one that leans to a class is named on the first screen."""

from reports import warnings
from tests.support.results.explained import checked


def test_an_informed_baseline_is_a_care_of_the_first_screen():
    assert not any("leans" in care for care in warnings(checked()))
    cares = warnings(checked(baseline_bias="informed", heads=("probe",)))
    assert [care for care in cares if "leans" in care] == [
        "With padding in the place of a text's tokens the probe still leans to a class in 15 of 24 texts (mean "
        "distance 0.08, where 0 is none and 1 the most). Scores count from there: they leave out what the baseline "
        "already says."
    ]
