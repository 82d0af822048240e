"""Many regressions at once: each equals scikit-learn's alone, whatever stands beside it."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from probes import Examples, FittedProbe, InputError, LogisticProbe, sweep_probes
from probes.logistic.design import Design, Problems
from probes.logistic.fitted_probe import log_softmax
from probes.logistic.solver import _Memory, solve
from probes.probing.penalty_selection import select_probe
from probes.statistics.standardisation import standardisation


def reference(x, y, c, weights=None):
    shift, scale = standardisation(x)
    model = LogisticRegression(C=c, solver="newton-cg", tol=1e-10, max_iter=2000)
    return model.fit((x - shift) / scale, y, sample_weight=weights).predict_log_proba((x - shift) / scale)


@pytest.mark.parametrize("n_classes", [2, 4])
def test_fits_side_by_side_equal_scikit_learns_one_by_one(correlated, n_classes):
    x, y = correlated[0], correlated[1] % n_classes
    rng = np.random.default_rng(1)
    labels = np.stack([y, rng.permutation(y), y, rng.integers(n_classes, size=300)])
    cs = (1e-3, 0.1, 30.0, 1.0)
    for row, c, fitted in zip(
        labels, cs, LogisticProbe(tol=1e-14).prepare(x).fit_many(labels, cs, n_classes=n_classes), strict=True
    ):
        assert fitted.c == c
        assert fitted.converged
        np.testing.assert_allclose(fitted.log_prob(x), reference(x, row, c), atol=2e-4)


@pytest.mark.parametrize("n_classes", [2, 4])
def test_a_weight_counts_an_example_as_often_as_repeating_it(correlated, n_classes):
    x, y = correlated[0], correlated[1] % n_classes
    counts = np.random.default_rng(2).multinomial(300, np.full(300, 1 / 300), size=2)
    assert (counts == 0).any()
    assert (counts > 2).any()
    probes = (
        LogisticProbe(tol=1e-14)
        .prepare(x)
        .fit_many(np.stack([y, y]), (0.1, 1.0), n_classes=n_classes, weights=counts.astype(float))
    )
    for row, c, fitted in zip(counts, (0.1, 1.0), probes, strict=True):
        np.testing.assert_allclose(fitted.log_prob(x), reference(x, y, c, row), atol=2e-4)


def test_fits_with_different_occurring_classes_equal_fits_alone(correlated):
    x, y = correlated
    few = np.where(y == 3, 0, y)
    one = np.zeros_like(y)
    mixed = LogisticProbe().prepare(x).fit_many(np.stack([y, few, one, few]), (1.0,) * 4, n_classes=4)
    for row, fitted in zip((y, few, one, few), mixed, strict=True):
        alone = LogisticProbe().fit(x, row, n_classes=4)
        np.testing.assert_allclose(fitted.log_prob(x), alone.log_prob(x), atol=1e-4)


def test_a_class_of_zero_weight_does_not_occur(correlated):
    x, y = correlated
    weights = (y != 2).astype(float)[None]
    (fitted,) = LogisticProbe().prepare(x).fit_many(y[None], (1.0,), n_classes=4, weights=weights)
    assert not (fitted.predict(x) == 2).any()
    odds = fitted.logits(x)[y != 2]
    other_logits = np.delete(odds, 2, axis=1)
    np.testing.assert_allclose(
        (odds[:, 2] - np.log(np.exp(other_logits).sum(axis=1))).mean(), -np.log((y != 2).sum() + 1), atol=1e-3
    )


def test_the_first_examples_alone_are_standardised_as_all_are(correlated):
    x, y = correlated
    shift, scale = standardisation(x)
    z = (x - shift) / scale
    model = LogisticRegression(C=0.5, solver="newton-cg", tol=1e-10, max_iter=2000).fit(z[:90], y[:90])
    (fitted,) = LogisticProbe(tol=1e-14).prepare(x).first(90).fit_many(y[None, :90], (0.5,), n_classes=4)
    np.testing.assert_allclose(fitted.log_prob(x), model.predict_log_proba(z), atol=2e-4)


def test_features_too_wide_for_the_basis_of_components_are_fitted_as_they_are(correlated, monkeypatch):
    x, y = correlated
    turned = LogisticProbe(tol=1e-14).fit(x, y, n_classes=4)
    monkeypatch.setattr("probes.logistic.preconditioning.MOST_BASIS_HIDDEN", 4)
    assert Design.of(x, *standardisation(x)).basis is None
    plain = LogisticProbe(tol=1e-14).fit(x, y, n_classes=4)
    np.testing.assert_allclose(plain.log_prob(x), turned.log_prob(x), atol=2e-4)


def test_a_fit_alone_equals_the_same_fit_beside_others(correlated):
    x, y = correlated[0], correlated[1] % 2
    fitter = LogisticProbe(tol=1e-14).prepare(x)
    for c in (1e-3, 1.0, 1e3):
        (alone,), (together, _) = (fitter.fit_many(np.stack([y] * n), (c,) * n, n_classes=2) for n in (1, 2))
        np.testing.assert_allclose(alone.log_prob(x), together.log_prob(x), atol=1e-6)
        np.testing.assert_allclose(alone.log_prob(x), reference(x, y, c), atol=2e-4)


def test_a_fit_alone_of_more_dimensions_than_examples_needs_no_factor():
    rng = np.random.default_rng(0)
    x = np.repeat(rng.standard_normal((40, 3)), 8, axis=1)  # rank 3, and rounding
    y = (x[:, 0] + rng.standard_normal(40) > 0).astype(int)
    (fitted,) = LogisticProbe(tol=1e-14).prepare(x).fit_many(y[None], (1e9,), n_classes=2)
    np.testing.assert_allclose(fitted.log_prob(x), reference(x, y, 1e9), atol=2e-3)


@pytest.mark.parametrize("n_classes", [2, 4])
def test_the_start_does_not_change_the_solution(correlated, n_classes):
    x, y = correlated[0], correlated[1] % n_classes
    fitter = LogisticProbe(tol=1e-14).prepare(x)
    counts = np.random.default_rng(2).multinomial(300, np.full(300, 1 / 300), size=2).astype(float)
    counts[1, y == 1] = 0  # a class that one of them does not show
    near = LogisticProbe(c=0.3).fit(x, y, n_classes=n_classes)
    fits = [
        fitter.fit_many(np.stack([y, y]), (0.1, 0.1), n_classes=n_classes, weights=counts, start=start)
        for start in (None, near)
    ]
    for cold, warm in zip(*fits, strict=True):
        np.testing.assert_allclose(warm.log_prob(x), cold.log_prob(x), atol=1e-5)


def test_the_tolerance_sets_how_near_the_loss_comes_to_its_minimum(correlated):
    x, y = correlated
    shift, scale = standardisation(x)
    design = Design.of(x, shift, scale)

    def objective(solution):
        logits = design.logits(solution).numpy()
        return -log_softmax(logits)[np.arange(300), y].mean() + np.square(solution.weight).sum() / (2 * 10.0 * 300)

    def ended(tol):
        return solve(design, Problems(y[None], np.array([10.0]), 4), tol=tol, max_iter=1000)[0]

    least = objective(ended(1e-15))
    gaps = [objective(ended(tol)) - least for tol in (1e-3, 1e-5, 1e-7)]
    assert all(gap < 30 * tol for gap, tol in zip(gaps, (1e-3, 1e-5, 1e-7), strict=True))
    assert gaps[0] > gaps[2]


@pytest.mark.parametrize("n", [1, 3, 12])
def test_the_direction_is_that_of_the_two_loop_recursion(n):
    """Nocedal & Wright (2006), Numerical Optimization, algorithm 7.4; the second problem's middle step says nothing."""
    rng = torch.Generator().manual_seed(n)
    curvature = torch.diag(torch.logspace(0, 2, 6, dtype=torch.float64))
    memory, pairs_by_problem = _Memory(torch.empty((2, 2, 0, 6), dtype=torch.float64)), ([], [])
    for i in range(n):
        step = torch.randn((2, 1, 6), generator=rng, dtype=torch.float64)
        change = step @ curvature
        if i == n // 2 and n > 1:
            change[1] *= -1
        memory = memory.append(step, change)
        for problem in range(2):
            pairs_by_problem[problem].append((step[problem, 0], change[problem, 0]))
    gradient = torch.randn((2, 1, 6), generator=rng, dtype=torch.float64)
    direction = memory.direction(gradient)
    for problem in range(2):
        pairs = [(s, y) for s, y in pairs_by_problem[problem][-10:] if s @ y > 0]
        q, parts = gradient[problem, 0].clone(), []
        for s, y in reversed(pairs):
            parts.append((s @ q) / (s @ y))
            q -= parts[-1] * y
        s, y = pairs[-1]
        q *= (s @ y) / (y @ y)
        for (s, y), part in zip(pairs, reversed(parts), strict=True):
            q += (part - (y @ q) / (s @ y)) * s
        np.testing.assert_allclose(direction[problem, 0], -q, rtol=1e-9)


