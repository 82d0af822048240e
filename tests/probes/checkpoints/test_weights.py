"""Weights that a checkpoint lacks or that a model does not know."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from probes import Encoder
from tests.support.encoders.checkpoint_files import assert_folder_refused, assert_refused
from tests.support.encoders.hidden_states import (
    encoder_of,
)
from tests.support.encoders.models import LAYERS, build_model


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
    [
        ("encoder.layer.0.attention.self.query.lora_A.weight", "contains an adapter"),
        ("encoder.bias_table.weight", None),
    ],
)
def test_weights_that_the_encoder_lacks_are_refused_or_noted(saved, name, why):
    folder = saved()
    weights = load_file(folder / "model.safetensors")
    save_file(weights | {name: torch.zeros(2)}, folder / "model.safetensors", {"format": "pt"})
    if why:
        assert_refused(folder, why)
    else:
        assert f"are left out: {name}." in Encoder.load(str(folder)).notes[0]


def test_a_checkpoint_without_a_pooler_is_loaded_with_a_random_one(saved):
    assert Encoder.load(str(saved("bert", "AutoModelForMaskedLM"))).random_pooler


def test_a_classifier_whose_head_lacks_its_pooler_is_refused(saved):
    from safetensors.torch import load_file, save_file

    folder = saved("bert", "AutoModelForSequenceClassification")
    weights = load_file(folder / "model.safetensors")
    remaining = {name: tensor for name, tensor in weights.items() if "pooler" not in name}
    save_file(remaining, folder / "model.safetensors", {"format": "pt"})
    assert_folder_refused(folder, r"lacks weights for bert\.pooler\.dense\.bias.*Save the complete model again")


def test_a_classifier_whose_head_was_not_saved_is_refused_with_what_to_do(saved):
    folder = saved("bert")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    for architectures in (["BertForSequenceClassification"], None):
        (folder / "config.json").write_text(json.dumps(config | {"architectures": architectures}), encoding="utf-8")
        if architectures:
            assert_folder_refused(
                folder,
                r"classifier\.weight; they would be random\. Its classification head was not saved.*remove "
                r"architectures",
            )
    Encoder.load(str(folder))


def test_a_checkpoint_that_lacks_weights_is_refused(saved):
    folder = saved()
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": LAYERS + 1}), encoding="utf-8")
    assert_folder_refused(folder, rf"lacks weights for encoder\.layer\.{LAYERS}\..*would be random")
    assert_folder_refused(
        folder, rf"If only {LAYERS} layers were trained, set num_hidden_layers in its config.json to {LAYERS}"
    )


def test_weights_cut_short_are_refused(saved):
    folder = saved()
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    assert_folder_refused(folder, "cannot load model")


def test_pickled_weights_are_read_only_when_allowed(saved):
    folder = saved()
    (folder / "model.safetensors").unlink()
    torch.save(build_model("bert")[0].state_dict(), folder / "pytorch_model.bin")
    assert_folder_refused(folder, "cannot load model.*pytorch_model.bin.*--allow-pickle")
    assert Encoder.load(str(folder), allow_pickle=True).fingerprint() == encoder_of("bert").fingerprint()
