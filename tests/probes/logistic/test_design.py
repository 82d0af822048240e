"""The design of regressions: standardised features, and solutions as affine maps of the raw ones."""

import numpy as np
import pytest
import torch

from probes.logistic import design as module
from probes.logistic.design import Design, Problems, Solution
from probes.statistics.standardisation import standardisation


def test_in_the_basis_dimensions_are_uncorrelated(correlated):
    x = correlated[0]
    shift, scale = standardisation(x)
    design = Design.of(x, shift, scale)
    basis = design.basis.numpy()
    np.testing.assert_allclose(design.z.numpy(), (x - shift) / scale, atol=1e-12)
    np.testing.assert_allclose(basis.T @ basis, np.eye(12), atol=1e-12)
    gram = (design.z.T @ design.z / 300).numpy()
    np.testing.assert_allclose(basis.T @ gram @ basis, np.diag(design.spectrum.numpy()), atol=1e-12)
    assert np.abs(gram - np.diag(np.diag(gram))).max() > 0.1


@pytest.mark.parametrize("n_rows", [1, 7, 300, 4096])
def test_features_are_standardised_alike_in_chunks_of_any_size(correlated, n_rows, monkeypatch):
    x = correlated[0].astype(np.float32)
    shift, scale = standardisation(x)
    whole = Design.of(x, shift, scale).z
    monkeypatch.setattr(module, "CHUNK_ROWS", n_rows)
    assert torch.equal(Design.of(x, shift, scale).z, whole)
    np.testing.assert_allclose(whole, (x - shift) / scale, atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "expected"), [("float16", torch.float32), ("float32", torch.float32), ("float64", torch.float64)]
)
def test_the_copy_is_in_float32_unless_the_features_are_in_float64(correlated, kind, expected):
    x = correlated[0].astype(kind)
    assert Design.of(x, *standardisation(x)).z.dtype == expected


def test_the_first_examples_keep_the_standardisation_of_all(correlated):
    design = Design.of(correlated[0], *standardisation(correlated[0]))
    first = design.first(20)
    assert torch.equal(first.z, design.z[:20])
    assert first.shift is design.shift
    assert first.moments is design.moments


@pytest.mark.parametrize(("kind", "tolerance"), [("float32", 1e-4), ("float64", 1e-10)])
@pytest.mark.parametrize("offset", [0.0, 100.0])
def test_the_folded_solution_gives_the_same_logits_on_raw_features(correlated, kind, tolerance, offset):
    x = (correlated[0] + offset).astype(kind)
    design = Design.of(x, *standardisation(x))
    rng = np.random.default_rng(1)
    solution = Solution(rng.standard_normal((4, 12)), rng.standard_normal(4), converged=True)
    weight, bias, center = design.fold(solution)
    np.testing.assert_array_equal(center, design.shift.astype(np.float32))
    raw_logits = (x.astype(np.float64) - center) @ weight.T + bias
    np.testing.assert_allclose(raw_logits, design.logits(solution), atol=tolerance * max(1, offset))


@pytest.mark.parametrize(("n_classes", "expected"), [(2, 1), (3, 3), (7, 7)])
def test_two_classes_have_one_column_of_weights_and_more_have_one_each(n_classes, expected):
    assert Problems(np.zeros((1, 4), dtype=int), np.ones(1), n_classes).n_columns == expected
