"""Sources of labelled texts: files, folders that `datasets` saved, and hub names.

A file is opened by the name that the user gives, which is never a pattern, and nothing of it is cached.
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

from probes.checks import InputError, first_line, short_repr, unknown_name_message
from probes.loading.delimited import RequestedColumns, parse_separator, read_delimited
from probes.loading.json_records import read_records
from probes.loading.rows import Columns
from probes.loading.text_encoding import decode_file

SAVED_DATASET_FILES = ("state.json", "dataset_dict.json")
"""Files of which every folder that `datasets` saved has one."""
SPREADSHEETS = (".xlsx", ".xls", ".ods")
FORMATS = {".csv": "csv", ".tsv": "csv", ".json": "json", ".jsonl": "json", ".parquet": "parquet"}
"""Suffix of a file -> its format."""


@dataclass(frozen=True)
class Source:
    """A file, a saved folder, or a hub dataset with its subset and split."""

    path: str
    """Path of a file or folder, or name of a hub dataset."""
    subset: str | None = None
    split: str | None = None
    separator: str | None = None
    """Separator of the fields of a CSV or TSV file; found from its header when None."""
    encoding: str | None = None
    """Encoding of a CSV, TSV or JSON file; when None that of its byte order mark, or UTF-8."""

    def __post_init__(self) -> None:
        if not isinstance(self.path, str | PathLike):
            raise InputError(f"the path of a source must be a path, found {short_repr(self.path)}")
        object.__setattr__(self, "path", fspath(self.path))

    def __str__(self) -> str:
        return "/".join(part for part in (self.path, self.subset, self.split) if part)


@dataclass(frozen=True)
class Table:
    """Columns of one source."""

    columns: Mapping[str, list[Any]]
    """Column -> (rows,) values."""
    class_names: Mapping[str, Sequence[str] | None] = field(default_factory=dict)
    """Column -> names of its classes, where it holds class ids, as `datasets` stores them."""
    notes: Sequence[str] = ()


def split_names(path: str, subset: str | None) -> tuple[str, ...]:
    """Return the names of the splits of a saved folder or hub dataset.

    Raises:
        InputError: There is no such dataset.
    """
    import datasets

    with _quiet(path):
        if any((Path(path) / name).is_file() for name in SAVED_DATASET_FILES):
            _check_no_subset(path, subset)
        if (Path(path) / "dataset_dict.json").is_file():
            return tuple(_load_saved(Path(path)))
        if (Path(path) / "state.json").is_file():
            return ("train",)
        _check_hub_name(path)
        return tuple(datasets.get_dataset_split_names(path, subset))


def load_table(
    source: Source,
    columns: Columns,
    *,
    optional: Sequence[str] = (),
) -> Table:
    """Read columns of a source.

    Args:
        source: The source.
        columns: Columns to read.
        optional: Those of them that the source may lack.

    Raises:
        InputError: The source or a column does not exist, or the file is not what its name says.
    """
    with _quiet(str(source)):
        required = tuple(column for column in columns if column not in optional)
        request = RequestedColumns(required, tuple(optional), columns.labels)
        return _load(source, request)


def _load(source: Source, request: RequestedColumns) -> Table:
    path = Path(source.path)
    if not path.is_file():
        _check_text_options(source, "a dataset")
        return _load_dataset(source, request)
    for part, value in (("subset", source.subset), ("split", source.split)):
        if value is not None:
            raise InputError(f"{part} {value!r} has no meaning for the file {source.path}; only a dataset has splits")
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        advice = "; save the sheet as CSV in UTF-8" if suffix in SPREADSHEETS else ""
        raise InputError(f"{source}: unknown file type {path.suffix!r}; known: {', '.join(FORMATS)}{advice}")
    if FORMATS[suffix] == "parquet":
        _check_text_options(source, "a Parquet file")
        return _load_parquet(path, source, request)
    text, notes = decode_file(path, source, source.encoding)
    if FORMATS[suffix] == "csv":
        cells, csv_notes = read_delimited(
            text,
            source,
            request,
            separator=parse_separator(source.separator),
            usual_separator="\t" if suffix == ".tsv" else ",",
        )
        return Table(cells, notes=[*notes, *csv_notes])
    if source.separator is not None:
        raise InputError(f"a separator has no meaning for the JSON file {source}; leave it out")
    names, records = read_records(text, source, request.all, lines=suffix == ".jsonl")
    _check_columns(source, names, request.required)
    return Table(records, notes=notes)


def _check_text_options(source: Source, kind: str) -> None:
    """Raise where an option of text files is set for a source of another kind."""
    for name, value in (("a separator", source.separator), ("an encoding", source.encoding)):
        if value is not None:
            raise InputError(f"{name} has no meaning with {source}, {kind}")


def _check_columns(
    source: Source,
    names: Sequence[str],
    required: Sequence[str],
) -> None:
    """Raise unless each required column is the name of one column."""
    if not names:
        raise InputError(f"{source} has no rows")
    for column in required:
        if column not in names:
            visible_names = [name or repr(name) for name in names]
            raise InputError(f"{source}: {unknown_name_message('column', column, visible_names)}")
        if names.count(column) > 1:
            raise InputError(f"{source}: {names.count(column)} columns are called {column!r}; rename one")


def _load_parquet(path: Path, source: Source, request: RequestedColumns) -> Table:
    import datasets
    import pyarrow as pa
    import pyarrow.parquet as pq

    # The reader would look for patterns and partitions in the name of a file.
    with path.open("rb") as file:
        parquet = pq.ParquetFile(file)
        names = parquet.schema_arrow.names
        _check_columns(source, names, request.required)
        columns = [column for column in request.all if column in names]
        # The reader takes a dot in the name of a column for a field of an object: then all columns are read.
        has_dots = any("." in name for name in names)
        table = parquet.read(None if has_dots else columns).select(columns)
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


def _load_dataset(source: Source, request: RequestedColumns) -> Table:
    import datasets

    path = Path(source.path)
    is_saved = path.is_dir() and any((path / name).is_file() for name in SAVED_DATASET_FILES)
    if is_saved:
        _check_no_subset(source.path, source.subset)
        table = _load_saved_split(path, source.split)
    else:
        _check_hub_name(source.path)
        table = datasets.load_dataset(source.path, source.subset, split=source.split or "train")
    _check_columns(source, table.column_names, request.required)
    columns = [column for column in request.all if column in table.column_names]
    # A dataset may be saved with a format of arrays or tensors.
    table = table.select_columns(columns).with_format(None)
    values = {column: table[column][:] for column in table.column_names}
    return Table(values, _class_names(table.features))


def _load_saved_split(path: Path, split: str | None) -> Any:
    """Load one split of a saved folder; `train` where none is named and there is no other."""
    import datasets

    dataset = _load_saved(path)
    is_divided = isinstance(dataset, datasets.DatasetDict)
    splits = list(dataset) if is_divided else ["train"]
    if split is None and splits != ["train"]:
        raise InputError(f"{path} contains the splits {', '.join(splits)}; name it with --dataset")
    if (split or "train") not in splits:
        raise InputError(f"{path}: {unknown_name_message('split', split, splits)}")
    return dataset[split or "train"] if is_divided else dataset


def _check_no_subset(path: str, subset: str | None) -> None:
    """Raise where a subset of a saved folder is named."""
    if subset is not None:
        raise InputError(
            f"subset {subset!r} has no meaning for the saved folder {path}; only a hub dataset has subsets"
        )


def _load_saved(path: Path) -> Any:
    """Load the dataset, or datasets by split, that a folder holds."""
    import datasets

    if "::" not in str(path.absolute()):
        return datasets.load_from_disk(str(path.absolute()))
    # `datasets` takes two colons for the separator of a chained address.
    with tempfile.TemporaryDirectory(prefix="layerprobe-") as folder:
        link = Path(folder) / "dataset"
        link.symlink_to(path.absolute(), target_is_directory=True)
        return datasets.load_from_disk(str(link), keep_in_memory=True)


def _class_names(features: Mapping[str, Any]) -> dict[str, Sequence[str] | None]:
    """Return column -> names of its classes or, in a column of lists, of the classes of list elements."""
    names = {}
    for column, feature in features.items():
        element = getattr(feature, "feature", feature)
        names[column] = getattr(element, "names", None)
    return names


def _check_hub_name(name: str) -> None:
    """Raise where a name cannot mean a hub dataset: it is empty, a path, or a folder on this machine."""
    path = Path(name)
    if not name.strip():
        raise InputError("the name of a dataset is empty; name a file, a saved folder or a hub dataset")
    if path.is_dir():
        raise InputError(f"{name!r} is not a folder saved by the `datasets` library; name a file in it")
    if path.is_file():
        raise InputError(f"{name!r} is a file; give it with --train")
    is_path = path.is_absolute() or name.startswith(".") or name.count("/") > 1
    if is_path or path.suffix.lower() in FORMATS:
        raise InputError(f"no file or saved dataset {name!r}")


@contextlib.contextmanager
def _quiet(source: str) -> Iterator[None]:
    """Turn off progress bars and logs of `datasets`, and convert its errors into input errors of one line."""
    import datasets
    import pyarrow as pa
    from huggingface_hub.utils import logging as hub_logging

    hub_level = hub_logging.get_verbosity()
    hub_logging.set_verbosity(CRITICAL)
    has_bars = not datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    level = datasets.logging.get_verbosity()
    datasets.logging.set_verbosity(datasets.logging.CRITICAL)
    try:
        yield
    except InputError:
        raise
    except ConnectionError as error:
        raise InputError(
            f"there is no file or folder {source!r}, and the hub could not be reached for a dataset of this name: "
            f"{first_line(error)}"
        ) from error
    except (datasets.exceptions.DatasetsError, pa.ArrowException, OSError, ValueError, StopIteration) as error:
        raise InputError(f"cannot read {source}: {_reason(error, source)}") from error
    finally:
        hub_logging.set_verbosity(hub_level)
        datasets.logging.set_verbosity(level)
        if has_bars:
            datasets.enable_progress_bars()


def _reason(error: BaseException, source: str) -> str:
    """Return the reason of an error, without the name of the source where the message repeats it."""
    cause = error.__cause__ or error
    if isinstance(cause, OSError) and cause.filename is not None and str(cause.filename) == str(source):
        return str(cause.strerror)
    return first_line(cause)
