"""Probes for label columns x poolings x layers with their floors, in one tidy table."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probes.checks import MOST_SEED, InputError, check_kind, choose, unknown_name_message, whole_number
from probes.data.texts import Texts
from probes.devices import usable_device
from probes.logistic.fitting import LogisticFitter, LogisticProbe
from probes.parallel import n_parallel_tasks, parallel_map
from probes.probing.bag_of_words import BagOfWords, TextSample, bag_of_words
from probes.probing.class_prior import constant_feature_log_probs
from probes.probing.folds import Folds
from probes.probing.penalty_selection import DEFAULT_CS, Sample, Selection, select_by_folds, select_probe
from probes.probing.sites import Examples, ProbedSite, Site, Study, prepare_splits, site_features
from probes.probing.sweep_result import Sweep, TaskSweep
from probes.progress import progress_bar
from probes.sequences import FloatArray, Int64Array, feature_array, layer_list, names_list, penalty_list
from probes.statistics.bootstrap import Predictions, bootstrap
from probes.statistics.metrics import METRICS

MOST_SITES_IN_NOTE = 6
"""Sites that a note names before it says "and others"."""


@dataclass(frozen=True, eq=False)
class SweepOptions:
    """Settings of `sweep_probes`: everything that is not data."""

    layers: Sequence[int] | int | None = None
    """Layers to probe; None takes all layers, where the features name them."""
    probe: LogisticProbe = field(default_factory=LogisticProbe)
    """Kind of probe to fit; its own `c` is not used."""
    cs: Sequence[float] = DEFAULT_CS
    """Inverse penalty strengths to choose from; sorted from strong to weak."""
    folds: int = 5
    """Parts of the training examples where there is no validation split; stratified, and `units` stay whole."""
    ineligible: Sequence[str] = ()
    """Poolings that are scored but never the best, such as a pooler that was never trained."""
    studies: Mapping[str, Study] | None = None
    """Name -> measurement to make at every site in addition, while the features are in memory."""
    device: str = "cpu"
    """Device on which probes are fitted."""
    model: str = ""
    """Name of the model in the tables."""
    seed: int = 0
    """Seed of the bootstrap, and of the order in which studies see the training examples."""
    progress: bool = False
    """Whether to show a progress bar on stderr."""

    def __post_init__(self) -> None:
        check_kind(LogisticProbe, probe=self.probe)
        check_kind(int, folds=self.folds)
        check_kind(Mapping | None, studies=self.studies)
        studies = dict(self.studies or {})
        for name, study in studies.items():
            check_kind(Callable, **{f"the study {name!r}": study})
        normalised = {
            "layers": None if self.layers is None else layer_list(self.layers),
            "cs": penalty_list(self.cs),
            "device": usable_device(self.device),
            "seed": whole_number(self.seed, "seed", most=MOST_SEED),
            "ineligible": names_list(self.ineligible, "ineligible"),
            "studies": studies,
        }
        for name, value in normalised.items():
            object.__setattr__(self, name, value)


@dataclass(frozen=True, eq=False)
class _SweepData:
    """Checked splits, and everything that is the same at all sites."""

    train: Examples
    validation: Examples | None
    test: Examples
    class_names: Mapping[str, tuple[str, ...]]
    """Label column -> names by class id."""
    train_order: Int64Array
    """(examples,) rows of the training split in random order, so that a study may use the first n of any file."""
    folds: Mapping[str, Folds]
    """Label column -> folds of the training examples in that order; empty where there is a validation split."""

    @property
    def splits(self) -> dict[str, Examples]:
        """Split name -> examples, of the splits that exist."""
        splits = {"train": self.train, "test": self.test}
        if self.validation is not None:
            splits["validation"] = self.validation
        return splits


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
    data = _prepare_data(train, validation, test, class_names, options)
    head_predictions = {}
    for task, log_probs in (heads or {}).items():
        head_predictions[task] = _head_predictions(task, log_probs, data)
    sites = _sites_to_probe(data, options)
    results = _probe_sites(sites, data, options)
    notes = list(_convergence_notes(results, options))
    tasks = {}
    for task in data.class_names:
        floors, floor_notes = _floor_predictions(task, data)
        notes += floor_notes
        if task in head_predictions:
            floors["model_head"] = head_predictions[task]
        tasks[task] = _score_task(task, data, results, floors, options)
    studies = {}
    for name in options.studies or {}:
        studies[name] = {key: result.studies[name] for key, result in results.items()}
    model = options.model
    return Sweep(tasks, model, options.seed, tuple(notes), studies)


def training_folds(train: Examples, n: int, *, seed: int, train_order: Int64Array | None = None) -> dict[str, Folds]:
    """Divide the training examples into folds for every label column.

    Args:
        train: Training examples.
        n: Number of folds.
        seed: Seed of the folds.
        train_order: (examples,) order of the rows to which the folds refer; None for the order of the split.

    Returns:
        Label column -> folds.
    """
    n_examples = len(next(iter(train.labels.values())))
    rows = np.arange(n_examples) if train_order is None else train_order
    units = None if train.units is None else train.units[rows]
    folds = {}
    for task, labels in train.labels.items():
        folds[task] = Folds.of(labels[rows], units, n=n, seed=seed)
    return folds


# Preparation


def _prepare_data(
    train: Examples,
    validation: Examples | None,
    test: Examples,
    class_names: Mapping[str, Sequence[str]] | None,
    options: SweepOptions,
) -> _SweepData:
    """Check the splits, and choose the order and the folds of the training examples."""
    splits = {"train": train, "test": test}
    if validation is not None:
        splits["validation"] = validation
    splits, names_by_task = prepare_splits(splits, class_names)
    train = splits["train"]
    n_train = len(next(iter(train.labels.values())))
    train_order = np.random.default_rng(options.seed).permutation(n_train)
    folds: dict[str, Folds] = {}
    if validation is None:
        folds = training_folds(train, options.folds, seed=options.seed, train_order=train_order)
    return _SweepData(train, splits.get("validation"), splits["test"], names_by_task, train_order, folds)


def _head_predictions(task: str, log_probs: Any, data: _SweepData) -> Predictions:
    """Return the predictions of the model's own classifier for the test examples."""
    choose("label column of heads", task, data.class_names)
    n_test = len(data.test.labels[task])
    shape = (n_test, len(data.class_names[task]))
    name = f"log probabilities of the head of {task!r}"
    array = feature_array(log_probs, name=name, axes=f"of shape {shape}")
    if array.shape != shape:
        raise InputError(f"the head of {task!r} must have log probabilities of shape {shape}, found {array.shape}")
    return Predictions.of(array)


