"""Similarity of layers on the page: every two layers, beside what unrelated vectors would reach."""

import dataclasses
import re

import pytest

from reports import render_report
from tests.support.pages.reader import Page
from tests.support.pages.sections import of_the_encoder, with_tables
from tests.support.results.probed import result


def test_every_pair_of_layers_is_drawn_with_its_number_and_unknown_ones_with_a_dash():
    html, _ = of_the_encoder(result())
    cls, mean = (re.search(rf"<svg[^>]*cka-{i}-title.*?</svg>", html, flags=re.S)[0] for i in (1, 2))
    assert re.findall(r">(\d\.\d\d)<", cls).count("1.00") == 6
    assert cls.count(">–<") == 13
    assert len(re.findall(r">\d\.\d\d<", mean)) == 49
    assert ">–<" not in mean
    assert "Linear CKA between layers, mean" in mean
    assert "layers 3 and 4 0.70" in mean


def test_every_pair_of_layers_stands_beside_its_floor_in_a_folded_matrix():
    html, _ = of_the_encoder(result())
    tables = [Page(table) for table in re.findall(r"<details.*?</details>", html, flags=re.S)]
    (matrix,) = (table for table in tables if "Linear CKA of every two layers" in table.words)
    rows = [row.split() for row in re.findall(r"mean (\d .*?)(?= mean| pooler)", matrix.words)]
    assert len(rows) == 7
    assert rows[3][1:5] == ["0.700", "(0.023)", "0.800", "(0.024)"]
    assert rows[0][1:3] == ["1.000", "(0.020)"]


def test_two_layers_of_one_vector_that_is_constant_in_one_leave_no_pair():
    analysis = result()
    cosines, pairs = (analysis.tables[key] for key in ("anisotropy", "cka"))
    few = cosines[(cosines["pooling"] == "cls") & (cosines["layer"] < 1)]
    both = pairs[(pairs["pooling"] == "cls") & (pairs[["layer", "other_layer"]] < 2).all(axis=1)]
    html, words = of_the_encoder(with_tables(result(), anisotropy=few, cka=both))
    assert "Anisotropy:" not in words.partition("Notes")[0]
    assert "cka-1" not in html


def test_layers_that_are_not_neighbours_in_the_encoder_are_neighbours_where_only_they_were_read():
    pairs = result().tables["cka"]
    _, words = of_the_encoder(
        with_tables(result(), cka=pairs[pairs[["layer", "other_layer"]].isin([0, 2, 6]).all(axis=1)])
    )
    assert "layers (n = 896): 2 and 6 ([CLS] 0.40, mean 0.40 and pooler 0.40)" in words


def test_a_result_without_the_floor_of_cka_shows_its_numbers_alone():
    _, words = of_the_encoder(with_tables(result(), cka=result().tables["cka"].drop(columns="floor")))
    assert "0.700 0.800" in words
    assert "permuted texts:" not in words
    assert "in brackets" not in words


@pytest.mark.parametrize("column", ["layer", "other_layer"])
def test_layers_compared_in_one_direction_only_stand_both_across_and_down(column):
    analysis = result(tasks={"sentiment": ("negative", "positive")})
    rows = analysis.tables["cka"]
    cut = dataclasses.replace(analysis, tables={**analysis.tables, "cka": rows[rows[column] < 3]})
    assert "Linear CKA between layers" in render_report(cut)
