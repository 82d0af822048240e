"""Tables of labelled texts as they are stored: files, folders that `datasets` saved, and hub names.

A file is opened by the name that the user gave, which is never a pattern, and nothing of it is cached.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from logging import CRITICAL
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from probes.checks import InputError, first_line, short_repr, unknown
from probes.loading.delimited import read_delimited, separator_of
from probes.loading.json_records import read_records
from probes.loading.rows import Columns
from probes.loading.text_encoding import decode_file

SAVED = ("state.json", "dataset_dict.json")
"""Files of which a folder that `datasets` saved has one."""
FORMATS = {".csv": "csv", ".tsv": "csv", ".json": "json", ".jsonl": "json", ".parquet": "parquet"}


@dataclass(frozen=True)
class Source:
    """A file, a saved folder, or a hub dataset with its subset and split."""

    path: str
    """A path of another type becomes text."""
    subset: str | None = None
    split: str | None = None
    separator: str | None = None
    """Separator of the fields of a CSV or TSV file; the one that explains the file when None."""
    encoding: str | None = None
    """Encoding of a CSV, TSV or JSON file; when None UTF-8, or that of its byte order mark."""

    def __post_init__(self) -> None:
        if not isinstance(self.path, str | PathLike):
            raise InputError(f"the path of a source must be a path, found {short_repr(self.path)}")
        object.__setattr__(self, "path", fspath(self.path))

    def __str__(self) -> str:
        return "/".join(part for part in (self.path, self.subset, self.split) if part)


@dataclass(frozen=True)
class Table:
    """The columns to read of one source."""

    columns: Mapping[str, list[Any]]
    class_names: Mapping[str, Sequence[str] | None] = field(default_factory=dict)
    """Column -> names of its classes, where their ids stand in it, as `datasets` stores them."""
    notes: Sequence[str] = ()


def split_names(path: str, subset: str | None) -> tuple[str, ...]:
    """Names of the splits of a saved folder or hub dataset.

    Raises:
        InputError: There is no such dataset.
    """
    import datasets

    with _quiet(path):
        if (Path(path) / "dataset_dict.json").is_file():
            return tuple(_load_saved(Path(path)))
        if (Path(path) / "state.json").is_file():
            return ("train",)
        _check_hub_name(path)
        return tuple(datasets.get_dataset_split_names(path, subset))


def load_table(source: Source, wanted: Columns, *, optional: Sequence[str] = ()) -> Table:
    """Read the columns that are wanted, those of `optional` where they exist.

    Raises:
        InputError: The source or a column does not exist, or the file is not what its name says.
    """
    with _quiet(str(source)):
        return _load(source, wanted, optional)


def _load(source: Source, wanted: Columns, optional: Sequence[str]) -> Table:
    path = Path(source.path)
    needed = [column for column in wanted if column not in optional]
    if not path.is_file():
        _check_text_options(source, "a dataset")
        return _load_dataset(source, needed, optional)
    for part, value in (("subset", source.subset), ("split", source.split)):
        if value is not None:
            raise InputError(f"{part} {value!r} has no meaning with {source.path}, a file; a dataset has splits")
    kind = FORMATS.get(path.suffix.lower())
    if kind is None:
        hint = "; save the sheet as CSV in UTF-8" if path.suffix.lower() in (".xlsx", ".xls", ".ods") else ""
        raise InputError(f"{source}: unknown file type {path.suffix!r}; known: {', '.join(FORMATS)}{hint}")
    if kind == "parquet":
        _check_text_options(source, "a Parquet file")
        return _load_parquet(path, source, needed, optional)
    text, notes = decode_file(path, source, source.encoding)
    if kind == "csv":
        _, columns, told = read_delimited(
            text,
            source,
            needed,
            optional=optional,
            labels=wanted.labels,
            separator=separator_of(source.separator),
            usual="\t" if path.suffix.lower() == ".tsv" else ",",
        )
        return Table(columns, notes=[*notes, *told])
    if source.separator is not None:
        raise InputError(f"a separator has no meaning with {source}, a JSON file")
    names, records = read_records(text, source, [*needed, *optional], lines=path.suffix.lower() == ".jsonl")
    _check_columns(source, names, needed)
    return Table(records, notes=notes)


def _check_text_options(source: Source, kind: str) -> None:
    for name, value in (("a separator", source.separator), ("an encoding", source.encoding)):
        if value is not None:
            raise InputError(f"{name} has no meaning with {source}, {kind}")


def _check_columns(source: Source, names: Sequence[str], needed: Sequence[str]) -> None:
    if not names:
        raise InputError(f"{source} has no rows")
    for column in needed:
        if column not in names:
            raise InputError(f"{source}: {unknown('column', column, [name or repr(name) for name in names])}")
        if names.count(column) > 1:
            raise InputError(f"{source}: {names.count(column)} columns are called {column!r}; rename one")


def _load_parquet(path: Path, source: Source, needed: Sequence[str], optional: Sequence[str]) -> Table:
    import datasets
    import pyarrow as pa
    import pyarrow.parquet as pq

    with path.open("rb") as file:  # not by its name, in which the reader would look for patterns and partitions
        parquet = pq.ParquetFile(file)
        names = parquet.schema_arrow.names
        _check_columns(source, names, needed)
        columns = [column for column in (*needed, *optional) if column in names]
        # A dot in the name of a column stands for a field of an object.
        table = parquet.read(None if any("." in name for name in names) else columns).select(columns)
    features = {}
    if b"huggingface" in (table.schema.metadata or {}):
        features = datasets.Features.from_arrow_schema(table.schema)
    values = {}
    for column in columns:
        array = table[column]
        if pa.types.is_dictionary(array.type):
            array = array.cast(array.type.value_type)
        values[column] = array.to_pylist()
    return Table(values, _class_names(features))


def _load_dataset(source: Source, needed: Sequence[str], optional: Sequence[str]) -> Table:
    import datasets

    path = Path(source.path)
    if path.is_dir() and any((path / name).is_file() for name in SAVED):
        table = _load_saved(path)
        splits = list(table) if isinstance(table, datasets.DatasetDict) else ["train"]
        if source.split is None and splits != ["train"]:
            raise InputError(f"{path} holds the splits {', '.join(splits)}; name it with --dataset")
        if (source.split or "train") not in splits:
            raise InputError(f"{path}: {unknown('split', source.split, splits)}")
        table = table[source.split or "train"] if isinstance(table, datasets.DatasetDict) else table
    else:
        _check_hub_name(source.path)
        table = datasets.load_dataset(source.path, source.subset, split=source.split or "train")
    _check_columns(source, table.column_names, needed)
    table = table.select_columns([column for column in (*needed, *optional) if column in table.column_names])
    table = table.with_format(None)  # it may have been saved as one of arrays or tensors
    return Table({column: table[column][:] for column in table.column_names}, _class_names(table.features))


def _load_saved(path: Path) -> Any:
    """The dataset, or datasets by split, that a folder holds."""
    import datasets

    if "::" not in str(path.absolute()):
        return datasets.load_from_disk(str(path.absolute()))
    # To `datasets` two colons separate the parts of a chained address.
    with tempfile.TemporaryDirectory(prefix="layerprobe-") as folder:
        link = Path(folder) / "dataset"
        link.symlink_to(path.absolute(), target_is_directory=True)
        return datasets.load_from_disk(str(link), keep_in_memory=True)


def _class_names(features: Mapping[str, Any]) -> dict[str, Sequence[str] | None]:
    """Column -> names of its classes, or, of lists, of its elements' classes."""
    return {column: getattr(getattr(each, "feature", each), "names", None) for column, each in features.items()}


def _check_hub_name(name: str) -> None:
    """Raise where a hub would be asked for what is meant as a place on this machine."""
    path = Path(name)
    if not name.strip():
        raise InputError("the name of a dataset is empty; name a file, a saved folder or a hub dataset")
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
    except ConnectionError as error:
        raise InputError(
            f"there is no file or folder {source!r}, and the hub cannot be asked for a dataset of this name: "
            f"{first_line(error)}"
        ) from error
    except (datasets.exceptions.DatasetsError, pa.ArrowException, OSError, ValueError, StopIteration) as error:
        cause = error.__cause__ or error
        named = isinstance(cause, OSError) and cause.filename is not None and str(cause.filename) == str(source)
        why = cause.strerror if isinstance(cause, OSError) and named else first_line(cause)
        raise InputError(f"cannot read {source}: {why}") from error
    finally:
        hub.set_verbosity(hub_level)
        datasets.logging.set_verbosity(level)
        if shown:
            datasets.enable_progress_bars()
