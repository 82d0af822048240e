"""Rows of one source: names, texts and spans, the rows that cannot be used, and random draws."""

from __future__ import annotations

import dataclasses
import reprlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probes.checks import InputError
from probes.data.class_names import check_no_fractions, plain_names
from probes.data.labels import HALF_CHARACTER, quoted, sort_names
from probes.data.spans import Spans, as_spans
from probes.loading.json_records import kind_name
from probes.loading.label_values import is_missing

MAX_EXAMPLES = 3
"""Rows that a message names at most."""
MAX_MESSAGE = 200
"""Most characters of the fault of one row."""
MIN_CLASS_ROWS = 3
"""Rows that a limit leaves a class, where there is room: one for each split."""


@dataclass(frozen=True)
class Columns:
    """Names of the columns to read; None for a column that is not used."""

    text: str
    pair: str | None
    labels: tuple[str, ...]
    group: str | None
    control: str | None
    rationales: str | None

    def __iter__(self) -> Iterator[str]:
        names = (self.text, self.pair, *self.labels, self.group, self.control, self.rationales)
        yield from dict.fromkeys(name for name in names if name is not None)


@dataclass(frozen=True)
class Rows:
    """Columns of one source; None where a value is missing."""

    texts: list[Any]
    pairs: list[Any] | None
    labels: Mapping[str, list[Any]]
    """Label column -> names, or tuples of names where it holds lists."""
    groups: list[str | None] | None
    input_types: list[str | None] | None
    rationales: list[Any] | None
    """Spans of each text: as the source writes them, and as `Spans` once the rows are valid."""
    numbers: NDArray[np.int64] | None = None
    """(rows,) numbers of the rows in the source, from 1; 1, 2, ... when None."""

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, rows: Iterable[int]) -> Rows:
        """Return these rows, in this order."""
        indices = list(rows)
        numbers = np.arange(1, len(self) + 1) if self.numbers is None else self.numbers
        return Rows(
            texts=[self.texts[row] for row in indices],
            pairs=_take(self.pairs, indices),
            labels={task: [column[row] for row in indices] for task, column in self.labels.items()},
            groups=_take(self.groups, indices),
            input_types=_take(self.input_types, indices),
            rationales=_take(self.rationales, indices),
            numbers=numbers[np.array(indices, dtype=np.int64)],
        )


def _take(column: list[Any] | None, rows: Sequence[int]) -> list[Any] | None:
    return None if column is None else [column[row] for row in rows]


# Rows that cannot be used


def valid_rows(
    rows: Rows,
    source: object,
    columns: Columns,
    *,
    drop: bool,
) -> Rows:
    """Return the rows where no value is missing and spans are within the text.

    Args:
        rows: All rows of the source.
        source: Name of the source in messages.
        columns: Names of the columns.
        drop: Leave invalid rows out instead of raising an error.

    Raises:
        InputError: There are no rows, no row is valid, or a row is invalid and `drop` is not set.
    """
    n = len(rows)
    if not n:
        raise InputError(f"{source} has no rows")
    faults: dict[int, str] = {}
    _add_text_faults(faults, columns.text, rows.texts, source)
    _add_text_faults(faults, columns.pair, rows.pairs or (), source)
    for task, labels in rows.labels.items():
        _add_name_faults(faults, "label", task, labels)
    _add_name_faults(faults, "group", columns.group, rows.groups or ())
    _add_name_faults(faults, "input type", columns.control, rows.input_types or ())
    if rows.rationales is not None:
        spans = _parse_spans(faults, columns.rationales, rows.rationales, rows.texts)
        rows = dataclasses.replace(rows, rationales=spans)
    if not faults:
        return rows
    if not drop or len(faults) == n:
        raise InputError(f"{source}: {_faults_message(faults, n)}")
    return rows.take(row for row in range(n) if row not in faults)


def _add_text_faults(
    faults: dict[int, str],
    column: str | None,
    texts: Sequence[Any],
    source: object,
) -> None:
    """Add the rows whose text is empty or broken.

    Raises:
        InputError: A value is not text.
    """
    for row, text in enumerate(texts):
        if isinstance(text, str):
            if not text.strip():
                faults.setdefault(row, f"the text in column {column!r} is empty")
            elif HALF_CHARACTER.search(text):
                fault = f"the text in column {column!r} contains half of a character ({text!r})"
                faults.setdefault(row, fault[:MAX_MESSAGE])
        elif is_missing(text):
            faults.setdefault(row, f"the text in column {column!r} is empty")
        else:
            raise InputError(f"{source}: column {column!r} has {kind_name(text)} in row {row + 1}, not text")


def _add_name_faults(
    faults: dict[int, str],
    kind: str,
    column: str | None,
    cells: Sequence[Any],
) -> None:
    """Add the rows whose label, group or input type is missing or broken."""
    for row, cell in enumerate(cells):
        if cell is None:
            faults.setdefault(row, f"the {kind} in column {column!r} is missing")
        elif any(map(HALF_CHARACTER.search, _names(cell))):
            fault = f"the {kind} in column {column!r} contains half of a character ({cell!r})"
            faults.setdefault(row, fault[:MAX_MESSAGE])


