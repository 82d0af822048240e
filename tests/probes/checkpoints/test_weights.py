"""Weights that a checkpoint lacks or that a model does not know."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from probes import Encoder
from tests.support.checkpoint_files import assert_refused


def rename_weights(folder, rename):
    weights = load_file(folder / "model.safetensors")
    save_file(
        {rename(name): tensor for name, tensor in weights.items()}, folder / "model.safetensors", {"format": "pt"}
    )


@pytest.mark.parametrize("family", ["bert", "roberta", "albert", "mpnet", "xlm-roberta"])
def test_a_checkpoint_without_a_pooler_is_the_same_model_each_time(saved, family):
    folder = str(saved(family, "AutoModelForMaskedLM"))
    torch.manual_seed(1)
    first = Encoder.load(folder)
    torch.manual_seed(2)
    second, state = Encoder.load(folder), torch.get_rng_state()
    assert first.random_pooler
    assert first.fingerprint() == second.fingerprint()
    torch.manual_seed(2)
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("prefix", ["_orig_mod.", "module.", "model.bert."])
def test_a_prefix_before_all_weights_is_left_out_and_noted(saved, prefix):
    expected = Encoder.load(str(saved())).fingerprint()
    folder = saved()
    rename_weights(folder, lambda name: prefix + name)
    encoder = Encoder.load(str(folder))
    assert encoder.fingerprint() == expected
    assert repr(prefix) in encoder.notes[0]


def test_a_prefix_before_a_classifiers_weights_is_left_out(saved):
    expected = Encoder.load(str(saved("bert", "AutoModelForSequenceClassification"))).model.state_dict()
    folder = saved("bert", "AutoModelForSequenceClassification")
    rename_weights(folder, lambda name: "_orig_mod." + name)
    actual = Encoder.load(str(folder)).model.state_dict()
    assert all(torch.equal(actual[name], tensor) for name, tensor in expected.items())


def test_old_names_of_norms_and_heads_of_pretraining_are_expected(saved):
    folder = saved("bert", "AutoModelForPreTraining")
    rename_weights(folder, lambda name: name.replace("Norm.weight", "Norm.gamma").replace("Norm.bias", "Norm.beta"))
    encoder = Encoder.load(str(folder))
    assert encoder.notes == ()
    assert not encoder.random_pooler


@pytest.mark.parametrize(
    ("name", "why"),
    [("encoder.layer.0.attention.self.query.lora_A.weight", "holds an adapter"), ("encoder.bias_table.weight", None)],
)
def test_weights_that_the_encoder_lacks_are_refused_or_noted(saved, name, why):
    folder = saved()
    weights = load_file(folder / "model.safetensors")
    save_file(weights | {name: torch.zeros(2)}, folder / "model.safetensors", {"format": "pt"})
    if why:
        assert_refused(folder, why)
    else:
        assert f"no place for: {name}. They are left out." in Encoder.load(str(folder)).notes[0]
