"""Which layer and pooling carries the label?"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from analyses.context.job import Job, ProbingResults
from analyses.context.provenance import describe_provenance
from analyses.settings.bounds import check_bounds
from analyses.settings.data import DataSettings
from analyses.settings.encoder import EncoderSettings
from analyses.settings.output import OutputSettings
from analyses.settings.probing import ProbeSettings
from analyses.subjects.probing import (
    cka,
    control_tasks,
    floors,
    information,
    learning_curve,
    planted_signals,
    prediction_depth,
    scores,
    special_tokens,
    spread,
)
from probes.progress import expect_stages, stage
from probes.results.result import AnalysisResult, Claim, Provenance

if TYPE_CHECKING:
    import pandas as pd

    from analyses.context.subject import ProbingSubject


@dataclass(frozen=True)
class Settings:
    """Flags of `layerprobe layers`."""

    data: DataSettings = field(default_factory=DataSettings)
    encoder: EncoderSettings = field(default_factory=EncoderSettings)
    probing: ProbeSettings = field(default_factory=ProbeSettings)
    output: OutputSettings = field(default_factory=OutputSettings)


def run(settings: Settings) -> AnalysisResult:
    """Probe every layer and pooling, and set the floors beside them."""
    check_bounds(settings)
    expect_stages(n_stages(settings.encoder, settings.probing) + 1)
    job = Job.prepare(settings.data, settings.encoder, settings.output, settings.probing)
    job.check_head()
    return describe("layers", dataclasses.asdict(settings), job.probe())


def n_stages(encoder: EncoderSettings, probing: ProbeSettings) -> int:
    """Return how many stages the progress of a job and of `describe` has."""
    return encoder.n_stages(probing.untrained) + 1


def describe(name: str, settings: dict[str, Any], results: ProbingResults) -> AnalysisResult:
    """Describe the results of probing by tables and claims.

    Args:
        name: Name of the analysis.
        settings: Its settings, as they are saved.
        results: Results of probing.
    """
    from probes.logistic.persistence import pack_probes

    with stage("floors and controls"):
        job = results.job
        provenance = describe_provenance(job)
        tables = _tables(results)
        claims: list[Claim] = []
        for subject in SUBJECTS:
            claims.extend(subject.claims(results, tables))
        claims.extend(results.coverage.claims(job.encoder, job.splits))
        packed_probes = pack_probes(results.sweep.probes, _probe_info(job, provenance))
        return AnalysisResult(
            name=name,
            settings=settings,
            provenance=provenance,
            tables=tables,
            claims=tuple(claims),
            notes=(*results.notes, *scores.difference_notes(results)),
            files={"probes.safetensors": packed_probes},
        )


def _tables(results: ProbingResults) -> dict[str, pd.DataFrame]:
    """Return the tables of all subjects that were requested."""
    tables = {}
    for subject in SUBJECTS:
        for name, compute in subject.tables.items():
            table = compute(results)
            if table is not None:
                tables[name] = table
    return tables


def _probe_info(job: Job, provenance: Provenance) -> dict[str, Any]:
    """Return what is saved with the probes: the model, its weights and the class names."""
    classes = {task: list(class_names) for task, class_names in job.splits.class_names.items()}
    return {"model": provenance.model, "weights": provenance.weights, "classes": classes}


SUBJECTS: Sequence[ProbingSubject] = (
    scores.SUBJECT,
    floors.SUBJECT,
    control_tasks.SUBJECT,
    information.SUBJECT,
    learning_curve.SUBJECT,
    prediction_depth.SUBJECT,
    planted_signals.SUBJECT,
    special_tokens.SUBJECT,
    spread.SUBJECT,
    cka.SUBJECT,
)
"""Subjects of probing, in the order of their tables and claims."""
