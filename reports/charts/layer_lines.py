"""Lines by layer: a line for each pooling, of a number around 0 or of a spread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import seaborn

from reports.charts.canvas import (
    INK,
    MUTED,
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
from reports.charts.styles import DASHED, styles_of_poolings
from reports.text.wording import POOLINGS, decimal, name, reading

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

RIGHT_OF_CURVES = 152.0
"""Pixels at the right of the curves, for their names."""
DASHES = (3, 2)
LineEnd = tuple[float, str, str]
"""Height of the end of a line, its name and its colour."""


def layer_lines(frame: pd.DataFrame, label: Label, *, quantity: str, random_pooler: bool) -> str:
    """Draw any number by layer: a line for each pooling with a band for its interval, and a dashed line at 0.

    Args:
        frame: Columns pooling, layer, value; where they apply, lower and upper; one row a site.
        label: Text alternative of the drawing.
        quantity: Name of the numbers, above the axis.
        random_pooler: Whether the pooler was never trained: its line is dashed, and it is called so.

    Returns:
        The drawing as an SVG element.
    """
    with blank(440, 270) as figure:
        axes = plain_axes(figure, left=48, right=RIGHT_OF_CURVES - 22, top=30, bottom=46)
        ends = _draw_poolings(axes, frame, random_pooler=random_pooler)
        axes.axhline(0, color=MUTED, linewidth=1.2, linestyle=DASHED, zorder=1)
        _finish(axes, frame, ends, quantity)
        return svg_text(figure, label)


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
        axes = plain_axes(figure, left=48, right=RIGHT_OF_CURVES - 52, top=30, bottom=46)
        highest = max(1.0, 1.6 * data["value"].max())
        axes.set_yscale("log")
        axes.set_ylim(lowest / 1.6, highest)
        _draw_lines(axes, data, styles)
        texts = list[str]()
        for row in data.itertuples():
            vector = POOLINGS.get(row.pooling, row.pooling)
            texts.append(f"{vector}, layer {row.layer}: {decimal(row.relative_spread, 4)}")
        hover(axes, data["layer"], data["value"], texts)
        for layer in data.loc[data["relative_spread"] == 0, "layer"]:
            axes.plot(layer, lowest, "o", markersize=9, color=SURFACE, markeredgecolor=INK, zorder=5)
            axes.annotate("exactly 0", (layer, lowest), (9, -4), "data", "offset pixels", color=INK)
        _label_powers_of_ten(axes, lowest)
        ends = list[LineEnd]()
        for row in data.sort_values("layer").groupby("pooling", sort=False).tail(1).itertuples():
            colour, _ = styles[row.pooling]
            vector = POOLINGS.get(row.pooling, row.pooling)
            ends.append((row.value, name(vector, 12), colour))
        _finish(axes, data, ends, "spread of the texts' vectors, relative to their mean")
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


def _finish(axes: Axes, data: pd.DataFrame, ends: Sequence[LineEnd], quantity: str) -> None:
    """Label the axes and the ends of the lines."""
    ticks(axes, sorted(set(data["layer"])))
    heading(axes, quantity)
    name_ends(axes, ends, last=float(data["layer"].max()))


def _draw_poolings(axes: Axes, data: pd.DataFrame, *, random_pooler: bool) -> list[LineEnd]:
    """Draw a line by layer for each pooling, with a band where there are limits.

    Returns:
        Height of the end of each line, its name and its colour.
    """
    styles = styles_of_poolings(data["pooling"])
    ends = list[LineEnd]()
    for key, rows in data.groupby("pooling", sort=False):
        colour, _ = styles[str(key)]
        line = rows.sort_values("layer")
        limits: Any = [None] * len(line)
        if "lower" in line:
            limits = line[["lower", "upper"]].to_numpy()
            axes.fill_between(line["layer"], line["lower"], line["upper"], color=colour, alpha=0.16, linewidth=0)
        is_random = key == "pooler" and random_pooler
        vector = "random pooler" if is_random else POOLINGS.get(str(key), str(key))
        ends.append((float(line["value"].iloc[-1]), name(vector, 14), colour))
        texts = list[str]()
        for layer, value, bounds in zip(line["layer"], line["value"], limits, strict=True):
            site = f"{name(vector, 24)}, layer {layer}"
            texts.append(reading(site, value, bounds))
        hover(axes, line["layer"], line["value"], texts)
    _draw_lines(axes, data, styles, dashed=["pooler"] if random_pooler else [])
    return ends


def _draw_lines(
    axes: Axes, data: pd.DataFrame, styles: Mapping[str, tuple[str, str]], dashed: Sequence[str] = ()
) -> None:
    """Draw a line by layer for each pooling."""
    palette = dict[str, str]()
    markers = dict[str, str]()
    dashes = dict[str, Any]()
    for key, (colour, marker) in styles.items():
        palette[key] = colour
        markers[key] = marker
        dashes[key] = DASHES if key in dashed else ""
    seaborn.lineplot(
        data=data,
        x="layer",
        y="value",
        hue="pooling",
        style="pooling",
        palette=palette,
        markers=markers,
        dashes=dashes,
        markersize=6,
        markeredgecolor=SURFACE,
        linewidth=2,
        estimator=None,
        errorbar=None,
        legend=False,
        ax=axes,
    )
