"""Where a model computes."""

from __future__ import annotations

import torch

from probes.checks import InputError, first_line


def usable_device(device: object) -> str:
    """The name of a device on which tensors can be made; `auto` is a GPU where there is one.

    Args:
        device: A name, as `cpu`, `cuda` or `cuda:1`, the number of a GPU, or a `torch.device`.

    Raises:
        InputError: There is no such device, or it holds shapes and no numbers.
    """
    name = f"cuda:{device}" if isinstance(device, int) and not isinstance(device, bool) else str(device)
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    gpus = [f"cuda:{i}" for i in range(torch.cuda.device_count())] + ["mps"] * torch.backends.mps.is_available()
    known = ", ".join(["auto", "cpu", *gpus])
    try:
        made = torch.zeros(1, device=name)
        usable = made.is_meta or bool((made.cpu() == 0).all())
    except (RuntimeError, AssertionError, ImportError, ValueError) as error:
        reason = first_line(error)
        if reason.startswith(("Could not run", "No module")):  # pages on PyTorch's inside
            reason = "this PyTorch was built without it"
        if reason.startswith(("Expected one of", "Device string", "Invalid device")):  # a list of all there could be
            reason = "PyTorch has no device of this name"
        raise InputError(f"cannot use device {name!r}: {reason}; known here: {known}") from error
    if made.is_meta or not usable:
        raise InputError(f"cannot use device {name!r}: it holds shapes and no numbers; known here: {known}")
    return name
