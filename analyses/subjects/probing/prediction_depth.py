"""Prediction depth: the layer from which on all probes of a pooling predict what the last one predicts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from analyses.context.measurements import Measurements
from analyses.context.subject import Subject, Tables
from probes.results.result import Claim

if TYPE_CHECKING:
    import pandas as pd

    from analyses.context.subject import ProbingSubject

NUMBERS = ("mean_depth", "correlation", "same_depth", "by_chance", "n", "n_constant")
"""Columns of `prediction_depth_reliability` that the claim repeats."""


def prediction_depth(measurements: Measurements) -> pd.DataFrame | None:
    """Tabulate the prediction depth of every test text in every pooling."""
    from probes.controls.studies import prediction_depth_tables

    return prediction_depth_tables(measurements.sweep)[0] if measurements.has_study("depth") else None


def prediction_depth_reliability(measurements: Measurements) -> pd.DataFrame | None:
    """Tabulate how far the depths of probes that are fitted on other training texts agree."""
    from probes.controls.studies import prediction_depth_tables

    return prediction_depth_tables(measurements.sweep)[1] if measurements.has_study("depth") else None


def claims(measurements: Measurements, tables: Tables) -> Iterator[Claim]:
    """Yield the mean depth of each pooling, its reliability, and the share of texts decided at the first layer."""
    if "prediction_depth_reliability" not in tables:
        return
    depths = tables["prediction_depth"].groupby(["task", "pooling"])["depth"]
    for row in tables["prediction_depth_reliability"].itertuples():
        pooling_depths = depths.get_group((row.task, row.pooling))
        is_first = pooling_depths == pooling_depths.min()
        numbers: dict[str, Any] = {"pooling": row.pooling}
        numbers.update({name: getattr(row, name) for name in NUMBERS})
        numbers["share_from_first_layer"] = float(is_first.mean())
        yield Claim("prediction_depth", "measured", str(row.task), numbers)


SUBJECT: ProbingSubject = Subject(
    tables={
        "prediction_depth": prediction_depth,
        "prediction_depth_reliability": prediction_depth_reliability,
    },
    claims=claims,
)
