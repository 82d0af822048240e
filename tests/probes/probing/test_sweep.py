"""Probes over label columns, poolings and layers."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from probes import Examples, InputError, LogisticProbe, Site, SweepOptions, sweep_probes
from probes.probing.folds import Folds
from probes.probing.penalty_selection import DEFAULT_CS, Sample, select_by_folds
from tests.support.datasets.sweep_splits import split


def test_a_site_has_the_probe_fitted_alone(sweep):
    train, test = split(0), split(2)
    site = Site("mean", 2)
    c = sweep.tasks["three"].selections[site].probe.c
    fitted = LogisticProbe(c=c).fit(train.features["mean"][2], train.labels["three"], n_classes=3)
    accuracy = (fitted.predict(test.features["mean"][2]) == test.labels["three"]).mean()
    assert sweep.tasks["three"].test[site]["accuracy"] == pytest.approx(accuracy, abs=1 / 240)
    assert "three/mean/2" in sweep.probes


def test_the_best_site_is_chosen_on_validation_alone():
    train, validation, test = split(0), split(1), split(2)
    shuffled = dataclasses.replace(test, labels={k: np.roll(v, 1) for k, v in test.labels.items()})
    assert [sweep_probes(train, validation, t).tasks["two"].best for t in (test, shuffled)] == [Site("mean", 3)] * 2


def test_an_ineligible_pooling_is_scored_and_never_best():
    sweep = sweep_probes(split(0), split(1), split(2), options=SweepOptions(ineligible=("mean",)))
    assert sweep.tasks["two"].best.pooling == "cls"
    assert "mean" in set(sweep.metrics["pooling"])
    with pytest.raises(InputError, match="ineligible"):
        sweep_probes(split(0), split(1), split(2), options=SweepOptions(ineligible=("mean", "cls")))


def test_a_constant_layer_stands_at_the_majority_rate(sweep):
    for task, task_sweep in sweep.tasks.items():
        constant = task_sweep.predictions[Site("cls", 0)].predicted
        top = np.bincount(split(0).labels[task]).argmax()
        np.testing.assert_array_equal(constant, top)
        assert task_sweep.test[Site("cls", 0)]["accuracy"] == task_sweep.test["majority"]["accuracy"]


def test_the_majority_is_that_of_training(sweep):
    top = np.bincount(split(0).labels["three"]).argmax()
    assert sweep.tasks["three"].test["majority"]["accuracy"] == (split(2).labels["three"] == top).mean()


def test_a_bag_of_words_of_many_words_and_classes_has_the_frequent_ones_and_a_note(monkeypatch):
    whole = sweep_probes(split(0), split(1), split(2), options=SweepOptions(layers=[0]))
    assert not any("bag of words" in note for note in whole.notes)
    monkeypatch.setattr("probes.probing.bag_of_words.MOST_WEIGHTS", 6)
    few = sweep_probes(split(0), split(1), split(2), options=SweepOptions(layers=[0]))
    for task, n_words, n_classes in (("three", 2, 3), ("two", 3, 2)):
        assert few.tasks[task].predictions["bag_of_words"].log_prob.shape == (240, n_classes)
        note = f"The bag of words of {task} has only the {n_words} most frequent words"
        assert any(sweep_note.startswith(note) for sweep_note in few.notes)


def test_without_texts_there_is_no_bag_of_words():
    sweep = sweep_probes(*(split(i, texts=False) for i in range(3)))
    assert "bag_of_words" not in set(sweep.metrics["probe"])


def test_the_same_call_gives_the_same_table(sweep):
    names = {"three": tuple("abc"), "two": ("no", "yes")}
    again = sweep_probes(split(0), split(1), split(2), class_names=names, options=SweepOptions(model="tiny"))
    pd.testing.assert_frame_equal(sweep.metrics, again.metrics)


def test_a_probe_that_did_not_converge_is_a_note():
    sweep = sweep_probes(split(0), split(1), split(2), options=SweepOptions(probe=LogisticProbe(max_iter=1)))
    assert any("did not converge at" in note and "cls 1" in note for note in sweep.notes)
    assert not sweep.selection["converged"].all()


def test_without_validation_folds_of_the_training_examples_choose_penalty_and_layer():
    train, test = split(0), split(2)
    task_sweep = sweep_probes(train, None, test, options=SweepOptions(folds=4)).tasks["three"]
    assert task_sweep.best in (Site("mean", 3), Site("mean", 2))
    site = Site("mean", 2)
    order = np.random.default_rng(0).permutation(240)
    folds = Folds.of(train.labels["three"][order], None, n=4, seed=0)
    x, y = train.features["mean"][2][order], train.labels["three"][order]
    chosen, log_prob = select_by_folds(LogisticProbe(), Sample(x, y), folds, DEFAULT_CS, n_classes=3)
    assert task_sweep.selections[site].probe.c == chosen.probe.c
    assert task_sweep.validation[site]["accuracy"] == (log_prob.argmax(axis=1) == y).mean()
    assert "bag_of_words" in task_sweep.test


def test_units_stay_whole_in_the_folds_and_chance_duplicates_do_not_choose_the_penalty():
    """Noise that repeats: a fold that splits duplicates finds it readable, one that keeps them whole does not."""
    rng = np.random.default_rng(0)
    once, y = rng.standard_normal((60, 40)).astype(np.float32), rng.integers(2, size=60)
    x, labels, units = np.repeat(once, 4, axis=0), np.repeat(y, 4), np.repeat(np.arange(60), 4)
    losses = {}
    for name, part_units in (("whole", units), ("split", None)):
        part = Examples({"mean": x[None]}, {"label": labels}, units=part_units)
        (site,) = (task_sweep := sweep_probes(part, None, part).tasks["label"]).validation
        losses[name] = task_sweep.validation[site]["log_loss"]
    assert losses["split"] < 0.4
    assert losses["whole"] > 0.65


def test_what_did_not_converge_in_a_study_is_a_note():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 60, 3)).astype(np.float32), np.arange(60) % 2
    parts = [Examples({"mean": x}, {"label": y})] * 3

    def study(probed_site):
        return SimpleNamespace(converged=probed_site.site.layer == 0)

    studies = {"odd": study, "other": lambda probed_site: probed_site.site.layer}
    sweep = sweep_probes(*parts, options=SweepOptions(studies=studies))
    (note,) = sweep.notes
    assert note.startswith("A probe of the study 'odd' did not converge at label mean 1")
