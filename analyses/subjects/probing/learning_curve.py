"""Learning curves: test accuracy by number of training texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analyses.context.measurements import Measurements
from analyses.context.subject import Subject

if TYPE_CHECKING:
    import pandas as pd

    from analyses.context.subject import ProbingSubject


def learning_curve(measurements: Measurements) -> pd.DataFrame | None:
    """Tabulate test accuracy and log loss of every site by number of training texts."""
    from probes.controls.studies import learning_curve_table

    return learning_curve_table(measurements.sweep) if measurements.has_study("information") else None


SUBJECT: ProbingSubject = Subject(tables={"learning_curve": learning_curve})
