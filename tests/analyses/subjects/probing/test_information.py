"""V-information: the mean of what each text has."""

import numpy as np


def test_the_bits_of_each_text_average_to_the_v_information_of_the_place(result):
    texts = result.tables["pointwise_information"].groupby(["pooling", "layer"])
    places = result.tables["information"].set_index(["pooling", "layer"])
    np.testing.assert_allclose(texts["pvi"].mean()[places.index], places["v_information"], atol=1e-5)
    accuracy = result.tables["metrics"].query("probe == 'logistic' and split == 'test' and metric == 'accuracy'")
    accuracy = accuracy.set_index(["pooling", "layer"])["value"]
    np.testing.assert_allclose(texts["correct"].mean()[accuracy.index], accuracy.astype(float))
