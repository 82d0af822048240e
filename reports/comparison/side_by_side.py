"""Several results side by side: what each is called, what they share, and their paired differences."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probes.checks import InputError
from probes.results.result import AnalysisResult
from probes.statistics.paired_difference import PairedDifference, paired_interval
from reports.lookup import View, rows_at_site
from reports.sections.probing.best_site import Best
from reports.text.wording import name

LONGEST_NAME = 24
"""Characters of a result's name."""
ROUNDING = 1e-9
"""Largest difference by rounding between a mean of zeros and ones and the accuracy that was saved."""


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

    def pairs(self, task: str) -> tuple[PairedDifference, ...]:
        """Return the difference of every two results that have a score on a label column, the higher one first."""
        sites = self.best(task)
        correct = {result: _correct(self.views[result], task, site) for result, site in sites.items()}
        pairs = list(combinations(sites, 2))
        reasons = {pair: self._reason(task, pair, correct) for pair in pairs}
        n_paired = sum(not reason for reason in reasons.values())
        differences = list[PairedDifference]()
        for pair in pairs:
            first, second = pair
            difference = sites[first].accuracy - sites[second].accuracy
            interval = (math.nan, math.nan)
            n_texts = 0
            correct_first = correct[first]
            correct_second = correct[second]
            if not (reasons[pair] or isinstance(correct_first, str) or isinstance(correct_second, str)):
                interval = paired_interval(correct_first - correct_second, n_paired)
                n_texts = len(correct_first)
            differences.append(PairedDifference(first, second, difference, interval, n_texts, reasons[pair]))
        return tuple(differences)

    def _reason(self, task: str, pair: tuple[str, str], correct: Mapping[str, NDArray[np.float64] | str]) -> str:
        """Return why two results have no paired difference; empty where they have one."""
        first, second = pair
        reason = _unlike(self.views[first], self.views[second], task)
        for result in pair:
            if not reason and isinstance(correct[result], str):
                reason = f"{result} {correct[result]}"
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


def _unlike(first: View, second: View, task: str) -> str:
    """Return why two results were not tested on the same texts; empty where they were."""
    first_test = _test_split(first)
    second_test = _test_split(second)
    if not (first_test.get("texts") and second_test.get("texts")):
        return "what they were tested on is not known"
    for key in ("texts", "rows"):
        if first_test.get(key) != second_test.get(key):
            return "their test texts are not the same"
    first_counts = first_test.get("classes", {}).get(task)
    second_counts = second_test.get("classes", {}).get(task)
    first_labels = _labels(first, task)
    second_labels = _labels(second, task)
    # `_correct` says so where a result has no such table.
    has_labels = first_labels is not None and second_labels is not None
    if first_counts != second_counts or (has_labels and first_labels != second_labels):
        return "their test texts are the same, but the labels are not"
    return ""


def _test_split(view: View) -> Mapping[str, Any]:
    """Return the provenance of a result's test texts; empty where it is not known."""
    split: Mapping[str, Any] = view.result.provenance.data.get("test", {})
    return split


def _labels(view: View, task: str) -> list[tuple[str, str]] | None:
    """Return text and label of each test text, in their order; None where the result does not hold them."""
    table = view.table("predictions", task)
    if table is None or not {"text_id", "text", "label", "correct"} <= set(table.columns):
        return None
    rows = table.drop_duplicates("text_id").sort_values("text_id")
    # A text that no file gives back, as an empty one, is the same in both.
    texts = rows["text"].fillna("").astype(str)
    labels = rows["label"].fillna("").astype(str)
    return list(zip(texts, labels, strict=True))


def _correct(view: View, task: str, site: Best) -> NDArray[np.float64] | str:
    """Return (texts,) 1 where the chosen probe is correct, else 0; or the reason why that is not known."""
    if view.result.name == "heads":
        return "is a result of heads, which does not say which texts it has right"
    table = view.table("predictions", task)
    if table is None or not {"correct", "label", "text"} <= set(table.columns):
        return "does not say which texts it has right (tables/predictions.csv)"
    rows = rows_at_site(table, (site.pooling, site.layer)).sort_values("text_id")
    correct: NDArray[np.float64] = rows["correct"].to_numpy(dtype=np.float64, na_value=np.nan)
    is_complete = site.n > 0 and rows["text_id"].tolist() == list(range(site.n))
    is_consistent = is_complete and abs(correct.mean() - site.accuracy) <= ROUNDING
    if not is_consistent:
        return "says of single texts what does not make its accuracy"
    return correct
