"""Measurements of probing: what the probing subjects make tables and claims of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from probes.data.datasets import Splits
    from probes.encoder.encoder import Encoder
    from probes.probing.sites import ExampleSplits
    from probes.probing.sweep_result import Sweep, TaskSweep
    from probes.probing.untrained import UntrainedProbe


@dataclass(frozen=True, eq=False)
class Measurements:
    """Everything that is measured of one encoder's features: the context of the probing subjects."""

    sweep: Sweep
    """Every probe and floor with its scores."""
    splits: Splits
    """Texts and labels."""
    features: ExampleSplits
    """The splits with the features of the encoder, which are read layer by layer."""
    encoder: Encoder | None
    """Encoder of the features; None where they came as arrays."""
    control_reasons: Mapping[str, str]
    """Label column without a control task -> the reason."""
    has_controls: bool
    """Whether to measure what takes time and puts the scores into proportion: planted signals, anisotropy and CKA."""
    untrained_probes: Sequence[Sequence[UntrainedProbe]]
    """(seeds,) probes of each untrained encoder, by label column and site."""

    @property
    def layers(self) -> tuple[int, ...]:
        """Layers that are probed, in increasing order."""
        sites = (site for task_sweep in self.sweep.tasks.values() for site in task_sweep.selections)
        return tuple(sorted({site.layer for site in sites}))

    def has_study(self, name: str) -> bool:
        """Return whether the sweep made a study at every site."""
        return name in self.sweep.studies


def best_row(table: pd.DataFrame, task: str, task_sweep: TaskSweep) -> pd.Series[Any]:
    """Return the row of a label column's best site.

    Args:
        table: Table with one row for each label column and site.
        task: Label column.
        task_sweep: Sweep of the label column.
    """
    best = task_sweep.best
    is_best = (table["task"] == task) & (table["pooling"] == best.pooling) & (table["layer"] == best.layer)
    (position,) = is_best.to_numpy().nonzero()[0]
    return table.iloc[position]
