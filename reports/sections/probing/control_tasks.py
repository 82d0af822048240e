"""Control tasks: accuracy on the task and on random labels of its types by layer, and selectivity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd

from reports.blocks import Panels, Part, Section, Table, columns
from reports.charts.canvas import INK, MUTED
from reports.charts.panels import PanelOptions, shared_limits
from reports.charts.styles import Style
from reports.lookup import View, value
from reports.sections.probing.floors import absent_control_sentences
from reports.sections.small_multiples import panels_of_tasks
from reports.text import wording
from reports.text.wording import confidence, count, interval, name, percent, plural, points

if TYPE_CHECKING:
    from probes.results.result import Claim

STYLES = {
    "task": Style("task", INK),
    "control": Style("control task (range over the draws)", MUTED, "s", dashed=True),
}


def section(view: View) -> Section | None:
    """Return task, control task and selectivity of each label column; None where no column has a control task."""
    claims = {task: claim for task in view.tasks if (claim := view.claim("selectivity", task)) is not None}
    if not claims:
        return None
    verdict = [view.about(task, _sentence(claim)) for task, claim in claims.items()]
    verdict += absent_control_sentences(view)
    tables = {task: rows for task in claims if (rows := view.table("control_tasks", task)) is not None}
    row = _panels(view, tables)
    all_sites = tuple(
        _table(
            view,
            task,
            rows,
        )
        for task, rows in tables.items()
    )
    part = Part(panels=() if row is None else (row,), tables=all_sites)
    return Section(
        "Control task and selectivity",
        "control",
        tuple(verdict),
        (part,),
        _notes(view),
    )


def _notes(view: View) -> tuple[str, ...]:
    """Return what a control task is, and how to read selectivity."""
    kind = input_type(view)
    return (
        "Control task (Hewitt & Liang 2019): all texts of one type get one label, drawn at random with the shares of "
        f"the real labels. A text's type is {kind}. Each probe has the penalty of the real task. Scored are the test "
        "texts whose type occurs in training.",
        "Selectivity is the accuracy on the task minus that on the control task. It is a property of vectors and probe "
        f"together, and no floor: vectors that expose {kind} have low selectivity, whatever they encode of the label.",
        "Uninformative: with fewer types than twice the number of dimensions a linear probe can memorise nearly any "
        "labels of them (Cover 1965); a high control accuracy then shows only that the type can be read.",
        "95 % CIs: Student's, over the test texts; the range over the draws is in the tables.",
    )


def input_type(view: View) -> str:
    """Return which property of a text its control label depends on."""
    column = (view.result.settings.get("data") or {}).get("control_type")
    return f"the value of column {name(str(column), 40)}" if column else "the text's first word"


def _sentence(claim: Claim) -> str:
    """Return the accuracy on the task and on the control task, and selectivity."""
    control = percent(value(claim, "control_accuracy"))
    if claim.outcome == "uninformative":
        return f"uninformative: {types_and_dimensions(claim)} (control task {control})."
    undecided = " (CI contains 0)" if claim.outcome == "cannot_tell" else ""
    return (
        f"task {percent(value(claim, 'accuracy'))}, control task {control}, "
        f"selectivity {points(value(claim, 'selectivity'))} points{confidence(claim.interval, before=' ')}{undecided}."
    )


def types_and_dimensions(claim: Claim) -> str:
    """Return why a control task is uninformative, as `11 types, 384 dimensions`."""
    types = plural(int(value(claim, "n_types")), "type")
    return f"{types}, {plural(int(value(claim, 'hidden')), 'dimension')}"


def _panels(view: View, tables: Mapping[str, pd.DataFrame]) -> Panels | None:
    """Return task and control task by layer, in the pooling of each label column's best site."""
    frames = dict[str, pd.DataFrame]()
    for task, rows in tables.items():
        if best := view.best(task):
            frames[task] = _frame(rows[rows["pooling"] == best[0]])
    if not frames:
        return None
    return panels_of_tasks(
        view,
        frames,
        STYLES,
        PanelOptions(shared_limits(frames.values()), gap=("task", "control")),
        anchor="control",
        quantity="Test accuracy (%) on task and control task by layer",
        caption="Test accuracy (%) by layer, in the pooling of the best probe. Shaded between the lines: selectivity.",
    )


def _frame(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the accuracies on the task and on the control task, in per cent."""
    on_task = pd.DataFrame({"series": "task", "x": rows["layer"], "value": 100 * rows["accuracy"]})
    on_control = pd.DataFrame({"series": "control", "x": rows["layer"], "value": 100 * rows["control_accuracy"]})
    task_limits = {"lower": on_task["value"], "upper": on_task["value"]}
    draws = {"lower": 100 * rows["lowest"], "upper": 100 * rows["highest"]}
    return pd.concat([on_task.assign(**task_limits), on_control.assign(**draws)], ignore_index=True)


def _table(view: View, task: str, rows: pd.DataFrame) -> Table:
    """Return every number of a label column, a row for each site."""
    heading = (
        "pooling",
        "layer",
        "task accuracy",
        "control accuracy",
        "lowest, highest draw",
        "control majority",
        "selectivity (points)",
        "95 % CI",
    )
    cells = tuple(
        (
            wording.pooling(r.pooling, random_pooler=view.random_pooler),
            str(r.layer),
            percent(r.accuracy),
            percent(r.control_accuracy),
            f"{percent(r.lowest)}, {percent(r.highest)}",
            percent(r.control_majority),
            points(r.selectivity),
            interval((r.lower, r.upper)),
        )
        for r in rows.itertuples()
    )
    first = rows.iloc[0]
    caption = f"{count(first['n'])} test texts ({percent(first['share_scored'])}) whose type occurs in training."
    subject = f" for {name(task)}" if len(view.tasks) > 1 else ""
    summary = f"All {plural(len(rows), 'site')}{subject}"
    return Table(
        caption,
        rows=cells,
        folded=True,
        summary=summary,
        **columns(*heading, numeric=heading[1:]),
    )
