"""The models that are compared: an encoder as published, one with random weights, and the fine-tuned models."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from analyses.context.extraction import EncoderFeatures
from analyses.context.interventions import STATES, InterventionInputs
from analyses.context.job import Job
from analyses.settings.fine_tuning import Amounts, FineTuningSettings
from probes.checks import InputError
from probes.progress import stage

if TYPE_CHECKING:
    from probes.encoder.encoder import Encoder
    from probes.encoder.tokenization import Encoded
    from probes.heads.fine_tuning import FineTuned
    from probes.heads.heads import Head
    from probes.heads.trainer import TrainingSettings
    from probes.probing.sites import Examples, ExampleSplits
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
PROBED = ("cls", "mean", "pooler")
"""Poolings whose layers are probed; other poolings are extracted for further measurements."""


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
        return _first_models(self.models)

    @property
    def labels(self) -> NDArray[np.int64]:
        """(texts,) class ids of the measured texts."""
        return self.job.splits.test.labels(self.task)[self.rows]

    def examples(self, model: str) -> ExampleSplits:
        """Return the splits with the features of a model."""
        return self.features[model].splits

    def mean_interval(self, values: Any) -> tuple[float, float]:
        """Return the 95 % interval of a mean.

        Args:
            values: (texts,) values.
        """
        from probes.statistics.intervals import mean_interval

        return mean_interval(values, seed=self.job.output.seed)

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


def fine_tune_heads(job: Job, settings: FineTuningSettings, amounts: Amounts) -> list[FineTunedModel]:
    """Fine-tune the encoder with every head and seed; finished models are loaded.

    Args:
        job: Texts and encoder; the first label column is learned.
        settings: Heads, and how they are trained.
        amounts: Number of seeds.

    Raises:
        InputError: There are no validation texts, or the encoder cannot be trained with a head.
    """
    from probes.heads.trainable_head import check_trainable

    task, class_names = next(iter(job.splits.class_names.items()))
    check_trainable(job.encoder, settings.heads, class_names)
    models = []
    for seed in range(amounts.seeds):
        for name in settings.heads:
            number = f", seed {seed + 1} of {amounts.seeds}" if amounts.seeds > 1 else ""
            with stage(f"fine-tuning, {name} head{number}"):
                models.append(_fine_tune(job, settings, task, name, seed))
    return models


def _fine_tune(job: Job, settings: FineTuningSettings, task: str, name: str, seed: int) -> FineTunedModel:
    from probes.heads.fine_tuning import LabelledTexts, fine_tune, load_head

    if job.splits.validation is None:
        raise InputError("fine-tuning needs validation texts to know when to stop; leave --folds out")
    folder = settings.models_folder(job.output.out) / f"{name}-{seed}"
    training = fine_tune(
        job.encoder,
        LabelledTexts.of(job.splits.train, task),
        LabelledTexts.of(job.splits.validation, task),
        head=name,
        class_names=job.splits.class_names[task],
        folder=folder,
        settings=_training_settings(job, settings),
        seed=seed,
        progress=job.progress,
    )
    return FineTunedModel(name, seed, load_head(folder, device=str(job.encoder.device)), training)


def _training_settings(job: Job, settings: FineTuningSettings) -> TrainingSettings:
    from probes.heads.trainer import TrainingSettings, quickest_dtype

    dtype = quickest_dtype(job.encoder.device) if settings.train_dtype == "auto" else settings.train_dtype
    return TrainingSettings(
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        max_length=job.encoder.max_length,
        dtype=dtype,
        freeze=settings.freeze,
    )


def load_checkpoint(job: Job, settings: FineTuningSettings) -> FineTunedModel:
    """Load the checkpoint that was fine-tuned elsewhere.

    Raises:
        InputError: It cannot be loaded, or its classes are not those of the first label column.
    """
    from probes.encoder.encoder import Encoder
    from probes.heads.heads import ModelHead

    assert settings.checkpoint is not None
    class_names = next(iter(job.splits.class_names.values()))
    with stage("checkpoint"):
        encoder = Encoder.load(
            settings.checkpoint,
            revision=settings.checkpoint_revision,
            max_length=job.encoder_settings.max_length,
            device=job.encoder_settings.device,
            trust_remote_code=job.encoder_settings.trust_remote_code,
            allow_pickle=job.encoder_settings.allow_pickle,
        )
        head = ModelHead(encoder, class_names, head_classes=job.encoder_settings.renamed_classes)
    return FineTunedModel(CHECKPOINT, None, head, None)


def compare_models(
    job: Job, settings: FineTuningSettings, amounts: Amounts, models: Sequence[FineTunedModel]
) -> FineTunedModels:
    """Extract features of all models, probe them, score the heads on the test texts, and explain their decisions.

    Args:
        job: Texts and pretrained encoder.
        settings: Flags of fine-tuning.
        amounts: Number of texts to measure and to explain.
        models: Every head and seed.
    """
    first = _first_models(models)
    encoders = _encoders(job, first)
    features = {name: _extract(job, name, encoder) for name, encoder in encoders.items()}
    sweeps = {name: _sweep(job, name, encoder_features.splits) for name, encoder_features in features.items()}
    heads = {name: model.head for name, model in first.items()}
    heads[PROBE] = _best_probe(job, encoders[PRETRAINED], sweeps[PRETRAINED])
    order = np.random.default_rng(job.output.seed).permutation(len(job.splits.test))
    rows = np.sort(order[: amounts.measured])
    with stage("test scores"):
        test_log_probs = {(model.name, model.seed): _test_log_probs(job, model) for model in models}
        texts = job.splits.test.texts.take(rows)
        encoded = {name: encoder.encode(texts) for name, encoder in encoders.items()}
        encoded[PROBE] = encoded[PRETRAINED]
        train_texts = job.splits.train.texts[:STATES]
        encoded_train = {name: model.head.encoder.encode(train_texts) for name, model in first.items()}
    comparison = FineTunedModels(
        job=job,
        settings=settings,
        amounts=amounts,
        models=models,
        encoders=encoders,
        features=features,
        sweeps=sweeps,
        heads=heads,
        test_log_probs=test_log_probs,
        rows=rows,
        encoded=encoded,
        encoded_train=encoded_train,
    )
    return _explain_heads(comparison) if amounts.explained else comparison


def _explain_heads(models: FineTunedModels) -> FineTunedModels:
    """Return the models with the explanations of all heads, from the baseline with the smallest mean bias."""
    from probes.attribution.baseline_bias import choose_baseline

    with stage("explanations"):
        train_labels = models.job.splits.train.labels(models.task)
        class_counts = np.bincount(train_labels, minlength=len(models.class_names))
        prior = (class_counts / len(train_labels)).tolist()
        is_paired = models.job.splits.test.texts.paired
        baseline = choose_baseline(list(models.heads.values()), prior=prior, paired=is_paired)
        with_baseline = dataclasses.replace(models, baseline=baseline)
        attributions = {name: with_baseline.explain(name) for name in models.heads}
        return dataclasses.replace(with_baseline, attributions=attributions)


def _first_models(models: Sequence[FineTunedModel]) -> dict[str, FineTunedModel]:
    """Return head -> the model of its first seed."""
    first: dict[str, FineTunedModel] = {}
    for model in models:
        first.setdefault(model.name, model)
    return first


def _test_log_probs(job: Job, model: FineTunedModel) -> NDArray[np.float64]:
    from probes.heads.heads import log_prob

    encoded = model.head.encoder.encode(job.splits.test.texts)
    return log_prob(model.head, encoded, progress=job.progress)


def _encoders(job: Job, first: Mapping[str, FineTunedModel]) -> dict[str, Encoder]:
    """Return model -> its encoder in float32: the pretrained, the fine-tuned and the untrained one."""
    pretrained = job.encoder.with_dtype("float32")
    encoders = {PRETRAINED: pretrained}
    for name, model in first.items():
        encoders[name] = model.head.encoder
    encoders[UNTRAINED] = pretrained.untrained(job.output.seed)
    return encoders


def _extract(job: Job, name: str, encoder: Encoder) -> EncoderFeatures:
    """Extract the features of a model, in the number format of the job's encoder."""
    with stage(f"features of the {_stage_name(name)}"):
        return job.extract_with(encoder.with_dtype(job.encoder.dtype), _poolings(encoder))


