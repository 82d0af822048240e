"""Fitted probes as safetensors files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from probes.checks import InputError, as_path
from probes.logistic.fitted_probe import FittedProbe

PARTS = ("weight", "bias", "center")
"""Fields of a probe that are stored as tensors."""
METADATA_KEY = "layerprobe"
"""Key of the file's metadata under which everything else is stored."""


def pack_probes(probes: Mapping[str, FittedProbe], info: Mapping[str, Any]) -> bytes:
    """Return the content of a safetensors file of fitted probes.

    Args:
        probes: Name -> probe.
        info: Further metadata, stored as JSON.
    """
    from safetensors.numpy import save

    tensors = {}
    for name, probe in probes.items():
        for part in PARTS:
            value = getattr(probe, part)
            if value is not None:
                tensors[f"{name}/{part}"] = value
    metadata = dict(info)
    metadata["c"] = {name: probe.c for name, probe in probes.items()}
    metadata["converged"] = {name: probe.converged for name, probe in probes.items()}
    metadata["prior"] = {}
    for name, probe in probes.items():
        if probe.prior is not None:
            metadata["prior"][name] = probe.prior
    serialised = json.dumps(metadata, sort_keys=True)
    return bytes(save(tensors, metadata={METADATA_KEY: serialised}))


def load_probes(path: Path | str) -> tuple[dict[str, FittedProbe], dict[str, Any]]:
    """Read the fitted probes of a result folder's `probes.safetensors`.

    Each probe carries the fingerprint of the encoder it was fitted on and the class shares of its training labels.
    Files of 0.1.0 have no centers: their biases include the mean of the features.

    Args:
        path: Path of the file.

    Returns:
        Name `task/pooling/layer` -> probe, and the metadata of the file.

    Raises:
        InputError: The file is missing or was not written by layerprobe.
    """
    from safetensors import SafetensorError, safe_open

    path = as_path(path, name="path")
    try:
        with safe_open(path, framework="numpy") as file:
            info = json.loads((file.metadata() or {})[METADATA_KEY])
            keys = set(file.keys())
            names = sorted({key.rpartition("/")[0] for key in keys})
            probes = {name: _read_probe(file, name, keys, info) for name in names}
    except InputError as error:
        raise InputError(f"cannot read probes from {str(path)!r}: {error}") from error
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"cannot read probes from {str(path)!r}: {error}") from error
    return probes, info


def _read_probe(file: Any, name: str, keys: set[str], info: Mapping[str, Any]) -> FittedProbe:
    """Read one probe of an open safetensors file."""
    center_key = f"{name}/center"
    priors = info.get("prior", {})
    center = file.get_tensor(center_key) if center_key in keys else None
    prior = tuple(map(float, priors[name])) if name in priors else None
    return FittedProbe(
        file.get_tensor(f"{name}/weight"),
        file.get_tensor(f"{name}/bias"),
        c=info["c"][name],
        converged=info["converged"][name],
        center=center,
        prior=prior,
        encoder=info.get("weights"),
    )
