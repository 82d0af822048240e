"""Scores: tables of every site, and of every metric of the best probe."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd

from reports.blocks import Table, columns
from reports.lookup import View
from reports.text import wording
from reports.text.wording import count, decimal, interval, name, percent, plural

ROUNDED = 6
"""Digits of a score after the point that are no rounding of float32 probabilities."""

Cells = dict[tuple[str, int], str]
"""Pooling and layer -> cell of a table."""


def metric_table(view: View, tasks: Iterable[str]) -> tuple[Table, ...]:
    """Return every metric of the best probes beside those of the floors; nothing where no probe was selected."""
    rows = list[dict[str, str]]()
    for task in tasks:
        for row in _metric_rows(view, task):
            rows.append({"task": name(task), **row} if len(view.tasks) > 1 else row)
    if not rows:
        return ()
    heading = tuple(dict.fromkeys(column for row in rows for column in row))
    cells = tuple(tuple(row.get(column, wording.MISSING) for column in heading) for row in rows)
    shape = columns(*heading, numeric=[column for column in heading if column not in ("task", "metric on test")])
    summary = f"All {len({row['metric on test'] for row in rows})} metrics"
    return (
        Table(
            "The best probe and the floors.",
            rows=cells,
            folded=True,
            summary=summary,
            **shape,
        ),
    )


def _metric_rows(view: View, task: str) -> Iterator[dict[str, str]]:
    """Yield column -> cell of every metric of a label column's best probe."""
    best = view.best(task)
    metrics = view.table("metrics", task)
    if best is None or metrics is None:
        return
    pooling, layer = best
    on_test = metrics[(metrics["split"] == "test") & metrics["class"].isna()]
    is_site = (on_test["pooling"] == pooling) & (on_test["layer"] == layer)
    of_probe = on_test[is_site & (on_test["probe"] == "logistic")].set_index("metric")
    of_floors = on_test[on_test["layer"].isna()].set_index(["probe", "metric"])["value"]
    floors = list(dict.fromkeys(of_floors.index.get_level_values("probe")))
    known_metrics = [metric for metric in wording.METRICS if metric in of_probe.index]
    further_metrics = of_probe.index.difference(wording.METRICS)
    for metric in (*known_metrics, *further_metrics):
        row = {
            "metric on test": wording.METRICS.get(metric, name(metric)),
            "probe": _metric_cell(metric, of_probe.at[metric, "value"]),
            "95 % CI": _metric_interval(metric, of_probe.loc[metric]),
        }
        for floor in floors:
            heading = wording.SHORT_FLOORS.get(floor, name(floor))
            row[heading] = _metric_cell(metric, of_floors.get((floor, metric), math.nan))
        yield row


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


def probe_table(view: View, task: str) -> Table:
    """Return every number of a label column's probes, a row for each site."""
    curve = view.curve(task)
    accuracies: Cells = {}
    intervals: Cells = {}
    for row in () if curve is None else curve.itertuples():
        site = (str(row.pooling), int(row.layer))
        accuracies[site] = percent(row.value)
        intervals[site] = interval((row.lower, row.upper))
    cells_of_column = {
        f"log loss {view.choosing} (nats)": _score_cells(view, task, "log_loss", "validation"),
        f"accuracy {view.choosing}": _score_cells(view, task, "accuracy", "validation"),
        "test accuracy": accuracies,
        "95 % CI": intervals,
    }
    caption = "The only probe."
    if len(accuracies) > 1:
        caption = f"The best probe has the lowest log loss {view.choosing}."
        differences = _difference_cells(view, task)
        if differences:
            cells_of_column["minus the best (points)"] = differences
            caption += " Differences from the best: simultaneous 95 % CIs."
    cells_of_column["macro F1 on test"] = _score_cells(view, task, "macro_f1", "test")
    cells_of_column["log loss on test (nats)"] = _score_cells(view, task, "log_loss", "test")
    cells_of_column["C"] = _penalty_cells(view, task)
    rows = list[tuple[str, ...]]()
    for site in accuracies:
        pooling, layer = site
        vector = wording.pooling(pooling, random_pooler=view.random_pooler)
        cells = [by_site.get(site, wording.MISSING) for by_site in cells_of_column.values()]
        rows.append((vector, str(layer), *cells))
    heading = ("pooling", "layer", *cells_of_column)
    subject = f" for {name(task)}" if len(view.tasks) > 1 else ""
    summary = f"All {plural(len(rows), 'probe')}{subject}"
    shape = columns(*heading, numeric=heading[1:])
    return Table(
        caption,
        rows=tuple(rows),
        folded=True,
        summary=summary,
        **shape,
    )


def all_layers_table(view: View) -> Iterator[Table]:
    """Yield the accuracy of the probes on all layers of a pooling together, beside that of the best layer."""
    rows = view.table("all_layers")
    if rows is None:
        return
    cells = list[tuple[str, ...]]()
    for row in rows.itertuples():
        difference_limits = interval((row.difference_lower, row.difference_upper))
        cells.append(
            (
                name(row.task),
                wording.pooling(row.pooling, random_pooler=view.random_pooler),
                percent(row.accuracy),
                interval((row.lower, row.upper)),
                count(row.best_layer),
                percent(row.best_accuracy),
                f"{wording.points(row.difference)} ({difference_limits})",
                decimal(row.validation_log_loss),
                decimal(row.c),
            )
        )
    heading = (
        "task",
        "pooling",
        "test accuracy of all layers",
        "95 % CI",
        "best layer",
        "its test accuracy",
        "difference (points)",
        f"log loss {view.choosing} (nats)",
        "C",
    )
    yield Table(
        "The probe on all layers of a pooling together, minus the probe on the best layer (paired 95 % CI).",
        rows=tuple(cells),
        folded=True,
        summary="All layers together",
        **columns(*heading, numeric=heading[2:]),
    )


def resampling_table(view: View, task: str) -> Iterator[Table]:
    """Yield the accuracies of every site over resampled training sets, and how often it is best or tied."""
    rows = view.table("training_resampling", task)
    if rows is None:
        return
    cells = list[tuple[str, ...]]()
    for row in rows.itertuples():
        cells.append(
            (
                wording.pooling(row.pooling, random_pooler=view.random_pooler),
                count(row.layer),
                count(row.n_best),
                count(row.n_best_or_tied),
                percent(row.accuracy),
                interval((row.lower, row.upper)),
                percent(row.refit_mean),
                wording.unsigned_points(row.refit_sd),
                interval((row.refit_lowest, row.refit_highest)),
            )
        )
    n_refits = plural(int(rows["n_refits"].iloc[0]), "resampled training set")
    subject = f" for {name(task)}" if len(view.tasks) > 1 else ""
    heading = (
        "pooling",
        "layer",
        "best",
        "best or tied",
        "test accuracy",
        "95 % CI with training and test sampling",
        "mean of refits",
        "SD of refits (points)",
        "range of refits",
    )
    yield Table(
        f"Number of {n_refits} in which a site is best, or tied with the best, and its test accuracy there.",
        rows=tuple(cells),
        folded=True,
        summary=f"All sites in {n_refits}{subject}",
        **columns(*heading, numeric=heading[1:]),
    )


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
