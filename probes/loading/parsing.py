"""Rows of a delimited file: parsed with the way of quoting that explains them, or refused."""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from probes.checks import InputError
from probes.loading.dialects import (
    Dialect,
    Placeholders,
    escapes_quotes,
    quotes_by_rule,
    replace_escapes,
    restore,
)

SEPARATORS = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "vertical bars"}
"""Separators of fields -> their names in messages."""
MAX_FIELD_SIZE = 2**31 - 1
MAX_EXAMPLES = 3
"""Rows that a message names at most."""

Cells = dict[str, list[str | None]]
"""Column -> (rows,) cells; None where a row ends before the column."""


@dataclass(frozen=True)
class Location:
    """Position of a row in a file."""

    row: int
    """Number of the row, from 1 after the header, blank lines not counted."""
    line: int
    """Number of its first line, from 1."""
    n_lines: int = 1

    def __str__(self) -> str:
        return f"row {self.row} (line {self.line})"


@dataclass
class ParsedFile:
    """A file as one dialect reads it, and the rows that the dialect cannot explain."""

    dialect: Dialect
    columns: Cells
    broken_quote: tuple[Location, bool] | None = None
    """Row whose quotes do not match, and whether the file ends inside it."""
    long_rows: list[tuple[Location, int]] = field(default_factory=list)
    """Rows with more fields than the header, and their numbers of fields."""
    n_uneven_rows: int = 0
    """Number of rows with fewer fields than the header, or more that are empty."""
    multiline_rows: list[tuple[Location, list[str]]] = field(default_factory=list)
    """Rows of more than one line, and their fields."""

    @property
    def is_readable(self) -> bool:
        """Whether quotes match and no row has more fields than the header."""
        return self.broken_quote is None and not self.long_rows


def choose_quoting(
    text: str,
    dialect: Dialect,
    header: list[str],
    columns: Sequence[str],
    labels: Sequence[str],
) -> ParsedFile:
    """Parse with the first way of quoting that explains every row; else with one that can read all of them."""
    attempts: list[ParsedFile] = []
    candidates = _quoting_candidates(text, dialect)
    for quoting in candidates:
        parsed = parse(text, replace(dialect, quoting=quoting), header, columns)
        explains_all = parsed.is_readable and not parsed.n_uneven_rows
        if explains_all and (len(candidates) == 1 or not row_like_lines(parsed, header, labels)):
            return parsed
        attempts.append(parsed)
    return next((parsed for parsed in attempts if parsed.is_readable), attempts[0])


def _quoting_candidates(text: str, dialect: Dialect) -> list[str]:
    """Return the ways of quoting to try, the most likely first."""
    is_tabular = dialect.separator == "\t"
    if '"' not in text and "\\" not in text:
        return ["none"]
    if escapes_quotes(text, dialect):
        return ["escaped", "doubled", "none"] if is_tabular else ["escaped", "doubled"]
    if not is_tabular:
        return ["doubled", "escaped"]
    return ["doubled", "none", "escaped"] if quotes_by_rule(text) else ["none", "escaped", "doubled"]


def parse(
    text: str,
    dialect: Dialect,
    header: list[str],
    columns: Sequence[str],
) -> ParsedFile:
    """Parse with one dialect, and list the rows that it cannot explain."""
    placeholders: Placeholders = {}
    if dialect.quoting == "escaped":
        text, placeholders = replace_escapes(text, dialect)
    parsed = ParsedFile(dialect, {column: [] for column in columns})
    indices = [(header.index(column), parsed.columns[column]) for column in columns]
    width = len(header)
    reader = dialect.reader(text)
    is_header = True
    row = 0
    last_line = 0
    try:
        for cells in reader:
            first_line = last_line + 1
            last_line = reader.line_num
            is_blank = not cells or (len(cells) == 1 < width and not cells[0].strip())
            if is_blank:
                continue
            if is_header:
                is_header = not any(cells)
                continue
            row += 1
            if last_line > first_line:
                location = Location(row, first_line, last_line - first_line + 1)
                parsed.multiline_rows.append((location, cells))
            if len(cells) != width:
                parsed.n_uneven_rows += 1
                if any(cells[width:]):
                    parsed.long_rows.append((Location(row, first_line), len(cells)))
                cells = [*cells, *[None] * (width - len(cells))]
            for index, values in indices:
                values.append(cells[index])
    except csv.Error as error:
        end = max(reader.line_num, last_line + 1)
        location = Location(row + 1, last_line + 1, end - last_line)
        parsed.broken_quote = location, "end of data" in str(error)
    parsed.columns = {column: restore(values, placeholders) for column, values in parsed.columns.items()}
    return parsed


