"""The all-layers probe: against a single layer, against scikit-learn, and with signals that only all layers hold."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from probes import Examples, InputError
from probes.controls.all_layers import MOST_BYTES, all_layers_obstacle, fit_all_layers_probe
from probes.probing.sites import ExampleSplits

ROWS = (slice(0, 300), slice(300, 500), slice(500, 1000))


def splits_of(features, labels, *, has_validation=True):
    """Divide (layers, examples, hidden) features into splits."""
    train, validation, test = (Examples({"mean": features[:, rows]}, {"label": labels[rows]}) for rows in ROWS)
    return ExampleSplits(train, validation if has_validation else None, test)


def random_features(n_layers, hidden=4):
    rng = np.random.default_rng(0)
    return rng.standard_normal((n_layers, 1000, hidden)).astype(np.float32), rng


def accuracy(probe, labels):
    return (probe.predictions.predicted == labels[ROWS[2]]).mean()


@pytest.mark.parametrize("has_validation", [True, False])
def test_what_two_layers_say_together_is_read_by_no_layer_alone(has_validation):
    features, _ = random_features(2)
    labels = (features[0, :, 0] + features[1, :, 0] > 0).astype(int)
    splits = splits_of(features, labels, has_validation=has_validation)
    both = fit_all_layers_probe(splits, "label", "mean", [0, 1], n_classes=2)
    first = fit_all_layers_probe(splits, "label", "mean", [0], n_classes=2)
    assert both.layers == (0, 1)
    assert accuracy(both, labels) > 0.95
    assert accuracy(first, labels) < 0.8


def test_it_is_the_regression_of_scikit_learn_on_the_concatenated_features():
    features, rng = random_features(3)
    labels = (features[:, :, 0].sum(axis=0) + rng.standard_normal(1000) > 0).astype(int)
    probe = fit_all_layers_probe(splits_of(features, labels), "label", "mean", [0, 1, 2], n_classes=2)
    joined = np.concatenate(list(features.astype(np.float64)), axis=1)
    scaler = StandardScaler().fit(joined[ROWS[0]])
    reference = LogisticRegression(C=probe.selection.probe.c, tol=1e-8, max_iter=1000)
    reference.fit(scaler.transform(joined[ROWS[0]]), labels[ROWS[0]])
    expected = reference.predict_log_proba(scaler.transform(joined[ROWS[2]]))
    np.testing.assert_allclose(probe.predictions.log_prob, expected, atol=0.05)


def test_equal_layers_give_the_probe_of_one_of_them():
    """Weights spread over equal layers have a smaller penalty, which penalties divided by their number make up for."""
    features, rng = random_features(1)
    labels = (features[0, :, 0] + rng.standard_normal(1000) > 0).astype(int)
    splits = splits_of(np.repeat(features, 3, axis=0), labels)
    single = fit_all_layers_probe(splits, "label", "mean", [0], n_classes=2, cs=(0.01,))
    together = fit_all_layers_probe(splits, "label", "mean", [0, 1, 2], n_classes=2, cs=(0.01,))
    np.testing.assert_allclose(together.predictions.log_prob, single.predictions.log_prob, atol=0.02)


def test_penalties_are_tried_until_the_validation_loss_rises_and_the_lowest_is_selected():
    features, rng = random_features(2, hidden=60)
    labels = (features[:, :, 0].sum(axis=0) + 2 * rng.standard_normal(1000) > 0).astype(int)
    probe = fit_all_layers_probe(splits_of(features, labels), "label", "mean", [0, 1], n_classes=2)
    *falling, last = (trial.validation_log_loss for trial in probe.selection.trials)
    assert len(falling) > 1
    assert falling == sorted(falling, reverse=True)
    assert last > falling[-1]
    assert probe.selection.probe.c == probe.selection.trials[-2].c


def test_units_stay_on_one_side_of_the_fold_that_chooses_the_penalty():
    rng = np.random.default_rng(0)
    features = np.repeat(rng.standard_normal((2, 100, 60)), 3, axis=1).astype(np.float32)
    labels = np.repeat(rng.integers(2, size=100), 3)
    losses = []
    for units in (None, np.repeat(np.arange(100), 3)):
        train = Examples({"mean": features}, {"label": labels}, units=units)
        splits = ExampleSplits(train, None, train)
        probe = fit_all_layers_probe(splits, "label", "mean", [0, 1], n_classes=2, cs=(1.0,))
        losses.append(probe.selection.trials[0].validation_log_loss)
    copies, whole = losses
    assert copies < np.log(2) < whole  # the labels are noise


def test_one_layer_and_vectors_beyond_the_memory_are_left_out_with_a_reason():
    features, _ = random_features(2)
    train = splits_of(features, np.arange(1000) % 2).train
    assert all_layers_obstacle(train, "mean", [0, 1]) is None
    assert all_layers_obstacle(train, "mean", [1]) == "a single layer is probed"
    n_layers = MOST_BYTES // features[0, ROWS[0]].nbytes + 1
    assert "GiB" in all_layers_obstacle(train, "mean", [0] * n_layers)
    with pytest.raises(InputError, match="at least one layer"):
        fit_all_layers_probe(splits_of(features, np.arange(1000) % 2), "label", "mean", [], n_classes=2)
