"""Scores of the probes: every site, the best one, and the sites that are tied with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from analyses.context.measurements import Measurements
from analyses.context.subject import Subject, Tables
from probes.checks import side_of_zero
from probes.results.result import Claim

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from analyses.context.subject import ProbingSubject
    from probes.controls.control_tasks import ControlTaskResult
    from probes.probing.sites import Site
    from probes.probing.sweep_result import TaskSweep

Column = tuple[str, "Site", int, "NDArray[np.bool_]"]
"""Label column, site, seed and (examples,) hits of a probe that is not among the probes of the sweep."""


def metrics(measurements: Measurements) -> pd.DataFrame:
    """Tabulate the scores of the probes, of the probes of untrained encoders, and of the probes of control tasks."""
    import pandas as pd

    from probes.controls.studies import control_results

    table = measurements.sweep.metrics
    frames = [table]
    for seed in range(len(measurements.untrained_probes)):
        frames.append(_accuracy_rows(measurements, "untrained", _untrained_columns(measurements, seed)))
    control = control_results(measurements.sweep) if measurements.has_study("control") else {}
    for task, results_by_site in control.items():
        frames.append(_accuracy_rows(measurements, "control", _control_columns(task, results_by_site)))
    frames = [frame.reindex(columns=table.columns).astype(table.dtypes) for frame in frames]
    return pd.concat(frames, ignore_index=True)


def _untrained_columns(measurements: Measurements, seed: int) -> list[Column]:
    """Return the hits of the probes of one untrained encoder."""
    columns = []
    for probe in measurements.untrained_probes[seed]:
        labels = measurements.sweep.tasks[probe.task].labels
        hits = probe.predictions.predicted == labels
        columns.append((probe.task, probe.site, seed, hits))
    return columns


def _control_columns(task: str, results_by_site: Mapping[Site, ControlTaskResult]) -> list[Column]:
    """Return the hits of the probes of one control task, whose draws are their seeds."""
    columns: list[Column] = []
    for site, result in results_by_site.items():
        columns += [(task, site, draw, hits) for draw, hits in enumerate(result.control_correct)]
    return columns


def _accuracy_rows(measurements: Measurements, probe: str, columns: list[Column]) -> pd.DataFrame:
    """Tabulate the test accuracies of probes on the same texts, with their 95 % intervals."""
    import pandas as pd

    from probes.statistics.intervals import accuracy_interval

    intervals = [accuracy_interval(hits) for *_, hits in columns]
    rows = []
    for (task, site, seed, hits), (lower, upper) in zip(columns, intervals, strict=True):
        row = {
            "model": measurements.sweep.model,
            "task": task,
            "pooling": site.pooling,
            "layer": site.layer,
            "probe": probe,
            "seed": seed,
            "split": "test",
            "metric": "accuracy",
            "class": None,
            "value": float(hits.mean()),
            "lower": lower,
            "upper": upper,
            "n": len(hits),
        }
        rows.append(row)
    return pd.DataFrame(rows)


def selection(measurements: Measurements) -> pd.DataFrame:
    """Tabulate the penalties that were tried at every site."""
    return measurements.sweep.selection


def differences_from_best(measurements: Measurements) -> pd.DataFrame:
    """Tabulate the differences of all sites from the best one."""
    return measurements.sweep.differences


def confusion(measurements: Measurements) -> pd.DataFrame:
    """Tabulate the counts of labels and predictions at the best site and of the floors."""
    return measurements.sweep.confusion


def predictions(measurements: Measurements) -> pd.DataFrame:
    """Tabulate the predictions of the best site's probe for every test text."""
    import pandas as pd

    frames = []
    for task, task_sweep in measurements.sweep.tasks.items():
        best = task_sweep.best
        labels = task_sweep.labels
        class_names = np.array(task_sweep.class_names, dtype=object)
        predicted = task_sweep.predictions[best].predicted
        rows = np.arange(len(labels))
        log_probs = task_sweep.predictions[best].log_prob[rows, predicted]
        columns = {
            "task": task,
            "pooling": best.pooling,
            "layer": best.layer,
            "text_id": rows,
            "text": measurements.splits.test.texts.first,
            "label": class_names[labels],
            "predicted": class_names[predicted],
            "probability": np.exp(log_probs).round(5),
            "correct": predicted == labels,
        }
        frames.append(pd.DataFrame(columns))
    return pd.concat(frames, ignore_index=True)


