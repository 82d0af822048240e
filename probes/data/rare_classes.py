"""Classes with one text, which cannot stand both where a probe learns and where it is scored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from probes.checks import InputError
from probes.data.labels import quoted, spelt

Labels = Mapping[str, NDArray[np.int64]]
"""Label column -> (texts,) class ids."""


def class_counts(parts: Iterable[Labels], names: Mapping[str, Sequence[str]]) -> dict[str, NDArray[np.int64]]:
    """Label column -> (classes,) texts in all parts of the data together."""
    known = list(parts)
    return {
        task: np.sum([np.bincount(labels[task], minlength=len(classes)) for labels in known], axis=0)
        for task, classes in names.items()
    }


def without_rare(
    parts: Mapping[str, Labels], names: Mapping[str, Sequence[str]]
) -> tuple[dict[str, NDArray[np.int64]], dict[str, tuple[str, ...]], list[str]]:
    """The data without the texts of classes that have one text, until no class of any column has one.

    Args:
        parts: Split -> labels of what was given for it.
        names: Label column -> names by class id.

    Returns:
        Split -> rows that are left; label column -> names of the classes that are left; and notes on the others.
    """
    rows = {name: np.arange(len(next(iter(labels.values())))) for name, labels in parts.items()}
    before = counts = class_counts(parts.values(), names)
    while rare := _rare(counts):
        for name, labels in parts.items():
            bad = np.any([np.isin(labels[task][rows[name]], ids) for task, ids in rare.items()], axis=0)
            rows[name] = rows[name][~bad]
            if not len(rows[name]):
                raise InputError(f"every {name} text is of a class that has one text; give the classes more")
        left = [{task: labels[task][rows[name]] for task in names} for name, labels in parts.items()]
        counts = class_counts(left, names)
    notes, kept = [], {}
    for task, classes in names.items():
        gone = (before[task] > 0) & (counts[task] == 0)
        kept[task] = tuple(each for each, is_gone in zip(classes, gone, strict=True) if not is_gone)
        if gone.any():
            lost = [classes[i] for i in np.flatnonzero(gone).tolist()]
            texts, what = int(before[task][gone].sum()), "class" if len(lost) == 1 else "classes"
            notes.append(
                f"{texts:,} {'text' if texts == 1 else 'texts'} of {len(lost):,} {what} of {task}, with too few texts "
                f"to be probed, {'was' if texts == 1 else 'were'} left out: {quoted(lost)}."
            )
    return rows, kept, notes


def check_rare(counts: Labels, names: Mapping[str, Sequence[str]]) -> None:
    """Raise where a class has one text, naming all of them.

    Args:
        counts: Label column -> (classes,) texts.
        names: Label column -> names by class id.
    """
    found = []
    for task, ids in _rare(counts).items():
        classes = [names[task][i] for i in ids.tolist()]
        if len(classes) == 1:
            found.append(f"class {spelt(classes[0])} of label column {task!r} has one text")
        else:
            found.append(f"{len(classes):,} classes of label column {task!r} have one text each: {quoted(classes)}")
    if found:
        raise InputError(f"{'; '.join(found)}; give each more, or pass --drop-rare to leave them out")


def check_several(names: Mapping[str, Sequence[str]]) -> None:
    """Raise unless every label column has two classes or more."""
    for task, classes in names.items():
        if len(classes) < 2:
            only = f"one class only ({spelt(classes[0])})" if classes else "no class"
            raise InputError(f"label column {task!r} has {only}; a probe needs two or more")


def _rare(counts: Labels) -> dict[str, NDArray[np.intp]]:
    """Label column -> ids of its classes with one text, where there are some."""
    return {task: np.flatnonzero(texts == 1) for task, texts in counts.items() if (texts == 1).any()}
