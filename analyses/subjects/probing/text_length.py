"""Accuracy by text length: the test accuracy of the best site's probe on the shortest to the longest texts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from analyses.context.measurements import Measurements
from analyses.context.subject import Subject, Tables
from probes.checks import side_of_zero
from probes.results.result import Claim

if TYPE_CHECKING:
    import pandas as pd

    from analyses.context.subject import ProbingSubject
    from probes.data.texts import Texts

MOST_GROUPS = 5
"""Groups of about equal size into which the test texts are divided by length."""
FEWEST_TEXTS = 20
"""Texts that a group has at least; with fewer texts in all than two such groups, nothing is tabulated."""


def accuracy_by_length(measurements: Measurements) -> pd.DataFrame | None:
    """Tabulate the test accuracy of each label column's best site in groups of texts of similar length."""
    import pandas as pd

    from probes.statistics.intervals import wilson_interval

    lengths = text_lengths(measurements.splits.test.texts)
    groups = length_groups(lengths)
    if len(groups) < 2:
        return None
    rows = []
    for task, task_sweep in measurements.sweep.tasks.items():
        best = task_sweep.best
        hits = task_sweep.predictions[best].predicted == task_sweep.labels
        for number, members in enumerate(groups, start=1):
            accuracy = float(hits[members].mean())
            lower, upper = wilson_interval(accuracy, len(members))
            row = {
                "task": task,
                "pooling": best.pooling,
                "layer": best.layer,
                "group": number,
                "shortest": int(lengths[members].min()),
                "longest": int(lengths[members].max()),
                "mean_length": float(lengths[members].mean()),
                "accuracy": accuracy,
                "lower": lower,
                "upper": upper,
                "n": len(members),
            }
            rows.append(row)
    return pd.DataFrame(rows)


def text_lengths(texts: Texts) -> NDArray[np.int64]:
    """Return the (texts,) numbers of characters; of a pair, those of both texts."""
    lengths = [len(text) for text in texts.first]
    if texts.second is not None:
        lengths = [length + len(second) for length, second in zip(lengths, texts.second, strict=True)]
    return np.array(lengths, dtype=np.int64)


def length_groups(lengths: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Divide texts by length into groups of about equal size; texts of equal length are in one group.

    Args:
        lengths: (texts,) lengths.

    Returns:
        The texts' positions in each group, the shortest texts first. Groups of fewer than `FEWEST_TEXTS` texts, which
        many texts of one length may leave, are joined to the group before, or the first to the group after.
    """
    n_groups = max(1, min(MOST_GROUPS, len(lengths) // FEWEST_TEXTS))
    edges = np.quantile(lengths, np.linspace(0, 1, n_groups + 1)[1:-1]) if len(lengths) else np.empty(0)
    group_of_text = np.searchsorted(np.unique(edges), lengths, side="left")
    groups = list[NDArray[np.int64]]()
    for number in np.unique(group_of_text).tolist():
        members = np.flatnonzero(group_of_text == number)
        if groups and min(len(members), len(groups[-1])) < FEWEST_TEXTS:
            groups[-1] = np.concatenate([groups[-1], members])
        else:
            groups.append(members)
    return groups


def claims(_: Measurements, tables: Tables) -> Iterator[Claim]:
    """Yield the test accuracy on the longest texts minus that on the shortest texts, for each label column."""
    from probes.statistics.intervals import share_difference_interval

    if "accuracy_by_length" not in tables:
        return
    for task, rows in tables["accuracy_by_length"].groupby("task", sort=False):
        shortest = rows.iloc[0]
        longest = rows.iloc[-1]
        interval = share_difference_interval(
            float(longest["accuracy"]), int(longest["n"]), float(shortest["accuracy"]), int(shortest["n"])
        )
        numbers: dict[str, Any] = {
            "difference": float(longest["accuracy"] - shortest["accuracy"]),
            "shortest_accuracy": float(shortest["accuracy"]),
            "longest_accuracy": float(longest["accuracy"]),
            "at_most": int(shortest["longest"]),
            "at_least": int(longest["shortest"]),
            "n_shortest": int(shortest["n"]),
            "n_longest": int(longest["n"]),
        }
        yield Claim("length_effect", side_of_zero(*interval), str(task), numbers, interval)


SUBJECT: ProbingSubject = Subject(tables={"accuracy_by_length": accuracy_by_length}, claims=claims)
