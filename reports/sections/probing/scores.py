"""Scores: accuracy of every site, metrics of the chosen probe, and its classes and errors."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from reports.blocks import Drawing, Part, Section, Table, columns
from reports.charts import matrices
from reports.charts.canvas import Label
from reports.lookup import View, value
from reports.text import wording
from reports.text.wording import (
    count,
    decimal,
    interval,
    listing,
    name,
    percent,
)

MOST_CLASSES = 12
"""Classes up to which a confusion matrix can be read; above, the most confused pairs are listed."""
MOST_PAIRS = 20
MOST_LISTED = 100
"""Classes up to which the table of classes holds all; above, as many as are read best and worst."""
ROUNDED = 6
"""Digits of a score after the point that are no rounding of float32 probabilities."""
CALIBRATION = (
    "Smaller is better for log loss and calibration error alone. Calibration error is above 0 by chance for any finite "
    "number of texts, and no coverage is claimed for its interval."
)
LUCK = "Intervals resample the test texts; they leave out the luck of the training sample."


def layers(view: View) -> Section | None:
    """Return the accuracy of every layer and pooling, of each label column."""
    parts = list[Part]()
    verdict = list[str]()
    best_sites = list[str]()
    for i, task in enumerate(view.tasks, start=1):
        curve = view.curve(task)
        if curve is None:
            continue
        best = view.best(task)
        if len(curve) == 1 and best is not None:
            verdict.append(view.about(task, f"One probe was fitted, on {wording.place(*best)}."))
        elif view.claim("best_by_pooling", task) is not None:
            best_sites.append(_best_by_pooling(view, task))
        drawings = (_heat_map(view, task, curve, f"layers-{i}"),) if len(curve) > 1 else ()
        tables = (*_by_metric(view, task), _by_site(view, task, curve))
        parts.append(Part(view.heading(task), drawings=drawings, tables=tables))
    if not parts:
        return None
    if best_sites:
        opening = f"At each vector's own best layer, by log loss {view.choosing}, the probe is right on test:"
        verdict += [f"{opening} {best_sites[0]}"] if len(view.tasks) == 1 else [opening, *best_sites]
    notes = ["Encoded is not used: a probe shows what can be read off a vector, not what the classifier uses.", LUCK]
    metrics = view.table("metrics")
    if metrics is not None and (metrics["metric"] == "ece").any():
        notes.append(CALIBRATION)
    notes += view.lens()
    return Section("Layers and vectors", "layers", tuple(verdict), tuple(parts), tuple(notes))


def _best_by_pooling(view: View, task: str) -> str:
    """Return the accuracy at the best layer of each pooling, the highest first."""
    (claim,) = view.claims("best_by_pooling", task)[:1]
    poolings = [key.removesuffix("_layer") for key in claim.numbers if key.endswith("_layer")]
    accuracies = {pooling: value(claim, f"{pooling}_accuracy") for pooling in poolings}
    phrases = list[str]()
    for pooling in sorted(poolings, key=lambda pooling: -accuracies[pooling]):
        vector = wording.pooling(pooling, random_pooler=view.random_pooler)
        layer = int(value(claim, f"{pooling}_layer"))
        phrases.append(f"{vector} {percent(accuracies[pooling])} (layer\u00a0{layer})")
    opening = f"{name(task)}: " if len(view.tasks) > 1 else ""
    return f"{opening}{listing(phrases)}."


def _heat_map(view: View, task: str, curve: pd.DataFrame, anchor: str) -> Drawing:
    """Return the accuracy of every site, with frames around the best one and those tied with it."""
    best = view.best(task)
    differences = view.table("differences_from_best", task)
    tied = list[tuple[str, int]]()
    if differences is not None:
        rows = differences[differences["tied"].fillna(False).astype(bool)]
        tied = list(zip(rows["pooling"], rows["layer"].astype(int), strict=True))
    title = f"Test accuracy by layer and vector for {name(task)}"
    svg = matrices.layer_heat_map(
        curve,
        Label(anchor, title, "All numbers follow in the table."),
        best=best if view.claim("best_site", task) else None,
        tied=[site for site in tied if site != best],
        random_pooler=view.random_pooler,
    )
    caption = f"Right on test, %. Solid frame: chosen {view.choosing}. Dashed: not told apart from it on test."
    return Drawing(svg, caption)


def _by_metric(view: View, task: str) -> tuple[Table, ...]:
    """Return every metric of the chosen probe beside those of the floors; nothing where no probe was chosen."""
    best, metrics = view.best(task), view.table("metrics", task)
    if best is None or metrics is None:
        return ()
    on_test = metrics[(metrics["split"] == "test") & metrics["class"].isna()]
    pooling, layer = best
    is_best = (on_test["pooling"] == pooling) & (on_test["layer"] == layer) & (on_test["probe"] == "logistic")
    of_probe = on_test[is_best].set_index("metric")
    of_floors = on_test[on_test["layer"].isna()].set_index(["probe", "metric"])["value"]
    floors = list(dict.fromkeys(of_floors.index.get_level_values("probe")))
    known = [metric for metric in wording.METRICS if metric in of_probe.index]
    rows = list[tuple[str, ...]]()
    for metric in (*known, *of_probe.index.difference(wording.METRICS)):
        write = percent if metric in wording.SHARES else decimal
        floor_values = [of_floors.get((floor, metric), float("nan")) for floor in floors]
        cells = [write(round(number, ROUNDED)) for number in (float(of_probe.at[metric, "value"]), *floor_values)]
        limits = _metric_interval(metric, of_probe.loc[metric])
        rows.append((wording.METRICS.get(metric, name(metric)), cells[0], limits, *cells[1:]))
    if not rows:
        return ()
    floor_names = [wording.SHORT_FLOORS.get(floor, name(floor)) for floor in floors]
    heading = ("on test", "probe", "95 % interval", *floor_names)
    caption = "The chosen probe by every metric." if view.claim("best_site", task) else "The probe by every metric."
    shape = columns(*heading, numeric=heading[1:])
    # Beside the tables of other label columns there is no room for it.
    folded = len(view.tasks) > 1
    return (Table(caption, rows=tuple(rows), folded=folded, summary="Every metric", **shape),)


def _metric_interval(metric: str, row: pd.Series[float]) -> str:
    """Return the interval of a metric in its unit."""
    lower, upper = (round(float(row[end]), ROUNDED) for end in ("lower", "upper"))
    if not np.isfinite([lower, upper]).all():
        return wording.MISSING
    if metric in wording.SHARES:
        return interval((lower, upper))
    return f"{decimal(lower)} to {decimal(upper)}"


Cells = dict[tuple[str, int], str]
"""Pooling and layer -> cell of a table."""


def _by_site(view: View, task: str, curve: pd.DataFrame) -> Table:
    """Return every number of a label column's probes, a row for each site."""
    differences = _difference_cells(view, task)
    columns_of_cells = {
        f"log loss {view.choosing}, nats": _score_cells(view, task, "log_loss", "validation"),
        f"right {view.choosing}": _score_cells(view, task, "accuracy", "validation"),
        "right on test": {},
        "95 % interval": {},
        "minus the chosen": differences,
        "macro F1 on test": _score_cells(view, task, "macro_f1", "test"),
        "log loss on test, nats": _score_cells(view, task, "log_loss", "test"),
        "C": _penalty_cells(view, task),
    }
    sites = list[tuple[str, int]]()
    for row in curve.itertuples():
        site = (str(row.pooling), int(row.layer))
        sites.append(site)
        columns_of_cells["right on test"][site] = percent(row.value)
        columns_of_cells["95 % interval"][site] = interval((row.lower, row.upper))
    has_several = len(sites) > 1
    caption = f"Every probe; the lowest log loss {view.choosing} is chosen." if has_several else "The only probe."
    if differences and has_several:
        caption += " “Minus the chosen” is in percentage points; its intervals hold for all places at once."
    else:
        del columns_of_cells["minus the chosen"]
    rows = list[tuple[str, ...]]()
    for site in sites:
        pooling, layer = site
        cells = [by_site.get(site, wording.MISSING) for by_site in columns_of_cells.values()]
        rows.append((wording.pooling(pooling, random_pooler=view.random_pooler), str(layer), *cells))
    heading = ("vector", "layer", *columns_of_cells)
    return Table(caption, rows=tuple(rows), folded=True, **columns(*heading, numeric=heading[1:]))


