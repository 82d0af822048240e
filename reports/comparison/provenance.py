"""Facts about several results (model, data, settings, versions): those that differ, and those that are equal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from probes.results.result import AnalysisResult
from reports.blocks import Part, Section, Table, columns
from reports.comparison.side_by_side import Together
from reports.sections.provenance import origin
from reports.text.wording import MISSING, clean, count, listing, name, plural

LONGEST_VALUE = 120
LONGEST_PRINT = 16
"""Characters of a fingerprint."""
UNSAID_FACTS = ("started", "took", "versions")
"""Facts that always differ and explain nothing, and one that is several."""
UNSAID_SETTINGS = (
    *("output.out", "output.quiet", "output.format", "output.seed"),
    *("data.train", "data.validation", "data.test", "encoder.model", "encoder.revision"),
)
"""Settings that explain no difference, or that facts state already."""
NOT_GIVEN = "not given"

Kind = Literal["fact", "setting", "detail", "version"]
KINDS: tuple[Kind, ...] = ("fact", "setting", "detail", "version")
"""Kinds of facts in the order in which a reader must know what differs; details follow from other facts."""


@dataclass(frozen=True)
class Fact:
    """One fact about every result."""

    kind: Kind
    name: str
    values: tuple[str, ...]
    """A value for each result, in their order; a dash where its analysis has no such fact."""

    @property
    def differs(self) -> bool:
        """Two results have different values; what an analysis of another kind never asks is no difference."""
        return len(set(self.values) - {MISSING}) > 1


@dataclass(frozen=True, eq=False)
class Facts:
    """All facts about several results."""

    together: Together

    @cached_property
    def all(self) -> tuple[Fact, ...]:
        """Every fact but those that always differ, in the order of their kinds."""
        values_of_result = [
            {(kind, key): value for kind, key, value in _facts(view.result)} for view in self.together.views.values()
        ]
        keys = dict.fromkeys(key for values in values_of_result for key in values)
        facts = list[Fact]()
        for kind, key in keys:
            facts.append(Fact(kind, key, tuple(values.get((kind, key), MISSING) for values in values_of_result)))
        return tuple(sorted(facts, key=lambda fact: KINDS.index(fact.kind)))

    @cached_property
    def differing(self) -> tuple[Fact, ...]:
        """Facts that differ, those that a reader must know first."""
        return tuple(fact for fact in self.all if fact.differs)

    @cached_property
    def identical(self) -> tuple[Fact, ...]:
        """Facts that all results have, and that are equal."""
        return tuple(fact for fact in self.all if not fact.differs and MISSING not in fact.values)

    def count_identical(self, kind: Kind) -> int:
        """Return how many facts of a kind are equal in all results."""
        return sum(fact.kind == kind for fact in self.identical)

    def unequal_training(self, results: Sequence[str]) -> str:
        """Return how the training texts of these results differ, in a sentence; empty where they are the same."""
        chosen = [position for position, result in enumerate(self.together.views) if result in results]
        names = list(self.together.views)
        for fact in self.all:
            values = [fact.values[position] for position in chosen]
            if fact.name not in (TRAIN_TEXTS, TRAIN_PRINT) or len(set(values) - {MISSING}) < 2:
                continue
            if fact.name == TRAIN_PRINT:
                return "The training texts are not the same."
            sizes = [f"{value} ({names[position]})" for position, value in zip(chosen, values, strict=True)]
            return f"Training sizes differ: {listing(sizes)}."
        return ""


TRAIN_TEXTS, TRAIN_PRINT = "train texts", "train texts fingerprint"


def section(facts: Facts) -> Section:
    """Return a row for each fact that differs between the results, what is equal, and their commands."""
    views = facts.together.views
    tables = list[Table]()
    if facts.differing:
        rows = tuple((fact.name, *fact.values) for fact in facts.differing)
        caption = "Every fact and setting that differs."
        summary = f"All {plural(len(rows), 'difference')}"
        tables.append(Table(caption, rows=rows, folded=True, summary=summary, cards=True, **columns("fact", *views)))
    commands = tuple((result, clean(view.result.provenance.command, 4000)) for result, view in views.items())
    caption = "Command of each run."
    tables.append(
        Table(caption, rows=commands, folded=True, summary="Commands", cards=True, **columns("run", "command"))
    )
    parts = tuple(Part(tables=(table,)) for table in tables)
    return Section("Provenance", "provenance", tuple(_identical(facts)), parts)


def _identical(facts: Facts) -> Iterator[str]:
    """Yield what is equal in all results, in a sentence."""
    names = [fact.name for fact in facts.identical if fact.kind == "fact"]
    nouns: tuple[tuple[Kind, str], ...] = (("setting", "setting"), ("version", "version"), ("detail", "further fact"))
    names += [plural(n, noun) for kind, noun in nouns if (n := facts.count_identical(kind))]
    if names:
        yield f"Identical: {listing(names)}."


def _facts(result: AnalysisResult) -> Iterator[tuple[Kind, str, str]]:
    """Yield kind, name and value of every fact about a result."""
    data = result.provenance.data
    for split, split_facts in data.items():
        yield "fact", f"{name(split)} texts", count(split_facts["rows"]) if "rows" in split_facts else MISSING
    for key, fact in origin(result).facts:
        if key not in UNSAID_FACTS:
            is_print = "fingerprint" in key or key.startswith("weights of ")
            yield "detail" if is_print else "fact", key, fact[:LONGEST_PRINT] if is_print else fact
    for split, split_facts in data.items():
        yield "fact", f"{name(split)} source", name(split_facts.get("source", MISSING), LONGEST_VALUE)
        yield "detail", f"{name(split)} texts fingerprint", name(str(split_facts.get("texts", MISSING))[:LONGEST_PRINT])
        for task, classes in split_facts.get("classes", {}).items():
            listed = listing(f"{key} {rows}" for key, rows in classes.items())
            yield "detail", f"{name(split)} classes of {name(task, 40)}", name(listed, LONGEST_VALUE)
    for package, version in result.provenance.versions.items():
        yield "version", f"version of {name(package)}", name(version)
    for path, setting in _flat(result.settings):
        if path not in UNSAID_SETTINGS:
            yield "setting", f"setting {name(path)}", name(_in_words(setting), LONGEST_VALUE)


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
