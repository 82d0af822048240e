"""Digests of functions: their code, and all that the code refers to, by value.

Two functions of one digest compute the same. The other way round nothing is promised: a new version of Python or of a
library gives another digest. Functions of installed packages count by name and version, those of the user by content.
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
OWN = Path(__file__).resolve().parents[1]
OWN_VERSION = 1
"""Raised with every change of what a built-in pooling computes: vectors kept on disk are then made again."""
HEAP = 1 << 9
"""Flag of a class that was made when the program ran, as those written in Python are."""
PLAIN = (bool, int, float, complex, str, bytes, type(None), type(...), type(NotImplemented), range, slice)
"""Types of values whose text tells all of them."""
NAMED = (torch.dtype, torch.device, torch.layout, torch.memory_format, np.dtype, np.ufunc)
"""Objects of a library whose text is their name."""
UNTRACED = {"open", "eval", "exec", "globals", "compile", "__import__"}
"""Built-in functions that reach what is not named in the code."""
ENVIRONMENT = {"environ", "environb", "getenv"}
"""Attributes of `os` that hold variables of the environment."""
MACHINERY = {"__dict__", "__weakref__", "__doc__", "__module__", "__qualname__", "__annotations__", "_abc_impl"} | {
    f"__{name}__"
    for name in "firstlineno static_attributes dataclass_fields dataclass_params match_args abstractmethods "
    "parameters orig_bases slots annotate_func annotations_cache annotate".split()
}
"""Attributes of a class that Python makes of the others."""


class UnknownContentError(ValueError):
    """A function refers to something of which no digest can be taken."""


def function_digest(function: Callable[..., Any]) -> str:
    """SHA-256 of what a function, method, partial or callable object computes.

    It covers bytecode, constants, nested functions, defaults, what a closure holds, attributes, and the global
    variables and functions that are named, down to those of installed packages, which count by name and version.

    Raises:
        UnknownContentError: It refers to something that is none of these, nor a number, text, array, tensor or a
            collection or object of such.
    """
    digest, seen = hashlib.sha256(), dict[int, int]()
    held: list[Any] = []  # an id is one object's as long as that lives
    for part in _parts(function, "the function itself", seen, held):
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()


def _parts(value: Any, name: str, seen: dict[int, int], held: list[Any]) -> Iterator[bytes]:
    """The bytes that tell a value, each part by its kind."""
    kind = type(value)
    if isinstance(value, enum.Enum):
        yield f"enum {kind.__qualname__}.{value.name}".encode()
        yield from _parts(kind, f"class of {name}", seen, held)  # its members and their values
        return
    if kind in PLAIN or isinstance(value, NAMED):
        yield f"{kind.__name__} {value!r}".encode()
        return
    # Whether equal constants are one object hangs on how the code was loaded; of what can change it tells something.
    if not isinstance(value, tuple | frozenset | types.CodeType):
        if id(value) in seen:  # again, or a cycle
            yield f"seen {seen[id(value)]}".encode()
            return
        seen[id(value)] = len(seen)
        held.append(value)
    if kind in (np.ndarray, np.memmap) or isinstance(value, np.generic):
        if value.dtype.hasobject:
            raise UnknownContentError(f"{name} is an array of objects")
        yield f"array {value.dtype.descr} {value.shape}".encode()
        yield np.ascontiguousarray(value).tobytes()
        return
    if kind in (torch.Tensor, torch.nn.Parameter):
        if value.layout is not torch.strided or value.is_quantized or value.is_meta:
            raise UnknownContentError(f"{name} is a tensor that is not dense")
        flat = value.detach().cpu().contiguous().reshape(-1)
        yield f"tensor {value.dtype} {tuple(value.shape)}".encode()
        yield flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""
        return
    yield f"{kind.__module__}.{kind.__qualname__}".encode()
    for i, (label, part) in enumerate(_content(value, name)):
        yield f"{i} {label}".encode()
        yield from _parts(part, label, seen, held)


def _content(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    """The parts of a value, by name, in an order that is the same in every process."""
    if isinstance(value, types.CodeType):
        yield from _code(value)
    elif isinstance(value, types.ModuleType):
        yield "module", _library(value.__name__) or value.__name__
    elif isinstance(value, type):
        yield from _class(value)
    elif isinstance(value, types.FunctionType):
        yield from _function(value)
    elif isinstance(value, types.MethodType):
        yield from (("function", value.__func__), ("object", value.__self__))
    elif isinstance(value, types.BuiltinFunctionType | types.MethodWrapperType):
        yield "name", f"{value.__module__ if hasattr(value, '__module__') else ''}.{value.__qualname__}"
        if not isinstance(value.__self__, types.ModuleType | type(None)):
            yield "object", value.__self__
    elif isinstance(value, types.MethodDescriptorType | types.WrapperDescriptorType | types.ClassMethodDescriptorType):
        yield "name", f"{value.__objclass__.__module__}.{value.__qualname__}"
    elif isinstance(value, staticmethod | classmethod):
        yield "function", value.__func__
    elif isinstance(value, property):
        yield from (("get", value.fget), ("set", value.fset))
    elif isinstance(value, functools.partial):
        yield from (("function", value.func), ("arguments", value.args), ("keywords", value.keywords))
        yield "attributes", vars(value)
    elif isinstance(value, PurePath):
        yield "path", str(value)
    elif isinstance(value, list | tuple):
        yield from ((f"{name}[{i}]", item) for i, item in enumerate(value))
        yield from _of_subclass(value, name)
    elif isinstance(value, set | frozenset):
        yield from ((f"{name} {text}", text) for text in sorted(_alone(item, name) for item in value))
        yield from _of_subclass(value, name)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield f"key of {name}", key
            yield f"{name}[{key!r}]" if isinstance(key, PLAIN) else name, item
        yield from _of_subclass(value, name)
    elif hasattr(value, "__wrapped__") and callable(value):  # as functools.cache makes it, in C
        yield "function", value.__wrapped__
    else:
        yield from _object(value, name)


def _alone(value: Any, name: str) -> str:
    """The digest of one value by itself."""
    digest = hashlib.sha256()
    for part in _parts(value, name, {}, []):
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()


def _code(code: types.CodeType) -> Iterator[tuple[str, Any]]:
    # Not by marshal, whose bytes hang on who else refers to a constant, nor with lines, which a comment moves.
    yield "bytes", code.co_code
    yield "names", (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
    yield "arguments", (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
    yield "exceptions", code.co_exceptiontable
    for constant in code.co_consts:
        yield "constant", constant


def _function(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    library = _library(function.__globals__.get("__name__"))  # a decorator gives its function another's __module__
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
    """The global variables that a function and those inside it name; of a user's module, what they name in it."""
    codes = [function.__code__]
    for code in codes:  # which grows
        codes += [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
    attributes = sorted({name for code in codes for name in code.co_names})
    steps = [step for code in codes for step in dis.get_instructions(code)]
    names = {step.argval for step in steps if "GLOBAL" in step.opname or step.opname == "LOAD_NAME"}
    if beyond := sorted((names & UNTRACED) - set(function.__globals__)):
        raise UnknownContentError(f"it calls {beyond[0]}, and what that reads is not seen in its code")
    values = {name: function.__globals__[name] for name in sorted(names) if name in function.__globals__}
    for name in sorted({step.argval for step in steps if step.opname == "IMPORT_NAME"}):
        if _library(name) is None:
            try:
                values[f"import {name}"] = importlib.import_module(name)
            except ImportError as error:
                raise UnknownContentError(f"it imports {name!r} when it is called") from error
    for name, value in values.items():
        if any(value is each for each in (os.environ, os.getenv)) or (
            value is os and ENVIRONMENT.intersection(attributes)
        ):
            raise UnknownContentError("it reads variables of the environment")
        yield name, value
        if isinstance(value, types.ModuleType):
            yield from _module(value, name, attributes, {value.__name__})


def _module(
    module: types.ModuleType, name: str, attributes: Sequence[str], modules: set[str]
) -> Iterator[tuple[str, Any]]:
    """Those of the attributes that a module of the user's has, and its modules have."""
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
    if library := _library(kind.__module__):
        yield "name", f"{library} {kind.__qualname__}"
        return
    yield "name", f"{kind.__module__}.{kind.__qualname__}"
    yield from (("base", base) for base in kind.__bases__)
    if not _library(type(kind).__module__):
        yield "metaclass", type(kind)
    skipped = types.GetSetDescriptorType | types.MemberDescriptorType
    for name, value in sorted(vars(kind).items()):
        if name not in MACHINERY and not isinstance(value, skipped):
            yield name, value


def _of_subclass(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Attributes that a user's own kind of list, dictionary or set adds."""
    if not _library(type(value).__module__):
        yield f"class of {name}", type(value)
        yield from sorted(getattr(value, "__dict__", {}).items())


def _object(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    """The class and the attributes of an object that has all of its state in attributes."""
    kind = type(value)
    for base in kind.__mro__:
        in_c = not base.__flags__ & HEAP or isinstance(vars(base).get("__new__"), types.BuiltinFunctionType)
        if in_c and base is not object:
            raise UnknownContentError(f"{name} is {kind.__module__}.{kind.__qualname__}")
    slots = [slot for each in kind.__mro__ for slot in _slots(each)]
    if not hasattr(value, "__dict__") and not slots and kind.__basicsize__ > object.__basicsize__:
        raise UnknownContentError(f"{name} is {kind.__module__}.{kind.__qualname__}")
    yield "class", kind
    yield from ((f"{name}.{key}", item) for key, item in sorted(getattr(value, "__dict__", {}).items()))
    yield from ((f"{name}.{slot}", getattr(value, slot)) for slot in slots if hasattr(value, slot))


def _slots(kind: type) -> tuple[str, ...]:
    slots = vars(kind).get("__slots__", ())
    names = (slots,) if isinstance(slots, str) else tuple(slots)
    return tuple(name for name in names if name not in ("__dict__", "__weakref__"))


def _library(module: str | None) -> str | None:
    """Name and version of a module that is not the user's own: built in, installed, or of this package.

    What stands among the installed packages and has no version counts as the user's own.
    """
    name = (module or "").partition(".")[0]
    if name in sys.builtin_module_names or name in sys.stdlib_module_names:
        return None if name == "__main__" else str(module)
    top = sys.modules.get(name)
    file = getattr(top, "__file__", None)
    if top is None or file is None:
        return None
    folder = Path(file).resolve().parent
    if folder == OWN:
        return f"{module} {OWN_VERSION}"
    if not any(folder.is_relative_to(each) for each in INSTALLED):
        return None
    version = getattr(top, "__version__", None) or _distribution_version(name)
    return f"{module} {version}" if version else None  # what has no version may change unnoticed: by content


@functools.cache
def _distribution_version(name: str) -> str:
    """Version of the distributions that installed a top-level module; empty where none did."""
    distributions = sorted(set(importlib.metadata.packages_distributions().get(name, ())))
    return " ".join(importlib.metadata.version(distribution) for distribution in distributions)
