"""CSV, TSV and related files as columns: the separator and quoting that explain the file, or an error."""

from __future__ import annotations

import contextlib
import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from probes.checks import InputError, short_repr, unknown_name_message
from probes.loading.dialects import (
    NUMBER,
    Dialect,
    Placeholders,
    escapes_quotes,
    quotes_by_rule,
    replace_escapes,
    replace_inner_returns,
    restore,
)

SEPARATORS = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "vertical bars"}
"""Separators of fields -> their names in messages."""
SEPARATOR_NAMES = {"comma": ",", "tab": "\t", "\\t": "\t", "semicolon": ";", "pipe": "|"}
"""Names of separators on a command line."""
MAX_FIELD_SIZE = 2**31 - 1
MAX_EXAMPLES = 3
"""Rows that a message names at most."""

Cells = dict[str, list[str | None]]
"""Column -> (rows,) cells; None where a row ends before the column."""


@dataclass(frozen=True)
class RequestedColumns:
    """Columns to read of a file."""

    required: tuple[str, ...]
    optional: tuple[str, ...]
    """Columns to read where they exist."""
    labels: tuple[str, ...]
    """Those of the columns in which a few values recur, by which rows within a field are recognised."""

    @property
    def all(self) -> tuple[str, ...]:
        """Every column once."""
        return tuple(dict.fromkeys([*self.required, *self.optional]))


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


def read_delimited(
    text: str,
    source: object,
    request: RequestedColumns,
    *,
    separator: str | None,
    usual_separator: str,
) -> tuple[Cells, list[str]]:
    """Read columns of a file with a header, all cells as text.

    Args:
        text: Content of the file.
        source: Name of the file in messages.
        request: Columns to read.
        separator: Separator of fields; the one that explains the file when None.
        usual_separator: Separator that files of this type usually have.

    Returns:
        The cells of the columns, and notes.

    Raises:
        InputError: A required column does not exist or two columns have its name, there are no rows, a row has more
            fields than the header, or quotes do not match.
    """
    # Excel's own statement of the separator.
    statement = re.match(r"sep=(.)\r?\n", text)
    n_skipped_lines = 0
    if statement:
        separator = separator or statement[1]
        text = text[statement.end() :]
        n_skipped_lines = 1
    # Line ends that were converted twice.
    if re.match("[^\r\n]*\r\r\n", text):
        text = text.replace("\r\r\n", "\r\n")
    text, placeholders = replace_inner_returns(text)
    with _unlimited_fields():
        dialect, header = _choose_separator(text, source, request.required, separator, usual_separator)
        dialect = replace(dialect, carriage_return=placeholders.get("\r", "\r"))
        columns = [column for column in request.all if column in request.required or column in header]
        parsed = _choose_quoting(text, dialect, header, columns, request.labels)
        _check_parsed(parsed, source, header, n_skipped_lines)
    cells = {name: restore(values, placeholders) for name, values in parsed.columns.items()}
    if not next(iter(cells.values())):
        raise InputError(f"{source} has a header and no rows")
    notes = _row_like_notes(parsed, source, header, request.labels, n_skipped_lines)
    notes += _backslash_notes(parsed.dialect, text, source)
    notes += _single_quote_notes(cells, source)
    notes += _header_notes(cells, request, source)
    return cells, notes


def parse_separator(name: str | None) -> str | None:
    """Return the separator that a user names by itself or by its name.

    Raises:
        InputError: It is not one character that can separate fields.
    """
    if name is None:
        return None
    separator = SEPARATOR_NAMES.get(name, name)
    if len(separator) != 1 or separator in '"\\\r\n' or separator.isalnum():
        names = ", ".join(name for name in SEPARATOR_NAMES if name.isalpha())
        raise InputError(f"a separator is one character, or one of {names}; found {name!r}")
    return separator


# Separator


def _choose_separator(
    text: str,
    source: object,
    columns: Sequence[str],
    separator: str | None,
    usual_separator: str,
) -> tuple[Dialect, list[str]]:
    """Choose the separator with which the header contains the columns.

    Returns:
        The dialect, and the header.

    Raises:
        InputError: There is no such separator, or two columns have the same name.
    """
    separators = [separator] if separator else list(dict.fromkeys([usual_separator, *SEPARATORS]))
    headers: dict[Dialect, list[str]] = {}
    for candidate in separators:
        for dialect in (Dialect(candidate), Dialect(candidate, has_spaces=True)):
            header: list[str] = next((row for row in dialect.reader(text, strict=False) if any(row)), [])
            headers[dialect] = header
            if all(column in header for column in columns):
                _check_no_duplicates(columns, header, source)
                return dialect, header
    dialect = max(headers, key=lambda dialect: len(headers[dialect]))
    header = headers[dialect]
    raise InputError(f"{source}: {_missing_column_message(text, dialect, header, columns, separator)}")


def _check_no_duplicates(
    columns: Sequence[str],
    header: Sequence[str],
    source: object,
) -> None:
    for column in columns:
        n = header.count(column)
        if n > 1:
            raise InputError(f"{source}: {n} columns are called {column!r}; rename one")


