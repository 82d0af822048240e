"""Boundary checks: what was asked, what was found, what to do."""

from __future__ import annotations

import difflib
import functools
import os
import tempfile
import types
import typing
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sized
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")

SMALLEST_EFFECT = 1e-6
"""In the unit of what is compared: an interval that ends nearer to 0 is told from it by rounding alone."""
MOST_SEED = 2**63 - 1
"""PyTorch's generators take no larger one."""
MOST_STEPS = 4096
"""Steps that an integral of gradients can take: the weights of more would fill the memory."""


class InputError(ValueError):
    """Something the user can mend: a name, a file, a column, a shape. The command line prints it as one line."""


class TextError(InputError):
    """An input error about one text of several; who knows where the text came from says so."""

    def __init__(self, row: int, fault: str) -> None:
        super().__init__(row, fault)
        self.row = row
        """Counted from 0."""
        self.fault = fault
        """The fault, as a sentence goes on after the name of the text."""

    def __str__(self) -> str:
        return f"text {self.row} {self.fault}"


def choose(kind: str, name: str, known: Mapping[str, T]) -> T:
    """The entry called `name`, or an error that lists the names there are.

    Raises:
        InputError: `name` is not a key of `known`.
    """
    if isinstance(name, str) and name in known:
        return known[name]
    raise InputError(unknown(kind, name, known))


def unknown(kind: str, name: object, known: Iterable[object]) -> str:
    """The sentence for a name that does not exist, with the nearest one that does."""
    names = [str(k) for k in known]
    near = difflib.get_close_matches(str(name), names, n=1) if isinstance(name, str | int) else []
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    return f"unknown {kind} {short_repr(name)}{hint}; known: {', '.join(names)}"


def short_repr(value: object, width: int = 60) -> str:
    """A value in one line, cut after `width` characters; as its codes where nothing of it shows in print."""
    if isinstance(value, str):
        text = value if len(value) <= width else f"{value[:width]}..."
        is_visible = any(unicodedata.category(character)[0] in "LNPS" for character in text)
        return repr(text) if is_visible else ascii(text)
    if hasattr(value, "columns"):  # of a table its kind alone
        return f"a {type(value).__name__}"
    line = " ".join(repr(value).split())
    return line if len(line) <= width else f"{line[: width - 3]}..."


def first_line(error: BaseException) -> str:
    """The first line of another library's message, or the error's name where it has none."""
    return str(error).strip().partition("\n")[0] or type(error).__name__


def check_writable(folder: Path) -> None:
    """Raise unless files can be made in `folder`, or in the nearest folder above it that exists."""
    place = next(p for p in (folder.absolute(), *folder.absolute().parents) if p.exists())
    try:
        with tempfile.TemporaryDirectory(prefix=".layerprobe-", dir=place):
            pass
    except OSError as error:
        raise InputError(f"cannot write to {str(folder)!r}: {error.strerror}; name another folder") from error


def check_same_length(**arrays: Sized | None) -> None:
    """Raise unless all the named arrays that are not None have one length."""
    lengths = {name: len(array) for name, array in arrays.items() if array is not None}
    if len(set(lengths.values())) > 1:
        raise InputError("lengths differ: " + ", ".join(f"{name} has {n}" for name, n in lengths.items()))


def is_above_zero(lower: float) -> bool:
    """Return whether an interval with this lower end lies above zero by more than `SMALLEST_EFFECT`; nan does not."""
    return bool(lower > SMALLEST_EFFECT)


def side_of_zero(lower: float, upper: float) -> str:
    """Return the side of zero on which an interval lies: `above`, `below`, or `cannot_tell` where it holds zero.

    An end within `SMALLEST_EFFECT` of 0 counts as 0, and so does one that is undefined (nan).
    """
    if is_above_zero(lower):
        return "above"
    return "below" if is_above_zero(-upper) else "cannot_tell"


def as_path(path: Any, *, name: str) -> Path:
    """A path from text or a path.

    Raises:
        InputError: It is neither, or empty.
    """
    is_path = isinstance(path, str) or (isinstance(path, os.PathLike) and isinstance(os.fspath(path), str))
    if not is_path or not str(path) or "\0" in str(path):
        raise InputError(f"{name} must be a path, found {short_repr(path)}")
    return Path(path)


