"""Gradient of the embedding of [CLS] relative to those of other tokens, where there are few texts."""

import warnings
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from analyses.subjects.classifier.gradient_flow import MEDIAN_ROW, _embedding_claims, _ratio_to_median
from probes.statistics.intervals import jackknife_interval


def ratio(norms, norms_without_fold):
    """The ratio of the first row to the others, with warnings as errors."""
    gradients = SimpleNamespace(norms=np.array(norms), norms_without_fold=np.array(norms_without_fold))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return _ratio_to_median(gradients, 0, np.arange(1, len(norms)))


def test_the_interval_is_a_jackknife_of_logarithms_over_as_many_folds_as_there_are():
    limits = ratio([4.0, 1, 2, 3], [[3.0, 1, 2, 3], [4, 0, 1, 3], [3, 1, 1, 1]])
    lower, upper = np.exp(jackknife_interval(np.log(2), np.log([1.5, 2, 3])))
    assert limits == pytest.approx({"times": 2, "times_lower": lower, "times_upper": upper})


@pytest.mark.parametrize(
    ("norms", "norms_without_fold", "times"),
    [
        ([4.0, 1, 2, 3], [[0.0, 0, 0, 0]], 2),
        ([4.0, 1, 2, 3], [[2.0, 1, 2, 3], [0, 0, 0, 0]], 2),
        ([4.0, 1, 2, 3], [[2.0, 1, 2, 3], [0, 1, 2, 3]], 2),
        ([0.0, 1, 2, 3], [[0.0, 1, 2, 3], [0, 1, 2, 3]], 0),
    ],
    ids=["one text", "a fold with all gradients", "a fold with the gradient of the row", "a row without gradient"],
)
def test_the_interval_is_undefined_where_a_fold_leaves_no_ratio(norms, norms_without_fold, times):
    limits = ratio(norms, norms_without_fold)
    assert limits["times"] == times
    assert np.isnan([limits["times_lower"], limits["times_upper"]]).all()


def test_texts_that_are_all_equal_have_the_ratio_as_both_ends():
    limits = ratio([4.0, 1, 2, 3], [[2.0, 0.5, 1, 1.5]] * 2)
    assert limits == pytest.approx({"times": 2, "times_lower": 2, "times_upper": 2})


def test_a_claim_without_a_defined_interval_has_none():
    cls_row = {"row": "[CLS]", "norm": 4.0, "per_occurrence": 4.0, "occurrences": 1, "times": 2.0}
    cls_row |= {"times_lower": np.nan, "times_upper": np.nan}
    rows = pd.DataFrame([cls_row, {"row": MEDIAN_ROW, "norm": 2.0, "per_occurrence": 2.0, "occurrences": 1}])
    (claim,) = _embedding_claims(SimpleNamespace(task="label"), "cls", rows)
    assert claim.interval is None
    assert claim.numbers["ratio"] == 2
