"""Faithfulness: means against the rows of each text, random orders beside every method and curves."""

import numpy as np
import pytest

from analyses.subjects.explanations.faithfulness import SHARES
from probes import AnalysisResult
from probes.attribution_checks.faithfulness import perturbation_curves
from tests.support.commands.command_lines import call, files


def test_what_is_erased_of_each_text_averages_to_the_claim(root, result):
    table, (claim,) = result.tables["faithfulness"], [c for c in result.claims if c.id == "faithfulness"]
    assert set(table["order"]) == {"attribution", *(f"random {i}" for i in range(5))}
    assert list(dict.fromkeys(table["text_id"])) == [a.text_id for a in result.attributions if a.against is None]
    ranked, random_orders = table[table["order"] == "attribution"], table[table["order"] != "attribution"]
    for name in ("comprehensiveness", "sufficiency"):
        assert claim.numbers[name] == pytest.approx(ranked[name].mean())
        assert claim.numbers[f"random_{name}"] == pytest.approx(random_orders[name].mean())
    lower, upper = claim.interval
    assert lower <= claim.numbers["comprehensiveness"] - claim.numbers["random_comprehensiveness"] <= upper
    assert claim.outcome == ("above" if lower > 0 else "below" if upper < 0 else "cannot_tell")
    assert call(root, "run", *files(root), "--attribute", "2", "--no-faithfulness", out="unchecked") == 0
    unchecked = AnalysisResult.load(root / "unchecked")
    assert "faithfulness" not in unchecked.tables
    assert not [c for c in unchecked.claims if c.id == "faithfulness"]


def test_mean_curves_begin_at_the_whole_text_and_end_without_its_tokens(explanations, explained_result):
    table = explained_result.tables["perturbation_curves"]
    assert set(table["method"]) == {"integrated_gradients", "occlusion", "gradient_norm", "random"}
    assert table["share"].unique().tolist() == pytest.approx(SHARES.tolist())
    case = explanations.cases[0]
    curves = perturbation_curves(case.head, case.attributions)
    rows = table[(table["head"] == "probe") & (table["method"] == "integrated_gradients")].set_index("share")
    assert rows.loc[0, "deletion"] == pytest.approx(np.mean([c.deletion[0] for c in curves]), rel=1e-4)
    assert rows.loc[1, "deletion"] == pytest.approx(np.mean([c.deletion[-1] for c in curves]), rel=1e-4)
    for _, one in table.groupby(["head", "method"]):
        ends = one.set_index("share")
        assert ends.loc[0, "deletion"] == pytest.approx(ends.loc[1, "insertion"], rel=1e-4)


def test_every_method_has_its_claim_beside_the_same_random_orders(explained_result):
    claims = [c for c in explained_result.claims if c.id == "faithfulness"]
    assert [(c.numbers["head"], c.numbers["method"]) for c in claims] == [
        (head, method)
        for head in ("probe", "model")
        for method in ("integrated_gradients", "occlusion", "gradient_norm")
    ]
    for head in ("probe", "model"):
        floors = {c.numbers["random_comprehensiveness"] for c in claims if c.numbers["head"] == head}
        assert len({round(f, 6) for f in floors}) == 1
