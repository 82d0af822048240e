"""The models that are compared: an encoder as it came, one with random weights, and what fine-tuning made of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from analyses.context.interventions import STATES, InterventionInputs
from analyses.context.job import DEFAULT_FOLDS, Job
from analyses.settings.fine_tuning import Amounts, FineTuningSettings
from probes.checks import InputError
from probes.progress import stage

if TYPE_CHECKING:
    from analyses.context.extraction import EncoderFeatures
    from probes.data.texts import Texts
    from probes.encoder.encoder import Encoder
    from probes.encoder.tokenization import Encoded
    from probes.heads.fine_tuning import FineTuned
    from probes.heads.heads import Head
    from probes.probing.sites import Examples, ExampleSplits
    from probes.probing.sweep_result import Sweep
    from probes.results.result import Attribution

PRETRAINED, UNTRAINED, CHECKPOINT = "pretrained", "untrained", "checkpoint"
PROBE = "probe"
"""The frozen pretrained encoder's best probe, among the heads."""
PROBED = ("cls", "mean", "pooler")
"""Poolings whose layers are probed; others are read for what is measured beside."""


@dataclass(frozen=True, eq=False)
class Student:
    """An encoder with the head that it was fine-tuned with."""

    name: str
    seed: int | None
    head: Head
    tuned: FineTuned | None
    """None for a checkpoint that was fine-tuned elsewhere."""


