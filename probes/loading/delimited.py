"""CSV, TSV and their kin as columns: separator and quoting are those that explain the file, or it is refused."""

from __future__ import annotations

import contextlib
import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from probes.checks import InputError, short_repr, unknown
from probes.loading.dialects import (
    NUMBER,
    Dialect,
    escapes_quotes,
    quotes_by_rule,
    restore,
    without_escapes,
    without_lone_returns,
)

SEPARATORS = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "vertical bars"}
"""Separators of fields, with their names in messages."""
SEPARATOR_NAMES = {"comma": ",", "tab": "\t", "\\t": "\t", "semicolon": ";", "pipe": "|"}
"""Names of separators on a command line."""
LONGEST_FIELD = 2**31 - 1
EXAMPLES = 3
"""Bad rows that a message shows."""


@dataclass(frozen=True)
class Place:
    """Where a row stands."""

    row: int
    """Counted from 1 after the header, blank lines left out."""
    line: int
    """First line, counted from 1."""
    lines: int = 1

    def __str__(self) -> str:
        return f"row {self.row} (line {self.line})"


@dataclass
class Parsed:
    """A file as one dialect reads it."""

    dialect: Dialect
    columns: dict[str, list[str | None]]
    """The columns to read; None where a row ends before."""
    unclosed: tuple[Place, bool] | None = None
    """The row whose quotes do not add up, and whether the file ends inside it."""
    long: list[tuple[Place, int]] = field(default_factory=list)
    """Rows with more fields than the header, and how many."""
    uneven: int = 0
    """Rows with fewer fields than the header, or more that are empty."""
    several_lines: list[tuple[Place, list[str]]] = field(default_factory=list)
    """Rows that take more than one line."""


def read_delimited(
    text: str,
    source: object,
    columns: Sequence[str],
    *,
    optional: Sequence[str] = (),
    labels: Sequence[str],
    separator: str | None,
    usual: str,
) -> tuple[tuple[str, ...], dict[str, list[str | None]], list[str]]:
    """Read columns of a file with a header, all cells as text.

    Args:
        text: The file.
        source: The file's name in messages.
        columns: Those to read; all are needed.
        optional: Those to read where they exist.
        labels: Those of them in which a few values recur, by which swallowed rows are recognised.
        separator: Separator of fields; the one that explains the file when None.
        usual: Separator that a file of this name usually has.

    Returns:
        The names of all columns; the values of those to read, None where a row ends before; and notes.

    Raises:
        InputError: A column does not exist or stands twice, there are no rows, a row has more fields than the header,
            or quotes do not add up.
    """
    stated = re.match(r"sep=(.)\r?\n", text)  # Excel's own way to name it
    skipped = 1 if stated else 0
    text = text[stated.end() :] if stated else text
    text = text.replace("\r\r\n", "\r\n") if re.match("[^\r\n]*\r\r\n", text) else text
    text, stand_ins = without_lone_returns(text)
    with _long_fields():
        dialect, header = _choose_separator(text, source, columns, separator or (stated and stated[1]), usual)
        dialect = replace(dialect, carriage_return=stand_ins.get("\r", "\r"))
        present = [*columns, *(column for column in optional if column in header and column not in columns)]
        parsed = _choose_quoting(text, dialect, header, present, labels)
        _check_parsed(parsed, source, header, skipped)
    cells = {name: restore(values, stand_ins) for name, values in parsed.columns.items()}
    runs = re.findall(r"\\+", text) if parsed.dialect.quoting != "escaped" else []
    if not next(iter(cells.values())):
        raise InputError(f"{source} has a header and no rows")
    notes = _swallowed(parsed, source, header, labels, skipped)
    if runs and not any(len(run) % 2 for run in runs):
        notes.append(f"All backslashes in {source} are doubled, as where they escape; they were read as they stand.")
    notes += _single_quoted(cells, source)
    if _is_data([name for name in columns if name in labels], cells) and any(_is_sentence(name) for name in columns):
        notes.append(f"The first row of {source} looks like data; it was read as the names of the columns.")
    return tuple(header), cells, notes


def separator_of(name: str | None) -> str | None:
    """The separator that a user named.

    Raises:
        InputError: It is not one character that can separate fields.
    """
    if name is None:
        return None
    separator = SEPARATOR_NAMES.get(name, name)
    if len(separator) != 1 or separator in '"\\\r\n' or separator.isalnum():
        known = ", ".join(name for name in SEPARATOR_NAMES if name.isalpha())
        raise InputError(f"a separator is one character, or one of {known}; found {name!r}")
    return separator


