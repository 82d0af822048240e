"""What a folder or a hub name must be to be loaded, and what is said of it where it is not."""

import json
import random
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from probes import Encoder, FittedProbe, InputError, ProbeHead, attribute, extract_features
from probes.attribution.baselines import baseline_names
from probes.checkpoints.checkpoints import load_checkpoint
from probes.devices import usable_device
from probes.features.extraction import pool_texts
from probes.heads.head_classes import check_names
from probes.heads.heads import ModelHead
from tests.conftest import FAMILIES, HIDDEN, LAYERS, build_model, build_tokenizer

TEXTS = ["the film was not good .", "awful", "we very dull it is a bright scene", "a plot !"]
SMALL = {"vocab_size": 256, "hidden_size": HIDDEN, "num_hidden_layers": 2, "num_attention_heads": 2}
SMALL |= {"intermediate_size": 24, "max_position_embeddings": 64}


def refused(name, why, **options):
    with pytest.raises(InputError, match=why) as caught:
        Encoder.load(str(name), **options)
    assert "\n" not in str(caught.value)


def change(folder, file="config.json", *, absent=(), **settings):
    content = json.loads((folder / file).read_text(encoding="utf-8")) | settings
    content = {name: value for name, value in content.items() if name not in absent}
    (folder / file).write_text(json.dumps(content), encoding="utf-8")


def rename_weights(folder, rename):
    weights = load_file(folder / "model.safetensors")
    save_file(
        {rename(name): tensor for name, tensor in weights.items()}, folder / "model.safetensors", {"format": "pt"}
    )


def fresh(model):
    """The model with weights that differ as trained ones do, and its tokenizer."""
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return model.eval(), build_tokenizer()


# A pooler that is not in the checkpoint


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


def test_a_pooler_that_was_drawn_and_is_not_read_is_no_part_of_the_fingerprint(published):
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


# Limits


@pytest.mark.parametrize(
    ("stated", "read"),
    [("32", 32), ("many", 64), (0, 64), (-1, 64), (32.0, 32), (None, 64), ([32], 64), (True, 64), (1e30, 64), (20, 20)],
)
def test_a_tokenizers_limit_is_read_however_it_is_stated(saved, stated, read):
    folder = saved()
    change(folder, "tokenizer_config.json", model_max_length=stated)
    encoder = Encoder.load(str(folder))
    assert encoder.max_length == read
    assert encoder.encode(["the " * 100]).lengths.tolist() == [read]


@pytest.mark.parametrize("family", ["bert", "roberta", "gpt2"])
def test_without_a_stated_limit_a_text_is_as_long_as_the_positions_there_are(family):
    model, tokenizer = build_model(family)
    tokenizer.model_max_length = int(1e30)
    encoder = Encoder(model, tokenizer)
    assert encoder.max_length == 64
    assert np.isfinite(pool_texts(encoder, encoder.encode(["the " * 100]), ["mean"], [LAYERS])["mean"]).all()
    assert encoder.notes == ()


def test_a_family_without_any_limit_reads_512_tokens_and_says_so():
    model, tokenizer = build_model("xlnet")
    tokenizer.model_max_length = int(1e30)
    encoder = Encoder(model, tokenizer)
    assert encoder.max_length == 512
    assert "512 tokens are read" in encoder.notes[0]
    assert Encoder(model, tokenizer, max_length=2000).max_length == 2000
    with pytest.raises(InputError, match="max_length must lie in"):
        Encoder(model, tokenizer, max_length=10**30)


@pytest.mark.parametrize("asked", ["32", 32.5, True, [32]])
def test_a_length_that_is_no_whole_number_is_refused(bert, asked):
    with pytest.raises(InputError, match=r"max_length must lie in \[3, 64\]"):
        Encoder(bert.model, bert.tokenizer, max_length=asked)


def test_a_decoder_without_pad_token_and_limit_is_read(bare_decoder):
    encoder = Encoder.load(str(bare_decoder))
    assert encoder.tokenizer.pad_token_id is None
    assert encoder.max_length == 64
    assert np.isfinite(pool_texts(encoder, encoder.encode(TEXTS), ["last"], [LAYERS])["last"]).all()


# Folders


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
    refused(folder, why)


def only(name, content=b"x"):
    def make(folder):
        shutil.rmtree(folder)
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_bytes(content)

    return make


