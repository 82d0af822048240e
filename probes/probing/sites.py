"""Where a label is read from: examples with features of many layers, one place among them, and what is done there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from probes.checks import InputError, check_same_length, choose, unknown_name_message
from probes.data.labels import sort_names
from probes.data.texts import Texts
from probes.probing.selection import Fitter, Selection
from probes.sequences import check_labels, class_ids, finite_features, item_list, plain_array


class LayerFeatures(Protocol):
    """Layer -> (examples, hidden): an array (layers, examples, hidden), or a store's `layers(pooling)`."""

    def __getitem__(self, layer: int, /) -> NDArray[np.floating[Any]]:
        """Features of one layer."""
        ...


@dataclass(frozen=True, eq=False)
class Examples:
    """One split, as `sweep_probes` takes it."""

    features: Mapping[str, LayerFeatures]
    """Pooling -> layer -> (examples, hidden)."""
    labels: Mapping[str, NDArray[np.integer[Any]]]
    """Label column -> (examples,) class ids."""
    texts: Texts | Iterable[str] | None = None
    """(examples,) texts for the bag-of-words floor, which is left out without them."""
    units: NDArray[np.integer[Any]] | None = None
    """(examples,) ids of what folds must keep together, such as duplicates and groups."""


@dataclass(frozen=True, eq=False)
class Read:
    """The splits with the features that one encoder gives them."""

    train: Examples
    validation: Examples | None
    """None where folds of the training texts choose."""
    test: Examples


@dataclass(frozen=True, order=True)
class Point:
    """One layer and pooling."""

    pooling: str
    layer: int

    def __str__(self) -> str:
        return f"{self.pooling} {self.layer}"


@dataclass(frozen=True, eq=False)
class Sample:
    """Features of one point, and the labels of one column."""

    features: NDArray[np.floating[Any]]
    """(examples, hidden)"""
    labels: NDArray[np.integer[Any]]
    """(examples,)"""


@dataclass(frozen=True, eq=False)
class Place:
    """One label column at one point: everything that a study of the probe there needs."""

    task: str
    point: Point
    n_classes: int
    cs: tuple[float, ...]
    """The grid of penalties."""
    fitter: Fitter
    """On the training examples."""
    train: Sample
    """In random order, the same at every point."""
    order: NDArray[np.int64]
    """(examples,) rows of the training split, in that order."""
    validation: Sample | None
    """None where folds of the training examples took its place."""
    test: Sample
    chosen: Selection


Study = Callable[[Place], Any]
"""Something measured at every place beside the probe's scores, while its features are at hand."""


def ready(
    splits: Mapping[str, Examples], class_names: Mapping[str, Sequence[str]] | None
) -> tuple[dict[str, Examples], dict[str, tuple[str, ...]]]:
    """Splits whose labels are arrays of class ids and whose texts are `Texts`, and the names by class id.

    Args:
        splits: Split name -> what the caller has; labels are class ids, or names, in any list, column or tensor.
        class_names: Label column -> names by class id; when None the ids themselves, or the names that occur, sorted.

    Raises:
        InputError: The splits do not fit together or hold no examples, or a label is neither an id nor a name.
    """
    for name, split in splits.items():
        for kind, shown in (("features", "{'mean': (layers, examples, hidden)}"), ("labels", "{'label': class ids}")):
            if not isinstance(getattr(split, kind, None), Mapping):
                found = type(getattr(split, kind, split)).__name__
                raise InputError(f"{name}: {kind} must be a mapping as {shown}, found {found}")
    first = next(iter(splits.values()))
    for split in splits.values():
        if set(split.features) != set(first.features) or set(split.labels) != set(first.labels):
            raise InputError("the three splits must have the same poolings and label columns")
    if not first.features or not first.labels:
        raise InputError("a sweep needs at least one pooling and one label column")
    if class_names is not None and not isinstance(class_names, Mapping):
        raise InputError(f"class_names must be a mapping as {{'label': names}}, found {type(class_names).__name__}")
    ids: dict[str, dict[str, NDArray[np.integer[Any]]]] = {name: {} for name in splits}
    names: dict[str, tuple[str, ...]] = {}
    for task in first.labels:
        if class_names is not None:
            choose("label column with class names", task, class_names)
        given = (
            None
            if class_names is None
            else tuple(map(str, item_list(class_names[task], f"class_names of {task!r}", "names")))
        )
        columns = {name: plain_array(s.labels[task], name=f"{name} labels of {task!r}") for name, s in splits.items()}
        if not all(map(len, columns.values())):
            raise InputError("a split has no examples")
        names[task], numbered = _numbered(task, columns, given)
        for split_name, column in numbered.items():
            ids[split_name][task] = column
    whole = {}
    for name, split in splits.items():
        texts = None if split.texts is None else Texts.of(split.texts, f"{name} texts")
        units = None if split.units is None else class_ids(split.units, name=f"{name} units")
        check_same_length(texts=texts, units=units, **ids[name])
        whole[name] = replace(split, labels=ids[name], texts=texts, units=units)
        for pooling in split.features:
            _check_axes(name, pooling, whole[name])
    return whole, names


