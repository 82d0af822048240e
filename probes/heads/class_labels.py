"""Class labels: ids of a head's classes from ids or names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set

import numpy as np

from probes.checks import InputError, check_same_length, choose
from probes.sequences import Int64Array, IntegerArray, check_labels

LabelInput = Iterable[str | int] | IntegerArray
"""Labels as functions take them: (texts,) ids or names of classes."""


def class_id(label: object, class_names: Sequence[str]) -> int:
    """Return the id of a class from its id or name.

    Args:
        label: Id or name.
        class_names: Names by class id.

    Returns:
        Class id in [0, classes).

    Raises:
        InputError: The class does not exist, or a number is the id of one class and the name of another.
    """
    if isinstance(label, int | np.integer) and not isinstance(label, bool):
        if 0 <= label < len(class_names):
            name = class_names[int(label)]
            if str(label) in class_names and name != str(label):
                raise InputError(
                    f"class {label} is the id of {name!r} and also the name of another class; give the name"
                )
            return int(label)
        if str(label) not in class_names:
            raise InputError(
                f"class ids of this head lie in [0, {len(class_names)}), found {label}; "
                f"its classes are {', '.join(map(repr, class_names))}"
            )
        label = str(label)
    return choose("class", label, {name: i for i, name in enumerate(class_names)})  # type: ignore[arg-type]


def named_class_ids(labels: object, class_names: Sequence[str], n: int, name: str = "labels") -> list[int]:
    """Return (n,) class ids of n texts from names or ids.

    Args:
        labels: One class for all texts, or a list, column or tensor of one a text.
        class_names: Names by class id.
        n: Number of texts.
        name: Name of the argument in error messages.

    Returns:
        (n,) class ids.

    Raises:
        InputError: The length differs, or a class does not exist.
    """
    if isinstance(labels, str | int | np.integer):
        return [class_id(labels, class_names)] * n
    if hasattr(labels, "tolist"):  # an array, a tensor, or a pandas column
        labels = labels.tolist()
    if isinstance(labels, Mapping | Set) or not isinstance(labels, Iterable):
        raise InputError(f"{name} must be a class, or a list of one class per text, found {type(labels).__name__}")
    entries = list(labels)
    if len(entries) != n:
        raise InputError(f"lengths differ: texts has {n}, {name} has {len(entries)}")
    id_of_label: dict[object, int] = {}
    for label in entries:
        if not isinstance(label, str | int | np.integer):
            raise InputError(f"{name} must be names or ids of classes, found {label!r}")
        if (type(label), label) not in id_of_label:
            id_of_label[type(label), label] = class_id(label, class_names)
    return [id_of_label[type(label), label] for label in entries]


def label_ids(labels: object, class_names: Sequence[str], n: int) -> Int64Array:
    """Return (n,) class ids of n texts' labels from ids or names of classes.

    Args:
        labels: (n,) list, column or tensor of ids or names.
        class_names: Names by class id.
        n: Number of texts.

    Returns:
        (n,) class ids.

    Raises:
        InputError: The length differs, or a class does not exist.
    """
    values = labels.tolist() if hasattr(labels, "tolist") else labels
    if isinstance(values, str | Mapping | Set) or not isinstance(values, Iterable):
        raise InputError(f"labels must be a list of one class per text, found {type(labels).__name__}")
    entries = list(values)
    if entries and all(isinstance(label, int | np.integer) and not isinstance(label, bool) for label in entries):
        check_same_length(texts=range(n), labels=entries)
        ids = np.array(entries)
        check_labels(ids, len(class_names))  # a number is an id, also where classes are called by numbers
        return ids.astype(np.int64)
    return np.array(named_class_ids(entries, class_names, n), dtype=np.int64)
