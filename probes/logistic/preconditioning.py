"""Preconditioning: coordinates of weights in which the curvature of the loss is about the same everywhere."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import torch
from torch import Tensor

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
