"""Learning curve: test accuracy by number of training texts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd

from reports.blocks import Panels, Part, Section, Table, columns
from reports.charts.panels import PanelOptions, shared_limits
from reports.lookup import View, rows_at_site, value
from reports.sections.small_multiples import in_points, panels_of_tasks, pooling_styles
from reports.text import wording
from reports.text.wording import confidence, count, decimal, interval, name, percent, plural, points

if TYPE_CHECKING:
    from probes.results.result import Claim

ROUND_NUMBERS = [digit * 10**power for power in range(9) for digit in (1, 2, 5)]
"""Numbers of texts that are labelled below the axis."""
MOST_LABELS = 4
VERDICTS = {"plateau": "plateau", "rising": "no plateau", "cannot_tell": "not distinguishable from a plateau"}
"""Outcome of the claim -> what the sentence calls it."""
NOTES = (
    "Smaller training sets are subsets of the larger ones, drawn once: the left end of the curve is noisy.",
    "Plateau: the 95 % CI of the difference lies below 2 points. No plateau: it lies above 0. Not distinguishable from "
    "a plateau: neither, and more texts may still help.",
    "All sites: tables/learning_curve.csv.",
)


def section(view: View) -> Section | None:
    """Return the learning curve of each label column's best site, all on one scale."""
    tables = dict[str, pd.DataFrame]()
    for task in view.tasks:
        rows = view.table("learning_curve", task)
        best = view.best(task)
        if rows is None or best is None:
            continue
        at_site = rows_at_site(rows[rows["accuracy"].notna()], best).sort_values("train_texts")
        if len(at_site) > 1:
            tables[task] = at_site
    if not tables:
        return None
    claims = {task: claim for task in tables if (claim := view.claim("learning_curve", task)) is not None}
    verdict = tuple(view.about(task, _sentence(claim)) for task, claim in claims.items())
    row = _panels(view, tables)
    all_sizes = tuple(
        _table(
            view,
            task,
            rows,
        )
        for task, rows in tables.items()
    )
    part = Part(panels=() if row is None else (row,), tables=all_sizes)
    return Section(
        "Learning curve",
        "sizes",
        verdict,
        (part,),
        NOTES,
    )


def _sentence(claim: Claim) -> str:
    """Return the accuracy with all training texts and with fewer, and whether the curve is on a plateau."""
    return (
        f"{percent(value(claim, 'accuracy'))} with {count(value(claim, 'train_texts'))} texts, "
        f"{percent(value(claim, 'fewer_accuracy'))} with {count(value(claim, 'fewer_texts'))}; "
        f"{points(value(claim, 'gain'))} points{confidence(claim.interval, before=' ')}: {VERDICTS[claim.outcome]}."
    )


def _panels(view: View, tables: Mapping[str, pd.DataFrame]) -> Panels | None:
    """Return accuracy on a logarithmic scale of training texts."""
    frames = dict[str, pd.DataFrame]()
    floors = dict[str, float]()
    for task, rows in tables.items():
        sizes = rows["train_texts"].astype(float)
        frame = rows.assign(series=rows["pooling"], x=sizes.map(math.log10), value=rows["accuracy"])
        frames[task] = in_points(frame)
        if "majority" in (task_floors := view.floors(task)):
            floors[task] = 100 * task_floors["majority"]
    limits = shared_limits(frames.values(), *floors.values())

    def options(task: str) -> PanelOptions:
        sizes = tables[task]["train_texts"].astype(int).tolist()
        labels = _labelled_sizes(min(sizes), max(sizes))
        return PanelOptions(
            limits,
            x_title="training texts",
            tick_names={math.log10(size): count(size) for size in {*sizes, *labels}},
            ticks=tuple(math.log10(size) for size in labels),
            floor=floors.get(task),
        )

    return panels_of_tasks(
        view,
        frames,
        pooling_styles(view, pd.concat([frame["series"] for frame in frames.values()])),
        options,
        anchor="sizes",
        quantity="Test accuracy (%) by number of training texts",
        caption="Test accuracy (%) of the best site by number of training texts (log scale). Band: 95 % CI. Grey: up "
        "to the majority class.",
    )


def _labelled_sizes(least: int, most: int) -> list[int]:
    """Return the round numbers of texts that are labelled: powers of ten where there are enough of them."""
    powers = [size for size in ROUND_NUMBERS if least <= size <= most and str(size).startswith("1")]
    if len(powers) > 1:
        step = 1 + (len(powers) - 1) // MOST_LABELS
        return powers[::step]
    return [size for size in ROUND_NUMBERS if least <= size <= most] or [least, most]


def _table(view: View, task: str, rows: pd.DataFrame) -> Table:
    """Return every number of a label column's curve."""
    heading = ("training texts", "test accuracy", "95 % CI", "log loss on test (nats)")
    has_loss = "log_loss" in rows
    cells = tuple(
        (
            count(r.train_texts),
            percent(r.accuracy),
            interval((r.lower, r.upper)),
            decimal(r.log_loss) if has_loss else wording.MISSING,
        )
        for r in rows.itertuples()
    )
    subject = f" for {name(task)}" if len(view.tasks) > 1 else ""
    summary = f"All {plural(len(rows), 'training size')}{subject}"
    best = view.best(task)
    site = "" if best is None else wording.place(*best, random_pooler=view.random_pooler)
    caption = f"Probe on {site}."
    return Table(
        caption,
        rows=cells,
        folded=True,
        summary=summary,
        **columns(*heading, numeric=heading),
    )
