"""Logistic-regression probes: against scikit-learn, closed forms and properties."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from probes import FittedProbe, InputError, LogisticProbe, ProbeHead, load_probes
from probes.features.extraction import pool_texts
from probes.probing.logistic import log_softmax, score_probes
from probes.probing.selection import select_probe


@pytest.mark.parametrize("c", [0.01, 0.5, 10.0])
def test_folded_probe_equals_the_scikit_learn_pipeline(three_classes, c):
    x, y = three_classes[0].astype(np.float64), three_classes[1]
    reference = make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=10_000, tol=1e-8)).fit(x, y)
    fitted = LogisticProbe(c=c, tol=1e-14).fit(x, y, n_classes=3)
    np.testing.assert_allclose(fitted.log_prob(x), reference.predict_log_proba(x), atol=1e-5)
    np.testing.assert_array_equal(fitted.predict(x), reference.predict(x))


@pytest.mark.parametrize("c", [0.01, 0.5, 10.0])
def test_the_default_tolerance_in_float32_is_close_to_the_optimum_in_log_loss(three_classes, c):
    x, y = three_classes
    losses = [
        -probe.fit(features, y, n_classes=3).log_prob(x)[np.arange(len(y)), y].mean()
        for probe, features in ((LogisticProbe(c=c), x), (LogisticProbe(c=c, tol=1e-14), x.astype(np.float64)))
    ]
    assert abs(losses[0] - losses[1]) < 1.5e-4


def test_two_classes_have_two_logits_and_scikit_learns_probabilities(three_classes):
    x, y = three_classes[0].astype(np.float64), (three_classes[1] == 0).astype(int)
    reference = make_pipeline(StandardScaler(), LogisticRegression(C=0.5, max_iter=10_000, tol=1e-8)).fit(x, y)
    fitted = LogisticProbe(c=0.5, tol=1e-14).fit(x, y, n_classes=2)
    assert fitted.weight.shape == (2, 6)
    np.testing.assert_allclose(fitted.log_prob(x), reference.predict_log_proba(x), atol=1e-5)


def test_a_class_that_does_not_occur_has_a_small_finite_probability(three_classes):
    x, y = three_classes
    without_class_1 = y != 1
    fitted = LogisticProbe().fit(x[without_class_1], y[without_class_1], n_classes=4)
    probability = np.exp(fitted.log_prob(x[without_class_1]))
    assert np.isfinite(fitted.log_prob(x)).all()
    assert not np.isin(fitted.predict(x[without_class_1]), [1, 3]).any()
    # Its logit is where the geometric mean of its odds is one in examples + 1.
    odds = fitted.logits(x[without_class_1])[:, 1] - np.log(
        np.exp(fitted.logits(x[without_class_1])[:, [0, 2]]).sum(axis=1)
    )
    np.testing.assert_allclose(odds.mean(), -np.log(without_class_1.sum() + 1), atol=1e-4)
    assert probability[:, 1].max() < 0.5


def test_one_occurring_class_is_always_predicted_with_a_probability_below_one(three_classes):
    x = three_classes[0][:10]
    fitted = LogisticProbe().fit(x, np.full(10, 2), n_classes=3)
    np.testing.assert_array_equal(fitted.predict(x), 2)
    np.testing.assert_allclose(np.exp(fitted.log_prob(x))[0], np.array([1, 1, 11]) / 13, rtol=1e-5)


def test_constant_features_give_the_training_frequencies():
    y = np.repeat([0, 1, 2], [50, 30, 20])
    fitted = LogisticProbe().fit(np.full((100, 5), 0.37, dtype=np.float32), y, n_classes=3)
    np.testing.assert_allclose(np.exp(fitted.log_prob(np.full((1, 5), 0.37)))[0], [0.5, 0.3, 0.2], atol=1e-3)


def test_float32_features_fit_as_float64_ones_do(three_classes):
    x, y = three_classes
    a, b = (LogisticProbe().fit(x.astype(kind), y, n_classes=3) for kind in (np.float32, np.float64))
    np.testing.assert_allclose(a.log_prob(x), b.log_prob(x), atol=2e-3)


def test_a_path_ends_where_single_fits_do(three_classes):
    x, y = three_classes
    cs = (1e-3, 1e-2, 0.1, 1.0)
    for c, fitted in zip(cs, LogisticProbe().prepare(x).fit_path(y, cs, n_classes=3), strict=True):
        assert fitted.c == c
        np.testing.assert_allclose(fitted.log_prob(x), LogisticProbe(c=c).fit(x, y, n_classes=3).log_prob(x), atol=5e-3)


def test_a_fit_without_enough_iterations_has_not_converged(three_classes):
    x, y = three_classes
    assert LogisticProbe(c=100).fit(x, y, n_classes=3).converged
    assert not LogisticProbe(c=100, max_iter=1).fit(x, y, n_classes=3).converged


def test_a_planted_direction_is_read_to_its_bayes_accuracy():
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=8000)
    x = rng.standard_normal((8000, 20))
    x[:, 3] += (2 * y - 1) * 0.8416  # Bayes accuracy is the normal distribution's at 0.8416: 0.8
    fitted = LogisticProbe().fit(x[:4000], y[:4000], n_classes=2)
    accuracy = (fitted.predict(x[4000:]) == y[4000:]).mean()
    assert abs(accuracy - 0.8) < 3 * np.sqrt(0.8 * 0.2 / 4000)
    x[:, 3] = rng.standard_normal(8000)
    without = LogisticProbe().fit(x[:4000], y[:4000], n_classes=2)
    assert abs((without.predict(x[4000:]) == y[4000:]).mean() - 0.5) < 3 * np.sqrt(0.25 / 4000)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_probes_scored_together_equal_probes_scored_alone(three_classes, n_classes, monkeypatch):
    x, y = three_classes
    y = y % n_classes
    probes = list(LogisticProbe().prepare(x).fit_path(y, (1e-3, 0.1, 10.0), n_classes=n_classes))
    x, y = np.tile(x, (5, 1)), np.tile(y, 5)
    alone = [probe.log_prob(x)[np.arange(len(y)), y] for probe in probes]
    for most in (2**20, 20):  # logits at a time
        monkeypatch.setattr("probes.probing.logistic.MOST_LOGITS", most)
        log_prob, correct = score_probes(probes, x, y)
        np.testing.assert_allclose(log_prob, alone, atol=1e-5)
        np.testing.assert_array_equal(correct, [probe.predict(x) == y for probe in probes])
        assert 0 < correct.mean() < 1
    reversed_scores, frozen = score_probes(probes, x[::-1], y[::-1].astype(np.uint8)), x.copy()
    np.testing.assert_allclose(reversed_scores[0][:, ::-1], log_prob, atol=1e-5)
    frozen.flags.writeable = False  # as what is mapped from a file
    np.testing.assert_array_equal(score_probes(probes, frozen, y)[1], correct)


def test_log_softmax_of_large_logits_is_finite():
    np.testing.assert_allclose(log_softmax(np.array([[1e4, 0.0], [3.0, 3.0]])), [[0, -1e4], [-np.log(2)] * 2])


@pytest.mark.parametrize(
    ("features", "labels", "error", "message"),
    [
        (np.zeros((3, 2)), np.array([0, 1]), InputError, "lengths differ: features has 3, labels has 2"),
        (np.zeros((2, 2)), np.array([0, 5]), InputError, r"labels must lie in \[0, 3\), found 0 to 5"),
        (np.zeros((2, 2)), np.array([0.0, 1.0]), InputError, "one axis of integers"),
        (np.array([[1.0], [np.nan]]), np.array([0, 1]), InputError, "not finite, first in row 1"),
        (np.zeros((2, 2)), np.array(["a", "b"]), InputError, "must be class ids from 0, found 'a'"),
        (np.zeros((2, 2, 2)), np.array([0, 1]), InputError, r"must be \(examples, hidden\), found shape \(2, 2, 2\)"),
        (np.zeros(2), np.array([0, 1]), InputError, r"must be \(examples, hidden\), found shape \(2,\)"),
        (np.array([["a"], ["b"]]), np.array([0, 1]), InputError, "features must be numbers, found <U1"),
        (np.array([[{}], [1]], dtype=object), np.array([0, 1]), InputError, "features must be numbers"),
        ([[1.0], [1.0, 2.0]], np.array([0, 1]), InputError, "features cannot be made an array"),
        (None, np.array([0, 1]), InputError, "features must be an array, found NoneType"),
        ("text", np.array([0, 1]), InputError, "features must be an array, found str"),
        (np.zeros((0, 2)), np.array([], dtype=int), InputError, "at least one example"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(features, labels, error, message):
    with pytest.raises(error, match=message):
        LogisticProbe().fit(features, labels, n_classes=3)


def test_a_probe_is_one_affine_map():
    probe = FittedProbe(np.array([[1.0, 2.0], [0.0, -1.0]], dtype=np.float32), np.array([0.5, 0.0], dtype=np.float32))
    np.testing.assert_allclose(probe.logits(np.array([[3.0, 4.0]])), [[11.5, -4.0]])


@pytest.fixture
def far_from_zero():
    """Features as [CLS] of a low layer has them: means of hundreds, spreads a hundred-thousandth of that."""
    rng = np.random.default_rng(0)
    mean = 200 * rng.standard_normal(24)
    spread = 2e-5 * np.abs(mean)
    x = (mean + spread * (rng.standard_normal((400, 24)) @ rng.standard_normal((24, 24)))).astype(np.float32)
    odds = ((x.astype(np.float64) - mean) / spread) @ rng.standard_normal(24)
    return x, (odds / odds.std() + 0.5 * rng.logistic(size=400) > 0).astype(int)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_logits_are_those_of_float64_where_the_mean_is_far_larger_than_the_spread(far_from_zero, kind, n_classes):
    x, y = far_from_zero[0].astype(kind), (far_from_zero[1] + np.arange(400) % (n_classes - 1)).astype(int)
    fitter = LogisticProbe().prepare(x)
    (fitted,) = fitter.fit_many(y[None], (1.0,), n_classes=n_classes)
    (solution,) = fitter._solve(y[None], (1.0,), None, None, LogisticProbe().tol)
    z = (x.astype(np.float64) - fitter.design.shift) / fitter.design.scale
    exact = z @ solution.weight.T.astype(np.float64) + solution.bias
    exact = np.concatenate([-exact, exact], axis=1) / 2 if n_classes == 2 else exact
    assert np.abs(fitted.weight).max() > 50  # what is folded into one bias would be lost to rounding
    np.testing.assert_allclose(fitted.logits(x), exact, atol=2e-5)
    expected = log_softmax(exact)[np.arange(400), y]
    np.testing.assert_allclose(score_probes([fitted], x, y)[0][0], expected, atol=2e-5)


def test_probes_of_different_centers_scored_together_equal_probes_scored_alone(far_from_zero):
    x, y = far_from_zero
    probes = [LogisticProbe().fit(x[rows], y[rows], n_classes=2) for rows in (slice(200), slice(200, 400))]
    probes.append(FittedProbe(probes[0].weight, np.zeros(2, np.float32), center=None))
    probes[2] = FittedProbe(probes[2].weight / 1e4, probes[2].bias)
    alone = [probe.log_prob(x)[np.arange(400), y] for probe in probes]
    np.testing.assert_allclose(score_probes(probes, x, y)[0], alone, atol=1e-3)
    np.testing.assert_allclose(score_probes(probes[:2], x, y)[0], alone[:2], atol=2e-5)
    np.testing.assert_allclose(score_probes(probes[::-1], x, y)[0][0], alone[2], atol=1e-3)


def test_a_fit_starts_at_the_solution_of_its_start_probe(far_from_zero):
    x, y = far_from_zero
    fitter = LogisticProbe().prepare(x)
    (fitted,) = fitter.fit_many(y[None], (1.0,), n_classes=2)
    begin = fitter._unfold(fitted, [0, 1])
    (solution,) = fitter._solve(y[None], (1.0,), None, None, LogisticProbe().tol)
    np.testing.assert_allclose(begin.weight, solution.weight, atol=1e-6)
    np.testing.assert_allclose(begin.bias, solution.bias, atol=1e-5)


def test_a_head_of_a_probe_far_from_zero_has_the_probes_logits(bert):
    texts = ["one", "two words", "three of them"] * 8
    with torch.no_grad():
        bert.model.encoder.layer[0].output.LayerNorm.bias += 500.0
    features = pool_texts(bert, bert.encode(texts), ["mean"], [1])["mean"][0]
    fitted = LogisticProbe().fit(features, np.arange(24) % 3, n_classes=3)
    head = ProbeHead(bert, fitted, layer=1, pooling="mean")
    with torch.inference_mode():
        logits = head.logits(bert.batch(bert.encode(texts), range(24))).numpy()
    assert features.mean() > 100 * features.std(axis=0).mean()
    z = fitted.weight.astype(np.float64) @ (features.astype(np.float64) - fitted.center).T
    rounding = np.abs(fitted.weight).sum(axis=1).max() * np.spacing(np.float32(500)) * 3  # of the features themselves
    np.testing.assert_allclose(logits, z.T + fitted.bias, atol=rounding)
    np.testing.assert_allclose(fitted.logits(features), z.T + fitted.bias, atol=1e-4)


@pytest.mark.parametrize(
    "as_given",
    [
        lambda x: x.tolist(),
        lambda x: torch.from_numpy(x).requires_grad_(),
        lambda x: torch.from_numpy(x).to(torch.bfloat16),
        lambda x: x.astype(object),
        lambda x: x.astype(np.float16),
        pd.DataFrame,
    ],
    ids=["list", "tensor with gradients", "bfloat16", "object", "float16", "pandas"],
)
def test_features_of_any_kind_of_array_are_fitted_and_scored_alike(three_classes, as_given):
    x, y = np.round(three_classes[0]).astype(np.float32), three_classes[1]
    labels = y.tolist() if isinstance(as_given(x), list) else pd.Series(y, index=y + 7)
    plain = LogisticProbe().fit(x, y, n_classes=3)
    converted = LogisticProbe().fit(as_given(x), labels, n_classes=3)
    np.testing.assert_allclose(converted.logits(as_given(x)), plain.logits(x), atol=5e-3)
    np.testing.assert_array_equal(converted.predict(as_given(x)), plain.predict(x))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p, x: p.logits(x[0]), r"\(examples, hidden\), found shape \(6,\)"),
        (lambda p, x: p.predict(x[:, :4]), r"reads 6 dimensions, the features have shape \(120, 4\)"),
        (lambda p, x: p.log_prob("text"), "features must be an array, found str"),
        (lambda p, x: FittedProbe(p.weight, p.bias[:2]), r"\(classes, hidden\), its bias \(classes,\)"),
        (lambda p, x: FittedProbe(p.weight, p.bias, center=p.bias), r"found \(3, 6\), \(3,\) and \(3,\)"),
        (lambda p, x: LogisticProbe(c=0), "finite number above 0, found 0"),
        (lambda p, x: LogisticProbe(c="1"), "finite number above 0, found '1'"),
        (
            lambda p, x: LogisticProbe().fit(x, np.zeros(120, int), n_classes="3"),
            "n_classes must be a whole number from 1 to",
        ),
        (lambda p, x: load_probes(3), "path must be a path, found 3"),
        (lambda p, x: load_probes(""), "path must be a path, found ''"),
        (lambda p, x: select_probe([p], x * np.nan, np.zeros(120, int)), "validation features .* first in row 0"),
        (lambda p, x: select_probe([], x, np.zeros(120, int)), "no penalty strength was given"),
    ],
)
def test_what_a_probe_cannot_use_is_refused_in_one_line(three_classes, call, message):
    x, y = three_classes
    fitted = LogisticProbe().fit(x, y, n_classes=3)
    with pytest.raises(InputError, match=message) as raised:
        call(fitted, x)
    assert "\n" not in str(raised.value)
