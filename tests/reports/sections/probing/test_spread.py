"""Spread of the vectors on the page: cosines of texts, by layer."""

from tests.support.pages.sections import of_the_encoder, with_tables
from tests.support.results.probed import result


def test_the_encoder_is_told_by_its_cosines_and_the_neighbours_least_alike():
    html, words = of_the_encoder(result())
    assert (
        "Mean cosine between the vectors of different texts, layers aside where all texts have one vector: "
        "[CLS] 0.300 (layer 6) to 0.800 (layer 1), mean 0.300 (layer 6) to 0.900 (layer 0) and pooler 0.300 (layer 6) "
        "to 0.800 (layer 1)."
    ) in words
    assert "change most between layers 3 and 4 (CKA of [CLS] 0.70, mean 0.70 and pooler 0.70)." in words
    assert "Unrelated vectors of this many texts would reach 0.021 to 0.031" in words
    assert html.count("anisotropy-title") == 2
    assert html.count("Framed: layers 3 and 4") == 3


def test_one_layer_has_a_cosine_but_no_curve_and_no_pairs():
    analysis = result()
    one = {key: analysis.tables[key][analysis.tables[key]["layer"] == 4] for key in ("anisotropy", "cka")}
    html, words = of_the_encoder(with_tables(result(), **one))
    assert "different texts: [CLS] 0.500 (layer 4), mean 0.500 (layer 4) and pooler 0.500 (layer 4)." in words
    assert "anisotropy-title" not in html
    assert "Which layers are alike?" not in words
