"""Gradient flow on the page: a bar and a row for each layer, whose shares are those of the table."""

import dataclasses
import re

import pytest

from reports.lookup import value
from reports.sections.classifier import gradient_flow
from reports.text import wording
from tests.support.pages.sections import section_of, with_tables, without_tables
from tests.support.results.fine_tuned import LAST, tuned


def test_every_layer_of_every_head_has_a_row_with_its_shares(fine_tuned):
    shares = fine_tuned.tables["gradient_shares"]
    (part,) = section_of(fine_tuned, "entry").parts
    table = part.tables[0]
    assert len(table.rows) == len(shares[["head", "layer"]].drop_duplicates())
    first = shares.iloc[0]
    cell = table.rows[0][table.columns.index(first["kind"])]
    assert cell == f"{wording.percent(first['share'])} {wording.confidence((first['lower'], first['upper']))}"
    assert len(part.panels[0].drawings) == shares["head"].nunique()


def test_a_share_of_0_has_no_bar_and_no_name(fine_tuned):
    (part,) = section_of(fine_tuned, "entry").parts
    pooler = part.panels[0].drawings[0].svg.replace("\u00a0", " ")
    points = re.findall(r"<title>([^<]*), layer 6: ([^<]*)</title>", pooler)
    assert points == [("[CLS]", "100.0 %")]
    assert "other special" not in [entry.name for entry in part.panels[0].legend]


def test_one_layer_has_its_row_and_no_bars(fine_tuned):
    shares = fine_tuned.tables["gradient_shares"]
    (part,) = section_of(with_tables(fine_tuned, gradient_shares=shares[shares["layer"] == 6]), "entry").parts
    assert part.panels == ()
    assert part.tables[0].rows


@pytest.mark.parametrize("through", ["above", "cannot_tell"])
@pytest.mark.parametrize("mean", ["above", "cannot_tell"])
def test_whether_a_direct_gradient_is_needed_follows_from_what_the_heads_gain(through, mean):
    change = (through, 0.1, (0.08, 0.12))
    analysis = tuned(explained=False, cls_change=change, cls_change_in_mean=(mean, 0.05, (0.03, 0.07)))
    (claim,) = (c for c in analysis.claims if c.id == "gradient_shares" and c.numbers["head"] == "mean")
    share = wording.percent(value(claim, "last_cls"))
    reason = gradient_flow.REASONS[through == "above", mean == "above"].format(share=share, last=LAST)
    assert reason in section_of(analysis, "entry").verdict


def test_a_share_whose_interval_has_no_width_has_none_in_the_table(fine_tuned):
    shares = fine_tuned.tables["gradient_shares"]
    (part,) = section_of(fine_tuned, "entry").parts
    certain = shares[shares["lower"] == shares["upper"]]
    cells = {cell for row in part.tables[0].rows for cell in row}
    assert len(certain)
    assert {wording.percent(share) for share in certain["share"]} <= cells


def test_the_gradient_at_the_embedding_of_cls_is_given_per_occurrence_too(fine_tuned):
    *_, last = section_of(fine_tuned, "entry").verdict
    assert "212× in sum and 0.8× per occurrence" in last


def test_a_result_without_gradients_has_no_section(fine_tuned):
    assert section_of(dataclasses.replace(without_tables(fine_tuned), claims=()), "entry") is None
