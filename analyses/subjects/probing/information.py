"""Information: the bits of the label that the features of a site give to a probe."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from analyses.context.measurements import Measurements, best_row
from analyses.context.subject import Subject, Tables
from probes.checks import side_of_zero
from probes.results.result import Claim

if TYPE_CHECKING:
    import pandas as pd

    from analyses.context.subject import ProbingSubject

NUMBERS = (
    "v_information",
    "codelength",
    "prior_codelength",
    "uniform_codelength",
    "compression",
    "uniform_compression",
)
"""Columns of `information` that the claim repeats."""
SMALLEST_COMPRESSION = 1.05
"""Compression above which the online code counts as shorter than the prior code."""


def information(measurements: Measurements) -> pd.DataFrame | None:
    """Tabulate V-information and online codelength of every site."""
    from probes.controls.studies import information_table

    return information_table(measurements.sweep) if measurements.has_study("information") else None


def pointwise_information(measurements: Measurements) -> pd.DataFrame | None:
    """Tabulate the pointwise V-information of every test text and site."""
    from probes.controls.studies import pointwise_information_table

    return pointwise_information_table(measurements.sweep) if measurements.has_study("training_resampling") else None


def claims(measurements: Measurements, tables: Tables) -> Iterator[Claim]:
    """Yield the V-information and the codelengths of the best site, and whether they agree."""
    if "information" not in tables:
        return
    for task, task_sweep in measurements.sweep.tasks.items():
        row = best_row(tables["information"], task, task_sweep)
        numbers: dict[str, Any] = {name: float(row[name]) for name in NUMBERS}
        interval = (float(row["lower"]), float(row["upper"]))
        outcome = side_of_zero(*interval)
        yield Claim("information", outcome, task, numbers, interval)
        yield Claim("information_agreement", information_agreement(outcome, row["compression"]), task)


def information_agreement(v_information_outcome: str, compression: float) -> str:
    """Return whether V-information and online codelength both find information about the label, or neither."""
    has_v_information = v_information_outcome == "above"
    is_compressed = compression > SMALLEST_COMPRESSION
    return "agree" if has_v_information == is_compressed else "disagree"


SUBJECT: ProbingSubject = Subject(
    tables={"information": information, "pointwise_information": pointwise_information},
    claims=claims,
)
