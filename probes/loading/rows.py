"""What was read of one source: values as names and spans, rows that cannot be used, draws, and lists as tasks."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import reprlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probes.checks import InputError
from probes.data.class_names import (
    check_no_fractions,
    fractions_message,
    inexact_message,
    infinite_message,
    note_names,
    plain_numbers,
)
from probes.data.labels import HALF_CHARACTER, LARGEST_EXACT, class_name, note_alike, quoted, sort_names
from probes.data.spans import Spans, as_spans, parse_cell
from probes.loading.json_records import kind_of

BAD_ROWS = 3
"""Rows that a message shows."""
SPARED = 3
"""Texts of a class that a limit leaves, where there is room: one for each split."""
MOST_VALUES = 50
"""Values of a column of lists, each of which is a task."""


@dataclass(frozen=True)
class Columns:
    """The columns asked for."""

    text: str
    pair: str | None
    labels: tuple[str, ...]
    group: str | None
    control: str | None
    rationales: str | None

    def __iter__(self) -> Iterator[str]:
        named = (self.text, self.pair, *self.labels, self.group, self.control, self.rationales)
        yield from dict.fromkeys(column for column in named if column is not None)


@dataclass(frozen=True)
class Rows:
    """What one source holds; None where a value is missing."""

    texts: list[Any]
    pairs: list[Any] | None
    labels: Mapping[str, list[Any]]
    """Label column -> names, or tuples of names where it holds lists."""
    groups: list[str | None] | None
    input_types: list[str | None] | None
    rationales: list[Any] | None
    """What was marked in each text: as it is written, and as `Spans` once the rows are valid."""
    numbers: NDArray[np.int64] | None = None
    """(rows,) places in the source, counted from 1; in order from 1 when None."""

    def take(self, rows: Iterable[int]) -> Rows:
        """These rows, in this order."""
        kept = list(rows)

        def take(column: list[Any] | None) -> list[Any] | None:
            return None if column is None else [column[row] for row in kept]

        labels = {task: [column[row] for row in kept] for task, column in self.labels.items()}
        texts = [self.texts[row] for row in kept]
        numbers = np.arange(1, len(self.texts) + 1) if self.numbers is None else self.numbers
        places = numbers[np.array(kept, dtype=np.int64)]
        groups, input_types, rationales = map(take, (self.groups, self.input_types, self.rationales))
        return Rows(texts, take(self.pairs), labels, groups, input_types, rationales, places)


def as_text(value: Any, names: Sequence[str] | None) -> str | None:
    """A value as text in Unicode's composed form, whole numbers without a fraction; None where it is missing."""
    if value is None or value != value:
        return None
    if names is not None:
        if value >= len(names):
            raise InputError(f"class id {value} has no name: the dataset names {len(names)} classes, from 0")
        return None if value < 0 else names[value]
    return class_name(value)


def label_values(values: list[Any], names: Sequence[str] | None, source: object, task: str) -> list[Any]:
    """Each label as text, a list of labels as a tuple; None where a label is missing.

    A CSV file has no lists: where every label of a column is one written out, as pandas writes them, lists they are.
    """
    values = spelt_lists(values, source, task)
    if _is_minus_one(values):
        raise InputError(f"{source}: every label in column {task!r} is -1 (a hidden test set?); name another split")
    types = set(map(type, values)) - {type(None)}
    listed = list in types
    if listed and types != {list}:
        raise InputError(mixed_lists(source, task, next(value for value in values if isinstance(value, list))))
    cells = [value if listed or value is None else [value] for value in values]
    flat = [value for cell in cells for value in cell or ()]
    types = set(map(type, flat)) - {type(None)}
    if types & {list, dict}:
        raise InputError(
            f"{source}: column {task!r} holds lists of lists or named values; a label is a value or a list"
        )
    numbers = [value for value in flat if isinstance(value, float) and value == value] if float in types else []
    if any(math.isinf(value) for value in numbers):
        raise InputError(infinite_message(source, task))
    if fractions := sorted({value for value in numbers if not value.is_integer()}):
        raise InputError(fractions_message(fractions, source, task))
    if inexact := [value for value in numbers if abs(value) >= LARGEST_EXACT]:
        raise InputError(inexact_message(inexact[0], source, task))
    if len(types) > 1:
        _check_one_kind(flat, source, task)
    written = {value: as_text(value, names) for value in set(flat)}  # of one kind, so that no 1 is taken for a True
    labels = [None if cell is None else tuple(map(written.__getitem__, cell)) for cell in cells]
    whole = [None if label is None or None in label else label for label in labels]
    return whole if listed else [label and label[0] for label in whole]


