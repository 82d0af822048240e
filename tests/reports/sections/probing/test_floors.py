"""Floors on the page: beside which a score is read."""

import dataclasses

from reports import render_report
from tests.support.pages.reader import Page
from tests.support.pages.sections import result_with, section_of
from tests.support.results.probed import result


def test_the_floors_name_the_label_column_only_where_there_are_several(page):
    one = Page(render_report(result(tasks={"sentiment": ("negative", "positive")}))).words
    assert "paired over the same test texts. compared with it is right on" in one
    assert "paired over the same test texts. task compared with it is right on" in Page(page).words


def test_the_mean_of_layer_0_is_a_line_of_the_first_plot_and_its_absence_is_said():
    base = result_with()
    assert "layer 0 mean: 62.0\u00a0%" in render_report(base)
    without = tuple(c for c in base.claims if c.numbers.get("floor") != "layer_0_mean")
    absent = dataclasses.replace(base, claims=without)
    assert "layer 0 mean:" not in render_report(absent)
    (note_on_floors,) = (note for note in section_of(absent, "floors").notes if "A score means little alone" in note)
    assert "the mean of the embeddings (layer 0), words before any attention, was not read" in note_on_floors
