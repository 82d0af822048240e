"""Examples of the splits, and the sites (label columns x poolings x layers) at which probes are fitted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probes.checks import InputError, check_same_length, choose, unknown_name_message
from probes.data.labels import sort_names
from probes.data.texts import Texts
from probes.logistic.fitting import LogisticFitter
from probes.probing.penalty_selection import Sample, Selection
from probes.sequences import (
    FloatArray,
    Int64Array,
    IntegerArray,
    LayerFeatures,
    check_labels,
    class_ids,
    finite_features,
    item_list,
    plain_array,
)

MAPPING_FORMS = {"features": "{'mean': (layers, examples, hidden)}", "labels": "{'label': class ids}"}
"""Field of `Examples` that must be a mapping -> its form in messages."""


@dataclass(frozen=True, eq=False)
class Examples:
    """Features and labels of one split, as `sweep_probes` takes them."""

    features: Mapping[str, LayerFeatures]
    """Pooling -> layer -> (examples, hidden)."""
    labels: Mapping[str, IntegerArray]
    """Label column -> (examples,) class ids."""
    texts: Texts | Iterable[str] | None = None
    """(examples,) texts for the bag-of-words floor; without them there is no such floor."""
    units: IntegerArray | None = None
    """(examples,) unit ids: examples of one unit, such as duplicates and groups, always go into the same fold,
    and are resampled together."""


@dataclass(frozen=True, eq=False)
class ExampleSplits:
    """Train, validation and test examples with the features of one encoder."""

    train: Examples
    validation: Examples | None
    """None where folds of the training examples replace it."""
    test: Examples


@dataclass(frozen=True, order=True)
class Site:
    """Pooling and layer whose features a probe reads."""

    pooling: str
    layer: int

    def __str__(self) -> str:
        return f"{self.pooling} {self.layer}"


@dataclass(frozen=True, eq=False)
class ProbedSite:
    """Everything that a study may use at one site for one label column."""

    task: str
    site: Site
    n_classes: int
    cs: tuple[float, ...]
    """Inverse penalty strengths among which the probe was selected."""
    fitter: LogisticFitter
    """Fitter on the training examples."""
    train: Sample
    """Training examples in random order; the order is the same at every site."""
    train_order: Int64Array
    """(examples,) rows of the training split in that order."""
    train_units: IntegerArray | None
    """(examples,) unit ids of the training examples in that order; None where each example is one."""
    validation: Sample | None
    """None where folds of the training examples replace it."""
    test: Sample
    selection: Selection


Study = Callable[[ProbedSite], Any]
"""Measurement at every site in addition to the probe's scores, made while the features are in memory."""


def prepare_splits(
    splits: Mapping[str, Examples], class_names: Mapping[str, Sequence[str]] | None
) -> tuple[dict[str, Examples], dict[str, tuple[str, ...]]]:
    """Convert labels to arrays of class ids and texts to `Texts`, and check that the splits fit together.

    Args:
        splits: Split name -> its examples; labels are class ids or class names, in any list, column or tensor.
        class_names: Label column -> names by class id; None takes the ids themselves, or the sorted names that occur.

    Returns:
        The splits, and label column -> names by class id.

    Raises:
        InputError: The splits do not fit together or hold no examples, or a label is neither an id nor a name.
    """
    _check_same_columns(splits)
    if class_names is not None and not isinstance(class_names, Mapping):
        raise InputError(f"class_names must be a mapping as {{'label': names}}, found {type(class_names).__name__}")
    # Number the classes of each label column alike in all splits.
    ids_by_split: dict[str, dict[str, IntegerArray]] = {name: {} for name in splits}
    names_by_task: dict[str, tuple[str, ...]] = {}
    for task in next(iter(splits.values())).labels:
        names = None if class_names is None else _names_of_task(task, class_names)
        columns = _label_columns(task, splits)
        names_by_task[task], ids = _number_labels(task, columns, names)
        for split_name, column in ids.items():
            ids_by_split[split_name][task] = column
    # Replace the labels by class ids, and check the lengths.
    prepared = {}
    for name, split in splits.items():
        prepared[name] = _prepare_split(name, split, ids_by_split[name])
    return prepared, names_by_task


def _check_same_columns(splits: Mapping[str, Examples]) -> None:
    """Raise unless all splits have the same poolings and label columns, at least one of either."""
    for name, split in splits.items():
        for field, form in MAPPING_FORMS.items():
            value = getattr(split, field, split)
            if not isinstance(value, Mapping) or not hasattr(split, field):
                raise InputError(f"{name}: {field} must be a mapping as {form}, found {type(value).__name__}")
    first = next(iter(splits.values()))
    for split in splits.values():
        has_same_poolings = set(split.features) == set(first.features)
        has_same_tasks = set(split.labels) == set(first.labels)
        if not has_same_poolings or not has_same_tasks:
            raise InputError("the three splits must have the same poolings and label columns")
    if not first.features or not first.labels:
        raise InputError("a sweep needs at least one pooling and one label column")


