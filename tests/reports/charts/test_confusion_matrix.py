"""Confusion matrix: shares and counts, names of classes, support and F1."""

import re
from xml.etree import ElementTree

import pandas as pd
import pytest

from reports.charts.canvas import Label
from reports.charts.confusion_matrix import confusion_matrix

LABEL = Label("c", "t", "d")
TEXT = r"<text[^>]*>([^<]*)</text>"


def counts_of(classes):
    """Counts of each pair of classes, two on the diagonal and one elsewhere."""
    pairs = [(a, b, 1 + (a == b)) for a in classes for b in classes]
    return pd.DataFrame(pairs, columns=["label", "predicted", "count"])


def test_a_class_that_looks_like_a_formula_is_drawn_as_text():
    classes = ["$x$", "a_b$"]
    svg = confusion_matrix(counts_of(classes), classes, LABEL)
    assert ">$x$<" in svg
    assert ">a_b$<" in svg


def test_pairs_of_classes_without_a_row_are_drawn_as_empty_cells():
    counts = [("a", "a", 3), ("a", "b", 0), ("a", "c", 1), ("b", "a", 0), ("b", "b", 2), ("b", "c", 0)]
    counts += [("c", "a", 0), ("c", "b", 0), ("c", "c", 0)]  # a class that is predicted, and that no text has
    dense = pd.DataFrame(counts, columns=["label", "predicted", "count"])
    sparse = dense[dense["count"] > 0]
    drawings = [confusion_matrix(frame, list("abc"), LABEL) for frame in (dense, sparse)]
    assert drawings[0] == drawings[1]
    shares = [text for text in re.findall(TEXT, drawings[1]) if "%" in text]
    assert shares == ["75 %", "25 %", "100 %"]


@pytest.mark.parametrize(("classes", "is_slanted"), [(["ABBR", "DESC", "NUM"], False), (["classes of word"] * 2, True)])
def test_names_are_slanted_only_where_they_do_not_fit_their_columns(classes, is_slanted):
    names = [f"{text[:-1]}{i}" for i, text in enumerate(classes)]
    svg = confusion_matrix(counts_of(names), names, LABEL)
    assert ("rotate(-35" in svg) == is_slanted


def test_support_and_f1_have_the_rows_of_the_matrix():
    scores = pd.DataFrame({"class": ["b", "a"], "value": [0.5, 0.8], "lower": [0.4, 0.7], "upper": [0.6, 0.9]})
    svg = confusion_matrix(counts_of("ab"), ["a", "b"], LABEL, scores=scores)
    assert "F1 of a, %: 80.0 (70.0 to 90.0)" in svg
    heights = {}
    for class_name in ("a", "b"):
        point = svg[svg.index(f"F1 of {class_name}, %") :]
        heights[class_name] = float(re.search(r' y="([\d.]+)"', point)[1])
    assert heights["a"] < heights["b"]
    assert "F1 (%)" not in confusion_matrix(counts_of("ab"), ["a", "b"], LABEL)


def test_a_linked_cell_carries_its_attributes_whatever_the_names_of_the_classes():
    classes = ['<b>&"a=1', "told:&x=y"]
    links = {(classes[0], classes[1]): {"data-true": classes[0], "data-predicted": classes[1]}}
    root = ElementTree.fromstring(confusion_matrix(counts_of(classes), classes, LABEL, links=links))
    points = [element for element in root.iter() if element.tag.endswith("}g") and element.get("class") == "point"]
    linked = [point for point in points if "data-true" in point.attrib]
    assert len(points) == 4
    assert [(point.get("data-true"), point.get("data-predicted")) for point in linked] == [tuple(classes)]
    assert linked[0][0].text.startswith(f"true {classes[0]}, predicted {classes[1]}: 1 texts")
