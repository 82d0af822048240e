"""Line charts of encoders and heads: a chart for each group of a table's rows, with its numbers in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reports.blocks import Drawing
from reports.charts import lines
from reports.charts.canvas import Label
from reports.charts.lines import LineOptions
from reports.charts.styles import Style
from reports.text.wording import decimal

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class ChartWords:
    """The words around a chart."""

    anchor: str
    title: str
    caption: str
    floors: tuple[str, ...] = ()
    """Descriptions that follow those of the points."""


def rows_by_group(table: pd.DataFrame, column: str, value: str) -> Iterator[tuple[int, str, pd.DataFrame]]:
    """Yield the measured rows of each group with two layers or more.

    Args:
        table: Columns `layer`, `column` and `value`.
        column: Column that names the group.
        value: Column whose missing numbers were not measured.

    Yields:
        Number of the group, from 1; its name; its rows.
    """
    groups = table.groupby(column, sort=False)
    for number, (group, rows) in enumerate(groups, start=1):
        measured = rows[rows[value].notna()]
        if measured["layer"].nunique() >= 2:
            yield number, str(group), measured


def points_by_layer(rows: pd.DataFrame, value: str) -> pd.DataFrame:
    """Return a point for each model and layer: columns series, x and value."""
    names = {"model": "series", "layer": "x", value: "value"}
    points = rows.rename(columns=names)
    return points[["series", "x", "value"]]


def line_chart(
    points: pd.DataFrame,
    styles: Mapping[str, Style],
    words: ChartWords,
    options: LineOptions,
    *,
    write: Callable[[float], str],
    reference: pd.DataFrame | None = None,
) -> Drawing:
    """Return a line for each series, and every point in the text alternative.

    Args:
        points: Columns series, x, value; where they apply, lower and upper, and unit, the seed.
        styles: Series -> its style.
        words: Words around the chart.
        options: Axes of the chart.
        write: Function that writes a value.
        reference: Points of a further series that is drawn and not described.
    """
    x_name = options.x_title or "layer"
    has_seeds = "unit" in points
    descriptions = list[str]()
    for point in points.itertuples():
        series = styles[point.series].name
        if has_seeds:
            series = f"{series} seed {point.unit}"
        descriptions.append(f"{series} {x_name} {point.x} {write(point.value)}")
    descriptions += words.floors
    label = Label(words.anchor, words.title, f"{'; '.join(descriptions)}.")
    drawn_points = points if reference is None else _joined(points, reference)
    svg = lines.lines(drawn_points, styles, label, options)
    return Drawing(svg, words.caption)


def two_digits(value: float) -> str:
    """Return a number with two digits after the point."""
    return decimal(value, 2)


def _joined(points: pd.DataFrame, reference: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    return pd.concat([points, reference])
