"""Floor of untrained encoders: the test accuracy that the architecture alone allows, before any training."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from probes.logistic.fitted_probe import FittedProbe
from probes.logistic.fitting import LogisticFitter, LogisticProbe
from probes.parallel import n_parallel_tasks, parallel_map
from probes.probing.folds import Folds
from probes.probing.penalty_selection import APPROXIMATE_TOLERANCE, DEFAULT_CS, Sample, select_by_folds, select_probe
from probes.probing.sites import ExampleSplits, Site
from probes.statistics.bootstrap import Predictions
from probes.statistics.metrics import METRICS

_SelectedCs = dict[tuple[int, str, Site], float]
"""Encoder, label column and site -> the C that was selected there."""


@dataclass(frozen=True, eq=False)
class UntrainedProbe:
    """Probe on the features of an untrained encoder."""

    task: str
    site: Site
    c: float
    validation_log_loss: float
    """In nats; nan where the penalty was taken from another layer and there is no validation split."""
    predictions: Predictions
    """Predictions for the test examples."""


@dataclass(frozen=True, eq=False)
class _Settings:
    """Everything that is the same for all encoders and sites."""

    n_classes: Mapping[str, int]
    cs: Sequence[float]
    folds: Mapping[str, Folds]
    device: str
    selection_layers: Sequence[int]
    """Layers at which C is selected for every label column."""


def best_probes(probes: Sequence[UntrainedProbe]) -> dict[str, UntrainedProbe]:
    """Return label column -> probe of one untrained encoder with the lowest validation log loss."""
    best: dict[str, UntrainedProbe] = {}
    for probe in probes:
        if math.isnan(probe.validation_log_loss):
            continue
        if probe.task not in best or probe.validation_log_loss < best[probe.task].validation_log_loss:
            best[probe.task] = probe
    return best


def untrained_floors(
    encoders: Sequence[ExampleSplits],
    *,
    n_classes: Mapping[str, int],
    layers: Sequence[int],
    cs: Sequence[float] = DEFAULT_CS,
    folds: Mapping[str, Folds] | None = None,
    device: str = "cpu",
) -> list[list[UntrainedProbe]]:
    """Fit probes on untrained encoders at the same layers and poolings as on the trained encoder.

    C is selected on validation at the lowest, the middle and the highest layer; the layers between take that of the
    nearest of them (the lower one of two equally near layers), because features of random layers change little from one
    layer to the next. At the site with the lowest validation log loss C is then selected too, for each label column:
    the floor is the best that an untrained encoder gives. The sites of all encoders are divided among the cores.

    Args:
        encoders: Splits with the features of each untrained encoder: `{"mean": array}` of shape
            (layers, examples, hidden), and labels. Test is read once.
        n_classes: Label column -> number of classes of the task.
        layers: Layers to probe.
        cs: Inverse penalty strengths, increasing.
        folds: Label column -> folds of the training examples, which select C where there is no validation split.
        device: Device on which probes are fitted.

    Returns:
        The probes of each encoder, sorted by label column, pooling and layer.
    """
    if not encoders:
        return []
    # Layers at which C is selected, and those that take the C of the nearest of them.
    order = sorted(layers)
    middle_layer = order[(len(order) - 1) // 2]
    selection_layers = sorted({order[0], middle_layer, order[-1]})
    other_layers = [layer for layer in order if layer not in selection_layers]
    settings = _Settings(n_classes, cs, folds or {}, device, selection_layers)
    poolings = tuple(encoders[0].train.features)
    first_features = encoders[0].train.features[poolings[0]][order[0]]
    # Fit in two stages: the second reads what the first selected.
    selected_cs: _SelectedCs = {}
    probes_by_encoder: list[list[UntrainedProbe]] = [[] for _ in encoders]
    with parallel_map(n_parallel_tasks(2 * first_features.nbytes, device)) as run:
        for stage_layers in (selection_layers, other_layers):
            sites = [Site(pooling, layer) for pooling in poolings for layer in stage_layers]
            # The sites of all encoders are one list of jobs for the cores.
            jobs = [(encoder, site) for encoder in range(len(encoders)) for site in sites]
            probe_site = functools.partial(
                _probe_site, encoders=encoders, settings=settings, selected_cs=dict(selected_cs)
            )
            results = run(probe_site, jobs)
            for (encoder, site), probes in zip(jobs, results, strict=True):
                probes_by_encoder[encoder] += probes
                for probe in probes:
                    selected_cs[encoder, probe.task, site] = probe.c
        for splits, probes in zip(encoders, probes_by_encoder, strict=True):
            _tune_best_probes(probes, splits, settings)
    return [sorted(probes, key=_sort_key) for probes in probes_by_encoder]


def _sort_key(probe: UntrainedProbe) -> tuple[str, str, int]:
    """Return label column, pooling and layer of a probe."""
    return probe.task, probe.site.pooling, probe.site.layer


def _probe_site(
    job: tuple[int, Site], *, encoders: Sequence[ExampleSplits], settings: _Settings, selected_cs: _SelectedCs
) -> list[UntrainedProbe]:
    """Fit the probes of all label columns at one site of one encoder."""
    encoder, site = job
    splits = encoders[encoder]
    fitter = LogisticProbe().prepare(splits.train.features[site.pooling][site.layer], device=settings.device)
    probes = []
    for task in settings.n_classes:
        if site.layer in settings.selection_layers:
            probes.append(_tuned_probe(task, site, fitter, splits, settings))
        else:
            # Take C from the nearest layer at which it was selected.
            c = selected_cs[encoder, task, _nearest_site(site, settings.selection_layers)]
            probes.append(_plain_probe(task, site, c, fitter, splits, settings))
    return probes


def _tune_best_probes(probes: list[UntrainedProbe], splits: ExampleSplits, settings: _Settings) -> None:
    """Replace the best probe of each label column by one whose C is selected at its own site."""
    for task, best in best_probes(probes).items():
        if best.site.layer in settings.selection_layers:
            continue
        features = splits.train.features[best.site.pooling][best.site.layer]
        fitter = LogisticProbe().prepare(features, device=settings.device)
        probes[probes.index(best)] = _tuned_probe(task, best.site, fitter, splits, settings)


def _tuned_probe(
    task: str, site: Site, fitter: LogisticFitter, splits: ExampleSplits, settings: _Settings
) -> UntrainedProbe:
    """Fit a probe of every C, and select one on validation or by folds."""
    n_classes = settings.n_classes[task]
    labels = splits.train.labels[task]
    if splits.validation is None:
        train = Sample(splits.train.features[site.pooling][site.layer], labels)
        selection, _ = select_by_folds(
            LogisticProbe(), train, settings.folds[task], settings.cs, n_classes=n_classes, device=settings.device
        )
    else:
        all_labels = np.tile(labels, (len(settings.cs), 1))
        path = fitter.fit_many(all_labels, settings.cs, n_classes=n_classes, tol=APPROXIMATE_TOLERANCE)
        features = splits.validation.features[site.pooling][site.layer]
        selection = select_probe(path, features, splits.validation.labels[task])
    log_loss = min(trial.validation_log_loss for trial in selection.trials)
    return UntrainedProbe(task, site, selection.probe.c, log_loss, _test_predictions(selection.probe, site, splits))


def _plain_probe(
    task: str, site: Site, c: float, fitter: LogisticFitter, splits: ExampleSplits, settings: _Settings
) -> UntrainedProbe:
    """Fit a probe of one C."""
    labels = np.asarray(splits.train.labels[task])[None]
    (probe,) = fitter.fit_many(labels, (c,), n_classes=settings.n_classes[task], tol=APPROXIMATE_TOLERANCE)
    log_loss = math.nan
    if splits.validation is not None:
        log_probs = probe.log_prob(splits.validation.features[site.pooling][site.layer])
        log_loss = METRICS["log_loss"](splits.validation.labels[task], log_probs)
    return UntrainedProbe(task, site, c, log_loss, _test_predictions(probe, site, splits))


def _test_predictions(probe: FittedProbe, site: Site, splits: ExampleSplits) -> Predictions:
    """Return the predictions for the test examples, which are read once."""
    return Predictions.of(probe.log_prob(splits.test.features[site.pooling][site.layer]))


def _nearest_site(site: Site, layers: Sequence[int]) -> Site:
    """Return the site of the same pooling at the nearest of some layers, the lower one of two equally near layers."""
    nearest_layer = min(layers, key=lambda layer: abs(layer - site.layer))
    return Site(site.pooling, nearest_layer)
