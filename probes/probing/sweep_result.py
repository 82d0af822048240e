"""Result of a sweep: scores, ties with the best site, and tidy tables of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from probes.checks import check_kind, side_of_zero
from probes.logistic.fitted_probe import FittedProbe
from probes.probing.penalty_selection import Selection
from probes.probing.sites import Site
from probes.sequences import Float64Array, IntegerArray
from probes.statistics.bootstrap import Bootstrap, Predictions
from probes.statistics.intervals import class_intervals
from probes.statistics.metrics import confusion, per_class
from probes.statistics.simultaneous import minimum_detectable_difference, simultaneous_intervals

if TYPE_CHECKING:
    import pandas as pd

METRIC_COLUMNS = ("task", "pooling", "layer", "probe", "split", "metric", "class", "value", "lower", "upper", "n")
SELECTION_COLUMNS = ("task", "pooling", "layer", "c", "validation_log_loss", "chosen", "converged")
CONFUSION_COLUMNS = ("task", "probe", "pooling", "layer", "label", "predicted", "count")
CLASS_METRICS = ("precision", "recall", "f1", "auroc")
MOST_TASKS_IN_REPR = 3

_Row = dict[str, Any]
"""Column -> value."""


@dataclass(frozen=True, eq=False)
class TaskSweep:
    """Scores of all sites and floors for one label column."""

    class_names: tuple[str, ...]
    selections: Mapping[Site, Selection]
    """Probe selected at each site, on validation."""
    validation: Mapping[Site, Mapping[str, float]]
    """Site -> metric -> score on validation."""
    test: Mapping[Site | str, Mapping[str, float]]
    """Site or floor -> metric -> score on test."""
    predictions: Mapping[Site | str, Predictions]
    """Site or floor -> predictions for the test examples."""
    labels: IntegerArray
    """(examples,) class ids of the test split."""
    best: Site
    """Eligible site with the lowest validation log loss; the test split does not enter the choice."""
    resampled: Bootstrap
    """Scores on resampled test examples, in columns in the order of `test`."""
    ineligible: tuple[str, ...] = ()
    """Poolings that are never the best."""

    def column(self, key: Site | str) -> int:
        """Return the column of a site or floor in `resampled`."""
        return list(self.test).index(key)

    def interval(self, key: Site | str) -> tuple[float, float]:
        """Return the 95 % CI of a test accuracy."""
        return self.resampled.interval("accuracy", self.column(key))

    def differences(self) -> Iterator[tuple[Site, float, float, float]]:
        """Yield each site with its test accuracy minus that of the best site, and simultaneous 95 % limits."""
        differences, resampled_differences = self._accuracy_differences
        lower, upper = simultaneous_intervals(differences, resampled_differences, n=len(self.labels))
        for i, site in enumerate(self.selections):
            limits = (float(lower[i]), float(upper[i]))
            yield site, float(differences[i]), *limits

    @property
    def detectable(self) -> tuple[float, float]:
        """Difference from the best site that is significant with 80 % power, and the smallest significant one."""
        reference = list(self.selections).index(self.best)
        return minimum_detectable_difference(*self._accuracy_differences, reference=reference)

    @property
    def _accuracy_differences(self) -> tuple[Float64Array, Float64Array]:
        """(sites,) accuracies minus that of the best site, and (resamples, sites) the same under resampling."""
        accuracies = [self.test[site]["accuracy"] for site in self.selections]
        best_accuracy = self.test[self.best]["accuracy"]
        differences = np.array(accuracies) - best_accuracy
        resampled = self.resampled.scores["accuracy"]
        # The resamples are the same for all sites: differences are paired.
        site_columns = [self.column(site) for site in self.selections]
        best_column = [self.column(self.best)]
        return differences, resampled[:, site_columns] - resampled[:, best_column]


@dataclass(frozen=True, eq=False, repr=False)
class Sweep:
    """Result of `sweep_probes`: tidy tables and the fitted probes."""

    tasks: Mapping[str, TaskSweep]
    model: str
    seed: int
    notes: tuple[str, ...] = ()
    studies: Mapping[str, Mapping[tuple[str, Site], Any]] = field(default_factory=dict)
    """Study -> label column and site -> result of the study."""

    def __post_init__(self) -> None:
        check_kind(Mapping, tasks=self.tasks, studies=self.studies)
        check_kind(str, model=self.model)
        check_kind(tuple, notes=self.notes)

    def __repr__(self) -> str:
        n_sites = sum(len(task_sweep.selections) for task_sweep in self.tasks.values())
        counts = f"{_count(len(self.tasks), 'label column')}, {_count(n_sites, 'site')}"
        best = []
        for task, task_sweep in self.tasks.items():
            site = task_sweep.best
            accuracy = task_sweep.test[site]["accuracy"]
            best.append(f"{task}: {site.pooling} at layer {site.layer}, test accuracy {accuracy:.3f}")
        ending = "; ..." if len(best) > MOST_TASKS_IN_REPR else ""
        return f"Sweep({counts}; {'; '.join(best[:MOST_TASKS_IN_REPR])}{ending})"

    @property
    def probes(self) -> dict[str, FittedProbe]:
        """Name `task/pooling/layer` -> probe."""
        probes = {}
        for task, task_sweep in self.tasks.items():
            for site, selection in task_sweep.selections.items():
                probes[f"{task}/{site.pooling}/{site.layer}"] = selection.probe
        return probes

    @property
    def metrics(self) -> pd.DataFrame:
        """Tidy scores with 95 % intervals on test, in the columns of the result folder's `metrics.csv`."""
        rows: list[_Row] = []
        for task, task_sweep in self.tasks.items():
            rows += _validation_rows(task, task_sweep)
            for key in task_sweep.test:
                rows += _test_rows(task, task_sweep, key)
                if isinstance(key, str) or key == task_sweep.best:
                    rows += _class_rows(task, task_sweep, key)
        table = _frame(rows, METRIC_COLUMNS, integers=("layer", "n"))
        table.insert(0, "model", self.model)
        table.insert(5, "seed", self.seed)
        return table

    @property
    def selection(self) -> pd.DataFrame:
        """Validation log loss of every penalty at each site, and which penalty was chosen."""
        rows: list[_Row] = []
        for task, task_sweep in self.tasks.items():
            for site, selection in task_sweep.selections.items():
                for trial in selection.trials:
                    row = _key_columns(task, site)
                    row["c"] = trial.c
                    row["validation_log_loss"] = trial.validation_log_loss
                    row["chosen"] = trial.c == selection.probe.c
                    row["converged"] = trial.converged
                    rows.append(row)
        return _frame(rows, SELECTION_COLUMNS, integers=("layer",))

    @property
    def differences(self) -> pd.DataFrame:
        """Test accuracy of each site minus that of the best site; tied where the simultaneous interval holds 0."""
        rows: list[_Row] = []
        for task, task_sweep in self.tasks.items():
            best = task_sweep.best
            for site, difference, lower, upper in task_sweep.differences():
                row: _Row = {"task": task, "pooling": site.pooling, "layer": site.layer}
                row["reference_pooling"] = best.pooling
                row["reference_layer"] = best.layer
                row["value"] = difference
                row["lower"] = lower
                row["upper"] = upper
                row["tied"] = side_of_zero(lower, upper) == "cannot_tell"
                rows.append(row)
        return _frame(rows, tuple(rows[0]), integers=("layer", "reference_layer"))

    @property
    def confusion(self) -> pd.DataFrame:
        """Counts by label and prediction on test, of the best site and the floors; without pairs that never occur."""
        rows: list[_Row] = []
        for task, task_sweep in self.tasks.items():
            keys: list[Site | str] = [task_sweep.best, *_floors(task_sweep)]
            for key in keys:
                rows += _confusion_rows(task, task_sweep, key)
        return _frame(rows, CONFUSION_COLUMNS, integers=("layer", "count"))