def correct_by_site(measurements: Measurements) -> pd.DataFrame:
    """Tabulate which test texts the probe of each site classifies correctly, packed into one cell a site."""
    import pandas as pd

    from probes.results.packed_flags import pack_flags

    rows = []
    for task, task_sweep in measurements.sweep.tasks.items():
        for site in task_sweep.selections:
            hits = task_sweep.predictions[site].predicted == task_sweep.labels
            row = {
                "task": task,
                "pooling": site.pooling,
                "layer": site.layer,
                "packed_correct": pack_flags(hits),
                "n": len(hits),
            }
            rows.append(row)
    return pd.DataFrame(rows)


def class_scores(measurements: Measurements) -> pd.DataFrame:
    """Tabulate precision, recall and F1 of every class at every site."""
    import pandas as pd

    from probes.statistics.intervals import class_intervals
    from probes.statistics.metrics import precision_recall_f1

    frames = []
    for task, task_sweep in measurements.sweep.tasks.items():
        n_classes = len(task_sweep.class_names)
        for site in task_sweep.selections:
            predicted = task_sweep.predictions[site].predicted
            scores = precision_recall_f1(task_sweep.labels, predicted, n_classes)
            intervals = np.array(class_intervals(task_sweep.labels, predicted, n_classes)["f1"])
            columns = {
                "task": task,
                "pooling": site.pooling,
                "layer": site.layer,
                "class": task_sweep.class_names,
                "precision": scores["precision"],
                "recall": scores["recall"],
                "f1": scores["f1"],
                "lower": intervals[:, 0],
                "upper": intervals[:, 1],
                "n": scores["count"],
            }
            frames.append(pd.DataFrame(columns))
    return pd.concat(frames, ignore_index=True)


def calibration_bins(measurements: Measurements) -> pd.DataFrame:
    """Tabulate mean confidence and accuracy of the best site's probe in each bin of confidence that has texts."""
    import pandas as pd

    from probes.statistics.intervals import wilson_interval
    from probes.statistics.metrics import N_BINS
    from probes.statistics.metrics import calibration_bins as bins_of_probe

    rows = []
    for task, task_sweep in measurements.sweep.tasks.items():
        best = task_sweep.best
        bins = bins_of_probe(task_sweep.labels, task_sweep.predictions[best].log_prob)
        for number in np.flatnonzero(bins["count"]).tolist():
            n_texts = int(bins["count"][number])
            share_correct = float(bins["correct"][number] / n_texts)
            lower, upper = wilson_interval(share_correct, n_texts)
            row = {
                "task": task,
                "pooling": best.pooling,
                "layer": best.layer,
                "bin": number + 1,
                "lower_edge": number / N_BINS,
                "upper_edge": (number + 1) / N_BINS,
                "confidence": float(bins["confidence"][number]),
                "accuracy": share_correct,
                "lower": lower,
                "upper": upper,
                "n": n_texts,
            }
            rows.append(row)
    return pd.DataFrame(rows)


def drop_claims(measurements: Measurements) -> Iterator[Claim]:
    """Yield the test accuracy minus the validation accuracy of each label column's best site.

    The outcome is `below` or `above` where they differ by more than chance explains: the sampling error of both samples
    and, for a drop, the choice of the best site and penalty on validation. See `drop_interval` for its error rate.
    """
    from probes.statistics.intervals import drop_interval

    splits = measurements.splits
    tasks = measurements.sweep.tasks
    n_validation = len(splits.train if splits.validation is None else splits.validation)
    n_test = len(splits.test)
    for task, task_sweep in tasks.items():
        validation = task_sweep.validation[task_sweep.best]["accuracy"]
        test = task_sweep.test[task_sweep.best]["accuracy"]
        n_candidates = sum(len(selection.trials) for selection in task_sweep.selections.values())
        interval = drop_interval(
            test, n_test, validation, n_validation, n_candidates=n_candidates, n_comparisons=len(tasks)
        )
        numbers: dict[str, Any] = {
            "validation_accuracy": validation,
            "accuracy": test,
            "difference": test - validation,
            "n_validation": n_validation,
            "n": n_test,
            "n_candidates": n_candidates,
        }
        yield Claim("validation_drop", side_of_zero(*interval), task, numbers, interval)


