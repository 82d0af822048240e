"""Tables of classes: precision, recall and F1 of each class, and the most confused pairs."""

from __future__ import annotations

import pandas as pd

from reports.blocks import Table, columns
from reports.lookup import View
from reports.text import wording
from reports.text.wording import count, interval, name, percent

MOST_PAIRS = 20
"""Confused pairs that are listed."""
MOST_LISTED = 100
"""Classes up to which the table holds all; above, as many with the highest and the lowest F1."""
SCORES = ("precision", "recall", "f1")


def scores_of_probe(view: View, task: str) -> pd.DataFrame:
    """Return the probe's scores of single classes; without rows where there are none."""
    metrics = view.table("metrics", task)
    if metrics is None:
        return pd.DataFrame(columns=["class", "metric", "value", "lower", "upper", "n"])
    return metrics[metrics["class"].notna() & (metrics["probe"] == "logistic")]


def counts_of_probe(view: View, task: str) -> pd.DataFrame:
    """Return the confusion counts of the probe; without rows where there are none."""
    counts = view.table("confusion", task)
    if counts is None:
        return pd.DataFrame(columns=["label", "predicted", "count"])
    return counts[counts["probe"] == "logistic"]


def ranked_errors(counts: pd.DataFrame) -> pd.DataFrame:
    """Return the confused pairs, the most frequent first."""
    is_error = (counts["label"] != counts["predicted"]) & (counts["count"] > 0)
    return counts[is_error].sort_values("count", ascending=False, kind="stable").head(MOST_PAIRS)


def class_scores(view: View, task: str, subject: str) -> tuple[Table, ...]:
    """Return precision, recall and F1 of each class that test texts have, in the order of the classes.

    The table of many classes holds those with the highest and the lowest F1.
    """
    scores = scores_of_probe(view, task)
    # Of a class that no test text has there is nothing to say.
    scores = scores[scores["n"] > 0]
    if scores.empty:
        return ()
    wide = scores.pivot_table(index="class", columns="metric", values="value", sort=False)
    wide = wide.reindex(columns=SCORES)
    n_classes = len(wide)
    caption = "The chosen probe on test; n: test texts of the class."
    if n_classes > MOST_LISTED:
        half = MOST_LISTED // 2
        ranked = wide.sort_values("f1", ascending=False, kind="stable")
        wide = pd.concat([ranked.head(half), ranked.tail(half)])
        caption += f" The {half} highest and the {half} lowest F1 of {count(n_classes)}; all: tables/metrics.csv."
    rows = list[tuple[str, ...]]()
    for row in wide.itertuples():
        class_name = row.Index
        recall_limits, n_texts = _limits(scores, class_name, "recall")
        f1_limits, n_texts_of_f1 = _limits(scores, class_name, "f1")
        n_cell = n_texts_of_f1 if n_texts == wording.MISSING else n_texts
        precision, recall, f1 = map(percent, (row.precision, row.recall, row.f1))
        rows.append((name(class_name), n_cell, precision, recall, recall_limits, f1, f1_limits))
    heading = ("class", "n", "precision", "recall", "95 % CI of recall", "F1", "95 % CI of F1")
    shape = columns(*heading, numeric=heading[1:])
    title = f"Precision, recall and F1{subject}"
    return (Table(caption, rows=tuple(rows), folded=True, summary=title, **shape),)


def _limits(scores: pd.DataFrame, class_name: object, metric: str) -> tuple[str, str]:
    """Return the interval of a score of a class, and the number of its test texts."""
    rows = scores[(scores["class"] == class_name) & (scores["metric"] == metric)]
    if rows.empty:
        return wording.MISSING, wording.MISSING
    row = rows.iloc[0]
    return interval((row["lower"], row["upper"])), count(row["n"])


def confused_pairs(counts: pd.DataFrame, subject: str) -> tuple[Table, ...]:
    """Return the most confused pairs, as counts and as shares of the true class."""
    ranked = ranked_errors(counts)
    if ranked.empty:
        return ()
    totals = counts.groupby("label")["count"].sum()
    rows = list[tuple[str, ...]]()
    for row in ranked.to_dict("records"):
        label = row["label"]
        n_texts = row["count"]
        share = percent(n_texts / totals[label])
        predicted = name(row["predicted"])
        rows.append((name(label), predicted, count(n_texts), share))
    heading = ("true class", "predicted", "texts", "share of the true class")
    shape = columns(*heading, numeric=heading[2:])
    return (Table("", rows=tuple(rows), folded=True, summary=f"Most confused pairs{subject}", **shape),)


def file_notes(view: View) -> list[str]:
    """Return which files hold what the section leaves out."""
    notes = list[str]()
    counts = view.table("confusion")
    if counts is not None:
        has_classifier = (counts["probe"] == "model_head").any()
        own_classifier = " and of the model's own classifier" if has_classifier else ""
        notes.append(f"Confusion counts of the floors{own_classifier}: tables/confusion.csv.")
    if view.table("predictions") is not None:
        notes.append("Prediction for each test text: tables/predictions.csv.")
    return notes
