"""Prediction depth on the page: cumulative curves, and a warning where depths are unreliable."""

import dataclasses

import pandas as pd
import pytest

from probes.results.result import Claim
from tests.support.pages.sections import TASK, result_with, section_of

NUMBERS = {"mean_depth": 1.5, "correlation": 0.4, "same_depth": 0.5, "by_chance": 0.3, "share_from_first_layer": 0.25}
SHARES = pd.DataFrame(
    [(TASK, pooling, layer, 0.25, 0.25 * (layer + 1)) for pooling in ("cls", "mean") for layer in range(4)],
    columns="task pooling layer share cumulative_share".split(),
)


def depth(outcome, pooling="mean", **numbers):
    return Claim("prediction_depth", outcome, TASK, {**NUMBERS, "pooling": pooling, "half_depth": 1, **numbers})


@pytest.mark.parametrize("outcome", ["reliable", "measured"])
def test_the_layer_by_which_half_of_the_texts_are_final_stands_with_its_reliability(outcome):
    (sentence,) = section_of(result_with(depth(outcome), prediction_depth_shares=SHARES), "depth").verdict
    assert sentence == "Half of the test texts are final by layer 1 in mean (reliability 0.40)."


def test_unreliable_depths_are_not_interpreted():
    claims = (depth("reliable"), depth("unreliable", "cls", correlation=0.1))
    (sentence,) = section_of(result_with(*claims, prediction_depth_shares=SHARES), "depth").verdict
    assert sentence.endswith("Not reliable, do not interpret: [CLS] (0.10).")
    (sentence,) = section_of(result_with(claims[1], prediction_depth_shares=SHARES), "depth").verdict
    assert "Half" not in sentence


def test_each_pooling_has_a_cumulative_curve_and_both_tables_are_folded():
    (part,) = section_of(result_with(depth("reliable"), prediction_depth_shares=SHARES), "depth").parts
    svg = part.panels[0].drawings[0].svg
    assert all(f"{pooling}, layer 3: 100.0" in svg for pooling in ("[CLS]", "mean"))
    assert [table.folded for table in part.tables] == [True, True]


def test_a_result_without_shares_has_its_sentence_and_the_table_of_reliability():
    (part,) = section_of(result_with(depth("reliable")), "depth").parts
    assert (part.panels, len(part.tables)) == ((), 1)


def test_how_many_layers_are_constant_may_be_unknown():
    for n_constant, is_noted in ((None, False), (1, True)):
        section = section_of(result_with(depth("reliable", n_constant=n_constant)), "depth")
        assert any("Left out" in note for note in section.notes) == is_noted
    assert section_of(dataclasses.replace(result_with(), claims=()), "depth") is None
