"""Erasure on the page: the losses by layer with their controls, and where the label is used."""

import dataclasses

import pandas as pd
import pytest

from reports.lookup import View
from reports.sections import page as page_module
from reports.sections.classifier import erasure
from reports.text.wording import decimal
from tests.support.pages.sections import section_of, with_tables
from tests.support.results.fine_tuned import OUTCOMES, N, tuned, with_erasure

HEADS = ["Pooler\u00a0head", "[CLS]\u00a0head", "Mean\u00a0head"]


def test_the_losses_by_layer_have_a_panel_for_each_head(fine_tuned):
    (row,) = erasure.loss_rows(View(fine_tuned), "losses")
    assert [drawing.caption for drawing in row.drawings] == HEADS
    assert f"n = {N:,}" in row.caption


def test_each_vector_has_the_loss_by_shuffled_labels_of_the_same_head_and_site_beside_it(fine_tuned):
    (row,) = erasure.loss_rows(View(fine_tuned), "losses")
    assert [(entry.name, entry.line) for entry in row.legend] == [
        ("[CLS]", ""),
        ("mean", ""),
        ("[CLS], shuffled", "dashed"),
        ("mean, shuffled", "dashed"),
    ]
    control = fine_tuned.tables["erasure"].query("eraser == 'mean shuffled' and head == 'mean' and pooling == 'cls'")
    losses = 100 * control.set_index("layer")["accuracy_loss"]
    numbers = ", ".join(f"layer {layer} {decimal(loss, 1)}" for layer, loss in losses.items())
    assert f"[CLS], shuffled: {numbers}." in row.drawings[2].svg


def test_the_figure_of_the_first_screen_is_not_repeated_in_the_section(fine_tuned):
    (part,) = section_of(fine_tuned, "used").parts
    assert part.panels == ()
    assert len(part.tables[0].rows) == len(fine_tuned.tables["erasure"].query("eraser == 'leace'"))


def test_the_sites_that_a_sentence_counts_as_unused_are_marked_in_the_table(fine_tuned):
    section = section_of(fine_tuned, "used")
    (table,) = section.parts[0].tables
    head_cell = HEADS[-1]
    marks = [row[table.columns.index("used")] for row in table.rows if row[0] == head_cell]
    n_unused = marks.count("no")
    assert n_unused
    (claim,) = (c for c in fine_tuned.claims if c.id == "unused_sites" and c.numbers["head"] == "mean")
    assert (n_unused, n_unused + marks.count("yes")) == (claim.numbers["n_unused"], claim.numbers["n_readable"])
    assert f"{n_unused} of {claim.numbers['n_readable']} sites" in section.verdict[-1]


def test_a_result_that_does_not_say_where_the_label_is_used_has_no_such_column(fine_tuned):
    table = fine_tuned.tables["erasure"].drop(columns="use")
    (part,) = section_of(with_tables(fine_tuned, erasure=table), "used").parts
    assert "used" not in part.tables[0].columns


def test_a_loss_is_written_without_a_sign_and_a_gain_with_one(fine_tuned):
    table = fine_tuned.tables["erasure"].copy()
    is_leace = table["eraser"] == "leace"
    table.loc[is_leace, ["accuracy_loss", "lower", "upper"]] = (-0.02, -0.03, -0.01)
    (part,) = section_of(with_tables(fine_tuned, erasure=table), "used").parts
    losses = {row[part.tables[0].columns.index("loss, points")] for row in part.tables[0].rows}
    assert losses == {"−2.0"}
    assert erasure.SIGN in part.tables[0].caption


@pytest.mark.parametrize(
    ("outcome", "excess", "bounds"),
    [("above", 0.382, (0.355, 0.409)), ("cannot_tell", 0.004, (-0.01, 0.018)), ("below", -0.02, (-0.03, -0.01))],
)
def test_the_loss_is_compared_with_that_of_shuffled_labels(outcome, excess, bounds):
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


def test_another_label_that_was_erased_has_panels_of_its_own():
    analysis = tuned(explained=False)
    other_label = analysis.tables["erasure"].assign(label="topic", accuracy_loss=0.0)
    both = dataclasses.replace(
        analysis, tables={**analysis.tables, "erasure": pd.concat([analysis.tables["erasure"], other_label])}
    )
    section = erasure.section(View(both))
    assert [part.heading for part in section.parts] == ["Erased: sentiment", "Erased: topic"]
    assert [len(part.panels) for part in section.parts] == [0, 1]


def test_a_run_that_erased_has_its_section_after_the_layers():
    analysis = dataclasses.replace(with_erasure(), attributions=())
    anchors = [section.anchor for section in page_module.sections(analysis)]
    assert anchors[:3] == ["layers", "used", "floors"]
    assert OUTCOMES["erasure"][0] == "above"
    first, *_ = section_of(analysis, "used").verdict
    assert "the model's own classifier" in first


def with_claims(analysis, outcome, **numbers):
    claims = [
        dataclasses.replace(claim, outcome=outcome, numbers={**claim.numbers, **numbers})
        if claim.id == "erasure"
        else claim
        for claim in analysis.claims
    ]
    return dataclasses.replace(analysis, claims=tuple(claims))


def test_a_destructive_erasure_is_called_so_with_its_cost(fine_tuned):
    first, *_ = section_of(with_claims(fine_tuned, "above", shuffled_outcome="above", shuffled=0.78), "used").verdict
    assert "the erasure itself is destructive here: shuffled labels cost 78.0" in first


def test_a_label_that_is_nowhere_decodable_is_not_tested(fine_tuned):
    first, *_ = section_of(with_claims(fine_tuned, "not_decodable"), "used").verdict
    assert first.startswith("Use is not tested for the pooler head")


def test_the_table_has_the_strength_of_random_subspaces_and_the_simultaneous_interval(fine_tuned):
    (part,) = section_of(fine_tuned, "used").parts
    (table,) = part.tables
    row = dict(zip(table.columns, table.rows[-1], strict=True))
    assert row["random (strength)"].endswith("(1.8)")
    (excess,) = fine_tuned.tables["erasure"].query(
        f"eraser == 'leace - shuffled' and head == 'mean' and pooling == 'mean' and layer == {row['layer']}"
    )["accuracy_loss"]
    assert row["loss minus shuffled"] == decimal(100 * excess, 1)


def test_a_head_without_the_erasure_of_the_label_has_no_rows(fine_tuned):
    table = fine_tuned.tables["erasure"]
    is_left_out = (table["head"] == "mean") & (table["eraser"] == "leace")
    (part,) = section_of(with_tables(fine_tuned, erasure=table[~is_left_out]), "used").parts
    assert {row[0] for row in part.tables[0].rows} == set(HEADS[:-1])
