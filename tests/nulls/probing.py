"""Whole analyses of probing on nulls and planted signals, with the floors, controls and claims of `layers`."""

import dataclasses

import numpy as np

from analyses import describe_sweep
from probes.controls.control_tasks import draw_control_tasks
from probes.controls.studies import default_studies
from probes.data.datasets import Splits
from probes.probing.sites import Examples, ExampleSplits
from probes.probing.sweep import sweep_probes
from probes.probing.sweep_inputs import SweepOptions
from probes.probing.untrained import untrained_floors
from probes.results.result import Claim
from tests.nulls.material import Material, splits_of, taken

PLANTED = "planted"
"""Label column of planted signals."""
SIZE = 2.0
"""Distance of the codes of two classes, in standard deviations of the features in a random direction."""


def shuffled_within_groups(material: Material, seed: int) -> tuple[Claim, ...]:
    """Shuffle every label column so that groups stay what they are: texts of a group that had one label still do."""
    return _shuffled(material, seed, grouped=True)


def shuffled_over_texts(material: Material, seed: int) -> tuple[Claim, ...]:
    """Shuffle every label column over the texts, whatever their groups."""
    return _shuffled(material, seed, grouped=False)


def _shuffled(material: Material, seed: int, *, grouped: bool) -> tuple[Claim, ...]:
    rng = np.random.default_rng(seed)
    rows = material.draw_rows(rng)
    datasets = {}
    for name, split in taken(material.splits, rows).items():
        units = split.units if grouped else np.arange(len(split))
        labels = {task: permuted(split.labels(task), units, rng) for task in material.splits.class_names}
        datasets[name] = dataclasses.replace(split.dataset, labels=labels)
    splits = splits_of(datasets)
    examples = material.examples(splits, rows)
    floors = [material.examples(splits, rows, floor) for floor in material.draw_floors(rng)]
    return analysis(material, splits, examples, floors, seed)


def permuted(labels: np.ndarray, units: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Permute labels so that groups stay what they are.

    The labels of a group are given to another group of its size, in any order within it.

    Args:
        labels: (texts,) class ids.
        units: (texts,) ids of groups.
        rng: Random number generator.
    """
    permuted_labels = np.empty_like(labels)
    members = [np.flatnonzero(units == unit) for unit in np.unique(units)]
    sizes = np.array([len(rows) for rows in members])
    for size in np.unique(sizes):
        places = np.flatnonzero(sizes == size)
        for place, source in zip(places, rng.permutation(places), strict=True):
            permuted_labels[members[place]] = rng.permutation(labels[members[source]])
    return permuted_labels


def untrained_encoder(material: Material, seed: int) -> tuple[Claim, ...]:
    """Probe an untrained encoder on real labels; its floor are other untrained encoders."""
    rng = np.random.default_rng(seed)
    rows = material.draw_rows(rng)
    splits = taken(material.splits, rows)
    probed = seed % material.n_untrained
    examples = material.examples(splits, rows, probed)
    floors = [material.examples(splits, rows, floor) for floor in material.draw_floors(rng, without=probed)]
    return analysis(material, splits, examples, floors, seed)


def planted_signal(material: Material, seed: int, gain: float) -> tuple[Claim, ...]:
    """Plant a signal from a random layer on in one pooling, which makes a gain over the majority class possible.

    Two classes are equally frequent. A text has a random mark, and its label is the mark with probability 1/2 + gain:
    who reads the mark has that accuracy.
    """
    rng = np.random.default_rng(seed)
    rows = material.draw_rows(rng)
    datasets = {}
    marks = {}
    for name, split in taken(material.splits, rows).items():
        marks[name] = rng.integers(2, size=len(split))
        is_mark = rng.random(len(split)) < 0.5 + gain
        labels = np.where(is_mark, marks[name], 1 - marks[name])
        datasets[name] = dataclasses.replace(
            split.dataset, labels={PLANTED: labels}, class_names={PLANTED: ("no", "yes")}, rationales={}
        )
    splits = splits_of(datasets)
    floors = [material.examples(splits, rows, floor) for floor in material.draw_floors(rng)]
    examples = _planted(material.examples(splits, rows), marks, rng)
    return analysis(material, splits, examples, floors, seed)


def _planted(examples: ExampleSplits, marks: dict[str, np.ndarray], rng: np.random.Generator) -> ExampleSplits:
    """Move the features of one pooling along a direction, one for each layer, to the side that the mark names."""
    pooling = str(rng.choice(list(examples.train.features)))
    n_layers, _, hidden = examples.train.features[pooling].shape
    first_layer = int(rng.integers(1, n_layers))
    directions = rng.standard_normal((n_layers, hidden))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    deviations = examples.train.features[pooling].std(axis=1).mean(axis=1)
    planted = {}
    for name, split_marks in marks.items():
        split: Examples = getattr(examples, name)
        features = split.features[pooling].astype(np.float64)
        for layer in range(first_layer, n_layers):
            direction = directions[layer]
            features[layer] -= np.outer(features[layer] @ direction, direction)
            codes = (2 * split_marks - 1) * SIZE * deviations[layer]
            features[layer] += np.outer(codes, direction)
        planted[name] = dataclasses.replace(split, features={**split.features, pooling: features.astype(np.float32)})
    return ExampleSplits(planted["train"], planted["validation"], planted["test"])


def analysis(
    material: Material, splits: Splits, examples: ExampleSplits, floors: list[ExampleSplits], seed: int
) -> tuple[Claim, ...]:
    """Return the claims of a whole analysis of probing.

    Args:
        material: The encoder.
        splits: Texts with the labels to probe.
        examples: Their features.
        floors: Their features by untrained encoders.
        seed: Seed of the bootstrap, the controls and the planted signals of the power check.
    """
    controls = draw_control_tasks(splits, seed=seed)
    options = SweepOptions(studies=default_studies(controls.tasks, seed=seed), model=material.encoder.name, seed=seed)
    by_split = {"train": examples.train, "validation": examples.validation, "test": examples.test}
    sweep = sweep_probes(**by_split, class_names=splits.class_names, options=options)
    n_classes = {task: len(names) for task, names in splits.class_names.items()}
    layers = range(material.encoder.n_layers + 1)
    untrained = untrained_floors(floors, n_classes=n_classes, layers=layers)
    result = describe_sweep(
        sweep, by_split, encoder=material.encoder, splits=splits, controls=controls, untrained=untrained
    )
    return result.claims