def claims(measurements: Measurements, tables: Tables) -> Iterator[Claim]:
    """Yield the best site of each label column with its drop, the sites tied with it, and the best layers."""
    yield from drop_claims(measurements)
    for task, task_sweep in measurements.sweep.tasks.items():
        yield _best_site(task, task_sweep)
        yield from _ties(task, task_sweep)
        yield _best_by_pooling(task, task_sweep)
        yield from _constant_cls(task, task_sweep, tables["cls_spread"])


def _best_site(task: str, task_sweep: TaskSweep) -> Claim:
    """Return the site with the lowest validation log loss, and its test scores."""
    best = task_sweep.best
    numbers: dict[str, Any] = {
        "pooling": best.pooling,
        "layer": best.layer,
        "c": task_sweep.selections[best].probe.c,
        "accuracy": task_sweep.test[best]["accuracy"],
        "validation_accuracy": task_sweep.validation[best]["accuracy"],
        "macro_f1": task_sweep.test[best]["macro_f1"],
        "n": len(task_sweep.labels),
        "n_classes": len(task_sweep.class_names),
    }
    return Claim("best_site", "measured", task, numbers, task_sweep.interval(best))


def _ties(task: str, task_sweep: TaskSweep) -> Iterator[Claim]:
    """Yield the sites that are tied with the best one on test, and those that are better."""
    side_of_site = {}
    for site, _, lower, upper in task_sweep.differences():
        if site != task_sweep.best:
            side_of_site[str(site)] = side_of_zero(lower, upper)
    tied = [site for site, side in side_of_site.items() if side == "cannot_tell"]
    better = [site for site, side in side_of_site.items() if side == "above"]
    numbers: dict[str, Any] = {"n_tied": len(tied), "n_sites": len(side_of_site), "sites": ", ".join(tied)}
    yield Claim("tied", "tied" if tied else "alone", task, numbers)
    if better:
        yield Claim("better_than_best", "above", task, {"sites": ", ".join(better)})


def _best_by_pooling(task: str, task_sweep: TaskSweep) -> Claim:
    """Return the layer of each pooling with the lowest validation log loss, and its test accuracy."""
    numbers: dict[str, Any] = {}
    for pooling in dict.fromkeys(site.pooling for site in task_sweep.selections):
        sites = [site for site in task_sweep.selections if site.pooling == pooling]
        best = min(sites, key=lambda site: task_sweep.validation[site]["log_loss"])
        numbers[f"{pooling}_layer"] = best.layer
        numbers[f"{pooling}_accuracy"] = task_sweep.test[best]["accuracy"]
    return Claim("best_by_pooling", "measured", task, numbers)


def _constant_cls(task: str, task_sweep: TaskSweep, cls_spread: pd.DataFrame) -> Iterator[Claim]:
    """Yield whether the probe on [CLS] at layer 0, one vector for all texts, predicts one class for all texts."""
    from probes.probing.sites import Site

    site = Site("cls", 0)
    if site not in task_sweep.selections:
        return
    is_site = (cls_spread["pooling"] == "cls") & (cls_spread["layer"] == 0)
    (max_range,) = cls_spread.loc[is_site, "max_range"]
    n_predicted_classes = len(np.unique(task_sweep.predictions[site].predicted))
    numbers: dict[str, Any] = {
        "accuracy": task_sweep.test[site]["accuracy"],
        "majority": task_sweep.test["majority"]["accuracy"],
        "max_range": float(max_range),
    }
    outcome = "holds" if n_predicted_classes == 1 and max_range == 0 else "fails"
    yield Claim("constant_cls", outcome, task, numbers)


SUBJECT: ProbingSubject = Subject(
    tables={
        "metrics": metrics,
        "selection": selection,
        "differences_from_best": differences_from_best,
        "confusion": confusion,
        "predictions": predictions,
        "correct_by_site": correct_by_site,
        "class_scores": class_scores,
        "calibration_bins": calibration_bins,
    },
    claims=claims,
)
