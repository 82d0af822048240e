"""Splits from datasets: classes of all datasets made one set, splits that are missing held out of train, and notes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from probes.checks import MOST_SEED, InputError, check_instance, check_kind, choose, whole_number
from probes.data.class_names import note_missing_texts, note_names, note_values
from probes.data.datasets import SPLITS, Split, Splits, TextDataset
from probes.data.labels import note_alike
from probes.data.partition import hold_out, unit_ids
from probes.data.rare_classes import check_rare, check_several, class_counts, leave_out_rare
from probes.data.split_notes import (
    absent_notes,
    check_shared_classes,
    count_repeats,
    few_notes,
    repeat_notes,
    share_notes,
    too_few_message,
)
from probes.sequences import Int64Array, names_list

HELD_OUT_SHARES = {"validation": 0.15, "test": 0.15}
"""Split -> share of the training texts that is held out where the split has no dataset."""

Datasets = Mapping[str, TextDataset]
"""Split -> its dataset, for the splits that have one."""


def make_splits(
    train: TextDataset,
    validation: TextDataset | None = None,
    test: TextDataset | None = None,
    *,
    stratify: Sequence[str] = (),
    fold: bool = False,
    drop_rare: bool = False,
    seed: int = 0,
    notes: Sequence[str] = (),
) -> Splits:
    """Make splits from datasets of the same tasks; a split without a dataset is held out of train.

    A text and its exact duplicates, and all texts of a group, stay in one split where splits are held out; where
    datasets share texts, a note says how many. Classes of one name are one class, whatever their ids.

    Args:
        train: Texts to fit probes on, and to hold out missing splits from.
        validation: Texts to choose hyperparameters with; 15 % of train when None, unless `fold` is set.
        test: Texts to score on; 15 % of train when None.
        stratify: Tasks whose classes keep their shares in held-out splits; the first task when empty.
        fold: Hold out no validation texts: hyperparameters are chosen by cross-validation on train.
        drop_rare: Leave out the texts of classes that have one text, with a note; an error otherwise.
        seed: Seed of the random choice of held-out texts.
        notes: Notes to put before those on the splits.

    Raises:
        InputError: The datasets have different label columns, a task has only one class, a class has one text, no class
            of a dataset occurs in train, or there are too few texts or groups to hold out.
    """
    check_kind(bool, fold=fold, drop_rare=drop_rare)
    check_instance(train, TextDataset, "train", "; make one by TextDataset.of")
    seed = whole_number(seed, "seed", most=MOST_SEED)
    stratified_tasks = names_list(stratify, "stratify")
    datasets = _unify_classes(_present_datasets(train, validation, test))
    split_notes = [*notes, *_value_notes(datasets), *_class_notes(datasets)]
    datasets, rare_notes = _without_rare_classes(datasets, drop=drop_rare)
    shares = _shares_to_hold_out(datasets, fold=fold)
    for task in stratified_tasks:
        choose("label column", task, datasets["train"].labels)
    splits = _make_splits(datasets, shares, stratified_tasks, seed)
    split_notes += rare_notes
    split_notes += _split_notes(splits, shares)
    return Splits(splits["train"], splits.get("validation"), splits["test"], tuple(split_notes))


def _present_datasets(
    train: TextDataset, validation: TextDataset | None, test: TextDataset | None
) -> dict[str, TextDataset]:
    """Return split -> its dataset where there is one."""
    datasets = {"train": train}
    if validation is not None:
        datasets["validation"] = validation
    if test is not None:
        datasets["test"] = test
    return datasets


# Classes of all datasets


def _unify_classes(datasets: Datasets) -> dict[str, TextDataset]:
    """Give each class one id in all datasets; classes that train lacks follow those of train.

    Raises:
        InputError: Datasets differ in their label columns or in having second texts, or one has no texts.
    """
    train = datasets["train"]
    for name, dataset in datasets.items():
        check_instance(dataset, TextDataset, name, "; make one by TextDataset.of")
        _check_matching(train, name, dataset)
    class_names: dict[str, tuple[str, ...]] = {}
    for task in train.class_names:
        names = [class_name for dataset in datasets.values() for class_name in dataset.class_names[task]]
        class_names[task] = tuple(dict.fromkeys(names))
    unified = {}
    for name, dataset in datasets.items():
        has_same_classes = dict(dataset.class_names) == class_names
        unified[name] = dataset if has_same_classes else dataset.with_class_names(class_names)
    return unified


def _check_matching(train: TextDataset, name: str, dataset: TextDataset) -> None:
    if set(dataset.labels) != set(train.labels):
        columns = f"{', '.join(train.labels)} and {', '.join(dataset.labels)}"
        raise InputError(f"train and {name} have different label columns: {columns}")
    if dataset.texts.paired != train.texts.paired:
        paired, single = (name, "train") if dataset.texts.paired else ("train", name)
        raise InputError(f"{paired} has second texts and {single} has none; give both or neither second texts")
    if not dataset.texts:
        raise InputError(f"{name} has no texts")


def _without_rare_classes(datasets: dict[str, TextDataset], *, drop: bool) -> tuple[dict[str, TextDataset], list[str]]:
    """Leave out the texts of classes that have one text, or raise an error for them.

    Returns:
        Split -> its dataset, and notes.

    Raises:
        InputError: A label column has one class, or a class has one text and `drop` is not set.
    """
    class_names = datasets["train"].class_names
    check_several(class_names)
    if not drop:
        check_rare(class_counts((dataset.labels for dataset in datasets.values()), class_names), class_names)
        return datasets, []
    common = leave_out_rare({name: dataset.labels for name, dataset in datasets.items()}, class_names)
    check_several(common.class_names)
    if not common.notes:
        return datasets, []
    remaining = {}
    for name, dataset in datasets.items():
        remaining[name] = dataset.take(common.rows[name]).with_class_names(common.class_names)
    return remaining, list(common.notes)


# Held-out splits


def _shares_to_hold_out(datasets: Datasets, *, fold: bool) -> dict[str, float]:
    """Return split -> share of train, for the splits without a dataset; with `fold` there is no validation split."""
    shares = {}
    for name, share in HELD_OUT_SHARES.items():
        is_folded = fold and name == "validation"
        if name not in datasets and not is_folded:
            shares[name] = share
    return shares


def _make_splits(
    datasets: Datasets, shares: Mapping[str, float], stratified_tasks: Sequence[str], seed: int
) -> dict[str, Split]:
    """Return split -> its rows: all rows of its own dataset, or rows held out of train."""
    train = datasets["train"]
    train_rows = {"train": np.arange(len(train.texts))}
    if shares:
        train_rows = _hold_out(train, shares, stratified_tasks or list(train.labels)[:1], seed)
    splits = {}
    for name in SPLITS:
        if name in train_rows:
            splits[name] = Split(train, train_rows[name])
        elif name in datasets:
            dataset = datasets[name]
            splits[name] = Split(dataset, np.arange(len(dataset.texts)))
    return splits


def _hold_out(
    dataset: TextDataset, shares: Mapping[str, float], tasks: Sequence[str], seed: int
) -> dict[str, Int64Array]:
    """Divide the rows of a dataset between train and held-out splits.

    Args:
        dataset: Texts to divide.
        shares: Held-out split -> share of the texts.
        tasks: Label columns whose classes keep their shares; every class stays in train.
        seed: Seed of the random choice.

    Returns:
        Split -> its rows, train included.

    Raises:
        InputError: There are too few texts or groups.
    """
    units = unit_ids(dataset.texts, dataset.groups)
    labels = [dataset.labels[task] for task in tasks]
    rng = np.random.default_rng(seed)
    is_grouped = dataset.groups is not None
    split_of_unit = hold_out(units, labels, list(shares.values()), rng, grouped=is_grouped)
    rows = {}
    for split, name in enumerate(("train", *shares)):
        rows[name] = np.flatnonzero(split_of_unit[units] == split)
        if not len(rows[name]):
            raise InputError(too_few_message(name, list(shares), tasks, dataset.groups, len(split_of_unit)))
    return rows


# Notes


def _value_notes(datasets: Datasets) -> Iterator[str]:
    """Yield notes on texts, groups and input types that may stand for missing ones, or are one in several writings."""
    texts: list[str] = []
    second_texts: list[str] = []
    groups: list[str] = []
    input_types: list[str] = []
    for dataset in datasets.values():
        texts += dataset.texts.first
        second_texts += dataset.texts.second or ()
        groups += dataset.groups or ()
        input_types += dataset.input_types or ()
    yield from note_missing_texts(texts, "texts")
    yield from note_missing_texts(second_texts, "second texts")
    yield from note_values(groups, "groups")
    yield from note_values(input_types, "input types")


def _class_notes(datasets: Datasets) -> Iterator[str]:
    """Yield notes on class names that may stand for missing labels, or look alike."""
    for task, names in datasets["train"].class_names.items():
        labels: list[str] = []
        for dataset in datasets.values():
            labels += [names[class_id] for class_id in dataset.labels[task].tolist()]
        yield from note_names(labels, task)
        yield from note_alike(names, f"classes of {task}")


def _split_notes(splits: Mapping[str, Split], shares: Mapping[str, float]) -> Iterator[str]:
    """Yield notes on shares, repeated texts and groups, and classes with few texts or none.

    Raises:
        InputError: Train has one class, or a split has none of its classes.
    """
    train = splits["train"].dataset
    n_texts = {name: len(split) for name, split in splits.items()}
    yield from share_notes(
        n_texts,
        shares,
        len(train.texts),
        grouped=train.groups is not None,
    )
    earlier_keys: list[tuple[str, str]] = []
    earlier_groups: set[str] = set()
    for name, split in splits.items():
        keys = split.texts.keys
        yield from repeat_notes(name, len(split), count_repeats(keys, earlier_keys))
        n_repeated = sum(group in earlier_groups for group in split.groups or ())
        if n_repeated:
            yield (
                f"{n_repeated:,} of {len(split):,} {name} texts belong to a group that also occurs in an earlier "
                "split; accuracy on them may be inflated."
            )
        earlier_keys += keys
        earlier_groups.update(split.groups or ())
    for task, class_names in train.class_names.items():
        counts = {}
        for name, split in splits.items():
            counts[name] = np.bincount(split.labels(task), minlength=len(class_names))
        check_shared_classes(task, class_names, counts)
        yield from absent_notes(task, class_names, counts)
        yield from few_notes(task, class_names, counts)
