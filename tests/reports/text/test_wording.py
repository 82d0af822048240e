"""Words for sites, differences, numbers and intervals."""

import math

import pytest

from reports.text import wording


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ("mean 3", "mean of layer 3"),
        ("mean 3, mean 4", "mean of layers 3 and 4"),
        ("mean 4, mean 3, mean 5, cls 6, mean 9", "mean of layers 3 to 5 and 9; [CLS] of layer 6"),
    ],
)
def test_places_are_told_in_runs(names, words):
    assert wording.places(names) == words


@pytest.mark.parametrize(("value", "text"), [(0.0004, "0.0"), (-0.0004, "0.0"), (0.051, "+5.1"), (-0.012, "−1.2")])
def test_a_difference_carries_its_sign_unless_it_rounds_to_nothing(value, text):
    assert wording.points(value) == text


def test_a_number_that_is_not_known_is_a_dash():
    assert [wording.count(math.nan), wording.general(math.nan)] == ["–", "–"]
    assert [wording.count(1200), wording.general(0.01)] == ["1,200", "0.01"]


@pytest.mark.parametrize(
    ("bounds", "text"),
    [
        ((-0.075, -0.0004), "−7.5 to −0.04"),
        ((-0.00001, 0.012), "−0.001 to 1.2"),
        ((0.0, 0.0), "0.0 to 0.0"),
        ((-1e-17, 0.5), "0.0 to 50.0"),
        ((-0.0006, 0.0006), "−0.1 to 0.1"),
        ((math.nan, 0.1), "–"),
        (None, "–"),
    ],
)
def test_an_interval_says_on_which_side_of_zero_an_end_lies(bounds, text):
    assert wording.interval(bounds) == text
