"""Classes with one text, which cannot be both in train and in the texts that are scored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from probes.checks import InputError
from probes.data.labels import quoted, spelt
from probes.sequences import Int64Array

Labels = Mapping[str, Int64Array]
"""Label column -> (texts,) class ids."""
ClassNames = Mapping[str, Sequence[str]]
"""Label column -> names by class id."""


@dataclass(frozen=True)
class CommonClasses:
    """The data without classes that have one text."""

    rows: Mapping[str, Int64Array]
    """Split -> rows that remain."""
    class_names: Mapping[str, tuple[str, ...]]
    """Label column -> names of the classes that remain."""
    notes: Sequence[str]
    """Notes on the classes that are left out."""


def class_counts(parts: Iterable[Labels], class_names: ClassNames) -> dict[str, Int64Array]:
    """Count the texts of each class.

    Args:
        parts: Labels of every part of the data.
        class_names: Label column -> names by class id.

    Returns:
        Label column -> (classes,) texts in all parts together.
    """
    all_parts = list(parts)
    counts = {}
    for task, names in class_names.items():
        part_counts = [np.bincount(labels[task], minlength=len(names)) for labels in all_parts]
        counts[task] = np.sum(part_counts, axis=0)
    return counts


def leave_out_rare(parts: Mapping[str, Labels], class_names: ClassNames) -> CommonClasses:
    """Leave out the texts of classes that have one text, until no class of any label column has one.

    Args:
        parts: Split -> its labels.
        class_names: Label column -> names by class id.

    Raises:
        InputError: A split would lose all its texts.
    """
    rows = {}
    for split, labels in parts.items():
        rows[split] = np.arange(len(next(iter(labels.values()))))
    counts_before = class_counts(parts.values(), class_names)
    counts = counts_before
    # A text that is left out may have been one of two texts of a class of another label column.
    while rare := _rare_classes(counts):
        for split, labels in parts.items():
            rows[split] = _rows_without(rows[split], labels, rare)
            if not len(rows[split]):
                raise InputError(f"every {split} text has a class with only one text; give the classes more texts")
        remaining = []
        for split, labels in parts.items():
            remaining.append({task: labels[task][rows[split]] for task in class_names})
        counts = class_counts(remaining, class_names)
    notes = []
    remaining_names = {}
    for task, names in class_names.items():
        is_lost = (counts_before[task] > 0) & (counts[task] == 0)
        lost_classes = np.flatnonzero(is_lost).tolist()
        remaining_classes = np.flatnonzero(~is_lost).tolist()
        remaining_names[task] = tuple(names[class_id] for class_id in remaining_classes)
        if lost_classes:
            lost_names = [names[class_id] for class_id in lost_classes]
            n_texts = int(counts_before[task][is_lost].sum())
            notes.append(_lost_classes_note(task, lost_names, n_texts))
    return CommonClasses(rows, remaining_names, notes)


def _rows_without(rows: Int64Array, labels: Labels, rare: Mapping[str, Int64Array]) -> Int64Array:
    """Return the rows that are in no rare class of any label column."""
    in_rare_class = np.zeros(len(rows), dtype=bool)
    for task, class_ids in rare.items():
        in_rare_class |= np.isin(labels[task][rows], class_ids)
    return rows[~in_rare_class]


def _lost_classes_note(task: str, names: Sequence[str], n_texts: int) -> str:
    texts, were = ("text", "was") if n_texts == 1 else ("texts", "were")
    classes = "class" if len(names) == 1 else "classes"
    return (
        f"{n_texts:,} {texts} of {len(names):,} {classes} of {task} with too few texts to be probed {were} left out: "
        f"{quoted(names)}."
    )


def check_rare(counts: Mapping[str, Int64Array], class_names: ClassNames) -> None:
    """Raise where classes have one text; the message names them.

    Args:
        counts: Label column -> (classes,) texts.
        class_names: Label column -> names by class id.

    Raises:
        InputError: A class has one text.
    """
    faults = []
    for task, class_ids in _rare_classes(counts).items():
        names = [class_names[task][class_id] for class_id in class_ids.tolist()]
        if len(names) == 1:
            faults.append(f"class {spelt(names[0])} of label column {task!r} has only one text")
        else:
            faults.append(f"{len(names):,} classes of label column {task!r} have only one text each: {quoted(names)}")
    if faults:
        raise InputError(f"{'; '.join(faults)}; give each more texts, or add --drop-rare to leave these classes out")


def check_several(class_names: ClassNames) -> None:
    """Raise unless every label column has two classes or more."""
    for task, names in class_names.items():
        if len(names) < 2:
            only = f"only one class ({spelt(names[0])})" if names else "no class"
            raise InputError(f"label column {task!r} has {only}; a probe needs two or more")


def _rare_classes(counts: Mapping[str, Int64Array]) -> dict[str, Int64Array]:
    """Return label column -> ids of its classes with one text, where there are any."""
    rare = {}
    for task, class_texts in counts.items():
        class_ids = np.flatnonzero(class_texts == 1)
        if len(class_ids):
            rare[task] = class_ids
    return rare
