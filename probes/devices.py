"""Devices on which models compute, and which of them have float64."""

from __future__ import annotations

import torch
from torch import Tensor

from probes.checks import InputError, first_line, short_repr

WITHOUT_FLOAT64 = {"mps"}
"""Types of devices that refuse every float64 tensor."""
NOT_BUILT = ("Could not run", "No module")
"""How PyTorch's messages begin where it was built without a device; the rest is pages on its operators."""
NOT_A_NAME = ("Expected one of", "Device string", "Invalid device")
"""How PyTorch's messages begin where no device has a name; the rest lists all types of devices."""


def usable_device(device: object) -> str:
    """Return the name of a device on which tensors can be made; `auto` becomes a GPU where there is one.

    Args:
        device: A name, as `cpu`, `cuda` or `cuda:1`, the number of a GPU, or a `torch.device`.

    Raises:
        InputError: There is no such device, or its tensors have shapes and no numbers.
    """
    is_number = isinstance(device, int) and not isinstance(device, bool)
    name = f"cuda:{device}" if is_number else str(device)
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        tensor = torch.zeros(1, device=name)
        holds_numbers = not tensor.is_meta and bool((tensor.cpu() == 0).all())
    except (RuntimeError, AssertionError, ImportError, ValueError) as error:
        raise InputError(f"cannot use device {name!r}: {_reason(error)}; known here: {_known_devices()}") from error
    if not holds_numbers:
        raise InputError(f"cannot use device {name!r}: it stores no numbers; known here: {_known_devices()}")
    return name


def _known_devices() -> str:
    gpus = [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        gpus.append("mps")
    return ", ".join(["auto", "cpu", *gpus])


def _reason(error: BaseException) -> str:
    message = first_line(error)
    if message.startswith(NOT_BUILT):
        return "this PyTorch was built without it"
    if message.startswith(NOT_A_NAME):
        return "PyTorch has no device of this name"
    return message


def float64_device(device: torch.device | str) -> torch.device:
    """Return the device itself where it has float64, else the CPU.

    Raises:
        InputError: PyTorch knows no such device.
    """
    try:
        device = torch.device(device)
    except (RuntimeError, TypeError, ValueError) as error:
        raise InputError(f"cannot use device {short_repr(device)}: {first_line(error)}") from error
    return torch.device("cpu") if device.type in WITHOUT_FLOAT64 else device


def on_float64_device(tensor: Tensor) -> Tensor:
    """Move a tensor to a device with float64: the tensor itself, or a copy on the CPU through which gradients pass."""
    return tensor.to(float64_device(tensor.device))
