"""Flags of the labelled texts, the combinations of them that have no meaning, and the splits that they name."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from probes.checks import InputError, choose

if TYPE_CHECKING:
    from probes.data.datasets import Splits, TextDataset
    from probes.loading.sources import Source

CONTROLLED = "controlled"
"""Name of the built-in sentences."""
NO_SPLIT = "none"
"""Name of a split that is held out of the training texts instead."""
PAIRED_NOTE = "The built-in sentences come in pairs of the same words; intervals that take them singly are narrow."
TEXT_FORMATS = {"separator": ("csv",), "encoding": ("csv", "json")}
"""Flag -> formats of the files to which it applies."""


@dataclass(frozen=True)
class DataSettings:
    """Labelled texts: files, or one dataset with splits."""

    train: Path | None = None
    """Training texts: a CSV, TSV, JSON lines or Parquet file, or a saved `datasets` folder."""
    validation: Path | None = None
    """Texts that choose penalties, the best layer and, in fine-tuning, the best epoch. Held out of --train (15 %) when
    not given."""
    test: Path | None = None
    """Texts that are scored once. Held out of --train (15 %) when not given."""
    dataset: str | None = None
    """Instead of --train: a hub dataset, a saved folder with splits, or `controlled` for the built-in sentences."""
    subset: str | None = None
    """Subset (configuration) of --dataset."""
    train_split: str = "train"
    """Split of --dataset to train on."""
    validation_split: str | None = None
    """Split of --dataset that is used for validation; `validation` where there is one. `none` holds it out of the
    training texts."""
    test_split: str | None = None
    """Split of --dataset that is scored; `test` where there is one. `none` holds it out of the training texts."""
    folds: int | None = None
    """Number of folds of the training texts that choose penalties and the best layer, instead of validation texts."""
    separator: str | None = None
    """Separator of the fields in CSV and TSV files: one character, or comma, tab, semicolon or pipe. When not given, it
    is the one that explains the file."""
    encoding: str | None = None
    """Encoding of CSV, TSV and JSON files, such as cp1252 or latin-1. When not given, it is what a byte order mark
    says, else UTF-8."""
    text: str = "text"
    """Column of the texts."""
    text_pair: str | None = None
    """Column of second texts, for pairs."""
    label: tuple[str, ...] = ("label",)
    """Label columns. Each is probed; of a column of lists, each value is probed as a column of its own."""
    group: str | None = None
    """Column of authors, documents, ...: texts of one author or document never stand on two sides of a split that is
    held out."""
    control_type: str | None = None
    """Column of the input types to which a control task gives random labels; the first word of a text when not
    given."""
    rationales: str | None = None
    """Column of the character spans that annotators marked as the reasons of the label, of every label column if there
    are several: lists of [first, last + 1], or text such as 3-9;15-20. The test texts need it. In pairs of texts, spans
    are those of the first text."""
    limit: int | None = None
    """Use at most this many texts of each file or split, drawn at random, with a few of each class where they fit."""
    drop_invalid: bool = False
    """Leave out rows without text, label, group or input type, or with invalid spans, instead of refusing them."""
    drop_rare: bool = False
    """Leave out the texts of classes that have one text, instead of refusing them."""

    @property
    def fold_notes(self) -> tuple[str, ...]:
        """A note that folds replace validation texts; none where there are validation texts."""
        if self.folds is None:
            return ()
        return (
            f"{self.folds} folds of the training texts, each held out in turn, took the place of validation texts.",
        )

    @property
    def has_rationales(self) -> bool:
        """Whether spans are marked as the reasons of the labels."""
        return self.rationales is not None or self.dataset == CONTROLLED

    def is_set(self, name: str) -> bool:
        """Whether a field differs from its default."""
        return bool(getattr(self, name) != DEFAULTS[name])

    def read(self, seed: int) -> Splits:
        """Read the texts and divide them into training, validation and test texts.

        Args:
            seed: Seed of the splits that are held out and of the draw of --limit.

        Raises:
            InputError: The flags name no texts, or contradict each other, or the data cannot be used.
        """
        self.check()
        if self.dataset == CONTROLLED:
            return self._controlled_splits(seed)
        sources = self._dataset_sources() if self.train is None else self._file_sources()
        return self._read_sources(sources, seed)

    def check(self) -> None:
        """Check the flags, as far as they can be checked before the texts are read.

        Raises:
            InputError: A name is empty, a flag contradicts another, a file does not exist, or no texts are named.
        """
        if not self.label:
            raise InputError("name at least one label column with --label")
        self._check_names()
        for rule in RULES:
            rule.check(self)
        self._check_files()
        if self.train is None and self.dataset is None:
            raise InputError("name the texts with either --train FILE (and --validation, --test) or --dataset NAME")

    def _check_names(self) -> None:
        """Raise if a name is empty."""
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            names = value if isinstance(value, tuple) else (value,)
            if "" in names:
                raise InputError(f"{flag_of(field.name)} is empty; give it a name, or leave it out")

    def _check_files(self) -> None:
        """Raise if a file does not exist."""
        for name in ("train", "validation", "test"):
            path = getattr(self, name)
            if path is None:
                continue
            if path == Path() and not _is_saved_dataset(path):
                raise InputError(f"{flag_of(name)} is empty or the working folder; name a file or a saved dataset")
            if not path.exists():
                raise InputError(f"no file or saved dataset {str(path)!r}, named by {flag_of(name)}")

    def _controlled_splits(self, seed: int) -> Splits:
        from probes.data.splitting import make_splits

        datasets = controlled_datasets(self.label, self.limit, seed)
        return make_splits(*datasets, seed=seed, notes=[PAIRED_NOTE])

    def _dataset_sources(self) -> dict[str, Source]:
        """Return the split of --dataset for each split that is not held out."""
        from probes.loading.sources import Source, split_names

        assert self.dataset is not None
        published = split_names(self.dataset, self.subset)
        sources = {"train": Source(self.dataset, self.subset, self.train_split)}
        for name, requested in (("validation", self.validation_split), ("test", self.test_split)):
            has_default = name in published and (name == "test" or self.folds is None)
            split_name = requested or (name if has_default else NO_SPLIT)
            if split_name != NO_SPLIT:
                sources[name] = Source(self.dataset, self.subset, split_name)
        return sources

    def _file_sources(self) -> dict[str, Source]:
        """Return the file or folder of each split that is not held out.

        Raises:
            InputError: --separator or --encoding is set, and no file has a format to which it applies.
        """
        from probes.loading.sources import FORMATS, Source

        sources = {}
        applicable: set[str] = set()
        for name in ("train", "validation", "test"):
            path = getattr(self, name)
            if path is None:
                continue
            file_format = FORMATS.get(path.suffix.lower())
            options = {flag: getattr(self, flag) for flag, formats in TEXT_FORMATS.items() if file_format in formats}
            applicable.update(options)
            sources[name] = Source(str(path), **options)
        for flag in TEXT_FORMATS:
            if self.is_set(flag) and flag not in applicable:
                raise InputError(f"{flag_of(flag)} has no meaning with --train {self.train}")
        return sources

    def _read_sources(self, sources: dict[str, Source], seed: int) -> Splits:
        import numpy as np

        from probes.loading.read_splits import read_splits
        from probes.probing.folds import check_folds

        splits = read_splits(
            sources["train"],
            sources.get("validation"),
            sources.get("test"),
            labels=self.label,
            text=self.text,
            pair=self.text_pair,
            group=self.group,
            control=self.control_type,
            rationales=self.rationales,
            limit=self.limit,
            drop_invalid=self.drop_invalid,
            drop_rare=self.drop_rare,
            fold=self.folds is not None,
            seed=seed,
        )
        if self.folds is not None:
            n_units = len(np.unique(splits.train.units))
            check_folds(self.folds, n_units)
        return splits


DEFAULTS: dict[str, Any] = {field.name: field.default for field in dataclasses.fields(DataSettings)}
"""Field -> its default."""


@dataclass(frozen=True)
class Rule:
    """Flags that have no meaning in a situation: what is scored must be what the flags name."""

    applies: Callable[[DataSettings], bool]
    fields: tuple[str, ...]
    """Fields of the flags that must not be set, in the order in which they are checked."""
    message: str
    """Message with `{flag}` for the flag, and the settings' fields by name."""

    def check(self, settings: DataSettings) -> None:
        """Raise if the rule applies and one of its flags is set."""
        if not self.applies(settings):
            return
        for name in self.fields:
            if settings.is_set(name):
                raise InputError(self.message.format(flag=flag_of(name), **vars(settings)))


