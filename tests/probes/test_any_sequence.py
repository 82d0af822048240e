"""Every public function reads any sequence as the list of its items: nothing hangs on an index, or is read once."""

import dataclasses
import functools

import numpy as np
import pandas as pd
import pytest

from probes import (
    Examples,
    LabelledTexts,
    LogisticProbe,
    ModelHead,
    ProbeHead,
    SweepOptions,
    TextDataset,
    extract_features,
    fine_tune,
    make_splits,
    read_splits,
    sweep_probes,
    word_means,
)
from probes.attribution.attribute import attribute
from probes.attribution_checks.faithfulness import faithfulness, perturbation_curves
from probes.attribution_checks.infidelity import infidelity
from probes.attribution_checks.planted_shortcut import planted_shortcut
from probes.attribution_checks.plausibility import plausibility
from probes.controls.information import online_codelength
from probes.data.texts import Texts
from probes.statistics.metrics import accuracy
from tests.support.datasets.any_sequence import LABELS, NAMES, PAIRS, SEQUENCES, TEXTS, model_head, probe_head
from tests.support.encoders.fine_tuning_task import CLASSES, SETTINGS, labelled, tiny_encoder
from tests.support.encoders.models import HIDDEN

MANY = [f"{TEXTS[i % 3]} {i}" for i in range(40)]
IDS = [i % 2 for i in range(40)]
FEATURES = np.random.default_rng(0).standard_normal((2, 40, HIDDEN)).astype(np.float32)


@functools.cache
def attributions():
    return attribute(probe_head(), TEXTS, method="input_x_gradient")


def sweep(as_kind, labels):
    def examples():
        return Examples({"mean": FEATURES}, {"label": as_kind(labels)}, as_kind(MANY), as_kind(list(range(40))))

    names = {"label": as_kind(["no", "yes"])}
    options = SweepOptions(layers=as_kind([1, 0]), cs=as_kind([1.0, 0.1]))
    return sweep_probes(examples(), None, examples(), class_names=names, options=options).metrics.to_dict("list")


def tuned(as_kind, folder):
    train, validation = (
        LabelledTexts(as_kind(list(side.texts.first)), as_kind(side.labels.tolist())) for side in labelled(24, 12)
    )
    options = {"head": "mean", "settings": dataclasses.replace(SETTINGS, epochs=1), "folder": folder / str(id(as_kind))}
    return (
        fine_tune(tiny_encoder(), train, validation, class_names=as_kind(list(CLASSES)), **options).epochs[0].train_loss
    )


def shortcut_numbers(as_kind):
    options = {"methods": as_kind(["random", "direct"]), "cs": as_kind([0.1, 1.0]), "layer": 1, "pooling": "mean"}
    shortcut = planted_shortcut(probe_head().encoder, as_kind(MANY), as_kind(TEXTS), **options)
    return shortcut.words, shortcut.accuracy, {name: ranks.tolist() for name, ranks in shortcut.ranks.items()}


def stored(as_kind, folder):
    options = {"poolings": as_kind(["mean", "cls"]), "layers": as_kind([2, 1]), "cache": folder}
    store = extract_features(probe_head().encoder, Texts(as_kind(TEXTS), as_kind(PAIRS)), **options)
    return store.layers("cls", rows=as_kind([2, 0]))[2]


def dataset(as_kind):
    columns = {
        "groups": as_kind(list("abc")),
        "input_types": as_kind(list("xyz")),
        "class_names": {"label": as_kind(NAMES)},
    }
    whole = TextDataset.of(Texts(as_kind(TEXTS), as_kind(PAIRS)), {"label": as_kind(LABELS)}, **columns)
    return dataclasses.astuple(whole.take(as_kind([2, 0])))


def read(as_kind, folder):
    path = folder / "data.csv"
    pd.DataFrame({"text": MANY, "label": IDS, "other": IDS}).to_csv(path, index=False)
    return read_splits(path, labels=as_kind(["label", "other"])).test.texts


