"""V-information: the mean of what each text has."""

import numpy as np
import pandas as pd
import pytest

from analyses.subjects.probing.information import information_agreement


def test_the_bits_of_each_text_average_to_the_v_information_of_the_place(result):
    texts = result.tables["pointwise_information"].groupby(["pooling", "layer"])
    places = result.tables["information"].set_index(["pooling", "layer"])
    np.testing.assert_allclose(texts["pvi"].mean()[places.index], places["v_information"], atol=1e-5)
    accuracy = result.tables["metrics"].query("probe == 'logistic' and split == 'test' and metric == 'accuracy'")
    accuracy = accuracy.set_index(["pooling", "layer"])["value"]
    np.testing.assert_allclose(texts["correct"].mean()[accuracy.index], accuracy.astype(float))


@pytest.mark.parametrize(
    ("v_information_outcome", "codelength", "expected"),
    [
        ("above", 0.5, "agree"),
        ("above", 1.01, "disagree"),
        ("above", 1.0, "disagree"),
        ("cannot_tell", 0.9, "disagree"),
        ("cannot_tell", 1.01, "agree"),
        ("below", 1.01, "agree"),
    ],
)
def test_v_information_and_codelength_disagree_where_one_alone_finds_information(
    v_information_outcome, codelength, expected
):
    row = pd.Series({"codelength": codelength, "prior_codelength": 1.0})
    assert information_agreement(v_information_outcome, row) == expected
