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
LONGEST_NAME = 18
"""Characters of the name of a row."""
DOT: dict[str, Any] = {"linestyle": "none", "marker": "o", "markersize": 8, "markeredgewidth": 1.6}


def forest(frame: pd.DataFrame, label: Label, *, limits: tuple[float, float], x_title: str, zero: bool = False) -> str:
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
    left = 12 + LETTER * max(map(len, names))
    heights = ROW * (np.arange(len(frame)) + 0.5)
    total_height = ROW * len(frame)
    with blank(WIDTH, total_height + 44) as figure:
        axes = plain_axes(figure, left=left, right=12, top=2, bottom=42)
        axes.grid(visible=False, axis="y")
        axes.grid(axis="x", color=GRID, linewidth=0.8)
        axes.set_ylim(total_height, 0)
        axes.set_xlim(*limits)
        if zero:
            axes.axvline(0, color=MUTED, linewidth=1.2, linestyle=DASHED, zorder=1)
        if "reference" in frame:
            _draw_references(axes, frame, heights)
        _draw_dots(axes, frame, heights, hollow_at_zero=zero)
        axes.set_yticks(heights, names)
        axes.locator_params(axis="x", nbins=4)
        axes.set_xlabel(x_title, labelpad=2)
        return svg_text(figure, label)


def _draw_dots(axes: Axes, frame: pd.DataFrame, heights: Any, *, hollow_at_zero: bool) -> None:
    """Draw each row's dot with its interval."""
    axes.hlines(heights, frame["lower"], frame["upper"], color=INK, linewidth=2, zorder=3)
    texts = list[str]()
    for row, height in zip(frame.to_dict("records"), heights, strict=True):
        holds_zero = row["lower"] <= 0 <= row["upper"]
        face = SURFACE if hollow_at_zero and holds_zero else INK
        axes.plot(row["value"], height, markerfacecolor=face, markeredgecolor=INK, zorder=4, **DOT)
        texts.append(reading(name(row["row"], 60), row["value"], (row["lower"], row["upper"]), 1))
    hover(axes, frame["value"], heights, texts)


def _draw_references(axes: Axes, frame: pd.DataFrame, heights: Any) -> None:
    """Draw each row's second number, joined to its dot."""
    axes.hlines(heights, frame["reference"], frame["value"], color=MUTED, linewidth=1.2, zorder=2)
    mark = DOT | {"marker": "s", "markersize": 7, "markerfacecolor": SURFACE, "markeredgecolor": MUTED}
    texts = list[str]()
    for row, height in zip(frame.to_dict("records"), heights, strict=True):
        axes.plot(row["reference"], height, zorder=4, **mark)
        texts.append(reading(f"{name(row['row'], 60)}, {row['reference_name']}", row["reference"], None, 1))
    hover(axes, frame["reference"], heights, texts)
