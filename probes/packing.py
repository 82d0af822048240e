"""Linear layers on a CPU by oneDNN with weights laid out once, for as long as features are extracted.

PyTorch gives a float32 linear layer to MKL, which lays its weights out anew at every call, and under autocast it turns
frozen weights into bfloat16 anew at every call. oneDNN with weights laid out once takes about four fifths of the time,
and does the GELU behind a linear layer while its output is still at hand; the benchmark `extraction` shows it. The
operator has no gradient.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn


@contextlib.contextmanager
def packed(model: nn.Module, rows: int, dtype: torch.dtype = torch.float32) -> Iterator[None]:
    """Run the linear layers of a float32 `model` by oneDNN; outside inference mode and on other devices as ever.

    Args:
        model: Given back as it came, also after an exception.
        rows: Tokens of a usual batch, for the layout.
        dtype: bfloat16 where the model will run under autocast to it, else float32. On a CPU without instructions for
            bfloat16 nothing is packed in it, and layers run as ever: many times slower than in float32.
    """
    found: dict[nn.Module, tuple[nn.Linear, str]] = {}
    for module in model.modules() if dtype is not torch.bfloat16 or multiplies_bfloat16() else ():
        if isinstance(module, nn.Linear) and _suits(module):
            found[module] = module, "none"
        elif (layer := _before_gelu(module)) is not None:
            found[module] = layer, "gelu"
    fused = {layer for layer, then in found.values() if then == "gelu"}
    try:
        for module, (layer, then) in found.items():
            if then == "gelu" or module not in fused:  # weights are laid out once, also where the GELU is done too
                vars(module)["forward"] = _forward(layer, rows, dtype, then, module.forward)
        yield
    finally:
        for module in found:
            vars(module).pop("forward", None)


def multiplies_bfloat16() -> bool:
    """Whether this CPU has instructions for bfloat16."""
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _suits(module: nn.Linear) -> bool:
    # Exactly nn.Linear: a subclass may compute something else, a forward of its own is somebody else's, and a hook
    # before it may make the weight anew (weight normalisation does).
    if type(module) is not nn.Linear or "forward" in vars(module) or module._forward_pre_hooks:
        return False
    weight = module.weight
    there = hasattr(torch.ops.mkldnn, "_linear_pointwise")  # not in a PyTorch built without oneDNN
    return there and weight.device.type == "cpu" and weight.dtype is torch.float32


def _before_gelu(module: nn.Module) -> nn.Linear | None:
    """The linear layer of a module that does it and then GELU, and nothing else; what it computes is looked at too."""
    layers = [child for child in module.children() if isinstance(child, nn.Linear)]
    if not any(_is_gelu(child) for child in module.children()):
        return None
    if len(layers) != 1 or len(list(module.modules())) != 3 or "forward" in vars(module) or not _suits(layers[0]):
        return None
    if any(child._forward_hooks or child._forward_pre_hooks for child in module.children()):
        return None  # somebody wants to see what passes between the two
    x = torch.linspace(-3, 3, 4 * layers[0].in_features).reshape(1, 4, -1)
    try:
        with torch.inference_mode():
            same = torch.equal(module(x), nn.functional.gelu(layers[0](x)))
    except (TypeError, RuntimeError, NotImplementedError):  # takes something else than one tensor
        return None
    return layers[0] if same else None


def _is_gelu(module: nn.Module) -> bool:
    # By name: a clipped or approximate one may agree with it on what is tried.
    if type(module) is nn.GELU:
        return module.approximate == "none"
    return type(module).__name__ == "GELUActivation" and type(module).__module__ == "transformers.activations"


def _forward(
    layer: nn.Linear, rows: int, dtype: torch.dtype, then: str, usual: Callable[..., Tensor]
) -> Callable[..., Tensor]:
    weight = torch.ops.mkldnn._reorder_linear_weight(layer.weight.detach().to(dtype), rows)
    bias = None if layer.bias is None else layer.bias.detach().to(dtype)

    def forward(*args: Any, **others: Any) -> Tensor:
        if len(args) != 1 or others or not isinstance(args[0], Tensor):
            return usual(*args, **others)
        (x,) = args
        wanted = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype
        if wanted is not dtype or not torch.is_inference_mode_enabled():
            return usual(x)
        return torch.ops.mkldnn._linear_pointwise(x.to(dtype), weight, bias, then, [], "none")  # type: ignore[no-any-return]

    return forward
