"""Reading labelled texts through `datasets`: files, saved folders and hub names, all columns as they were written."""

from __future__ import annotations

import contextlib
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from logging import CRITICAL
from pathlib import Path
from typing import Any

import numpy as np

from probes.checks import InputError, first_line, unknown
from probes.data import Splits, TextDataset, make_splits, sort_names

FORMATS = {".csv": "csv", ".tsv": "csv", ".json": "json", ".jsonl": "json", ".parquet": "parquet"}


SPARED = 3
"""Texts of a class that a limit leaves, where there is room: one for each split."""


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
    limit: int | None = None,
    drop_invalid: bool = False,
    seed: int = 0,
) -> Splits:
    """Read what there is, and hold out of the training texts what there is not.

    Args:
        train: The only source that must be named.
        validation: Held out of train (15 %) when None.
        test: Held out of train (15 %) when None.
        labels: Label columns; each is a task. A class is named by its value as text.
        text: Column of the texts.
        pair: Column of second texts, or None.
        limit: At most so many texts of each source, drawn at random; small classes keep a few where there is room.
        drop_invalid: Leave out rows without text or label, with a note, instead of refusing them.
        seed: Of the draw and of the split.

    Raises:
        InputError: A source or column is missing, a text is empty, a label is missing, a task has one class only or a
            class with one text.
    """
    rng = np.random.default_rng(seed)
    sources = {"train": train, "validation": validation, "test": test}
    notes: list[str] = []
    columns: dict[str, dict[str, list[Any]]] = {}
    for name, source in sources.items():
        if source is not None:
            read = _read(source, text, pair, labels)
            read, dropped = _valid(read, source, text, pair, labels, drop=drop_invalid)
            if dropped:
                notes.append(f"{dropped:,} rows of {source} have no text or no label and were left out.")
            if limit is not None and limit < len(read[text]):
                read = _draw(read, labels, limit, rng)
            columns[name] = read
    names = {task: _class_names([v for read in columns.values() for v in read[task]], task) for task in labels}
    read_datasets = {
        name: TextDataset.of(
            read[text],
            {task: read[task] for task in labels},
            pairs=read[pair] if pair else None,
            class_names=names,
            source=str(sources[name]),
        )
        for name, read in columns.items()
    }
    return make_splits(**read_datasets, seed=seed, notes=notes)


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


def _read(source: Source, text: str, pair: str | None, labels: Sequence[str]) -> dict[str, list[Any]]:
    """The wanted columns, texts as str or None, labels as str or None."""
    # A cache of its own: `datasets` may return stale content for a file changed in place.
    with tempfile.TemporaryDirectory(prefix="layerprobe-") as cache, _quiet(str(source)):
        table = _load(source, cache)
        wanted = [text, *([pair] if pair else []), *labels]
        for column in wanted:
            if column not in table.column_names:
                raise InputError(f"{source}: {unknown('column', column, table.column_names)}")
        table = table.select_columns(list(dict.fromkeys(wanted)))
        read = {column: table[column][:] for column in table.column_names}
        named = {c: getattr(f, "names", None) for c, f in table.features.items()}
    for task in labels:
        read[task] = _label_values(read[task], named[task], source, task)
    return read


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


def _label_values(values: list[Any], names: list[str] | None, source: Source, task: str) -> list[str | None]:
    """Each label as text; None where it is missing."""
    if values and all(value in (-1, "-1") for value in values):
        raise InputError(f"{source}: every label in column {task!r} is -1 (a hidden test set?); name another split")
    if names is not None:
        return [None if value is None or value < 0 else names[value] for value in values]
    if any(isinstance(value, list | dict) for value in values):
        raise InputError(f"{source}: column {task!r} holds lists; a label is one value")
    if any(isinstance(value, float) and not value.is_integer() and value == value for value in values):
        raise InputError(f"{source}: column {task!r} holds fractions; layerprobe classifies, it does not regress")
    plain = [int(v) if isinstance(v, float) and v == v else v for v in values]
    return [None if v is None or v != v or str(v).strip() == "" else str(v).strip() for v in plain]


def _valid(
    read: dict[str, list[Any]], source: Source, text: str, pair: str | None, labels: Sequence[str], *, drop: bool
) -> tuple[dict[str, list[Any]], int]:
    """The rows with a text and all labels, and how many were dropped; without `drop` the first bad row is an error."""
    rows = len(read[text])
    if not rows:
        raise InputError(f"{source} has no rows")
    bad: dict[int, str] = {}
    for column in (text, *([pair] if pair else [])):
        for row, value in enumerate(read[column]):
            if value is not None and not isinstance(value, str):
                raise InputError(f"{source}: column {column!r} holds {type(value).__name__} in row {row + 1}, not text")
            if not (value or "").strip():
                bad.setdefault(row, f"the text in column {column!r} is empty")
    for task in labels:
        for row, value in enumerate(read[task]):
            if value is None:
                bad.setdefault(row, f"the label in column {task!r} is missing")
    if not bad:
        return read, 0
    if not drop or len(bad) == rows:
        row = min(bad)
        raise InputError(
            f"{source}: {len(bad)} of {rows} rows cannot be used; in row {row + 1} {bad[row]}. "
            "Mend them, or pass --drop-invalid to leave them out"
        )
    keep = [row for row in range(rows) if row not in bad]
    return {column: [values[row] for row in keep] for column, values in read.items()}, len(bad)


def _class_names(values: Sequence[str], task: str) -> tuple[str, ...]:
    """Distinct values, as numbers where all are whole numbers."""
    found = set(values)
    if len(found) > max(50, len(values) // 10) and len(found) > len(values) // 2:
        raise InputError(
            f"label column {task!r} has {len(found)} classes for {len(values)} texts; is it the right column?"
        )
    return sort_names(found)


def _draw(
    read: dict[str, list[Any]], labels: Sequence[str], limit: int, rng: np.random.Generator
) -> dict[str, list[Any]]:
    """At most `limit` rows at random, in their order; every class keeps `SPARED` of its rows where they fit."""
    order = rng.permutation(len(next(iter(read.values()))))
    left = Counter((task, value) for task in labels for value in set(read[task]) for _ in range(SPARED))
    spared = []
    for row in order:
        wanted = [(task, read[task][row]) for task in labels if left[task, read[task][row]]]
        left.subtract(wanted)
        spared += [row] if wanted else []
    keep = np.sort(list(dict.fromkeys([*spared, *order]))[:limit])
    return {column: [values[row] for row in keep] for column, values in read.items()}
