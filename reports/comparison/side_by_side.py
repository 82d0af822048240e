"""Several results side by side: what each is called, what they share, and their paired differences."""

from __future__ import annotations

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
from reports.lookup import View
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
        return cls({name: View(result) for name, result in zip(short_names(paths), loaded, strict=True)})

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
            by_first, by_second = correct[first], correct[second]
            if reasons[pair] or isinstance(by_first, str) or isinstance(by_second, str):
                unknown = (float("nan"), float("nan"))
                differences.append(PairedDifference(first, second, difference, unknown, 0, reasons[pair]))
            else:
                interval = paired_interval(by_first - by_second, n_paired)
                differences.append(PairedDifference(first, second, difference, interval, len(by_first)))
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
    """Return the last part of each path, with as many before it as tell all of them apart; numbered where none do."""
    for length in range(1, 1 + max(len(path.parts) for path in paths)):
        endings = ["/".join(path.parts[-length:]) or str(path) for path in paths]
        if len(set(endings)) == len(endings):
            break
    names = list[str]()
    for ending in endings:
        # What tells long names apart is at their end.
        cut = ending if len(ending) <= LONGEST_NAME else f"…{ending[1 - LONGEST_NAME :]}"
        unnumbered = name(cut, LONGEST_NAME)
        candidate = unnumbered
        number = 2
        while candidate in names:
            candidate = f"{unnumbered} ({number})"
            number += 1
        names.append(candidate)
    return names


def _unlike(first: View, second: View, task: str) -> str:
    """Return why two results were not tested on the same texts; empty where they were."""
    splits = [dict(view.result.provenance.data.get("test", {})) for view in (first, second)]
    if not all(split.get("texts") for split in splits):
        return "what they were tested on is not known"
    if splits[0]["texts"] != splits[1]["texts"] or splits[0].get("rows") != splits[1].get("rows"):
        return "their test texts are not the same"
    counts: list[Any] = [split.get("classes", {}).get(task) for split in splits]
    labels = [_labels(view, task) for view in (first, second)]
    # `_correct` says so where a result has no such table.
    if counts[0] != counts[1] or (None not in labels and labels[0] != labels[1]):
        return "their test texts are the same, but the labels are not"
    return ""


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
    rows = table[(table["pooling"] == site.pooling) & (table["layer"] == site.layer)].sort_values("text_id")
    correct: NDArray[np.float64] = rows["correct"].to_numpy(dtype=np.float64, na_value=np.nan)
    is_complete = len(correct) == site.n > 0 and list(rows["text_id"]) == list(range(site.n))
    if not is_complete or not abs(correct.mean() - site.accuracy) <= ROUNDING:
        return "says of single texts what does not make its accuracy"
    return correct
