"""Fine-tuning of every head and seed, and loading of a checkpoint that was fine-tuned elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analyses.context.classifier.fine_tuned import CHECKPOINT, FineTunedModel
from analyses.context.job import Job
from analyses.settings.fine_tuning import Amounts, FineTuningSettings
from probes.checks import InputError
from probes.progress import stage

if TYPE_CHECKING:
    from probes.heads.trainer import TrainingSettings


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
            with stage(f"fine-tuning with the {name} head{number}"):
                models.append(_fine_tune(job, settings, task, name, seed))
    return models


def _fine_tune(job: Job, settings: FineTuningSettings, task: str, name: str, seed: int) -> FineTunedModel:
    from probes.heads.fine_tuning import LabelledTexts, fine_tune, load_head

    if job.splits.validation is None:
        raise InputError("fine-tuning needs validation texts for early stopping; leave --folds out")
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


def load_fine_tuned_checkpoint(job: Job, settings: FineTuningSettings) -> FineTunedModel:
    """Load the checkpoint that was fine-tuned elsewhere.

    Raises:
        InputError: It cannot be loaded, or its classes are not those of the first label column.
    """
    from probes.encoder.encoder import Encoder
    from probes.heads.heads import ModelHead

    assert settings.checkpoint is not None
    class_names = next(iter(job.splits.class_names.values()))
    with stage("loading the checkpoint"):
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
