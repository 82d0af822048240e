"""Provenance of a result: model, data, versions and seed."""

from __future__ import annotations

import importlib.metadata
import platform
from typing import TYPE_CHECKING, Any

import numpy as np

from analyses.context.job import Job
from probes import __version__
from probes.results.result import Provenance

if TYPE_CHECKING:
    from probes.data.datasets import Split

PACKAGES = ("torch", "transformers", "tokenizers", "captum", "scikit-learn", "numpy", "pandas", "datasets")
"""Packages whose versions are recorded."""


def describe_provenance(job: Job) -> Provenance:
    """Describe what the numbers of a job are computed from; the command line and the times are added later."""
    encoder = job.encoder
    versions = {"python": platform.python_version(), "layerprobe": __version__}  # of the code that runs
    for package in PACKAGES:
        versions[package] = importlib.metadata.version(package)
    return Provenance(
        model=encoder.name,
        architecture=type(encoder.model).__name__,
        revision=encoder.revision,
        weights=encoder.fingerprint(job.poolings),
        n_layers=encoder.n_layers,
        hidden=encoder.hidden,
        max_length=encoder.max_length,
        data={name: _describe_split(job, split) for name, split in job.splits.items()},
        versions=versions,
        seed=job.output.seed,
        dtype=encoder.dtype,
        device=str(encoder.device),
        command="",
        created="",
        seconds=0.0,
    )


def _describe_split(job: Job, split: Split) -> dict[str, Any]:
    """Describe the source, the texts and the class counts of a split."""
    class_counts = {}
    for task, class_names in job.splits.class_names.items():
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
