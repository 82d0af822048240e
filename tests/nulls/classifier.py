"""Interventions on heads that cannot use a label, or have no accuracy to lose: that one hurts is a false claim."""

import dataclasses
import types
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from analyses.context.interventions import InterventionInputs
from analyses.subjects.classifier import ablation
from analyses.subjects.classifier.erasure import erasure_claims, erasure_rows
from probes.data.datasets import Splits
from probes.heads.heads import ProbeHead
from probes.logistic.fitted_probe import FittedProbe
from probes.logistic.fitting import LogisticProbe
from probes.mechanism.leace import Erasure, leace
from probes.probing.penalty_selection import DEFAULT_CS, select_probe
from probes.probing.sites import ExampleSplits
from probes.probing.sweep import sweep_probes
from probes.results.result import Claim
from tests.nulls.material import Material, splits_of, taken

N_TEXTS = 50
"""Test texts that the head reads under each erasure; few, as every layer is edited many times."""
N_TEXTS_PLANTED = 200
"""Test texts that the head reads where only the last layer is edited."""
N_TRAIN = 100
"""Training texts whose token states are read."""
STEP = 2
"""Every so many layers one is edited, to save time."""
COIN = "coin flips"
"""Label column that no encoder encodes."""
FIRST_WORD = "first word"
"""Label column that an encoder encodes and that has nothing to do with the head's."""


def coin_flips_erased(material: Material, seed: int) -> list[Claim]:
    """Erase coin flips from the states that a head reads."""
    rng = np.random.default_rng(seed)
    rows = material.draw_rows(rng)
    task, *_ = material.splits.class_names
    datasets = {}
    for name, split in taken(material.splits, rows).items():
        labels = {task: split.labels(task), COIN: rng.integers(2, size=len(split))}
        class_names = {task: material.splits.class_names[task], COIN: ("no", "yes")}
        datasets[name] = dataclasses.replace(split.dataset, labels=labels, class_names=class_names, rationales={})
    splits = splits_of(datasets)
    examples = material.examples(splits, rows)
    return _erasure_claims(material, splits, examples, (task, COIN), seed)


def erased_head(material: Material, seed: int) -> list[Claim]:
    """Erase a label that the encoder encodes, half of the first words, from a head that reads features without it."""
    rows = material.draw_rows(np.random.default_rng(seed))
    task, *_ = material.splits.class_names
    late_words = _late_words(material.splits)
    datasets = {}
    for name, split in taken(material.splits, rows).items():
        is_late = np.isin(split.input_types, late_words).astype(np.int64)
        labels = {task: split.labels(task), FIRST_WORD: is_late}
        class_names = {task: material.splits.class_names[task], FIRST_WORD: ("early", "late")}
        datasets[name] = dataclasses.replace(split.dataset, labels=labels, class_names=class_names, rationales={})
    splits = splits_of(datasets)
    return _erasure_claims(material, splits, material.examples(splits, rows), (task, FIRST_WORD), seed)


def _late_words(splits: Splits) -> list[str]:
    """Return the first words that come last in the alphabet and begin half of the training texts."""
    words, counts = np.unique(splits.train.input_types, return_counts=True)
    return words[np.cumsum(counts) > len(splits.train) / 2].tolist()


def own_label_erased(material: Material, seed: int) -> list[Claim]:
    """Erase the label of a head from the states that it reads: a planted truth."""
    rows = material.draw_rows(np.random.default_rng(seed))
    splits = taken(material.splits, rows)
    task, *_ = material.splits.class_names
    last_layer = [material.encoder.n_layers]
    return _erasure_claims(
        material,
        splits,
        material.examples(splits, rows),
        (task, task),
        seed,
        layers=last_layer,
        n_texts=N_TEXTS_PLANTED,
    )