def instead_of_weights(name):
    def make(folder):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / "model.safetensors").rename(folder / name)

    return make


def emptied(folder):
    shutil.rmtree(folder)
    folder.mkdir()


def moved_within(name):
    def make(folder):
        shutil.copytree(folder, folder.with_name("copy"))
        emptied(folder)
        folder.with_name("copy").rename(folder / name)

    return make


def adapter_beside(folder):
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "base"}', encoding="utf-8")


def pointer(folder):
    (folder / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\n", encoding="utf-8")


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (emptied, "the folder is empty"),
        (lambda folder: (folder / "config.json").unlink(), "it has no config.json"),
        (lambda folder: (folder / "model.safetensors").unlink(), r"no weights \(model.safetensors\)"),
        (lambda folder: (folder / "config.json").write_text("[1]"), "cannot load model"),
        (lambda folder: (folder / "tokenizer_config.json").write_text("[]"), "cannot load model"),
        (instead_of_weights("pytorch_model.bin"), "pickled.*--allow-pickle"),
        (instead_of_weights("model-q4.gguf"), "GGUF"),
        (instead_of_weights("onnx/model.onnx"), "ONNX"),
        (instead_of_weights("tf_model.h5"), "TensorFlow"),
        (instead_of_weights("flax_model.msgpack"), "Flax"),
        (only("model.gguf"), "GGUF"),
        (only("dataset_info.json", b"{}"), "it holds a dataset.*--dataset"),
        (only("model_index.json", b"{}"), "makes images"),
        (
            only("adapter_config.json", b'{"base_model_name_or_path": "base"}'),
            "an adapter of 'base' and no model; merge",
        ),
        (adapter_beside, "beside a full model"),
        (moved_within("checkpoint-30"), "name checkpoint-30 within"),
        (moved_within("final"), "folders with one: 'final'"),
        (pointer, "git lfs pull"),
    ],
)
def test_a_folder_that_holds_something_else_is_refused_with_what_it_holds(saved, make, why):
    folder = saved()
    make(folder)
    refused(folder, why)


def test_a_file_in_the_place_of_a_folder_is_refused(saved):
    refused(saved() / "model.safetensors", "it is a file; name the folder")


@pytest.mark.parametrize("kind", ["ViT", "Wav2Vec2"])
def test_a_model_of_images_or_sounds_is_refused(tmp_path, kind):
    import transformers

    sizes = {"image_size": 16, "patch_size": 8} if kind == "ViT" else {"conv_dim": [8], "conv_kernel": [3]}
    if kind == "Wav2Vec2":
        sizes |= {"conv_stride": [2], "num_feat_extract_layers": 1, "num_conv_pos_embeddings": 4}
        sizes |= {"num_conv_pos_embedding_groups": 2}
    kept = {name: SMALL[name] for name in ("hidden_size", "num_hidden_layers", "num_attention_heads")}
    config = getattr(transformers, f"{kind}Config")(intermediate_size=24, **kept, **sizes)
    getattr(transformers, f"{kind}Model")(config).save_pretrained(tmp_path)
    refused(tmp_path, "not texts")


# Weights


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
def test_weights_of_the_encoder_that_it_has_no_place_for_are_refused_or_noted(saved, name, why):
    folder = saved()
    weights = load_file(folder / "model.safetensors")
    save_file(weights | {name: torch.zeros(2)}, folder / "model.safetensors", {"format": "pt"})
    if why:
        refused(folder, why)
    else:
        assert f"no place for: {name}. They are left out." in Encoder.load(str(folder)).notes[0]


# Tokens without an embedding


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


# Families to which padding is no padding


def family(name, **changes):
    import transformers

    sizes = {key: value for key, value in SMALL.items() if name != "FNet" or key != "num_attention_heads"}
    config = getattr(transformers, f"{name}Config")(**sizes, **changes)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return fresh(getattr(transformers, f"{name}Model")(config))


BOTTLENECK = {"embedding_size": 8, "intra_bottleneck_size": 8, "true_hidden_size": 8}


