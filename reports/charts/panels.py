"""Small charts that stand side by side on one scale; their legend and caption stand once, beside them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from reports.charts.canvas import GRID, INK, MUTED, SURFACE, Label, blank, hover, plain_axes, svg_text
from reports.charts.styles import DASHED, DOTTED, Style
from reports.text.wording import reading

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

WIDTH, HEIGHT = 300.0, 196.0
"""Pixels of a panel: three stand side by side on a desktop, one is as wide as a phone."""
SMALL_WIDTH, SMALL_HEIGHT = 164.0, 136.0
"""Pixels of a small panel: six stand side by side on a desktop, two on a phone."""
MOST_TICKS, MOST_SMALL_TICKS = 7, 4
NUMBERS = ("value", "lower", "upper")
"""Columns of a frame that are drawn on the y axis."""
MARGIN = 0.06
"""Share of the range of the numbers that is left free above and below them."""


@dataclass(frozen=True)
class PanelOptions:
    """Axes and shaded areas of a panel."""

    limits: tuple[float, float]
    """Lowest and highest number on the y axis, the same in all panels of a row."""
    x_title: str = "layer"
    """Name of x, below the axis."""
    tick_names: Mapping[float, str] | None = None
    """x -> its label below the axis; None where every x is labelled by its number."""
    ticks: tuple[float, ...] | None = None
    """Positions that are labelled; None where the x of the numbers are."""
    floor: float | None = None
    """Number up to which the ground is grey: the highest floor."""
    ring: tuple[str, float] | None = None
    """Series and x of the point with a ring, the one that was chosen."""
    zero: bool = False
    """Whether a dashed line marks 0."""
    gap: tuple[str, str] | None = None
    """Two series between which the ground is shaded."""
    height: float = HEIGHT
    """Pixels of the panel where it is no small one, the same in all panels of a row."""
    digits: int = 1
    """Digits after the point in the text that appears where one points at a number."""
    small: bool = False
    """Whether the panel is a small one."""
    square: bool = False
    """Whether x has the limits of y, and a dashed line marks where the two are equal."""


def shared_limits(frames: Iterable[pd.DataFrame], *further: float) -> tuple[float, float]:
    """Return the lowest and the highest number of all frames, with a margin.

    Args:
        frames: Columns value and, where they apply, lower and upper.
        further: Numbers that are drawn beside those of the frames, such as floors.
    """
    numbers = list(further)
    for frame in frames:
        drawn_columns = [column for column in NUMBERS if column in frame]
        numbers.extend(frame[drawn_columns].to_numpy(dtype=float).ravel())
    finite = [number for number in numbers if np.isfinite(number)]
    low = min(finite, default=0.0)
    high = max(finite, default=1.0)
    margin = MARGIN * (high - low or 1.0)
    return low - margin, high + margin


def panel(frame: pd.DataFrame, styles: Mapping[str, Style], label: Label, options: PanelOptions) -> str:
    """Draw a line for each series, with a band where there are limits.

    Args:
        frame: Columns series, x, value; where they apply, lower and upper.
        styles: Series -> its style.
        label: Text alternative of the drawing.
        options: Axes of the panel.

    Returns:
        The drawing as an SVG element.
    """
    data = frame[frame["value"].notna()].sort_values("x", kind="stable")
    size = (SMALL_WIDTH, SMALL_HEIGHT) if options.small else (WIDTH, options.height)
    with blank(*size) as figure:
        axes = plain_axes(figure, left=38, right=10, top=12, bottom=38)
        if options.floor is not None:
            axes.axhspan(options.limits[0], options.floor, color=GRID, alpha=0.5, linewidth=0, zorder=0)
        if options.zero:
            axes.axhline(0, color=MUTED, linewidth=1.2, linestyle=DASHED, zorder=1)
        if options.square:
            axes.plot(options.limits, options.limits, color=MUTED, linewidth=1.2, linestyle=DASHED, zorder=1)
        if options.gap is not None:
            _shade_gap(axes, data, options.gap)
        for key, style in styles.items():
            rows = data[data["series"] == key]
            if len(rows):
                _draw_series(axes, rows, style, options)
        if options.ring is not None:
            series, x = options.ring
            point = data[(data["series"] == series) & (data["x"] == x)]
            axes.plot(
                point["x"],
                point["value"],
                "o",
                markersize=14,
                fillstyle="none",
                color=INK,
                markeredgewidth=1.6,
            )
        _set_axes(axes, sorted(set(data["x"])), options)
        return svg_text(figure, label)


def _shade_gap(axes: Axes, data: pd.DataFrame, gap: tuple[str, str]) -> None:
    """Shade the ground between two series."""
    first, second = (data[data["series"] == key].set_index("x")["value"] for key in gap)
    both = first.index.intersection(second.index)
    axes.fill_between(both, first[both], second[both], color=GRID, alpha=0.5, linewidth=0, zorder=0)


def _draw_series(axes: Axes, rows: pd.DataFrame, style: Style, options: PanelOptions) -> None:
    """Draw the line of a series with its band, and the texts that appear where one points at it."""
    x = rows["x"].to_numpy()
    values = rows["value"].to_numpy()
    has_band = "lower" in rows
    bounds: Any = rows[["lower", "upper"]].to_numpy() if has_band else [None] * len(rows)
    if has_band and style.floor is None:
        axes.fill_between(x, rows["lower"], rows["upper"], color=style.colour, alpha=0.16, linewidth=0)
    texts = list[str]()
    for position, value, limits in zip(x, values, bounds, strict=True):
        point_name = f"{style.name}, {_x_name(position, options)}"
        texts.append(reading(point_name, value, limits, options.digits))
    hover(axes, x, values, texts)
    axes.plot(x, values, color=style.colour, **_line(style))


def _line(style: Style) -> dict[str, Any]:
    """Return how the line of a series is drawn: a floor is thin and has no markers."""
    if style.floor is not None:
        return {
            "linewidth": 1.4,
            "linestyle": DASHED if style.floor == "dashed" else DOTTED,
            "zorder": 1,
        }
    return {
        "linewidth": 2,
        "linestyle": DASHED if style.dashed else "-",
        "marker": style.marker,
        "markersize": 5,
        "markeredgecolor": SURFACE,
        "zorder": 3,
    }


def _x_name(x: float, options: PanelOptions) -> str:
    """Return how a point of the x axis is called in the description of a number."""
    if options.tick_names is not None:
        return options.tick_names.get(x, f"{x:g}")
    return f"{options.x_title} {x:g}"


def _set_axes(axes: Axes, positions: list[float], options: PanelOptions) -> None:
    """Label the axes; where there is no room for every x, every second or third, and always the last."""
    axes.set_xlabel(options.x_title, labelpad=2)
    axes.set_ylabel("")
    axes.set_ylim(*options.limits)
    if options.square:
        axes.set_xlim(*options.limits)
        axes.locator_params(nbins=5)
        return
    step = 1 + (len(positions) - 1) // (MOST_SMALL_TICKS if options.small else MOST_TICKS)
    labelled = [x for i, x in enumerate(positions) if (len(positions) - 1 - i) % step == 0]
    if options.ticks is not None:
        labelled = list(options.ticks)
    tick_names = options.tick_names or {}
    axes.set_xticks(labelled, [tick_names.get(x, f"{x:g}") for x in labelled])
    axes.locator_params(axis="y", nbins=3 if options.small else 5)