@dataclass(frozen=True, eq=False)
class Students:
    """Every model of one job and label column, and what they say of the same texts."""

    job: Job
    settings: FineTuningSettings
    amounts: Amounts

    @property
    def task(self) -> str:
        """The label column that is learnt: the first of those named; the others can be erased too."""
        return next(iter(self.job.splits.class_names))

    @property
    def class_names(self) -> tuple[str, ...]:
        """Of that column."""
        return self.job.splits.class_names[self.task]

    @cached_property
    def every(self) -> Sequence[Student]:
        """Every head and seed, fine-tuned here unless that was done before."""
        if self.settings.checkpoint is not None:
            with stage("checkpoint"):
                return (self._checkpoint(self.settings.checkpoint),)
        return tuple(self._tuned(name, seed) for seed in range(self.amounts.seeds) for name in self.settings.heads)

    @cached_property
    def first(self) -> Mapping[str, Student]:
        """Head -> its first seed's student: the one that everything but accuracy is measured on."""
        found: dict[str, Student] = {}
        for student in self.every:
            found.setdefault(student.name, student)
        return found

    @cached_property
    def said(self) -> Mapping[tuple[str, int | None], NDArray[np.float64]]:
        """Head and seed -> (examples, classes) log probabilities on test."""
        from probes.heads.heads import log_prob

        test, found = self.job.splits.test, {}
        for student in self.every:
            encoded = student.head.encoder.encode(test.texts)
            found[student.name, student.seed] = log_prob(student.head, encoded, progress=not self.job.output.quiet)
        return found

    @cached_property
    def encoders(self) -> Mapping[str, Encoder]:
        """Model -> its encoder, computing in float32."""
        own = self.job.encoder.with_dtype("float32")
        tuned = {name: student.head.encoder for name, student in self.first.items()}
        return {PRETRAINED: own, **tuned, UNTRAINED: own.untrained(self.job.output.seed)}

    @cached_property
    def features(self) -> Mapping[str, EncoderFeatures]:
        """Model -> features of its layers."""
        dtype, reads = self.job.encoder.dtype, {}
        for name, encoder in self.encoders.items():
            with stage(f"features of the {_model(name)}"):
                reads[name] = self.job.extract_with(encoder.with_dtype(dtype), self._poolings(encoder))
        return reads

    @property
    def reads(self) -> Mapping[str, ExampleSplits]:
        """Model -> the splits with the features of its layers."""
        return {name: encoder_features.splits for name, encoder_features in self.features.items()}

    @cached_property
    def sweeps(self) -> Mapping[str, Sweep]:
        """Model -> its probes at every layer; those of the pretrained encoder with a bag of words."""
        from probes.probing.sweep import sweep_probes
        from probes.probing.sweep_options import SweepOptions

        found = {}
        for name, read in self.reads.items():
            with stage(f"probes on the {_model(name)}"):
                options = SweepOptions(
                    layers=self.job.layers,
                    folds=self.job.data.folds or DEFAULT_FOLDS,
                    device=str(self.job.encoder.device),
                    model=name,
                    seed=self.job.output.seed,
                    progress=not self.job.output.quiet,
                )
                found[name] = sweep_probes(
                    _probed(name, read.train),
                    None if read.validation is None else _probed(name, read.validation),
                    _probed(name, read.test),
                    class_names=self.job.splits.class_names,
                    options=options,
                )
        return found

    @cached_property
    def heads(self) -> Mapping[str, Head]:
        """The fine-tuned heads, and the pretrained encoder's best probe."""
        from probes.heads.heads import ProbeHead

        found = self.sweeps[PRETRAINED].tasks[self.task]
        best = found.best
        probe = ProbeHead(
            self.encoders[PRETRAINED],
            found.selections[best].probe,
            layer=best.layer,
            pooling=best.pooling,
            class_names=found.class_names,
        )
        return {name: student.head for name, student in self.first.items()} | {PROBE: probe}

    @cached_property
    def rows(self) -> NDArray[np.int64]:
        """Test rows that are measured, drawn at random."""
        rng = np.random.default_rng(self.job.output.seed)
        return np.sort(rng.permutation(len(self.job.splits.test))[: self.amounts.measured])

    @cached_property
    def texts(self) -> Texts:
        """The texts of these rows."""
        return self.job.splits.test.texts.take(self.rows)

    @cached_property
    def tokenised(self) -> Mapping[str, Encoded]:
        """Model -> the same texts as it reads them, tokenised once for all measurements."""
        tokenised = {name: encoder.encode(self.texts) for name, encoder in self.encoders.items()}
        return {**tokenised, PROBE: tokenised[PRETRAINED]}

    @cached_property
    def _tokenised_train(self) -> Mapping[str, Encoded]:
        """Head -> the training texts whose states are read by interventions."""
        texts = self.job.splits.train.texts[:STATES]
        return {name: student.head.encoder.encode(texts) for name, student in self.first.items()}

    @property
    def labels(self) -> NDArray[np.int64]:
        """Their class ids."""
        return self.job.splits.test.labels(self.task)[self.rows]

    @property
    def provenance(self) -> Mapping[str, Mapping[str, str | None]]:
        """Model -> what it was loaded from, its revision on the hub, and a fingerprint of its encoder and head.

        The encoder as it came is described by the result's own fields.
        """
        from probes.heads.heads import head_fingerprint

        untrained = self.encoders[UNTRAINED]
        drawn = {"model": untrained.name, "revision": untrained.revision, "weights": untrained.fingerprint()}
        return {UNTRAINED: drawn} | {
            student.name if student.seed is None else f"{student.name}-{student.seed}": {
                "model": student.head.encoder.name,
                "revision": student.head.encoder.revision,
                "weights": head_fingerprint(student.head),
            }
            for student in self.every
        }

    def subject(self, name: str) -> InterventionInputs:
        """A fine-tuned head, as what is taken out of its states is measured."""
        return InterventionInputs(
            name=name,
            head=self.first[name].head,
            features=self.reads[name],
            texts=self.tokenised[name],
            labels=self.labels,
            train=self._tokenised_train[name],
            layers=self.job.layers,
            seed=self.job.output.seed,
            progress=not self.job.output.quiet,
        )

    @cached_property
    def baseline(self) -> str:
        """What every head is explained from: the baseline at which they say least of the label, all together."""
        from probes.attribution.baseline_bias import choose_baseline

        train = self.job.splits.train.labels(self.task)
        prior = (np.bincount(train, minlength=len(self.class_names)) / len(train)).tolist()
        return choose_baseline(list(self.heads.values()), prior=prior, paired=self.texts.paired)

    @cached_property
    def explained(self) -> Mapping[str, Sequence[Attribution]]:
        """Head -> its own decisions, explained."""
        if not self.amounts.explained:
            return {}
        with stage("explanations"):
            return {name: self.explain(name) for name in self.heads}

    def explain(
        self,
        name: str,
        *,
        targets: Sequence[str] | None = None,
        states_layer: int | None = None,
        texts: int | None = None,
    ) -> list[Attribution]:
        """A head's decisions on the first measured texts, `explained` of them, by integrated gradients."""
        from probes.attribution.attribute import attribute

        n = self.amounts.explained if texts is None else texts
        found = attribute(
            self.heads[name],
            self.tokenised[name].take(range(min(n, len(self.rows)))),
            targets=targets,
            states_layer=states_layer,
            baseline=self.baseline,
            seed=self.job.output.seed,
            progress=not self.job.output.quiet,
        )
        return [
            dataclasses.replace(a, task=self.task, text_id=row, label=self.class_names[label])
            for a, row, label in zip(found, self.rows[:n].tolist(), self.labels[:n].tolist(), strict=True)
        ]

    def _poolings(self, encoder: Encoder) -> tuple[str, ...]:
        trained = encoder.has_pooler and not encoder.random_pooler
        return tuple(name for name in ("cls", "mean", "content") if name in encoder.poolings) + ("pooler",) * trained

    def _tuned(self, name: str, seed: int) -> Student:
        from probes.heads.fine_tuning import LabelledTexts, fine_tune, load_head
        from probes.heads.trainer import TrainingSettings, quickest_dtype

        settings, splits, encoder = self.settings, self.job.splits, self.job.encoder
        if splits.validation is None:
            raise InputError("fine-tuning needs validation texts to know when to stop; leave --folds out")
        folder = settings.models_folder(self.job.output.out) / f"{name}-{seed}"
        number = f", seed {seed + 1} of {self.amounts.seeds}" if self.amounts.seeds > 1 else ""
        with stage(f"fine-tuning, {name} head{number}"):
            tuned = fine_tune(
                encoder,
                LabelledTexts.of(splits.train, self.task),
                LabelledTexts.of(splits.validation, self.task),
                head=name,
                class_names=self.class_names,
                folder=folder,
                settings=TrainingSettings(
                    epochs=settings.epochs,
                    batch_size=settings.batch_size,
                    learning_rate=settings.learning_rate,
                    max_length=encoder.max_length,
                    dtype=quickest_dtype(encoder.device) if settings.train_dtype == "auto" else settings.train_dtype,
                    freeze=settings.freeze,
                ),
                seed=seed,
                progress=not self.job.output.quiet,
            )
            return Student(name, seed, load_head(folder, device=str(encoder.device)), tuned)

    def _checkpoint(self, name: str) -> Student:
        from probes.encoder.encoder import Encoder
        from probes.heads.heads import ModelHead

        settings = self.job.encoder_settings
        encoder = Encoder.load(
            name,
            revision=self.settings.checkpoint_revision,
            max_length=settings.max_length,
            device=settings.device,
            trust_remote_code=settings.trust_remote_code,
            allow_pickle=settings.allow_pickle,
        )
        return Student(
            CHECKPOINT, None, ModelHead(encoder, self.class_names, head_classes=settings.renamed_classes), None
        )


def _probed(model: str, split: Examples) -> Examples:
    """What probes of a model are fitted or scored on: the usual poolings, and the texts for the first model alone."""
    features = {pooling: own for pooling, own in split.features.items() if pooling in PROBED}
    return dataclasses.replace(split, features=features, texts=split.texts if model == PRETRAINED else None)


def _model(name: str) -> str:
    """A model of the comparison, as a stage of the progress names it."""
    if name == CHECKPOINT:
        return name
    return f"{name} encoder" if name in (PRETRAINED, UNTRAINED) else f"{name} model"
