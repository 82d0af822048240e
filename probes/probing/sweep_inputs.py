"""Inputs of a sweep: its settings, the checked splits, the order and the folds of training, and the sites to probe."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from probes.checks import MOST_SEED, InputError, check_kind, choose, unknown_name_message, whole_number
from probes.devices import usable_device
from probes.logistic.fitting import LogisticProbe
from probes.probing.folds import Folds
from probes.probing.penalty_selection import DEFAULT_CS
from probes.probing.sites import Examples, Site, Study, prepare_splits
from probes.sequences import Int64Array, feature_array, layer_list, names_list, penalty_list
from probes.statistics.bootstrap import Predictions


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
class SweepData:
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


def prepare_data(
    train: Examples,
    validation: Examples | None,
    test: Examples,
    class_names: Mapping[str, Sequence[str]] | None,
    options: SweepOptions,
) -> SweepData:
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
    return SweepData(train, splits.get("validation"), splits["test"], names_by_task, train_order, folds)


def head_predictions(task: str, log_probs: Any, data: SweepData) -> Predictions:
    """Return the predictions of the model's own classifier for the test examples."""
    choose("label column of heads", task, data.class_names)
    n_test = len(data.test.labels[task])
    shape = (n_test, len(data.class_names[task]))
    name = f"log probabilities of the head of {task!r}"
    array = feature_array(log_probs, name=name, axes=f"of shape {shape}")
    if array.shape != shape:
        raise InputError(f"the head of {task!r} must have log probabilities of shape {shape}, found {array.shape}")
    return Predictions.of(array)


def sites_to_probe(data: SweepData, options: SweepOptions) -> list[Site]:
    """Return every site, pooling by pooling."""
    sites = []
    for pooling in data.train.features:
        for layer in _layers_to_probe(pooling, data, options):
            sites.append(Site(pooling, layer))
    if not set(data.train.features) - set(options.ineligible):
        raise InputError("every pooling is ineligible, so that no best site can be selected; leave one eligible")
    return sites


def _layers_to_probe(pooling: str, data: SweepData, options: SweepOptions) -> Sequence[int]:
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
            f"the features of pooling {pooling!r} do not name their layers; name them by SweepOptions(layers=...)"
        )
    layers = list(layers_by_split[0] if requested is None else layer_list(requested))
    if not layers:
        raise InputError("no layers; name at least one")
    for available_layers in layers_by_split:
        for layer in layers:
            if not isinstance(layer, int | str) or layer not in available_layers:
                raise InputError(unknown_name_message("layer", layer, available_layers))
    return layers


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
