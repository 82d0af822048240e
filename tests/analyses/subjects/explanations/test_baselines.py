"""Baselines: the one that leans least is chosen, and another is measured by explaining again."""

import dataclasses

import pytest

from analyses.attribute import table_functions
from analyses.context.explanations.explainer import Explainer
from analyses.subjects.explanations.baselines import _mean_biases
from probes.attribution_checks.agreement import same_top, token_agreement


def test_the_baseline_that_says_least_is_explained_from_unless_one_is_named(explanations):
    biases = _mean_biases(explanations.explainer, "label")
    alike = {name: biases[name] for name in ("pad", "mask", "zero", "mean")}
    assert explanations.explainer.baseline["label"] == min(alike, key=alike.get)
    assert len(set(alike.values())) == 4
    settings = dataclasses.replace(explanations.settings, baseline="mean")
    explainer = Explainer.prepare(explanations.explainer.results, settings)
    assert explainer.baseline["label"] == "mean"
    assert {a.baseline for case in explanations.cases for a in case.attributions} == {
        explanations.explainer.baseline["label"]
    }


def test_a_baselines_choice_is_measured_by_explaining_again(explanations):
    case = explanations.cases[0]
    rows = list(table_functions()["baseline_agreement"](explanations, case))
    assert {row["other_baseline"] for row in rows} == {"zero"}
    again = explanations.explainer.explain(
        "label", case.head, case.rows, baseline="zero", targets=[a.target for a in case.attributions]
    )
    for row, a, b in zip(rows, case.attributions, again, strict=True):
        assert row["correlation"] == pytest.approx(token_agreement(a, b), nan_ok=True)
        assert row["same_top"] == same_top(a, b)
