"""Predictability of [CLS]: claims against the table."""

import pytest

LAST = 3


def test_the_predictability_of_the_last_layer_is_that_of_the_table(heads_result):
    table = heads_result.tables["cls_predictability"].query("direction == 'cls from content'")
    claims = [claim for claim in heads_result.claims if claim.id == "cls_predictability"]
    assert {claim.numbers["model"] for claim in claims} == set(table["model"]) - {"untrained"}
    for claim in claims:
        by_layer = table[table["model"] == claim.numbers["model"]].set_index("layer")["r2"]
        assert claim.numbers["last_r2"] == pytest.approx(by_layer[LAST])
        assert claim.numbers["best_r2"] == pytest.approx(by_layer.max())
