"""Spread of the vectors of the test texts in every layer, and whether they share a direction (anisotropy)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from analyses.context.measurements import Measurements
from analyses.context.subject import Subject, Tables
from probes.results.result import Claim

if TYPE_CHECKING:
    import pandas as pd

    from analyses.context.subject import ProbingSubject


def cls_spread(measurements: Measurements) -> pd.DataFrame:
    """Tabulate how far apart the vectors of the test texts lie in every layer."""
    import pandas as pd

    from probes.features.spread import spread

    rows = []
    features = measurements.features.test.features
    for pooling in ("cls", "mean"):
        for layer in measurements.layers if pooling in features else ():
            layer_spread = spread(features[pooling][layer])
            rows.append((pooling, layer, layer_spread.max_range, layer_spread.relative))
    return pd.DataFrame(rows, columns=["pooling", "layer", "max_range", "relative_spread"])


def anisotropy(measurements: Measurements) -> pd.DataFrame | None:
    """Tabulate the anisotropy of every site on the test texts."""
    import pandas as pd

    from probes.features.spread import anisotropy as layer_anisotropy

    if not measurements.has_controls:
        return None
    rows = []
    for pooling, features in measurements.features.test.features.items():
        for layer in measurements.layers:
            rows.append((pooling, layer, layer_anisotropy(features[layer])))
    return pd.DataFrame(rows, columns=["pooling", "layer", "anisotropy"])


def claims(measurements: Measurements, tables: Tables) -> Iterator[Claim]:
    """Yield the first layer at which [CLS] differs between texts, and its spread at the last layer."""
    table = tables["cls_spread"]
    rows = table[table["pooling"] == "cls"]
    varying = rows[rows["max_range"] > 0]
    if 0 not in measurements.layers or not len(varying):
        return
    first_layer = int(varying["layer"].iloc[0])
    last_spread = float(rows["relative_spread"].iloc[-1])
    numbers: dict[str, Any] = {"first_layer": first_layer, "last_spread": last_spread}
    yield Claim("cls_spread", "measured", numbers=numbers)


SUBJECT: ProbingSubject = Subject(tables={"cls_spread": cls_spread, "anisotropy": anisotropy}, claims=claims)