def _score_cells(view: View, task: str, metric: str, split: str) -> Cells:
    scores = view.scores(task, metric, split)
    if scores is None:
        return {}
    write = percent if metric in wording.SHARES else decimal
    rows = scores[scores["layer"].notna()].itertuples()
    return {(row.pooling, int(row.layer)): write(float(row.value)) for row in rows}


def _difference_cells(view: View, task: str) -> Cells:
    table = view.table("differences_from_best", task)
    cells: Cells = {}
    for row in () if table is None else table.itertuples():
        cells[row.pooling, int(row.layer)] = f"{wording.points(row.value)} ({interval((row.lower, row.upper))})"
    return cells


def _penalty_cells(view: View, task: str) -> Cells:
    table = view.table("selection", task)
    if table is None:
        return {}
    cells: Cells = {}
    for row in table[table["chosen"].fillna(False).astype(bool)].itertuples():
        remark = "" if row.converged else ", not converged"
        cells[row.pooling, int(row.layer)] = f"{wording.general(row.c)}{remark}"
    return cells


def classes(view: View) -> Section | None:
    """Return precision, recall and F1 of the classes, and the confusion matrix, of each label column."""
    parts, verdict = [], []
    for i, task in enumerate(view.tasks, start=1):
        tables, drawings = [], []
        metrics = view.table("metrics", task)
        rows = None if metrics is None else metrics[metrics["class"].notna() & (metrics["probe"] == "logistic")]
        if rows is not None and len(rows):
            wide = rows.pivot_table(index="class", columns="metric", values="value", sort=False)
            wide = wide.reindex(columns=["precision", "recall", "f1"]).sort_values("f1", ascending=False)
            tested_classes = rows[rows["n"] > 0]["class"]
            wide = wide[wide.index.isin(tested_classes)]  # of a class that no test text has there is nothing to say
            ends = {r["class"]: interval((r.lower, r.upper)) for _, r in rows[rows["metric"] == "f1"].iterrows()}
            if len(wide):
                tables.append(_by_class(wide, ends))
                top, bottom = ((name(wide.index[i]), percent(wide["f1"].iloc[i])) for i in (0, -1))
                extremes = f"Read best is {top[0]} (F1 {top[1]}), worst {bottom[0]} (F1 {bottom[1]})."
                verdict.append(view.about(task, extremes))
        counts = view.table("confusion", task)
        counts = None if counts is None else counts[counts["probe"] == "logistic"]
        if counts is not None and len(counts):
            pairs = _confused(counts)
            # In the order of their scores' rows: a pair that never occurs has no row among the counts.
            row_classes = [] if rows is None else rows["class"]
            classes = list(dict.fromkeys([*row_classes, *counts["label"], *counts["predicted"]]))
            if len(classes) > MOST_CLASSES:
                tables.append(pairs)
            else:
                words = (f"{c[0]} taken for {c[1]}: {c[2]} ({c[3]})" for c in pairs.rows)
                label = Label(f"confusion-{i}", f"Confusion matrix for {name(task)}", "; ".join(words) or "No errors.")
                caption = "Share of each true class that was given each class, and number of test texts."
                drawings.append(Drawing(matrices.confusion_matrix(counts, classes, label), caption))
        if tables or drawings:
            parts.append(Part(view.heading(task), (), tuple(drawings), tuple(tables)))
    counts = view.table("confusion")
    own_classifier = (
        " and of the model's own classifier" if counts is not None and "model_head" in set(counts["probe"]) else ""
    )
    notes = [] if counts is None else [f"Counts of the floors{own_classifier} are in tables/confusion.csv."]
    notes += [] if view.table("predictions") is None else ["What was predicted of each text: tables/predictions.csv."]
    return Section("Classes and errors", "classes", tuple(verdict), tuple(parts), tuple(notes)) if parts else None


