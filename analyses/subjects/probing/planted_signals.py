"""Planted signals: the weakest signal of known strength that probing finds, and the minimum detectable difference."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from analyses.context.measurements import Measurements
from analyses.context.subject import Subject, Tables
from probes.results.result import Claim

if TYPE_CHECKING:
    import pandas as pd

    from analyses.context.subject import ProbingSubject
    from probes.probing.penalty_selection import Sample
    from probes.probing.sites import Examples, Site
    from probes.probing.sweep_result import TaskSweep

COLUMNS = ("task", "pooling", "layer", "gain", "repeat", "measured_gain", "recovered")


def planted_signals(measurements: Measurements) -> pd.DataFrame | None:
    """Tabulate the gains that are measured where signals are planted in the features of each column's best site."""
    import pandas as pd

    if not measurements.has_controls:
        return None
    rows: list[tuple[Any, ...]] = []
    for task, task_sweep in measurements.sweep.tasks.items():
        if _no_signal_reason(measurements, task, task_sweep) is None:
            rows.extend(_signal_rows(measurements, task, task_sweep))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _signal_rows(measurements: Measurements, task: str, task_sweep: TaskSweep) -> Iterator[tuple[Any, ...]]:
    """Plant signals of increasing strength and yield the gain of each repetition."""
    from probes.controls.planted_signals import PlantingOptions, plant_signals

    best = task_sweep.best
    splits = measurements.features
    signals = plant_signals(
        _sample(splits.train, task, best),
        None if splits.validation is None else _sample(splits.validation, task, best),
        _sample(splits.test, task, best),
        n_classes=len(task_sweep.class_names),
        options=PlantingOptions(seed=measurements.sweep.seed),
    )
    for signal in signals:
        for repeat, (measured_gain, recovered) in enumerate(zip(signal.measured_gains, signal.recovered, strict=True)):
            yield (task, best.pooling, best.layer, signal.gain, repeat, measured_gain, recovered)


def _sample(split: Examples, task: str, site: Site) -> Sample:
    from probes.probing.penalty_selection import Sample

    return Sample(split.features[site.pooling][site.layer], split.labels[task])


def _no_signal_reason(measurements: Measurements, task: str, task_sweep: TaskSweep) -> str | None:
    """Return why no signal can be planted in the features of a label column; None where it can."""
    from probes.controls.planted_signals import obstacle_to_planting

    labels = measurements.features.train.labels[task]
    hidden = task_sweep.selections[task_sweep.best].probe.weight.shape[1]
    return obstacle_to_planting(labels, hidden, n_classes=len(task_sweep.class_names))


def claims(measurements: Measurements, tables: Tables) -> Iterator[Claim]:
    """Yield the minimum detectable difference of each label column, and the weakest planted signal that is found."""
    if "planted_signals" not in tables:
        return
    table = tables["planted_signals"]
    for task, task_sweep in measurements.sweep.tasks.items():
        difference, smallest_difference = task_sweep.detectable
        numbers: dict[str, Any] = {
            "difference": difference,
            "smallest_difference": smallest_difference,
            "n": len(task_sweep.labels),
        }
        reason = _no_signal_reason(measurements, task, task_sweep)
        if reason is None:
            numbers.update(_signal_numbers(table[table["task"] == task]))
        else:
            numbers["no_signal"] = reason
        yield Claim("minimum_detectable_difference", "measured", task, numbers)


def _signal_numbers(rows: pd.DataFrame) -> dict[str, Any]:
    """Return the weakest signal that is found, and the range of the signals that were planted."""
    from probes.controls.planted_signals import PlantedSignal, smallest_recovered_gain

    signals = []
    for gain, repeats in rows.groupby("gain"):
        signals.append(PlantedSignal(float(gain), tuple(repeats["measured_gain"]), tuple(repeats["recovered"])))
    strongest = rows[rows["gain"] == rows["gain"].max()]
    return {
        "smallest": smallest_recovered_gain(signals),
        "strongest_recovered": int(strongest["recovered"].sum()),
        "repeats": int(rows["repeat"].nunique()),
        "weakest_tried": float(rows["gain"].min()),
        "strongest_tried": float(rows["gain"].max()),
    }


SUBJECT: ProbingSubject = Subject(tables={"planted_signals": planted_signals}, claims=claims)
