"""Resampled training sets: the claim repeats the row of the best site, and the interval is that of the refits."""

import pytest

from analyses.subjects.probing.training_resampling import COUNTS, SHARES
from probes.results.schema.checks import check_table


def test_the_claim_repeats_the_row_of_the_best_site(result):
    table = check_table("training_resampling", result.tables["training_resampling"], 12)
    (claim,) = (claim for claim in result.claims if claim.id == "training_resampling")
    (best,) = (claim for claim in result.claims if claim.id == "best_site")
    (row,) = table.query(f"pooling == '{best.numbers['pooling']}' and layer == {best.numbers['layer']}").itertuples()
    for name in (*SHARES, *COUNTS):
        assert claim.numbers[name] == pytest.approx(getattr(row, name))
    assert claim.interval == pytest.approx((row.lower, row.upper))
    assert claim.numbers["accuracy"] == pytest.approx(best.numbers["accuracy"])


def test_each_resampled_set_has_one_best_site_which_is_tied_with_itself(result):
    table = result.tables["training_resampling"]
    assert table["n_best"].sum() == 20
    assert (table["n_best_or_tied"] >= table["n_best"]).all()
    assert (table["n_best_or_tied"] <= table["n_refits"]).all()


def test_the_interval_with_training_sampling_holds_the_one_of_test_sampling_alone(result):
    rows = result.tables["metrics"].query("probe == 'logistic' and split == 'test' and metric == 'accuracy'")
    both = result.tables["training_resampling"].merge(rows, on=["task", "pooling", "layer"], suffixes=("", "_test"))
    assert len(both) == len(rows) > 0
    assert both["accuracy"].to_numpy() == pytest.approx(both["value"].to_numpy())
    assert (both["lower"] <= both["lower_test"] + 1e-12).all()
    assert (both["upper"] >= both["upper_test"] - 1e-12).all()
