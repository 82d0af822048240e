"""Agreement of fine-tuned heads: each claim against the rows of its pair of heads."""

import pytest

from probes.checks import side_of_zero


def test_a_claim_of_agreement_is_the_mean_of_its_rows_and_the_side_of_zero_of_its_interval(heads_result):
    claims = [claim for claim in heads_result.claims if claim.id == "fine_tuned_head_agreement"]
    table = heads_result.tables["fine_tuned_head_agreement"]
    assert claims
    for claim in claims:
        pair = claim.numbers["head"], claim.numbers["other_head"]
        rows = table[(table["head"] == pair[0]) & (table["other_head"] == pair[1])]
        assert claim.numbers["correlation"] == pytest.approx(rows["correlation"].mean())
        assert claim.outcome == side_of_zero(*claim.interval)


def test_every_head_has_the_check_of_its_faithfulness_and_all_have_that_of_completeness(heads_result):
    checks = [claim for claim in heads_result.claims if claim.id == "attribution_check"]
    faithful = [claim.numbers["head"] for claim in heads_result.claims if claim.id == "fine_tuned_faithfulness"]
    assert [c.numbers["head"] for c in checks if c.numbers["check"] == "comprehensiveness"] == faithful
    (completeness,) = (c for c in checks if c.numbers["check"] == "completeness")
    assert completeness.numbers["n"] == len(heads_result.attributions)
