"""Where a label is read from: examples with features of many layers, one place among them, and what is done there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from probes.classifiers import Fitter, Selection


class LayerFeatures(Protocol):
    """Layer -> (examples, hidden): an array (layers, examples, hidden), or a store's `layers(pooling)`."""

    def __getitem__(self, layer: int, /) -> NDArray[np.floating[Any]]:
        """Features of one layer."""
        ...


@dataclass(frozen=True, eq=False)
class Examples:
    """One split, as `sweep_probes` takes it."""

    features: Mapping[str, LayerFeatures]
    """Pooling -> layer -> (examples, hidden)."""
    labels: Mapping[str, NDArray[np.integer[Any]]]
    """Label column -> (examples,) class ids."""
    texts: Sequence[str] | None = None
    """(examples,) for the bag-of-words floor, which is left out without them."""
    units: NDArray[np.integer[Any]] | None = None
    """(examples,) ids of what folds must keep together, such as duplicates and groups."""


@dataclass(frozen=True, eq=False)
class Read:
    """The splits with the features that one encoder gives them."""

    train: Examples
    validation: Examples | None
    """None where folds of the training texts choose."""
    test: Examples


@dataclass(frozen=True, order=True)
class Point:
    """One layer and pooling."""

    pooling: str
    layer: int

    def __str__(self) -> str:
        return f"{self.pooling} {self.layer}"


@dataclass(frozen=True, eq=False)
class Sample:
    """Features of one point, and the labels of one column."""

    features: NDArray[np.floating[Any]]
    """(examples, hidden)"""
    labels: NDArray[np.integer[Any]]
    """(examples,)"""


@dataclass(frozen=True, eq=False)
class Place:
    """One label column at one point: everything that a study of the probe there needs."""

    task: str
    point: Point
    n_classes: int
    cs: tuple[float, ...]
    """The grid of penalties."""
    fitter: Fitter
    """On the training examples."""
    train: Sample
    """In random order, the same at every point."""
    order: NDArray[np.int64]
    """(examples,) rows of the training split, in that order."""
    validation: Sample | None
    """None where folds of the training examples took its place."""
    test: Sample
    chosen: Selection


Study = Callable[[Place], Any]
"""Something measured at every place beside the probe's scores, while its features are at hand."""
