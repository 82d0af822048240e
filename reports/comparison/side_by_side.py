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

from probes.checks import InputError, side_of_zero
from probes.results.result import AnalysisResult
from reports.lookup import View
from reports.sections.probing.best_site import Best
from reports.text.wording import name

LONGEST_NAME = 24
RESAMPLES = 100_000
ROUNDED = 1e-9
"""How far a mean of zeros and ones may be from the accuracy that was written of it."""


@dataclass(frozen=True)
class Pair:
    """What one result is right on more than another, over the same test texts; or why that is unknown."""

    one: str
    other: str
    difference: float
    bounds: tuple[float, float]
    """All pairs of a label column at once lie in their intervals, at 95 %."""
    n: int
    missing: str = ""
    """Why there is no paired difference; empty where there is one."""

    @property
    def outcome(self) -> str:
        """`above`, `below`, or `cannot_tell` where the interval holds zero."""
        return side_of_zero(*self.bounds)

    def turned(self) -> Pair:
        """The same the other way round."""
        return Pair(self.other, self.one, -self.difference, (-self.bounds[1], -self.bounds[0]), self.n, self.missing)


@dataclass(frozen=True, eq=False)
class Together:
    """Several results, by name."""

    views: Mapping[str, View]

    @classmethod
    def of(cls, results: Sequence[Path | AnalysisResult]) -> Together:
        """Folders are read; a folder is called by its name, a result in memory by its model's.

        Raises:
            InputError: There are fewer than two, one is there twice, or a folder holds no result.
        """
        if len(results) < 2:
            raise InputError(f"a comparison needs two results or more, found {len(results)}")
        paths, read = list[Path](), list[AnalysisResult]()
        for each in results:
            path = each.resolve() if isinstance(each, Path) else Path(each.provenance.model or "result")
            if (isinstance(each, Path) and path in paths) or any(each is other for other in read):
                raise InputError(
                    f"{str(each)!r} is there twice" if isinstance(each, Path) else "a result is there twice"
                )
            paths.append(path)
            read.append(AnalysisResult.load(each) if isinstance(each, Path) else each)
        return cls({shown: View(result) for shown, result in zip(short_names(paths), read, strict=True)})

    @cached_property
    def tasks(self) -> Mapping[str, tuple[str, ...]]:
        """Label column -> results that have a score on it, those of most results first."""
        found = dict[str, list[str]]()
        for shown, view in self.views.items():
            for task in view.tasks:
                if Best.of(view, task) is not None:
                    found.setdefault(task, []).append(shown)
        ranked = sorted(found, key=lambda task: -len(found[task]))
        return {task: tuple(found[task]) for task in ranked}

    def best(self, task: str) -> Mapping[str, Best]:
        """Result -> its chosen place, the most often right first."""
        found = {shown: Best.of(self.views[shown], task) for shown in self.tasks.get(task, ())}
        there = {shown: best for shown, best in found.items() if best is not None}
        return {shown: there[shown] for shown in sorted(there, key=lambda shown: -there[shown].accuracy)}

    def pairs(self, task: str) -> tuple[Pair, ...]:
        """Every two results that have a score on a label column, the one that is right more often first."""
        found, right = self.best(task), dict[str, NDArray[np.float64] | str]()
        for shown, best in found.items():
            right[shown] = _right(self.views[shown], task, best)
        two = list(combinations(found, 2))
        reasons = {(a, b): _unlike(self.views[a], self.views[b], task) for a, b in two}
        for a, b in two:
            reasons[a, b] = reasons[a, b] or next(
                (f"{each} {said}" for each in (a, b) if isinstance(said := right[each], str)), ""
            )
        n_paired = sum(not reason for reason in reasons.values())
        made = list[Pair]()
        for a, b in two:
            one, other = right[a], right[b]
            gap = found[a].accuracy - found[b].accuracy
            if reasons[a, b] or isinstance(one, str) or isinstance(other, str):
                made.append(Pair(a, b, gap, (float("nan"),) * 2, 0, reasons[a, b]))
            else:
                made.append(Pair(a, b, gap, paired_interval(one - other, n_paired), len(one)))
        return tuple(made)


