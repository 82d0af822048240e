"""Control tasks: selectivity of the probes by layer."""

from __future__ import annotations

from reports.blocks import Part, Section, Table, columns
from reports.lookup import View, item, value
from reports.sections.probing.layer_drawing import layer_drawing
from reports.text import wording
from reports.text.wording import (
    count,
    interval,
    name,
    percent,
    unsigned_points,
)


def section(view: View) -> Section | None:
    """Return selectivity by layer and pooling, of each label column."""
    verdict, parts = [], []
    column = (view.result.settings.get("data") or {}).get("control_type")
    kind = f"what column {name(str(column), 40)} says" if column else "the text's first word"
    exposed = "that type" if column else "a text's first word"
    for i, task in enumerate(view.tasks, start=1):
        if absent := view.claim("no_control_task", task):
            reason = name(str(item(absent, "reason") or ""), 300)
            verdict.append(view.about(task, f"No valid control task: {reason}."))
        if claim := view.claim("selectivity", task):
            heart = percent(value(claim, "control_accuracy"))
            verdict.append(
                view.about(
                    task,
                    f"Of the test texts whose type occurs in training{_scored(view, task)} the best probe reads the "
                    f"label of {percent(value(claim, 'accuracy'))}; trained on "
                    f"random labels that hang on a text's type alone, it learns {heart} by heart (always answering the "
                    f"most frequent: {percent(value(claim, 'control_majority'))}). "
                    f"Selectivity: {unsigned_points(value(claim, 'selectivity'))} points (95 % interval "
                    f"{interval(claim.interval)})"
                    + (", not told apart from none." if claim.outcome == "cannot_tell" else "."),
                )
            )
        rows = view.table("control_tasks", task)
        if rows is None:
            continue
        curve = rows.assign(value=100 * rows["selectivity"], lower=100 * rows["lower"], upper=100 * rows["upper"])
        title = f"Selectivity by layer for {name(task)}, points"
        drawings = layer_drawing(view, curve, f"control-{i}", title, quantity="selectivity, points", digits=1)
        heading = (
            "vector",
            "layer",
            "right on the label",
            "on control labels",
            "lowest, highest draw",
            "their majority",
            "selectivity",
            "95 % interval",
        )
        cells = tuple(
            (
                wording.pooling(r.pooling, random_pooler=view.random_pooler),
                str(r.layer),
                percent(r.accuracy),
                percent(r.control_accuracy),
                f"{percent(r.lowest)}, {percent(r.highest)}",
                percent(r.control_majority),
                unsigned_points(r.selectivity),
                interval((r.lower, r.upper)),
            )
            for r in rows.itertuples()
        )
        first = rows.iloc[0]
        caption = (
            f"On the {count(first['n'])} test texts ({percent(first['share_scored'])}) whose type occurs in training; "
            "selectivity in percentage points."
        )
        table = Table(caption, rows=cells, folded=True, **columns(*heading, numeric=heading[1:]))
        parts.append(Part(view.heading(task), drawings=drawings, tables=(table,)))
    notes = (
        "A control task gives all texts of one type the same label, drawn at random as often as in the real labels; a "
        f"type is {kind}. Each probe has the penalty of the real task.",
        f"A place that exposes {exposed} has low selectivity, whatever it knows of the real label.",
        "Intervals resample the test texts; how much hangs on which labels were drawn, the lowest and the highest draw "
        "show.",
    )
    return Section("Read, or learnt by heart?", "control", tuple(verdict), tuple(parts), notes) if verdict else None


def _scored(view: View, task: str) -> str:
    """Return how many texts a control task scores, in brackets."""
    rows = view.table("control_tasks", task)
    return "" if rows is None else f" ({count(rows['n'].iloc[0])})"
