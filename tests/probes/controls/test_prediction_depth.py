"""Prediction depth: by hand, and beside its noise."""

import math

import numpy as np
import pytest

from probes import Examples, InputError, SweepOptions, sweep_probes
from probes.controls.prediction_depth import prediction_depth, refit_study, reliability


def test_depth_is_the_first_layer_from_which_nothing_changes():
    predicted = np.array(
        [
            [1, 0, 0, 1],
            [1, 0, 1, 0],
            [1, 1, 1, 1],
            [1, 1, 0, 0],
        ]
    )
    np.testing.assert_array_equal(prediction_depth(predicted), [0, 2, 3, 3])


def test_one_layer_alone_is_every_texts_depth():
    np.testing.assert_array_equal(prediction_depth(np.array([[2, 0, 1]])), 0)
    with pytest.raises(InputError, match="at least one layer"):
        prediction_depth(np.zeros((0, 3), dtype=int))


def test_equal_depths_are_reliable_and_shuffled_depths_are_not():
    rng = np.random.default_rng(0)
    depths = rng.integers(4, size=2000)
    same = reliability(np.stack([depths, depths, depths]))
    assert (same.correlation, same.same) == (pytest.approx(1), 1)
    shuffled = reliability(np.stack([rng.permutation(depths) for _ in range(4)]))
    assert abs(shuffled.correlation) < 0.05
    assert shuffled.same == pytest.approx(shuffled.by_chance, abs=0.02)
    np.testing.assert_allclose(same.by_chance, np.square(np.bincount(depths) / 2000).sum())


def test_where_all_texts_have_one_depth_there_is_no_correlation():
    agreement = reliability(np.array([[2, 2, 2], [2, 2, 2]]))
    assert math.isnan(agreement.correlation)
    assert (agreement.same, agreement.by_chance) == (1, 1)
    with pytest.raises(InputError, match="two refits"):
        reliability(np.array([[1, 2]]))


def test_refits_have_one_training_sample_at_all_layers_and_agree_where_the_signal_is():
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=900)
    noise = rng.standard_normal((2, 900, 5))
    noise[1, :, 0] += 4 * (2 * y - 1)
    x = noise.astype(np.float32)
    parts = [Examples({"mean": x[:, r]}, {"label": y[r]}) for r in (slice(500), slice(500, 700), slice(700, 900))]
    sweep = sweep_probes(*parts, options=SweepOptions(studies={"depth": refit_study(4)}))
    blind, clear = (result for _, result in sorted(sweep.studies["depth"].items()))
    assert blind.refit_predictions.shape == (4, 200)
    assert (clear.refit_predictions == clear.predictions).mean() > 0.99
    assert 0.5 < (blind.refit_predictions == blind.predictions).mean() < 0.99
    assert clear.label_probability.mean() > 0.98
    expected = np.mean(clear.predictions == y[700:])
    assert expected == sweep.tasks["label"].test[list(sweep.tasks["label"].selections)[1]]["accuracy"]


def test_refits_on_the_same_features_are_the_same_at_every_layer():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((300, 4)).astype(np.float32), rng.integers(2, size=300)
    part = Examples({"mean": np.stack([x, x])}, {"label": y})
    results = list(
        sweep_probes(part, part, part, options=SweepOptions(studies={"depth": refit_study(3)}))
        .studies["depth"]
        .values()
    )
    np.testing.assert_array_equal(results[0].refit_predictions, results[1].refit_predictions)
    assert (results[0].refit_predictions[0] != results[0].refit_predictions[1]).any()
