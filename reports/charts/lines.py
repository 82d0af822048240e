"""Line charts: a line for each series, with a band for its interval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import seaborn

from reports.charts.canvas import (
    GAP,
    INK,
    SURFACE,
    Label,
    blank,
    heading,
    hover,
    name_ends,
    plain_axes,
    svg_text,
    ticks,
)
from reports.charts.styles import (
    DASHED,
    DOTTED,
    LETTER,
    MOST_TICKS,
    WIDTH,
    Style,
    styles_of_methods,
    styles_of_poolings,
)
from reports.text.wording import POOLINGS, decimal, name, reading

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

LONGEST_NAME = 24
"""Characters of the name at the end of a line."""


@dataclass(frozen=True)
class LineOptions:
    """Axes of a line chart."""

    quantity: str
    """Name of the numbers, above the axis."""
    x_title: str | None = None
    """Name of x; None where it is a layer."""
    tick_names: Mapping[float, str] | None = None
    """Some x -> its label below the axis; None where every x is labelled by its number."""


def lines(frame: pd.DataFrame, styles: Mapping[str, Style], label: Label, options: LineOptions) -> str:
    """Draw a line for each series, with a band where there are limits and thin lines where a series has several units.

    Args:
        frame: Columns series, x, value; where they apply, lower and upper, and unit, over which the line is the mean.
        styles: Series -> its style.
        label: Text alternative of the drawing.
        options: Axes of the chart.

    Returns:
        The drawing as an SVG element.
    """
    data = frame[frame["value"].notna()].sort_values("x", kind="stable")
    present = set(data["series"])
    keys = [key for key in styles if key in present]
    names = [styles[key].name for key in keys]
    longest = min(max(map(len, names)), LONGEST_NAME)
    height = max(280.0, 76 + GAP * len(names))
    ends = list[tuple[float, str, str]]()
    with blank(WIDTH, height) as figure:
        axes = plain_axes(figure, left=44, right=24 + LETTER * longest, top=30, bottom=46)
        for key in keys:
            ends.append(_draw_series(axes, data[data["series"] == key], styles[key], options))
        _set_x_axis(axes, data["x"], options)
        axes.set_ylabel("")
        heading(axes, options.quantity)
        name_ends(axes, ends, last=float(data["x"].max()))
        return svg_text(figure, label)


def method_lines(
    frame: pd.DataFrame, label: Label, *, quantity: str, x_title: str, tick_names: Mapping[float, str]
) -> str:
    """Draw a line for each attribution method; a random order is a dashed grey floor.

    Args:
        frame: Columns method, x, value; where they apply, lower and upper.
        label: Text alternative of the drawing.
        quantity: Name of the numbers, above the axis.
        x_title: Name of x.
        tick_names: Some x -> its label below the axis.

    Returns:
        The drawing as an SVG element.
    """
    data = frame.rename(columns={"method": "series"})
    options = LineOptions(quantity, x_title=x_title, tick_names=tick_names)
    return lines(data, styles_of_methods(data["series"]), label, options)


def _draw_series(axes: Axes, rows: pd.DataFrame, style: Style, options: LineOptions) -> tuple[float, str, str]:
    """Draw the line of a series; return the height of its end, its name and its colour."""
    mean = rows.groupby("x", sort=True).mean(numeric_only=True)
    if "unit" in rows:
        # The mean goes as far as all units go.
        n_units = rows.groupby("x")["unit"].nunique()
        mean = mean[n_units == rows["unit"].nunique()]
        for _, unit in rows.groupby("unit"):
            axes.plot(unit["x"], unit["value"], color=style.colour, linewidth=1, alpha=0.4)
    x = mean.index.to_numpy()
    values = mean["value"].to_numpy()
    limits: Any = [None] * len(mean)
    if "lower" in mean:
        limits = mean[["lower", "upper"]].to_numpy()
        if style.floor is None:
            axes.fill_between(x, mean["lower"], mean["upper"], color=style.colour, alpha=0.16, linewidth=0)
    texts = list[str]()
    for position, value, ends in zip(x, values, limits, strict=True):
        point = f"{style.name}, {_x_name(position, options)}"
        texts.append(reading(point, value, ends))
    hover(axes, x, values, texts)
    if style.floor is None:
        is_crowded = options.tick_names is not None and len(mean) > MOST_TICKS
        seaborn.lineplot(
            x=x,
            y=values,
            color=style.colour,
            marker=style.marker,
            markersize=5 if is_crowded else 6,
            markeredgecolor=SURFACE,
            linewidth=2,
            linestyle=DASHED if style.dashed else "-",
            estimator=None,
            errorbar=None,
            ax=axes,
        )
    else:
        linestyle = DASHED if style.floor == "dashed" else DOTTED
        axes.plot(x, values, color=style.colour, linewidth=1.4, linestyle=linestyle, zorder=1)
    return float(values[-1]), style.name, style.colour


def _x_name(x: float, options: LineOptions) -> str:
    """Return how a point of the x axis is called in the description of a number."""
    if options.tick_names is not None:
        return options.tick_names.get(x, f"{x:g}")
    title = "layer" if options.x_title is None else options.x_title
    return f"{title} {x:g}"


def _set_x_axis(axes: Axes, x: pd.Series[float], options: LineOptions) -> None:
    if options.tick_names is not None:
        positions = _room_for_names(axes, options.tick_names)
        axes.set_xticks(positions, [options.tick_names[position] for position in positions])
        axes.set_xlabel(options.x_title or "")
        return
    whole = sorted({int(number) for number in x})
    if options.x_title is None:
        ticks(axes, whole)
        return
    step = 1 + (len(whole) - 1) // MOST_TICKS
    axes.set_xticks(whole[::step])
    axes.set_xlim(whole[0] - 0.3, whole[-1] + 0.3)
    axes.set_xlabel(options.x_title)


def _room_for_names(axes: Axes, tick_names: Mapping[float, str]) -> list[float]:
    """Return the x whose names fit beside each other; the last one is always among them."""
    positions = sorted(tick_names)
    width = sum(len(text) + 2 for text in tick_names.values()) * LETTER
    is_crowded = width > axes.get_window_extent().width
    step = 2 + (len(positions) - 1) // MOST_TICKS if is_crowded else 1
    # A name less than a step before the last one leaves it the room.
    last = len(positions) - 1
    named = positions[: max(0, last - step + 1) : step]
    return [*named, *positions[-1:]]


def spread_by_layer(frame: pd.DataFrame, label: Label) -> str:
    """Draw how far the vectors of different texts lie apart, by layer, on a scale of powers of ten.

    Args:
        frame: Columns pooling, layer, relative_spread; one row a site. A spread of exactly 0 is an open point at the
            bottom.
        label: Text alternative of the drawing.

    Returns:
        The drawing as an SVG element.
    """
    lowest = _lowest_spread(frame["relative_spread"])
    data = frame.assign(value=frame["relative_spread"].clip(lower=lowest))
    styles = styles_of_poolings(data["pooling"])
    with blank(440, 270) as figure:
        axes = plain_axes(figure, left=48, right=100, top=30, bottom=46)
        highest = max(1.0, 1.6 * data["value"].max())
        axes.set_yscale("log")
        axes.set_ylim(lowest / 1.6, highest)
        ends = list[tuple[float, str, str]]()
        for key, rows in data.sort_values("layer").groupby("pooling", sort=False):
            colour, marker = styles[str(key)]
            axes.plot(rows["layer"], rows["value"], color=colour, marker=marker, markersize=6, markeredgecolor=SURFACE)
            vector = POOLINGS.get(str(key), str(key))
            ends.append((float(rows["value"].iloc[-1]), name(vector, 12), colour))
        texts = list[str]()
        for row in data.itertuples():
            vector = POOLINGS.get(row.pooling, row.pooling)
            texts.append(f"{vector}, layer {row.layer}: {decimal(row.relative_spread, 4)}")
        hover(axes, data["layer"], data["value"], texts)
        for layer in data.loc[data["relative_spread"] == 0, "layer"]:
            axes.plot(layer, lowest, "o", markersize=9, color=SURFACE, markeredgecolor=INK, zorder=5)
            axes.annotate("exactly 0", (layer, lowest), (9, -4), "data", "offset pixels", color=INK)
        _label_powers_of_ten(axes, lowest)
        ticks(axes, sorted(set(data["layer"])))
        heading(axes, "spread of the texts' vectors, relative to their mean")
        name_ends(axes, ends, last=float(data["layer"].max()))
        return svg_text(figure, label)


def _lowest_spread(spreads: pd.Series[float]) -> float:
    """Return a power of ten below all spreads above 0."""
    positive = spreads[spreads > 0]
    if positive.empty:
        return 0.01
    exponent = np.floor(np.log10(positive.min())) - 1
    return float(10.0**exponent)


def _label_powers_of_ten(axes: Axes, lowest: float) -> None:
    _, top = axes.get_ylim()
    exponents = np.arange(np.log10(lowest) + 1, np.log10(top) + 0.01)
    powers = 10.0**exponents
    axes.set_yticks(powers, [f"{power:g}" for power in powers])
    axes.set_yticks([], minor=True)
