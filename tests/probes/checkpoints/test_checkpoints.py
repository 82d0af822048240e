"""Models by name: settings, tokenizers, revisions and classes that fit or are assert_refused."""

import numpy as np
import pytest
import torch

from probes import Encoder, InputError
from probes.checkpoints.checkpoints import load_checkpoint
from probes.devices import usable_device
from probes.features.in_memory import pool_texts
from probes.heads.head_classes import check_head_classes
from probes.heads.heads import ModelHead
from tests.support.checkpoint_files import SMALL, TEXTS, assert_refused, change, family
from tests.support.models import LAYERS, build_model, build_tokenizer


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"num_hidden_layers": "three"}, "num_hidden_layers.*'three'"),
        ({"num_hidden_layers": 0}, "num_hidden_layers 0"),
        ({"num_hidden_layers": 2}, r"more blocks than its config.json names, encoder\.layer\.2\..*3 or more"),
        ({"hidden_size": 32}, r"is 16 in the weights and 32 by config\.json"),
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
    vectors = [pool_texts(each, each.encode(TEXTS), ["mean"], [LAYERS])["mean"] for each in (encoder, expected)]
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
        (None, None, "named by text or a path"),
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
        (None, "say what the dataset calls them with --head-classes.*negative=0"),
        (("0",), "the model's head has 2 classes .*, and names are given for 1"),
        (("0", "0"), "have one name"),
        ({"negative": "0"}, "no class of the dataset is named for 'positive'"),
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
    with pytest.raises(InputError, match="names '0', '1', the classes of no label column: 'topic' has 'a', 'b', 'c'"):
        check_head_classes(head, names, {"topic": columns["topic"]})


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"num_labels": 1}, r"one output, a number \(regression\)"),
        ({"problem_type": "regression"}, "regression"),
        ({"problem_type": "multi_label_classification"}, "several classes"),
    ],
)
def test_a_head_without_one_class_a_text_is_refused(settings, why):
    encoder = Encoder(*build_model("bert", "AutoModelForSequenceClassification", **settings))
    with pytest.raises(InputError, match=why):
        ModelHead(encoder)
