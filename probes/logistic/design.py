"""Design of several regressions: the standardised features with their second moments, the problems, the solutions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from probes.logistic.preconditioning import SecondMoments
from probes.sequences import Float64Array, FloatArray, IntegerArray

CHUNK_ROWS = 2048
"""Rows that are standardised at once."""


@dataclass(frozen=True, eq=False)
class Design:
    """Standardised features with their second moments."""

    z: Tensor
    """(examples, hidden) standardised features, in float32 unless the raw features are float64."""
    moments: SecondMoments
    """Second moments of some of the rows."""
    shift: Float64Array
    """(hidden,) mean that standardising subtracts."""
    scale: Float64Array
    """(hidden,) scale by which standardising divides."""

    @property
    def spectrum(self) -> Tensor:
        """(hidden,) approximate mean squares of `z` along the basis vectors."""
        return self.moments.principal_components[0]

    @property
    def basis(self) -> Tensor | None:
        """(hidden, hidden) basis with one vector a column; None for the axes."""
        return self.moments.principal_components[1]

    @classmethod
    def of(cls, features: FloatArray, shift: Float64Array, scale: Float64Array, *, device: str = "cpu") -> Self:
        """Standardise features into one copy, and compute their second moments.

        Args:
            features: (examples, hidden) raw features.
            shift: (hidden,) mean to subtract.
            scale: (hidden,) scale to divide by.
            device: Device of the copy.
        """
        numpy_type = np.float64 if features.dtype == np.float64 else np.float32
        torch_type = torch.float64 if numpy_type is np.float64 else torch.float32
        z = torch.empty(features.shape, dtype=torch_type, device=device)
        # Round shift and scale to the type of `z`, so that folding inverts the standardisation exactly.
        shift = shift.astype(numpy_type).astype(np.float64)
        scale = scale.astype(numpy_type).astype(np.float64)
        mean = torch.from_numpy(shift).to(z)
        divisor = torch.from_numpy(scale).to(z)
        for start in range(0, len(features), CHUNK_ROWS):
            rows = slice(start, start + CHUNK_ROWS)
            array = np.ascontiguousarray(features[rows], dtype=numpy_type)
            chunk = torch.from_numpy(array).to(device)
            torch.sub(chunk, mean, out=z[rows]).div_(divisor)
        return cls(z, SecondMoments.of(z), shift, scale)

    def first(self, n: int) -> Self:
        """Return the design of the first `n` examples, with the standardisation of all examples."""
        return replace(self, z=self.z[:n])

    def fold(self, solution: Solution) -> tuple[Float64Array, Float64Array, NDArray[np.float32]]:
        """Convert a solution to an affine map of the raw features.

        Returns:
            (columns, hidden) weights, (columns,) biases, and the (hidden,) center to subtract from the features first.
            The center is the mean in float32; the biases correct its rounding error.
        """
        weight = solution.weight.astype(np.float64) / self.scale
        bias = solution.bias - weight @ (self.shift - self.center)
        return weight, bias, self.center

    @cached_property
    def center(self) -> NDArray[np.float32]:
        """(hidden,) mean in float32."""
        return self.shift.astype(np.float32)

    def logits(self, solution: Solution) -> Tensor:
        """Compute the (examples, columns) logits of a solution."""
        weight = torch.from_numpy(solution.weight).to(self.z)
        bias = torch.from_numpy(solution.bias).to(self.z)
        return self.z @ weight.T + bias


@dataclass(frozen=True, eq=False)
class Solution:
    """Weights and biases at which a regression ended."""

    weight: NDArray[Any]
    """(columns, hidden) weights of the design's `z`: one column, the second class's logit, of two classes; else one
    column a class."""
    bias: NDArray[Any]
    """(columns,)"""
    converged: bool


@dataclass(frozen=True, eq=False)
class Problems:
    """Several regressions on one design, in all of which the same classes occur."""

    labels: IntegerArray
    """(problems, examples) class ids; every class occurs in every problem."""
    cs: Float64Array
    """(problems,) inverse penalty strengths on a sum over examples, as in scikit-learn; the bias has no penalty."""
    n_classes: int
    """2 or more."""
    weights: FloatArray | None = None
    """(problems, examples) how often each example counts; None counts each once."""

    @property
    def n_columns(self) -> int:
        """Columns of weights: one for two classes, else one a class."""
        return 1 if self.n_classes == 2 else self.n_classes
