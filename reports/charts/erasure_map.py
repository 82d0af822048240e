"""Erasure map: what a head loses without a label against what a probe reads of it, a point for each site."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from reports.charts.canvas import GRID, MUTED, SURFACE, Label, blank, hover, plain_axes, svg_text
from reports.charts.panels import HEIGHT, WIDTH
from reports.charts.styles import Style
from reports.text.wording import decimal, reading

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

Point = tuple[float, float]
"""A point in pixels."""
NUMERAL = 12.0
"""Pixels that the number of a layer takes, across and upwards."""
RINGS = (11.0, 18.0, 26.0, 34.0)
"""Distances in pixels between a point and the number of its layer; the first that is free is taken."""
POINT = 9.5
"""Least distance in pixels between a number and a point."""
TURNS = tuple(math.radians(sign * turn) for turn in range(0, 181, 20) for sign in (1, -1))
"""Directions in which a free position is looked for, as angles from upright, those nearest to it first."""


def erasure_map(
    sites: pd.DataFrame,
    controls: pd.DataFrame,
    styles: Mapping[str, Style],
    label: Label,
    *,
    limits: tuple[float, float],
    most_bits: float,
) -> str:
    """Draw the accuracy that a head loses without a label (up) against what a probe reads of the label (right).

    Args:
        sites: Columns pooling, layer, bits, accuracy_loss, lower, upper; one row a site, losses in percentage points.
        controls: Columns eraser (`random` or `shuffled`), bits, accuracy_loss; one row a site and repeat.
        styles: Pooling -> its style.
        label: Text alternative of the drawing.
        limits: Lowest and highest loss on the y axis, the same in all drawings of a row.
        most_bits: Highest number on the x axis, the same in all drawings of a row.

    Returns:
        The drawing as an SVG element.
    """
    ordered = sites.sort_values("layer")
    with blank(WIDTH, HEIGHT + 30) as figure:
        axes = plain_axes(figure, left=38, right=10, top=12, bottom=42)
        axes.grid(axis="x", color=GRID, linewidth=0.8)
        axes.axhline(0, color=MUTED, linewidth=1, zorder=1)
        axes.set_ylim(*limits)
        lowest_bits = min(0.0, float(ordered["bits"].min()))
        margin = 0.06 * ((most_bits - lowest_bits) or 1.0)
        axes.set_xlim(lowest_bits - margin, most_bits + margin)
        _draw_controls(axes, controls)
        _draw_sites(axes, ordered, styles)
        _draw_numbers(axes, ordered, styles)
        _describe(axes, ordered, styles)
        axes.locator_params(axis="x", nbins=5)
        axes.locator_params(axis="y", nbins=6)
        axes.set_xlabel("V-information (bits)", labelpad=2)
        axes.set_ylabel("")
        return svg_text(figure, label)


def _draw_controls(axes: Axes, controls: pd.DataFrame) -> None:
    """Draw the range of random subspaces as a band, and shuffled labels as crosses."""
    random = controls.loc[controls["eraser"] == "random", "accuracy_loss"]
    if len(random):
        lowest = random.min()
        highest = random.max()
        axes.axhspan(lowest, highest, zorder=0, color=MUTED, alpha=0.22, linewidth=0)
    shuffled = controls[controls["eraser"] == "shuffled"]
    axes.plot(
        shuffled["bits"],
        shuffled["accuracy_loss"],
        "x",
        zorder=2,
        color=MUTED,
        markersize=4,
        markeredgewidth=1.1,
    )


def _draw_sites(axes: Axes, sites: pd.DataFrame, styles: Mapping[str, Style]) -> None:
    """Draw a path over the layers of each pooling, with an interval and a point at each site."""
    for key, style in styles.items():
        path = sites[sites["pooling"] == key]
        bits = path["bits"]
        losses = path["accuracy_loss"]
        axes.plot(bits, losses, color=style.colour, linewidth=1, alpha=0.4, zorder=2)
        axes.vlines(
            bits,
            path["lower"],
            path["upper"],
            color=style.colour,
            linewidth=1.1,
            alpha=0.6,
            zorder=3,
        )
        axes.plot(
            bits,
            losses,
            style.marker,
            color=style.colour,
            markersize=6,
            markeredgecolor=SURFACE,
            markeredgewidth=0.8,
            zorder=4,
        )


def _draw_numbers(axes: Axes, sites: pd.DataFrame, styles: Mapping[str, Style]) -> None:
    """Write the number of its layer beside each point, with a line to the point where it is not right beside it."""
    to_pixels: Any = axes.transData.transform
    to_data: Any = axes.transData.inverted().transform
    coordinates = sites[["bits", "accuracy_loss"]].to_numpy(dtype=float)
    points: list[Point] = [tuple(point) for point in to_pixels(coordinates)]
    corners: Any = axes.transAxes.transform([(0, 0), (1, 1)])
    positions = number_positions(points, tuple(corners.T))
    centred: Any = {
        "ha": "center",
        "va": "center_baseline",
        "fontsize": 11,
        "zorder": 5,
    }
    for row, point, position in zip(sites.itertuples(), points, positions, strict=True):
        colour = styles[row.pooling].colour
        x, y = to_data(position)
        axes.text(float(x), float(y), str(row.layer), color=colour, **centred)
        distance = math.dist(point, position)
        if distance > RINGS[0] + 1:
            start, end = to_data([point, position])
            share = 1 - NUMERAL / 2 / distance
            line = [start, start + share * (end - start)]
            axes.plot(*zip(*line, strict=True), color=colour, linewidth=0.7, alpha=0.7, zorder=3)


def number_positions(points: Sequence[Point], bounds: Sequence[Point]) -> list[Point]:
    """Return where the number of each point is written, so that it covers no point and no other number.

    Args:
        points: Points in pixels.
        bounds: Lowest and highest x, lowest and highest y, in pixels.

    Returns:
        For each point the middle of its number: the nearest free position, or that above it where none is free.
    """
    positions = list[Point]()
    for point in points:
        position = _above(point)
        for candidate in _candidates(point):
            is_inside = _is_inside(candidate, bounds)
            if is_inside and _is_free(candidate, points, positions):
                position = candidate
                break
        positions.append(position)
    return positions


def _above(point: Point) -> Point:
    x, y = point
    return x, y + RINGS[0]


def _candidates(point: Point) -> Iterator[Point]:
    """Yield positions around a point, the nearest first and, of these, those above it first."""
    x, y = point
    for distance in RINGS:
        for turn in TURNS:
            right = distance * math.sin(turn)
            up = distance * math.cos(turn)
            yield x + right, y + up


def _is_inside(position: Point, bounds: Sequence[Point]) -> bool:
    """Return whether a number at this position lies inside the axes."""
    margin = NUMERAL / 2
    for coordinate, (low, high) in zip(position, bounds, strict=True):
        if coordinate < low + margin:
            return False
        if coordinate > high - margin:
            return False
    return True


def _is_free(position: Point, points: Sequence[Point], positions: Sequence[Point]) -> bool:
    """Return whether a number at this position covers no point and no other number."""
    to_points = [math.dist(position, point) for point in points]
    to_numbers = [math.dist(position, number) for number in positions]
    covers_point = min(to_points, default=math.inf) < POINT
    covers_number = min(to_numbers, default=math.inf) < NUMERAL
    return not covers_point and not covers_number


def _describe(axes: Axes, sites: pd.DataFrame, styles: Mapping[str, Style]) -> None:
    """Add the text that appears where one points at a site."""
    texts = list[str]()
    for row in sites.itertuples():
        site = f"{styles[row.pooling].name}, layer {row.layer}"
        limits = (row.lower, row.upper)
        loss = reading(site, row.accuracy_loss, limits, 1)
        bits = decimal(row.bits, 2)
        texts.append(f"{loss} points lost, V-information {bits} bits")
    hover(axes, sites["bits"], sites["accuracy_loss"], texts)
