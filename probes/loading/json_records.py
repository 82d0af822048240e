"""JSON and JSON lines as columns: every value as it is written, so that neither numbers nor dates change."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from probes.checks import InputError

KIND_NAMES = {dict: "an object", list: "a list", str: "text", bool: "a boolean", int: "a number", float: "a number"}


class _ExtraDataError(InputError):
    """An error about text after a JSON value: the file holds JSON lines, or a fault."""


def kind_name(value: object) -> str:
    """Return the kind of a value for a message: `a list`, `a number`, ..."""
    return "nothing" if value is None else KIND_NAMES.get(type(value), type(value).__name__)


def read_records(
    text: str, source: object, columns: Sequence[str], *, lines: bool
) -> tuple[tuple[str, ...], dict[str, list[Any]]]:
    """Read columns of a file that holds an object a line, a list of objects, or one object of columns.

    Args:
        text: Content of the file.
        source: Name of the file in messages.
        columns: Columns to read, where they exist.
        lines: Whether a single object is a row; otherwise it is a table, column by column.

    Returns:
        The names of all columns; and column -> values, None where a row lacks one.

    Raises:
        InputError: It is not JSON, a row is not an object, or a name occurs twice in an object.
    """
    names: dict[str, None] = {}
    values: dict[str, list[Any]] = {column: [] for column in columns}
    for record in _records(text, source, lines):
        names.update(dict.fromkeys(record))
        for column, cells in values.items():
            cells.append(record.get(column))
    existing = {column: cells for column, cells in values.items() if column in names}
    return tuple(names), existing


def _records(
    text: str,
    source: object,
    lines: bool,
) -> Iterator[Mapping[str, Any]]:
    is_object_per_line = lines and text.lstrip().startswith("{")
    if not is_object_per_line:
        try:
            document = _parse(text, str(source))
        except _ExtraDataError:
            pass
        else:
            yield from _rows_of_document(document, source)
            return
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            record = _parse(line, f"{source}, line {number}")
            if not isinstance(record, dict):
                raise InputError(f"{source}: line {number} is {kind_name(record)}, not an object with named values")
            yield record


def _rows_of_document(document: Any, source: object) -> Iterator[Mapping[str, Any]]:
    if isinstance(document, list):
        return _rows_of_list(document, source)
    if isinstance(document, dict):
        return _rows_of_columns(document, source)
    raise InputError(f"{source} contains {kind_name(document)}, not objects with named values")


def _rows_of_list(rows: Iterable[Any], source: object) -> Iterator[Mapping[str, Any]]:
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise InputError(f"{source}: row {number} is {kind_name(row)}, not an object with named values")
        yield row


def _rows_of_columns(table: Mapping[str, Any], source: object) -> Iterator[Mapping[str, Any]]:
    """Yield the rows of {column: [value, ...]} or, as pandas writes it, {column: {row: value, ...}}."""
    cells: dict[str, list[Any]] = {}
    row_names = set()
    for name, column in table.items():
        if isinstance(column, list):
            cells[name] = column
        elif isinstance(column, dict):
            cells[name] = list(column.values())
            row_names.add(tuple(column))
    lengths = {len(column) for column in cells.values()}
    if len(cells) < len(table) or len(lengths) != 1 or len(row_names) > 1:
        content = ", ".join(f"{name!r} ({kind_name(value)})" for name, value in list(table.items())[:5])
        raise InputError(
            f"{source} contains one object with {content or 'nothing'}; write a list of objects, one object per line, "
            "or columns of one length"
        )
    for row in zip(*cells.values(), strict=True):
        yield dict(zip(cells, row, strict=True))


def _parse(text: str, location: str) -> Any:
    """Parse a JSON value; messages begin with the location."""
    try:
        return json.loads(text, object_pairs_hook=lambda pairs: _object(pairs, location))
    except InputError:
        raise
    except json.JSONDecodeError as error:
        if error.msg == "Extra data":
            raise _ExtraDataError(f"{location}: more than one JSON value, from character {error.colno} on") from None
        line = f" in line {error.lineno}" if error.lineno > 1 else ""
        raise InputError(f"{location}: not JSON ({error.msg} at character {error.colno}{line})") from None
    except RecursionError:
        raise InputError(f"{location}: JSON that is nested too deeply") from None
    except ValueError as error:  # a number of more digits than Python converts
        raise InputError(f"{location}: {error}") from None


def _object(pairs: list[tuple[str, Any]], location: str) -> dict[str, Any]:
    """Return the object with these names and values, each name once."""
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        duplicate = next(name for name in names if names.count(name) > 1)
        raise InputError(f"{location}: the name {duplicate!r} occurs twice in one object; remove one")
    return values
