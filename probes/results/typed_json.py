"""Values of JSON, checked against the types of the dataclass that they become."""

from __future__ import annotations

import collections.abc
import dataclasses
import functools
import json
import math
import re
import types
import typing
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probes.checks import InputError, short_repr

MOST_NESTED = 60
"""Largest depth of nested lists and objects in a setting."""
LARGEST = 2**63
"""Bound that no whole number of a result reaches."""
LARGEST_NUMBER = 1e30
"""Size that no number of a result exceeds; sums and squares of such numbers are finite."""
_WORDS: Mapping[Any, str] = {
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a finite number up to 1e30",
    type(None): "null",
}


class MisfitError(InputError):
    """A value that a result cannot have; the message names the field, the expected value and the actual one."""


def misfit(field: str, expected: str, value: object) -> MisfitError:
    """Return the error for a value of a field."""
    return MisfitError(f"{field} must be {expected}, found {short_repr(value)}")


def parse_json(content: bytes) -> Any:
    """Parse strict JSON in UTF-8: without `NaN`, and with distinct keys in every object.

    Raises:
        MisfitError: The content is not strict JSON.
    """
    try:
        return json.loads(content.decode("utf-8"), parse_constant=_no_constant, object_pairs_hook=_object)
    except MisfitError:
        raise
    except ValueError as error:
        raise MisfitError(f"it is not JSON ({' '.join(str(error).split())[:200]})") from error
    except RecursionError as error:
        raise MisfitError("its lists are nested too deep") from error


def _no_constant(name: str) -> Any:
    raise MisfitError(f"JSON has no number {name}")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    parsed = dict(pairs)
    if len(parsed) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise MisfitError(f"the key {repeated!r} occurs twice in one object")
    return parsed


def fields(kind: type[Any], values: object, where: str, *, lost_numbers: bool = False) -> dict[str, Any]:
    """Check the fields of a dataclass against its annotations.

    Lists become tuples where the annotation says so. Fields with a default may be missing. Fields of arrays are
    returned unchecked.

    Args:
        kind: The dataclass.
        values: Its fields as JSON holds them.
        where: Name of the value in messages, as in `claims[3]`.
        lost_numbers: Whether null stands for a number that is not finite, which JSON cannot hold.

    Returns:
        Keyword arguments of the dataclass.

    Raises:
        MisfitError: A field is missing, unknown, or of another type.
    """
    if not isinstance(values, dict):
        raise misfit(where, "an object", values)
    declared = {field.name: field for field in dataclasses.fields(kind)}
    unknown = values.keys() - declared.keys()
    if unknown:
        raise MisfitError(f"{where} has no field {min(unknown)!r}")
    for name, field in declared.items():
        is_required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if is_required and name not in values:
            raise MisfitError(f"{where} lacks {name!r}")
    hints = _type_hints(kind)  # type: ignore[arg-type]  # every class is hashable
    return {
        name: typed(hints[name], value, f"{where}.{name}", lost_numbers=lost_numbers) for name, value in values.items()
    }


@functools.cache
def _type_hints(kind: type[Any]) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def typed(hint: Any, value: Any, where: str, *, lost_numbers: bool = False) -> Any:
    """Check a JSON value against a type, and turn lists into tuples.

    Args:
        hint: The type.
        value: The value as JSON holds it.
        where: Name of the value in messages.
        lost_numbers: Whether null stands for a number that is not finite.

    Raises:
        MisfitError: The value has another type or length, or is not a finite number.
    """
    origin = typing.get_origin(hint)
    inner = typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return _typed_union(inner, value, where, lost_numbers=lost_numbers)
    if hint is Any:
        check_nesting(value, where)
        return value
    if origin is tuple:
        return _typed_tuple(inner, value, where, lost_numbers=lost_numbers)
    if origin is collections.abc.Mapping:
        if not isinstance(value, dict):
            raise misfit(where, "an object", value)
        return {key: typed(inner[1], item, f"{where}.{key}", lost_numbers=lost_numbers) for key, item in value.items()}
    if hint is float and value is None and lost_numbers:
        return math.nan
    if hint not in _WORDS:  # arrays are checked by `array`
        return value
    if not fits(hint, value):
        raise misfit(where, _WORDS[hint], value)
    return value


def fits(hint: Any, value: object) -> bool:
    """Return whether a value is of a plain type; numbers are finite, and a whole number is a number too."""
    if hint is bool or isinstance(value, bool):
        return hint is bool and isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and -LARGEST <= value < LARGEST
    if hint is float:
        return (isinstance(value, float) and abs(value) <= LARGEST_NUMBER) or fits(int, value)
    return isinstance(value, hint)


def _typed_union(kinds: tuple[Any, ...], value: Any, where: str, *, lost_numbers: bool) -> Any:
    """Check a value against the first type of a union that it could have."""
    plain = [kind for kind in kinds if kind in _WORDS]
    if any(fits(kind, value) for kind in plain):
        return value
    nested = [kind for kind in kinds if kind not in _WORDS]
    if not nested:
        raise misfit(where, " or ".join(_WORDS[kind] for kind in plain), value)
    return typed(nested[0], value, where, lost_numbers=lost_numbers)


def _typed_tuple(inner: tuple[Any, ...], value: Any, where: str, *, lost_numbers: bool) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise misfit(where, "a list", value)
    kinds = inner[:1] * len(value) if inner[-1] is Ellipsis else inner
    if len(value) != len(kinds):
        raise misfit(where, f"a list of {len(kinds)}", value)
    return tuple(
        typed(kind, item, f"{where}[{i}]", lost_numbers=lost_numbers)
        for i, (kind, item) in enumerate(zip(kinds, value, strict=True))
    )


def check_nesting(value: object, where: str, level: int = 0) -> None:
    """Raise where lists and objects are nested too deep, or a number is too large."""
    if level > MOST_NESTED:
        raise MisfitError(f"{where.partition('.')[0]} holds lists that are nested too deep")
    if isinstance(value, dict):
        for key, item in value.items():
            check_nesting(item, f"{where}.{key}", level + 1)
    elif isinstance(value, list):
        for item in value:
            check_nesting(item, where, level + 1)
    elif isinstance(value, int | float) and not isinstance(value, bool) and not fits(float, value):
        raise misfit(where, _WORDS[float], value)


def check_characters(values: Mapping[str, Any]) -> None:
    """Raise where a text holds a lone surrogate, which no table can hold."""
    for name, value in values.items():
        if isinstance(value, str) and not value.isascii() and _LONE_SURROGATE.search(value):
            raise misfit(name, "text of whole characters", value)


_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def array(values: Mapping[str, Any], name: str, width: int) -> NDArray[Any]:
    """Return an array of JSON's numbers, where null stands for a number that is not finite."""
    listed = values.get(name) if isinstance(values, dict) else None
    if width:
        rows = typed(tuple[tuple[int, int, int], ...], listed, name)
        return np.asarray(rows, dtype=np.int64).reshape(-1, width)
    return np.asarray(typed(tuple[float, ...], listed, name, lost_numbers=True), dtype=np.float64)


def plain(value: Any) -> Any:
    """Return a value in the types of JSON; numbers that are not finite become null."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
