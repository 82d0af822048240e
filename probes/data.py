"""Labelled texts, split so that no text stands on two sides."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from probes.checks import InputError, check_same_length, unknown

SPLITS = ("train", "validation", "test")
SHARES = {"validation": 0.15, "test": 0.15}
"""Shares of the texts that a split of ours holds out."""

_FIRST_WORD = re.compile(r"[^\W_]\S*")
"""From the first letter or digit to the next space."""

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
    """Label column -> per text, character spans of the words known to decide it."""

    def __post_init__(self) -> None:
        check_same_length(texts=self.texts, pairs=self.pairs, **self.labels)

    @classmethod
    def of(
        cls,
        texts: Sequence[str],
        labels: Mapping[str, Sequence[object]],
        *,
        pairs: Sequence[str] | None = None,
        class_names: Mapping[str, Sequence[str]] | None = None,
        rationales: Mapping[str, Sequence[Spans]] | None = None,
        source: str = "memory",
    ) -> Self:
        """A dataset from plain lists.

        Args:
            texts: (texts,)
            labels: Label column -> (texts,) labels of any kind; a class is named by its label as text.
            pairs: (texts,) second texts, or None.
            class_names: Label column -> names by class id; those that occur, sorted, when None.
            rationales: Label column -> per text, character spans of the words known to decide it.
            source: For provenance.

        Raises:
            InputError: Lengths differ, or a label is not among the class names.
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
        )


def sort_names(values: Iterable[str]) -> tuple[str, ...]:
    """Distinct values in order: as numbers where all are whole numbers, else as text."""
    found = set(values)
    try:
        return tuple(sorted(found, key=lambda value: (int(value), value)))  # 1 and 01 are two classes
    except ValueError:
        return tuple(sorted(found))


@dataclass(frozen=True, eq=False)
class Split:
    """Some rows of a dataset."""

    dataset: TextDataset
    rows: NDArray[np.int64]
    """Rows of the dataset, increasing."""

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts of these rows."""
        return tuple(self.dataset.texts[row] for row in self.rows)

    @property
    def pairs(self) -> tuple[str, ...] | None:
        """The second texts of these rows."""
        return None if self.dataset.pairs is None else tuple(self.dataset.pairs[row] for row in self.rows)

    @property
    def input_types(self) -> tuple[str, ...]:
        """The first word of each text, in lower case: what control labels hang on."""
        return tuple((_FIRST_WORD.search(text) or [text.strip()])[0].lower() for text in self.texts)

    def labels(self, task: str) -> NDArray[np.int64]:
        """Class ids of these rows in one label column."""
        return self.dataset.labels[task][self.rows]


@dataclass(frozen=True, eq=False)
class Splits:
    """Training, validation and test texts; splits of ours share one dataset."""

    train: Split
    validation: Split
    test: Split
    notes: tuple[str, ...] = ()

    @property
    def class_names(self) -> Mapping[str, tuple[str, ...]]:
        """Label column -> names by class id, the same in all splits."""
        return self.train.dataset.class_names

    def items(self) -> Iterator[tuple[str, Split]]:
        """Split name and split."""
        yield from ((name, getattr(self, name)) for name in SPLITS)


def make_splits(
    train: TextDataset,
    validation: TextDataset | None = None,
    test: TextDataset | None = None,
    *,
    seed: int = 0,
    notes: Sequence[str] = (),
) -> Splits:
    """Splits from datasets of the same tasks; what is None is held out of `train`, stratified by the first task.

    A text and its exact duplicates stay on one side of a split made here; where they straddle the given datasets, a
    note says how many.

    Raises:
        InputError: A task has one class only, or a class has one text.
    """
    given = {"train": train, "validation": validation, "test": test}
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
    rows = _hold_out(train, held, seed) if held else {"train": np.arange(len(train.texts))}
    splits = {
        name: Split(dataset, rows[name] if name in rows else np.arange(len(dataset.texts)))
        for name, dataset in ((name, dataset or train) for name, dataset in given.items())
    }
    seen: set[tuple[str, str]] = set()
    for name, split in splits.items():
        texts = list(zip(split.texts, split.pairs or [""] * len(split), strict=True))
        if again := sum(pair in seen for pair in texts):
            notes.append(
                f"{again:,} of {len(texts):,} {name} texts also stand in an earlier split; their scores are flattered."
            )
        seen.update(texts)
        for task, classes in train.class_names.items():
            absent = np.setdiff1d(np.arange(len(classes)), split.labels(task))
            if absent.size:
                shown = ", ".join(repr(classes[i]) for i in absent[:5])
                notes.append(
                    f"No {name} text of {task} has the class {shown}{' and others' if absent.size > 5 else ''}."
                )
            if name == "train" and absent.size == len(classes) - 1:
                raise InputError(f"the training texts of label column {task!r} have one class only")
    return Splits(**splits, notes=tuple(notes))


def _hold_out(dataset: TextDataset, shares: Mapping[str, float], seed: int) -> dict[str, NDArray[np.int64]]:
    """Split name -> rows, `train` included: shares of each class, duplicates together, every class kept in train.

    scikit-learn's stratified splitters refuse a class with fewer texts than folds; a long tail of small classes is
    usual here, so each class is dealt out by itself.
    """
    pairs = dataset.pairs or ("",) * len(dataset.texts)
    unit_of: dict[tuple[str, str], int] = {}
    unit = np.array([unit_of.setdefault(key, len(unit_of)) for key in zip(dataset.texts, pairs, strict=True)])
    _, first = np.unique(unit, return_index=True)
    label = next(iter(dataset.labels.values()))[first]
    rng = np.random.default_rng(seed)
    side = np.full(len(first), "train", dtype="<U10")
    for class_id in np.unique(label):
        members = rng.permutation(np.flatnonzero(label == class_id))
        start = 0
        for name, share in shares.items():
            # One each as soon as there are enough, but the last one stays in train.
            n = min(max(round(share * len(members)), 1), len(members) - start - 1)
            side[members[start : start + n]] = name
            start += n
    rows = {name: np.flatnonzero(side[unit] == name) for name in ("train", *shares)}
    for name, found in rows.items():
        if not len(found):
            raise InputError(f"{len(first)} different texts are too few to hold out a {name} split")
    return rows
