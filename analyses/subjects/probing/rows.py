"""Rows of the tables of probing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from probes.probing.sweep_result import TaskSweep


def best_row(table: pd.DataFrame, task: str, task_sweep: TaskSweep) -> pd.Series[Any]:
    """Return the row of a label column's best site.

    Args:
        table: Table with one row for each label column and site.
        task: Label column.
        task_sweep: Sweep of the label column.
    """
    best = task_sweep.best
    is_best = (table["task"] == task) & (table["pooling"] == best.pooling) & (table["layer"] == best.layer)
    (position,) = is_best.to_numpy().nonzero()[0]
    return table.iloc[position]