def flag_of(name: str) -> str:
    """Return the flag of a field."""
    return f"--{name.replace('_', '-')}"


def _has_folds(settings: DataSettings) -> bool:
    return settings.folds is not None


def _has_files(settings: DataSettings) -> bool:
    return settings.train is not None


def _has_dataset(settings: DataSettings) -> bool:
    return settings.dataset is not None


def _is_controlled(settings: DataSettings) -> bool:
    return settings.dataset == CONTROLLED


FILE_FIELDS = ("validation", "test", "separator", "encoding")
SPLIT_FIELDS = ("subset", "train_split", "validation_split", "test_split")
COLUMN_FIELDS = ("text_pair", "group", "control_type", "rationales", "text")
RULES = (
    Rule(
        _has_folds,
        ("validation", "validation_split"),
        "{flag} and --folds both say what chooses; give one of them",
    ),
    Rule(_has_files, ("dataset",), "--train and --dataset both name the texts; give one of them"),
    Rule(
        _is_controlled,
        (*FILE_FIELDS, *SPLIT_FIELDS, *COLUMN_FIELDS, "drop_invalid", "drop_rare", "folds"),
        "{flag} has no meaning with --dataset {dataset}",
    ),
    Rule(_has_dataset, FILE_FIELDS, "{flag} has no meaning with --dataset {dataset}"),
    Rule(_has_files, SPLIT_FIELDS, "{flag} has no meaning with --train {train}"),
)
"""Combinations of flags that are refused; the first rule that is broken makes the message."""


