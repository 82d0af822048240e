"""Agreement of the probe's explanations with those of the model's own head."""

import pytest
from scipy.stats import spearmanr

from tests.support.commands.explanations import content_scores, rows_of


def test_heads_are_compared_for_the_same_class(explanations):
    probe, model = explanations.cases
    targets = [a.target for a in probe.attributions]
    again = explanations.explainer.explain("label", model.head, model.rows, targets=targets)
    rows = list(rows_of(explanations, "explained_head_agreement"))
    pairs = zip(probe.attributions, again, strict=True)
    wanted = [spearmanr(content_scores(a), content_scores(b)).statistic for a, b in pairs]
    assert [row["correlation"] for row in rows] == pytest.approx(wanted, nan_ok=True)
