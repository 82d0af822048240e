"""A device that is the CPU under another name and, as a GPU does, refuses an operation on tensors of two devices.

With `settings["float64"]` False it refuses float64 too, as Apple's does. A model is moved to it with
`torch.__future__.set_overwrite_module_params_on_conversion(True)`.

To import it registers it as "pretend", for the whole process: import it in one of its own.
"""

from collections import Counter

import torch
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

aten = torch.ops.aten
INDEXING = {aten.index.Tensor, aten.index_put_.default, aten.index_put.default}
TAKES_OTHERS = {aten._to_copy.default, aten.copy_.default, *INDEXING}
"""Operations that may have a tensor of the CPU beside one of the device: copies, and indices."""
settings = {"float64": True}
calls: Counter[str] = Counter()
"""Operations that ran there."""


class Pretend(torch.Tensor):
    """A tensor there; `held` is what it stands for."""

    @staticmethod
    def __new__(cls, held):
        layout = {"strides": held.stride(), "storage_offset": held.storage_offset(), "dtype": held.dtype}
        wrapper = torch.Tensor._make_wrapper_subclass(cls, held.size(), **layout, device="pretend:0")
        wrapper.held = held
        return wrapper

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return run(func, *args, **(kwargs or {}))

    def __getitem__(self, index):
        # PyTorch would make a tensor of a list, which it cannot do on a device that is written in Python.
        several = index if isinstance(index, tuple) else (index,)
        several = tuple(_tensor(item) if isinstance(item, list) else item for item in several)
        return super().__getitem__(several if isinstance(index, tuple) else several[0])


def run(func, *args, **kwargs):
    """One operation, on the CPU."""
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
    if func not in TAKES_OTHERS and any(leaf.ndim and not isinstance(leaf, Pretend) for leaf in tensors):
        raise RuntimeError(f"{func}: tensors on two devices")
    calls[str(func)] += 1
    is_pretended = any(isinstance(leaf, Pretend) for leaf in tensors)
    held_args, held_kwargs = tree_map(lambda leaf: leaf.held if isinstance(leaf, Pretend) else leaf, (args, kwargs))
    if kwargs.get("device") is not None:
        is_pretended, held_kwargs["device"] = torch.device(kwargs["device"]).type == "pretend", "cpu"
    output = func(*held_args, **held_kwargs)
    tensors_made = [leaf for leaf in tree_leaves(output) if isinstance(leaf, torch.Tensor)]
    if is_pretended and not settings["float64"] and any(leaf.dtype is torch.float64 for leaf in tensors_made):
        raise TypeError(f"{func}: the device has no float64")
    if func._schema.is_mutable:
        return kwargs.get("out", args[0])
    return tree_map(lambda leaf: Pretend(leaf) if is_pretended and isinstance(leaf, torch.Tensor) else leaf, output)


_setup_privateuseone_for_python_backend("pretend")
_library = torch.library.Library("_", "IMPL")
_library.fallback(run, "PrivateUse1")
torch.pretend.get_amp_supported_dtype = lambda: [torch.bfloat16]  # what autocast asks of a device

_tensor = torch.tensor


def _made_there(data, *, device=None, **options):
    """`torch.tensor` reaches no device that is written in Python."""
    return _tensor(data, **options) if device is None else _tensor(data, **options).to(device)


torch.tensor = _made_there
torch.inference_mode = torch.no_grad  # views in inference mode are another thing that it cannot do
