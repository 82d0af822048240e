"""Splits as callers hand them in: features, labels and texts of any kind of array, or one line of what is wrong."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch

from probes import Examples, InputError, Site, SweepOptions, sweep_probes
from tests.support.datasets.sweep_splits import split


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
        (None, None, {"options": {"layers": []}}, "no layers; name"),
        (None, None, {"options": {"cs": ()}}, "no penalty strength to choose from"),
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
