"""Calibration: expected calibration error, and the reliability diagram of each label column's probe."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from reports.blocks import Panels, Part, Section, Table, columns
from reports.charts.canvas import INK
from reports.charts.panels import PanelOptions
from reports.charts.styles import Style
from reports.lookup import View, rows_at_site
from reports.sections.small_multiples import in_points, panels_of_tasks
from reports.text import wording
from reports.text.wording import between, count, decimal, interval, listing, name, percent

NOTES = (
    "ECE is the distance of confidence (probability of the predicted class) from accuracy, averaged over equally wide "
    "bins of confidence with their numbers of texts as weights (Guo et al. 2017).",
    "ECE is biased upward in finite samples; its interval is descriptive.",
)
ROUNDED = 6
"""Digits of an error after the point that are no rounding of float32 probabilities."""
LIMITS = (0.0, 100.0)


def section(view: View) -> Section | None:
    """Return the calibration error of each label column's probe, and its reliability diagram."""
    tables = {task: rows for task in view.tasks if (rows := view.table("calibration_bins", task)) is not None}
    if not tables:
        return None
    phrases = [phrase for task in tables if (phrase := _phrase(view, task))]
    verdict = (f"Expected calibration error (ECE): {listing(phrases)}.",) if phrases else ()
    row = _panels(view, tables)
    all_bins = tuple(_table(view, task, rows) for task, rows in tables.items())
    part = Part(panels=() if row is None else (row,), tables=all_bins)
    return Section("Calibration", "calibration", verdict, (part,), NOTES, folded=True)


def _phrase(view: View, task: str) -> str:
    """Return the calibration error of the best site's probe, with its interval; empty where it is not known."""
    scores = view.scores(task, "ece")
    best = view.best(task)
    if scores is None or best is None:
        return ""
    rows = rows_at_site(scores[scores["probe"] == "logistic"], best)
    if rows.empty:
        return ""
    row = rows.iloc[0]
    error = round(float(row["value"]), ROUNDED)
    limits = between([round(float(row[end]), ROUNDED) for end in ("lower", "upper")], 3).replace(" to ", ", ")
    bounds = "" if limits == wording.MISSING else f" [95\u00a0% CI {limits}]"
    subject = f"{name(task)} " if len(view.tasks) > 1 else ""
    return f"{subject}{decimal(error)}{bounds}"


def _panels(view: View, tables: Mapping[str, pd.DataFrame]) -> Panels | None:
    """Return the reliability diagrams, all on one scale."""
    frames = dict[str, pd.DataFrame]()
    for task, rows in tables.items():
        frames[task] = in_points(rows.assign(series="probe", x=100 * rows["confidence"], value=rows["accuracy"]))
    return panels_of_tasks(
        view,
        frames,
        {"probe": Style("accuracy", INK)},
        PanelOptions(LIMITS, x_title="mean confidence (%)", square=True),
        anchor="calibration",
        quantity="Reliability diagram: test accuracy by confidence",
        caption="Test accuracy (%) by mean confidence (%) in each bin. Band: 95 % CI. Dashed: perfect calibration.",
    )


def _table(view: View, task: str, rows: pd.DataFrame) -> Table:
    """Return every bin of a label column's probe."""
    heading = ("confidence", "mean confidence", "test accuracy", "95 % CI", "n")
    cells = tuple(
        (
            interval((row.lower_edge, row.upper_edge)),
            percent(row.confidence),
            percent(row.accuracy),
            interval((row.lower, row.upper)),
            count(row.n),
        )
        for row in rows.itertuples()
    )
    subject = f" for {name(task)}" if len(view.tasks) > 1 else ""
    shape = columns(*heading, numeric=heading)
    return Table("", rows=cells, folded=True, summary=f"All {len(rows)} bins{subject}", **shape)
