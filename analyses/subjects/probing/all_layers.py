"""The all-layers probe: all layers of the best site's pooling together, with which the best layer is compared."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from analyses.context.measurements import Measurements
from analyses.context.subject import Subject, Tables
from probes.checks import side_of_zero
from probes.results.result import Claim

if TYPE_CHECKING:
    import pandas as pd

    from analyses.context.subject import ProbingSubject
    from probes.probing.sweep_result import TaskSweep

COLUMNS = (
    "task",
    "pooling",
    "n_layers",
    "c",
    "validation_log_loss",
    "accuracy",
    "lower",
    "upper",
    "best_layer",
    "best_accuracy",
    "difference",
    "difference_lower",
    "difference_upper",
    "n",
    "converged",
)


def all_layers(measurements: Measurements) -> pd.DataFrame | None:
    """Tabulate the probe on all layers of the best site's pooling, and its difference from the best layer."""
    import pandas as pd

    from probes.controls.all_layers import all_layers_obstacle

    if not measurements.has_controls:
        return None
    rows = []
    for task, task_sweep in measurements.sweep.tasks.items():
        pooling = task_sweep.best.pooling
        layers = _layers(task_sweep, pooling)
        if all_layers_obstacle(measurements.features.train, pooling, layers) is None:
            rows.append(_row(measurements, task, task_sweep))
    return pd.DataFrame(rows, columns=list(COLUMNS)) if rows else None


def _layers(task_sweep: TaskSweep, pooling: str) -> list[int]:
    """Return the layers of a pooling that are probed, in increasing order."""
    return sorted(site.layer for site in task_sweep.selections if site.pooling == pooling)


def _row(measurements: Measurements, task: str, task_sweep: TaskSweep) -> dict[str, Any]:
    """Return column -> value of one label column's all-layers probe."""
    from probes.controls.all_layers import fit_all_layers_probe
    from probes.statistics.bootstrap import bootstrap

    best = task_sweep.best
    layers = _layers(task_sweep, best.pooling)
    probe = fit_all_layers_probe(
        measurements.features,
        task,
        best.pooling,
        layers,
        n_classes=len(task_sweep.class_names),
        cs=[trial.c for trial in task_sweep.selections[best].trials],
        seed=measurements.sweep.seed,
    )
    # Paired over the test texts.
    predictions = [probe.predictions, task_sweep.predictions[best]]
    resampled = bootstrap(task_sweep.labels, predictions, seed=measurements.sweep.seed)
    accuracy, best_accuracy = resampled.estimates["accuracy"].tolist()
    lower, upper = resampled.interval("accuracy", 0)
    difference_lower, difference_upper = resampled.difference("accuracy", 0, 1)
    losses = [trial.validation_log_loss for trial in probe.selection.trials]
    return {
        "task": task,
        "pooling": best.pooling,
        "n_layers": len(layers),
        "c": probe.selection.probe.c,
        "validation_log_loss": min(losses),
        "accuracy": accuracy,
        "lower": lower,
        "upper": upper,
        "best_layer": best.layer,
        "best_accuracy": best_accuracy,
        "difference": accuracy - best_accuracy,
        "difference_lower": difference_lower,
        "difference_upper": difference_upper,
        "n": len(task_sweep.labels),
        "converged": probe.selection.probe.converged,
    }


def claims(measurements: Measurements, tables: Tables) -> Iterator[Claim]:
    """Yield the test accuracy of each all-layers probe minus that of the best layer."""
    if "all_layers" not in tables:
        return
    for row in tables["all_layers"].itertuples():
        numbers: dict[str, Any] = {
            "pooling": row.pooling,
            "n_layers": int(row.n_layers),
            "accuracy": float(row.accuracy),
            "best_layer": int(row.best_layer),
            "best_accuracy": float(row.best_accuracy),
            "difference": float(row.difference),
            "n": int(row.n),
        }
        interval = (float(row.difference_lower), float(row.difference_upper))
        yield Claim("all_layers", side_of_zero(*interval), str(row.task), numbers, interval)


SUBJECT: ProbingSubject = Subject(tables={"all_layers": all_layers}, claims=claims)
