"""Rows of panels about encoders and heads: a panel for each group of a table's rows, all on one scale."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from reports.blocks import Drawing, LegendEntry, Panels
from reports.charts import panels
from reports.charts.canvas import Label
from reports.charts.panels import PanelOptions
from reports.charts.stacked_bars import kind_colour, stacked_panel
from reports.charts.styles import TOKEN_KINDS, Style, colour_name
from reports.sections.small_multiples import description, legend
from reports.text.wording import name, percent, sentence


@dataclass(frozen=True)
class RowWords:
    """The words around a row of panels."""

    anchor: str
    """Beginning of the drawings' names on the page."""
    quantity: str
    """Name of the numbers in the titles of the drawings, as in `Test accuracy by layer`."""
    caption: str

    def label(self, number: int, heading: str, description: str) -> Label:
        """Return the text alternative of a drawing of the row."""
        anchor = f"{self.anchor}-{number}"
        title = f"{self.quantity}, {heading}" if heading else self.quantity
        return Label(anchor, title, description)


def line_drawings(
    frames: Mapping[str, pd.DataFrame], styles: Mapping[str, Style], options: PanelOptions, words: RowWords
) -> tuple[Drawing, ...]:
    """Return a panel with a line for each series for every group with two layers or more.

    Args:
        frames: Heading of a panel -> columns series, x, value and, where they apply, lower and upper.
        styles: Series -> its style.
        options: Axes of every panel.
        words: Words around the row.
    """
    drawings = list[Drawing]()
    for number, (heading, frame) in enumerate(frames.items(), start=1):
        measured = frame[frame["value"].notna()]
        if measured["x"].nunique() < 2:
            continue
        present = _present(measured, styles)
        points = description(measured, present, options)
        label = words.label(number, heading, points)
        svg = panels.panel(measured, present, label, options)
        drawings.append(Drawing(svg, sentence(heading)))
    return tuple(drawings)


def line_row(
    frames: Mapping[str, pd.DataFrame], styles: Mapping[str, Style], options: PanelOptions, words: RowWords
) -> tuple[Panels, ...]:
    """Return the panels of `line_drawings` as a row with one legend; none where no group has two layers."""
    drawings = line_drawings(frames, styles, options, words)
    if not drawings:
        return ()
    rows = pd.concat(frames.values())
    entries = legend(_present(rows, styles))
    return (Panels(drawings, words.caption, entries),)


def _present(frame: pd.DataFrame, styles: Mapping[str, Style]) -> dict[str, Style]:
    """Return the styles of the series of a frame."""
    series = set(frame["series"])
    return {key: style for key, style in styles.items() if key in series}


def share_drawings(
    frames: Mapping[str, pd.DataFrame], words: RowWords, *, x_title: str = "layer"
) -> tuple[Drawing, ...]:
    """Return a panel of stacked bars for every group with two layers or more and a share above 0.

    Args:
        frames: Heading of a panel -> columns layer, kind and share.
        words: Words around the row.
        x_title: Name of a bar.
    """
    kinds = kinds_of(frames)
    drawings = list[Drawing]()
    for number, (heading, frame) in enumerate(frames.items(), start=1):
        has_layers = frame["layer"].nunique() > 1
        has_shares = (frame["share"] > 0).any()
        if not has_layers or not has_shares:
            continue
        shares = _shares_in_words(frame, x_title)
        label = words.label(number, heading, shares)
        svg = stacked_panel(frame, kinds, label, x_title=x_title)
        drawings.append(Drawing(svg, sentence(heading)))
    return tuple(drawings)


def _shares_in_words(frame: pd.DataFrame, x_title: str) -> str:
    """Return every share of a chart, for readers who do not see it."""
    sentences = list[str]()
    for layer, rows in frame.groupby("layer"):
        shares = list[str]()
        for row in rows.itertuples():
            share = percent(row.share)
            shares.append(f"{name(row.kind)} {share}")
        listed = ", ".join(shares)
        sentences.append(f"{x_title} {layer}: {listed}.")
    return " ".join(sentences)


def share_row(frames: Mapping[str, pd.DataFrame], words: RowWords) -> tuple[Panels, ...]:
    """Return the panels of `share_drawings` as a row with one legend; none where nothing is drawn."""
    drawings = share_drawings(frames, words)
    return (Panels(drawings, words.caption, kind_legend(frames)),) if drawings else ()


def kinds_of(frames: Mapping[str, pd.DataFrame]) -> list[str]:
    """Return the kinds of token that have a share above 0, from the bottom of a bar to its top."""
    rows = pd.concat(frames.values())
    has_share = rows["share"] > 0
    present = set(rows.loc[has_share, "kind"].astype(str))
    known = [kind for kind in TOKEN_KINDS if kind in present]
    unknown = sorted(present - set(known))
    return [*known, *unknown]


def kind_legend(frames: Mapping[str, pd.DataFrame]) -> tuple[LegendEntry, ...]:
    """Return the legend of the kinds of token, from the top of a bar to its bottom."""
    entries = list[LegendEntry]()
    for kind in reversed(kinds_of(frames)):
        colour = colour_name(kind_colour(kind))
        entries.append(LegendEntry(colour, name(kind)))
    return tuple(entries)
