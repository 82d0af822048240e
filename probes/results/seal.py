"""The seal of a result: the parts of `result.json`, and a digest of every file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from probes.checks import InputError
from probes.results.files import ATTRIBUTIONS, MOST_BYTES, REDRAWN, SUMMARY, TABLES, check_names, digest, read_bytes
from probes.results.schema.checks import MOST_LAYERS
from probes.results.typed_json import MisfitError, fits, misfit, typed

RESERVED = (SUMMARY, TABLES, ATTRIBUTIONS, *REDRAWN)
"""Names in the folder that no further file can have."""
LARGEST_SIZE = 1e12
"""Bound of every size, and of every number of seconds."""


@contextmanager
def named(path: Path, where: str = "") -> Iterator[None]:
    """Add the name of the file to the message of a value that does not fit."""
    try:
        yield
    except MisfitError as error:
        raise InputError(f"{str(path)!r} is damaged: {where}{error}; run the analysis again") from error


def seal(summary: Mapping[str, Any]) -> str:
    """Return the digest of a summary without its own digest."""
    content = {key: value for key, value in summary.items() if key != "digest"}
    return digest(json.dumps(content, sort_keys=True, separators=(",", ":")).encode("ascii"))


def read_sealed(folder: Path, name: str, digests: Mapping[str, Mapping[str, Any]]) -> bytes:
    """Read a file of the folder, and compare it with its size and digest.

    Raises:
        InputError: The file is missing, cut short, or altered.
    """
    n_bytes = digests[name]["bytes"]
    path = str(folder.joinpath(*name.split("/")))
    content = read_bytes(folder, name, min(n_bytes, MOST_BYTES))
    if len(content) != n_bytes:
        raise InputError(f"{path!r} is damaged: it has {len(content):,} of {n_bytes:,} bytes; run the analysis again")
    if digest(content) != digests[name]["sha256"]:
        raise InputError(
            f"{path!r} is damaged: it was changed after it was saved (another SHA-256); restore the saved file and "
            "change a copy outside the result folder, or run the analysis again"
        )
    return content


def check_summary(summary: Mapping[str, Any]) -> None:
    """Raise unless `result.json` has all parts, names files by plain names, and was not altered."""
    for name, kind in _SUMMARY_TYPES.items():
        if name not in summary:
            raise MisfitError(f"it lacks {name!r}")
        typed(kind, summary[name], name)
    check_names(summary["tables"], "table")
    check_names(summary["files"], "file", reserved=RESERVED)
    tables = [f"{TABLES}/{table}.csv" for table in summary["tables"]]
    for name in (*tables, ATTRIBUTIONS, *summary["files"]):
        sizes = summary["digests"].get(name, {})
        if not fits(int, sizes.get("bytes")) or sizes["bytes"] < 0 or not fits(str, sizes.get("sha256")):
            raise misfit(f"digests.{name}", "a size in bytes and a SHA-256", sizes)
    for part in ("data", "explain"):
        if not isinstance(summary["settings"].get(part, {}), dict | None):
            raise misfit(f"settings.{part}", "an object", summary["settings"][part])
    if summary["digest"] != seal(summary):
        raise MisfitError("it was changed after it was saved (another SHA-256)")


_SUMMARY_TYPES: Mapping[str, Any] = {
    "name": str,
    "settings": Mapping[str, Any],
    "claims": tuple[Any, ...],
    "notes": tuple[str, ...],
    "files": tuple[str, ...],
    "tables": Mapping[str, Mapping[str, Any]],
    "digests": Mapping[str, Mapping[str, Any]],
    "digest": str,
}
"""Part of `result.json` -> its type."""


def check_provenance(provenance: Mapping[str, Any]) -> None:
    """Raise unless sizes, times and counts lie in their ranges."""
    if not 0 <= provenance["n_layers"] <= MOST_LAYERS:
        raise misfit("provenance.n_layers", f"from 0 to {MOST_LAYERS:,}", provenance["n_layers"])
    for name in ("hidden", "max_length", "seconds"):
        if not 0 <= provenance[name] <= LARGEST_SIZE:
            raise misfit(f"provenance.{name}", f"0 or more, and at most {LARGEST_SIZE:,.0f}", provenance[name])
    for split, facts in provenance["data"].items():
        for name, value in facts.items():
            where = f"provenance.data.{split}.{name}"
            typed(_SPLIT_TYPES.get(name, Any), value, where)
            if _SPLIT_TYPES.get(name) is int and value < 0:
                raise misfit(where, "0 or more", value)


_SPLIT_TYPES: Mapping[str, Any] = {
    "source": str,
    "rows": int,
    "texts": str,
    "groups": int,
    "truncated": int,
    "classes": Mapping[str, Mapping[str, int]],
}
"""Fact on a split in the provenance -> its type."""