@pytest.mark.parametrize("n_classes", [2, 4])
def test_finished_fits_end_the_same_whether_they_stay_or_are_removed(correlated, n_classes, monkeypatch):
    x, y = correlated[0], correlated[1] % n_classes
    labels = np.stack([y, np.roll(y, 1), y, np.roll(y, 2)])
    ended = []
    for stay in (0.0, 0.6, 1.0):
        monkeypatch.setattr("probes.logistic.solver.SEARCHING_SHARE", stay)
        ended.append(LogisticProbe().prepare(x).fit_many(labels, (1e-4, 1e-2, 100.0, 1.0), n_classes=n_classes))
    for fits in zip(*ended, strict=True):
        assert all(fitted.converged for fitted in fits)
        for fitted in fits[1:]:
            np.testing.assert_allclose(fitted.weight, fits[0].weight, atol=1e-6)


def test_separable_classes_with_a_weak_penalty_still_converge():
    x = np.random.default_rng(0).standard_normal((60, 100)).astype(np.float32)
    y = (x[:, 0] > 0).astype(int)
    fitted = LogisticProbe(c=1e4).fit(x, y, n_classes=2)
    assert fitted.converged
    np.testing.assert_array_equal(fitted.predict(x), y)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("n_classes", [2, 4])
def test_on_a_gpu_the_same_probes_come_out(correlated, n_classes):
    x, y = correlated[0].astype(np.float32), correlated[1] % n_classes
    cs = (1e-3, 0.1, 1.0)
    cpu_path, gpu_path = (
        list(LogisticProbe().prepare(x, device=d).fit_path(y, cs, n_classes=n_classes)) for d in ("cpu", "cuda")
    )
    for a, b in zip(cpu_path, gpu_path, strict=True):
        np.testing.assert_allclose(a.log_prob(x), b.log_prob(x), atol=2e-3)


