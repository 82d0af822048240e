"""JSON and JSON lines as columns: every value as it is written, so that neither numbers nor dates change."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from probes.checks import InputError

KINDS = {dict: "an object", list: "a list", str: "text", bool: "a truth value", int: "a number", float: "a number"}


class _MoreThanOneError(InputError):
    """One value is over, and more follows: JSON lines, or a fault."""


def kind_of(value: object) -> str:
    """The name of a value in a message."""
    return "nothing" if value is None else KINDS.get(type(value), type(value).__name__)


def read_records(
    text: str, source: object, columns: Sequence[str], *, lines: bool
) -> tuple[tuple[str, ...], dict[str, list[Any]]]:
    """Read columns of a file that holds an object a line, a list of objects, or one object of columns.

    Args:
        text: The file.
        source: The file's name in messages.
        columns: Those to read, where they exist.
        lines: Whether a single object is a row; else it is a table, column by column.

    Returns:
        The names of all columns; and the values of those to read, None where a row lacks one.

    Raises:
        InputError: It is not JSON, a row is not an object, or a name stands twice in one.
    """
    names: dict[str, None] = {}
    values: dict[str, list[Any]] = {column: [] for column in columns}
    for record in _records(text, source, lines):
        names |= dict.fromkeys(record)
        for column, cells in values.items():
            cells.append(record.get(column))
    return tuple(names), {column: cells for column, cells in values.items() if column in names}


def _records(text: str, source: object, lines: bool) -> Iterator[Mapping[str, Any]]:
    if not (lines and text.lstrip().startswith("{")):
        try:
            whole = _parse(text, str(source))
        except _MoreThanOneError:
            pass
        else:
            if not isinstance(whole, list | dict):
                raise InputError(f"{source} holds {kind_of(whole)}, not objects with named values")
            yield from _rows_of_list(whole, source) if isinstance(whole, list) else _rows_of_columns(whole, source)
            return
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            value = _parse(line, f"{source}, line {number}")
            if not isinstance(value, dict):
                raise InputError(f"{source}: line {number} holds {kind_of(value)}, not an object with named values")
            yield value


def _rows_of_list(rows: Iterable[Any], source: object) -> Iterator[Mapping[str, Any]]:
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise InputError(f"{source}: row {number} is {kind_of(row)}, not an object with named values")
        yield row


def _rows_of_columns(table: Mapping[str, Any], source: object) -> Iterator[Mapping[str, Any]]:
    """The rows of {column: [value, ...]} or, as pandas writes it, {column: {row: value, ...}}."""
    cells = {
        name: list(column.values()) if isinstance(column, dict) else column
        for name, column in table.items()
        if isinstance(column, dict | list)
    }
    keys = {tuple(column) for column in table.values() if isinstance(column, dict)}
    if len(cells) < len(table) or len({len(column) for column in cells.values()}) != 1 or len(keys) > 1:
        shown = ", ".join(f"{name!r} ({kind_of(value)})" for name, value in list(table.items())[:5])
        raise InputError(
            f"{source} holds one object with {shown or 'nothing'}; write a list of objects, an object a line, or "
            "columns of one length"
        )
    for row in zip(*cells.values(), strict=True):
        yield dict(zip(cells, row, strict=True))


def _parse(text: str, place: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=lambda pairs: _object(pairs, place))
    except InputError:
        raise
    except json.JSONDecodeError as error:
        if error.msg == "Extra data":
            raise _MoreThanOneError(f"{place}: more than one JSON value, from character {error.colno} on") from None
        where = f" in line {error.lineno}" if error.lineno > 1 else ""
        raise InputError(f"{place}: not JSON ({error.msg} at character {error.colno}{where})") from None
    except RecursionError:
        raise InputError(f"{place}: JSON that is nested too deeply") from None
    except ValueError as error:  # a number of more digits than Python converts
        raise InputError(f"{place}: {error}") from None


def _object(pairs: list[tuple[str, Any]], place: str) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"{place}: the name {twice!r} stands twice in one object; which value is meant?")
    return made
