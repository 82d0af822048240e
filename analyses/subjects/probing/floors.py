"""Floors: majority class, bag of words, mean of layer 0, untrained encoders, and the model's own head beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from analyses.context.measurements import Measurements
from analyses.context.subject import Subject, Tables
from probes.checks import side_of_zero
from probes.results.result import Claim

if TYPE_CHECKING:
    import pandas as pd

    from analyses.context.subject import ProbingSubject
    from probes.probing.sites import Site
    from probes.probing.sweep_result import TaskSweep
    from probes.probing.untrained import UntrainedProbe

TABLES: dict[str, Callable[[Measurements], pd.DataFrame | None]] = {}
"""Scores of floors are rows of the table `metrics`."""


def claims(measurements: Measurements, tables: Tables) -> Iterator[Claim]:
    """Yield the difference between the best site and each floor."""
    from probes.probing.untrained import best_probes

    for task, task_sweep in measurements.sweep.tasks.items():
        for name, key in _floors(task_sweep).items():
            yield _floor_claim(task, task_sweep, name, key)
        best_of_encoders = [best_probes(probes) for probes in measurements.untrained_probes]
        probes = [best[task] for best in best_of_encoders if task in best]
        if probes:
            yield _untrained_claim(task, task_sweep, probes)


def _floors(task_sweep: TaskSweep) -> dict[str, Site | str]:
    """Return the name of each floor of a sweep and its key among the test scores."""
    from probes.probing.sites import Site

    floors: dict[str, Site | str] = {key: key for key in task_sweep.test if isinstance(key, str)}
    embeddings = Site("mean", 0)
    if embeddings in task_sweep.selections and embeddings != task_sweep.best:
        floors["layer_0_mean"] = embeddings
    return floors


def _floor_claim(task: str, task_sweep: TaskSweep, name: str, key: Site | str) -> Claim:
    """Return the accuracy of the best site minus that of a floor, with its paired 95 % interval."""
    best_column = task_sweep.column(task_sweep.best)
    lower, upper = task_sweep.resampled.difference("accuracy", best_column, task_sweep.column(key))
    accuracy = task_sweep.test[key]["accuracy"]
    difference = task_sweep.test[task_sweep.best]["accuracy"] - accuracy
    numbers: dict[str, Any] = {"floor": name, "accuracy": accuracy, "difference": difference}
    return Claim("floor", side_of_zero(lower, upper), task, numbers, (lower, upper))


def _untrained_claim(task: str, task_sweep: TaskSweep, probes: Sequence[UntrainedProbe]) -> Claim:
    """Return the accuracy of the best site minus the mean accuracy of untrained encoders, each at its own best site."""
    from probes.statistics.intervals import HIT_DIFFERENCES, mean_interval

    labels = task_sweep.labels
    untrained_hits = np.stack([probe.predictions.predicted == labels for probe in probes]).mean(axis=0)
    hits = task_sweep.predictions[task_sweep.best].predicted == labels
    differences = hits - untrained_hits
    lower, upper = mean_interval(differences, bounds=HIT_DIFFERENCES)
    numbers: dict[str, Any] = {"floor": "untrained", "accuracy": float(untrained_hits.mean())}
    numbers["difference"] = float(differences.mean())
    numbers["seeds"] = len(probes)
    return Claim("floor", side_of_zero(lower, upper), task, numbers, (lower, upper))


SUBJECT: ProbingSubject = Subject(tables=TABLES, claims=claims)