def check_kind(kind: Any, **values: object) -> None:
    """Raise unless every value is of a kind; NumPy's numbers and truth values are of the kinds of Python's.

    Args:
        kind: A class, or several, as in `str | None`.
        values: Argument name -> value.

    Raises:
        InputError: A value is something else.
    """
    kinds = typing.get_args(kind) or (kind,)
    for name, value in values.items():
        if not any(_is_kind(value, one) for one in kinds):
            words = " or ".join(_KIND_WORDS.get(one, one.__name__) for one in kinds)
            raise InputError(f"{name} must be {words}, found {short_repr(value)}")


def check_fields(value: Any) -> None:
    """Raise unless the fields of a dataclass are of the kinds of their annotations; items of a field are not looked at.

    Raises:
        InputError: A field is of another kind.
    """
    for name, kinds in _field_kinds(type(value)).items():  # type: ignore[arg-type]
        field = getattr(value, name)
        if not any(_is_kind(field, kind) for kind in kinds):
            words = " or ".join(_KIND_WORDS.get(kind, kind.__name__) for kind in kinds)
            raise InputError(f"{type(value).__name__}.{name} must be {words}, found {short_repr(field)}")


@functools.cache
def _field_kinds(dataclass: Any) -> dict[str, tuple[type[Any], ...]]:
    """Field -> the classes that its annotation allows."""
    kinds = {}
    for name, hint in typing.get_type_hints(dataclass).items():
        inner = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
        kinds[name] = tuple(typing.get_origin(kind) or kind for kind in inner)
    return kinds


_KIND_WORDS: Mapping[Any, str] = {
    str: "text",
    bool: "True or False",
    int: "a whole number",
    float: "a number",
    type(None): "None",
    Mapping: "a mapping",
    Callable: "a function",
    tuple: "a list",
    np.ndarray: "an array",
    Path: "a path",
}


def _is_kind(value: object, kind: Any) -> bool:
    if kind is bool or isinstance(value, bool | np.bool_):
        return kind is bool and isinstance(value, bool | np.bool_)
    if kind is int:
        return isinstance(value, int | np.integer)
    if kind is Callable:
        return callable(value) and not isinstance(value, type)
    if kind is float:
        return isinstance(value, int | float | np.integer | np.floating)
    return isinstance(value, tuple | list) if kind is tuple else isinstance(value, kind)


def instance(value: object, kind: type[T], name: str, advice: str = "") -> T:
    """The value itself, where it is of a kind.

    Args:
        value: The argument.
        kind: The class that it must be of.
        name: The argument's name in messages.
        advice: The rest of the sentence, as in `; make one by TextDataset.of`.

    Raises:
        InputError: It is something else.
    """
    if isinstance(value, kind):
        return value
    article = "an" if kind.__name__[0] in "AEIOU" else "a"
    inner = f"; give its {name}" if isinstance(getattr(value, name, None), kind) else advice
    raise InputError(f"{name} must be {article} {kind.__name__}, found {type(value).__name__}{inner}")


def whole_number(value: object, name: str, *, least: int = 0, most: int | None = None) -> int:
    """The value as an `int`; NumPy's integers are whole numbers too.

    Raises:
        InputError: It is none, or lies outside the bounds.
    """
    above = most is not None and isinstance(value, int | np.integer) and value > most
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least or above:
        bounds = f"{least} or more" if most is None else f"from {least} to {most}"
        raise InputError(f"{name} must be a whole number {bounds}, found {short_repr(value)}")
    return int(value)


def finite_number(value: object, name: str, *, least: float = 0.0) -> float:
    """The value as a `float`.

    Raises:
        InputError: It is no finite number, or below `least`.
    """
    number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if not number or not least <= value < float("inf"):  # type: ignore[operator]
        raise InputError(f"{name} must be a finite number of {least:g} or more, found {short_repr(value)}")
    return float(value)  # type: ignore[arg-type]
