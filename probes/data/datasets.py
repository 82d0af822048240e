"""Labelled texts, split so that no text and no group stands on two sides."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from probes.checks import MOST_SEED, InputError, check_kind, check_same_length, choose, instance, whole_number
from probes.data.class_names import check_no_fractions, note_missing_texts, note_names, note_values
from probes.data.first_words import first_word
from probes.data.labels import by_column, label_codes, note_alike, text_names
from probes.data.partition import hold_out, units_of
from probes.data.rare_classes import check_rare, check_several, class_counts, without_rare
from probes.data.spans import Spans, all_spans
from probes.data.split_notes import (
    Repeats,
    absent_notes,
    check_classes_meet,
    few_notes,
    repeat_notes,
    repeats,
    share_notes,
    too_few,
)
from probes.data.texts import Texts, row_numbers
from probes.sequences import check_labels, class_ids, item_list, names_list, text_list

SPLITS = ("train", "validation", "test")
SHARES = {"validation": 0.15, "test": 0.15}
"""Shares of the texts that a split of ours holds out."""


@dataclass(frozen=True, eq=False)
class TextDataset:
    """Texts of one source, with one class id a text in each label column."""

    source: str
    """Where the texts came from, for provenance."""
    texts: Texts
    labels: Mapping[str, NDArray[np.int64]]
    """Label column -> (texts,) class ids."""
    class_names: Mapping[str, tuple[str, ...]]
    """Label column -> names by class id."""
    rationales: Mapping[str, tuple[Spans, ...]] = field(default_factory=dict)
    """Label column -> per text, first and last + 1 character of what decides it, or was marked as the reason."""
    groups: tuple[str, ...] | None = None
    """(texts,) what must not stand on two sides of a split, as an author or a document."""
    input_types: tuple[str, ...] | None = None
    """(texts,) what a control task gives one label, as a word; the first word of a text when None."""
    source_rows: NDArray[np.int64] | None = None
    """(texts,) rows of the source, counted from 1, for messages; all rows in their order when None."""

    def __post_init__(self) -> None:
        check_kind(str, source=self.source)
        check_kind(Mapping, labels=self.labels, class_names=self.class_names, rationales=self.rationales)
        for task in self.rationales:
            choose("label column", task, self.labels)
        owned: dict[str, object] = {"texts": Texts.of(self.texts)}
        owned["groups"] = None if self.groups is None else text_names(self.groups, "group")
        owned["input_types"] = None if self.input_types is None else text_names(self.input_types, "input type")
        owned["labels"] = {task: class_ids(ids, name=f"labels of {task!r}") for task, ids in self.labels.items()}
        for name, value in owned.items():
            object.__setattr__(self, name, value)
        columns: dict[str, Sized] = {f"label column {task!r}": ids for task, ids in self.labels.items()}
        for task, spans in self.rationales.items():
            columns[f"rationales of {task!r}"] = item_list(spans, f"rationales of {task!r}", "spans")
        along = {"groups": self.groups, "input_types": self.input_types}
        check_same_length(texts=self.texts, **along, **columns)
        for task, ids in self.labels.items():
            names = choose("label column with class names", task, self.class_names)
            check_labels(ids, len(text_list(names, f"class_names of {task!r}")), name=f"labels of {task!r}")

    def place_of(self, row: int) -> str:
        """Where a row came from, for messages: its source, and its row there counted from 1."""
        return f"row {row + 1 if self.source_rows is None else self.source_rows[row]} of {self.source}"

    @classmethod
    def of(
        cls,
        texts: Texts | Iterable[str],
        labels: Mapping[str, Sequence[object]] | Sequence[object],
        *,
        class_names: Mapping[str, Sequence[str]] | Sequence[str] | None = None,
        rationales: Mapping[str, Sequence[Spans]] | Sequence[Spans] | None = None,
        groups: Sequence[object] | None = None,
        input_types: Sequence[object] | None = None,
        source: str = "memory",
    ) -> Self:
        """A dataset from lists, or from arrays, Series, tensors, columns of `datasets` or generators.

        Args:
            texts: (texts,) a list or column of texts, or `Texts`, which can hold pairs.
            labels: Label column -> (texts,) labels; one column alone is called `label`. A class is named by its label
                as text, whole numbers without a fraction.
            class_names: Label column -> names by class id; those that occur, sorted, when None.
            rationales: Label column -> per text, first and last + 1 character of what decides it; empty where unknown.
            groups: (texts,) what must not stand on two sides of a split, of any kind; a group is named as text.
            input_types: (texts,) what a control task gives one label; the first word of a text when None.
            source: For provenance.

        Raises:
            InputError: Lengths differ, a text is not text, a label is missing or no value that can be a class, a label
                is not among the class names, or rationales are of no label column.
        """
        columns, names = by_column(labels), {} if class_names is None else by_column(class_names)
        for task in names:
            choose("label column", task, columns)
        coded = {task: label_codes(values, task, names.get(task)) for task, values in columns.items()}
        for task, (_, ordered) in coded.items():
            if task not in names:
                check_no_fractions(ordered, source, task)
        spans = {} if rationales is None else by_column(rationales)
        for task in spans:
            choose("label column", task, columns)
        texts = Texts.of(texts)
        return cls(
            source=source,
            texts=texts,
            labels={task: np.array(ids, dtype=np.int64) for task, (ids, _) in coded.items()},
            class_names={task: ordered for task, (_, ordered) in coded.items()},
            rationales={
                task: all_spans(item_list(each, f"rationales of {task!r}"), texts.first, task)
                for task, each in spans.items()
            },
            groups=None if groups is None else text_names(groups, "group"),
            input_types=None if input_types is None else text_names(input_types, "input type"),
        )

    def take(self, rows: NDArray[np.integer[Any]]) -> Self:
        """These rows, in this order."""
        rows = row_numbers(rows, len(self.texts))
        numbers = rows.tolist()

        def some(column: tuple[Any, ...]) -> tuple[Any, ...]:
            return tuple(column[row] for row in numbers)

        return dataclasses.replace(
            self,
            texts=self.texts.take(rows),
            labels={task: ids[rows] for task, ids in self.labels.items()},
            rationales={task: some(spans) for task, spans in self.rationales.items()},
            groups=None if self.groups is None else some(self.groups),
            input_types=None if self.input_types is None else some(self.input_types),
            source_rows=None if self.source_rows is None else self.source_rows[rows],
        )

    def named(self, names: Mapping[str, tuple[str, ...]]) -> Self:
        """The same with other class ids.

        Args:
            names: Label column -> names by class id, all those among them that have texts.
        """
        labels = {}
        for task, ordered in names.items():
            places = {name: i for i, name in enumerate(ordered)}
            moved = np.array([places.get(name, -1) for name in self.class_names[task]], dtype=np.int64)
            labels[task] = moved[self.labels[task]]
        return dataclasses.replace(self, labels=labels, class_names=dict(names))


@dataclass(frozen=True, eq=False)
class Split:
    """Some rows of a dataset. Their texts are put together once, when they are first read."""

    dataset: TextDataset
    rows: NDArray[np.int64]
    """Rows of the dataset, increasing."""

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def texts(self) -> Texts:
        """The texts of these rows."""
        return self.dataset.texts.take(self.rows)

    @cached_property
    def groups(self) -> tuple[str, ...] | None:
        """The groups of these rows."""
        return None if self.dataset.groups is None else tuple(self.dataset.groups[row] for row in self.rows)

    @cached_property
    def units(self) -> NDArray[np.int64]:
        """(rows,) ids from 0; rows that share a text with its pair, or a group, have one: folds keep them together."""
        return units_of(self.texts, self.groups)

    @cached_property
    def input_types(self) -> tuple[str, ...]:
        """(rows,) the input types of these rows for control tasks; the first word of a text where none were given.

        Source: Hewitt & Liang (2019), control tasks, arXiv:1909.03368.
        """
        given = self.dataset.input_types
        return tuple(map(first_word, self.texts.first)) if given is None else tuple(given[row] for row in self.rows)

    def labels(self, task: str) -> NDArray[np.int64]:
        """Class ids of these rows in one label column."""
        return self.dataset.labels[task][self.rows]


@dataclass(frozen=True, eq=False)
class Splits:
    """Training, validation and test texts; splits of ours share one dataset."""

    train: Split
    validation: Split | None
    """None where folds of the training texts choose."""
    test: Split
    notes: tuple[str, ...] = ()

    @property
    def class_names(self) -> Mapping[str, tuple[str, ...]]:
        """Label column -> names by class id, the same in all splits."""
        return self.train.dataset.class_names

    @property
    def leakage(self) -> Repeats:
        """Test texts that also stand in train."""
        return repeats(self.test.texts.keys, self.train.texts.keys)

    def items(self) -> Iterator[tuple[str, Split]]:
        """Split name and split."""
        yield from ((name, split) for name in SPLITS if (split := getattr(self, name)) is not None)


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
    """Splits from datasets of the same tasks; what is None is held out of `train`.

    A text and its exact duplicates, and all texts of a group, stay on one side of a split made here; where they
    straddle the given datasets, a note says how many. Classes of one name are one class, whatever their ids.

    Args:
        train: What is learnt from, and what the missing splits are held out of.
        validation: 15 % of train when None, but for `fold`.
        test: 15 % of train when None.
        stratify: Tasks whose classes keep their shares in what is held out; the first when empty.
        fold: Hold no validation texts out; folds of train will choose.
        drop_rare: Leave out the texts of classes that have one text, with a note, instead of refusing them.
        seed: Of what is held out.
        notes: Put before the notes made here.

    Raises:
        InputError: The datasets have not the same label columns, a task has one class only, a class has one text, no
            class of a dataset occurs in train, or there are too few texts or groups to hold out.
    """
    check_kind(bool, fold=fold, drop_rare=drop_rare)
    instance(train, TextDataset, "train", "; make one by TextDataset.of")
    seed, stratify = whole_number(seed, "seed", most=MOST_SEED), names_list(stratify, "stratify")
    given = {"train": train, "validation": validation, "test": test}
    if fold and validation is None:
        del given["validation"]
    datasets = _same_classes({name: dataset for name, dataset in given.items() if dataset is not None})
    names = datasets["train"].class_names
    told = [*notes, *_value_notes(datasets.values())]
    for task, classes in names.items():
        told += note_names([classes[i] for d in datasets.values() for i in d.labels[task].tolist()], task)
        told += note_alike(classes, f"classes of {task}")
    check_several(names)
    if drop_rare:
        rows, names, rare = without_rare({name: d.labels for name, d in datasets.items()}, names)
        check_several(names)
        if rare:
            datasets = {name: dataset.take(rows[name]).named(names) for name, dataset in datasets.items()}
    else:
        check_rare(class_counts((d.labels for d in datasets.values()), names), names)
        rare = []
    train = datasets["train"]
    held = {name: SHARES[name] for name in given if name not in datasets}
    for task in stratify:
        choose("label column", task, train.labels)
    rows = {"train": np.arange(len(train.texts))}
    if held:
        rows = _hold_out(train, held, stratify or list(train.labels)[:1], seed)
    splits = {}
    for name in given:
        dataset = datasets.get(name, train)
        splits[name] = Split(dataset, rows[name] if name in rows else np.arange(len(dataset.texts)))
    told += [*rare, *_notes(splits, held)]
    return Splits(splits["train"], splits.get("validation"), splits["test"], tuple(told))


def _value_notes(datasets: Collection[TextDataset]) -> Iterator[str]:
    """Notes on texts, groups and input types that may be marks of missing ones, or one in several writings."""

    def everywhere(column: str) -> list[str]:
        return [value for dataset in datasets for value in getattr(dataset, column) or ()]

    for side, name in (("first", "texts"), ("second", "second texts")):
        yield from note_missing_texts([text for d in datasets for text in getattr(d.texts, side) or ()], name)
    yield from note_values(everywhere("groups"), "groups")
    yield from note_values(everywhere("input_types"), "input types")


def _same_classes(given: Mapping[str, TextDataset]) -> dict[str, TextDataset]:
    """The datasets with one id for each class; those names that train lacks come after its own."""
    train, names = given["train"], dict[str, tuple[str, ...]]()
    for name, dataset in given.items():
        instance(dataset, TextDataset, name, "; make one by TextDataset.of")
        if set(dataset.labels) != set(train.labels):
            columns = f"{', '.join(train.labels)} and {', '.join(dataset.labels)}"
            raise InputError(f"train and {name} have different label columns: {columns}")
        if dataset.texts.paired != train.texts.paired:
            one, other = (name, "train") if dataset.texts.paired else ("train", name)
            raise InputError(f"{one} has second texts and {other} has none")
        if not dataset.texts:
            raise InputError(f"{name} has no texts")
    for task in train.class_names:
        names[task] = tuple(dict.fromkeys(each for dataset in given.values() for each in dataset.class_names[task]))
    return {name: d if dict(d.class_names) == names else d.named(names) for name, d in given.items()}


def _notes(splits: Mapping[str, Split], held: Mapping[str, float]) -> Iterator[str]:
    """Notes on the splits, for a reader of scores."""
    train = splits["train"].dataset
    lengths = {name: len(split) for name, split in splits.items()}
    yield from share_notes(lengths, held, len(train.texts), grouped=train.groups is not None)
    earlier: list[Split] = []
    for name, split in splits.items():
        found = repeats(split.texts.keys, (key for before in earlier for key in before.texts.keys))
        yield from repeat_notes(name, len(split), found)
        seen = {group for before in earlier for group in before.groups or ()}
        if again := sum(group in seen for group in split.groups or ()):
            yield (
                f"{again:,} of {len(split):,} {name} texts are of a group that also stands in an earlier split; their "
                "scores are flattered."
            )
        earlier.append(split)
    for task, classes in train.class_names.items():
        counts = {name: np.bincount(s.labels(task), minlength=len(classes)) for name, s in splits.items()}
        check_classes_meet(task, classes, counts)
        yield from absent_notes(task, classes, counts)
        yield from few_notes(task, classes, counts)


def _hold_out(
    dataset: TextDataset, shares: Mapping[str, float], tasks: Sequence[str], seed: int
) -> dict[str, NDArray[np.int64]]:
    """Split name -> rows, `train` included: shares of each class, units whole, every class kept in train."""
    unit = units_of(dataset.texts, dataset.groups)
    labels = [dataset.labels[task] for task in tasks]
    rng, grouped = np.random.default_rng(seed), dataset.groups is not None
    side = hold_out(unit, labels, list(shares.values()), rng, grouped=grouped)
    rows = {name: np.flatnonzero(side[unit] == i) for i, name in enumerate(("train", *shares))}
    for name, found in rows.items():
        if not len(found):
            raise InputError(too_few(name, list(shares), tasks, dataset.groups, len(side)))
    return rows
