"""What a sweep measured: scores, ties with the best, and tidy tables of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from probes.checks import check_kind, side_of_zero
from probes.probing.logistic import FittedProbe
from probes.probing.selection import Selection
from probes.probing.sites import Point
from probes.statistics.bootstrap import Bootstrap, Predictions
from probes.statistics.intervals import class_intervals, minimum_detectable_difference, simultaneous_intervals
from probes.statistics.metrics import confusion, per_class

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class TaskSweep:
    """Everything measured for one label column."""

    class_names: tuple[str, ...]
    selections: Mapping[Point, Selection]
    """The probe chosen at each point, on validation."""
    validation: Mapping[Point, Mapping[str, float]]
    """Metric -> score on validation."""
    test: Mapping[Point | str, Mapping[str, float]]
    """Metric -> score on test, for each point and floor."""
    predictions: Mapping[Point | str, Predictions]
    """Of the test examples, for each point and floor."""
    labels: NDArray[np.integer[Any]]
    """(examples,) of the test split."""
    best: Point
    """Lowest validation log loss among the eligible points: the winner is chosen without the test split."""
    resampled: Bootstrap
    """Columns in the order of `test`."""

    def column(self, key: Point | str) -> int:
        """Where a point or floor stands in `resampled`."""
        return list(self.test).index(key)

    def interval(self, key: Point | str) -> tuple[float, float]:
        """95 % interval of a test accuracy."""
        return self.resampled.interval("accuracy", self.column(key))

    def differences(self) -> Iterator[tuple[Point, float, float, float]]:
        """Each point's test accuracy minus the winner's, with simultaneous 95 % limits."""
        measured, resampled = self._gaps
        limits = simultaneous_intervals(measured, resampled, n=len(self.labels))
        for point, value, lower, upper in zip(self.selections, measured, *limits, strict=True):
            yield point, float(value), float(lower), float(upper)

    @property
    def detectable(self) -> tuple[float, float]:
        """How far from the winner's test accuracy a point must lie for these limits to tell: the least, the median."""
        reference = list(self.selections).index(self.best)
        return minimum_detectable_difference(*self._gaps, n=len(self.labels), reference=reference)

    @property
    def _gaps(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(points,) accuracies minus the winner's, and (resamples, points) the same under resampling."""
        points = list(self.selections)
        measured = np.array([self.test[p]["accuracy"] for p in points]) - self.test[self.best]["accuracy"]
        accuracy = self.resampled.scores["accuracy"]
        return measured, accuracy[:, [self.column(p) for p in points]] - accuracy[:, [self.column(self.best)]]


@dataclass(frozen=True, eq=False, repr=False)
class Sweep:
    """What `sweep_probes` returns: tidy tables, and the fitted probes."""

    tasks: Mapping[str, TaskSweep]
    model: str
    seed: int
    notes: tuple[str, ...] = ()
    studies: Mapping[str, Mapping[tuple[str, Point], Any]] = field(default_factory=dict)
    """Study -> label column and point -> what it found there."""

    def __post_init__(self) -> None:
        check_kind(Mapping, tasks=self.tasks, studies=self.studies)
        check_kind(str, model=self.model)
        check_kind(tuple, notes=self.notes)

    def __repr__(self) -> str:
        counts = {"label column": len(self.tasks), "site": sum(len(task.selections) for task in self.tasks.values())}
        sizes = (f"{n} {noun}{'' if n == 1 else 's'}" for noun, n in counts.items())
        best = []
        for name, task in self.tasks.items():
            accuracy = task.test[task.best]["accuracy"]
            best.append(f"{name}: {task.best.pooling} at layer {task.best.layer}, test accuracy {accuracy:.3f}")
        return f"Sweep({', '.join(sizes)}; {'; '.join(best[:3])}{'; ...' if len(best) > 3 else ''})"

    @property
    def probes(self) -> dict[str, FittedProbe]:
        """Name `task/pooling/layer` -> probe."""
        return {
            f"{task}/{point.pooling}/{point.layer}": selection.probe
            for task, found in self.tasks.items()
            for point, selection in found.selections.items()
        }

    @property
    def metrics(self) -> pd.DataFrame:
        """Tidy scores with 95 % intervals on test: columns as in the result folder's `metrics.csv`."""
        rows: list[dict[str, Any]] = []
        for task, found in self.tasks.items():
            n_validation = {"split": "validation", "n": None}
            for point, scores in found.validation.items():
                base = {"task": task, "pooling": point.pooling, "layer": point.layer, "probe": "logistic"}
                rows += [{**base, **n_validation, "metric": name, "value": value} for name, value in scores.items()]
            for column, key in enumerate(found.test):
                base = {"task": task, "split": "test", "n": len(found.labels), **_where(key)}
                for name, value in found.test[key].items():
                    lower, upper = found.resampled.interval(name, column)
                    rows.append({**base, "metric": name, "value": value, "lower": lower, "upper": upper})
                if isinstance(key, str) or key == found.best:
                    classes = per_class(found.labels, found.predictions[key].log_prob)
                    limits = class_intervals(found.labels, found.predictions[key].predicted, len(found.class_names))
                    for name in ("precision", "recall", "f1", "auroc"):
                        for i, class_name in enumerate(found.class_names):
                            own = {"class": class_name, "n": int(classes["count"][i])}
                            if name in limits:
                                own |= dict(zip(("lower", "upper"), limits[name][i], strict=True))
                            rows.append({**base, "metric": name, "value": float(classes[name][i]), **own})
        columns = ("task", "pooling", "layer", "probe", "split", "metric", "class", "value", "lower", "upper", "n")
        table = _frame(rows, columns, whole=("layer", "n"))
        table.insert(0, "model", self.model)
        table.insert(5, "seed", self.seed)
        return table

    @property
    def selection(self) -> pd.DataFrame:
        """The path of penalties at each point, and which one was chosen."""
        rows = [
            {
                "task": task,
                **_where(point),
                "c": trial.c,
                "validation_log_loss": trial.validation_log_loss,
                "chosen": trial.c == selection.probe.c,
                "converged": trial.converged,
            }
            for task, found in self.tasks.items()
            for point, selection in found.selections.items()
            for trial in selection.trials
        ]
        columns = ("task", "pooling", "layer", "c", "validation_log_loss", "chosen", "converged")
        return _frame(rows, columns, whole=("layer",))

    @property
    def differences(self) -> pd.DataFrame:
        """Test accuracy of each point minus the validation winner's; tied where the simultaneous interval holds 0."""
        rows = [
            {
                "task": task,
                "pooling": point.pooling,
                "layer": point.layer,
                "reference_pooling": found.best.pooling,
                "reference_layer": found.best.layer,
                "value": value,
                "lower": lower,
                "upper": upper,
                "tied": side_of_zero(lower, upper) == "cannot_tell",
            }
            for task, found in self.tasks.items()
            for point, value, lower, upper in found.differences()
        ]
        return _frame(rows, tuple(rows[0]), whole=("layer", "reference_layer"))

    @property
    def confusion(self) -> pd.DataFrame:
        """Counts by label and prediction on test, for the winner and the floors; pairs that never occur have no row."""
        rows = []
        for task, found in self.tasks.items():
            keys: list[Point | str] = [found.best, *(key for key in found.test if isinstance(key, str))]
            for key in keys:
                labels, predicted, counts = confusion(found.labels, found.predictions[key].predicted)
                rows += [
                    {"task": task, **_where(key), "label": found.class_names[i], "predicted": found.class_names[j]}
                    | {"count": n}
                    for i, j, n in zip(labels.tolist(), predicted.tolist(), counts.tolist(), strict=True)
                ]
        columns = ("task", "probe", "pooling", "layer", "label", "predicted", "count")
        return _frame(rows, columns, whole=("layer", "count"))


def _where(key: Point | str) -> dict[str, Any]:
    if isinstance(key, str):
        return {"probe": key, "pooling": None, "layer": None}
    return {"probe": "logistic", "pooling": key.pooling, "layer": key.layer}


def _frame(rows: list[dict[str, Any]], columns: Sequence[str], *, whole: Sequence[str]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(rows, columns=list(columns)).astype(dict.fromkeys(whole, "Int64"))
