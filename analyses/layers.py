"""Probe every layer and pooling, without explanations."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from analyses.context.job import Job, ProbingResults
from analyses.context.provenance import describe_provenance
from analyses.probing_subjects import describe_measurements
from analyses.settings.bounds import check_bounds
from analyses.settings.data import DataSettings
from analyses.settings.encoder import EncoderSettings
from analyses.settings.output import OutputSettings
from analyses.settings.probing import ProbeSettings
from probes.progress import expect_stages, stage
from probes.results.result import AnalysisResult


@dataclass(frozen=True)
class Settings:
    """Flags of `layerprobe layers`."""

    data: DataSettings = field(default_factory=DataSettings)
    encoder: EncoderSettings = field(default_factory=EncoderSettings)
    probing: ProbeSettings = field(default_factory=ProbeSettings)
    output: OutputSettings = field(default_factory=OutputSettings)


def run(settings: Settings) -> AnalysisResult:
    """Probe every layer and pooling, and measure floors and controls."""
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
    with stage("scores, floors and controls"):
        job = results.job
        provenance = describe_provenance(job.encoder, job.splits, job.poolings, seed=job.output.seed)
        result = describe_measurements(name, results.measurements, provenance)
        return dataclasses.replace(
            result,
            settings=settings,
            claims=(*result.claims, *results.coverage.claims(job.encoder, job.splits)),
            notes=(*results.notes, *result.notes),
        )