def _numbered(
    task: str, columns: Mapping[str, NDArray[Any]], names: tuple[str, ...] | None
) -> tuple[tuple[str, ...], dict[str, NDArray[np.integer[Any]]]]:
    """Names by class id, and the ids of each split, of labels that are ids or names."""
    named = {name: column.dtype.kind in "UTO" and isinstance(column[0], str) for name, column in columns.items()}
    if not any(named.values()):
        ids = {name: class_ids(column, name=f"{name} labels of {task!r}") for name, column in columns.items()}
        top = max(int(column.max(initial=0)) for column in ids.values())
        names = names or tuple(str(i) for i in range(top + 1))
        for name, column in ids.items():
            check_labels(column, len(names), name=f"{name} labels of {task!r}")
        return names, ids
    for name, column in columns.items():
        for row, label in enumerate(column.tolist()):
            if not isinstance(label, str):
                raise InputError(f"{name} labels of {task!r}: row {row} is {label!r}, not a name as in other rows")
    names = names or sort_names(str(label) for column in columns.values() for label in column)
    number = {label: i for i, label in enumerate(names)}
    for column in columns.values():
        if strange := set(column.tolist()) - set(number):
            raise InputError(unknown_name_message(f"class of {task!r}", min(strange), names))
    return names, {name: np.array([number[label] for label in column], np.int64) for name, column in columns.items()}


def _check_axes(name: str, pooling: str, split: Examples) -> None:
    """Raise where one array holds all layers and its axes are not (layers, examples, hidden)."""
    shape = getattr(split.features[pooling], "shape", None)
    task, n = next((task, len(labels)) for task, labels in split.labels.items())
    if shape is None or (len(shape) == 3 and shape[1] == n):
        return
    what = f"{name} features of pooling {pooling!r} must be (layers, {n} examples, hidden), found shape {tuple(shape)}"
    if len(shape) == 2 and shape[0] == n:
        raise InputError(f"{what}; give one layer as features[None]")
    if len(shape) == 3 and n in shape:
        raise InputError(f"{what}; move the axis of the examples to the middle")
    if len(shape) == 3:
        where = f"{name} features of pooling {pooling!r}"
        raise InputError(f"{where} have {shape[1]} examples and {task!r} has {n} labels")
    raise InputError(what)


def layer_features(name: str, split: Examples, point: Point) -> NDArray[np.floating[Any]]:
    """(examples, hidden) features of one split at one point.

    Raises:
        InputError: They are not finite numbers, one row for each label; split, pooling, layer and row are named.
    """
    where = f"{name} features of pooling {point.pooling!r} at layer {point.layer}"
    features = finite_features(split.features[point.pooling][point.layer], name=where)
    for task, labels in split.labels.items():
        if len(features) != len(labels):
            raise InputError(f"{where} have {len(features)} examples and {task!r} has {len(labels)} labels")
    return features
