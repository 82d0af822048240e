"""Fine-tune classifiers and measure how they use the [CLS] vector."""

from __future__ import annotations

import dataclasses
import importlib.util
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from analyses.command_line.output_folders import check_apart
from analyses.context.classifier.comparison import compare_models
from analyses.context.classifier.fine_tuned import CHECKPOINT, PRETRAINED, FineTunedModels
from analyses.context.classifier.fine_tuned_training import fine_tune_heads, load_fine_tuned_checkpoint
from analyses.context.explanations.means import explanation_agreement
from analyses.context.job import Job
from analyses.context.provenance import describe_provenance
from analyses.context.stage_names import stage_name
from analyses.settings.bounds import check_bounds
from analyses.settings.data import DataSettings
from analyses.settings.encoder import EncoderSettings
from analyses.settings.fine_tuning import USUAL, Amounts, FineTuningSettings
from analyses.settings.output import OutputSettings
from analyses.subjects.classifier import (
    ablation,
    attention_contributions,
    cls_predictability,
    erasure,
    fine_tuning,
    gradient_flow,
    head_agreement,
)
from analyses.subjects.encoder.special_tokens import special_token_table
from probes.checks import InputError, check_writable
from probes.progress import expect_stages, notice, stage
from probes.results.result import AnalysisResult, Attribution, Claim

if TYPE_CHECKING:
    import pandas as pd

    from analyses.context.subject import ClassifierSubject, Tables

QUICK_TEXTS = 1000
"""Most texts of each split with --quick."""
QUICK_USE = (
    "It can show that the data and the set-up work, and large effects; small effects and "
    "differences between heads need more seeds and texts."
)
"""Sentence on what --quick can show and what it cannot."""


@dataclass(frozen=True)
class Settings:
    """Flags of `layerprobe heads`."""

    data: DataSettings = field(default_factory=DataSettings)
    encoder: EncoderSettings = field(default_factory=EncoderSettings)
    fine_tuning: FineTuningSettings = field(default_factory=FineTuningSettings)
    output: OutputSettings = field(default_factory=OutputSettings)
    quick: bool = False
    """Run a first look in a few minutes: 1,000 texts of each split, one seed, and fewer measured and explained texts.
    Values given by --limit, --seeds, --measured or --explained take precedence."""


def run(settings: Settings) -> AnalysisResult:
    """Fine-tune the heads, or load a checkpoint, and measure how they use the encoder."""
    check_bounds(settings)
    _check(settings)
    notes = list(_setting_notes(settings))
    for note in notes:
        notice(note)
    amounts = settings.fine_tuning.amounts(quick=settings.quick)
    data = settings.data
    if settings.quick and data.limit is None:
        data = dataclasses.replace(data, limit=QUICK_TEXTS)
    fine_tuning_settings = dataclasses.replace(settings.fine_tuning, **dataclasses.asdict(amounts))
    settings = dataclasses.replace(settings, data=data, fine_tuning=fine_tuning_settings)
    return _run(settings, amounts, notes)


def _check(settings: Settings) -> None:
    """Check the flags and the folder of the fine-tuned models.

    Raises:
        InputError: A flag has no meaning here, or contradicts another, or the folder cannot be written.
    """
    settings.fine_tuning.check()
    if settings.encoder.shards is not None:
        raise InputError(
            "--shards has no meaning for this command: fine-tuning is not divided between processes; leave --shards out"
        )
    if settings.fine_tuning.checkpoint is not None:
        return
    if settings.encoder.head_classes is not None:
        raise InputError(
            "--head-classes has no meaning without --checkpoint: a fine-tuned head has the classes of the dataset"
        )
    if settings.data.folds is not None:
        raise InputError("fine-tuning needs validation texts for early stopping; leave --folds out")
    folder = settings.fine_tuning.models_folder(settings.output.out)
    check_apart(settings.output.out, {"--models": folder})
    check_writable(folder)


def _run(settings: Settings, amounts: Amounts, notes: Sequence[str]) -> AnalysisResult:
    """Do all steps: prepare, fine-tune, compare the models, and describe them by tables and claims."""
    expect_stages(5 + _n_stages(settings.fine_tuning, amounts))
    encoder = dataclasses.replace(settings.encoder, model=settings.fine_tuning.base or settings.encoder.model)
    job = Job.prepare(settings.data, encoder, settings.output)
    if "cls" not in job.encoder.poolings:
        raise InputError(
            f"{job.encoder.name} adds no [CLS] token, and this command measures the [CLS] vector; name another model"
        )
    if settings.fine_tuning.checkpoint is not None:
        fine_tuned = [load_fine_tuned_checkpoint(job, settings.fine_tuning)]
    else:
        fine_tuned = fine_tune_heads(job, settings.fine_tuning, amounts)
    models = compare_models(job, settings.fine_tuning, amounts, fine_tuned)
    tables, failure_notes = tabulate(models)
    coverage = job.measure_coverage(models.features[PRETRAINED])
    with stage("comparing the heads"):
        claims = (*_claims(models, tables), *coverage.claims(job.encoder, job.splits))
    attributions = tuple(_named_attributions(models))
    data_notes = (*job.splits.notes, *job.data.fold_notes)
    encoder_notes = (*job.encoder.notes, *_model_notes(models), *coverage.notes(job.encoder))
    provenance = describe_provenance(job.encoder, job.splits, job.poolings, seed=job.output.seed)
    return AnalysisResult(
        name="heads",
        settings=dataclasses.asdict(settings),
        provenance=dataclasses.replace(provenance, models=models.describe_weights()),
        tables={**tables, **explanation_agreement(attributions), "special_tokens": special_token_table(job.encoder)},
        attributions=attributions,
        claims=claims,
        notes=(*notes, *data_notes, *encoder_notes, *failure_notes),
    )


