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
    parts, verdict = [], list[str]()
    best_sites = list[str]()
    for i, task in enumerate(view.tasks, start=1):
        curve, best = view.curve(task), view.best(task)
        if curve is None:
            continue
        if len(curve) == 1 and best is not None:
            verdict.append(view.about(task, f"One probe was fitted, on {wording.place(*best)}."))
        elif by_pooling := view.claim("best_by_pooling", task):
            keys = [key.removesuffix("_layer") for key in by_pooling.numbers if key.endswith("_layer")]
            ranked = sorted(keys, key=lambda key: -value(by_pooling, f"{key}_accuracy"))
            tops = (
                f"{wording.pooling(key, random_pooler=view.random_pooler)} "
                f"{percent(value(by_pooling, f'{key}_accuracy'))} "
                f"(layer\u00a0{int(value(by_pooling, f'{key}_layer'))})"
                for key in ranked
            )
            best_sites.append(f"{name(task)}: {listing(tops)}." if len(view.tasks) > 1 else f"{listing(tops)}.")
        drawings = []
        if len(curve) > 1:
            table = view.table("differences_from_best", task)
            ties = None if table is None else table[table["tied"].fillna(False).astype(bool)]
            tied = [] if ties is None else list(zip(ties["pooling"], ties["layer"].astype(int), strict=True))
            svg = matrices.layer_heat_map(
                curve,
                Label(
                    f"layers-{i}",
                    f"Test accuracy by layer and vector for {name(task)}",
                    "All numbers follow in the table.",
                ),
                best=best if view.claim("best_site", task) else None,
                tied=[point for point in tied if point != best],
                random_pooler=view.random_pooler,
            )
            frames = f"Right on test, %. Solid frame: chosen {view.choosing}. Dashed: not told apart from it on test."
            drawings.append(Drawing(svg, frames))
        tables = (*_by_metric(view, task), _numbers(view, task, curve))
        parts.append(Part(view.heading(task), drawings=tuple(drawings), tables=tables))
    if not parts:
        return None
    if best_sites:
        opening = f"At each vector's own best layer, by log loss {view.choosing}, the probe is right on test:"
        verdict += [f"{opening} {best_sites[0]}"] if len(view.tasks) == 1 else [opening, *best_sites]
    used = "Encoded is not used: a probe shows what can be read off a vector, not what the classifier uses."
    measured = view.table("metrics")
    calibrated = measured is not None and (measured["metric"] == "ece").any()
    notes = (used, LUCK, *((CALIBRATION,) if calibrated else ()), *view.lens())
    return Section("Layers and vectors", "layers", tuple(verdict), tuple(parts), notes)


def _by_metric(view: View, task: str) -> tuple[Table, ...]:
    """Return every metric of the chosen probe beside those of the floors; nothing where no probe was chosen."""
    best, metrics = view.best(task), view.table("metrics", task)
    if best is None or metrics is None:
        return ()
    rows = metrics[(metrics["split"] == "test") & metrics["class"].isna()]
    at_site = rows[(rows["probe"] == "logistic") & (rows["pooling"] == best[0]) & (rows["layer"] == best[1])]
    at_site = at_site.set_index("metric")
    floors = rows[rows["layer"].isna()].set_index(["probe", "metric"])["value"]
    named = list(dict.fromkeys(floors.index.get_level_values("probe")))
    lines = []
    for metric in [
        *(key for key in wording.METRICS if key in at_site.index),
        *at_site.index.difference(wording.METRICS),
    ]:
        write = percent if metric in wording.SHARES else decimal
        limits = [round(float(at_site.at[metric, end]), ROUNDED) for end in ("lower", "upper")]
        between = interval((limits[0], limits[1])) if write is percent else " to ".join(map(decimal, limits))
        lines.append(
            (
                wording.METRICS.get(metric, name(metric)),
                write(round(float(at_site.at[metric, "value"]), ROUNDED)),
                between if np.isfinite(limits).all() else wording.MISSING,
                *(write(round(floors.get((floor, metric), float("nan")), ROUNDED)) for floor in named),
            )
        )
    heading = ("on test", "probe", "95 % interval", *(wording.SHORT_FLOORS.get(floor, name(floor)) for floor in named))
    caption = "The chosen probe by every metric." if view.claim("best_site", task) else "The probe by every metric."
    shape = columns(*heading, numeric=heading[1:])
    # Beside those of other label columns there is no room for it.
    folded = len(view.tasks) > 1
    return (Table(caption, rows=tuple(lines), folded=folded, summary="Every metric", **shape),) if lines else ()


def _numbers(view: View, task: str, curve: pd.DataFrame) -> Table:
    """Return every number of a label column's probes, a row for each site."""
    scores_by_site = {}
    for key in ("validation log_loss", "validation accuracy", "test macro_f1", "test log_loss"):
        split, metric = key.split()
        scores = view.scores(task, metric, split)
        rows = () if scores is None else scores[scores["layer"].notna()].itertuples()
        scores_by_site[key] = {(row.pooling, int(row.layer)): float(row.value) for row in rows}
    gaps, chosen = view.table("differences_from_best", task), view.table("selection", task)
    rows = () if gaps is None else gaps.itertuples()
    gap = {(r.pooling, int(r.layer)): f"{wording.points(r.value)} ({interval((r.lower, r.upper))})" for r in rows}
    rows = () if chosen is None else chosen[chosen["chosen"].fillna(False).astype(bool)].itertuples()
    penalties = ((r, "" if r.converged else ", not converged") for r in rows)
    fitted = {(r.pooling, int(r.layer)): f"{wording.general(r.c)}{mark}" for r, mark in penalties}
    lines = []
    for row in curve.itertuples():
        point = (row.pooling, row.layer)
        lines.append(
            {
                "vector": wording.pooling(row.pooling, random_pooler=view.random_pooler),
                "layer": str(row.layer),
                f"log loss {view.choosing}, nats": decimal(scores_by_site["validation log_loss"].get(point)),
                f"right {view.choosing}": percent(scores_by_site["validation accuracy"].get(point)),
                "right on test": percent(row.value),
                "95 % interval": interval((row.lower, row.upper)),
                "minus the chosen": gap.get(point, wording.MISSING),
                "macro F1 on test": percent(scores_by_site["test macro_f1"].get(point)),
                "log loss on test, nats": decimal(scores_by_site["test log_loss"].get(point)),
                "C": fitted.get(point, wording.MISSING),
            }
        )
    several = len(lines) > 1
    caption = f"Every probe; the lowest log loss {view.choosing} is chosen." if several else "The only probe."
    heading = [key for key in lines[0] if key != "minus the chosen" or (gap and several)]
    if gap and several:
        caption += " “Minus the chosen” is in percentage points; its intervals hold for all places at once."
    rows = tuple(tuple(line[key] for key in heading) for line in lines)
    return Table(caption, rows=rows, folded=True, **columns(*heading, numeric=heading[1:]))


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
