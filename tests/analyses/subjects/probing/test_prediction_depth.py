"""Prediction depth: each claim against the depths of the single texts."""

import math

import pytest

from analyses.subjects.probing.prediction_depth import NUMBERS


def test_a_claim_of_depth_repeats_its_row_and_counts_the_texts_of_the_first_layer(result):
    reliability = result.tables["prediction_depth_reliability"].set_index("pooling")
    claims = {claim.numbers["pooling"]: claim for claim in result.claims if claim.id == "prediction_depth"}
    assert set(claims) == set(reliability.index) == {"cls", "mean", "pooler"}
    for pooling, claim in claims.items():
        depths = result.tables["prediction_depth"].query("pooling == @pooling")["depth"]
        for name in set(NUMBERS) - {"n_constant"}:
            number = math.nan if claim.numbers[name] is None else claim.numbers[name]
            assert number == pytest.approx(reliability.at[pooling, name], nan_ok=True)
        assert claim.numbers["share_from_first_layer"] == pytest.approx((depths == depths.min()).mean())