def _n_stages(settings: FineTuningSettings, amounts: Amounts) -> int:
    """Return how many stages the progress of fine-tuning, of the comparison and of the tables has."""
    is_checkpoint = settings.checkpoint is not None
    n_heads = 1 if is_checkpoint else len(settings.heads)
    n_runs = 1 if is_checkpoint else n_heads * amounts.seeds
    n_models = n_heads + 2  # the pretrained and the untrained encoder
    n_tables = sum(len(subject.tables) for subject in SUBJECTS)
    return n_runs + 2 * n_models + (amounts.explained > 0) + n_tables


def tabulate(models: FineTunedModels) -> tuple[dict[str, pd.DataFrame], list[str]]:
    """Return the tables that have rows, and a note for each table that cannot be computed."""
    import pandas as pd

    tables = {}
    notes = []
    for subject in SUBJECTS:
        for name, compute_rows in subject.tables.items():
            try:
                with stage(stage_name(name)):
                    rows = list(compute_rows(models))
            except InputError as error:
                measurement = stage_name(name)
                notes.append(f"{measurement[0].upper()}{measurement[1:]} could not be measured: {error}.")
                continue
            if rows:
                tables[name] = pd.DataFrame(rows)
    return tables, notes


def _claims(models: FineTunedModels, tables: Tables) -> list[Claim]:
    """Return the claims of all subjects."""
    claims: list[Claim] = []
    for subject in SUBJECTS:
        claims.extend(subject.claims(models, tables))
    return claims


def _named_attributions(models: FineTunedModels) -> Iterator[Attribution]:
    """Yield the explanations of all heads with the name of the head as their model."""
    for name, attributions in models.attributions.items():
        for attribution in attributions:
            yield dataclasses.replace(attribution, model=name)


def _model_notes(models: FineTunedModels) -> Iterator[str]:
    """Yield notes on the checkpoint that was loaded, and on the baseline of all explanations."""
    if models.settings.checkpoint is not None:
        encoder = models.first[CHECKPOINT].head.encoder
        pretrained = models.job.encoder
        for note in encoder.notes:
            yield f"Checkpoint {encoder.name}: {note}"
        if encoder.max_length != pretrained.max_length:
            yield (
                f"The checkpoint {encoder.name} reads at most {encoder.max_length} tokens of a text, the encoder "
                f"{pretrained.name} {pretrained.max_length}; --max-length sets one limit for both."
            )
    if models.amounts.explained:
        yield (
            f"All heads ({', '.join(models.heads)}) are explained from the baseline {models.baseline!r}, on which "
            "their predictions are closest to uninformed on average."
        )


def _setting_notes(settings: Settings) -> Iterator[str]:
    """Yield notes on work that is left out or reduced, as far as known before it begins."""
    if settings.quick:
        reductions = _reductions(settings)
        if reductions:
            yield f"--quick reduces this run to a first look: {', '.join(reductions)}. {QUICK_USE}"
    if importlib.util.find_spec("concept_erasure") is None:
        yield (
            "LEACE erasure is not measured, because the extra `erasure` is not installed; pip install "
            "'layerprobe[erasure]'."
        )


def _reductions(settings: Settings) -> list[str]:
    """Return what --quick reduces."""
    amounts = settings.fine_tuning.amounts(quick=True)
    reductions = []
    if settings.data.limit is None:
        reductions.append(f"at most {QUICK_TEXTS:,} texts of each split (--limit)")
    for flag in ("seeds", "measured", "explained"):
        if getattr(settings.fine_tuning, flag) is None:
            reductions.append(f"--{flag} {getattr(amounts, flag)} instead of {getattr(USUAL, flag)}")
    return reductions


SUBJECTS: Sequence[ClassifierSubject] = (
    fine_tuning.SUBJECT,
    gradient_flow.SUBJECT,
    cls_predictability.SUBJECT,
    attention_contributions.SUBJECT,
    ablation.SUBJECT,
    erasure.SUBJECT,
    head_agreement.SUBJECT,
)
"""Subjects of the classifier, in the order of their tables and claims."""
