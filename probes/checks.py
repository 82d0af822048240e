"""Checks of arguments, with messages that name the value, the valid choices and a remedy."""

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
"""Distance from 0 below which the end of an interval counts as 0: rounding alone can move it that far."""
MOST_SEED = 2**63 - 1
"""Largest seed that PyTorch's generators take."""
MOST_DRAWS = 1_000_000
"""Most random draws that an argument may ask for."""
MOST_STEPS = 4096
"""Most steps of an integral of gradients: the weights of more would fill the memory."""


class InputError(ValueError):
    """An error that the user can correct: a name, a file, a column, a shape. The command line prints it as one line."""


class TextError(InputError):
    """An input error about one text of several; a caller that knows the text's source raises a more specific one."""

    def __init__(self, row: int, fault: str) -> None:
        super().__init__(row, fault)
        self.row = row
        """Number of the text, from 0."""
        self.fault = fault
        """The rest of the sentence after the name of the text."""

    def __str__(self) -> str:
        return f"text {self.row} {self.fault}"


def choose(kind: str, name: str, entries: Mapping[str, T]) -> T:
    """Return the entry of a table by its name.

    Args:
        kind: Noun for the entries in the message.
        name: Key of the entry.
        entries: The table.

    Raises:
        InputError: `name` is not a key of the table; the message lists the keys.
    """
    if isinstance(name, str) and name in entries:
        return entries[name]
    raise InputError(unknown_name_message(kind, name, entries))


def unknown_name_message(kind: str, name: object, valid_names: Iterable[object]) -> str:
    """Return the message for a name that does not exist, with the most similar one that does.

    Args:
        kind: Noun for what is named.
        name: The name that does not exist.
        valid_names: All names that exist.
    """
    names = [str(valid_name) for valid_name in valid_names]
    similar = difflib.get_close_matches(str(name), names, n=1) if isinstance(name, str | int) else []
    hint = f" (did you mean {similar[0]!r}?)" if similar else ""
    return f"unknown {kind} {short_repr(name)}{hint}; known: {', '.join(names)}"


def short_repr(value: object, width: int = 60) -> str:
    """Return a value's representation in one line, cut after `width` characters.

    Invisible characters alone are written as their codes, and a table as its type.
    """
    if isinstance(value, str):
        text = value if len(value) <= width else f"{value[:width]}..."
        is_visible = any(unicodedata.category(character)[0] in "LNPS" for character in text)
        return repr(text) if is_visible else ascii(text)
    if hasattr(value, "columns"):
        return f"a {type(value).__name__}"
    line = " ".join(repr(value).split())
    return line if len(line) <= width else f"{line[: width - 3]}..."


def first_line(error: BaseException) -> str:
    """Return the first line of another library's message, or the name of the error where it has none."""
    return str(error).strip().partition("\n")[0] or type(error).__name__


def check_writable(folder: Path) -> None:
    """Raise unless files can be created in `folder`, or in its nearest parent that exists."""
    candidates = (folder.absolute(), *folder.absolute().parents)
    existing_folder = next(candidate for candidate in candidates if candidate.exists())
    try:
        with tempfile.TemporaryDirectory(prefix=".layerprobe-", dir=existing_folder):
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
    """Convert text or a path to a path.

    Args:
        path: The argument.
        name: Name of the argument in the message.

    Raises:
        InputError: It is neither, or empty.
    """
    is_text_path = isinstance(path, os.PathLike) and isinstance(os.fspath(path), str)
    is_path = isinstance(path, str) or is_text_path
    if not is_path or not str(path) or "\0" in str(path):
        raise InputError(f"{name} must be a path, found {short_repr(path)}")
    return Path(path)


def from_home(path: Path | str, *, name: str) -> Path:
    """Return a path in which the user's home folder replaces a leading `~`.

    Raises:
        InputError: It is no path, or the user has no home folder.
    """
    path = as_path(path, name=name)
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise InputError(f"the home folder in {name} {str(path)!r} is not known; give the full path") from error


def check_kind(kind: Any, **values: object) -> None:
    """Raise unless every value is of a kind; NumPy's numbers and truth values count as Python's.

    Args:
        kind: A class, or a union of classes as `str | None`.
        values: Name of an argument -> its value.

    Raises:
        InputError: A value is something else.
    """
    kinds = typing.get_args(kind) or (kind,)
    for name, value in values.items():
        if not any(_is_kind(value, option) for option in kinds):
            raise InputError(f"{name} must be {_kind_names(kinds)}, found {short_repr(value)}")


def check_fields(value: Any) -> None:
    """Raise unless the fields of a dataclass are of the kinds of their annotations; items of containers may be any.

    Raises:
        InputError: A field is of another kind.
    """
    for name, kinds in _field_kinds(type(value)).items():  # type: ignore[arg-type]
        field = getattr(value, name)
        if not any(_is_kind(field, kind) for kind in kinds):
            owner = type(value).__name__
            raise InputError(f"{owner}.{name} must be {_kind_names(kinds)}, found {short_repr(field)}")


def _kind_names(kinds: Iterable[Any]) -> str:
    """Return the names of kinds for a message: `text or None`."""
    return " or ".join(_NAME_BY_KIND.get(kind, kind.__name__) for kind in kinds)


@functools.cache
def _field_kinds(dataclass: Any) -> dict[str, tuple[type[Any], ...]]:
    """Return field -> the classes that its annotation allows."""
    kinds = {}
    for name, hint in typing.get_type_hints(dataclass).items():
        inner = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
        kinds[name] = tuple(typing.get_origin(kind) or kind for kind in inner)
    return kinds


_NAME_BY_KIND: Mapping[Any, str] = {
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


def check_instance(value: object, kind: type[T], name: str, advice: str = "") -> T:
    """Return the value itself where it is an instance of a class.

    Args:
        value: The argument.
        kind: The class.
        name: Name of the argument in the message.
        advice: End of the message, as `; make one by TextDataset.of`.

    Raises:
        InputError: It is an instance of another class.
    """
    if isinstance(value, kind):
        return value
    article = "an" if kind.__name__[0] in "AEIOU" else "a"
    inner = f"; give its {name}" if isinstance(getattr(value, name, None), kind) else advice
    raise InputError(f"{name} must be {article} {kind.__name__}, found {type(value).__name__}{inner}")


def whole_number(value: object, name: str, *, least: int = 0, most: int | None = None) -> int:
    """Return the value as an `int`; NumPy's integers are whole numbers too.

    Args:
        value: The argument.
        name: Name of the argument in the message.
        least: Smallest valid value.
        most: Largest valid value; no bound when None.

    Raises:
        InputError: It is not a whole number, or lies outside the bounds.
    """
    is_integer = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if is_integer:
        number: int = int(value)  # type: ignore[call-overload]
        if least <= number and (most is None or number <= most):
            return number
    bounds = f"{least} or more" if most is None else f"from {least} to {most}"
    raise InputError(f"{name} must be a whole number {bounds}, found {short_repr(value)}")


def finite_number(value: object, name: str, *, least: float = 0.0) -> float:
    """Return the value as a `float`.

    Args:
        value: The argument.
        name: Name of the argument in the message.
        least: Smallest valid value.

    Raises:
        InputError: It is not a finite number, or below `least`.
    """
    is_number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if not is_number or not least <= value < float("inf"):  # type: ignore[operator]
        raise InputError(f"{name} must be a finite number of {least:g} or more, found {short_repr(value)}")
    return float(value)  # type: ignore[arg-type]
