"""Conversion of sequences and arrays of any library to lists and NumPy arrays, with checks of their content."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from probes.checks import InputError, first_line, short_repr

T = TypeVar("T")

FloatArray = NDArray[np.floating[Any]]
"""Array of any floating type."""
IntegerArray = NDArray[np.integer[Any]]
"""Array of any integer type, as of class ids."""
Float64Array = NDArray[np.float64]
Int64Array = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


class LayerFeatures(Protocol):
    """Layer -> (examples, hidden): an array (layers, examples, hidden), or a store's `layers(pooling)`."""

    def __getitem__(self, layer: int, /) -> FloatArray:
        """Return the features of one layer."""
        ...


TO_LIST = ("to_pylist", "tolist", "to_list")
"""Methods of arrays, tensors, Series, Indexes and Arrow columns that return a list, without the index of a Series."""


MOMENTS = "datetime64[us]"
"""The finest moments of NumPy's that Python has: of finer ones it would make numbers."""


def item_list(values: object, name: str, kind: str = "values") -> list[Any]:
    """Convert a sequence to a new list, with numbers of other libraries as Python's and pandas' missing values as None.

    Args:
        values: Any sequence that `raw_items` takes.
        name: Name of the argument in messages, a plural.
        kind: Noun for its items in messages, a plural.

    Raises:
        InputError: It is a single value, has no order, or has several columns.
    """
    return [plain_item(item) for item in raw_items(values, name, kind)]


def raw_items(values: object, name: str, kind: str) -> list[Any]:
    """Convert a sequence to a new list of its items.

    Args:
        values: A list, tuple, generator, one-dimensional array, tensor, pandas Series of any index, pandas Index,
            column of a dataset, or any other ordered iterable.
        name: Name of the argument in messages, a plural.
        kind: Noun for its items in messages, a plural.

    Raises:
        InputError: It is a single value, has no order, or has several columns.
    """
    wanted = f"{name} must be a list of {kind}"
    if isinstance(values, str | bytes):
        raise InputError(f"{wanted}, found a single one ({short_repr(values)}); put it in a list")
    n_axes = len(getattr(values, "shape", (0,)))
    if isinstance(values, Mapping | Set) or n_axes > 1:
        shape = f" with {n_axes} axes" if n_axes > 1 else ""
        raise InputError(f"{wanted}, found a {type(values).__name__}{shape}; name one column of it")
    if n_axes == 0 or isinstance(values, type) or not hasattr(values, "__iter__"):
        raise InputError(f"{wanted}, found {short_repr(values)}")
    if isinstance(values, np.ndarray) and values.dtype.kind == "M":
        values = values.astype(MOMENTS)
    for method in TO_LIST:
        if hasattr(values, method):
            values = getattr(values, method)()
            break
    return list(values)


def plain_item(item: Any) -> Any:
    """Convert numbers and dates of NumPy or PyTorch to Python's and pandas' missing value to None; keep the rest."""
    if type(item) is str:
        return item
    if type(item).__name__ == "NAType":  # it compares to nothing, itself included
        return None
    if isinstance(item, np.datetime64):
        item = item.astype(MOMENTS)
    if hasattr(item, "item") and getattr(item, "ndim", 0) == 0:
        return item.item()
    return item


def text_list(texts: Iterable[object], name: str = "texts") -> list[str]:
    """Convert a sequence of texts to a new list of `str`.

    Args:
        texts: Any sequence that `raw_items` takes.
        name: Name of the argument in messages, a plural.

    Raises:
        InputError: It is a single text, has no order or several columns, or an entry is not a text.
    """
    strings = raw_items(texts, name, "texts")
    for row, text in enumerate(strings):
        if type(text) is str:
            continue
        if not isinstance(text, str):
            singular = name.removesuffix("s")
            raise InputError(f"{singular} {row} is {short_repr(text)}, not text{_advice(text)}")
        strings[row] = str(text)  # a subclass of str
    return strings


def _advice(entry: object) -> str:
    """Return the end of the message on an entry that is not text: what to do."""
    if isinstance(entry, bytes):
        return "; decode it first"
    is_pair = isinstance(entry, list | tuple) and len(entry) == 2 and all(isinstance(side, str) for side in entry)
    return "; give pairs as Texts(first, second)" if is_pair else ""


def names_list(names: Iterable[str] | str, name: str) -> list[str]:
    """Convert names to a list of texts; a single name becomes a list of one.

    Raises:
        InputError: An entry is not text, or there is no list.
    """
    return [names] if isinstance(names, str) else text_list(names, name)


def layer_list(layers: Iterable[int] | int) -> list[int]:
    """Convert layers to a list; a single layer becomes a list of one. A model may lack such layers.

    Raises:
        InputError: It is no list.
    """
    return [layers] if isinstance(layers, int | str) else item_list(layers, "layers", "whole numbers")


def penalty_list(cs: Any) -> list[float]:
    """Convert inverse penalty strengths to a list, from strong penalties to weak ones.

    Raises:
        InputError: A value is no finite number above 0, or there are no values.
    """
    strengths = [] if isinstance(cs, str) else item_list(cs, "cs", "inverse penalty strengths")
    if not strengths:
        raise InputError(f"no penalty strength to choose from; cs must be numbers above 0, found {short_repr(cs)}")
    for c in strengths:
        is_number = isinstance(c, int | float) and not isinstance(c, bool)
        if not is_number or not 0 < c < float("inf"):
            raise InputError(f"an inverse penalty strength must be a finite number above 0, found {short_repr(c)}")
    return sorted(strengths)


