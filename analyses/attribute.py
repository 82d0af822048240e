"""Which tokens does the decision rest on?"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

from analyses.context.explanation_checks import check_explaining
from analyses.context.explanations import Explaining
from analyses.context.job import Job
from analyses.context.provenance import describe_provenance
from analyses.settings.bounds import check_bounds
from analyses.settings.data import DataSettings
from analyses.settings.encoder import EncoderSettings
from analyses.settings.explaining import ExplainSettings
from analyses.settings.output import OutputSettings
from analyses.subjects import selfchecks, verdicts
from probes.checks import InputError
from probes.progress import expect_stages, stage
from probes.results.result import AnalysisResult


@dataclass(frozen=True)
class Settings:
    """Flags of `layerprobe attribute`."""

    data: DataSettings = field(default_factory=DataSettings)
    encoder: EncoderSettings = field(default_factory=EncoderSettings)
    explain: ExplainSettings = field(default_factory=ExplainSettings)
    output: OutputSettings = field(default_factory=OutputSettings)
    layer: int | None = None
    """Layer of the probe to explain, together with --pooling. The best on validation when not given."""
    pooling: str | None = None
    """Pooling of the probe to explain, together with --layer."""


def run(settings: Settings) -> AnalysisResult:
    """Fit a probe, at one place or at all to find the best, and explain it; see `explained`."""
    from probes.probing.sites import Site

    check_bounds(settings)
    expect_stages(settings.encoder.n_stages() + n_stages(settings.explain, settings.data) + 1)
    encoder, point = settings.encoder, None
    if (settings.layer is None) != (settings.pooling is None):
        raise InputError("name both --layer and --pooling, or neither for the best on validation")
    if settings.layer is not None and settings.pooling is not None:
        point = Site(settings.pooling, settings.layer)
        layers = encoder.layers if settings.explain.depth else (settings.layer,)
        if layers is not None:
            layers = (*layers, settings.layer)
        poolings = tuple(dict.fromkeys((settings.pooling, *settings.explain.explain_poolings)))
        encoder = dataclasses.replace(encoder, layers=layers, poolings=poolings)
    job = Job.prepare(settings.data, encoder, settings.output)
    job.check_head()
    if settings.layer is not None:
        job.encoder.check_layers([settings.layer])
    check_explaining(settings.explain, job)
    results = job.probe()
    result = AnalysisResult(
        name="attribute",
        settings=dataclasses.asdict(settings),
        provenance=describe_provenance(job),
        tables={"metrics": results.sweep.metrics, "selection": results.sweep.selection},
        claims=tuple(results.coverage.claims(job.encoder, job.splits)),
        notes=results.notes,
    )
    return explained(result, Explaining(results, settings.explain, point))


def n_stages(explain: ExplainSettings, data: DataSettings) -> int:
    """How many stages the progress of `explained` has."""
    return 1 + len(explain.requested_tables(has_rationales=bool(data.rationales))) if explain.attribute else 0


def explained(result: AnalysisResult, explaining: Explaining) -> AnalysisResult:
    """A result with decisions on chosen texts traced to their tokens, and with every check on these explanations."""
    if explaining.settings.attribute:
        with stage("explanations"):
            explaining.shown  # noqa: B018 - made here once, for every check on them
    tables, notes = selfchecks.tables(explaining)
    return dataclasses.replace(
        result,
        attributions=tuple(explaining.shown),
        tables={**result.tables, **tables},
        claims=(*result.claims, *verdicts.claims(explaining, tables)),
        notes=(*result.notes, *explaining.notes, *notes),
    )
