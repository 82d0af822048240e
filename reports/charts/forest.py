"""Forest plots: a dot with its interval in each row, beside 0 or beside a second number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from reports.charts.canvas import GRID, INK, MUTED, SURFACE, Label, blank, hover, plain_axes, svg_text
from reports.charts.panels import WIDTH
from reports.charts.styles import DASHED, LETTER
from reports.text.wording import name, reading

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

ROW = 24.0
"""Height of a row in pixels."""
AXIS = 44.0
"""Height of the x axis with its labels and its name, in pixels."""
LONGEST_NAME = 18
"""Characters of the name of a row."""
DOT: dict[str, Any] = {
    "linestyle": "none",
    "marker": "o",
    "markersize": 8,
    "markeredgewidth": 1.6,
    "zorder": 4,
}
SQUARE: dict[str, Any] = {
    **DOT,
    "marker": "s",
    "markersize": 7,
    "markerfacecolor": SURFACE,
    "markeredgecolor": MUTED,
}


def forest(
    frame: pd.DataFrame,
    label: Label,
    *,
    limits: tuple[float, float],
    x_title: str,
    zero: bool = False,
) -> str:
    """Draw a dot with its interval in each row, the first row at the top.

    Args:
        frame: Columns row, value, lower, upper; where they apply, reference, a second number that is drawn as a hollow
            square and joined to the dot, and reference_name.
        label: Text alternative of the drawing.
        limits: Lowest and highest number on the x axis, the same in all panels of a row.
        x_title: Name of the numbers, below the axis.
        zero: Whether a dashed line marks 0, and dots whose interval holds 0 are hollow.

    Returns:
        The drawing as an SVG element.
    """
    names = [name(text, LONGEST_NAME) for text in frame["row"]]
    longest = max(map(len, names))
    total_height = ROW * len(frame)
    middles = ROW * (np.arange(len(frame)) + 0.5)
    rows = frame.assign(height=middles)
    with blank(WIDTH, total_height + AXIS) as figure:
        axes = plain_axes(
            figure,
            left=12 + LETTER * longest,
            right=12,
            top=2,
            bottom=AXIS - 2,
        )
        axes.grid(visible=False, axis="y")
        axes.grid(axis="x", color=GRID, linewidth=0.8)
        axes.set_ylim(total_height, 0)
        axes.set_xlim(*limits)
        if zero:
            axes.axvline(0, color=MUTED, linewidth=1.2, linestyle=DASHED)
        if "reference" in rows:
            _draw_references(axes, rows)
        _draw_dots(axes, rows, hollow_at_zero=zero)
        axes.set_yticks(middles, names)
        axes.locator_params(axis="x", nbins=4)
        axes.set_xlabel(x_title, labelpad=2)
        return svg_text(figure, label)


def _draw_dots(axes: Axes, rows: pd.DataFrame, *, hollow_at_zero: bool) -> None:
    """Draw each row's dot with its interval."""
    axes.hlines(
        rows["height"],
        rows["lower"],
        rows["upper"],
        color=INK,
        linewidth=2,
        zorder=3,
    )
    texts = list[str]()
    for row in rows.to_dict("records"):
        value = row["value"]
        limits = (row["lower"], row["upper"])
        holds_zero = limits[0] <= 0 <= limits[1]
        face = SURFACE if hollow_at_zero and holds_zero else INK
        axes.plot(
            value,
            row["height"],
            markerfacecolor=face,
            markeredgecolor=INK,
            **DOT,
        )
        row_name = name(row["row"], 60)
        texts.append(reading(row_name, value, limits, 1))
    hover(axes, rows["value"], rows["height"], texts)


def _draw_references(axes: Axes, rows: pd.DataFrame) -> None:
    """Draw each row's second number, joined to its dot."""
    axes.hlines(
        rows["height"],
        rows["reference"],
        rows["value"],
        color=MUTED,
        linewidth=1.2,
        zorder=2,
    )
    texts = list[str]()
    for row in rows.to_dict("records"):
        number = row["reference"]
        axes.plot(number, row["height"], **SQUARE)
        row_name = name(row["row"], 60)
        texts.append(reading(f"{row_name}, {row['reference_name']}", number, None, 1))
    hover(axes, rows["reference"], rows["height"], texts)
