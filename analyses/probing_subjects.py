"""The subjects of probing, and the tables and claims of all of them as a result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from analyses.context.measurements import Measurements
from analyses.context.provenance import UNKNOWN
from analyses.subjects.encoder import cka, special_tokens, spread
from analyses.subjects.probing import (
    all_layers,
    control_tasks,
    evidence,
    floors,
    information,
    learning_curve,
    planted_signals,
    prediction_depth,
    scores,
    text_length,
    training_resampling,
)
from probes.results.result import AnalysisResult, Claim, Provenance

if TYPE_CHECKING:
    import pandas as pd

    from analyses.context.subject import ProbingSubject
    from probes.data.datasets import Splits


def describe_measurements(name: str, measurements: Measurements, provenance: Provenance) -> AnalysisResult:
    """Compute the tables and claims of all probing subjects, and pack the probes.

    Args:
        name: Name of the analysis.
        measurements: Measurements of probing.
        provenance: Their model, data and versions.
    """
    from probes.logistic.persistence import pack_probes

    tables = _tables(measurements)
    claims: list[Claim] = []
    for subject in SUBJECTS:
        claims.extend(subject.claims(measurements, tables))
    packed_probes = pack_probes(measurements.sweep.probes, _probe_info(measurements.splits, provenance))
    return AnalysisResult(
        name=name,
        settings={},
        provenance=provenance,
        tables=tables,
        claims=tuple(claims),
        files={"probes.safetensors": packed_probes},
    )


def _tables(measurements: Measurements) -> dict[str, pd.DataFrame]:
    """Return the tables of all subjects that were requested."""
    tables = {}
    for subject in SUBJECTS:
        for name, compute in subject.tables.items():
            table = compute(measurements)
            if table is not None:
                tables[name] = table
    return tables


def _probe_info(splits: Splits, provenance: Provenance) -> dict[str, Any]:
    """Return what is saved with the probes: the model, its weights and the class names."""
    classes = {task: list(class_names) for task, class_names in splits.class_names.items()}
    weights = None if provenance.weights == UNKNOWN else provenance.weights
    return {"model": provenance.model, "weights": weights, "classes": classes}


SUBJECTS: Sequence[ProbingSubject] = (
    scores.SUBJECT,
    all_layers.SUBJECT,
    text_length.SUBJECT,
    floors.SUBJECT,
    control_tasks.SUBJECT,
    information.SUBJECT,
    learning_curve.SUBJECT,
    training_resampling.SUBJECT,
    prediction_depth.SUBJECT,
    planted_signals.SUBJECT,
    evidence.SUBJECT,
    special_tokens.SUBJECT,
    spread.SUBJECT,
    cka.SUBJECT,
)
"""Subjects of probing, in the order of their tables and claims."""
