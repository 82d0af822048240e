"""Explained decisions: which texts, methods, poolings and heads are explained."""

import dataclasses

from analyses.context.explanations.explanations import explain_sample
from tests.support.commands.explanations import explain_again


def test_further_methods_and_poolings_of_the_same_texts_are_kept_for_the_page(root, explanations):
    more = dataclasses.replace(explanations.settings, methods=("occlusion", "random"), explain_poolings=("cls", "cls"))
    attributions = [a for a in explain_again(explanations, more).attributions if a.against is None]
    explained = [(a.text_id, a.head, a.method, a.pooling, a.layer) for a in attributions]
    assert len(set(explained)) == len(explained)
    assert {a.method for a in attributions} == {"integrated_gradients", "occlusion"}
    best = explanations.explainer.site_of("label")
    elsewhere = {(a.pooling, a.layer) for a in attributions if a.head == "probe" and a.method == "integrated_gradients"}
    assert elsewhere == {(pooling, layer) for pooling in {best.pooling, "cls"} for layer in range(4)}
    targets = {a.text_id: a.target for a in attributions if a.head == "probe"}
    assert all(a.target == targets[a.text_id] for a in attributions if a.head == "probe")
    flat = dataclasses.replace(more, depth=False)
    places = {(a.pooling, a.layer) for a in explain_again(explanations, flat).attributions if a.head == "probe"}
    assert places == {(pooling, best.layer) for pooling in {best.pooling, "cls"}}


def test_both_heads_explain_the_same_texts_from_the_same_baseline(explained_result):
    first = explained_result.attributions[0]
    of_method = [a for a in explained_result.attributions if a.method == first.method and a.against is None]
    chosen = [a for a in of_method if a.layer in (None, first.layer)]
    probe, model = ([a for a in chosen if a.head == head] for head in ("probe", "model"))
    assert [a.text_id for a in probe] == [a.text_id for a in model]
    assert len({a.baseline for a in chosen}) == 1


def test_texts_for_the_whole_dataset_are_drawn_at_random_and_explained_once(explanations):
    for case in explanations.cases:
        sample = explain_sample(explanations, case)
        rows = [a.text_id for a in sample]
        assert rows == sorted(set(rows))
        assert len(rows) == 8
        attribution_of_row = {a.text_id: a for a in case.attributions}
        assert all(a is attribution_of_row[a.text_id] for a in sample if a.text_id in attribution_of_row)


def idle_flag_notes(explanations, **flags):
    settings = dataclasses.replace(explanations.settings, **{"baselines": (), "depth": False, **flags})
    return [note for note in explain_again(explanations, settings).notes if " names only " in note]


def test_a_flag_that_names_only_what_is_explained_anyway_leaves_a_note(explanations):
    used = {
        "baselines": explanations.explainer.baseline["label"],
        "methods": "integrated_gradients",
        "explain_poolings": explanations.explainer.site_of("label").pooling,
    }
    for flag, name in used.items():
        (note,) = idle_flag_notes(explanations, **{flag: (name, name)})
        assert f"--{flag.replace('_', '-')} names only {name!r}" in note
    (note,) = idle_flag_notes(explanations, baselines=("auto",))
    assert f"names only {used['baselines']!r}" in note


def test_a_flag_that_names_something_further_or_nothing_leaves_no_note(explanations):
    assert idle_flag_notes(explanations) == []
    for flag, names in {"baselines": ("all",), "methods": ("occlusion",), "explain_poolings": ("cls", "mean")}.items():
        assert idle_flag_notes(explanations, **{flag: names}) == []
    assert idle_flag_notes(explanations, baselines=(explanations.explainer.baseline["label"],), attribute=0) == []