def check_parsed(
    parsed: ParsedFile,
    source: object,
    header: list[str],
    n_skipped_lines: int,
) -> None:
    """Raise where quotes do not match, or a row has more fields than the header."""
    if parsed.broken_quote:
        location, is_at_end = parsed.broken_quote
        location = replace(location, line=location.line + n_skipped_lines)
        fault = _quote_fault(location.n_lines, is_at_end)
        raise InputError(
            f"{source}: in {location} {fault}. Write a quote inside a quoted field twice, or remove a stray one"
        )
    if parsed.long_rows:
        examples = []
        for location, n_fields in parsed.long_rows[:MAX_EXAMPLES]:
            location = replace(location, line=location.line + n_skipped_lines)
            examples.append(f"{location} has {n_fields}")
        count = len(parsed.long_rows)
        name = SEPARATORS.get(parsed.dialect.separator, repr(parsed.dialect.separator))
        raise InputError(
            f"{source}: {count:,} row{'s have' if count > 1 else ' has'} more fields than the header ({len(header)}), "
            f"separated by {name}: {', '.join(examples)}{' and others' if count > MAX_EXAMPLES else ''}; "
            f"{_long_row_advice(parsed, header, name)}"
        )


def _quote_fault(n_lines: int, is_at_end: bool) -> str:
    """Return what is wrong with a quote, as the rest of a sentence."""
    if is_at_end:
        rest = f"{n_lines:,} lines, the rest of the file" if n_lines > 1 else "the last line of the file"
        return f"a quote opens a field that is never closed, so that the field would be {rest}"
    distance = f"{n_lines} lines on, " if n_lines > 1 else ""
    return f"a quote opens a field, and {distance}text follows the quote that closes it"


def _long_row_advice(parsed: ParsedFile, header: list[str], separator_name: str) -> str:
    n_rows = len(next(iter(parsed.columns.values())))
    all_have_one_more = {n_fields for _, n_fields in parsed.long_rows} == {len(header) + 1}
    if len(parsed.long_rows) == n_rows and all_have_one_more:
        return "the header seems to lack a name, such as that of the row names written by R"
    return f"quote texts that contain {separator_name}"


def row_like_lines(
    parsed: ParsedFile,
    header: list[str],
    labels: Sequence[str],
) -> list[tuple[Location, int]]:
    """Return rows of several lines, and how many of their lines have a row's fields and labels of other rows."""
    if not parsed.multiline_rows or not labels:
        return []
    label_values = {}
    for label in labels:
        distinct = set(parsed.columns[label])
        label_values[header.index(label)] = {value.strip() for value in distinct if value and value.strip()}

    def is_row_like(cells: list[str]) -> bool:
        if len(cells) != len(header):
            return False
        return all(cells[index].strip() in values for index, values in label_values.items())

    suspects = []
    for location, cells in parsed.multiline_rows:
        # The lines as they are in the file: a quote that is missing put whole rows into one field.
        lines = parsed.dialect.separator.join(cell or "" for cell in cells)
        lines = lines.replace('"', "").replace("\r", "")
        n_row_like = sum(map(is_row_like, parsed.dialect.reader(lines, strict=False)))
        if n_row_like > 1:
            suspects.append((location, n_row_like))
    return suspects


@contextlib.contextmanager
def unlimited_fields() -> Iterator[None]:
    """Let the standard library's reader take fields of any length."""
    limit = csv.field_size_limit(MAX_FIELD_SIZE)
    try:
        yield
    finally:
        csv.field_size_limit(limit)
