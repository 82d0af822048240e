"""Several results side by side: what each is called, what they share, and their paired differences."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from pathlib import Path

from probes.checks import InputError
from probes.results.result import AnalysisResult
from probes.statistics.paired_difference import PairedDifference, paired_difference
from reports.charts.styles import Style, styles_of_runs
from reports.comparison.correctness import Hits, hits_at_best, why_not_paired
from reports.lookup import View
from reports.sections.probing.best_site import Best
from reports.text.wording import name

LONGEST_NAME = 24
"""Characters of a result's name."""


@dataclass(frozen=True, eq=False)
class Together:
    """Several results, by name."""

    views: Mapping[str, View]

    @classmethod
    def of(cls, results: Sequence[Path | AnalysisResult]) -> Together:
        """Read result folders, which are called by their names; a result in memory is called by its model's.

        Raises:
            InputError: There are fewer than two, one is there twice, or a folder holds no result.
        """
        if len(results) < 2:
            raise InputError(f"a comparison needs two results or more, found {len(results)}")
        paths = list[Path]()
        loaded = list[AnalysisResult]()
        for result in results:
            if isinstance(result, Path):
                path = result.resolve()
                if path in paths:
                    raise InputError(f"{str(result)!r} is there twice")
                loaded.append(AnalysisResult.load(result))
            else:
                path = Path(result.provenance.model or "result")
                if any(result is earlier for earlier in loaded):
                    raise InputError("a result is there twice")
                loaded.append(result)
            paths.append(path)
        views = map(View, loaded)
        return cls(dict(zip(short_names(paths), views, strict=True)))

    @cached_property
    def tasks(self) -> Mapping[str, tuple[str, ...]]:
        """Label column -> results that have a score on it, those of most results first."""
        results = dict[str, list[str]]()
        for result, view in self.views.items():
            for task in view.tasks:
                if Best.of(view, task) is not None:
                    results.setdefault(task, []).append(result)
        ranked = sorted(results, key=lambda task: -len(results[task]))
        return {task: tuple(results[task]) for task in ranked}

    @property
    def shared_tasks(self) -> list[str]:
        """Label columns that several results have a score on."""
        return [task for task, results in self.tasks.items() if len(results) > 1]

    @property
    def is_pair(self) -> bool:
        """There are two results: the second is compared with the first, whichever has the higher accuracy."""
        return len(self.views) == 2

    @cached_property
    def styles(self) -> Mapping[str, Style]:
        """Result -> its style in every drawing."""
        return styles_of_runs(self.views)

    def heading(self, task: str) -> str | None:
        """Return a label column's name as the heading of its part, where there are several."""
        return name(task) if len(self.tasks) > 1 else None

    def best(self, task: str) -> Mapping[str, Best]:
        """Return the best site of each result, the one with the highest test accuracy first."""
        sites = dict[str, Best]()
        for result in self.tasks.get(task, ()):
            site = Best.of(self.views[result], task)
            if site is not None:
                sites[result] = site
        return dict(sorted(sites.items(), key=lambda pair: -pair[1].accuracy))

    def reference(self, task: str) -> str:
        """Return the result whose accuracies are subtracted: the first of two, else the one with the highest."""
        return next(iter(self.views if self.is_pair else self.best(task)))

    def differences(self, task: str) -> Mapping[str, PairedDifference]:
        """Return result -> its difference from the reference, for each of the other results on a label column."""
        reference = self.reference(task)
        differences = dict[str, PairedDifference]()
        for pair in self.pairs(task):
            if pair.other_result == reference:
                differences[pair.result] = pair
            elif pair.result == reference:
                differences[pair.other_result] = pair.reversed()
        return differences

    def pairs(self, task: str) -> tuple[PairedDifference, ...]:
        """Return the difference of every two results that have a score on a label column, the higher one first."""
        return self._pairs_of_tasks.get(task, ())

    @cached_property
    def _pairs_of_tasks(self) -> Mapping[str, tuple[PairedDifference, ...]]:
        return {task: self._compute_pairs(task) for task in self.shared_tasks}

    def _compute_pairs(self, task: str) -> tuple[PairedDifference, ...]:
        sites = self.best(task)
        hits = {result: hits_at_best(self.views[result], task, site) for result, site in sites.items()}
        pairs = list(combinations(sites, 2))
        reasons = {pair: self._reason(task, pair, hits) for pair in pairs}
        n_paired = sum(not reason for reason in reasons.values())
        differences = list[PairedDifference]()
        for pair in pairs:
            first, second = pair
            hits_of_first = hits[first]
            hits_of_second = hits[second]
            if reasons[pair] or isinstance(hits_of_first, str) or isinstance(hits_of_second, str):
                difference = sites[first].accuracy - sites[second].accuracy
                unknown = (math.nan, math.nan)
                differences.append(PairedDifference(first, second, difference, unknown, missing=reasons[pair]))
            else:
                differences.append(paired_difference(first, second, hits_of_first, hits_of_second, n_pairs=n_paired))
        return tuple(differences)

    def _reason(self, task: str, pair: tuple[str, str], hits: Mapping[str, Hits | str]) -> str:
        """Return why two results have no paired difference; empty where they have one."""
        first, second = pair
        reason = why_not_paired(self.views[first], self.views[second], task)
        for result in pair:
            if not reason and isinstance(hits[result], str):
                reason = f"{result} {hits[result]}"
        return reason


def short_names(paths: Sequence[Path]) -> list[str]:
    """Return the last parts of each path, as many as make all of them distinct; numbered where none do."""
    names = list[str]()
    for ending in _distinct_endings(paths):
        # What tells long names apart is at their end.
        cut = ending
        if len(ending) > LONGEST_NAME:
            cut = f"…{ending[1 - LONGEST_NAME :]}"
        unnumbered = name(cut, LONGEST_NAME)
        candidate = unnumbered
        number = 2
        while candidate in names:
            candidate = f"{unnumbered} ({number})"
            number += 1
        names.append(candidate)
    return names


def _distinct_endings(paths: Sequence[Path]) -> list[str]:
    """Return the last parts of each path, as many as make all of them distinct; complete paths where none do."""
    longest = max(len(path.parts) for path in paths)
    endings = list[str]()
    for length in range(1, 1 + longest):
        endings = ["/".join(path.parts[-length:]) or str(path) for path in paths]
        if len(set(endings)) == len(endings):
            break
    return endings
