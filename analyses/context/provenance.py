"""Provenance of a result: model, data, versions and seed."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from probes import __version__
from probes.results.result import Provenance

if TYPE_CHECKING:
    from probes.data.datasets import Split, Splits
    from probes.encoder.encoder import Encoder
    from probes.probing.sweep_result import Sweep

PACKAGES = ("torch", "transformers", "tokenizers", "captum", "scikit-learn", "numpy", "pandas", "datasets")
"""Packages whose versions are recorded."""
UNKNOWN = "unknown"
"""Weights, dtype and device of an encoder whose features came as arrays."""


def describe_provenance(encoder: Encoder, splits: Splits, poolings: Iterable[str], *, seed: int) -> Provenance:
    """Describe what numbers are computed from; the command line and the times are added later.

    Args:
        encoder: Encoder of the features.
        splits: Texts and labels.
        poolings: Poolings of the features.
        seed: Seed of all draws.
    """
    return Provenance(
        model=encoder.name,
        architecture=type(encoder.model).__name__,
        revision=encoder.revision,
        weights=encoder.fingerprint(tuple(poolings)),
        n_layers=encoder.n_layers,
        hidden=encoder.hidden,
        max_length=encoder.max_length,
        data=_describe_splits(splits),
        versions=_versions(),
        seed=seed,
        dtype=encoder.dtype,
        device=str(encoder.device),
        command="",
        created="",
        seconds=0.0,
    )


def describe_array_provenance(sweep: Sweep, splits: Splits) -> Provenance:
    """Describe what the numbers of a sweep of arrays are computed from: the encoder is known by its name alone.

    Args:
        sweep: Sweep of the arrays.
        splits: Texts and labels.
    """
    selections = [selections for task_sweep in sweep.tasks.values() for selections in task_sweep.selections.items()]
    (_, first_selection), *_ = selections
    return Provenance(
        model=sweep.model,
        architecture=f"{UNKNOWN} architecture",
        revision=None,
        weights=UNKNOWN,
        n_layers=max(site.layer for site, _ in selections),
        hidden=int(first_selection.probe.weight.shape[1]),
        max_length=0,
        data=_describe_splits(splits),
        versions=_versions(),
        seed=sweep.seed,
        dtype=UNKNOWN,
        device=UNKNOWN,
        command="",
        created="",
        seconds=0.0,
    )


def _versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that compute."""
    versions = {"python": platform.python_version(), "layerprobe": __version__}  # of the code that runs
    for package in PACKAGES:
        versions[package] = importlib.metadata.version(package)
    return versions


def _describe_splits(splits: Splits) -> dict[str, dict[str, Any]]:
    """Describe each split."""
    return {name: _describe_split(split) for name, split in splits.items()}


def _describe_split(split: Split) -> dict[str, Any]:
    """Describe the source, the texts and the class counts of a split."""
    class_counts = {}
    for task, class_names in split.dataset.class_names.items():
        counts = np.bincount(split.labels(task), minlength=len(class_names)).tolist()
        class_counts[task] = dict(zip(class_names, counts, strict=True))
    description: dict[str, Any] = {
        "source": split.dataset.source,
        "rows": len(split),
        "texts": split.texts.fingerprint(),
        "classes": class_counts,
    }
    if split.groups is not None:
        description["groups"] = len(set(split.groups))
    return description
