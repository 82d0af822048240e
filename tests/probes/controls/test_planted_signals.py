"""Planted signals: as strong as they are said to be, found where there are texts enough and missed where not."""

import numpy as np
import pytest

from probes import InputError
from probes.controls.planted_signals import (
    PlantedSignal,
    PlantingOptions,
    best_accuracy,
    obstacle_to_planting,
    plant_signals,
    smallest_recovered_gain,
)
from probes.probing.penalty_selection import Sample


def samples(n, n_classes=2, hidden=16, share=None, seed=0):
    """Correlated features and labels that have nothing to do with them, in three splits."""
    rng = np.random.default_rng(seed)
    mixing = rng.standard_normal((hidden, hidden)) * np.logspace(0, -1, hidden)
    splits = []
    for size in (n, n // 2, n):
        labels = rng.choice(n_classes, size=size, p=share)
        labels[:n_classes] = np.arange(n_classes)
        splits.append(Sample((rng.standard_normal((size, hidden)) @ mixing + 1).astype(np.float32), labels))
    return splits


@pytest.mark.parametrize("prior", [(0.5, 0.5), (0.9, 0.1), (0.5, 0.3, 0.2)])
def test_the_best_accuracy_is_that_of_the_best_prediction_from_each_mark(prior):
    prior, rng = np.array(prior), np.random.default_rng(0)
    for chance in (0.0, 0.1, 0.4, 1.0):
        marks, random_classes = (rng.choice(len(prior), size=400_000, p=prior) for _ in range(2))
        labels = np.where(rng.random(400_000) < chance, marks, random_classes)
        counts = np.zeros((len(prior), len(prior)))
        np.add.at(counts, (marks, labels), 1)
        assert best_accuracy(prior, chance) == pytest.approx(counts.max(axis=1).sum() / 400_000, abs=0.003)
    assert best_accuracy(prior, 0.0) == prior.max()
    assert best_accuracy(prior, 1.0) == pytest.approx(1)


@pytest.mark.parametrize(("n_classes", "share"), [(2, None), (2, (0.8, 0.2)), (5, None)])
def test_with_many_texts_the_measured_gain_is_the_planted_gain(n_classes, share):
    planted = plant_signals(
        *samples(6000, n_classes, share=share), n_classes=n_classes, options=PlantingOptions(gains=(0.05, 0.1))
    )
    assert [signal.gain for signal in planted] == [0.05, 0.1]
    for signal in planted:
        assert signal.recovered == (True,) * 3
        assert np.mean(signal.measured_gains) == pytest.approx(signal.gain, abs=0.02)
    assert smallest_recovered_gain(planted) == 0.05


def test_with_few_texts_only_strong_signals_are_recovered():
    few = smallest_recovered_gain(
        plant_signals(*samples(80), n_classes=2, options=PlantingOptions(gains=(0.02, 0.05, 0.4)))
    )
    many = smallest_recovered_gain(
        plant_signals(*samples(4000), n_classes=2, options=PlantingOptions(gains=(0.02, 0.05, 0.4)))
    )
    assert few in (None, 0.4)
    assert many in (0.02, 0.05)


def test_signals_weaker_than_a_missed_one_do_not_count():
    met = {0.01: True, 0.02: False, 0.05: True, 0.1: True}
    signals = [PlantedSignal(gain, (0.0,), (was_recovered,)) for gain, was_recovered in met.items()]
    assert smallest_recovered_gain(signals) == 0.05
    assert smallest_recovered_gain(signals[:2]) is None
    assert smallest_recovered_gain([]) is None


def test_gains_beyond_an_accuracy_of_one_are_left_out():
    assert [
        signal.gain
        for signal in plant_signals(
            *samples(100, share=(0.95, 0.05)), n_classes=2, options=PlantingOptions(gains=(0.01, 0.2))
        )
    ] == [0.01]


def test_the_prior_is_that_of_all_training_texts_also_without_validation():
    train, _, test = samples(200, share=(0.985, 0.015), seed=1)
    assert obstacle_to_planting(train.labels, 16, n_classes=2) is None
    for seed in range(20):  # a sixth is held out, and with it now and then most texts of the rare class
        assert [
            signal.gain
            for signal in plant_signals(train, None, test, n_classes=2, options=PlantingOptions(repeats=1, seed=seed))
        ] == [0.01]


def test_what_cannot_be_planted_is_refused():
    one = [Sample(np.zeros((4, 3), dtype=np.float32), np.zeros(4, dtype=int))] * 3
    with pytest.raises(InputError, match="only one class"):
        plant_signals(*one, n_classes=2)
    with pytest.raises(InputError, match=r"has 99\.0% of the training texts, and the weakest signal adds 1%"):
        plant_signals(*samples(200, share=(0.995, 0.005)), n_classes=2)
    with pytest.raises(InputError, match="16 dimensions are too few"):
        plant_signals(*samples(200, n_classes=20), n_classes=20)
