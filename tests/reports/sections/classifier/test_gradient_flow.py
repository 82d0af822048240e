"""Gradient flow on the page: a bar and a row for each layer, whose shares are those of the table."""

import dataclasses

from reports.text import wording
from tests.support.pages.sections import section_of, with_tables, without_tables


def test_every_layer_of_every_head_has_a_row_with_its_shares(fine_tuned):
    shares = fine_tuned.tables["gradient_shares"]
    (part,) = section_of(fine_tuned, "entry").parts
    table = part.tables[0]
    assert len(table.rows) == len(shares[["head", "layer"]].drop_duplicates())
    first = shares.iloc[0]
    cell = table.rows[0][table.columns.index(first["kind"])]
    assert cell == f"{wording.percent(first['share'])} ({wording.interval((first['lower'], first['upper']))})"
    assert len(part.drawings) == shares["head"].nunique()


def test_one_layer_has_its_row_and_no_bars(fine_tuned):
    shares = fine_tuned.tables["gradient_shares"]
    (part,) = section_of(with_tables(fine_tuned, gradient_shares=shares[shares["layer"] == 6]), "entry").parts
    assert part.drawings == ()
    assert part.tables[0].rows


def test_a_result_without_gradients_has_no_section(fine_tuned):
    assert section_of(dataclasses.replace(without_tables(fine_tuned), claims=()), "entry") is None