@pytest.mark.parametrize(("name", "changes"), [("FNet", {}), ("ConvBert", {}), ("MobileBert", BOTTLENECK)])
def test_where_padding_changes_a_text_texts_of_one_length_share_a_batch(name, changes):
    encoder = Encoder(*family(name, **changes))
    assert not encoder.takes_padding
    assert not encoder.untrained(0).takes_padding
    texts = [*TEXTS, "the film was very good ."]
    encoded = encoder.encode(texts)
    vectors = pool_texts(encoder, encoded, ["mean"], range(3))["mean"]
    for row in range(len(texts)):
        batch = encoder.batch(encoded, [row])
        plain = {key: tensor for key, tensor in batch.inputs.items() if name != "FNet" or key != "attention_mask"}
        with torch.no_grad():
            hidden = encoder.model(**plain, output_hidden_states=True).hidden_states
        expected = torch.stack([states[0].mean(dim=0) for states in hidden])
        np.testing.assert_allclose(vectors[:, row], expected, atol=1e-5, rtol=1e-4)
    with pytest.raises(InputError, match=r"padding changes what .* one length, found lengths 3 to 10"):
        encoder.batch(encoded, range(len(texts)))


@pytest.mark.parametrize("name", FAMILIES)
def test_the_usual_families_take_padding(name):
    assert Encoder(*build_model(name)).takes_padding


@pytest.mark.parametrize(
    ("name", "changes", "why"),
    [
        (
            "BigBird",
            {"attention_type": "block_sparse", "block_size": 4},
            "switches its attention_type from 'block_sparse'",
        ),
        ("Longformer", {"attention_window": [8, 8], "pad_token_id": 1}, "this family is not supported"),
        ("Nystromformer", {"num_landmarks": 8, "segment_means_seq_len": 64}, "cannot read a text of 5 tokens"),
    ],
)
def test_a_family_that_cannot_be_read_is_refused_as_it_is_loaded(name, changes, why):
    model, tokenizer = family(name, **changes)
    with pytest.raises(InputError, match=why) as caught:
        Encoder(model, tokenizer)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["IBert", "CTRL"])
def test_families_whose_embeddings_are_a_pair_or_are_scaled_in_place_are_explained_as_any(name):
    encoder = Encoder(*family(name))
    probe = FittedProbe(np.eye(2, HIDDEN, dtype=np.float32), np.zeros(2, np.float32))
    head = ProbeHead(encoder, probe, layer=1, pooling="mean")
    batch = encoder.batch(encoder.encode(TEXTS[:2]), [0, 1])
    embeddings = encoder.embed(batch).detach().requires_grad_()
    logits = head.logits(batch, embeddings)
    assert torch.allclose(logits, head.logits(batch), atol=1e-5)
    (gradient,) = torch.autograd.grad(logits.sum(), embeddings)
    assert bool(gradient.isfinite().all())
    before = embeddings.detach().clone()
    with torch.inference_mode():
        head.logits(batch, embeddings.detach())
    assert torch.equal(embeddings, before)
    for baseline in (name for name in baseline_names(encoder) if name != "sampled"):
        (found,) = attribute(head, TEXTS[:1], baseline=baseline, max_steps=16)
        assert np.isfinite(found.scores).all()


def test_a_family_without_a_table_of_embeddings_is_refused():
    model, _ = family("Canine", num_hash_buckets=32)
    with pytest.raises(InputError, match="CanineModel has no table of token embeddings"):
        Encoder(model, build_tokenizer())


def test_a_trial_leaves_no_trace_in_the_model_or_in_the_random_states():
    model, tokenizer = family("BigBird", attention_type="block_sparse", block_size=4)
    model.train()
    modules = [(id(module), type(module), module.training) for module in model.modules()]
    config, buffers = model.config.to_dict(), {name: value.clone() for name, value in model.named_buffers()}
    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()  # noqa: NPY002
    with pytest.raises(InputError, match="switches"):
        Encoder(model, tokenizer)
    assert model.attention_type == "block_sparse"
    assert [(id(module), type(module), module.training) for module in model.modules()] == modules
    assert model.config.to_dict() == config
    assert all(torch.equal(value, buffers[name]) for name, value in model.named_buffers())
    assert (random.getstate(), np.random.get_state()[1].tolist()) == states[:2]  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), states[2])


# sentence-transformers


@pytest.fixture
def sentences(saved):
    """A sentence-transformers folder that reads eight tokens and ends with a Dense layer."""
    folder = saved()
    kinds = ("Transformer", "Pooling", "Dense", "Normalize")
    modules = [{"path": "" if i == 0 else f"{i}_{kind}", "type": f"models.{kind}"} for i, kind in enumerate(kinds)]
    (folder / "modules.json").write_text(json.dumps(modules), encoding="utf-8")
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 8, "do_lower_case": true}', encoding="utf-8")
    return folder


