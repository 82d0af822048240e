"""Default studies of a sweep, and their results as tidy tables: one row a site, a text or a training size."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from probes.checks import MOST_SEED, InputError, check_instance, check_kind, whole_number
from probes.controls.control_tasks import ControlTask, ControlTaskResult, control_task_study
from probes.controls.information import information
from probes.controls.prediction_depth import prediction_depth, reliability
from probes.controls.training_resampling import RefitResult, refit_study, resampled_scores
from probes.probing.sites import Site, Study
from probes.probing.sweep_result import Sweep
from probes.sequences import Int64Array
from probes.statistics.intervals import HIT_DIFFERENCES, mean_intervals, wilson_interval
from probes.statistics.training_variance import training_and_test_interval

if TYPE_CHECKING:
    import pandas as pd

INFORMATION_COLUMNS = (
    "task",
    "pooling",
    "layer",
    "v_information",
    "lower",
    "upper",
    "codelength",
    "prior_codelength",
    "uniform_codelength",
    "compression",
    "uniform_compression",
)
DEPTH_TYPES = {
    "text_id": "int64",
    "depth": "int64",
    "refit_mean": "float64",
    "refit_sd": "float64",
}
RELIABILITY_TYPES = {
    "mean_depth": "float64",
    "correlation": "float64",
    "same_depth": "float64",
    "by_chance": "float64",
    "n": "int64",
    "n_constant": "int64",
}

_Row = dict[str, Any]
"""Column -> value."""


def default_studies(controls: Mapping[str, ControlTask], *, seed: int = 0) -> dict[str, Study]:
    """Return the studies that an analysis adds to a sweep: information, control tasks and resampled training sets.

    Args:
        controls: Label column -> its control task, where there is a valid one: `draw_control_tasks(splits).tasks`.
        seed: Seed of the resampled training sets.

    Returns:
        Name of the study -> study, for `SweepOptions(studies=...)`.

    Raises:
        InputError: The controls are no such mapping.
    """
    check_kind(Mapping, controls=controls)
    for task, control in controls.items():
        check_instance(control, ControlTask, f"controls of {task!r}")
    seed = whole_number(seed, "seed", most=MOST_SEED)
    return {
        "information": information,
        "control": control_task_study(controls),
        "training_resampling": refit_study(seed=seed),
    }


def information_table(sweep: Sweep) -> pd.DataFrame:
    """Tabulate V-information and online codelength of each site.

    V-information is the mean number of bits that the probe saves against a probe without features: the difference of
    their log losses on test, with its paired 95 % interval. Codelengths are in bits an example, over the training
    examples.

    Args:
        sweep: Sweep with the study `information` of `default_studies`.

    Returns:
        One row a label column and site.

    Raises:
        InputError: The sweep did not make the study.

    Source: Xu et al. (2020), arXiv:2002.10689; Voita & Titov (2020), arXiv:2003.12298.
    """
    rows: list[_Row] = []
    for (task, site), result in _study_results(sweep, "information").items():
        task_sweep = sweep.tasks[task]
        saved_nats = task_sweep.test["majority"]["log_loss"] - task_sweep.test[site]["log_loss"]
        lower_nats, upper_nats = task_sweep.resampled.difference(
            "log_loss", task_sweep.column("majority"), task_sweep.column(site)
        )
        codelength = result.codelength
        n_train = codelength.ends[-1]
        row = _site_columns(task, site)
        row["v_information"] = saved_nats / math.log(2)
        row["lower"] = lower_nats / math.log(2)
        row["upper"] = upper_nats / math.log(2)
        row["codelength"] = codelength.total / n_train
        row["prior_codelength"] = codelength.prior / n_train
        row["uniform_codelength"] = codelength.uniform / n_train
        row["compression"] = codelength.compression
        row["uniform_compression"] = codelength.uniform_compression
        rows.append(row)
    return _frame(rows, INFORMATION_COLUMNS)


def learning_curve_table(sweep: Sweep) -> pd.DataFrame:
    """Tabulate test accuracy with its 95 % interval (Wilson) and log loss (nats) by number of training examples."""
    rows: list[_Row] = []
    for (task, site), result in _study_results(sweep, "information").items():
        n_test = len(sweep.tasks[task].labels)
        for point in result.learning_curve:
            lower, upper = wilson_interval(point.accuracy, n_test)
            row = _site_columns(task, site)
            row["train_texts"] = point.examples
            row["c"] = point.c
            row["accuracy"] = point.accuracy
            row["lower"] = lower
            row["upper"] = upper
            row["log_loss"] = point.log_loss
            rows.append(row)
    return _frame(rows, ("task", "pooling", "layer", "train_texts", "c", "accuracy", "lower", "upper", "log_loss"))


def _study_results(sweep: Sweep, name: str) -> Mapping[tuple[str, Site], Any]:
    """Return label column and site -> result of a study.

    Raises:
        InputError: The sweep did not make the study.
    """
    check_instance(sweep, Sweep, "sweep", "; make one by sweep_probes")
    if name not in sweep.studies:
        raise InputError(f"the sweep has no study {name!r}; run it with SweepOptions(studies=default_studies(...))")
    return sweep.studies[name]


def control_results(sweep: Sweep) -> dict[str, dict[Site, ControlTaskResult]]:
    """Return label column -> site -> result of its control task, for the label columns that have one."""
    results: dict[str, dict[Site, ControlTaskResult]] = {}
    for (task, site), result in _study_results(sweep, "control").items():
        if result is not None:
            results.setdefault(task, {})[site] = result
    return results


def control_task_table(sweep: Sweep) -> pd.DataFrame:
    """Tabulate accuracy on control tasks and on the real task, and selectivity with its 95 % interval, as shares.

    Args:
        sweep: Sweep with the study `control` of `default_studies`.

    Returns:
        One row a site of each label column with a control task.

    Raises:
        InputError: The sweep did not make the study.

    Source: Hewitt & Liang (2019), arXiv:1909.03368.
    """
    rows: list[_Row] = []
    for task, results in control_results(sweep).items():
        differences = [result.differences for result in results.values()]
        intervals = mean_intervals(np.stack(differences, axis=1), bounds=HIT_DIFFERENCES)
        for (site, result), (lower, upper) in zip(results.items(), intervals, strict=True):
            n_scored = len(result.correct)
            row = _site_columns(task, site)
            row["control_accuracy"] = result.control_accuracies.mean()
            row["lowest"] = result.control_accuracies.min()
            row["highest"] = result.control_accuracies.max()
            row["control_majority"] = result.majority.mean()
            row["accuracy"] = float(result.correct.mean())
            row["selectivity"] = result.selectivity
            row["lower"] = lower
            row["upper"] = upper
            row["n"] = n_scored
            row["share_scored"] = n_scored / result.n_test
            row["n_types"] = result.n_types
            row["hidden"] = result.hidden
            rows.append(row)
    names = "control_accuracy lowest highest control_majority accuracy selectivity lower upper n share_scored "
    names += "n_types hidden"
    return _frame(rows, ("task", "pooling", "layer", *names.split()))


def pointwise_information_table(sweep: Sweep) -> pd.DataFrame:
    """Tabulate the probability of the label and its pointwise V-information in bits, for each test text and site.

    Source: Ethayarajh et al. (2022), arXiv:2110.08420.
    """
    import pandas as pd

    frames = []
    for (task, site), result in _study_results(sweep, "training_resampling").items():
        task_sweep = sweep.tasks[task]
        labels = task_sweep.labels
        rows = np.arange(len(labels))
        label_log_probs = task_sweep.predictions[site].log_prob[rows, labels]
        prior_log_probs = task_sweep.predictions["majority"].log_prob[rows, labels]
        columns = _site_columns(task, site)
        columns["text_id"] = rows
        columns["probability"] = result.label_probability
        columns["pvi"] = (label_log_probs - prior_log_probs) / math.log(2)
        columns["correct"] = result.predictions == labels
        frames.append(pd.DataFrame(columns))
    return pd.concat(frames, ignore_index=True).round(5)


@dataclass(frozen=True, eq=False)
class _LayerResults:
    """Refit results of the layers of one pooling for one label column."""

    task: str
    pooling: str
    layers: Int64Array
    """(layers,) layer numbers, increasing."""
    results: list[RefitResult]
    n_constant: int
    """Layers without variation, which are left out."""


def prediction_depth_tables(sweep: Sweep) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tabulate the prediction depth of each test text in each pooling, and the reliability of the depths.

    `refit_mean` and `refit_sd` are over refits on resampled training texts: the noise that a difference between texts
    must exceed. Layers at which all training texts have one vector, as [CLS] at layer 0, are left out: every text gets
    the most frequent class there, and a text of that class would seem to be predicted from that layer on. `n_constant`
    counts these layers; a pooling that has no other layers has no rows.

    Args:
        sweep: Sweep with the study `training_resampling` of `default_studies`.

    Returns:
        The table of depths (in layers, one row a text), and the table of their reliability.

    Raises:
        InputError: The sweep did not make the study.

    Source: Baldock et al. (2021), arXiv:2106.09647, adapted to probes.
    """
    depth_rows: list[_Row] = []
    reliability_rows: list[_Row] = []
    for pooling_results in _results_by_pooling(sweep):
        if not pooling_results.results:
            continue
        results = pooling_results.results
        layers = pooling_results.layers
        # Depths of the selected probes, and of every refit.
        predictions = [result.predictions for result in results]
        depths = layers[prediction_depth(np.stack(predictions))]
        refit_predictions = np.stack([result.refit_predictions for result in results], axis=1)
        refit_indices = np.stack([prediction_depth(refit) for refit in refit_predictions])
        refit_depths = layers[refit_indices]
        means = refit_depths.mean(axis=0)
        deviations = refit_depths.std(axis=0)
        keys = {"task": pooling_results.task, "pooling": pooling_results.pooling}
        for text_id, depth in enumerate(depths.tolist()):
            row: _Row = {**keys, "text_id": text_id, "depth": depth}
            row["refit_mean"] = float(means[text_id])
            row["refit_sd"] = float(deviations[text_id])
            depth_rows.append(row)
        agreement = reliability(refit_indices)
        reliability_row: _Row = dict(keys)
        reliability_row["mean_depth"] = float(depths.mean())
        reliability_row["n"] = len(depths)
        reliability_row["correlation"] = agreement.correlation
        reliability_row["same_depth"] = agreement.same
        reliability_row["by_chance"] = agreement.by_chance
        reliability_row["n_constant"] = pooling_results.n_constant
        reliability_rows.append(reliability_row)
    # A column without rows would have no type.
    depth_frame = _frame(depth_rows, ("task", "pooling", *DEPTH_TYPES)).astype(DEPTH_TYPES)
    reliability_frame = _frame(reliability_rows, ("task", "pooling", *RELIABILITY_TYPES)).astype(RELIABILITY_TYPES)
    return depth_frame, reliability_frame


