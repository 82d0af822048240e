"""Erasure: what a classifier uses beside what can be read, at every site."""

import pytest


def test_what_a_checkpoints_classifier_uses_stands_beside_what_can_be_read(explained_result):
    table, claims = explained_result.tables["erasure"], [c for c in explained_result.claims if c.id == "erasure"]
    assert set(table["head"]) == {"model"}
    assert set(zip(table["pooling"], table["layer"], strict=True)) == {
        (pooling, layer) for pooling in ("cls", "mean") for layer in range(4)
    }
    assert (table["n"] == 12).all()
    (claim,) = claims
    leace = table[table["eraser"] == "leace"]
    assert claim.numbers["accuracy_loss"] == pytest.approx(leace["accuracy_loss"].max())


def test_a_label_can_be_neither_read_nor_erased_where_every_text_has_one_vector(heads_result):
    table = heads_result.tables["erasure"]
    first = table[(table["pooling"] == "cls") & (table["layer"] == 0)]
    assert set(first["label"]) == {"label", "length"}
    assert set(first["eraser"]) == {"leace", "random", "shuffled", "leace - random"}
    assert (first["accuracy_loss"] == 0).all()
    assert first["v_information"].max() <= 1e-3
