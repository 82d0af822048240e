"""What stands beside the probes' scores, as tables and claims: floors, controls, information, planted signals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from analyses.context.job import Job
from probes.checks import side_of_zero
from probes.results.result import Claim

if TYPE_CHECKING:
    import pandas as pd

    from probes.probing.selection import Sample
    from probes.probing.sites import Examples, Site
    from probes.probing.sweep_result import TaskSweep


def metrics(job: Job) -> pd.DataFrame:
    """The sweep's tidy scores, with a row for each probe on an untrained encoder and on control labels."""
    import pandas as pd

    from probes.statistics.intervals import share_intervals

    table = job.sweep.metrics
    frames = [table]
    base = {"model": job.encoder.name, "split": "test", "metric": "accuracy", "class": None}
    for seed, floors in enumerate(job.untrained):
        hits = np.stack([f.predictions.predicted == job.sweep.tasks[f.task].labels for f in floors], axis=1)
        limits = share_intervals(hits, seed=job.output.seed)
        rows = [
            {**base, "task": f.task, "pooling": f.site.pooling, "layer": f.site.layer, "probe": "untrained"}
            | {"seed": seed, "value": float(hits[:, i].mean()), "lower": lower, "upper": upper, "n": len(hits)}
            for i, (f, (lower, upper)) in enumerate(zip(floors, limits, strict=True))
        ]
        frames.append(pd.DataFrame(rows, columns=table.columns))
    for task in job.controls[0] if job.probing.controls else ():
        own = [(point, each) for (name, point), each in job.sweep.studies["control"].items() if name == task]
        draws = [(point, i, hits) for point, each in own for i, hits in enumerate(each.control_correct)]
        limits = share_intervals(np.stack([hits for *_, hits in draws], axis=1), seed=job.output.seed)
        rows = [
            {**base, "task": task, "pooling": point.pooling, "layer": point.layer, "probe": "control", "seed": i}
            | {"value": float(hits.mean()), "lower": lower, "upper": upper, "n": len(hits)}
            for (point, i, hits), (lower, upper) in zip(draws, limits, strict=True)
        ]
        frames.append(pd.DataFrame(rows, columns=table.columns))
    return pd.concat([frame.astype(table.dtypes) for frame in frames], ignore_index=True)


def tables(job: Job) -> dict[str, pd.DataFrame]:
    """Tables of everything that was measured beside the scores; none where it was not asked for."""
    from probes.controls.studies import (
        control_task_table,
        information_table,
        learning_curve_table,
        pointwise_information_table,
        prediction_depth_tables,
    )

    if not job.probing.controls:
        return {}
    depth, reliability = prediction_depth_tables(job.sweep)
    return {
        "information": information_table(job.sweep),
        "learning_curve": learning_curve_table(job.sweep),
        "control_tasks": control_task_table(job.sweep, job.controls[0]),
        "planted_signals": _planted(job),
        "pointwise_information": pointwise_information_table(job.sweep),
        "prediction_depth": depth,
        "prediction_depth_reliability": reliability,
        **_geometry(job),
    }


def claims(job: Job, made: Mapping[str, pd.DataFrame]) -> Iterator[Claim]:
    """What the numbers beside the scores say of each label column."""
    for task, found in job.sweep.tasks.items():
        if job.untrained:
            yield _untrained_claim(job, task, found)
        if made:
            rows = {name: frame[frame["task"] == task] for name, frame in made.items() if "task" in frame}
            yield from _control_claims(job, task, found, rows["control_tasks"])
            yield _information_claim(task, found, rows["information"])
            yield _detection_claim(task, found, rows["planted_signals"], _no_room(job, task))
            for row in rows["prediction_depth_reliability"].itertuples():
                depths = rows["prediction_depth"].query("pooling == @row.pooling")["depth"]
                first = float((depths == depths.min()).mean())
                numbers = {"pooling": row.pooling, "mean_depth": row.mean_depth, "correlation": row.correlation}
                shares = {
                    "same_depth": row.same_depth,
                    "by_chance": row.by_chance,
                    "share_from_first_layer": first,
                    "n": row.n,
                }
                shares |= {"n_constant": row.n_constant}
                yield Claim("prediction_depth", "measured", task, numbers | shares)


def _untrained_claim(job: Job, task: str, found: TaskSweep) -> Claim:
    """The best place against the untrained encoders' probes at the same place, on average over their seeds."""
    from probes.statistics.intervals import mean_interval

    same = [f for floors in job.untrained for f in floors if f.task == task and f.site == found.best]
    hits = np.stack([f.predictions.predicted == found.labels for f in same]).mean(axis=0)
    gap = (found.predictions[found.best].predicted == found.labels) - hits
    lower, upper = mean_interval(gap, seed=job.output.seed)
    numbers: dict[str, Any] = {"floor": "untrained", "accuracy": float(hits.mean()), "difference": float(gap.mean())}
    return Claim("floor", side_of_zero(lower, upper), task, numbers | {"seeds": len(same)}, (lower, upper))


