"""Scores: accuracy of every site, and metrics of the chosen probe."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from reports.blocks import Drawing, Part, Section, Table, columns
from reports.charts import matrices
from reports.charts.canvas import Label
from reports.lookup import View, value
from reports.text import wording
from reports.text.wording import (
    decimal,
    interval,
    listing,
    name,
    percent,
)

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
    best = view.best(task)
    metrics = view.table("metrics", task)
    if best is None or metrics is None:
        return ()
    pooling, layer = best
    on_test = metrics[(metrics["split"] == "test") & metrics["class"].isna()]
    is_site = (on_test["pooling"] == pooling) & (on_test["layer"] == layer)
    of_probe = on_test[is_site & (on_test["probe"] == "logistic")].set_index("metric")
    of_floors = on_test[on_test["layer"].isna()].set_index(["probe", "metric"])["value"]
    floors = list(dict.fromkeys(of_floors.index.get_level_values("probe")))
    known_metrics = [metric for metric in wording.METRICS if metric in of_probe.index]
    further_metrics = of_probe.index.difference(wording.METRICS)
    rows = list[tuple[str, ...]]()
    for metric in (*known_metrics, *further_metrics):
        floor_cells = [_metric_cell(metric, of_floors.get((floor, metric), math.nan)) for floor in floors]
        probe_cell = _metric_cell(metric, of_probe.at[metric, "value"])
        limits = _metric_interval(metric, of_probe.loc[metric])
        rows.append((wording.METRICS.get(metric, name(metric)), probe_cell, limits, *floor_cells))
    if not rows:
        return ()
    floor_names = [wording.SHORT_FLOORS.get(floor, name(floor)) for floor in floors]
    heading = ("on test", "probe", "95 % interval", *floor_names)
    caption = "The chosen probe by every metric." if view.claim("best_site", task) else "The probe by every metric."
    shape = columns(*heading, numeric=heading[1:])
    # Beside the tables of other label columns there is no room for it.
    folded = len(view.tasks) > 1
    return (Table(caption, rows=tuple(rows), folded=folded, summary="Every metric", **shape),)


def _metric_cell(metric: str, score: float) -> str:
    """Return a score in the unit of its metric."""
    rounded = round(float(score), ROUNDED)
    return percent(rounded) if metric in wording.SHARES else decimal(rounded)


def _metric_interval(metric: str, row: pd.Series[float]) -> str:
    """Return the interval of a metric in its unit."""
    lower = round(float(row["lower"]), ROUNDED)
    upper = round(float(row["upper"]), ROUNDED)
    if not np.isfinite([lower, upper]).all():
        return wording.MISSING
    if metric in wording.SHARES:
        return interval((lower, upper))
    return f"{decimal(lower)} to {decimal(upper)}"


Cells = dict[tuple[str, int], str]
"""Pooling and layer -> cell of a table."""


def _by_site(view: View, task: str, curve: pd.DataFrame) -> Table:
    """Return every number of a label column's probes, a row for each site."""
    accuracies: Cells = {}
    intervals: Cells = {}
    for row in curve.itertuples():
        site = (str(row.pooling), int(row.layer))
        accuracies[site] = percent(row.value)
        intervals[site] = interval((row.lower, row.upper))
    cells_of_column = {
        f"log loss {view.choosing}, nats": _score_cells(view, task, "log_loss", "validation"),
        f"right {view.choosing}": _score_cells(view, task, "accuracy", "validation"),
        "right on test": accuracies,
        "95 % interval": intervals,
    }
    caption = "The only probe."
    if len(accuracies) > 1:
        caption = f"Every probe; the lowest log loss {view.choosing} is chosen."
        differences = _difference_cells(view, task)
        if differences:
            cells_of_column["minus the chosen"] = differences
            caption += " “Minus the chosen” is in percentage points; its intervals hold for all places at once."
    cells_of_column["macro F1 on test"] = _score_cells(view, task, "macro_f1", "test")
    cells_of_column["log loss on test, nats"] = _score_cells(view, task, "log_loss", "test")
    cells_of_column["C"] = _penalty_cells(view, task)
    rows = list[tuple[str, ...]]()
    for site in accuracies:
        pooling, layer = site
        vector = wording.pooling(pooling, random_pooler=view.random_pooler)
        cells = [by_site.get(site, wording.MISSING) for by_site in cells_of_column.values()]
        rows.append((vector, str(layer), *cells))
    heading = ("vector", "layer", *cells_of_column)
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
    if table is None:
        return {}
    cells: Cells = {}
    for row in table.itertuples():
        limits = interval((row.lower, row.upper))
        cells[row.pooling, int(row.layer)] = f"{wording.points(row.value)} ({limits})"
    return cells


def _penalty_cells(view: View, task: str) -> Cells:
    table = view.table("selection", task)
    if table is None:
        return {}
    is_chosen = table["chosen"].fillna(False).astype(bool)
    cells: Cells = {}
    for row in table[is_chosen].itertuples():
        remark = "" if row.converged else ", not converged"
        cells[row.pooling, int(row.layer)] = f"{wording.general(row.c)}{remark}"
    return cells
