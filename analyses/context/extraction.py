"""Extraction of the features of all splits, by the encoder and by untrained encoders of the same architecture."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from analyses.settings.encoder import EncoderSettings
from probes.checks import InputError, TextError
from probes.progress import stage

if TYPE_CHECKING:
    from probes.data.datasets import Split, Splits, TextDataset
    from probes.encoder.encoder import Encoder
    from probes.features.extraction import Engine
    from probes.features.store import FeatureStore
    from probes.probing.sites import Examples, ExampleSplits

    Stores = Mapping[str, FeatureStore]
    """Split -> store of the features of its dataset."""


class PartDone(Exception):  # noqa: N818 - not an error: the requested part is extracted, and there is no result yet
    """One part of the features is extracted."""


@dataclass(frozen=True, eq=False)
class EncoderFeatures:
    """The texts of all splits as one encoder reads them."""

    stores: Stores
    """Splits of one file share a store."""
    splits: ExampleSplits
    """The splits with their features, which are read layer by layer."""


@dataclass(frozen=True, eq=False)
class ExtractedFeatures:
    """Features of the encoder and of the untrained encoders."""

    trained: EncoderFeatures
    untrained: Sequence[EncoderFeatures]
    """(seeds,) features of the untrained encoders."""
    notes: tuple[str, ...]
    """Notes on batches that memory had no room for."""

    @property
    def features(self) -> ExampleSplits:
        """The splits with the features of the encoder."""
        return self.trained.splits

    @property
    def untrained_features(self) -> Sequence[ExampleSplits]:
        """(seeds,) splits with the features of the untrained encoders."""
        return [encoder_features.splits for encoder_features in self.untrained]


@dataclass(frozen=True, eq=False)
class Extraction:
    """Texts, layers and poolings of which features are extracted, and where they are stored."""

    splits: Splits
    settings: EncoderSettings
    layers: Sequence[int]
    part: tuple[int, int]
    """Number of the part of the shards to extract, and number of parts."""
    progress: bool

    def extract(self, encoder: Encoder, poolings: Sequence[str], engine: Engine | None = None) -> EncoderFeatures:
        """Extract what the store lacks.

        Args:
            encoder: Encoder that reads the texts.
            poolings: Poolings of the features.
            engine: Workers that extract; this process when None.

        Raises:
            InputError: A text cannot be encoded.
        """
        store_of_dataset: dict[TextDataset, FeatureStore] = {}
        for _, split in self.splits.items():
            if split.dataset not in store_of_dataset:
                store_of_dataset[split.dataset] = self._extract_dataset(encoder, poolings, split.dataset, engine)
        stores = {name: store_of_dataset[split.dataset] for name, split in self.splits.items()}
        return EncoderFeatures(stores, self._with_features(stores, poolings))

    def extract_all(self, encoder: Encoder, poolings: Sequence[str], n_untrained: int) -> ExtractedFeatures:
        """Extract the features of the encoder and of untrained encoders.

        Args:
            encoder: Encoder that reads the texts.
            poolings: Poolings of the features.
            n_untrained: Number of untrained encoders; their seeds are 0, 1, ...

        Raises:
            InputError: A text cannot be encoded.
            PartDone: Only one part of the features was requested, and it is extracted.
        """
        from probes.features.in_memory import MemoryWarning

        recorded: list[warnings.WarningMessage] = []
        try:
            with warnings.catch_warnings(record=True) as recorded:
                warnings.simplefilter("always", MemoryWarning)
                trained, untrained = self._extract_encoders(encoder, poolings, n_untrained)
        except BaseException:
            _warn_again(recorded)  # there will be no result with notes
            raise
        _warn_again([warning for warning in recorded if warning.category is not MemoryWarning])
        messages = [str(warning.message) for warning in recorded if warning.category is MemoryWarning]
        return ExtractedFeatures(trained, untrained, tuple(dict.fromkeys(messages)))

    def _extract_encoders(
        self, encoder: Encoder, poolings: Sequence[str], n_untrained: int
    ) -> tuple[EncoderFeatures, list[EncoderFeatures]]:
        untrained = []
        with self.settings.extracting() as engine:
            with stage("extracting features"):
                trained = self.extract(encoder, poolings, engine)
            for seed in range(n_untrained):
                with stage(f"extracting features, untrained encoder {seed + 1} of {n_untrained}"):
                    untrained.append(self.extract(encoder.untrained(seed), poolings, engine))
        if self.settings.shards is not None:
            self._end_part([trained, *untrained], poolings)
        return trained, untrained

    def _end_part(self, extracted: Sequence[EncoderFeatures], poolings: Sequence[str]) -> None:
        """Raise `PartDone` with the number of shards that other parts still have to extract."""
        stores = [store for encoder_features in extracted for store in encoder_features.stores.values()]
        store_by_folder = {store.folder: store for store in stores}
        n_missing = sum(len(store.missing(poolings)) for store in store_by_folder.values())
        message = (
            f"share {self.settings.shards} of the features is extracted; files of other shares still missing: "
            f"{n_missing}"
        )
        raise PartDone(message if n_missing else f"{message}; run again without --shards")

    def _extract_dataset(
        self, encoder: Encoder, poolings: Sequence[str], dataset: TextDataset, engine: Engine | None
    ) -> FeatureStore:
        from probes.features.extraction import extract_features

        try:
            return extract_features(
                encoder,
                dataset.texts,
                poolings=poolings,
                layers=self.layers,
                cache=self.settings.cache,
                stored_dtype=self.settings.stored_dtype,
                part=self.part,
                engine=engine,
                progress=self.progress,
            )
        except TextError as error:
            raise InputError(f"the text in {dataset.location_of(error.row)} {error.fault}") from error

    def _with_features(self, stores: Stores, poolings: Sequence[str]) -> ExampleSplits:
        """Return the splits with their features."""
        from probes.probing.sites import ExampleSplits

        examples = {}
        for name, split in self.splits.items():
            examples[name] = self._examples(name, split, stores[name], poolings)
        return ExampleSplits(examples["train"], examples.get("validation"), examples["test"])

    def _examples(self, name: str, split: Split, store: FeatureStore, poolings: Sequence[str]) -> Examples:
        from probes.probing.sites import Examples

        return Examples(
            features={pooling: store.layers(pooling, split.rows) for pooling in poolings},
            labels={task: split.labels(task) for task in self.splits.class_names},
            texts=split.texts,
            units=split.units if name == "train" else None,
        )


def _warn_again(recorded: Sequence[warnings.WarningMessage]) -> None:
    """Show warnings that were recorded."""
    for warning in recorded:
        warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