def _by_class(wide: pd.DataFrame, ends: Mapping[str, str]) -> Table:
    """Return precision, recall and F1 of each class, the highest F1 first; of many classes, both ends."""
    caption = "The chosen probe on test; the interval is that of F1."
    listed = wide
    if len(wide) > MOST_LISTED:
        half = MOST_LISTED // 2
        listed = wide.iloc[[*range(half), *range(len(wide) - half, len(wide))]]
        caption += f" The {half} read best and the {half} read worst of {count(len(wide))}; all: tables/metrics.csv."
    lines = tuple(
        (name(key), *map(percent, values), ends.get(key, wording.MISSING)) for key, *values in listed.itertuples()
    )
    heading = ("class", "precision", "recall", "F1", "95 % interval")
    folded = len(wide) > MOST_CLASSES
    return Table(caption, rows=lines, folded=folded, **columns(*heading, numeric=heading[1:]))


def _confused(counts: pd.DataFrame) -> Table:
    """Return the most frequent errors, as counts and as shares of the true class."""
    totals = counts.groupby("label")["count"].sum()
    wrong = counts[(counts["label"] != counts["predicted"]) & (counts["count"] > 0)]
    top = wrong.sort_values("count", ascending=False, kind="stable").head(MOST_PAIRS)
    rows = tuple(
        (name(r.label), name(r.predicted), count(r.count_), percent(r.count_ / totals[r.label]))
        for r in top.rename(columns={"count": "count_"}).itertuples()
    )
    heading = ("true class", "taken for", "texts", "of the class")
    return Table("The most frequent errors.", rows=rows, **columns(*heading, numeric=heading[2:]))
