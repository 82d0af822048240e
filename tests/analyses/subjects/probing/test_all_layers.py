"""The all-layers probe: its claim is the difference from the best layer, and it is no site among the others."""

import pytest

from probes.checks import side_of_zero
from probes.results.schema.checks import check_table


def test_the_claim_is_the_difference_from_the_best_layer_of_the_same_pooling(result):
    (row,) = check_table("all_layers", result.tables["all_layers"], 12).itertuples()
    (claim,) = (claim for claim in result.claims if claim.id == "all_layers")
    (best,) = (claim for claim in result.claims if claim.id == "best_site")
    assert claim.numbers["pooling"] == best.numbers["pooling"] == row.pooling
    assert claim.numbers["best_layer"] == best.numbers["layer"]
    assert claim.numbers["best_accuracy"] == pytest.approx(best.numbers["accuracy"])
    assert claim.numbers["difference"] == pytest.approx(row.accuracy - row.best_accuracy)
    assert claim.interval == pytest.approx((row.difference_lower, row.difference_upper))
    assert claim.interval[0] <= claim.numbers["difference"] <= claim.interval[1]
    assert claim.outcome == side_of_zero(*claim.interval)


def test_it_is_neither_among_the_sites_nor_their_differences(result):
    n_sites = len(result.tables["differences_from_best"])
    curve = result.tables["metrics"].query("probe == 'logistic' and split == 'test' and metric == 'accuracy'")
    assert len(curve) == n_sites
    assert set(result.tables["metrics"]["probe"]).isdisjoint({"all_layers"})
