"""Facts that differ between several results (model, data, settings, versions), and those that are equal in all."""

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
    """Return a row for each fact that differs between the results, then their commands."""
    facts = {result: dict(_facts(view.result)) for result, view in together.views.items()}
    keys = [
        key
        for key in dict.fromkeys(key for facts_of_result in facts.values() for key in facts_of_result)
        if key not in UNSAID
    ]
    rows, same, settings = [], list[str](), 0
    for key in keys:
        # What an analysis of another kind never asks is no difference.
        values = [facts_of_result.get(key, MISSING) for facts_of_result in facts.values()]
        if len({value for value in values if value != MISSING}) > 1:
            rows.append((key, *values))
        elif key.startswith(SETTING):
            settings += 1
        elif MISSING not in values:
            same.append(key)
    equal_facts = [key for key in same if not key.startswith(VERSION)]
    n_versions = len(same) - len(equal_facts)
    equal_facts += [plural(n_versions, "version")] if n_versions else []
    verdict = [f"The same in all: {listing(equal_facts)}."] if equal_facts else []
    verdict += [f"{plural(settings, 'setting')} {'does' if settings == 1 else 'do'} not differ."] if settings else []
    heading = ("what", *together.views)
    tables = [Table("What is not the same.", rows=tuple(rows), **columns(*heading))] if rows else []
    commands = tuple((result, clean(view.result.provenance.command, 4000)) for result, view in together.views.items())
    shape = columns("result", "command")
    tables.append(Table("What each was made by.", rows=commands, folded=True, summary="Commands", **shape))
    return Section("Provenance", "provenance", tuple(verdict), (Part(tables=tuple(tables)),))


def _facts(result: AnalysisResult) -> Iterator[tuple[str, str]]:
    """Yield every fact about a result with its name."""
    for key, fact in origin(result).facts:
        if key != "versions":
            yield key, fact[:LONGEST_PRINT] if "fingerprint" in key else fact
    for split, split_facts in result.provenance.data.items():
        yield (
            f"{name(split)} texts",
            f"{count(split_facts.get('rows', 0))} ({name(str(split_facts.get('texts', MISSING))[:LONGEST_PRINT])})",
        )
        yield f"{name(split)} source", name(split_facts.get("source", MISSING), LONGEST_VALUE)
        for task, classes in split_facts.get("classes", {}).items():
            yield (
                f"{name(split)} classes of {name(task, 40)}",
                name(listing(f"{key} {rows}" for key, rows in classes.items()), LONGEST_VALUE),
            )
    for package, version in result.provenance.versions.items():
        yield f"{VERSION}{name(package)}", name(version)
    for path, setting in _flat(result.settings):
        yield f"{SETTING}{name(path)}", name(_in_words(setting), LONGEST_VALUE)


def _in_words(setting: object) -> object:
    """Return a setting's value in words instead of Python's notation."""
    if isinstance(setting, list | tuple):
        return ", ".join(map(str, setting)) or "none"
    if isinstance(setting, bool):
        return "yes" if setting else "no"
    return NOT_GIVEN if setting is None else setting


def _flat(settings: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, object]]:
    """Yield nested settings as names such as `data.limit` with their values."""
    for key, content in settings.items():
        if isinstance(content, Mapping):
            yield from _flat(content, f"{before}{key}.")
        else:
            yield f"{before}{key}", content
