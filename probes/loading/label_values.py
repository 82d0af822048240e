"""Cells of label, group and input type columns as names."""

from __future__ import annotations

import contextlib
import math
import reprlib
from collections.abc import Iterable, Sequence
from typing import Any

from probes.checks import InputError
from probes.data.class_names import fractions_message, inexact_message, infinite_message
from probes.data.labels import LARGEST_EXACT, class_name
from probes.data.spans import parse_cell
from probes.loading.json_records import kind_name


def is_missing(value: Any) -> bool:
    """Return whether a cell has no value: None or nan."""
    return value is None or value != value


def as_text(value: Any, names: Sequence[str] | None) -> str | None:
    """Convert a value to text in Unicode's composed form, whole numbers without a fraction.

    Args:
        value: The cell.
        names: Names by class id, where the column holds class ids.

    Returns:
        The text; None where the value is missing.

    Raises:
        InputError: A class id has no name.
    """
    if is_missing(value):
        return None
    if names is None:
        return class_name(value)
    if value >= len(names):
        raise InputError(f"class id {value} has no name: the dataset names {len(names)} classes, from 0")
    return None if value < 0 else names[value]


def label_values(
    values: list[Any],
    names: Sequence[str] | None,
    source: object,
    task: str,
) -> list[Any]:
    """Convert each label to text, and a list of labels to a tuple; None where a label is missing.

    A CSV file has no lists: where every label of a column is the text of a list, as pandas writes it, the labels are
    lists.

    Args:
        values: (rows,) cells of the column.
        names: Names by class id, where the column holds class ids.
        source: Name of the source in messages.
        task: Name of the column.

    Raises:
        InputError: All labels are -1, some are lists and others are not, they are of several kinds, or numbers that are
            no class names.
    """
    values = parse_lists(values, source, task)
    if _all_are_minus_one(values):
        raise InputError(
            f"{source}: every label in column {task!r} is -1, as in a test set with hidden labels; name another split"
        )
    has_lists = _has_lists(values, source, task)
    cells = [value if has_lists or value is None else [value] for value in values]
    elements = [element for cell in cells for element in cell or ()]
    _check_elements(elements, source, task)
    # All elements are of one kind, so that no 1 is confused with a True.
    texts = {element: as_text(element, names) for element in set(elements)}
    labels: list[tuple[str, ...] | None] = []
    for cell in cells:
        label = None if cell is None else tuple(texts[element] for element in cell)
        is_complete = label is not None and None not in label
        labels.append(label if is_complete else None)  # type: ignore[arg-type]
    return labels if has_lists else [label and label[0] for label in labels]


def _has_lists(values: list[Any], source: object, task: str) -> bool:
    types = set(map(type, values)) - {type(None)}
    if list not in types:
        return False
    if types != {list}:
        example = next(value for value in values if isinstance(value, list))
        raise InputError(mixed_lists_message(source, task, example))
    return True


def _check_elements(elements: list[Any], source: object, task: str) -> None:
    """Raise unless labels are single values of one kind, and no numbers that cannot be class names."""
    types = set(map(type, elements)) - {type(None)}
    if types & {list, dict}:
        raise InputError(
            f"{source}: column {task!r} contains lists of lists or named values; a label must be a value or a list of "
            "values"
        )
    numbers = []
    if float in types:
        numbers = [element for element in elements if isinstance(element, float) and not is_missing(element)]
    if any(math.isinf(number) for number in numbers):
        raise InputError(infinite_message(source, task))
    fractions = sorted({number for number in numbers if not number.is_integer()})
    if fractions:
        raise InputError(fractions_message(fractions, source, task))
    inexact = [number for number in numbers if abs(number) >= LARGEST_EXACT]
    if inexact:
        raise InputError(inexact_message(inexact[0], source, task))
    if len(types) > 1:
        _check_one_kind(elements, source, task)


def _check_one_kind(values: Iterable[Any], source: object, task: str) -> None:
    """Raise where a column holds, say, the number 1 in one row and the text "1" in another."""
    examples: dict[str, Any] = {}
    for value in values:
        if not is_missing(value):
            examples.setdefault(kind_name(value), value)
    if len(examples) > 1:
        kinds = " and ".join(f"{kind} ({value!r})" for kind, value in examples.items())
        raise InputError(f"{source}: column {task!r} contains {kinds}; write all its labels in one way")


def _all_are_minus_one(values: Iterable[Any]) -> bool:
    """Return whether there are labels, and all of them are -1."""
    has_labels = False
    for value in values:
        if is_missing(value) or value == "":
            continue
        has_labels = True
        elements = value if isinstance(value, list) and value else [value]
        if not all(map(_is_minus_one, elements)):
            return False
    return has_labels


def _is_minus_one(value: Any) -> bool:
    return not isinstance(value, list | dict) and str(value).strip() in ("-1", "-1.0")


def parse_lists(
    values: list[Any],
    source: object,
    column: str,
) -> list[Any]:
    """Parse cells that hold the text of a list, as a CSV file does; return the values unchanged where none does.

    Raises:
        InputError: Some cells hold the text of a list and others do not.
    """
    if not any(map(_looks_like_list, values)):
        return values
    cells = [_parse_list(value) for value in values]
    is_list = [isinstance(cell, list) for cell in cells]
    if all(parsed or is_missing(value) for parsed, value in zip(is_list, values, strict=True)):
        return cells
    if any(is_list) and all(value is None or isinstance(value, str) for value in values):
        example = values[is_list.index(True)]
        raise InputError(mixed_lists_message(source, column, example))
    return values


def _looks_like_list(value: Any) -> bool:
    return isinstance(value, str) and value.lstrip().startswith("[")


def _parse_list(value: Any) -> list[Any] | None:
    if _looks_like_list(value):
        with contextlib.suppress(InputError):
            return list(parse_cell(value.strip()))
    return None


def mixed_lists_message(source: object, column: str, example: object) -> str:
    """Return the message for a column of lists and single values."""
    return (
        f"{source}: column {column!r} contains lists in some rows, such as {reprlib.repr(example)}, and single "
        "values in others; write lists in all rows"
    )
