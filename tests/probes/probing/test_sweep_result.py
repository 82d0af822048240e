"""The result of a sweep as tidy tables."""

import numpy as np

from probes import sweep_probes
from tests.support.datasets.sweep_splits import split

COLUMNS = "model task pooling layer probe seed split metric class value lower upper n".split()


def test_the_table_is_tidy_and_has_every_site_and_floor(sweep):
    table = sweep.metrics
    assert list(table.columns) == COLUMNS
    test = table[(table["split"] == "test") & (table["metric"] == "accuracy")]
    assert not test.duplicated(["task", "probe", "pooling", "layer"]).any()
    assert len(test) == 2 * (2 * 4 + 2)
    assert set(test["probe"]) == {"logistic", "majority", "bag_of_words"}
    assert test[["lower", "upper", "n"]].notna().all(axis=None)
    assert ((test["lower"] <= test["value"]) & (test["value"] <= test["upper"])).all()


def test_differences_are_from_the_best_site_which_ties_with_itself(sweep):
    table = sweep.differences
    best = table[(table["pooling"] == table["reference_pooling"]) & (table["layer"] == table["reference_layer"])]
    assert best[["value", "lower", "upper"]].eq(0).all(axis=None)
    assert best["tied"].all()
    constant = table[(table["pooling"] == "cls") & (table["layer"] == 0)]
    assert not constant["tied"].any()


def test_confusion_counts_every_test_example(sweep):
    totals = sweep.confusion.groupby(["task", "probe"])["count"].sum()
    assert (totals == 240).all()
    assert set(sweep.confusion["label"]) == {"a", "b", "c", "no", "yes"}


def test_confusion_has_rows_for_the_pairs_that_occur_alone(sweep):
    counts = sweep.confusion
    assert (counts["count"] > 0).all()
    assert not counts.duplicated(["task", "probe", "label", "predicted"]).any()
    assert counts.query("task == 'three' and probe == 'majority'")["predicted"].nunique() == 1


def test_the_models_own_head_is_a_row_beside_the_probes():
    labels = split(2).labels["two"]
    head = np.log(np.where(np.eye(2)[labels] > 0, 0.9, 0.1))
    sweep = sweep_probes(split(0), split(1), split(2), heads={"two": head})
    row = sweep.metrics.query("probe == 'model_head' and metric == 'accuracy'")
    assert row["task"].tolist() == ["two"]
    assert row["value"].tolist() == [1.0]
    assert row["lower"].item() < 1.0
