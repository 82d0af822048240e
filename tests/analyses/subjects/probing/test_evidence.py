"""The rule that decides how strong the evidence is that a label is decodable."""

import math

import pytest

from analyses.subjects.probing.evidence import judge_evidence
from analyses.subjects.probing.information import SMALLEST_COMPRESSION
from probes.results.result import Claim
from probes.results.schema.checks import claim_schema

ABOVE = {"majority": 0.24, "bag_of_words": 0.27, "layer_0_mean": 0.11, "untrained": 0.2}


def floor(name, difference, outcome="above", **numbers):
    numbers |= {"floor": name, "accuracy": 0.75 - difference, "difference": difference}
    return Claim("floor", outcome, "label", numbers, (difference - 0.03, difference + 0.03))


def floors(**changed):
    return [changed.get(name, floor(name, difference)) for name, difference in ABOVE.items()]


def information(compression=2.0, outcome="above", classes_give=1.0):
    """Information with a prior code that is shorter than the uniform one by `classes_give`."""
    numbers = {"v_information": 0.2, "prior_codelength": 1 / classes_give, "uniform_codelength": 1.0}
    numbers["codelength"] = numbers["prior_codelength"] / compression
    numbers["compression"] = compression
    return Claim("information", outcome, "label", numbers, (0.1, 0.3))


def power(smallest=0.05, strongest=0.12):
    numbers = {"difference": 0.03, "n": 900, "smallest": smallest, "weakest_tried": 0.01, "strongest_tried": strongest}
    return Claim("minimum_detectable_difference", "measured", "label", numbers)


def test_a_label_above_every_floor_with_information_is_decodable():
    claim = judge_evidence("label", [*floors(), information(), power()])
    assert claim.outcome == "decodable"
    assert (claim.numbers["missed"], claim.numbers["doubts"]) == ("", "")


def test_the_gain_and_its_interval_are_those_over_the_highest_floor():
    claim = judge_evidence("label", [*floors(), information(), power()])
    assert (claim.numbers["floor"], claim.numbers["difference"]) == ("layer_0_mean", 0.11)
    assert claim.interval == (0.11 - 0.03, 0.11 + 0.03)
    assert (claim.numbers["n_above"], claim.numbers["n_floors"]) == (4, 4)


@pytest.mark.parametrize("outcome", ["below", "cannot_tell"])
def test_one_floor_that_is_not_exceeded_means_not_shown_whatever_the_information_is(outcome):
    changed = floors(bag_of_words=floor("bag_of_words", 0.01, outcome))
    claim = judge_evidence("label", [*changed, information(), power()])
    assert claim.outcome == "not_shown"
    assert (claim.numbers["missed"], claim.numbers["n_above"]) == ("bag_of_words", 3)


@pytest.mark.parametrize("name", ["control", "model_head"])
def test_the_control_task_and_the_own_head_are_no_floors(name):
    claim = judge_evidence("label", [*floors(), floor(name, -0.25, "below"), information(), power()])
    assert claim.outcome == "decodable"
    assert claim.numbers["n_floors"] == 4


@pytest.mark.parametrize(
    ("measure", "doubt"),
    [
        (information(compression=0.99), "compression"),
        (information(compression=SMALLEST_COMPRESSION), "compression"),
        (information(compression=math.nan), "compression"),
        (information(outcome="cannot_tell"), "v_information"),
    ],
)
def test_a_measure_of_information_that_says_otherwise_makes_the_evidence_weak(measure, doubt):
    claim = judge_evidence("label", [*floors(), measure, power()])
    assert (claim.outcome, claim.numbers["doubts"]) == ("weak", doubt)


def test_compression_is_relative_to_the_prior_code_not_to_a_uniform_one():
    unbalanced = information(compression=1.01, classes_give=3.0)
    assert unbalanced.numbers["uniform_codelength"] / unbalanced.numbers["codelength"] > 3
    claim = judge_evidence("label", [*floors(), unbalanced, power()])
    assert claim.outcome == "weak"
    assert claim.numbers["compression"] == pytest.approx(1.01)


@pytest.mark.parametrize(
    ("gain", "smallest", "doubts"),
    [(0.24, None, ""), (0.12, None, "power"), (0.08, None, "power"), (0.08, 0.08, ""), (0.07, 0.08, "power")],
)
def test_a_gain_that_a_planted_signal_of_its_strength_does_not_reach_makes_the_evidence_weak(gain, smallest, doubts):
    changed = floors(majority=floor("majority", gain))
    claim = judge_evidence("label", [*changed, information(), power(smallest)])
    assert claim.numbers["doubts"] == doubts
    assert claim.outcome == ("weak" if doubts else "decodable")


def test_a_power_check_that_could_not_be_made_says_nothing():
    unmeasured = Claim("minimum_detectable_difference", "measured", "label", {"no_signal": "only one class"})
    assert judge_evidence("label", [*floors(), information(), unmeasured]).outcome == "decodable"


def test_without_information_a_label_is_above_the_floors_and_no_more():
    claim = judge_evidence("label", floors())
    assert claim.outcome == "above_floors"
    assert "compression" not in claim.numbers


def test_the_layer_0_mean_as_the_best_site_is_not_above_itself():
    others = [claim for claim in floors() if claim.numbers["floor"] != "layer_0_mean"]
    claim = judge_evidence("label", [*others, information(), power()], best_floor_accuracy=0.75)
    assert (claim.outcome, claim.numbers["missed"], claim.interval) == ("not_shown", "layer_0_mean", (0.0, 0.0))


def test_the_seeds_stand_beside_an_untrained_encoder_that_is_the_highest_floor():
    changed = floors(untrained=floor("untrained", 0.05, seeds=1))
    assert judge_evidence("label", [*changed, information(), power()]).numbers["seeds"] == 1
    assert "seeds" not in judge_evidence("label", [*floors(), information(), power()]).numbers


@pytest.mark.parametrize("measures", [[information(), power()], []])
def test_every_outcome_and_number_is_declared(measures):
    schema = claim_schema("evidence")
    claim = judge_evidence("label", [*floors(), *measures])
    assert claim.outcome in schema.outcomes
    assert set(claim.numbers) <= {column.name for column in schema.numbers}
