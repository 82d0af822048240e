"""The result of an analysis as frozen values, and the folder that holds it.

The folder is the interface between an analysis and its report. Reading and writing it needs numpy and pandas alone, so
that a report can be made where torch is not installed. `schema` declares the tables and claims that it may hold.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from probes.checks import InputError, as_path, check_fields, check_instance, check_kind
from probes.results.attribution import Attribution as Attribution
from probes.results.attribution import attribution_of
from probes.results.csv_tables import TableFormat, read_csv, to_csv
from probes.results.files import (
    ATTRIBUTIONS,
    SUMMARY,
    TABLES,
    check_names,
    digest,
    interrupted_replacement,
    put_in_place,
    read_summary,
)
from probes.results.files import REDRAWN as REDRAWN
from probes.results.files import check_replaceable as check_replaceable
from probes.results.schema.checks import check_claim, check_table
from probes.results.seal import RESERVED, check_provenance, check_summary, named, read_sealed, seal
from probes.results.typed_json import MisfitError, fields, misfit, parse_json, plain

if TYPE_CHECKING:
    import pandas as pd

FORMAT = 2


@dataclass(frozen=True)
class Claim:
    """A statement that the numbers support, as values; `reports` puts it into words."""

    id: str
    """Kind of the claim; the schema declares all kinds."""
    outcome: str
    """Conclusion in a word that the schema declares for the kind: `holds`, `fails`, `above`, `cannot_tell`, ..."""
    task: str | None = None
    """Label column the claim is about; None for the encoder as a whole."""
    numbers: Mapping[str, float | int | str | None] = field(default_factory=dict)
    """Name -> number or text, as the schema declares them."""
    interval: tuple[float, float] | None = None
    """95 % confidence interval of the claim's main number."""

    def __post_init__(self) -> None:
        check_fields(self)

    def number(self, name: str) -> float:
        """Return one of the numbers; not a number where it is missing or a text."""
        number = self.numbers.get(name)
        return float(number) if isinstance(number, int | float) else math.nan