def _sweep(job: Job, name: str, splits: ExampleSplits) -> Sweep:
    """Fit and score the probes of a model at every layer."""
    from probes.probing.sweep import sweep_probes
    from probes.probing.sweep_inputs import SweepOptions

    options = SweepOptions(
        layers=job.layers,
        folds=job.n_folds,
        device=str(job.encoder.device),
        model=name,
        seed=job.output.seed,
        progress=job.progress,
    )
    with stage(f"probes on the {_stage_name(name)}"):
        return sweep_probes(
            _probed_examples(name, splits.train),
            None if splits.validation is None else _probed_examples(name, splits.validation),
            _probed_examples(name, splits.test),
            class_names=job.splits.class_names,
            options=options,
        )


def _probed_examples(name: str, split: Examples) -> Examples:
    """Return a split with the usual poolings, and with texts for the pretrained encoder alone."""
    features = {pooling: layers for pooling, layers in split.features.items() if pooling in PROBED}
    return dataclasses.replace(split, features=features, texts=split.texts if name == PRETRAINED else None)


def _best_probe(job: Job, encoder: Encoder, sweep: Sweep) -> Head:
    """Return the best probe of the pretrained encoder as a head."""
    from probes.heads.heads import ProbeHead

    task_sweep = sweep.tasks[next(iter(job.splits.class_names))]
    site = task_sweep.best
    probe = task_sweep.selections[site].probe
    class_names = task_sweep.class_names
    return ProbeHead(encoder, probe, layer=site.layer, pooling=site.pooling, class_names=class_names)


def _poolings(encoder: Encoder) -> tuple[str, ...]:
    """Return the poolings that are extracted: those that the encoder has, an untrained pooler left out."""
    poolings: list[str] = [name for name in ("cls", "mean", "content") if name in encoder.poolings]
    if encoder.has_pooler and not encoder.random_pooler:
        poolings.append("pooler")
    return tuple(poolings)


def _describe(encoder: Encoder, weights: str) -> dict[str, str | None]:
    return {"model": encoder.name, "revision": encoder.revision, "weights": weights}


def _stage_name(name: str) -> str:
    """Return a model's name as a stage of the progress calls it."""
    if name == CHECKPOINT:
        return name
    return f"{name} encoder" if name in (PRETRAINED, UNTRAINED) else f"{name} model"
