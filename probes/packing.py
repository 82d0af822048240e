"""Linear layers on a CPU by oneDNN with weights laid out once, for as long as features are extracted.

PyTorch gives a float32 linear layer to MKL, which lays its weights out anew at every call, and under autocast it turns
frozen weights into bfloat16 anew at every call. oneDNN with weights laid out once takes about four fifths of the time;
the benchmark `extraction` shows it. The operator has no gradient.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator

import torch
from torch import Tensor, nn


@contextlib.contextmanager
def packed(model: nn.Module, rows: int, dtype: torch.dtype = torch.float32) -> Iterator[None]:
    """Run the linear layers of a float32 `model` by oneDNN; outside inference mode and on other devices as ever.

    Args:
        model: Given back as it came, also after an exception.
        rows: Tokens of a usual batch, for the layout.
        dtype: bfloat16 where the model will run under autocast to it, else float32.
    """
    layers = [module for module in model.modules() if isinstance(module, nn.Linear) and _suits(module)]
    try:
        for layer in layers:
            bias = None if layer.bias is None else layer.bias.detach().to(dtype)
            weight = torch.ops.mkldnn._reorder_linear_weight(layer.weight.detach().to(dtype), rows)
            vars(layer)["forward"] = functools.partial(_linear, layer, weight, bias, dtype)
        yield
    finally:
        for layer in layers:
            vars(layer).pop("forward", None)


def _suits(module: nn.Linear) -> bool:
    # Exactly nn.Linear: a subclass may compute something else, and a forward of its own is somebody else's.
    if type(module) is not nn.Linear or "forward" in vars(module):
        return False
    weight = module.weight
    there = hasattr(torch.ops.mkldnn, "_linear_pointwise")  # not in a PyTorch built without oneDNN
    return there and weight.device.type == "cpu" and weight.dtype is torch.float32


def _linear(layer: nn.Linear, weight: Tensor, bias: Tensor | None, dtype: torch.dtype, x: Tensor) -> Tensor:
    wanted = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype
    if wanted is not dtype or not torch.is_inference_mode_enabled():
        return nn.functional.linear(x, layer.weight, layer.bias)
    return torch.ops.mkldnn._linear_pointwise(x.to(dtype), weight, bias, "none", [], "")  # type: ignore[no-any-return]
