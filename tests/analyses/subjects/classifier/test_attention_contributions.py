"""Attention contributions: what attention carries into [CLS] is shared out among all tokens."""

import numpy as np
import pytest


def test_the_contributions_of_all_kinds_of_tokens_to_cls_sum_to_one_at_every_block(heads_result):
    table = heads_result.tables["attention_contributions"]
    np.testing.assert_allclose(table.groupby(["model", "layer"])["share"].sum(), 1)
    for claim in (claim for claim in heads_result.claims if claim.id == "attention_contributions"):
        rows = table[(table["model"] == claim.numbers["model"]) & (table["kind"] == "[CLS]")].sort_values("layer")
        assert claim.numbers["own_share_first"] == pytest.approx(rows["share"].iloc[0])
        assert claim.numbers["own_share_last"] == pytest.approx(rows["share"].iloc[-1])