def probe(as_kind):
    fitted = LogisticProbe().fit(FEATURES[0], as_kind(IDS), n_classes=2)
    head = ProbeHead(probe_head().encoder, fitted, layer=1, pooling="mean", class_names=as_kind(["a", "b"]))
    return fitted.weight, head.class_names, head.predict(as_kind(TEXTS))


CALLS = {
    "sweep_probes, ids": lambda as_kind, _: sweep(as_kind, IDS),
    "sweep_probes, names": lambda as_kind, _: sweep(as_kind, [("no", "yes")[i] for i in IDS]),
    "fine_tune": tuned,
    "planted_shortcut": lambda as_kind, _: shortcut_numbers(as_kind),
    "extract_features": stored,
    "TextDataset": lambda as_kind, _: dataset(as_kind),
    "make_splits": lambda as_kind, _: (
        make_splits(TextDataset.of(MANY, {"a": IDS, "b": IDS}), stratify=as_kind(["b", "a"])).test.texts
    ),
    "read_splits": read,
    "LogisticProbe": lambda as_kind, _: probe(as_kind),
    "ModelHead": lambda as_kind, _: ModelHead(
        model_head().encoder, as_kind(NAMES[::-1]), head_classes=as_kind(NAMES)
    ).predict(Texts(as_kind(TEXTS), as_kind(PAIRS))),
    "online_codelength": lambda as_kind, _: (
        online_codelength(
            FEATURES[0], as_kind(IDS), n_classes=2, cs=as_kind([1.0, 0.1]), fractions=as_kind([0.1, 0.5, 1.0])
        ).bits
    ),
    "accuracy": lambda as_kind, _: accuracy(as_kind(IDS), np.zeros((40, 2))),
    "faithfulness": lambda as_kind, _: list(
        map(
            dataclasses.astuple,
            faithfulness(probe_head(), attributions(), fractions=as_kind([0.5, 0.1]), random_orders=1),
        )
    ),
}
"""Function -> the call with every sequence of its made by `made`; the folder is one of its own."""


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_any_sequence_gives_what_a_list_gives(call, tmp_path):
    if call is tuned:
        pytest.importorskip("accelerate")
    expected = call(list, tmp_path)
    for kind, as_kind in SEQUENCES.items():
        np.testing.assert_equal(call(as_kind, tmp_path), expected, err_msg=kind)


def objects(values):
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


OF_OBJECTS = {
    "Series of another index": lambda values: pd.Series(list(values), index=range(len(values), 0, -1), dtype=object),
    "array": objects,
    "tuple": tuple,
    "generator": lambda values: (value for value in values),
}
SPANS = [[(0, 3)], [(0, 5)], [(0, 1)]]
WITH_ATTRIBUTIONS = {
    "faithfulness": lambda as_kind: list(
        map(str, faithfulness(probe_head(), as_kind(attributions()), random_orders=1))
    ),
    "curves": lambda as_kind: [curve.deletion for curve in perturbation_curves(probe_head(), as_kind(attributions()))],
    "infidelity": lambda as_kind: list(map(str, infidelity(probe_head(), as_kind(attributions()), samples=5))),
    "plausibility": lambda as_kind: list(map(str, plausibility(as_kind(attributions()), as_kind(SPANS)))),
    "word_means": lambda as_kind: word_means(as_kind(attributions())).to_dict("list"),
}


@pytest.mark.parametrize("call", WITH_ATTRIBUTIONS.values(), ids=WITH_ATTRIBUTIONS)
def test_any_sequence_of_attributions_gives_what_a_list_gives(call):
    expected = call(list)
    for kind, as_kind in OF_OBJECTS.items():
        np.testing.assert_equal(call(as_kind), expected, err_msg=kind)


def test_fractions_of_another_float_type_and_one_alone_are_taken():
    narrow = np.array([0.5, 0.25], dtype=np.float32)
    wide, of_narrow = (faithfulness(probe_head(), attributions(), fractions=f) for f in ([0.5, 0.25], narrow))
    assert str(wide) == str(of_narrow)
    one, several = (faithfulness(probe_head(), attributions(), fractions=f) for f in (0.5, [0.5]))
    assert str(one) == str(several)
