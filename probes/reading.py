"""Reading labelled texts through `datasets`: files, saved folders and hub names, all columns as they were written."""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from logging import CRITICAL
from pathlib import Path
from typing import Any

import numpy as np

from probes.checks import InputError, first_line, unknown
from probes.data import Splits, TextDataset, make_splits
from probes.rows import (
    Columns,
    Rows,
    as_text,
    draw_rows,
    label_values,
    name_classes,
    note_classes_lost,
    tasks_of_lists,
    valid_rows,
)

FORMATS = {".csv": "csv", ".tsv": "csv", ".json": "json", ".jsonl": "json", ".parquet": "parquet"}


@dataclass(frozen=True)
class Source:
    """A file, a saved folder, or a hub dataset with its subset and split."""

    path: str
    subset: str | None = None
    split: str | None = None

    def __str__(self) -> str:
        return "/".join(part for part in (self.path, self.subset, self.split) if part)


def read_splits(
    train: Source,
    validation: Source | None = None,
    test: Source | None = None,
    *,
    labels: Sequence[str],
    text: str = "text",
    pair: str | None = None,
    group: str | None = None,
    control: str | None = None,
    rationales: str | None = None,
    limit: int | None = None,
    drop_invalid: bool = False,
    drop_rare: bool = False,
    fold: bool = False,
    seed: int = 0,
) -> Splits:
    """Read what there is, and hold out of the training texts what there is not.

    Args:
        train: The only source that must be named.
        validation: Held out of train (15 %) when None, but for `fold`.
        test: Held out of train (15 %) when None.
        labels: Label columns; each is a task. A class is named by its value as text. Each value of a column of lists is
            a task of its own, `column: value`, with the classes no and yes.
        text: Column of the texts.
        pair: Column of second texts, or None.
        group: Column of what must not stand on two sides of a split made here, or None.
        control: Column of the input types of control tasks, or None for the first word of a text.
        rationales: Column of what was marked in each text as the reason of its label, see `as_spans`; it serves every
            label column. The test texts need it, others may lack it.
        limit: At most so many texts of each source, drawn at random; small classes keep a few where there is room.
        drop_invalid: Leave out rows without text, label, group or input type, or with invalid spans, with a note,
            instead of refusing them.
        drop_rare: Leave out the rows of classes that have one text, with a note, instead of refusing them.
        fold: Hold no validation texts out; folds of train will choose.
        seed: Of the draw and of the split.

    Raises:
        InputError: A source or column is missing, a text is empty, a label, group or input type is missing, a span is
            not in its text, a task has one class only or a class with one text, or there are too few groups to hold a
            split out.
    """
    rng = np.random.default_rng(seed)
    sources = {"train": train, "validation": validation, "test": test}
    wanted = Columns(text, pair, (labels,) if isinstance(labels, str) else tuple(labels), group, control, rationales)
    notes: list[str] = []
    read: dict[str, Rows] = {}
    drawn: list[str] = []
    for name, source in sources.items():
        if source is not None:
            rows = _read(source, wanted, marked=name == ("train" if test is None else "test"))
            valid = valid_rows(rows, source, wanted, drop=drop_invalid)
            if dropped := len(rows.texts) - len(valid.texts):
                along = {"no group": group, "no input type": control, "invalid spans": rationales}
                lacks = " or ".join(["no text", "no label", *(what for what, column in along.items() if column)])
                notes.append(f"{dropped:,} rows of {source} have {lacks} and were left out.")
            read[name] = draw_rows(valid, limit, rng) if limit is not None and limit < len(valid.texts) else valid
            if read[name] is not valid:
                drawn.append(f"{limit:,} of the {len(valid.texts):,} rows of {source}")
                notes += note_classes_lost(valid, read[name], source)
    asked = read["train"].labels.keys()
    tasks, told = tasks_of_lists(read, sources)
    notes += told
    names: dict[str, tuple[str, ...]] = {}
    for task in tasks["train"].labels:
        names[task] = name_classes([name for rows in tasks.values() for name in rows.labels[task]], task)
    made = {
        name: TextDataset.of(
            rows.texts,
            rows.labels,
            pairs=rows.pairs,
            class_names=names,
            rationales=None if rows.rationales is None else dict.fromkeys(names, rows.rationales),
            groups=rows.groups,
            input_types=rows.input_types,
            source=str(sources[name]),
        )
        for name, rows in tasks.items()
    }
    # By the first task alone, a rare value of a list might leave the training side.
    stratify = () if names.keys() == asked else tuple(names)
    try:
        return make_splits(
            made["train"],
            made.get("validation"),
            made.get("test"),
            stratify=stratify,
            fold=fold,
            drop_rare=drop_rare,
            seed=seed,
            notes=notes,
        )
    except InputError as error:
        if not drawn:
            raise
        raise InputError(f"{error}; the limit leaves {' and '.join(drawn)}: raise it") from error


