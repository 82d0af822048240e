"""Cells of a confusion matrix with explained texts: what the script of the page needs to list them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import pandas as pd

from probes.results.result import Attribution
from reports import cards
from reports.lookup import View
from reports.text.wording import count, name

Pair = tuple[str, str]
"""True and predicted class."""


def cell_links(view: View, task: str, counts: pd.DataFrame) -> dict[Pair, Mapping[str, str]]:
    """Return the pairs of which texts are explained, each with the attributes of its cell.

    Args:
        view: Result.
        task: Label column.
        counts: Confusion counts of one probe; the texts must be explained by it.
    """
    tasks = list(dict.fromkeys(a.task for a in view.result.attributions))
    explained = _explained_pairs(view, task, counts)
    links = dict[Pair, Mapping[str, str]]()
    for row in counts.to_dict("records"):
        pair = (str(row["label"]), str(row["predicted"]))
        if pair in explained:
            label, predicted = map(name, pair)
            links[pair] = {
                "data-task": str(tasks.index(task)),
                "data-true": label,
                "data-predicted": predicted,
                "data-explained": count(explained[pair]),
                "data-count": count(row["count"]),
            }
    return links


def _explained_pairs(view: View, task: str, counts: pd.DataFrame) -> Counter[Pair]:
    """Return the number of explained texts of each pair; empty where another head than that of the counts explains."""
    explained = Counter[Pair]()
    of_task = [a for a in view.result.attributions if a.task == task]
    for attributions in cards.by_text(of_task):
        first = attributions[0]
        if first.label is not None and _is_counted(first, counts):
            explained[first.label, first.predicted] += 1
    return explained


def _is_counted(a: Attribution, counts: pd.DataFrame) -> bool:
    """Return whether an attribution explains the probe of the counts."""
    if a.head != "probe" or a.model is not None or counts.empty:
        return False
    site = counts.iloc[0]
    is_layer = pd.notna(site["layer"]) and int(site["layer"]) == a.layer
    return is_layer and site["pooling"] == a.pooling
