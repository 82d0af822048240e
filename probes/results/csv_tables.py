"""Tables of a result as CSV files, and back: every text of a cell or column name is read as it was written."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from probes.results.typed_json import MisfitError, misfit

if TYPE_CHECKING:
    import pandas as pd

KINDS: Mapping[str, str] = {
    "boolean": "true or false",
    "Int64": "a whole number",
    "UInt64": "a whole number from 0 on",
    "float64": "a number",
    "str": "text",
    "text": "text in every row",
}
"""Kind of a column -> its cells in messages. An empty cell is missing in `str`, and an empty text in `text`."""
_LETTERS = {"b": "boolean", "i": "Int64", "u": "UInt64", "f": "float64"}
_FLAGS = {"True": True, "False": False}


@dataclass(frozen=True)
class TableFormat:
    """The types of a table's columns, which CSV does not hold."""

    columns: tuple[tuple[str, str], ...]
    """Name and kind of each column, in order."""
    rows: int
    empty: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Column of kind `str` -> rows with an empty text; the remaining empty cells are missing."""

    def to_json(self) -> dict[str, Any]:
        """Return the fields as plain values of JSON."""
        empty = {name: list(rows) for name, rows in self.empty.items()}
        return {"columns": [list(column) for column in self.columns], "rows": self.rows, "empty": empty}

    def __post_init__(self) -> None:
        names = [name for name, _ in self.columns]
        repeated = [name for name in names if names.count(name) > 1] if len(set(names)) < len(names) else []
        if repeated:
            raise MisfitError(f"two columns are called {repeated[0]!r}")
        for name, kind in self.columns:
            if kind not in KINDS:
                raise misfit(f"the kind of column {name!r}", f"one of {', '.join(KINDS)}", kind)
        if self.rows < 0 or (self.rows and not names):
            raise misfit("the number of rows", "0 or more, and 0 without columns", self.rows)
        for name, rows in self.empty.items():
            are_rows = all(0 <= row < self.rows for row in rows)
            if (name, "str") not in self.columns or not are_rows:
                raise MisfitError(f"the empty cells of {name!r} are not rows of that column")


def to_csv(table: pd.DataFrame) -> tuple[bytes, TableFormat]:
    """Write a table as CSV in UTF-8: a line for the column names, then one for each row.

    Returns:
        The file, and the format that `read_csv` needs.

    Raises:
        MisfitError: Two columns have the same name.
    """
    names = [str(name) for name in table.columns]
    columns = list[tuple[str, str]]()
    empty = dict[str, tuple[int, ...]]()
    needs_quotes = any("\r" in name or name.startswith("\ufeff") for name in names)
    for i, name in enumerate(names):
        values = table.iloc[:, i]
        kind = _LETTERS.get(getattr(values.dtype, "kind", "O"), "str")
        if kind == "str":
            texts = set(map(str, values.dropna().tolist()))
            needs_quotes = needs_quotes or any("\r" in text for text in texts)
            if "" in texts:
                rows = np.flatnonzero((values == "").fillna(False).to_numpy(dtype=bool))
                kind = "text" if values.notna().all() else "str"
                if kind == "str":
                    empty[name] = tuple(rows.tolist())
        columns.append((name, kind))
    table_format = TableFormat(tuple(columns), len(table) if names else 0, empty)
    # Python's csv.writer quotes a lone "\r" from 3.11.9 and 3.12.3 on only; unquoted, readers end the line there.
    quoting = csv.QUOTE_NONNUMERIC if needs_quotes else csv.QUOTE_MINIMAL
    text = table.to_csv(index=False, quoting=quoting, lineterminator="\n") if names else ""
    return text.encode("utf-8", "surrogatepass"), table_format


def read_csv(content: bytes, table_format: TableFormat) -> pd.DataFrame:
    """Read a file that `to_csv` wrote.

    Raises:
        MisfitError: Columns or rows are not those of the format, or a cell is not of its column's kind.
    """
    import pandas as pd

    if not table_format.columns:
        return pd.DataFrame()
    cells = _cells(content)
    names = [name for name, _ in table_format.columns]
    header = ["" if pd.isna(cell) else str(cell) for cell in cells.iloc[0]] if len(cells) else []
    if header != names:
        raise misfit("the header", ", ".join(map(repr, names)), header)
    if len(cells) - 1 != table_format.rows:
        raise misfit("the number of rows", f"{table_format.rows:,}", len(cells) - 1)
    body = cells.iloc[1:].reset_index(drop=True)
    body.columns = pd.Index(names)
    for name, kind in table_format.columns:
        body[name] = _column(body[name], kind, name, table_format.empty.get(name, ()))
    return body


def _cells(content: bytes) -> pd.DataFrame:
    """Return all cells as text, the column names in the first row; empty cells are missing."""
    import pandas as pd

    options: dict[str, Any] = {"header": None, "keep_default_na": False, "na_values": [""], "encoding": "utf-8"}
    try:
        try:
            return pd.read_csv(io.BytesIO(content), dtype=str, **options)
        except UnicodeError:  # a lone surrogate, which a string column of pandas cannot hold
            return pd.read_csv(io.BytesIO(content), dtype=object, encoding_errors="surrogatepass", **options)
    except UnicodeError as error:
        raise MisfitError("it is not in UTF-8") from error
    except ValueError as error:  # the errors of pandas are subclasses
        raise MisfitError(f"it is not CSV ({' '.join(str(error).split())[:200]})") from error


def _column(cells: pd.Series[Any], kind: str, name: str, empty: tuple[int, ...]) -> pd.Series[Any]:
    import pandas as pd

    if kind == "text":
        return cells.fillna("")
    if kind == "str":
        if empty:
            if cells.iloc[list(empty)].notna().any():
                raise MisfitError(f"the empty cells of {name!r} are not empty")
            cells = cells.copy()
            cells.iloc[list(empty)] = ""
        return cells
    missing = cells.isna().to_numpy(dtype=bool)
    texts = cells.to_numpy(dtype=object)[~missing]
    try:
        numbers = _numbers(texts, kind)
    except (ValueError, OverflowError, KeyError):
        position = _first_misfit(texts, kind)
        row = int(np.flatnonzero(~missing)[position])
        raise misfit(f"column {name!r} in row {row + 1}", KINDS[kind], texts[position]) from None
    if kind == "float64":
        values = np.full(len(cells), np.nan)
        values[~missing] = numbers
        return pd.Series(values)
    whole = np.zeros(len(cells), dtype=numbers.dtype)
    whole[~missing] = numbers
    return pd.Series(whole).astype(kind).mask(missing)


def _numbers(texts: Any, kind: str) -> Any:
    if kind == "boolean":
        return np.array([_FLAGS[text] for text in texts], dtype=bool)
    return texts.astype({"Int64": np.int64, "UInt64": np.uint64, "float64": np.float64}[kind])


def _first_misfit(texts: Any, kind: str) -> int:
    """Return the position of the first cell that is not of its column's kind."""
    return next(i for i in range(len(texts)) if not _is_kind(texts[i : i + 1], kind))


def _is_kind(texts: Any, kind: str) -> bool:
    try:
        _numbers(texts, kind)
    except (ValueError, OverflowError, KeyError):
        return False
    return True
