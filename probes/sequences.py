"""Sequences of any library, as Series, arrays, tensors and generators, made lists of plain Python values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probes.checks import InputError, class_ids

TO_LIST = ("tolist", "to_list", "to_pylist")
"""Methods that arrays, tensors, Series, Indexes and Arrow columns have; a Series' own index plays no part in them."""


def as_list(values: object, name: str) -> list[Any]:
    """The items in their order, numbers of other libraries as Python's.

    Args:
        values: Anything with items in an order.
        name: What an error calls it.

    Raises:
        InputError: It has no items, or they have no order.
    """
    if isinstance(values, str | bytes | Mapping | set | frozenset) or hasattr(values, "columns"):
        hint = "; name one column of it" if hasattr(values, "columns") or isinstance(values, Mapping) else ""
        raise InputError(f"{name} must be a sequence, found {_kind(values)}{hint}")
    for method in TO_LIST:
        if hasattr(values, method):
            values = getattr(values, method)()
            break
    if not isinstance(values, Iterable):
        raise InputError(f"{name} must be a sequence, found {_kind(values)}")
    return [_plain(value) for value in values]


def as_ids(values: object, name: str) -> NDArray[np.integer[Any]]:
    """The items as an array of class ids, whose range is not looked at.

    Raises:
        InputError: It is no sequence of whole numbers.
    """
    return class_ids(values if hasattr(values, "__len__") else as_list(values, name), name=name)


def described(value: object) -> str:
    """A value that is not what it should be, in a few words."""
    if value is None or isinstance(value, bool | int | float):
        return repr(value)
    return _kind(value)


def _plain(value: Any) -> Any:
    """A number of numpy's or PyTorch's as Python's, a missing value of pandas' as None."""
    if type(value) is str:
        return value
    if type(value).__name__ == "NAType":  # it compares to nothing, itself included
        return None
    if hasattr(value, "item") and getattr(value, "ndim", 0) == 0:
        return value.item()
    return value


def _kind(value: object) -> str:
    if isinstance(value, str):
        return f"the text {value[:20]!r}"
    if value is None or isinstance(value, bytes):
        return "None" if value is None else "bytes"
    name = type(value).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"