def _choose_separator(
    text: str, source: object, columns: Sequence[str], separator: str | None, usual: str
) -> tuple[Dialect, list[str]]:
    """The separator with which the header names the columns, and the header."""
    candidates = [separator] if separator else list(dict.fromkeys([usual, *SEPARATORS]))
    headers: dict[Dialect, list[str]] = {}
    for candidate in candidates:
        for dialect in (Dialect(candidate), Dialect(candidate, spaced=True)):
            header: list[str] = next((row for row in dialect.reader(text, strict=False) if any(row)), [])
            headers[dialect] = header
            if all(column in header for column in columns):
                for column in columns:
                    if header.count(column) > 1:
                        raise InputError(f"{source}: {header.count(column)} columns are called {column!r}; rename one")
                return dialect, header
    dialect = max(headers, key=lambda dialect: len(headers[dialect]))
    names = headers[dialect]
    column = next(column for column in columns if column not in names)
    shown = [short_repr(name, 60) if not name or "\n" in name else name for name in names]
    message = f"{source}: {unknown('column', column, shown)}"
    if any("\n" in name for name in names):
        message += "; a quote in the header may be missing"
    others = {name: text.split("\n", 1)[0].count(other) for other, name in SEPARATORS.items() if other != separator}
    other = _other_separator(names[0], columns) if len(names) == 1 else None
    if other is not None:
        message += f"; its fields seem to be separated by {other!r}, name it with --separator"
    elif len(names) == 1 and max(others.values()):
        message += f"; its fields seem to be separated by {max(others, key=lambda name: others[name])}, see --separator"
    values = _parse(text, dialect, names, list(dict.fromkeys(names))).columns
    if _is_data(names, values) or any(map(_is_sentence, names)) or any(map(NUMBER.fullmatch, names)):
        message += "; its first row looks like data: put a line with the names of the columns before it"
    raise InputError(message)


def _other_separator(header: str, columns: Sequence[str]) -> str | None:
    """The character that parts a header into names, among them all columns."""
    for candidate in dict.fromkeys(character for character in header if not character.isalnum()):
        if candidate not in SEPARATORS and set(columns) <= set(header.split(candidate)):
            return candidate
    return None


def _is_data(names: Sequence[str], columns: dict[str, list[str | None]]) -> bool:
    """Whether the name of a column is one of its values too."""
    return any(name and name in columns.get(name, ())[:1000] for name in names)


def _is_sentence(name: str) -> bool:
    return len(name.split()) > 3


def _choose_quoting(
    text: str, dialect: Dialect, header: list[str], columns: Sequence[str], labels: Sequence[str]
) -> Parsed:
    """The first way of quoting that explains every row; the first of all where none does."""
    tab = dialect.separator == "\t"
    if '"' not in text and "\\" not in text:
        order = ["none"]
    elif escapes_quotes(text, dialect):
        order = ["escaped", "doubled", "none"] if tab else ["escaped", "doubled"]
    elif not tab:
        order = ["doubled", "escaped"]
    elif quotes_by_rule(text):
        order = ["doubled", "none", "escaped"]
    else:
        order = ["none", "escaped", "doubled"]
    tries: list[Parsed] = []
    for quoting in order:
        parsed = _parse(text, replace(dialect, quoting=quoting), header, columns)
        explains = not (parsed.unclosed or parsed.long)
        if explains and not parsed.uneven and not (len(order) > 1 and _row_like_lines(parsed, header, labels)):
            return parsed
        tries.append(parsed)
    return next((parsed for parsed in tries if not (parsed.unclosed or parsed.long)), tries[0])


def _parse(text: str, dialect: Dialect, header: list[str], columns: Sequence[str]) -> Parsed:
    """Read with one dialect; rows that it cannot explain are kept apart."""
    stand_ins: dict[str, str] = {}
    if dialect.quoting == "escaped":
        text, stand_ins = without_escapes(text, dialect)
    reader = dialect.reader(text)
    indices = {column: header.index(column) for column in columns}
    parsed = Parsed(dialect, {column: [] for column in columns})
    appends = [(index, parsed.columns[column].append) for column, index in indices.items()]
    width = len(header)
    is_header = True
    row = 0
    last = 0
    try:
        for cells in reader:
            line, last = last + 1, reader.line_num
            if not cells or (len(cells) == 1 < width and not cells[0].strip()):
                continue
            if is_header:
                is_header = not any(cells)
                continue
            row += 1
            if last > line:
                parsed.several_lines.append((Place(row, line, last - line + 1), cells))
            if len(cells) > width and any(cells[width:]):
                parsed.long.append((Place(row, line), len(cells)))
            parsed.uneven += len(cells) != width
            if len(cells) < width:
                cells = [*cells, *[None] * (width - len(cells))]
            for index, append in appends:
                append(cells[index])
    except csv.Error as error:
        end = max(reader.line_num, last + 1)
        parsed.unclosed = Place(row + 1, last + 1, end - last), "end of data" in str(error)
    parsed.columns = {column: restore(values, stand_ins) for column, values in parsed.columns.items()}
    return parsed


