"""Probes over label columns, poolings and layers."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from probes import Examples, InputError, LogisticProbe, sweep_probes
from probes.classifiers import DEFAULT_CS, Folds, select_by_folds
from probes.sweep import Point

COLUMNS = "model task pooling layer probe seed split metric class value lower upper n".split()


def split(seed, n=240, *, texts=True):
    """Layers 0 to 3 of two poolings; the signal grows with depth, faster in `mean`; `cls` at layer 0 is constant."""
    rng = np.random.default_rng(seed)
    labels = {"three": rng.integers(3, size=n), "two": rng.integers(2, size=n)}
    features = {}
    for pooling, strength in {"cls": 0.5, "mean": 1.0}.items():
        layers = rng.standard_normal((4, n, 8)).astype(np.float32)
        for layer in range(4):
            layers[layer, :, :3] += layer * strength * np.eye(3)[labels["three"]]
            layers[layer, :, 3] += layer * strength * labels["two"]
        features[pooling] = layers
    features["cls"][0] = 0.5
    return Examples(
        features, labels, [f"word{a} word{b}" for a, b in zip(*labels.values(), strict=True)] if texts else None
    )


@pytest.fixture(scope="module")
def sweep():
    names = {"three": ("a", "b", "c"), "two": ("no", "yes")}
    return sweep_probes(split(0), split(1), split(2), class_names=names, model="tiny")


def test_the_table_is_tidy_and_has_every_point_and_floor(sweep):
    table = sweep.metrics
    assert list(table.columns) == COLUMNS
    test = table[(table["split"] == "test") & (table["metric"] == "accuracy")]
    assert not test.duplicated(["task", "probe", "pooling", "layer"]).any()
    assert len(test) == 2 * (2 * 4 + 2)
    assert set(test["probe"]) == {"logistic", "majority", "bag_of_words"}
    assert test[["lower", "upper", "n"]].notna().all(axis=None)
    assert ((test["lower"] <= test["value"]) & (test["value"] <= test["upper"])).all()


def test_a_point_is_the_probe_fitted_by_hand(sweep):
    train, test = split(0), split(2)
    point = Point("mean", 2)
    c = sweep.tasks["three"].selections[point].probe.c
    fitted = LogisticProbe(c=c).fit(train.features["mean"][2], train.labels["three"], n_classes=3)
    accuracy = (fitted.predict(test.features["mean"][2]) == test.labels["three"]).mean()
    assert sweep.tasks["three"].test[point]["accuracy"] == pytest.approx(accuracy, abs=1 / 240)
    assert "three/mean/2" in sweep.probes


def test_the_best_point_is_chosen_on_validation_alone():
    train, validation, test = split(0), split(1), split(2)
    shuffled = dataclasses.replace(test, labels={k: np.roll(v, 1) for k, v in test.labels.items()})
    assert [sweep_probes(train, validation, t).tasks["two"].best for t in (test, shuffled)] == [Point("mean", 3)] * 2


def test_an_ineligible_pooling_is_shown_and_never_best():
    sweep = sweep_probes(split(0), split(1), split(2), ineligible=("mean",))
    assert sweep.tasks["two"].best.pooling == "cls"
    assert "mean" in set(sweep.metrics["pooling"])
    with pytest.raises(InputError, match="ineligible"):
        sweep_probes(split(0), split(1), split(2), ineligible=("mean", "cls"))


def test_a_constant_layer_stands_at_the_majority_rate(sweep):
    for task, found in sweep.tasks.items():
        constant = found.predictions[Point("cls", 0)].predicted
        top = np.bincount(split(0).labels[task]).argmax()
        np.testing.assert_array_equal(constant, top)
        assert found.test[Point("cls", 0)]["accuracy"] == found.test["majority"]["accuracy"]


def test_the_majority_is_that_of_training(sweep):
    top = np.bincount(split(0).labels["three"]).argmax()
    assert sweep.tasks["three"].test["majority"]["accuracy"] == (split(2).labels["three"] == top).mean()


def test_differences_are_from_the_winner_and_it_ties_with_itself(sweep):
    table = sweep.differences
    best = table[(table["pooling"] == table["reference_pooling"]) & (table["layer"] == table["reference_layer"])]
    assert best[["value", "lower", "upper"]].eq(0).all(axis=None)
    assert best["tied"].all()
    far = table[(table["pooling"] == "cls") & (table["layer"] == 0)]
    assert not far["tied"].any()


def test_confusion_counts_every_test_example(sweep):
    totals = sweep.confusion.groupby(["task", "probe"])["count"].sum()
    assert (totals == 240).all()
    assert set(sweep.confusion["label"]) == {"a", "b", "c", "no", "yes"}


def test_confusion_has_rows_for_the_pairs_that_occur_alone(sweep):
    counts = sweep.confusion
    assert (counts["count"] > 0).all()
    assert not counts.duplicated(["task", "probe", "label", "predicted"]).any()
    assert counts.query("task == 'three' and probe == 'majority'")["predicted"].nunique() == 1


def test_the_models_own_head_is_a_row_beside_the_probes():
    labels = split(2).labels["two"]
    head = np.log(np.where(np.eye(2)[labels] > 0, 0.9, 0.1))
    sweep = sweep_probes(split(0), split(1), split(2), heads={"two": head})
    row = sweep.metrics.query("probe == 'model_head' and metric == 'accuracy'")
    assert row["task"].tolist() == ["two"]
    assert row["value"].tolist() == [1.0]
    assert row["lower"].item() < 1.0


def test_without_texts_there_is_no_bag_of_words():
    sweep = sweep_probes(*(split(i, texts=False) for i in range(3)))
    assert "bag_of_words" not in set(sweep.metrics["probe"])


def test_the_same_call_gives_the_same_table(sweep):
    again = sweep_probes(
        split(0), split(1), split(2), class_names={"three": tuple("abc"), "two": ("no", "yes")}, model="tiny"
    )
    pd.testing.assert_frame_equal(sweep.metrics, again.metrics)


def test_a_probe_that_did_not_converge_is_a_note(monkeypatch):
    monkeypatch.setattr("probes.sweep.PROBES", {"logistic": LogisticProbe(max_iter=1)})
    sweep = sweep_probes(split(0), split(1), split(2))
    assert any("did not reach its tolerance at" in note and "cls 1" in note for note in sweep.notes)
    assert not sweep.selection["converged"].all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: dataclasses.replace(s, features={"mean": s.features["mean"]}), "same poolings"),
        (lambda s: dataclasses.replace(s, labels={"two": s.labels["two"]}), "same poolings and label columns"),
        (lambda s: dataclasses.replace(s, texts=["one"]), "lengths differ"),
        (
            lambda s: dataclasses.replace(s, labels={k: v[:-1] for k, v in s.labels.items()}, texts=None),
            "has 240 examples and 'three' has 239 labels",
        ),
    ],
)
def test_splits_that_do_not_fit_together_are_refused(change, message):
    with pytest.raises(InputError, match=message):
        sweep_probes(change(split(0)), split(1), split(2))


def test_an_unknown_probe_lists_the_known():
    with pytest.raises(InputError, match=r"unknown probe 'logstic' \(did you mean 'logistic'\?\)"):
        sweep_probes(split(0), split(1), split(2), probe="logstic")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layers": [7]}, "unknown layer 7; known: 0, 1, 2, 3"),
        ({"layers": [-1]}, "unknown layer -1"),
        ({"class_names": {"two": ("no", "yes")}}, "unknown label column with class names 'three'"),
        ({"validation": split(1, 0, texts=False)}, "a split has no examples"),
        (
            {"test": dataclasses.replace(split(2), texts=None, labels=split(2, 239).labels)},
            "test: cls 0 has 240 examples",
        ),
    ],
)
def test_what_does_not_fit_the_features_is_refused(options, message):
    asked = {"train": split(0), "validation": split(1), "test": split(2)} | options
    with pytest.raises(InputError, match=message):
        sweep_probes(**asked)


def test_without_validation_folds_of_the_training_examples_choose_penalty_and_layer():
    train, test = split(0), split(2)
    found = sweep_probes(train, None, test, folds=4).tasks["three"]
    assert found.best in (Point("mean", 3), Point("mean", 2))
    point = Point("mean", 2)
    order = np.random.default_rng(0).permutation(240)
    folds = Folds.of(train.labels["three"][order], None, n=4, seed=0)
    x, y = train.features["mean"][2][order], train.labels["three"][order]
    chosen, log_prob = select_by_folds(LogisticProbe(), x, y, folds, DEFAULT_CS, n_classes=3)
    assert found.selections[point].probe.c == chosen.probe.c
    assert found.validation[point]["accuracy"] == (log_prob.argmax(axis=1) == y).mean()
    assert "bag_of_words" in found.test


def test_units_stay_whole_in_the_folds_and_chance_duplicates_do_not_choose_the_penalty():
    """Noise that repeats: a fold that splits duplicates finds it readable, one that keeps them whole does not."""
    rng = np.random.default_rng(0)
    once, y = rng.standard_normal((60, 40)).astype(np.float32), rng.integers(2, size=60)
    x, labels, units = np.repeat(once, 4, axis=0), np.repeat(y, 4), np.repeat(np.arange(60), 4)
    losses = {}
    for name, own in (("whole", units), ("split", None)):
        part = Examples({"mean": x[None]}, {"label": labels}, units=own)
        (point,) = (found := sweep_probes(part, None, part).tasks["label"]).validation
        losses[name] = found.validation[point]["log_loss"]
    assert losses["split"] < 0.4
    assert losses["whole"] > 0.65


def test_what_did_not_converge_in_a_study_is_a_note():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 60, 3)).astype(np.float32), np.arange(60) % 2
    parts = [Examples({"mean": x}, {"label": y})] * 3

    def study(place):
        return SimpleNamespace(converged=place.point.layer == 0)

    sweep = sweep_probes(*parts, studies={"odd": study, "other": lambda place: place.point.layer})
    assert sweep.notes == ("A probe of the study 'odd' did not reach its tolerance at label mean 1.",)