def check_instances(values: Iterable[object], kind: type[T], name: str) -> list[T]:
    """Convert a sequence of instances of one class to a new list.

    Raises:
        InputError: It is no list, or an entry is something else.
    """
    if isinstance(values, kind):
        raise InputError(f"{name} must be a list of {kind.__name__}, found {kind.__name__}; put one into a list")
    entries = item_list(values, name, kind.__name__)
    for row, value in enumerate(entries):
        if not isinstance(value, kind):
            raise InputError(f"{name.removesuffix('s')} {row} is {short_repr(value)}, not {kind.__name__}")
    return entries


def plain_array(values: Any, *, name: str) -> NDArray[Any]:
    """Convert an array, list, generator, pandas object or tensor of any device to a NumPy array.

    Values are copied only where that is necessary.

    Raises:
        InputError: The rows have different lengths, or there are no rows at all.
    """
    if isinstance(values, np.ndarray):
        return values
    if hasattr(values, "detach"):  # a tensor; NumPy has no bfloat16, and float32 holds all of it
        values = values.detach().cpu()
        values = values.float() if str(values.dtype) == "torch.bfloat16" else values
    if isinstance(values, Iterator):
        values = list(values)
    lacks_rows = isinstance(values, type) or not hasattr(values, "__len__")
    if lacks_rows or isinstance(values, str | bytes | Mapping | Set):
        raise InputError(f"{name} must be an array, found {type(values).__name__}")
    if hasattr(values, "to_numpy"):
        return np.asarray(values.to_numpy())
    try:
        return np.asarray(values)
    except (ValueError, TypeError, RuntimeError) as error:
        raise InputError(f"{name} cannot be made an array: {first_line(error)}") from error


def feature_array(features: Any, *, name: str = "features", axes: str = "(examples, hidden)") -> FloatArray:
    """Convert features to an (examples, hidden) array; integers become float64, floats of any size stay as they are.

    Args:
        features: Any values that `plain_array` takes.
        name: Name of the argument in messages.
        axes: Names of the two axes in messages.

    Raises:
        InputError: They are not numbers, or not of two axes.
    """
    array = plain_array(features, name=name)
    if array.dtype == object or array.dtype.kind in "biu":
        try:
            array = array.astype(np.float64)
        except (ValueError, TypeError) as error:
            raise InputError(f"{name} must be numbers: {first_line(error)}") from error
    if array.dtype.kind != "f":
        raise InputError(f"{name} must be numbers, found {array.dtype}")
    if array.ndim != 2:
        raise InputError(f"{name} must be {axes}, found shape {array.shape}")
    return array


def check_features(features: Any, *, name: str = "features") -> None:
    """Raise unless `features` are an array of finite numbers shaped (examples, hidden)."""
    if not isinstance(features, np.ndarray) or features.dtype.kind != "f":
        dtype = features.dtype if isinstance(features, np.ndarray) else type(features).__name__
        raise InputError(f"{name} must be an array of floats, found {dtype}")
    if features.ndim != 2:
        raise InputError(f"{name} must be (examples, hidden), found shape {features.shape}")
    with np.errstate(over="ignore", invalid="ignore"):
        total = features.sum()
    # A sum is not finite where a value is not; it may also overflow where all are.
    if not np.isfinite(total):
        finite = np.isfinite(features).all(axis=1)
        if not finite.all():
            raise InputError(not_finite_message(name, int(finite.argmin())))


def finite_features(features: Any, *, name: str = "features") -> FloatArray:
    """Convert an array, a list, a pandas table or a tensor to (examples, hidden) features.

    Raises:
        InputError: They are not finite numbers of two axes.
    """
    array = feature_array(features, name=name)
    check_features(array, name=name)
    return array


def not_finite_message(name: str, row: int) -> str:
    """Return the message for features of which a value is NaN or infinite."""
    return f"{name} hold a value that is not finite, first in row {row}"


def class_ids(labels: Any, *, name: str = "labels") -> IntegerArray:
    """Convert an array, a list, a generator, a pandas column or a tensor to (examples,) integer class ids of any range.

    Raises:
        InputError: They are not whole numbers of one axis.
    """
    array = plain_array(labels, name=name)
    if array.ndim != 1:
        raise InputError(f"{name} must be one axis of class ids, found shape {array.shape}")
    if not len(array):
        return array.astype(np.int64)
    is_integer_objects = array.dtype == object and all(isinstance(label, int | np.integer) for label in array)
    if is_integer_objects:
        try:
            array = array.astype(np.int64)
        except OverflowError as error:
            raise InputError(f"{name} must be class ids from 0, found {short_repr(max(array, key=abs))}") from error
    if array.dtype == bool:
        return array.astype(np.int64)
    if array.dtype.kind in "UTSO":
        label = short_repr(array.tolist()[0])
        raise InputError(f"{name} must be class ids from 0, found {label}; give the names as class_names")
    if array.dtype.kind not in "iu":
        raise InputError(f"{name} must be one axis of integers, found {array.dtype} with shape {array.shape}")
    return array


def check_labels(labels: Any, n_classes: int, *, name: str = "labels") -> None:
    """Raise unless `labels` are an array of integer class ids in [0, n_classes)."""
    if not isinstance(labels, np.ndarray):
        raise InputError(f"{name} must be an array of class ids, found {type(labels).__name__}")
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise InputError(
            f"{name} must be one axis of integers in [0, {n_classes}), found {labels.dtype} with shape {labels.shape}"
        )
    if len(labels) and not (labels.min() >= 0 and labels.max() < n_classes):
        raise InputError(f"{name} must lie in [0, {n_classes}), found {labels.min()} to {labels.max()}")
