"""Boundary checks: what was asked, what was found, what to do."""

from __future__ import annotations

import difflib
import os
import tempfile
import unicodedata
from collections.abc import Iterable, Mapping, Set, Sized
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

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
        """What is wrong, as a sentence goes on after the name of the text."""

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
    near = difflib.get_close_matches(str(name), names, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    return f"unknown {kind} {name!r}{hint}; known: {', '.join(names)}"


def shorten(text: str, width: int = 40) -> str:
    """A text in quotes, cut after so many characters; by its codes where nothing of it shows in print."""
    cut = text if len(text) <= width else f"{text[:width]}..."
    is_visible = any(unicodedata.category(character)[0] in "LNPS" for character in cut)
    return repr(cut) if is_visible else ascii(cut)


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


def text_list(texts: Iterable[object], name: str = "texts", *, first: int = 0) -> list[str]:
    """The texts as a new list of `str`, in the order in which they are iterated over.

    Args:
        texts: A list, tuple, generator, one-dimensional array, pandas Series of any index, pandas Index, column of a
            dataset, or any other ordered iterable of texts.
        name: What messages call them, in the plural.
        first: Number of the first text in messages: these may be a part of a longer list.

    Raises:
        InputError: It is a single text, has no order or several columns, or an entry is not a text.
    """
    singular = name.removesuffix("s")
    if isinstance(texts, str | bytes):
        raise InputError(f"{name} must be a list of texts, found a single one ({_short(texts)}); put it into a list")
    axes = len(getattr(texts, "shape", (0,)))
    if isinstance(texts, Mapping | Set) or axes > 1:
        shape = f" with {axes} axes" if axes > 1 else ""
        raise InputError(
            f"{name} must be a list of texts, found a {type(texts).__name__}{shape}; name one column of it"
        )
    if hasattr(texts, "to_pylist"):  # Arrow iterates over scalars of its own
        texts = texts.to_pylist()
    try:
        entries = iter(texts)
    except TypeError as error:
        raise InputError(f"{name} must be a list of texts, found {_short(texts)}") from error
    strings = list(entries)
    for row, text in enumerate(strings):
        if type(text) is not str:
            if not isinstance(text, str):
                decode = "; decode it first" if isinstance(text, bytes) else ""
                raise InputError(f"{singular} {first + row} is {_short(text)}, not text{decode}")
            strings[row] = str(text)  # one of numpy's
    return strings  # type: ignore[return-value]


def text_lists(texts: Iterable[object], pairs: Iterable[object] | None) -> tuple[list[str], list[str] | None]:
    """Texts and their second texts, each as of `text_list`, and as many of the one as of the other.

    Raises:
        InputError: As from `text_list`; or lengths differ.
    """
    first, second = text_list(texts), None if pairs is None else text_list(pairs, "pairs")
    check_same_length(texts=first, pairs=second)
    return first, second


def _short(value: object) -> str:
    shown = " ".join(repr(value).split())
    return shown if len(shown) <= 60 else shown[:57] + "..."


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


def plain_array(values: Any, *, name: str) -> NDArray[Any]:
    """An array, list, pandas object or tensor of any device as a NumPy array; nothing is copied that need not be.

    Raises:
        InputError: The rows have different lengths, or there are no rows at all.
    """
    if isinstance(values, np.ndarray):
        return values
    if hasattr(values, "detach"):  # a tensor; NumPy has no bfloat16, and float32 holds all of it
        values = values.detach().cpu()
        values = values.float() if str(values.dtype) == "torch.bfloat16" else values
    if values is None or isinstance(values, str | bytes | Mapping) or not hasattr(values, "__len__"):
        raise InputError(f"{name} must be an array, found {type(values).__name__}")
    if hasattr(values, "to_numpy"):
        return np.asarray(values.to_numpy())
    try:
        return np.asarray(values)
    except (ValueError, TypeError, RuntimeError) as error:
        raise InputError(f"{name} cannot be made an array: {first_line(error)}") from error


def feature_array(
    features: Any, *, name: str = "features", axes: str = "(examples, hidden)"
) -> NDArray[np.floating[Any]]:
    """(examples, hidden) features as float32 or float64, or as they are where they are of a smaller float type.

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


def class_ids(labels: Any, *, name: str = "labels") -> NDArray[np.integer[Any]]:
    """(examples,) integer class ids from an array, a list, a pandas column or a tensor of them.

    Raises:
        InputError: They are not whole numbers of one axis; their range is not looked at.
    """
    array = plain_array(labels, name=name)
    if array.ndim != 1:
        raise InputError(f"{name} must be one axis of class ids, found shape {array.shape}")
    if not len(array):
        return array.astype(np.int64)
    if array.dtype == object and all(isinstance(label, int | np.integer) for label in array):
        array = array.astype(np.int64)
    if array.dtype == bool:
        return array.astype(np.int64)
    if array.dtype.kind in "UTSO":
        raise InputError(f"{name} must be class ids from 0, found {array.tolist()[0]!r}; give the names as class_names")
    if array.dtype.kind not in "iu":
        raise InputError(f"{name} must be one axis of integers, found {array.dtype} with shape {array.shape}")
    return array


def check_features(features: Any, *, name: str = "features") -> None:
    """Raise unless `features` are an array of finite numbers shaped (examples, hidden)."""
    if not isinstance(features, np.ndarray) or features.dtype.kind != "f":
        found = features.dtype if isinstance(features, np.ndarray) else type(features).__name__
        raise InputError(f"{name} must be an array of floats, found {found}")
    if features.ndim != 2:
        raise InputError(f"{name} must be (examples, hidden), found shape {features.shape}")
    with np.errstate(over="ignore", invalid="ignore"):
        total = features.sum()
    if not np.isfinite(total):  # a sum is not finite where a value is not, and now and then where all are
        finite = np.isfinite(features).all(axis=1)
        if not finite.all():
            raise InputError(not_finite(name, int(finite.argmin())))


def finite_features(features: Any, *, name: str = "features") -> NDArray[np.floating[Any]]:
    """(examples, hidden) features from an array, a list, a pandas table or a tensor.

    Raises:
        InputError: They are not finite numbers of two axes.
    """
    array = feature_array(features, name=name)
    check_features(array, name=name)
    return array


def not_finite(name: str, row: int) -> str:
    """The sentence for features of which one value is NaN or infinite."""
    return f"{name} hold a value that is not finite, first in row {row}"


def side_of_zero(lower: float, upper: float) -> str:
    """What an interval says of a difference: `above`, `below` or `cannot_tell`.

    An end within `SMALLEST_EFFECT` of 0 counts as 0, and so does one that is not known (nan).
    """
    return "above" if lower > SMALLEST_EFFECT else "below" if upper < -SMALLEST_EFFECT else "cannot_tell"


def as_path(path: Any, *, name: str) -> Path:
    """A path from text or a path.

    Raises:
        InputError: It is neither, or empty.
    """
    if not isinstance(path, str | os.PathLike) or not str(path):
        raise InputError(f"{name} must be a path, found {path!r}")
    return Path(path)


def whole_number(value: object, name: str, *, least: int = 0, most: int | None = None) -> int:
    """The value as an `int`; NumPy's integers are whole numbers too.

    Raises:
        InputError: It is none, or lies outside the bounds.
    """
    above = most is not None and isinstance(value, int | np.integer) and value > most
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least or above:
        bounds = f"{least} or more" if most is None else f"from {least} to {most}"
        raise InputError(f"{name} must be a whole number {bounds}, found {_short(value)}")
    return int(value)


def finite_number(value: object, name: str, *, least: float = 0.0) -> float:
    """The value as a `float`.

    Raises:
        InputError: It is no finite number, or below `least`.
    """
    number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if not number or not least <= value < float("inf"):  # type: ignore[operator]
        raise InputError(f"{name} must be a finite number of {least:g} or more, found {_short(value)}")
    return float(value)  # type: ignore[arg-type]


def instances(values: Iterable[object], kind: type[T], name: str) -> list[T]:
    """The values as a new list, where all of them are of one kind.

    Raises:
        InputError: It is no list, or an entry is something else.
    """
    if isinstance(values, kind | str | bytes | Mapping | Set) or not isinstance(values, Iterable):
        raise InputError(
            f"{name} must be a list of {kind.__name__}, found {type(values).__name__}; put one into a list"
        )
    found = list(values)
    for row, value in enumerate(found):
        if not isinstance(value, kind):
            raise InputError(f"{name.removesuffix('s')} {row} is {_short(value)}, not {kind.__name__}")
    return found  # type: ignore[return-value]