def _control_claims(job: Job, task: str, found: TaskSweep, rows: pd.DataFrame) -> Iterator[Claim]:
    if task not in job.controls[0]:
        yield Claim("no_control_task", "absent", task, {"reason": job.controls[1][task]})
        return
    best = _at(rows, found)
    keys = ("control_accuracy", "control_majority", "accuracy", "selectivity", "share_scored")
    numbers: dict[str, Any] = {key: float(best[key]) for key in keys} | {"n": int(best["n"])}
    limits = float(best["lower"]), float(best["upper"])
    outcome = side_of_zero(*limits)
    yield Claim("selectivity", outcome, task, numbers, limits)
    floor = {"floor": "control", "accuracy": numbers["control_accuracy"], "difference": numbers["selectivity"]}
    yield Claim("floor", outcome, task, floor | {"n": numbers["n"]}, limits)


def _information_claim(task: str, found: TaskSweep, rows: pd.DataFrame) -> Claim:
    best = _at(rows, found)
    keys = ("v_information", "codelength", "prior_codelength", "uniform_codelength", "compression", "prior_compression")
    limits = float(best["lower"]), float(best["upper"])
    return Claim("information", side_of_zero(*limits), task, {key: float(best[key]) for key in keys}, limits)


def _no_room(job: Job, task: str) -> str | None:
    """Why no signal can be planted in the features of the best place."""
    from probes.controls.planted_signals import obstacle_to_planting

    labels, k = job.examples().train.labels[task], len(job.sweep.tasks[task].class_names)
    return obstacle_to_planting(labels, job.encoder.hidden, n_classes=k)


def _detection_claim(task: str, found: TaskSweep, rows: pd.DataFrame, no_signal: str | None) -> Claim:
    """What could not have been seen: the reach of the intervals, and the weakest planted signal that was met."""
    from probes.controls.planted_signals import PlantedSignal, smallest_recovered_gain

    n_repeats = int(rows["repeat"].nunique())
    planted = [
        PlantedSignal(float(gain), tuple(own["measured_gain"]), tuple(own["recovered"]))
        for gain, own in rows.groupby("gain")
    ]
    least, usual = found.detectable
    numbers: dict[str, Any] = {"difference": least, "usual_difference": usual, "n": len(found.labels)}
    if no_signal is None:
        numbers |= {"smallest": smallest_recovered_gain(planted), "repeats": n_repeats}
        numbers |= {"weakest_tried": float(rows["gain"].min()), "strongest_tried": float(rows["gain"].max())}
    else:
        numbers["no_signal"] = no_signal
    return Claim("minimum_detectable_difference", "measured", task, numbers)


def _planted(job: Job) -> pd.DataFrame:
    """Known signals planted in the features of the best place of each label column."""
    import pandas as pd

    from probes.controls.planted_signals import PlantingOptions, plant_signals

    read, seed, rows = job.examples(), job.output.seed, []
    for task, found in job.sweep.tasks.items():
        if _no_room(job, task) is not None:
            continue
        best = found.best
        held_out = None if read.validation is None else _sample(read.validation, task, best)
        train, test, k = _sample(read.train, task, best), _sample(read.test, task, best), len(found.class_names)
        for signal in plant_signals(train, held_out, test, n_classes=k, options=PlantingOptions(seed=seed)):
            for repeat, (gain, recovered) in enumerate(zip(signal.measured_gains, signal.recovered, strict=True)):
                rows.append((task, best.pooling, best.layer, signal.gain, repeat, gain, recovered))
    return pd.DataFrame(rows, columns=["task", "pooling", "layer", "gain", "repeat", "measured_gain", "recovered"])


def _sample(split: Examples, task: str, point: Site) -> Sample:
    from probes.probing.selection import Sample

    return Sample(split.features[point.pooling][point.layer], split.labels[task])


def _geometry(job: Job) -> dict[str, pd.DataFrame]:
    """Anisotropy of each layer and pooling; linear CKA of each pair of layers and its floor; on the test texts."""
    import pandas as pd

    from probes.probing.geometry import anisotropy, cka_matrix

    features, layers = job.examples().test.features, job.layers
    cosines = [(p, layer, anisotropy(features[p][layer])) for p in job.poolings for layer in layers]
    alike = []
    for pooling in job.poolings:
        found = cka_matrix(features[pooling], layers)
        for i, layer in enumerate(layers):
            alike += [
                (pooling, layer, other, float(found.cka[i, j]), float(found.floor[i, j]))
                for j, other in enumerate(layers)
            ]
    return {
        "anisotropy": pd.DataFrame(cosines, columns=["pooling", "layer", "anisotropy"]),
        "cka": pd.DataFrame(alike, columns=["pooling", "layer", "other_layer", "cka", "floor"]),
    }


def _at(rows: pd.DataFrame, found: TaskSweep) -> pd.Series[Any]:
    """The row of the best place."""
    here = (rows["pooling"] == found.best.pooling) & (rows["layer"] == found.best.layer)
    (row,) = (row for _, row in rows[here].iterrows())
    return row
