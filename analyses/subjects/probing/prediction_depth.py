"""Prediction depth: the layer from which on all probes of a pooling predict what the last one predicts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from analyses.context.measurements import Measurements
from analyses.context.subject import Subject, Tables
from probes.results.result import Claim
from probes.results.schema.columns import RELIABLE_CORRELATION

if TYPE_CHECKING:
    import pandas as pd

    from analyses.context.subject import ProbingSubject
    from probes.sequences import Int64Array

NUMBERS = ("mean_depth", "correlation", "same_depth", "by_chance", "n", "n_constant")
"""Columns of `prediction_depth_reliability` that the claim repeats."""


def prediction_depth(measurements: Measurements) -> pd.DataFrame | None:
    """Tabulate the prediction depth of every test text in every pooling."""
    from probes.controls.studies import prediction_depth_tables

    return prediction_depth_tables(measurements.sweep)[0] if measurements.has_study("training_resampling") else None


def prediction_depth_reliability(measurements: Measurements) -> pd.DataFrame | None:
    """Tabulate how far the depths of probes that are fitted on other training texts agree."""
    from probes.controls.studies import prediction_depth_tables

    return prediction_depth_tables(measurements.sweep)[1] if measurements.has_study("training_resampling") else None


def prediction_depth_shares(measurements: Measurements) -> pd.DataFrame | None:
    """Tabulate the share of the test texts with each prediction depth, and with it or a lower one."""
    import pandas as pd

    depths = prediction_depth(measurements)
    if depths is None:
        return None
    rows = list[tuple[Any, ...]]()
    for (task, pooling), group in depths.groupby(["task", "pooling"], sort=False):
        sites = measurements.sweep.tasks[str(task)].selections
        layers = [site.layer for site in sites if site.pooling == pooling]
        for layer, share, cumulative_share in depth_shares(group["depth"].to_numpy(), layers):
            rows.append((task, pooling, layer, share, cumulative_share))
    # A column without rows would have no type.
    types = {"task": object, "pooling": object, "layer": "int64", "share": float, "cumulative_share": float}
    return pd.DataFrame(rows, columns=list(types)).astype(types)


def depth_shares(depths: Int64Array, layers: Sequence[int]) -> Iterator[tuple[int, float, float]]:
    """Yield each layer from the lowest depth on, the share of the texts with that depth, and with it or a lower one.

    Args:
        depths: (texts,) prediction depths.
        layers: Layers that are probed.
    """
    for layer in sorted(layers):
        if layer >= depths.min():
            yield layer, float(np.mean(depths == layer)), float(np.mean(depths <= layer))


def claims(measurements: Measurements, tables: Tables) -> Iterator[Claim]:
    """Yield the mean depth of each pooling, its reliability, and the share of texts decided at the first layer."""
    if "prediction_depth_reliability" not in tables:
        return
    shares = tables["prediction_depth_shares"].groupby(["task", "pooling"])
    for row in tables["prediction_depth_reliability"].itertuples():
        pooling_shares = shares.get_group((row.task, row.pooling))
        covers_half = pooling_shares["cumulative_share"] >= 0.5
        numbers: dict[str, Any] = {"pooling": row.pooling}
        numbers.update({name: getattr(row, name) for name in NUMBERS})
        numbers["half_depth"] = int(pooling_shares.loc[covers_half, "layer"].min())
        numbers["share_from_first_layer"] = float(pooling_shares["share"].iloc[0])
        yield Claim("prediction_depth", reliability_outcome(float(row.correlation)), str(row.task), numbers)


def reliability_outcome(correlation: float) -> str:
    """Return whether depths are reliable, by the rank correlation of two refits; `measured` where it is undefined."""
    if math.isnan(correlation):
        return "measured"
    return "reliable" if correlation >= RELIABLE_CORRELATION else "unreliable"


SUBJECT: ProbingSubject = Subject(
    tables={
        "prediction_depth": prediction_depth,
        "prediction_depth_reliability": prediction_depth_reliability,
        "prediction_depth_shares": prediction_depth_shares,
    },
    claims=claims,
)
