"""Labelled texts, split so that no text and no group stands on two sides."""

from __future__ import annotations

import string
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass, field
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from probes.checks import InputError, check_same_length, choose, unknown
from probes.dealing import deal_classes, deal_units, units_of

SPLITS = ("train", "validation", "test")
SHARES = {"validation": 0.15, "test": 0.15}
"""Shares of the texts that a split of ours holds out."""
SLACK = 0.03
"""How far a share may lie from what was wanted, where groups are kept whole, without a note."""
JOINERS = "'\N{RIGHT SINGLE QUOTATION MARK}-\N{HYPHEN}._\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"
"""What holds a word together: don't, well-known, U.S, first_name, 3.14, and joined letters of other scripts."""

Spans = tuple[tuple[int, int], ...]


@dataclass(frozen=True, eq=False)
class TextDataset:
    """Texts of one source, with one class id a text in each label column."""

    source: str
    """Where the texts came from, for provenance."""
    texts: tuple[str, ...]
    pairs: tuple[str, ...] | None
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

    def __post_init__(self) -> None:
        for task in self.rationales:
            choose("label column", task, self.labels)
        columns: dict[str, Sized] = {f"label column {task!r}": ids for task, ids in self.labels.items()}
        columns |= {f"rationales of {task!r}": spans for task, spans in self.rationales.items()}
        along = {"groups": self.groups, "input_types": self.input_types}
        check_same_length(texts=self.texts, pairs=self.pairs, **along, **columns)

    @classmethod
    def of(
        cls,
        texts: Sequence[str],
        labels: Mapping[str, Sequence[object]],
        *,
        pairs: Sequence[str] | None = None,
        class_names: Mapping[str, Sequence[str]] | None = None,
        rationales: Mapping[str, Sequence[Spans]] | None = None,
        groups: Sequence[object] | None = None,
        input_types: Sequence[object] | None = None,
        source: str = "memory",
    ) -> Self:
        """A dataset from plain lists.

        Args:
            texts: (texts,)
            labels: Label column -> (texts,) labels of any kind; a class is named by its label as text.
            pairs: (texts,) second texts, or None.
            class_names: Label column -> names by class id; those that occur, sorted, when None.
            rationales: Label column -> per text, first and last + 1 character of what decides it; empty where unknown.
            groups: (texts,) what must not stand on two sides of a split, of any kind; a group is named as text.
            input_types: (texts,) what a control task gives one label; the first word of a text when None.
            source: For provenance.

        Raises:
            InputError: Lengths differ, a label is not among the class names, or rationales are of no label column.
        """
        values = {task: [str(label) for label in found] for task, found in labels.items()}
        names = {task: tuple((class_names or {}).get(task) or sort_names(found)) for task, found in values.items()}
        for task, found in values.items():
            if strange := set(found) - set(names[task]):
                raise InputError(unknown(f"class of {task!r}", min(strange), names[task]))
        ids = {task: {name: i for i, name in enumerate(names[task])} for task in names}
        return cls(
            source=source,
            texts=tuple(texts),
            pairs=tuple(pairs) if pairs is not None else None,
            labels={task: np.array([ids[task][v] for v in found], dtype=np.int64) for task, found in values.items()},
            class_names=names,
            rationales={task: tuple(spans) for task, spans in (rationales or {}).items()},
            groups=tuple(map(str, groups)) if groups is not None else None,
            input_types=tuple(map(str, input_types)) if input_types is not None else None,
        )


def sort_names(values: Iterable[str]) -> tuple[str, ...]:
    """Distinct values in order: as numbers where all are whole numbers, else as text."""
    found = set(values)
    try:
        return tuple(sorted(found, key=lambda value: (int(value), value)))  # 1 and 01 are two classes
    except ValueError:
        return tuple(sorted(found))


def first_word(text: str) -> str:
    """The first word in lower case, without the quotes and punctuation around it; a text without words as it stands."""

    def is_inside(i: int) -> bool:
        # Z, C and P are spaces, controls and punctuation; ` $ + < = > ^ | ~ are symbols to Unicode, not to a reader.
        return i < len(text) and text[i] not in string.punctuation and unicodedata.category(text[i])[0] not in "ZCP"

    start = next((i for i in range(len(text)) if is_inside(i)), None)
    if start is None:
        return text.strip()
    end = start + 1
    while is_inside(end) or (is_inside(end + 1) and text[end] in JOINERS):
        end += 1
    return text[start:end].lower()


