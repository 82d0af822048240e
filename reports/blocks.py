"""Elements of a page as frozen values, in words and SVG, not yet HTML."""

from __future__ import annotations

import html
import itertools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from reports.framing import framed
from reports.text.wording import MISSING, clean, count, decimal, listing, plural, title

if TYPE_CHECKING:
    import pandas as pd

    from probes.results.result import Attribution

MOST_ROWS = 500
"""Rows of an unknown table that the page shows; the CSV file holds the rest."""
LONGEST_CELL = 300
MOST_HEADS = 2
"""Heads whose decisions on a text are shown one below the other."""
MOST_NAMED = 4
"""Tables that the text which opens them together names."""


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
    """Text that opens a folded table."""
    badge: int | None = None
    """Column of outcomes, each shown as a badge; the rows are then set close."""
    cards: bool = False
    """Shown on a phone as a card for each row, so that nothing scrolls sideways."""

    @classmethod
    def of(cls, frame: pd.DataFrame, caption: str, *, folded: bool = False) -> Table:
        """Return any tidy table as it is, with its own column names."""
        first_rows = frame.head(MOST_ROWS)
        if len(first_rows) < len(frame):
            caption = f"{caption} The first {count(len(first_rows))} of {count(len(frame))} rows."
        return cls(
            caption=caption,
            columns=tuple(title(str(column)) for column in frame.columns),
            rows=tuple(tuple(cell(value) for value in row) for row in first_rows.itertuples(index=False)),
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
        match = re.search(r' aria-labelledby="(\S+)-title ', self.svg)
        return match[1] if match else ""

    @property
    def title(self) -> str:
        """Title of the drawing for readers who do not see it."""
        match = re.search(r"<title[^>]*>(.*?)</title>", self.svg, flags=re.DOTALL)
        return html.unescape(match[1]) if match else ""

    def _repr_html_(self) -> str:
        """Return the drawing with its caption, for notebooks."""
        return framed(self.svg, self.caption)


@dataclass(frozen=True)
class LegendEntry:
    """A line of the legend of a row of panels."""

    key: str
    """Name of its colour in the style sheet, such as `cls` or `mean`."""
    name: str
    line: str = ""
    """How the line is broken: `dashed` or `dotted`; empty for a whole line."""
    block: bool = False
    """Whether it is a shade of a heat map, not a line."""


@dataclass(frozen=True)
class Panels:
    """Drawings of one quantity side by side on one scale, one for each label column."""

    drawings: tuple[Drawing, ...]
    """The caption of each is its heading: empty where there is only one."""
    caption: str
    """Text below the row: the quantity with its unit, and how to read it."""
    legend: tuple[LegendEntry, ...] = ()
    small: bool = False
    """Whether the drawings are small, so that six stand side by side."""


@dataclass(frozen=True)
class Word:
    """A word or piece as it is shown."""

    text: str
    gap: str
    """Characters between the word before it and this one."""
    score: str
    shade: str
    """`p1` to `p8` for the explained class, `n1` to `n8` against it, empty near zero, `special` for a special token,
    `cut` for what was not read."""


@dataclass(frozen=True)
class OutputBar:
    """Positions from 0 to 100 on the range of all outputs of a page, which holds zero."""

    zero: float
    baseline: float
    output: float
    description: str


@dataclass(frozen=True)
class Entry:
    """A head's decision on a card's text for one class: as it is explained first, and from where else it was."""

    head: str
    output: str
    """Name of the explained output, `probability of`; empty for logits."""
    target: str
    against: str
    """Class whose output is subtracted; empty where there is none."""
    words: tuple[Word, ...]
    """Empty where states are explained: they are no words."""
    pieces: tuple[Word, ...]
    """Where states are explained; the subword tokens of a text are in the explorer's data."""
    states: str
    """Name of the token states that the pieces stand for; empty where they are the input's tokens."""
    strongest: str
    sums: str
    """Method, baseline, steps, convergence delta, and the sum of the scores beside the difference that they explain."""
    predicted: str
    probability: str
    correct: bool | None
    converged: bool
    truncated: bool
    """Something was not read that the words do not show."""
    attributions: tuple[Attribution, ...]
    """The attribution that is shown first, then those by other layers, poolings, methods and baselines."""
    word_rows: tuple[int, ...]
    """Rows, among the words of each attribution, of those in `words` that have a score."""
    by_layer: str = ""
    """Prediction of the probe of each layer, where several layers are explained."""
    bar: OutputBar | None = None
    """Output at the baseline and at the text."""


@dataclass(frozen=True)
class Card:
    """One text with its label, its predictions and their explanations."""

    number: str
    """Row of the test split; empty where it is not known."""
    label: str
    predicted: str
    probability: str
    correct: bool | None
    certainty: float
    entries: tuple[Entry, ...]
    text: str = ""
    """The text as it is, where no entry shows its words."""
    agreement: str = ""
    """How alike the two heads rank its tokens."""
    delta: float = 0.0
    """The largest |convergence delta|."""
    depth: int | None = None
    """Prediction depth of the pooling that is explained."""
    task: str = ""
    """Name of the label column; empty where the page has only one."""
    task_number: int = 0
    anchor: str = ""
    """Name of the row on the page."""


@dataclass(frozen=True)
class Explorer:
    """The choices that the reader of the explained texts has, and the scores behind them."""

    data: str
    """JSON without `<`: nothing in it can end the element that holds it."""
    scale: str
    """Score with the fullest colour, with its unit."""
    contrast_scale: str
    """The same for differences of two classes, where they are explained beside single classes; else empty."""
    tasks: tuple[str, ...]
    """Label columns; here and below empty where there is nothing to choose."""
    labels: tuple[str, ...]
    """True classes, as the cards name them."""
    predicted: tuple[str, ...]
    """Classes that any of the explained layers predicts."""
    targets: tuple[str, ...]
    """Classes and differences of classes that are explained for one decision."""
    has_contrasts: bool
    """Whether errors are explained by the predicted class minus the true one."""
    heads: tuple[str, ...]
    """Heads that decide."""
    poolings: tuple[str, ...]
    methods: tuple[str, ...]
    baselines: tuple[str, ...]
    has_layers: bool
    """Whether a decision is explained at several layers."""
    has_depth: bool
    """Whether the prediction depth of the texts is known."""

    @property
    def one_head(self) -> bool:
        """Whether the decision of one head is shown at first, as there are too many for one text."""
        return len(self.heads) > MOST_HEADS


@dataclass(frozen=True)
class Part:
    """One label column's share of a section, or the section's only part."""

    heading: str | None = None
    sentences: tuple[str, ...] = ()
    drawings: tuple[Drawing, ...] = ()
    tables: tuple[Table, ...] = ()
    cards: tuple[Card, ...] = ()
    explorer: Explorer | None = None
    """Explorer of the cards."""
    notes: tuple[str, ...] = ()
    """Meaning of the question and how it was measured: smaller, under the answer."""
    see: str = ""
    """Anchor of the section that shows the numbers."""
    panels: tuple[Panels, ...] = ()
    """Rows of small drawings, above the tables."""
    summary: str = ""
    """Text that opens the part; empty where it is open from the beginning."""

    @property
    def fold(self) -> str:
        """Text that opens its tables together; empty where one of them is open, or there is only one."""
        if len(self.tables) < 2 or not all(table.folded for table in self.tables):
            return ""
        return joined_summaries([table.summary for table in self.tables])


@dataclass(frozen=True)
class Section:
    """A heading, the answer in a sentence or two, then what it rests on."""

    title: str
    anchor: str
    verdict: tuple[str, ...]
    parts: tuple[Part, ...] = ()
    notes: tuple[str, ...] = ()
    """Notes that a reader should keep in mind."""
    tag: str = ""
    """Count of what it holds, beside its name in the contents, as in `48` texts or `12/15` checks."""
    folded: bool = False
    """Shown with its title and its answer alone until it is opened: details that few readers need."""


@dataclass(frozen=True)
class Badge:
    """A verdict in one or two words."""

    text: str
    tone: Literal["good", "poor", "none"]
    """Colour: `good` and `poor` for verdicts, `none` where nothing was decided."""
    reason: str = ""
    """Why, in a few words; empty where the numbers of the row say it."""


@dataclass(frozen=True)
class SummaryCell:
    """A number of the summary's table: large, with its interval beside it and a note on a line of its own."""

    value: str
    interval: str = ""
    note: str = ""
    """Name of what it is compared with, or the reason why there is no number."""
    see: str = ""
    """Anchor of the section that says more, to which the note links."""
    svg: str = ""
    """A drawing on one line, instead of a number."""

    @property
    def is_missing(self) -> bool:
        """Whether it holds nothing but a dash, so that a card leaves it out."""
        return self.value == MISSING and not self.note


@dataclass(frozen=True)
class SummaryRow:
    """A label column or a head in the summary's table; on a phone it is a card."""

    name: str
    badge: Badge | None
    lines: tuple[str, ...]
    """Smaller text under the name, such as an example and the class names."""
    cells: tuple[SummaryCell, ...]
    """A cell for each column."""
    group: str = ""
    """Heading above the row, of it and those after it; empty where it belongs to the row before."""


@dataclass(frozen=True)
class SummaryTable:
    """A further table of the summary; on a phone each row is a card."""

    columns: tuple[str, ...]
    rows: tuple[SummaryRow, ...]
    caption: str
    """Sentence below the table."""


@dataclass(frozen=True)
class CheckCount:
    """How many times a check of the attributions was passed."""

    name: str
    passed: int
    total: int
    failed: str = ""
    """Label columns, or another subject, for which it was not passed."""


@dataclass(frozen=True)
class Caveat:
    """Limitation that a reader must know before using a number."""

    kind: Literal["data", "model", "statistics", "attribution"]
    sentence: str
    short: str = ""
    """The same in a few words, for the summary; empty where the number of caveats must do."""
    mend: str = ""
    """Flag or step that mends it; empty where there is none."""
    see: str = ""
    """Anchor of the section that it is about."""


@dataclass(frozen=True)
class Summary:
    """The first screen: takeaway, a table with a row for each label column or head, one row of panels, and checks."""

    takeaway: tuple[str, ...]
    """One or two sentences that answer the question of the title."""
    columns: tuple[str, ...] = ()
    """Headings of the table, that of the names first."""
    rows: tuple[SummaryRow, ...] = ()
    panels: tuple[Panels, ...] = ()
    drawings: tuple[Drawing, ...] = ()
    tables: tuple[Table, ...] = ()
    """Small tables beside the panels, where there is room for them."""
    further: tuple[SummaryTable, ...] = ()
    """Tables below the first one, such as what differs between the runs of a comparison."""
    checks: tuple[CheckCount, ...] = ()
    guide: tuple[str, ...] = ()
    """How to read the numbers: folded."""


def joined_summaries(summaries: Sequence[str]) -> str:
    """Return one text for several tables: `All 21 probes for number and agreement`."""
    unique = list(dict.fromkeys(summaries))
    if len(unique) == 1:
        return f"{unique[0]} ({plural(len(summaries), 'table')})"
    columns_of_words = zip(*(summary.split(" ") for summary in unique), strict=False)
    shared_words = [words[0] for words in itertools.takewhile(lambda words: len(set(words)) == 1, columns_of_words)]
    prefix = "".join(f"{word} " for word in shared_words)
    if prefix and len(unique) <= MOST_NAMED:
        return prefix + listing(summary.removeprefix(prefix) for summary in unique)
    return f"{unique[0]}, and {plural(len(summaries) - 1, 'more table')}"


def cell(value: Any) -> str:
    """Return a value of a table as text."""
    if value is None or (isinstance(value, float) and math.isnan(value)) or str(value) == "<NA>":
        return MISSING
    if isinstance(value, bool) or type(value).__name__ == "bool":
        return "yes" if value else "no"
    if isinstance(value, float):
        return decimal(float(value), 4)
    return clean(str(value), LONGEST_CELL)


def columns(*names: str, numeric: Sequence[str] = ()) -> dict[str, Any]:
    """Return keywords of a `Table`: its column names, and the positions of those that hold numbers."""
    return {"columns": names, "numeric": frozenset(names.index(name) for name in numeric)}