def _missing_column_message(
    text: str,
    dialect: Dialect,
    header: list[str],
    columns: Sequence[str],
    separator: str | None,
) -> str:
    """Return the message for a header that lacks a column, with the most likely reason."""
    missing = next(column for column in columns if column not in header)
    visible_names = [short_repr(name, 60) if not name or "\n" in name else name for name in header]
    message = unknown_name_message("column", missing, visible_names)
    if any("\n" in name for name in header):
        message += "; a quote in the header may be missing"
    if len(header) == 1:
        message += _separator_advice(text, header[0], columns, separator)
    values = _parse(text, dialect, header, list(dict.fromkeys(header))).columns
    is_data = _is_data(header, values) or any(map(_is_sentence, header)) or any(map(NUMBER.fullmatch, header))
    if is_data:
        message += "; its first row looks like data: put a line with the names of the columns before it"
    return message


def _separator_advice(
    text: str,
    header: str,
    columns: Sequence[str],
    separator: str | None,
) -> str:
    """Return the part of a message on a header of one column that names a likely separator; empty if there is none."""
    rare_separator = _rare_separator(header, columns)
    if rare_separator is not None:
        return f"; its fields seem to be separated by {rare_separator!r}, name it with --separator"
    first_line = text.split("\n", 1)[0]
    counts = {name: first_line.count(usual) for usual, name in SEPARATORS.items() if usual != separator}
    likely = max(counts, key=lambda name: counts[name])
    return f"; its fields seem to be separated by {likely}, see --separator" if counts[likely] else ""


def _rare_separator(header: str, columns: Sequence[str]) -> str | None:
    """Return the character that divides a header into names which include all columns; None if there is none."""
    for character in dict.fromkeys(header):
        is_rare = not character.isalnum() and character not in SEPARATORS
        if is_rare and set(columns) <= set(header.split(character)):
            return character
    return None


def _is_data(names: Sequence[str], columns: Cells) -> bool:
    """Return whether the name of a column is one of its values too."""
    return any(name and name in columns.get(name, ())[:1000] for name in names)


def _is_sentence(name: str) -> bool:
    return len(name.split()) > 3


# Quoting


def _choose_quoting(
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
        parsed = _parse(text, replace(dialect, quoting=quoting), header, columns)
        explains_all = parsed.is_readable and not parsed.n_uneven_rows
        if explains_all and (len(candidates) == 1 or not _row_like_lines(parsed, header, labels)):
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


def _parse(
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


def _check_parsed(
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
            f"{source}: in {location} {fault}. Write a quote inside a quoted field twice, or take a stray one out"
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
        return "the header seems to lack a name, as that of the row names which R writes"
    return f"quote texts that hold {separator_name}"


# Notes


def _row_like_notes(
    parsed: ParsedFile,
    source: object,
    header: list[str],
    labels: Sequence[str],
    n_skipped_lines: int,
) -> list[str]:
    """Return notes on fields that hold lines which look like rows.

    Raises:
        InputError: Most lines of a field look like rows.
    """
    notes = []
    for row_location, n_row_like in _row_like_lines(parsed, header, labels):
        location = replace(row_location, line=row_location.line + n_skipped_lines)
        extent = f"{location} of {source} spans {location.n_lines} lines, of which {n_row_like} look like rows of"
        if 2 * n_row_like > location.n_lines:
            raise InputError(f"{extent} their own; is a quote missing, or one too many?")
        notes.append(f"{extent[0].upper()}{extent[1:]} their own; a quote may be missing.")
    return notes


def _row_like_lines(
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


def _backslash_notes(dialect: Dialect, text: str, source: object) -> list[str]:
    """Return a note where all backslashes are doubled, as where they escape, and were read as ordinary characters."""
    if dialect.quoting == "escaped":
        return []
    runs = re.findall(r"\\+", text)
    if not runs or any(len(run) % 2 for run in runs):
        return []
    return [f"All backslashes in {source} are doubled, as where they escape; they were read as they stand."]


def _single_quote_notes(columns: Cells, source: object) -> list[str]:
    """Return notes on columns whose fields are in single quotes, as some databases write them."""
    notes = []
    for column, values in columns.items():
        filled = [value for value in values if value]
        inner = [value[1:-1] for value in filled if len(value) > 1 and value[0] == value[-1] == "'"]
        if inner and (len(inner) == len(filled) or any("''" in value for value in inner)):
            notes.append(
                f"{len(inner):,} fields of column {column!r} of {source} stand in single quotes, which were read as "
                "characters of the fields."
            )
    return notes


def _header_notes(cells: Cells, request: RequestedColumns, source: object) -> list[str]:
    """Return a note where the names of the columns look like a row of data."""
    label_columns = [name for name in request.required if name in request.labels]
    if not _is_data(label_columns, cells) or not any(map(_is_sentence, request.required)):
        return []
    return [f"The first row of {source} looks like data; it was read as the names of the columns."]


@contextlib.contextmanager
def _unlimited_fields() -> Iterator[None]:
    """Let the standard library's reader take fields of any length."""
    limit = csv.field_size_limit(MAX_FIELD_SIZE)
    try:
        yield
    finally:
        csv.field_size_limit(limit)
