"""Control tasks: how much of a probe's accuracy it reaches on random labels of the input types, and its selectivity."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from analyses.context.measurements import Measurements, best_row
from analyses.context.subject import Subject, Tables
from probes.checks import side_of_zero
from probes.results.result import Claim

if TYPE_CHECKING:
    import pandas as pd

    from analyses.context.subject import ProbingSubject

UNKNOWN_REASON = "the sweep was run without one"
"""Reason of a label column whose control task research code left out."""


def control_tasks(measurements: Measurements) -> pd.DataFrame | None:
    """Tabulate the accuracy on control tasks and the selectivity of every site."""
    from probes.controls.studies import control_task_table

    return control_task_table(measurements.sweep) if measurements.has_study("control") else None


def claims(measurements: Measurements, tables: Tables) -> Iterator[Claim]:
    """Yield the selectivity of the best site, or the reason why a label column has no valid control task."""
    if "control_tasks" not in tables:
        return
    tasks_with_control = set(tables["control_tasks"]["task"])
    for task, task_sweep in measurements.sweep.tasks.items():
        if task in tasks_with_control:
            yield from _selectivity_claims(task, best_row(tables["control_tasks"], task, task_sweep))
        else:
            reasons = measurements.control_reasons
            yield Claim("no_control_task", "absent", task, {"reason": reasons.get(task, UNKNOWN_REASON)})


def _selectivity_claims(task: str, row: pd.Series[Any]) -> Iterator[Claim]:
    """Yield the selectivity of a site, and the control task as a reference like the floors.

    With few input types any labelling of them can be memorised, and the control task tells nothing of the probe.
    """
    from probes.controls.control_tasks import is_informative

    names = ("control_accuracy", "control_majority", "accuracy", "selectivity", "share_scored")
    numbers: dict[str, Any] = {name: float(row[name]) for name in names}
    for name in ("n", "n_types", "hidden"):
        numbers[name] = int(row[name])
    interval = (float(row["lower"]), float(row["upper"]))
    outcome = side_of_zero(*interval)
    informative = is_informative(numbers["n_types"], numbers["hidden"])
    yield Claim("selectivity", outcome if informative else "uninformative", task, numbers, interval)
    reference: dict[str, Any] = {
        "floor": "control",
        "accuracy": numbers["control_accuracy"],
        "difference": numbers["selectivity"],
        "n": numbers["n"],
    }
    yield Claim("floor", outcome, task, reference, interval)


SUBJECT: ProbingSubject = Subject(tables={"control_tasks": control_tasks}, claims=claims)