class TestNumbersThatOverflow:
    """A value that is no number has not converged, and what cannot be computed is refused."""

    @pytest.mark.parametrize("n_classes", [2, 4])
    def test_a_fit_that_overflows_has_not_converged_and_leaves_the_others_alone(self, correlated, n_classes):
        x, y = correlated[0].astype(np.float32), correlated[1] % n_classes
        alone = next(LogisticProbe().prepare(x).fit_path(y, (1.0,), n_classes=n_classes))
        overflowing, unaffected = (
            LogisticProbe().prepare(x).fit_many(np.stack([y, y]), (1e-45, 1.0), n_classes=n_classes)
        )
        assert not overflowing.converged
        assert unaffected.converged
        np.testing.assert_allclose(unaffected.log_prob(x), alone.log_prob(x), atol=1e-3)

    @pytest.mark.parametrize(("size", "kind"), [(1e-44, np.float32), (1e200, np.float64), (1.7e308, np.float64)])
    def test_features_too_small_or_too_large_to_weigh_are_refused(self, size, kind):
        x = (np.resize([-1.0, 1.0, 0.5], (9, 2)) * size).astype(kind)
        with pytest.raises(InputError, match=r"features have a standard deviation of .*; scale them first"):
            LogisticProbe().fit(x, np.arange(9) % 2, n_classes=2)

    def test_a_sweep_names_the_site_of_such_features(self):
        x = np.resize(np.array([-1e200, 1e200, 1.0]), (1, 9, 2))
        split = Examples({"mean": x}, {"label": np.arange(9) % 2})
        with pytest.raises(InputError, match="pooling 'mean' at layer 0: features have a standard deviation of"):
            sweep_probes(split, split, split)

    def test_infinite_losses_have_another_message_than_no_penalties(self):
        nowhere = FittedProbe(np.full((2, 1), np.inf, np.float32), np.zeros(2, np.float32))
        with np.errstate(invalid="ignore"), pytest.raises(InputError, match="no probe gives a finite log loss"):
            select_probe([nowhere], np.zeros((3, 1), np.float32), np.arange(3) % 2)
