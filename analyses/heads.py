"""How does a classifier use its [CLS] vector? Heads on the pooler, [CLS] and the mean, before and after fine-tuning."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

from analyses import answers, dissection
from analyses.job import Job, special_tokens
from analyses.settings import DataSettings, EncoderSettings, OutputSettings
from analyses.students import Students, StudentSettings
from probes.checks import InputError
from probes.results import AnalysisResult

QUICK_TEXTS = 1000


@dataclass(frozen=True)
class Settings:
    """Flags of `layerprobe heads`."""

    data: DataSettings = field(default_factory=DataSettings)
    encoder: EncoderSettings = field(default_factory=EncoderSettings)
    students: StudentSettings = field(default_factory=StudentSettings)
    output: OutputSettings = field(default_factory=OutputSettings)
    quick: bool = False
    """A first look at part of the data: 1,000 texts of each split, one seed, two epochs, fewer texts measured."""


def run(settings: Settings) -> AnalysisResult:
    """Fine-tune the heads, or load a checkpoint, and measure what they do with their encoder."""
    if settings.quick:
        settings = _quick(settings)
    settings.students.check()
    if settings.encoder.shards is not None:
        raise InputError("--shards has no meaning here: what is fine-tuned is not shared between processes")
    if settings.encoder.head_classes is not None and settings.students.checkpoint is None:
        raise InputError(
            "--head-classes has no meaning without --checkpoint: a head that is fine-tuned has the dataset's"
        )
    encoder = dataclasses.replace(settings.encoder, model=settings.students.base or settings.encoder.model)
    job = Job.prepare(settings.data, encoder, settings.output)
    if "cls" not in job.encoder.poolings:
        raise InputError(f"{job.encoder.name} adds no [CLS] token; this analysis is about the vector of [CLS]")
    students = Students(job, settings.students)
    tables, notes = dissection.tables(students)
    return AnalysisResult(
        name="heads",
        settings=dataclasses.asdict(settings),
        provenance=job.provenance(),
        tables={**tables, "special_tokens": special_tokens(job)},
        attributions=tuple(dataclasses.replace(a, model=name) for name, own in students.explained.items() for a in own),
        claims=(*answers.claims(students, tables), *job.claims()),
        notes=(*job.splits.notes, *job.encoder.notes, *job.token_notes, *notes),
    )


def _quick(settings: Settings) -> Settings:
    data = dataclasses.replace(settings.data, limit=min(settings.data.limit or QUICK_TEXTS, QUICK_TEXTS))
    few = dataclasses.replace(settings.students, seeds=1, epochs=2, measured=100, explained=6)
    return dataclasses.replace(settings, data=data, students=few)
