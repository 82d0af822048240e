"""Linear layers on a CPU by oneDNN, with weights packed once for as long as features are extracted.

PyTorch gives a float32 linear layer to MKL, which packs its weights anew at every call, and under autocast it converts
frozen weights to bfloat16 anew at every call. oneDNN with packed weights takes about four fifths of the time, and
applies the GELU behind a linear layer while its output is still in the cache; the benchmark `extraction` shows it. The
operator has no gradient.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

TRIAL_TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 0.1}
"""Largest error of a trial product of numbers up to 10; beyond it the operators are not used."""


@dataclass(frozen=True, eq=False)
class _PackedLayer:
    """A linear layer and the activation that oneDNN applies to its output."""

    linear: nn.Linear
    activation: str
    """`none`, or `gelu` where the module is the linear layer and GELU together."""


@contextlib.contextmanager
def packed_linear_layers(model: nn.Module, rows: int, dtype: torch.dtype = torch.float32) -> Iterator[None]:
    """Run the linear layers of a float32 model by oneDNN in inference mode on a CPU; elsewhere nothing changes.

    Where PyTorch lacks the operators, oneDNN is disabled, or the operators give other numbers than PyTorch's linear
    layer, nothing is packed either.

    Args:
        model: Model to run, left as it was, also after an exception.
        rows: Tokens of a usual batch, for the layout of the weights.
        dtype: bfloat16 where the model will run under autocast to it, else float32. On a CPU without instructions for
            bfloat16 nothing is packed in it, and layers run unchanged: many times slower than in float32.
    """
    layers = _layers_to_pack(model) if _can_pack(dtype) else {}
    fused = {layer.linear for layer in layers.values() if layer.activation == "gelu"}
    try:
        for module, layer in layers.items():
            # Weights are packed once: a linear layer inside a fused module is left to that module.
            if layer.activation == "gelu" or module not in fused:
                vars(module)["forward"] = _packed_forward(layer, rows, dtype, module.forward)
        yield
    finally:
        for module in layers:
            vars(module).pop("forward", None)


def _layers_to_pack(model: nn.Module) -> dict[nn.Module, _PackedLayer]:
    """Return the linear layers of a model, and its modules of a linear layer and GELU."""
    layers: dict[nn.Module, _PackedLayer] = {}
    for module in model.modules():
        if isinstance(module, nn.Linear) and _is_plain_linear(module):
            layers[module] = _PackedLayer(module, "none")
        elif (linear := _linear_before_gelu(module)) is not None:
            layers[module] = _PackedLayer(linear, "gelu")
    return layers


def multiplies_bfloat16() -> bool:
    """Return whether this CPU has instructions for bfloat16, and this PyTorch uses them."""
    operators = torch.ops.mkldnn
    if not _uses_onednn() or not hasattr(operators, "_is_mkldnn_bf16_supported"):
        return False
    return bool(operators._is_mkldnn_bf16_supported())


def _uses_onednn() -> bool:
    """Return whether PyTorch was built with oneDNN, and it is not disabled."""
    onednn = torch.backends.mkldnn
    return bool(onednn.is_available() and onednn.enabled)  # type: ignore[no-untyped-call]


def _can_pack(dtype: torch.dtype) -> bool:
    """Return whether the operators exist, which are private to PyTorch and may change, and pass a trial."""
    if not _uses_onednn() or (dtype is torch.bfloat16 and not multiplies_bfloat16()):
        return False
    if not all(hasattr(torch.ops.mkldnn, name) for name in ("_linear_pointwise", "_reorder_linear_weight")):
        return False
    try:
        return _passes_trial(dtype)
    except (RuntimeError, TypeError, NotImplementedError):  # another signature, or no kernel behind the name
        return False


def _passes_trial(dtype: torch.dtype) -> bool:
    """Return whether the operators agree with PyTorch's linear layer on a small product, with and without GELU."""
    # Fixed numbers: a random draw would change the random state.
    x = _trial_tensor(3, 8)
    weight = _trial_tensor(4, 8)
    bias = _trial_tensor(4)
    with torch.inference_mode(), torch.autocast("cpu", enabled=False):
        reference = nn.functional.linear(x, weight, bias)
        packed_weight, packed_bias = _pack(weight, bias, len(x), dtype)
        expected_outputs = {"none": reference, "gelu": nn.functional.gelu(reference)}
        for activation, expected in expected_outputs.items():
            product = _product(x, packed_weight, packed_bias, activation)
            if product.shape != expected.shape or product.dtype is not dtype:
                return False
            if not torch.allclose(product.float(), expected, rtol=0, atol=TRIAL_TOLERANCE[dtype]):
                return False
    return True