def _is_minus_one(values: Iterable[Any]) -> bool:
    """Whether there are labels, and all of them are -1."""
    is_some = False
    for value in values:
        if value is None or value != value or value == "":
            continue
        is_some = True
        inner = value if isinstance(value, list) and value else [value]
        if any(isinstance(each, list | dict) or str(each).strip() not in ("-1", "-1.0") for each in inner):
            return False
    return is_some


def _check_one_kind(values: Iterable[Any], source: object, task: str) -> None:
    """Raise where a column holds, say, the number 1 in one row and the text "1" in another."""
    kinds: dict[str, Any] = {}
    for value in values:
        if value is not None and value == value:
            kinds.setdefault(kind_of(value), value)
    if len(kinds) > 1:
        shown = " and ".join(f"{kind} ({value!r})" for kind, value in kinds.items())
        raise InputError(f"{source}: column {task!r} holds {shown}; write all its labels in one way")


def spelt_lists(values: list[Any], source: object, column: str) -> list[Any]:
    """The lists that all of these spell, as a CSV file has them; the values as they are where none does.

    Raises:
        InputError: Some spell lists and others do not.
    """
    if not any(isinstance(value, str) and value.lstrip().startswith("[") for value in values):
        return values
    cells = [_spelt_list(value) for value in values]
    lists = [isinstance(cell, list) for cell in cells]
    if all(is_list or value is None or value != value for is_list, value in zip(lists, values, strict=True)):
        return cells
    if any(lists) and all(value is None or isinstance(value, str) for value in values):
        raise InputError(mixed_lists(source, column, values[lists.index(True)]))
    return values


def _spelt_list(value: Any) -> list[Any] | None:
    if isinstance(value, str) and value.lstrip().startswith("["):
        with contextlib.suppress(InputError):
            return list(parse_cell(value.strip()))
    return None


def mixed_lists(source: object, column: str, example: object) -> str:
    """What is said of a column of lists and single values."""
    return (
        f"{source}: column {column!r} holds lists in some rows, as {reprlib.repr(example)}, and single values in "
        "others; write lists in all of them"
    )


