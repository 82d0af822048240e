"""Spread of the vectors on the page: cosines of texts, by layer."""

from tests.support.pages.sections import of_the_encoder, section_of, with_tables
from tests.support.results.probed import result


def test_the_encoder_is_told_by_its_cosines_and_the_neighbours_least_alike():
    html, words = of_the_encoder(result())
    assert (
        "Anisotropy without the layers where all texts have one vector (n = 896): "
        "[CLS] 0.300 (layer 6) to 0.800 (layer 1), mean 0.300 (layer 6) to 0.900 (layer 0) and pooler 0.300 (layer 6) "
        "to 0.800 (layer 1)."
    ) in words
    lowest = "3 and 4 ([CLS] 0.70, mean 0.70 and pooler 0.70)"
    assert f"Lowest linear CKA of neighbouring layers (n = 896): {lowest}." in words
    assert "CKA of permuted texts (n = 896): 0.021 to 0.031." in words
    assert html.count("anisotropy-title") == 2
    assert html.count("Framed: layers 3 and 4") == 3


def test_one_layer_has_a_cosine_but_no_curve_and_no_pairs():
    analysis = result()
    one = {key: analysis.tables[key][analysis.tables[key]["layer"] == 4] for key in ("anisotropy", "cka")}
    html, words = of_the_encoder(with_tables(result(), **one))
    assert "Anisotropy (n = 896): [CLS] 0.500 (layer 4), mean 0.500 (layer 4) and pooler 0.500 (layer 4)." in words
    assert "anisotropy-title" not in html
    assert "Layer similarity" not in words


def test_a_pooler_that_was_never_trained_has_no_similarity_of_layers():
    section = section_of(result(random_pooler=True), "encoder")
    *_, similarity = section.parts
    assert [drawing.caption.partition(".")[0] for drawing in similarity.drawings] == ["[CLS]", "Mean"]
    assert "pooler" not in section.verdict[0]
    assert section.folded