def _parse_spans(
    faults: dict[int, str],
    column: str | None,
    cells: Sequence[Any],
    texts: Sequence[str],
) -> list[Spans]:
    """Parse the spans of the rows without a fault, and add the rows whose spans are invalid."""
    spans: list[Spans] = [()] * len(texts)
    for row, cell in enumerate(cells):
        if row in faults:
            continue
        try:
            spans[row] = as_spans(cell, texts[row])
        except InputError as error:
            faults[row] = f"column {column!r} has {reprlib.repr(cell)}, {error}"
    return spans


def _faults_message(faults: Mapping[int, str], n: int) -> str:
    examples = "; ".join(f"in row {row + 1} {faults[row]}" for row in sorted(faults)[:MAX_EXAMPLES])
    rest = f" (and {len(faults) - MAX_EXAMPLES:,} more)" if len(faults) > MAX_EXAMPLES else ""
    advice = "Correct them" if len(faults) == n else "Correct them, or add --drop-invalid to leave them out"
    return f"{len(faults)} of {n} rows cannot be used; {examples}{rest}. {advice}"


# Names of all sources together


def unify_names(parts: Mapping[str, Rows], sources: Mapping[str, object]) -> dict[str, Rows]:
    """Write whole numbers and dates alike in all sources, so that 1 in one file and 1.0 in another are one class.

    Args:
        parts: Split -> its rows, no value missing; `train` is one.
        sources: Split -> name of its source in messages.

    Raises:
        InputError: All labels of a column are numbers, and some are fractions.
    """
    unified = dict(parts)
    source_names = " and ".join(dict.fromkeys(str(sources[split]) for split in parts))
    for task in parts["train"].labels:
        names = [name for rows in parts.values() for cell in rows.labels[task] for name in _names(cell)]
        check_no_fractions(names, source_names, task)
        new_names = plain_names(names)
        if not new_names:
            continue
        for split, rows in unified.items():
            labels = {**rows.labels, task: [_rename(cell, new_names) for cell in rows.labels[task]]}
            unified[split] = dataclasses.replace(rows, labels=labels)
    new_groups = plain_names([name for rows in parts.values() for name in rows.groups or () if name])
    new_types = plain_names([name for rows in parts.values() for name in rows.input_types or () if name])
    for split, rows in unified.items():
        unified[split] = dataclasses.replace(
            rows,
            groups=_rename_all(rows.groups, new_groups),
            input_types=_rename_all(rows.input_types, new_types),
        )
    return unified


def _names(cell: str | tuple[str, ...]) -> tuple[str, ...]:
    return cell if isinstance(cell, tuple) else (cell,)


def _rename(cell: Any, new_names: Mapping[str, str]) -> Any:
    """Rename a name, or each of a tuple of names."""
    if isinstance(cell, tuple):
        return tuple(new_names.get(name, name) for name in cell)
    return new_names.get(cell, cell)


def _rename_all(cells: list[str | None] | None, new_names: Mapping[str, str]) -> list[str | None] | None:
    return None if cells is None else [_rename(cell, new_names) for cell in cells]


def name_classes(values: Sequence[str], task: str) -> tuple[str, ...]:
    """Return the distinct labels of a column, sorted as numbers where all are whole numbers.

    Raises:
        InputError: There are so many that it is hardly a label column.
    """
    names = set(values)
    is_hardly_repeated = len(names) > len(values) // 2
    if is_hardly_repeated and len(names) > max(50, len(values) // 10):
        raise InputError(
            f"label column {task!r} has {len(names)} classes for {len(values)} texts; is it the right column?"
        )
    return sort_names(names)


# Random draws


def draw_rows(rows: Rows, limit: int, rng: np.random.Generator) -> Rows:
    """Draw at most `limit` rows at random, in their order; every class keeps `MIN_CLASS_ROWS` of its rows if they fit.

    Args:
        rows: Rows of a source.
        limit: Number of rows to draw.
        rng: Random number generator to draw with.
    """
    order = rng.permutation(len(rows))
    labels = {task: [_names(cell) for cell in cells] for task, cells in rows.labels.items()}
    classes = {(task, name) for task, cells in labels.items() for cell in cells for name in cell}
    n_needed = Counter(dict.fromkeys(classes, MIN_CLASS_ROWS))
    # Rows that their class needs come first, in the random order.
    needed_rows = []
    for row in order:
        row_classes = [(task, name) for task, cells in labels.items() for name in cells[row]]
        served = [label for label in row_classes if n_needed[label]]
        n_needed.subtract(served)
        if served:
            needed_rows.append(row)
    ranked_rows = list(dict.fromkeys([*needed_rows, *order]))
    return rows.take(np.sort(ranked_rows[:limit]))


def note_classes_lost(rows: Rows, drawn_rows: Rows, source: object) -> list[str]:
    """Return a note for each label column of which a draw leaves out whole classes."""
    notes = []
    for task, labels in rows.labels.items():
        if any(isinstance(label, tuple) for label in labels):
            continue
        classes = set(labels)
        lost = sort_names(classes - set(drawn_rows.labels[task]))
        if lost:
            notes.append(
                f"{len(lost):,} of {len(classes):,} classes of {task} in {source} have no text after --limit: "
                f"{quoted(lost)}."
            )
    return notes
