"""Errors by class: sentences, matrices, F1 by layer, and tables of many classes."""

import dataclasses
import re

import pandas as pd

from reports import render_report
from reports.sections.errors import class_tables, confusion_matrix
from tests.support.pages.sections import TASK, section_of, with_tables
from tests.support.results.probed import LAYERS, POOLINGS, result


def class_scores(tasks):
    """F1 of every class at every site of the tasks."""
    rows = [
        (task, pooling, layer, class_name, 0.5, 0.5, 0.5 + 0.05 * layer, 0.4, 0.9, 20)
        for task, classes in tasks.items()
        for pooling in POOLINGS
        for layer in range(LAYERS)
        for class_name in classes
    ]
    return pd.DataFrame(rows, columns="task pooling layer class precision recall f1 lower upper n".split())


def lowest_of(**values):
    """Sentence on the errors where class c has the lowest F1, and these values of recall by class."""
    analysis = result(tasks={TASK: ("a", "b", "c")})
    metrics = analysis.tables["metrics"]
    is_f1_of_c = (metrics["class"] == "c") & (metrics["metric"] == "f1")
    metrics.loc[is_f1_of_c, ["lower", "upper", "n"]] = 0.6, 0.75, 30
    recall = metrics[metrics["metric"] == "f1"].assign(metric="recall", lower=0.4, upper=0.9, n=30)
    recall["value"] = recall["class"].map(values)
    without = metrics[metrics["metric"] != "recall"]
    section = section_of(with_tables(analysis, metrics=pd.concat([without, recall])), "errors")
    return section.verdict[0].replace("\u00a0", " ")


def test_the_sentence_holds_the_lowest_recall_and_f1_with_their_texts_and_the_most_confused_pair():
    sentence = lowest_of(a=0.5, b=0.8, c=0.9)
    assert "Lowest recall: a 50.0 % [95 % CI 40.0, 90.0], n = 30." in sentence
    assert "Lowest F1: c 70.0 % [95 % CI 60.0, 75.0], n = 30." in sentence
    assert sentence.endswith("Most confused: b → c (3 texts).")


def test_a_class_with_the_lowest_recall_and_the_lowest_f1_is_named_once():
    sentence = lowest_of(a=0.9, b=0.8, c=0.5)
    assert "Lowest recall and F1: c, 50.0 % [95 % CI 40.0, 90.0] and 70.0 % [95 % CI 60.0, 75.0], n = 30." in sentence


def test_matrices_of_one_row_are_drawn_on_one_scale():
    tasks = {"short": ("a", "b"), "long": ("grammatical", "ungrammatical"), "three": ("x", "y", "z")}
    (row, *_) = section_of(result(tasks=tasks), "errors").parts[0].panels
    sizes = [re.search(r'viewBox="0 0 (\S+) ', drawing.svg)[1] for drawing in row.drawings]
    assert len(sizes) == 3
    assert len(set(sizes)) == 1


def test_every_task_with_few_classes_has_a_matrix_in_one_row_with_its_f1_in_the_order_of_the_matrix():
    section = section_of(result(), "errors")
    (part,) = section.parts
    (matrices,) = part.panels
    assert [drawing.caption for drawing in matrices.drawings] == ["sentiment", "topic"]
    assert all("F1 (%)" in drawing.svg for drawing in matrices.drawings)
    assert all(table.folded for table in part.tables)
    assert [row[0] for row in part.tables[0].rows] == ["negative", "positive"]


def test_f1_by_layer_has_a_small_panel_for_each_class():
    tasks = {"sentiment": ("negative", "positive"), "topic": ("arts", "sport", "war")}
    section = section_of(with_tables(result(tasks=tasks), class_scores=class_scores(tasks)), "errors")
    _, by_layer = section.parts[0].panels
    assert by_layer.small
    assert [drawing.caption for drawing in by_layer.drawings] == [
        *("sentiment: negative", "sentiment: positive"),
        *("topic: arts", "topic: sport", "topic: war"),
    ]
    assert [entry.name for entry in by_layer.legend] == ["[CLS]", "mean", "pooler"]


def test_of_many_classes_only_those_with_the_lowest_f1_have_a_panel():
    tasks = {"fine": tuple(f"class {i}" for i in range(30))}
    section = section_of(with_tables(result(tasks=tasks), class_scores=class_scores(tasks)), "errors")
    (by_layer,) = section.parts[0].panels
    assert len(by_layer.drawings) == confusion_matrix.MOST_PANELS
    assert by_layer.drawings[-1].caption == "class 29", "F1 falls from class to class"
    assert "Only the classes with the lowest F1." in by_layer.caption


def test_many_classes_are_listed_as_pairs_not_drawn():
    analysis = result(tasks={"fine": tuple(f"class {i}" for i in range(47))})
    html = render_report(analysis)
    assert "confusion-1" not in html
    assert "Most confused pairs" in html
    *_, pairs = section_of(analysis, "errors").parts[0].tables
    assert len(pairs.rows) == class_tables.MOST_PAIRS


def test_a_class_that_no_test_text_has_is_not_the_one_with_the_lowest_f1():
    base = result(tasks={TASK: ("a", "b", "c")})
    metrics = base.tables["metrics"]
    absent = metrics["class"] == "c"
    metrics.loc[absent, ["value", "n"]] = 0.0, 0
    section = section_of(dataclasses.replace(base, tables={**base.tables, "metrics": metrics}), "errors")
    assert "F1: b" in section.verdict[0]
    assert [row[0] for row in section.parts[0].tables[0].rows] == ["a", "b"]
