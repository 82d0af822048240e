"""Labelled texts, and splits of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import numpy as np

from probes.checks import check_kind, check_same_length, choose
from probes.data.class_names import check_no_fractions
from probes.data.first_words import first_word
from probes.data.labels import by_column, label_codes, text_names
from probes.data.partition import unit_ids
from probes.data.spans import Spans, all_spans
from probes.data.split_notes import Repeats, count_repeats
from probes.data.texts import Texts, row_numbers
from probes.sequences import Int64Array, IntegerArray, check_labels, class_ids, item_list, text_list

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, eq=False)
class TextDataset:
    """Texts of one source, with a class id for each text in each label column."""

    source: str
    """Name of the source, for provenance and messages."""
    texts: Texts
    labels: Mapping[str, Int64Array]
    """Label column -> (texts,) class ids."""
    class_names: Mapping[str, tuple[str, ...]]
    """Label column -> names by class id."""
    rationales: Mapping[str, tuple[Spans, ...]] = field(default_factory=dict)
    """Label column -> (texts,) spans that decide the label, or are marked as its rationale."""
    groups: tuple[str, ...] | None = None
    """(texts,) groups that must not be divided between splits, as authors or documents; None where there are none."""
    input_types: tuple[str, ...] | None = None
    """(texts,) input types, each of which has one label in a control task; the first words of the texts when None."""
    source_rows: Int64Array | None = None
    """(texts,) numbers of the rows in the source, from 1, for messages; 1, 2, ... when None."""

    def __post_init__(self) -> None:
        check_kind(str, source=self.source)
        check_kind(Mapping, labels=self.labels, class_names=self.class_names, rationales=self.rationales)
        for task in self.rationales:
            choose("label column", task, self.labels)
        self._convert_columns()
        self._check_lengths()
        for task, ids in self.labels.items():
            names = choose("label column with class names", task, self.class_names)
            n_classes = len(text_list(names, f"class_names of {task!r}"))
            check_labels(ids, n_classes, name=f"labels of {task!r}")

    def _convert_columns(self) -> None:
        """Replace the columns by copies of the declared types."""
        labels = {task: class_ids(ids, name=f"labels of {task!r}") for task, ids in self.labels.items()}
        object.__setattr__(self, "labels", labels)
        object.__setattr__(self, "texts", Texts.of(self.texts))
        if self.groups is not None:
            object.__setattr__(self, "groups", text_names(self.groups, "group"))
        if self.input_types is not None:
            object.__setattr__(self, "input_types", text_names(self.input_types, "input type"))

    def _check_lengths(self) -> None:
        """Raise unless all columns have one entry for each text."""
        columns: dict[str, Sized | None] = {"groups": self.groups, "input_types": self.input_types}
        for task, ids in self.labels.items():
            columns[f"label column {task!r}"] = ids
        for task, spans in self.rationales.items():
            name = f"rationales of {task!r}"
            columns[name] = item_list(spans, name, "spans")
        check_same_length(texts=self.texts, **columns)

    def location_of(self, row: int) -> str:
        """Return the source of a row and its number in it, for messages."""
        number = row + 1 if self.source_rows is None else self.source_rows[row]
        return f"row {number} of {self.source}"

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
        """Make a dataset from lists, arrays, Series, tensors, columns of `datasets` or generators.

        Args:
            texts: (texts,) a list or column of texts, or `Texts`, which can hold pairs.
            labels: Label column -> (texts,) labels; a single column is called `label`. A class is named by its label
                as text, whole numbers without a fraction.
            class_names: Label column -> names by class id; the labels that occur, sorted, when None.
            rationales: Label column -> (texts,) spans that decide the label, each as first and last + 1 character; no
                spans where they are unknown.
            groups: (texts,) groups that must not be divided between splits, of any type; they are named as text.
            input_types: (texts,) input types, each of which has one label in a control task; the first words of the
                texts when None.
            source: Name of the source, for provenance and messages.

        Raises:
            InputError: Lengths differ, a text is not text, a label is missing or no value that can be a class, a label
                is not among the class names, or rationales are of no label column.
        """
        columns = by_column(labels)
        names = {} if class_names is None else by_column(class_names)
        spans = {} if rationales is None else by_column(rationales)
        for task in names:
            choose("label column", task, columns)
        ids: dict[str, Int64Array] = {}
        ordered_names: dict[str, tuple[str, ...]] = {}
        for task, values in columns.items():
            codes, ordered_names[task] = label_codes(values, task, names.get(task))
            ids[task] = np.array(codes, dtype=np.int64)
        for task, ordered in ordered_names.items():
            if task not in names:
                check_no_fractions(ordered, source, task)
        for task in spans:
            choose("label column", task, columns)
        texts = Texts.of(texts)
        text_spans = {}
        for task, values in spans.items():
            text_spans[task] = all_spans(item_list(values, f"rationales of {task!r}"), texts.first, task)
        return cls(
            source=source,
            texts=texts,
            labels=ids,
            class_names=ordered_names,
            rationales=text_spans,
            groups=None if groups is None else text_names(groups, "group"),
            input_types=None if input_types is None else text_names(input_types, "input type"),
        )

    def take(self, rows: IntegerArray) -> Self:
        """Return the dataset of these rows, in this order."""
        rows = row_numbers(rows, len(self.texts))
        return dataclasses.replace(
            self,
            texts=self.texts.take(rows),
            labels={task: ids[rows] for task, ids in self.labels.items()},
            rationales={task: _take(spans, rows) for task, spans in self.rationales.items()},
            groups=None if self.groups is None else _take(self.groups, rows),
            input_types=None if self.input_types is None else _take(self.input_types, rows),
            source_rows=None if self.source_rows is None else self.source_rows[rows],
        )

    def with_class_names(self, class_names: Mapping[str, tuple[str, ...]]) -> Self:
        """Return the dataset with other class ids.

        Args:
            class_names: Label column -> names by class id, those of all classes with texts among them.
        """
        labels = {}
        for task, names in class_names.items():
            id_by_name = {name: class_id for class_id, name in enumerate(names)}
            # -1 for classes without texts that are no longer named.
            new_ids = [id_by_name.get(name, -1) for name in self.class_names[task]]
            labels[task] = np.array(new_ids, dtype=np.int64)[self.labels[task]]
        return dataclasses.replace(self, labels=labels, class_names=dict(class_names))


def _take(column: tuple[Any, ...], rows: IntegerArray) -> tuple[Any, ...]:
    return tuple(column[row] for row in rows.tolist())


@dataclass(frozen=True, eq=False)
class Split:
    """Rows of a dataset. Their texts are put together once, when they are first used."""

    dataset: TextDataset
    rows: Int64Array
    """(rows,) increasing row numbers of the dataset, from 0."""

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def texts(self) -> Texts:
        """(rows,) texts."""
        return self.dataset.texts.take(self.rows)

    @cached_property
    def groups(self) -> tuple[str, ...] | None:
        """(rows,) groups; None where there are none."""
        groups = self.dataset.groups
        return None if groups is None else _take(groups, self.rows)

    @cached_property
    def units(self) -> Int64Array:
        """(rows,) ids from 0 of units, which folds keep together: rows that share a text or a group have one id."""
        return unit_ids(self.texts, self.groups)

    @cached_property
    def input_types(self) -> tuple[str, ...]:
        """(rows,) input types for control tasks; the first words of the texts where the dataset has none.

        Source: Hewitt & Liang (2019), control tasks, arXiv:1909.03368.
        """
        input_types = self.dataset.input_types
        if input_types is None:
            return tuple(map(first_word, self.texts.first))
        return _take(input_types, self.rows)

    def labels(self, task: str) -> Int64Array:
        """Return the (rows,) class ids of one label column."""
        return self.dataset.labels[task][self.rows]


@dataclass(frozen=True, eq=False)
class Splits:
    """Training, validation and test texts; splits that are held out of train share its dataset."""

    train: Split
    validation: Split | None
    """None where hyperparameters are chosen by cross-validation on train."""
    test: Split
    notes: tuple[str, ...] = ()
    """Notes on the splits, for a reader of scores."""

    @property
    def class_names(self) -> Mapping[str, tuple[str, ...]]:
        """Label column -> names by class id, the same in all splits."""
        return self.train.dataset.class_names

    @property
    def leakage(self) -> Repeats:
        """Numbers of test texts that occur in train too."""
        return count_repeats(self.test.texts.keys, self.train.texts.keys)

    def items(self) -> Iterator[tuple[str, Split]]:
        """Yield name and rows of each split."""
        yield "train", self.train
        if self.validation is not None:
            yield "validation", self.validation
        yield "test", self.test
