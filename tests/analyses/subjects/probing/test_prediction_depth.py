"""Prediction depth: each claim against the depths of the single texts."""

import math

import numpy as np
import pytest

from analyses.subjects.probing.prediction_depth import NUMBERS, depth_shares, reliability_outcome


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
        half_depth = claim.numbers["half_depth"]
        assert (depths <= half_depth).mean() >= 0.5 > (depths < half_depth).mean()


@pytest.mark.parametrize(
    ("correlation", "expected"), [(0.3, "reliable"), (0.29, "unreliable"), (-0.5, "unreliable"), (math.nan, "measured")]
)
def test_prediction_depth_is_unreliable_below_a_refit_correlation_of_03(correlation, expected):
    assert reliability_outcome(correlation) == expected


def test_shares_of_depths_begin_at_the_lowest_depth_and_count_layers_without_texts():
    shares = list(depth_shares(np.array([1, 1, 3, 4]), [0, 1, 2, 3, 4]))
    assert shares == [(1, 0.5, 0.5), (2, 0.0, 0.5), (3, 0.25, 0.75), (4, 0.25, 1.0)]
