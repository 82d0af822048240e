"""The seal of a result: the parts of `result.json`, and a digest of every file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from probes.checks import InputError
from probes.results.files import ATTRIBUTIONS, MOST_BYTES, REDRAWN, SUMMARY, TABLES, check_names, digest, read_bytes
from probes.results.schema import MOST_LAYERS
from probes.results.typed_json import MisfitError, fits, misfit, typed

RESERVED = (SUMMARY, TABLES, ATTRIBUTIONS, *REDRAWN)
"""Names in the folder that no further file can have."""
LARGEST_SIZE = 1e12
"""Bound of every size, and of every number of seconds."""


@contextmanager
def named(path: Path, where: str = "") -> Iterator[None]:
    """Say of what does not fit in which file it stands."""
    try:
        yield
    except MisfitError as error:
        raise InputError(f"{str(path)!r} is damaged: {where}{error}; run the analysis again") from error


def seal(summary: Mapping[str, Any]) -> str:
    """Digest of all that the summary says."""
    said = {key: value for key, value in summary.items() if key != "digest"}
    return digest(json.dumps(said, sort_keys=True, separators=(",", ":")).encode("ascii"))


def read_sealed(folder: Path, name: str, digests: Mapping[str, Mapping[str, Any]]) -> bytes:
    """Read a file of the folder, as it was saved.

    Raises:
        InputError: It is missing, cut short, or altered.
    """
    n_bytes = digests[name]["bytes"]
    content, path = read_bytes(folder, name, min(n_bytes, MOST_BYTES)), str(folder.joinpath(*name.split("/")))
    if len(content) != n_bytes:
        raise InputError(f"{path!r} is damaged: it has {len(content):,} of {n_bytes:,} bytes; run the analysis again")
    if digest(content) != digests[name]["sha256"]:
        raise InputError(
            f"{path!r} is damaged: it is not as it was saved (another SHA-256); put the file back that was saved, and "
            "change a copy outside the result folder, or run the analysis again"
        )
    return content


def check_summary(summary: Mapping[str, Any]) -> None:
    """Raise unless `result.json` has its parts, names files by plain names, and is as it was saved."""
    kinds: dict[str, Any] = {"name": str, "settings": Mapping[str, Any], "claims": tuple[Any, ...]}
    kinds |= {"notes": tuple[str, ...], "files": tuple[str, ...], "tables": Mapping[str, Mapping[str, Any]]}
    kinds |= {"digests": Mapping[str, Mapping[str, Any]], "digest": str}
    for name, kind in kinds.items():
        if name not in summary:
            raise MisfitError(f"it lacks {name!r}")
        typed(kind, summary[name], name)
    check_names(summary["tables"], "table")
    check_names(summary["files"], "file", reserved=RESERVED)
    for name in (*(f"{TABLES}/{table}.csv" for table in summary["tables"]), ATTRIBUTIONS, *summary["files"]):
        sizes = summary["digests"].get(name, {})
        if not fits(int, sizes.get("bytes")) or sizes["bytes"] < 0 or not fits(str, sizes.get("sha256")):
            raise misfit(f"digests.{name}", "a size in bytes and a SHA-256", sizes)
    for part in ("data", "explain"):
        if not isinstance(summary["settings"].get(part, {}), dict | None):
            raise misfit(f"settings.{part}", "an object", summary["settings"][part])
    if summary["digest"] != seal(summary):
        raise MisfitError("it is not as it was saved (another SHA-256)")


def check_provenance(provenance: Mapping[str, Any]) -> None:
    """Raise unless sizes, times and counts can be what they are called."""
    if not 0 <= provenance["n_layers"] <= MOST_LAYERS:
        raise misfit("provenance.n_layers", f"from 0 to {MOST_LAYERS:,}", provenance["n_layers"])
    for name in ("hidden", "max_length", "seconds"):
        if not 0 <= provenance[name] <= LARGEST_SIZE:
            raise misfit(f"provenance.{name}", "0 or more, and no more than can be", provenance[name])
    kinds: dict[str, Any] = {"source": str, "rows": int, "texts": str, "groups": int, "truncated": int}
    kinds["classes"] = Mapping[str, Mapping[str, int]]
    for split, facts in provenance["data"].items():
        for name, value in facts.items():
            where = f"provenance.data.{split}.{name}"
            typed(kinds.get(name, Any), value, where)
            if kinds.get(name) is int and value < 0:
                raise misfit(where, "0 or more", value)
