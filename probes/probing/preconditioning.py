"""Coordinates of a regression's weights in which the curvature of its loss is known, nearly diagonal, beforehand."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Products:
    """Mean products of the features' dimensions: with half of them or so, the curvature of a loss at no weights."""

    of: Tensor
    """(hidden, hidden); of wide features (hidden,), each dimension with itself."""

    @cached_property
    def components(self) -> tuple[Tensor, Tensor | None]:
        """(hidden,) mean squares along the vectors of a basis, and (hidden, hidden) with one of these in each column.

        None for the axes.
        """
        if self.of.ndim == 1:
            return self.of, None
        spectrum, basis = torch.linalg.eigh(self.of)
        return spectrum.clamp(min=0), basis

    def whitening(self, variance: Tensor, penalty: Tensor) -> Whitening | None:
        """For one loss, by its residual's variance; None where rounding leaves no factor, and for wide features."""
        if self.of.ndim == 1:
            return None
        curvature = variance * self.of
        curvature.diagonal().add_(penalty)
        factor, failed = torch.linalg.cholesky_ex(curvature)
        return None if failed.item() else Whitening(factor)


@dataclass(frozen=True, eq=False)
class Rotation:
    """Coordinates in a basis, which is right for losses of any penalty."""

    basis: Tensor
    """(hidden, hidden) a vector in each column."""

    def weights(self, u: Tensor) -> Tensor:
        """(..., hidden) from coordinates."""
        return u @ self.basis.T

    def coordinates(self, weights: Tensor) -> Tensor:
        """The other way."""
        return weights @ self.basis

    def gradient(self, of_weights: Tensor) -> Tensor:
        """(..., hidden) along the coordinates."""
        return of_weights @ self.basis


@dataclass(frozen=True, eq=False)
class Whitening:
    """Coordinates in which the curvature of one loss is 1 in every direction, about."""

    factor: Tensor
    """(hidden, hidden) lower triangular, of the curvature along the weights."""

    def weights(self, u: Tensor) -> Tensor:
        """(..., hidden) from coordinates."""
        found: Tensor = torch.linalg.solve_triangular(self.factor, u, upper=False, left=False)
        return found

    def coordinates(self, weights: Tensor) -> Tensor:
        """The other way."""
        return weights @ self.factor

    def gradient(self, of_weights: Tensor) -> Tensor:
        """(..., hidden) along the coordinates."""
        found: Tensor = torch.linalg.solve_triangular(self.factor.mT, of_weights, upper=True, left=False)
        return found
