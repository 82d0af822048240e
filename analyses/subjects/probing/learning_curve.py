"""Learning curves: test accuracy by number of training texts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from analyses.context.measurements import Measurements
from analyses.context.subject import Subject, Tables
from probes.checks import side_of_zero
from probes.results.result import Claim
from probes.results.schema.columns import PLATEAU_GAIN

if TYPE_CHECKING:
    import pandas as pd

    from analyses.context.subject import ProbingSubject
    from probes.controls.information import LearningCurvePoint


def learning_curve(measurements: Measurements) -> pd.DataFrame | None:
    """Tabulate test accuracy and log loss of every site by number of training texts."""
    from probes.controls.studies import learning_curve_table

    return learning_curve_table(measurements.sweep) if measurements.has_study("information") else None


def claims(measurements: Measurements, tables: Tables) -> Iterator[Claim]:
    """Yield what the last increase of the training texts adds to the test accuracy of each label column's best site."""
    if "learning_curve" not in tables:
        return
    results = measurements.sweep.studies["information"]
    for task, task_sweep in measurements.sweep.tasks.items():
        points = results[task, task_sweep.best].learning_curve
        if len(points) > 1:
            yield _claim(task, points[-2], points[-1])


def _claim(task: str, fewer: LearningCurvePoint, full: LearningCurvePoint) -> Claim:
    """Return the accuracy with all training texts minus that with fewer, with its paired 95 % interval."""
    from probes.statistics.intervals import HIT_DIFFERENCES, mean_interval

    differences = full.correct.astype(float) - fewer.correct
    lower, upper = mean_interval(differences, bounds=HIT_DIFFERENCES)
    numbers: dict[str, Any] = {
        "train_texts": full.examples,
        "accuracy": full.accuracy,
        "fewer_texts": fewer.examples,
        "fewer_accuracy": fewer.accuracy,
        "gain": float(differences.mean()),
        "n": len(differences),
    }
    return Claim("learning_curve", curve_outcome(lower, upper), task, numbers, (lower, upper))


def curve_outcome(lower: float, upper: float) -> str:
    """Return whether a learning curve still rises, by the interval of the accuracy that the last texts add.

    It is on a plateau where the interval shows that they add less than `PLATEAU_GAIN`.
    """
    if side_of_zero(lower, upper) == "above":
        return "rising"
    return "plateau" if upper < PLATEAU_GAIN else "cannot_tell"


SUBJECT: ProbingSubject = Subject(tables={"learning_curve": learning_curve}, claims=claims)
