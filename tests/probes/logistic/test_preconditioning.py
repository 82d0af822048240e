"""Coordinates of a probe's weights in which the curvature of its loss is nearly diagonal."""

import numpy as np
import pytest
import torch

from probes.logistic import preconditioning
from probes.logistic.preconditioning import Rotation, SecondMoments


@pytest.fixture
def z():
    """Standardised features whose directions differ by orders of magnitude, as those of a layer do."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((300, 12)) @ (rng.standard_normal((12, 12)) * np.logspace(0, -2, 12)) + 0.5
    return torch.from_numpy((x - x.mean(axis=0)) / x.std(axis=0))


@pytest.mark.parametrize("n_columns", [1, 5, 12, 96])
def test_second_moments_are_mean_products_whatever_the_bands(z, n_columns, monkeypatch):
    monkeypatch.setattr(preconditioning, "BAND_COLUMNS", n_columns)
    np.testing.assert_allclose(SecondMoments.of(z).products, z.T @ z / 300, atol=1e-12)


def test_wide_features_have_the_diagonal_alone_and_no_whitening(z, monkeypatch):
    monkeypatch.setattr(preconditioning, "MOST_BASIS_HIDDEN", 11)
    moments = SecondMoments.of(z)
    np.testing.assert_allclose(moments.products, np.ones(12), atol=1e-12)
    spectrum, basis = moments.principal_components
    assert basis is None
    assert spectrum is moments.products
    assert moments.whitening(torch.tensor(0.2), torch.tensor(0.01)) is None


def test_along_the_principal_components_features_are_uncorrelated(z):
    spectrum, basis = SecondMoments.of(z).principal_components
    projected = z @ basis
    np.testing.assert_allclose(basis.T @ basis, np.eye(12), atol=1e-12)
    np.testing.assert_allclose(projected.T @ projected / 300, np.diag(spectrum), atol=1e-12)


def check_coordinates(frame):
    """Coordinates and weights are inverse, and the gradient obeys the chain rule."""
    weights = frame.weights(torch.eye(12).double())
    np.testing.assert_allclose(frame.coordinates(weights), np.eye(12), atol=1e-10)
    gradient = torch.linspace(-1, 1, 12).double()[None]
    np.testing.assert_allclose(frame.gradient(gradient), gradient @ weights.T, atol=1e-10)


def test_coordinates_in_a_basis_keep_lengths(z):
    _, basis = SecondMoments.of(z).principal_components
    check_coordinates(Rotation(basis))
    np.testing.assert_allclose(Rotation(basis).coordinates(z).norm(dim=1), z.norm(dim=1), atol=1e-10)


def test_whitened_weights_have_a_curvature_of_one_in_every_direction(z):
    moments = SecondMoments.of(z)
    variance, penalty = torch.tensor(0.2).double(), torch.tensor(0.01).double()
    frame = moments.whitening(variance, penalty)
    check_coordinates(frame)
    weights = frame.weights(torch.eye(12).double())
    curvature = variance * moments.products + penalty * torch.eye(12)
    np.testing.assert_allclose(weights @ curvature @ weights.T, np.eye(12), atol=1e-10)


def test_a_curvature_that_is_not_positive_has_no_whitening(z):
    assert SecondMoments.of(z).whitening(torch.tensor(0.2).double(), torch.tensor(-10.0).double()) is None
