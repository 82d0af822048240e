"""Cells of a confusion matrix with explained texts: which they are, and how many texts they list."""

import dataclasses

import pandas as pd

from reports.lookup import View
from reports.sections.errors.class_tables import counts_of_probe
from reports.sections.errors.explained_cells import cell_links
from tests.support.results.explained import checked
from tests.support.results.probed import result

TASKS = {"topic": ("arts", "sport", "war"), "sentiment": ("negative", "positive")}
TEXTS = tuple(f"text number {i}" for i in range(5))


def links_of(analysis, task):
    view = View(analysis)
    return cell_links(view, task, counts_of_probe(view, task))


def test_only_pairs_of_which_texts_are_explained_are_linked_with_their_numbers():
    links = links_of(checked(tasks=TASKS, texts=TEXTS, heads=("probe", "model"), contrasts=True), "sentiment")
    assert {pair: (link["data-explained"], link["data-count"]) for pair, link in links.items()} == {
        ("negative", "negative"): ("3", "300"),
        ("positive", "negative"): ("2", "1"),
    }
    assert {link["data-task"] for link in links.values()} == {"1"}, "the second label column of the explorer"


def test_texts_that_another_head_or_site_explains_are_no_texts_of_the_matrix():
    analysis = result(tasks=TASKS, texts=TEXTS)
    assert links_of(analysis, "topic")
    for changes in ({"head": "model", "layer": None, "pooling": None}, {"layer": 2}, {"pooling": "cls"}):
        explained_elsewhere = tuple(dataclasses.replace(a, **changes) for a in analysis.attributions)
        assert not links_of(dataclasses.replace(analysis, attributions=explained_elsewhere), "topic")


def test_texts_without_a_label_or_counts_are_not_linked():
    analysis = result(tasks=TASKS, texts=TEXTS)
    unlabelled = tuple(dataclasses.replace(a, label=None) for a in analysis.attributions)
    assert not links_of(dataclasses.replace(analysis, attributions=unlabelled), "topic")
    assert not cell_links(View(analysis), "topic", pd.DataFrame(columns=["label", "predicted", "count"]))
