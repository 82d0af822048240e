"""The models that are compared: an encoder as published, one with random weights, and the fine-tuned models."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from analyses.context.extraction import EncoderFeatures
from analyses.context.interventions import InterventionInputs
from analyses.context.job import Job
from analyses.settings.fine_tuning import Amounts, FineTuningSettings

if TYPE_CHECKING:
    from probes.encoder.encoder import Encoder
    from probes.encoder.tokenization import Encoded
    from probes.heads.fine_tuning import FineTuned
    from probes.heads.heads import Head
    from probes.probing.sites import ExampleSplits
    from probes.probing.sweep_result import Sweep
    from probes.results.result import Attribution

PRETRAINED = "pretrained"
"""Name of the encoder as published, among the models."""
UNTRAINED = "untrained"
"""Name of the encoder with random weights, among the models."""
CHECKPOINT = "checkpoint"
"""Name of a checkpoint that was fine-tuned elsewhere, among the models and the heads."""
PROBE = "probe"
"""Name of the best probe of the frozen pretrained encoder, among the heads."""


@dataclass(frozen=True, eq=False)
class FineTunedModel:
    """An encoder with the head that it was fine-tuned with."""

    name: str
    """Name of the head, or `checkpoint`."""
    seed: int | None
    """Seed of the run; None for a checkpoint that was fine-tuned elsewhere."""
    head: Head
    training: FineTuned | None
    """Epochs of the run; None for a checkpoint that was fine-tuned elsewhere."""

    @property
    def best_validation_accuracy(self) -> float:
        """Validation accuracy of the best epoch; 0 for a checkpoint that was fine-tuned elsewhere."""
        if self.training is None:
            return 0.0
        return max(epoch.validation_accuracy for epoch in self.training.epochs)


@dataclass(frozen=True, eq=False)
class FineTunedModels:
    """The models of one job and label column with their features and probes: the context of the classifier subjects."""

    job: Job
    settings: FineTuningSettings
    amounts: Amounts
    models: Sequence[FineTunedModel]
    """Every head and seed."""
    encoders: Mapping[str, Encoder]
    """Model -> its encoder in float32."""
    features: Mapping[str, EncoderFeatures]
    """Model -> features of all layers."""
    sweeps: Mapping[str, Sweep]
    """Model -> its probes at every layer; those of the pretrained encoder with a bag of words."""
    heads: Mapping[str, Head]
    """Head -> the fine-tuned one of the first seed; and the best probe of the pretrained encoder."""
    test_log_probs: Mapping[tuple[str, int | None], NDArray[np.float64]]
    """Head and seed -> (examples, classes) log probabilities of the test texts."""
    rows: NDArray[np.int64]
    """(texts,) test rows that are measured, drawn at random."""
    encoded: Mapping[str, Encoded]
    """Model, and probe -> (texts,) measured texts as it reads them, tokenised once for all measurements."""
    encoded_train: Mapping[str, Encoded]
    """Head -> training texts whose states are read by interventions."""
    baseline: str | None = None
    """Baseline of all heads: the one with the smallest mean bias; None where no decisions are explained."""
    attributions: Mapping[str, Sequence[Attribution]] = dataclasses.field(default_factory=dict)
    """Head -> explanations of its decisions on the first measured texts."""

    @property
    def task(self) -> str:
        """The label column that is learned: the first one; the others can be erased, too."""
        return next(iter(self.job.splits.class_names))

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes of the label column that is learned."""
        return self.job.splits.class_names[self.task]

    @property
    def first(self) -> Mapping[str, FineTunedModel]:
        """Head -> the model of its first seed, on which everything but accuracy is measured."""
        return first_models(self.models)

    @property
    def labels(self) -> NDArray[np.int64]:
        """(texts,) class ids of the measured texts."""
        return self.job.splits.test.labels(self.task)[self.rows]

    def examples(self, model: str) -> ExampleSplits:
        """Return the splits with the features of a model."""
        return self.features[model].splits

    def intervention_inputs(self, name: str) -> InterventionInputs:
        """Return a fine-tuned head with the texts and features that interventions on its states need."""
        return InterventionInputs(
            name=name,
            head=self.first[name].head,
            features=self.examples(name),
            texts=self.encoded[name],
            labels=self.labels,
            train=self.encoded_train[name],
            layers=self.job.layers,
            seed=self.job.output.seed,
            progress=self.job.progress,
        )

    def explain(
        self,
        name: str,
        *,
        targets: Sequence[str] | None = None,
        states_layer: int | None = None,
        n_texts: int | None = None,
    ) -> list[Attribution]:
        """Explain a head's decisions on the first measured texts by integrated gradients.

        Args:
            name: Name of the head.
            targets: (texts,) classes to explain; the predicted ones when None.
            states_layer: Layer whose token states are scored; the input embeddings when None.
            n_texts: Number of texts; those of --explained when None.
        """
        from probes.attribution.attribute import attribute

        rows = self.rows[: self.amounts.explained if n_texts is None else n_texts]
        labels = self.labels[: len(rows)]
        attributions = attribute(
            self.heads[name],
            self.encoded[name].take(range(len(rows))),
            targets=targets,
            states_layer=states_layer,
            baseline=self.baseline or "auto",
            seed=self.job.output.seed,
            progress=self.job.progress,
        )
        return [
            dataclasses.replace(attribution, task=self.task, text_id=row, label=self.class_names[label])
            for attribution, row, label in zip(attributions, rows.tolist(), labels.tolist(), strict=True)
        ]

    def describe_weights(self) -> dict[str, dict[str, str | None]]:
        """Return model -> its name, its revision on the hub, and a fingerprint of its encoder and head.

        The pretrained encoder is described by the provenance of the result.
        """
        from probes.heads.heads import head_fingerprint

        untrained = self.encoders[UNTRAINED]
        description = {UNTRAINED: _describe(untrained, untrained.fingerprint())}
        for model in self.models:
            name = model.name if model.seed is None else f"{model.name}-{model.seed}"
            description[name] = _describe(model.head.encoder, head_fingerprint(model.head))
        return description


def first_models(models: Sequence[FineTunedModel]) -> dict[str, FineTunedModel]:
    """Return head -> the model of its first seed."""
    first: dict[str, FineTunedModel] = {}
    for model in models:
        first.setdefault(model.name, model)
    return first


def _describe(encoder: Encoder, weights: str) -> dict[str, str | None]:
    return {"model": encoder.name, "revision": encoder.revision, "weights": weights}
