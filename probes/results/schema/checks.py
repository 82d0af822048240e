"""The schema of a result: every table and claim that it may hold, and checks of tables and claims against it.

The declarations stand by group in the files beside this one. What the schema does not declare can be neither saved nor
read, but for names that begin with `EXTRA_PREFIX`: under these, research code keeps tables, columns, claims and numbers
of its own, which are not checked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from probes.checks import InputError, choose, unknown_name_message
from probes.results.schema import classifiers, controls, encoder, explanations, interventions, probing
from probes.results.schema.columns import EXTRA_PREFIX as EXTRA_PREFIX
from probes.results.schema.columns import KINDS, SITES, ClaimSchema, Column, Kind, TableSchema, is_extra
from probes.results.typed_json import LARGEST_NUMBER, MisfitError, check_characters, fits, misfit

if TYPE_CHECKING:
    import pandas as pd

MOST_LAYERS = 10_000
ROUNDING = 1e-6
"""How far a share may lie outside 0 to 1."""
LARGEST_COUNT = 2**53
"""Largest whole number that a double holds exactly."""
SITE = re.compile(r"(.+?) (\d{1,5})(?:, |$)", re.DOTALL)
"""One of the sites that a claim lists: `mean 3, cls 4`."""

TABLES: Mapping[str, TableSchema] = {
    **encoder.TABLES,
    **probing.TABLES,
    **controls.TABLES,
    **explanations.TABLES,
    **classifiers.TABLES,
    **interventions.TABLES,
}
"""Table -> its declaration."""
CLAIMS: Mapping[str, ClaimSchema] = {
    **encoder.CLAIMS,
    **probing.CLAIMS,
    **controls.CLAIMS,
    **explanations.CLAIMS,
    **classifiers.CLAIMS,
    **interventions.CLAIMS,
}
"""Kind of claim -> its declaration."""

_NUMPY_KINDS: Mapping[Kind, str] = {"text": "OT", "layer": "iuf", "count": "iuf", "flag": "b"}
"""Kind -> letters of the numpy types of columns that hold it; `iuf` for the other kinds."""


def table_schema(name: str) -> TableSchema | None:
    """Return the declaration of a table; None for one of research code's own.

    Raises:
        InputError: The schema has no such table; the message names the most similar one.
    """
    return None if is_extra(name) else choose("table", name, TABLES)


def claim_schema(kind: str) -> ClaimSchema | None:
    """Return the declaration of a kind of claim; None for one of research code's own.

    Raises:
        InputError: The schema has no such kind; the message names the most similar one.
    """
    return None if is_extra(kind) else choose("kind of claim", kind, CLAIMS)


def number_schema(kind: str, name: str) -> Column | None:
    """Return the declaration of a claim's number; None where research code chose its name or that of the claim.

    Raises:
        InputError: The schema declares no such claim or no such number.
    """
    schema = claim_schema(kind)
    if schema is None or is_extra(name):
        return None
    for column in schema.numbers:
        if column.name == name:
            return column
    for column in schema.by_pooling:
        if name.endswith(f"_{column.name}"):
            return column
    declared = [column.name for column in schema.numbers]
    raise InputError(unknown_name_message(f"number of the claim {kind!r}:", name, declared))


def main_number(kind: str) -> str:
    """Return the name of the number that the page shows of a kind of claim.

    Raises:
        InputError: The schema declares no such claim, or it has no main number.
    """
    schema = claim_schema(kind)
    if schema is None or schema.main is None:
        raise InputError(f"the claim {kind!r} has no main number")
    return schema.main


def check_table_names(name: str, columns: Iterable[object]) -> None:
    """Raise unless the schema declares a table and each of its columns, or research code chose their names.

    Raises:
        MisfitError: The first name that is not declared.
    """
    try:
        schema = table_schema(name)
    except InputError as error:
        raise MisfitError(f"{error}; {_OWN_NAMES}") from error
    if schema is None:
        return
    declared = {column.name for column in schema.columns}
    for column in columns:
        if column not in declared and not is_extra(column):
            raise MisfitError(f"{unknown_name_message(f'column of table {name!r}:', column, declared)}; {_OWN_NAMES}")


_OWN_NAMES = f"names of your own begin with {EXTRA_PREFIX!r}"


def check_table(name: str, table: pd.DataFrame, n_layers: int) -> pd.DataFrame:
    """Raise unless a table has its columns, cells of their kinds, and no row twice.

    Args:
        name: Name of the table.
        table: Its rows.
        n_layers: Number of layers of the model.

    Returns:
        The table; numeric columns without a single value have a numeric type.

    Raises:
        MisfitError: The first thing that does not fit.
    """
    check_table_names(name, table.columns)
    schema = table_schema(name)
    if schema is None:
        return table
    for column in schema.columns:
        if column.name in table.columns:
            _check_cells(column, table[column.name], n_layers)
            table = _with_type(table, column)
        elif not column.optional:
            raise MisfitError(f"it has no column {column.name!r}")
    _check_keys(table, [column.name for column in schema.keys])
    return table


def _with_type(table: pd.DataFrame, column: Column) -> pd.DataFrame:
    """Return the table with a numeric or boolean type where a column without a value came as objects."""
    if column.kind == "text" or table[column.name].dtype.kind != "O":
        return table
    return table.astype({column.name: "boolean" if column.kind == "flag" else "float64"})


def _check_keys(table: pd.DataFrame, names: list[str]) -> None:
    keys = [name for name in names if name in table.columns]
    if not keys:
        return
    repeated = table.duplicated(subset=keys).to_numpy()
    if repeated.any():
        row = int(np.flatnonzero(repeated)[0])
        raise MisfitError(f"row {row + 1} has the same {', '.join(keys)} as an earlier row")


def _check_cells(column: Column, cells: pd.Series[Any], n_layers: int) -> None:
    absent = cells.isna().to_numpy(dtype=bool)
    if absent.any() and not column.nullable:
        row = int(np.flatnonzero(absent)[0])
        raise MisfitError(f"column {column.name!r} has no value in row {row + 1}")
    if absent.all():
        return
    letter = getattr(cells.dtype, "kind", "O")
    if letter not in _NUMPY_KINDS.get(column.kind, "iuf"):
        raise misfit(f"column {column.name!r}", KINDS[column.kind], cells[~absent].tolist()[0])
    if column.choices:
        outside = ~absent & ~cells.isin(column.choices).to_numpy(dtype=bool)
        if outside.any():
            row = int(np.flatnonzero(outside)[0])
            raise misfit(
                f"column {column.name!r} in row {row + 1}", f"one of {', '.join(column.choices)}", cells.iloc[row]
            )
    if column.kind in ("text", "flag"):
        return
    numbers = cells.to_numpy(dtype=np.float64, na_value=np.nan)
    outside = ~absent & ~_is_in_range(numbers, column.kind, n_layers)
    if outside.any():
        row = int(np.flatnonzero(outside)[0])
        raise misfit(f"column {column.name!r} in row {row + 1}", KINDS[column.kind], float(numbers[row]))


def _is_in_range(numbers: Any, kind: Kind, n_layers: int) -> Any:
    """Return where numbers lie in the range of their kind."""
    if kind in ("layer", "count"):
        largest = n_layers if kind == "layer" else LARGEST_COUNT
        return (numbers >= 0) & (numbers <= largest) & (numbers == np.floor(numbers))
    if kind == "share":
        return (numbers >= -ROUNDING) & (numbers <= 1 + ROUNDING)
    if kind == "difference":
        return np.abs(numbers) <= 1 + ROUNDING
    return np.abs(numbers) <= LARGEST_NUMBER


def check_claim_names(kind: str, outcome: str, task: str | None, numbers: Mapping[str, Any]) -> None:
    """Raise unless the schema declares a claim, its outcome and its numbers, and no number is missing.

    Raises:
        MisfitError: The first thing that does not fit.
    """
    try:
        schema = claim_schema(kind)
    except InputError as error:
        raise MisfitError(f"{error}; {_OWN_NAMES}") from error
    if schema is None:
        return
    if outcome not in schema.outcomes:
        raise misfit("outcome", f"one of {', '.join(schema.outcomes)}", outcome)
    if schema.about_task and task is None:
        raise misfit("task", "a label column", task)
    for name, column in _required_numbers(schema, numbers):
        is_absent = name not in numbers and not column.optional
        is_null = name in numbers and numbers[name] is None and not column.nullable
        if is_absent or is_null:
            raise MisfitError(f"numbers lack {name!r}")
    for name in numbers:
        try:
            number_schema(kind, name)
        except InputError as error:
            raise MisfitError(f"{error}; {_OWN_NAMES}") from error


def _required_numbers(schema: ClaimSchema, numbers: Mapping[str, Any]) -> Iterator[tuple[str, Column]]:
    """Yield name and declaration of the numbers of a claim, those by pooling for each pooling that it names."""
    for column in schema.numbers:
        yield column.name, column
    poolings = [name.removesuffix("_layer") for name in numbers if name.endswith("_layer")] if schema.by_pooling else []
    for pooling in poolings:
        for column in schema.by_pooling:
            yield f"{pooling}_{column.name}", column


def check_claim(kind: str, outcome: str, task: str | None, numbers: Mapping[str, Any], n_layers: int) -> None:
    """Raise unless a claim's outcome is one of its kind, and its numbers are there and in their ranges.

    Args:
        kind: Kind of the claim.
        outcome: Its outcome.
        task: Label column that it is about; None for the encoder as a whole.
        numbers: Name -> number or text.
        n_layers: Number of layers of the model.

    Raises:
        MisfitError: The first thing that does not fit.
    """
    if is_extra(kind):
        return
    check_characters({"task": task, **{f"numbers.{name}": value for name, value in numbers.items()}})
    check_claim_names(kind, outcome, task, numbers)
    for name, value in numbers.items():
        column = number_schema(kind, name)
        if column is not None and value is not None:
            _check_number(name, column, value, n_layers)


def _check_number(name: str, column: Column, value: Any, n_layers: int) -> None:
    if column.kind == "text":
        is_valid = isinstance(value, str)
    else:
        is_valid = fits(float, value) and bool(_is_in_range(np.float64(value), column.kind, n_layers))
    if not is_valid:
        raise misfit(f"numbers.{name}", KINDS[column.kind], value)
    if column.choices and value not in column.choices:
        raise misfit(f"numbers.{name}", f"one of {', '.join(column.choices)}", value)
    if name == SITES and not is_site_list(str(value)):
        raise misfit(f"numbers.{SITES}", "sites such as 'mean 3, cls 4'", value)


def is_site_list(listed: str) -> bool:
    """Return whether a text lists sites and nothing else."""
    return "".join(match[0] for match in SITE.finditer(listed)) == listed