@dataclass(frozen=True)
class Provenance:
    """Everything that is needed to reproduce the numbers."""

    model: str
    architecture: str
    revision: str | None
    weights: str
    """Fingerprint of every parameter and buffer."""
    n_layers: int
    hidden: int
    max_length: int
    data: Mapping[str, Mapping[str, Any]]
    """Split -> source, rows, fingerprint of its texts, counts per label column and class, and number of its groups."""
    versions: Mapping[str, str]
    seed: int
    dtype: str
    device: str
    command: str
    created: str
    """ISO 8601, UTC."""
    seconds: float
    models: Mapping[str, Mapping[str, str | None]] = field(default_factory=dict)
    """Name of a further model -> its model, revision and weights."""

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, eq=False)
class AnalysisResult:
    """The outcome of an analysis; `save` and `load` are inverses.

    Both refuse tables and claims that the schema does not declare. Research code may add tables, columns, claims and
    numbers of its own under names that begin with `x_`.
    """

    name: str
    settings: Mapping[str, Any]
    provenance: Provenance
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    """Table name -> tidy frame, one row a measurement."""
    attributions: tuple[Attribution, ...] = ()
    claims: tuple[Claim, ...] = ()
    notes: tuple[str, ...] = ()
    """Sentences on numbers that need care."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Name -> content of further files of the folder."""

    def __post_init__(self) -> None:
        check_kind(str, name=self.name)
        check_kind(Mapping, settings=self.settings, tables=self.tables, files=self.files)
        check_instance(self.provenance, Provenance, "provenance")
        check_kind(tuple, attributions=self.attributions, claims=self.claims, notes=self.notes)

    def save(self, folder: Path | str) -> Path:
        """Write the folder under a temporary name, read it back, then move it into place.

        An earlier result folder of that name is replaced; anything else there is an error.

        Raises:
            InputError: `folder` exists and is not a result folder, or holds further files; the result cannot be
                written, as with a table whose name is not plain; or it cannot be read back, as with a table that the
                schema does not declare, in which case the message names the folder that keeps it.
            OSError: The folder cannot be written; an earlier result stays, and no other file.
        """
        return put_in_place(as_path(folder, name="folder"), self._write, type(self).load)

    def _write(self, folder: Path) -> None:
        try:
            check_names(self.tables, "table")
            check_names(self.files, "file", reserved=RESERVED)
            contents, formats = self._contents()
            summary = {
                "format": FORMAT,
                "name": self.name,
                "settings": plain(self.settings),
                "claims": [plain(dataclasses.asdict(claim)) for claim in self.claims],
                "notes": list(self.notes),
                "provenance": plain(dataclasses.asdict(self.provenance)),
                "tables": {name: table_format.to_json() for name, table_format in formats.items()},
                "files": sorted(self.files),
                "digests": {
                    name: {"bytes": len(content), "sha256": digest(content)} for name, content in contents.items()
                },
            }
        except MisfitError as error:
            raise InputError(f"this result cannot be saved: {error}") from error
        (folder / TABLES).mkdir()
        for name, content in contents.items():
            folder.joinpath(*name.split("/")).write_bytes(content)
        text = json.dumps(summary | {"digest": seal(summary)}, indent=1, allow_nan=False) + "\n"
        (folder / SUMMARY).write_text(text, encoding="utf-8")

    def _contents(self) -> tuple[dict[str, bytes], dict[str, TableFormat]]:
        """Return the content of each file but the summary by its path, and the format of each table by its name."""
        contents = dict[str, bytes]()
        formats = dict[str, TableFormat]()
        for name, table in self.tables.items():
            try:
                contents[f"{TABLES}/{name}.csv"], formats[name] = to_csv(table)
            except MisfitError as error:
                raise MisfitError(f"table {name!r}: {error}") from error
        # JSON escapes to ASCII, so that lone surrogates survive and each attribution stays on one line.
        lines = [json.dumps(attribution.to_json(), allow_nan=False) + "\n" for attribution in self.attributions]
        contents[ATTRIBUTIONS] = "".join(lines).encode("ascii")
        return {**contents, **self.files}, formats

    @classmethod
    def load(cls, folder: Path | str) -> Self:
        """Read a folder that `save` wrote, and check that nothing is missing, altered, or unknown to the schema.

        Raises:
            InputError: `folder` is not a result folder, is damaged, or has another format.
        """
        folder = as_path(folder, name="folder")
        if not (folder / SUMMARY).is_file():
            hint = interrupted_replacement(folder) or "name the folder of a finished run"
            raise InputError(f"{str(folder)!r} contains no {SUMMARY}; {hint}")
        summary = read_summary(folder)
        if summary is None:
            raise InputError(
                f"{str(folder / SUMMARY)!r} is damaged, or was not written by layerprobe; run the analysis again"
            )
        if summary["format"] != FORMAT:
            raise InputError(
                f"{str(folder)!r} has result format {summary['format']!r}, this version reads {FORMAT}; run the "
                "analysis again"
            )
        return cls._read(summary, folder)

    @classmethod
    def _read(cls, summary: Mapping[str, Any], folder: Path) -> Self:
        with named(folder / SUMMARY):
            check_summary(summary)
            provenance = Provenance(**fields(Provenance, summary["provenance"], "provenance"))
            check_provenance(dataclasses.asdict(provenance))
            claims = tuple(
                _claim(claim, f"claims[{i}]", provenance.n_layers) for i, claim in enumerate(summary["claims"])
            )
            formats = {name: _table_format(values, f"tables.{name}") for name, values in summary["tables"].items()}
        files = [*(f"{TABLES}/{name}.csv" for name in formats), ATTRIBUTIONS, *summary["files"]]
        contents = {name: read_sealed(folder, name, summary["digests"]) for name in files}
        tables: dict[str, pd.DataFrame] = {}
        for name, table_format in formats.items():
            with named(folder / TABLES / f"{name}.csv"):
                table = read_csv(contents[f"{TABLES}/{name}.csv"], table_format)
                tables[name] = check_table(name, table, provenance.n_layers)
        attributions = list[Attribution]()
        for i, line in enumerate(contents[ATTRIBUTIONS].splitlines(), start=1):
            with named(folder / ATTRIBUTIONS, f"line {i}: "):
                attributions.append(attribution_of(parse_json(line), provenance.n_layers))
        return cls(
            name=summary["name"],
            settings=summary["settings"],
            provenance=provenance,
            tables=tables,
            attributions=tuple(attributions),
            claims=claims,
            notes=tuple(summary["notes"]),
            files={name: contents[name] for name in summary["files"]},
        )


def _table_format(values: Mapping[str, Any], where: str) -> TableFormat:
    return TableFormat(**fields(TableFormat, values, where))


def _claim(values: Any, where: str, n_layers: int) -> Claim:
    claim = Claim(**fields(Claim, values, where, lost_numbers=True))
    try:
        check_claim(claim.id, claim.outcome, claim.task, claim.numbers, n_layers)
        _check_order(claim.interval)
    except MisfitError as error:
        about = "" if claim.task is None else f" about {claim.task!r}"
        raise MisfitError(f"{where}, {claim.id!r}{about}: {error}") from error
    return claim


def _check_order(interval: tuple[float, float] | None) -> None:
    if interval is not None and interval[0] > interval[1]:
        raise misfit("interval", "its lower end first", list(interval))
