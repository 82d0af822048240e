"""Which test texts a result classifies correctly, at its best site and at every site, checked by its accuracies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probes.checks import InputError
from probes.results.packed_flags import unpack_flags
from reports.lookup import View, rows_at_site
from reports.sections.probing.best_site import Best

ROUNDING = 1e-9
"""Largest difference by rounding between a mean of zeros and ones and the accuracy that was saved."""

Hits = NDArray[np.bool_]
"""(texts,) whether each test text is classified correctly."""


def hits_at_best(view: View, task: str, site: Best) -> Hits | str:
    """Return which texts the probe of the best site classifies correctly, or the reason why that is not known."""
    if view.result.name == "heads":
        return "was made by heads, which does not save which texts are classified correctly"
    table = view.table("predictions", task)
    if table is None or not {"correct", "label", "text"} <= set(table.columns):
        return "does not say which texts it classifies correctly (tables/predictions.csv)"
    rows = rows_at_site(table, (site.pooling, site.layer)).sort_values("text_id")
    is_complete = site.n > 0 and rows["text_id"].tolist() == list(range(site.n))
    if not is_complete or rows["correct"].isna().any():
        return INCONSISTENT
    hits: Hits = rows["correct"].to_numpy(dtype=bool)
    return hits if abs(hits.mean() - site.accuracy) <= ROUNDING else INCONSISTENT


INCONSISTENT = "has predictions of single texts that do not make its accuracy"


def hits_by_site(view: View, task: str) -> Mapping[tuple[str, int], Hits]:
    """Return site -> which texts its probe classifies correctly; without sites whose accuracy says otherwise."""
    table = view.table("correct_by_site", task)
    curve = view.curve(task)
    if table is None or curve is None:
        return {}
    accuracies = {(str(row.pooling), int(row.layer)): float(row.value) for row in curve.itertuples()}
    hits_of_site = dict[tuple[str, int], Hits]()
    for row in table.itertuples():
        site = (str(row.pooling), int(row.layer))
        try:
            hits = unpack_flags(str(row.packed_correct), int(row.n))
        except InputError:
            continue
        if len(hits) and abs(hits.mean() - accuracies.get(site, np.nan)) <= ROUNDING:
            hits_of_site[site] = hits
    return hits_of_site


def why_not_paired(first: View, second: View, task: str) -> str:
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
    # `hits_at_best` says so where a result has no such table.
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
