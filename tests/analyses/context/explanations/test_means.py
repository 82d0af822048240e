"""Means over texts: the numbers of a page that tables with a row for each text lead to."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from analyses.context.explanations.means import (
    explanation_agreement,
    mean_tables,
    token_removal_by_text,
)
from probes.statistics.intervals import mean_interval
from tests.support.results.probed import attribution


def infidelity_table(values):
    rows = {"task": "t", "head": "probe", "method": "occlusion", "text_id": range(len(values)), "value": values}
    return pd.DataFrame(rows)


def test_a_mean_leaves_out_missing_values_and_has_the_interval_of_the_others():
    values = np.random.default_rng(0).normal(size=20)
    (row,) = mean_tables({"infidelity": infidelity_table([*values, np.nan])})["infidelity_means"].to_dict("records")
    assert row["measure"] == "value"
    assert row["n"] == 20
    assert row["value"] == pytest.approx(values.mean())
    assert (row["lower"], row["upper"]) == mean_interval(values)


def test_a_mean_of_no_text_is_missing():
    (row,) = mean_tables({"infidelity": infidelity_table([np.nan])})["infidelity_means"].to_dict("records")
    assert row["n"] == 0
    assert np.isnan([row["value"], row["lower"], row["upper"]]).all()


def test_a_table_without_means_has_none():
    assert mean_tables({"word_means": pd.DataFrame({"word": ["a"]})}) == {}


def test_random_orders_are_averaged_by_text_before_the_difference():
    rows = [
        ("probe", text, order, loss, loss / 2, -loss)
        for text, losses in ((0, (0.5, 0.1, 0.3)), (1, (0.4, 0.0, 0.2)))
        for order, loss in zip(("attribution", "random 0", "random 1"), losses, strict=True)
    ]
    names = ["head", "text_id", "order", "comprehensiveness", "sufficiency", "log_odds"]
    by_text = token_removal_by_text(pd.DataFrame(rows, columns=names), ["head"])
    np.testing.assert_allclose(by_text["random_comprehensiveness"], [0.2, 0.1])
    np.testing.assert_allclose(by_text["comprehensiveness_difference"], [0.3, 0.3])


def test_an_attribution_is_compared_with_the_first_one_of_its_decision_only():
    first = attribution("one two three four", "t", ("x", "y"), 0, converged=True)
    turned = dataclasses.replace(first, method="occlusion", scores=-first.scores)
    of_other_class = dataclasses.replace(first, target="y")
    table = explanation_agreement([first, of_other_class, turned])["explanation_agreement"]
    assert table.to_dict("records") == [{"attribution": 2, "reference": 0, "correlation": -1.0}]
    assert explanation_agreement([first, of_other_class]) == {}
