"""Texts, and their features by a trained encoder and by untrained ones: what every analysis of a count draws from."""

import dataclasses
import functools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from analyses.settings.data import DataSettings
from probes.data.controlled import controlled_sentences
from probes.data.datasets import Split, Splits, TextDataset
from probes.data.splitting import HELD_OUT_SHARES
from probes.encoder.encoder import Encoder
from probes.features.extraction import extract_features
from probes.features.store import FeatureStore
from probes.probing.sites import Examples, ExampleSplits

POOLINGS = ("cls", "mean")
LABELS = ("sentiment", "number")
SIZES = {"train": 600, "validation": 200, "test": 400}
"""Split -> texts of one analysis."""
STORED = {"train": 1200, "validation": 400, "test": 800}
"""Split -> texts whose features are stored; each analysis draws among them."""
UNTRAINED = 10
"""Untrained encoders whose features are stored."""
FLOORS = 3
"""Untrained encoders that are a floor of one analysis, as of `layerprobe layers`."""


@dataclasses.dataclass(frozen=True, eq=False)
class Material:
    """Stored texts, the encoder, and the folder of its features."""

    encoder: Encoder
    splits: Splits
    cache: Path
    sizes: dict[str, int] = dataclasses.field(default_factory=lambda: dict(SIZES))
    """Split -> texts of one analysis."""
    n_untrained: int = UNTRAINED

    @functools.cached_property
    def _stores(self) -> dict[tuple[str, int | None], FeatureStore]:
        return {}

    def store(self, split: str, seed: int | None) -> FeatureStore:
        """Return the features of a split by the encoder, or by an untrained one; the first call extracts them."""
        key = split, seed
        if key not in self._stores:
            encoder = self.encoder if seed is None else self.untrained(seed)
            texts = dict(self.splits.items())[split].texts
            self._stores[key] = extract_features(encoder, texts, poolings=POOLINGS, cache=self.cache)
        return self._stores[key]

    def untrained(self, seed: int) -> Encoder:
        """Return the encoder with random weights."""
        return self.encoder.untrained(seed)

    def draw_rows(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Draw the rows of one analysis, whole groups only."""
        return {name: _draw_units(split, self.sizes[name], rng) for name, split in self.splits.items()}

    def examples(self, splits: Splits, rows: dict[str, np.ndarray], seed: int | None = None) -> ExampleSplits:
        """Return splits of drawn rows with their features by the encoder, or by an untrained one."""
        examples = {}
        for name, split in splits.items():
            features = {}
            for pooling in POOLINGS:
                layers = self.store(name, seed).layers(pooling, rows[name])
                features[pooling] = np.stack([layers[layer] for layer in range(self.encoder.n_layers + 1)])
            labels = {task: split.labels(task) for task in splits.class_names}
            examples[name] = Examples(features, labels, texts=split.texts)
        return ExampleSplits(examples["train"], examples["validation"], examples["test"])

    def draw_floors(self, rng: np.random.Generator, without: int | None = None) -> list[int]:
        """Draw the untrained encoders that are a floor of one analysis."""
        seeds = [seed for seed in range(self.n_untrained) if seed != without]
        return [int(seed) for seed in rng.permutation(seeds)[:FLOORS]]


def _draw_units(split: Split, n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw whole groups until there are n texts or more, or all are drawn."""
    sizes = np.bincount(split.units)
    order = rng.permutation(len(sizes))
    n_drawn = int(np.searchsorted(np.cumsum(sizes[order]), n)) + 1
    return np.flatnonzero(np.isin(split.units, order[:n_drawn]))


def built_in_splits(labels: Sequence[str] = LABELS, stored: Mapping[str, int] = STORED) -> Splits:
    """Return built-in sentences, whose pairs of equal words are the groups.

    Args:
        labels: Label columns.
        stored: Split -> number of its sentences.
    """
    splits = {}
    for name, n in stored.items():
        sentences = controlled_sentences(name)
        dataset = TextDataset.of(
            sentences.texts,
            {task: sentences.labels[task] for task in labels},
            rationales={task: sentences.rationales[task] for task in labels},
            groups=sentences.groups,
            source=f"built-in sentences, {name}",
        )
        rows = np.arange(min(n, len(sentences.texts)))
        splits[name] = Split(dataset.take(rows), rows)
    return Splits(splits["train"], splits["validation"], splits["test"])


def file_splits(path: Path, labels: Sequence[str], seed: int = 0) -> Splits:
    """Return texts of a file, of which validation and test texts are held out."""
    limit = math.ceil(STORED["test"] / HELD_OUT_SHARES["test"])
    splits = DataSettings(train=path, label=tuple(labels), limit=limit).read(seed)
    rng = np.random.default_rng(seed)
    datasets = {}
    for name, split in splits.items():
        chosen = np.sort(rng.permutation(len(split))[: STORED[name]])
        datasets[name] = split.dataset.take(split.rows[chosen])
    return splits_of(datasets)


def taken(splits: Splits, rows: dict[str, np.ndarray]) -> Splits:
    """Return splits of some rows."""
    datasets = {name: split.dataset.take(rows[name]) for name, split in splits.items()}
    return splits_of(datasets)


def splits_of(datasets: dict[str, TextDataset]) -> Splits:
    """Return splits that hold all rows of their datasets."""
    splits = {name: Split(dataset, np.arange(len(dataset.texts))) for name, dataset in datasets.items()}
    return Splits(splits["train"], splits.get("validation"), splits["test"])
