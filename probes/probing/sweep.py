"""Probes for label columns x poolings x layers with their floors, in one tidy table."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probes.checks import InputError, check_kind
from probes.data.texts import Texts
from probes.logistic.fitting import LogisticFitter
from probes.parallel import n_parallel_tasks, parallel_map
from probes.probing.bag_of_words import BagOfWords, TextSample, bag_of_words
from probes.probing.class_prior import constant_feature_log_probs
from probes.probing.penalty_selection import Sample, Selection, select_by_folds, select_probe
from probes.probing.sites import Examples, ProbedSite, Site, site_features
from probes.probing.sweep_inputs import SweepData, SweepOptions, head_predictions, prepare_data, sites_to_probe
from probes.probing.sweep_result import Sweep, TaskSweep
from probes.progress import progress_bar
from probes.sequences import FloatArray
from probes.statistics.bootstrap import Predictions, bootstrap
from probes.statistics.metrics import METRICS

MOST_SITES_IN_NOTE = 6
"""Sites that a note names before it says "and others"."""


@dataclass(frozen=True, eq=False)
class _SiteFeatures:
    """Features of one site, with the fitter on the training examples."""

    site: Site
    train: FloatArray
    """(examples, hidden) in the random order of the training examples."""
    validation: FloatArray | None
    test: FloatArray
    fitter: LogisticFitter


@dataclass(frozen=True, eq=False)
class _SiteResult:
    """Probe of one site for one label column, with its scores."""

    selection: Selection
    validation: dict[str, float]
    """Metric -> score on validation."""
    predictions: Predictions
    """Predictions for the test examples."""
    studies: Mapping[str, Any]
    """Study -> its result."""


_Results = Mapping[tuple[str, Site], _SiteResult]
"""Label column and site -> result, site by site."""


def sweep_probes(
    train: Examples,
    validation: Examples | None,
    test: Examples,
    *,
    class_names: Mapping[str, Sequence[str]] | None = None,
    heads: Mapping[str, NDArray[np.floating[Any]]] | None = None,
    options: SweepOptions | None = None,
) -> Sweep:
    """Fit a probe at every label column, pooling and layer; choose on validation; score once on test.

    Args:
        train: Features `{"mean": array}` of shape (layers, examples, hidden), labels `{"label": ids}` of shape
            (examples,), or class names; texts for the bag-of-words floor. Arrays may be lists, tensors or pandas
            columns.
        validation: Examples that choose the penalty of each probe and the best site. None replaces them by folds of the
            training examples, each held out in turn; probes and standardisation are then fitted on the remaining ones.
        test: Examples on which every probe is scored, once.
        class_names: Label column -> names by class id; None takes the ids themselves, or the names that occur.
        heads: Label column -> (examples, classes) log probabilities of the model's own classifier on test.
        options: Settings; None takes the defaults of `SweepOptions`.

    Returns:
        A `Sweep`; accuracies are shares, log losses are in nats, intervals are 95 % over resampled test examples.

    Raises:
        InputError: Names or lengths do not fit together, a split is empty, or a layer does not exist.

    Source: Alain & Bengio (2017), arXiv:1610.01644; Belinkov (2022), Computational Linguistics 48.
    """
    options = SweepOptions() if options is None else options
    check_kind(SweepOptions, options=options)
    check_kind(Mapping | None, heads=heads)
    data = prepare_data(train, validation, test, class_names, options)
    predictions_of_heads = {}
    for task, log_probs in (heads or {}).items():
        predictions_of_heads[task] = head_predictions(task, log_probs, data)
    # Fit and score all probes, site by site.
    sites = sites_to_probe(data, options)
    results = _probe_sites(sites, data, options)
    notes = list(_convergence_notes(results, options))
    # Score each label column with its floors.
    tasks = {}
    for task in data.class_names:
        floors, floor_notes = _floor_predictions(task, data)
        notes += floor_notes
        if task in predictions_of_heads:
            floors["model_head"] = predictions_of_heads[task]
        tasks[task] = _score_task(task, data, results, floors, options)
    studies = {}
    for name in options.studies or {}:
        studies[name] = {key: result.studies[name] for key, result in results.items()}
    model = options.model
    return Sweep(tasks, model, options.seed, tuple(notes), studies)


# Probes


def _probe_sites(sites: Sequence[Site], data: SweepData, options: SweepOptions) -> _Results:
    """Fit and score the probes of all label columns at every site, several sites at once."""
    test_labels = next(iter(data.test.labels.values()))
    bytes_per_example = site_features("test", data.test, sites[0]).nbytes // len(test_labels)
    # Several sites at once, as many as have room for three copies of their training features.
    n_workers = n_parallel_tasks(3 * len(data.train_order) * bytes_per_example, options.device)
    probe_site = functools.partial(_probe_site, data=data, options=options)
    n_probes = len(sites) * len(data.class_names)
    results = {}
    with (
        progress_bar(n_probes, "probes", "probe", visible=options.progress) as bar,
        parallel_map(n_workers) as run,
    ):
        for site, results_by_task in zip(sites, run(probe_site, sites), strict=True):
            for task, result in results_by_task.items():
                results[task, site] = result
            bar.update(len(results_by_task))
    return results


def _probe_site(site: Site, *, data: SweepData, options: SweepOptions) -> dict[str, _SiteResult]:
    """Fit and score the probe of every label column at one site."""
    features = _read_site(site, data, options)
    return {task: _probe_task(task, features, data, options) for task in data.class_names}


def _read_site(site: Site, data: SweepData, options: SweepOptions) -> _SiteFeatures:
    """Read the features of all splits at one site, and standardise those of the training examples."""
    features = {}
    for name, split in data.splits.items():
        features[name] = site_features(name, split, site)
    train_features = features["train"][data.train_order]
    try:
        fitter = options.probe.prepare(train_features, device=options.device)
    except InputError as error:
        raise InputError(f"pooling {site.pooling!r} at layer {site.layer}: {error}") from error
    return _SiteFeatures(site, train_features, features.get("validation"), features["test"], fitter)


def _probe_task(task: str, features: _SiteFeatures, data: SweepData, options: SweepOptions) -> _SiteResult:
    """Select, score and study the probe of one label column at one site."""
    n_classes = len(data.class_names[task])
    train_labels = data.train.labels[task][data.train_order]
    train = Sample(features.train, train_labels)
    validation = None
    if features.validation is not None and data.validation is not None:
        validation = Sample(features.validation, data.validation.labels[task])
    # Choose C without the test split.
    if validation is None:
        folds = data.folds[task]
        selection, validation_log_probs = select_by_folds(
            options.probe, train, folds, options.cs, n_classes=n_classes, device=options.device
        )
        validation_labels = train.labels
    else:
        path = features.fitter.fit_path(train.labels, options.cs, n_classes=n_classes)
        selection = select_probe(path, validation.features, validation.labels)
        validation_log_probs = selection.probe.log_prob(validation.features)
        validation_labels = validation.labels
    probed_site = ProbedSite(
        task=task,
        site=features.site,
        n_classes=n_classes,
        cs=tuple(options.cs),
        fitter=features.fitter,
        train=train,
        train_order=data.train_order,
        train_units=None if data.train.units is None else data.train.units[data.train_order],
        validation=validation,
        test=Sample(features.test, data.test.labels[task]),
        selection=selection,
    )
    # Score once on test, and measure everything else.
    test_log_probs = selection.probe.log_prob(features.test)
    studies = options.studies or {}
    return _SiteResult(
        selection=selection,
        validation={name: metric(validation_labels, validation_log_probs) for name, metric in METRICS.items()},
        predictions=Predictions.of(test_log_probs),
        studies={name: study(probed_site) for name, study in studies.items()},
    )


# Floors and scores


def _floor_predictions(task: str, data: SweepData) -> tuple[dict[str, Predictions], list[str]]:
    """Return floor -> predictions for the test examples of one label column, and notes on the floors."""
    n_classes = len(data.class_names[task])
    n_test = len(data.test.labels[task])
    # The most frequent class: a probe that reads nothing.
    majority = constant_feature_log_probs(data.train.labels[task], n_classes=n_classes)
    majority_log_probs = np.tile(majority, (n_test, 1))
    floors = {"majority": Predictions.of(majority_log_probs)}
    notes = []
    # The bag of words, where every split has texts.
    has_texts = [split.texts is not None for split in data.splits.values()]
    if all(has_texts):
        words = _bag_of_words_floor(task, data)
        floors["bag_of_words"] = Predictions.of(words.log_probs)
        if words.max_words is not None:
            notes.append(
                f"The bag of words of {task} has only the {words.max_words:,} most frequent words, as each of them "
                f"needs a weight for each of the {n_classes:,} classes."
            )
    return floors, notes


def _bag_of_words_floor(task: str, data: SweepData) -> BagOfWords:
    """Fit the bag of words of one label column on the training texts in random order."""
    samples = {}
    for name, split in data.splits.items():
        texts = () if split.texts is None else Texts.of(split.texts).joined
        samples[name] = TextSample(texts, split.labels[task])
    # The folds refer to the training examples in random order.
    ordered_texts = [samples["train"].texts[row] for row in data.train_order]
    train = TextSample(ordered_texts, samples["train"].labels[data.train_order])
    validation = data.folds.get(task) or samples["validation"]
    n_classes = len(data.class_names[task])
    return bag_of_words(train, validation, samples["test"].texts, n_classes=n_classes)


def _score_task(
    task: str, data: SweepData, results: _Results, floors: Mapping[str, Predictions], options: SweepOptions
) -> TaskSweep:
    """Choose the best site of one label column on validation, and score all sites and floors on test."""
    task_results = {}
    predictions: dict[Site | str, Predictions] = {}
    for (result_task, site), result in results.items():
        if result_task == task:
            task_results[site] = result
            predictions[site] = result.predictions
    predictions.update(floors)
    labels = data.test.labels[task]
    # One bootstrap of the test examples for all sites and floors, so that differences are paired.
    resampled = bootstrap(labels, list(predictions.values()), seed=options.seed)
    test_scores = {}
    for column, key in enumerate(predictions):
        estimates = resampled.estimates.items()
        test_scores[key] = {metric: float(values[column]) for metric, values in estimates}
    eligible_sites = [site for site in task_results if site.pooling not in options.ineligible]
    return TaskSweep(
        class_names=data.class_names[task],
        selections={site: result.selection for site, result in task_results.items()},
        validation={site: result.validation for site, result in task_results.items()},
        test=test_scores,
        predictions=predictions,
        labels=labels,
        best=min(eligible_sites, key=lambda site: task_results[site].validation["log_loss"]),
        resampled=resampled,
        ineligible=tuple(options.ineligible),
    )


# Notes


def _convergence_notes(results: _Results, options: SweepOptions) -> Iterator[str]:
    """Yield a note for each label column and study with fits that ended before they reached their tolerance."""
    sites_by_task: dict[str, list[str]] = {}
    for (task, site), result in results.items():
        if not result.selection.probe.converged:
            sites_by_task.setdefault(task, []).append(str(site))
    for task in dict.fromkeys(task for task, _ in results):
        if task in sites_by_task:
            sites = _first_sites(sites_by_task[task])
            yield f"The probe of {task} did not converge at {sites}; its accuracy there may be too low."
    for name in options.studies or {}:
        failed = []
        for (task, site), result in results.items():
            # A study that fits probes of its own says whether they converged.
            if not getattr(result.studies[name], "converged", True):
                failed.append(f"{task} {site}")
        if failed:
            yield (
                f"A probe of the study {name!r} did not converge at {_first_sites(failed)}; its scores there may be "
                "unreliable."
            )


def _first_sites(sites: Sequence[str]) -> str:
    """Return the first sites of a list as text."""
    ending = " and others" if len(sites) > MOST_SITES_IN_NOTE else ""
    return ", ".join(sites[:MOST_SITES_IN_NOTE]) + ending
