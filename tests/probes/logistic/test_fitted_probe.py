"""Fitted probes: affine maps, scores of several together, and the kinds of arrays that they read."""

import numpy as np
import pandas as pd
import pytest
import torch

from probes import FittedProbe, InputError, LogisticProbe, ProbeHead, load_probes
from probes.features.in_memory import pool_texts
from probes.logistic.fitted_probe import log_softmax, score_probes
from probes.probing.penalty_selection import select_probe


def test_a_probe_is_one_affine_map():
    probe = FittedProbe(np.array([[1.0, 2.0], [0.0, -1.0]], dtype=np.float32), np.array([0.5, 0.0], dtype=np.float32))
    np.testing.assert_allclose(probe.logits(np.array([[3.0, 4.0]])), [[11.5, -4.0]])


@pytest.mark.parametrize("n_classes", [2, 3])
def test_probes_scored_together_equal_probes_scored_alone(three_classes, n_classes, monkeypatch):
    x, y = three_classes
    y = y % n_classes
    probes = list(LogisticProbe().prepare(x).fit_path(y, (1e-3, 0.1, 10.0), n_classes=n_classes))
    x, y = np.tile(x, (5, 1)), np.tile(y, 5)
    alone = [probe.log_prob(x)[np.arange(len(y)), y] for probe in probes]
    for most in (2**20, 20):  # logits at a time
        monkeypatch.setattr("probes.logistic.fitted_probe.MOST_LOGITS", most)
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


def test_probes_of_different_centers_scored_together_equal_probes_scored_alone(far_from_zero):
    x, y = far_from_zero
    probes = [LogisticProbe().fit(x[rows], y[rows], n_classes=2) for rows in (slice(200), slice(200, 400))]
    probes.append(FittedProbe(probes[0].weight, np.zeros(2, np.float32), center=None))
    probes[2] = FittedProbe(probes[2].weight / 1e4, probes[2].bias)
    alone = [probe.log_prob(x)[np.arange(400), y] for probe in probes]
    np.testing.assert_allclose(score_probes(probes, x, y)[0], alone, atol=1e-3)
    np.testing.assert_allclose(score_probes(probes[:2], x, y)[0], alone[:2], atol=2e-5)
    np.testing.assert_allclose(score_probes(probes[::-1], x, y)[0][0], alone[2], atol=1e-3)


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
        (lambda p, x: select_probe([], x, np.zeros(120, int)), "no penalty strength to choose from"),
    ],
)
def test_what_a_probe_cannot_use_is_refused_in_one_line(three_classes, call, message):
    x, y = three_classes
    fitted = LogisticProbe().fit(x, y, n_classes=3)
    with pytest.raises(InputError, match=message) as raised:
        call(fitted, x)
    assert "\n" not in str(raised.value)
