"""Accuracy by text length: test accuracy on the shortest to the longest texts."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from probes.results.result import Claim
from reports.blocks import Panels, Part, Section, Table, columns
from reports.charts.canvas import INK
from reports.charts.panels import PanelOptions, shared_limits
from reports.charts.styles import Style
from reports.lookup import View, value
from reports.sections.small_multiples import in_points, panels_of_tasks
from reports.text.wording import confidence, count, decimal, interval, name, percent, points

NOTES = (
    "Length: number of characters; of a pair of texts, those of both. The test texts are divided into groups of about "
    "equal size, and texts of one length are in one group.",
    "A difference between short and long texts may be due to what they say: length is not varied here.",
)


def section(view: View) -> Section | None:
    """Return the test accuracy of each label column's best site by the length of the texts."""
    tables = {task: rows for task in view.tasks if (rows := view.table("accuracy_by_length", task)) is not None}
    if not tables:
        return None
    sentences = tuple(sentence for task in tables if (sentence := _sentence(view, task)))
    row = _panels(view, tables)
    groups = tuple(_table(view, task, rows) for task, rows in tables.items())
    part = Part(panels=() if row is None else (row,), tables=groups)
    return Section("Accuracy by text length", "lengths", sentences, (part,), NOTES, folded=True)


def _sentence(view: View, task: str) -> str:
    """Return the accuracy on the shortest and on the longest texts, and their difference; empty without it."""
    claim = view.claim("length_effect", task)
    if claim is None:
        return ""
    significance = "" if claim.outcome in ("above", "below") else ", not significantly different"
    return view.about(task, f"{contrast(claim)}{significance}.")


def contrast(claim: Claim) -> str:
    """Return the test accuracy on the shortest and on the longest texts, and their difference."""
    shortest = percent(value(claim, "shortest_accuracy"))
    longest = percent(value(claim, "longest_accuracy"))
    return (
        f"test accuracy on texts of up to {count(value(claim, 'at_most'))} characters {shortest} "
        f"(n = {count(value(claim, 'n_shortest'))}), from {count(value(claim, 'at_least'))} characters on {longest} "
        f"(n = {count(value(claim, 'n_longest'))}): {points(value(claim, 'difference'))} points"
        f"{confidence(claim.interval, before=' ')}"
    )


def _panels(view: View, tables: Mapping[str, pd.DataFrame]) -> Panels | None:
    """Return a panel for each label column, all on one scale."""
    frames = dict[str, pd.DataFrame]()
    for task, rows in tables.items():
        frames[task] = in_points(rows.assign(series="probe", x=rows["mean_length"], value=rows["accuracy"]))
    limits = shared_limits(frames.values())

    def options(task: str) -> PanelOptions:
        names = {length: decimal(length, 0) for length in tables[task]["mean_length"]}
        return PanelOptions(limits, x_title="mean length (characters)", tick_names=names)

    return panels_of_tasks(
        view,
        frames,
        {"probe": Style("accuracy", INK)},
        options,
        anchor="lengths",
        quantity="Test accuracy (%) by text length",
        caption="Test accuracy (%) of the best site by mean length of the texts in each group. Band: 95 % CI.",
    )


def _table(view: View, task: str, rows: pd.DataFrame) -> Table:
    """Return every group of a label column's test texts."""
    heading = ("length (characters)", "mean length", "test accuracy", "95 % CI", "n")
    cells = tuple(
        (
            f"{count(row.shortest)} to {count(row.longest)}",
            decimal(row.mean_length, 1),
            percent(row.accuracy),
            interval((row.lower, row.upper)),
            count(row.n),
        )
        for row in rows.itertuples()
    )
    subject = f" for {name(task)}" if len(view.tasks) > 1 else ""
    shape = columns(*heading, numeric=heading)
    return Table("", rows=cells, folded=True, summary=f"All {len(rows)} groups{subject}", **shape)