def ablated_head(material: Material, seed: int) -> list[Claim]:
    """Ablate the states of a head that was trained on coin flips: it has no accuracy to lose."""
    rng = np.random.default_rng(seed)
    rows = material.draw_rows(rng)
    datasets = {}
    for name, split in taken(material.splits, rows).items():
        labels = {COIN: rng.integers(2, size=len(split))}
        datasets[name] = dataclasses.replace(
            split.dataset, labels=labels, class_names={COIN: ("no", "yes")}, rationales={}
        )
    splits = splits_of(datasets)
    examples = material.examples(splits, rows)
    pooling = str(rng.choice(list(examples.train.features)))
    fitter = LogisticProbe().prepare(examples.train.features[pooling][-1])
    # The weakest penalty: the best one on validation makes most such heads constant.
    (probe,) = fitter.fit_path(examples.train.labels[COIN], DEFAULT_CS[-1:], n_classes=2)
    inputs = _inputs(material, splits, examples, COIN, probe, pooling, seed)
    table = pd.DataFrame(ablation.ablation_rows(inputs))
    return list(ablation.claims(types.SimpleNamespace(task=COIN), {"ablation": table}))


def _erasure_claims(
    material: Material, splits: Splits, examples: ExampleSplits, columns: tuple[str, str], seed: int, **amounts: Any
) -> list[Claim]:
    """Fit a head of the first label column, without the second one if that is another; erase the second one."""
    task, label = columns
    rng = np.random.default_rng(seed)
    pooling = str(rng.choice(list(examples.train.features)))
    probe = _fitted(task, examples, pooling, without=None if label == task else label)
    inputs = _inputs(material, splits, examples, task, probe, pooling, seed, **amounts)
    by_split = {"train": examples.train, "validation": examples.validation, "test": examples.test}
    of_label = {
        name: dataclasses.replace(split, labels={label: split.labels[label]}) for name, split in by_split.items()
    }
    sweep = sweep_probes(**of_label, class_names={label: splits.class_names[label]})
    table = pd.DataFrame(erasure_rows(inputs, sweep.tasks))
    return list(erasure_claims(table, task=task))


def _inputs(
    material: Material,
    splits: Splits,
    examples: ExampleSplits,
    task: str,
    probe: FittedProbe,
    pooling: str,
    seed: int,
    *,
    layers: Sequence[int] | None = None,
    n_texts: int = N_TEXTS,
) -> InterventionInputs:
    """Return a head on the last layer with the texts that it reads, and the layers that are edited."""
    encoder = material.encoder
    head = ProbeHead(encoder, probe, layer=encoder.n_layers, pooling=pooling, class_names=splits.class_names[task])
    read = np.sort(np.random.default_rng(seed).permutation(len(splits.test))[:n_texts])
    return InterventionInputs(
        name="probe",
        head=head,
        features=examples,
        texts=encoder.encode(splits.test.texts.take(read)),
        labels=splits.test.labels(task)[read],
        train=encoder.encode(splits.train.texts.take(np.arange(min(N_TRAIN, len(splits.train))))),
        layers=range(0, encoder.n_layers + 1, STEP) if layers is None else layers,
        seed=seed,
        progress=False,
    )


def _fitted(task: str, examples: ExampleSplits, pooling: str, *, without: str | None) -> FittedProbe:
    """Fit a probe of the last layer, on features from which a label is erased; that map is part of the probe."""
    train = examples.train.features[pooling][-1]
    validation = examples.validation.features[pooling][-1]
    eraser = None
    if without is not None:
        eraser = leace(train, examples.train.labels[without], n_classes=_n_classes(examples, without))
        train = eraser(train)
        validation = eraser(validation)
    path = (
        LogisticProbe()
        .prepare(train)
        .fit_path(examples.train.labels[task], DEFAULT_CS, n_classes=_n_classes(examples, task))
    )
    probe = select_probe(path, validation, examples.validation.labels[task]).probe
    return probe if eraser is None else through(eraser, probe)


def _n_classes(examples: ExampleSplits, task: str) -> int:
    return int(examples.train.labels[task].max()) + 1


def through(eraser: Erasure, probe: FittedProbe) -> FittedProbe:
    """Return the probe that gives for features what a probe gives for features after an erasure."""
    weight = probe.weight.astype(np.float64)
    center = 0.0 if probe.center is None else probe.center
    bias = probe.bias + weight @ (eraser.centre - center)
    return dataclasses.replace(
        probe,
        weight=(weight - weight @ eraser.left.T @ eraser.right.T).astype(np.float32),
        bias=bias.astype(np.float32),
        center=eraser.centre.astype(np.float32),
    )
