"""Digests of functions: of their code, and of everything that the code refers to, by value.

Two functions with one digest compute the same. The reverse is not guaranteed: a new version of Python or of a library
gives another digest. Functions of installed packages enter by name and version, those of the user by content.
"""

from __future__ import annotations

import dis
import enum
import functools
import hashlib
import importlib
import importlib.metadata
import os
import sys
import sysconfig
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import torch

INSTALLED = tuple(
    Path(folder).resolve() for name, folder in sysconfig.get_paths().items() if name in ("stdlib", "purelib", "platlib")
)
"""Folders of the standard library and of installed packages."""
THIS_PACKAGE = Path(__file__).resolve().parents[1]
OWN_VERSION = 1
"""Version of the built-in poolings, raised when one computes other numbers: stored vectors are then computed again."""
HEAP_TYPE = 1 << 9
"""Flag of a class that was created at run time, as those written in Python are."""
PLAIN = (bool, int, float, complex, str, bytes, type(None), type(...), type(NotImplemented), range, slice)
"""Types of values that their text determines."""
NAMED = (torch.dtype, torch.device, torch.layout, torch.memory_format, np.dtype, np.ufunc)
"""Types of library objects whose text is their name."""
UNTRACED = {"open", "eval", "exec", "globals", "compile", "__import__"}
"""Built-in functions that read things that the code does not name."""
ENVIRONMENT = {"environ", "environb", "getenv"}
"""Attributes of `os` that hold variables of the environment."""
DERIVED_ATTRIBUTES = {
    "__dict__",
    "__weakref__",
    "__doc__",
    "__module__",
    "__qualname__",
    "__annotations__",
    "_abc_impl",
} | {
    f"__{name}__"
    for name in "firstlineno static_attributes dataclass_fields dataclass_params match_args abstractmethods "
    "parameters orig_bases slots annotate_func annotations_cache annotate".split()
}
"""Attributes of a class that Python derives from the rest."""


class UnknownContentError(ValueError):
    """A function refers to something that has no digest."""


def function_digest(function: Callable[..., Any]) -> str:
    """Return the SHA-256 digest of the computation of a function, method, partial or callable object.

    It covers bytecode, constants, nested functions, defaults, the variables of a closure, attributes, and the global
    variables and functions that are named, down to those of installed packages, which enter by name and version.

    Raises:
        UnknownContentError: The function refers to something that is none of these, nor a number, text, array, tensor
            or a collection or object of such.
    """
    return _Traversal().digest(function, "the function itself")


class _Traversal:
    """A walk through a value and its parts, which visits every mutable object once."""

    def __init__(self) -> None:
        self._number_of_id: dict[int, int] = {}
        self._visited: list[Any] = []  # an id belongs to one object only as long as that exists

    def digest(self, value: Any, name: str) -> str:
        """Return the SHA-256 digest of a value; `name` describes it in error messages."""
        digest = hashlib.sha256()
        for part in self._bytes(value, name):
            digest.update(len(part).to_bytes(8, "little") + part)
        return digest.hexdigest()

    def _bytes(self, value: Any, name: str) -> Iterator[bytes]:
        """Yield the bytes that determine a value, part by part."""
        kind = type(value)
        if isinstance(value, enum.Enum):
            yield f"enum {kind.__qualname__}.{value.name}".encode()
            yield from self._bytes(kind, f"class of {name}")  # its members and their values
            return
        if kind in PLAIN or isinstance(value, NAMED):
            yield f"{kind.__name__} {value!r}".encode()
            return

        # Whether equal constants are one object depends on how the code was loaded; for mutable objects it matters.
        if not isinstance(value, tuple | frozenset | types.CodeType):
            if id(value) in self._number_of_id:  # a second reference, or a cycle
                yield f"seen {self._number_of_id[id(value)]}".encode()
                return
            self._number_of_id[id(value)] = len(self._number_of_id)
            self._visited.append(value)

        if kind in (np.ndarray, np.memmap) or isinstance(value, np.generic):
            yield from _array_bytes(value, name)
        elif kind in (torch.Tensor, torch.nn.Parameter):
            yield from _tensor_bytes(value, name)
        else:
            yield f"{kind.__module__}.{kind.__qualname__}".encode()
            for i, (label, part) in enumerate(_content(value, name)):
                yield f"{i} {label}".encode()
                yield from self._bytes(part, label)