def _names_of_task(task: str, class_names: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Return the class names of one label column as text."""
    choose("label column with class names", task, class_names)
    names = item_list(class_names[task], f"class_names of {task!r}", "names")
    return tuple(str(name) for name in names)


def _label_columns(task: str, splits: Mapping[str, Examples]) -> dict[str, NDArray[Any]]:
    """Return one label column of every split as an array."""
    columns = {}
    for name, split in splits.items():
        labels_name = _labels_name(name, task)
        columns[name] = plain_array(split.labels[task], name=labels_name)
    if any(len(column) == 0 for column in columns.values()):
        raise InputError("a split has no examples")
    return columns


def _labels_name(split_name: str, task: str) -> str:
    """Return the name of a label column of one split in messages."""
    return f"{split_name} labels of {task!r}"


def _number_labels(
    task: str, columns: Mapping[str, NDArray[Any]], names: tuple[str, ...] | None
) -> tuple[tuple[str, ...], dict[str, IntegerArray]]:
    """Return the names by class id and the class ids of each split, of labels that are ids or names."""
    if any(_holds_names(column) for column in columns.values()):
        return _number_names(task, columns, names)
    ids = {}
    for split_name, column in columns.items():
        ids[split_name] = class_ids(column, name=_labels_name(split_name, task))
    # Without names the ids name the classes, up to the largest of any split.
    if not names:
        largest_ids = [int(column.max(initial=0)) for column in ids.values()]
        n_classes = max(largest_ids) + 1
        names = tuple(str(class_id) for class_id in range(n_classes))
    for split_name, column in ids.items():
        check_labels(column, len(names), name=_labels_name(split_name, task))
    return names, ids


def _holds_names(column: NDArray[Any]) -> bool:
    """Return whether the first label of a column is a name."""
    return column.dtype.kind in "UTO" and isinstance(column[0], str)


def _number_names(
    task: str, columns: Mapping[str, NDArray[Any]], names: tuple[str, ...] | None
) -> tuple[tuple[str, ...], dict[str, IntegerArray]]:
    """Return the names by class id and the class ids of each split, of labels that are class names."""
    # Gather the names that occur in any split, and refuse what is no name.
    occurring: list[str] = []
    for split_name, column in columns.items():
        for row, label in enumerate(column.tolist()):
            if not isinstance(label, str):
                where = _labels_name(split_name, task)
                raise InputError(f"{where}: row {row} is {label!r}, not a name as in other rows")
            occurring.append(label)
    names = names or sort_names(occurring)
    # Replace names by their ids.
    id_by_name = {name: class_id for class_id, name in enumerate(names)}
    ids: dict[str, IntegerArray] = {}
    for split_name, column in columns.items():
        labels = column.tolist()
        if unknown := set(labels) - set(id_by_name):
            raise InputError(unknown_name_message(f"class of {task!r}", min(unknown), names))
        split_ids = [id_by_name[label] for label in labels]
        ids[split_name] = np.array(split_ids, np.int64)
    return names, ids


def _prepare_split(name: str, split: Examples, labels: Mapping[str, IntegerArray]) -> Examples:
    """Return one split with its labels as class ids and its texts as `Texts`, after checks of all lengths."""
    texts = None if split.texts is None else Texts.of(split.texts, f"{name} texts")
    units = None if split.units is None else class_ids(split.units, name=f"{name} units")
    check_same_length(texts=texts, units=units, **labels)
    prepared = replace(split, labels=labels, texts=texts, units=units)
    for pooling in split.features:
        _check_axes(name, pooling, prepared)
    return prepared


def _check_axes(name: str, pooling: str, split: Examples) -> None:
    """Raise where one array holds all layers and its axes are not (layers, examples, hidden)."""
    shape = getattr(split.features[pooling], "shape", None)
    task, labels = next(iter(split.labels.items()))
    n = len(labels)
    if shape is None or (len(shape) == 3 and shape[1] == n):
        return
    where = f"{name} features of pooling {pooling!r}"
    # Name the most likely slip: one layer alone, axes in another order, another split.
    message = f"{where} must be (layers, {n} examples, hidden), found shape {tuple(shape)}"
    if len(shape) == 2 and shape[0] == n:
        raise InputError(f"{message}; give one layer as features[None]")
    if len(shape) == 3 and n in shape:
        raise InputError(f"{message}; move the axis of the examples to the middle")
    if len(shape) == 3:
        raise InputError(f"{where} have {shape[1]} examples and {task!r} has {n} labels")
    raise InputError(message)


def site_features(name: str, split: Examples, site: Site) -> FloatArray:
    """Return the (examples, hidden) features of one split at one site.

    Args:
        name: Name of the split in messages.
        split: Examples of the split.
        site: Pooling and layer to read.

    Raises:
        InputError: The features are not finite numbers with one row for each label; the message names split, pooling,
            layer and row.
    """
    where = f"{name} features of pooling {site.pooling!r} at layer {site.layer}"
    layer_features = split.features[site.pooling]
    features = finite_features(layer_features[site.layer], name=where)
    for task, labels in split.labels.items():
        if len(features) != len(labels):
            raise InputError(f"{where} have {len(features)} examples and {task!r} has {len(labels)} labels")
    return features
