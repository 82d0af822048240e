"""Token shares of the layers: against closed forms and at their ends."""

import numpy as np
import pandas as pd
import pytest

from tests.support.commands.explanations import rows_of


def test_a_cls_probe_reads_nothing_but_cls_at_its_own_layer_and_content_alone_at_the_input(explanations):
    table = pd.DataFrame(rows_of(explanations, "token_shares"))
    rows = table[(table["head"] == "model") & (table["method"] == "integrated_gradients")]
    share = rows.pivot_table(index="layer", columns="kind", values="share")
    assert share.loc[0, ["[CLS]", "[SEP]"]].sum() == 0
    assert share.loc[3, "[CLS]"] == pytest.approx(1)  # this head reads the pooler of the last [CLS]
    assert 0 < share.loc[2, "[CLS]"] < 1
    np.testing.assert_allclose(share.sum(axis=1), 1)


def test_direct_shares_are_those_of_the_closed_form(explanations):
    table = pd.DataFrame(rows_of(explanations, "token_shares"))
    direct = table[table["method"] == "direct"]
    assert set(direct["layer"]) == {0, 1, 2, 3}
    assert (direct["layer"] == direct["probe_layer"]).all()
    case = explanations.cases[0]
    point = explanations.explainer.site_of("label")
    if point.pooling == "cls":
        assert direct.query("kind == '[CLS]'")["share"].tolist() == [1.0] * 4
    else:
        shares = []
        for a in explanations.explainer.explain(
            "label", case.head, case.rows, targets=[a.target for a in case.attributions], method="direct"
        ):
            shares.append(np.abs(a.scores[0]) / np.abs(a.scores).sum())
        (share,) = direct.query("kind == '[CLS]' and layer == @point.layer")["share"]
        assert share == pytest.approx(np.mean(shares), rel=1e-5)