def _single_quoted(columns: dict[str, list[str | None]], source: object) -> list[str]:
    """Notes on columns whose fields stand in single quotes, as some databases write them."""
    notes = []
    for column, values in columns.items():
        filled = [value for value in values if value]
        inside = [value[1:-1] for value in filled if len(value) > 1 and value[0] == value[-1] == "'"]
        if inside and (len(inside) == len(filled) or any("''" in value for value in inside)):
            notes.append(
                f"{len(inside):,} fields of column {column!r} of {source} stand in single quotes, which were read as "
                "characters of the fields."
            )
    return notes


def _check_parsed(parsed: Parsed, source: object, header: list[str], skipped: int) -> None:
    """Raise where a row has more fields than the header, or quotes do not add up."""
    if parsed.unclosed:
        place, at_end = parsed.unclosed
        place = replace(place, line=place.line + skipped)
        where = f"{place.lines} lines on, " if place.lines > 1 else ""
        rest = f"{place.lines:,} lines, the rest of the file" if place.lines > 1 else "the last line of the file"
        fault = (
            f"a quote opens a field that is never closed, so that the field would be {rest}"
            if at_end
            else f"a quote opens a field, and {where}text follows the quote that closes it"
        )
        raise InputError(
            f"{source}: in {place} {fault}. Write a quote inside a quoted field twice, or take a stray one out"
        )
    if parsed.long:
        shown = ", ".join(
            f"{replace(place, line=place.line + skipped)} has {fields}" for place, fields in parsed.long[:EXAMPLES]
        )
        name = SEPARATORS.get(parsed.dialect.separator, repr(parsed.dialect.separator))
        count = len(parsed.long)
        remedy = f"quote texts that hold {name}"
        if count == len(next(iter(parsed.columns.values()))) and {n for _, n in parsed.long} == {len(header) + 1}:
            remedy = "the header seems to lack a name, as that of the row names which R writes"
        raise InputError(
            f"{source}: {count:,} row{'s have' if count > 1 else ' has'} more fields than the header ({len(header)}), "
            f"separated by {name}: {shown}{' and others' if count > EXAMPLES else ''}; {remedy}"
        )


def _swallowed(parsed: Parsed, source: object, header: list[str], labels: Sequence[str], skipped: int) -> list[str]:
    """Notes on fields that hold lines which look like rows.

    Raises:
        InputError: Most lines of a field look like rows.
    """
    notes = []
    for place, like in _row_like_lines(parsed, header, labels):
        place = replace(place, line=place.line + skipped)
        spans = f"{place} of {source} spans {place.lines} lines, of which {like} look like rows of their own"
        if 2 * like > place.lines:
            raise InputError(f"{spans}; is a quote missing, or one too many?")
        notes.append(f"{spans[0].upper()}{spans[1:]}; a quote may be missing.")
    return notes


def _row_like_lines(parsed: Parsed, header: list[str], labels: Sequence[str]) -> list[tuple[Place, int]]:
    """Rows of several lines, and how many lines of their fields have a row's fields and labels that other rows have."""
    if not parsed.several_lines or not labels:
        return []
    known = {}
    for label in labels:
        values = {value.strip() for value in set(parsed.columns[label]) if value and value.strip()}
        known[header.index(label)] = values
    swallowed = []
    for place, cells in parsed.several_lines:
        # As the lines stand in the file: in a field they all look like rows only where it swallowed these.
        lines = parsed.dialect.separator.join(cell or "" for cell in cells).replace('"', "").replace("\r", "")
        like = sum(
            len(row) == len(header) and all(row[index].strip() in values for index, values in known.items())
            for row in parsed.dialect.reader(lines, strict=False)
        )
        if like > 1:
            swallowed.append((place, like))
    return swallowed


@contextlib.contextmanager
def _long_fields() -> Iterator[None]:
    """Let the standard library's reader take fields of any length."""
    limit = csv.field_size_limit(LONGEST_FIELD)
    try:
        yield
    finally:
        csv.field_size_limit(limit)
