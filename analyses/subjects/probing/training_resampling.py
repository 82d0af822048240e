"""Resampled training sets: how much the best site and its accuracy depend on the training sample."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from analyses.context.measurements import Measurements, best_row
from analyses.context.subject import Subject, Tables
from probes.results.result import Claim

if TYPE_CHECKING:
    import pandas as pd

    from analyses.context.subject import ProbingSubject

SHARES = ("accuracy", "refit_mean", "refit_sd", "refit_lowest", "refit_highest")
COUNTS = ("n_best", "n_best_or_tied", "n_refits", "n")
"""Columns of `training_resampling` that the claim repeats."""


def training_resampling(measurements: Measurements) -> pd.DataFrame | None:
    """Tabulate the test accuracy of every site over resampled training sets, and how often it is best or tied."""
    from probes.controls.studies import training_resampling_table

    if not measurements.has_study("training_resampling"):
        return None
    return training_resampling_table(measurements.sweep)


def claims(measurements: Measurements, tables: Tables) -> Iterator[Claim]:
    """Yield how often the best site of each label column is best or tied, with the interval of its accuracy."""
    if "training_resampling" not in tables:
        return
    for task, task_sweep in measurements.sweep.tasks.items():
        row = best_row(tables["training_resampling"], task, task_sweep)
        numbers: dict[str, Any] = {"pooling": row["pooling"], "layer": int(row["layer"])}
        numbers.update({name: float(row[name]) for name in SHARES})
        numbers.update({name: int(row[name]) for name in COUNTS})
        interval = (float(row["lower"]), float(row["upper"]))
        yield Claim("training_resampling", "measured", task, numbers, interval)


SUBJECT: ProbingSubject = Subject(tables={"training_resampling": training_resampling}, claims=claims)