def test_a_sentence_transformers_folder_is_read_to_its_own_length_and_what_is_left_out_is_noted(sentences):
    encoder = Encoder.load(str(sentences))
    assert encoder.max_length == 8
    assert "ends with Dense and Normalize after its pooling, which is left out" in encoder.notes[0]
    assert "lower case" in encoder.notes[1]
    assert Encoder.load(str(sentences), max_length=20).max_length == 20


@pytest.mark.parametrize(("stated", "read"), [("16", 16), (16.0, 16), (None, 64), (0, 64), (-1, 64), (1e30, 64)])
def test_the_length_of_a_sentence_transformer_is_read_however_it_is_stated(sentences, stated, read):
    change(sentences, "sentence_bert_config.json", max_seq_length=stated)
    assert Encoder.load(str(sentences)).max_length == read


def test_a_sentence_transformer_that_reads_next_to_nothing_is_refused(sentences):
    change(sentences, "sentence_bert_config.json", max_seq_length=2)
    refused(sentences, "states a length of 2, and a text takes 3 tokens or more; name a number with --max-length")
    assert Encoder.load(str(sentences), max_length=5).max_length == 5


@pytest.mark.parametrize("file", ["modules.json", "sentence_bert_config.json"])
def test_settings_of_a_sentence_transformer_that_are_no_json_are_refused(sentences, file):
    (sentences / file).write_text("{", encoding="utf-8")
    refused(sentences, f"its {file} is no JSON")


def test_a_length_beyond_the_models_is_the_models(sentences):
    change(sentences, "sentence_bert_config.json", max_seq_length=1000)
    assert Encoder.load(str(sentences)).max_length == 64


def test_a_sentence_transformers_model_of_words_is_refused(sentences):
    (sentences / "modules.json").write_text('[{"path": "", "type": "models.WordEmbeddings"}]', encoding="utf-8")
    refused(sentences, "begins with WordEmbeddings")


# Names and devices


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
def test_a_name_that_is_none_is_refused(name, revision, why):
    with pytest.raises(InputError, match=why):
        load_checkpoint(name, revision)


def test_a_hub_name_may_carry_its_revision(monkeypatch):
    import transformers

    asked = []

    def recorded(**place):
        asked.append((place["pretrained_model_name_or_path"], place["revision"]))
        raise OSError("no network")

    monkeypatch.setattr(transformers.AutoConfig, "from_pretrained", recorded)
    for name, revision in (("org/name@v1", None), ("org/name", "v1"), ("org/name", None)):
        with pytest.raises(InputError, match="no network"):
            load_checkpoint(name, revision)
    assert asked == [("org/name", "v1"), ("org/name", "v1"), ("org/name", "main")]


@pytest.mark.parametrize("device", ["meta", "cuda:99", "banana", "", "cpu:-1", "vulkan", "hpu"])
def test_a_device_that_cannot_be_used_is_refused_in_a_short_line(device):
    with pytest.raises(InputError, match=f"cannot use device {device!r}: .*known here: auto, cpu") as caught:
        usable_device(device)
    assert len(str(caught.value)) < 300
    assert "\n" not in str(caught.value)


# Heads


def test_class_names_that_are_no_mapping_are_named_with_their_file(saved):
    folder = saved("bert", "AutoModelForSequenceClassification")
    change(folder, id2label=["bad", "good"], absent=("label2id",))
    refused(folder, "cannot load model .*: id2label in its config.json must name the classes by number")


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
    check_names(head, names, columns)
    with pytest.raises(InputError, match="names '0', '1', the classes of no label column: 'topic' has 'a', 'b', 'c'"):
        check_names(head, names, {"topic": columns["topic"]})


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"num_labels": 1}, r"one output, a number \(regression\)"),
        ({"problem_type": "regression"}, "regression"),
        ({"problem_type": "multi_label_classification"}, "several classes"),
    ],
)
def test_a_head_without_one_class_a_text_is_told(settings, why):
    encoder = Encoder(*build_model("bert", "AutoModelForSequenceClassification", **settings))
    with pytest.raises(InputError, match=why):
        ModelHead(encoder)
