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
PAIRED_NOTE = "The built-in sentences are minimal pairs; the CIs treat them as independent and are too narrow."
TEXT_FORMATS = {"separator": ("csv",), "encoding": ("csv", "json")}
"""Flag -> formats of the files to which it applies."""


@dataclass(frozen=True)
class DataSettings:
    """Labelled texts: one file for each split, or one dataset with splits."""

    train: Path | None = None
    """Training texts: a CSV, TSV, JSON lines or Parquet file, or a folder saved by the `datasets` library."""
    validation: Path | None = None
    """Validation texts, which select the penalties of the probes, the best layer and pooling and, in fine-tuning, the
    best epoch. When not given, 15 % of --train is held out as validation texts."""
    test: Path | None = None
    """Test texts, which are scored once and select nothing. When not given, 15 % of --train is held out as test
    texts."""
    dataset: str | None = None
    """Dataset with splits, in place of --train: a name on the Hugging Face hub, a folder saved by the `datasets`
    library, or `controlled` for the built-in sentences."""
    subset: str | None = None
    """Subset (configuration) of the hub dataset."""
    train_split: str = "train"
    """Split of --dataset to train on."""
    validation_split: str | None = None
    """Split of --dataset to select on. When not given, it is `validation` if the dataset has that split. `none` holds
    out validation texts from the training split instead."""
    test_split: str | None = None
    """Split of --dataset to test on. When not given, it is `test` if the dataset has that split. `none` holds out test
    texts from the training split instead."""
    folds: int | None = None
    """Number of cross-validation folds of the training texts, which then select the penalties and the best layer and
    pooling; no validation texts are needed."""
    separator: str | None = None
    """Separator of the fields in CSV and TSV files: one character, or the word comma, tab, semicolon or pipe. When not
    given, it is detected from the file."""
    encoding: str | None = None
    """Character encoding of CSV, TSV and JSON files, such as cp1252 or latin-1. When not given, it is the encoding of
    the file's byte order mark, or UTF-8 if the file has none."""
    text: str = "text"
    """Column that contains the texts."""
    text_pair: str | None = None
    """Column that contains the second texts, for tasks on pairs of texts."""
    label: tuple[str, ...] = ("label",)
    """Label columns, each of which is a task with its own probes. A column of lists becomes one task with the classes
    no and yes for each value in the lists."""
    group: str | None = None
    """Column that names the author, document or other group of each text. When validation or test texts are held out,
    all texts of a group are in the same split."""
    control_type: str | None = None
    """Column of the input types of the control task, which assigns one random label to all texts of a type. When not
    given, the type of a text is its first word."""
    rationales: str | None = None
    """Column of human rationales, which adds the plausibility check: the character spans that annotators marked as the
    reason for the label, as lists of [first, last + 1] or as text such as 3-9;15-20. The spans apply to every label
    column and, in pairs of texts, to the first text. The test texts must have this column."""
    limit: int | None = None
    """Use at most this many texts of each file or split. They are drawn at random, and each class keeps a few texts if
    the limit allows it."""
    drop_invalid: bool = False
    """Leave out rows with a missing text, label, group or input type, or with invalid rationale spans; without this
    flag such a row is an error."""
    drop_rare: bool = False
    """Leave out classes that have only one text; without this flag such a class is an error."""

    @property
    def fold_notes(self) -> tuple[str, ...]:
        """A note that folds replace validation texts; none where there are validation texts."""
        if self.folds is None:
            return ()
        return (f"{self.folds}-fold cross-validation on the training texts replaced the validation texts.",)

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
                raise InputError(f"{flag_of(field.name)} is empty; give a name, or leave the flag out")

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
        "{flag} and --folds both name what selects the best probe; give one of them",
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
