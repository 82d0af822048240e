"""Probes and floors: against scikit-learn, closed forms and properties."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from probes import FittedProbe, InputError, LogisticProbe, ProbeHead, load_probes
from probes.features.extraction import pool_texts
from probes.probing.logistic import log_softmax, score, standardisation
from probes.probing.selection import (
    Folds,
    Trial,
    bag_of_words,
    majority,
    pack_probes,
    select_by_folds,
    select_probe,
    uninformed,
)


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


def test_a_class_that_was_not_shown_has_a_finite_column_of_small_probability(three_classes):
    x, y = three_classes
    kept = y != 1
    fitted = LogisticProbe().fit(x[kept], y[kept], n_classes=4)
    probability = np.exp(fitted.log_prob(x[kept]))
    assert np.isfinite(fitted.log_prob(x)).all()
    assert not np.isin(fitted.predict(x[kept]), [1, 3]).any()
    # Its logit is where the geometric mean of its odds is one in examples + 1.
    odds = fitted.logits(x[kept])[:, 1] - np.log(np.exp(fitted.logits(x[kept])[:, [0, 2]]).sum(axis=1))
    np.testing.assert_allclose(odds.mean(), -np.log(kept.sum() + 1), atol=1e-4)
    assert probability[:, 1].max() < 0.5


def test_one_class_alone_is_predicted_always_and_never_surely(three_classes):
    x = three_classes[0][:10]
    fitted = LogisticProbe().fit(x, np.full(10, 2), n_classes=3)
    np.testing.assert_array_equal(fitted.predict(x), 2)
    np.testing.assert_allclose(np.exp(fitted.log_prob(x))[0], np.array([1, 1, 11]) / 13, rtol=1e-5)


def test_constant_features_give_the_training_frequencies():
    y = np.repeat([0, 1, 2], [50, 30, 20])
    fitted = LogisticProbe().fit(np.full((100, 5), 0.37, dtype=np.float32), y, n_classes=3)
    np.testing.assert_allclose(np.exp(fitted.log_prob(np.full((1, 5), 0.37)))[0], [0.5, 0.3, 0.2], atol=1e-3)


def test_a_dead_dimension_is_not_blown_up(three_classes):
    x, y = three_classes
    noise = np.random.default_rng(1).standard_normal((len(x), 1)).astype(np.float32)
    dead = np.concatenate([x, 0.25 + noise * 1e-30, 0.25 + noise * 1e-8], axis=1).astype(np.float32)
    mean, scale = standardisation(dead)
    np.testing.assert_array_equal(scale[-2:], np.abs(mean).max())
    fitted, bare = (LogisticProbe().fit(features, y, n_classes=3) for features in (dead, x))
    np.testing.assert_allclose(fitted.weight[:, -2:], 0, atol=1e-6)
    np.testing.assert_allclose(fitted.log_prob(dead), bare.log_prob(x), atol=1e-3)


def test_float32_features_fit_as_float64_ones_do(three_classes):
    x, y = three_classes
    a, b = (LogisticProbe().fit(x.astype(kind), y, n_classes=3) for kind in (np.float32, np.float64))
    np.testing.assert_allclose(a.log_prob(x), b.log_prob(x), atol=2e-3)


def test_a_path_ends_where_single_fits_do(three_classes):
    x, y = three_classes
    cs = (1e-3, 1e-2, 0.1, 1.0)
    for c, fitted in zip(cs, LogisticProbe().on(x).path(y, cs, n_classes=3), strict=True):
        assert fitted.c == c
        np.testing.assert_allclose(fitted.log_prob(x), LogisticProbe(c=c).fit(x, y, n_classes=3).log_prob(x), atol=5e-3)


def test_what_has_not_converged_says_so(three_classes):
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


def test_the_penalty_with_the_lowest_validation_loss_is_chosen(three_classes):
    x, y = three_classes
    cs = (1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0)
    chosen = select_probe(LogisticProbe().on(x[:60]).path(y[:60], cs, n_classes=3), x[60:], y[60:])
    losses = {}
    for fitted in LogisticProbe().on(x[:60]).path(y[:60], cs, n_classes=3):
        losses[fitted.c] = -fitted.log_prob(x[60:])[np.arange(60), y[60:]].mean()
    assert chosen.probe.c == min(losses, key=losses.get)
    assert {t.c: t.validation_log_loss for t in chosen.trials} == pytest.approx(losses)
    assert isinstance(chosen.trials[0], Trial)


def test_majority_is_the_training_frequency_smoothed_by_one():
    np.testing.assert_allclose(np.exp(majority(np.array([0, 0, 1]), n_classes=3)), [3 / 6, 2 / 6, 1 / 6])


@pytest.mark.parametrize("labels", [[0, 0, 1], [2, 0, 2, 2, 0, 4], [1, 1, 1]])
def test_the_probe_that_sees_no_features_says_what_one_fitted_on_a_constant_vector_does(labels):
    y = np.array(labels * 20)
    fitted = LogisticProbe(tol=1e-12).fit(np.ones((len(y), 3), dtype=np.float32), y, n_classes=5)
    np.testing.assert_allclose(
        fitted.log_prob(np.ones((1, 3), dtype=np.float32))[0], uninformed(y, n_classes=5), atol=1e-5
    )


def test_a_bag_of_words_learns_words_and_no_order():
    words = [("good film", 1), ("bad film", 0), ("good plot", 1), ("bad plot", 0)] * 20
    order = [("a b", 1), ("b a", 0)] * 40
    for rows, accuracy in ((words, 1.0), (order, 0.5)):
        texts, labels = [t for t, _ in rows], np.array([y for _, y in rows])
        log_prob, most = bag_of_words((texts, labels), (texts, labels), texts, n_classes=2)
        assert most is None
        assert (log_prob.argmax(axis=1) == labels).mean() == accuracy


@pytest.mark.parametrize("losses", [[3.0], [3, 2, 1], [1, 2, 0.5], [2, 2, 1, 1, 5, 1], [2, 1, 1.5, 0.5]])
def test_the_lowest_loss_is_found_behind_a_rise_and_of_equal_ones_the_strongest_penalty(losses):
    x, y = np.ones((1, 1)), np.zeros(1, dtype=int)
    odds = np.log(np.expm1(losses))  # of the other class, where this is the loss
    path = [FittedProbe(np.array([[0.0], [o]]), np.zeros(2), c=float(i)) for i, o in enumerate(odds)]
    found = -score(path, x, y)[0][:, 0]
    np.testing.assert_allclose(found, losses, rtol=1e-6)
    assert select_probe(path, x, y).probe.c == losses.index(min(losses))


@pytest.mark.parametrize("n_classes", [2, 3])
def test_several_probes_scored_at_once_say_what_each_says_alone(three_classes, n_classes, monkeypatch):
    x, y = three_classes
    y = y % n_classes
    probes = list(LogisticProbe().on(x).path(y, (1e-3, 0.1, 10.0), n_classes=n_classes))
    x, y = np.tile(x, (5, 1)), np.tile(y, 5)
    alone = [probe.log_prob(x)[np.arange(len(y)), y] for probe in probes]
    for most in (2**20, 20):  # logits at a time
        monkeypatch.setattr("probes.probing.logistic.SCORED", most)
        log_prob, right = score(probes, x, y)
        np.testing.assert_allclose(log_prob, alone, atol=1e-5)
        np.testing.assert_array_equal(right, [probe.predict(x) == y for probe in probes])
        assert 0 < right.mean() < 1
    kept, frozen = score(probes, x[::-1], y[::-1].astype(np.uint8)), x.copy()
    np.testing.assert_allclose(kept[0][:, ::-1], log_prob, atol=1e-5)
    frozen.flags.writeable = False  # as what is mapped from a file
    np.testing.assert_array_equal(score(probes, frozen, y)[1], right)


def test_log_softmax_stands_large_logits():
    np.testing.assert_allclose(log_softmax(np.array([[1e4, 0.0], [3.0, 3.0]])), [[0, -1e4], [-np.log(2)] * 2])


def test_packed_probes_are_the_same_probes(three_classes, tmp_path):
    x, y = three_classes
    fitted = LogisticProbe(c=0.3).fit(x, y, n_classes=3)
    (tmp_path / "probes.safetensors").write_bytes(pack_probes({"label/mean/2": fitted}, {"classes": {"label": ["a"]}}))
    probes, info = load_probes(tmp_path / "probes.safetensors")
    np.testing.assert_array_equal(probes["label/mean/2"].log_prob(x), fitted.log_prob(x))
    assert (probes["label/mean/2"].c, info["classes"]) == (0.3, {"label": ["a"]})


def test_a_file_that_holds_no_probes_is_a_clear_error(tmp_path):
    with pytest.raises(InputError, match="cannot read probes"):
        load_probes(tmp_path / "absent.safetensors")


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


def test_folds_keep_units_whole_and_classes_in_their_shares():
    rng = np.random.default_rng(0)
    units = rng.integers(60, size=300)
    labels = (units % 3 == 0).astype(int)
    folds = Folds.of(labels, units, n=5, seed=1)
    assert len(folds.parts) == 5
    np.testing.assert_array_equal(np.sort(np.concatenate(folds.parts)), np.arange(300))
    assert sum(len(set(units[part])) for part in folds.parts) == len(set(units))
    shares = [labels[part].mean() for part in folds.parts]
    assert max(abs(share - labels.mean()) for share in shares) < 0.12
    alone = Folds.of(labels, None, n=5)
    assert sum(len(set(units[part])) for part in alone.parts) > len(set(units))


@pytest.mark.parametrize(
    ("labels", "units", "n", "message"),
    [
        ([0, 1, 0, 1], [0, 0, 0, 0], 5, "folds need two texts or more that are not all duplicates or of one group"),
        ([0, 1], None, 1, "folds must be 2 or more, found 1"),
        ([0, 1] * 3, None, 10**9, "1000000000 folds are more than the 6 training texts, .*; ask for 6 or fewer"),
        ([0, 1] * 3, [0, 1, 2, 0, 1, 2], 4, "4 folds are more than the 3 training texts, those that are duplicates or"),
    ],
)
def test_what_cannot_be_folded_is_refused_with_the_number_that_can(labels, units, n, message):
    with pytest.raises(InputError, match=message):
        Folds.of(np.array(labels), None if units is None else np.array(units), n=n)


def test_classes_smaller_than_the_number_of_folds_are_folded():
    labels = np.repeat(np.arange(200), 2)
    folds = Folds.of(labels, n=5)
    assert [len(part) for part in folds.parts] == [80] * 5
    assert all(len(set(labels[part])) == len(part) for part in folds.parts)


def test_selection_by_folds_is_that_of_scikit_learn(three_classes):
    x, y = three_classes[0].astype(np.float64), three_classes[1]
    folds, cs = Folds.of(y, n=4, seed=3), (1e-3, 1e-2, 0.1, 1.0, 30.0)
    probe = LogisticProbe(tol=1e-14)
    found, log_prob = select_by_folds(probe, x, y, folds, cs, n_classes=3)
    splits = [(np.setdiff1d(np.arange(len(y)), part), part) for part in folds.parts]
    expected = []
    for c in cs:
        model = make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=10_000, tol=1e-8))
        expected.append(np.log(cross_val_predict(model, x, y, cv=splits, method="predict_proba")))
    losses = [-each[np.arange(len(y)), y].mean() for each in expected]
    np.testing.assert_allclose([trial.validation_log_loss for trial in found.trials], losses, atol=1e-5)
    best = int(np.argmin(losses))
    assert found.probe.c == cs[best]
    np.testing.assert_allclose(log_prob, expected[best], atol=1e-4)
    whole = LogisticProbe(c=cs[best], tol=1e-14).fit(x, y, n_classes=3)
    np.testing.assert_allclose(found.probe.log_prob(x), whole.log_prob(x), atol=1e-5)


def test_a_bag_of_words_chooses_by_folds_too():
    rows = [("good film", 1), ("bad film", 0), ("good plot", 1), ("bad plot", 0)] * 10
    texts, labels = [text for text, _ in rows], np.array([label for _, label in rows])
    log_prob, _ = bag_of_words((texts, labels), Folds.of(labels, n=4), texts, n_classes=2)
    np.testing.assert_array_equal(log_prob.argmax(axis=1), labels)


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
    fitter = LogisticProbe().on(x)
    (fitted,) = fitter.fits(y[None], (1.0,), n_classes=n_classes)
    (solution,) = fitter._solve(y[None], (1.0,), None, None, LogisticProbe().tol)
    z = (x.astype(np.float64) - fitter.design.shift) / fitter.design.scale
    exact = z @ solution.weight.T.astype(np.float64) + solution.bias
    exact = np.concatenate([-exact, exact], axis=1) / 2 if n_classes == 2 else exact
    assert np.abs(fitted.weight).max() > 50  # what is folded into one bias would be lost to rounding
    np.testing.assert_allclose(fitted.logits(x), exact, atol=2e-5)
    expected = log_softmax(exact)[np.arange(400), y]
    np.testing.assert_allclose(score([fitted], x, y)[0][0], expected, atol=2e-5)


def test_probes_of_other_centers_are_scored_together_as_alone(far_from_zero):
    x, y = far_from_zero
    probes = [LogisticProbe().fit(x[rows], y[rows], n_classes=2) for rows in (slice(200), slice(200, 400))]
    probes.append(FittedProbe(probes[0].weight, np.zeros(2, np.float32), center=None))
    probes[2] = FittedProbe(probes[2].weight / 1e4, probes[2].bias)
    alone = [probe.log_prob(x)[np.arange(400), y] for probe in probes]
    np.testing.assert_allclose(score(probes, x, y)[0], alone, atol=1e-3)
    np.testing.assert_allclose(score(probes[:2], x, y)[0], alone[:2], atol=2e-5)
    np.testing.assert_allclose(score(probes[::-1], x, y)[0][0], alone[2], atol=1e-3)


def test_a_fit_begins_where_the_probe_that_it_starts_from_ended(far_from_zero):
    x, y = far_from_zero
    fitter = LogisticProbe().on(x)
    (fitted,) = fitter.fits(y[None], (1.0,), n_classes=2)
    begin = fitter._unfold(fitted, [0, 1])
    (solution,) = fitter._solve(y[None], (1.0,), None, None, LogisticProbe().tol)
    np.testing.assert_allclose(begin.weight, solution.weight, atol=1e-6)
    np.testing.assert_allclose(begin.bias, solution.bias, atol=1e-5)


def test_a_head_of_a_probe_far_from_zero_says_what_the_probe_does(bert):
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


def test_probes_written_without_a_center_are_still_read(three_classes, tmp_path):
    x, y = three_classes
    fitted = LogisticProbe().fit(x, y, n_classes=3)
    folded = FittedProbe(fitted.weight, fitted.bias - fitted.weight @ fitted.center, c=1.0)
    (tmp_path / "old.safetensors").write_bytes(pack_probes({"label/mean/2": folded, "label/cls/0": fitted}, {}))
    probes, _ = load_probes(str(tmp_path / "old.safetensors"))
    assert probes["label/mean/2"].center is None
    np.testing.assert_array_equal(probes["label/cls/0"].center, fitted.center)
    np.testing.assert_allclose(probes["label/mean/2"].logits(x), fitted.logits(x), atol=1e-4)


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
    other = LogisticProbe().fit(as_given(x), labels, n_classes=3)
    np.testing.assert_allclose(other.logits(as_given(x)), plain.logits(x), atol=5e-3)
    np.testing.assert_array_equal(other.predict(as_given(x)), plain.predict(x))


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
