"""What an analysis leaves behind: frozen values, and the folder that holds them.

The folder is the interface between an analysis and its report. It is read and written here with numpy and
pandas alone, so that a report can be drawn where torch is not installed.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from probes.checks import InputError, as_path, check_fields, check_instance, check_kind
from probes.results.attribution import Attribution as Attribution
from probes.results.attribution import attribution_of
from probes.results.csv_tables import TableFormat, read_csv, to_csv
from probes.results.files import ATTRIBUTIONS, SUMMARY, TABLES, check_names, digest, put_in_place, read_summary
from probes.results.files import REDRAWN as REDRAWN
from probes.results.files import check_replaceable as check_replaceable
from probes.results.schema import check_claim, check_table
from probes.results.seal import RESERVED, check_provenance, check_summary, named, read_sealed, seal
from probes.results.typed_json import MisfitError, fields, misfit, parse_json, plain

if TYPE_CHECKING:
    import pandas as pd

FORMAT = 2


@dataclass(frozen=True)
class Claim:
    """One statement the numbers support, not yet in words: `reports.sections.page` alone makes the sentence."""

    id: str
    outcome: str
    """What follows, in one of the few words of the claim's kind: `holds`, `fails`, `above`, `cannot_tell`, ..."""
    task: str | None = None
    """Label column the claim is about; None for the encoder as a whole."""
    numbers: Mapping[str, float | int | str | None] = field(default_factory=dict)
    interval: tuple[float, float] | None = None
    """95 % interval of the claim's main number."""

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True)
class Provenance:
    """Everything needed to get the same numbers again."""

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
    models: Mapping[str, Mapping[str, str | None]] = field(default_factory=dict)  # name -> model, revision, weights

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, eq=False)
class AnalysisResult:
    """An analysis's whole outcome; `save` and `load` are inverses."""

    name: str
    settings: Mapping[str, Any]
    provenance: Provenance
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    """Table name -> tidy frame, one row a number."""
    attributions: tuple[Attribution, ...] = ()
    claims: tuple[Claim, ...] = ()
    notes: tuple[str, ...] = ()
    """Numbers that stand but need care, each one sentence."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Further files of the folder, by name."""

    def __post_init__(self) -> None:
        check_kind(str, name=self.name)
        check_kind(Mapping, settings=self.settings, tables=self.tables, files=self.files)
        check_instance(self.provenance, Provenance, "provenance")
        check_kind(tuple, attributions=self.attributions, claims=self.claims, notes=self.notes)

    def save(self, folder: Path | str) -> Path:
        """Write the folder whole, under a temporary name, read it back, then put it in place.

        An earlier result folder of that name is replaced; anything else there is an error.

        Raises:
            InputError: `folder` exists and is not a result folder, or holds more than one; or the result holds what no
                result can, such as a table whose name is no plain one; or what was written cannot be read back.
            OSError: It cannot be written; nothing is left behind, and an earlier result stays.
        """
        return put_in_place(as_path(folder, name="folder"), self._write, type(self).load)

    def _write(self, folder: Path) -> None:
        try:
            check_names(self.tables, "table")
            check_names(self.files, "file", reserved=RESERVED)
            written, forms = self._contents()
            summary = {
                "format": FORMAT,
                "name": self.name,
                "settings": plain(self.settings),
                "claims": [plain(dataclasses.asdict(claim)) for claim in self.claims],
                "notes": list(self.notes),
                "provenance": plain(dataclasses.asdict(self.provenance)),
                "tables": {name: form.to_json() for name, form in forms.items()},
                "files": sorted(self.files),
                "digests": {name: {"bytes": len(own), "sha256": digest(own)} for name, own in written.items()},
            }
        except MisfitError as error:
            raise InputError(f"this result cannot be saved: {error}") from error
        (folder / TABLES).mkdir()
        for name, content in written.items():
            folder.joinpath(*name.split("/")).write_bytes(content)
        text = json.dumps(summary | {"digest": seal(summary)}, indent=1, allow_nan=False) + "\n"
        (folder / SUMMARY).write_text(text, encoding="utf-8")

    def _contents(self) -> tuple[dict[str, bytes], dict[str, TableFormat]]:
        """Every file but the summary, by its path in the folder; and how each table is read back."""
        written, forms = dict[str, bytes](), dict[str, TableFormat]()
        for name, table in self.tables.items():
            try:
                written[f"{TABLES}/{name}.csv"], forms[name] = to_csv(table)
            except MisfitError as error:
                raise MisfitError(f"table {name!r}: {error}") from error
        # ASCII escapes carry lone surrogates and keep one text on one line.
        lines = [json.dumps(attribution.to_json(), allow_nan=False) + "\n" for attribution in self.attributions]
        return {**written, ATTRIBUTIONS: "".join(lines).encode("ascii"), **self.files}, forms

    @classmethod
    def load(cls, folder: Path | str) -> Self:
        """Read a folder that `save` wrote, and check all of it: nothing is missing, altered, or of another kind.

        Raises:
            InputError: It is not a result folder, is damaged, or of another format.
        """
        folder = as_path(folder, name="folder")
        if not (folder / SUMMARY).is_file():
            raise InputError(f"{str(folder)!r} holds no {SUMMARY}; name a folder that an analysis wrote")
        summary = read_summary(folder)
        if summary is None:
            raise InputError(f"{str(folder / SUMMARY)!r} is damaged, or not of an analysis; run it again")
        if summary["format"] != FORMAT:
            raise InputError(
                f"{str(folder)!r} has result format {summary['format']!r}, this version reads {FORMAT}; run it again"
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
            forms = {name: _table_format(form, f"tables.{name}") for name, form in summary["tables"].items()}
        files = [*(f"{TABLES}/{name}.csv" for name in forms), ATTRIBUTIONS, *summary["files"]]
        contents = {name: read_sealed(folder, name, summary["digests"]) for name in files}
        tables: dict[str, pd.DataFrame] = {}
        for name, form in forms.items():
            with named(folder / TABLES / f"{name}.csv"):
                tables[name] = check_table(name, read_csv(contents[f"{TABLES}/{name}.csv"], form), provenance.n_layers)
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
