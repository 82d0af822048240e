"""CSV, TSV and related files as columns: the separator that explains the header, and notes on doubtful content."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from probes.checks import InputError, short_repr, unknown_name_message
from probes.loading.dialects import NUMBER, Dialect, replace_inner_returns, restore
from probes.loading.parsing import (
    SEPARATORS,
    Cells,
    ParsedFile,
    check_parsed,
    choose_quoting,
    parse,
    row_like_lines,
    unlimited_fields,
)

SEPARATOR_NAMES = {"comma": ",", "tab": "\t", "\\t": "\t", "semicolon": ";", "pipe": "|"}
"""Names of separators on a command line."""


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
    with unlimited_fields():
        dialect, header = _choose_separator(text, source, request.required, separator, usual_separator)
        dialect = replace(dialect, carriage_return=placeholders.get("\r", "\r"))
        columns = [column for column in request.all if column in request.required or column in header]
        parsed = choose_quoting(text, dialect, header, columns, request.labels)
        check_parsed(parsed, source, header, n_skipped_lines)
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
        raise InputError(f"a separator must be one character, or one of {names}; found {name!r}")
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
    values = parse(text, dialect, header, list(dict.fromkeys(header))).columns
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
        return f"; its fields seem to be separated by {rare_separator!r}; name it with --separator"
    first_line = text.split("\n", 1)[0]
    counts = {name: first_line.count(usual) for usual, name in SEPARATORS.items() if usual != separator}
    likely = max(counts, key=lambda name: counts[name])
    return f"; its fields seem to be separated by {likely}; name it with --separator" if counts[likely] else ""


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
    for row_location, n_row_like in row_like_lines(parsed, header, labels):
        location = replace(row_location, line=row_location.line + n_skipped_lines)
        extent = f"{location} of {source} spans {location.n_lines} lines, of which {n_row_like} look like rows of"
        if 2 * n_row_like > location.n_lines:
            raise InputError(f"{extent} their own; add the missing quote, or remove a stray one")
        notes.append(f"{extent[0].upper()}{extent[1:]} their own; a quote may be missing.")
    return notes


def _backslash_notes(dialect: Dialect, text: str, source: object) -> list[str]:
    """Return a note where all backslashes are doubled, as where they escape, and were read as ordinary characters."""
    if dialect.quoting == "escaped":
        return []
    runs = re.findall(r"\\+", text)
    if not runs or any(len(run) % 2 for run in runs):
        return []
    return [f"All backslashes in {source} are doubled, as if they were escaped; they were read unchanged."]


def _single_quote_notes(columns: Cells, source: object) -> list[str]:
    """Return notes on columns whose fields are in single quotes, as some databases write them."""
    notes = []
    for column, values in columns.items():
        filled = [value for value in values if value]
        inner = [value[1:-1] for value in filled if len(value) > 1 and value[0] == value[-1] == "'"]
        if inner and (len(inner) == len(filled) or any("''" in value for value in inner)):
            notes.append(
                f"{len(inner):,} fields of column {column!r} of {source} are in single quotes, which were read as "
                "part of the fields."
            )
    return notes


def _header_notes(cells: Cells, request: RequestedColumns, source: object) -> list[str]:
    """Return a note where the names of the columns look like a row of data."""
    label_columns = [name for name in request.required if name in request.labels]
    if not _is_data(label_columns, cells) or not any(map(_is_sentence, request.required)):
        return []
    return [f"The first row of {source} looks like data; it was read as the names of the columns."]
