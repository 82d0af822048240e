"""Design of several regressions: standardised features, and coordinates that precondition the weights.

In these coordinates the curvature of the loss is about the same in every direction.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from probes.sequences import Float64Array, FloatArray, IntegerArray

CHUNK_ROWS = 2048
"""Rows that are standardised at once."""
BASIS_ROWS = 4096
"""Rows, or 4 for each dimension if that is more, from which the principal components are computed. They influence the
speed, not the solution."""
MOST_BASIS_HIDDEN = 2048
"""Largest hidden size for which the basis is computed; for wider features it costs more than it gains."""
BAND_COLUMNS = 96
"""Columns whose products with all later columns are computed at once."""


@dataclass(frozen=True, eq=False)
class SecondMoments:
    """Mean products of the features' dimensions; a multiple of them is the curvature of a loss at zero weights."""

    products: Tensor
    """(hidden, hidden); for wide features (hidden,), the diagonal alone."""

    @classmethod
    def of(cls, z: Tensor) -> Self:
        """Compute the second moments of evenly spaced rows; for wide features the diagonal alone, of all rows.

        Args:
            z: (examples, hidden) standardised features.
        """
        n_examples, hidden = z.shape
        if hidden > MOST_BASIS_HIDDEN:
            return cls(z.square().mean(dim=0))
        n_rows = max(BASIS_ROWS, 4 * hidden)
        row_step = -(-n_examples // n_rows)
        rows = z[::row_step]
        products = z.new_empty((hidden, hidden))
        # Upper triangle in bands; the lower triangle is a copy, because the matrix is symmetric.
        for start in range(0, hidden, BAND_COLUMNS):
            end = start + BAND_COLUMNS
            columns = rows[:, start:end]
            later_columns = rows[:, start:]
            band = products[start:end, start:]
            torch.mm(columns.T, later_columns, out=band)
            products[end:, start:end] = band[:, BAND_COLUMNS:].T
        return cls(products.div_(len(rows)))

    @cached_property
    def principal_components(self) -> tuple[Tensor, Tensor | None]:
        """(hidden,) mean squares along the basis vectors, and the (hidden, hidden) basis with one vector a column.

        The basis is None for wide features, whose basis vectors are the axes.
        """
        if self.products.ndim == 1:
            return self.products, None
        spectrum, basis = torch.linalg.eigh(self.products)
        return spectrum.clamp(min=0), basis

    def whitening(self, variance: Tensor, penalty: Tensor) -> Whitening | None:
        """Return the whitening of one loss.

        Args:
            variance: Variance of the loss's residual, a scalar.
            penalty: Strength of the L2 penalty, a scalar.

        Returns:
            None for wide features, and where rounding makes the curvature indefinite.
        """
        if self.products.ndim == 1:
            return None
        # Curvature of the loss: residual variance times second moments, plus the penalty on the diagonal.
        curvature = variance * self.products
        curvature.diagonal().add_(penalty)
        # Cholesky factor of the curvature.
        factor, error_code = torch.linalg.cholesky_ex(curvature)
        return None if error_code.item() else Whitening(factor)


@dataclass(frozen=True, eq=False)
class Rotation:
    """Coordinates in an orthonormal basis, which suits the losses of all penalties."""

    basis: Tensor
    """(hidden, hidden) one basis vector a column."""

    def weights(self, coordinates: Tensor) -> Tensor:
        """Convert (..., hidden) coordinates to weights."""
        return coordinates @ self.basis.T

    def coordinates(self, weights: Tensor) -> Tensor:
        """Convert (..., hidden) weights to coordinates."""
        return weights @ self.basis

    def gradient(self, weight_gradient: Tensor) -> Tensor:
        """Convert the (..., hidden) gradient in the weights to the gradient in the coordinates."""
        return weight_gradient @ self.basis


@dataclass(frozen=True, eq=False)
class Whitening:
    """Coordinates in which the curvature of one loss is about 1 in every direction."""

    factor: Tensor
    """(hidden, hidden) lower triangular Cholesky factor of the curvature in the weights."""

    def weights(self, coordinates: Tensor) -> Tensor:
        """Convert (..., hidden) coordinates to weights."""
        weights: Tensor = torch.linalg.solve_triangular(self.factor, coordinates, upper=False, left=False)
        return weights

    def coordinates(self, weights: Tensor) -> Tensor:
        """Convert (..., hidden) weights to coordinates."""
        return weights @ self.factor

    def gradient(self, weight_gradient: Tensor) -> Tensor:
        """Convert the (..., hidden) gradient in the weights to the gradient in the coordinates."""
        gradient: Tensor = torch.linalg.solve_triangular(self.factor.mT, weight_gradient, upper=True, left=False)
        return gradient


# Regressions


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
