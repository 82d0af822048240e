"""What differs between several results: model, data, settings, versions; and what is the same in all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from probes.results.result import AnalysisResult
from reports.blocks import Part, Section, Table, columns
from reports.comparison.side_by_side import Together
from reports.sections.provenance import origin
from reports.text.wording import MISSING, clean, count, listing, name, plural

LONGEST_VALUE = 120
LONGEST_PRINT = 16
"""Characters of a fingerprint."""
UNSAID = (
    *("started", "took", "setting output.out", "setting output.quiet", "setting output.format"),
    *("setting data.train", "setting data.validation", "setting data.test"),
    *("setting encoder.model", "setting encoder.revision", "setting output.seed"),
)
"""Facts that always differ and explain nothing, and settings that other facts say already."""
SETTING, VERSION, NOT_GIVEN = "setting ", "version of ", "not given"


def differing(together: Together) -> Section:
    """A row for each fact that is not the same wherever there is one, then the commands."""
    facts = {shown: dict(_facts(view.result)) for shown, view in together.views.items()}
    keys = [key for key in dict.fromkeys(key for own in facts.values() for key in own) if key not in UNSAID]
    rows, same, settings = [], list[str](), 0
    for key in keys:
        # What an analysis of another kind never asks is no difference.
        found = [own.get(key, MISSING) for own in facts.values()]
        if len({each for each in found if each != MISSING}) > 1:
            rows.append((key, *found))
        elif key.startswith(SETTING):
            settings += 1
        elif MISSING not in found:
            same.append(key)
    told = [key for key in same if not key.startswith(VERSION)]
    n_versions = len(same) - len(told)
    told += [plural(n_versions, "version")] if n_versions else []
    verdict = [f"The same in all: {listing(told)}."] if told else []
    verdict += [f"{plural(settings, 'setting')} {'does' if settings == 1 else 'do'} not differ."] if settings else []
    heading = ("what", *together.views)
    tables = [Table("What is not the same.", rows=tuple(rows), **columns(*heading))] if rows else []
    commands = tuple((shown, clean(view.result.provenance.command, 4000)) for shown, view in together.views.items())
    shape = columns("result", "command")
    tables.append(Table("What each was made by.", rows=commands, folded=True, summary="Commands", **shape))
    return Section("Provenance", "provenance", tuple(verdict), (Part(tables=tuple(tables)),))


def _facts(result: AnalysisResult) -> Iterator[tuple[str, str]]:
    """Every fact about a result, by name."""
    for key, shown in origin(result).facts:
        if key != "versions":
            yield key, shown[:LONGEST_PRINT] if "fingerprint" in key else shown
    for split, found in result.provenance.data.items():
        yield (
            f"{name(split)} texts",
            f"{count(found.get('rows', 0))} ({name(str(found.get('texts', MISSING))[:LONGEST_PRINT])})",
        )
        yield f"{name(split)} source", name(found.get("source", MISSING), LONGEST_VALUE)
        for task, classes in found.get("classes", {}).items():
            yield (
                f"{name(split)} classes of {name(task, 40)}",
                name(listing(f"{key} {rows}" for key, rows in classes.items()), LONGEST_VALUE),
            )
    for package, version in result.provenance.versions.items():
        yield f"{VERSION}{name(package)}", name(version)
    for path, setting in _flat(result.settings):
        yield f"{SETTING}{name(path)}", name(_said(setting), LONGEST_VALUE)


def _said(setting: object) -> object:
    """A setting's value in words rather than as Python has it."""
    if isinstance(setting, list | tuple):
        return ", ".join(map(str, setting)) or "none"
    if isinstance(setting, bool):
        return "yes" if setting else "no"
    return NOT_GIVEN if setting is None else setting


def _flat(settings: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, object]]:
    """Nested settings as `data.limit` and a value each."""
    for key, found in settings.items():
        if isinstance(found, Mapping):
            yield from _flat(found, f"{before}{key}.")
        else:
            yield f"{before}{key}", found
