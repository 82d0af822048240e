"""Linear CKA: every pair of layers beside its floor."""

import pandas as pd


def test_every_pair_of_layers_stands_beside_what_unrelated_vectors_would_reach(result):
    cka = result.tables["cka"]
    measured_pairs = cka.dropna()
    assert set(measured_pairs["pooling"]) == {"cls", "mean", "pooler"}
    unknown = cka[cka["cka"].isna()]
    assert (unknown["floor"].isna() & (unknown["pooling"] != "mean")).all()
    assert (unknown[["layer", "other_layer"]].min(axis=1) == 0).all()
    assert measured_pairs["floor"].between(0, 1, inclusive="neither").all()
    forward, back = ["pooling", "layer", "other_layer"], ["pooling", "other_layer", "layer"]
    ways = measured_pairs.set_index(forward), measured_pairs.set_index(back).rename_axis(index=forward)
    pd.testing.assert_frame_equal(ways[0][["cka", "floor"]].sort_index(), ways[1][["cka", "floor"]].sort_index())