def _results_by_pooling(sweep: Sweep) -> Iterator[_LayerResults]:
    """Yield the refit results of each label column and pooling, of the layers at which vectors vary."""
    results: dict[tuple[str, str], dict[int, RefitResult]] = {}
    for (task, site), result in _study_results(sweep, "training_resampling").items():
        results.setdefault((task, site.pooling), {})[site.layer] = result
    for (task, pooling), result_by_layer in results.items():
        layers = sorted(layer for layer, result in result_by_layer.items() if result.varies)
        varying_results = [result_by_layer[layer] for layer in layers]
        n_constant = len(result_by_layer) - len(layers)
        layer_array = np.array(layers, dtype=np.int64)
        yield _LayerResults(task, pooling, layer_array, varying_results, n_constant)


def training_resampling_table(sweep: Sweep) -> pd.DataFrame:
    """Tabulate the test accuracy of each site over resampled training sets, and how often the site is best or tied.

    `lower` and `upper` are the 95 % interval with training and test sampling; see `training_and_test_interval`. The
    best site is chosen anew in every resampled training set; see `resampled_scores`.

    Args:
        sweep: Sweep with the study `training_resampling` of `default_studies`.

    Returns:
        One row a label column and site.

    Raises:
        InputError: The sweep did not make the study.
    """
    results: dict[str, dict[Site, RefitResult]] = {}
    for (task, site), result in _study_results(sweep, "training_resampling").items():
        results.setdefault(task, {})[site] = result
    rows: list[_Row] = []
    for task, task_results in results.items():
        task_sweep = sweep.tasks[task]
        n_test = len(task_sweep.labels)
        scores = resampled_scores(task_results, task_sweep.labels, ineligible=task_sweep.ineligible, seed=sweep.seed)
        for column, site in enumerate(scores.sites):
            accuracy = task_sweep.test[site]["accuracy"]
            refit_accuracies = scores.accuracies[:, column]
            lower, upper = training_and_test_interval(accuracy, n_test, refit_accuracies)
            row = _site_columns(task, site)
            row["accuracy"] = accuracy
            row["lower"] = lower
            row["upper"] = upper
            row["refit_mean"] = float(refit_accuracies.mean())
            row["refit_sd"] = float(refit_accuracies.std(ddof=1))
            row["refit_lowest"] = float(refit_accuracies.min())
            row["refit_highest"] = float(refit_accuracies.max())
            row["n_best"] = int(scores.is_chosen[:, column].sum())
            row["n_best_or_tied"] = int(scores.is_tied[:, column].sum())
            row["n_refits"] = len(refit_accuracies)
            row["n"] = n_test
            rows.append(row)
    names = "accuracy lower upper refit_mean refit_sd refit_lowest refit_highest n_best n_best_or_tied n_refits n"
    return _frame(rows, ("task", "pooling", "layer", *names.split()))


def _site_columns(task: str, site: Site) -> _Row:
    """Return the columns that name a label column and a site."""
    return {"task": task, "pooling": site.pooling, "layer": site.layer}


def _frame(rows: list[_Row], columns: Sequence[str]) -> pd.DataFrame:
    """Return a table with its columns in order."""
    import pandas as pd

    return pd.DataFrame(rows, columns=list(columns))