# Rows of tables


def _count(n: int, noun: str) -> str:
    """Return a number with its noun, as "1 site" or "2 sites"."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def _floors(task_sweep: TaskSweep) -> list[str]:
    """Return the names of the floors."""
    return [key for key in task_sweep.test if isinstance(key, str)]


def _key_columns(task: str, key: Site | str) -> _Row:
    """Return the columns that name a label column and a site or floor."""
    if isinstance(key, str):
        return {"task": task, "probe": key, "pooling": None, "layer": None}
    return {"task": task, "probe": "logistic", "pooling": key.pooling, "layer": key.layer}


def _validation_rows(task: str, task_sweep: TaskSweep) -> Iterator[_Row]:
    """Yield one row for each site and metric on validation."""
    for site, scores in task_sweep.validation.items():
        for metric, value in scores.items():
            row = _key_columns(task, site)
            row.update(split="validation", n=None, metric=metric, value=value)
            yield row


def _test_rows(task: str, task_sweep: TaskSweep, key: Site | str) -> Iterator[_Row]:
    """Yield one row for each metric on test of one site or floor."""
    column = task_sweep.column(key)
    for metric, value in task_sweep.test[key].items():
        lower, upper = task_sweep.resampled.interval(metric, column)
        row = _key_columns(task, key)
        row.update(split="test", n=len(task_sweep.labels))
        row.update(metric=metric, value=value, lower=lower, upper=upper)
        yield row


def _class_rows(task: str, task_sweep: TaskSweep, key: Site | str) -> Iterator[_Row]:
    """Yield one row for each class and class metric on test of one site or floor."""
    predictions = task_sweep.predictions[key]
    scores = per_class(task_sweep.labels, predictions.log_prob)
    intervals = class_intervals(task_sweep.labels, predictions.predicted, len(task_sweep.class_names))
    for metric in CLASS_METRICS:
        for class_id, class_name in enumerate(task_sweep.class_names):
            row = _key_columns(task, key)
            row.update(split="test", metric=metric, n=int(scores["count"][class_id]))
            row["class"] = class_name
            row["value"] = float(scores[metric][class_id])
            if metric in intervals:
                row["lower"], row["upper"] = intervals[metric][class_id]
            yield row


def _confusion_rows(task: str, task_sweep: TaskSweep, key: Site | str) -> Iterator[_Row]:
    """Yield one row for each pair of label and prediction that occurs."""
    names = task_sweep.class_names
    pairs = confusion(task_sweep.labels, task_sweep.predictions[key].predicted)
    columns = [column.tolist() for column in pairs]
    for label, prediction, count in zip(*columns, strict=True):
        row = _key_columns(task, key)
        row.update(label=names[label], predicted=names[prediction], count=count)
        yield row


def _frame(rows: list[_Row], columns: Sequence[str], *, integers: Sequence[str]) -> pd.DataFrame:
    """Return a table with its columns in order, some of them integers that may be missing."""
    import pandas as pd

    table = pd.DataFrame(rows, columns=list(columns))
    return table.astype(dict.fromkeys(integers, "Int64"))
