"""Dot charts and forest plots: a dot with its interval in each row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import seaborn

from reports.charts.canvas import AGAINST, FOR, GRID, INK, MUTED, SURFACE, Label, blank, hover, plain_axes, svg_text
from reports.charts.styles import DASHED, LETTER, WIDTH
from reports.text.wording import name, reading

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

ROW, GROUP = 24.0, 30.0
"""Height of a row in pixels, and of the name of a group above its rows."""
PANEL_ROW = 19.0
PANEL_WIDTH = 300.0
PANEL_NAME = 14
"""Height of a row and width of a panel in pixels, and characters of the name of a row."""
LONGEST_NAME, LONGEST_NOTE = 22, 18
"""Characters of the name of a row, and of the note at its right."""
AXIS = 44.0
"""Height of the x axis with its labels and its name, in pixels."""
LONGEST_LABEL = 18
"""Characters of the name of a row of a forest plot."""
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


def dots(frame: pd.DataFrame, label: Label, *, quantity: str, limits: tuple[float, float] | None = None) -> str:
    """Draw a dot with its interval in each row, and a tick where a floor stands; rows in groups, each under its name.

    Args:
        frame: Columns group, row, value, lower, upper; where they apply, floor, floor_lower and floor_upper, and note,
            a few words at the right. Rows are drawn from the top.
        label: Text alternative of the drawing.
        quantity: Name of the numbers, below the axis.
        limits: Lowest and highest number of several drawings side by side, which then share a scale.

    Returns:
        The drawing as an SVG element.
    """
    names = [name(text, LONGEST_NAME) for text in frame["row"]]
    notes = [""] * len(frame)
    if "note" in frame:
        notes = [name(text, LONGEST_NOTE) for text in frame["note"]]
    left = 12 + LETTER * max(map(len, names))
    right = max(14, 12 + LETTER * max(map(len, notes)))
    heights, group_names, total_height = _heights(frame)
    with blank(WIDTH, total_height + 42) as figure:
        axes = plain_axes(figure, left=left, right=right, top=2, bottom=40)
        axes.grid(visible=False, axis="y")
        axes.grid(axis="x", color=GRID, linewidth=0.8)
        axes.set_ylim(total_height, 0)
        if "floor" in frame:
            # A floor is drawn below its dot, in the same row.
            _draw_values(axes, frame, [height - 4 for height in heights])
            _draw_floors(axes, frame, [height + 5 for height in heights])
        else:
            _draw_values(axes, frame, heights)
        axes.axvline(0, color=MUTED, linewidth=1, zorder=1)
        axes.set_yticks(heights, names)
        box = {"facecolor": SURFACE, "edgecolor": "none", "pad": 2.5}
        in_axes = ("axes fraction", "data")
        for height, text in group_names:
            axes.annotate(text, (0, height), (4 - left, 0), in_axes, "offset pixels", color=MUTED, bbox=box)
        for height, text in zip(heights, notes, strict=True):
            axes.annotate(text, (1, height), (10, 0), in_axes, "offset pixels", color=MUTED, va="center_baseline")
        if limits is not None:
            axes.set_xlim(*limits)
        axes.locator_params(axis="x", nbins=5)
        axes.set_xlabel(quantity)
        axes.set_ylabel("")
        return svg_text(figure, label)


def _heights(frame: pd.DataFrame) -> tuple[list[float], list[tuple[float, str]], float]:
    """Return the height of each row, height and name of each group, and the height of them all, from the top."""
    heights = list[float]()
    group_names = list[tuple[float, str]]()
    total_height = 0.0
    previous = None
    for group in frame["group"]:
        if group and group != previous:
            group_names.append((total_height + GROUP - 12, name(group, 60)))
            total_height += GROUP
        previous = group
        heights.append(total_height + ROW / 2)
        total_height += ROW
    return heights, group_names, total_height


def _draw_values(axes: Axes, frame: pd.DataFrame, heights: list[float]) -> None:
    values = frame["value"].to_numpy(dtype=float)
    has_sides = "floor" not in frame
    colours = [AGAINST if has_sides and value < 0 else FOR for value in values]
    axes.hlines(heights, frame["lower"], frame["upper"], color=colours, linewidth=2)
    measured = np.flatnonzero(np.isfinite(values))
    seaborn.scatterplot(
        x=values[measured],
        y=np.array(heights)[measured],
        color=[colours[i] for i in measured],
        edgecolor=SURFACE,
        linewidth=1.4,
        s=56,
        zorder=4,
        legend=False,
        ax=axes,
    )
    limits = np.asarray(frame[["lower", "upper"]])
    texts = list[str]()
    for row, value, ends in zip(frame["row"], values, limits, strict=True):
        texts.append(reading(name(row, 60), value, ends))
    hover(axes, values, heights, texts)


def _draw_floors(axes: Axes, frame: pd.DataFrame, heights: list[float]) -> None:
    if "floor_lower" in frame:
        axes.hlines(heights, frame["floor_lower"], frame["floor_upper"], color=MUTED, linewidth=1.2)
    axes.plot(frame["floor"], heights, "|", color=MUTED, markersize=9, markeredgewidth=2)


def dot_panel(frame: pd.DataFrame, label: Label, *, limits: tuple[float, float], quantity: str) -> str:
    """Draw a dot with its interval in each row, in a panel of a row that shares one scale.

    Args:
        frame: Columns row, value, lower, upper, and hollow, whether the dot is based on few texts. Rows are drawn from
            the top.
        label: Text alternative of the drawing.
        limits: Lowest and highest number on the x axis, the same in all panels of a row.
        quantity: Name of the numbers, below the axis.

    Returns:
        The drawing as an SVG element.
    """
    names = [name(text, PANEL_NAME) for text in frame["row"]]
    left = 12 + LETTER * max(map(len, names))
    height = PANEL_ROW * len(names)
    heights = PANEL_ROW * (np.arange(len(names)) + 0.5)
    with blank(PANEL_WIDTH, height + 42) as figure:
        axes = plain_axes(figure, left=left, right=10, top=2, bottom=40)
        axes.grid(visible=False, axis="y")
        axes.grid(axis="x", color=GRID, linewidth=0.8)
        axes.set_ylim(height, 0)
        axes.set_xlim(*limits)
        axes.axvline(0, color=MUTED, linewidth=1, zorder=1)
        texts = list[str]()
        for y, row in zip(heights, frame.itertuples(), strict=True):
            colour = AGAINST if row.value < 0 else FOR
            face = SURFACE if row.hollow else colour
            edge = colour if row.hollow else SURFACE
            axes.hlines(y, row.lower, row.upper, color=colour, linewidth=2)
            dot: Any = {"marker": "o", "markersize": 7, "zorder": 4}
            dot["color"] = face
            dot["markeredgecolor"] = edge
            axes.plot(row.value, y, **dot)
            subject = name(row.row, 60)
            bounds = (row.lower, row.upper)
            texts.append(reading(subject, row.value, bounds, 2))
        hover(axes, frame["value"], heights, texts)
        axes.set_yticks(heights, names)
        axes.locator_params(axis="x", nbins=5)
        axes.set_xlabel(quantity)
        axes.set_ylabel("")
        return svg_text(figure, label)


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
    names = [name(text, LONGEST_LABEL) for text in frame["row"]]
    longest = max(map(len, names))
    total_height = ROW * len(frame)
    middles = ROW * (np.arange(len(frame)) + 0.5)
    rows = frame.assign(height=middles)
    with blank(PANEL_WIDTH, total_height + AXIS) as figure:
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
