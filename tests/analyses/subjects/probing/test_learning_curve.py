"""Learning curves: the whole training set at their end, and fewer texts before it."""

import math

import numpy as np
import pytest

from analyses.subjects.probing.learning_curve import curve_outcome


def test_the_largest_training_size_has_the_accuracy_of_the_probe_itself(result):
    curve = result.tables["learning_curve"]
    assert curve["train_texts"].nunique() > 2
    ends = curve[curve["train_texts"] == curve["train_texts"].max()].set_index(["pooling", "layer"])
    test = result.tables["metrics"].query("probe == 'logistic' and split == 'test' and metric == 'accuracy'")
    accuracy = test.set_index(["pooling", "layer"])["value"]
    assert len(ends) == len(accuracy)
    np.testing.assert_allclose(ends["accuracy"], accuracy[ends.index].astype(float))


def test_the_claim_compares_all_training_texts_with_the_next_smaller_number(result):
    (claim,) = (claim for claim in result.claims if claim.id == "learning_curve")
    (best,) = (claim for claim in result.claims if claim.id == "best_site")
    curve = result.tables["learning_curve"]
    is_best = (curve["pooling"] == best.numbers["pooling"]) & (curve["layer"] == best.numbers["layer"])
    fewer, full = curve[is_best].sort_values("train_texts").tail(2).to_dict("records")
    assert (claim.numbers["train_texts"], claim.numbers["fewer_texts"]) == (full["train_texts"], fewer["train_texts"])
    assert claim.numbers["gain"] == pytest.approx(full["accuracy"] - fewer["accuracy"])
    assert claim.interval[0] <= claim.numbers["gain"] <= claim.interval[1]


@pytest.mark.parametrize(
    ("lower", "upper", "expected"),
    [
        (0.01, 0.05, "rising"),
        (0.001, 0.01, "rising"),
        (-0.02, 0.019, "plateau"),
        (-0.05, -0.01, "plateau"),
        (0.0, 0.0, "plateau"),
        (-0.01, 0.03, "cannot_tell"),
        (math.nan, math.nan, "cannot_tell"),
    ],
)
def test_a_plateau_is_stated_only_where_a_gain_of_two_points_is_excluded(lower, upper, expected):
    assert curve_outcome(lower, upper) == expected
