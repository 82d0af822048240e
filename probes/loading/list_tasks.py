"""Columns of lists of labels: each value becomes a task with the classes no and yes."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from probes.checks import InputError
from probes.data.class_names import note_names
from probes.data.labels import note_alike, sort_names
from probes.loading.rows import Rows

MAX_VALUES = 50
"""Most values of a column of lists, each of which becomes a task."""


def split_list_columns(
    parts: Mapping[str, Rows], sources: Mapping[str, object]
) -> tuple[Mapping[str, Rows], list[str]]:
    """Replace each column of lists by a task for each of its values.

    Args:
        parts: Split -> its rows, no label missing; `train` is one.
        sources: Split -> name of its source in messages.

    Returns:
        Split -> its rows, and notes.

    Raises:
        InputError: A column holds lists in one source only, or has no value or too many values to make tasks of.
    """
    notes: list[str] = []
    for task in parts["train"].labels:
        if _holds_lists(task, parts, sources):
            parts, task_notes = _binary_tasks(task, parts)
            notes += task_notes
    return parts, notes


def _holds_lists(
    task: str,
    parts: Mapping[str, Rows],
    sources: Mapping[str, object],
) -> bool:
    has_lists = {name: isinstance(rows.labels[task][0], tuple) for name, rows in parts.items()}
    for name, value in has_lists.items():
        if value != has_lists["train"]:
            with_lists, without = (name, "train") if value else ("train", name)
            raise InputError(
                f"column {task!r} contains lists in {sources[with_lists]} and single values in {sources[without]}; "
                "write it the same way in both"
            )
    return has_lists["train"]


def _binary_tasks(task: str, parts: Mapping[str, Rows]) -> tuple[dict[str, Rows], list[str]]:
    """Replace one column of lists by its tasks."""
    cells = [set(cell) for rows in parts.values() for cell in rows.labels[task]]
    counts = Counter(value for cell in cells for value in cell)
    values = _probeable_values(task, parts["train"], counts, len(cells))
    elements = [element for rows in parts.values() for cell in rows.labels[task] for element in cell]
    notes = note_names(elements, task, in_lists=True)
    notes += note_alike(values, f"values of {task}")
    left_out = [value for value in sort_names(counts) if value not in values]
    if left_out:
        examples = f"{', '.join(map(repr, left_out[:5]))}{' and others' if len(left_out) > 5 else ''}"
        notes.append(f"Values of {task} that occur in too few texts or in nearly all are left out: {examples}.")
    return {name: _with_binary_tasks(rows, task, values) for name, rows in parts.items()}, notes


def _probeable_values(
    task: str,
    train: Rows,
    counts: Mapping[str, int],
    n: int,
) -> list[str]:
    """Return the values that two texts or more have and two or more lack, in train both some and not all.

    Raises:
        InputError: There are none, or too many.
    """
    train_counts = Counter(value for cell in train.labels[task] for value in set(cell))
    values = []
    for value in sort_names(counts):
        varies = 2 <= counts[value] <= n - 2
        if varies and 0 < train_counts[value] < len(train.texts):
            values.append(value)
    if not values:
        raise InputError(f"label column {task!r} contains lists, but no value that some texts have and others do not")
    if len(values) > MAX_VALUES:
        raise InputError(
            f"label column {task!r} contains lists of {len(values)} values, and each would be a task; the maximum is "
            f"{MAX_VALUES}: keep only the values to probe"
        )
    return values


def _with_binary_tasks(rows: Rows, task: str, values: Sequence[str]) -> Rows:
    labels: dict[str, list[Any]] = {}
    for column, cells in rows.labels.items():
        tasks = {column: cells}
        if column == task:
            tasks = {f"{task}: {value}": ["yes" if value in cell else "no" for cell in cells] for value in values}
        for name, names in tasks.items():
            if name in labels:
                raise InputError(f"two label columns would be called {name!r}; rename one")
            labels[name] = names
    return dataclasses.replace(rows, labels=labels)
