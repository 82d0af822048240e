"""Texts, single or in pairs, as one value."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probes.checks import InputError, check_same_length
from probes.sequences import check_labels, class_ids, plain_array, text_list


@dataclass(frozen=True, init=False, repr=False)
class Texts:
    """Texts in their order; in a task on pairs, the second text of each as well.

    Args:
        first: (texts,) texts, or the first text of each pair: a list, tuple, array, pandas or datasets column, or any
            other ordered iterable of `str`.
        second: (texts,) the second text of each pair; None where the texts are no pairs.

    Raises:
        InputError: An entry is not text, there is no list or none with an order, or the lengths differ.
    """

    first: tuple[str, ...]
    """(texts,) texts, or the first text of each pair."""
    second: tuple[str, ...] | None
    """(texts,) the second text of each pair; None where the texts are no pairs."""

    def __init__(self, first: Iterable[str], second: Iterable[str] | None = None) -> None:
        object.__setattr__(self, "first", tuple(text_list(first)))
        object.__setattr__(self, "second", None if second is None else tuple(text_list(second, "second texts")))
        check_same_length(**{"texts": self.first, "second texts": self.second})

    @classmethod
    def of(cls, texts: Texts | Iterable[str], name: str = "texts") -> Texts:
        """Return the texts themselves, or make them from an ordered iterable of `str`.

        Args:
            texts: `Texts`, or what `Texts` takes as first texts.
            name: The argument's name in messages, a plural.

        Raises:
            InputError: An entry is not text, or there is no list or none with an order.
        """
        return texts if isinstance(texts, Texts) else cls(text_list(texts, name))

    def __len__(self) -> int:
        return len(self.first)

    def __repr__(self) -> str:
        return f"Texts({len(self):,} {'pairs' if self.paired else 'texts'})"

    def __getitem__(self, rows: slice) -> Texts:
        """Return the texts of a slice, as `texts[:3]`.

        Raises:
            TypeError: `rows` is no slice.
        """
        if not isinstance(rows, slice):
            raise TypeError(f"texts are indexed by a slice or by take(rows), found {rows!r}; for one use texts.first")
        return Texts(self.first[rows], None if self.second is None else self.second[rows])

    @property
    def paired(self) -> bool:
        """Whether the texts are pairs."""
        return self.second is not None

    @property
    def sides(self) -> tuple[tuple[str, ...], ...]:
        """The first texts and, of pairs, the second texts."""
        return (self.first,) if self.second is None else (self.first, self.second)

    @property
    def keys(self) -> list[tuple[str, str]]:
        """(texts,) each text with its second text, or with an empty one: duplicates have equal keys."""
        return list(zip(self.first, self.second or ("",) * len(self), strict=True))

    @property
    def joined(self) -> tuple[str, ...]:
        """(texts,) each text as one string; the texts of a pair have a blank between them."""
        return self.first if self.second is None else tuple(map(" ".join, self.keys))

    def take(self, rows: Sequence[int] | NDArray[np.integer[Any]]) -> Texts:
        """Return the texts of these rows, in the order of `rows`.

        Args:
            rows: Row numbers, counted from 0.

        Raises:
            InputError: A row does not exist, or `rows` is a mask and holds no row numbers.
        """
        numbers = row_numbers(rows, len(self)).tolist()
        first, *second = (tuple(side[row] for row in numbers) for side in self.sides)
        return Texts(first, *second)

    def fingerprint(self) -> str:
        """Compute the SHA-256 of all texts, the second ones included, in order."""
        digest = hashlib.sha256()
        for side in (self.first, self.second or ()):
            digest.update(f"{len(side)}\n".encode())
            for text in side:
                content = text.encode("utf-8", "surrogatepass")
                digest.update(len(content).to_bytes(8, "little") + content)
        return digest.hexdigest()


def row_numbers(rows: Sequence[int] | NDArray[np.integer[Any]], n: int) -> NDArray[np.integer[Any]]:
    """Return row numbers as an array.

    Args:
        rows: Row numbers in [0, n).
        n: Number of rows that exist.

    Raises:
        InputError: A row does not exist, or `rows` is a mask.
    """
    array = plain_array(rows, name="rows")
    if array.dtype == bool:
        raise InputError("rows must be row numbers, found a mask of True and False; use numpy.flatnonzero(mask)")
    numbers = class_ids(array, name="rows")
    check_labels(numbers, n, name="rows")
    return numbers
