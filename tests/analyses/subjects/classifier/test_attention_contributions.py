"""Attention contributions: what attention carries into [CLS] is shared out among all tokens."""

import numpy as np
import pytest

from analyses.context.classifier.fine_tuned import PRETRAINED


def test_the_contributions_of_all_kinds_of_tokens_to_cls_sum_to_one_at_every_block(heads_result):
    table = heads_result.tables["attention_contributions"]
    np.testing.assert_allclose(table.groupby(["model", "layer"])["share"].sum(), 1)
    for claim in (claim for claim in heads_result.claims if claim.id == "attention_contributions"):
        rows = table[(table["model"] == claim.numbers["model"]) & (table["kind"] == "[CLS]")].sort_values("layer")
        assert claim.numbers["own_share_first"] == pytest.approx(rows["share"].iloc[0])
        assert claim.numbers["own_share_last"] == pytest.approx(rows["share"].iloc[-1])


def test_attention_contributions_are_compared_with_those_of_the_pretrained_encoder_text_by_text(heads_result):
    table = heads_result.tables["attention_contributions"]
    share = table.pivot_table(index=["layer", "kind"], columns="model", values="share")
    compared = table[table["model"] != PRETRAINED]
    assert table.loc[table["model"] == PRETRAINED, "difference"].isna().all()
    for row in compared.itertuples():
        shares = share.loc[(row.layer, row.kind)]
        assert row.difference == pytest.approx(shares[row.model] - shares[PRETRAINED], abs=1e-12)
        is_constant = np.isnan(row.difference_lower)
        assert is_constant == np.isnan(row.difference_upper)
        assert is_constant or row.difference_lower <= row.difference <= row.difference_upper
    of_content = compared[(compared["kind"] == "content") & (compared["layer"] > 1)]
    assert of_content["difference_lower"].notna().all()
