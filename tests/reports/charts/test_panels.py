"""Panels: labels below the axis, and the ground between two series."""

import re

import matplotlib
import pandas as pd

from reports.charts import panels
from reports.charts.canvas import INK, MUTED, Label
from reports.charts.panels import PanelOptions
from reports.charts.styles import Style

STYLES = {"task": Style("task", INK), "control": Style("control task", MUTED, dashed=True)}
FRAME = pd.DataFrame(
    [(key, x, value) for key, value in (("task", 60.0), ("control", 90.0)) for x in (0, 1, 2)],
    columns=["series", "x", "value"],
)


def drawn(**options):
    return panels.panel(FRAME, STYLES, Label("p", "t", "d"), PanelOptions((50.0, 100.0), **options))


def test_the_ground_between_two_series_is_shaded_where_that_is_requested():
    shades = [svg.count("opacity: 0.5") for svg in (drawn(), drawn(gap=("task", "control")))]
    assert shades[1] > shades[0]


def test_positions_without_numbers_can_be_labelled():
    svg = drawn(ticks=(0.5, 1.5), tick_names={0.5: "between", 1.5: "after"})
    assert {"between", "after"} <= set(re.findall(r"<text[^>]*>([^<]*)</text>", svg))
    assert ">2</text>" not in svg


def test_drawing_leaves_no_setting_behind_and_heeds_none():
    plain = drawn()
    with matplotlib.rc_context({"font.size": 30, "svg.fonttype": "path", "axes.grid": True}):
        before = dict(matplotlib.rcParams)
        assert drawn() == plain
        assert dict(matplotlib.rcParams) == before