def _sites_to_probe(data: _SweepData, options: SweepOptions) -> list[Site]:
    """Return every site, pooling by pooling."""
    sites = []
    for pooling in data.train.features:
        for layer in _layers_to_probe(pooling, data, options):
            sites.append(Site(pooling, layer))
    if not set(data.train.features) - set(options.ineligible):
        raise InputError("every pooling is ineligible; there is nothing to choose the best from")
    return sites


def _layers_to_probe(pooling: str, data: _SweepData, options: SweepOptions) -> Sequence[int]:
    """Return the requested layers, or all layers, after a check that every split that names its layers has them."""
    layers_by_split: list[Sequence[int]] = []
    for split in data.splits.values():
        features: Any = split.features[pooling]
        if hasattr(features, "keys"):
            layers_by_split.append(tuple(features.keys()))
        elif hasattr(features, "__len__"):
            layers_by_split.append(range(len(features)))
    requested = options.layers
    if requested is None and not layers_by_split:
        raise InputError(
            f"the features of pooling {pooling!r} do not name their layers; say which by SweepOptions(layers=...)"
        )
    layers = list(layers_by_split[0] if requested is None else layer_list(requested))
    if not layers:
        raise InputError("no layer is asked for; name at least one")
    for available_layers in layers_by_split:
        for layer in layers:
            if not isinstance(layer, int | str) or layer not in available_layers:
                raise InputError(unknown_name_message("layer", layer, available_layers))
    return layers


# Probes


def _probe_sites(sites: Sequence[Site], data: _SweepData, options: SweepOptions) -> _Results:
    """Fit and score the probes of all label columns at every site, several sites at once."""
    test_labels = next(iter(data.test.labels.values()))
    bytes_per_example = site_features("test", data.test, sites[0]).nbytes // len(test_labels)
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


def _probe_site(site: Site, *, data: _SweepData, options: SweepOptions) -> dict[str, _SiteResult]:
    """Fit and score the probe of every label column at one site."""
    features = _read_site(site, data, options)
    return {task: _probe_task(task, features, data, options) for task in data.class_names}


def _read_site(site: Site, data: _SweepData, options: SweepOptions) -> _SiteFeatures:
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


def _probe_task(task: str, features: _SiteFeatures, data: _SweepData, options: SweepOptions) -> _SiteResult:
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


def _floor_predictions(task: str, data: _SweepData) -> tuple[dict[str, Predictions], list[str]]:
    """Return floor -> predictions for the test examples of one label column, and notes on the floors."""
    n_classes = len(data.class_names[task])
    n_test = len(data.test.labels[task])
    majority = constant_feature_log_probs(data.train.labels[task], n_classes=n_classes)
    majority_log_probs = np.tile(majority, (n_test, 1))
    floors = {"majority": Predictions.of(majority_log_probs)}
    notes = []
    has_texts = [split.texts is not None for split in data.splits.values()]
    if all(has_texts):
        words = _bag_of_words_floor(task, data)
        floors["bag_of_words"] = Predictions.of(words.log_probs)
        if words.max_words is not None:
            notes.append(
                f"The bag of words of {task} has the {words.max_words:,} most frequent words alone, as it takes a "
                f"weight for each of them and of the {n_classes:,} classes."
            )
    return floors, notes


def _bag_of_words_floor(task: str, data: _SweepData) -> BagOfWords:
    """Fit the bag of words of one label column on the training texts in random order."""
    samples = {}
    for name, split in data.splits.items():
        texts = () if split.texts is None else Texts.of(split.texts).joined
        samples[name] = TextSample(texts, split.labels[task])
    ordered_texts = [samples["train"].texts[row] for row in data.train_order]
    train = TextSample(ordered_texts, samples["train"].labels[data.train_order])
    validation = data.folds.get(task) or samples["validation"]
    n_classes = len(data.class_names[task])
    return bag_of_words(train, validation, samples["test"].texts, n_classes=n_classes)


def _score_task(
    task: str, data: _SweepData, results: _Results, floors: Mapping[str, Predictions], options: SweepOptions
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
            yield f"The probe of {task} did not reach its tolerance at {sites}: better scores may be possible there."
    for name in options.studies or {}:
        failed = []
        for (task, site), result in results.items():
            # A study that fits probes of its own says whether they converged.
            if not getattr(result.studies[name], "converged", True):
                failed.append(f"{task} {site}")
        if failed:
            yield f"A probe of the study {name!r} did not reach its tolerance at {_first_sites(failed)}."


def _first_sites(sites: Sequence[str]) -> str:
    """Return the first sites of a list as text."""
    ending = " and others" if len(sites) > MOST_SITES_IN_NOTE else ""
    return ", ".join(sites[:MOST_SITES_IN_NOTE]) + ending