def paired_interval(gaps: NDArray[np.float64], n_pairs: int = 1) -> tuple[float, float]:
    """Ends of the interval of a mean difference, by the paired bootstrap over texts.

    A text is won, drawn or lost. Texts drawn with replacement are then counts of the three, drawn from a multinomial:
    the same distribution as of texts drawn one by one, for the price of three numbers a draw.

    Args:
        gaps: (texts,) 1, 0 or -1.
        n_pairs: Intervals that shall hold at once, at 95 %: each leaves out its share of the 5 % (Bonferroni).
    """
    shares = [float((gaps == side).mean()) for side in (1, 0, -1)]
    drawn = np.random.default_rng(0).multinomial(len(gaps), shares, size=RESAMPLES)
    tail = 2.5 / n_pairs
    lower, upper = np.percentile((drawn[:, 0] - drawn[:, 2]) / len(gaps), [tail, 100 - tail]).tolist()
    return lower, upper


def short_names(paths: Sequence[Path]) -> list[str]:
    """The last part of each path, with as many before it as tell all of them apart; numbered where none do."""
    for length in range(1, 1 + max(len(path.parts) for path in paths)):
        found = ["/".join(path.parts[-length:]) or str(path) for path in paths]
        if len(set(found)) == len(found):
            break
    taken = list[str]()
    for each in found:
        # What tells long ones apart stands at their end.
        cut = each if len(each) <= LONGEST_NAME else f"…{each[1 - LONGEST_NAME :]}"
        shown = name(cut, LONGEST_NAME)
        number = 2
        while shown in taken:
            shown, number = f"{name(cut, LONGEST_NAME)} ({number})", number + 1
        taken.append(shown)
    return taken


def _unlike(one: View, other: View, task: str) -> str:
    """Why the two were not judged on the same texts; empty where they were."""
    first, second = (dict(view.result.provenance.data.get("test", {})) for view in (one, other))
    if not first.get("texts") or not second.get("texts"):
        return "what they were tested on is not known"
    if first["texts"] != second["texts"] or first.get("rows") != second.get("rows"):
        return "their test texts are not the same"
    counts: list[Any] = [each.get("classes", {}).get(task) for each in (first, second)]
    labels = [_labels(view, task) for view in (one, other)]
    # Where a result has no such table, `_right` says so.
    if counts[0] != counts[1] or (None not in labels and labels[0] != labels[1]):
        return "their test texts are the same, but the labels are not"
    return ""


def _labels(view: View, task: str) -> list[tuple[str, str]] | None:
    """Text and label of each test text, in their order; None where the result does not say."""
    table = view.table("predictions", task)
    if table is None or not {"text_id", "text", "label", "correct"} <= set(table.columns):
        return None
    rows = table.drop_duplicates("text_id").sort_values("text_id")
    # What no text is read back from, as of an empty one, is the same in both.
    texts, labels = (rows[name].fillna("").astype(str) for name in ("text", "label"))
    return list(zip(texts, labels, strict=True))


def _right(view: View, task: str, best: Best) -> NDArray[np.float64] | str:
    """(texts,) 1 where the chosen probe is right, else 0; or why that is unknown."""
    if view.result.name == "heads":
        return "is a result of heads, which does not say which texts it has right"
    table = view.table("predictions", task)
    if table is None or not {"correct", "label", "text"} <= set(table.columns):
        return "does not say which texts it has right (tables/predictions.csv)"
    rows = table[(table["pooling"] == best.pooling) & (table["layer"] == best.layer)].sort_values("text_id")
    right: NDArray[np.float64] = rows["correct"].to_numpy(dtype=np.float64, na_value=np.nan)
    whole = len(right) == best.n > 0 and list(rows["text_id"]) == list(range(best.n))
    if not whole or not abs(right.mean() - best.accuracy) <= ROUNDED:
        return "says of single texts what does not make its accuracy"
    return right
