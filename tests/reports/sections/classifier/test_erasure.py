"""Erasure on the page: the map and its controls, one for each label."""

import dataclasses
import re

import pandas as pd

from reports import render_report
from reports.lookup import View
from reports.sections import page as page_module
from reports.sections.classifier import erasure
from tests.support.pages.reader import Page
from tests.support.pages.sections import words_of
from tests.support.results.fine_tuned import tuned, with_erasure


def test_the_map_stands_first_and_names_every_place_and_its_controls(fine_tuned_page):
    drawing = re.search(r"<svg.*?</svg>", fine_tuned_page, flags=re.S)[0]
    assert "answer-used-title" in drawing
    assert "[CLS] layer 6: 0.61 bits read, 38.6 points lost" in drawing.replace("\u00a0", " ")
    for text in ("[CLS]", "mean", "shuffled label", "random", "bits of the label that a probe reads there"):
        assert f">{text}<" in drawing
    assert [drawing.count(f">{layer}<") >= 2 for layer in range(7)] == [True] * 7
    assert "var(--cls" in drawing
    assert "var(--mean" in drawing
    words = words_of(fine_tuned_page, "used")
    assert "The height of a point is the loss through that vector only." in words
    assert "subspaces of equal rank and equal mean displacement" in words


def test_another_label_that_was_erased_has_its_own_map():
    analysis = tuned(explained=False)
    other_label = analysis.tables["erasure"].assign(label="topic", accuracy_loss=0.0)
    both = dataclasses.replace(
        analysis, tables={**analysis.tables, "erasure": pd.concat([analysis.tables["erasure"], other_label])}
    )
    section = erasure.section(View(both))
    assert [part.heading for part in section.parts] == ["Erased: sentiment", "Erased: topic"]
    assert [len(part.drawings) for part in section.parts] == [3, 3]


def test_a_run_that_erased_has_its_map_after_the_layers_and_none_of_the_questions():
    analysis = dataclasses.replace(with_erasure(), attributions=())
    anchors = [section.anchor for section in page_module.sections(analysis)]
    assert anchors[:3] == ["layers", "used", "floors"]
    assert "questions" not in anchors
    html = render_report(analysis)
    assert "model's own classifier: points lost" in Page(html).words.replace("\u00a0", " ")
    assert "The encoder turns a text into vectors" in Page(html).words
    assert "arXiv:2306.03819" in html
