"""The global random states of a user's program are the same after every call."""

import random

import numpy as np
import pytest
import torch

from probes import Encoder, FittedProbe, LogisticProbe, ModelHead, ProbeHead, attribute, extract_features
from probes.attribution.methods import METHODS
from probes.attribution_checks.faithfulness import faithfulness
from probes.attribution_checks.infidelity import infidelity
from probes.attribution_checks.randomisation import randomised
from probes.data.controlled import controlled_sentences
from tests.conftest import HIDDEN

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
    randomised(head, TEXTS)


CALLS = {
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
