"""A page looks up tables, claims and numbers by the schema: a key that is not declared is an error, never a dash."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from probes import Claim, InputError
from reports.lookup import LookupMissingError, View, item, means_by_group, text, value
from tests.support.results.probed import result

GAIN = Claim("fine_tuning_gain", "above", "sentiment", {"head": "cls", "difference": 0.05})


@pytest.mark.parametrize(
    "look_up",
    [
        lambda view: view.table("metric"),
        lambda view: view.claim("best"),
        lambda view: view.claims("best", "sentiment"),
        lambda view: view.every("best"),
        lambda view: view.stated("tuned_gain"),
        lambda view: view.stated("fine_tuning_gain", haed="cls"),
        lambda _: value(GAIN, "diference"),
        lambda _: text(GAIN, "haed"),
        lambda _: item(GAIN, "model"),
    ],
)
def test_a_key_that_the_schema_does_not_declare_is_an_error(look_up):
    with pytest.raises(InputError, match=r"unknown (table|kind of claim|number of the claim) "):
        look_up(View(dataclasses.replace(result(), claims=(GAIN,))))


def test_a_table_or_claim_that_a_result_lacks_is_none():
    view = View(dataclasses.replace(result(), tables={}, claims=()))
    assert view.table("metrics") is None
    assert view.claim("best_site", "sentiment") is None
    assert view.stated("fine_tuning_gain") == []


def test_a_claim_without_its_main_number_is_an_error_and_one_that_was_not_measured_is_left_out():
    lacking, unmeasured = (
        dataclasses.replace(GAIN, numbers=numbers) for numbers in ({"head": "cls"}, {"difference": None})
    )
    with pytest.raises(LookupMissingError, match="'fine_tuning_gain' about 'sentiment' lacks 'difference'"):
        View(dataclasses.replace(result(), claims=(lacking,))).stated("fine_tuning_gain")
    assert View(dataclasses.replace(result(), claims=(unmeasured,))).stated("fine_tuning_gain") == []


def test_an_optional_number_that_a_claim_lacks_is_not_a_number():
    claim = Claim("cls_predictability", "measured", "sentiment", {"model": "m"})
    assert np.isnan(value(claim, "untrained_last_r2"))
    assert item(claim, "first_layer") is None


def test_a_measure_that_a_table_of_means_lacks_was_not_measured():
    row = {"head": "probe", "measure": "auprc", "value": 0.5, "lower": 0.4, "upper": 0.6, "n": 3}
    means = means_by_group(pd.DataFrame([row]), "head")[("probe",)]
    assert (means["auprc"].value, means["auprc"].n) == (0.5, 3)
    assert np.isnan(means["random_auprc"].value)
    assert means["random_auprc"].n == 0
