"""Fingerprints of models with and without a trained pooler."""

import numpy as np
import pytest
import torch

from probes import Encoder, extract_features
from tests.support.encoders.checkpoint_files import TEXTS
from tests.support.encoders.hidden_states import (
    encoder_of,
    hidden_states,
    plain_states,
)
from tests.support.encoders.models import LAYERS, build_model


def test_a_random_pooler_that_is_not_read_is_not_part_of_the_fingerprint(published):
    encoder = Encoder.load(str(published))
    before = {poolings: encoder.fingerprint(poolings) for poolings in (("mean",), ("mean", "pooler"))}
    with torch.no_grad():
        encoder.model.pooler.dense.weight.add_(1)
    assert encoder.fingerprint(("mean",)) == before["mean",]
    assert encoder.fingerprint(("mean", "pooler")) != before["mean", "pooler"]


def test_a_trained_pooler_is_part_of_the_fingerprint_whatever_is_read(bert):
    before = bert.fingerprint(("mean",))
    with torch.no_grad():
        bert.model.pooler.dense.weight.add_(1)
    assert bert.fingerprint(("mean",)) != before


@pytest.mark.parametrize("poolings", [("mean",), ("cls", "pooler")])
def test_two_shares_of_a_checkpoint_without_a_pooler_make_one_store(published, tmp_path, poolings):
    options = {"poolings": poolings, "cache": tmp_path / "cache", "shard_rows": 1}
    stores = [extract_features(Encoder.load(str(published)), TEXTS, part=(i, 2), **options).folder for i in (1, 2)]
    whole = extract_features(Encoder.load(str(published)), TEXTS, **options)
    assert {*stores, whole.folder} == {whole.folder}
    assert len(list((tmp_path / "cache").iterdir())) == 1
    assert not whole.missing(poolings)


def test_the_fingerprint_changes_with_one_weight_and_comes_back_with_it(bert):
    before, weight = bert.fingerprint(), bert.model.encoder.layer[1].output.dense.weight
    value = weight[3, 4].item()
    with torch.no_grad():
        weight[3, 4] = float(np.nextafter(np.float32(value), np.float32(9)))
        assert bert.fingerprint() != before
        weight[3, 4] = value
    assert bert.fingerprint() == before


def test_the_fingerprint_does_not_change_with_the_mode_or_with_use(bert):
    before = bert.fingerprint()
    hidden_states(bert, TEXTS)
    bert.model.train()
    assert bert.fingerprint() == before


@pytest.mark.parametrize("change", [{"num_attention_heads": 4}, {"hidden_act": "relu"}, {"is_decoder": True}], ids=str)
def test_equal_weights_that_compute_something_else_have_another_fingerprint(change):
    changed = Encoder(*build_model("bert", **change))
    for name, tensor in encoder_of("bert").model.state_dict().items():
        torch.testing.assert_close(changed.model.state_dict()[name], tensor, atol=0, rtol=0)
    states, _ = hidden_states(changed, TEXTS[:1], [LAYERS])
    assert (states[LAYERS][0] - plain_states("bert", TEXTS[0])[LAYERS]).abs().max() > 1e-3
    assert changed.fingerprint() != encoder_of("bert").fingerprint()


def test_the_head_of_a_classifier_is_no_part_of_the_fingerprint(bert_classifier):
    before = bert_classifier.fingerprint()
    assert Encoder(bert_classifier.model.bert, bert_classifier.tokenizer).fingerprint() == before
    with torch.no_grad():
        bert_classifier.model.classifier.weight += 1
    bert_classifier.config.id2label = {0: "no", 1: "yes"}
    assert bert_classifier.fingerprint() == before


def test_the_tokenizers_fingerprint_does_not_change_with_use(bert):
    before = bert.tokenizer_fingerprint()
    bert.encode(TEXTS)
    assert bert.tokenizer_fingerprint() == before
    bert.tokenizer(TEXTS[0], truncation=True, max_length=4, padding="max_length")
    assert bert.tokenizer_fingerprint() == before


def test_the_tokenizers_fingerprint_changes_with_the_length_read():
    fingerprints = {Encoder(*build_model("bert"), max_length=n).tokenizer_fingerprint() for n in (None, 64, 63, 8)}
    assert len(fingerprints) == 3


def test_the_tokenizers_fingerprint_changes_with_its_vocabulary(bert):
    before = bert.tokenizer_fingerprint()
    bert.tokenizer.add_tokens(["sequel"])
    assert bert.tokenizer_fingerprint() != before


def test_the_side_of_truncation_is_part_of_the_tokenizers_fingerprint(bert):
    before = bert.tokenizer_fingerprint()
    bert.tokenizer.truncation_side = "left"
    assert bert.tokenizer_fingerprint() != before
