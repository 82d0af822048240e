"""Contrasts: misclassified texts explained for the predicted class minus the true one."""

import dataclasses

import numpy as np
import pytest

from analyses.context.explanations.explanations import explain_decisions
from probes.attribution.contrasts import has_opposite_logits
from tests.support.commands.explanations import explain_again


def errors_of(attributions):
    """The texts that are explained for another class than the true one, by what explains them."""
    return {(a.text_id, a.head, a.pooling, a.layer, a.method): a for a in attributions if a.target != a.label}


def test_every_error_is_explained_by_predicted_minus_true_wherever_the_predicted_class_is(explanations):
    single = errors_of(a for a in explanations.attributions if a.against is None)
    contrasts = errors_of(explanations.contrasts)
    assert len(single) > 0
    assert set(contrasts) == set(single)
    assert {a.layer for a in contrasts.values()} == {None, 0, 1, 2, 3}
    for key, contrast in contrasts.items():
        assert (contrast.target, contrast.against) == (single[key].target, single[key].label)


def test_contrasts_come_last_and_are_no_part_of_the_checks(explanations):
    n_contrasts = len(explanations.contrasts)
    assert explanations.attributions[-n_contrasts:] == tuple(explanations.contrasts)
    assert all(a.against is None for case in explanations.cases for a in case.all_attributions)
    assert all(a.against is None for a in explanations.by_layer["label"])


def test_scores_of_a_contrast_sum_to_the_difference_of_two_logits(explanations):
    for a in explanations.contrasts:
        odds = np.log(a.probabilities[a.target] / a.probabilities[a.against])
        assert a.output == pytest.approx(odds, abs=1e-4)
        assert a.scores.sum() - a.convergence_delta == pytest.approx(a.output - a.baseline_output, abs=1e-6)


def test_a_class_that_a_flag_names_is_explained_alone(explanations):
    settings = dataclasses.replace(explanations.settings, depth=False, attribute=2)
    named = {"target": "label"}, {"target": "positive"}, {"target": "positive", "against": "negative"}
    for flags in named:
        assert not explain_again(explanations, dataclasses.replace(settings, **flags)).contrasts


def test_contrasts_are_explained_by_every_method_but_random_scores(explanations):
    methods = ("gradient_norm", "random")
    more = dataclasses.replace(explanations.settings, depth=False, head="probe", methods=methods)
    contrasts = explain_again(explanations, more).contrasts
    assert {a.method for a in contrasts} == {"integrated_gradients", "gradient_norm"}


def test_the_logits_of_a_probe_of_two_classes_are_integrated_once(explanations, monkeypatch):
    settings = dataclasses.replace(explanations.settings, depth=False, head="probe")
    explainer = dataclasses.replace(explanations.explainer, settings=settings)
    assert all(has_opposite_logits(head) for head in explainer.probes_of_pooling("label", "mean"))
    integrated = []
    explain = type(explainer).explain

    def explain_and_count(self, task, head, rows, **changes):
        integrated.append(changes.get("against"))
        return explain(self, task, head, rows, **changes)

    monkeypatch.setattr(type(explainer), "explain", explain_and_count)
    probe_heads = {task: heads[:1] for task, heads in explainer.heads.items()}
    again = explain_decisions(dataclasses.replace(explainer, heads=probe_heads))
    assert len(again.contrasts) > 0
    assert integrated == [None]