def _array_bytes(array: Any, name: str) -> Iterator[bytes]:
    if array.dtype.hasobject:
        raise UnknownContentError(f"{name} is an array of objects")
    yield f"array {array.dtype.descr} {array.shape}".encode()
    yield np.ascontiguousarray(array).tobytes()


def _tensor_bytes(tensor: torch.Tensor, name: str) -> Iterator[bytes]:
    if tensor.layout is not torch.strided or tensor.is_quantized or tensor.is_meta:
        raise UnknownContentError(f"{name} is a tensor that is not dense")
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    yield f"tensor {tensor.dtype} {tuple(tensor.shape)}".encode()
    yield flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""


def _content(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Yield the parts of a value with their labels, in an order that is the same in every process."""
    if isinstance(value, types.CodeType):
        yield from _code(value)
    elif isinstance(value, types.ModuleType):
        yield "module", _library(value.__name__) or value.__name__
    elif isinstance(value, type):
        yield from _class(value)
    elif isinstance(value, types.FunctionType):
        yield from _function(value)
    elif isinstance(value, types.MethodType):
        yield "function", value.__func__
        yield "object", value.__self__
    elif isinstance(value, types.BuiltinFunctionType | types.MethodWrapperType):
        module = value.__module__ if hasattr(value, "__module__") else ""
        yield "name", f"{module}.{value.__qualname__}"
        if not isinstance(value.__self__, types.ModuleType | type(None)):
            yield "object", value.__self__
    elif isinstance(value, types.MethodDescriptorType | types.WrapperDescriptorType | types.ClassMethodDescriptorType):
        yield "name", f"{value.__objclass__.__module__}.{value.__qualname__}"
    elif isinstance(value, staticmethod | classmethod):
        yield "function", value.__func__
    elif isinstance(value, property):
        yield "get", value.fget
        yield "set", value.fset
    elif isinstance(value, functools.partial):
        yield "function", value.func
        yield "arguments", value.args
        yield "keywords", value.keywords
        yield "attributes", vars(value)
    elif isinstance(value, PurePath):
        yield "path", str(value)
    elif isinstance(value, list | tuple):
        for i, item in enumerate(value):
            yield f"{name}[{i}]", item
        yield from _subclass_attributes(value, name)
    elif isinstance(value, set | frozenset):
        # Sorted by digest: the order of a set differs between processes.
        for item_digest in sorted(_Traversal().digest(item, name) for item in value):
            yield f"{name} {item_digest}", item_digest
        yield from _subclass_attributes(value, name)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield f"key of {name}", key
            yield f"{name}[{key!r}]" if isinstance(key, PLAIN) else name, item
        yield from _subclass_attributes(value, name)
    elif hasattr(value, "__wrapped__") and callable(value):  # functools.cache, in C
        yield "function", value.__wrapped__
    else:
        yield from _object(value, name)


def _code(code: types.CodeType) -> Iterator[tuple[str, Any]]:
    # Not by marshal, whose bytes depend on other references to a constant, nor with lines, which a comment moves.
    yield "bytes", code.co_code
    yield "names", (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
    yield "arguments", (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
    yield "exceptions", code.co_exceptiontable
    for constant in code.co_consts:
        yield "constant", constant


def _function(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    library = _library(function.__globals__.get("__name__"))  # a decorator may replace __module__
    if library:
        yield "name", f"{library} {function.__qualname__}"
        if not function.__closure__ and not vars(function):
            return
    yield "code", function.__code__
    yield "defaults", (function.__defaults__, function.__kwdefaults__)
    yield "attributes", vars(function)
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:
            yield name, "an empty cell"
    if not library:
        yield from _globals(function)


def _globals(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    """Yield the global variables that a function and those inside it name; for a user's module, its attributes."""
    # Code of the function and of all functions inside it.
    codes = [function.__code__]
    for code in codes:  # the list grows while it is read
        codes += [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
    attributes = sorted({name for code in codes for name in code.co_names})
    instructions = [instruction for code in codes for instruction in dis.get_instructions(code)]

    # Global variables.
    names = {step.argval for step in instructions if "GLOBAL" in step.opname or step.opname == "LOAD_NAME"}
    untraced = sorted((names & UNTRACED) - set(function.__globals__))
    if untraced:
        raise UnknownContentError(f"it calls {untraced[0]}, and what that reads is not seen in its code")
    values = {name: function.__globals__[name] for name in sorted(names) if name in function.__globals__}

    # Modules imported inside the functions.
    for name in sorted({step.argval for step in instructions if step.opname == "IMPORT_NAME"}):
        if _library(name) is None:
            try:
                values[f"import {name}"] = importlib.import_module(name)
            except ImportError as error:
                raise UnknownContentError(f"it imports {name!r} when it is called") from error

    for name, value in values.items():
        reads_environment = value is os and bool(ENVIRONMENT.intersection(attributes))
        if reads_environment or value is os.environ or value is os.getenv:
            raise UnknownContentError("it reads variables of the environment")
        yield name, value
        if isinstance(value, types.ModuleType):
            yield from _module(value, name, attributes, {value.__name__})


def _module(
    module: types.ModuleType, name: str, attributes: Sequence[str], modules: set[str]
) -> Iterator[tuple[str, Any]]:
    """Yield the attributes that a user's module and its modules have, out of those named in the code."""
    if _library(module.__name__):
        return
    for attribute in attributes:
        if hasattr(module, attribute):
            value = getattr(module, attribute)
            yield f"{name}.{attribute}", value
            if isinstance(value, types.ModuleType) and value.__name__ not in modules:
                modules.add(value.__name__)
                yield from _module(value, f"{name}.{attribute}", attributes, modules)


def _class(kind: type) -> Iterator[tuple[str, Any]]:
    library = _library(kind.__module__)
    if library:
        yield "name", f"{library} {kind.__qualname__}"
        return
    yield "name", f"{kind.__module__}.{kind.__qualname__}"
    for base in kind.__bases__:
        yield "base", base
    if not _library(type(kind).__module__):
        yield "metaclass", type(kind)
    descriptors = types.GetSetDescriptorType | types.MemberDescriptorType
    for name, value in sorted(vars(kind).items()):
        if name not in DERIVED_ATTRIBUTES and not isinstance(value, descriptors):
            yield name, value


def _subclass_attributes(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Yield the attributes that a user's subclass of list, dictionary or set adds."""
    if not _library(type(value).__module__):
        yield f"class of {name}", type(value)
        yield from sorted(getattr(value, "__dict__", {}).items())


def _object(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Yield the class and the attributes of an object that has all of its state in attributes."""
    kind = type(value)
    for base in kind.__mro__:
        is_in_c = not base.__flags__ & HEAP_TYPE or isinstance(vars(base).get("__new__"), types.BuiltinFunctionType)
        if is_in_c and base is not object:
            raise UnknownContentError(f"{name} is {kind.__module__}.{kind.__qualname__}")
    slots = [slot for base in kind.__mro__ for slot in _slots(base)]
    if not hasattr(value, "__dict__") and not slots and kind.__basicsize__ > object.__basicsize__:
        raise UnknownContentError(f"{name} is {kind.__module__}.{kind.__qualname__}")
    yield "class", kind
    for key, item in sorted(getattr(value, "__dict__", {}).items()):
        yield f"{name}.{key}", item
    for slot in slots:
        if hasattr(value, slot):
            yield f"{name}.{slot}", getattr(value, slot)


def _slots(kind: type) -> tuple[str, ...]:
    slots = vars(kind).get("__slots__", ())
    names = (slots,) if isinstance(slots, str) else tuple(slots)
    return tuple(name for name in names if name not in ("__dict__", "__weakref__"))


def _library(module: str | None) -> str | None:
    """Return name and version of a module that is built in, installed, or of this package; None for a user's module.

    An installed module without a version is treated as a user's.
    """
    name = (module or "").partition(".")[0]
    if name in sys.builtin_module_names or name in sys.stdlib_module_names:
        return None if name == "__main__" else str(module)
    top_module = sys.modules.get(name)
    file = getattr(top_module, "__file__", None)
    if top_module is None or file is None:
        return None
    folder = Path(file).resolve().parent
    if folder == THIS_PACKAGE:
        return f"{module} {OWN_VERSION}"
    if not any(folder.is_relative_to(installed_folder) for installed_folder in INSTALLED):
        return None
    version = getattr(top_module, "__version__", None) or _distribution_version(name)
    return f"{module} {version}" if version else None  # without a version, changes would be unnoticed


@functools.cache
def _distribution_version(name: str) -> str:
    """Return the versions of the distributions that installed a top-level module; empty if none did."""
    distributions = sorted(set(importlib.metadata.packages_distributions().get(name, ())))
    return " ".join(importlib.metadata.version(distribution) for distribution in distributions)
