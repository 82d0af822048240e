"""How does a classifier use its [CLS] vector? Heads on the pooler, [CLS] and the mean, before and after fine-tuning."""

from __future__ import annotations

import dataclasses
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass, field

from analyses.command_line.output_folders import check_apart
from analyses.context.fine_tuned import CHECKPOINT, PRETRAINED, Students
from analyses.context.job import Job
from analyses.context.means import explanation_agreement
from analyses.context.provenance import describe_provenance
from analyses.settings.bounds import check_bounds
from analyses.settings.data import DataSettings
from analyses.settings.encoder import EncoderSettings
from analyses.settings.fine_tuning import USUAL, Amounts, FineTuningSettings
from analyses.settings.output import OutputSettings
from analyses.subjects import answers, dissection
from analyses.subjects.probing.geometry import special_token_table
from probes.checks import InputError, check_writable
from probes.progress import expect_stages, notice, stage
from probes.results.result import AnalysisResult

QUICK_TEXTS = 1000


@dataclass(frozen=True)
class Settings:
    """Flags of `layerprobe heads`."""

    data: DataSettings = field(default_factory=DataSettings)
    encoder: EncoderSettings = field(default_factory=EncoderSettings)
    fine_tuning: FineTuningSettings = field(default_factory=FineTuningSettings)
    output: OutputSettings = field(default_factory=OutputSettings)
    quick: bool = False
    """Take a first look at part of the data: 1,000 texts of each split, one seed, fewer texts measured and explained.
    What --limit, --seeds, --measured and --explained name is kept."""


def run(settings: Settings) -> AnalysisResult:
    """Fine-tune the heads, or load a checkpoint, and measure what they do with their encoder."""
    check_bounds(settings)
    settings.fine_tuning.check()
    if settings.encoder.shards is not None:
        raise InputError("--shards has no meaning here: what is fine-tuned is not shared between processes")
    if settings.encoder.head_classes is not None and settings.fine_tuning.checkpoint is None:
        raise InputError(
            "--head-classes has no meaning without --checkpoint: a head that is fine-tuned has the dataset's"
        )
    if settings.data.folds is not None and settings.fine_tuning.checkpoint is None:
        raise InputError("fine-tuning needs validation texts to know when to stop; leave --folds out")
    out = settings.output.out
    if settings.fine_tuning.checkpoint is None:
        models = settings.fine_tuning.models_folder(out)
        check_apart(out, {"--models": models})
        check_writable(models)
    amounts, notes = settings.fine_tuning.amounts(quick=settings.quick), list(_notes(settings))
    for note in notes:
        notice(note)
    data = settings.data
    if settings.quick and data.limit is None:
        data = dataclasses.replace(data, limit=QUICK_TEXTS)
    fine_tuning = dataclasses.replace(settings.fine_tuning, **dataclasses.asdict(amounts))
    settings = dataclasses.replace(settings, data=data, fine_tuning=fine_tuning)
    return _run(settings, amounts, notes)


def _run(settings: Settings, amounts: Amounts, notes: list[str]) -> AnalysisResult:
    expect_stages(4 + dissection.n_stages(settings.fine_tuning, amounts))
    encoder = dataclasses.replace(settings.encoder, model=settings.fine_tuning.base or settings.encoder.model)
    job = Job.prepare(settings.data, encoder, settings.output)
    if "cls" not in job.encoder.poolings:
        raise InputError(f"{job.encoder.name} adds no [CLS] token; this analysis is about the vector of [CLS]")
    students = Students(job, settings.fine_tuning, amounts)
    _check_models(students)
    tables, failures = dissection.tables(students)
    with stage("answers"):
        coverage = job.measure_coverage(students.features[PRETRAINED])
        claims = (*answers.claims(students, tables), *coverage.claims(job.encoder, job.splits))
    data_notes = (*job.splits.notes, *job.data.fold_notes)
    attributions = tuple(dataclasses.replace(a, model=name) for name, own in students.explained.items() for a in own)
    return AnalysisResult(
        name="heads",
        settings=dataclasses.asdict(settings),
        provenance=dataclasses.replace(describe_provenance(job), models=students.provenance),
        tables={**tables, **explanation_agreement(attributions), "special_tokens": special_token_table(job.encoder)},
        attributions=attributions,
        claims=claims,
        notes=(
            *notes,
            *data_notes,
            *job.encoder.notes,
            *_model_notes(students),
            *coverage.notes(job.encoder),
            *failures,
        ),
    )


def _check_models(students: Students) -> None:
    """Raise what can be known of the models before the long part: a head that the encoder cannot be trained with."""
    from probes.heads.trainable_head import check_trainable

    if students.settings.checkpoint is not None:
        students.every  # noqa: B018 - loaded here, before the features
    else:
        check_trainable(students.job.encoder, students.settings.heads, students.class_names)


def _model_notes(students: Students) -> Iterator[str]:
    """What a reader must know of the checkpoint that was loaded, and of what all decisions are explained from."""
    if students.settings.checkpoint is not None:
        encoder, other = students.first[CHECKPOINT].head.encoder, students.job.encoder
        yield from (f"Of the checkpoint {encoder.name}: {note}" for note in encoder.notes)
        if encoder.max_length != other.max_length:
            yield (
                f"The checkpoint {encoder.name} reads {encoder.max_length} tokens of a text and {other.name} "
                f"{other.max_length}; --max-length sets one number for both."
            )
    if students.amounts.explained:
        yield (
            f"All heads ({', '.join(students.heads)}) are explained from one baseline, {students.baseline!r}: that of "
            "which they say least of the label, taken together."
        )


def _notes(settings: Settings) -> Iterator[str]:
    """Notes on work that is left out or lessened, as far as known before it begins."""
    if settings.quick:
        amounts = settings.fine_tuning.amounts(quick=True)
        lowered = [f"at most {QUICK_TEXTS:,} texts of each split (--limit)"] if settings.data.limit is None else []
        for flag in ("seeds", "measured", "explained"):
            if getattr(settings.fine_tuning, flag) is None:
                lowered.append(f"--{flag} {getattr(amounts, flag)} instead of {getattr(USUAL, flag)}")
        if lowered:
            yield f"--quick makes this a first look: {', '.join(lowered)}."
    if importlib.util.find_spec("concept_erasure") is None:
        yield (
            "The extra erasure is not installed (pip install 'layerprobe[erasure]'): whether a head uses what is "
            "encoded is not measured."
        )
