"""The global random states of a user's program are the same after every call."""

import random
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from probes import (
    Encoder,
    Examples,
    FittedProbe,
    LogisticProbe,
    ModelHead,
    ProbeHead,
    SweepOptions,
    TextDataset,
    attribute,
    extract_features,
    fine_tune,
    load_head,
    make_splits,
    read_splits,
    sweep_probes,
)
from probes.attribution.methods import METHODS
from probes.attribution_checks.faithfulness import faithfulness
from probes.attribution_checks.infidelity import infidelity
from probes.attribution_checks.planted_shortcut import planted_shortcut
from probes.attribution_checks.randomisation import parameter_randomisation
from probes.controls.studies import default_studies
from probes.data.controlled import controlled_sentences
from tests.support.encoders.fine_tuning_task import CLASSES, SETTINGS, labelled, tiny_encoder
from tests.support.encoders.models import HIDDEN
from tests.support.paths import ROOT

TEXTS = ["the film was not good .", "awful plot"]


def probe_head(encoder):
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((2, HIDDEN)).astype(np.float32)
    return ProbeHead(encoder, FittedProbe(weight, np.zeros(2, dtype=np.float32)), layer=2, pooling="mean")


def _load(encoder, folder):
    encoder.model.save_pretrained(folder / "model")
    encoder.tokenizer.save_pretrained(folder / "model")
    Encoder.load(str(folder / "model"), device="cpu")


def _checks(encoder, _folder):
    head = probe_head(encoder)
    scored = attribute(head, TEXTS)
    faithfulness(head, scored, random_orders=2)
    infidelity(head, scored, samples=5)
    parameter_randomisation(head, TEXTS)


def _sweep(_encoder, _folder):
    rng = np.random.default_rng(0)
    labels = {"label": np.arange(40) % 2}
    texts = [f"{TEXTS[i % 2]} {i}" for i in range(40)]
    splits = [Examples({"mean": rng.standard_normal((2, 40, 4)).astype(np.float32)}, labels, texts) for _ in range(3)]
    studies = default_studies({}, seed=0)
    sweep_probes(*splits, options=SweepOptions(studies=studies))
    sweep_probes(splits[0], None, splits[2], options=SweepOptions(studies=studies))


def _splits(_encoder, folder):
    texts = [f"{TEXTS[i % 2]} {i}" for i in range(60)]
    groups = [str(i // 2) for i in range(60)]
    for fold in (False, True):
        make_splits(TextDataset.of(texts, [i % 3 for i in range(60)], groups=groups), fold=fold, seed=1)
    rows = "".join(f"{text},{i % 2}\n" for i, text in enumerate(texts))
    (folder / "train.csv").write_text(f"text,label\n{rows}", encoding="utf-8")
    read_splits(folder / "train.csv", labels="label", limit=40)


def _fine_tune(_encoder, folder):
    pytest.importorskip("accelerate")
    train, validation = labelled(24, 12)
    for head in ("pooler", "mean"):
        options = {"head": head, "class_names": CLASSES, "settings": replace(SETTINGS, epochs=1), "seed": 3}
        fine_tune(tiny_encoder(), train, validation, folder=folder / head, **options)
        load_head(folder / head)


def _planted_shortcut(encoder, _folder):
    planted_shortcut(
        encoder, [f"{TEXTS[i % 2]} a" for i in range(40)], TEXTS, layer=1, pooling="mean", methods=tuple(METHODS)
    )


CALLS = {
    "sweep": _sweep,
    "splits": _splits,
    "fine_tune": _fine_tune,
    "planted_shortcut": _planted_shortcut,
    "load": _load,
    "untrained": lambda encoder, _folder: encoder.untrained(3),
    "extract": lambda encoder, folder: extract_features(encoder, TEXTS, store=folder / "store"),
    "sentences": lambda _encoder, _folder: controlled_sentences("train", seed=1),
    "fit": lambda _encoder, _folder: LogisticProbe().fit(np.eye(4, dtype=np.float32), np.arange(4) % 2, n_classes=2),
    "checks": _checks,
}


def _state():
    return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # noqa: NPY002


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_call_leaves_the_global_random_states_as_they_were(call, bert, tmp_path):
    before = _state()
    call(bert, tmp_path)
    assert _state() == before


@pytest.mark.parametrize("method", METHODS)
def test_a_method_leaves_the_global_random_states_as_they_were(method, bert, bert_classifier, monkeypatch):
    monkeypatch.setattr(torch, "manual_seed", None)  # it would seed the GPUs too, whose states are not given back
    before = _state()
    attribute(probe_head(bert), TEXTS[:1], method=method)
    if method != "direct":
        attribute(ModelHead(bert_classifier), TEXTS[:1], method=method)
    assert _state() == before


FRESH = """
import random
before = random.getstate()
import numpy as np
from probes.probing.bag_of_words import TextSample, bag_of_words
from probes.mechanism.cls_predictability import predictability
from probes.statistics.metrics import accuracy
{call}
assert "sklearn" in __import__("sys").modules
assert random.getstate() == before
"""
FIRST = {
    "metrics": "accuracy([0, 1], np.zeros((2, 2)))",
    "bag of words": "s = TextSample(['a', 'b'] * 4, np.arange(8) % 2); bag_of_words(s, s, ['a'], n_classes=2)",
    "predictability": "x = np.random.default_rng(0).standard_normal((40, 4)); predictability(x, x, test_x=x, test_y=x)",
}
"""Subject -> a first call, by which scikit-learn is loaded."""


@pytest.mark.parametrize("call", FIRST.values(), ids=FIRST)
def test_a_library_that_draws_while_it_loads_leaves_no_trace(call):
    subprocess.run([sys.executable, "-c", FRESH.format(call=call)], check=True, timeout=120, cwd=ROOT)