def valid_rows(rows: Rows, source: object, wanted: Columns, *, drop: bool) -> Rows:
    """The rows where nothing is missing and what was marked is in the text; without `drop` a bad row is an error."""
    n = len(rows.texts)
    if not n:
        raise InputError(f"{source} has no rows")
    bad: dict[int, str] = {}
    for column, texts in ((wanted.text, rows.texts), (wanted.pair, rows.pairs or ())):
        for row, value in enumerate(texts):
            if value is not None and value == value and not isinstance(value, str):
                raise InputError(f"{source}: column {column!r} holds {kind_of(value)} in row {row + 1}, not text")
            if not isinstance(value, str) or not value.strip():
                bad.setdefault(row, f"the text in column {column!r} is empty")
            elif HALF_CHARACTER.search(value):
                bad.setdefault(row, f"the text in column {column!r} holds half of a character ({value!r})"[:200])
    along = [("group", wanted.group, rows.groups or ()), ("input type", wanted.control, rows.input_types or ())]
    for what, name, values in [*(("label", task, found) for task, found in rows.labels.items()), *along]:
        for row, value in enumerate(values):
            if value is None:
                bad.setdefault(row, f"the {what} in column {name!r} is missing")
            elif any(map(HALF_CHARACTER.search, value if isinstance(value, tuple) else (value,))):
                bad.setdefault(row, f"the {what} in column {name!r} holds half of a character ({value!r})"[:200])
    if rows.rationales is not None:
        marked: list[Spans] = [()] * n
        for row, value in enumerate(rows.rationales):
            if row not in bad:
                try:
                    marked[row] = as_spans(value, rows.texts[row])
                except InputError as error:
                    bad[row] = f"column {wanted.rationales!r} holds {reprlib.repr(value)}, {error}"
        rows = dataclasses.replace(rows, rationales=marked)
    if not bad:
        return rows
    if not drop or len(bad) == n:
        shown = "; ".join(f"in row {row + 1} {bad[row]}" for row in sorted(bad)[:BAD_ROWS])
        more = f" (and {len(bad) - BAD_ROWS:,} more)" if len(bad) > BAD_ROWS else ""
        remedy = "Mend them" if len(bad) == n else "Mend them, or pass --drop-invalid to leave them out"
        raise InputError(f"{source}: {len(bad)} of {n} rows cannot be used; {shown}{more}. {remedy}")
    return rows.take(row for row in range(n) if row not in bad)


def number_names(read: Mapping[str, Rows], sources: Mapping[str, object]) -> dict[str, Rows]:
    """The sources with whole numbers in one writing, so that 1 in one file and 1.0 in another are one class.

    Args:
        read: Split name -> its rows, none missing; `train` is one.
        sources: Split name -> what an error calls it.

    Raises:
        InputError: All labels of a column are numbers, and some are fractions.
    """
    renamed = dict(read)
    for task in read["train"].labels:
        columns = {name: rows.labels[task] for name, rows in read.items()}
        names = [name for column in columns.values() for cell in column for name in _names_of(cell)]
        check_no_fractions(names, " and ".join(dict.fromkeys(str(sources[name]) for name in columns)), task)
        plain = plain_numbers(names)
        for split, column in columns.items() if plain else ():
            labels = {**renamed[split].labels, task: [_renamed(cell, plain) for cell in column]}
            renamed[split] = dataclasses.replace(renamed[split], labels=labels)
    groups = plain_numbers([name for rows in read.values() for name in rows.groups or () if name])
    input_types = plain_numbers([name for rows in read.values() for name in rows.input_types or () if name])
    for split, rows in renamed.items():
        renamed[split] = dataclasses.replace(
            rows,
            groups=None if rows.groups is None else [_renamed(name, groups) for name in rows.groups],
            input_types=None
            if rows.input_types is None
            else [_renamed(name, input_types) for name in rows.input_types],
        )
    return renamed


def _names_of(cell: str | tuple[str, ...]) -> tuple[str, ...]:
    return cell if isinstance(cell, tuple) else (cell,)


def _renamed(cell: Any, names: Mapping[str, str]) -> Any:
    """A name, or each of a tuple of names, as it is to be called."""
    return tuple(names.get(name, name) for name in cell) if isinstance(cell, tuple) else names.get(cell, cell)


def tasks_of_lists(read: Mapping[str, Rows], sources: Mapping[str, object]) -> tuple[Mapping[str, Rows], list[str]]:
    """The sources with a task for each value of a column of lists in its place; and notes.

    Args:
        read: Split name -> its rows, none missing; `train` is one.
        sources: Split name -> what an error calls it.

    Raises:
        InputError: A column holds lists in one source only, or has no value or too many values to make tasks of.
    """
    notes: list[str] = []
    for task in read["train"].labels:
        if _holds_lists(task, read, sources):
            read, told = _binary_tasks(task, read)
            notes += told
    return read, notes


