"""Probes over label columns, poolings and layers."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from probes import Examples, InputError, LogisticProbe, Site, SweepOptions, sweep_probes
from probes.probing.selection import DEFAULT_CS, Folds, Sample, select_by_folds

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
    return sweep_probes(split(0), split(1), split(2), class_names=names, options=SweepOptions(model="tiny"))


def test_the_table_is_tidy_and_has_every_site_and_floor(sweep):
    table = sweep.metrics
    assert list(table.columns) == COLUMNS
    test = table[(table["split"] == "test") & (table["metric"] == "accuracy")]
    assert not test.duplicated(["task", "probe", "pooling", "layer"]).any()
    assert len(test) == 2 * (2 * 4 + 2)
    assert set(test["probe"]) == {"logistic", "majority", "bag_of_words"}
    assert test[["lower", "upper", "n"]].notna().all(axis=None)
    assert ((test["lower"] <= test["value"]) & (test["value"] <= test["upper"])).all()


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


def test_differences_are_from_the_best_site_which_ties_with_itself(sweep):
    table = sweep.differences
    best = table[(table["pooling"] == table["reference_pooling"]) & (table["layer"] == table["reference_layer"])]
    assert best[["value", "lower", "upper"]].eq(0).all(axis=None)
    assert best["tied"].all()
    constant = table[(table["pooling"] == "cls") & (table["layer"] == 0)]
    assert not constant["tied"].any()


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


def test_a_bag_of_words_of_many_words_and_classes_has_the_frequent_ones_and_a_note(monkeypatch):
    whole = sweep_probes(split(0), split(1), split(2), options=SweepOptions(layers=[0]))
    assert not any("bag of words" in note for note in whole.notes)
    monkeypatch.setattr("probes.probing.floors.MOST_WEIGHTS", 6)
    few = sweep_probes(split(0), split(1), split(2), options=SweepOptions(layers=[0]))
    for task, n_words, n_classes in (("three", 2, 3), ("two", 3, 2)):
        assert few.tasks[task].predictions["bag_of_words"].log_prob.shape == (240, n_classes)
        note = f"The bag of words of {task} has the {n_words} most frequent words alone, as it takes a weight "
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
            "train features of pooling 'cls' have 240 examples and 'three' has 239 labels",
        ),
    ],
)
def test_splits_that_do_not_fit_together_are_refused(change, message):
    with pytest.raises(InputError, match=message):
        sweep_probes(change(split(0)), split(1), split(2))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"options": SweepOptions(layers=[7])}, "unknown layer 7; known: 0, 1, 2, 3"),
        ({"options": SweepOptions(layers=[-1])}, "unknown layer -1"),
        ({"class_names": {"two": ("no", "yes")}}, "unknown label column with class names 'three'"),
        ({"validation": split(1, 0, texts=False)}, "a split has no examples"),
        (
            {"test": dataclasses.replace(split(2), texts=None, labels=split(2, 239).labels)},
            "test features of pooling 'cls' have 240 examples",
        ),
    ],
)
def test_what_does_not_fit_the_features_is_refused(options, message):
    arguments = {"train": split(0), "validation": split(1), "test": split(2)} | options
    with pytest.raises(InputError, match=message):
        sweep_probes(**arguments)


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
    assert sweep.notes == ("A probe of the study 'odd' did not reach its tolerance at label mean 1.",)


def small(seed, n=60, *, hidden=3):
    """Two layers of one pooling, on the second of which one label of two classes is read; no texts."""
    rng = np.random.default_rng(seed)
    y = rng.integers(2, size=n)
    x = rng.standard_normal((2, n, hidden)).astype(np.float32)
    x[1, :, 0] += 4 * y
    return Examples({"mean": x}, {"label": y})


def changed(split, features=None, labels=None, **fields):
    """The same with other features or labels, by a function of those there are."""
    x, y = split.features["mean"], split.labels["label"]
    return dataclasses.replace(
        split,
        features={"mean": x if features is None else features(x)},
        labels={"label": y if labels is None else labels(y)},
        **fields,
    )


NAMES = np.array(["no", "yes"])


@pytest.mark.parametrize(
    ("features", "labels", "options"),
    [
        (None, lambda y: y.tolist(), {}),
        (None, lambda y: pd.Series(y, index=y + 5), {}),
        (None, torch.tensor, {}),
        (None, lambda y: y.astype(bool), {}),
        (None, lambda y: y.astype(np.uint8), {}),
        (None, lambda y: NAMES[y], {}),
        (None, lambda y: NAMES[y].tolist(), {"class_names": {"label": ["no", "yes"]}}),
        (None, lambda y: pd.Series(NAMES[y]), {"class_names": {"label": ("no", "yes")}}),
        (None, lambda y: pd.Series(NAMES[y]).astype("category"), {}),
        (torch.tensor, None, {}),
        (lambda x: torch.tensor(x, requires_grad=True), None, {}),
        (lambda x: [x[0].tolist(), x[1].tolist()], None, {}),
        (lambda x: [pd.DataFrame(x[0]), torch.tensor(x[1])], None, {}),
        (lambda x: {0: x[0], 1: x[1]}, None, {"options": SweepOptions(layers=1)}),
        (lambda x: x.astype(object), None, {}),
        (lambda x: x[:, ::-1][:, ::-1], None, {}),
    ],
)
def test_labels_and_features_of_any_kind_of_array_give_the_same_sweep(features, labels, options):
    parts = [changed(small(i), features, labels) for i in range(3)]
    expected = sweep_probes(small(0), small(1), small(2)).tasks["label"]
    task_sweep = sweep_probes(*parts, **options).tasks["label"]
    assert task_sweep.class_names in (("0", "1"), ("no", "yes"))
    assert task_sweep.test[Site("mean", 1)] == pytest.approx(expected.test[Site("mean", 1)], abs=1e-3)
    np.testing.assert_array_equal(task_sweep.labels, expected.labels)


def test_bfloat16_tensors_are_read_as_the_numbers_they_hold():
    parts = [changed(small(i), lambda x: torch.tensor(x).to(torch.bfloat16)) for i in range(3)]
    plain = [changed(small(i), lambda x: torch.tensor(x).to(torch.bfloat16).float().numpy()) for i in range(3)]
    assert sweep_probes(*parts).tasks["label"].test == sweep_probes(*plain).tasks["label"].test


def poisoned(x, row):
    x = x.copy()
    x[1, row, 2] = np.nan
    return x


@pytest.mark.parametrize("where", ["train", "validation", "test"])
@pytest.mark.parametrize("row", [0, 5, 59])
@pytest.mark.parametrize("kind", [np.asarray, torch.tensor, list, lambda x: dict(enumerate(x))])
def test_a_value_that_is_not_finite_is_named_by_split_pooling_layer_and_row(where, row, kind):
    parts = {name: small(i) for i, name in enumerate(("train", "validation", "test"))}
    parts[where] = changed(parts[where], lambda x: kind(poisoned(x, row)))
    message = f"^{where} features of pooling 'mean' at layer 1 hold a value that is not finite, first in row {row}$"
    with pytest.raises(InputError, match=message):
        sweep_probes(**parts)


def test_a_mapped_file_with_a_value_that_is_not_finite_is_named_alike(tmp_path):
    np.save(tmp_path / "x.npy", poisoned(small(0).features["mean"], 7))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    with pytest.raises(InputError, match=r"train features of pooling 'mean' at layer 1 .* first in row 7$"):
        sweep_probes(changed(small(0), lambda _: mapped), None, small(2))


def test_finite_features_with_an_infinite_sum_are_accepted():
    parts = [changed(small(i), lambda x: x * np.float32(3e37)) for i in range(3)]
    assert sweep_probes(*parts).tasks["label"].test[Site("mean", 1)]["accuracy"] > 0.9


def sweep_with(parts, options):
    settings = {"options": SweepOptions(**options["options"])} if "options" in options else {}
    return sweep_probes(*parts, **{**options, **settings})


@pytest.mark.parametrize(
    ("features", "labels", "options", "message"),
    [
        (
            lambda x: x[0],
            None,
            {},
            r"must be \(layers, 60 examples, hidden\), found shape \(60, 3\); .*features\[None\]",
        ),
        (lambda x: np.moveaxis(x, 1, 0), None, {}, r"found shape \(60, 2, 3\); move the axis of the examples"),
        (lambda x: np.moveaxis(x, 1, 2), None, {}, r"found shape \(2, 3, 60\); move the axis of the examples"),
        (lambda x: x[None], None, {}, r"found shape \(1, 2, 60, 3\)"),
        (lambda x: x.astype(str), None, {}, "at layer 0 must be numbers, found <U32"),
        (lambda x: [None, None], None, {}, "at layer 0 must be an array, found NoneType"),
        (lambda x: x.astype(complex), None, {}, "must be numbers, found complex128"),
        (None, lambda y: y + 0.5, {}, "labels of 'label' must be one axis of integers, found float64"),
        (None, lambda y: np.eye(2)[y], {}, r"labels of 'label' must be one axis of class ids, found shape \(60, 2\)"),
        (None, lambda y: [None, *y[1:]], {}, "must be class ids from 0, found None"),
        (None, lambda y: ["yes", None, *NAMES[y[2:]]], {}, "train labels of 'label': row 1 is None, not a name"),
        (None, lambda y: NAMES[y], {"class_names": {"label": ("no", "maybe")}}, "unknown class of 'label' 'yes'"),
        (None, lambda y: y - 1, {}, r"train labels of 'label' must lie in \[0, 1\), found -1 to 0"),
        (None, lambda y: 3, {}, "train labels of 'label' must be an array, found int"),
        (None, None, {"class_names": ["no", "yes"]}, "class_names must be a mapping"),
        (None, None, {"class_names": {}}, "unknown label column with class names 'label'"),
        (None, None, {"options": {"layers": "mean"}}, "unknown layer 'mean'"),
        (None, None, {"options": {"layers": []}}, "no layer is asked for"),
        (None, None, {"options": {"cs": ()}}, "no penalty strength was given"),
        (None, None, {"options": {"cs": (0.1, -1)}}, "finite number above 0, found -1"),
        (None, None, {"heads": {"label": np.zeros((3, 2))}}, r"shape \(60, 2\), found \(3, 2\)"),
        (None, None, {"heads": {"other": np.zeros((60, 2))}}, "unknown label column of heads 'other'"),
        (None, None, {"options": {"probe": 3}}, "probe must be LogisticProbe, found 3"),
    ],
)
def test_invalid_arguments_of_a_sweep_are_refused_in_one_line(features, labels, options, message):
    parts = [changed(small(i), features, labels) for i in range(3)]
    with pytest.raises(InputError, match=message) as raised:
        sweep_with(parts, options)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("train", "message"),
    [
        (dataclasses.replace(small(0), features=small(0).features["mean"]), "train: features must be a mapping"),
        (dataclasses.replace(small(0), labels=small(0).labels["label"]), "train: labels must be a mapping"),
        ({"mean": small(0).features["mean"]}, "train: features must be a mapping"),
        (dataclasses.replace(small(0), texts="one text"), "train texts must be a list of texts, found a single one"),
        (dataclasses.replace(small(0), texts=["a"] * 59 + [None]), "train text 59 is None, not text"),
        (dataclasses.replace(small(0), units=[0.5] * 60), "train units must be one axis of integers"),
    ],
)
def test_an_invalid_split_is_refused_in_one_line(train, message):
    with pytest.raises(InputError, match=message) as raised:
        sweep_probes(train, small(1), small(2))
    assert "\n" not in str(raised.value)


def test_texts_and_units_of_a_reordered_column_keep_their_order():
    index = np.random.default_rng(0).permutation(60)
    parts = []
    for i in range(3):
        texts = [f"word{label}" for label in small(i).labels["label"]]
        parts.append(dataclasses.replace(small(i), texts=pd.Series(texts, index=index)))
    assert sweep_probes(*parts).tasks["label"].test["bag_of_words"]["accuracy"] == 1.0
