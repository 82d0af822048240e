"""Forest plots: dots with intervals, hollow where the interval holds 0, and joined to a second number."""

import re

import numpy as np
import pandas as pd
import pytest

from reports.charts import dots
from reports.charts.canvas import Label

FRAME = pd.DataFrame(
    [("majority", 10.0, 5.0, 15.0), ("bag of words", 1.0, -2.0, 4.0)],
    columns=["row", "value", "lower", "upper"],
)


def drawn(frame, **options):
    return dots.forest(frame, Label("f", "t", "d"), limits=(-5.0, 20.0), x_title="gain (points)", **options)


def hollow_marks(svg):
    return len(re.findall(r"fill: var\(--surface[^;]*; stroke: var\(--ink", svg))


@pytest.mark.parametrize(("zero", "n_hollow"), [(True, 1), (False, 0)])
def test_a_dot_is_hollow_where_its_interval_holds_0(zero, n_hollow):
    assert hollow_marks(drawn(FRAME, zero=zero)) == n_hollow


def test_each_row_is_read_with_its_interval_and_a_second_number_with_its_name():
    svg = drawn(FRAME.assign(reference=[12.0, 2.0], reference_name="validation"))
    for words in ("majority: 10.0 (5.0 to 15.0)", "majority, validation: 12.0", "bag of words, validation: 2.0"):
        assert words in svg


def test_a_row_without_a_number_is_left_empty():
    frame = FRAME.assign(group="", floor=[3.0, 2.0])
    complete = dots.dots(frame, Label("f", "t", "d"), quantity="points")
    frame.loc[0, ["value", "lower", "upper"]] = np.nan
    svg = dots.dots(frame, Label("f", "t", "d"), quantity="points")
    assert "majority: 10.0" in complete
    assert "majority: 10.0" not in svg
    assert "bag of words: 1.0" in svg
