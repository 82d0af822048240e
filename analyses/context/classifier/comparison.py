"""Comparison of the models: features and probes of each, scores of the heads, and explanations of their decisions."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from analyses.context.classifier.fine_tuned import (
    CHECKPOINT,
    PRETRAINED,
    PROBE,
    UNTRAINED,
    FineTunedModel,
    FineTunedModels,
    first_models,
)
from analyses.context.extraction import EncoderFeatures
from analyses.context.interventions import STATES
from analyses.context.job import Job
from analyses.settings.fine_tuning import Amounts, FineTuningSettings
from probes.progress import stage

if TYPE_CHECKING:
    from probes.encoder.encoder import Encoder
    from probes.heads.heads import Head
    from probes.probing.sites import Examples, ExampleSplits
    from probes.probing.sweep_result import Sweep

PROBED = ("cls", "mean", "pooler")
"""Poolings whose layers are probed; other poolings are extracted for further measurements."""


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
    first = first_models(models)
    encoders = _encoders(job, first)
    features = {name: _extract(job, name, encoder) for name, encoder in encoders.items()}
    sweeps = {name: _sweep(job, name, encoder_features.splits) for name, encoder_features in features.items()}
    heads = {name: model.head for name, model in first.items()}
    heads[PROBE] = _best_probe(job, encoders[PRETRAINED], sweeps[PRETRAINED])
    order = np.random.default_rng(job.output.seed).permutation(len(job.splits.test))
    rows = np.sort(order[: amounts.measured])
    with stage("predicting the test texts"):
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

    with stage("explaining predictions"):
        train_labels = models.job.splits.train.labels(models.task)
        class_counts = np.bincount(train_labels, minlength=len(models.class_names))
        prior = (class_counts / len(train_labels)).tolist()
        is_paired = models.job.splits.test.texts.paired
        baseline = choose_baseline(list(models.heads.values()), prior=prior, paired=is_paired)
        with_baseline = dataclasses.replace(models, baseline=baseline)
        attributions = {}
        for name in models.heads:
            with stage(f"{name} head"):
                attributions[name] = with_baseline.explain(name)
        return dataclasses.replace(with_baseline, attributions=attributions)


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
    with stage(f"extracting features, {_stage_name(name)}"):
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
    with stage(f"fitting probes, {_stage_name(name)}"):
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


def _stage_name(name: str) -> str:
    """Return a model's name as a stage of the progress calls it."""
    if name == CHECKPOINT:
        return name
    return f"{name} encoder" if name in (PRETRAINED, UNTRAINED) else f"encoder fine-tuned with the {name} head"
