"""Linear CKA: how similar two layers are in how they arrange the test texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from analyses.context.measurements import Measurements
from analyses.context.subject import Subject

if TYPE_CHECKING:
    import pandas as pd

    from analyses.context.subject import ProbingSubject


def cka(measurements: Measurements) -> pd.DataFrame | None:
    """Tabulate linear CKA of each pair of layers on the test texts, and that of unrelated vectors."""
    import pandas as pd

    from probes.features.cka import cka_matrix

    if not measurements.has_controls:
        return None
    layers = measurements.layers
    rows: list[tuple[Any, ...]] = []
    for pooling, features in measurements.features.test.features.items():
        alignment = cka_matrix(features, layers)
        for i, layer in enumerate(layers):
            for j, other_layer in enumerate(layers):
                rows.append((pooling, layer, other_layer, float(alignment.cka[i, j]), float(alignment.floor[i, j])))
    return pd.DataFrame(rows, columns=["pooling", "layer", "other_layer", "cka", "floor"])


SUBJECT: ProbingSubject = Subject(tables={"cka": cka})