def controlled_datasets(tasks: Sequence[str], limit: int | None, seed: int) -> list[TextDataset]:
    """Return the built-in training, validation and test sentences with some of their label columns.

    Args:
        tasks: Label columns.
        limit: Most sentences of each split; all of them when None.
        seed: Seed of the sentences.
    """
    from probes.data.controlled import CYCLE, TASKS
    from probes.data.datasets import SPLITS

    for task in tasks:
        choose("label column", task, dict.fromkeys(TASKS))
    if limit is not None and limit < CYCLE:
        raise InputError(f"--limit of the built-in sentences must be {CYCLE} or more, found {limit}")
    n_sentences = None if limit is None else limit - limit % CYCLE
    return [_controlled_dataset(split_name, tasks, n_sentences, seed) for split_name in SPLITS]


def _controlled_dataset(split_name: str, tasks: Sequence[str], n_sentences: int | None, seed: int) -> TextDataset:
    from probes.data.controlled import controlled_sentences
    from probes.data.datasets import TextDataset
    from probes.data.labels import sort_names

    sentences = controlled_sentences(split_name, seed=seed)
    rows = slice(n_sentences)
    return TextDataset.of(
        sentences.texts[rows],
        {task: sentences.labels[task][rows] for task in tasks},
        class_names={task: sort_names(sentences.labels[task]) for task in tasks},
        rationales={task: sentences.rationales[task][rows] for task in tasks},
        source=f"{CONTROLLED}/{split_name}",
    )


def _is_saved_dataset(folder: Path) -> bool:
    from probes.loading.sources import SAVED_DATASET_FILES

    return any((folder / name).is_file() for name in SAVED_DATASET_FILES)
