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
from tests.support.any_sequence import LABELS, NAMES, PAIRS, SEQUENCES, TEXTS, model_head, probe_head
from tests.support.models import HIDDEN
from tests.support.tuning import CLASSES, SETTINGS, labelled, tiny_encoder

MANY = [f"{TEXTS[i % 3]} {i}" for i in range(40)]
IDS = [i % 2 for i in range(40)]
FEATURES = np.random.default_rng(0).standard_normal((2, 40, HIDDEN)).astype(np.float32)


@functools.cache
def attributions():
    return attribute(probe_head(), TEXTS, method="input_x_gradient")


def sweep(made, labels):
    def examples():
        return Examples({"mean": FEATURES}, {"label": made(labels)}, made(MANY), made(list(range(40))))

    names = {"label": made(["no", "yes"])}
    options = SweepOptions(layers=made([1, 0]), cs=made([1.0, 0.1]))
    return sweep_probes(examples(), None, examples(), class_names=names, options=options).metrics.to_dict("list")


def tuned(made, folder):
    train, validation = (
        LabelledTexts(made(list(side.texts.first)), made(side.labels.tolist())) for side in labelled(24, 12)
    )
    options = {"head": "mean", "settings": dataclasses.replace(SETTINGS, epochs=1), "folder": folder / str(id(made))}
    return fine_tune(tiny_encoder(), train, validation, class_names=made(list(CLASSES)), **options).epochs[0].train_loss


def shortcut_numbers(made):
    options = {"methods": made(["random", "direct"]), "cs": made([0.1, 1.0]), "layer": 1, "pooling": "mean"}
    found = planted_shortcut(probe_head().encoder, made(MANY), made(TEXTS), **options)
    return found.words, found.accuracy, {name: ranks.tolist() for name, ranks in found.ranks.items()}


def stored(made, folder):
    options = {"poolings": made(["mean", "cls"]), "layers": made([2, 1]), "cache": folder}
    store = extract_features(probe_head().encoder, Texts(made(TEXTS), made(PAIRS)), **options)
    return store.layers("cls", rows=made([2, 0]))[2]


def dataset(made):
    columns = {"groups": made(list("abc")), "input_types": made(list("xyz")), "class_names": {"label": made(NAMES)}}
    whole = TextDataset.of(Texts(made(TEXTS), made(PAIRS)), {"label": made(LABELS)}, **columns)
    return dataclasses.astuple(whole.take(made([2, 0])))


def read(made, folder):
    path = folder / "data.csv"
    pd.DataFrame({"text": MANY, "label": IDS, "other": IDS}).to_csv(path, index=False)
    return read_splits(path, labels=made(["label", "other"])).test.texts


def probe(made):
    fitted = LogisticProbe().fit(FEATURES[0], made(IDS), n_classes=2)
    head = ProbeHead(probe_head().encoder, fitted, layer=1, pooling="mean", class_names=made(["a", "b"]))
    return fitted.weight, head.class_names, head.predict(made(TEXTS))


CALLS = {
    "sweep_probes, ids": lambda made, _: sweep(made, IDS),
    "sweep_probes, names": lambda made, _: sweep(made, [("no", "yes")[i] for i in IDS]),
    "fine_tune": tuned,
    "planted_shortcut": lambda made, _: shortcut_numbers(made),
    "extract_features": stored,
    "TextDataset": lambda made, _: dataset(made),
    "make_splits": lambda made, _: (
        make_splits(TextDataset.of(MANY, {"a": IDS, "b": IDS}), stratify=made(["b", "a"])).test.texts
    ),
    "read_splits": read,
    "LogisticProbe": lambda made, _: probe(made),
    "ModelHead": lambda made, _: ModelHead(model_head().encoder, made(NAMES[::-1]), head_classes=made(NAMES)).predict(
        Texts(made(TEXTS), made(PAIRS))
    ),
    "online_codelength": lambda made, _: (
        online_codelength(
            FEATURES[0], made(IDS), n_classes=2, cs=made([1.0, 0.1]), fractions=made([0.1, 0.5, 1.0])
        ).bits
    ),
    "accuracy": lambda made, _: accuracy(made(IDS), np.zeros((40, 2))),
    "faithfulness": lambda made, _: list(
        map(
            dataclasses.astuple, faithfulness(probe_head(), attributions(), fractions=made([0.5, 0.1]), random_orders=1)
        )
    ),
}
"""Function -> the call with every sequence of its made by `made`; the folder is one of its own."""


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_any_sequence_gives_what_a_list_gives(call, tmp_path):
    if call is tuned:
        pytest.importorskip("accelerate")
    expected = call(list, tmp_path)
    for kind, made in SEQUENCES.items():
        np.testing.assert_equal(call(made, tmp_path), expected, err_msg=kind)


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
    "faithfulness": lambda made: list(map(str, faithfulness(probe_head(), made(attributions()), random_orders=1))),
    "curves": lambda made: [curve.deletion for curve in perturbation_curves(probe_head(), made(attributions()))],
    "infidelity": lambda made: list(map(str, infidelity(probe_head(), made(attributions()), samples=5))),
    "plausibility": lambda made: list(map(str, plausibility(made(attributions()), made(SPANS)))),
    "word_means": lambda made: word_means(made(attributions())).to_dict("list"),
}


@pytest.mark.parametrize("call", WITH_ATTRIBUTIONS.values(), ids=WITH_ATTRIBUTIONS)
def test_any_sequence_of_attributions_gives_what_a_list_gives(call):
    expected = call(list)
    for kind, made in OF_OBJECTS.items():
        np.testing.assert_equal(call(made), expected, err_msg=kind)


def test_fractions_of_another_float_type_and_one_alone_are_taken():
    narrow = np.array([0.5, 0.25], dtype=np.float32)
    wide, of_narrow = (faithfulness(probe_head(), attributions(), fractions=f) for f in ([0.5, 0.25], narrow))
    assert str(wide) == str(of_narrow)
    one, several = (faithfulness(probe_head(), attributions(), fractions=f) for f in (0.5, [0.5]))
    assert str(one) == str(several)
