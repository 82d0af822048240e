"""Linear layers on a CPU by oneDNN with weights laid out once, for as long as features are extracted.

PyTorch gives a float32 linear layer to MKL, which lays its weights out anew at every call, and under autocast it turns
frozen weights into bfloat16 anew at every call. oneDNN with weights laid out once takes about four fifths of the time,
and does the GELU behind a linear layer while its output is still at hand; the benchmark `extraction` shows it. The
operator has no gradient.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

CANARY = {torch.float32: 1e-4, torch.bfloat16: 0.1}
"""How far a product of numbers up to 10 may be from the plain one before the operators are not trusted."""


@contextlib.contextmanager
def packed(model: nn.Module, rows: int, dtype: torch.dtype = torch.float32) -> Iterator[None]:
    """Run the linear layers of a float32 `model` by oneDNN; outside inference mode and on other devices as ever.

    Args:
        model: Given back as it came, also after an exception.
        rows: Tokens of a usual batch, for the layout.
        dtype: bfloat16 where the model will run under autocast to it, else float32. On a CPU without instructions for
            bfloat16 nothing is packed in it, and layers run as ever: many times slower than in float32.

    Where PyTorch lacks the operators, is told not to use oneDNN, or gives other numbers by them than by its linear
    layer, nothing is packed either.
    """
    found: dict[nn.Module, tuple[nn.Linear, str]] = {}
    for module in model.modules() if _can_pack(dtype) else ():
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
    """Whether this CPU has instructions for bfloat16, and this PyTorch uses them."""
    operators = torch.ops.mkldnn
    if not _uses_onednn() or not hasattr(operators, "_is_mkldnn_bf16_supported"):
        return False
    return bool(operators._is_mkldnn_bf16_supported())


def _uses_onednn() -> bool:
    """Whether PyTorch was built with oneDNN, and is not told to leave it alone."""
    onednn = torch.backends.mkldnn
    return bool(onednn.is_available() and onednn.enabled)  # type: ignore[no-untyped-call]


def _can_pack(dtype: torch.dtype) -> bool:
    """Whether the operators are there, which are PyTorch's own and may change, and agree with its linear layer."""
    if not _uses_onednn() or (dtype is torch.bfloat16 and not multiplies_bfloat16()):
        return False
    if not all(hasattr(torch.ops.mkldnn, name) for name in ("_linear_pointwise", "_reorder_linear_weight")):
        return False
    weight, bias, x = (
        torch.linspace(-2, 2, math.prod(shape), dtype=torch.float32, device="cpu").reshape(shape)
        for shape in ((4, 8), (4,), (3, 8))
    )
    with torch.inference_mode(), torch.autocast("cpu", enabled=False):
        plain = nn.functional.linear(x, weight, bias)
        try:
            for then, expected in (("none", plain), ("gelu", nn.functional.gelu(plain))):
                product = _product(x, *_laid_out(weight, bias, len(x), dtype), then)
                same = product.shape == expected.shape and product.dtype is dtype
                if not same or not torch.allclose(product.float(), expected, rtol=0, atol=CANARY[dtype]):
                    return False
        except (RuntimeError, TypeError, NotImplementedError):  # another signature, or no kernel behind the name
            return False
    return True


def _suits(module: nn.Linear) -> bool:
    # Exactly nn.Linear: a subclass may compute something else, a forward of its own is somebody else's, and a hook
    # before it may make the weight anew (weight normalisation does).
    if type(module) is not nn.Linear or "forward" in vars(module) or module._forward_pre_hooks:
        return False
    weight = module.weight
    return weight.device.type == "cpu" and weight.dtype is torch.float32


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
    weight, bias = _laid_out(layer.weight, layer.bias, rows, dtype)

    def forward(*args: Any, **others: Any) -> Tensor:
        if len(args) != 1 or others or not isinstance(args[0], Tensor):
            return usual(*args, **others)
        (x,) = args
        wanted = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype
        if wanted is not dtype or not torch.is_inference_mode_enabled():
            return usual(x)
        return _product(x, weight, bias, then)

    return forward


def _laid_out(weight: Tensor, bias: Tensor | None, rows: int, dtype: torch.dtype) -> tuple[Tensor, Tensor | None]:
    laid_out = torch.ops.mkldnn._reorder_linear_weight(weight.detach().to(dtype), rows)
    return laid_out, None if bias is None else bias.detach().to(dtype)


def _product(x: Tensor, weight: Tensor, bias: Tensor | None, then: str) -> Tensor:
    product: Tensor = torch.ops.mkldnn._linear_pointwise(x.to(weight.dtype), weight, bias, then, [], "none")
    return product
