"""V-information: the mean of what each text has."""

import numpy as np
import pytest

from analyses.subjects.probing.information import SMALLEST_COMPRESSION, information_agreement


def test_the_bits_of_each_text_average_to_the_v_information_of_the_place(result):
    texts = result.tables["pointwise_information"].groupby(["pooling", "layer"])
    places = result.tables["information"].set_index(["pooling", "layer"])
    np.testing.assert_allclose(texts["pvi"].mean()[places.index], places["v_information"], atol=1e-5)
    accuracy = result.tables["metrics"].query("probe == 'logistic' and split == 'test' and metric == 'accuracy'")
    accuracy = accuracy.set_index(["pooling", "layer"])["value"]
    np.testing.assert_allclose(texts["correct"].mean()[accuracy.index], accuracy.astype(float))


@pytest.mark.parametrize(
    ("v_information_outcome", "compression", "expected"),
    [
        ("above", 2.0, "agree"),
        ("above", SMALLEST_COMPRESSION, "disagree"),
        ("above", 0.99, "disagree"),
        ("cannot_tell", 1.1, "disagree"),
        ("cannot_tell", SMALLEST_COMPRESSION, "agree"),
        ("below", 0.99, "agree"),
    ],
)
def test_v_information_and_codelength_disagree_where_one_alone_finds_information(
    v_information_outcome, compression, expected
):
    assert information_agreement(v_information_outcome, compression) == expected