def _holds_lists(task: str, read: Mapping[str, Rows], sources: Mapping[str, object]) -> bool:
    kinds = {name: isinstance(rows.labels[task][0], tuple) for name, rows in read.items()}
    for name, listed in kinds.items():
        if listed != kinds["train"]:
            lists, single = (name, "train") if listed else ("train", name)
            raise InputError(
                f"column {task!r} holds lists in {sources[lists]} and single values in {sources[single]}; "
                "write it the same way in both"
            )
    return kinds["train"]


def _binary_tasks(task: str, read: Mapping[str, Rows]) -> tuple[dict[str, Rows], list[str]]:
    cells = [set(cell) for rows in read.values() for cell in rows.labels[task]]
    in_train = Counter(value for cell in read["train"].labels[task] for value in set(cell))
    counts = Counter(value for cell in cells for value in cell)
    values = [
        value
        for value in sort_names(counts)
        if 2 <= counts[value] <= len(cells) - 2 and 0 < in_train[value] < len(read["train"].texts)
    ]
    if not values:
        raise InputError(f"label column {task!r} holds lists, but no value that some texts have and others lack")
    if len(values) > MOST_VALUES:
        raise InputError(
            f"label column {task!r} holds lists of {len(values)} values, and each would be a task; the most is "
            f"{MOST_VALUES}: keep in the lists those to probe"
        )
    notes = note_names([value for rows in read.values() for cell in rows.labels[task] for value in cell], task)
    notes += note_alike(values, f"values of {task}")
    if rare := [value for value in sort_names(counts) if value not in values]:
        shown = f"{', '.join(map(repr, rare[:5]))}{' and others' if len(rare) > 5 else ''}"
        notes.append(f"Of {task} are left out, being in too few texts or in nearly all, the values {shown}.")

    def binary(rows: Rows) -> Rows:
        labels: dict[str, list[Any]] = {}
        for column, found in rows.labels.items():
            tasks = {column: found}
            if column == task:
                tasks = {f"{task}: {value}": ["yes" if value in c else "no" for c in found] for value in values}
            for name, names in tasks.items():
                if name in labels:
                    raise InputError(f"two label columns would be called {name!r}; give one another name")
                labels[name] = names
        return dataclasses.replace(rows, labels=labels)

    return {name: binary(rows) for name, rows in read.items()}, notes


def name_classes(values: Sequence[str], task: str) -> tuple[str, ...]:
    """Distinct values, as numbers where all are whole numbers."""
    found = set(values)
    if len(found) > max(50, len(values) // 10) and len(found) > len(values) // 2:
        raise InputError(
            f"label column {task!r} has {len(found)} classes for {len(values)} texts; is it the right column?"
        )
    return sort_names(found)


def note_classes_lost(rows: Rows, drawn: Rows, source: object) -> list[str]:
    """A note for each label column of which a draw leaves out whole classes."""
    notes = []
    for task, labels in rows.labels.items():
        if not any(isinstance(label, tuple) for label in labels):
            lost = sort_names(set(labels) - set(drawn.labels[task]))
            if lost:
                n = len(set(labels))
                notes.append(
                    f"The limit leaves {len(lost):,} of {n:,} classes of {task} in {source} no text: {quoted(lost)}."
                )
    return notes


def draw_rows(rows: Rows, limit: int, rng: np.random.Generator) -> Rows:
    """At most `limit` rows at random, in their order; every class keeps `SPARED` of its rows where they fit."""
    order = rng.permutation(len(rows.texts))
    names = {task: [c if isinstance(c, tuple) else (c,) for c in cells] for task, cells in rows.labels.items()}
    left = Counter({(task, name): SPARED for task, cells in names.items() for cell in cells for name in cell})
    spared = []
    for row in order:
        wanted = [(task, name) for task, cells in names.items() for name in cells[row] if left[task, name]]
        left.subtract(wanted)
        spared += [row] if wanted else []
    return rows.take(np.sort(list(dict.fromkeys([*spared, *order]))[:limit]))
