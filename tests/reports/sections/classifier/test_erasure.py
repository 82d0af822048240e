"""Erasure on the page: the losses by layer, the maps with their controls, one for each label."""

import dataclasses

import pandas as pd
import pytest

from reports.lookup import View
from reports.sections import page as page_module
from reports.sections.classifier import erasure
from tests.support.pages.sections import section_of
from tests.support.results.fine_tuned import OUTCOMES, N, tuned, with_erasure

HEADS = ["Pooler\u00a0head", "[CLS]\u00a0head", "Mean\u00a0head"]


def test_the_maps_of_all_heads_stand_in_one_row_with_every_site_and_the_controls(fine_tuned):
    (row,) = erasure.map_rows(View(fine_tuned), "map")
    assert [drawing.caption for drawing in row.drawings] == HEADS
    assert f"n = {N:,}" in row.caption
    assert [entry.name for entry in row.legend][:2] == ["[CLS]", "mean"]
    assert row.legend[2].name.startswith("random")
    first = row.drawings[0].svg.replace("\u00a0", " ")
    assert "[CLS] layer 6: 0.61 bits, 38.6 points lost" in first
    assert [first.count(f">{layer}<") >= 2 for layer in range(7)] == [True] * 7
    assert "var(--cls" in first
    assert "var(--mean" in first


def test_the_losses_by_layer_have_a_panel_for_each_head(fine_tuned):
    (part,) = section_of(fine_tuned, "used").parts
    (row,) = part.panels
    assert [drawing.caption for drawing in row.drawings] == HEADS
    assert f"n = {N:,}" in row.caption
    assert len(part.tables[0].rows) == len(fine_tuned.tables["erasure"].query("eraser == 'leace'"))


@pytest.mark.parametrize(
    ("outcome", "excess", "bounds"),
    [("above", 0.382, (0.355, 0.409)), ("cannot_tell", 0.004, (-0.01, 0.018)), ("below", -0.02, (-0.03, -0.01))],
)
def test_the_loss_is_compared_with_that_of_random_subspaces(outcome, excess, bounds):
    first, *_ = section_of(tuned(explained=False, erasure=(outcome, excess, bounds)), "used").verdict
    assert first.casefold().startswith(erasure.OPENINGS[outcome].casefold())
    assert f"n = {N:,}" in first


def test_heads_that_use_the_label_are_kept_apart_from_those_that_are_not_shown_to(fine_tuned):
    claims = tuple(
        dataclasses.replace(c, outcome="cannot_tell") if c.id == "erasure" and c.numbers["head"] == "mean" else c
        for c in fine_tuned.claims
    )
    used, undecided, _ = section_of(dataclasses.replace(fine_tuned, claims=claims), "used").verdict
    assert "the pooler head" in used
    assert "the mean head" not in used
    assert "the mean head" in undecided


def test_another_label_that_was_erased_has_panels_and_a_map_of_its_own():
    analysis = tuned(explained=False)
    other_label = analysis.tables["erasure"].assign(label="topic", accuracy_loss=0.0)
    both = dataclasses.replace(
        analysis, tables={**analysis.tables, "erasure": pd.concat([analysis.tables["erasure"], other_label])}
    )
    section = erasure.section(View(both))
    assert [part.heading for part in section.parts] == ["Erased: sentiment", "Erased: topic"]
    assert [len(part.panels) for part in section.parts] == [1, 2]


def test_a_run_that_erased_has_its_section_after_the_layers():
    analysis = dataclasses.replace(with_erasure(), attributions=())
    anchors = [section.anchor for section in page_module.sections(analysis)]
    assert anchors[:3] == ["layers", "used", "floors"]
    assert OUTCOMES["erasure"][0] == "above"
    first, *_ = section_of(analysis, "used").verdict
    assert "the model's own classifier" in first
