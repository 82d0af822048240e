"""Erasure: what a classifier uses beside what can be read, at every site."""

import numpy as np
import pytest

from analyses.subjects.classifier.erasure import label_use


def test_what_a_checkpoints_classifier_uses_stands_beside_what_can_be_read(explained_result):
    table, claims = explained_result.tables["erasure"], [c for c in explained_result.claims if c.id == "erasure"]
    assert set(table["head"]) == {"model"}
    assert set(zip(table["pooling"], table["layer"], strict=True)) == {
        (pooling, layer) for pooling in ("cls", "mean") for layer in range(4)
    }
    assert (table["n"] == 12).all()
    (claim,) = claims
    decodable = table[(table["eraser"] == "leace") & (table["use"] != "not_decodable")]
    assert claim.numbers["n_decodable"] == len(decodable)
    assert claim.numbers["n_sites"] == 8
    if len(decodable):
        sites = set(zip(decodable["pooling"], decodable["layer"], strict=True))
        excess = table[table["eraser"] == "leace - shuffled"].set_index(["pooling", "layer"])["accuracy_loss"]
        assert claim.numbers["difference"] == pytest.approx(max(excess[site] for site in sites))
    else:
        assert claim.outcome == "not_decodable"


def test_a_label_can_be_neither_read_nor_erased_where_every_text_has_one_vector(heads_result):
    table = heads_result.tables["erasure"]
    first = table[(table["pooling"] == "cls") & (table["layer"] == 0)]
    assert set(first["label"]) == {"label", "length"}
    assert set(first["eraser"]) == {"leace", "random", "shuffled", "mean shuffled", "leace - shuffled"}
    assert (first["accuracy_loss"] == 0).all()
    assert first["v_information"].max() <= 1e-3


def test_each_site_has_the_use_that_its_losses_show_and_the_controls_have_none(heads_result):
    table = heads_result.tables["erasure"]
    is_leace = table["eraser"] == "leace"
    assert table.loc[~is_leace, "use"].isna().all()
    for _, rows in table.groupby(["head", "label", "pooling", "layer"]):
        (use,) = rows.loc[rows["eraser"] == "leace", "use"]
        (excess_lower,) = rows.loc[rows["eraser"] == "leace - shuffled", "simultaneous_lower"]
        assert use == label_use(v_lower=rows["v_lower"].iloc[0], excess_lower=excess_lower)


def test_the_difference_of_the_losses_has_an_interval_for_all_sites_at_once(heads_result):
    table = heads_result.tables["erasure"]
    excess = table[(table["eraser"] == "leace - shuffled") & (table["upper"] - table["lower"] > 0)]
    assert len(excess)
    assert (excess["simultaneous_lower"] <= excess["lower"] + 1e-12).all()
    assert (excess["simultaneous_upper"] >= excess["upper"] - 1e-12).all()
    keys = ["head", "label", "pooling", "layer"]
    losses = table.groupby([*keys, "eraser"])["accuracy_loss"].mean().unstack()
    np.testing.assert_allclose(losses["leace - shuffled"], losses["leace"] - losses["shuffled"], atol=1e-12)
    np.testing.assert_allclose(losses["mean shuffled"], losses["shuffled"], atol=1e-12)


def test_sites_that_are_not_used_are_counted_from_the_column(heads_result):
    table = heads_result.tables["erasure"]
    for claim in (claim for claim in heads_result.claims if claim.id == "unused_sites"):
        uses = table[(table["head"] == claim.numbers["head"]) & (table["label"] == claim.numbers["label"])]["use"]
        assert claim.numbers["n_unused"] == (uses == "unused").sum()
        assert claim.numbers["n_readable"] == uses.isin(["used", "unused"]).sum()