def _trial_tensor(*shape: int) -> Tensor:
    return torch.linspace(-2, 2, math.prod(shape), dtype=torch.float32, device="cpu").reshape(shape)


def _is_plain_linear(module: nn.Linear) -> bool:
    """Return whether a linear layer is float32 on a CPU and computes what `nn.Linear` does."""
    # Exactly nn.Linear: a subclass may compute something else, a replaced forward belongs to other code, and a hook
    # before it may compute the weight anew (weight normalisation does).
    if type(module) is not nn.Linear or "forward" in vars(module) or module._forward_pre_hooks:
        return False
    weight = module.weight
    return weight.device.type == "cpu" and weight.dtype is torch.float32


def _linear_before_gelu(module: nn.Module) -> nn.Linear | None:
    """Return the linear layer of a module that applies it and then GELU, and does nothing else; else None."""
    # The module consists of one linear layer and one GELU.
    children = list(module.children())
    linear_layers = [child for child in children if isinstance(child, nn.Linear)]
    if not any(_is_gelu(child) for child in children):
        return None
    if len(linear_layers) != 1 or len(list(module.modules())) != 3 or "forward" in vars(module):
        return None
    (linear,) = linear_layers
    if not _is_plain_linear(linear):
        return None

    # A hook between the two would not be called.
    if any(child._forward_hooks or child._forward_pre_hooks for child in children):
        return None

    # On a trial input the module gives what the two give.
    x = torch.linspace(-3, 3, 4 * linear.in_features).reshape(1, 4, -1)
    try:
        with torch.inference_mode():
            is_equal = torch.equal(module(x), nn.functional.gelu(linear(x)))
    except (TypeError, RuntimeError, NotImplementedError):  # takes other arguments than one tensor
        return None
    return linear if is_equal else None


def _is_gelu(module: nn.Module) -> bool:
    """Return whether a module is the exact GELU."""
    # By name: a clipped or approximate one may agree with it on the trial input.
    if type(module) is nn.GELU:
        return module.approximate == "none"
    return type(module).__name__ == "GELUActivation" and type(module).__module__ == "transformers.activations"


def _packed_forward(
    layer: _PackedLayer, rows: int, dtype: torch.dtype, plain_forward: Callable[..., Tensor]
) -> Callable[..., Tensor]:
    """Return a forward by oneDNN, which uses the plain one outside inference mode and for other dtypes."""
    weight, bias = _pack(layer.linear.weight, layer.linear.bias, rows, dtype)

    def forward(*args: Any, **kwargs: Any) -> Tensor:
        if len(args) != 1 or kwargs or not isinstance(args[0], Tensor):
            return plain_forward(*args, **kwargs)
        (x,) = args
        output_dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype
        if output_dtype is not dtype or not torch.is_inference_mode_enabled():
            return plain_forward(x)
        return _product(x, weight, bias, layer.activation)

    return forward


def _pack(weight: Tensor, bias: Tensor | None, rows: int, dtype: torch.dtype) -> tuple[Tensor, Tensor | None]:
    """Return the weight in oneDNN's layout, and the bias, in a dtype."""
    packed_weight = torch.ops.mkldnn._reorder_linear_weight(weight.detach().to(dtype), rows)
    packed_bias = None if bias is None else bias.detach().to(dtype)
    return packed_weight, packed_bias


def _product(x: Tensor, weight: Tensor, bias: Tensor | None, activation: str) -> Tensor:
    """Return the linear layer's output by oneDNN, with the activation applied."""
    x = x.to(weight.dtype)
    product: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, activation, [], "none")
    return product