def split_names(path: str, subset: str | None) -> tuple[str, ...]:
    """Names of the splits of a saved folder or hub dataset.

    Raises:
        InputError: There is no such dataset.
    """
    import datasets

    with _quiet(path):
        if Path(path).is_dir() and (Path(path) / "dataset_dict.json").is_file():
            return tuple(datasets.load_from_disk(path))
        if (Path(path) / "state.json").is_file():
            return ("train",)
        _check_hub_name(path)
        return tuple(datasets.get_dataset_split_names(path, subset))


def _read(source: Source, wanted: Columns, *, marked: bool) -> Rows:
    """The wanted columns, without that of rationales where it may be missing and is; labels and the like as text."""
    # A cache of its own: `datasets` may return stale content for a file changed in place.
    with tempfile.TemporaryDirectory(prefix="layerprobe-") as cache, _quiet(str(source)):
        table = _load(source, cache)
        if not marked and wanted.rationales not in table.column_names:
            wanted = dataclasses.replace(wanted, rationales=None)
        for column in wanted:
            if column not in table.column_names:
                raise InputError(f"{source}: {unknown('column', column, table.column_names)}")
        table = table.select_columns(list(wanted))
        read = {column: table[column][:] for column in table.column_names}
        # Of a list, the names are its elements'.
        named = {c: getattr(getattr(f, "feature", f), "names", None) for c, f in table.features.items()}

    def one_value(column: str | None, what: str) -> list[Any] | None:
        if column is None:
            return None
        if any(isinstance(value, list | dict) for value in read[column]):
            raise InputError(f"{source}: column {column!r} holds lists; {what} is one value")
        return [as_text(value, named[column]) for value in read[column]]

    return Rows(
        read[wanted.text],
        read[wanted.pair] if wanted.pair else None,
        {task: label_values(read[task], named[task], source, task) for task in wanted.labels},
        one_value(wanted.group, "a group"),
        one_value(wanted.control, "an input type"),
        read[wanted.rationales] if wanted.rationales else None,
    )


def _load(source: Source, cache: str) -> Any:
    import datasets

    path = Path(source.path)
    if path.is_file():
        kind = FORMATS.get(path.suffix.lower())
        if kind is None:
            raise InputError(f"{source}: unknown file type {path.suffix!r}; known: {', '.join(FORMATS)}")
        if path.stat().st_size == 0:
            raise InputError(f"{source} is empty")
        options: dict[str, Any] = {}
        if kind == "csv":
            import csv

            import pandas as pd

            options = {"keep_default_na": False, "na_values": []} | (
                {"sep": "\t", "quoting": csv.QUOTE_NONE} if path.suffix.lower() == ".tsv" else {}
            )
            header = pd.read_csv(path, nrows=1, dtype=str, **options)
            if header.empty:
                raise InputError(f"{source} has a header and no rows")
            if not isinstance(header.index, pd.RangeIndex):
                raise InputError(f"{source}: row 1 has more fields than the header; quote texts that hold commas")
            options["features"] = datasets.Features({str(name): datasets.Value("string") for name in header.columns})
        return datasets.load_dataset(kind, data_files=str(path), split="train", cache_dir=cache, **options)
    if path.is_dir() and any((path / name).is_file() for name in ("state.json", "dataset_dict.json")):
        table = datasets.load_from_disk(str(path))
        known = list(table) if isinstance(table, datasets.DatasetDict) else ["train"]
        if source.split is None and known != ["train"]:
            raise InputError(f"{path} holds the splits {', '.join(known)}; name it with --dataset")
        if (source.split or "train") not in known:
            raise InputError(f"{path}: {unknown('split', source.split, known)}")
        return table[source.split or "train"] if isinstance(table, datasets.DatasetDict) else table
    _check_hub_name(source.path)
    return datasets.load_dataset(source.path, source.subset, split=source.split or "train")


def _check_hub_name(name: str) -> None:
    """Raise where a hub would be asked for what is meant as a place on this machine."""
    path = Path(name)
    if path.is_dir():
        raise InputError(f"{name!r} is not a folder that `datasets` saved; name a file in it")
    if path.is_file():
        raise InputError(f"{name!r} is a file; give it with --train")
    if path.suffix.lower() in FORMATS or path.is_absolute() or name.startswith(".") or name.count("/") > 1:
        raise InputError(f"no file or saved dataset {name!r}")


@contextlib.contextmanager
def _quiet(source: str) -> Iterator[None]:
    """No progress bars of the reader's; its many kinds of error as one."""
    import datasets
    import pyarrow as pa
    from huggingface_hub.utils import logging as hub

    hub_level = hub.get_verbosity()
    hub.set_verbosity(CRITICAL)
    shown = not datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    level = datasets.logging.get_verbosity()
    datasets.logging.set_verbosity(datasets.logging.CRITICAL)
    try:
        yield
    except InputError:
        raise
    except (datasets.exceptions.DatasetsError, pa.ArrowException, OSError, ValueError, StopIteration) as error:
        raise InputError(f"cannot read {source}: {first_line(error.__cause__ or error)}") from error
    finally:
        hub.set_verbosity(hub_level)
        datasets.logging.set_verbosity(level)
        if shown:
            datasets.enable_progress_bars()
