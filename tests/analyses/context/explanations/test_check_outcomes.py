"""Outcomes of attribution checks: the rule, and each check against the claims and means that it rests on."""

import dataclasses
import math

import pandas as pd
import pytest

from analyses.context.explanations.check_outcomes import (
    SMALLEST_GAIN,
    check_claims,
    outcome_of_gain,
)
from analyses.context.explanations.means import mean_tables
from probes.results.result import Claim
from probes.results.schema.columns import CHECK_OUTCOMES
from probes.statistics.intervals import FEWEST_EXAMPLES
from tests.support.results.explained import METHODS, checked


@pytest.mark.parametrize(
    ("interval", "n", "outcome"),
    [
        ((SMALLEST_GAIN, 0.3), 16, "passed"),
        ((SMALLEST_GAIN - 0.001, 0.3), 16, "weak"),
        ((0.01, 0.16), 16, "weak"),
        ((0.0, 0.3), 16, "inconclusive"),
        ((-0.1, 0.3), 1000, "inconclusive"),
        ((-0.3, 0.0), 16, "inconclusive"),
        ((-0.3, -0.01), 16, "failed"),
        ((0.2, 0.3), FEWEST_EXAMPLES - 1, "inconclusive"),
        ((-0.3, -0.2), FEWEST_EXAMPLES - 1, "inconclusive"),
        ((math.nan, math.nan), 16, "inconclusive"),
    ],
)
def test_a_check_is_passed_where_the_whole_interval_of_the_gain_lies_above_the_smallest_gain(interval, n, outcome):
    assert outcome_of_gain(interval, n) == outcome


def test_agreement_with_rationales_of_44_against_36_at_16_texts_is_weak():
    numbers = {"head": "probe", "method": "occlusion", "n": 16, "auprc": 0.44, "random_auprc": 0.36}
    (outcome,) = check_claims([Claim("plausibility", "above", "sentiment", numbers, (0.01, 0.16))], {})
    assert outcome.outcome == "weak"
    assert outcome.numbers["gain"] == pytest.approx(0.08)


def outcomes_of(analysis):
    """Check -> outcomes by label column and head."""
    outcomes = dict[str, list[str]]()
    for claim in analysis.claims:
        if claim.id == "attribution_check":
            outcomes.setdefault(claim.numbers["check"], []).append(claim.outcome)
    return outcomes


@pytest.mark.parametrize(
    ("check", "changes", "outcome"),
    [
        ("baseline_neutrality", {"baseline_bias": "uninformed"}, "passed"),
        ("baseline_neutrality", {"baseline_bias": "informed"}, "failed"),
        ("planted_shortcut", {"planted_shortcut": "valid"}, "passed"),
        ("planted_shortcut", {"planted_shortcut": "not_learned"}, "not_applicable"),
        ("parameter_randomisation", {"parameter_randomisation": "changes"}, "passed"),
        ("parameter_randomisation", {"parameter_randomisation": "unchanged"}, "failed"),
        ("parameter_randomisation", {"parameter_randomisation": "cannot_tell"}, "inconclusive"),
        ("baseline_agreement", {}, "measured"),
        ("deletion_curve", {}, "measured"),
        ("infidelity", {}, "measured"),
        ("sufficiency", {}, "passed"),
    ],
)
def test_a_check_has_one_outcome_of_the_first_method_for_each_label_column_and_head(check, changes, outcome):
    outcomes = outcomes_of(checked(heads=("probe",), **changes))
    assert outcomes[check] == [outcome]
    assert {one for all_of_check in outcomes.values() for one in all_of_check} <= set(CHECK_OUTCOMES)


def test_a_second_head_has_outcomes_of_its_own_but_a_second_method_has_none():
    outcomes = outcomes_of(checked(heads=("probe", "model"), methods=METHODS))
    for check in ("comprehensiveness", "sufficiency", "baseline_neutrality"):
        assert len(outcomes[check]) == 2, check


def test_attributions_that_did_not_all_converge_fail_completeness():
    numbers = {"n": 4, "n_converged": 3, "tolerance": 0.01, "smallest": 0.005, "max_abs_delta": 0.3}
    (outcome,) = check_claims([Claim("convergence", "fails", None, numbers)], {})
    assert (outcome.outcome, outcome.numbers["value"], outcome.numbers["n_holding"]) == ("failed", 0.75, 3)
    (outcome,) = check_claims([Claim("convergence", "holds", None, {**numbers, "n_converged": 4})], {})
    assert outcome.outcome == "passed"


def test_the_gain_in_sufficiency_is_that_of_random_orders_minus_that_of_the_attribution():
    analysis = checked(heads=("probe",), methods=METHODS[:1])
    (claim,) = (c for c in analysis.claims if c.numbers.get("check") == "sufficiency")
    table = analysis.tables["faithfulness"]
    is_attribution = table["order"] == "attribution"
    value = table.loc[is_attribution, "sufficiency"].mean()
    random = table.loc[~is_attribution, "sufficiency"].mean()
    assert claim.numbers["value"] == pytest.approx(value)
    assert claim.numbers["reference"] == pytest.approx(random)
    assert claim.numbers["gain"] == pytest.approx(random - value)
    assert claim.interval[0] < claim.numbers["gain"] < claim.interval[1]


def infidelity_table(errors, zero_score_error):
    rows = {"task": "t", "head": "probe", "method": "occlusion", "text_id": range(len(errors)), "value": errors}
    return pd.DataFrame(rows).assign(silent=zero_score_error)


@pytest.mark.parametrize(
    ("share", "outcome"), [(0.5, "passed"), (0.97, "weak"), (1.0, "inconclusive"), (1.5, "failed")]
)
def test_infidelity_is_judged_as_a_share_of_the_error_of_scores_of_0(share, outcome):
    table = infidelity_table([40 * share + text for text in (-0.1, 0.0, 0.1)] * 4, 40.0)
    (claim,) = check_claims([], mean_tables({"infidelity": table}))
    assert claim.outcome == outcome
    assert claim.numbers["gain"] == pytest.approx(40 * (1 - share))


def test_infidelity_without_the_error_of_scores_of_0_is_measured():
    table = infidelity_table([1.0, 2.0], 1.0).drop(columns="silent")
    (claim,) = check_claims([], mean_tables({"infidelity": table}))
    assert (claim.outcome, claim.numbers["value"]) == ("measured", 1.5)
    assert "gain" not in claim.numbers


def test_a_claim_of_an_outcome_fits_the_schema_and_is_saved(tmp_path):
    from probes.results.result import AnalysisResult

    analysis = checked()
    loaded = AnalysisResult.load(analysis.save(tmp_path / "made"))
    assert outcomes_of(loaded) == outcomes_of(analysis)


def test_the_curves_of_a_random_order_are_the_reference_of_a_method_s_curves():
    analysis = checked(heads=("probe",))
    curves = [c for c in analysis.claims if c.id == "perturbation_curves"]
    random = next(c for c in curves if c.numbers["method"] == "random")
    (outcome,) = (c for c in analysis.claims if c.numbers.get("check") == "deletion_curve")
    assert outcome.numbers["reference"] == random.numbers["deletion"]
    assert outcome.numbers["value"] == curves[0].numbers["deletion"]


def test_an_outcome_is_that_of_the_rule_for_the_interval_of_the_claim():
    for claim in checked().claims:
        if claim.id == "attribution_check" and "gain" in claim.numbers:
            assert claim.outcome == outcome_of_gain(claim.interval, claim.numbers["n"])
            assert dataclasses.astuple(claim)
