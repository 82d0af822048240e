"""Floor of untrained encoders: the test accuracy that the architecture alone allows, before any training."""

from __future__ import annotations

import functools
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

_SelectedCs = dict[tuple[int, str, Site], float]
"""Encoder, label column and site -> the C that was selected there."""


@dataclass(frozen=True, eq=False)
class UntrainedProbe:
    """Probe on the features of an untrained encoder."""

    task: str
    site: Site
    c: float
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
    """Layers at which C is selected."""


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
    layer to the next. The sites of all encoders are divided among the cores together.

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
    train_features = splits.train.features[site.pooling][site.layer]
    fitter = LogisticProbe().prepare(train_features, device=settings.device)
    validation_features = None
    if site.layer in settings.selection_layers and splits.validation is not None:
        validation_features = splits.validation.features[site.pooling][site.layer]
    probes = []
    for task, n_classes in settings.n_classes.items():
        train = Sample(train_features, splits.train.labels[task])
        if validation_features is not None and splits.validation is not None:
            validation = Sample(validation_features, splits.validation.labels[task])
            # Select C here, on validation or by folds.
            fitted_probe = _select_on_validation(fitter, train, validation, settings.cs, n_classes=n_classes)
        elif site.layer in settings.selection_layers:
            selection, _ = select_by_folds(
                LogisticProbe(), train, settings.folds[task], settings.cs, n_classes=n_classes, device=settings.device
            )
            fitted_probe = selection.probe
        else:
            # Take C from the nearest layer at which it was selected.
            c = selected_cs[encoder, task, _nearest_site(site, settings.selection_layers)]
            labels = np.asarray(train.labels)[None]
            (fitted_probe,) = fitter.fit_many(labels, (c,), n_classes=n_classes, tol=APPROXIMATE_TOLERANCE)
        # Score once on test.
        test_features = splits.test.features[site.pooling][site.layer]
        predictions = Predictions.of(fitted_probe.log_prob(test_features))
        probes.append(UntrainedProbe(task, site, fitted_probe.c, predictions))
    return probes


def _select_on_validation(
    fitter: LogisticFitter, train: Sample, validation: Sample, cs: Sequence[float], *, n_classes: int
) -> FittedProbe:
    """Fit the probes of all penalties together, and select one on validation."""
    labels = np.tile(train.labels, (len(cs), 1))
    probes = fitter.fit_many(labels, cs, n_classes=n_classes, tol=APPROXIMATE_TOLERANCE)
    return select_probe(probes, validation.features, validation.labels).probe


def _nearest_site(site: Site, layers: Sequence[int]) -> Site:
    """Return the site of the same pooling at the nearest of some layers, the lower one of two equally near layers."""
    nearest_layer = min(layers, key=lambda layer: abs(layer - site.layer))
    return Site(site.pooling, nearest_layer)
