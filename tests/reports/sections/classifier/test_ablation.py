"""Ablation on the page: what each head loses, with its interval, and from which layer on."""

import dataclasses

from reports.lookup import value
from reports.text import wording
from tests.support.pages.sections import section_of, with_tables
from tests.support.results.fine_tuned import N, tuned


def _with_first_layer(analysis, layer):
    """Return the result with another first layer at which anything is lost."""
    claims = tuple(
        dataclasses.replace(c, numbers={**c.numbers, "first_layer": layer}) if c.id == "ablation" else c
        for c in analysis.claims
    )
    return dataclasses.replace(analysis, claims=claims)


def test_a_head_that_loses_nothing_anywhere_is_drawn_all_the_same():
    analysis = tuned(explained=False)
    table = analysis.tables["ablation"].assign(accuracy_loss=0.0, lower=0.0, upper=0.0)
    (part,) = section_of(with_tables(analysis, ablation=table), "without").parts
    assert [drawing.caption for drawing in part.panels[0].drawings] == ["[CLS] ablated", "Content tokens ablated"]


def test_the_loss_at_the_last_layer_has_its_interval_and_the_number_of_texts(fine_tuned):
    loss, first_layer, _ = section_of(fine_tuned, "without").verdict
    (claim,) = (
        c
        for c in fine_tuned.claims
        if c.id == "last_layer_ablation" and c.numbers["head"] == "cls" and c.numbers["replacement"] == "[CLS]"
    )
    points = wording.unsigned_points(value(claim, "accuracy_loss"))
    assert f"{points} points {wording.confidence(claim.interval)} for the [CLS] head" in loss
    assert loss.endswith(f"{wording.sample_size(N)}.")
    assert "from layer 2 on" in first_layer


def test_a_head_that_never_loses_anything_needs_cls_at_no_layer(fine_tuned):
    _, first_layer, _ = section_of(_with_first_layer(fine_tuned, None), "without").verdict
    assert "at no layer" in first_layer


def test_both_panels_have_one_scale(fine_tuned):
    (part,) = section_of(fine_tuned, "without").parts
    (row,) = part.panels
    assert len(row.legend) == fine_tuned.tables["ablation"]["head"].nunique()
    assert len(row.drawings) == 2
