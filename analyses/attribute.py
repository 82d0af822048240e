"""Explain predictions by token attributions, without floors and controls."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from analyses.context.explanations.check_outcomes import check_claims
from analyses.context.explanations.explainer import Explainer
from analyses.context.explanations.explanations import Case, Explanations, explain_decisions
from analyses.context.explanations.flag_validation import check_explaining
from analyses.context.explanations.means import explanation_agreement, mean_tables
from analyses.context.job import Job, ProbingResults
from analyses.context.provenance import describe_provenance
from analyses.context.stage_names import stage_name
from analyses.context.subject import Rows
from analyses.settings.bounds import check_bounds
from analyses.settings.data import DataSettings
from analyses.settings.encoder import EncoderSettings
from analyses.settings.explaining import ExplainSettings
from analyses.settings.output import OutputSettings
from analyses.subjects.classifier import erasure
from analyses.subjects.explanations import (
    attributions,
    baselines,
    faithfulness,
    head_agreement,
    infidelity,
    planted_shortcut,
    plausibility,
    randomisation,
    token_shares,
    word_means,
)
from probes.checks import InputError
from probes.progress import expect_stages, stage
from probes.results.result import AnalysisResult, Claim

if TYPE_CHECKING:
    import pandas as pd

    from analyses.context.subject import ExplanationSubject
    from probes.probing.sites import Site


@dataclass(frozen=True)
class Settings:
    """Flags of `layerprobe attribute`."""

    data: DataSettings = field(default_factory=DataSettings)
    encoder: EncoderSettings = field(default_factory=EncoderSettings)
    explain: ExplainSettings = field(default_factory=ExplainSettings)
    output: OutputSettings = field(default_factory=OutputSettings)
    layer: int | None = None
    """Layer of the probe to explain, given together with --pooling. When not given, the best layer on validation is
    explained."""
    pooling: str | None = None
    """Pooling of the probe to explain, given together with --layer."""


def run(settings: Settings) -> AnalysisResult:
    """Fit a probe, at one site or at all to find the best, and explain it; see `add_explanations`."""
    from probes.probing.sites import Site

    check_bounds(settings)
    expect_stages(settings.encoder.n_stages() + n_stages(settings.explain, settings.data) + 1)
    if (settings.layer is None) != (settings.pooling is None):
        raise InputError("give both --layer and --pooling, or neither to explain the best probe on validation")
    site = None
    encoder = settings.encoder
    if settings.layer is not None and settings.pooling is not None:
        site = Site(settings.pooling, settings.layer)
        encoder = _encoder_at(site, settings)
    job = Job.prepare(settings.data, encoder, settings.output)
    job.check_head()
    if settings.layer is not None:
        job.encoder.check_layers([settings.layer])
    check_explaining(settings.explain, job)
    results = job.probe()
    result = AnalysisResult(
        name="attribute",
        settings=dataclasses.asdict(settings),
        provenance=describe_provenance(job.encoder, job.splits, job.poolings, seed=job.output.seed),
        tables={"metrics": results.sweep.metrics, "selection": results.sweep.selection},
        claims=tuple(results.coverage.claims(job.encoder, job.splits)),
        notes=results.notes,
    )
    return add_explanations(result, results, settings.explain, site)


def _encoder_at(site: Site, settings: Settings) -> EncoderSettings:
    """Return the flags of the encoder with the layers and poolings that the explanation of one site needs."""
    encoder = settings.encoder
    layers = encoder.layers if settings.explain.depth else ()
    poolings = dict.fromkeys((site.pooling, *settings.explain.explain_poolings))
    site_layers = None if layers is None else (*layers, site.layer)
    return dataclasses.replace(encoder, layers=site_layers, poolings=tuple(poolings))


def n_stages(explain: ExplainSettings, data: DataSettings) -> int:
    """Return how many stages the progress of `add_explanations` has."""
    n_tables = len(explain.requested_tables(has_rationales=data.has_rationales))
    return 1 + n_tables if explain.attribute else 0


def add_explanations(
    result: AnalysisResult, results: ProbingResults, settings: ExplainSettings, site: Site | None = None
) -> AnalysisResult:
    """Add explanations of decisions on chosen texts to a result, and every check on them.

    Args:
        result: Tables and claims of probing.
        results: Probes, and predictions of the checkpoint's own classifier.
        settings: Flags of explanations.
        site: Site of the probe to explain; the best of each label column when None.
    """
    with stage("explaining predictions") if settings.attribute else contextlib.nullcontext():
        explanations = explain_decisions(Explainer.prepare(results, settings, site))
    tables, notes = tabulate_checks(explanations)
    tables |= mean_tables(tables)
    tables |= explanation_agreement(explanations.attributions)
    claims = list[Claim]()
    for subject in SUBJECTS:
        claims.extend(subject.claims(explanations, tables))
    claims.extend(check_claims(claims, tables))
    return dataclasses.replace(
        result,
        attributions=explanations.attributions,
        tables={**result.tables, **tables},
        claims=(*result.claims, *claims),
        notes=(*result.notes, *explanations.notes, *notes),
    )


def tabulate_checks(explanations: Explanations) -> tuple[dict[str, pd.DataFrame], list[str]]:
    """Return the tables that were requested and have rows, and a note for each check that cannot be measured."""
    import pandas as pd

    tables = {}
    notes = []
    has_rationales = explanations.job.data.has_rationales
    requested = explanations.settings.requested_tables(has_rationales=has_rationales)
    for name, compute_rows in table_functions().items():
        if name not in requested:
            continue
        with stage(stage_name(name)):
            rows: list[Mapping[str, Any]] = []
            for case in explanations.cases:
                try:
                    with stage(case.name):
                        case_rows = list(compute_rows(explanations, case))
                except InputError as error:
                    notes.append(_failure_note(name, case, error))
                    continue
                rows.extend(case_rows)
        if rows:
            tables[name] = pd.DataFrame(rows)
    return tables, notes


def table_functions() -> dict[str, Callable[[Explanations, Case], Rows]]:
    """Return the tables of all subjects and the functions that compute their rows."""
    functions: dict[str, Callable[[Explanations, Case], Rows]] = {}
    for subject in SUBJECTS:
        functions.update(subject.tables)
    return functions


def _failure_note(name: str, case: Case, error: InputError) -> str:
    check = stage_name(name)
    return f"{check[0].upper()}{check[1:]} of {case.name} could not be measured: {error}."


SUBJECTS: Sequence[ExplanationSubject] = (
    attributions.SUBJECT,
    baselines.SUBJECT,
    faithfulness.SUBJECT,
    infidelity.SUBJECT,
    plausibility.SUBJECT,
    randomisation.SUBJECT,
    head_agreement.SUBJECT,
    token_shares.SUBJECT,
    word_means.SUBJECT,
    planted_shortcut.SUBJECT,
    erasure.OWN_HEAD_SUBJECT,
)
"""Subjects of explanations, in the order of their tables and claims."""
