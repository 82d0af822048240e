"""Gradient flow: the loss enters through the vectors that a head reads, and no others."""

import warnings
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from analyses.subjects.classifier.gradient_flow import MEDIAN_ROW, _embedding_claims, _ratio_to_median
from probes import Encoder
from probes.statistics.intervals import jackknife_interval

HEADS = ("pooler", "cls", "mean")


LAST = 3


def test_the_loss_enters_through_the_vector_that_a_head_reads(heads_result):
    table = heads_result.tables["gradient_shares"]
    share = table[table["layer"] == LAST].pivot(index="head", columns="kind", values="share")
    assert share.loc["cls", "[CLS]"] == 1
    assert share.loc["pooler", "[CLS]"] == 1
    assert share.loc["cls"].drop("[CLS]").sum() == 0
    # A mean head spreads it evenly: one token of n holds 1 / n.
    assert share.loc["mean", "[CLS]"] == pytest.approx(share.loc["mean", "[SEP]"])
    np.testing.assert_allclose(share.sum(axis=1), 1)


def test_a_mean_heads_gradient_is_one_part_in_n_on_every_token(heads_root, heads_result):
    encoder = Encoder.load(str(heads_root / "bert"))
    texts = pd.read_csv(heads_root / "test.csv")["text"].tolist()
    measured = np.sort(np.random.default_rng(0).permutation(len(texts))[:16])
    lengths = encoder.encode([texts[row] for row in measured]).lengths
    table = heads_result.tables["gradient_shares"].query("head == 'mean' and layer == @LAST and kind == '[CLS]'")
    assert table["share"].item() == pytest.approx((1 / lengths).mean())


def test_at_the_input_cls_holds_nothing_of_a_decision_and_at_the_end_all_that_a_cls_head_reads(heads_result):
    share = heads_result.tables["fine_tuned_token_shares"].pivot_table(
        index=["head", "layer"], columns="kind", values="share"
    )
    for head in HEADS:
        assert share.loc[(head, 0), ["[CLS]", "[SEP]"]].sum() == 0
    for head in ("cls", "pooler"):
        assert share.loc[(head, LAST), "[CLS]"] == pytest.approx(1)
    assert share.loc[("mean", LAST), "[CLS]"] < 1


def test_the_ratio_of_the_cls_embeddings_gradient_lies_inside_its_interval_above_zero(heads_result):
    claims = [claim for claim in heads_result.claims if claim.id == "cls_embedding_gradient"]
    assert claims
    for claim in claims:
        assert 0 < claim.interval[0] < claim.numbers["ratio"] < claim.interval[1]


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