@dataclass(frozen=True, eq=False)
class Split:
    """Some rows of a dataset. Its texts are put together once, at the first reading."""

    dataset: TextDataset
    rows: NDArray[np.int64]
    """Rows of the dataset, increasing."""

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """The texts of these rows."""
        return tuple(self.dataset.texts[row] for row in self.rows)

    @cached_property
    def pairs(self) -> tuple[str, ...] | None:
        """The second texts of these rows."""
        return None if self.dataset.pairs is None else tuple(self.dataset.pairs[row] for row in self.rows)

    @cached_property
    def groups(self) -> tuple[str, ...] | None:
        """The groups of these rows."""
        return None if self.dataset.groups is None else tuple(self.dataset.groups[row] for row in self.rows)

    @cached_property
    def units(self) -> NDArray[np.int64]:
        """(rows,) ids from 0; rows that share a text with its pair, or a group, have one: folds keep them together."""
        return units_of(self.texts, self.pairs, self.groups)

    @cached_property
    def input_types(self) -> tuple[str, ...]:
        """(rows,) the input types of these rows for control tasks; the first word of a text where none were given.

        Source: Hewitt & Liang (2019), control tasks, arXiv:1909.03368.
        """
        given = self.dataset.input_types
        return tuple(first_word(self.dataset.texts[row]) if given is None else given[row] for row in self.rows)

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
    seed: int = 0,
    notes: Sequence[str] = (),
) -> Splits:
    """Splits from datasets of the same tasks; what is None is held out of `train`.

    A text and its exact duplicates, and all texts of a group, stay on one side of a split made here; where they
    straddle the given datasets, a note says how many.

    Args:
        train: What is learnt from, and what the missing splits are held out of.
        validation: 15 % of train when None, but for `fold`.
        test: 15 % of train when None.
        stratify: Tasks whose classes keep their shares in what is held out; the first when empty.
        fold: Hold no validation texts out; folds of train will choose.
        seed: Of what is held out.
        notes: Put before the notes made here.

    Raises:
        InputError: A task has one class only, a class has one text, or there are too few texts or groups to hold out.
    """
    given = {"train": train, "validation": validation, "test": test}
    if fold and validation is None:
        del given["validation"]
    notes = list(notes)
    for task, classes in train.class_names.items():
        counts = sum(np.bincount(d.labels[task], minlength=len(classes)) for d in given.values() if d is not None)
        if len(classes) < 2:
            raise InputError(f"label column {task!r} has one class only ({classes[0]!r}); a probe needs two or more")
        if (lone := np.flatnonzero(counts == 1)).size:
            raise InputError(
                f"class {classes[lone[0]]!r} of label column {task!r} has one text; give it more, or leave its rows out"
            )
    held = {name: SHARES[name] for name, dataset in given.items() if dataset is None}
    for task in stratify:
        choose("label column", task, train.labels)
    dealt_by = list(stratify) or list(train.labels)[:1]
    rows = _hold_out(train, held, dealt_by, seed) if held else {"train": np.arange(len(train.texts))}
    splits = {
        name: Split(dataset, rows[name] if name in rows else np.arange(len(dataset.texts)))
        for name, dataset in ((name, dataset or train) for name, dataset in given.items())
    }
    for name, share in held.items() if train.groups is not None else ():
        found = len(splits[name]) / len(train.texts)
        if abs(found - share) > SLACK:
            notes.append(
                f"As groups are kept whole, {100 * found:.0f} % of the texts are held out for {name} instead of "
                f"{100 * share:.0f} %."
            )
    seen: set[tuple[str, str]] = set()
    seen_groups: set[str] = set()
    for name, split in splits.items():
        texts = list(zip(split.texts, split.pairs or [""] * len(split), strict=True))
        if again := sum(pair in seen for pair in texts):
            notes.append(
                f"{again:,} of {len(texts):,} {name} texts also stand in an earlier split; their scores are flattered."
            )
        seen.update(texts)
        if again := sum(group in seen_groups for group in split.groups or ()):
            notes.append(
                f"{again:,} of {len(texts):,} {name} texts are of a group that also stands in an earlier split; "
                "their scores are flattered."
            )
        seen_groups.update(split.groups or ())
        for task, classes in train.class_names.items():
            absent = np.setdiff1d(np.arange(len(classes)), split.labels(task))
            if absent.size:
                shown = ", ".join(repr(classes[i]) for i in absent[:5])
                notes.append(
                    f"No {name} text of {task} has the class {shown}{' and others' if absent.size > 5 else ''}."
                )
            if name == "train" and absent.size == len(classes) - 1:
                raise InputError(f"the training texts of label column {task!r} have one class only")
    return Splits(splits["train"], splits.get("validation"), splits["test"], tuple(notes))


def _hold_out(
    dataset: TextDataset, shares: Mapping[str, float], tasks: Sequence[str], seed: int
) -> dict[str, NDArray[np.int64]]:
    """Split name -> rows, `train` included: shares of each class, units whole, every class kept in train."""
    unit = units_of(dataset.texts, dataset.pairs, dataset.groups)
    rng = np.random.default_rng(seed)
    if dataset.groups is None and len(tasks) == 1:
        _, first = np.unique(unit, return_index=True)
        side = deal_classes(dataset.labels[tasks[0]][first], list(shares.values()), rng)
    else:
        sizes = [len(dataset.class_names[task]) for task in tasks]
        counts = np.zeros((unit.max() + 1, sum(sizes)))
        for task, start in zip(tasks, np.cumsum([0, *sizes]), strict=False):
            np.add.at(counts, (unit, start + dataset.labels[task]), 1)
        side = deal_units(counts[:, counts.any(axis=0)], list(shares.values()), rng)
    rows = {name: np.flatnonzero(side[unit] == i) for i, name in enumerate(("train", *shares))}
    for name, found in rows.items():
        if not len(found):
            raise InputError(_too_few(dataset, len(side), name))
    return rows


def _too_few(dataset: TextDataset, units: int, name: str) -> str:
    if dataset.groups is None:
        return f"{units} different texts are too few to hold out a {name} split"
    groups, remedy = sorted(set(dataset.groups)), "group by something finer, or give all splits"
    if len(groups) == 1:
        return f"all texts are of one group ({groups[0]!r}), so that no {name} split can be held out; {remedy}"
    joined = f" ({units} where those that share a text are one)" if units < len(groups) else ""
    return (
        f"{len(groups)} groups{joined} are too few to hold out a {name} split and keep every class in train; {remedy}"
    )
