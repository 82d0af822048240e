"""What a page is made of: frozen values, in words and SVG, not yet HTML."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reports.text.wording import MISSING, clean, count, decimal, title

if TYPE_CHECKING:
    import pandas as pd

    from reports.sections.explanations.cards import Card
    from reports.sections.explanations.explorer import Explorer

MOST_ROWS = 500
"""Rows of an unknown table that the page shows; the CSV file holds the rest."""
LONGEST_CELL = 300


@dataclass(frozen=True)
class Table:
    """Cells as they are shown."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: frozenset[int] = frozenset()
    """Columns set flush right."""
    folded: bool = False
    """Shown on request only: the numbers behind a figure."""
    summary: str = "All numbers"
    """What a folded table is opened by."""

    @classmethod
    def of(cls, frame: pd.DataFrame, caption: str, *, folded: bool = False) -> Table:
        """Any tidy table, with its columns' own names."""
        shown = frame.head(MOST_ROWS)
        if len(shown) < len(frame):
            caption = f"{caption} The first {count(len(shown))} of {count(len(frame))} rows."
        return cls(
            caption=caption,
            columns=tuple(title(str(column)) for column in frame.columns),
            rows=tuple(tuple(cell(value) for value in row) for row in shown.itertuples(index=False)),
            numeric=frozenset(i for i, kind in enumerate(frame.dtypes) if getattr(kind, "kind", "O") in "iuf"),
            folded=folded,
        )


@dataclass(frozen=True)
class Drawing:
    """A figure and the words under it."""

    svg: str
    caption: str

    @property
    def anchor(self) -> str:
        """Its name on the page."""
        found = re.search(r' aria-labelledby="(\S+)-title ', self.svg)
        return found[1] if found else ""

    @property
    def title(self) -> str:
        """What it shows, as a reader is told who does not see it."""
        found = re.search(r"<title[^>]*>(.*?)</title>", self.svg, flags=re.DOTALL)
        return html.unescape(found[1]) if found else ""

    def _repr_html_(self) -> str:
        """The drawing with its caption, for notebooks."""
        from reports.export.notebook import framed

        return framed(self)


@dataclass(frozen=True)
class Part:
    """One label column's share of a section, or the section's only part."""

    heading: str | None = None
    sentences: tuple[str, ...] = ()
    drawings: tuple[Drawing, ...] = ()
    tables: tuple[Table, ...] = ()
    cards: tuple[Card, ...] = ()
    explorer: Explorer | None = None
    """Of the cards."""
    notes: tuple[str, ...] = ()
    """What the question means and how it was put: smaller, under the answer."""
    see: str = ""
    """Anchor of the section that shows the numbers."""


@dataclass(frozen=True)
class Section:
    """A heading, the answer in a sentence or two, then what it rests on."""

    title: str
    anchor: str
    verdict: tuple[str, ...]
    parts: tuple[Part, ...] = ()
    notes: tuple[str, ...] = ()
    """What to keep in mind while reading it."""


@dataclass(frozen=True)
class Answer:
    """The first screen's block on one label column."""

    task: str
    score: str
    """The main number, large; empty where there is none."""
    headline: str
    sentences: tuple[str, ...]
    standing: str
    """A few words: how it stands against the floors."""
    good: bool | None
    """True above every floor, False not; None where no floor was measured."""
    drawings: tuple[Drawing, ...] = ()


def cell(value: Any) -> str:
    """A value of a table as text."""
    if value is None or (isinstance(value, float) and math.isnan(value)) or str(value) == "<NA>":
        return MISSING
    if isinstance(value, bool) or type(value).__name__ == "bool":
        return "yes" if value else "no"
    if isinstance(value, float):
        return decimal(float(value), 4)
    return clean(str(value), LONGEST_CELL)


def columns(*names: str, numeric: Sequence[str] = ()) -> dict[str, Any]:
    """Keywords of a `Table`: its column names, and which of them hold numbers."""
    return {"columns": names, "numeric": frozenset(names.index(each) for each in numeric)}
