"""float64, which some devices do not have."""

from __future__ import annotations

import torch
from torch import Tensor

from probes.checks import InputError, first_line, short_repr

WITHOUT_FLOAT64 = {"mps"}
"""Kinds of devices that refuse every float64 tensor."""


def float64_device(device: torch.device | str) -> torch.device:
    """The device itself where it has float64, else the CPU."""
    try:
        device = torch.device(device)
    except (RuntimeError, TypeError, ValueError) as error:
        raise InputError(f"cannot use device {short_repr(device)}: {first_line(error)}") from error
    return torch.device("cpu") if device.type in WITHOUT_FLOAT64 else device


def on_float64_device(tensor: Tensor) -> Tensor:
    """The tensor where float64 can be computed: as it is, or a copy on the CPU through which gradients pass."""
    return tensor.to(float64_device(tensor.device))
