"""Rows of panels: one quantity, a panel for each label column, all on one scale."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from reports.blocks import Drawing, LegendEntry, Panels
from reports.charts import panels
from reports.charts.canvas import Label
from reports.charts.panels import PanelOptions
from reports.charts.styles import Style, colour_name, styles_of_poolings
from reports.lookup import View
from reports.text import wording
from reports.text.wording import decimal, name

if TYPE_CHECKING:
    import pandas as pd


def in_points(frame: pd.DataFrame, columns: Sequence[str] = ("value", "lower", "upper")) -> pd.DataFrame:
    """Return a frame whose shares, or differences of shares, are in per cent, or in percentage points."""
    scaled = frame.copy()
    for column in columns:
        if column in frame:
            scaled[column] = 100 * frame[column].astype(float)
    return scaled


def panels_of_tasks(
    view: View,
    frames: Mapping[str, pd.DataFrame],
    styles: Mapping[str, Style],
    options: PanelOptions | Callable[[str], PanelOptions],
    *,
    anchor: str,
    quantity: str,
    caption: str,
) -> Panels | None:
    """Return a panel for each label column; None where no frame has two positions to join by a line.

    Args:
        view: Result.
        frames: Label column -> columns series, x, value and, where they apply, lower and upper.
        styles: Series -> its style.
        options: Axes of every panel, or a function that returns those of a label column; `limits` should be shared.
        anchor: Beginning of the drawings' names on the page.
        quantity: Name of the numbers in the titles of the drawings, as in `Test accuracy by layer`.
        caption: Text below the row.
    """
    drawings = list[Drawing]()
    for i, (task, frame) in enumerate(frames.items(), start=1):
        if frame["x"].nunique() < 2:
            continue
        settings = options(task) if callable(options) else options
        label = Label(f"{anchor}-{i}", f"{quantity} for {name(task)}", description(frame, styles, settings))
        heading = name(task) if len(view.tasks) > 1 else ""
        drawings.append(Drawing(panels.panel(frame, styles, label, settings), heading))
    if not drawings:
        return None
    drawn_series = {key for frame in frames.values() for key in frame["series"]}
    return Panels(tuple(drawings), caption, legend({key: styles[key] for key in styles if key in drawn_series}))


def legend(styles: Mapping[str, Style]) -> tuple[LegendEntry, ...]:
    """Return the legend of these series."""
    return tuple(
        LegendEntry(colour_name(style.colour), style.name, "dashed" if style.dashed else style.floor or "")
        for style in styles.values()
    )


def description(frame: pd.DataFrame, styles: Mapping[str, Style], options: PanelOptions) -> str:
    """Return every number of a panel in words, for readers who do not see it."""
    tick_names = options.tick_names or {}
    sentences = list[str]()
    for key, style in styles.items():
        rows = frame[frame["series"] == key].sort_values("x")
        numbers = [
            f"{options.x_title} {tick_names.get(x, f'{x:g}')} {decimal(value, options.digits)}"
            for x, value in zip(rows["x"], rows["value"], strict=True)
        ]
        if numbers:
            sentences.append(f"{style.name}: {', '.join(numbers)}.")
    if options.floor is not None:
        sentences.append(f"Best floor: {decimal(options.floor, options.digits)}.")
    return " ".join(sentences)


def pooling_styles(view: View, poolings: pd.Series[str]) -> dict[str, Style]:
    """Return the style of each pooling; a pooler that was never trained is dashed."""
    styles = dict[str, Style]()
    for key, (colour, marker) in styles_of_poolings(poolings).items():
        style = Style(wording.pooling(key, random_pooler=view.random_pooler), colour, marker)
        styles[key] = replace(style, dashed=key == "pooler" and view.random_pooler)
    return styles
